"""Too few validation rows to tell good weights from bad ones.

The accuracy on n rows has a standard error of up to 0.5/√n: with 25 rows it is 10 %, and the weights that are kept are
those that were lucky.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

FEWEST = 30


class SmallValidation(Rule):
    """Fewer than 30 validation rows."""

    key = "small-validation"
    needs = ("parts",)
    mend = "hold more rows out, or use cross-validation (chainrule.data.folds)"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Count them."""
        if "val" in subject.parts and (n := len(subject.parts["val"].y)) < FEWEST:
            yield self.finding("X_val", f"{n} rows: an accuracy measured on them is off by {50 / n**0.5:.0f} % or so")

    @classmethod
    def bad(cls) -> Subject:
        """Ten rows."""
        data = parts()
        return with_data(data=data | {"X_val": data["X_val"][:10], "y_val": data["y_val"][:10]})

    @classmethod
    def good(cls) -> Subject:
        """A hundred."""
        return with_data()
