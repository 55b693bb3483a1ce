"""Update rules as functions: the arrays of the notebooks, the config changed in place, defaults and slots."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from chainrule.courses import comp540, cs189, cs231n, eecs598
from chainrule.errors import ChainruleError

OPTIM = [e.optim for e in (cs231n.edition(2016), cs231n.edition(2026), eecs598.edition(2019), cs189.edition(2018))]
OPTIM.append(comp540.edition(2018).optim)

W = np.linspace(-0.4, 0.6, num=20).reshape(4, 5)
DW = np.linspace(-0.6, 0.4, num=20).reshape(4, 5)
SLOT = np.linspace(0.6, 0.9, num=20).reshape(4, 5)

MOMENTUM_W = [
    [0.1406, 0.20738947, 0.27417895, 0.34096842, 0.40775789],
    [0.47454737, 0.54133684, 0.60812632, 0.67491579, 0.74170526],
    [0.80849474, 0.87528421, 0.94207368, 1.00886316, 1.07565263],
    [1.14244211, 1.20923158, 1.27602105, 1.34281053, 1.4096],
]
MOMENTUM_V = [
    [0.5406, 0.55475789, 0.56891579, 0.58307368, 0.59723158],
    [0.61138947, 0.62554737, 0.63970526, 0.65386316, 0.66802105],
    [0.68217895, 0.69633684, 0.71049474, 0.72465263, 0.73881053],
    [0.75296842, 0.76712632, 0.78128421, 0.79544211, 0.8096],
]
RMSPROP_W = [
    [-0.39223849, -0.34037513, -0.28849239, -0.23659121, -0.18467247],
    [-0.132737, -0.08078555, -0.02881884, 0.02316247, 0.07515774],
    [0.12716641, 0.17918792, 0.23122175, 0.28326742, 0.33532447],
    [0.38739248, 0.43947102, 0.49155973, 0.54365823, 0.59576619],
]
RMSPROP_CACHE = [
    [0.5976, 0.6126277, 0.6277108, 0.64284931, 0.65804321],
    [0.67329252, 0.68859723, 0.70395734, 0.71937285, 0.73484377],
    [0.75037008, 0.7659518, 0.78158892, 0.79728144, 0.81302936],
    [0.82883269, 0.84469141, 0.86060554, 0.87657507, 0.8926],
]
ADAM_W = [
    [-0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977],
    [-0.1380274, -0.08544591, -0.03286534, 0.01971428, 0.0722929],
    [0.1248705, 0.17744702, 0.23002243, 0.28259667, 0.33516969],
    [0.38774145, 0.44031188, 0.49288093, 0.54544852, 0.59801459],
]
ADAM_M = [
    [0.48, 0.49947368, 0.51894737, 0.53842105, 0.55789474],
    [0.57736842, 0.59684211, 0.61631579, 0.63578947, 0.65526316],
    [0.67473684, 0.69421053, 0.71368421, 0.73315789, 0.75263158],
    [0.77210526, 0.79157895, 0.81105263, 0.83052632, 0.85],
]
ADAM_V = [
    [0.69966, 0.68908382, 0.67851319, 0.66794809, 0.65738853],
    [0.64683452, 0.63628604, 0.6257431, 0.61520571, 0.60467385],
    [0.59414753, 0.58362676, 0.57311152, 0.56260183, 0.55209767],
    [0.54159906, 0.53110598, 0.52061845, 0.51013645, 0.49966],
]


@pytest.mark.parametrize("optim", OPTIM)
def test_the_notebook_cells(optim):
    config = {"learning_rate": 1e-3, "velocity": SLOT.copy()}
    next_w, returned = optim.sgd_momentum(W, DW, config=config)
    np.testing.assert_allclose(next_w, MOMENTUM_W, atol=5e-9)
    np.testing.assert_allclose(config["velocity"], MOMENTUM_V, atol=5e-9)
    assert returned is config

    config = {"learning_rate": 1e-2, "cache": SLOT.copy()}
    next_w, returned = optim.rmsprop(W, DW, config=config)
    np.testing.assert_allclose(next_w, RMSPROP_W, atol=5e-9)
    np.testing.assert_allclose(config["cache"], RMSPROP_CACHE, atol=5e-9)
    assert returned is config

    v = np.linspace(0.7, 0.5, num=20).reshape(4, 5)
    config = {"learning_rate": 1e-2, "m": SLOT.copy(), "v": v, "t": 5}
    next_w, returned = optim.adam(W, DW, config=config)
    np.testing.assert_allclose(next_w, ADAM_W, atol=5e-9)
    np.testing.assert_allclose(config["m"], ADAM_M, atol=5e-9)
    np.testing.assert_allclose(config["v"], ADAM_V, atol=5e-9)
    assert config["t"] == 6
    assert returned is config

    next_w, config = optim.sgd(W, DW)
    np.testing.assert_allclose(next_w, W - 1e-2 * DW)
    assert config == {"learning_rate": 1e-2}


@pytest.mark.parametrize("optim", OPTIM)
def test_defaults_and_slots_are_filled_in(optim):
    expected = {
        "sgd": {"learning_rate": 1e-2},
        "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9},
        "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
        "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 1},
    }
    slots = {"sgd": [], "sgd_momentum": ["velocity"], "rmsprop": ["cache"], "adam": ["m", "v"]}
    for name, numbers in expected.items():
        config = {}
        getattr(optim, name)(W, DW, config)
        assert sorted(config) == sorted([*numbers, *slots[name]])
        assert {k: config[k] for k in numbers} == numbers
        for slot in slots[name]:
            assert config[slot].shape == W.shape


def test_the_first_step_of_adam_has_number_one():
    w, config = OPTIM[0].adam(np.zeros(3), np.array([1.0, -2.0, 1e-3]))
    np.testing.assert_allclose(w, [-1e-3, 1e-3, -1e-3], rtol=1e-4)  # η times the sign; larger without the correction
    assert config["t"] == 1


def test_epsilon_is_outside_the_root():
    w, _ = OPTIM[0].rmsprop(np.zeros(1), np.ones(1), {"learning_rate": 1.0, "decay_rate": 0.0, "epsilon": 1.0})
    assert w.tolist() == [-0.5]
    w, _ = OPTIM[0].adam(np.zeros(1), np.ones(1), {"learning_rate": 1.0, "epsilon": 1.0})
    np.testing.assert_allclose(w, [-0.5])


def test_inputs_are_not_changed_and_dtypes_are_kept():
    w, dw = W.astype(np.float32), DW.astype(np.float32)
    before = w.copy()
    for name in ("sgd", "sgd_momentum", "rmsprop", "adam"):
        config = {"learning_rate": np.float64(1e-2)}  # as 10 ** np.random.uniform(...) gives it
        next_w, _ = getattr(OPTIM[0], name)(w, dw, config)
        assert next_w.dtype == np.float32
        assert all(v.dtype == np.float32 for v in config.values() if isinstance(v, np.ndarray))
        np.testing.assert_array_equal(w, before)


def test_argument_names():
    for optim, names in ((OPTIM[0], ["w", "dw", "config"]), (OPTIM[-1], ["theta", "dtheta", "config"])):
        for rule in ("sgd", "sgd_momentum", "rmsprop", "adam"):
            signature = inspect.signature(getattr(optim, rule))
            assert list(signature.parameters) == names
            assert signature.parameters["config"].default is None


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        ("sgd", (W, DW[0])),
        ("sgd", (W, DW, [1e-2])),
        ("adam", (W, DW, "fast")),
        ("sgd", (W, DW, {"learning_rate": -1})),
        ("sgd", (W, DW, {"learning_rate": "big"})),
        ("sgd", (W, DW, {"learning_rate": np.ones(2)})),
        ("sgd_momentum", (W, DW, {"momentum": 1.5})),
    ],
)
def test_errors(rule, arguments):
    with pytest.raises(ChainruleError):
        getattr(OPTIM[0], rule)(*arguments)
