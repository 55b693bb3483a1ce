"""`chainrule gradcheck`: report, JSON, pictures, exit status."""

import json

import pytest
from PIL import Image

from chainrule.cli import main

FILE = """
import numpy as np

def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, {dw}, dout.sum(axis=0)

def square_forward(x):
    return x**2, x

def square_backward(dout, x):
    return 2 * x * dout
"""


@pytest.fixture
def layers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(dw):
        (tmp_path / "layers.py").write_text(FILE.replace("{dw}", dw))

    return write


def test_right_and_wrong(layers, capsys):
    layers("x.T @ dout")
    assert main(["gradcheck", "layers.py"]) == 0
    assert "affine_forward (affine): right" in capsys.readouterr().out
    layers("-(x.T @ dout)")
    assert main(["gradcheck", "layers.py"]) == 1
    out, err = capsys.readouterr()
    assert "affine_forward (affine): WRONG" in out
    assert "probably: the sign is wrong  [dw]" in out
    assert "correct: dw = -(yours)" in out
    assert out.endswith("2 checked, 1 wrong: affine_forward\n")
    assert err == ""


def test_a_name_picks_one_and_json_is_one_object(layers, capsys):
    layers("-(x.T @ dout)")
    assert main(["gradcheck", "layers.py:square", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], [c["name"] for c in found["checks"]]) == (True, ["square_forward"])
    options = ["--shape", "x=2,6", "--shape", "w=6,3", "--shape", "b=3", "--no-corners", "--seed", "4"]
    assert main(["gradcheck", "layers.py:affine_backward", "--json", *options]) == 1
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert check["causes"][0]["name"] == "wrong-sign"
    assert check["table"][1]["shape"] == [6, 3]


def test_a_backward_pass_of_another_name(layers, capsys):
    layers("x.T @ dout")
    assert main(["gradcheck", "layers.py:square_forward", "--backward", "affine_backward"]) == 1
    assert "raises an exception" in capsys.readouterr().out


def test_picture(layers, capsys, tmp_path):
    layers("-(x.T @ dout)")
    assert main(["gradcheck", "layers.py", "--picture", "errors.png"]) == 1
    assert "heat maps: errors.png" in capsys.readouterr().err
    with Image.open(tmp_path / "errors.png") as image:
        assert image.width > 300


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.py"], "none.py: no such file"),
        (["layers.py:relu"], "unknown check 'relu'"),
        (["layers.py", "--shape", "x"], "--shape needs NAME=..., such as x=4,5"),
        (["layers.py", "--shape", "x=a,b"], "--shape x=a,b: must be integers with commas"),
        (["layers.py", "--value", "x=[[1,2],[3]]"], "--value x: the rows of an array must be numbers"),
        (["layers.py:affine", "--kind", "affin"], "did you mean 'affine'"),
        (["layers.py:affine", "--shape", "q=3"], "unknown argument of affine_forward 'q'"),
        (["layers.py", "--timeout", "0"], "timeout must be a number >= 0.1"),
        (["layers.py:square", "--picture", "errors.jpg"], "--picture must name a .png file"),
    ],
)
def test_wrong_words_are_one_line(words, said, layers, capsys):
    layers("x.T @ dout")
    assert main(["gradcheck", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
