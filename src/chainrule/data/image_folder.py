"""Images by class, in a folder or an archive, as a data set; files that hold no usable image are named, never used.

Each file is decoded once, completely (the rules are in `image_file`), and kept in a memory-mapped cache whose name is
the SHA-256 of the contents, so that a changed, added or removed file means another entry, and an old date none.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from chainrule.data import image_cache
from chainrule.data.dataset import Dataset
from chainrule.data.image_file import MAX_PIXELS, BadImageError, decoding, open_image
from chainrule.data.image_files import Files, Place, is_named_like_image, open_files, path_key, places, shown
from chainrule.data.rows import row_blocks
from chainrule.data.source import Skipped, Source, as_path
from chainrule.errors import ConfigError, DataError, DTypeError, describe, require_bool, require_number, unknown

_RULES = 1  # changed whenever other pixels come out of the same bytes
_ON_BAD = ("skip", "raise")
_PART_ORDER = ("train", "val", "test")
_ANOTHER_SIZE = "another size: "
_NAMED = 3  # bad files in a message


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of a folder: X uint8 (N, C, H, W), y (N,), and for each row the path it came from.

    parts: the rows of train, val, test. handled: how many images each rule of `image_file` changed.
    """

    X: np.ndarray
    y: np.ndarray
    paths: tuple[str, ...]
    class_names: tuple[str, ...]
    parts: dict[str, slice]
    skipped: tuple[Skipped, ...]
    handled: dict[str, int]

    def dataset(self, part: str, name: str) -> Dataset | None:
        """One part, without copying its images; None where there is none."""
        rows = self.parts.get(part)
        if rows is None:
            return None
        return Dataset(self.X[rows], self.y[rows], self.class_names, name if part == "train" else f"{name} {part}")


def load_image_folder(
    path: str | os.PathLike[str],
    *,
    resize: tuple[int, int] | None = None,
    channels: int | None = None,
    on_bad: str = "skip",
    cache: bool = True,
    name: str | None = None,
) -> Source:
    """The images in the folder or archive `path`, one folder a class, with train, val and test parts where it has them.

    resize: height and width to bring every image to, by averaging areas; without it all must have one size. channels:
    1 (grey) or 3 (colour); without it 3 where any image has colours. on_bad: "skip" leaves files out that hold no
    usable image and names them in `skipped`, "raise" stops at the first. cache: keep the decoded images on disk and
    map them; otherwise they are held in memory. Inputs are uint8 (C, H, W), classes are in the order of their names.
    Raises `DataError` for a folder without images, images of several sizes, and with `on_bad="raise"` for a bad file.
    """
    owner = "load_image_folder"
    place = as_path(owner, path)
    require_bool(owner, "cache", cache)
    if not isinstance(on_bad, str) or on_bad not in _ON_BAD:
        raise unknown("on_bad", on_bad, _ON_BAD)
    images = read_images(place, resize=resize, channels=channels, on_bad=on_bad, cache=cache)
    return image_source(images, place, name)


def image_source(images: ImageSet, place: Path, name: str | None = None) -> Source:
    """The images as a `Source`, called like their folder unless `name` is given."""
    title = name if name is not None else shown(os.path.basename(os.path.abspath(place))).split(".")[0]
    train = images.dataset("train", title)
    if train is None:
        raise DataError(f"{place} has no usable image for training, only for {', '.join(images.parts)}")
    notes = "".join(f"; {count} of them: {rule}" for rule, count in images.handled.items())
    return Source(
        title,
        train,
        images.dataset("test", title),
        scale=255.0,
        notes=f"{_counted(len(images.X), 'image')}, {_counted(len(images.skipped), 'file')} skipped{notes}.",
        val=images.dataset("val", title),
        skipped=images.skipped,
        row_names={part: images.paths[rows] for part, rows in images.parts.items()},
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def read_images(
    place: Path,
    *,
    resize: tuple[int, int] | None = None,
    channels: int | None = None,
    on_bad: str = "skip",
    cache: bool = True,
    list_sizes: bool = False,
) -> ImageSet:
    """`load_image_folder` with the paths of the rows; list_sizes: name images of another than the usual
    size in place of an error."""
    owner = "load_image_folder"
    _check_options(owner, resize, channels)
    if not place.is_dir() and not place.is_file():  # a device or a pipe may have no end
        what = "is neither" if os.path.lexists(place) else "does not exist"
        raise DataError(f"{owner}: path must be a folder or an archive, got {str(place)!r}, which {what}")
    files = open_files(place)
    job = _Job(owner, files, resize, channels, on_bad, list_sizes)
    if not cache:
        return job.in_memory()
    options = f"{_RULES} {resize} {channels} "
    key = hashlib.sha256((options + files.digest()).encode()).hexdigest()
    folder = image_cache.entry_folder(key)
    entry = image_cache.read_entry(folder)
    if entry is None:
        try:
            entry = image_cache.write_entry(folder, job.build)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):  # nothing may be kept here
                return job.in_memory()
            raise DataError(
                f"{owner}: decoded images cannot be written to {folder}: {error.strerror}. Set XDG_CACHE_HOME to "
                "another folder, or pass cache=False to hold them in memory."
            ) from None
    images = _image_set(*entry)
    for skipped in images.skipped:
        if skipped.reason.startswith(_ANOTHER_SIZE) and not list_sizes:
            raise job.size_refusal(*skipped)
        if on_bad == "raise":
            raise job.refusal(*skipped)
    return images


def _check_options(owner: str, resize: Any, channels: Any) -> None:
    if channels is not None and not (type(channels) is int and channels in (1, 3)):
        raise ConfigError(f"{owner}: channels must be 1, 3 or None, got {describe(channels)}")
    if resize is None:
        return
    if not isinstance(resize, (tuple, list)) or len(resize) != 2:
        raise DTypeError(f"{owner}: resize must be (height, width), got {describe(resize)}")
    for side in resize:
        require_number(owner, "resize", side, integer=True, low=1)
    if resize[0] * resize[1] > MAX_PIXELS:
        raise ConfigError(f"{owner}: resize must come to at most {MAX_PIXELS:,} pixels, got {resize}")


class _ColourFoundError(Exception):
    """An image with colours, after grey ones were written as grey."""


class _UsualSizeError(Exception):
    """The first image was of an unusual size; the argument is the usual one."""


class _Job:
    """Decoding all files of a folder or archive once, one at a time."""

    def __init__(
        self,
        owner: str,
        files: Files,
        resize: tuple[int, int] | None,
        channels: int | None,
        on_bad: str,
        list_sizes: bool,
    ) -> None:
        self.owner, self.files, self.resize, self.channels = owner, files, resize, channels
        self.on_bad, self.list_sizes = on_bad, list_sizes

    @functools.cached_property
    def places(self) -> dict[str, Place]:
        """Part and class of the files; only asked for where the images must be decoded."""
        return places(self.files.paths)

    def in_memory(self) -> ImageSet:
        """The images in memory only."""
        pixels = io.BytesIO()
        index = self._decode(pixels)
        X = np.frombuffer(pixels.getbuffer(), np.uint8).reshape(index["shape"])
        order = index.pop("order")
        if order is not None:
            X = X[order]
        X.flags.writeable = False  # as the map of a file is
        return _image_set(X, index)

    def build(self, path: Path) -> image_cache.Index:
        """Write the pixels to `path`; the index of them."""
        with open(path, "w+b") as out:
            index = self._decode(out)
        order = index.pop("order")
        if order is not None:
            _reorder(path, tuple(index["shape"]), np.asarray(order))
        return index

    def refusal(self, path: str, reason: str) -> DataError:
        """The error for one bad file."""
        return DataError(
            f"{self.owner}: {shown(os.path.join(self.files.root, path))}: {reason}; on_bad='skip' leaves such files out"
        )

    def size_refusal(self, path: str, reason: str) -> DataError:
        """The error for images of several sizes."""
        return DataError(
            f"{self.owner}: images must be of one size, got {shown(os.path.join(self.files.root, path))} with "
            f"{reason.removeprefix(_ANOTHER_SIZE)}; pass resize=(height, width) to bring all to one"
        )

    def _decode(self, out: BinaryIO) -> image_cache.Index:
        channels, size = self.channels, None
        while True:
            try:
                return self._decode_as(out, channels, size)
            except _ColourFoundError:
                channels = 3
            except _UsualSizeError as usual:
                size = usual.args[0]
            out.seek(0)
            out.truncate()

    def _decode_as(self, out: BinaryIO, channels: int | None, size: tuple[int, int] | None) -> image_cache.Index:
        used, skipped, handled, sizes = [], [], Counter[str](), Counter[tuple[int, int]]()
        first = "most images"
        with decoding():
            for path, data, reason in self.files:
                if path not in self.places:
                    if reason is None and not is_named_like_image(path):
                        continue
                    reason = "lies in no class folder" if reason is None else reason
                try:
                    if reason is not None:
                        raise BadImageError(reason)
                    image, rules = open_image(data)
                    if self.resize is None:
                        sizes[image.size] += 1
                        if size is None:
                            size, first = image.size, f"the first image ({shown(path)})"
                        if image.size != size:
                            ours, theirs = (f"{w} x {h} pixels" for w, h in (image.size, size))
                            raise BadImageError(f"{_ANOTHER_SIZE}{ours}, {first} {theirs}")
                except BadImageError as bad:
                    if str(bad).startswith(_ANOTHER_SIZE) and not self.list_sizes:
                        raise self.size_refusal(path, str(bad)) from None
                    if self.on_bad == "raise":
                        raise self.refusal(path, str(bad)) from None
                    skipped.append(Skipped(shown(path), str(bad)))
                    continue
                if channels is None:
                    channels = 1 if image.mode == "L" else 3
                elif channels == 1 and self.channels is None and image.mode == "RGB":
                    raise _ColourFoundError
                out.write(_pixels(image, channels, self.resize))
                handled.update(rules)
                used.append(path)
        if not used:
            raise self._nothing(skipped)
        if size is not None and sizes[size] < max(sizes.values()):
            raise _UsualSizeError(sizes.most_common(1)[0][0])
        height, width = (size[1], size[0]) if size is not None else self.resize  # type: ignore[misc]
        return self._index(used, skipped, handled, (len(used), channels, height, width))

    def _index(
        self, used: list[str], skipped: list[Skipped], handled: Counter[str], shape: tuple[Any, ...]
    ) -> image_cache.Index:
        """Everything but the pixels, in order: by part, then by path, whatever order an archive has."""
        names = sorted({place.class_name for place in self.places.values()}, key=os.fsencode)
        labels = {name: label for label, name in enumerate(names)}
        keys = [(_PART_ORDER.index(self.places[path].part), path_key(path)) for path in used]
        order = sorted(range(len(used)), key=keys.__getitem__)
        ordered = [used[i] for i in order]
        counts = Counter(self.places[path].part for path in used)
        return {
            "shape": shape,
            "order": None if order == list(range(len(used))) else order,
            "labels": [labels[self.places[path].class_name] for path in ordered],
            "paths": [shown(path) for path in ordered],
            "class_names": [shown(name) for name in names],
            "counts": {part: counts[part] for part in _PART_ORDER if counts[part]},
            "skipped": sorted(skipped),
            "handled": dict(sorted(handled.items())),
        }

    def _nothing(self, skipped: Sequence[Skipped]) -> DataError:
        some = "; ".join(f"{path}: {reason}" for path, reason in skipped[:_NAMED])
        more = f", and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        held = f"{len(self.files.paths)} files" if self.files.paths else "no file"
        return DataError(
            f"{self.owner}: {self.files.root} must hold images in one folder a class, got {held} and no usable image"
            + (f" ({some}{more})" if some else "")
        )


def _pixels(image: Any, channels: int, resize: tuple[int, int] | None) -> bytes:
    from PIL.Image import Resampling

    image = image.convert("L" if channels == 1 else "RGB")
    if resize is not None and image.size != (resize[1], resize[0]):
        shrinks = image.width >= resize[1] and image.height >= resize[0]
        image = image.resize((resize[1], resize[0]), Resampling.BOX if shrinks else Resampling.BILINEAR)
    pixels = np.asarray(image)  # (H, W) or (H, W, 3)
    return (pixels if channels == 1 else pixels.transpose(2, 0, 1)).tobytes()


def _reorder(path: Path, shape: tuple[int, ...], order: np.ndarray) -> None:
    """Bring the images in the file `path` into `order`, a block at a time."""
    source = np.memmap(path, np.uint8, "r", shape=shape)
    fresh = path.with_name(f"{path.name}.ordered")
    with open(fresh, "wb") as out:
        for rows in row_blocks(source):
            out.write(source[order[rows]].tobytes())
    del source
    os.replace(fresh, path)


def _image_set(X: np.ndarray, index: image_cache.Index) -> ImageSet:
    parts, start = {}, 0
    for part, count in index["counts"].items():
        parts[part] = slice(start, start + count)
        start += count
    return ImageSet(
        X,
        np.asarray(index["labels"], dtype=np.int64),
        tuple(index["paths"]),
        tuple(index["class_names"]),
        parts,
        tuple(Skipped(*pair) for pair in index["skipped"]),
        dict(index["handled"]),
    )
