"""Gradient and layer checks: every backward pass is held against numbers it did not compute."""

from __future__ import annotations

from chainrule.check.diagnosis import HYPOTHESES as HYPOTHESES
from chainrule.check.diagnosis import KINDS as KINDS
from chainrule.check.diagnosis import Cause as Cause
from chainrule.check.diagnosis import Diagnosis as Diagnosis
from chainrule.check.diagnosis import Row as Row
from chainrule.check.diagnosis import diagnose as diagnose
from chainrule.check.diagnosis import find_checks as find_checks
from chainrule.check.diagnosis import gradcheck_file as gradcheck_file
from chainrule.check.gradient import GradientReport as GradientReport
from chainrule.check.gradient import check_gradient as check_gradient
from chainrule.check.gradient import relative_error as relative_error
from chainrule.check.layer import check_layer as check_layer
from chainrule.check.layer import check_loss as check_loss
