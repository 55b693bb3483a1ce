"""`lint`: run the rules on a subject."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.errors import DTypeError, describe, require_bool, unknown
from chainrule.lint.finding import SEVERITIES, Finding, Report
from chainrule.lint.rules import RULES
from chainrule.lint.subjects import subject_of
from chainrule.network import Network
from chainrule.recipes import Experiment, Recipe
from chainrule.recipes.run import Run
from chainrule.solver import Solver


def lint(
    subject: str | os.PathLike[str] | Recipe | Experiment | Run | Solver | Network,
    data: Mapping[str, Any] | None = None,
    *,
    ignore: Sequence[str] = (),
    static: bool = False,
) -> Report:
    """Find silent faults before or after training, and say how to mend each.

    subject: a recipe (or its name or path), an `Experiment`, a run (or its folder), a `Solver`, or a `Network`. data:
    for a network, a dictionary with X_train, y_train and perhaps X_val, y_val, X_test, y_test. ignore: names of rules
    to leave out, beside those that the recipe names under [lint]. static: look at what is declared only; no data is
    loaded and nothing is computed.

    Deterministic: the same subject gives the same report. Parameters stay as they are; only a copy is trained for ten
    steps.
    Raises a typed error where the subject cannot be read, or does not fit its data.

    >>> from chainrule import Affine, Network, Softmax
    >>> print(lint(Network([Affine(3), Softmax()], input_shape=4)).findings[0].why)
    softmax is applied before a loss that applies it itself
    """
    listed = isinstance(ignore, (list, tuple, set, frozenset))
    if not listed or not all(isinstance(name, str) for name in ignore):
        raise DTypeError(f"lint: ignore must be a list of names of rules, got {describe(ignore)}")
    require_bool("lint", "static", static)
    looked_at = subject_of(subject, data, static=static)
    ignored = dict.fromkeys(ignore, "asked for")
    if looked_at.recipe is not None:
        ignored |= {name: str(looked_at.recipe.lint.reason) for name in looked_at.recipe.lint.ignore}
    keys = [rule.key for rule in RULES]
    for name in ignored:
        if name not in keys:
            raise unknown("lint rule", name, keys)
    findings: list[Finding] = []
    checked, skipped = [], {}
    for kind in RULES:
        rule = kind()
        if rule.key in ignored:
            continue
        if missing := rule.missing(looked_at):
            skipped[rule.key] = missing
            continue
        checked.append(rule.key)
        findings += rule.check(looked_at)
    findings.sort(key=lambda f: SEVERITIES.index(f.severity))
    return Report(looked_at.name, findings, checked, ignored, skipped)
