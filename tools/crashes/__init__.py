"""Breaking training runs on purpose, and looking whether anything was lost: what `tools/torture.py` measures.

solvers.py     small solvers with every feature that keeps something; also what the tests resume
recipes.py     small recipes drawn at random
outcome.py     what two runs must share: weights, slots, history
processes.py   children that can be killed at a chosen moment
kills.py       kill -9, in forked processes and on the command line
signals.py     Ctrl-C and its relatives
hashes.py      the same bits in fresh processes, and what that costs
faults.py      every write, fsync and rename failing in turn
page.py        docs/results/torture.md
"""
