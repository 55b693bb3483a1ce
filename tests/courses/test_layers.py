"""The functional faces: values the course notebooks print, gradients, cache forms, dictionaries, errors."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.courses import comp540, cs189, cs231n, eecs598
from chainrule.courses.common.gradient_check import eval_numerical_gradient_array
from chainrule.errors import ChainruleError, ConfigError, ShapeError

RNG = np.random.default_rng
CS = cs231n.edition(2020).layers


def check_backward(forward, backward, arrays, tolerance=1e-7):
    """Every gradient that `backward` returns against central differences, for a random cotangent."""
    out, cache = forward(*arrays)
    dout = RNG(7).normal(size=out.shape)
    grads = backward(dout, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    assert len(grads) == len(arrays)
    for i, (array, grad) in enumerate(zip(arrays, grads, strict=True)):
        numeric = eval_numerical_gradient_array(
            lambda a, i=i: forward(*arrays[:i], a, *arrays[i + 1 :])[0], array.copy(), dout
        )
        assert grad.shape == array.shape
        np.testing.assert_allclose(grad, numeric, rtol=tolerance, atol=tolerance)


AFFINE = [
    cs231n.edition(2016).layers,
    cs231n.edition(2026).layers,
    comp540.edition(2018).layers,
    cs189.edition(2018).layers,
]


@pytest.mark.parametrize("layers", AFFINE)
def test_affine_of_the_notebook(layers):
    x = np.linspace(-0.1, 0.5, num=2 * 4 * 5 * 6).reshape(2, 4, 5, 6)
    w = np.linspace(-0.2, 0.3, num=120 * 3).reshape(120, 3)
    b = np.linspace(-0.3, 0.1, num=3)
    out, cache = layers.affine_forward(x, w, b)
    expected = [[1.49834967, 1.70660132, 1.91485297], [3.25553199, 3.5141327, 3.77273342]]
    np.testing.assert_allclose(out, expected, rtol=1e-8)
    assert len(cache) == 3
    for kept, given in zip(cache, (x, w, b), strict=True):
        np.testing.assert_array_equal(kept, given)


@pytest.mark.parametrize("layers", [CS, comp540.edition(2016).layers])
def test_affine_backward(layers):
    rng = RNG(0)
    arrays = (rng.normal(size=(10, 2, 3)), rng.normal(size=(6, 5)), rng.normal(size=5))
    check_backward(layers.affine_forward, layers.affine_backward, arrays)
    # a cache that is a plain tuple of the documented form does as well
    dout = rng.normal(size=(10, 5))
    for got, same in zip(
        layers.affine_backward(dout, arrays),
        layers.affine_backward(dout, layers.affine_forward(*arrays)[1]),
        strict=True,
    ):
        np.testing.assert_array_equal(got, same)


def test_relu_of_the_notebook():
    x = np.linspace(-0.5, 0.5, num=12).reshape(3, 4)
    out, cache = CS.relu_forward(x)
    expected = [[0, 0, 0, 0], [0, 0, 0.04545455, 0.13636364], [0.22727273, 0.31818182, 0.40909091, 0.5]]
    np.testing.assert_allclose(out, expected, atol=5e-9)
    assert cache is x
    check_backward(CS.relu_forward, CS.relu_backward, (RNG(1).normal(size=(10, 10)),))
    assert CS.relu_backward(np.ones(1), np.zeros(1)).tolist() == [0.0]


def test_losses_are_means_with_their_gradients():
    x, y = 0.001 * RNG(2).normal(size=(50, 10)), RNG(3).integers(0, 10, 50)
    for loss_function, expected in ((CS.svm_loss, 9.0), (CS.softmax_loss, np.log(10))):
        loss, dx = loss_function(x, y)
        assert loss == pytest.approx(expected, abs=1e-2)
        numeric = eval_numerical_gradient_array(lambda a, f=loss_function: np.array(f(a, y)[0]), x.copy(), 1.0)
        np.testing.assert_allclose(dx, numeric, atol=1e-8)


@pytest.mark.parametrize("labels", [[0, 1, 1, 0], [-1, 1, 1, -1]])
def test_binary_losses(labels):
    layers = eecs598.edition(2019).layers
    x, y = RNG(4).normal(size=4), np.array(labels)
    t = np.where(y > 0, 1, -1)
    assert layers.logistic_loss(x, y)[0] == pytest.approx(np.mean(np.log(1 + np.exp(-t * x))))
    assert layers.svm_loss(x, y)[0] == pytest.approx(np.mean(np.maximum(0, 1 - t * x)))
    for function in (layers.logistic_loss, layers.svm_loss):
        numeric = eval_numerical_gradient_array(lambda a, f=function: np.array(f(a, y)[0]), x.copy(), 1.0)
        np.testing.assert_allclose(function(x, y)[1], numeric, atol=1e-8)
        assert function(x, y)[1].shape == (4,)


# -- dropout --------------------------------------------------------------------------------------------------------

MEANINGS = {
    "drop": ([cs231n.edition(2016), cs231n.edition(2017), comp540.edition(2016), comp540.edition(2018)], 0.25),
    "keep": ([cs231n.edition(year) for year in (2018, 2020, 2021, 2025)], 0.75),
    "vanilla": ([eecs598.edition(2018), eecs598.edition(2019), eecs598.edition("2019-scaled")], 0.75),
}


@pytest.mark.parametrize("meaning", MEANINGS)
def test_dropout_draws_from_the_legacy_generator(meaning):
    editions, p = MEANINGS[meaning]
    x = RNG(5).normal(size=(7, 9)) + 10
    for edition in editions:
        layers = edition.layers
        np.random.seed(3)
        u = np.random.rand(7, 9)
        following = np.random.rand()
        mask = {"drop": (u >= p) / (1 - p), "keep": (u < p) / p, "vanilla": u < p}[meaning]
        np.random.seed(3)
        param = {"mode": "train", "p": p}
        out, cache = layers.dropout_forward(x, param)
        assert np.random.rand() == following  # exactly one draw of the shape of x
        np.testing.assert_allclose(out, x * mask, rtol=1e-15)
        assert cache[0] is param
        np.testing.assert_allclose(cache[1], mask)
        dout = RNG(6).normal(size=x.shape)
        np.testing.assert_allclose(layers.dropout_backward(dout, cache), dout * mask)
        kept = np.count_nonzero(out) / out.size
        assert kept == pytest.approx(0.75, abs=0.15)  # in each meaning, p was chosen to keep three quarters


@pytest.mark.parametrize("meaning", MEANINGS)
def test_dropout_at_test_time(meaning):
    editions, p = MEANINGS[meaning]
    x, dout = RNG(5).normal(size=(3, 4)), RNG(6).normal(size=(3, 4))
    for edition in editions:
        state = np.random.get_state()[1].copy()
        out, cache = edition.layers.dropout_forward(x, {"mode": "test", "p": p})
        np.testing.assert_array_equal(np.random.get_state()[1], state)
        np.testing.assert_array_equal(out, x * p if edition.name == "2019-scaled" else x)
        assert cache[1] is None
        np.testing.assert_array_equal(edition.layers.dropout_backward(dout, cache), dout)


@pytest.mark.parametrize("meaning", MEANINGS)
def test_dropout_seed_repeats_the_mask_at_every_forward(meaning):
    layers, x = MEANINGS[meaning][0][0].layers, np.ones((20, 20))
    param = {"mode": "train", "p": 0.5, "seed": 123}
    first, second = layers.dropout_forward(x, param)[0], layers.dropout_forward(x, param)[0]
    np.testing.assert_array_equal(first, second)
    del param["seed"]
    assert not np.array_equal(layers.dropout_forward(x, param)[0], layers.dropout_forward(x, param)[0])
    np.random.seed(0)
    layers.dropout_forward(x, {"mode": "test", "p": 0.5, "seed": 123})
    after = np.random.rand()
    np.random.seed(123)
    assert after == np.random.rand()  # seeded in test mode too


def test_michigan_dropout_of_the_autograder():
    np.random.seed(498)
    x = np.array([[-0.1, 0.02, 0.3], [0.4, -0.5, 0.6]])
    out, _ = eecs598.edition(2019).layers.dropout_forward(x, {"mode": "train", "p": 0.5})
    assert out.tolist() == [[-0.1, 0.02, 0.0], [0.0, -0.0, 0.0]]


def test_dropout_keeps_float32():
    for editions, p in MEANINGS.values():
        out, _ = editions[0].layers.dropout_forward(np.ones((2, 3), np.float32), {"mode": "train", "p": p})
        assert out.dtype == np.float32


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ({"p": 0.5}, "'mode'"),
        ({"mode": "train"}, "'p'"),
        ({"mode": "valid", "p": 0.5}, "'valid'"),
        ({"mode": "train", "p": 1.5}, "1.5"),
        ({"mode": "train", "p": 0}, "> 0"),
    ],
)
def test_dropout_errors(param, message):
    with pytest.raises(ConfigError, match=message):
        CS.dropout_forward(np.ones(3), param)


# -- normalisation --------------------------------------------------------------------------------------------------


def batch_norm_cases():
    rng = RNG(8)
    return [
        (CS.batchnorm_forward, CS.batchnorm_backward, rng.normal(2, 3, (6, 5)), (0,)),
        (CS.batchnorm_forward, CS.batchnorm_backward_alt, rng.normal(2, 3, (1, 5)), (0,)),
        (CS.spatial_batchnorm_forward, CS.spatial_batchnorm_backward, rng.normal(2, 3, (2, 5, 3, 4)), (0, 2, 3)),
    ]


@pytest.mark.parametrize(("forward", "backward", "x", "axes"), batch_norm_cases())
def test_batchnorm(forward, backward, x, axes):
    gamma, beta = np.arange(1.0, 6.0), np.arange(-2.0, 3.0)
    shaped = (lambda v: v.reshape(-1, 1, 1)) if x.ndim == 4 else (lambda v: v)
    mean, var = x.mean(axis=axes), x.var(axis=axes)  # the biased variance
    param = {"mode": "train"}
    out, _ = forward(x, gamma, beta, param)
    normal = (x - shaped(mean)) / np.sqrt(shaped(var) + 1e-5)
    np.testing.assert_allclose(out, normal * shaped(gamma) + shaped(beta), atol=1e-10)

    # the running statistics start as zeros and are written back into the caller's dictionary
    np.testing.assert_allclose(param["running_mean"], 0.1 * mean)
    np.testing.assert_allclose(param["running_var"], 0.1 * var)
    forward(2 * x, gamma, beta, param)
    np.testing.assert_allclose(param["running_mean"], 0.9 * 0.1 * mean + 0.1 * 2 * mean)
    np.testing.assert_allclose(param["running_var"], 0.9 * 0.1 * var + 0.1 * 4 * var, atol=1e-15)

    given = {"mode": "train", "momentum": 0.3, "eps": 0.5, "running_mean": mean + 1, "running_var": var + 1}
    out, _ = forward(x, gamma, beta, given)
    np.testing.assert_allclose(given["running_mean"], 0.3 * (mean + 1) + 0.7 * mean)
    np.testing.assert_allclose(given["running_var"], 0.3 * (var + 1) + 0.7 * var)
    np.testing.assert_allclose(out, (x - shaped(mean)) / np.sqrt(shaped(var) + 0.5) * shaped(gamma) + shaped(beta))

    given["mode"], running = "test", (given["running_mean"].copy(), given["running_var"].copy())
    out, _ = forward(x + 1, gamma, beta, given)
    expected = (x + 1 - shaped(running[0])) / np.sqrt(shaped(running[1]) + 0.5) * shaped(gamma) + shaped(beta)
    np.testing.assert_allclose(out, expected)
    np.testing.assert_array_equal(given["running_mean"], running[0])

    check_backward(lambda x, g, b: forward(x, g, b, {"mode": "train"}), backward, (x, gamma, beta), 1e-6)


def test_batchnorm_test_mode_creates_the_running_statistics():
    param = {"mode": "test"}
    out, _ = CS.batchnorm_forward(np.ones((2, 3)), np.ones(3), np.zeros(3), param)
    assert param["running_mean"].tolist() == param["running_var"].tolist() == [0.0] * 3
    np.testing.assert_allclose(out, 1 / np.sqrt(1e-5))


@pytest.mark.parametrize("param", [{}, {"mode": "validation"}, {"mode": None}])
def test_batchnorm_mode_is_required(param):
    for forward, x in ((CS.batchnorm_forward, np.ones((2, 3))), (CS.spatial_batchnorm_forward, np.ones((2, 3, 2, 2)))):
        with pytest.raises(ValueError, match="mode"):
            forward(x, np.ones(3), np.zeros(3), dict(param))


def test_layernorm():
    x = RNG(9).normal(3, 2, (4, 6))
    gamma, beta = RNG(10).normal(size=6), RNG(11).normal(size=6)
    out, _ = CS.layernorm_forward(x, gamma, beta, {})
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    np.testing.assert_allclose(out, (x - mean) / np.sqrt(var + 1e-5) * gamma + beta, atol=1e-12)
    check_backward(lambda *a: CS.layernorm_forward(*a, {"eps": 0.1}), CS.layernorm_backward, (x, gamma, beta), 1e-6)


@pytest.mark.parametrize("shape", [(1, 6, 1, 1), (6,)])
def test_groupnorm_keeps_the_shape_of_gamma(shape):
    x = RNG(12).normal(3, 2, (2, 6, 4, 5))
    gamma, beta = RNG(13).normal(size=shape), RNG(14).normal(size=shape)
    out, cache = CS.spatial_groupnorm_forward(x, gamma, beta, 2, {})
    groups = x.reshape(2, 2, -1)
    normal = (groups - groups.mean(axis=2, keepdims=True)) / np.sqrt(groups.var(axis=2, keepdims=True) + 1e-5)
    expected = normal.reshape(x.shape) * gamma.reshape(6, 1, 1) + beta.reshape(6, 1, 1)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    check_backward(
        lambda x, g, b: CS.spatial_groupnorm_forward(x, g, b, 2, {"eps": 1e-3}),
        CS.spatial_groupnorm_backward,
        (x, gamma, beta),
        1e-6,
    )
    assert [g.shape for g in CS.spatial_groupnorm_backward(out, cache)] == [x.shape, shape, shape]


# -- convolution and pooling ----------------------------------------------------------------------------------------


def four_loops(x, w, b, stride, pad):
    n, _, h, wide = x.shape
    f, _, hh, ww = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((n, f, 1 + (h + 2 * pad - hh) // stride, 1 + (wide + 2 * pad - ww) // stride))
    for image, filt, row, col in np.ndindex(out.shape):
        window = padded[image, :, row * stride : row * stride + hh, col * stride : col * stride + ww]
        out[image, filt, row, col] = np.sum(window * w[filt]) + b[filt]
    return out


def test_convolution_of_the_notebook():
    x = np.linspace(-0.1, 0.5, num=96).reshape(2, 3, 4, 4)
    w = np.linspace(-0.2, 0.3, num=144).reshape(3, 3, 4, 4)
    b = np.linspace(-0.1, 0.2, num=3)
    expected = [
        [
            [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
            [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
            [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
        ],
        [
            [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
            [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
            [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
        ],
    ]
    for layers in (CS, comp540.edition(2017).layers):
        param = {"stride": 2, "pad": 1}
        out, cache = layers.conv_forward_naive(x, w, b, param)
        np.testing.assert_allclose(out, expected, atol=5e-9)
        assert cache[3] is param
        np.testing.assert_array_equal(cache[0], x)


VERSIONS = ["fast", "strides", "im2col"]


@pytest.mark.parametrize("version", ["naive", *VERSIONS])
@pytest.mark.parametrize(("stride", "pad", "size"), [(1, 1, (5, 5)), (2, 1, (7, 6)), (2, 0, (6, 5)), (1, 0.0, (3, 3))])
def test_convolution(version, stride, pad, size):
    edition = cs231n.edition(2019)
    module = edition.layers if version == "naive" else edition.fast_layers
    forward, backward = (getattr(module, f"conv_{way}_{version}") for way in ("forward", "backward"))
    rng = RNG(15)
    x, w, b = rng.normal(size=(2, 3, *size)), rng.normal(size=(2, 3, 3, 3)), rng.normal(size=2)
    param = {"stride": stride, "pad": pad}
    np.testing.assert_allclose(forward(x, w, b, param)[0], four_loops(x, w, b, stride, int(pad)), atol=1e-12)
    check_backward(lambda *a: forward(*a, param), backward, (x, w, b))
    dout = rng.normal(size=forward(x, w, b, param)[0].shape)
    for got, same in zip(
        backward(dout, (x, w, b, param)), backward(dout, forward(x, w, b, param)[1]), strict=True
    ):  # a plain tuple as cache
        np.testing.assert_array_equal(got, same)


def test_max_pool_of_the_notebook():
    x = np.linspace(-0.3, 0.4, num=96).reshape(2, 3, 4, 4)
    out, cache = CS.max_pool_forward_naive(x, {"pool_width": 2, "pool_height": 2, "stride": 2})
    expected = [
        [
            [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]],
            [[-0.14526316, -0.13052632], [-0.08631579, -0.07157895]],
            [[-0.02736842, -0.01263158], [0.03157895, 0.04631579]],
        ],
        [
            [[0.09052632, 0.10526316], [0.14947368, 0.16421053]],
            [[0.20842105, 0.22315789], [0.26736842, 0.28210526]],
            [[0.32631579, 0.34105263], [0.38526316, 0.4]],
        ],
    ]
    np.testing.assert_allclose(out, expected, atol=5e-9)
    assert len(cache) == 2


@pytest.mark.parametrize("version", ["naive", "fast", "reshape", "im2col"])
@pytest.mark.parametrize(("height", "width", "stride"), [(2, 2, 2), (3, 3, 2), (2, 3, 1), (2, 2, 3)])
def test_max_pool(version, height, width, stride):
    edition = cs231n.edition(2021)
    module = edition.layers if version == "naive" else edition.fast_layers
    forward, backward = (getattr(module, f"max_pool_{way}_{version}") for way in ("forward", "backward"))
    x = RNG(16).permutation(2 * 2 * 7 * 8).reshape(2, 2, 7, 8) / 10
    param = {"pool_height": height, "pool_width": width, "stride": stride}
    out, _ = forward(x, param)
    for n, c, i, j in np.ndindex(out.shape):
        assert out[n, c, i, j] == x[n, c, i * stride :, j * stride :][:height, :width].max()
    check_backward(lambda x: forward(x, param), backward, (x,))


def test_michigan_convolution_and_pooling():
    layers, rng = eecs598.edition(2018).layers, RNG(17)
    x, w = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(4, 3, 3, 2))
    out, cache = layers.conv_forward(x, w)
    np.testing.assert_allclose(out, four_loops(x, w, np.zeros(4), 1, 0), atol=1e-12)
    assert len(cache) == 2
    check_backward(layers.conv_forward, layers.conv_backward, (x, w))
    for got, same in zip(layers.conv_backward(out, (x, w)), layers.conv_backward(out, cache), strict=True):
        np.testing.assert_array_equal(got, same)
    param = {"pool_height": 3, "pool_width": 3, "stride": 2}
    image = rng.permutation(2 * 2 * 7 * 7).reshape(2, 2, 7, 7) / 10
    assert layers.max_pool_forward(image, param)[0].shape == (2, 2, 3, 3)
    check_backward(lambda x: layers.max_pool_forward(x, param), layers.max_pool_backward, (image,))


def test_michigan_fc():
    layers, rng = eecs598.edition(2019).layers, RNG(18)
    arrays = (rng.normal(size=(4, 5)), rng.normal(size=(5, 3)), rng.normal(size=3))
    out, cache = layers.fc_forward(*arrays)
    np.testing.assert_allclose(out, arrays[0] @ arrays[1] + arrays[2])
    assert len(cache) == 3
    check_backward(layers.fc_forward, layers.fc_backward, arrays)


# -- sandwiches and columns -----------------------------------------------------------------------------------------

CONV, POOL = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}


@pytest.mark.parametrize("edition", [cs231n.edition(2018), comp540.edition(2018)], ids=lambda e: e.course)
def test_sandwiches(edition):
    utils, rng = edition.layer_utils, RNG(19)
    x, w, b = rng.normal(size=(2, 3, 6, 4)), rng.normal(size=(3, 3, 3, 3)), rng.normal(size=3)
    gamma, beta = rng.normal(size=3), rng.normal(size=3)
    flat = (rng.normal(size=(2, 3, 4)), rng.normal(size=(12, 10)), rng.normal(size=10))
    check_backward(utils.affine_relu_forward, utils.affine_relu_backward, flat)
    check_backward(lambda *a: utils.conv_relu_forward(*a, CONV), utils.conv_relu_backward, (x, w, b))
    check_backward(lambda *a: utils.conv_relu_pool_forward(*a, CONV, POOL), utils.conv_relu_pool_backward, (x, w, b))
    check_backward(
        lambda *a: utils.conv_bn_relu_forward(*a, CONV, {"mode": "train"}),
        utils.conv_bn_relu_backward,
        (x, w, b, gamma, beta),
        1e-6,
    )
    out, _ = utils.conv_bn_relu_forward(x, w, b, gamma, beta, CONV, {"mode": "train"})
    conv, _ = edition.layers.conv_forward_naive(x, w, b, CONV)
    normal, _ = edition.layers.spatial_batchnorm_forward(conv, gamma, beta, {"mode": "train"})
    np.testing.assert_array_equal(out, np.maximum(normal, 0))


@pytest.mark.parametrize(("padding", "stride"), [(1, 1), (0, 2), (2, 1)])
def test_im2col(padding, stride):
    module = cs231n.edition(2017).im2col
    x = RNG(20).normal(size=(2, 3, 5, 7))
    k, i, j = module.get_im2col_indices(x.shape, 3, 3, padding, stride)
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    expected = padded[:, k, i, j].transpose(1, 2, 0).reshape(27, -1)
    cols = module.im2col_indices(x, 3, 3, padding, stride)
    np.testing.assert_array_equal(cols, expected)
    np.testing.assert_array_equal(
        cols, module.im2col_indices(x, field_height=3, field_width=3, padding=padding, stride=stride)
    )
    back = RNG(21).normal(size=cols.shape)
    image = module.col2im_indices(back, x.shape, fh=3, fw=3, padding=padding, stride=stride)
    assert np.sum(image * x) == pytest.approx(np.sum(back * cols))  # the adjoint
    np.testing.assert_array_equal(image, module.col2im_indices(back, x.shape, 3, 3, padding, stride))


def test_im2col_defaults_are_one_and_one():
    module = cs231n.edition(2017).im2col
    x = RNG(22).normal(size=(1, 1, 3, 3))
    np.testing.assert_array_equal(module.im2col_indices(x, 3, 3), module.im2col_indices(x, 3, 3, 1, 1))
    image = module.col2im_indices(module.im2col_indices(x, 3, 3), x.shape)
    assert image[0, 0, 1, 1] == pytest.approx(9 * x[0, 0, 1, 1])
    with pytest.raises(ConfigError, match="field_height"):
        module.im2col_indices(x, 3, field_height=3)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: CS.affine_forward(np.ones((2, 3)), np.ones((4, 2)), np.ones(2)),
        lambda: CS.affine_forward(np.ones((2, 3)), np.ones((3, 2)), np.ones(3)),
        lambda: CS.affine_forward("abc", np.ones((3, 2)), np.ones(3)),
        lambda: CS.affine_backward(np.ones((2, 3)), (np.ones((2, 3)), np.ones((3, 2)), np.ones(2))),
        lambda: CS.affine_backward(np.ones((2, 2)), (np.ones((2, 3)), np.ones((3, 2)))),
        lambda: CS.relu_backward(np.ones((2, 1)), np.ones((2, 2))),
        lambda: CS.softmax_loss(np.ones((2, 3)), np.array([0, 3])),
        lambda: CS.softmax_loss(np.ones((2, 3)), np.array([[0], [1]])),
        lambda: CS.batchnorm_forward(np.ones((2, 3, 4, 5)), np.ones(3), np.ones(3), {"mode": "train"}),
        lambda: CS.batchnorm_forward(np.ones((2, 3)), np.ones(4), np.ones(3), {"mode": "train"}),
        lambda: CS.batchnorm_forward(np.ones((2, 3)), np.ones(3), np.ones(3), "train"),
        lambda: CS.batchnorm_backward(np.ones((2, 3)), (1, 2)),
        lambda: CS.spatial_groupnorm_forward(np.ones((2, 3, 2, 2)), np.ones(3), np.ones(3), 2, {}),
        lambda: CS.layernorm_forward(np.ones((2, 3)), np.ones(3), np.ones(3), None),
        lambda: CS.conv_forward_naive(np.ones((1, 2, 4, 4)), np.ones((1, 3, 3, 3)), np.ones(1), CONV),
        lambda: CS.conv_forward_naive(np.ones((1, 3, 4, 4)), np.ones((1, 3, 3, 3)), np.ones(1), {"stride": 1}),
        lambda: CS.conv_forward_naive(
            np.ones((1, 3, 4, 4)), np.ones((1, 3, 3, 3)), np.ones(1), {"stride": 1, "pad": 0.5}
        ),
        lambda: CS.conv_forward_naive(np.ones((1, 3, 2, 2)), np.ones((1, 3, 5, 5)), np.ones(1), CONV),
        lambda: CS.max_pool_forward_naive(np.ones((1, 3, 4, 4)), {"pool_height": 2, "stride": 2}),
        lambda: CS.max_pool_forward_naive(np.ones((3, 4, 4)), POOL),
        lambda: CS.max_pool_backward_naive(np.ones((1, 3, 4, 4)), (np.ones((1, 3, 4, 4)), POOL)),
    ],
)
def test_bad_input_is_a_typed_error(call):
    with pytest.raises(ChainruleError):
        call()


def test_integers_and_views_are_fine():
    x = np.arange(24).reshape(4, 6)
    out, _ = CS.affine_forward(x, np.ones((6, 2)), np.zeros(2))
    np.testing.assert_allclose(out[:, 0], x.sum(axis=1))
    view = RNG(23).normal(size=(5, 4)).T[::2]
    np.testing.assert_array_equal(CS.relu_forward(view)[0], np.maximum(view, 0))
    float32 = CS.affine_forward(np.ones((1, 2), np.float32), np.ones((2, 2), np.float32), np.zeros(2, np.float32))[0]
    assert float32.dtype == np.float32


def test_inputs_are_not_changed():
    x, w, b = RNG(24).normal(size=(2, 3, 5, 5)), RNG(25).normal(size=(2, 3, 3, 3)), np.zeros(2)
    before = x.copy()
    CS.conv_forward_naive(x, w, b, CONV)
    CS.spatial_batchnorm_forward(x, np.ones(3), np.zeros(3), {"mode": "train"})
    CS.relu_forward(x)
    np.testing.assert_array_equal(x, before)
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        CS.spatial_batchnorm_forward(x[0], np.ones(3), np.zeros(3), {"mode": "train"})
