"""`chainrule predict`: every format, size and kind of picture, good and bad."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.data import load
from chainrule.ensembles import write_submission
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError
from chainrule.recipes import load_recipe
from chainrule.recipes.experiment import load_splits
from chainrule.recipes.images import read_image
from chainrule.solver import load_network


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "digits"
    assert main(["train", "--quiet", "--epochs", "8", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def digit():
    return load("digits").train.X[3, 0]  # a 3, (8, 8) from 0 to 16


def picture(pixels, scale=16):
    return Image.fromarray(np.rint(pixels * (255.0 / scale)).astype(np.uint8))


def predictions(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])["predictions"]


def test_probabilities_are_those_of_the_network(run, digit, tmp_path, capsys):
    picture(digit).save(tmp_path / "three.png")
    network, _ = load_network(run / "checkpoint")
    expected = network.predict_proba((np.rint(digit * 255 / 16) / 255)[None, None].astype(np.float32))[0]
    assert main(["predict", str(run), str(tmp_path / "three.png"), "--json"]) == 0
    (record,) = predictions(capsys)
    assert record["class"] == "3" == record["top"][0]["class"]
    assert [entry["class"] for entry in record["top"]] == [str(i) for i in np.argsort(-expected)[:3]]
    got = [entry["probability"] for entry in record["top"]]
    np.testing.assert_allclose(got, np.sort(expected)[::-1][:3], rtol=1e-4, atol=1e-7)
    assert main(["predict", str(run), str(tmp_path / "three.png")]) == 0
    assert (
        capsys.readouterr().out
        == f"{tmp_path}/three.png: "
        + ", ".join(f"{entry['class']} {entry['probability']:.1%}" for entry in record["top"])
        + "\n"
    )


def test_dark_on_light_needs_invert(run, digit, tmp_path, capsys):
    picture(16 - digit).save(tmp_path / "paper.png")
    assert main(["predict", str(run), str(tmp_path / "paper.png"), "--invert", "--json"]) == 0
    assert predictions(capsys)[0]["class"] == "3"


def test_bad_images_are_named_and_the_others_predicted(run, digit, tmp_path, capsys):
    good, damaged, text = tmp_path / "good.bmp", tmp_path / "damaged.png", tmp_path / "text.png"
    picture(digit).save(good)
    picture(digit).save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:-30])
    text.write_text("no image", "utf-8")
    (tmp_path / "empty").mkdir()
    paths = [str(damaged), str(good), str(text), str(tmp_path / "none.png"), str(tmp_path / "empty")]
    assert main(["predict", str(run), *paths, "--json"]) == 1
    out, err = capsys.readouterr()
    records = json.loads(out)["predictions"]
    assert [record["image"] for record in records] == paths
    assert ["error" in record for record in records] == [True, False, True, True, True]
    assert records[1]["class"] == "3"
    errors = err.splitlines()
    assert [line.startswith(f"error: {p}: ") for line, p in zip(errors, [*paths[:1], *paths[2:]], strict=True)] == [
        True
    ] * 4
    assert main(["predict", str(run), *paths]) == 1
    assert capsys.readouterr().out.startswith(f"{good}: 3 ")


def test_a_run_on_rows_takes_no_images(tmp_path):
    with pytest.raises(ConfigError, match=r"rows of shape \(20,\), not images"):
        read_image(tmp_path / "x.png", (20,), None)
    with pytest.raises(ConfigError, match="highest pixel value"):
        read_image(tmp_path / "x.png", (1, 8, 8), None)


# -- folders, tables, submissions -----------------------------------------------------------------------------------


def test_a_csv_of_the_test_rows(run, tmp_path, capsys):
    network, extra = load_network(run / "checkpoint")
    test = load_splits(load_recipe("digits-mlp"))[1].test
    expected = network.predict((test.X / extra["scale"]).astype(np.float32))
    for words, head, first in (([], "Id,Category", 1), (["--header", "n,is", "--first-id", "0"], "n,is", 0)):
        assert main(["predict", str(run), "--csv", str(tmp_path / "s.csv"), *words]) == 0
        lines = (tmp_path / "s.csv").read_text("utf-8").splitlines()
        assert lines[0] == head
        assert lines[1:] == [f"{first + i},{label}" for i, label in enumerate(expected)]
    assert f"{len(test)} predictions written to" in capsys.readouterr().out
    assert np.mean(expected == test.y) > 0.9


def test_a_csv_of_files(run, digit, tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    for name in ("10.png", "2.png"):
        picture(digit).save(tmp_path / "scans" / name)
    (tmp_path / "scans" / "notes.txt").write_text("no image")
    out = tmp_path / "s.csv"
    for kind, keys in (
        (None, ["2.png", "10.png"]),
        ("stem", ["2", "10"]),
        ("number", ["1", "2"]),
        ("path", [str(tmp_path / "scans" / name) for name in ("2.png", "10.png")]),
    ):
        words = [] if kind is None else ["--ids", kind]
        assert main(["predict", str(run), str(tmp_path / "scans"), "--csv", str(out), *words]) == 0
        assert out.read_text("utf-8").splitlines() == ["Id,Category", *(f"{key},3" for key in keys)]
    out.unlink()
    (tmp_path / "scans" / "bad.png").write_text("no image")
    assert main(["predict", str(run), str(tmp_path / "scans"), "--csv", str(out), "--json"]) == 1
    assert not out.exists()
    assert [record.get("class") for record in predictions(capsys)] == ["3", "3", None]


def test_a_csv_of_a_table(run, tmp_path, capsys):
    test = load_splits(load_recipe("digits-mlp"))[1].test
    X = test.X[:5].reshape(5, -1).astype(int)
    names = [f"p{i}" for i in range(64)]
    out, table = tmp_path / "s.csv", tmp_path / "test.csv"

    def answers(head, rows, *words):
        table.write_text("\n".join(",".join(map(str, row)) for row in (head, *rows)))
        assert main(["predict", str(run), str(table), "--csv", str(out), *words]) == 0
        return out.read_text("utf-8").splitlines()[1:]

    plain = answers(names, X)
    assert [line.partition(",")[0] for line in plain] == list("12345")
    labels = [line.partition(",")[2] for line in plain]
    assert answers([*names, "label"], [[*row, 9] for row in X]) == plain
    keyed = answers(["key", *names], [[f"r{i}", *row] for i, row in enumerate(X)], "--id-column", "key")
    assert keyed == [f"r{i},{label}" for i, label in enumerate(labels)]
    np.savez(tmp_path / "test.npz", X_test=test.X[:5], other=np.zeros(3))
    assert main(["predict", str(run), str(tmp_path / "test.npz"), "--csv", str(out), "--names"]) == 0
    assert out.read_text("utf-8").splitlines()[1:] == plain
    capsys.readouterr()
    table.write_text(",".join([*names, "a", "b"]) + "\n" + ",".join("0" * 66))
    for words, said in (
        ([str(table)], "must have 64 columns of inputs, got 66; a column of ids must be named"),
        ([str(table), "--id-column", "z"], "has no column 'z'"),
        ([str(table), "x.png"], "a table is predicted alone, got 2 files"),
        ([str(tmp_path / "none.csv")], "none.csv: no such file"),
        (["--header", "Id"], "header must be two names"),
        (["--ids", "stem"], "--ids must be number for rows"),
    ):
        assert main(["predict", str(run), *words, "--csv", str(out)]) == 2
        assert said in capsys.readouterr().err
    assert main(["predict", str(run)]) == 2
    assert "give image files, or --csv FILE" in capsys.readouterr().err


def test_an_ensemble_predicts(run, digit, tmp_path, capsys):
    other = tmp_path / "other"
    assert main(["train", "--quiet", "--epochs", "2", "--seed", "7", "--out", str(other)]) == 0
    picture(digit).save(tmp_path / "three.png")
    x = (np.rint(digit * 255 / 16) / 255)[None, None].astype(np.float32)
    expected = np.mean([load_network(f / "checkpoint")[0].predict_proba(x)[0] for f in (run, other)], axis=0)
    capsys.readouterr()
    assert main(["predict", str(run), str(tmp_path / "three.png"), "--with", str(other), "--json"]) == 0
    (record,) = predictions(capsys)
    got = {entry["class"]: entry["probability"] for entry in record["top"]}
    for label, probability in got.items():
        assert probability == pytest.approx(expected[int(label)], rel=1e-4)


def test_bad_submissions(tmp_path):
    for ids, values, kind, said in (
        ([1, 1], np.array([0, 1]), DataError, "ids must be distinct, got 1 twice"),
        ([1], np.array([0, 1]), ShapeError, "as many as predictions, got 1 and 2"),
        ([1], np.array([[0]]), ShapeError, "one a row"),
        ([1], np.array([True]), DTypeError, "numbers or names"),
    ):
        with pytest.raises(kind, match=said):
            write_submission(tmp_path / "s.csv", ids, values)
    with pytest.raises(DataError, match="cannot be written"):
        write_submission(tmp_path / "no" / "s.csv", [1], np.array([1]))
    write_submission(tmp_path / "s.csv", ["a,b", 'c"'], np.array([0.5, 2.0]))
    assert (tmp_path / "s.csv").read_text("utf-8") == 'Id,Category\n"a,b",0.5\n"c""",2.0\n'
    assert not list(tmp_path.glob(".*"))


# -- reading one image ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tiff", "ppm"])
def test_formats(suffix, tmp_path):
    pixels = np.full((6, 6, 3), (200, 100, 50), np.uint8)
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path)
    x = read_image(path, (3, 6, 6), 255)
    assert (x.shape, x.dtype) == ((3, 6, 6), np.float32)
    np.testing.assert_allclose(x.mean(axis=(1, 2)), [200, 100, 50], atol=4)


@pytest.mark.parametrize("suffix", ["ico", "pcx", "tga"])
def test_other_formats_are_refused(suffix, tmp_path):
    path = tmp_path / f"image.{suffix}"
    Image.new("L", (16, 16), 7).save(path)
    with pytest.raises(DataError, match=rf"image.{suffix}: not an image: "):
        read_image(path, (1, 8, 8), 255)


def test_channels_are_converted(tmp_path):
    red, grey = tmp_path / "red.png", tmp_path / "grey.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(red)
    Image.new("L", (4, 4), 90).save(grey)
    np.testing.assert_array_equal(read_image(red, (1, 4, 4), 255), np.full((1, 4, 4), 76))  # 0.299 of 255
    np.testing.assert_array_equal(read_image(grey, (3, 4, 4), 255), np.full((3, 4, 4), 90))


def test_sizes_are_averaged_and_rows_stay_rows(tmp_path):
    pixels = np.zeros((40, 20), np.uint8)
    pixels[:20] = 240
    picture(pixels, 255).save(tmp_path / "half.png")
    x = read_image(tmp_path / "half.png", (1, 4, 2), 16)[0]
    assert x.shape == (4, 2)
    assert x[0] == pytest.approx([240 * 16 / 255] * 2)
    assert x[3] == pytest.approx([0, 0])


@pytest.mark.parametrize("invert", [False, True])
def test_images_keep_their_proportions(tmp_path, invert):
    wide = np.zeros((10, 20), np.uint8)
    wide[:, :5], wide[:, 5:15], wide[:, 15:] = 100, 200, 40
    picture(255 - wide if invert else wide, 255).save(tmp_path / "wide.png")

    def read(fit, shape=(1, 20, 20)):
        return read_image(tmp_path / "wide.png", shape, 255, invert=invert, fit=fit)[0]

    border = np.zeros((5, 20))
    np.testing.assert_array_equal(read("pad"), np.concatenate([border, wide, border]))
    np.testing.assert_array_equal(read("crop", (1, 10, 10)), wide[:, 5:15])
    np.testing.assert_array_equal(read("stretch"), np.repeat(wide, 2, axis=0))
    np.testing.assert_array_equal(read("pad"), read_image(tmp_path / "wide.png", (1, 20, 20), 255, invert=invert)[0])
    with pytest.raises(ConfigError, match="unknown fit 'cut'"):
        read("cut")


def test_proportions_decide_between_averaging_and_interpolating(tmp_path):
    pixels = np.zeros((10, 40), np.uint8)
    pixels[:, 20] = 200
    picture(pixels, 255).save(tmp_path / "line.png")
    shrunk = read_image(tmp_path / "line.png", (1, 20, 20), 255)[0]  # to 5 × 20: the mean of two pixels
    np.testing.assert_array_equal(shrunk[10], np.where(np.arange(20) == 10, 100, 0))
    grown = read_image(tmp_path / "line.png", (1, 20, 20), 255, fit="crop")[0]  # twice as large: no steps
    assert sorted({*grown[10].tolist()}) == [0, 50, 150]


def test_transparent_pixels_are_background(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[0, 0] = (255, 255, 255, 255)
    pixels[1, 1] = (0, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    plain = read_image(tmp_path / "clear.png", (1, 4, 4), 255)[0]
    assert (plain[0, 0], plain[1, 1], plain[3, 3]) == (255, 0, 0)
    inverted = read_image(tmp_path / "clear.png", (1, 4, 4), 255, invert=True)[0]
    assert (inverted[0, 0], inverted[1, 1], inverted[3, 3]) == (0, 255, 0)


def test_sixteen_bits_palettes_and_one_bit(tmp_path):
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGB", (4, 4), (10, 10, 10)).quantize(4).save(tmp_path / "palette.png")
    Image.new("1", (4, 4), 1).save(tmp_path / "bit.png")
    for name, value in (("deep.png", 40_000 // 257), ("palette.png", 10), ("bit.png", 255)):
        np.testing.assert_allclose(read_image(tmp_path / name, (1, 4, 4), 255), value, err_msg=name)
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "real.tiff")
    with pytest.raises(DataError, match="floating-point pixels"):
        read_image(tmp_path / "real.tiff", (1, 4, 4), 255)


def test_pictures_are_turned_upright(tmp_path):
    pixels = np.zeros((4, 4), np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture(pixels, 255).save(tmp_path / "turned.png", exif=exif)
    x = read_image(tmp_path / "turned.png", (1, 4, 4), 255)[0]
    assert x[3].tolist() == [255] * 4
    assert x[0].tolist() == [0] * 4


def test_bombs_are_refused_before_they_are_decoded(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (7_000, 100_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        (tmp_path / "bomb.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        )
        with pytest.raises(DataError, match=r"bomb.png: .*decompression bomb: .*more than 40,000,000 pixels"):
            read_image(tmp_path / "bomb.png", (1, 8, 8), 255)
    with open(tmp_path / "long.png", "wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(DataError, match="bytes"):
        read_image(tmp_path / "long.png", (1, 8, 8), 255)


def test_no_damaged_file_gives_another_error(tmp_path, digit):
    rng = np.random.default_rng(0)
    for suffix in ("png", "jpg", "bmp", "webp", "tiff"):
        path = tmp_path / f"damaged.{suffix}"
        picture(digit).save(path)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            damaged = content.copy()
            damaged[rng.integers(0, len(damaged), 4)] = rng.integers(0, 256, 4)
            path.write_bytes(damaged[: rng.integers(1, len(damaged) + 1)].tobytes())
            with contextlib.suppress(DataError):
                x = read_image(path, (1, 8, 8), 16)
                assert 0 <= x.min() <= x.max() <= 16


def test_names_that_are_no_text(run, digit, tmp_path, capsys):
    """Bytes that are no UTF-8, as names of files may be on Linux: shown and written as escapes."""
    folder = tmp_path / os.fsdecode(b"scans\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("names of files are text here")
    picture(digit).save(tmp_path / "three.png")
    (tmp_path / "three.png").rename(folder / os.fsdecode(b"\xfe.png"))
    name = f"{tmp_path}/scans\\udcff/\\udcfe.png"
    assert main(["predict", str(run), str(folder)]) == 0
    assert capsys.readouterr().out.startswith(f"{name}: ")
    assert main(["predict", str(run), str(folder), "--json"]) == 0
    assert predictions(capsys)[0]["image"] == os.fsdecode(os.fsencode(folder) + b"/\xfe.png")
    assert main(["predict", str(run), str(folder), "--csv", str(folder / "out.csv"), "--ids", "path"]) == 0
    (line,) = (folder / "out.csv").read_text("utf-8").splitlines()[1:]
    assert line.startswith(f"{name},")
    out = str(folder / "run")
    assert main(["train", "--quiet", "--epochs", "1", "--out", out]) == 0
    assert main(["verify", out]) == 0
    assert main(["evaluate", out, "--json"]) == 0
