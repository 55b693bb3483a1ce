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
class Rollback:
    """One return to an earlier state: the step that was refused and why, where training went on, and how fast.

    step: 1-based, as in `DivergenceError`; to_step: how many steps the state had behind it. learning_rate_factor: what
    the learning rate is multiplied with from then on, those of earlier returns included.
    """

    step: int
    layer: str
    tensor: str
    value: str
    to_step: int
    learning_rate_factor: float

    def told(self) -> str:
        """In one line."""
        return (
            f"diverged at step {self.step} ({self.tensor} of {self.layer} holds {self.value}): back to the state after "
            f"step {self.to_step}, learning rate × {self.learning_rate_factor:g}"
        )


@dataclass
class History:
    """The loss of every step, the accuracies whenever they were measured, and one record an epoch.

    Steps and epochs that training went back behind are taken out; `rollbacks` tells of them.
    """

    loss_history: list[float] = field(default_factory=list)
    train_acc_history: list[float] = field(default_factory=list)
    val_acc_history: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    rollbacks: list[Rollback] = field(default_factory=list)

    @property
    def learning_rate_factor(self) -> float:
        """What divergence has brought the learning rate to, as a factor; 1 where nothing diverged."""
        return self.rollbacks[-1].learning_rate_factor if self.rollbacks else 1.0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
