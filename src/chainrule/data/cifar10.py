"""CIFAR-10: 50,000 training and 10,000 test images of 32×32 in colour, python or binary version, folder or archive.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from chainrule.data.cifar_binary import parse_cifar_binary, parse_names
from chainrule.data.cifar_pickle import parse_cifar_batch, parse_cifar_label_names
from chainrule.data.dataset import Dataset
from chainrule.data.distribution import read_distribution
from chainrule.data.source import Source, find_folder
from chainrule.typed import typed

TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = "test_batch"
META = "batches.meta"
FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")
ARCHIVES = (
    "cifar-10-python.tar.gz",
    "cifar-10-binary.tar.gz",
    *(f"{folder}.{ending}" for folder in FOLDERS for ending in ("tar.xz", "tar.gz", "tar")),
)
#: Where the batches may be, inside the data set's folder.
PLACES = (
    f"{FOLDERS[0]}/{TRAIN[0]}",
    f"{FOLDERS[1]}/{TRAIN[0]}.bin",
    TRAIN[0],
    f"{TRAIN[0]}.bin",
    *ARCHIVES,
)
#: Every file as its alternative names: of the python version, of the binary one.
FILES = [*((name, f"{name}.bin") for name in (*TRAIN, TEST)), (META, f"{META}.txt")]
_CLASSES = 10
_MOST_BYTES = 40 << 20  # a batch has 31 MB


@typed
def load_cifar10(path: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """Training and test images uint8 (N, 3, 32, 32) with their labels, from the folder of batches or its archive.

    Raises `DataError` naming the file that is missing or damaged.
    """
    *batches, names = read_distribution("load_cifar10", path, FILES, _parse, max_file_bytes=_MOST_BYTES)
    X, y = (np.concatenate([batch[i] for batch in batches[:-1]]) for i in range(2))
    train = Dataset(X, y, class_names=names, name="cifar10 train")
    images, labels = batches[-1]
    return train, Dataset(images, labels, class_names=names, name="cifar10 test")


def _parse(name: str, content: bytes, where: str) -> Any:
    if name == META:
        return parse_cifar_label_names(content, where, "label_names", _CLASSES)
    if name == f"{META}.txt":
        return parse_names(content, where, _CLASSES)
    if name.endswith(".bin"):
        images, (labels,) = parse_cifar_binary(content, where, (_CLASSES,))
        return images, labels
    return parse_cifar_batch(content, where, "labels", _CLASSES)


def cifar10_source() -> Source:
    """CIFAR-10 from the first of `PLACES` in the folder that `find_folder` finds."""
    folder = find_folder("cifar10", [PLACES])
    place = next(folder / p for p in PLACES if (folder / p).is_file())
    train, test = load_cifar10(place if place.name in ARCHIVES else place.parent)
    return Source("cifar10", train, test, scale=255.0, notes="Colours 0 to 255; ten classes of 6,000 images.")
