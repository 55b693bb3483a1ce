"""[data] folder: recipes on a folder of images by class."""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.errors import ChainruleError, ConfigError, DataError
from chainrule.recipes import apply_overrides, build, load_recipe, parse_recipe, to_toml
from chainrule.recipes.experiment import declared_shape, load_splits

TEXT = """
name = "photos"
title = "Bright and dark"
source = "A test."

[data]
folder = "{folder}"
resize = [6, 5]
normalize = "channel"
val = {val}
test = {test}

[model]
layers = ["Flatten", {{ layer = "Affine", units = 2 }}]

[train]
optim_config = {{ learning_rate = 1e-2 }}
epochs = 40
"""


def write_images(folder, count=20):
    rng = np.random.default_rng(len(str(folder)))
    for name, low in (("bright", 150), ("dunkel é", 0)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(low, low + 100, (8 + i % 3, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a recipe, and the images in a folder beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write_images(tmp_path / "project" / "photos")
    (tmp_path / "project" / "photos" / "bright" / "empty.png").write_bytes(b"")
    (tmp_path / "project" / "r.toml").write_text(TEXT.format(folder="photos", val=0.2, test=0.2))
    return tmp_path / "project"


def test_train_evaluate_and_predict(project, capsys):
    assert main(["train", str(project / "r.toml"), "--quiet", "--out", "run"]) == 0
    results = json.loads(Path("run/results.json").read_text())
    assert results["skipped_files"] == [{"path": "bright/empty.png", "reason": "empty file"}]
    assert [row["name"] for row in results["classes"]] == ["bright", "dunkel é"]
    assert results["test_accuracy"] == 1.0
    assert main(["evaluate", "run"]) == 0  # the run's own recipe lies elsewhere and still finds the images
    assert main(["predict", "run", str(project / "photos" / "dunkel é" / "3.png")]) == 0
    assert "3.png: dunkel é" in capsys.readouterr().out
    assert main(["summary", str(project / "r.toml")]) == 0
    assert "(3, 6, 5)" in capsys.readouterr().out


def test_the_folder_is_relative_to_the_recipe(project):
    recipe = load_recipe(project / "r.toml")
    assert recipe.data.folder == str(project / "photos")
    assert parse_recipe(to_toml(recipe)) == recipe
    assert declared_shape(recipe) == (3, 6, 5)
    assert parse_recipe(TEXT.format(folder="photos", val=1, test=1)).data.folder == os.path.abspath("photos")
    assert parse_recipe(TEXT.format(folder="~/x", val=1, test=1)).data.folder == os.path.expanduser("~/x")


def test_overrides_exchange_name_and_folder(project):
    recipe = load_recipe("digits-mlp")
    changed = apply_overrides(recipe, [f"data.folder={project / 'photos'}", "data.resize=[8,8]", "data.channels=1"])
    assert build(changed).network.input_shape == (1, 8, 8)
    assert apply_overrides(changed, ["data.name=digits"]) == recipe
    with pytest.raises(ConfigError, match="name or folder, one of them, got 'digits' and "):
        apply_overrides(recipe, ["data.folder=photos", "data.name=digits"])


def test_an_archive_will_do(project):
    archive = shutil.make_archive(str(project / "packed"), "zip", project, "photos")
    recipe = apply_overrides(load_recipe(project / "r.toml"), [f"data.folder={archive}"])
    assert len(build(recipe).splits.test) == 8


def test_parts_of_its_own(project):
    for part in ("train", "val", "test"):
        write_images(project / "parted" / part, 4 + len(part))
    recipe = parse_recipe(TEXT.format(folder=project / "parted", val=0, test=0))
    _, splits = load_splits(recipe)
    assert [len(splits.train), len(splits.val), len(splits.test)] == [18, 14, 16]
    prepared = apply_overrides(recipe, ['data.prepare=["Grayscale"]'])
    assert [data.input_shape for data in vars(load_splits(prepared)[1]).values()] == [(1, 6, 5)] * 3
    for change, said in (("data.val=0.1", "data.val must be 0"), ("data.test=1", "data.test must be left out")):
        with pytest.raises(ConfigError, match=f"{said}.*parted has a"):
            build(apply_overrides(recipe, [change]))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data.folder="], "data.folder: expected"),
        (["data.folder=3"], "data.folder: expected str"),
        (["data.folder=nowhere"], "nowhere', which does not exist"),
        (["data.resize=[8]"], "data.resize: expected"),
        (["data.resize=[8,0]"], "data.resize.1: expected"),
        (["data.resize=[100000,100000]"], "at most 40,000,000 pixels"),
        (["data.channels=2"], "data.channels: expected 1 or 3, got int 2"),
        (["data.on_bad=ignore"], "data.on_bad: expected 'skip' or 'raise', got str 'ignore'"),
        (["data.on_bad=raise"], "empty.png: empty file"),
        (["data.name=digits", "data.resize=[3,3]"], "data.resize must be left out without data.folder"),
        (['data.folder="a\\u0000b"'], "the path must be a path that can exist"),
    ],
)
def test_what_does_not_fit(project, overrides, said):
    with pytest.raises(ChainruleError) as caught:
        build(apply_overrides(load_recipe(project / "r.toml"), overrides))
    assert said in str(caught.value)


def test_neither_name_nor_folder():
    with pytest.raises(ConfigError, match=r"\[data\] needs name or folder$"):
        parse_recipe(TEXT.format(folder="x", val=1, test=1).replace('folder = "x"\nresize = [6, 5]\n', ""))


def test_sizes_differ_without_resize(project):
    text = (project / "r.toml").read_text().replace("resize = [6, 5]\n", "")
    (project / "r.toml").write_text(text)
    with pytest.raises(DataError, match="pass resize="):
        build(load_recipe(project / "r.toml"))


@pytest.mark.parametrize("flip", ["HorizontalFlip", "AlternatingFlip"])
def test_mirrored_characters_are_warned_of(flip):
    recipe = apply_overrides(load_recipe("digits-mlp"), [f'data.augment=["{flip}"]'])
    with pytest.warns(UserWarning, match=f"digits-mlp: data.augment has {flip}, but digits shows characters"):
        build(recipe)


def test_other_images_may_be_mirrored(project):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(apply_overrides(load_recipe(project / "r.toml"), ['data.augment=["HorizontalFlip"]']))
        build(apply_overrides(load_recipe("digits-mlp"), ['data.augment=[{transform="RandomCrop", padding=1}]']))
