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

RISE, FALL, GAP = 1.15, 0.04, 0.1


class Overfitting(Rule):
    """Validation worse than at its best (loss up by 15 % or accuracy down by 4 points), 10 points behind training."""

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
        last, best = epochs[-1], min(losses)
        highest = max(epochs, key=lambda epoch: epoch.val_acc)
        if last.train_acc - last.val_acc <= GAP:
            return
        here = f"accuracy {last.train_acc:.1%} in training, {last.val_acc:.1%} there"
        if losses[-1] > RISE * best:
            at = epochs[losses.index(best)].epoch
            yield self.finding("validation", f"its loss rose from {best:.3g} (epoch {at}) to {losses[-1]:.3g}; {here}")
        elif highest.val_acc - last.val_acc > FALL:
            fell = f"its accuracy fell from {highest.val_acc:.1%} (epoch {highest.epoch})"
            yield self.finding("validation", f"{fell} to {last.val_acc:.1%}; {here}")

    @classmethod
    def bad(cls) -> Subject:
        """Training perfect, validation worse and worse."""
        return curve(falling(), train=(0.7, 0.95, 1.0), val=(0.65, 0.7, 0.69), val_losses=(1.0, 0.9, 1.8))

    @classmethod
    def good(cls) -> Subject:
        """Side by side."""
        return curve(falling())
