"""What a planted fault is, and the list that a module of them fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainrule.lint import Report, lint
from chainrule.recipes import apply_overrides, load_recipe


class Fault(NamedTuple):
    """A planted fault: what it is, the rule that must name it, the data it needs, and how it is made and linted."""

    name: str
    rule: str
    data: str
    report: Callable[[], Report]


class Faults(list[Fault]):
    """The planted faults of one theme."""

    def plant(
        self, name: str, rule: str, data: str = "digits"
    ) -> Callable[[Callable[[], Report]], Callable[[], Report]]:
        """Put the function below into the list."""

        def add(report: Callable[[], Report]) -> Callable[[], Report]:
            self.append(Fault(name, rule, data, report))
            return report

        return add

    def recipe(self, name: str, rule: str, *overrides: str, base: str = "digits-mlp", data: str = "digits") -> None:
        """A recipe with entries changed."""
        self.plant(name, rule, data)(lambda: lint(apply_overrides(load_recipe(base), list(overrides))))
