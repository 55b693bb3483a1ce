"""The command line as a whole: help, errors, pipes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import chainrule
from chainrule.cli import COMMANDS, main


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def start(*words, **environment):
    program = "import sys; from chainrule.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
    )


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)
    assert "chainrule train" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert COMMANDS[command].split(":")[0] in out
    assert f"Examples:\n  chainrule {command}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"chainrule {chainrule.__version__}\n"


def test_help_loads_neither_numpy_nor_a_command():
    program = (
        "import sys; from chainrule.cli import main; main(['--help']);"
        "heavy = {'numpy', 'sklearn', 'matplotlib', 'PIL', 'chainrule.cli.train'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tran"], 'Did you mean "train"?'),
        (["train", "digits-mpl"], "unknown recipe 'digits-mpl'; did you mean 'digits-mlp'?"),
        (["train", "--epoch", "3"], "Did you mean --epochs?"),
        (["train", "--epochs", "three"], "three"),
        (["train", "--epochs", "1.5"], "must be an integer, got '1.5'"),
        (["train", "--seed", "2.7"], "must be an integer, got '2.7'"),
        (["train", "--set"], "--set needs KEY=VALUE"),
        (["train", "--set", "--epochs", "1"], "--set needs KEY=VALUE"),
        (["summary", "digits-mlp", "--set"], "--set needs KEY=VALUE"),
        (["train", "--epochs", "-1"], "train.epochs: expected int >= 0, got int -1"),
        (["train", "--seed", "-1"], "seed: expected int >= 0, got int -1"),
        (["train", "digits-mlp", "mnist-softmax"], "mnist-softmax"),
        (["train", "digits-mlp", "--set", "noise"], "override must be written key=value"),
        (["train", "--set", "train.epoch=3"], "did you mean 'epochs'?"),
        (["train", "--epochs", "3", "--set", "train.epochs=4"], "exclude each other"),
        (["train", "--engine", "referense"], "did you mean 'reference'?"),
        (["train", "no/such.toml"], "No such file or directory"),
        (["train", "--set", "data.name=digit"], "did you mean 'digits'?"),
        (["summary", "mnist-mlp"], "did you mean 'mnist-mlp-600'?"),
        (["summary"], "requires an argument"),
        (["evaluate", "runs/none"], "no run folder 'runs/none'"),
        (["evaluate", ""], "the run must be a folder or a name in runs/, got ''"),
        (["evaluate", "."], "is not a run folder"),
        (["predict", "runs/none", "x.png"], "no run folder"),
        (["predict"], "requires an argument"),
        (["ensemble"], "give the runs to combine, or --train RECIPE"),
        (["ensemble", "runs/none"], "no run folder"),
        (["ensemble", "runs/none", "--members", "3"], "--members goes with --train RECIPE only"),
        (["ensemble", "runs/none", "--train", "digits-mlp"], "runs and --train exclude each other"),
        (["ensemble", "--train", "digits-mlp", "--members", "0"], "count must be an integer >= 1, got 0"),
        (["ensemble", "--train", "digits-mlp", "--members", "2", "--snapshots", "2"], "exclude each other"),
        (["ensemble", "runs/none", "--tta", "flop"], "did you mean 'flip'?"),
        (["bagging"], "give the runs to study, or --train RECIPE"),
        (["bagging", "runs/none", "--seed", "3"], "--seed goes with --train RECIPE only"),
    ],
)
def test_errors_are_one_line(words, said, capsys, tmp_path):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not (tmp_path / "runs").exists()


def test_missing_data_says_what_to_set(monkeypatch, capsys):
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", os.getcwd())
    assert main(["train", "mnist-softmax"]) == 2
    assert "Set CHAINRULE_DATA" in capsys.readouterr().err


def test_a_misspelt_run_is_suggested(tmp_path, capsys):
    for name in ("runs/digits-mlp-1", "runs/other", "src"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/digits-mlp-1/recipe.toml").touch()
    assert main(["evaluate", "runs/digit-mlp-1"]) == 2
    assert "did you mean 'digits-mlp-1'? known: digits-mlp-1\n" in capsys.readouterr().err


def test_summary_needs_no_data(monkeypatch, capsys):
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    assert main(["summary", "mnist-mlp-600"]) == 0
    out = capsys.readouterr().out
    for shown in ("471,000", "477,010", "476,400", "(600,)", "adam with 2 slots"):
        assert shown in out
    assert main(["summary", "mnist-mlp-600", "--set", "model.layers.1.units=1"]) == 0
    assert "785" in capsys.readouterr().out


def test_recipes(capsys):
    assert main(["recipes"]) == 0
    out = capsys.readouterr().out
    assert "digits-mlp" in out
    assert "test accuracy 0.987" in out
    assert "\x1b" not in out


def test_no_colour_and_no_terminal():
    process = start("train", "--epochs", "1", NO_COLOR="1")
    out, err = process.communicate()
    assert process.returncode == 0
    assert "\x1b" not in out + err
    assert "test  accuracy" in out
    assert "epoch 1/1" in err


def test_a_reader_that_goes_away_is_no_error():
    process = start("recipes")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait()
    assert process.returncode in (0, 1)
    process.stderr.close()


def test_ctrl_c_while_an_error_is_told_is_no_traceback(monkeypatch):
    def interrupted(message, status):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.cli._report", interrupted)
    assert main(["evaluate", "nosuch"]) == 130
