"""Valid objects and arguments for what does not declare examples of its own, by class, entry point, or name."""

from __future__ import annotations

import functools
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import analysis, check, data, engines, ensembles, grade, recipes, report, solver
from chainrule.courses import cs231n
from chainrule.courses.common import layers as course_layers
from chainrule.courses.common.solver import Solver as CourseSolver
from chainrule.data import augment
from chainrule.flat import FlatViews
from chainrule.optim import Chain, Cosine, CyclicCosine, EpochDecay, OneCycle, ReduceOnPlateau, StepDecay, WarmUp
from hostile.coursework import X as CX
from hostile.coursework import Y as CY
from hostile.values import PlantedError

X = np.random.default_rng(0).normal(size=(6, 4))
Y = np.array([0, 1, 2, 0, 1, 2])
IMAGES = np.random.default_rng(1).integers(0, 256, (6, 1, 8, 8), np.uint8)
DATA = {"X_train": X, "y_train": Y, "X_val": X, "y_val": Y}
TEXT = """
name = "r"
title = "t"
source = "s"
[data]
name = "digits"
val = 0.2
[model]
layers = [{ layer = "Flatten" }, { layer = "Affine", units = 10 }]
[train]
epochs = 1
batch_size = 500
"""
RUBRIC = """
course = "cs231n"
edition = "2020"
cases = 1
diagnose = false
[points]
affine_forward = 5
"""
STUDENT = '''"""A forward and a backward pass."""
import numpy as np

def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
'''


def network(**options: Any) -> cr.Network:
    return cr.Network(**{"layers": [cr.Affine(5), cr.ReLU(), cr.Affine(3)], "input_shape": 4, **options})


def image_network() -> cr.Network:
    return cr.Network([cr.Conv2D(2, 3), cr.ReLU(), cr.Flatten(), cr.Affine(3)], input_shape=(1, 8, 8))


def a_solver(**options: Any) -> cr.Solver:
    return cr.Solver(network(), DATA, **{"num_epochs": 1, "batch_size": 3, "verbose": False, **options})


def trained() -> cr.Solver:
    done = a_solver()
    done.train()
    return done


def a_trained() -> cr.Solver:
    """A solver with an epoch behind it."""
    return trained()


def dataset() -> data.Dataset:
    return data.Dataset(X, Y, ("a", "b", "c"), "rows")


def images() -> data.Dataset:
    return data.Dataset(IMAGES, Y, ("a", "b", "c"), "images")


def normalizer() -> data.Normalizer:
    return data.Normalizer.fit("standard", X)


def batches() -> data.ShuffledBatches:
    return data.ShuffledBatches(6, 2, 0)


def loader() -> data.Loader:
    return data.Loader(IMAGES, Y, batches(), [augment.HorizontalFlip()], seed=1, classes=3)


@functools.cache
def recipe() -> recipes.Recipe:
    return recipes.parse_recipe(TEXT)


@functools.cache
def experiment() -> recipes.Experiment:
    return recipes.build(recipe())


def ensemble() -> ensembles.Ensemble:
    return ensembles.Ensemble([network(seed=1), network(seed=2)])


def engine(cls: Any) -> Any:
    return cls(network(), cr.SGD(1e-3))


class OwnModelError(PlantedError):
    """What a model of a user's own says of inputs that it cannot take."""


class OwnModel:
    """A model of a user's own: softmax regression."""

    def __init__(self) -> None:
        self.params = {"W": np.zeros((4, 3))}

    def loss(self, X: Any, y: Any = None) -> Any:
        if np.ndim(X) != 2 or np.shape(X)[1] != 4:
            raise OwnModelError(f"rows of four numbers, please, not {np.shape(X)}")
        scores = np.asarray(X) @ self.params["W"]
        if y is None:
            return scores
        loss, dscores = cr.SoftmaxCrossEntropy()(scores, np.asarray(y))
        return float(loss), {"W": np.asarray(X).T @ dscores}


def own_rule(w: Any, dw: Any, config: Any) -> Any:
    """A rule of a user's own."""
    return w - 0.1 * dw, {} if config is None else config


def trace() -> analysis.Trace:
    return analysis.trace_text("a = x * y\nb = a + x", {"x": 2.0, "y": 3.0})


@functools.cache
def diagnosis() -> check.Diagnosis:
    return check.diagnose(cr.ReLU(), repair=False, corners=False)


@functools.cache
def history() -> solver.History:
    return trained().history


def path(name: str) -> Callable[[], Path]:
    return lambda: Path(name).absolute()


#: An object of a class that neither examples nor defaults give.
INSTANCES: dict[Any, Callable[[], Any]] = {
    cr.Network: network,
    cr.Solver: a_solver,
    cr.Param: lambda: cr.Param("D", cr.he_normal),
    Chain: lambda: Chain(cr.Adam(1e-3), clip_norm=1.0, l2=0.1),
    EpochDecay: lambda: EpochDecay(0.9),
    StepDecay: lambda: StepDecay(2, 0.5),
    Cosine: Cosine,
    CyclicCosine: lambda: CyclicCosine(2),
    WarmUp: lambda: WarmUp(3, EpochDecay(0.9)),
    OneCycle: OneCycle,
    ReduceOnPlateau: ReduceOnPlateau,
    cr.Constant: lambda: cr.Constant(0.5),
    engines.ReferenceEngine: lambda: engine(engines.ReferenceEngine),
    engines.NativeEngine: lambda: engine(engines.NativeEngine),
    engines.ForeignEngine: lambda: engines.ForeignEngine(OwnModel(), cr.SGD(1e-3), None),
    engines.FunctionRule: lambda: engines.FunctionRule(own_rule, {"a": 1.0}, ["W"]),
    solver.Checkpoints: lambda: solver.Checkpoints(Path("checkpoints")),
    solver.History: history,
    data.Dataset: dataset,
    data.Splits: lambda: data.Splits(dataset(), dataset()),
    data.Normalizer: normalizer,
    data.NormalizedRows: lambda: data.NormalizedRows(X, normalizer()),
    data.ShuffledBatches: batches,
    data.ReplacementBatches: lambda: data.ReplacementBatches(6, 2, 0),
    data.LegacyBatches: lambda: data.LegacyBatches(6, 2, np.random.RandomState(0)),
    data.Loader: loader,
    data.Source: lambda: data.Source("rows", dataset()),
    ensembles.Ensemble: ensemble,
    ensembles.Member: lambda: ensembles.Member(network()),
    analysis.Trace: trace,
    analysis.Costs: lambda: analysis.count_costs([cr.Affine(3)], 4),
    check.Diagnosis: diagnosis,
    recipes.Experiment: experiment,
    recipes.Recipe: recipe,
    recipes.Study: lambda: recipes.load_study(recipes.list_studies()[0]),
    report.Progress: lambda: report.Progress(_console()),
    augment.Cutout: lambda: augment.Cutout(2),
    augment.RandomCrop: lambda: augment.RandomCrop(2),
    augment.Resize: lambda: augment.Resize(5, 6),
    augment.Rotation: lambda: augment.Rotation(10.0),
    augment.Translation: lambda: augment.Translation(0.2, 0.3),
    CourseSolver: lambda: CourseSolver(cs_model(), {"X_train": CX, "y_train": CY, "X_val": CX, "y_val": CY}),
    FlatViews: lambda: FlatViews({"W": (2, 3)}, np.float32),
    augment.RGB: augment.RGB,
}


def _console() -> Any:
    from rich.console import Console

    return Console(file=io.StringIO())


def _state(one: Any) -> dict[str, Any]:
    return {"state": one.state(), "step_number": 3}


def _callback_state(one: Any) -> dict[str, Any]:
    done = a_solver(callbacks=[one])
    done.train()
    return {"solver": done, "state": one.state(done)}


def _steps() -> dict[str, Any]:
    return {"X": X, "y": Y, "batches": [np.array([0, 1]), np.array([2, 3])], "factors": [1.0, 0.5]}


def _square() -> dict[str, Any]:
    return {"f": lambda x: x * x, "x": X, "gradient": lambda dout: 2 * X * dout, "dout": np.cos(X)}


@functools.cache
def runs() -> list[Any]:
    """Two runs of a small recipe, trained in the current folder."""
    small = recipes.change(recipe(), {"train.batch_size": 1000})
    for _ in ensembles.train_members(small, 2, Path("runs").absolute()):
        pass
    return ensembles.load_runs([Path("runs").absolute()])


def rubric() -> Any:
    return grade.read_rubric(Path("rubric.toml").absolute())


#: Arguments of an entry point, by its name, its name below its package, or `*.method` for every class.
ARGUMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "layers.Param": lambda: {"axes": "D M", "init": cr.he_normal},
    "*.windows": lambda: {"h": 6, "w": 6},
    "network.Network": lambda: {
        "layers": [cr.Affine(3), cr.ReLU()],
        "input_shape": 4,
        "loss": cr.SoftmaxCrossEntropy(),
        "rng": np.random.default_rng(0),
    },
    "network.Network.initialize": lambda: {"rng": np.random.default_rng(0)},
    "network.Network.forward": lambda: {"x": X.astype(np.float32)},
    "network.Network.backward": lambda n: {"cache": n.forward(X.astype("f4"))[1], "dscores": np.ones((6, 3), "f4")},
    "network.Network.loss": lambda: {"X": X, "y": Y},
    "network.Network.new_buffers": lambda n: {"cache": n.forward(X.astype(np.float32), train=True)[1]},
    "network.Network.update_buffers": lambda n: {"cache": n.forward(X.astype(np.float32), train=True)[1]},
    "network.Network.from_config": lambda: {"config": network().config()},
    "network.Network.diagnose": lambda: {"X": X, "y": Y, "step": 1},
    "layers.Sequential.owner": lambda: {"name": "W1"},
    "network.Network.owner": lambda: {"name": "W1"},
    "optim.CyclicCosine": lambda: {"cycles": 2},
    "optim.CyclicCosine.length": lambda: {"total_steps": 10},
    "optim.EpochDecay": lambda: {"decay": 0.9},
    "optim.StepDecay": lambda: {"every": 2, "gamma": 0.5},
    "optim.WarmUp": lambda: {"steps": 3, "then": EpochDecay(0.9)},
    "optim.Chain": lambda: {"rule": cr.SGD(0.1), "clip_value": 1.0, "clip_norm": 1.0, "l2": 0.1},
    "initializers.Constant": lambda: {"value": 0.5},
    "solver.Solver": lambda: {
        "model": network(),
        "data": DATA,
        "optim_config": {"learning_rate": 0.1},
        "callbacks": [solver.EarlyStopping()],
        "checkpoint_name": "checkpoint",
        "num_epochs": 1,
        "verbose": False,
    },
    "solver.Solver.check_accuracy": lambda: {"X": X, "y": Y, "num_samples": 4},
    "solver.Solver.save_checkpoint": lambda: {"folder": Path("saved")},
    "solver.save_network": lambda: {"folder": Path("saved network"), "network": network(), "extra": {"a": 1}},
    "solver.load_network": lambda: {"folder": Path("network").absolute()},
    "solver.resume_training": lambda: {"folder": Path("all").absolute(), "solver": a_solver()},
    "solver.load_training": lambda: {"folder": Path("training").absolute(), "solver": a_solver()},
    "*.share": lambda: {"count": 2},
    "*.load_state": lambda one: _callback_state(one) if isinstance(one, solver.Callback) else _state(one),
    "solver.Checkpoints": lambda: {"folder": Path("checkpoints")},
    "*.load_weights": lambda one: {"weights": one.weights()},
    "*.steps": _steps,
    "engines.make_engine": lambda: {"model": network(), "rule": cr.SGD(0.1)},
    "engines.NativeEngine": lambda: {"network": network(), "rule": cr.SGD(0.1)},
    "engines.NativeEngine.plan": lambda: {"rows": 2},
    "engines.NativeEngine.time_operations": lambda one: {"run": lambda: one.predict(X), "rows": 6},
    "engines.FunctionRule": lambda: {"function": own_rule, "optim_config": {"a": 1.0}, "names": ["W"]},
    "engines.FunctionRule.load_state": lambda: {"state": {}},
    "engines.FunctionRule.update": lambda: {"name": "W", "w": X, "gradient": X, "factor": 0.5},
    "engines.ForeignEngine": lambda: {"model": OwnModel(), "rule": cr.SGD(0.1), "optim_config": None},
    "check.check_gradient": _square,
    "check.check_layer": lambda: {"layer": cr.ReLU(), "x_shape": (2, 3), "num_checks": 2},
    "check.check_loss": lambda: {
        "loss": cr.SoftmaxCrossEntropy(),
        "scores_shape": (6, 3),
        "targets": Y,
        "num_checks": 2,
    },
    "check.diagnose": lambda: {"forward": cr.ReLU(), "repair": False, "corners": False},
    "check.find_checks": lambda: {"module": course_layers},
    "check.gradcheck_file": lambda: {"path": Path("student.py").absolute(), "corners": False},
    "check.relative_error": lambda: {"got": X, "expected": X + 1e-9},
    "check.Diagnosis.from_json": lambda: {"found": diagnosis().to_json()},
    "analysis.count_costs": lambda: {"layers": [cr.Affine(3)], "input_shape": 4, "counting": analysis.Counting()},
    "analysis.Trace.__getitem__": lambda: {"name": "x"},
    "analysis.Trace.consumers": lambda: {"name": "x"},
    "analysis.trace": lambda: {"f": lambda x, y: x * y + x, "values": {"x": 2.0, "y": 3.0}},
    "analysis.trace_text": lambda: {"text": "a = x * y\nb = a + x", "values": {"x": 2.0, "y": 3.0}, "of": "b"},
    "courses.install": lambda: {"course": "cs231n", "edition": 2020, "folder": Path("installed"), "force": True},
    "courses.cs231n.edition": lambda: {"name": 2020},
    "courses.comp540.edition": lambda: {"name": 2018},
    "courses.cs189.edition": lambda: {"name": 2018},
    "courses.eecs598.edition": lambda: {"name": 2019},
    "data.Dataset": lambda: {"X": X, "y": Y, "class_names": ["a", "b", "c"], "name": "rows"},
    "data.Dataset.class_name": lambda: {"label": 1},
    "data.Splits": lambda: {"train": dataset(), "val": dataset(), "test": dataset()},
    "data.Source": lambda: {"name": "rows", "train": dataset(), "test": dataset()},
    "data.ShuffledBatches": lambda: {"n": 6, "batch_size": 2, "seed": 1},
    "data.ReplacementBatches": lambda: {"n": 6, "batch_size": 2, "seed": 1},
    "data.LegacyBatches.indices": lambda: {"step": 0},
    "data.LegacyBatches": lambda: {"n": 6, "batch_size": 2, "rng": np.random.RandomState(0)},
    "data.LegacyBatches.load_state": lambda one: {"state": one.state()},
    "data.Loader": lambda: {
        "X": IMAGES,
        "y": Y,
        "batches": batches(),
        "augment": [augment.HorizontalFlip()],
        "classes": 3,
    },
    "data.Loader.make": lambda: {"rows": np.array([0, 2]), "step": 1},
    "data.Loader.stream": lambda: {"first": 0, "last": 2},
    "data.NormalizedRows": lambda: {"X": X, "normalizer": normalizer()},
    "data.NormalizedRows.__getitem__": lambda: {"rows": np.array([0, 2])},
    "data.Normalizer": lambda: {"mean": X.mean(axis=0), "scale": X.std(axis=0)},
    "data.Normalizer.fit": lambda: {"kind": "standard", "X_train": X},
    "data.Normalizer.from_dict": lambda: {"arrays": normalizer().to_dict()},
    "data.Normalizer.require_shape": lambda: {"shape": (6, 4)},
    "data.audit": lambda: {"name_or_folder": Path("images").absolute()},
    "data.find_folder": lambda: {"name": "mnist", "files": [["a", "b"]]},
    "data.fetch": lambda: {"name": "notmnist"},
    "data.load": lambda: {"name": "digits"},
    "data.load_emnist": lambda: {"folder": Path("folder").absolute(), "part": "letters"},
    "data.load_image_folder": lambda: {"path": Path("images").absolute(), "cache": False},
    "data.load_notmnist": lambda: {"path": Path("folder").absolute()},
    "data.load_cifar10": lambda: {"path": Path("folder").absolute()},
    "data.make_batches": lambda: {"sampling": "shuffled", "n": 6, "batch_size": 2, "seed": 1},
    "data.read": lambda: {"source": Path("rows.csv").absolute(), "target": "target", "kind": "csv"},
    "data.read_idx": lambda: {"path": Path("rows.idx").absolute()},
    "data.read_npz": lambda: {"path": Path("rows.npz").absolute(), "keys": ["X"]},
    "data.read_mat": lambda: {"path": Path("rows.mat").absolute(), "keys": ["X"]},
    "data.extract": lambda: {"path": Path("rows.zip").absolute(), "folder": fresh()},
    "data.iterate_members": lambda: {"path": Path("rows.zip").absolute()},
    "data.split_by_indices": lambda: {"dataset": dataset(), "train": np.array([0, 1]), "val": np.array([2])},
    "data.ordered_split": lambda: {"dataset": dataset(), "train": 3, "val": 1, "test": 1},
    "data.random_split": lambda: {"dataset": dataset(), "train": 3, "val": 1, "test": 1, "seed": 1},
    "data.stratified_split": lambda: {"dataset": dataset(), "train": 3, "val": 3, "seed": 1},
    "data.stratified_k_fold": lambda: {"dataset": dataset(), "k": 2, "seed": 1},
    "data.k_fold": lambda: {"dataset": dataset(), "k": 3, "seed": 1},
    "data.augment.Cutout": lambda: {"size": 2},
    "data.augment.RandomCrop": lambda: {"padding": 2},
    "data.augment.Resize": lambda: {"height": 5, "width": 6},
    "data.augment.Rotation": lambda: {"degrees": 10.0},
    "data.augment.Translation": lambda: {"vertical": 0.2, "horizontal": 0.3},
    "ensembles.Ensemble": lambda: {"members": [network(seed=1), network(seed=2)], "views": ()},
    "ensembles.Ensemble.decide": lambda: {"probabilities": np.full((6, 3), 1 / 3)},
    "ensembles.Ensemble.labels": lambda: {"targets": Y},
    "ensembles.Ensemble.outputs": lambda: {"member": ensembles.Member(network()), "X": X},
    "ensembles.Member.batches": lambda: {"X": X, "views": ()},
    "ensembles.bagging_figure": lambda: {"studies": [("a", ensembles.bagging_table(np.cos(X)))]},
    "ensembles.bagging_table": lambda: {"errors": np.cos(X)},
    "ensembles.ensemble_of": lambda: {"runs": runs()},
    "ensembles.load_runs": lambda: {"paths": [run.folder for run in runs()]},
    "ensembles.out_of_bag_score": lambda: {"runs": bagged()},
    "ensembles.paired_difference": lambda: {"a": np.array([0.1, 0.5, 0.4]), "b": np.array([0.2, 0.3, 0.3])},
    "ensembles.prediction_errors": lambda: {"ensemble": ensemble(), "X": X, "y": Y},
    "ensembles.shared_test_part": lambda: {"runs": runs()},
    "ensembles.train_members": lambda: {"recipe": recipe(), "count": 1, "folder": fresh()},
    "ensembles.train_snapshots": lambda: {"recipe": recipe(), "cycles": 1, "folder": fresh()},
    "ensembles.uncorrelated_errors": lambda: {"members": 3, "rows": 5, "seed": 1},
    "ensembles.usual_ensemble": lambda: {"members": [network(seed=1), network(seed=2)]},
    "ensembles.write_submission": lambda: {
        "path": Path("out.csv").absolute(),
        "ids": ["a", "b", "c"],
        "predictions": np.arange(3),
    },
    "ensembles.parse_views": lambda: {"text": "flip"},
    "grade.grade": lambda: {"submission": Path("submission").absolute(), "rubric": rubric(), "weak_sandbox": True},
    "grade.grade_folder": lambda: {"folder": Path("submissions").absolute(), "rubric": rubric(), "weak_sandbox": True},
    "grade.course_rubric": lambda: {"name": "cs231n-2020"},
    "grade.read_rubric": lambda: {"path": Path("rubric.toml").absolute()},
    "grade.Report.from_json": lambda: {"text": grade.Report(name="a", course="b", edition="c", title="d").to_json()},
    "lint.lint": lambda: {"subject": network(), "data": DATA},
    "models.FullyConnectedNet": lambda: {"hidden_dims": [5], "input_shape": 4, "classes": 3},
    "models.TwoLayerNet": lambda: {"input_shape": 4, "classes": 3},
    "models.affine_relu": lambda: {"units": 3},
    "models.conv_relu": lambda: {"filters": 2, "kernel": 3},
    "models.conv_bn_relu": lambda: {"filters": 2, "kernel": 3},
    "models.conv_relu_pool": lambda: {"filters": 2, "kernel": 3},
    "models.ThreeLayerConvNet": lambda: {"input_shape": (3, 8, 8), "hidden_dim": 5},
    "models.ConvNet": lambda: {"input_shape": (1, 8, 8), "hidden_dim": 5},
    "models.SoftmaxClassifier": lambda: {"input_shape": 4, "hidden_dim": 5, "classes": 3},
    "models.LogisticClassifier": lambda: {"input_shape": 4, "hidden_dim": 5},
    "models.SVM": lambda: {"input_shape": 4, "hidden_dim": 5},
    "recipes.build": lambda: {"recipe": recipe()},
    "recipes.apply_overrides": lambda: {"recipe": recipe(), "overrides": ["train.epochs=2"]},
    "recipes.change": lambda: {"recipe": recipe(), "changes": {"train.epochs": 2}},
    "recipes.load_recipe": lambda: {"name_or_path": Path("recipe.toml").absolute()},
    "recipes.load_study": lambda: {"name_or_path": recipes.list_studies()[0]},
    "recipes.Recipe.check": lambda: {"where": "recipe"},
    "recipes.Study.check": lambda: {"where": "study"},
    "report.Progress": lambda: {"console": _console()},
    "report.class_table": lambda: {"y": Y, "predicted": Y[::-1].copy(), "class_names": ["a", "b", "c"]},
    "report.confusion_matrix": lambda: {"y": Y, "predicted": Y[::-1].copy(), "classes": 3},
    "report.confusion_figure": lambda: {"matrix": np.eye(3, dtype=int), "class_names": ["a", "b", "c"], "title": "t"},
    "report.save_figure": lambda: {"figure": report.curves_figure(history(), "t"), "path": Path("figure.png")},
    "search.lr_range": lambda: {"recipe": recipe(), "steps": 10},
    "search.search": lambda: {"recipe": searched(), "storage": f"sqlite:///{Path('study.db').absolute()}"},
    "search.Plan": lambda: {"recipe": searched()},
    "courses.comp540.solver.Solver.check_accuracy": lambda: {"X": CX, "y": CY},
    "courses.comp540.solver.Solver": lambda: {"model": cs_model(), "data": dict(DATA)},
}


def bagged() -> list[Any]:
    """Runs of which each saw a bootstrap sample."""
    return _bagged()


@functools.cache
def _bagged() -> list[Any]:
    for _ in ensembles.train_members(recipe(), 2, Path("bagged").absolute(), bootstrap=True):
        pass
    return ensembles.load_runs([Path("bagged").absolute()])


def fresh() -> Path:
    """A folder that is not there, the same each time, as results name it."""
    folder = Path("fresh").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@functools.cache
def searched() -> Any:
    """The recipe with a search of two trials."""
    part = {"spaces": {"train.batch_size": "choice(500, 700)"}, "trials": 2}
    return recipes.change(recipe(), {"search": part})


def cs_model() -> Any:
    from hostile.coursework import model

    return model(cs231n.edition(2016).fc_net.TwoLayerNet)


#: A valid value by the name of a parameter.
NAMES: dict[str, Callable[[], Any]] = {
    "X": lambda: X,
    "y": lambda: Y,
    "x": lambda: X,
    "batch_size": lambda: 2,
    "seed": lambda: 1,
    "n": lambda: 6,
    "k": lambda: 3,
    "loss": lambda: 0.5,
    "dataset": dataset,
    "splits": lambda: data.Splits(dataset(), dataset()),
    "solver": a_trained,
    "network": network,
    "model": network,
    "layers": lambda: [cr.Affine(3)],
    "input_shape": lambda: 4,
    "recipe": recipe,
    "history": history,
    "figure": lambda: report.curves_figure(history(), "t"),
    "title": lambda: "title",
    "rule": lambda: cr.SGD(1e-3),
    "error": lambda: cr.DivergenceError(1, "layer", "tensor", float("nan")),
    "class_names": lambda: ["a", "b", "c"],
    "indices": lambda: np.array([0, 2, 1]),
    "step": lambda: 1,
    "name": lambda: "name",
    "text": lambda: TEXT,
    "path": path("rows.npz"),
    "folder": path("folder"),
    "ROOT": path("folder"),
    "filename": path("folder"),
    "models_dir": path("folder"),
    "number": lambda: 1,
    "steps_per_epoch": lambda: 5,
    "total_steps": lambda: 20,
}

#: What needs a published data set or the network: its valid call is one that says what is missing.
NEEDS_DATA = (
    "data.fetch",
    "data.find_folder",
    "data.load_binary20d",
    "data.load_cifar10",
    "data.load_cifar100",
    "data.load_emnist",
    "data.load_fashion_mnist",
    "data.load_mnist",
    "data.load_notmnist",
    "courses.*.load_*",
    "courses.*.get_CIFAR10_data",
)


def write_files(folder: Path) -> None:
    """The files that valid calls read."""
    from PIL import Image
    from scipy.io import savemat

    np.savez(folder / "rows.npz", X=X, y=Y)
    savemat(folder / "rows.mat", {"X": X, "y": Y})
    (folder / "rows.idx").write_bytes(b"\0\0\x08\x01" + (6).to_bytes(4, "big") + bytes(range(6)))
    (folder / "rows.csv").write_text("a,b,target\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n")
    (folder / "student.py").write_text(STUDENT)
    (folder / "recipe.toml").write_text(TEXT)
    (folder / "rubric.toml").write_text(RUBRIC)
    (folder / "folder").mkdir()
    for place in ("submission", "submissions/ada"):
        (folder / place / "cs231n").mkdir(parents=True)
        (folder / place / "cs231n" / "layers.py").write_text(STUDENT)
    for name in ("cats", "dogs"):
        (folder / "images" / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(IMAGES[i, 0] + len(name) * i).save(folder / "images" / name / f"{i}.png")
    with zipfile.ZipFile(folder / "rows.zip", "w") as archive:
        archive.writestr("a/b.txt", "some text")
    solver.save_network("network", network())
    a_trained().save_checkpoint("training")
    (folder / "all").mkdir()
    a_trained().save_checkpoint("all/step-00000002")
