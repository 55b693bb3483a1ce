"""Conv2D and ConvTranspose2D against the naive loops (1e-12), PyTorch (1e-5 in float32), counts and messages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule import windows
from chainrule.check import naive
from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.geometry import fit_windows
from chainrule.layers import Conv2D, ConvTranspose2D

DRAWS = 40


def drawn_options(rng):
    """Kernel, stride, dilation, padding (four sides) and groups, with 1 and odd values often among them."""
    pair = lambda low, high: tuple(int(v) for v in rng.integers(low, high + 1, 2))  # noqa: E731
    sides = tuple(int(v) for v in rng.integers(0, 3, 4))
    return pair(1, 4), pair(1, 3), pair(1, 2), sides, int(rng.integers(1, 4))


def drawn_convolution(seed):
    """A Conv2D, and float64 x, params and dout for it."""
    rng = np.random.default_rng([seed, 1])
    kernel, stride, dilation, sides, groups = drawn_options(rng)
    size = [max(d * (k - 1) + 1 + int(rng.integers(0, 6)), 1) for k, d in zip(kernel, dilation, strict=True)]
    layer = Conv2D(
        groups * int(rng.integers(1, 4)),
        kernel,
        stride,
        sides,
        dilation,
        groups,
        rounding="floor",
        bias=bool(rng.integers(2)),
    )
    shape = (int(rng.integers(1, 4)), groups * int(rng.integers(1, 4)), *size)
    return layer, *drawn_arrays(layer, shape, rng)


def drawn_transposed(seed):
    """A ConvTranspose2D, and float64 x, params and dout for it."""
    rng = np.random.default_rng([seed, 2])
    while True:
        kernel, stride, dilation, sides, groups = drawn_options(rng)
        added = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
        layer = ConvTranspose2D(
            groups * int(rng.integers(1, 4)), kernel, stride, sides, dilation, groups, bool(rng.integers(2)), added
        )
        shape = (int(rng.integers(1, 4)), groups * int(rng.integers(1, 4)), *(int(v) for v in rng.integers(1, 6, 2)))
        try:
            return layer, *drawn_arrays(layer, shape, rng)
        except ShapeError:  # padding left nothing
            continue


def drawn_arrays(layer, shape, rng):
    x = rng.normal(size=shape)
    params = {name: rng.normal(size=s) for name, s in layer.param_shapes(shape).items()}
    return x, params, rng.normal(size=layer.output_shape(shape))


def assert_close(got, expected, tolerance):
    scale = max(np.max(np.abs(expected), initial=0.0), 1.0)
    assert got.shape == expected.shape
    assert np.max(np.abs(got - expected), initial=0.0) <= tolerance * scale


def bias_of(layer, params):
    return params["b"] if layer.bias else np.zeros(layer.filters)


def test_draws_meet_the_hard_cases():
    drawn = [drawn_convolution(seed)[0] for seed in range(DRAWS)]
    assert {1, 2, 3} <= {layer.groups for layer in drawn}
    assert any(min(layer.stride) > 1 and max(layer.dilation) > 1 for layer in drawn)
    assert any(len(set(layer.padding)) == 4 or len(set(layer.padding)) == 3 for layer in drawn)
    assert {1} <= {drawn_convolution(seed)[1].shape[0] for seed in range(DRAWS)}


@pytest.mark.parametrize("seed", range(DRAWS))
@pytest.mark.parametrize("patch_bytes", [windows.PATCH_BYTES, 1], ids=["one block", "row by row"])
def test_convolution_is_the_naive_one(seed, patch_bytes, monkeypatch):
    monkeypatch.setattr(windows, "PATCH_BYTES", patch_bytes)
    layer, x, params, dout = drawn_convolution(seed)
    options = (layer.stride, layer.padding, layer.dilation, layer.groups)
    y, cache = layer.forward(x, params)
    assert_close(y, naive.convolution(x, params["W"], bias_of(layer, params), *options), 1e-12)
    grads = layer.backward(dout, cache)
    dx, dW, db = naive.convolution_backward(dout, x, params["W"], *options)
    assert_close(grads["x"], dx, 1e-12)
    assert_close(grads["W"], dW, 1e-12)
    if layer.bias:
        assert_close(grads["b"], db, 1e-12)


@pytest.mark.parametrize("seed", range(DRAWS))
@pytest.mark.parametrize("patch_bytes", [windows.PATCH_BYTES, 1], ids=["one block", "row by row"])
def test_transposed_convolution_is_the_naive_one(seed, patch_bytes, monkeypatch):
    monkeypatch.setattr(windows, "PATCH_BYTES", patch_bytes)
    layer, x, params, dout = drawn_transposed(seed)
    options = (layer.stride, layer.padding, layer.dilation, layer.groups)
    y, cache = layer.forward(x, params)
    expected = naive.transposed_convolution(x, params["W"], bias_of(layer, params), *options, layer.output_padding)
    assert_close(y, expected, 1e-12)
    grads = layer.backward(dout, cache)
    dx, dW, db = naive.transposed_convolution_backward(dout, x, params["W"], *options)
    assert_close(grads["x"], dx, 1e-12)
    assert_close(grads["W"], dW, 1e-12)
    if layer.bias:
        assert_close(grads["b"], db, 1e-12)


def torch_pads(x, sides):
    import torch

    top, bottom, left, right = sides
    return torch.nn.functional.pad(x, (left, right, top, bottom))


def in_torch(function, layer, x, params, dout):
    """y, and the gradients by name, of `function` on float32 tensors."""
    import torch

    x, dout = (torch.tensor(v.astype(np.float32)) for v in (x, dout))
    tensors = {"x": x, **{n: torch.tensor(v.astype(np.float32)) for n, v in params.items()}}
    for tensor in tensors.values():
        tensor.requires_grad_()
    y = function(tensors["x"], tensors["W"], tensors.get("b"))
    y.backward(dout)
    return y.detach().numpy(), {n: t.grad.numpy() for n, t in tensors.items()}


def assert_matches_torch(layer, x, params, dout, function):
    y, grads = in_torch(function, layer, x, params, dout)
    single = {n: v.astype(np.float32) for n, v in params.items()}
    ours, cache = layer.forward(x.astype(np.float32), single)
    assert ours.dtype == np.float32
    assert_close(ours, y, 1e-5)
    own = layer.backward(dout.astype(np.float32), cache)
    assert sorted(own) == sorted(grads)
    for name, expected in grads.items():
        assert own[name].dtype == np.float32
        assert_close(own[name], expected, 1e-5)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_convolution_is_that_of_pytorch(seed):
    from torch.nn import functional

    layer, x, params, dout = drawn_convolution(seed)

    def function(x, W, b):
        x = torch_pads(x, layer.padding)
        return functional.conv2d(x, W, b, stride=layer.stride, dilation=layer.dilation, groups=layer.groups)

    assert_matches_torch(layer, x, params, dout, function)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_transposed_convolution_is_that_of_pytorch(seed):
    from torch.nn import functional

    layer, x, params, dout = drawn_transposed(seed)
    at = layer.windows(*x.shape[2:])

    def function(x, W, b):
        y = functional.conv_transpose2d(x, W, None, stride=layer.stride, dilation=layer.dilation, groups=layer.groups)
        bottom, right = (max(0, at.image[a] + at.padding[2 * a] - y.shape[2 + a]) for a in range(2))
        y = torch_pads(y, (0, bottom, 0, right))
        y = y[:, :, at.padding[0] :, at.padding[2] :][:, :, : at.image[0], : at.image[1]]
        return y if b is None else y + b[:, None, None]

    assert_matches_torch(layer, x, params, dout, function)


@pytest.mark.parametrize(("stride", "added"), [(2, 0), (2, 1), (3, 2), (1, 0)])
def test_output_padding_is_that_of_pytorch(stride, added):
    from torch.nn import functional

    layer = ConvTranspose2D(3, 3, stride=stride, padding=1, output_padding=added)
    rng = np.random.default_rng(stride + 10 * added)
    x, params, dout = drawn_arrays(layer, (2, 2, 3, 4), rng)
    assert_matches_torch(
        layer,
        x,
        params,
        dout,
        lambda x, W, b: functional.conv_transpose2d(x, W, b, stride=stride, padding=1, output_padding=added),
    )


@pytest.mark.parametrize("kernel", [1, 2, 3, (4, 5)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_is_that_of_pytorch(kernel, dilation):
    from torch.nn import functional

    layer = Conv2D(3, kernel, padding="same", dilation=dilation)
    x, params, dout = drawn_arrays(layer, (2, 2, 5, 7), np.random.default_rng(0))
    assert dout.shape[2:] == x.shape[2:]
    y, grads = in_torch(
        lambda x, W, b: functional.conv2d(
            torch_pads(x, layer.windows(5, 7).padding), W, b, padding="valid", dilation=dilation
        ),
        layer,
        x,
        params,
        dout,
    )
    ours, cache = layer.forward(x, params)
    assert_close(ours, y, 1e-5)
    assert_close(layer.backward(dout, cache)["x"], grads["x"], 1e-5)
    top, bottom, left, right = layer.windows(5, 7).padding
    assert bottom - top in (0, 1)
    assert right - left in (0, 1)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),  # ceil(size/stride) outputs; pad (total // 2, rest): TensorFlow's rule
    [(5, 3, 2, (1, 1, 3)), (6, 3, 2, (0, 1, 3)), (7, 2, 3, (0, 1, 3)), (4, 1, 2, (0, 0, 2)), (5, 4, 1, (1, 2, 5))],
)
def test_same_with_a_stride_follows_tensorflow(size, kernel, stride, expected):
    at = fit_windows("t", (size, size), (kernel, kernel), (stride, stride), "same")
    assert (*at.padding[:2], at.output[0]) == expected


def test_full_gives_every_window_that_meets_the_image():
    assert Conv2D(2, (3, 4), padding="full").output_shape((1, 1, 5, 5)) == (1, 2, 7, 8)
    assert Conv2D(2, 3, padding="full", dilation=2).output_shape((1, 1, 5, 5)) == (1, 2, 9, 9)
    assert Conv2D(2, 3, padding="valid").output_shape((1, 1, 5, 5)) == (1, 2, 3, 3)


@pytest.mark.parametrize("padding", ["same", "full", "valid", 1, (1, 0), (0, 1, 1, 0)])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_transposed_layer_undoes_the_shape_and_is_the_adjoint(padding, stride):
    rng = np.random.default_rng(3)
    forward = Conv2D(3, 3, stride, padding, bias=False, rounding="floor")
    back = ConvTranspose2D(2, 3, stride, padding, bias=False)
    y = rng.normal(size=(2, 3, 4, 3))
    W = rng.normal(size=(3, 2, 3, 3))
    image, _ = back.forward(y, {"W": W})
    x = rng.normal(size=image.shape)
    convolved, cache = forward.forward(x, {"W": W})
    assert convolved.shape == y.shape
    np.testing.assert_allclose(forward.backward(y, cache)["x"], image, atol=1e-12)
    assert math.isclose(np.sum(convolved * y), np.sum(x * image), rel_tol=1e-10)


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        (
            (1, 1, 11, 10),
            Conv2D(1, 3, stride=2),
            "Conv2D: stride does not fit: 1 + (W − F + 2P)/S = 1 + (10 − 3 + 0)/2 = 4.5 is not whole",
        ),
        (
            (1, 1, 10, 11),
            Conv2D(1, 3, stride=2, padding=2),
            "Conv2D: stride does not fit: 1 + (H − F + 2P)/S = 1 + (10 − 3 + 4)/2 = 6.5 is not whole",
        ),
        (
            (1, 1, 10, 10),
            Conv2D(1, 3, stride=2, dilation=2),
            "Conv2D: stride does not fit: 1 + (H − F + 2P)/S = 1 + (10 − 5 + 0)/2 = 3.5 is not whole, "
            "with F = d(F − 1) + 1 = 2·(3 − 1) + 1 = 5",
        ),
        (
            (1, 1, 3, 10),
            Conv2D(1, 4),
            "Conv2D: the window does not fit: F = 4 is larger than H + 2P = 3 + 0",
        ),
        ((1, 3, 5, 5), Conv2D(2, 3, groups=2), "Conv2D: the channels C of x must be a multiple of groups = 2, got 3"),
        (
            (1, 1, 1, 2),
            ConvTranspose2D(1, 3, padding=2),
            "ConvTranspose2D: padding leaves nothing of the output, -1 × 0 for x of H × W = 1 × 2",
        ),
    ],
)
def test_shapes_that_do_not_fit_say_why(shape, layer, message):
    with pytest.raises(ShapeError) as refusal:
        layer.output_shape(shape)
    assert str(refusal.value) == message


@pytest.mark.parametrize("kind", [Conv2D, ConvTranspose2D])
@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"filters": 0}, ConfigError, "filters"),
        ({"filters": 2.5}, DTypeError, "filters"),
        ({"kernel": 0}, ConfigError, "kernel"),
        ({"kernel": (1, 2, 3)}, ConfigError, "kernel"),
        ({"kernel": None}, DTypeError, "kernel"),
        ({"kernel": True}, DTypeError, "kernel"),
        ({"kernel": "3"}, DTypeError, "kernel"),
        ({"stride": (1, 0)}, ConfigError, "stride"),
        ({"padding": -1}, ConfigError, "padding"),
        ({"padding": "SAME"}, ConfigError, "padding"),
        ({"padding": (1, 2, 3)}, ConfigError, "padding"),
        ({"padding": 1.5}, DTypeError, "padding"),
        ({"dilation": 0}, ConfigError, "dilation"),
        ({"groups": 2}, ConfigError, "groups"),
        ({"bias": 1}, DTypeError, "bias"),
    ],
)
def test_bad_options_are_refused(kind, options, error, word):
    with pytest.raises(error, match=f"{kind.__name__}: {word}|{kind.__name__}: filters must be a multiple of {word}"):
        kind(**{"filters": 3, "kernel": 3, **options})


def test_bad_rounding_and_output_padding_are_refused():
    with pytest.raises(ConfigError, match="rounding must be 'exact', 'floor' or 'ceil', got 'round'"):
        Conv2D(1, 3, rounding="round")
    with pytest.raises(DTypeError, match="rounding"):
        Conv2D(1, 3, rounding=True)
    with pytest.raises(ConfigError, match="output_padding must be less than 2"):
        ConvTranspose2D(1, 3, stride=2, output_padding=2)
    with pytest.raises(ConfigError, match=r"output_padding must be less than 1 .*same"):
        ConvTranspose2D(1, 3, stride=2, padding="same", output_padding=1)


def test_lists_are_tuples():
    assert Conv2D(1, [3, 2], stride=[1, 2], padding=[0, 1]) == Conv2D(1, (3, 2), stride=(1, 2), padding=(0, 1))
    assert hash(ConvTranspose2D(1, 2, stride=2, output_padding=[1, 0])) == hash(
        ConvTranspose2D(1, 2, stride=2, output_padding=(1, 0))
    )


def test_published_counts():
    alexnet = Conv2D(96, 11, stride=4)
    assert alexnet.param_count((1, 3, 227, 227)) == 34_944
    layer = Conv2D(20, 4, stride=2, padding=1)
    assert layer.output_shape((1, 50, 12, 12)) == (1, 20, 6, 6)
    assert layer.cost((1, 50, 12, 12)) == (720 * 800, 720 * 1600)
    assert Conv2D(20, 4, stride=2, padding=1, bias=False).cost((1, 50, 12, 12)).flops == 1_151_280
    assert Conv2D(6, 3, groups=3, bias=False).param_count((1, 3, 5, 5)) == 6 * 9
    assert ConvTranspose2D(4, 2, stride=2).param_count((1, 6, 3, 3)) == 6 * 4 * 4 + 4


def test_first_layer_gradients_leave_x_out():
    layer, x, params, dout = drawn_convolution(5)
    _, cache = layer.forward(x, params)
    grads, all_grads = layer.parameter_gradients(dout, cache), layer.backward(dout, cache)
    assert "x" not in grads
    for name, value in grads.items():
        np.testing.assert_array_equal(value, all_grads[name])


def test_memory_stays_batch_last_between_layers():
    first, second = Conv2D(4, 3, padding=1), Conv2D(2, 3)
    rng = np.random.default_rng(0)
    x, params, _ = drawn_arrays(first, (5, 3, 6, 6), rng)
    y, _ = first.forward(x, params)
    assert windows.batch_last(np.maximum(y, 0)).flags.c_contiguous
    assert y.transpose(1, 2, 3, 0).flags.c_contiguous  # so that the next layer's batch_last copies nothing
    params = {n: rng.normal(size=s) for n, s in second.param_shapes(y.shape).items()}
    np.testing.assert_array_equal(second.forward(y, params)[0], second.forward(np.ascontiguousarray(y), params)[0])


@pytest.mark.parametrize("seed", range(12))
def test_fold_is_the_adjoint_of_patches_and_equals_its_functional_form(seed):
    import array_api_strict

    rng = np.random.default_rng(seed)
    kernel, stride, dilation, sides, _ = drawn_options(rng)
    at = fit_windows("t", (9, 8), kernel, stride, sides, dilation, "floor")
    x = rng.normal(size=(2, 9, 8, 3))
    padded = windows.pad(x, at)
    columns = windows.patches(padded, at)
    values = rng.normal(size=columns.shape)
    folded = windows.fold((values[:, tap] for tap in range(at.taps)), at)
    assert math.isclose(np.sum(columns * values), np.sum(padded * folded), rel_tol=1e-10)
    strict = array_api_strict.asarray(values)
    functional = windows.fold((strict[:, tap, ...] for tap in range(at.taps)), at)
    np.testing.assert_allclose(np.asarray(functional), folded, atol=1e-12)
    padded_strictly = windows.pad(array_api_strict.asarray(x), at)
    np.testing.assert_array_equal(np.asarray(padded_strictly), padded)
    np.testing.assert_array_equal(np.asarray(windows.patches(padded_strictly, at)), columns)
    np.testing.assert_array_equal(windows.crop(padded, at), x)
