"""`make fuzz`: malformed, hostile and merely odd requests to every route, through the gateway.

routes.py    every route of every service, as the gateway reaches it
odd.py       odd texts, numbers, documents, headers and cookies
requests.py  puts them together, mostly starting from a request that is right
judge.py     sends one and says what is wrong with the answer, or with what it has done
run.py       as many as wanted, by hypothesis: it finds the smallest request that goes wrong
"""
