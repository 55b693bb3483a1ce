"""What happened during training, in plain lists that a checkpoint or a JSON file can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Epoch:
    """One line of a training log. Scores are accuracies, or R² for a regression; `loss` is the mean over steps."""

    epoch: int
    loss: float
    train_acc: float
    val_acc: float
    val_loss: float | None
    learning_rate_factor: float
    seconds: float
    examples_per_second: float


@dataclass
class History:
    """The loss of every step, the accuracies whenever they were measured, and one record an epoch."""

    loss_history: list[float] = field(default_factory=list)
    train_acc_history: list[float] = field(default_factory=list)
    val_acc_history: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
