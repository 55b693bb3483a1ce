"""Training with a loader: augmented, normalised on the way, resumed, stopped."""

from __future__ import annotations

import hashlib
import re
import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import NormalizedRows, Normalizer, ShuffledBatches
from chainrule.data.augment import CutMix, Cutout, Grayscale, HorizontalFlip, MixUp, RandomCrop
from chainrule.errors import CheckpointError, ConfigError, DivergenceError, DTypeError
from chainrule.solver import Callback, load_training

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 1, 6, 6), dtype=np.uint8)
LABELS = RNG.integers(0, 3, 40)
SCALE = Normalizer.fit("channel", IMAGES[:30])
LAZY = {
    "X_train": NormalizedRows(IMAGES[:30], SCALE),
    "y_train": LABELS[:30],
    "X_val": NormalizedRows(IMAGES[30:], SCALE),
    "y_val": LABELS[30:],
}
READY = {name: np.asarray(value) for name, value in LAZY.items()}
AUGMENT = (RandomCrop(1), HorizontalFlip(), Cutout(2))


class Spy(Callback):
    """The SHA-256 of every batch that the engine is given."""

    def __init__(self) -> None:
        self.sums: list[str] = []

    def on_train_begin(self, solver: cr.Solver) -> None:
        step = solver.engine.step

        def spying(x: Any, y: Any, factor: float = 1.0) -> float:
            self.sums.append(hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())
            return step(x, y, factor)

        solver.engine.step = spying  # type: ignore[method-assign]

    def on_step_end(self, solver: cr.Solver) -> None:
        """Steps are taken one by one, so that none goes past the spy."""


def make(data: Any = LAZY, augment: Any = AUGMENT, **options: Any) -> cr.Solver:
    layers = [cr.Flatten(), cr.Affine(8), cr.ReLU(), cr.Affine(3)]
    network = cr.Network(layers, input_shape=(1, 6, 6), seed=1)
    common = {"batch_size": 7, "num_epochs": 4, "verbose": False, "update_rule": "adam", "seed": 5}
    return cr.Solver(network, data, augment=augment, **{**common, **options})


def trained(**options: Any) -> tuple[list[float], list[str]]:
    spy = Spy()
    solver = make(callbacks=[spy], **options)
    solver.train()
    return solver.loss_history, spy.sums


def test_rows_normalised_on_the_way_train_like_floats() -> None:
    assert trained(augment=()) == trained(data=READY, augment=())
    assert trained(augment=(Cutout(2),)) == trained(data=READY, augment=(Cutout(2),))


def test_floats_that_are_not_augmented_need_no_loader() -> None:
    assert make(data=READY, augment=()).loader is None
    assert make(data=READY).loader is not None
    assert make(augment=()).loader is not None


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_the_number_of_workers_changes_nothing(workers: int) -> None:
    assert trained(workers=workers) == trained()


def test_every_epoch_sees_other_images() -> None:
    _, sums = trained(batch_size=30, num_epochs=6)
    assert len(set(sums)) == 6
    assert trained(seed=6)[1][0] != trained(seed=5)[1][0]


def test_the_seed_of_the_solver_is_that_of_the_transforms() -> None:
    rows = ShuffledBatches(30, 7, 0)
    first = [make(seed=seed, sampling=rows).loader.batch(0)[0].tobytes() for seed in (1, 1, 2)]  # type: ignore[union-attr]
    assert first[0] == first[1] != first[2]


def test_mixed_labels_have_as_many_classes_as_the_scores() -> None:
    """Also where the training rows hold no image of the last one."""
    solver = make(data={**LAZY, "y_train": LABELS[:30] % 2}, augment=(MixUp(),))
    assert solver.loader is not None
    assert solver.loader.batch(0)[1].shape == (7, 3)
    solver.train()


@pytest.mark.parametrize("stop_after", [5, 7, 10, 13])  # of 5 steps an epoch
def test_a_resumed_run_gets_the_same_batches(stop_after: int, tmp_path: Any) -> None:
    """Stopped at the end of an epoch or inside one; the checkpoint carries on with the batch that was next."""

    class Stop(Callback):
        def on_step_end(self, solver: cr.Solver) -> None:
            solver.stop = len(solver.loss_history) == stop_after

    losses, sums = trained()
    first = make(callbacks=[Stop(), spy := Spy(), Keep(tmp_path / "c")])
    first.train()
    second = make(callbacks=[rest := Spy()], workers=3)
    load_training(tmp_path / "c", second)
    second.train()
    assert spy.sums + rest.sums == sums
    assert second.loss_history == losses


class Keep(Callback):
    """A checkpoint at the end, before the best weights are put back."""

    def __init__(self, folder: Any) -> None:
        self.folder = folder

    def on_epoch_end(self, solver: cr.Solver) -> None:
        solver.save_checkpoint(self.folder)


def test_a_checkpoint_of_other_augmentation_is_refused(tmp_path: Any) -> None:
    make(num_epochs=1, checkpoint_name=tmp_path / "c").train()
    with pytest.raises(CheckpointError, match=r"was saved with augment \(RandomCrop\(padding=1"):
        load_training(tmp_path / "c_epoch_1", make(augment=()))
    with pytest.raises(CheckpointError, match="the solver has"):
        load_training(tmp_path / "c_epoch_1", make(augment=(RandomCrop(2), HorizontalFlip(), Cutout(2))))


@pytest.mark.parametrize("mix", [MixUp(0.4), CutMix()])
def test_mixed_targets_train_a_softmax(mix: Any) -> None:
    spied: list[np.ndarray] = []
    solver = make(augment=(HorizontalFlip(), mix), num_epochs=1)
    step = solver.engine.step
    solver.engine.step = lambda x, y, factor=1.0: (spied.append(y), step(x, y, factor))[1]  # type: ignore[method-assign]
    solver.train()
    assert all(y.shape[1] == 3 for y in spied)
    np.testing.assert_allclose(np.concatenate(spied).sum(axis=1), 1, atol=1e-5)


def test_memory_of_a_set_is_that_of_its_bytes() -> None:
    """Neither training nor evaluation makes floats of the whole set."""
    sizes: list[int] = []

    class Watched(NormalizedRows):
        def normalize(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
            sizes.append(len(x))
            return super().normalize(x, out)

    images = RNG.integers(0, 256, (5000, 1, 6, 6), dtype=np.uint8)
    rows, labels = Watched(images, SCALE), RNG.integers(0, 3, 5000)
    data = {"X_train": rows, "y_train": labels, "X_val": rows, "y_val": labels}
    solver = make(data=data, num_epochs=1, batch_size=500, num_train_samples=None, engine="reference")
    solver.train()
    assert solver.check_accuracy(rows, labels) == solver.best_val_acc
    assert max(sizes) == 1000
    np.testing.assert_array_equal(solver.model.predict(rows), solver.model.predict(np.asarray(rows)))


def loader_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("chainrule-loader")]


def test_threads_end_with_training_however_it_ends() -> None:
    class Interrupts(Callback):
        def on_step_end(self, solver: cr.Solver) -> None:
            assert loader_threads()
            raise KeyboardInterrupt

    make().train()
    assert not loader_threads()
    with pytest.raises(KeyboardInterrupt):
        make(callbacks=[Interrupts()]).train()
    assert not loader_threads()
    with pytest.raises(DivergenceError):
        make(update_rule="sgd", optim_config={"learning_rate": 1e38}).train()
    assert not loader_threads()


def test_a_model_of_ones_own_is_augmented_too() -> None:
    class Mean:
        params = {"w": np.zeros((36, 3))}

        def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> Any:
            flat = X.reshape(len(X), -1).astype(np.float64)
            scores = flat @ self.params["w"]
            if y is None:
                return scores
            return float(np.mean(scores**2)), {"w": 2 * flat.T @ scores / scores.size}

    solver = cr.Solver(Mean(), LAZY, augment=AUGMENT, num_epochs=1, verbose=False)
    solver.train()
    assert len(solver.loss_history) == 1


BAD = [
    (lambda: make(augment="RandomCrop"), DTypeError, "Solver: augment must be a list of transforms, got str"),
    (lambda: make(augment=[RandomCrop]), DTypeError, "Solver: augment must be a list of transforms, got type"),
    (lambda: make(augment=[Grayscale()]), ConfigError, "Grayscale draws nothing"),
    (lambda: make(workers=-1), ConfigError, "Solver: workers must be an integer >= 0, got -1"),
    (lambda: make(data=READY, augment=(), workers="2"), DTypeError, "workers must be an integer, got str '2'"),
]


@pytest.mark.parametrize(("make_bad", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make_bad: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        make_bad()
