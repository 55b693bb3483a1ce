"""Averages of the weights that training passes through, put in place of the last ones when it ends.

    exponential (EMA)     w̄ₜ = Σᵢ dᵗ⁻ⁱ wᵢ / Σᵢ dᵗ⁻ⁱ         over all steps i ≤ t
    stochastic (SWA)      w̄ₙ = (1/n) Σᵢ wᵢ                  over the ends of epochs e, e + every, e + 2 every, ...

Both are running means w̄ ← w̄ + α (w − w̄): with α = (1 − d)/(1 − dᵗ), as Σᵢ dᵗ⁻ⁱ = (1 − dᵗ)/(1 − d), and with α = 1/n.
The first is Adam's bias correction: the weights before the first step have no part in the mean.

Running statistics (of batch normalisation) belong to the weights they were measured with. EMA averages them like the
weights. SWA measures them anew, by one pass over the training batches with the averaged weights: each statistic is
the mean of the batches' own, weighted by their rows.
Sources: EMA: Polyak & Juditsky, SIAM J. Control and Optimization 30, 1992; Kingma & Ba, "Adam", ICLR 2015, section 7.2.
SWA: Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018, algorithm 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chainrule.arrays import Array
from chainrule.engines.engine import require_same_arrays
from chainrule.errors import CheckpointError, ConfigError, DTypeError, describe, require_number
from chainrule.network import Network
from chainrule.solver.callbacks import Callback, EarlyStopping, KeepLast
from chainrule.solver.statistics import measure_statistics

if TYPE_CHECKING:
    from chainrule.solver.history import History
    from chainrule.solver.solver import Solver

_BLOCK = 2**14  # numbers at a time, which stay in cache


class WeightAveraging(Callback):
    """Base of the averages. What they leave is the average, at whatever step training ends, and not the best epoch.

    The solver's histories show the weights that are trained. `best_params` and `best_val_acc` become those of the
    average; where training ends before there is one, the most accurate weights stay, as without this callback.
    A checkpoint holds the average and how many weights are in it; going on from one needs the same callback.
    """

    def __init__(self) -> None:
        self.count = 0  # of the weights in the average
        self.average: dict[str, Array] = {}
        self._history: History | None = None  # of the run that the average belongs to

    # -- what the two averages differ in -----------------------------------------------------------------------------

    def share(self, count: int) -> float:
        """α, the share that the newest of `count` weights has in the average."""
        raise NotImplementedError

    def finished(self, solver: Solver) -> dict[str, Array]:
        """What is put into the model: the average, with running statistics that fit it."""
        raise NotImplementedError

    # -- the moments of training -------------------------------------------------------------------------------------

    def on_train_begin(self, solver: Solver) -> None:
        """Begin a new average, unless this run has one already."""
        rivals = [c for c in solver.callbacks if isinstance(c, (EarlyStopping, KeepLast, WeightAveraging))]
        if rivals != [self]:
            other = next(c for c in rivals if c is not self)
            raise ConfigError(
                f"{type(self).__name__}: callbacks must hold nothing else that chooses the weights to keep, "
                f"got {type(other).__name__} too"
            )
        if self._history is not solver.history:
            self._begin(solver)

    def on_train_end(self, solver: Solver) -> None:
        """Put the average into the model; it counts as the solver's best."""
        if self.count == 0:
            return
        weights = self.finished(solver)
        solver.engine.load_weights(weights)
        solver.best_params = weights
        solver.best_val_acc = solver.engine.evaluate(solver.X_val, solver.y_val).score

    def add(self, solver: Solver) -> None:
        """Take the model's weights of this moment into the average."""
        self.count += 1
        share = self.share(self.count)
        for name, new in _tensors(solver).items():
            _blend(self.average[name].reshape(-1), new.reshape(-1), share)

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def state(self, solver: Solver) -> dict[str, Array]:
        """The average, and the count of weights in it."""
        if self._history is not solver.history:
            self._begin(solver)
        kept = {f"average.{name}": array.copy() for name, array in self.average.items()}
        return {**kept, "average.count": np.array(self.count, np.int64)}

    def load_state(self, solver: Solver, state: Mapping[str, Array]) -> None:
        """Go on from what `state` returned."""
        self._begin(solver)
        require_same_arrays(self.state(solver), state)
        if state["average.count"] < 0:
            raise CheckpointError(f"average.count must be at least 0, got {state['average.count']}")
        self.count = int(state["average.count"])
        for name, array in self.average.items():
            array[...] = state[f"average.{name}"]

    def _begin(self, solver: Solver) -> None:
        self.count, self._history = 0, solver.history
        self.average = {name: np.zeros_like(array) for name, array in _tensors(solver).items()}


@dataclasses.dataclass(eq=False)
class EMA(WeightAveraging):
    """The exponential moving average of the weights after every step; d is `decay`.

    About 1/(1 − decay) steps count. Running statistics are averaged like the weights.
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        require_number("EMA", "decay", self.decay, low=0, high=1, open_high=True)
        super().__init__()

    def share(self, count: int) -> float:
        """(1 − d)/(1 − dᵗ), which is 1 for the first weights."""
        return (1 - self.decay) / (1 - self.decay**count)

    def on_step_end(self, solver: Solver) -> None:
        """Every step counts."""
        self.add(solver)

    def finished(self, solver: Solver) -> dict[str, Array]:
        """The average of everything."""
        return _named(solver, self.average)


@dataclasses.dataclass(eq=False)
class SWA(WeightAveraging):
    """The mean of the weights at the ends of epochs: of the first at `start` of all epochs, then of each `every`-th.

    start: a fraction of the epochs. With a cyclic schedule let `every` be the epochs of a cycle. An epoch that was
    broken off does not count. Running statistics are measured anew when training ends.
    """

    start: float = 0.75
    every: int = 1

    every_step = False  # an epoch's last step is never one of several

    def __post_init__(self) -> None:
        require_number("SWA", "start", self.start, low=0, high=1)
        require_number("SWA", "every", self.every, integer=True, low=1)
        super().__init__()

    def share(self, count: int) -> float:
        """1/n."""
        return 1 / count

    def on_step_end(self, solver: Solver) -> None:
        """After the last step of an epoch that counts; a checkpoint of the epoch, written later, then holds it."""
        epoch, left = divmod(solver.engine.step_number, solver.batches.steps_per_epoch)
        first = max(math.ceil(self.start * solver.num_epochs), 1)
        if left == 0 and epoch >= first and (epoch - first) % self.every == 0:
            self.add(solver)

    def finished(self, solver: Solver) -> dict[str, Array]:
        """The average of the weights, with statistics measured anew."""
        weights = _named(solver, self.average)
        if isinstance(solver.model, Network) and len(solver.model.buffers):
            solver.engine.load_weights(weights)
            weights |= measure_statistics(solver)
        return weights


def _tensors(solver: Solver) -> dict[str, Array]:
    """What is averaged: the flat vectors of a network, which need no copying, or the arrays of another model."""
    model = solver.model
    if isinstance(model, Network):
        return {"params": model.params.flat, "buffers": model.buffers.flat}
    weights = solver.engine.weights()
    for name, array in weights.items():
        if array.dtype.kind != "f":
            raise DTypeError(f"weights must hold floating-point numbers to be averaged, got {describe(array)}: {name}")
    return weights


def _named(solver: Solver, average: Mapping[str, Array]) -> dict[str, Array]:
    """The average under the names of the model's own arrays."""
    model = solver.model
    if not isinstance(model, Network):
        return {name: array.copy() for name, array in average.items()}
    return {
        name: average[kind][views.slices[name]].reshape(shape).copy()
        for kind, views in (("params", model.params), ("buffers", model.buffers))
        for name, shape in views.shapes.items()
    }


def _blend(average: Array, new: Array, share: float) -> None:
    """w̄ ← w̄ + α (w − w̄), in place."""
    for start in range(0, len(average), _BLOCK):
        part = slice(start, start + _BLOCK)
        average[part] += share * (new[part] - average[part])
