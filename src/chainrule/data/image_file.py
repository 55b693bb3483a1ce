"""One image file as pixels of 8 bits, decoded completely or refused with the reason.

Formats come from a short list and are told from the content, never from the name. The rules:

    16 bits a channel       the high 8 bits (a 16-bit grey level g becomes ⌊g / 257⌋)
    floating-point pixels   refused: their range is not known
    CMYK, YCbCr, Lab        converted to RGB without a colour profile
    palette                 the colours it stands for; grey where all of them are grey
    transparent pixels      laid over black
    several frames, pages   the first
    EXIF orientation        applied: the image stands as its photographer saw it
    PNG chunks              every checksum is compared
    JPEG                    must reach its end marker; inside of a TIFF it is refused, as damage there passes unseen
    PPM                     the binary kinds: of the text kinds a cut number is still a number

What no check can see: a JPEG, GIF or BMP whose bytes were changed in the middle so that they still decode.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
#: Name endings by which a file outside of any class folder is taken for an image.
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 40_000_000

_PNG = b"\x89PNG\r\n\x1a\n"
_KNOWN = (
    (_PNG, "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
    (b"RIFF", "WEBP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_STRANGE = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "an icon"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


class BadImageError(Exception):
    """The bytes hold no image that may be used; the message is the reason."""


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Around calls of `open_image`: Pillow warns of nothing, and never makes up the missing end of a file."""
    from PIL import ImageFile

    before, logger = ImageFile.LOAD_TRUNCATED_IMAGES, logging.getLogger("PIL")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata; sizes are limited in `open_image`
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        logger.setLevel(logging.CRITICAL + 1)  # what is wrong is raised as well
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
            logger.setLevel(level)


_stderr_lock = threading.Lock()


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """libtiff writes what it dislikes to the process's standard error, past Python; what is wrong is raised as well."""
    with _stderr_lock, contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a process without standard error needs nothing
            kept = os.dup(2)
            stack.callback(os.close, kept)
            sink = os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, sink)
            os.dup2(sink, 2)
            stack.callback(os.dup2, kept, 2)
        yield


def open_image(data: bytes, background: int = 0) -> tuple[Image, tuple[str, ...]]:
    """The image that `data` holds, upright and opaque, in mode "L" or "RGB", and which of the rules were needed.

    background: the grey level (0 to 255) under transparent pixels. Raises `BadImageError`; use inside of `decoding`.
    """
    if len(data) == 0:
        raise BadImageError("empty file")
    if len(data) > MAX_FILE_BYTES:
        raise BadImageError(f"file of {len(data):,} bytes, more than {MAX_FILE_BYTES:,}")
    kind = _kind(data)
    if kind is None:
        raise BadImageError(f"not an image: {_content(data)}")
    try:
        if kind == "PNG":
            _check_png(data)
        elif kind == "JPEG":
            _check_jpeg(data)
        with _silent_stderr() if kind == "TIFF" else contextlib.nullcontext():
            return _decode(data, background)
    except (BadImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise a handful of unrelated types for damaged files
        raise BadImageError(f"damaged {kind}: {_words(error)}") from None


def _decode(data: bytes, background: int) -> tuple[Image, tuple[str, ...]]:
    from PIL import Image, ImageOps

    notes = []
    try:
        image: Any = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise BadImageError(f"decompression bomb: more than {MAX_PIXELS:,} pixels") from None
    if image.info.get("compression") in ("jpeg", "tiff_jpeg"):
        raise BadImageError("JPEG inside of TIFF, which cannot be checked")
    width, height = image.size
    if width < 1 or height < 1:
        raise BadImageError(f"no pixels: {width} x {height}")
    if width * height > MAX_PIXELS:
        raise BadImageError(f"decompression bomb: {width} x {height}, more than {MAX_PIXELS:,} pixels")
    image.load()
    frame, mode = image, image.mode
    if getattr(image, "is_animated", False):
        notes.append("first of several frames")
        frame = Image.open(io.BytesIO(data), formats=FORMATS)  # counting frames may have moved on
        frame.load()
    if frame.getexif().get(0x0112, 1) != 1:
        notes.append("turned by its EXIF orientation")
        frame = ImageOps.exif_transpose(frame)
    if mode.startswith("I"):
        notes.append("16 bits made 8")
        frame = _eight_bits(np.asarray(frame))
    elif mode == "F":
        raise BadImageError("floating-point pixels, whose range is not known")
    elif mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in frame.info:
        notes.append("transparency laid over the background")
        grey = mode in ("LA", "La")
        rgba = frame.convert("RGBA")
        frame = Image.alpha_composite(Image.new("RGBA", rgba.size, (background,) * 3 + (255,)), rgba)
        frame = frame.convert("L" if grey else "RGB")
    elif mode == "1":
        frame = frame.convert("L")
    elif mode not in ("L", "RGB", "P"):
        notes.append(f"{mode} made RGB")
        frame = frame.convert("RGB")
    if mode in ("P", "PA"):
        notes.append("palette made colours")
        frame = frame.convert("RGB")
        pixels = np.asarray(frame)
        if (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all():
            frame = frame.getchannel(0)
    return frame if frame.mode in ("L", "RGB") else frame.convert("RGB"), tuple(notes)


def _eight_bits(pixels: np.ndarray) -> Image:
    from PIL import Image

    if pixels.min() < 0 or pixels.max() > 65535:
        raise BadImageError(f"grey levels from {pixels.min()} to {pixels.max()}, more than 16 bits")
    return Image.fromarray((pixels // 257).astype(np.uint8))


def _kind(data: bytes) -> str | None:
    for start, kind in _KNOWN:
        if data.startswith(start) and (kind != "WEBP" or data[8:12] == b"WEBP"):
            return kind
    return "PPM" if len(data) > 2 and data[:1] == b"P" and data[1:2] in b"456" and data[2:3].isspace() else None


def _content(data: bytes) -> str:
    """What bytes that are no image look like."""
    for start, what in _STRANGE:
        if data.startswith(start):
            return what
    if data[4:8] == b"ftyp":
        return f"a file of kind {data[8:12]!r}, not among {', '.join(FORMATS)}"
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if head.startswith((b"<svg", b"<?xml")):
        return "XML or SVG"
    if not data[:512].strip(b"\0"):
        return "zeros"
    with contextlib.suppress(UnicodeDecodeError):
        if data[:500].decode("ascii").replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable():
            return "text"
    return f"unknown content that starts with {data[:4]!r}"


def _check_png(data: bytes) -> None:
    """Walk over the chunks: each complete and with the right CRC, up to IEND. Decoders skip the CRCs of the pixels."""
    position, view = len(_PNG), memoryview(data)
    while True:
        if position + 12 > len(data):
            raise BadImageError("truncated PNG: no end chunk")
        length = int.from_bytes(view[position : position + 4], "big")
        end = position + 8 + length
        kind = data[position + 4 : position + 8]
        if end + 4 > len(data):
            raise BadImageError(f"truncated PNG: ends inside of chunk {kind!r}")
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise BadImageError(f"damaged PNG: wrong checksum of chunk {kind!r}")
        if kind == b"IEND":
            return
        position = end + 4


def _check_jpeg(data: bytes) -> None:
    """Walk over the segments to the first scan; after it an end marker must come (0xFF in scans is never bare).

    A thumbnail among the metadata has an end marker of its own, which a mere search would find.
    """
    position = 2
    while True:
        while data[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        if position + 4 > len(data):
            raise BadImageError("truncated JPEG: ends before its first scan")
        if data[position] != 0xFF:
            raise BadImageError(f"damaged JPEG: no marker at byte {position}")
        marker = data[position + 1]
        if marker == 0xDA:
            break
        bare = marker == 0x01 or 0xD0 <= marker <= 0xD8
        position += 2 if bare else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    if data.find(b"\xff\xd9", position) < 0:
        raise BadImageError("truncated JPEG: no end marker")


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "cannot identify image file" in text:
        return "its header cannot be read"
    return text if text else type(error).__name__
