"""CIFAR-10 from its folder and its archives: real counts and means, and every damaged form named."""

import io
import pickle
import tarfile

import numpy as np
import pytest

from chainrule.data import load, load_cifar10
from chainrule.data.cifar10 import META, TEST, TRAIN
from chainrule.errors import DataError

NAMES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]


def _batches(rows=4):
    rng = np.random.default_rng(0)
    files = {}
    for name in (*TRAIN, TEST):
        data = rng.integers(0, 256, (rows, 3072), dtype=np.uint8)
        labels = [int(v) for v in rng.integers(0, 10, rows)]
        files[name] = {b"data": data, b"labels": labels}
    files[META] = {b"label_names": NAMES}
    return files


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "batches"
    place.mkdir()
    for name, content in _batches().items():
        (place / name).write_bytes(pickle.dumps(content, protocol=2))
    return place


def _archive(folder, path, mode, change=None):
    with tarfile.open(path, mode) as tar:
        for file in sorted(folder.iterdir()):
            info = tarfile.TarInfo(f"cifar-10-batches-py/{file.name}")
            content = file.read_bytes()
            info.size = len(content)
            if change is not None:
                change(info)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("ending", ["gz", "xz", ""])
def test_folder_and_archives_hold_the_same(folder, tmp_path, ending):
    archive = _archive(folder, tmp_path / f"c.tar.{ending}", f"w:{ending}")
    made = _batches()
    for place in (folder, archive):
        train, test = load_cifar10(place)
        assert train.X.shape == (20, 3, 32, 32)
        assert train.X.dtype == np.uint8
        assert train.class_names[3] == "cat"
        np.testing.assert_array_equal(train.X[4:8].reshape(4, -1), made["data_batch_2"][b"data"])
        assert test.y.tolist() == made[TEST][b"labels"]


def test_the_catalog_finds_a_folder_or_an_archive(folder, tmp_path, monkeypatch):
    root = tmp_path / "data"
    (root / "cifar10").mkdir(parents=True)
    monkeypatch.setenv("CHAINRULE_DATA", str(root))
    _archive(folder, root / "cifar10" / "cifar-10-python.tar.gz", "w:gz")
    assert len(load("cifar10").train) == 20
    folder.rename(root / "cifar10" / "cifar-10-batches-py")
    assert load("cifar10").scale == 255.0


@pytest.mark.parametrize("missing", [TEST, META, "data_batch_3"])
def test_missing_members_are_named(folder, tmp_path, missing):
    (folder / missing).unlink()
    with pytest.raises(DataError, match=missing):
        load_cifar10(folder)
    with pytest.raises(DataError, match=missing):
        load_cifar10(_archive(folder, tmp_path / "c.tar", "w"))


def test_links_and_oversized_members_are_not_read(folder, tmp_path):
    def link(info):
        info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0

    with pytest.raises(DataError, match="a symbolic link"):
        load_cifar10(_archive(folder, tmp_path / "links.tar", "w", link))
    content = tmp_path / "big.tar"
    with tarfile.open(content, "w") as tar:
        info = tarfile.TarInfo("data_batch_1")
        info.size = 41 << 20
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    with pytest.raises(DataError, match="more than 41943040"):
        load_cifar10(content)


def test_damaged_archives_are_named(folder, tmp_path):
    whole = _archive(folder, tmp_path / "c.tar.gz", "w:gz").read_bytes()
    cut = tmp_path / "cut.tar.gz"
    for content in (whole[: len(whole) // 2], b"", b"not an archive", whole[:200] + bytes(50) + whole[250:]):
        cut.write_bytes(content)
        with pytest.raises(DataError, match=r"cut\.tar\.gz|load_cifar10|read_cifar|batch"):
            load_cifar10(cut)
    with pytest.raises(DataError, match="nowhere"):
        load_cifar10(tmp_path / "nowhere")


def test_real_counts_means_and_order(data_folder):
    if not (data_folder / "cifar10").is_dir():
        pytest.skip("CHAINRULE_DATA holds no cifar10")
    source = load("cifar10")
    assert (len(source.train), len(source.test)) == (50_000, 10_000)
    assert source.train.class_counts().tolist() == [5_000] * 10
    assert source.test.class_counts().tolist() == [1_000] * 10
    means = source.train.X.mean(axis=(0, 2, 3)) / 255
    np.testing.assert_allclose(means, [0.491400, 0.482158, 0.446531], atol=5e-7)
    assert source.test.y[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
