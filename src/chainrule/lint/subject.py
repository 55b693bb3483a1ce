"""What is known about the thing that is looked at: a network, settings, data, a curve; each may be missing.

Rules name the evidence they need (`EVIDENCE`); what costs time is made when the first rule asks for it, and kept.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from chainrule.arrays import Array
from chainrule.data.augment import Transform
from chainrule.data.equal_rows import row_digests
from chainrule.layers import Layer
from chainrule.lint.probe import Probe, Trial, rows_within_budget
from chainrule.losses import Loss, SquaredError
from chainrule.network import Network
from chainrule.optim import Chain, Schedule, UpdateRule, When
from chainrule.optim.decay import L2, WeightDecay
from chainrule.recipes import Recipe
from chainrule.solver import EarlyStopping, History

#: The kinds of evidence, and how a report calls one that is missing.
EVIDENCE: Mapping[str, str] = {
    "layers": "layers",
    "network": "a network with weights",
    "training": "settings of training",
    "plan": "settings of training and data",
    "data": "data",
    "labels": "class labels",
    "parts": "validation or test data",
    "start": "an untrained network and data",
    "trial": "an untrained network, settings of training and data",
    "trained": "a trained network and data",
    "probes": "a network and data",
    "model": "a model and data",
    "curve": "the curve of a training",
    "outcome": "the results of a training",
}
SAMPLE = 1000  # training rows that statistics are taken from
FEW_CLASSES = 1000  # more different whole numbers than this are no classes


class Part(NamedTuple):
    """One part of the data. X: inputs as the network gets them. y: targets. raw: inputs as they were given."""

    X: Any
    y: Array
    raw: Array


class Training(NamedTuple):
    """The settings of a training. rule: None for a bare function. batches: the solver's own, where there is one.

    keep: which weights are left at the end, the "best", the "last" or an "average".
    """

    rule: UpdateRule | None
    schedule: Schedule
    batch_size: int
    epochs: int
    reg: float = 0.0
    batches: Any = None
    augment: Sequence[Transform] = ()
    early_stopping: EarlyStopping | None = None
    keep: str = "best"

    @property
    def l2(self) -> float:
        """λ of the L2 terms that the rule adds to gradients."""
        return 0.0 if self.rule is None else sum(t.reg for t in self.rule.chain if isinstance(t, L2))

    @property
    def weight_decay(self) -> float:
        """λ of the decoupled weight decay in the rule."""
        return 0.0 if self.rule is None else sum(t.weight_decay for t in self.rule.chain if isinstance(t, WeightDecay))

    @property
    def base_rule(self) -> UpdateRule | None:
        """The rule without clipping and decay around it."""
        return self.rule.rule if isinstance(self.rule, Chain) else self.rule

    def steps_per_epoch(self, rows: int) -> int:
        """Steps an epoch for so many training rows."""
        return -(-rows // self.batch_size) if self.batches is None else int(self.batches.steps_per_epoch)

    def factors(self, rows: int, points: int = 200) -> list[float]:
        """The schedule's factor at `points` evenly spaced steps of the whole training."""
        per_epoch = self.steps_per_epoch(rows)
        total = per_epoch * self.epochs
        steps = sorted({round(t) for t in np.linspace(0, max(total - 1, 0), points)}) if total else []
        return [float(self.schedule(When(step, per_epoch, total))) for step in steps]


class Outcome(NamedTuple):
    """How a training ended. val_accuracy, val_loss: of the weights that were kept."""

    status: str
    error: str = ""
    val_accuracy: float | None = None
    val_loss: float | None = None


@dataclass(eq=False)
class Subject:
    """What rules look at. fresh: the network before training. model: what predicts, a network or a model of one's own.

    classes: how many there are, where that is known. names: of the classes. characters: whether they are letters or
    digits; None if nobody knows.
    """

    name: str = "network"
    layers: Sequence[Layer] | None = None
    loss: Loss | None = None
    recipe: Recipe | None = None
    training: Training | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    classes: int | None = None
    names: Sequence[str] | None = None
    characters: bool | None = None
    fresh: Network | None = None
    trained: Network | None = None
    model: Any = None
    history: History | None = None
    outcome: Outcome | None = None

    def has(self, evidence: str) -> bool:
        """Whether there is evidence of that name."""
        return bool(getattr(self, f"_has_{evidence}"))

    # -- made when asked for ----------------------------------------------------------------------------------------

    @functools.cached_property
    def sample(self) -> tuple[Array, Array]:
        """Up to 1,000 training rows as the network gets them, and their targets; the same ones every time."""
        return self.rows("train", SAMPLE)

    @functools.cached_property
    def digests(self) -> dict[str, list[bytes]]:
        """A digest of every row of every part, equal for equal rows."""
        dtype = np.result_type(*(np.asarray(part.raw[:1]).dtype for part in self.parts.values()))
        return {name: row_digests(part.raw, dtype) for name, part in self.parts.items()}

    @functools.cached_property
    def start(self) -> Probe | None:
        """The network before training, on one batch."""
        return None if self.fresh is None else self._probe("before training", self.fresh, train=True)

    @functools.cached_property
    def end(self) -> Probe | None:
        """The trained network on training rows."""
        return None if self.trained is None else self._probe("after training", self.trained, train=False)

    @property
    def probes(self) -> list[Probe]:
        """Both of them, as far as there are any."""
        return [probe for probe in (self.start, self.end) if probe is not None]

    @functools.cached_property
    def trial(self) -> Trial:
        """A few training steps of a copy of the network."""
        assert self.fresh is not None
        assert self.training is not None
        assert self.training.rule is not None
        per_epoch = self.training.steps_per_epoch(len(self.parts["train"].y))
        total = per_epoch * self.training.epochs
        count = min(self.training.batch_size, rows_within_budget(self.fresh, 32))
        return Trial.run(self.fresh, self.training.rule, self.training.schedule, self.sample, count, per_epoch, total)

    def rows(self, part: str, count: int) -> tuple[Array, Array]:
        """Up to `count` rows of a part in random order, the same ones every time."""
        X, y, _ = self.parts[part]
        rows = np.random.default_rng(0).permutation(len(y))[:count]
        return np.asarray(X[rows]), y[rows]

    def counts(self, part: str) -> Array:
        """Rows of each class in a part of a set with labels, (C,)."""
        labels = self.labels(part)
        return np.bincount(labels, minlength=int(max(self.labels(p).max() for p in self.parts)) + 1)

    def labels(self, part: str) -> Array:
        """The labels of a part counted from 0; those of −1 and +1 are 0 and 1."""
        y = self.parts[part].y
        return (y > 0).astype(np.int64) if y.min() < 0 else y.astype(np.int64)

    def class_name(self, label: int) -> str:
        """How messages call a class."""
        return str(label) if self.names is None else f"{label} ({self.names[label]!r})"

    def _probe(self, stage: str, network: Network, *, train: bool) -> Probe:
        x, y = self.sample
        count = rows_within_budget(network, 128)
        return Probe(stage, network, x[:count], y[:count], train)

    # -- which evidence there is ------------------------------------------------------------------------------------

    @property
    def _has_layers(self) -> bool:
        return self.layers is not None

    @property
    def _has_network(self) -> bool:
        return self.fresh is not None or self.trained is not None

    @property
    def _has_training(self) -> bool:
        return self.training is not None

    @property
    def _has_data(self) -> bool:
        return "train" in self.parts

    @property
    def _has_plan(self) -> bool:
        return self._has_training and self._has_data

    @functools.cached_property
    def _has_labels(self) -> bool:
        if not self._has_data:
            return False
        ys = [part.y for part in self.parts.values()]
        if any(y.ndim != 1 or y.dtype.kind not in "iub" for y in ys):
            return False
        if isinstance(self.loss, SquaredError) and self.classes is None:
            return False  # counts, years: whole numbers that are targets
        return min(int(y.min()) for y in ys) >= -1 and max(int(y.max()) for y in ys) < FEW_CLASSES

    @property
    def _has_parts(self) -> bool:
        return self._has_data and len(self.parts) > 1

    @property
    def _has_start(self) -> bool:
        return self.fresh is not None and self._has_data

    @property
    def _has_trial(self) -> bool:
        return self._has_start and self.training is not None and self.training.rule is not None

    @property
    def _has_trained(self) -> bool:
        return self.trained is not None and self._has_data

    @property
    def _has_probes(self) -> bool:
        return self._has_start or self._has_trained

    @property
    def _has_model(self) -> bool:
        return self.model is not None and self._has_data

    @property
    def _has_curve(self) -> bool:
        return self.history is not None and len(self.history.loss_history) > 0

    @property
    def _has_outcome(self) -> bool:
        return self.outcome is not None
