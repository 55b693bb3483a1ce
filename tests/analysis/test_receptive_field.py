"""Receptive fields: against the pixels that the backward pass reaches, for every layer, and against published sizes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.analysis import count_costs
from chainrule.analysis.receptive_field import receptive_field
from chainrule.layers import LAYERS, Conv2D, ConvTranspose2D, Layer, MaxPool2D, Sequential
from chainrule.models import MODELS
from chainrule.models.googlenet import inception
from chainrule.models.resnet import basic_block


def reached(layer: Layer, shape: tuple[int, ...]) -> list[int]:
    """How many rows and columns of the image any output in the middle depends on, by changing one pixel at a time."""
    rng = np.random.default_rng(1)
    params = layer.init_params(shape, lambda i: np.random.default_rng(i))
    params = {n: rng.uniform(0.5, 1, v.shape) for n, v in params.items()}
    x = rng.uniform(1, 2, shape)
    out = layer.forward(x, params)[0]
    touched: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for pixel in np.ndindex(*shape[2:]):
        moved = x.copy()
        moved[:, :, *pixel] += 50.0 * np.arange(1, shape[1] + 1)  # enough to win in every max pool
        for place in np.argwhere(np.abs(layer.forward(moved, params)[0] - out) > 1e-12):
            touched.setdefault(tuple(place), []).append(pixel)
    spans = [np.ptp(np.array(pixels), axis=0) + 1 for pixels in touched.values()]
    return [int(side) for side in np.max(spans, axis=0)]


EXAMPLES = [(cls, layer, shape) for cls in LAYERS for layer, shape in cls.examples() if len(shape) == 4]


@pytest.mark.parametrize(("cls", "layer", "shape"), EXAMPLES, ids=[repr(e[1:])[:90] for e in EXAMPLES])
def test_every_layer_depends_on_what_its_field_says(cls, layer, shape):
    field = receptive_field(layer, shape)
    sizes = itertools.product(range(8, 13), range(7, 12))
    image = next((1, shape[1], *size) for size in sizes if _fits(layer, (1, shape[1], *size)))
    sides = [side if r is None else min(r, side) for r, side in zip(field.size, image[2:], strict=True)]
    assert reached(layer, image) == sides


def _fits(layer: Layer, shape: tuple[int, ...]) -> bool:
    try:
        layer.output_shape(shape)
    except ValueError:
        return False
    return True


@settings(max_examples=15)
@given(
    st.lists(
        st.builds(
            Conv2D,
            filters=st.just(1),
            kernel=st.integers(1, 3),
            stride=st.integers(1, 2),
            dilation=st.integers(1, 2),
            rounding=st.just("floor"),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_stacks_of_convolutions(layers):
    stack = Sequential(tuple(layers))
    field = receptive_field(stack, (1, 1, 40, 40))
    dx = np.zeros((1, 1, 40, 40))
    params = {n: np.ones(s) for n, s in stack.param_shapes(dx.shape).items()}
    out, cache = stack.forward(dx, params)
    starts = []
    for column in (0, 1):
        dout = np.zeros_like(out)
        dout[0, 0, 0, min(column, out.shape[3] - 1)] = 1.7
        pixels = np.argwhere(stack.backward(dout, cache)["x"][0, 0])
        assert tuple(pixels.max(axis=0) - pixels.min(axis=0) + 1) == field.size
        starts.append(pixels.min(axis=0)[1])
    assert out.shape[3] == 1 or starts[1] - starts[0] == field.jump[1]


@pytest.mark.parametrize(
    ("model", "row", "size", "jump"),
    [("alexnet", 14, 195, 32), ("resnet18", -3, 435, 32)],  # the Distill article's AlexNet; torchvision's ResNet-18
)
def test_published_sizes(model, row, size, jump):
    field = count_costs(MODELS[model].layers, MODELS[model].input_shape).rows
    flat = [r for r in field if r.depth == 0]
    assert (flat[row].field.size, flat[row].field.jump) == ((size, size), (jump, jump))


def test_vgg16_up_to_its_last_pool():
    blocks = [2, 2, 3, 3, 3]
    layers = [layer for n in blocks for layer in (*[Conv2D(4, 3, padding=1)] * n, MaxPool2D(2))]
    assert receptive_field(Sequential(tuple(layers)), (1, 3, 224, 224)).size == (212, 212)  # the Distill article


def test_paths_see_the_larger_field():
    assert receptive_field(inception(1, 1, 1, 1, 1, 1), (1, 2, 9, 9)).size == (5, 5)
    block = basic_block(2, 4, 2, projection=True)
    assert receptive_field(block[0], (1, 2, 8, 8)).size == (7, 7)  # 3, then two steps of 2 more


def test_a_transposed_convolution_brings_the_stride_back():
    layers = (Conv2D(3, 4, stride=2, padding=1), ConvTranspose2D(3, 4, stride=2, padding=1))
    field = receptive_field(Sequential(layers), (1, 3, 16, 16))
    assert (field.size, field.jump) == ((6, 6), (1, 1))


def test_vectors_have_no_field():
    assert [r.field for r in count_costs(MODELS["lenet5"].layers[-3:], 120).rows] == [None] * 3
