"""Folders and archives of images by class, and the cache of decoded images."""

import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chainrule.data import Dataset, image_cache, load, load_image_folder, load_notmnist, stratified_split
from chainrule.data.image_files import places, shown
from chainrule.errors import ConfigError, DataError, DTypeError

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "chainrule" / "images"


def pixels(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return array


@pytest.fixture
def folder(tmp_path):
    """Two classes of three grey 4 × 5 images, and one empty file."""
    root = tmp_path / "letters"
    for name in "AB":
        for i in range(3):
            save(root / name / f"{i}.png", pixels(4, 5))
    (root / "A" / "3.png").write_bytes(b"")
    return root


def faults_tool():
    spec = importlib.util.spec_from_file_location("image_faults", ROOT / "tools" / "image_faults.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_planted_faults_are_listed_and_the_rest_is_used(tmp_path, capfd, recwarn):
    tool = faults_tool()
    (tmp_path / "images").mkdir()
    faults, good = tool.make_folder(tmp_path / "images", 600, 62, seed=4)
    assert len(set(faults.values())) >= 12
    if os.geteuid() == 0:  # for whom no file is unreadable
        for path in [path for path, kind in faults.items() if kind == "file without permission"]:
            (tmp_path / "images" / path).unlink()
            del faults[path]
    capfd.readouterr()
    size = (tool.SIDE, tool.SIDE)
    sizes = [path for path, kind in faults.items() if kind == "another size"]
    source = load_image_folder(tmp_path / "images", resize=size)  # which makes other sizes usable
    good |= dict.fromkeys(sizes)
    wrong = tool.compare(source, {p: k for p, k in faults.items() if p not in sizes}, good, shown)
    assert wrong == []
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_labels_order_and_names(folder):
    source = load_image_folder(folder)
    assert source.train.class_names == ("A", "B")
    assert source.train.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert source.row_names["train"] == ("A/0.png", "A/1.png", "A/2.png", "B/0.png", "B/1.png", "B/2.png")
    for name, image in zip(source.row_names["train"], source.train.X, strict=True):
        np.testing.assert_array_equal(image[0], np.asarray(Image.open(folder / name)))
    assert source.skipped == (("A/3.png", "empty file"),)
    assert (source.name, source.scale) == ("letters", 255.0)


def test_raise_names_the_first_bad_file(folder):
    (folder / "B" / "0.png").write_bytes(b"x")
    for cached in (False, True, True):
        with pytest.raises(DataError, match=r"letters/A/3.png: empty file; on_bad='skip' leaves such files out"):
            load_image_folder(folder, on_bad="raise", cache=cached)
    load_image_folder(folder)
    with pytest.raises(DataError, match=r"A/3.png: empty file"):  # from the cache
        load_image_folder(folder, on_bad="raise")


def test_one_colour_image_makes_all_colour(folder):
    colour = save(folder / "B" / "9.png", pixels(4, 5, 3))
    source = load_image_folder(folder)
    assert source.train.input_shape == (3, 4, 5)
    np.testing.assert_array_equal(source.train.X[-1].transpose(1, 2, 0), colour)
    grey = np.asarray(Image.open(folder / "A" / "0.png"))
    assert (source.train.X[0] == grey).all()
    assert load_image_folder(folder, channels=1).train.input_shape == (1, 4, 5)


def test_several_sizes_are_refused_or_resized(folder):
    save(folder / "B" / "1.png", np.full((8, 10), 77, np.uint8))
    message = r"got .*B/1.png with 10 x 8 pixels, the first image \(A/0.png\) 5 x 4 pixels; pass resize="
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            load_image_folder(folder)
    source = load_image_folder(folder, resize=(2, 3))
    assert source.train.input_shape == (1, 2, 3)
    assert (source.train.X[4] == 77).all()
    source = load_image_folder(folder, resize=(8, 10))
    np.testing.assert_array_equal(source.train.X[4, 0], np.full((8, 10), 77))


def archives_of(folder):
    base = folder.parent
    paths = [base / "a.tar", base / "a.tar.gz", base / "a.tar.xz", base / "a.zip"]
    files = sorted((p for p in folder.rglob("*") if p.is_file()), reverse=True)  # not in the order of the folder
    for path, mode in zip(paths[:3], ("w", "w:gz", "w:xz"), strict=True):
        with tarfile.open(path, mode) as tar:
            for file in files:
                tar.add(file, file.relative_to(base))
    with zipfile.ZipFile(paths[3], "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(base))
    return paths


@pytest.mark.parametrize("cached", [True, False])
def test_archives_give_the_rows_of_the_folder(folder, cached):
    expected = load_image_folder(folder, cache=cached)
    for path in archives_of(folder):
        source = load_image_folder(path, cache=cached)
        np.testing.assert_array_equal(source.train.X, expected.train.X)
        np.testing.assert_array_equal(source.train.y, expected.train.y)
        assert source.row_names["train"] == tuple(f"letters/{name}" for name in expected.row_names["train"])
        assert source.skipped == (("letters/A/3.png", "empty file"),)


def test_parts(folder):
    root = folder.parent / "parts"
    for part in ("train", "Test", "valid"):
        shutil.copytree(folder, root / part)
    save(root / "Test" / "C" / "0.png", pixels(4, 5))
    source = load_image_folder(root)
    assert list(source.parts) == ["train", "val", "test"]
    assert [len(part) for part in source.parts.values()] == [6, 6, 7]
    assert source.test.class_counts().tolist() == [3, 3, 1]
    assert source.train.class_counts().tolist() == [3, 3, 0]
    assert source.row_names["test"][-1] == "Test/C/0.png"
    np.testing.assert_array_equal(source.train.X, source.val.X)


def test_hidden_files_and_notes_are_no_part_of_the_set(folder):
    for name in (".DS_Store", "A/.hidden.png", "A/Thumbs.db", "README.txt", ".git/x.png", "__MACOSX/A/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    save(folder / "cover.png", pixels(4, 5))
    source = load_image_folder(folder)
    assert source.skipped == (("A/3.png", "empty file"), ("cover.png", "lies in no class folder"))


def test_links_inside_are_followed(folder):
    (folder / "B" / "link.png").symlink_to("../A/0.png")
    source = load_image_folder(folder)
    np.testing.assert_array_equal(source.train.X[-1], source.train.X[0])


PLACES = [
    ({"A/1.png": ("train", "A"), "B/deep/er/2.png": ("train", "B"), "note.txt": None}),
    ({"set/A/1.png": ("train", "A"), "set/readme.md": None, "set/B/2.png": ("train", "B")}),
    ({"train/A/1.png": ("train", "A"), "validation/A/2.png": ("val", "A"), "test/x.png": None}),
    ({"d/train/A/1.png": ("train", "A"), "d/test/B/1.png": ("test", "B")}),
    ({"train/1.png": ("train", "train"), "plane/2.png": ("train", "plane")}),
    ({"train/a/1.png": ("train", "a"), "train/b/1.png": ("train", "b")}),  # one outer folder
    ({"test/A/1.png": ("train", "test"), "val/A/2.png": ("train", "val")}),  # no training part: classes
    ({"A/1": ("train", "A"), "B/2": ("train", "B")}),
    ({"only.png": None}),
    ({}),
]


@pytest.mark.parametrize("expected", PLACES, ids=[" ".join(e) for e in PLACES])
def test_places(expected):
    assert places(list(expected)) == {path: place for path, place in expected.items() if place is not None}


# -- the cache ---------------------------------------------------------------------------------------------------


def only_entry(cache):
    (entry,) = [path for path in cache.iterdir() if path.name[0] != "."]
    return entry


def is_map(array):
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


def test_the_second_time_nothing_is_decoded(folder, cache, monkeypatch):
    first = load_image_folder(folder)
    assert is_map(first.train.X)
    assert not first.train.X.flags.writeable
    entry = only_entry(cache)
    monkeypatch.setattr("chainrule.data.image_folder.open_image", None)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))  # dates do not matter
    second = load_image_folder(folder)
    np.testing.assert_array_equal(first.train.X, second.train.X)
    assert (second.skipped, second.row_names, second.notes) == (first.skipped, first.row_names, first.notes)
    assert only_entry(cache) == entry


def test_contents_names_and_options_make_other_entries(folder, cache):
    def entries():
        load_image_folder(folder)
        return len(list(cache.iterdir()))

    assert entries() == 1
    stat = (folder / "A" / "0.png").stat()
    save(folder / "A" / "0.png", pixels(4, 5))
    os.truncate(folder / "A" / "0.png", stat.st_size)
    os.utime(folder / "A" / "0.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size and date, other content
    assert entries() == 2
    (folder / "A" / "1.png").rename(folder / "A" / "7.png")
    assert entries() == 3
    (folder / "A" / "7.png").rename(folder / "A" / "1.png")
    assert entries() == 3
    (folder / "A" / "1.png").rename(folder / "A" / "11.png")  # which keeps the order
    assert entries() == 4
    (folder / "A" / "11.png").rename(folder / "A" / "1.png")
    load_image_folder(folder, resize=(4, 5))
    load_image_folder(folder, channels=3)
    assert entries() == 6


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "remove", "manifest", "index", "shape", "no entry"])
def test_a_damaged_entry_is_made_again(folder, cache, damage):
    expected = np.array(load_image_folder(folder).train.X)
    entry = only_entry(cache)
    pixel_file, index = entry / image_cache.PIXELS, entry / image_cache.INDEX
    data = pixel_file.read_bytes()
    if damage == "flip":
        pixel_file.write_bytes(data[:10] + bytes([data[10] ^ 1]) + data[11:])
    elif damage == "cut":
        pixel_file.write_bytes(data[:-1])
    elif damage == "longer":
        pixel_file.write_bytes(data + b"x")
    elif damage == "remove":
        pixel_file.unlink()
    elif damage == "manifest":
        (entry / image_cache.MANIFEST).write_text("{")
    elif damage == "index":
        index.write_text(index.read_text().replace("A/0.png", "A/1.png"))
    elif damage == "shape":
        index.write_text(index.read_text().replace('"shape": [6', '"shape": [7'))
        sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (pixel_file, index)}
        (entry / image_cache.MANIFEST).write_text(json.dumps(sums))
    else:
        shutil.rmtree(entry)
        entry.write_bytes(b"a file in its place")
        entry.unlink()
    source = load_image_folder(folder)
    np.testing.assert_array_equal(source.train.X, expected)
    assert source.row_names["train"][0] == "A/0.png"
    assert image_cache.read_entry(only_entry(cache)) is not None


def test_processes_at_once(folder, cache):
    for i in range(40):
        save(folder / "A" / f"more{i}.png", pixels(4, 5))
    program = (
        "import sys, hashlib; from chainrule.data import load_image_folder\n"
        f"for _ in range(3): s = load_image_folder({str(folder)!r})\n"
        "print(hashlib.sha256(s.train.X.tobytes()).hexdigest())"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    sums = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert sums == {hashlib.sha256(load_image_folder(folder).train.X.tobytes()).hexdigest() + "\n"}
    assert [path.name for path in cache.iterdir()] == [only_entry(cache).name]  # nothing is left behind


def test_leftovers_are_swept_and_young_ones_kept(folder, cache):
    for name, age in ((".old.tmp", 200_000), (".young.tmp", 0)):
        (cache / name).mkdir(parents=True)
        if age:
            os.utime(cache / name, (0, 0))
    load_image_folder(folder)
    assert not (cache / ".old.tmp").exists()
    assert (cache / ".young.tmp").exists()


def test_where_nothing_may_be_kept_images_are_in_memory(folder, cache, monkeypatch):
    def refuse(path, build):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(image_cache, "write_entry", refuse)
    source = load_image_folder(folder)
    assert not is_map(source.train.X)
    assert len(source.train) == 6
    assert not source.train.X.flags.writeable


def test_a_full_disk_is_told(folder, monkeypatch):
    def full(path, build):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_cache, "write_entry", full)
    with pytest.raises(DataError, match=r"No space left on device\. Set XDG_CACHE_HOME .* or pass cache=False"):
        load_image_folder(folder)


def test_a_data_set_takes_a_map_without_copying(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(range(60)))
    X = np.memmap(path, np.uint8, "r", shape=(3, 1, 4, 5))
    data = Dataset(X, np.arange(3))
    assert np.shares_memory(data.X, X)
    assert not data.X.flags.writeable


# -- bad input -----------------------------------------------------------------------------------------------------


BAD = [
    (
        lambda f: load_image_folder(f / "none"),
        DataError,
        "must be a folder or an archive, got .*, which does not exist",
    ),
    (lambda f: load_image_folder(f / "A" / "0.png"), DataError, "must be a whole tar or zip archive"),
    (lambda f: load_image_folder(3), DTypeError, "the path must be a string or path object"),
    (lambda f: load_image_folder(f, on_bad="ignore"), ConfigError, "unknown on_bad 'ignore'"),
    (lambda f: load_image_folder(f, channels=4), ConfigError, "channels must be 1, 3 or None, got int 4"),
    (lambda f: load_image_folder(f, channels=True), ConfigError, "channels must be 1, 3 or None"),
    (lambda f: load_image_folder(f, resize=28), DTypeError, r"resize must be \(height, width\), got int 28"),
    (lambda f: load_image_folder(f, resize=(0, 3)), ConfigError, "resize must be an integer >= 1, got 0"),
    (lambda f: load_image_folder(f, resize=(2.5, 3)), DTypeError, "resize must be an integer"),
    (lambda f: load_image_folder(f, resize=(10**5, 10**5)), ConfigError, "at most 40,000,000 pixels"),
    (lambda f: load_image_folder(f, cache=1), DTypeError, "cache must be True or False"),
    (lambda f: load_notmnist(f), DataError, r"grey 28 x 28 images in the folders A to J, got \(1, 4, 5\) in A, B"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(folder, make, error, text):
    with pytest.raises(error, match=text):
        make(folder)


def test_a_folder_without_images_says_what_it_holds(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must hold images in one folder a class, got no file and no usable image"):
        load_image_folder(tmp_path / "empty")
    for i in range(5):
        path = tmp_path / "bad" / "A" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"got 5 files and no usable image \(A/0.png: empty file; .*, and 2 more\)"):
        load_image_folder(tmp_path / "bad")


def test_hostile_archives_end_in_an_error(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("../A/1.png")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(DataError, match=r"\.\./A/1\.png"):
        load_image_folder(path)


# -- notMNIST ------------------------------------------------------------------------------------------------------


def test_notmnist_equals_its_documentation(data_folder):
    source = load("notmnist")
    assert source.train.X.shape == (18724, 1, 28, 28)
    assert source.train.class_names == tuple("ABCDEFGHIJ")
    counts = [1872, 1873, 1873, 1873, 1873, 1872, 1872, 1872, 1872, 1872]
    assert source.train.class_counts().tolist() == counts
    bad = ["A/RGVtb2NyYXRpY2FCb2xkT2xkc3R5bGUgQm9sZC50dGY=.png", "F/Q3Jvc3NvdmVyIEJvbGRPYmxpcXVlLnR0Zg==.png"]
    assert [entry.path.removeprefix("notMNIST_small/") for entry in source.skipped] == bad
    assert {entry.reason for entry in source.skipped} == {"empty file"}
    x = (source.train.X - 127.5) / 255
    assert abs(x.mean() + 0.074636) < 1e-6
    assert abs(x.std() - 0.458622) < 1e-6
    letter = x[source.train.y == 0]
    assert abs(letter.mean() + 0.132626) < 1e-6
    assert abs(letter.std() - 0.445128) < 1e-6
    splits = stratified_split(source.train, train=15_000, val=1_000, test=2_724, seed=0)
    for part, size in ((splits.train, 15_000), (splits.val, 1_000), (splits.test, 2_724)):
        assert len(part) == size
        assert np.abs(part.class_counts() - np.array(counts) * size / 18724).max() < 1


def test_devices_and_pipes_are_no_archives(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(DataError, match=r"must be a folder or an archive, got .*, which is neither"):
            load_image_folder(path)
