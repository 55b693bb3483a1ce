"""Running statistics measured anew: one pass over the training batches with weights that stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.arrays import Array
from chainrule.data.batches import ShuffledBatches
from chainrule.engines import ReferenceEngine, make_engine
from chainrule.network import Network
from chainrule.optim import SGD

if TYPE_CHECKING:
    from chainrule.solver.solver import Solver


def measure_statistics(solver: Solver) -> dict[str, Array]:
    """Each buffer of the solver's network as the mean of what its batches have, weighted by their rows.

    The batches are those of an epoch, augmented as in training, and noise such as dropout is drawn: these are the
    statistics that training would settle at. The network itself is not changed.
    """
    from chainrule.solver.solver import make_loader

    network, n = solver.model, len(solver.X_train)
    config = network.config()
    twin = Network.from_config({**config, "layers": _forgetful(config["layers"])})
    twin.params.flat[...] = network.params.flat
    # A step of length zero changes nothing but the buffers, and without memory these are the batch's own.
    engine = make_engine(twin, SGD(), "reference" if isinstance(solver.engine, ReferenceEngine) else "auto")
    batches = ShuffledBatches(n, solver.batch_size, solver.seed, drop_last=False)
    augment = () if solver.loader is None else solver.loader.augmentation.transforms
    loader = make_loader(twin, solver.X_train, solver.y_train, batches, augment, seed=solver.seed, workers=0)
    total = np.zeros(twin.buffers.flat.shape, np.float64)
    for step in range(batches.steps_per_epoch):
        x, y = loader.batch(step)
        engine.step(x, y, 0.0)
        total += len(x) * twin.buffers.flat
    twin.buffers.flat[...] = total / n
    return twin.buffers.copy()


def _forgetful(declared: Any) -> Any:
    """A declaration whose batch normalisations keep nothing of older statistics."""
    if isinstance(declared, list):
        return [_forgetful(entry) for entry in declared]
    if not isinstance(declared, dict):
        return declared
    inner = {key: _forgetful(value) for key, value in declared.items()}
    return {**inner, "momentum": 0.0} if declared.get("layer") == "BatchNorm" else inner
