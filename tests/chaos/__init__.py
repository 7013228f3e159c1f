"""`make chaos`: everything that may fail is made to fail under load; then a checker reads what is left.

site.py       Rebook whole, with a standby of every worker, on servers that can be hurt
load.py       customers and team, every call and its answer recorded in a history (history.py)
nemesis.py    chooses what fails, and when; faults.py knows how
settling.py   waits until everything has healed and caught up
reading.py    reads the event store, the topics, the queries' answers and the mails
checker.py    decides, by the rules beside it, whether what is there is what the history implies
report.py     a table, and a chart of faults, answers and lag (chart.py)
"""
