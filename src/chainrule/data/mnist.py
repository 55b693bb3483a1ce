"""MNIST and the sets made in its likeness: Fashion-MNIST and the six parts of EMNIST, as idx files.

Each is four files: images uint8 (N, 28, 28) and labels uint8 (N,), for training and for testing. EMNIST's images are
stored with rows and columns exchanged, and its letters are numbered from 1; both are put right here.
Sources: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", 1998; Xiao, Rasul & Vollgraf,
"Fashion-MNIST", arXiv 1708.07747; Cohen, Afshar, Tapson & van Schaik, "EMNIST", arXiv 1702.05373, section II.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.distribution import read_distribution
from chainrule.data.idx import parse_idx
from chainrule.data.source import Source, find_folder
from chainrule.errors import DataError, unknown
from chainrule.typed import typed

_MOST_BYTES = 2**30  # of one file; EMNIST by class has 547 MB of training images

#: The classes of each part of EMNIST. Balanced and by merge: letters that look alike in both cases are one class.
EMNIST_CLASSES = {
    "balanced": tuple(digits + ascii_uppercase + "abdefghnqrt"),
    "byclass": tuple(digits + ascii_uppercase + ascii_lowercase),
    "bymerge": tuple(digits + ascii_uppercase + "abdefghnqrt"),
    "digits": tuple(digits),
    "letters": tuple(ascii_uppercase),
    "mnist": tuple(digits),
}
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def _spellings(stem: str) -> tuple[str, ...]:
    """The names that a file of the distribution goes by: packed, plain, and with a dot as some unpackers leave it."""
    dotted = stem.replace("-idx", ".idx")
    return (f"{stem}-ubyte.gz", f"{stem}-ubyte", f"{dotted}-ubyte")


MNIST_FILES = {
    part: _spellings(part)
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
}
#: The archive that EMNIST is distributed as, which is read without unpacking it.
EMNIST_ARCHIVES = ("gzip.zip", "emnist-gzip.zip", "emnist.zip")


@typed
def load_mnist(folder: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """The training and the test set in `folder`: X uint8 (N, 1, 28, 28) from 0 to 255, y int64, classes "0" to "9".

    The four files may be gzipped or not, in a folder or an archive. Raises `DataError` naming the file that is missing
    or wrong.
    """
    return _load("load_mnist", folder, list(MNIST_FILES.values()), tuple(digits), "mnist")


@typed
def load_fashion_mnist(folder: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """Fashion-MNIST from a folder or archive, as `load_mnist` reads MNIST: the files have the same names."""
    return _load("load_fashion_mnist", folder, list(MNIST_FILES.values()), FASHION_CLASSES, "fashion-mnist")


@typed
def load_emnist(folder: str | os.PathLike[str], part: str) -> tuple[Dataset, Dataset]:
    """The training and test images of one `part` of EMNIST (see `EMNIST_CLASSES`), upright, uint8 (N, 1, 28, 28).

    folder: of the idx files, gzipped or not, or the distribution's archive gzip.zip. Labels of letters begin at 0.
    Raises `ConfigError` for an unknown part, `DataError` naming the file that is missing or wrong.
    """
    if part not in EMNIST_CLASSES:
        raise unknown("part of EMNIST", part, EMNIST_CLASSES)
    return _load(
        "load_emnist",
        folder,
        emnist_files(part),
        EMNIST_CLASSES[part],
        f"emnist-{part}",
        first_label=1 if part == "letters" else 0,
        transposed=True,
    )


def emnist_files(part: str) -> list[tuple[str, ...]]:
    """The four files of a part of EMNIST, each as its alternative names."""
    stems = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
    return [_spellings(f"emnist-{part}-{stem}") for stem in stems]


def _load(
    owner: str,
    folder: Any,
    files: Sequence[Sequence[str]],
    classes: tuple[str, ...],
    name: str,
    *,
    first_label: int = 0,
    transposed: bool = False,
) -> tuple[Dataset, Dataset]:
    def parse(_: str, content: bytes, where: str) -> tuple[np.ndarray, str]:
        return parse_idx(content, where), where

    read = read_distribution(owner, folder, files, parse, max_file_bytes=_MOST_BYTES)
    parts = []
    for part, (images, image_file), (labels, label_file) in zip(
        (name, f"{name} test"), read[::2], read[1::2], strict=True
    ):
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
            raise DataError(f"{owner}: {image_file} must hold uint8 (N, 28, 28), got {images.dtype} {images.shape}")
        if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{owner}: {label_file} must hold uint8 ({len(images)},), one label an image, "
                f"got {labels.dtype} {labels.shape}"
            )
        last = first_label + len(classes) - 1
        bad = (labels < first_label) | (labels > last)
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(
                f"{owner}: {label_file} must hold labels from {first_label} to {last}, got {labels[row]} in row {row}"
            )
        if transposed:
            images = np.ascontiguousarray(images.transpose(0, 2, 1))
        parts.append(Dataset(images[:, None], labels.astype(np.int64) - first_label, classes, part))
    return parts[0], parts[1]


def mnist_source() -> Source:
    """MNIST from the folder that `find_folder` finds."""
    train, test = load_mnist(find_folder("mnist", list(MNIST_FILES.values())))
    return Source("mnist", train, test, scale=255.0, notes="Grey levels 0 to 255, white digits on black.")


def fashion_mnist_source() -> Source:
    """Fashion-MNIST from the folder that `find_folder` finds."""
    train, test = load_fashion_mnist(find_folder("fashion-mnist", list(MNIST_FILES.values())))
    return Source("fashion-mnist", train, test, scale=255.0, notes="Grey levels 0 to 255, clothes on black.")


def emnist_source(part: str) -> Callable[[], Source]:
    """What reads one part of EMNIST, from the folder `emnist` of the data folder or the cache."""

    def source() -> Source:
        name, files = f"emnist-{part}", emnist_files(part)
        unpacked = [(*names, *(f"gzip/{n}" for n in names)) for names in files]
        choices = [tuple(names) + EMNIST_ARCHIVES for names in unpacked]
        folder = find_folder(name, choices, folder="emnist")
        archives = [folder / archive for archive in EMNIST_ARCHIVES if (folder / archive).is_file()]
        is_flat = any((folder / name).is_file() for name in files[0])
        is_below = any((folder / "gzip" / name).is_file() for name in files[0])
        place = folder if is_flat else folder / "gzip" if is_below else archives[0]
        train, test = load_emnist(place, part)
        return Source(name, train, test, scale=255.0, notes="Grey levels 0 to 255, upright, white on black.")

    return source
