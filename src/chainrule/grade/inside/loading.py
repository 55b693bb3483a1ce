"""Finding a submission's functions, and saying what went wrong in them."""

from __future__ import annotations

import importlib
import importlib.abc
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

MAX_MESSAGE = 500


class MismatchError(Exception):
    """A function is missing, or what it returned has not the agreed form."""


class AbsentError(MismatchError):
    """A file or a function is not there."""


class Loader:
    """Imports a submission's files from the folder that the parent laid out like the course's code base."""

    def __init__(self, folder: str, package: str) -> None:
        self.folder, self.package = folder, package

    def find(self, file: str, name: str) -> Any:
        """What `file` ("layers.py", "classifiers/fc_net.py") calls `name`."""
        module = self.module(file)
        if not hasattr(module, name):
            raise AbsentError(f"{file} has no {name}")
        return getattr(module, name)

    def module(self, file: str) -> ModuleType:
        """The module of `file`, imported where it is not yet."""
        if not os.path.exists(os.path.join(self.folder, self.package, file)):
            raise AbsentError(f"{file} is missing")
        dotted = file.removesuffix(".py").replace("/", ".")
        return importlib.import_module(f"{self.package}.{dotted}" if self.package else dotted)

    def describe(self, error: BaseException) -> dict[str, str]:
        """An exception in plain words: its type, its message, and the innermost line of the submission it came from."""
        if isinstance(error, MismatchError):
            kind = "absent" if isinstance(error, AbsentError) else ""
            return {"type": kind, "message": str(error)[:MAX_MESSAGE], "where": ""}
        return {"type": type(error).__name__, "message": _text(error), "where": self._where(error)}

    def _where(self, error: BaseException) -> str:
        if isinstance(error, SyntaxError) and error.filename is not None:
            return self._place(error.filename, error.lineno)
        place, trace = "", error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if file.startswith(self.folder):
                place = self._place(file, trace.tb_lineno)
            trace = trace.tb_next
        return place

    def _place(self, file: str, line: int | None) -> str:
        return f"{os.path.relpath(file, self.folder)}:{line}"[:MAX_MESSAGE]


class Only(importlib.abc.MetaPathFinder):
    """Refuses with clear words to import what is not the standard library's, the submission's, or allowed.

    That such files cannot be read is Landlock's doing; this is for the message.
    """

    def __init__(self, allowed: Sequence[str], roots: Sequence[str]) -> None:
        self.allowed, self.roots = {*allowed, *sys.stdlib_module_names}, roots

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise ImportError for other packages; leave the finding to the usual finders."""
        top = name.partition(".")[0]
        if top in self.allowed:
            return
        for root in self.roots:
            if os.path.exists(os.path.join(root, top)) or os.path.exists(os.path.join(root, f"{top}.py")):
                return
        raise ModuleNotFoundError(f"No module named {top!r} here: only the course's files and NumPy are", name=name)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:MAX_MESSAGE]
    except Exception:  # a submission's own exception may fail at being shown
        return ""
