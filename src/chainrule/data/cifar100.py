"""CIFAR-100: 50,000 training and 10,000 test images of 32×32 in colour, in 100 classes of 20 kinds.

Read from the python or the binary version, a folder or an archive.
Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import os
from typing import Any

from chainrule.data.cifar_binary import parse_cifar_binary, parse_names
from chainrule.data.cifar_pickle import parse_cifar_batch, parse_cifar_label_names
from chainrule.data.dataset import Dataset
from chainrule.data.distribution import read_distribution
from chainrule.data.source import Source, find_folder
from chainrule.errors import unknown
from chainrule.typed import typed

#: The two sets of labels, with the number of classes of each.
LABELS = {"coarse": 20, "fine": 100}
FOLDERS = ("cifar-100-python", "cifar-100-binary")
ARCHIVES = tuple(f"{folder}.{ending}" for folder in FOLDERS for ending in ("tar.gz", "tar.xz", "tar"))
#: Where the files may be, inside the data set's folder.
PLACES = (f"{FOLDERS[0]}/train", f"{FOLDERS[1]}/train.bin", "train", "train.bin", *ARCHIVES)
_MOST_BYTES = 200 << 20  # the training part has 155 MB


@typed
def load_cifar100(path: str | os.PathLike[str], labels: str = "fine") -> tuple[Dataset, Dataset]:
    """Training and test images uint8 (N, 3, 32, 32) from the folder of files or its archive.

    labels: "fine" (100 classes) or "coarse" (20). Raises `DataError` naming the file that is missing or damaged,
    `ConfigError` for other labels.
    """
    if labels not in LABELS:
        raise unknown("kind of labels of CIFAR-100", labels, LABELS)

    def parse(name: str, content: bytes, where: str) -> Any:
        if name == "meta":
            return parse_cifar_label_names(content, where, f"{labels}_label_names", LABELS[labels])
        if name.endswith(".txt"):
            return parse_names(content, where, LABELS[labels])
        if name.endswith(".bin"):
            images, columns = parse_cifar_binary(content, where, tuple(LABELS.values()))
            return images, columns[list(LABELS).index(labels)]
        return parse_cifar_batch(content, where, f"{labels}_labels", LABELS[labels])

    files = [("train", "train.bin"), ("test", "test.bin"), ("meta", f"{labels}_label_names.txt")]
    train, test, names = read_distribution("load_cifar100", path, files, parse, max_file_bytes=_MOST_BYTES)
    name = "cifar100" if labels == "fine" else "cifar100 coarse"
    return Dataset(train[0], train[1], names, f"{name} train"), Dataset(test[0], test[1], names, f"{name} test")


def cifar100_source(labels: str = "fine") -> Source:
    """CIFAR-100 from the first of `PLACES` in the folder that `find_folder` finds."""
    name = "cifar100" if labels == "fine" else "cifar100-coarse"
    folder = find_folder(name, [PLACES], folder="cifar100")
    place = next(folder / p for p in PLACES if (folder / p).is_file())
    train, test = load_cifar100(place if place.name in ARCHIVES else place.parent, labels)
    return Source(name, train, test, scale=255.0, notes="Colours 0 to 255; 600 images of each of the 100 fine classes.")


def cifar100_coarse_source() -> Source:
    """CIFAR-100 with the labels of its 20 kinds."""
    return cifar100_source("coarse")
