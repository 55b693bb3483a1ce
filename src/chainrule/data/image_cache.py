"""Decoded images kept on disk, memory-mapped, under a name made of the content they come from.

    <cache>/images/<SHA-256 of contents and options>/
        pixels.u8        the images, uint8, one after another
        index.json       their shape, labels, names; the files left out
        manifest.json    the SHA-256 of the two, written last

An entry is written beside its place and renamed, so that it is whole or absent; what its manifest does not confirm is
made again. Processes that decode the same images at the same time each make an entry, and any of them may stay.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.image_files import file_digest
from chainrule.data.source import cache_folder
from chainrule.errors import DataError
from chainrule.files import new_folder

PIXELS, INDEX, MANIFEST = "pixels.u8", "index.json", "manifest.json"
_STALE_SECONDS = 86_400.0

Index = dict[str, Any]


def entry_folder(key: str) -> Path:
    """Where the entry called `key` is, or will be."""
    return cache_folder() / "images" / key


def read_entry(folder: Path) -> tuple[np.ndarray, Index] | None:
    """The images (N, C, H, W), a read-only map of the file, and the index; None where they are absent or damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest != {name: file_digest(folder / name) for name in (PIXELS, INDEX)}:
            return None
        index: Index = json.loads((folder / INDEX).read_bytes())
        return np.memmap(folder / PIXELS, np.uint8, "r", shape=tuple(index["shape"])), index
    except (OSError, DataError, ValueError, KeyError, TypeError):
        return None


def write_entry(folder: Path, build: Callable[[Path], Index]) -> tuple[np.ndarray, Index]:
    """Make the entry: `build` writes the pixels to the path it is given, and returns the index.

    Raises `OSError` where the entry cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    try:
        with new_folder(folder) as fresh:
            index = build(fresh / PIXELS)
            (fresh / INDEX).write_text(json.dumps(index))
            manifest = {name: file_digest(fresh / name) for name in (PIXELS, INDEX)}
            (fresh / MANIFEST).write_text(json.dumps(manifest))
    except OSError:
        made = read_entry(folder)  # by another process, in the same moment
        if made is None:
            raise
        return made
    entry = read_entry(folder)
    if entry is None:
        raise OSError(f"{folder} was damaged while it was written")
    return entry


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left behind."""
    for left in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
