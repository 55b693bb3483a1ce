"""Reproduction: every shipped recipe and study trained, and one table of what came out beside what was reported.

    jobs -> runner -> worker (a process a row) -> rows -> page, curves

What is trained is kept under a key that only the content of the recipe and its seed decide, so that an interrupted
reproduction goes on with the next row, and two rows with the same content are one training.
"""

from __future__ import annotations
