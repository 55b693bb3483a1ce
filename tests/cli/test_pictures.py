"""`chainrule pictures` and `chainrule summary MODEL`."""

import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.models import MODELS

TINY_CNN = """
name = "tiny-cnn"
title = "A small convolutional network on digits"
source = "test"
[data]
name = "digits"
val = 0.1
test = 0.2
[model]
layers = [{ layer = "Conv2D", filters = 3, kernel = 3 }, "ReLU", "Flatten", { layer = "Affine", units = 10 }]
[train]
epochs = 1
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY_CNN)
    assert main(["train", "tiny.toml", "--quiet", "--out", "run"]) == 0
    return tmp_path / "run"


def test_pictures_of_a_convolutional_run(run, capsys):
    capsys.readouterr()
    assert main(["pictures", "run"]) == 0
    assert capsys.readouterr().out.split() == ["run/weights.png", "run/feature-maps.png"]
    for name in ("weights.png", "feature-maps.png"):
        with Image.open(run / name) as picture:
            assert min(picture.size) > 100
            assert len(picture.convert("L").getcolors(256)) > 3


def test_feature_maps_of_an_image_file(run, tmp_path, capsys):
    Image.new("L", (8, 8), 200).save(tmp_path / "grey.png")
    assert main(["pictures", "run", "--image", "grey.png"]) == 0
    assert main(["pictures", "run", "--image", "none.png"]) == 2
    assert "none.png" in capsys.readouterr().err


def test_a_run_without_convolutions_has_weights_only(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--epochs", "1", "--quiet", "--out", "run"]) == 0
    assert main(["pictures", "run"]) == 0
    assert (tmp_path / "run" / "weights.png").is_file()
    assert not (tmp_path / "run" / "feature-maps.png").exists()
    assert "need a convolution" in capsys.readouterr().out
    Image.new("L", (8, 8), 200).save(tmp_path / "grey.png")
    assert main(["pictures", "run", "--image", "grey.png"]) == 0
    assert "need a convolution" in capsys.readouterr().out
    (tmp_path / "run" / "weights.png").unlink()
    assert main(["pictures", "run", "--image", "none.png"]) == 2
    assert not (tmp_path / "run" / "weights.png").exists()


@pytest.mark.parametrize("name", MODELS)
def test_summary_of_a_model_shows_the_published_count(name, capsys):
    assert main(["summary", name]) == 0
    out = capsys.readouterr().out
    assert f"parameters: {MODELS[name].parameters:,}  (published: {MODELS[name].parameters:,})" in out
    assert "source of the published counts" in out


def test_summary_of_an_unknown_name_suggests_models_too(capsys):
    assert main(["summary", "resnet19"]) == 2
    assert "did you mean 'resnet18'" in capsys.readouterr().err
    assert main(["summary", "lenet5", "--set", "seed=1"]) == 2
