"""`make soak`: steady load for as long as wanted; nothing grows that should not, and a graceful restart is not felt.

measures.py  memory, files, connections, lag and table sizes of everything that runs, as series
slope.py     whether a series is flat
restarts.py  every process restarted as operators do, while calls go on
run.py       puts it together, and has the checker of `make chaos` look at what is left
"""
