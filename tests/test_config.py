"""Declarations as plain data: every one survives the way to JSON and back; hostile data gets a typed error."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from chainrule.config import MAX_DEPTH, from_config, layers_from_config, to_config
from chainrule.errors import ConfigError
from chainrule.initializers import INITIALIZERS, Constant, He, Initializer, Normal, Orthogonal, Xavier
from chainrule.layers import LAYERS, Affine, Branches, Layer, ReLU, Residual
from chainrule.losses import LOSSES, SoftmaxCrossEntropy
from chainrule.network import Network
from chainrule.optim import RULES, SCHEDULES, Adam, Chain
from chainrule.optim.schedules import Cosine, CyclicCosine, EpochDecay, StepDecay, WarmUp

INITIAL: list[Initializer] = [cls(0.5) if cls is Constant else cls() for cls in INITIALIZERS]
INITIAL += [Normal(0.3), He("uniform", 1.0), Xavier("uniform"), Orthogonal(2.0)]
SCHEDULE = [EpochDecay(0.9), StepDecay(3), CyclicCosine(4)]
SCHEDULE += [c() for c in SCHEDULES if c not in (EpochDecay, StepDecay, CyclicCosine, WarmUp)]
DECLARATIONS = [
    *(("layer", layer) for cls in LAYERS for layer, _ in cls.examples()),
    *(("loss", loss) for cls in LOSSES for loss, _, _ in cls.examples()),
    *(("init", init) for init in INITIAL),
    *(("rule", rule) for cls in RULES for rule in (cls(), cls(learning_rate=0.125))),
    *(("schedule", schedule) for schedule in (*SCHEDULE, WarmUp(3), WarmUp(5, WarmUp(2, Cosine(0.25))))),
]


@pytest.mark.parametrize(("kind", "declared"), DECLARATIONS, ids=[repr(d)[:80] for _, d in DECLARATIONS])
def test_round_trip_through_json(kind: str, declared: Any) -> None:
    table = json.loads(json.dumps(to_config(declared)))
    back = from_config(kind, table)
    assert back == declared
    assert type(back) is type(declared)
    assert to_config(back) == table


@pytest.mark.parametrize(("kind", "declared"), DECLARATIONS, ids=[repr(d)[:80] for _, d in DECLARATIONS])
def test_fields_given_in_full_are_accepted(kind: str, declared: Any) -> None:
    table = to_config(declared)
    table |= {f.name: to_config(getattr(declared, f.name)) for f in dataclasses.fields(declared)}
    assert from_config(kind, json.loads(json.dumps(table))) == declared


@pytest.mark.parametrize(("kind", "declared"), DECLARATIONS, ids=[repr(d)[:80] for _, d in DECLARATIONS])
def test_a_stranger_among_the_fields_is_named(kind: str, declared: Any) -> None:
    with pytest.raises(ConfigError, match=r"somewhere: unknown field of .* 'stranger'"):
        from_config(kind, {**to_config(declared), "stranger": 1}, "somewhere")


@pytest.mark.parametrize(("kind", "declared"), DECLARATIONS, ids=[repr(d)[:80] for _, d in DECLARATIONS])
def test_wrong_types_are_refused_with_their_place(kind: str, declared: Any) -> None:
    table = to_config(declared)
    for field in dataclasses.fields(declared):
        for wrong in ({"a": 1}, [[["x"]]], b"bytes", object()):
            with pytest.raises(ConfigError, match=r"^somewhere"):
                from_config(kind, {**table, field.name: wrong}, "somewhere")


def test_a_declaration_may_stand_for_itself_or_be_a_bare_name() -> None:
    assert from_config("layer", ReLU()) == ReLU()
    assert from_config("layer", "ReLU") == ReLU()
    assert from_config("rule", "adam") == Adam()


def test_numpy_numbers_become_plain_ones() -> None:
    table = to_config([Affine(np.int64(3), init=Normal(np.float32(0.5)))])  # type: ignore[arg-type]
    assert json.loads(json.dumps(table)) == [{"layer": "Affine", "units": 3, "init": {"init": "Normal", "scale": 0.5}}]


def test_lists_of_layers() -> None:
    layers = (Affine(3), Residual((Affine(3), ReLU())), Branches(((Affine(1),), (ReLU(), Affine(2)))))
    assert layers_from_config(to_config(layers)) == layers


def test_only_listed_classes_can_be_saved() -> None:
    class Mine(Layer):
        pass

    with pytest.raises(ConfigError, match=r"Mine is not in the list of known layers"):
        to_config(Mine())
    with pytest.raises(ConfigError, match=r"Chain is not in the list of known rules"):
        to_config(Chain(Adam()))


# -- hostile data ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "table", "message"),
    [
        ("layer", {"layer": "Afine", "units": 3}, "layer: unknown layer 'Afine'; did you mean 'Affine'"),
        ("layer", {"layer": "os.system"}, "unknown layer 'os.system'"),
        ("layer", {"layer": "__class__"}, "unknown layer '__class__'"),
        ("layer", {"layer": "Layer"}, "unknown layer 'Layer'"),
        ("layer", {"layer": ["Affine"]}, "expected a table with layer = NAME, got"),
        ("layer", {"units": 3}, "expected a table with layer = NAME, got"),
        ("layer", {"loss": "SoftmaxCrossEntropy"}, "expected a table with layer = NAME"),
        ("layer", 7, "expected a table with layer = NAME, got 7"),
        ("layer", None, "expected a table with layer = NAME, got None"),
        ("layer", {"layer": "Affine"}, "layer: Affine needs units"),
        ("layer", {"layer": "Affine", "units": "3"}, "layer.units: Expected `int`, got `str`, in '3'"),
        ("layer", {"layer": "Affine", "units": 3.0}, "layer.units: Expected `int`, got `float`, in 3.0"),
        ("layer", {"layer": "Affine", "units": True}, "layer.units: Expected `int`, got `bool`"),
        ("layer", {"layer": "Affine", "units": 0}, "layer: Affine: units must be an integer >= 1, got 0"),
        ("layer", {"layer": "Affine", "units": 3, "bias": 1}, "layer.bias: Expected `bool`, got `int`"),
        ("layer", {"layer": "Affine", "units": 3, "Units": 3}, "unknown field of Affine 'Units'; did you mean 'units'"),
        ("layer", {"layer": "Affine", "units": 3, "axes": "N"}, "unknown field of Affine 'axes'"),
        ("layer", {"layer": "Affine", "units": 3, "__init__": 1}, "unknown field of Affine '__init__'"),
        ("layer", {"layer": "Affine", "units": 3, 5: 1}, "unknown field of Affine 5"),
        ("layer", {"layer": "Affine", "units": 3, "init": {"init": "Hee"}}, "layer.init: unknown init 'Hee'"),
        ("layer", {"layer": "Affine", "units": 3, "init": "He()"}, "layer.init: unknown init 'He()'"),
        ("layer", {"layer": "Affine", "units": 3, "init": {"init": "Normal", "scale": -1}}, "init: Normal: scale"),
        ("layer", {"layer": "Affine", "units": 3, "init": {"init": "He", "distribution": "x"}}, "layer.init.distribu"),
        ("layer", {"layer": "Sequential", "layers": []}, "layer: Sequential: layers must hold at least one layer"),
        ("layer", {"layer": "Sequential", "layers": ["ReLU", {"layer": "x"}]}, r"layer.layers\[1\]: unknown layer 'x'"),
        ("layer", {"layer": "Sequential", "layers": "ReLU"}, r"layer.layers"),
        ("layer", {"layer": "Branches", "branches": [["ReLU"], ["x"]]}, r"layer.branches\[1\]\[0\]: unknown layer 'x'"),
        ("layer", {"layer": "Branches", "branches": [{"layer": "ReLU"}]}, r"layer.branches\[0\]"),
        ("loss", {"loss": "SoftmaxCrossEntropy", "label_smoothing": 2}, "loss: SoftmaxCrossEntropy: label_smoothing"),
        ("loss", {"loss": "SoftmaxCrossEntropy", "class_weights": "abc"}, "loss.class_weights: Expected"),
        ("loss", {"loss": "SoftmaxCrossEntropy", "class_weights": [1, "2"]}, "loss.class_weights"),
        ("rule", {"rule": "adam", "learning_rate": float("nan")}, "rule: adam: learning_rate must be a number"),
        ("rule", {"rule": "Adam"}, "unknown rule 'Adam'; did you mean 'adam'"),
        ("rule", {"rule": "chain"}, "unknown rule 'chain'"),
        ("schedule", {"schedule": "warm_up", "steps": 3, "then": "x"}, "schedule.then: unknown schedule 'x'"),
        ("schedule", {"schedule": "warm_up", "steps": 3, "then": 4}, "schedule.then: expected a table with schedule"),
        ("model", {}, "unknown kind of declaration 'model'"),
    ],
)
def test_bad_tables(kind: str, table: Any, message: str) -> None:
    import re

    with pytest.raises(ConfigError, match=message if "\\" in message else re.escape(message)):
        from_config(kind, table)


def test_layers_must_be_a_list() -> None:
    for tables in ("ReLU", {"layer": "ReLU"}, None, 3):
        with pytest.raises(ConfigError, match=r"^layers: expected a list of layers, got "):
            layers_from_config(tables)
    with pytest.raises(ConfigError, match=r"^layers\[1\]: "):
        layers_from_config(["ReLU", 3])


def nested(depth: int) -> dict[str, Any]:
    table: dict[str, Any] = {"layer": "ReLU"}
    for _ in range(depth):
        table = {"layer": "Sequential", "layers": [table]}
    return table


def test_nesting_is_bounded() -> None:
    assert from_config("layer", nested(10)) is not None
    for depth in (MAX_DEPTH + 1, 200, 20_000):
        with pytest.raises(ConfigError, match=rf"may be nested {MAX_DEPTH} deep at most"):
            from_config("layer", nested(depth))


def test_endless_nesting_of_anything_else() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    endless: dict[str, Any] = {"layer": "Sequential"}
    endless["layers"] = [endless]
    for kind, table in (
        ("layer", value),
        ("layer", {"layer": "Affine", "units": value}),
        ("layer", {"layer": "Sequential", "layers": value}),
        ("layer", {"layer": "Branches", "branches": value}),
        ("layer", endless),
    ):
        with pytest.raises(ConfigError) as caught:
            from_config(kind, table)
        assert len(str(caught.value)) < 2000
    with pytest.raises(ConfigError):
        layers_from_config(value[0])
    while value:  # freed one by one: freeing a deep chain at once is recursive
        value = value[0]


# -- networks -------------------------------------------------------------------------------------------------------

NETWORK = Network([Affine(4), ReLU(), Affine(2)], SoftmaxCrossEntropy(0.1), (3,), 5, "float64", reg=0.25)


def test_a_network_survives_the_way_to_json_and_back() -> None:
    config = json.loads(json.dumps(NETWORK.config()))
    back = Network.from_config(config)
    assert back.config() == config == NETWORK.config()
    assert (back.params.flat == NETWORK.params.flat).all()
    assert (back.reg, back.seed, back.dtype) == (0.25, 5, np.float64)
    for dtype in ("float32", "longdouble"):
        network = Network([Affine(4)], input_shape=3, dtype=dtype)
        assert network.config()["dtype"] == dtype
        assert Network.from_config(network.config()).dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": None}, "layers: expected a list"),
        ({"layers": []}, "layers must hold at least one layer"),
        ({"layers": [{"layer": "Affine", "units": 0}]}, r"layers\[0\]: Affine: units must be"),
        ({"loss": None}, "loss: expected a table with loss = NAME"),
        ({"input_shape": "abc"}, "input_shape must be an integer or a list"),
        ({"input_shape": [0]}, "input_shape must be an integer >= 1, got 0"),
        ({"input_shape": [2, 3]}, r"x has axes \(N, D\)"),
        ({"input_shape": None}, "input_shape must be given"),
        ({"seed": -1}, "seed must be an integer >= 0"),
        ({"seed": 2**64}, "seed must be an integer >= 0 and < 1.84"),
        ({"seed": "0"}, "seed must be an integer, got str"),
        ({"dtype": "float16"}, "dtype must be one of float32"),
        ({"dtype": "O"}, "dtype must be one of float32"),
        ({"dtype": "nonsense"}, "dtype must be one of float32"),
        ({"dtype": None}, "dtype must be one of float32, .*, bfloat16, got None"),
        ({"reg": float("inf")}, "reg must be a number >= 0"),
        ({"reg": None}, "reg must be a number"),
        ({"layers": [{"layer": "Affine", "units": 10**15}]}, "must fit in memory"),
        ({"rng": 3}, "unknown entry of a network's config 'rng'"),
    ],
)
def test_damaged_network_configs(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Network.from_config({**NETWORK.config(), **change})


def test_incomplete_network_configs() -> None:
    for name in NETWORK.config():
        config = {k: v for k, v in NETWORK.config().items() if k != name}
        with pytest.raises(ConfigError, match=rf"config must hold .*, got none of {name}"):
            Network.from_config(config)
