"""`chainrule data`: list, fetch, check, show."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.data import CATALOG, audit
from chainrule.data.facts import FACTS
from chainrule.errors import DTypeError

RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def photos(tmp_path):
    """Two classes of four images without a fault."""
    for name in ("cat", "dog"):
        for i in range(4):
            save(tmp_path / "photos" / name / f"{i}.png", RNG.integers(0, 256, (6, 7, 3), dtype=np.uint8))
    return tmp_path / "photos"


def run(capsys, *words):
    status = main(["data", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_list(capsys):
    status, out, _ = run(capsys, "list")
    assert status == 0
    for name in CATALOG:
        assert name in out
    status, out, _ = run(capsys, "list", "--json")
    listed = json.loads(out)
    assert set(listed) == set(CATALOG)
    assert listed["mnist"]["files"][0]["sha256"] == FACTS["mnist"].files[0].sha256
    assert listed["notmnist"]["sizes"] == {"train": 18724}


def test_a_sound_folder(photos, capsys):
    status, out, err = run(capsys, "check", "photos")
    assert (status, err) == (0, "")
    assert re.search(r"cat +4 *\n", out)
    assert "no fault found" in out


FAULTS = {
    "bad file: dog/9.png: empty file": lambda p: (p / "dog/9.png").write_bytes(b""),
    "bad file: cat/x.png: not an image: text": lambda p: (p / "cat/x.png").write_text("hello"),
    "bad file: dog/9.png: another size: 3 x 3 pixels, the first image (cat/0.png) 7 x 6 pixels": lambda p: save(
        p / "dog/9.png", np.zeros((3, 3, 3), np.uint8)
    ),
    "equal images with different labels: 1\n  cat/0.png = dog/9.png": lambda p: shutil.copy(
        p / "cat/0.png", p / "dog/9.png"
    ),
    "3 x 3 pixels, most images 7 x 6 pixels\nfault: class bird has no usable train image": lambda p: save(
        p / "bird/9.png", np.zeros((3, 3, 3), np.uint8)
    ),
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_named_and_the_status_is_1(photos, capsys, text):
    FAULTS[text](photos)
    status, out, _ = run(capsys, "check", "photos/")
    assert status == 1
    assert text in out
    assert re.search(r"\n\d+ faults?\n$", out)


def test_other_sizes_are_no_fault_when_resized(photos, capsys):
    save(photos / "dog/9.png", RNG.integers(0, 256, (9, 3, 3), dtype=np.uint8))
    assert run(capsys, "check", "photos")[0] == 1
    assert run(capsys, "check", "photos", "--resize", "5", "5")[0] == 0
    status, out, _ = run(capsys, "show", "photos", "--resize", "5", "5", "--json")
    assert (status, json.loads(out)["counts"]) == (0, {"train": [4, 5]})
    assert run(capsys, "check", "photos", "--resize", "0", "5")[0] == 2


def test_duplicates_and_imbalance_are_told_but_are_no_fault(photos, capsys):
    for i in range(5, 9):
        shutil.copy(photos / "cat/0.png", photos / f"cat/{i}.png")
    status, out, _ = run(capsys, "check", "photos")
    assert status == 0
    assert "equal images with one label: 1\n  cat/0.png = cat/5.png = cat/6.png" in out
    assert "largest training class: 2 times the smallest" in out
    _, out, _ = run(capsys, "check", "photos", "--json")
    found = json.loads(out)
    assert found["ok"] is True
    assert found["duplicates"] == [[f"cat/{i}.png" for i in (0, 5, 6, 7, 8)]]
    assert found["imbalance"] == 2


def test_leaks_between_parts(photos, tmp_path, capsys):
    shutil.copytree(photos, tmp_path / "set" / "train")
    save(tmp_path / "set" / "test" / "cat" / "t.png", RNG.integers(0, 256, (6, 7, 3), dtype=np.uint8))
    save(tmp_path / "set" / "test" / "dog" / "t.png", RNG.integers(0, 256, (6, 7, 3), dtype=np.uint8))
    assert run(capsys, "check", "set")[0] == 0
    Image.open(photos / "dog/2.png").save(tmp_path / "set" / "test" / "dog" / "leak.bmp")  # the pixels count
    status, out, _ = run(capsys, "check", "set")
    assert status == 1
    assert "images that are in an earlier part too: 1\n  test/dog/leak.bmp = train/dog/2.png" in out
    assert "fault: test/dog/leak.bmp is in an earlier part too, as train/dog/2.png" in out


def test_a_set_with_other_counts_than_documented(capsys, monkeypatch):
    from dataclasses import replace

    assert run(capsys, "check", "digits")[0] == 0
    known = FACTS["digits"]
    other = replace(known, counts={"train": (179, *known.counts["train"][1:])})
    monkeypatch.setitem(FACTS, "digits", other)
    status, out, _ = run(capsys, "check", "digits")
    assert status == 1
    assert "fault: train class 0 has 178 rows, documented are 179" in out
    monkeypatch.setitem(FACTS, "digits", replace(known, shape=(1, 9, 9), counts={}, totals={"train": 1798}))
    status, out, _ = run(capsys, "check", "digits")
    assert "fault: rows have shape (1, 8, 8), documented is (1, 9, 9)" in out
    assert "fault: train has 1,797 rows, documented are 1,798" in out
    monkeypatch.setitem(FACTS, "digits", replace(known, counts=known.counts | {"test": (1, 2)}))
    assert "fault: test has 0 classes, documented are 2" in run(capsys, "check", "digits")[1]


@pytest.mark.parametrize("name", ["notmnist", "mnist", "binary20d", "cifar10"])
def test_real_sets_equal_their_documentation(data_folder, name, capsys):
    status, out, _ = run(capsys, "check", name)
    assert status == 0
    assert "no fault found" in out
    for damaged in FACTS[name].damaged:
        assert re.search(f"known to be damaged: .*{re.escape(damaged)}: empty file", out)


def test_show(photos, capsys):
    status, out, _ = run(capsys, "show", "photos")
    assert status == 0
    assert out.endswith("\nphotos-samples.png\n")
    assert re.search(r"mean 0\.\d{6} 0\.\d{6} 0\.\d{6}, standard deviation .* \(inputs over 255\)", out)
    with Image.open("photos-samples.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 100
    status, out, _ = run(capsys, "show", "digits", "--out", "d.png", "--json")
    assert json.loads(out)["counts"]["train"][0] == 178
    with Image.open("d.png") as picture:
        assert min(picture.size) > 300


def test_mean_and_deviation_are_those_of_numpy(photos, capsys):
    X = np.stack([np.asarray(Image.open(p)) for p in sorted(photos.rglob("*.png"))]) / 255
    _, out, _ = run(capsys, "show", "photos", "--json")
    figures = json.loads(out)
    np.testing.assert_allclose(figures["mean"], X.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(figures["std"], X.std(axis=(0, 1, 2)), rtol=1e-12)


WRONG = [
    (["check", "minst"], "unknown data set or folder 'minst'; did you mean 'mnist'?"),
    (["show", "nowhere/"], "unknown data set or folder 'nowhere/'"),
    (["fetch", "minst"], "unknown data set 'minst'"),
    (["check"], "requires an argument"),
    (["check", "empty"], "must hold images in one folder a class, got no file"),
]


@pytest.mark.parametrize(("words", "text"), WRONG, ids=[" ".join(w) for w, _ in WRONG])
def test_wrong_input_is_one_line_and_status_2(tmp_path, capsys, words, text):
    (tmp_path / "empty").mkdir()
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert text in err


def test_sets_without_images_or_files(monkeypatch, capsys):
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    status, _, err = run(capsys, "fetch", "binary20d")
    assert status == 2
    assert "data set 'binary20d' is not downloaded. Save the assignment's arrays X and y as data.npz" in err
    status, _, err = run(capsys, "check", "mnist")
    assert status == 2
    assert "`chainrule data fetch mnist` downloads them (12 MB)." in err


def test_fetch_says_what_is_there(capsys):
    status, out, err = run(capsys, "fetch", "digits")
    assert (status, out, err) == (0, "digits is there: 1,797 train rows\n", "")


def test_other_kinds_of_files(tmp_path, capsys):
    X, y = RNG.integers(0, 256, (12, 1, 4, 4), dtype=np.uint8), np.arange(12) % 3
    np.savez(tmp_path / "arrays.npz", X=X, y=y)
    status, out, _ = run(capsys, "check", "arrays.npz")
    assert status == 0
    assert re.search(r"all +12", out)
    assert run(capsys, "show", "arrays.npz", "--out", "a.png")[0] == 0
    status, _, err = run(capsys, "check", "arrays.npz", "--resize", "3", "3")
    assert (status, "resize must be left out for a source of kind 'npz'" in err) == (2, True)


@pytest.mark.parametrize("command", ["check", "show"])
def test_an_empty_name_is_no_folder(command, photos, capsys):
    assert "unknown data set or folder ''" in run(capsys, command, "")[2]


@pytest.mark.parametrize("given", [None, 3, [], {}, b"photos"])
def test_what_is_no_path_is_not_audited(given):
    with pytest.raises(DTypeError, match="audit: name_or_folder must be a string or path object"):
        audit(given)


def test_pictures_in_no_folder(photos, capsys):
    status, _, err = run(capsys, "show", "photos", "--out", "nowhere/a.png")
    assert (status, err) == (2, "error: --out must be a file in a folder that exists, got 'nowhere/a.png'\n")


def test_names_that_no_font_has_are_drawn_silently(tmp_path, photos, capsys):
    (tmp_path / "photos" / "cat").rename(tmp_path / "photos" / "\u732b")
    assert run(capsys, "show", "photos", "--out", "a.png")[::2] == (0, "")


def test_counts_are_in_words(photos, capsys):
    (photos / "cat" / "0.png").write_bytes(b"")
    assert "7 images, 1 file skipped." in run(capsys, "check", "photos")[1]


def test_hardly_larger_classes_are_not_mentioned(tmp_path, capsys):
    y = np.repeat([0, 1], [501, 500])
    np.savez(tmp_path / "even.npz", X=np.arange(2002).reshape(1001, 2), y=y)
    assert "largest" not in run(capsys, "check", "even.npz")[1]
    np.savez(tmp_path / "odd.npz", X=np.arange(200).reshape(100, 2), y=y[450:550])
    assert "largest training class: 1.04 times the smallest" in run(capsys, "check", "odd.npz")[1]


def test_what_is_not_downloaded_is_explained_once(monkeypatch, capsys):
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    status, _, err = run(capsys, "fetch", "notmnist")
    assert (status, err.count("Download notMNIST_small.tar.gz")) == (2, 1)


def test_one_class_is_a_fault(tmp_path, photos, capsys):
    shutil.rmtree(photos / "dog")
    status, out, _ = run(capsys, "check", "photos")
    assert (status, "fault: there is one class only, cat" in out) == (1, True)
