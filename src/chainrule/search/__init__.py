"""Hyperparameter search: spaces declared in a recipe, trials in parallel processes, a study that survives them."""

from __future__ import annotations

from chainrule.search.lr_range import LearningRateRange as LearningRateRange
from chainrule.search.lr_range import lr_range as lr_range
from chainrule.search.plan import Plan as Plan
from chainrule.search.results import Results as Results
from chainrule.search.searching import search as search
