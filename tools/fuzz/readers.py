"""How a file of each kind is read: by what a user would call."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any


def read_any(path: Path) -> Any:
    from chainrule.data import read

    return read(path)


def read_table(path: Path) -> Any:
    from chainrule.data import read

    return read(path, target=-1)


def read_idx(path: Path) -> Any:
    from chainrule.data import read_idx

    return read_idx(path)


def read_cifar_pickle(path: Path) -> Any:
    from chainrule.data.cifar_pickle import read_cifar_batch

    return read_cifar_batch(path)


def read_cifar_binary(path: Path) -> Any:
    from chainrule.data.cifar_binary import parse_cifar_binary

    return parse_cifar_binary(path.read_bytes(), str(path), (10,))


def read_npz(path: Path) -> Any:
    from chainrule.data import read_npz

    return read_npz(path)


def read_mat(path: Path) -> Any:
    from chainrule.data import read_mat

    return read_mat(path)


def read_archive(path: Path) -> Any:
    """All members, then all unpacked; nothing may appear beside the folder."""
    from chainrule.data import extract, iterate_members

    count = sum(1 for _ in iterate_members(path))
    before = set(os.listdir(path.parent))
    try:
        if extract(path, path.parent / "out") != count:
            raise AssertionError("another number of files unpacked than listed")
    finally:
        shutil.rmtree(path.parent / "out", ignore_errors=True)
        if set(os.listdir(path.parent)) != before:
            raise AssertionError("something was written beside the folder")
    return count


def read_cifar10(path: Path) -> Any:
    from chainrule.data import load_cifar10

    return load_cifar10(path)


def read_recipe(path: Path) -> Any:
    from chainrule.recipes import load_recipe, parse_recipe, to_toml

    recipe = load_recipe(path)
    parse_recipe(to_toml(recipe))  # what was read is written, and read again
    return recipe


def read_space(path: Path) -> Any:
    from chainrule.recipes.spaces import parse_space

    space = parse_space(path.read_bytes().decode("latin-1"))
    for u in (0.0, 0.3, 0.999):
        space.position(space.draw(u))
    space.ends()
    return space.narrowed([space.draw(0.2), space.draw(0.7)])
