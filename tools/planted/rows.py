"""Planted faults of data: labels, splits, scales, and what the inputs give away."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.data import load
from chainrule.lint import Report, lint
from planted.fault import Faults
from planted.sound import arrays, experiment, network, solver_for

FAULTS = Faults()


@FAULTS.plant("images shuffled without their labels", "unrelated-labels")
def _() -> Report:
    data = arrays()
    return lint(network(), data=data | {"X_train": np.random.default_rng(0).permutation(data["X_train"])})


@FAULTS.plant("labels one row off", "unrelated-labels", "mnist")
def _() -> Report:
    made = experiment(base="mnist-mlp-600")
    y = np.roll(made.splits.train.y, 1)
    splits = dataclasses.replace(made.splits, train=dataclasses.replace(made.splits.train, y=y))
    return lint(dataclasses.replace(made, splits=splits, data=made.data | {"y_train": y}))


@FAULTS.plant("labels of the validation part shuffled", "unrelated-labels")
def _() -> Report:
    data = arrays()
    return lint(network(), data=data | {"y_val": np.random.default_rng(0).permutation(data["y_val"])})


@FAULTS.plant("labels of two classes shuffled", "unrelated-labels", "binary20d")
def _() -> Report:
    made = experiment(base="binary-logistic")
    y = np.random.default_rng(0).permutation(made.splits.train.y)
    splits = dataclasses.replace(made.splits, train=dataclasses.replace(made.splits.train, y=y))
    return lint(dataclasses.replace(made, splits=splits, data=made.data | {"y_train": y}))


@FAULTS.plant("rows copied before the split", "leaked-rows")
def _() -> Report:
    digits = load("digits").train
    rows = np.random.default_rng(0).permutation(np.concatenate([np.arange(len(digits))] * 2))
    X, y = (digits.X[rows] / 16).astype(np.float32), digits.y[rows]
    data = {"X_train": X[:2500], "y_train": y[:2500], "X_val": X[2500:], "y_val": y[2500:]}
    return lint(network(), data=data)


@FAULTS.plant("test rows taken from the training set", "leaked-rows", "mnist")
def _() -> Report:
    mnist = load("mnist")
    X, y = (mnist.train.X / 255).astype(np.float32), mnist.train.y
    net = network(shape=(1, 28, 28))
    parts = {"train": slice(0, 5000), "val": slice(5000, 6000), "test": slice(4000, 5000)}
    return lint(net, data={f"{n}_{p}": a[rows] for p, rows in parts.items() for n, a in (("X", X), ("y", y))})


@FAULTS.plant("validation rows as test rows", "validation-as-test")
def _() -> Report:
    data = arrays()
    return lint(network(), data=data | {"X_test": data["X_val"], "y_test": data["y_val"]})


@FAULTS.plant("the label among the features", "label-in-inputs", "binary20d")
def _() -> Report:
    made = experiment(base="binary-logistic")
    data = {}
    for part, rows in (("train", made.splits.train), ("val", made.splits.val), ("test", made.splits.test)):
        data |= {f"X_{part}": np.column_stack((rows.X, 0.5 * rows.y)), f"y_{part}": rows.y}
    return lint(cr.Network([cr.Affine(1), cr.Squeeze()], cr.Logistic(), 21), data=data)


@FAULTS.plant("sorted rows in order", "unshuffled-batches")
def _() -> Report:
    class InOrder:
        def __init__(self, n: int) -> None:
            self.n, self.steps_per_epoch = n, n // 32

        def indices(self, step: int) -> np.ndarray:
            start = step % self.steps_per_epoch * 32
            return np.arange(start, start + 32)

    data = arrays()
    order = np.argsort(data["y_train"], kind="stable")
    data |= {"X_train": data["X_train"][order], "y_train": data["y_train"][order]}
    return lint(solver_for(data, sampling=InOrder(len(order))))


@FAULTS.plant("a folder of images, split in order", "missing-classes", "made")
def _() -> Report:
    from PIL import Image

    text = """
name = "photos"
title = "Three kinds"
source = "Made."
[data]
folder = "photos"
split = "ordered"
val = 0.3
test = 0.2
[model]
layers = ["Flatten", { layer = "Affine", units = 3 }]
"""
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        for i, kind in enumerate(("bright", "dark", "grey")):
            (Path(folder) / "photos" / kind).mkdir(parents=True)
            for j in range(60):
                pixels = rng.integers((160, 0, 80)[i], (255, 80, 160)[i], (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(Path(folder) / "photos" / kind / f"{j}.png")
        (Path(folder) / "photos.toml").write_text(text)
        return lint(Path(folder) / "photos.toml")


@FAULTS.plant("validation rows of a few classes", "different-shares")
def _() -> Report:
    data = arrays()
    keep = data["y_val"] < 5
    return lint(network(), data=data | {"X_val": data["X_val"][keep], "y_val": data["y_val"][keep]})


@FAULTS.plant("features far from zero", "uncentred-inputs", "made")
def _() -> Report:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    kelvin = 280 + 8 * rng.normal(size=(600, 6)) + 6 * y[:, None]  # temperatures, over their highest value
    X = (kelvin / kelvin.max()).astype(np.float32)
    data = {"X_train": X[:400], "y_train": y[:400], "X_val": X[400:], "y_val": y[400:]}
    return lint(network(2, 6), data=data)


@FAULTS.plant("a mask that cuts nearly all of the image off", "constant-inputs")
def _() -> Report:
    data = arrays()
    mask = np.zeros((8, 8), np.float32)
    mask[3, 2:6] = 1
    return lint(network(), data={name: a * mask if name[0] == "X" else a for name, a in data.items()})


@FAULTS.plant("test rows without the scaling", "parts-scaled-differently")
def _() -> Report:
    data = arrays()
    return lint(network(), data=data | {"X_test": data["X_test"] * 16})


@FAULTS.plant("every tenth image copied with another label", "conflicting-labels")
def _() -> Report:
    data = arrays()
    X, y = data["X_train"][::10], (data["y_train"][::10] + 1) % 10
    joined = {"X_train": np.concatenate((data["X_train"], X)), "y_train": np.concatenate((data["y_train"], y))}
    return lint(network(), data=data | joined)


@FAULTS.plant("eight images of one digit, unweighted", "class-imbalance")
def _() -> Report:
    data = arrays()
    rows = np.delete(np.arange(len(data["y_train"])), np.flatnonzero(data["y_train"] == 3)[8:])
    return lint(network(), data=data | {"X_train": data["X_train"][rows], "y_train": data["y_train"][rows]})
