"""Models: published counts, the order of layers, and training steps that change every parameter."""

import numpy as np
import pytest

from chainrule.engines import make_engine
from chainrule.errors import ConfigError, DTypeError
from chainrule.layers import Sequential, Softplus, Tanh
from chainrule.losses import BinaryHinge, Logistic, MultiClassHinge
from chainrule.models import (
    MODELS,
    SVM,
    CifarVGG,
    CifarVGGWide,
    ConvNet,
    FullyConnectedNet,
    LeNet5,
    LogisticClassifier,
    ResNet20,
    SoftmaxClassifier,
    ThreeLayerConvNet,
    TwoLayerNet,
)
from chainrule.models.googlenet import inception
from chainrule.models.resnet import basic_block
from chainrule.optim import SGD
from chainrule.summary import Summary

# Written here a second time, from the publications themselves; see `source` of each model.
PUBLISHED = {
    "lenet5": (61_706, None),
    "alexnet": (60_965_224, 724_406_816),
    "vgg11": (132_863_336, 7_609_090_048),
    "googlenet": (6_998_552, None),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet20": (269_722, None),
}


@pytest.mark.parametrize("name", MODELS)
def test_counts_equal_the_published_ones(name):
    model = MODELS[name]
    summary = model.summary()
    parameters, multiply_adds = PUBLISHED[name]
    assert (model.parameters, model.multiply_adds) == (parameters, multiply_adds)
    assert summary.parameters == parameters
    assert multiply_adds is None or summary.multiply_adds == multiply_adds
    assert model.source


def test_counts_by_layer_of_the_worked_examples():
    lenet = [r.parameters for r in MODELS["lenet5"].summary().rows if r.parameters]
    assert lenet == [156, 2_416, 48_120, 10_164, 850]
    convolutions = 784 * 6 * 25 + 100 * 16 * 150 + 120 * 400
    assert MODELS["lenet5"].summary().multiply_adds == convolutions + 120 * 84 + 84 * 10
    alexnet = MODELS["alexnet"].summary().rows
    assert alexnet[0].parameters == 34_944
    assert alexnet[0].output_shape == (96, 55, 55)


def test_published_orders_of_magnitude_of_the_papers():
    assert round(MODELS["resnet20"].summary().parameters / 1e6, 2) == 0.27
    assert round(MODELS["vgg11"].summary().parameters / 1e6) == 133
    assert round(MODELS["resnet18"].summary().multiply_adds / 1e9, 1) == 1.8
    assert MODELS["googlenet"].summary().rows[-3].output_shape == (1024,)


NETWORKS = {
    "logistic": lambda: LogisticClassifier(6, hidden_dim=5, weight_scale=0.5),
    "logistic-linear": lambda: LogisticClassifier((2, 3), weight_scale=0.5, activation=Tanh()),
    "svm": lambda: SVM(6, hidden_dim=5, weight_scale=0.5),
    "svm-classes": lambda: SVM(6, classes=4, weight_scale=0.5),
    "softmax": lambda: SoftmaxClassifier(6, hidden_dim=5, classes=4, weight_scale=0.5, activation=Softplus()),
    "two-layer": lambda: TwoLayerNet((3, 2, 2), 7, 4, weight_scale=0.5),
    "fully-connected": lambda: FullyConnectedNet([6, 5], (3, 2, 2), 4, dropout=0.3, normalization="layernorm"),
    "three-layer": lambda: ThreeLayerConvNet((2, 6, 6), 3, 3, 5, 4, weight_scale=None, reg=0.1),
    "convnet": lambda: ConvNet((1, 6, 6), 3, 3, 5, 4, dropout=0.2, normalization=True, pool=2),
    "lenet5": lambda: LeNet5(),
    "resnet20": lambda: ResNet20(),
    "cifar-vgg": lambda: CifarVGG(dropout=0.1),
    "cifar-vgg-wide": lambda: CifarVGGWide(),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_step_reaches_every_parameter_and_lowers_the_loss(name):
    network = NETWORKS[name]()
    rng = np.random.default_rng(3)
    x = rng.normal(size=(8, *network.input_shape))
    binary = isinstance(network.loss_function, (Logistic, BinaryHinge))
    y = rng.integers(0, 2 if binary else network.output_shape[0], 8)
    before = network.params.copy()
    engine = make_engine(network, SGD(1e-3))
    losses = [engine.step(x, y) for _ in range(3)]
    assert all(np.isfinite(losses))
    assert network.loss(x, y)[0] < losses[0]
    # A convolution's bias in front of a batch normalisation has no gradient but rounding errors.
    still = [n for n in before if np.array_equal(network.params[n], before[n]) and not n.startswith("b")]
    assert not still
    assert network.scores(x).shape == (8, *network.output_shape)


def test_hinge_svm_by_number_of_classes():
    assert isinstance(SVM(4).loss_function, BinaryHinge)
    assert isinstance(SVM(4, classes=3).loss_function, MultiClassHinge)


def test_convnet_has_the_stated_order():
    network = ConvNet((1, 28, 28), dropout=0.3, normalization=True)
    assert [layer.name for layer in network.layers] == [
        *("Conv2D", "BatchNorm", "ReLU", "Dropout", "Flatten"),
        *("Affine", "BatchNorm", "ReLU", "Dropout", "Affine"),
    ]
    plain = ConvNet((1, 28, 28), pool=2)
    assert [layer.name for layer in plain.layers] == [
        "Conv2D",
        "ReLU",
        "MaxPool2D",
        "Flatten",
        "Affine",
        "ReLU",
        "Affine",
    ]
    assert plain.params["W2"].shape == (32 * 12 * 12, 512)


def test_weight_scale_and_reg_are_used():
    network = TwoLayerNet((3, 32, 32), 100, weight_scale=0.25, reg=0.5, seed=2)
    assert abs(network.params["W1"].std() - 0.25) < 0.005
    assert not network.params["b1"].any()
    x, y = np.zeros((2, 3, 32, 32)), np.array([0, 1])
    squares = sum(float((network.params[n].astype(float) ** 2).sum()) for n in ("W1", "W2"))
    assert network.loss(x, y)[0] == pytest.approx(np.log(10) + 0.25 * squares, rel=1e-4)


@pytest.mark.parametrize("projection", [True, False])
def test_basic_block_halves_the_image_and_doubles_the_channels(projection):
    block = Sequential(basic_block(4, 8, 2, projection=projection))
    assert block.output_shape((2, 4, 8, 8)) == (2, 8, 4, 4)


def test_option_a_shortcut_takes_every_second_pixel_and_adds_zero_channels():
    residual = basic_block(4, 8, 2, projection=False)[0]
    shortcut = Sequential(residual.shortcut)
    x = np.random.default_rng(0).normal(size=(2, 4, 8, 8))
    out, _ = shortcut.forward(x, {})
    np.testing.assert_array_equal(out[:, 2:6], x[:, :, ::2, ::2])
    assert not out[:, :2].any()
    assert not out[:, 6:].any()


def test_inception_joins_four_branches():
    assert inception(2, 3, 4, 1, 5, 6).output_shape((1, 3, 9, 9)) == (1, 17, 9, 9)


def test_counts_do_not_depend_on_the_item_size():
    model = MODELS["lenet5"]
    assert Summary(model.layers, model.input_shape, 8).memory(1) == 2 * model.summary().memory(1)


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: FullyConnectedNet(100), DTypeError, ["hidden_dims", "list", "100"]),
        (lambda: FullyConnectedNet([5], normalization="batch"), ConfigError, ["normalization", "batchnorm"]),
        (lambda: FullyConnectedNet([5], dropout=1.5), ConfigError, ["rate", "1.5"]),
        (lambda: TwoLayerNet(hidden_dim=0), ConfigError, ["units", "0"]),
    ],
)
def test_bad_arguments(build, error, words):
    with pytest.raises(error) as info:
        build()
    assert all(word in str(info.value) for word in words), str(info.value)
