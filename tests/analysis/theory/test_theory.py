"""Topics of theory: what each finds, from the command line, against numbers made in another way."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from chainrule.analysis.theory import TOPICS
from chainrule.analysis.theory.gradient_errors import layer_error, rule_error
from chainrule.cli import main
from chainrule.layers import ReLU
from chainrule.optim import SGD

PICTURES = {"sigmoid-tanh", "vanishing-gradients", "masks", "pooling", "split", "trees"}


def found(capsys, *words):
    assert main(["theory", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_list(capsys):
    assert main(["theory"]) == 0
    out = capsys.readouterr().out
    assert all(f"{t.name} " in out and t.statement in out for t in TOPICS.values())


@pytest.mark.parametrize("name", [n for n in TOPICS if n != "trees"])
def test_every_topic_prints_and_draws(name, tmp_path, capsys):
    small = {
        "vanishing-gradients": ["--depth", "4", "--width", "10", "--batch", "5"],
        "sigmoid-tanh": ["--points", "99"],
        "initial-loss": ["--classes", "3"],
        "linear-collapse": ["--width", "9"],
    }
    words = ["theory", name, *small.get(name, [])]
    path = tmp_path / "picture.png"
    if name in PICTURES:
        assert main([*words, "--picture", str(path)]) == 0
        with Image.open(path) as picture:
            assert min(picture.size) > 200
            assert len(picture.convert("L").getcolors(256)) > 3
    else:
        assert main([*words, "--picture", str(path)]) == 2
        assert "no picture" in capsys.readouterr().err
        assert main(words) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 3


@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_has_help(name, capsys):
    assert main(["theory", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--json" in out
    assert "--picture" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_chain_of_linear_layers_is_one(capsys):
    data = found(capsys, "linear-collapse", "--depth", "4", "--width", "7")
    assert data["stack_parameters"] == 10 * 7 + 7 + 2 * (49 + 7) + 70 + 10
    assert data["single_parameters"] == 110
    assert data["largest_relative_difference"] < 1e-14
    assert data["unexplained_with_relu"] > 1e-3


def test_identities_of_tanh_and_sigmoid(capsys):
    data = found(capsys, "sigmoid-tanh", "--reach", "5")
    assert len(data["errors"]) == 6
    assert max(data["errors"].values()) < 2e-15
    assert data["largest_derivative"] == {"tanh": 1.0, "sigmoid": 0.25}


def test_gradients_vanish_and_do_not(capsys):
    norms = found(capsys, "vanishing-gradients", "--depth", "12", "--width", "60", "--batch", "30")["norms"]
    ratio = {(a, s): v[0] / v[-1] for a, by_start in norms.items() for s, v in by_start.items()}
    assert all(len(v) == 12 for by_start in norms.values() for v in by_start.values())
    # A sigmoid passes at most 1/4 of the gradient and a weight matrix of variance 1/D about all of it.
    assert ratio["sigmoid", "Xavier"] < 4.0**-10
    assert ratio["sigmoid", "normal 0.01"] < ratio["sigmoid", "Xavier"]
    assert 0.2 < ratio["ReLU", "He"] < 5
    assert 0.05 < ratio["tanh", "Xavier"] < 5
    # Xavier's variance is half of He's, so that 11 layers of ReLU lose a factor near 2^(11/2).
    assert ratio["ReLU", "Xavier"] == pytest.approx(ratio["ReLU", "He"] / 2**5.5, rel=0.2)


def test_the_first_loss_is_ln_c_and_more_with_regularisation(capsys):
    losses = found(capsys, "initial-loss", "--classes", "10", "100", "--scale", "1e-3", "--reg", "0", "2")["losses"]
    for entry in losses:
        ln_c = math.log(entry["classes"])
        weights = 50 * (100 + entry["classes"])
        expected = 0.5 * entry["reg"] * weights * 1e-6  # ½ λ ‖W‖², every weight's square being 1e-6 in the mean
        assert entry["loss"] - ln_c == pytest.approx(expected, rel=0.05, abs=1e-4)
    assert {round(e["loss"], 4) for e in losses if e["classes"] == 10 and not e["reg"]} == {2.3026}


def test_parameter_sharing(capsys):
    data = found(capsys, "parameter-sharing")
    assert (data["shared"], data["unshared"]) == (34_944, 105_705_600)
    assert data["fully_connected"] == (227 * 227 * 3 + 1) * 55 * 55 * 96
    small = found(capsys, "parameter-sharing", "--layer", "conv 2 3 no bias", "--input", "1,4,4")
    assert [small[k] for k in ("shared", "unshared", "fully_connected")] == [18, 72, 16 * 8]


def test_masks(capsys, tmp_path):
    data = found(capsys, "masks")
    assert data["signal_error"] == 0
    assert data["image_shape"] == [427, 640]
    assert data["mean_magnitude"]["Sobel"] > data["mean_magnitude"]["Prewitt"] > 0.1
    assert data["gradient_error"] < 1e-8
    slope = np.tile(np.arange(0, 200, 10, dtype=np.uint8), (12, 1))
    Image.fromarray(slope).save(tmp_path / "slope.png")
    data = found(capsys, "masks", "--image", str(tmp_path / "slope.png"))
    # Rising by 10/255 a pixel: Prewitt sums 3 differences of 2 pixels, Sobel weighs 4.
    assert data["mean_magnitude"]["Prewitt"] == pytest.approx(6 * 10 / 255)
    assert data["mean_magnitude"]["Sobel"] == pytest.approx(8 * 10 / 255)


@pytest.mark.parametrize("words", [[], ["--size", "3", "--stride", "1", "--side", "5"], ["--size", "1"]])
def test_pooling_routes_every_gradient(words, capsys):
    data = found(capsys, "pooling", *words)
    assert data["sums"]["output"] == data["sums"]["max"] == pytest.approx(data["sums"]["average"])
    image, largest = (np.array(data[k]) for k in ("image", "largest"))
    back, dout = (np.array(data[k]) for k in ("max pooling: to the winners", "gradient of the output"))
    size, stride = (3, 1) if words[:2] == ["--size", "3"] else (1, 1) if words else (2, 2)
    expected = np.zeros_like(image)
    for i, j in np.ndindex(*largest.shape):
        window = image[i * stride : i * stride + size, j * stride : j * stride + size]
        at = np.unravel_index(np.argmax(window), window.shape)
        assert window[at] == largest[i, j]
        expected[i * stride + at[0], j * stride + at[1]] += dout[i, j]
    assert (back == expected).all()


def test_the_two_splits(capsys):
    data = found(capsys, "split", "--split", "300,100/100,300", "--split", "200,400/200,0")
    first, second = data["splits"]
    assert data["parent"] == {"counts": [400, 400], "misclassification": 0.5, "entropy": 1.0, "gini": 0.5}
    assert first["misclassification"] == second["misclassification"] == 0.25
    assert [round(s["entropy"], 4) for s in (first, second)] == [0.8113, 0.6887]
    assert [round(s["gini"], 4) for s in (first, second)] == [0.375, 0.3333]
    assert data["preferred"]["entropy"] == data["preferred"]["gini"] == "B: 200,400/200,0"
    assert data["preferred"]["misclassification"].startswith("none of")
    assert found(capsys, "split")["splits"] == data["splits"]


def test_trees_beside_a_network(tmp_path, monkeypatch, capsys):
    recipe = tmp_path / "small.toml"
    recipe.write_text("""
name = "small"
title = "Softmax regression on digits"
source = "test"
[data]
name = "digits"
val = 0.1
test = 0.3
normalize = "unit"
[model]
layers = ["Flatten", { layer = "Affine", units = 10 }]
[train]
epochs = 20
optim_config = { learning_rate = 0.5 }
""")
    path = tmp_path / "trees.png"
    data = found(capsys, "trees", "--recipe", str(recipe), "--trees", "30", "--picture", str(path))
    accuracy = data["accuracy"]
    assert accuracy["decision tree"]["train"] == 1.0
    assert accuracy["network (small)"]["test"] > accuracy["decision tree"]["test"] + 0.05
    assert accuracy["random forest of 30"]["test"] > 0.9
    with Image.open(path) as picture:
        assert min(picture.size) > 200


def test_trees_on_binary20d(data_folder, capsys):
    accuracy = found(capsys, "trees", "--recipe", "binary-logistic", "--trees", "10")["accuracy"]
    assert accuracy["network (binary-logistic)"]["test"] == pytest.approx(0.928)  # as its source reports
    assert accuracy["decision tree"]["test"] < 0.75


def test_errors_are_within_what_courses_expect(capsys):
    data = found(capsys, "gradient-errors", "--seed", "3")
    limits = {name: entry["expected"] for name, entry in data["errors"].items()}
    assert limits == {
        "affine": 1e-10,
        "ReLU": 1e-12,
        "batch norm": 1e-8,
        "convolution": 1e-8,
        "max pool": 1e-12,
        **dict.fromkeys(("SGD with momentum", "RMSProp", "Adam"), 1e-8),
    }
    assert data["ok"]
    assert all(entry["error"] <= entry["expected"] for entry in data["errors"].values())


def test_the_errors_see_faults():
    class Wrong(ReLU):
        def backward(self, dout, cache):
            return {"x": super().backward(dout, cache)["x"] * (1 + 1e-9)}

    assert layer_error(Wrong(), (5, 5), 0) > 1e-10
    assert rule_error(SGD(1e-3), lambda g: -1e-3 * g, 0) < 1e-15
    assert rule_error(SGD(1e-3), lambda g: -1.0001e-3 * g, 0) > 1e-8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vanishing"], "unknown topic 'vanishing'; did you mean 'vanishing-gradients'?"),
        (["linear-collapse", "--depth", "0"], "depth must be an integer >= 1"),
        (["linear-collapse", "--depth", "2.5"], "must be an integer, got '2.5'"),
        (["sigmoid-tanh", "--reach", "0"], "reach must be a number > 0"),
        (["vanishing-gradients", "--width", "1"], "width must be an integer >= 2"),
        (["initial-loss", "--classes"], "at least one number"),
        (["initial-loss", "--classes", "1"], "classes must be an integer >= 2"),
        (["initial-loss", "--reg", "-1"], "must be a number >= 0"),
        (["parameter-sharing", "--layer", "affine 3"], "expected one convolution"),
        (["masks", "--image", "none.png"], "none.png"),
        (["pooling", "--side", "5"], "= 2.5 is not whole"),
        (["split", "--split", "3,a"], "expected counts of the children"),
        (["split", "--split", "3,4/1"], "must count the same classes"),
        (["split", "--split", "0,0"], "at least one row"),
        (["split", "--split", "3,-1"], "counts must be >= 0"),
        (["split", "--split", "3,4/1,2", "--split", "1,1/1,1"], "must part the same rows, [4, 6]"),
        (["trees", "--recipe", "digits-mpl"], "did you mean 'digits-mlp'"),
        (["trees", "--trees", "0"], "trees must be an integer >= 1"),
    ],
)
def test_wrong_options_are_one_line(words, said, capsys):
    assert main(["theory", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_files_that_are_no_images_are_refused(tmp_path, capsys):
    (tmp_path / "text.png").write_text("no image")
    assert main(["theory", "masks", "--image", str(tmp_path / "text.png")]) == 2
    assert "text.png: not an image" in capsys.readouterr().err
