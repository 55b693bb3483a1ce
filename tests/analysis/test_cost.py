"""Costs: the worked counts of the sources, conventions of counting, composites, memory."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.analysis import Counting, count_costs
from chainrule.cli import main
from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.layers import LAYERS, Affine, BatchNorm, Conv2D, ConvTranspose2D, MaxPool2D, ReLU, Residual
from chainrule.models import MODELS
from chainrule.network import Network
from chainrule.summary import Summary

POOLED = "conv 20 4x4 pad 1 stride 2; maxpool 3x3 stride 1"
LENET = "conv 6 5; tanh; avgpool 2; conv 16 5; tanh; avgpool 2; flatten; affine 120; tanh; affine 84; tanh; affine 10"


def counted(capsys, *words):
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("bias", "flops"), [("none", 1_153_840), ("all", 1_154_560)])
def test_a_convolution_and_its_pooling(bias, flops, capsys):
    costs = counted(capsys, "cost", POOLED, "--input", "50,12,12", "--bias", bias)
    assert [row["output_shape"] for row in costs["layers"]] == [[20, 6, 6], [20, 4, 4]]
    per_output = 800 + 799 + (bias == "all")
    assert [row["flops"] for row in costs["layers"]] == [720 * per_output, 320 * 8]
    assert costs["flops"] == flops


@pytest.mark.parametrize(("bias", "first_affine"), [("convolutions", 48_000), ("all", 48_120)])
def test_lenet_as_the_source_counts_and_with_all_biases(bias, first_affine, capsys):
    for words in (("cost", LENET, "--input", "1,32,32"), ("summary", "lenet5")):  # the model has a convolution there
        costs = counted(capsys, *words, "--bias", bias)
        counts = [row["parameters"] for row in costs["layers"] if row["parameters"]]
        rest = [10_080, 840] if bias == "convolutions" else [10_164, 850]
        assert counts == [156, 2_416, first_affine, *rest]
        assert costs["parameters"] == {"convolutions": 61_492, "all": 61_706}[bias]


@pytest.mark.parametrize(("option", "parameters"), [((), 34_944), (("--unshared",), 105_705_600)])
def test_the_first_convolution_of_alexnet(option, parameters, capsys):
    costs = counted(capsys, "cost", "conv 96 11x11 stride 4", "--input", "3,227,227", *option)
    assert (costs["layers"][0]["output_shape"], costs["parameters"]) == ([96, 55, 55], parameters)
    costs = counted(capsys, "summary", "alexnet", *option, "--flops")
    assert costs["layers"][0]["parameters"] == parameters


def test_windows_that_do_not_fit(capsys):
    assert main(["cost", "conv 1 3 stride 2", "--input", "1,10,10"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "layer 1 of 1: Conv2D: stride does not fit" in err
    assert "= 4.5 is not whole" in err


@pytest.mark.parametrize("name", MODELS)
def test_models_have_the_published_counts_under_every_view(name, capsys):
    model = MODELS[name]
    costs = counted(capsys, "summary", name, "--flops")
    assert costs["parameters"] == model.parameters
    assert model.multiply_adds is None or costs["multiply_adds"] == model.multiply_adds
    summary = model.summary()
    assert costs["flops"] == summary.flops
    assert costs["memory"]["total"] == summary.memory(100)
    assert main(["summary", name, "--flops"]) == 0
    assert f"parameters: {model.parameters:,}  (published: {model.parameters:,})" in capsys.readouterr().out
    once, twice = (
        counted(capsys, "summary", name, "--count", how)["flops"] for how in ("multiply-adds", "2-multiply-adds")
    )
    assert (once, twice) == (summary.multiply_adds, 2 * summary.multiply_adds)


def test_published_rounded_counts():
    """ResNet's paper: 1.8·10⁹ FLOPs (multiply-adds); GoogLeNet's: some 1.5 billion; VGG's: 133 million weights."""
    giga = {name: MODELS[name].summary().multiply_adds / 1e9 for name in ("resnet18", "googlenet", "vgg11")}
    assert round(giga["resnet18"], 1) == 1.8
    assert 1.5 <= giga["googlenet"] < 1.6
    assert round(MODELS["vgg11"].parameters / 1e6) == 133


EXAMPLES = [(layer, shape) for cls in LAYERS for layer, shape in cls.examples()]


@pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=[repr(e)[:90] for e in EXAMPLES])
def test_default_counts_are_those_of_the_summary(layer, shape):
    costs = count_costs([layer], shape[1:])
    summary = Summary([layer], shape[1:], 4)
    (row,) = summary.rows
    assert tuple(costs.rows[0])[1:7] == (*row[:3], costs.rows[0].biases, *row[3:])
    assert costs.memory(7, 2).total == summary.memory(7, 2)
    direct = [r for r in costs.rows if r.depth == 1]
    assert not direct or sum(r.parameters for r in direct) == row.parameters


def test_biases_are_the_parameters_called_b():
    layers = [Conv2D(4, 3), BatchNorm(), ReLU(), Residual((Conv2D(4, 3, padding=1, bias=False), Conv2D(4, 1)))]
    every, convolutions, none = (count_costs(layers, (2, 6, 6), Counting(bias=b)) for b in Counting_BIASES)
    assert [row.biases for row in every.rows if row.depth == 0] == [4, 0, 0, 4]
    assert every.parameters - none.parameters == 8
    assert convolutions.parameters == every.parameters
    assert every.flops - none.flops == 2 * 4 * 16  # one addition an output
    assert every.multiply_adds == none.multiply_adds
    network = Network(layers, input_shape=(2, 6, 6))
    assert every.parameters == network.params.flat.size


Counting_BIASES = ("all", "convolutions", "none")


@given(
    filters=st.integers(1, 4),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    size=st.integers(5, 9),
    channels=st.integers(1, 3),
    bias=st.booleans(),
)
def test_unshared_is_one_affine_map_a_window(filters, kernel, stride, size, channels, bias):
    layer = Conv2D(filters, kernel, stride=stride, bias=bias, rounding="floor")
    side = len(range(0, size - kernel + 1, stride))
    window = Affine(filters, bias=bias).param_count((1, channels * kernel * kernel))
    shared, unshared = (count_costs([layer], (channels, size, size), Counting(shared=s)) for s in (True, False))
    assert (shared.parameters, unshared.parameters) == (window, side * side * window)
    assert shared.flops == unshared.flops


def test_unshared_transposed_convolution():
    layer = ConvTranspose2D(2, 3, stride=2)  # 4 × 4 to 9 × 9
    costs = count_costs([layer], (5, 4, 4), Counting(shared=False))
    assert costs.rows[0].output_shape == (2, 9, 9)
    assert (costs.parameters, costs.rows[0].biases) == (16 * 5 * 2 * 9 + 81 * 2, 81 * 2)


def test_memory_by_hand():
    block = Residual((Conv2D(3, 3, padding=1), ReLU()))
    costs = count_costs([block, MaxPool2D(2)], (3, 4, 4))
    weights = 3 * 3 * 9 + 3
    outputs = 48 + 48 + 48 + 48 + 12  # the input, the convolution, ReLU, the sum, the pooling
    memory = costs.memory(10, slots=2)
    assert memory == (4 * weights, 4 * weights, 8 * weights, 2 * 4 * 10 * outputs)
    assert memory.total == sum(memory)
    assert math.prod(costs.input_shape) == 48


def test_the_table_shows_what_is_inside_where_asked(capsys):
    assert main(["summary", "resnet18", "--flops"]) == 0
    plain = capsys.readouterr().out
    assert main(["summary", "resnet18", "--nested"]) == 0
    nested = capsys.readouterr().out
    assert "\n  Conv2D " in nested
    assert "\n  Conv2D " not in plain
    assert nested.splitlines()[-8:] == plain.splitlines()[-8:]


def test_a_recipe_counts_its_own_batch_and_slots(capsys):
    costs = counted(capsys, "summary", "mnist-mlp-600")
    assert costs["parameters"] == 477_010
    assert costs["memory"]["slots"] == 2 * costs["memory"]["parameters"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: count_costs([ReLU()], "32"), DTypeError, "input_shape must be an integer or a list"),
        (lambda: count_costs([ReLU()], (3, 0)), ConfigError, "input_shape must be an integer >= 1"),
        (lambda: count_costs([], 3), ConfigError, "at least one layer"),
        (lambda: count_costs([ReLU(), Affine(3)], (1, 2, 2)), ShapeError, "layer 2 of 2: Affine: x has axes"),
        (lambda: count_costs([ReLU()], 3, "all"), DTypeError, "counting must be a Counting"),
        (
            lambda: Counting(flops="madds"),
            ConfigError,
            "flops must be 'operations', 'multiply-adds' or '2-multiply-adds', got 'madds'",
        ),
        (lambda: Counting(bias="no"), ConfigError, "did you mean 'none'"),
        (lambda: Counting(shared=1), DTypeError, "shared must be True or False"),
        (lambda: count_costs([ReLU()], 3).memory(0), ConfigError, "batch_size must be an integer >= 1"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_integers_of_numpy_are_integers():
    assert count_costs([Affine(3)], [np.int64(4)]).parameters == 15
