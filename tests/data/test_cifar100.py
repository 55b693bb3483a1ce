"""CIFAR-100 and the binary versions of both: the python and the binary files hold the same, damage is named."""

from __future__ import annotations

import pickle
import tarfile

import numpy as np
import pytest

from chainrule.data import load, load_cifar10, load_cifar100
from chainrule.data.cifar10 import META, TEST, TRAIN
from chainrule.data.cifar_binary import parse_cifar_binary, parse_names
from chainrule.errors import ConfigError, DataError, DTypeError

FINE = [f"fine{i}" for i in range(100)]
COARSE = [f"coarse{i}" for i in range(20)]


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3072), dtype=np.uint8), rng.integers(0, 100, n), rng.integers(0, 20, n)


def python_folder(folder):
    folder.mkdir()
    for name, n, seed in (("train", 7, 0), ("test", 3, 1)):
        data, fine, coarse = rows(n, seed)
        content = {b"data": data, b"fine_labels": fine.tolist(), b"coarse_labels": coarse.tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    names = {b"fine_label_names": [n.encode() for n in FINE], b"coarse_label_names": [n.encode() for n in COARSE]}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))
    return folder


def binary_folder(folder):
    folder.mkdir()
    for name, n, seed in (("train", 7, 0), ("test", 3, 1)):
        data, fine, coarse = rows(n, seed)
        content = np.concatenate([coarse[:, None], fine[:, None], data], axis=1).astype(np.uint8)
        (folder / f"{name}.bin").write_bytes(content.tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(FINE) + "\n\n")
    (folder / "coarse_label_names.txt").write_text("\r\n".join(COARSE) + "\r\n")
    return folder


def packed(folder, path, mode):
    with tarfile.open(path, mode) as tar:
        tar.add(folder, "cifar-100-anything")
    return path


@pytest.mark.parametrize("make", [python_folder, binary_folder])
@pytest.mark.parametrize("ending", [None, "gz", "xz", ""])
def test_both_versions_hold_the_same(tmp_path, make, ending):
    place = make(tmp_path / "files")
    if ending is not None:
        place = packed(place, tmp_path / f"c.tar.{ending}", f"w:{ending}")
    for labels, column, names in (("fine", 1, FINE), ("coarse", 2, COARSE)):
        train, test = load_cifar100(place, labels)
        for data, made in ((train, rows(7, 0)), (test, rows(3, 1))):
            np.testing.assert_array_equal(data.X, made[0].reshape(-1, 3, 32, 32))
            assert data.y.tolist() == made[column].tolist()
            assert data.class_names == tuple(names)


@pytest.mark.parametrize(("name", "classes"), [("cifar100", 100), ("cifar100-coarse", 20)])
@pytest.mark.parametrize("place", ["cifar-100-python", "cifar-100-binary", ".", "archive"])
def test_the_catalogue_finds_it(tmp_path, monkeypatch, name, classes, place):
    root = tmp_path / "cifar100"
    root.mkdir()
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    if place == "archive":
        packed(python_folder(tmp_path / "files"), root / "cifar-100-python.tar.gz", "w:gz")
    elif place == ".":
        root.rmdir()
        python_folder(root)
    else:
        (binary_folder if "binary" in place else python_folder)(root / place)
    assert load(name).train.classes == classes


def test_cifar10_binary_is_cifar10_python(tmp_path):
    (tmp_path / "py").mkdir()
    (tmp_path / "bin").mkdir()
    for seed, name in enumerate((*TRAIN, TEST)):
        data, labels, _ = rows(4, seed)
        labels = labels % 10
        (tmp_path / "py" / name).write_bytes(pickle.dumps({b"data": data, b"labels": labels.tolist()}, protocol=2))
        content = np.concatenate([labels[:, None], data], axis=1).astype(np.uint8)
        (tmp_path / "bin" / f"{name}.bin").write_bytes(content.tobytes())
    (tmp_path / "py" / META).write_bytes(pickle.dumps({b"label_names": [b"c%d" % i for i in range(10)]}, protocol=2))
    (tmp_path / "bin" / f"{META}.txt").write_text("".join(f"c{i}\n" for i in range(10)) + "\n")
    for one, other in zip(load_cifar10(tmp_path / "py"), load_cifar10(tmp_path / "bin"), strict=True):
        np.testing.assert_array_equal(one.X, other.X)
        np.testing.assert_array_equal(one.y, other.y)
        assert one.class_names == other.class_names


def test_damage_is_named(tmp_path):
    with pytest.raises(DataError, match="rows of 3073 bytes, got 3072 bytes"):
        parse_cifar_binary(bytes(3072), "a.bin", (10,))
    with pytest.raises(DataError, match="rows of 3074 bytes, got 0 bytes"):
        parse_cifar_binary(b"", "a.bin", (20, 100))
    with pytest.raises(DataError, match=r"a\.bin must hold labels from 0 to 99, got 100 in row 1"):
        parse_cifar_binary(bytes(3074) + bytes([19, 100]) + bytes(3072), "a.bin", (20, 100))
    with pytest.raises(DataError, match=r"a\.txt must hold 3 names, one a line, got 2"):
        parse_names(b"a\nb\n", "a.txt", 3)
    folder = python_folder(tmp_path / "c")
    (folder / "test").unlink()
    with pytest.raises(DataError, match=r"load_cifar100: folder must hold test or test\.bin"):
        load_cifar100(folder)
    (folder / "test").write_bytes(pickle.dumps({b"data": np.zeros((1, 3072), np.uint8)}, protocol=2))
    with pytest.raises(DataError, match="must hold 'fine_labels'"):
        load_cifar100(folder)
    with pytest.raises(ConfigError, match="unknown kind of labels of CIFAR-100 'fin'; did you mean 'fine'"):
        load_cifar100(folder, "fin")
    with pytest.raises(DTypeError, match="path"):
        load_cifar100(3)
