"""Image files as inputs of a trained network: read with care, brought to its shape and range.

Files are decoded by the rules of `chainrule.data.image_file`, as those of an image folder are: image files are the one
input here that strangers write.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.data.image_file import ENDINGS, MAX_FILE_BYTES, BadImageError, decoding, open_image
from chainrule.errors import ConfigError, DataError, unknown
from chainrule.recipes.recipe import Recipe

if TYPE_CHECKING:
    from PIL.Image import Image

_MODES = {1: "L", 3: "RGB"}

#: How an image is brought to another shape: "pad" shows all of it between borders of background, "crop" its middle
#: without borders, both in its own proportions; "stretch" scales the sides independently.
FITS = ("pad", "crop", "stretch")


def image_paths(path: str) -> list[str]:
    """The image files in the folder `path` and below, 2.png before 10.png; `path` itself where there are none."""
    found = [p for p in Path(path).rglob("*") if p.suffix.lower() in ENDINGS and p.name[0] != "." and p.is_file()]
    return [str(p) for p in sorted(found, key=_natural)] if found else [path]


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def usual_fit(recipe: Recipe) -> str:
    """How files become inputs of a run: as its training images did where those were resized, otherwise by "pad"."""
    return "pad" if recipe.data.resize is None else "stretch"


def read_image(path: str | Path, shape: Shape, scale: float | None, *, invert: bool = False, fit: str = "pad") -> Array:
    """The first frame of an image file as one row of inputs: (C, H, W) float32 from 0 to `scale`.

    Greyscale and colour are converted into each other as C = 1 or 3 asks for, sizes by averaging areas. Transparent
    pixels become the background: black, or white with `invert`. fit: one of `FITS`.
    invert: bright becomes dark and dark bright, for dark writing on light paper where the data set has light on dark.

    Raises `ConfigError` where the network takes no images, `DataError` naming the file where it is not a good one.
    """
    if len(shape) != 3 or shape[0] not in _MODES:
        raise ConfigError(f"this network takes rows of shape {shape}, not images with 1 or 3 channels")
    if scale is None:
        raise ConfigError(
            "this network's data set states no highest pixel value, so image files cannot be scaled to it"
        )
    if fit not in FITS:
        raise unknown("fit", fit, FITS)
    channels, height, width = shape
    background = 255 if invert else 0
    with decoding():
        try:
            image, _ = open_image(_content(Path(path)), background=background)
        except BadImageError as bad:
            raise DataError(f"{path}: {bad}") from None
        small = _fitted(image.convert(_MODES[channels]), width, height, fit, background)
    pixels = np.asarray(small, dtype=np.float32).reshape(height, width, channels)
    if invert:
        pixels = 255 - pixels
    return np.moveaxis(pixels, 2, 0) * np.float32(scale / 255)  # (C, H, W)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(f"{path}: must have at most {MAX_FILE_BYTES} bytes, got {size}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _fitted(image: Image, width: int, height: int, fit: str, background: int) -> Image:
    from PIL import ImageOps
    from PIL.Image import Resampling

    across, down = width / image.width, height / image.height
    factor = {"pad": min(across, down), "crop": max(across, down)}.get(fit)
    shrinks = max(across, down) <= 1 if factor is None else factor <= 1
    method = Resampling.BOX if shrinks else Resampling.BILINEAR
    if fit == "stretch":
        return image.resize((width, height), method)
    if fit == "crop":
        return ImageOps.fit(image, (width, height), method)
    return ImageOps.pad(image, (width, height), method, background if image.mode == "L" else (background,) * 3)
