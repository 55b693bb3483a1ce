"""A network that remembers training rows instead of learning from them.

The validation loss turns up while the training loss falls on. The weights that are kept are those of the best epoch, so
the figure is safe; but more data, regularisation or a smaller network would make it better.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

RISE, GAP = 1.15, 0.1


class Overfitting(Rule):
    """A validation loss that rose by 15 % after its best epoch, with accuracies that differ by more than 10 points."""

    key = "overfitting"
    needs = ("curve",)
    mend = "augment or add data, use dropout, weight decay or early stopping, or a smaller network"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The last epoch against the best one."""
        assert subject.history is not None
        epochs = subject.history.epochs
        losses = [e.val_loss for e in epochs if e.val_loss is not None]
        if len(epochs) < 3 or len(losses) != len(epochs):
            return
        best = min(losses)
        last = epochs[-1]
        gap = last.train_acc - last.val_acc
        if losses[-1] > RISE * best and gap > GAP:
            at = epochs[losses.index(best)].epoch
            why = f"the validation loss rose from {best:.3g} (epoch {at}) to {losses[-1]:.3g}"
            yield self.finding(
                "validation", f"{why}; accuracy {last.train_acc:.1%} in training, {last.val_acc:.1%} there"
            )

    @classmethod
    def bad(cls) -> Subject:
        """Training perfect, validation worse and worse."""
        return curve(falling(), train=(0.7, 0.95, 1.0), val=(0.65, 0.7, 0.69), val_losses=(1.0, 0.9, 1.8))

    @classmethod
    def good(cls) -> Subject:
        """Side by side."""
        return curve(falling())
