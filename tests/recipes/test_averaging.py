"""[train.averaging]: what it makes, what it excludes, and that a run keeps the average."""

import json

import pytest

from chainrule.cli import main
from chainrule.errors import ConfigError
from chainrule.recipes import apply_overrides, build, load_recipe, parse_recipe, to_toml
from chainrule.solver import EMA, SWA

DIGITS = load_recipe("digits-mlp")


def with_(*overrides):
    return apply_overrides(DIGITS, overrides)


def test_what_it_makes():
    assert DIGITS.averaging is None
    ema, plain = with_("train.averaging={method='ema', decay=0.9}"), with_("train.averaging={method='ema'}")
    swa = with_("train.averaging={method='swa', start=0.5, every=2}")
    assert isinstance(ema.averaging, EMA)
    assert (ema.averaging.decay, plain.averaging.decay) == (0.9, EMA().decay)
    assert isinstance(swa.averaging, SWA)
    assert (swa.averaging.start, swa.averaging.every) == (0.5, 2)
    assert parse_recipe(to_toml(swa)) == swa
    assert [type(c) for c in build(ema).solver().callbacks] == [EMA]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.averaging={method='mean'}"], "train.averaging.method: expected 'ema' or 'swa'"),
        (["train.averaging={method='ema', start=0.5}"], "unknown entry of train.averaging with method 'ema' 'start'"),
        (["train.averaging={method='swa', decay=0.5}"], "unknown entry of train.averaging with method 'swa' 'decay'"),
        (["train.averaging={method='ema', decay=1.0}"], "EMA: decay must be a number"),
        (["train.averaging.method=swa", "train.averaging.every=0"], "SWA: every must be an integer"),
        (["train.averaging.method=swa", "train.keep=last"], "averaging and train.keep = 'last' exclude each other"),
        (
            ["train.averaging.method=swa", "train.early_stopping.patience=2"],
            "train.averaging and train.early_stopping exclude each other",
        ),
    ],
)
def test_what_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        with_(*overrides)


def test_a_run_keeps_and_reports_the_average(tmp_path, capsys):
    shared = ["--epochs", "3", "--set", "model.layers.1.units=32", "--quiet", "--json"]
    scores = {}
    for name, method in (("plain", []), ("swa", ["--set", "train.averaging={method='swa', start=0.4}"])):
        assert main(["train", *shared, *method, "--out", str(tmp_path / name)]) == 0
        scores[name] = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert main(["evaluate", str(tmp_path / name), "--json"]) == 0
        again = json.loads(capsys.readouterr().out)
        assert again["test_loss"] == scores[name]["test_loss"]
    assert scores["plain"]["test_loss"] != scores["swa"]["test_loss"]
