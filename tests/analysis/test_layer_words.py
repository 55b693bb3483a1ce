"""Layers in words: every way of writing them, and what is said about what cannot be read."""

import dataclasses

import pytest

from chainrule.analysis.layer_words import NAMES, layers_from_words, shape_from_words
from chainrule.cli import main
from chainrule.errors import ConfigError
from chainrule.layers import LAYERS, Affine, AveragePool2D, BatchNorm, Conv2D, Dropout, Flatten, MaxPool2D, ReLU


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("conv 20 4x4 pad 1 stride 2; maxpool 3x3 stride 1", [Conv2D(20, 4, 2, 1), MaxPool2D(3, 1)]),
        ("Conv2D filters=8 kernel=5x3 no bias", [Conv2D(8, (5, 3), bias=False)]),
        ("conv 8 3 same;\n bn ;; relu;", [Conv2D(8, 3, padding="same"), BatchNorm(), ReLU()]),
        ("conv 8 3 pad 0,1,2,3 groups 2 ceil", [Conv2D(8, 3, padding=(0, 1, 2, 3), groups=2, rounding="ceil")]),
        ("avgpool 2 padding 1; flatten; fc 10 bias false", [AveragePool2D(2, padding=1), Flatten(), Affine(10, False)]),
        ("dropout 0.25; dense units 3", [Dropout(0.25), Affine(3)]),
    ],
)
def test_what_words_mean(text, layers):
    assert layers_from_words(text) == layers


@pytest.mark.parametrize("name", NAMES)
def test_every_name_leads_to_a_layer(name):
    cls = next(c for c in LAYERS if c.__name__ == NAMES[name])
    needed = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
    numbers = {"shortcut": "1", "rate": "0.5", "padding": "1"}
    (layer,) = layers_from_words(" ".join([name, *(numbers.get(n, "2") for n in needed)]))
    assert layer.name == NAMES[name]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got none"),
        ("relu; cov 3 3", "layer 2 (cov 3 3): unknown layer 'cov'; did you mean 'conv'"),
        ("conv 5 3 strid 2", "unknown option of Conv2D 'strid'; did you mean 'stride'"),
        ("conv 5 3 4", "4 stands for no option; name it, such as 'stride 4'"),
        ("conv 5 3 stride", "stride needs a value"),
        ("conv 5", "Conv2D needs kernel"),
        ("conv 5 3 stride 2 stride 2", "stride is given twice"),
        ("conv 5 3 init 4", "unknown option of Conv2D 'init'"),
        ("affine 3.5", "Expected `int`, got `float`"),
        ("affine 0", "units must be an integer >= 1"),
        ("affine many", "unknown option of Affine 'many'"),
        ("residual 3", "unknown layer 'residual'"),
    ],
)
def test_what_cannot_be_read_is_one_line(text, said, capsys):
    assert main(["cost", text, "--input", "1,8,8"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


@pytest.mark.parametrize("text", ["", "a", "3,,3", "0", "-1,3", "1.5", "3;3", "9999999999"])
def test_shapes_that_are_none(text):
    with pytest.raises(ConfigError, match=r"--input must be a shape"):
        shape_from_words(text)


def test_shapes():
    assert shape_from_words("784") == (784,)
    assert shape_from_words("3x32x32") == shape_from_words(" 3, 32, 32") == (3, 32, 32)
