"""The models of all courses: signatures, parameters, historical numbers, gradients, regularisation, modes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from chainrule.courses import comp540, cs189, cs231n, eecs598
from chainrule.courses.common.gradient_check import eval_numerical_gradient
from chainrule.data import load_binary20d
from chainrule.errors import ChainruleError

YEARS = {2016: [2016, 2017], 2018: [2018, 2019, 2020], 2021: [2021, 2023, 2025, 2026]}
FULL = {year: cs231n.edition(year).fc_net.FullyConnectedNet for years in YEARS.values() for year in years}


def signature(function):
    return {
        name: p.default if p.default is not p.empty else "required"
        for name, p in inspect.signature(function).parameters.items()
    }


def check_gradients(model, X, y, tolerance=1e-5):
    rng = np.random.default_rng(11)
    for value in model.params.values():  # zero biases put rows that were dropped as a whole on the kink of ReLU
        if value.ndim == 1:
            value += rng.normal(size=value.shape)
    loss, grads = model.loss(X, y)
    assert np.isfinite(loss)
    assert list(grads) == list(model.params)
    for name, value in model.params.items():
        numeric = eval_numerical_gradient(lambda _: model.loss(X, y)[0], value, verbose=False, h=1e-5)
        np.testing.assert_allclose(grads[name], numeric, rtol=tolerance, atol=tolerance * 0.1, err_msg=name)


# -- signatures and parameters --------------------------------------------------------------------------------------

COMMON_TAIL = {"reg": 0.0, "weight_scale": 1e-2, "dtype": np.float32, "seed": None}
HEAD = {"hidden_dims": "required", "input_dim": 3072, "num_classes": 10}


def test_signatures_of_the_fully_connected_net():
    middles = {
        2016: {"dropout": 0, "use_batchnorm": False},
        2018: {"dropout": 1, "normalization": None},
        2021: {"dropout_keep_ratio": 1, "normalization": None},
    }
    for first, years in YEARS.items():
        for year in years:
            expected = {**HEAD, **middles[first], **COMMON_TAIL}
            assert signature(FULL[year]) == expected
            assert list(signature(FULL[year])) == list(expected)
    expected = {**HEAD, "dropout": 0, **COMMON_TAIL}
    assert list(signature(comp540.edition(2018).fc_net.FullyConnectedNet).items()) == list(expected.items())
    for edition, classes in (("2018", 10), ("2019", 10), ("mds189", 8)):
        expected = {"input_dim": "required", "hidden_dim": [10, 5], "num_classes": classes, "weight_scale": 0.1}
        net = cs189.edition(edition).fc_net.FullyConnectedNet
        assert list(signature(net).items()) == list(expected.items())


def test_signatures_of_the_other_models():
    two = {"input_dim": 3072, "hidden_dim": 100, "num_classes": 10, "weight_scale": 1e-3, "reg": 0.0}
    conv = {"input_dim": (3, 32, 32), "num_filters": 32, "filter_size": 7, "hidden_dim": 100, "num_classes": 10}
    conv |= {"weight_scale": 1e-3, "reg": 0.0, "dtype": np.float32}
    for edition in (cs231n.edition(2016), cs231n.edition(2020), comp540.edition(2016)):
        assert list(signature(edition.fc_net.TwoLayerNet).items()) == list(two.items())
        assert list(signature(edition.cnn.ThreeLayerConvNet).items()) == list(conv.items())
    michigan = eecs598.edition(2019)
    binary = {"input_dim": 100, "hidden_dim": None, "weight_scale": 1e-3, "reg": 0.0}
    for model in (michigan.logistic.LogisticClassifier, michigan.svm.SVM):
        assert list(signature(model).items())[:4] == list(binary.items())
        assert list(signature(model))[4:6] == ["fwd_fun", "bwd_fun"]
    soft = {"input_dim": 784, "hidden_dim": 100, "num_classes": 10, "weight_scale": 1e-3, "reg": 0.0}
    assert list(signature(michigan.softmax.SoftmaxClassifier).items())[:5] == list(soft.items())
    assert list(signature(michigan.softmax.SoftmaxClassifier))[5:] == ["fwd_fun", "bwd_fun"]
    conv |= {"input_dim": (1, 28, 28)}
    assert list(signature(michigan.cnn.ConvNet).items())[:8] == list(conv.items())
    assert list(signature(michigan.cnn.ConvNet).items())[8:10] == [("dropout", 0), ("normalization", False)]


def test_two_layer_net_and_svm_loss_leave_in_2021():
    for year in FULL:
        edition = cs231n.edition(year)
        assert hasattr(edition.fc_net, "TwoLayerNet") == hasattr(edition.layers, "svm_loss") == (year <= 2020)
        for name in ("layernorm_forward", "layernorm_backward", "spatial_groupnorm_forward"):
            assert hasattr(edition.layers, name) == (year >= 2018)


@pytest.mark.parametrize("year", FULL)
def test_attributes_of_the_fully_connected_net(year):
    normalized = {"use_batchnorm": True} if year <= 2017 else {"normalization": "batchnorm"}
    keyword = "dropout_keep_ratio" if year >= 2021 else "dropout"
    net = FULL[year]([4, 3], input_dim=5, num_classes=2, reg=0.5, seed=7, **{keyword: 0.5}, **normalized)
    shapes = {"W1": (5, 4), "b1": (4,), "W2": (4, 3), "b2": (3,), "W3": (3, 2), "b3": (2,)}
    shapes |= {"gamma1": (4,), "beta1": (4,), "gamma2": (3,), "beta2": (3,)}
    assert {name: value.shape for name, value in net.params.items()} == shapes
    assert all(value.dtype == np.float32 for value in net.params.values())
    assert net.params["gamma1"].tolist() == [1.0] * 4
    assert net.params["beta2"].tolist() == net.params["b2"].tolist() == [0.0] * 3
    assert (net.num_layers, net.reg, net.dtype, net.use_dropout) == (3, 0.5, np.float32, True)
    assert net.dropout_param == {"mode": "train", "p": 0.5, "seed": 7}
    assert net.bn_params == [{"mode": "train"}, {"mode": "train"}]
    if year <= 2017:
        assert net.use_batchnorm is True
    else:
        assert net.normalization == "batchnorm"
        assert FULL[year]([4], normalization="layernorm", input_dim=3).bn_params == [{}]
    plain = FULL[year]([4], input_dim=3)
    assert (plain.use_dropout, plain.dropout_param, plain.bn_params) == (False, {}, [])


@pytest.mark.parametrize(
    ("year", "keyword", "value"),
    [(2017, "dropout", 1), (2018, "dropout", 0), (2020, "dropout", 0.0), (2021, "dropout_keep_ratio", 0)],
)
def test_a_dropout_that_means_the_opposite_in_another_edition_is_refused(year, keyword, value):
    with pytest.raises(ValueError, match="would leave nothing: in this edition it is the probability of"):
        FULL[year]([4], input_dim=3, **{keyword: value})


# -- historical numbers ---------------------------------------------------------------------------------------------


def notebook_problem():
    np.random.seed(231)
    return np.random.randn(2, 15), np.random.randint(10, size=(2,))


def test_initial_losses_of_the_fully_connected_notebook():
    """Printed in the notebooks of 2018 to 2020: they fix the order and the kind of the random draws."""
    X, y = notebook_problem()
    options = {"input_dim": 15, "num_classes": 10, "weight_scale": 5e-2, "dtype": np.float64}
    for reg, expected in ((0, 2.3004790897684924), (3.14, 7.052114776533016)):
        assert FULL[2018]([20, 30], reg=reg, **options).loss(X, y)[0] == pytest.approx(expected, rel=1e-12)
    X, y = notebook_problem()
    for reg, expected in ((0, 2.2611955101340957), (3.14, 6.996533220108303)):
        net = FULL[2018]([20, 30], reg=reg, normalization="batchnorm", **options)
        assert net.loss(X, y)[0] == pytest.approx(expected, rel=1e-12)


def test_initial_losses_of_the_dropout_notebook():
    options = {"input_dim": 15, "num_classes": 10, "weight_scale": 5e-2, "dtype": np.float64, "seed": 123}
    for year, keyword in ((2018, "dropout"), (2021, "dropout_keep_ratio")):
        X, y = notebook_problem()
        for p, expected in ((1, 2.3004790897684924), (0.75, 2.302371489704412), (0.5, 2.3042759220785896)):
            net = FULL[year]([20, 30], **{keyword: p}, **options)
            assert net.loss(X, y)[0] == pytest.approx(expected, rel=1e-12)
    X, y = notebook_problem()
    assert FULL[2017]([20, 30], **options).loss(X, y)[0] == pytest.approx(2.3004790897684924, rel=1e-12)


def test_the_two_layer_net_of_the_notebook():
    for edition, W, b in ((cs231n.edition(2017), "W{}", "b{}"), (comp540.edition(2017), "theta{}", "theta{}_0")):
        model = edition.fc_net.TwoLayerNet(input_dim=5, hidden_dim=50, num_classes=7, weight_scale=1e-3)
        assert abs(model.params[W.format(1)].std() - 1e-3) < 1e-4
        model.params[W.format(1)] = np.linspace(-0.7, 0.3, num=250).reshape(5, 50)
        model.params[b.format(1)] = np.linspace(-0.1, 0.9, num=50)
        model.params[W.format(2)] = np.linspace(-0.3, 0.4, num=350).reshape(50, 7)
        model.params[b.format(2)] = np.linspace(-0.9, 0.1, num=7)
        X = np.linspace(-5.5, 4.5, num=15).reshape(5, 3).T
        expected = [
            [11.53165108, 12.2917344, 13.05181771, 13.81190102, 14.57198434, 15.33206765, 16.09215096],
            [12.05769098, 12.74614105, 13.43459113, 14.1230412, 14.81149128, 15.49994135, 16.18839143],
            [12.58373087, 13.20054771, 13.81736455, 14.43418138, 15.05099822, 15.66781506, 16.2846319],
        ]
        np.testing.assert_allclose(model.loss(X), expected, atol=5e-9)
        y = np.asarray([0, 5, 1])
        assert model.loss(X, y)[0] == pytest.approx(3.4702243556, abs=1e-9)
        model.reg = 1.0
        assert model.loss(X, y)[0] == pytest.approx(26.5948426952, abs=1e-9)


def test_weights_are_drawn_in_order():
    np.random.seed(5)
    rice = comp540.edition(2018).fc_net.FullyConnectedNet
    first, second = 0.1 * np.random.randn(4, 3), 0.1 * np.random.randn(3, 2)
    for build, names in (
        (lambda: cs231n.edition(2020).fc_net.TwoLayerNet(4, 3, 2, 0.1), ("W1", "W2")),
        (lambda: FULL[2021]([3], 4, 2, weight_scale=0.1, dtype=np.float64), ("W1", "W2")),
        (lambda: rice([3], 4, 2, 0, 0, 0.1, np.float64), ("theta1", "theta2")),
        (lambda: cs189.edition(2018).fc_net.FullyConnectedNet(4, [3], 2, 0.1), ("W1", "W2")),
        (lambda: eecs598.edition(2019).softmax.SoftmaxClassifier(4, 3, 2, 0.1), ("W1", "W2")),
    ):
        np.random.seed(5)
        model = build()
        np.testing.assert_allclose(model.params[names[0]], first, rtol=1e-15)
        np.testing.assert_allclose(model.params[names[1]], second, rtol=1e-15)


SECTION_A = [
    ("logistic", "LogisticClassifier", None, 0.5, 0.1, 20, 400, 0.928),
    ("logistic", "LogisticClassifier", 40, 1e-3, 0.01, 30, 200, 0.932),
    ("svm", "SVM", None, 0.1, 0.01, 10, 400, 0.924),
    ("svm", "SVM", 20, 0.1, 0.01, 10, 400, 0.928),
]


@pytest.mark.parametrize(("file", "name", "hidden", "scale", "rate", "batch", "epochs", "reported"), SECTION_A)
def test_the_four_published_accuracies(data_folder, file, name, hidden, scale, rate, batch, epochs, reported):
    data = load_binary20d(data_folder / "binary20d")
    X, y = data.X, data.y
    michigan = eecs598.edition(2019)
    np.random.seed(598)
    options = {"threshold": 0.5} if file == "logistic" else {}
    model = getattr(michigan.module(f"{file}.py"), name)(20, hidden, scale, **options)
    parts = {"X_train": X[:500], "y_train": y[:500], "X_val": X[500:750], "y_val": y[500:750]}
    solver = michigan.solver.Solver(
        model,
        parts,
        update_rule="sgd_momentum",
        optim_config={"learning_rate": rate, "momentum": 0.9},
        batch_size=batch,
        num_epochs=epochs,
        verbose=False,
    )
    solver.train()
    assert solver.check_accuracy(X[750:], y[750:]) == reported


# -- gradients ------------------------------------------------------------------------------------------------------


def labelled(shape, classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.integers(0, classes, shape[0])


@pytest.mark.parametrize("reg", [0, 0.7])
def test_gradients_of_the_fully_connected_nets(reg):
    X, y = labelled((4, 2, 3), 3)
    options = {"input_dim": 6, "num_classes": 3, "reg": reg, "weight_scale": 0.5, "dtype": np.float64, "seed": 3}
    np.random.seed(1)
    for extra in ({}, {"dropout": 0.3}, {"use_batchnorm": True}, {"use_batchnorm": True, "dropout": 0.3}):
        check_gradients(FULL[2017]([5, 4], **extra, **options), X, y)
    for extra in ({"dropout": 0.6}, {"normalization": "layernorm"}, {"normalization": "batchnorm", "dropout": 0.6}):
        check_gradients(FULL[2019]([5, 4], **extra, **options), X, y)
    check_gradients(FULL[2023]([5], dropout_keep_ratio=0.6, normalization="layernorm", **options), X, y)
    check_gradients(comp540.edition(2018).fc_net.FullyConnectedNet([5, 4], dropout=0.3, **options), X, y)


def test_gradients_of_the_other_models():
    X, y = labelled((4, 2, 3), 3)
    np.random.seed(2)
    check_gradients(cs231n.edition(2018).fc_net.TwoLayerNet(6, 5, 3, 0.5, 0.4), X, y)
    check_gradients(comp540.edition(2018).fc_net.TwoLayerNet(6, 5, 3, 0.5, 0.4), X, y)
    check_gradients(cs189.edition(2018).fc_net.FullyConnectedNet(6, [5, 4], 3, 0.5), X, y)
    michigan = eecs598.edition(2019)
    check_gradients(michigan.softmax.SoftmaxClassifier((2, 3), 5, 3, 0.5, 0.4), X, y)
    check_gradients(michigan.softmax.SoftmaxClassifier(6, None, 3, 0.5, 0.4), X, y)
    flat, labels = labelled((5, 6), 2)
    for hidden in (None, 4):
        for y in (labels, 2 * labels - 1):
            check_gradients(michigan.logistic.LogisticClassifier(6, hidden, 0.5, 0.4), flat, y)
            check_gradients(michigan.svm.SVM(6, hidden, 0.5, 0.4), flat, y)


@pytest.mark.parametrize("edition", [cs231n.edition(2016), cs231n.edition(2024), comp540.edition(2018)])
def test_three_layer_conv_net(edition):
    X, y = labelled((2, 3, 5, 4), 3)
    np.random.seed(3)
    options = {"num_filters": 2, "filter_size": 3, "hidden_dim": 4, "num_classes": 3, "weight_scale": 0.3}
    net = edition.cnn.ThreeLayerConvNet(input_dim=(3, 5, 4), reg=0.3, dtype=np.float64, **options)
    shapes = [(2, 3, 3, 3), (2,), (8, 4), (4,), (4, 3), (3,)]
    assert [value.shape for value in net.params.values()] == shapes
    names = ["theta1", "theta1_0", "theta2", "theta2_0", "theta3", "theta3_0"]
    assert list(net.params) == (names if edition.course == "comp540" else ["W1", "b1", "W2", "b2", "W3", "b3"])
    assert net.loss(X).shape == (2, 3)
    check_gradients(net, X, y)
    assert edition.cnn.ThreeLayerConvNet().params[names[0] if edition.course == "comp540" else "W1"].dtype == np.float32


def test_the_conv_net_starts_at_log_10():
    np.random.seed(231)
    model = cs231n.edition(2018).cnn.ThreeLayerConvNet()
    X, y = np.random.randn(10, 3, 32, 32), np.random.randint(10, size=10)
    assert model.loss(X, y)[0] == pytest.approx(2.302586, abs=1e-4)
    model.reg = 0.5
    assert model.loss(X, y)[0] == pytest.approx(2.5083, abs=1e-3)


@pytest.mark.parametrize(("dropout", "normalization"), [(0, False), (0.3, False), (0, True), (0.3, True)])
def test_michigan_conv_net(dropout, normalization):
    X, y = labelled((3, 2, 6, 7), 3)
    np.random.seed(4)
    sizes = {"num_filters": 2, "filter_size": 3, "hidden_dim": 4, "num_classes": 3, "weight_scale": 0.5}
    make = eecs598.edition(2019).cnn.ConvNet
    net = make((2, 6, 7), **sizes, reg=0.3, dtype=np.float64, dropout=dropout, normalization=normalization)
    expected = {"W1": (2, 2, 3, 3), "W2": (8, 4), "b2": (4,), "W3": (4, 3), "b3": (3,)}
    expected |= {"gamma1": (2,), "beta1": (2,), "gamma2": (4,), "beta2": (4,)} if normalization else {}
    assert {name: value.shape for name, value in net.params.items()} == expected
    if dropout:
        assert net.dropout_param["p"] == 0.7  # the rate is the share dropped, p of the layer the share kept
        net.dropout_param["seed"] = 5
    check_gradients(net, X, y)
    np.testing.assert_array_equal(net.loss(X), net.loss(X))
    assert net.dropout_param.get("mode", "test") == "test"


# -- loss -----------------------------------------------------------------------------------------------------------


def test_regularisation_is_half_the_squares_of_weights_only():
    X, y = labelled((4, 6), 3)
    net = FULL[2018]([5], 6, 3, normalization="batchnorm", weight_scale=0.5, dtype=np.float64)
    net.params["gamma1"] += 1.0
    net.params["b1"] += 1.0
    base, plain = net.loss(X, y)
    net.reg = 2.0  # as a notebook changes it after construction
    loss, grads = net.loss(X, y)
    squares = sum(np.sum(net.params[name] ** 2) for name in ("W1", "W2"))
    assert loss - base == pytest.approx(0.5 * 2.0 * squares)
    np.testing.assert_allclose(grads["W1"] - plain["W1"], 2.0 * net.params["W1"])
    for name in ("b1", "gamma1", "beta1", "b2"):
        np.testing.assert_array_equal(grads[name], plain[name])


def test_modes_follow_the_presence_of_labels():
    X, y = labelled((6, 4), 3)
    net = FULL[2018]([5, 5], 4, 3, dropout=0.5, normalization="batchnorm", dtype=np.float64, seed=1)
    net.loss(X, y)
    assert net.dropout_param["mode"] == "train"
    assert [set(p) for p in net.bn_params] == [{"mode", "running_mean", "running_var"}] * 2
    running = net.bn_params[0]["running_mean"].copy()
    np.testing.assert_array_equal(net.loss(X), net.loss(X))
    assert net.dropout_param["mode"] == "test"
    assert [p["mode"] for p in net.bn_params] == ["test", "test"]
    np.testing.assert_array_equal(net.bn_params[0]["running_mean"], running)
    net.loss(X, y)
    assert not np.array_equal(net.bn_params[0]["running_mean"], running)


def test_dtype_is_kept():
    X, y = labelled((4, 6), 3)
    net = FULL[2020]([5], 6, 3, reg=np.float64(0.5))
    assert net.loss(X).dtype == np.float32
    loss, grads = net.loss(X, y)
    assert loss.dtype == np.float32
    assert all(grad.dtype == np.float32 for grad in grads.values())
    assert net.loss((X * 255).astype(np.uint8)).dtype == np.float32


def test_binary_scores_are_logits():
    michigan = eecs598.edition(2019)
    X, _ = labelled((5, 3), 2)
    for make in (michigan.logistic.LogisticClassifier, michigan.svm.SVM):
        model = make(3)
        assert list(model.params) == ["W1", "b1"]
        assert model.params["W1"].shape == (3, 1)
        assert model.loss(X).shape == (5,)
        np.testing.assert_allclose(model.loss(X), (X @ model.params["W1"])[:, 0])
        assert list(make(3, hidden_dim=4).params) == ["W1", "b1", "W2", "b2"]
    assert list(michigan.softmax.SoftmaxClassifier(hidden_dim=None).params) == ["W1", "b1"]
    assert michigan.softmax.SoftmaxClassifier((1, 28, 28)).params["W1"].shape == (784, 100)


def test_another_activation_can_be_given():
    def forward(x):
        return np.tanh(x), np.tanh(x)

    def backward(dout, cache):
        return dout * (1 - cache**2)

    michigan = eecs598.edition(2019)
    X, y = labelled((4, 6), 2)
    np.random.seed(0)
    for make in (michigan.logistic.LogisticClassifier, michigan.svm.SVM):
        model = make(6, 5, 0.5, fwd_fun=forward, bwd_fun=backward)
        hidden = np.tanh(X @ model.params["W1"] + model.params["b1"])
        np.testing.assert_allclose(model.loss(X), (hidden @ model.params["W2"])[:, 0] + model.params["b2"])
        check_gradients(model, X, y)
    check_gradients(michigan.softmax.SoftmaxClassifier(6, 5, 2, 0.5, fwd_fun=forward, bwd_fun=backward), X, y)
    images, y = labelled((3, 1, 5, 5), 3)
    net = michigan.cnn.ConvNet((1, 5, 5), 2, 2, 4, 3, 0.5, dtype=np.float64, fwd_fun=forward, bwd_fun=backward)
    check_gradients(net, images, y)


@pytest.mark.parametrize(
    "call",
    [
        lambda: FULL[2018](5),
        lambda: FULL[2018]([5, 0]),
        lambda: FULL[2018]([5], dropout=2),
        lambda: FULL[2018]([5], normalization="batch"),
        lambda: FULL[2018]([5], input_dim=3).loss(np.ones((2, 4))),
        lambda: FULL[2018]([5], input_dim=3, num_classes=2).loss(np.ones((2, 3)), np.array([0, 2])),
        lambda: cs231n.edition(2018).fc_net.TwoLayerNet(input_dim=0),
        lambda: cs231n.edition(2018).cnn.ThreeLayerConvNet(input_dim=(32, 32)),
        lambda: cs231n.edition(2018).cnn.ThreeLayerConvNet(filter_size=4),
        lambda: eecs598.edition(2018).cnn.ConvNet(normalization="batchnorm"),
        lambda: eecs598.edition(2018).cnn.ConvNet(dropout=1),
        lambda: eecs598.edition(2018).cnn.ConvNet((1, 5, 5), filter_size=7),
        lambda: cs189.edition(2018).fc_net.FullyConnectedNet(4, 10),
        lambda: cs231n.edition(2015),
        lambda: cs231n.edition(2018).module("layer.py"),
    ],
)
def test_bad_input_is_a_typed_error(call):
    with pytest.raises(ChainruleError):
        call()


def test_cs189_keeps_its_list():
    net = cs189.edition("mds189").fc_net.FullyConnectedNet(75)
    assert net.hidden_dim == [10, 5]
    assert [net.params[f"W{i}"].shape for i in (1, 2, 3)] == [(75, 10), (10, 5), (5, 8)]
