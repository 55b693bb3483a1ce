"""Arguments that the courses' code would have taken in silence, or answered from inside NumPy; and those it takes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.courses import comp540, cs189, cs231n, eecs598, install
from chainrule.errors import ChainruleError, ConfigError, DTypeError, ShapeError

STANFORD, RICE, BERKELEY, MICHIGAN = (
    cs231n.edition(2018),
    comp540.edition(2018),
    cs189.edition(2018),
    eecs598.edition(2019),
)
DIGITS = 10**5000  # more than `str` writes
IMAGES, KERNELS = np.ones((2, 3, 6, 6)), np.ones((4, 3, 3, 3))


# -- sizes ----------------------------------------------------------------------------------------------------------

NETS = [cs231n.edition(year).fc_net.FullyConnectedNet for year in (2017, 2018, 2021)]
NETS += [RICE.fc_net.FullyConnectedNet, lambda dims, **options: BERKELEY.fc_net.FullyConnectedNet(5, dims)]


@pytest.mark.parametrize("make", NETS)
@pytest.mark.parametrize(
    "sizes",
    [
        *(bytearray(b"ab"), b"ab", (n for n in (4, 3)), {4, 3}, {}, {4: 3}),
        *(np.array(4), np.empty((0, 3)), np.ones((2, 2), int), np.array([4.5]), "43", 4, [4, None], [4.0]),
    ],
)
def test_sizes_that_are_no_list_of_integers(make, sizes):
    with pytest.raises(DTypeError, match=r"hidden_dims?"):
        make(sizes, input_dim=5)


@pytest.mark.parametrize("make", NETS)
def test_sizes_as_any_list_of_integers(make):
    for sizes in ([4, 3], (4, 3), np.array([4, 3]), range(4, 2, -1), [np.int64(4), 3]):
        shapes = [w.shape for w in make(sizes, input_dim=5).params.values() if w.ndim == 2]
        assert shapes == [(5, 4), (4, 3), (3, 10)]
    assert [w.shape for w in make([], input_dim=5).params.values()] == [(5, 10), (10,)]  # a linear model


CLASSIFIERS = [MICHIGAN.logistic.LogisticClassifier, MICHIGAN.svm.SVM, MICHIGAN.softmax.SoftmaxClassifier]


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize(
    "size", [bytearray(b"a"), [], (), (n for n in (2, 3)), {2, 3}, {}, np.empty(0), np.ones((1, 1))]
)
def test_input_dim_is_a_number_or_a_shape(make, size):
    with pytest.raises(ChainruleError, match="input_dim"):
        make(size)
    for fits in (6, np.int64(6), (2, 3), [2, 3], np.array([2, 3])):
        assert make(fits, hidden_dim=None).params["W1"].shape[0] == 6


# -- weights --------------------------------------------------------------------------------------------------------

SMALL = {"num_filters": 2, "filter_size": 3, "hidden_dim": 4, "num_classes": 3}
CONVS = [make.cnn.ThreeLayerConvNet for make in (STANFORD, RICE)] + [MICHIGAN.cnn.ConvNet]
SCALED = [lambda s, make=make: make(input_dim=(3, 6, 6), weight_scale=s, **SMALL) for make in CONVS]
SCALED += [lambda s, make=make: make([4], input_dim=5, weight_scale=s) for make in NETS[:4]]
SCALED += [lambda s, make=make: make(5, weight_scale=s) for make in (*CLASSIFIERS, BERKELEY.fc_net.FullyConnectedNet)]


@pytest.mark.parametrize("make", SCALED)
def test_weight_scale_is_a_deviation_that_floats_hold(make):
    for scale in (-1, -0.5, 10**40, 1e300, DIGITS, np.int64(-3)):
        with pytest.raises(ConfigError, match="weight_scale"):
            make(scale)
    first = next(iter(make(0).params.values()))
    assert not first.any()


def test_weights_beyond_memory():
    with pytest.raises(ConfigError, match="fit in memory"):
        STANFORD.fc_net.TwoLayerNet(input_dim=10**9, hidden_dim=10**9)
    with pytest.raises(ConfigError, match="fit in memory"):
        STANFORD.cnn.ThreeLayerConvNet(num_filters=10**6, filter_size=10**6 - 1)


# -- inputs of the models -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", CONVS)
def test_images_of_another_size_than_the_network_was_made_for(make):
    net = make(input_dim=(3, 6, 6), **SMALL)
    for shape in ((2, 3, 6, 7), (2, 3, 7, 6), (2, 3, 6, 6, 1), (3, 6, 6), (2, 108)):  # 7 pool to as many as 6
        with pytest.raises(ShapeError, match=r"X must have axes \(N, C, H, W\) with \(C, H, W\) = \(3, 6, 6\)"):
            net.loss(np.ones(shape))
    assert net.loss(np.ones((2, 3, 6, 6))).shape == (2, 3)


def test_rows_of_any_axes_are_flattened_as_the_courses_document():
    X = np.random.default_rng(0).normal(size=(4, 6))
    for net in (STANFORD.fc_net.TwoLayerNet(6, 3, 2), RICE.fc_net.FullyConnectedNet([3], 6), CLASSIFIERS[0](6)):
        for shape in ((4, 6, 1), (4, 2, 3), (4, 1, 6)):
            np.testing.assert_array_equal(net.loss(X.reshape(shape)), net.loss(X))
        with pytest.raises(ShapeError, match="x must have shape"):
            net.loss(X.reshape(4, 6, 1)[:, :5])


# -- parameter dictionaries, filters, windows -------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan"), 0.5, 1 + 0j, np.complex64(1), True, "1"])
def test_whole_numbers_of_parameter_dictionaries(value):
    layers = STANFORD.layers
    for key in ("stride", "pad"):
        with pytest.raises(DTypeError, match=f"conv_param.*{key}"):
            layers.conv_forward_naive(IMAGES, KERNELS, np.ones(4), {"stride": 1, "pad": 1, key: value})
    for key in ("pool_height", "pool_width", "stride"):
        pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2, key: value}
        with pytest.raises(DTypeError, match=f"pool_param.*{key}"):
            layers.max_pool_forward_naive(IMAGES, pool_param)


@pytest.mark.parametrize("one", [1, 1.0, np.int32(1), np.float32(1)])
def test_a_pad_that_a_notebook_computed(one):
    out, _ = STANFORD.layers.conv_forward_naive(IMAGES, KERNELS, np.zeros(4), {"stride": one, "pad": one})
    assert out.shape == (2, 4, 6, 6)


def test_no_filters():
    for call in (
        lambda: STANFORD.layers.conv_forward_naive(IMAGES, KERNELS[:0], np.ones(0), {"stride": 1, "pad": 1}),
        lambda: MICHIGAN.layers.conv_forward(IMAGES, KERNELS[:0]),
        lambda: MICHIGAN.layers.conv_forward(IMAGES, KERNELS[:, :, :0]),
    ):
        with pytest.raises(ShapeError, match="w must hold at least one filter"):
            call()


def test_the_window_of_im2col_is_given_once():
    module = STANFORD.im2col
    with pytest.raises(
        ConfigError, match="either fh or field_height must be given, got fh = None and field_height = None"
    ):
        module.im2col_indices(IMAGES, None, 3)
    with pytest.raises(ConfigError, match=r"either fw or field_width .* got fw = 3 and field_width = of 16610 bits"):
        module.im2col_indices(IMAGES, 3, 3, field_width=DIGITS)
    cols = module.im2col_indices(IMAGES, 3, 3)
    for options, named in (
        ({"fh": 1}, "fh = 1, fw = 3, padding = 1 and stride = 1"),
        ({"field_width": 1}, "fh = 3, field_width = 1, padding = 1"),
        ({"padding": 0}, "padding = 0 and stride = 1"),
    ):
        with pytest.raises(ShapeError, match=f"cols must have shape .* for x_shape .*{named}"):
            module.col2im_indices(cols, IMAGES.shape, **options)


# -- the rest -------------------------------------------------------------------------------------------------------


def test_names_that_are_numbers_of_many_digits(tmp_path):
    for call in (lambda: cs231n.edition(DIGITS), lambda: install("comp540", -DIGITS, tmp_path / "new")):
        with pytest.raises(ConfigError, match=r"unknown edition of (cs231n|comp540) of 16610 bits; known: 2016"):
            call()
    assert not (tmp_path / "new").exists()
    assert cs231n.edition(2020).name == cs231n.edition("2020").name == "2020"


def test_a_long_name_is_shown_in_part():
    with pytest.raises(ConfigError, match="normalization must be") as caught:
        STANFORD.fc_net.FullyConnectedNet([4], normalization="x" * 5000)
    assert len(str(caught.value)) < 200


def test_blobs_that_the_function_does_not_take():
    blob, out = (SimpleNamespace(vals=np.ones(2), diffs=np.ones(2)) for _ in range(2))
    check = STANFORD.gradient_check

    def double(one, out):
        out.vals = 2 * one.vals

    assert check.eval_numerical_gradient_blobs(double, [blob], out)[0].tolist() == pytest.approx([2.0, 2.0])
    with pytest.raises(DTypeError, match="f must take the 2 of inputs and output"):
        check.eval_numerical_gradient_blobs(double, [blob, blob], out)


def test_a_grid_that_no_memory_holds():
    for padding in (10**40, -(10**399), DIGITS, 2**63, 10**15, -1):
        with pytest.raises(ConfigError, match="padding"):
            STANFORD.vis_utils.visualize_grid(np.ones((4, 5, 5, 3)), padding=padding)


@pytest.mark.parametrize(
    "rows",
    [
        *([[1.0, 2.0], [3.0]], [[[[1]]]], [[[np.ones((2, 2, 1))]]], [[np.empty((0, 2, 1))]]),
        *([[np.ones((2, 2, 1))], [np.ones((2, 2, 1))] * 2], [[np.ones((2, 2, 1))] * 2, [np.ones((2, 2, 1))]]),
    ],
)
def test_rows_that_are_no_grid_of_images(rows):
    with pytest.raises(ShapeError, match="rows"):
        STANFORD.vis_utils.vis_nn(rows)
