"""notMNIST, the small set: 18,724 pictures of the letters A to J in many fonts, 28×28 and grey.

Two of its 18,726 files are empty, in every copy; they are left out and named. Ten classes of 1,872 or 1,873 images.
Source: Bulatov, "notMNIST dataset", 2011.
"""

from __future__ import annotations

import os

from chainrule.data.image_folder import load_image_folder
from chainrule.data.source import Source, as_path, find_folder
from chainrule.errors import DataError
from chainrule.typed import typed

FOLDER = "notMNIST_small"
LETTERS = tuple("ABCDEFGHIJ")
#: Where the images may be, inside the data set's folder; a file each, so that what is looked for can be named.
PLACES = ("notMNIST_small.tar.gz", f"{FOLDER}/A/MDEtMDEtMDAudHRm.png", "A/MDEtMDEtMDAudHRm.png")


@typed
def load_notmnist(path: str | os.PathLike[str]) -> Source:
    """The images uint8 (N, 1, 28, 28) with labels 0 to 9 for A to J, from the archive or its folder.

    Raises `DataError` where the folders are not those of the ten letters or the images not 28×28 and grey.
    """
    source = load_image_folder(as_path("load_notmnist", path), name="notmnist")
    train = source.train
    if train.class_names != LETTERS or train.input_shape != (1, 28, 28) or source.test is not None:
        raise DataError(
            f"load_notmnist: {path} must hold grey 28 x 28 images in the folders A to J, got {train.input_shape} in "
            f"{', '.join(train.class_names if train.class_names is not None else ())[:60]}"
        )
    return source


def notmnist_source() -> Source:
    """notMNIST from the folder that `find_folder` finds; customary split: 15,000, 1,000 and 2,724, stratified."""
    folder = find_folder("notmnist", [PLACES])
    place = next(folder / p for p in PLACES if (folder / p).is_file())
    return load_notmnist(place if place.name == PLACES[0] else place.parent.parent)
