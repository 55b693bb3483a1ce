"""Installed code bases: the imports of the notebooks, training in a fresh interpreter, nothing overwritten."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.courses import install, names
from chainrule.courses import install as install_function
from chainrule.courses.install import find, source
from chainrule.errors import ChainruleError, ConfigError

ALL = [(course, edition) for course, editions in names().items() for edition in editions]

#: The lines that the notebooks of assignment 2 execute.
CS231N = """
import time
import numpy as np
from cs231n.classifiers.fc_net import *
from cs231n.data_utils import get_CIFAR10_data
from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.solver import Solver
from cs231n.layers import *
from cs231n.fast_layers import *
from cs231n.layer_utils import affine_relu_forward, affine_relu_backward
from cs231n.layer_utils import conv_relu_forward, conv_relu_backward
from cs231n.layer_utils import conv_bn_relu_forward, conv_bn_relu_backward
from cs231n.layer_utils import conv_relu_pool_forward, conv_relu_pool_backward
from cs231n.optim import sgd_momentum, rmsprop, adam
from cs231n.optim import sgd
from cs231n.vis_utils import visualize_grid
from cs231n.classifiers.cnn import *
from cs231n.im2col import *
"""

TRAIN_CS231N = """
data = {"X_train": np.random.randn(40, 3, 8, 8), "y_train": np.random.randint(10, size=40)}
data |= {"X_val": data["X_train"][:10], "y_val": data["y_train"][:10]}
nets = [FullyConnectedNet([8, 7], input_dim=192, reg=0.1), ThreeLayerConvNet((3, 8, 8), 2, 3, 5)]
if "TwoLayerNet" in globals():
    nets.append(TwoLayerNet(input_dim=192, hidden_dim=6))
for model in nets:
    for rule in ("sgd", "sgd_momentum", "rmsprop", "adam"):
        options = {"optim_config": {"learning_rate": 1e-3}, "batch_size": 10, "num_epochs": 1}
        solver = Solver(model, data, update_rule=rule, **options)
        solver.train()
        assert len(solver.loss_history) == 4 and np.isfinite(solver.loss_history).all()
import cs231n.classifiers.fc_net as fc_net, cs231n.layers, cs231n.layer_utils, cs231n.fast_layers
for module in (cs231n.layers, cs231n.layer_utils, cs231n.fast_layers):
    for name in vars(module):
        assert name.startswith("_") or hasattr(fc_net, name), name
assert fc_net.np is np
print("trained")
"""


def run(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("edition", ["2016", "2020", "2024"])
def test_the_cs231n_notebooks_find_their_imports_and_train(tmp_path, edition):
    install("cs231n", edition, tmp_path)
    out = run(CS231N + TRAIN_CS231N, tmp_path)
    assert out.endswith("trained\n")
    assert "(Iteration 1 / 4) loss: " in out
    assert "(Epoch 1 / 1) train acc: " in out


def test_every_edition_of_cs231n_means_its_own_dropout(tmp_path):
    for edition, keyword, value in (("2017", "dropout", 0), ("2018", "dropout", 1), ("2021", "dropout_keep_ratio", 1)):
        folder = tmp_path / edition
        install("cs231n", edition, folder)
        script = "from cs231n.classifiers.fc_net import *\nimport inspect\n"
        script += f"assert inspect.signature(FullyConnectedNet).parameters['{keyword}'].default == {value}\n"
        script += "print(dropout_forward.__name__)"
        assert run(script, folder) == ("drop_forward\n" if edition == "2017" else "keep_forward\n")


def test_the_michigan_homework_runs(tmp_path):
    install("eecs598", 2019, tmp_path)
    script = """
import numpy as np
from layers import *
from logistic import *
from svm import *
from softmax import *
from cnn import *
from solver import Solver
import optim
from gradient_check import eval_numerical_gradient
X = np.random.randn(30, 5)
data = {"X_train": X, "y_train": (X[:, 0] > 0).astype(int), "X_val": X, "y_val": (X[:, 0] > 0).astype(int)}
for model in (LogisticClassifier(5), LogisticClassifier(input_dim=5, hidden_dim=4), SVM(5, 4), SVM(5)):
    Solver(model, data, update_rule="sgd_momentum", batch_size=5, num_epochs=2, verbose=False).train()
data = {"X_train": np.random.randn(20, 1, 28, 28), "y_train": np.random.randint(10, size=20)}
data |= {"X_val": data["X_train"], "y_val": data["y_train"]}
conv = ConvNet(num_filters=2, dropout=.3, normalization=True)
for model in (SoftmaxClassifier(), SoftmaxClassifier(hidden_dim=None), conv):
    Solver(model, data, update_rule="adam", batch_size=5, num_epochs=1, verbose=False).train()
assert Solver.rules is optim
"""
    run(script, tmp_path)


def test_the_rice_homework_runs(tmp_path):
    install("comp540", 2018, tmp_path)
    script = """
import numpy as np
import fc_net, layers, solver, cnn, optim
from utils import get_CIFAR10_data
from data_utils import get_CIFAR10_data
from gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from layer_utils import conv_relu_pool_forward, conv_relu_pool_backward, conv_relu_forward, conv_relu_backward
from fast_layers import conv_forward_fast, conv_backward_fast, max_pool_forward_fast, max_pool_backward_fast
from vis_utils import show_net_weights, visualize_grid
layers.affine_forward(x=np.ones((2, 3)), theta=np.ones((3, 1)), theta0=np.ones(1))
x, theta, theta0 = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), np.ones(1)
for conv in (layers.conv_forward_naive, conv_forward_fast, conv_relu_forward):
    assert conv(x=x, theta=theta, theta0=theta0, conv_param={"stride": 1, "pad": 0})[0].item() == 10
data = {"X_train": np.random.randn(20, 3, 8, 8), "y_train": np.random.randint(10, size=20)}
data |= {"X_val": data["X_train"], "y_val": data["y_train"]}
deep = fc_net.FullyConnectedNet([5], 192, dropout=.5)
for model in (fc_net.TwoLayerNet(192), deep, cnn.ThreeLayerConvNet((3, 8, 8))):
    sgd_solver = solver.Solver(model, data, update_rule="rmsprop", batch_size=5, num_epochs=1, verbose=False)
    sgd_solver.train()
    assert list(model.params)[:2] == ["theta1", "theta1_0"]
"""
    run(script, tmp_path)


def test_the_berkeley_homework_runs(tmp_path):
    install("cs189", "mds189", tmp_path)
    script = """
import numpy as np
from layers import *
from classifiers.fc_net import FullyConnectedNet
from solver import Solver
from data_utils import load_CIFAR10
from gradient_check import eval_numerical_gradient
data = {"X_train": np.random.randn(20, 75), "y_train": np.random.randint(8, size=20)}
data |= {"X_val": data["X_train"], "y_val": data["y_train"]}
Solver(FullyConnectedNet(75), data, batch_size=5, num_epochs=1, verbose=False).train()
"""
    run(script, tmp_path)


def test_a_student_may_add_a_rule(tmp_path):
    install("cs231n", "2020", tmp_path)
    with open(tmp_path / "cs231n" / "optim.py", "a") as file:
        file.write("\n\ndef lazy(w, dw, config=None):\n    return w, config\n")
    script = """
data = {"X_train": np.ones((4, 3)), "y_train": np.zeros(4, int), "X_val": np.ones((4, 3)), "y_val": np.zeros(4, int)}
model = TwoLayerNet(3, 2, 2)
before = model.params["W1"].copy()
Solver(model, data, update_rule="lazy", optim_config={"learning_rate": 1}, num_epochs=2, verbose=False).train()
assert (model.params["W1"] == before).all()
"""
    run(CS231N + script, tmp_path)


@pytest.mark.parametrize(("course", "edition"), ALL)
def test_installed_names_are_those_of_the_namespace(tmp_path, course, edition):
    chosen = find(course).edition(edition)
    written = install(course, edition, tmp_path)
    assert {str(p.relative_to(tmp_path / chosen.package)) for p in written} == set(chosen.files)
    for path in chosen.files:
        text = (tmp_path / chosen.package / path).read_text()
        assert text == source(chosen, path)
        tree = ast.parse(text)
        assert f"{course}, edition {edition}, on top of chainrule" in ast.get_docstring(tree)
        assert all(len(line) <= 120 for line in text.splitlines())
        bound = {"np"}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                bound |= {alias.asname or alias.name for alias in node.names}
                if node.module.startswith("chainrule"):
                    module = importlib.import_module(node.module)
                    assert all(hasattr(module, alias.name) for alias in node.names)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                bound.add(node.name)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                bound |= {target.id for target in node.targets[0].elts}
        assert set(chosen.files[path].names) <= bound
        for name, value in vars(chosen.module(path)).items():  # every entry of the table exists
            assert not name.startswith("_")
            assert value is not None


CS231N_FILES = [
    *("__init__", "layers", "fast_layers", "layer_utils", "im2col", "optim", "solver", "gradient_check", "vis_utils"),
    *("data_utils", "classifiers/__init__", "classifiers/fc_net", "classifiers/cnn"),
]


def test_the_files_of_cs231n(tmp_path):
    written = install("cs231n", 2020, tmp_path / "new" / "folder")
    assert sorted(str(p.relative_to(tmp_path / "new/folder/cs231n")) for p in written) == sorted(
        f"{name}.py" for name in CS231N_FILES
    )
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["cs231n"]  # nothing temporary is left
    assert all(p.stat().st_mode & 0o444 == 0o444 for p in written)


@pytest.mark.parametrize("course", ["cs231n", "eecs598"])
def test_nothing_is_overwritten_without_force(tmp_path, course):
    mine = tmp_path / ("cs231n" if course == "cs231n" else ".") / "optim.py"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("# my own work")
    with pytest.raises(ConfigError, match=r"optim\.py exist already"):
        install(course, names()[course][0], tmp_path)
    assert [p.name for p in mine.parent.iterdir()] == ["optim.py"]
    assert mine.read_text() == "# my own work"
    install(course, names()[course][0], tmp_path, force=True)
    assert "adam" in mine.read_text()


def test_other_files_of_the_folder_stay(tmp_path):
    (tmp_path / "cs231n" / "datasets").mkdir(parents=True)
    (tmp_path / "cs231n" / "datasets" / "get_datasets.sh").write_text("wget")
    install("cs231n", 2017, tmp_path)
    assert (tmp_path / "cs231n" / "datasets" / "get_datasets.sh").read_text() == "wget"
    assert (tmp_path / "cs231n" / "classifiers" / "cnn.py").exists()


@pytest.mark.parametrize("there_before", [False, True])
def test_a_failure_half_way_leaves_what_was_there(tmp_path, monkeypatch, there_before):
    module = sys.modules[install_function.__module__]
    if there_before:
        (tmp_path / "cs231n").mkdir()
        (tmp_path / "cs231n" / "layers.py").write_text("# mine")
    real, count = module.write_atomically, [0]

    def fails_at_the_fifth(path, content):
        count[0] += 1
        if count[0] == 5:
            raise OSError("disk full")
        real(path, content)

    monkeypatch.setattr(module, "write_atomically", fails_at_the_fifth)
    with pytest.raises(ConfigError, match="disk full"):
        install("cs231n", 2019, tmp_path, force=True)
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left == ({"cs231n/layers.py"} if there_before else set())
    if there_before:
        assert (tmp_path / "cs231n" / "layers.py").read_text() == "# mine"


@pytest.mark.parametrize(
    "arguments",
    [("cs999", 2020, "x"), ("cs231n", 2015, "x"), ("cs231n", "latest", "x"), ("cs231n", 2020, 3), ("", "", "")],
)
def test_errors_are_typed(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ChainruleError):
        install(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(ConfigError, match="must be a folder"):
        install("cs231n", 2020, tmp_path / "f")


def test_the_command(tmp_path, capsys):
    from chainrule.cli.courses import app

    app(["install", "cs231n", str(tmp_path), "--edition", "2020"], result_action="return_value")
    assert "13 files of cs231n 2020 written" in capsys.readouterr().out
    app(["list"], result_action="return_value")
    assert "mds189" in capsys.readouterr().out
    with pytest.raises(ConfigError):
        app(["install", "cs231n", str(tmp_path), "--edition", "2020"], result_action="return_value")
