"""Image files as inputs of a trained network: read with care, brought to its shape and range.

Formats come from a short list, and sizes are checked before any pixel is decoded: image files are the one input here
that strangers write.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 40_000_000
_MODES = {1: "L", 3: "RGB"}


def read_image(path: str | Path, shape: Shape, scale: float | None, *, invert: bool = False) -> Array:
    """The first frame of an image file as one row of inputs: (C, H, W) float32 from 0 to `scale`.

    Greyscale and colour are converted into each other as C = 1 or 3 asks for, sizes by averaging areas (the
    sides are scaled independently). Transparent pixels become the background: black, or white with `invert`.
    invert: bright becomes dark and dark bright, for dark writing on light paper where the data set has light on dark.

    Raises `ConfigError` where the network takes no images, `DataError` naming the file where it is not a good one.
    """
    if len(shape) != 3 or shape[0] not in _MODES:
        raise ConfigError(f"this network takes rows of shape {shape}, not images with 1 or 3 channels")
    if scale is None:
        raise ConfigError(
            "this network's data set states no highest pixel value, so image files cannot be scaled to it"
        )
    channels, height, width = shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata; sizes are limited below
        try:
            image = _open(Path(path), background=255 if invert else 0)
            small = _resize(image.convert(_MODES[channels]), width, height)
        except (DataError, MemoryError):
            raise
        except Exception as error:  # decoders raise a handful of unrelated types for damaged files
            reason = str(error) if str(error) else type(error).__name__
            raise DataError(f"{path}: not a readable image ({reason})") from None
    pixels = np.asarray(small, dtype=np.float32).reshape(height, width, channels)
    if invert:
        pixels = 255 - pixels
    return np.moveaxis(pixels, 2, 0) * np.float32(scale / 255)  # (C, H, W)


def _open(path: Path, background: int) -> Image:
    """The decoded first frame, upright, opaque, with 8 bits a channel."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        raise DataError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise DataError(f"{path}: must have at most {MAX_FILE_BYTES} bytes, got {size}")
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise DataError(f"{path}: must have at most {MAX_PIXELS} pixels, got {width} x {height}")
            image.load()
            upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise DataError(f"{path}: must be a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
    if upright.mode.startswith(("I", "F")):
        return _eight_bits(path, np.asarray(upright))
    if upright.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (background,) * 3 + (255,)), rgba)
    return upright


def _resize(image: Image, width: int, height: int) -> Image:
    from PIL.Image import Resampling

    shrinks = image.width >= width and image.height >= height
    return image.resize((width, height), Resampling.BOX if shrinks else Resampling.BILINEAR)


def _eight_bits(path: Path, pixels: Array) -> Image:
    """Greyscale of 16 bits as 8 bits; converting would clip it."""
    from PIL import Image

    if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() > 65535:
        raise DataError(f"{path}: pixels must be integers of 8 or 16 bits, got {pixels.dtype}")
    return Image.fromarray((pixels // 257).astype(np.uint8))
