"""Diagnosis of backward passes: from a wrong gradient to what is probably wrong in the code.

A subject (`subject.py`, `objects.py`) is what is checked; `arguments.py` and `construct.py` find values for it; a
`Sample` holds one case with its derivatives; `hypotheses/` are the faults that are known, each tested numerically; the
engine keeps what explains the errors in every case.
"""

from __future__ import annotations

from chainrule.check.diagnosis.discovery import Check as Check
from chainrule.check.diagnosis.discovery import find_checks as find_checks
from chainrule.check.diagnosis.engine import diagnose as diagnose
from chainrule.check.diagnosis.file_check import gradcheck_file as gradcheck_file
from chainrule.check.diagnosis.findings import Cause as Cause
from chainrule.check.diagnosis.findings import Diagnosis as Diagnosis
from chainrule.check.diagnosis.findings import Row as Row
from chainrule.check.diagnosis.hypotheses import HYPOTHESES as HYPOTHESES
from chainrule.check.diagnosis.kinds import KINDS as KINDS
