"""Figures, tables and live progress of a training run."""

from __future__ import annotations

from chainrule.report.metrics import ClassRow as ClassRow
from chainrule.report.metrics import class_table as class_table
from chainrule.report.metrics import confusion_matrix as confusion_matrix
from chainrule.report.plots import confusion_figure as confusion_figure
from chainrule.report.plots import curves_figure as curves_figure
from chainrule.report.plots import save_figure as save_figure
from chainrule.report.progress import Progress as Progress
