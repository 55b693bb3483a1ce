"""CIFAR-10, Tiny ImageNet and the ImageNet sample as the notebooks load them, from small files made here."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chainrule.courses import cs231n, install
from chainrule.errors import ChainruleError, ConfigError, DataError

utils = cs231n.edition(2018).data_utils


def write_cifar(folder: Path, rows: int = 6) -> dict[str, tuple[np.ndarray, list[int]]]:
    folder.mkdir(parents=True)
    rng, made = np.random.default_rng(0), {}
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        data, labels = rng.integers(0, 256, (rows, 3072), dtype=np.uint8), rng.integers(0, 10, rows).tolist()
        (folder / name).write_bytes(pickle.dumps({b"data": data, b"labels": labels}, 2))
        made[name] = (data.reshape(-1, 3, 32, 32), labels)
    return made


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_cifar(tmp_path / "cs231n" / "datasets" / "cifar-10-batches-py")


def test_get_cifar10_data(cifar):
    data = utils.get_CIFAR10_data(num_training=20, num_validation=7, num_test=4)
    assert list(data) == ["X_train", "y_train", "X_val", "y_val", "X_test", "y_test"]
    assert data["X_train"].shape == (20, 3, 32, 32)
    assert data["X_train"].dtype == np.float64
    X = np.concatenate([cifar[f"data_batch_{i}"][0] for i in range(1, 6)]).astype(float)
    y = [label for i in range(1, 6) for label in cifar[f"data_batch_{i}"][1]]
    mean = X[:20].mean(axis=0)
    np.testing.assert_allclose(data["X_train"], X[:20] - mean, atol=1e-9)
    np.testing.assert_allclose(data["X_val"], X[20:27] - mean, atol=1e-9)
    np.testing.assert_allclose(data["X_test"], cifar["test_batch"][0][:4] - mean, atol=1e-9)
    assert data["y_train"].tolist() == y[:20]
    assert data["y_val"].tolist() == y[20:27]
    assert data["y_test"].tolist() == cifar["test_batch"][1][:4]
    raw = utils.get_CIFAR10_data(20, 7, 4, subtract_mean=False)
    np.testing.assert_array_equal(raw["X_val"], X[20:27])
    with pytest.raises(DataError, match="there are 30 training and validation images, got a request for 31"):
        utils.get_CIFAR10_data(24, 7, 4)


def test_load_cifar10(cifar):
    folder = "cs231n/datasets/cifar-10-batches-py"
    Xtr, Ytr, Xte, Yte = utils.load_CIFAR10(folder)
    assert Xtr.shape == (30, 32, 32, 3)
    assert Xtr.dtype == np.float64
    np.testing.assert_array_equal(Xtr[6], cifar["data_batch_2"][0][0].transpose(1, 2, 0))
    assert Ytr.tolist()[6:12] == cifar["data_batch_2"][1]
    X, y = utils.load_CIFAR_batch(os.path.join(folder, "test_batch"))
    np.testing.assert_array_equal(X, Xte)
    np.testing.assert_array_equal(y, Yte)


def test_a_missing_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"cifar-10-batches-py was not found; looked for .*cs231n/datasets"):
        utils.get_CIFAR10_data()


@pytest.mark.parametrize(("edition", "beside"), [(2019, False), (2020, True), (2025, True)])
def test_where_the_installed_reader_looks(tmp_path, monkeypatch, edition, beside):
    """Until 2019 below the current directory, since 2020 beside data_utils.py."""
    install("cs231n", edition, tmp_path / "installed")
    away, home = tmp_path / "elsewhere", tmp_path / "installed" / "cs231n" / "datasets" / "cifar-10-batches-py"
    write_cifar(home)
    away.mkdir()
    source = (tmp_path / "installed" / "cs231n" / "data_utils.py").read_text()
    names = {"__file__": str(tmp_path / "installed" / "cs231n" / "data_utils.py"), "__name__": "data_utils"}
    exec(compile(source, "data_utils.py", "exec"), names)
    monkeypatch.chdir(tmp_path / "installed")
    assert len(names["get_CIFAR10_data"](20, 5, 3)["X_train"]) == 20
    monkeypatch.chdir(away)
    if beside:
        assert len(names["get_CIFAR10_data"](20, 5, 3)["X_train"]) == 20
    else:
        with pytest.raises(DataError):
            names["get_CIFAR10_data"](20, 5, 3)


def test_load_models_refuses(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"W1": 1}))
    with pytest.raises(ConfigError, match="reads none"):
        utils.load_models(tmp_path)


def test_load_imagenet_val(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cs231n" / "datasets"
    folder.mkdir(parents=True)
    X, y = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3), np.array([5, 0, 7])
    np.savez(folder / "imagenet_val_25.npz", X=X, y=y, label_map=np.array({0: "cat", 5: "dog, hound"}))
    got = utils.load_imagenet_val(num=2)
    np.testing.assert_array_equal(got[0], X[:2])
    assert got[1].tolist() == [5, 0]
    assert got[2] == {0: "cat", 5: "dog, hound"}
    assert len(utils.load_imagenet_val()[0]) == 3
    np.savez(folder / "imagenet_val_25.npz", X=X, y=y, label_map=np.array(Path("x")))
    with pytest.raises(DataError, match="label_map"):
        utils.load_imagenet_val()


def write_tiny_imagenet(root: Path) -> None:
    rng = np.random.default_rng(1)
    root.mkdir()
    (root / "wnids.txt").write_text("n2\nn1\n")
    (root / "words.txt").write_text("n1\tcat, feline\nn2\tdog\nn3\tother\n")
    for wnid, count in (("n1", 2), ("n2", 1)):
        images = root / "train" / wnid / "images"
        images.mkdir(parents=True)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(
            "".join(f"{wnid}_{i}.JPEG\t0\t0\t9\t9\n" for i in range(count))
        )
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(images / f"{wnid}_{i}.JPEG")
    for part in ("val", "test"):
        (root / part / "images").mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)).save(root / part / "images" / "a.JPEG")
    (root / "val" / "val_annotations.txt").write_text("a.JPEG\tn1\t0\t0\t9\t9\n")


def test_load_tiny_imagenet(tmp_path):
    root = tmp_path / "tiny"
    write_tiny_imagenet(root)
    raw = utils.load_tiny_imagenet(root, dtype=np.float64, subtract_mean=False)
    assert raw["class_names"] == [["dog"], ["cat", " feline"]]
    assert raw["X_train"].shape == (3, 3, 64, 64)
    assert raw["y_train"].tolist() == [0, 1, 1]
    assert raw["y_val"].tolist() == [1]
    assert raw["y_test"] is None
    np.testing.assert_array_equal(raw["X_val"][0, 0], raw["X_val"][0, 2])  # a grey picture has three equal channels
    data = utils.load_tiny_imagenet(str(root))
    assert data["X_train"].dtype == np.float32
    np.testing.assert_allclose(data["X_train"].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(data["mean_image"][0], raw["X_train"].mean(axis=0), rtol=1e-5)
    (root / "test" / "test_annotations.txt").write_text("a.JPEG\tn2\n")
    assert utils.load_tiny_imagenet(root)["y_test"].tolist() == [0]


@pytest.mark.parametrize(
    "damage", ["wnids.txt", "val/val_annotations.txt", "val/images/a.JPEG", "size", "class", "boxes"]
)
def test_damage_is_named(tmp_path, damage):
    root = tmp_path / "tiny"
    write_tiny_imagenet(root)
    if damage == "size":
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "val" / "images" / "a.JPEG")
    elif damage == "class":
        (root / "val" / "val_annotations.txt").write_text("a.JPEG\tn9\n")
    elif damage == "boxes":
        (root / "train" / "n1" / "n1_boxes.txt").write_bytes(b"\xff\xfe")
    else:
        (root / damage).unlink()
    with pytest.raises(ChainruleError):
        utils.load_tiny_imagenet(root)
