"""Readers of the data sets that the course notebooks use; nothing is unpickled on the way.

CIFAR-10 batches and the label map of the ImageNet sample are pickles: they are read as plain data. Pickled models
cannot be, so `load_models` refuses.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from chainrule.data import read_npz
from chainrule.data.cifar_pickle import read_cifar_batch
from chainrule.data.plain_pickle import parse_plain_pickle
from chainrule.errors import ConfigError, DataError, require_number
from chainrule.typed import typed

StrPath = str | os.PathLike[str]
_FORMATS = ("JPEG", "PNG")  # what Pillow may decode
_SIDE = 64  # of a Tiny ImageNet picture
_MOST_LABELS = 2**24  # bytes of the label map


class Readers(NamedTuple):
    """The functions that look in a fixed folder: get_CIFAR10_data and load_imagenet_val, in this order."""

    cifar10: Callable[..., dict[str, np.ndarray]]
    imagenet_val: Callable[..., tuple[np.ndarray, np.ndarray, Any]]


def readers(*folders: StrPath) -> Readers:
    """`get_CIFAR10_data` and `load_imagenet_val` that look into the first of `folders` holding their files.

    A relative folder counts from the current directory of the moment of the call, as the notebooks expect.
    """

    @typed
    def get_CIFAR10_data(
        num_training: int = 49000, num_validation: int = 1000, num_test: int = 1000, subtract_mean: bool = True
    ) -> dict[str, np.ndarray]:
        """CIFAR-10 as X_train, y_train, X_val, y_val, X_test, y_test: images float64 (N, 3, 32, 32), 0 to 255.

        The validation rows follow the training rows; the mean training image is subtracted from all three.
        """
        root = _first("get_CIFAR10_data", folders, "cifar-10-batches-py")
        return _cifar10_splits(root, num_training, num_validation, num_test, subtract_mean)

    @typed
    def load_imagenet_val(num: int | None = None) -> tuple[np.ndarray, np.ndarray, Any]:
        """X uint8 (N, 224, 224, 3), y (N,) and the class names of imagenet_val_25.npz, the first `num` rows."""
        file = _first("load_imagenet_val", folders, "imagenet_val_25.npz")
        arrays = read_npz(file, ("X", "y"))
        rows = slice(num)
        return arrays["X"][rows], arrays["y"][rows], _label_map(file)

    return Readers(get_CIFAR10_data, load_imagenet_val)


@typed
def load_CIFAR_batch(filename: StrPath) -> tuple[np.ndarray, np.ndarray]:
    """Images float64 (N, 32, 32, 3), 0 to 255, and labels (N,) of one batch file."""
    X, y = read_cifar_batch(filename)
    return X.transpose(0, 2, 3, 1).astype(np.float64), y


@typed
def load_CIFAR10(ROOT: StrPath) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Xtr (50000, 32, 32, 3), Ytr, Xte (10000, 32, 32, 3) and Yte from the folder `ROOT`, images as float64."""
    Xtr, Ytr = _cifar10_training(Path(ROOT))
    Xte, Yte = load_CIFAR_batch(Path(ROOT) / "test_batch")
    return Xtr.transpose(0, 2, 3, 1).astype(np.float64), Ytr, Xte, Yte


@typed
def load_models(models_dir: StrPath) -> NoReturn:
    """Refuse: files of pickled models run code of their author's choice when they are loaded."""
    raise ConfigError(
        f"load_models: models in {os.fspath(models_dir)!r} are pickles, which can run any code when loaded; this "
        "package reads none. Use checkpoints of chainrule (safetensors) instead"
    )


@typed
def load_tiny_imagenet(path: StrPath, dtype: Any = np.float32, subtract_mean: bool = True) -> dict[str, Any]:
    """Tiny ImageNet from its unpacked folder.

    Returns class_names (a list of words a class), X_train, X_val, X_test (N, 3, 64, 64) in `dtype`, y_train, y_val,
    y_test (None where the folder has no test labels), and mean_image, which is subtracted if `subtract_mean`.
    """
    root = Path(path)
    wnids = _lines(root / "wnids.txt")
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    words = dict(line.split("\t", 1) for line in _lines(root / "words.txt") if "\t" in line)
    class_names = [words.get(wnid, wnid).split(",") for wnid in wnids]

    files, y_train = [], []
    for wnid in wnids:
        boxes = _lines(root / "train" / wnid / f"{wnid}_boxes.txt")
        files += [root / "train" / wnid / "images" / line.split("\t")[0] for line in boxes]
        y_train += [label_of[wnid]] * len(boxes)
    X_train = _pictures(files, dtype)

    X_val, y_val = _annotated(root / "val", label_of, dtype)
    test_files = sorted((root / "test" / "images").iterdir()) if (root / "test" / "images").is_dir() else []
    X_test = _pictures(test_files, dtype)
    y_test = None
    if (root / "test" / "test_annotations.txt").is_file():
        X_test, y_test = _annotated(root / "test", label_of, dtype)

    mean_image = X_train.mean(axis=0, keepdims=True)  # (1, 3, 64, 64)
    if subtract_mean:
        for X in (X_train, X_val, X_test):
            X -= mean_image
    return {
        "class_names": class_names,
        "X_train": X_train,
        "y_train": np.array(y_train, dtype=np.int64),
        "X_val": X_val,
        "y_val": y_val,
        "X_test": X_test,
        "y_test": y_test,
        "mean_image": mean_image,
    }


def _cifar10_training(root: Path) -> tuple[np.ndarray, np.ndarray]:
    batches = [read_cifar_batch(root / f"data_batch_{i}") for i in range(1, 6)]
    return np.concatenate([X for X, _ in batches]), np.concatenate([y for _, y in batches])


def _cifar10_splits(root: Path, train: int, val: int, test: int, subtract_mean: bool) -> dict[str, np.ndarray]:
    X, y = _cifar10_training(root)  # (50000, 3, 32, 32) uint8
    X_test, y_test = read_cifar_batch(root / "test_batch")
    for argument, count, low in (("num_training", train, 1), ("num_validation", val, 0), ("num_test", test, 0)):
        require_number("get_CIFAR10_data", argument, count, integer=True, low=low)
    for what, count, held in (("training and validation", train + val, len(X)), ("test", test, len(X_test))):
        if count > held:
            raise DataError(f"get_CIFAR10_data: there are {held} {what} images, got a request for {count}")
    data = {
        "X_train": X[:train].astype(np.float64),
        "y_train": y[:train],
        "X_val": X[train : train + val].astype(np.float64),
        "y_val": y[train : train + val],
        "X_test": X_test[:test].astype(np.float64),
        "y_test": y_test[:test],
    }
    if subtract_mean:
        mean_image = data["X_train"].mean(axis=0)  # (3, 32, 32)
        for name in ("X_train", "X_val", "X_test"):
            data[name] -= mean_image
    return data


def _first(owner: str, folders: tuple[StrPath, ...], name: str) -> Path:
    for folder in folders:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    looked = ", ".join(str((Path(folder) / name).absolute()) for folder in folders)
    raise DataError(f"{owner}: {name} was not found; looked for {looked}")


def _label_map(file: Path) -> Any:
    """The dictionary that np.savez keeps as a pickled array of one object."""
    try:
        with zipfile.ZipFile(file) as archive:
            info = archive.getinfo("label_map.npy")
            if info.file_size > _MOST_LABELS:
                raise DataError(f"{file}: label_map must have at most {_MOST_LABELS} bytes, got {info.file_size}")
            with archive.open(info) as stream:
                new = np.lib.format.read_magic(stream) != (1, 0)
                (np.lib.format.read_array_header_2_0 if new else np.lib.format.read_array_header_1_0)(stream)
                content = stream.read()
    except DataError:
        raise
    except Exception as error:  # zipfile and the header parser raise more kinds than they document
        raise DataError(f"{file} must hold a readable label_map, got: {error!r}") from error
    names = parse_plain_pickle(content, f"label_map of {file}")
    if not isinstance(names, dict):
        raise DataError(f"{file}: label_map must be a dictionary, got {type(names).__name__}")
    return names


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"load_tiny_imagenet: {file} must be a readable text file, got: {error}") from error


def _annotated(folder: Path, label_of: dict[str, int], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    files, labels = [], []
    for line in _lines(folder / f"{folder.name}_annotations.txt"):
        name, wnid = line.split("\t")[:2] if "\t" in line else (line, "")
        if wnid not in label_of:
            raise DataError(f"load_tiny_imagenet: {folder.name}_annotations.txt names an unknown class {wnid!r}")
        files.append(folder / "images" / name)
        labels.append(label_of[wnid])
    return _pictures(files, dtype), np.array(labels, dtype=np.int64)


def _pictures(files: list[Path], dtype: Any) -> np.ndarray:
    from PIL import Image

    X = np.empty((len(files), 3, _SIDE, _SIDE), dtype)
    for i, file in enumerate(files):
        try:
            with Image.open(file, formats=_FORMATS) as picture:
                if picture.size != (_SIDE, _SIDE):
                    raise DataError(f"load_tiny_imagenet: {file} must be {_SIDE} x {_SIDE}, got {picture.size}")
                X[i] = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
        except DataError:
            raise
        except Exception as error:  # Pillow raises half a dozen kinds for damaged files
            raise DataError(f"load_tiny_imagenet: {file} must be a readable JPEG or PNG, got: {error}") from error
    return X
