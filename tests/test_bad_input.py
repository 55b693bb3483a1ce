"""One row a kind of bad input: every public entry point names the argument, what it expected, and what it got."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import chainrule as cr
from chainrule.analysis import trace, trace_text
from chainrule.check import check_gradient, check_layer, check_loss, diagnose
from chainrule.config import from_config, layers_from_config, to_config
from chainrule.data import (
    Dataset,
    Loader,
    NormalizedRows,
    Normalizer,
    ShuffledBatches,
    Splits,
    extract,
    find_folder,
    iterate_members,
    load,
    load_cifar100,
    load_emnist,
    load_mnist,
    ordered_split,
    random_split,
    read,
    read_idx,
    read_mat,
    read_npz,
    stratified_split,
    to_float,
)
from chainrule.data.augment import MixUp
from chainrule.engines import make_engine
from chainrule.ensembles import (
    bagging_figure,
    prediction_errors,
    shared_test_part,
    uncorrelated_errors,
    usual_ensemble,
    write_submission,
)
from chainrule.errors import (
    ChainruleError,
    CheckpointError,
    ConfigError,
    DataError,
    DivergenceError,
    DTypeError,
    ShapeError,
    WriteError,
)
from chainrule.initializers import Constant, He, Normal, Orthogonal, Zeros
from chainrule.lint import lint
from chainrule.optim import Chain, EpochDecay, OneCycle, ReduceOnPlateau, StepDecay, WarmUp
from chainrule.report import confusion_matrix, save_figure
from chainrule.solver import load_network, load_training, save_network
from chainrule.solver.checkpoint import save_checkpoint
from chainrule.typed import typed

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)), np.array([0, 1, 2, 0, 1, 2])
IMAGES = RNG.normal(size=(2, 3, 6, 6))
AFFINE = {"W": np.ones((4, 3)), "b": np.zeros(3)}
DATA = {"X_train": X, "y_train": Y, "X_val": X, "y_val": Y}
RECIPE = """
name = "r"
title = "t"
source = "s"
[data]
name = "digits"
val = 0.2
[model]
layers = [{ layer = "Flatten" }, { layer = "Affine", units = 10 }]
"""
WORDS = np.array([[1, 2]], np.uint32)
SLOTS = {"m": np.zeros(3), "v": np.zeros(3)}


def net(**options: Any) -> Any:
    return cr.Network(**{"layers": [cr.Affine(3)], "input_shape": 4, **options})


def dataset(**options: Any) -> Any:
    return Dataset(**{"X": X, "y": Y, **options})


def solver(**options: Any) -> Any:
    return cr.Solver(**{"model": net(), "data": DATA, "verbose": False, **options})


def missing(folder: str) -> Callable[[], Any]:
    return lambda: load_network(f"/nonexistent/{folder}")


def unfinished_training() -> None:
    solver(data={**DATA, "X_train": X * math.inf}).train()


def recipe(**changes: str) -> Callable[[], Any]:
    """The recipe above with one line replaced."""

    def read() -> Any:
        from chainrule.recipes import parse_recipe

        lines = [
            f"{line.split(' = ')[0]} = {changes.get(line.split(' = ')[0], line.split(' = ', 1)[-1])}"
            if " = " in line
            else line
            for line in RECIPE.splitlines()
        ]
        return parse_recipe("\n".join(lines), "my.toml")

    return read


def recipes() -> Any:
    import chainrule.recipes

    return chainrule.recipes


def without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in mapping.items() if k != key}


ROWS: list[tuple[str, Callable[[], Any], type[ChainruleError], tuple[str, ...]]] = [
    # -- layers: options
    ("affine without units", lambda: cr.Affine(0), ConfigError, ("Affine", "units", ">= 1", "got 0")),
    ("affine with half a unit", lambda: cr.Affine(2.5), DTypeError, ("Affine", "units", "integer", "float 2.5")),
    ("affine units as text", lambda: cr.Affine("10"), DTypeError, ("Affine", "units", "integer", "str '10'")),
    ("affine bias as text", lambda: cr.Affine(3, bias="no"), DTypeError, ("Affine", "bias", "True or False", "'no'")),
    ("affine units True", lambda: cr.Affine(True), DTypeError, ("Affine", "units", "integer", "bool True")),
    (
        "initialiser by name",
        lambda: net(layers=[cr.Affine(3, init="he")]),
        DTypeError,
        ("init", "he_normal", "str 'he'"),
    ),
    ("dropout of everything", lambda: cr.Dropout(1.0), ConfigError, ("Dropout", "< 1", "got 1.0")),
    ("dropout below zero", lambda: cr.Dropout(-0.1), ConfigError, ("Dropout", ">= 0", "got -0.1")),
    ("dropout NaN", lambda: cr.Dropout(math.nan), ConfigError, ("Dropout", "got nan")),
    ("batch norm momentum", lambda: cr.BatchNorm(momentum=2), ConfigError, ("BatchNorm", "momentum", "got 2")),
    ("batch norm epsilon", lambda: cr.BatchNorm(eps=-1), ConfigError, ("BatchNorm", "eps", "got -1")),
    ("convolution without filters", lambda: cr.Conv2D(0, 3), ConfigError, ("Conv2D", "filters", ">= 1", "got 0")),
    ("convolution kernel 0", lambda: cr.Conv2D(2, 0), ConfigError, ("Conv2D", "kernel", "got 0")),
    ("convolution stride 0", lambda: cr.Conv2D(2, 3, stride=0), ConfigError, ("Conv2D", "stride", "got 0")),
    ("convolution padding -1", lambda: cr.Conv2D(2, 3, padding=-1), ConfigError, ("Conv2D", "padding", "got -1")),
    (
        "convolution padding by name",
        lambda: cr.Conv2D(2, 3, padding="sme"),
        ConfigError,
        ("Conv2D", "padding", "'sme'"),
    ),
    (
        "sequential of nothing",
        lambda: cr.Sequential(()),
        ConfigError,
        ("Sequential", "layers", "at least one", "empty"),
    ),
    ("sequential of a class", lambda: cr.Sequential((cr.ReLU,)), DTypeError, ("layers[0]", "write ReLU(...)")),
    ("residual of text", lambda: cr.Residual("ReLU"), DTypeError, ("Residual", "body", "list of layers", "str 'ReLU'")),
    (
        "branches of layers",
        lambda: cr.Branches((cr.ReLU(),)),
        DTypeError,
        ("Branches", "branches[0]", "list of layers"),
    ),
    # -- layers: arrays
    ("affine on a list", lambda: cr.Affine(3).forward([[1.0]], AFFINE), DTypeError, ("Affine", "x", "array", "list")),
    (
        "affine on integers",
        lambda: cr.Affine(3).forward(np.ones((2, 4), int), AFFINE),
        DTypeError,
        ("Affine", "x", "floating-point", "int64"),
    ),
    ("affine on text", lambda: cr.Affine(3).forward(np.array([["a"]]), AFFINE), DTypeError, ("Affine", "x", "<U1")),
    (
        "affine on one axis",
        lambda: cr.Affine(3).forward(np.ones(4), AFFINE),
        ShapeError,
        ("Affine", "x has axes (N, D)", "got shape (4,)"),
    ),
    ("affine on images", lambda: cr.Affine(3).forward(IMAGES, AFFINE), ShapeError, ("(N, D)", "(2, 3, 6, 6)")),
    ("affine on no rows", lambda: cr.Affine(3).forward(np.ones((0, 4)), AFFINE), ShapeError, ("N", ">= 1", "(0, 4)")),
    ("affine without W", lambda: cr.Affine(3).forward(X, {}), ConfigError, ("params", "'W'", "(4, 3)", "got []")),
    ("affine params None", lambda: cr.Affine(3).forward(X, None), ConfigError, ("params", "'W'", "(4, 3)")),
    (
        "affine with W of another input",
        lambda: cr.Affine(3).forward(X[:, :2], AFFINE),
        ShapeError,
        ("W has axes (D, M) = (2, 3)", "got shape (4, 3)"),
    ),
    (
        "affine with b as a row",
        lambda: cr.Affine(3).forward(X, {**AFFINE, "b": np.zeros((1, 3))}),
        ShapeError,
        ("b has axes (M) = (3,)", "got shape (1, 3)"),
    ),
    (
        "convolution on one image",
        lambda: cr.Conv2D(2, 3).output_shape((3, 6, 6)),
        ShapeError,
        ("Conv2D", "(N, C, H, W)", "(3, 6, 6)"),
    ),
    (
        "kernel larger than the image",
        lambda: cr.Conv2D(2, 9).output_shape((1, 3, 6, 6)),
        ShapeError,
        ("Conv2D", "9", "6"),
    ),
    (
        "stride that does not divide",
        lambda: cr.Conv2D(2, 3, stride=2, padding=0).output_shape((1, 3, 6, 6)),
        ShapeError,
        ("Conv2D", "stride", "2.5"),
    ),
    (
        "pooling of a matrix",
        lambda: cr.MaxPool2D(2).forward(X, {}),
        ShapeError,
        ("MaxPool2D", "(N, C, H, W)", "(6, 4)"),
    ),
    (
        "residual of another shape",
        lambda: cr.Residual((cr.Affine(2),)).output_shape((5, 4)),
        ShapeError,
        ("Residual", "same shape", "(5, 2)", "(5, 4)"),
    ),
    (
        "branches of other heights",
        lambda: cr.Branches(((cr.ReLU(),), (cr.Affine(2),))).output_shape((5, 4, 3)),
        ShapeError,
        ("(N, D)", "(5, 4, 3)"),
    ),
    ("dropout without a key", lambda: cr.Dropout(0.5).forward(X, {}, train=True), ConfigError, ("Dropout", "key")),
    ("squeeze of a wide matrix", lambda: cr.Squeeze().forward(X, {}), ShapeError, ("Squeeze", "(6, 4)")),
    # -- losses
    ("smoothing of one", lambda: cr.SoftmaxCrossEntropy(1.0), ConfigError, ("label_smoothing", "< 1", "got 1.0")),
    (
        "class weight below zero",
        lambda: cr.SoftmaxCrossEntropy(class_weights=[-1, 1]),
        ConfigError,
        ("class_weights", ">= 0", "got -1"),
    ),
    (
        "class weights as a number",
        lambda: cr.SoftmaxCrossEntropy(class_weights=1.0),
        DTypeError,
        ("class_weights", "list of numbers", "float 1.0"),
    ),
    (
        "class weights of other classes",
        lambda: cr.SoftmaxCrossEntropy(class_weights=(1, 1))(X, Y),
        ConfigError,
        ("class_weights", "4 numbers", "got 2"),
    ),
    ("margin of zero", lambda: cr.MultiClassHinge(0), ConfigError, ("MultiClassHinge", "margin", "> 0", "got 0")),
    ("scores as a list", lambda: cr.SoftmaxCrossEntropy()([[1.0, 2.0]], Y), DTypeError, ("scores", "array", "list")),
    (
        "scores of integers",
        lambda: cr.SoftmaxCrossEntropy()(np.ones((6, 3), int), Y),
        DTypeError,
        ("scores", "floating-point", "int64"),
    ),
    ("scores on one axis", lambda: cr.SoftmaxCrossEntropy()(X[0], Y), ShapeError, ("(N, C)", "(4,)")),
    ("scores of one class", lambda: cr.SoftmaxCrossEntropy()(X[:, :1], Y), ShapeError, ("C >= 2", "(6, 1)")),
    ("no scores at all", lambda: cr.SoftmaxCrossEntropy()(X[:0], Y[:0]), ShapeError, ("scores", "one row", "(0, 4)")),
    ("labels as a list", lambda: cr.SoftmaxCrossEntropy()(X, [0, 1, 2, 0, 1, 2]), DTypeError, ("y", "array", "list")),
    ("label beyond the classes", lambda: cr.SoftmaxCrossEntropy()(X, Y + 2), DataError, ("y", "from 0 to 3", "got 4")),
    ("label below zero", lambda: cr.SoftmaxCrossEntropy()(X, Y - 1), DataError, ("y", "from 0 to 3", "got -1")),
    ("labels of floats", lambda: cr.SoftmaxCrossEntropy()(X, Y * 1.0), DTypeError, ("y", "integer", "float64")),
    ("labels as a column", lambda: cr.SoftmaxCrossEntropy()(X, Y[:, None]), ShapeError, ("y", "(6,)", "(6, 1)")),
    ("too few labels", lambda: cr.SoftmaxCrossEntropy()(X, Y[:5]), ShapeError, ("y", "(6,)", "(5,)")),
    (
        "rows that are no probabilities",
        lambda: cr.SoftmaxCrossEntropy()(X, np.ones((6, 4))),
        DataError,
        ("y", "sum to 1", "row 0"),
    ),
    ("soft labels for a hinge", lambda: cr.MultiClassHinge()(X, np.full((6, 4), 0.25)), ShapeError, ("y", "(6,)")),
    ("binary scores as a column", lambda: cr.Logistic()(X[:, :1], Y), ShapeError, ("(N,)", "(6, 1)", "Squeeze()")),
    ("three binary labels", lambda: cr.Logistic()(X[:, 0], Y), DataError, ("y", "0 and 1, or -1 and +1", "[0, 1, 2]")),
    (
        "both kinds of binary labels",
        lambda: cr.BinaryHinge()(X[:, 0], np.array([0, 1, -1, 1, 0, 1])),
        DataError,
        ("BinaryHinge", "y", "[-1, 0, 1]"),
    ),
    (
        "regression that would broadcast",
        lambda: cr.SquaredError()(X[:, :1], X[:, 0]),
        ShapeError,
        ("y", "(6, 1)", "(6,)"),
    ),
    (
        "target that is NaN",
        lambda: cr.SquaredError()(X, X * np.where(X[2, 1] == X, np.nan, 1)),
        DataError,
        ("y", "finite", "nan", "(2, 1)"),
    ),
    (
        "probabilities of a hinge",
        lambda: cr.MultiClassHinge().probabilities(X),
        ConfigError,
        ("MultiClassHinge", "probab"),
    ),
    # -- initialisers, rules, schedules
    ("normal of a negative width", lambda: Normal(-1), ConfigError, ("Normal", "scale", ">= 0", "got -1")),
    (
        "unknown distribution",
        lambda: He("gauss"),
        ConfigError,
        ("He", "distribution", "'normal' or 'uniform'", "'gauss'"),
    ),
    ("constant that is not a number", lambda: Constant(None), DTypeError, ("Constant", "value", "number", "NoneType")),
    ("orthogonal of infinity", lambda: Orthogonal(math.inf), ConfigError, ("Orthogonal", "gain", "finite", "got inf")),
    ("negative learning rate", lambda: cr.SGD(-0.1), ConfigError, ("sgd", "learning_rate", ">= 0", "got -0.1")),
    ("learning rate as text", lambda: cr.Adam("1e-3"), DTypeError, ("adam", "learning_rate", "number", "str '1e-3'")),
    ("momentum of one", lambda: cr.Momentum(0.1, 1.0), ConfigError, ("momentum", "< 1", "got 1.0")),
    ("beta2 of one", lambda: cr.Adam(beta2=1.0), ConfigError, ("adam", "beta2", "< 1", "got 1.0")),
    ("epsilon of zero", lambda: cr.RMSProp(epsilon=0), ConfigError, ("rmsprop", "epsilon", "> 0", "got 0")),
    ("chain around a name", lambda: Chain("adam"), DTypeError, ("Chain", "rule", "update rule", "str 'adam'")),
    ("clipping to nothing", lambda: Chain(cr.SGD(), clip_norm=0), ConfigError, ("clip_norm", "> 0", "got 0")),
    (
        "gradient of another shape",
        lambda: cr.Adam().update(np.ones(2), SLOTS, np.ones(3), cr.Step(1)),
        ShapeError,
        ("adam", "g", "(3,)", "(2,)"),
    ),
    ("gradient as a list", lambda: cr.Adam().update([1.0], SLOTS, np.ones(3), cr.Step(1)), DTypeError, ("g", "list")),
    (
        "slots of another rule",
        lambda: cr.Adam().update(np.ones(3), {"velocity": np.ones(3)}, np.ones(3), cr.Step(1)),
        ConfigError,
        ("slots", "m, v", "['velocity']"),
    ),
    ("decay below zero", lambda: EpochDecay(-1), ConfigError, ("decay", ">= 0", "got -1")),
    ("step of no epochs", lambda: StepDecay(0), ConfigError, ("every", ">= 1", "got 0")),
    ("warm-up into a name", lambda: WarmUp(3, "cosine"), DTypeError, ("then", "schedule", "str 'cosine'")),
    ("one-cycle that only rises", lambda: OneCycle(rise=1.0), ConfigError, ("rise", "< 1", "got 1.0")),
    ("plateau that raises the rate", lambda: ReduceOnPlateau(gamma=1.5), ConfigError, ("gamma", "< 1", "got 1.5")),
    # -- network
    ("network of one layer not in a list", lambda: net(layers=cr.Affine(3)), DTypeError, ("layers", "list", "Affine")),
    ("network without input shape", lambda: net(input_shape=None), ConfigError, ("input_shape must be given",)),
    ("network with an empty axis", lambda: net(input_shape=(0,)), ConfigError, ("input_shape", ">= 1", "got 0")),
    ("network with a loss's name", lambda: net(loss="softmax"), DTypeError, ("loss", "SoftmaxCrossEntropy()", "str")),
    (
        "network in half precision",
        lambda: net(dtype="float16"),
        ConfigError,
        ("dtype", "float32, float64", "'float16'"),
    ),
    ("network with a negative seed", lambda: net(seed=-1), ConfigError, ("seed", ">= 0", "got -1")),
    ("network with reg NaN", lambda: net(reg=math.nan), ConfigError, ("reg", ">= 0", "got nan")),
    ("network too large for memory", lambda: net(layers=[cr.Affine(10**16)]), ConfigError, ("memory", "float32")),
    ("rows of another length", lambda: net().scores(X[:, :3]), ShapeError, ("X", "(N, 4)", "got (6, 3)")),
    ("one row without its axis", lambda: net().predict(X[0]), ShapeError, ("X", "(N, 4)", "got (4,)")),
    ("images not flattened", lambda: net().loss(X.reshape(6, 2, 2)), ShapeError, ("(N, 4)", "reshape it to (6, 4)")),
    ("no rows", lambda: net().predict(X[:0]), ShapeError, ("X", "N >= 1", "(0, 4)")),
    ("ragged rows", lambda: net().predict([[1, 2], [3]]), ShapeError, ("X", "unequal lengths")),
    ("rows of text", lambda: net().predict([["a", "b", "c", "d"]]), DTypeError, ("X", "real numbers", "list")),
    ("labels of text", lambda: net().loss(X, ["a"] * 6), DTypeError, ("y", "real numbers", "list")),
    ("batches of no rows", lambda: net().scores(X, batch_size=0), ConfigError, ("batch_size", ">= 1", "got 0")),
    (
        "a parameter of another shape",
        lambda: net().params.update(W1=np.ones((3, 4))),
        ShapeError,
        ("W1", "(4, 3)", "got (3, 4)"),
    ),
    ("a parameter that does not exist", lambda: net().params.update(W9=1), ConfigError, ("'W9'", "W1")),
    ("memory of no batch", lambda: net().summary().memory(0), ConfigError, ("batch_size", ">= 1", "got 0")),
    # -- solver and engines
    ("unknown rule", lambda: solver(update_rule="adm"), ConfigError, ("'adm'", "did you mean 'adam'")),
    ("unknown rule option", lambda: solver(optim_config={"lr": 1}), ConfigError, ("'lr'", "learning_rate")),
    ("rule options as a list", lambda: solver(optim_config=[1]), DTypeError, ("optim_config", "dictionary", "list")),
    ("data as a tuple", lambda: solver(data=(X, Y)), DTypeError, ("data", "X_train, y_train", "tuple")),
    ("data without validation", lambda: solver(data=without(DATA, "y_val")), ConfigError, ("'y_val'", "X_train")),
    ("labels of another length", lambda: solver(data={**DATA, "y_val": Y[:2]}), ShapeError, ("(6, 4)", "(2,)")),
    ("batch of a fraction", lambda: solver(batch_size=0.5), DTypeError, ("batch_size", "integer", "float 0.5")),
    ("minus one epoch", lambda: solver(num_epochs=-1), ConfigError, ("num_epochs", ">= 0", "got -1")),
    ("callback that is none", lambda: solver(callbacks=[3]), DTypeError, ("callbacks", "int 3")),
    ("unknown engine", lambda: solver(engine="natve"), ConfigError, ("engine", "'natve'")),
    ("unknown sampling", lambda: solver(sampling="shufled"), ConfigError, ("'shufled'", "did you mean 'shuffled'")),
    ("model without loss", lambda: solver(model=object()), DTypeError, ("model", "`params`", "`loss(X, y)`", "object")),
    ("schedule by name", lambda: solver(schedule="cosine"), DTypeError, ("schedule", "str 'cosine'")),
    ("infinite data", unfinished_training, DivergenceError, ("step 1", "X of the input", "No parameter was changed")),
    (
        "early stopping on the loss",
        lambda: cr.EarlyStopping("loss"),
        ConfigError,
        ("monitor", "'val_loss'", "got 'loss'"),
    ),
    ("no patience", lambda: cr.EarlyStopping(patience=0), ConfigError, ("patience", ">= 1", "got 0")),
    ("engine of nothing", lambda: make_engine(None, cr.SGD()), DTypeError, ("model", "`params`", "NoneType")),
    # -- data
    ("data set of lists", lambda: dataset(X=[[1.0]]), DTypeError, ("X", "NumPy array", "list")),
    ("data set of one axis", lambda: dataset(X=X[:, 0]), ShapeError, ("X", "(N, ...)", "(6,)", "X[:, None]")),
    ("data set of two lengths", lambda: dataset(y=Y[:3]), ShapeError, ("X and y", "6 and 3")),
    ("data set with a label column", lambda: dataset(y=Y[:, None]), ShapeError, ("y", "(6,)", "(6, 1)", "y[:, 0]")),
    (
        "data set with NaN",
        lambda: dataset(X=np.where(X[3, 0] == X, np.nan, X)),
        DataError,
        ("X", "finite", "nan", "row 3"),
    ),
    ("data set of text", lambda: dataset(X=np.array([["a"]] * 6)), DTypeError, ("X", "integers or floats", "<U1")),
    ("empty data set", lambda: dataset(X=X[:0], y=Y[:0]), DataError, ("X", "empty", "(0, 4)")),
    ("class names too few", lambda: dataset(class_names=("a", "b")), DataError, ("from 0 to 1", "got 2 in row 2")),
    (
        "class names repeated",
        lambda: dataset(class_names=("a", "a", "b")),
        ConfigError,
        ("class_names", "distinct", "'a'"),
    ),
    ("row beyond the end", lambda: dataset().take([0, 6]), DataError, ("indices", "from 0 to 5", "got 6")),
    ("rows by a mask", lambda: dataset().take(Y == 0), DTypeError, ("indices", "integers", "np.flatnonzero(mask)")),
    ("splits of two shapes", lambda: Splits(dataset(), dataset(X=X[:, :2])), ShapeError, ("val", "(4,)", "(2,)")),
    ("split of more than all", lambda: ordered_split(dataset(), train=5, val=5), ConfigError, ("6 rows", "5")),
    (
        "split fraction above one",
        lambda: random_split(dataset(), val=1.5, seed=0),
        ConfigError,
        ("val", "1.0", "got 1.5"),
    ),
    (
        "split of an array",
        lambda: ordered_split(X, train=3),
        DTypeError,
        ("dataset", "Dataset", "array of shape (6, 4)"),
    ),
    (
        "split with a seed of text",
        lambda: random_split(dataset(), val=2, seed="a"),
        DTypeError,
        ("seed", "integer", "str"),
    ),
    (
        "class too small to split",
        lambda: stratified_split(dataset(y=np.array([0, 0, 0, 1, 1, 2])), val=3, seed=0),
        DataError,
        ("every class", "class 2", "1 row"),
    ),
    ("unknown data set", lambda: load("mnits"), ConfigError, ("data set", "'mnits'", "did you mean 'mnist'")),
    (
        "idx file that is not there",
        lambda: read_idx("/nonexistent/f"),
        DataError,
        ("path", "idx file", "does not exist"),
    ),
    ("idx path of a number", lambda: read_idx(3), DTypeError, ("path", "string", "int 3")),
    ("npz file that is not there", lambda: read_npz("/nonexistent/f", ["a"]), DataError, ("path", "does not exist")),
    ("mnist folder that is not there", lambda: load_mnist("/nonexistent"), DataError, ("folder", "train-images")),
    ("emnist part", lambda: load_emnist("/nonexistent", "letter"), ConfigError, ("EMNIST", "did you mean 'letters'")),
    ("cifar100 labels", lambda: load_cifar100("/nonexistent", "rough"), ConfigError, ("labels", "'rough'", "coarse")),
    ("mat file that is not there", lambda: read_mat("/nonexistent/f"), DataError, ("path", "does not exist")),
    ("mat keys as text", lambda: read_mat("f.mat", "X"), DTypeError, ("read_mat", "keys", "str 'X'")),
    ("npz keys as text", lambda: read_npz("f.npz", "X"), DTypeError, ("read_npz", "keys", "str 'X'")),
    ("members of nothing", lambda: next(iterate_members("/nonexistent")), DataError, ("archive", "does not exist")),
    ("members without a cap", lambda: iterate_members("a", max_files=None), DTypeError, ("max_files", "NoneType")),
    ("unpacking nothing", lambda: extract("/nonexistent", "/tmp/nowhere"), DataError, ("archive", "does not exist")),
    ("reading a number", lambda: read(3), DTypeError, ("source", "path or an object", "int 3")),
    ("reading a path that is not there", lambda: read("x.csv"), DataError, ("source", "exists", "'x.csv'")),
    ("reading of another kind", lambda: read((X, Y), kind="csvs"), ConfigError, ("kind", "did you mean 'csv'")),
    # -- checks
    ("check of a list function", lambda: cr.check_gradient(lambda x: x.sum(), [1.0, "a"], X), ChainruleError, ("x",)),
    ("check of no function", lambda: cr.check_gradient(None, X, X), DTypeError, ("f", "NoneType")),
    (
        "check by another method",
        lambda: cr.check_gradient(lambda x: (x * x).sum(), X, 2 * X, method="exact"),
        ConfigError,
        ("method", "'exact'"),
    ),
    ("check of a layer class", lambda: cr.check_layer(cr.ReLU), DTypeError, ("layer", "must be a Layer", "ReLU")),
    ("check of a layer on no shape", lambda: cr.check_layer(cr.Affine(3), (3,)), ShapeError, ("(N, D)", "(3,)")),
    ("check of no loss", lambda: cr.check_loss("softmax", (3, 4), Y), DTypeError, ("loss", "must be a Loss", "str")),
    # -- declarations and checkpoints
    ("layer misspelt", lambda: from_config("layer", "Relu"), ConfigError, ("'Relu'", "did you mean 'ReLU'")),
    (
        "layer field misspelt",
        lambda: from_config("layer", {"layer": "Affine", "unit": 3}),
        ConfigError,
        ("field of Affine 'unit'", "did you mean 'units'"),
    ),
    (
        "layer field missing",
        lambda: layers_from_config(["ReLU", "Affine"]),
        ConfigError,
        ("layers[1]", "Affine needs units"),
    ),
    (
        "layer field of another type",
        lambda: from_config("layer", {"layer": "Affine", "units": "3"}, "my.toml: layer 1"),
        ConfigError,
        ("my.toml: layer 1.units", "`int`", "`str`", "'3'"),
    ),
    (
        "code in a declaration",
        lambda: from_config("layer", {"layer": "os.system"}),
        ConfigError,
        ("unknown layer 'os.sys",),
    ),
    (
        "layer that is not registered",
        lambda: to_config(type("Own", (cr.ReLU,), {})()),
        ConfigError,
        ("Own", "not in the list"),
    ),
    ("network config as a list", lambda: cr.Network.from_config([1]), DTypeError, ("config", "layers, loss", "list")),
    (
        "network config without a loss",
        lambda: cr.Network.from_config(without(net().config(), "loss")),
        ConfigError,
        ("config must hold", "none of loss"),
    ),
    ("checkpoint that is not there", missing("a"), CheckpointError, ("/nonexistent/a", "No such file")),
    ("training that is not there", lambda: load_training("/nonexistent", solver()), CheckpointError, ("No such file",)),
    (
        "checkpoint into a file",
        lambda: save_network(__file__, net()),
        CheckpointError,
        ("could not be written", "is a file"),
    ),
    (
        "checkpoint over another folder",
        lambda: save_network(Path(__file__).parent, net()),
        CheckpointError,
        ("checkpoint or a new name", "other files"),
    ),
    (
        "checkpoint of an object",
        lambda: save_network("/tmp/never", net(), {"a": object()}),
        CheckpointError,
        ("plain data", "object"),
    ),
    (
        "checkpoint of extended precision",
        lambda: save_checkpoint("/tmp/never", {"a": np.ones(2, np.longdouble)}, {}),
        CheckpointError,
        ("a is longdouble", "float64"),
    ),
    # -- initialisers and generators
    ("shape as text", lambda: He()("ab", RNG), DTypeError, ("He", "shape", "tuple of integers", "'ab'")),
    ("shape below zero", lambda: Normal()((-1, 2), RNG), ConfigError, ("Normal", "shape", ">= 0", "got -1")),
    ("zeros of a bad shape", lambda: Zeros()((2, 0.5), RNG), DTypeError, ("Zeros", "shape", "float 0.5")),
    ("initialiser without rng", lambda: Orthogonal()((2, 2), None), DTypeError, ("Orthogonal", "rng", "None")),
    ("affine initialiser by name", lambda: cr.Affine(3, init="he"), DTypeError, ("Affine", "init", "str 'he'")),
    ("conv initialiser by name", lambda: cr.Conv2D(3, 3, init="he"), DTypeError, ("Conv2D", "init", "str 'he'")),
    ("network rng as a number", lambda: net(rng=5), DTypeError, ("Network", "rng", "generator", "int 5")),
    (
        "dropout key as text",
        lambda: cr.Dropout(0.5).forward(X, {}, train=True, key="a"),
        DTypeError,
        ("key", "integer", "str 'a'"),
    ),
    ("split without val", lambda: ordered_split(dataset(), val=None), DTypeError, ("ordered_split", "val", "None")),
    # -- recipes
    ("recipe that is a number", lambda: recipes().parse_recipe(5), DTypeError, ("recipe", "TOML text", "int 5")),
    ("recipe of bytes", lambda: recipes().parse_recipe(b""), DTypeError, ("recipe", "TOML text", "bytes b''")),
    (
        "override that is a number",
        lambda: recipes().apply_overrides(recipe()(), [3]),
        DTypeError,
        ("apply_overrides", "KEY=VALUE", "[3]"),
    ),
    (
        "override as bare text",
        lambda: recipes().apply_overrides(recipe()(), "seed=3"),
        DTypeError,
        ("apply_overrides", "list", "'seed=3'"),
    ),
    ("overrides of no recipe", lambda: recipes().apply_overrides(None, []), DTypeError, ("Recipe", "None")),
    ("build of a name", lambda: recipes().build("digits-mlp"), DTypeError, ("build", "load_recipe", "'digits-mlp'")),
    ("recipe that is no TOML", recipe(name="[[["), ConfigError, ("my.toml",)),
    (
        "recipe of an unknown layer",
        recipe(layers='[{ layer = "Afine", units = 3 }]'),
        ConfigError,
        ("my.toml", "model.layers[0]", "'Afine'", "did you mean 'Affine'"),
    ),
    ("recipe with a wrong type", recipe(val='"a fifth"'), ConfigError, ("my.toml", "val", "a fifth")),
    ("recipe with a bad name", recipe(name='"../../etc"'), ConfigError, ("my.toml", "name")),
    ("recipe of an unknown data set", lambda: build_recipe(recipe(name='"digts"')), ConfigError, ("digts",)),
    # -- masked, empty, or beyond what numbers and files can be
    ("masked row numbers", lambda: dataset().take(masked([0, 1])), DataError, ("Dataset", "indices", "1 of them")),
    ("masked rows", lambda: NormalizedRows(masked(X), unit()), DataError, ("NormalizedRows", "X", "masked")),
    ("masked index", lambda: NormalizedRows(X, unit())[masked([0, 1])], DataError, ("rows", "masked")),
    ("index in two axes", lambda: NormalizedRows(X, unit())[0, 1], DataError, ("rows", "0 to 5", "tuple (0, 1)")),
    ("row beyond the last", lambda: NormalizedRows(X, unit())[2**63], DataError, ("rows", "0 to 5", "int 9223")),
    (
        "masked targets",
        lambda: MixUp().mix(IMAGES, masked(np.eye(2)), WORDS),
        DTypeError,
        ("t", "plain", "shape (2, 2)"),
    ),
    ("targets as a matrix", lambda: MixUp().mix(IMAGES, matrix(), WORDS), DTypeError, ("t", "plain", "shape (2, 2)")),
    ("labels in a column", lambda: loader(y=Y[:, None]), ShapeError, ("Loader", "y", "(6,)", "(6, 1)", "y[:, 0]")),
    ("class of batches", lambda: loader(batches=ShuffledBatches), DTypeError, ("Loader", "batches", "ShuffledBatches")),
    ("transforms in an array", lambda: loader(augment=np.array(2.0)), DTypeError, ("augment", "list", "shape ()")),
    ("scale too small", lambda: to_float(X, 5e-324), ConfigError, ("to_float", "scale", "float32", "5e-324")),
    ("path too long", lambda: cr.data.audit("x" * 5000), DTypeError, ("audit", "name_or_folder", "xxx...")),
    ("empty path", lambda: read(""), DTypeError, ("read", "source", "str ''")),
    ("set of a long name", lambda: find_folder("x" * 999, []), ConfigError, ("find_folder", "name", "xxx...")),
    (
        "first label too low",
        lambda: read((X, Y), first_label=-1, class_names=list("abc")),
        DataError,
        ("first_label = -1",),
    ),
    (
        "gradient that is ragged",
        lambda: check(gradient=[[1.0], []]),
        ShapeError,
        ("check_gradient", "gradient", "rows"),
    ),
    ("cotangent that is masked", lambda: check(dout=masked(X)), DataError, ("check_gradient", "dout", "1 of them")),
    ("function without a value", lambda: check(f=lambda x: None), DTypeError, ("f must return", "dtype object")),
    ("step too small", lambda: check(step=1e-300), ConfigError, ("check_gradient", "step", "got 1e-300")),
    ("shape too large", lambda: check_layer(cr.ReLU(), (10**40, 1)), ConfigError, ("check_layer", "x_shape", "memory")),
    ("targets that are a class", lambda: check_loss(cr.SquaredError(), (2, 3), int), DTypeError, ("targets", "int")),
    ("gradcheck of a class", lambda: diagnose(int), DTypeError, ("diagnose", "forward", "class 'int'")),
    ("complex cotangent", lambda: complex_cotangent(), DTypeError, ("Network", "dscores", "real", "complex")),
    ("gradients without y", lambda: engine().loss_and_gradients(X, None), DTypeError, ("y", "array", "NoneType None")),
    ("on_divergence too long", lambda: solver(on_divergence="x" * 5000), ConfigError, ("on_divergence", "xxx...")),
    ("study of nothing", lambda: bagging_figure([]), ConfigError, ("bagging_figure", "studies", "at least one study")),
    ("ensemble of nobody", lambda: usual_ensemble([]), ConfigError, ("usual_ensemble", "members", "one network")),
    ("rows of no runs", lambda: shared_test_part([]), ConfigError, ("shared_test_part", "runs", "one run")),
    ("label beyond those of members", lambda: prediction_errors(ensemble(), X, Y + 9), DataError, ("0 to 2", "got 11")),
    ("too many members", lambda: uncorrelated_errors(10**40, 5), ConfigError, ("members", "<= 46340")),
    ("masked predictions", lambda: submit(["a", "b"], masked([0, 1])), DataError, ("predictions", "masked")),
    ("id that is no number", lambda: submit([math.nan, "b"], [0, 1]), DataError, ("ids", "finite", "nan")),
    ("rules in lists", lambda: lint(net(), ignore=[["a"]]), DTypeError, ("lint", "ignore", "names", "[['a']]")),
    ("empty recipe", lambda: recipes().parse_recipe(" "), ConfigError, ("recipe", "TOML text", "' '")),
    ("matrix too large", lambda: confusion_matrix(Y, Y, 10**40), ConfigError, ("classes", "fit in memory", "1000")),
    ("figure on a folder", lambda: save_figure(Figure(), "/"), WriteError, ("save_figure", "path", "file", "folder")),
    ("traced list", lambda: trace(lambda x: x * 2, [1.0, 2.0]), DTypeError, ("trace", "f", "values", "shape (2,)")),
    ("traced text", lambda: trace_text("y = x", {"x": "a"}), DTypeError, ("trace_text", "values['x']", "str 'a'")),
    ("trace of a long name", lambda: trace_text("x" * 5000, {}), ConfigError, ("in the equations", "unknown name")),
    ("padding by a text", lambda: cr.models.ConvNet(padding="some"), ConfigError, ("ConvNet", "padding", "'same'")),
]


def masked(values: Any) -> Any:
    """An array whose first entry is masked."""
    array = np.asarray(values)
    return np.ma.masked_array(array, np.arange(array.size).reshape(array.shape) == 0)


def matrix() -> Any:
    with warnings.catch_warnings(action="ignore"):  # they are going away
        return np.asmatrix(np.eye(2))


def unit() -> Any:
    return Normalizer(np.zeros(()), np.ones(()))


def loader(**options: Any) -> Any:
    return Loader(**{"X": X, "y": Y, "batches": ShuffledBatches(6, 2, 0), **options})


def check(**options: Any) -> Any:
    arguments: dict[str, Any] = {"f": np.sin, "x": X, "gradient": lambda dout: dout * np.cos(X), **options}
    return check_gradient(**arguments)


def engine() -> Any:
    return make_engine(net(), cr.SGD(), "reference")


def complex_cotangent() -> None:
    network = net()
    network.backward(np.ones((6, 3), complex), network.forward(X.astype(np.float32))[1])


def ensemble() -> Any:
    return usual_ensemble([net(), net()])


def submit(ids: Any, predictions: Any) -> None:
    write_submission("/nonexistent/out.csv", ids, predictions)


def build_recipe(read: Callable[[], Any]) -> Any:
    from chainrule.recipes import build

    return build(read())


@pytest.mark.parametrize(("call", "error", "parts"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_bad_input(call: Callable[[], Any], error: type[ChainruleError], parts: tuple[str, ...]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    assert isinstance(caught.value, ChainruleError), f"a raw {caught.value!r}"
    assert isinstance(caught.value, error)
    for part in parts:
        assert part in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_message_can_be_printed_whatever_it_names() -> None:
    with pytest.raises(CheckpointError) as caught:
        load_network("/nonexistent/caf\udce9")
    assert str(caught.value).startswith("/nonexistent/caf\\udce9/")
    error = WriteError.of("caf\udce9", "written", OSError(28, "No space left on device"))
    assert str(error).encode("utf-8") == rb"caf\udce9 could not be written: the disk is full"


def test_what_is_declared_as_a_path_arrives_as_one() -> None:
    @typed
    def one(folder: Path, other: str | Path) -> tuple[Any, Any]:
        return folder, other

    assert one("a", "b") == (Path("a"), "b")
    with pytest.raises(DTypeError, match="folder must be a path, got str ''"):
        one("", "b")


def test_there_is_a_row_for_every_kind_of_bad_input() -> None:
    names = [row[0] for row in ROWS]
    assert len(set(names)) == len(names) >= 150
    assert json.dumps(names)
