"""Weights that are not those of the best epoch.

The solver puts the best weights back when training ends. A callback or a hand that loads others afterwards, or a run
folder with another checkpoint, loses them.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Outcome, Subject

SLACK = 0.002  # one row in 500: another engine may round another way


class BestWeightsLost(Rule):
    """A final validation score below the best one of the history."""

    key = "best-weights-lost"
    needs = ("outcome", "curve")
    mend = "restore solver.best_params at the end (solver.engine.load_weights), and save after that"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """What early stopping monitors decides: accuracy, or the loss. A note where the last weights were asked for."""
        assert subject.outcome is not None
        assert subject.history is not None
        training = subject.training
        keep, early = ("best", None) if training is None else (training.keep, training.early_stopping)
        if keep == "average":
            return
        score, loss = subject.outcome.val_accuracy, subject.outcome.val_loss
        delta = 0.0 if early is None else early.min_delta
        if early is not None and early.monitor == "val_loss":
            losses = [e.val_loss for e in subject.history.epochs if e.val_loss is not None]
            if loss is not None and losses and loss > min(losses) * (1 + SLACK) + delta:
                yield self.finding("weights", f"validation loss {loss:.4g}; the best epoch had {min(losses):.4g}")
            return
        best = max(subject.history.val_acc_history, default=None)
        if score is not None and best is not None and score < best - SLACK - delta:
            why = f"validation accuracy {score:.4f}; the best epoch had {best:.4f}"
            if keep == "last":
                yield self.finding("weights", why, severity="note", mend='set train.keep = "best"')
            else:
                yield self.finding("weights", why)

    @classmethod
    def bad(cls) -> Subject:
        """The last instead of the best."""
        outcome = Outcome("finished", "", 0.70, 1.0)
        return curve(falling(), val=(0.5, 0.87, 0.70), outcome=outcome)

    @classmethod
    def good(cls) -> Subject:
        """The best."""
        return curve(falling(), outcome=Outcome("finished", "", 0.87, 0.4))
