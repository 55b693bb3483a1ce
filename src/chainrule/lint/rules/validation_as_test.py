"""Test figures from the rows that chose the weights.

The weights that are best on the validation rows are kept, and settings are chosen by them: their figure is the best of
many tries, and too good. A test figure needs rows that decided nothing.
Source: Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2nd ed. 2009, section 7.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

SHARE = 0.5


class ValidationAsTest(Rule):
    """A test part that is the validation part, or a reported test accuracy without a test part."""

    key = "validation-as-test"
    needs = ("parts",)
    mend = "split three ways, and look at the test part once"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Half or more of the test rows among those of validation; or no test rows where a figure is reported."""
        if "test" in subject.parts and "val" in subject.parts:
            val, test = set(subject.digests["val"]), subject.digests["test"]
            share = sum(digest in val for digest in test) / len(test)
            if share >= SHARE:
                yield self.finding(
                    "X_test", f"{share:.0%} of the test rows are validation rows, which choose the weights"
                )
        elif subject.recipe is not None and subject.recipe.reported.test_accuracy is not None:
            yield self.finding("data.test", "a test accuracy is reported, but figures come from the validation rows")

    @classmethod
    def bad(cls) -> Subject:
        """The same rows."""
        data = parts()
        return with_data(data=data | {"X_test": data["X_val"], "y_test": data["y_val"]})

    @classmethod
    def good(cls) -> Subject:
        """Rows of their own."""
        return with_data()
