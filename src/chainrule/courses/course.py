"""What a course is here: for each edition, the files its code base has and the names each file offers.

One table an edition feeds everything: the namespaces that `Edition.module` returns, the files that `install` writes,
and the tests. An edition is always named explicitly, because the same call means different things in two of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule.errors import shown, unknown
from chainrule.typed import typed

ROOT = "chainrule.courses"


@dataclass(frozen=True)
class File:
    """One file of a course's code base.

    doc: its docstring. names: what it defines, each as "module:attribute" below `chainrule.courses`. stars: other
    files of the course whose names it offers too. body: code of its own, at the end.
    """

    doc: str
    names: Mapping[str, str]
    stars: tuple[str, ...] = ()
    body: str = ""


@dataclass(frozen=True)
class Edition:
    """One edition of a course: `files` by their path in the code base."""

    course: str
    name: str
    package: str
    files: Mapping[str, File]

    def module(self, path: str) -> SimpleNamespace:
        """The names of the file `path` ("layers.py", "classifiers/fc_net.py"), `np` included, as attributes."""
        if path not in self.files:
            raise unknown(f"file of {self.course} {self.name}", path, self.files)
        offered: dict[str, Any] = {"np": np}
        for star in self.files[path].stars:
            offered |= vars(self.module(star))
        offered |= {name: resolve(target) for name, target in self.files[path].names.items()}
        return SimpleNamespace(**offered)

    def __getattr__(self, name: str) -> SimpleNamespace:
        paths = [path for path in self.files if PurePosixPath(path).stem == name]
        if name.startswith("_") or not paths:
            raise AttributeError(f"{self.course} {self.name} has no file {name}.py")
        return self.module(paths[0])


@dataclass(frozen=True)
class Course:
    """A course by name, and how the files of each of its editions are listed.

    package: the package its modules live in, "" for flat modules.
    """

    name: str
    editions: tuple[str, ...]
    files: Callable[[str], Mapping[str, File]]
    package: str = ""

    @typed
    def edition(self, name: str | int) -> Edition:
        """The edition of that name or year; a `ConfigError` for an unknown one."""
        text = name if isinstance(name, str) else shown(int(name))  # `str` refuses integers of many digits
        if text not in self.editions:
            raise unknown(f"edition of {self.name}", name, self.editions)
        return Edition(self.name, text, self.package, self.files(text))


def offer(module: str, names: str) -> dict[str, str]:
    """Names that `module` defines, as a table; `here=there` for one that is called differently there.

    >>> offer("common.dropout", "dropout_forward=keep_forward dropout_backward")["dropout_forward"]
    'common.dropout:keep_forward'
    """
    pairs = (name.split("=") for name in names.split())
    return {pair[0]: f"{module}:{pair[-1]}" for pair in pairs}


def resolve(target: str) -> Any:
    """The object that "module:attribute" names."""
    module, attribute = target.split(":")
    value: Any = importlib.import_module(f"{ROOT}.{module}")
    for part in attribute.split("."):
        value = getattr(value, part)
    return value
