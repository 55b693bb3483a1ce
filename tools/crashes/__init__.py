"""Breaking training runs on purpose, and looking whether anything was lost: what `tools/torture.py` measures.

solvers.py     small solvers with every feature that keeps something; also what the tests resume
recipes.py     small recipes drawn at random
outcome.py     what two runs must share: weights, slots, history
processes.py   children that say when they save, and can be killed then
commands.py    the command, in forked and in fresh processes
kills.py       kill -9
signals.py     Ctrl-C and its relatives
hashes.py      the same bits in fresh processes, and what that costs
faults.py      every write, fsync and rename failing in turn
real.py        disks that are full indeed
page.py        docs/results/torture.md
"""
