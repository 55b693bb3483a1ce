"""What is fuzzed: every kind of file and of text that comes from outside, declared once, for all that changes bytes.

`DATA` are files and texts, `CHECKPOINTS` folders, `GUIDED` the parsers that a coverage-guided fuzzer is given.
"""

from __future__ import annotations

import dataclasses
import functools
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import checkpoints as stored
from fuzz import folders, packing, readers
from fuzz import good_files as good
from fuzz.mutations import Rng


@dataclasses.dataclass(frozen=True)
class Target:
    """A kind of file: good examples, how one is read, and how its inside is reached where it is packed.

    change: what changes an example, in place of the changes of bytes; given how those are made where it wants them.
    errors: the names of the errors it may be refused with; any of the package where none are named. is_folder: the
    bytes are those of a folder.
    """

    name: str
    examples: Callable[[], list[bytes]]
    read: Callable[[Path], Any]
    ending: str = ""
    unpack: Callable[[bytes], bytes] | None = None
    pack: Callable[[bytes], bytes] | None = None
    change: Callable[..., tuple[bytes, str]] | None = None
    errors: tuple[str, ...] = ()
    is_folder: bool = False


DATA: tuple[Target, ...] = (
    Target("idx", good.idx_files, readers.read_idx, ".idx"),
    Target(
        "idx, gzip",
        packing.packed_all(packing.gzipped, good.idx_files),
        readers.read_idx,
        ".gz",
        packing.gunzipped,
        packing.gzipped,
    ),
    Target("CIFAR python", good.cifar_pickles, readers.read_cifar_pickle, ""),
    Target("CIFAR binary", good.cifar_binary, readers.read_cifar_binary, ".bin"),
    Target("CIFAR-10 tar", good.cifar_tars, readers.read_cifar10, ".tar", lambda data: data, packing.with_right_sums),
    Target("npz", lambda: good.npz_files(False), readers.read_npz, ".npz", packing.unzipped, packing.zipped),
    Target("npz by read", lambda: good.npz_files(True), readers.read_any, ".npz", packing.unzipped, packing.zipped),
    Target("mat", lambda: [good.mat_file("<"), good.mat_file(">")], readers.read_mat, ".mat"),
    Target(
        "mat, compressed",
        lambda: [good.mat_file("<", True)],
        readers.read_mat,
        ".mat",
        packing.mat_unpacked,
        packing.mat_packed,
    ),
    Target("mat by read", lambda: [good.mat_file("<"), good.mat_file(">")], readers.read_any, ".mat"),
    Target("pickle (X, y)", good.pickles, readers.read_any, ".pkl"),
    Target("CSV", good.csv_files, readers.read_table, ".csv"),
    Target("tar", good.tar_files, readers.read_archive, ".tar", lambda data: data, packing.with_right_sums),
    Target(
        "tar.gz",
        packing.packed_all(packing.gzipped, good.tar_files),
        readers.read_archive,
        ".tar.gz",
        packing.gunzipped,
        packing.gzipped,
    ),
    Target(
        "tar.xz",
        packing.packed_all(packing.xz, good.tar_files),
        readers.read_archive,
        ".tar.xz",
        lzma.decompress,
        packing.xz,
    ),
    Target("zip", good.zip_files, readers.read_archive, ".zip", packing.unzipped, packing.zipped),
    Target("Parquet", good.parquet_files, readers.read_table, ".parquet"),
    Target("recipe", good.recipes, readers.read_recipe, ".toml"),
    Target("search space", good.spaces, readers.read_space, ".txt"),
)


def _folder(
    name: str, files: Callable[[], folders.Files], read: Callable[[Path], Any], change: Any, *errors: str
) -> Target:
    allowed = ("CheckpointError", *errors)
    return Target(name, lambda: [folders.to_bytes(files())], read, change=change, errors=allowed, is_folder=True)


def _seen(name: str, files: Callable[[], folders.Files], read: Callable[[Path], Any], *errors: str) -> Target:
    """Bytes of the files as they lie there."""
    return _folder(name, files, stored.must_be_seen(files, read), _bytes(seal=False), *errors)


def _bytes(**options: Any) -> Callable[..., tuple[bytes, str]]:
    def change(data: bytes, rng: Rng, mutate: Any) -> tuple[bytes, str]:
        done: list[str] = []
        return stored.change_bytes(data, rng, functools.partial(mutate, done=done), **options), " + ".join(done)

    return change


def _values(change: Callable[..., tuple[bytes, str]]) -> Callable[..., tuple[bytes, str]]:
    return lambda data, rng, mutate: change(data, rng)


CHECKPOINTS: tuple[Target, ...] = (
    _seen("network", stored.network_files, stored.read_network),
    _folder("network, sums right", stored.network_files, stored.read_network, _bytes(seal=True)),
    _folder("network, state", stored.network_files, stored.read_network, _values(stored.change_state)),
    _folder("network, header", stored.network_files, stored.read_network, _values(stored.change_header)),
    _seen("training", stored.training_files, stored.read_training),
    _folder("training, sums right", stored.training_files, stored.read_training, _bytes(seal=True)),
    _folder("training, state", stored.training_files, stored.read_training, _values(stored.change_state)),
    _folder("training, header", stored.training_files, stored.read_training, _values(stored.change_header)),
    _folder(
        "training of 70 epochs, state",
        lambda: stored.training_files(70),
        stored.read_training,
        _values(stored.change_state),
    ),
)

RUNS: tuple[Target, ...] = (
    _seen("run", stored.run_files, stored.read_run, "ConfigError"),
    _folder(
        "run, checkpoint's sums right",
        stored.run_files,
        stored.read_run,
        _bytes(seal=True, prefix="checkpoint/"),
        "ConfigError",
    ),
)

GROUPS = {"data": DATA, "checkpoints": CHECKPOINTS, "runs": RUNS}


@functools.cache
def examples(target: Target) -> list[bytes]:
    """The good files of a target, made once."""
    return target.examples()


def lay(target: Target, data: bytes, scratch: Path) -> Path:
    """Write a case into a scratch folder: the path to read."""
    path = scratch / f"case{target.ending}"
    if target.is_folder:
        path.mkdir(exist_ok=True)
        return folders.write(folders.of_bytes(data), path)
    path.write_bytes(data)
    return path
