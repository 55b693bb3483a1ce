"""Every call that changes the disk, failing in turn: what was there stays, nothing lies about, the error is plain."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import chainrule as cr
from chainrule import files
from chainrule.errors import ChainruleError, reason
from chainrule.files import new_folder, remove_folder, write_atomically, write_new
from chainrule.recipes import build, parse_recipe
from chainrule.recipes.run import RECIPE, finish, new_run_folder, resumable, train
from chainrule.solver import TrainingCheckpoints, load_network, save_network
from chainrule.solver.checkpoint import load_checkpoint, save_checkpoint
from chainrule.solver.resumption import checkpoints
from crashes.outcome import is_finished, of_folder
from crashes.processes import leftovers
from crashes.recipes import digits

ERRORS = ("ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO", "EINTR", "ENAMETOOLONG", "EPERM")
INTERRUPTS = ("Ctrl-C before", "Ctrl-C after")
LASTING = ("ENOSPC", "EDQUOT")  # also: from that call on, nothing can be made or written any more
KINDS = (*ERRORS, *INTERRUPTS, *(f"{name} from then on" for name in LASTING))

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CALLS = ("open", "write", "fsync", "replace", "mkdir")
MAKING = ("open", "write", "fsync", "mkdir")


class Faults:
    """Counts the calls of `os` that change the disk, and has the `nth` of them fail in the way of `kind`."""

    def __init__(self, nth: int | None = None, kind: str = "ENOSPC") -> None:
        self.nth, self.kind, self.made, self.failed = nth, kind, 0, ""

    @contextlib.contextmanager
    def injected(self) -> Iterator[Faults]:
        with contextlib.ExitStack() as stack:
            for name in CALLS:
                stack.enter_context(mock.patch.object(os, name, self._counted(name, getattr(os, name))))
            yield self

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*arguments: Any, **named: Any) -> Any:
            if name == "open" and not arguments[1] & WRITING:
                return real(*arguments, **named)
            number, self.made = self.made, self.made + 1
            lasting = self.kind.endswith("from then on") and name in MAKING
            if self.nth is None or not (number == self.nth or (lasting and number > self.nth)):
                return real(*arguments, **named)
            self.failed = self.failed or name
            if self.kind == "Ctrl-C after":
                real(*arguments, **named)
            if self.kind in INTERRUPTS:
                raise KeyboardInterrupt
            code = getattr(errno, self.kind.split()[0])
            raise OSError(code, os.strerror(code))

        return call


@dataclass(frozen=True)
class Operation:
    """Something that writes: `begin` prepares a folder, `run` writes, `sound` says what is wrong afterwards, if so.

    `sound` is told whether the operation ended without an error. names: one of them is in the message of every error.
    """

    name: str
    begin: Callable[[Path], None]
    run: Callable[[Path], None]
    sound: Callable[[Path, bool], str]
    names: tuple[str, ...]
    at_once: bool = True  # whether two folders can be exchanged by one call


@dataclass
class Outcome:
    """All cases of one operation."""

    operation: str
    calls: int = 0
    cases: int = 0
    wrong: list[str] = field(default_factory=list)


def inject(operation: Operation, work: Path, kinds: Sequence[str] = KINDS, every: int = 1, first: int = 0) -> Outcome:
    """Fail every call of the operation (or each `every`th) in each way, and judge what is left."""
    found = Outcome(operation.name)
    with mock.patch.object(files, "_exchange_at_once", files._exchange_at_once if operation.at_once else _never):
        found.calls = dry_run(operation, work / "dry")
        for number, (kind, nth) in enumerate((k, n) for k in kinds for n in range(found.calls)):
            if number % every == first % every:
                found.cases += 1
                folder = work / f"{nth}-{KINDS.index(kind)}"
                if said := one_case(operation, folder, nth, kind):
                    found.wrong.append(f"{operation.name}, call {nth}, {kind}: {said}")
                shutil.rmtree(folder, ignore_errors=True)
    return found


def _never(a: Path, b: Path) -> bool:
    return False


def dry_run(operation: Operation, folder: Path) -> int:
    """How many calls the operation makes."""
    folder.mkdir(parents=True)
    operation.begin(folder)
    with Faults().injected() as counted:
        operation.run(folder)
    if said := operation.sound(folder, True):
        raise AssertionError(f"{operation.name} fails by itself: {said}")
    shutil.rmtree(folder)
    return counted.made


def one_case(operation: Operation, folder: Path, nth: int, kind: str) -> str:
    """What is wrong after the `nth` call has failed; nothing where all is as it should be."""
    folder.mkdir(parents=True)
    operation.begin(folder)
    faults, error = Faults(nth, kind), None
    try:
        with faults.injected():
            operation.run(folder)
    except BaseException as raised:
        error = raised
    if not faults.failed:
        return ""  # fewer calls than in the dry run
    if stray := leftovers(folder):
        return f"{faults.failed}: left {stray}"
    if error is not None and (said := not_plain(error, kind, operation.names)):
        return f"{faults.failed}: {said}"
    try:
        return operation.sound(folder, error is None)
    except (ChainruleError, OSError, ValueError) as raised:
        return f"{faults.failed}: afterwards {type(raised).__name__}: {raised}"


def not_plain(error: BaseException, kind: str, names: tuple[str, ...]) -> str:
    """What is wrong with an error; nothing where it is typed, names the path and says in words what happened."""
    if kind in INTERRUPTS:
        return "" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__} instead of KeyboardInterrupt"
    text = str(error)
    if not isinstance(error, ChainruleError):
        return f"{type(error).__name__}: {text}"
    if "\n" in text or "Errno" in text or not any(name in text for name in names):
        return f"not plain: {text}"
    code = getattr(errno, kind.split()[0])
    return "" if reason(OSError(code, os.strerror(code))) in text else f"does not say why: {text}"


# -- what writes -----------------------------------------------------------------------------------------------------


def text_file(*, replaced: bool) -> Operation:
    def begin(folder: Path) -> None:
        if replaced:
            write_atomically(folder / "file.json", "old")

    def sound(folder: Path, done: bool) -> str:
        text = (folder / "file.json").read_text() if (folder / "file.json").exists() else None
        whole = ["new", "old" if replaced else None]
        return "" if text == "new" or (not done and text in whole) else f"holds {text!r}"

    name = "a file, replaced" if replaced else "a new file"
    return Operation(name, begin, lambda folder: write_atomically(folder / "file.json", "new"), sound, ("file.json",))


def a_folder(*, replaced: bool, at_once: bool) -> Operation:
    def fill(folder: Path, text: str) -> None:
        with new_folder(folder / "part") as made:
            for name in ("a", "b"):
                write_new(made / name, text.encode())

    def sound(folder: Path, done: bool) -> str:
        place = folder / "part"
        holds = {p.name: p.read_text() for p in place.iterdir()} if place.exists() else None
        allowed = [{"a": "new", "b": "new"}]
        if not done:
            allowed += [{"a": "old", "b": "old"} if replaced else None]  # type: ignore[list-item]
        return "" if holds in allowed else f"holds {holds}"

    def begin(folder: Path) -> None:
        if replaced:
            fill(folder, "old")

    name = f"a folder, replaced {'at once' if at_once else 'by two renames'}" if replaced else "a new folder"
    return Operation(name, begin, lambda folder: fill(folder, "new"), sound, ("part", "write", "a could", "b"), at_once)


def removed_folder() -> Operation:
    def begin(folder: Path) -> None:
        (folder / "part").mkdir()
        (folder / "part" / "a").write_text("old")

    def sound(folder: Path, done: bool) -> str:
        there = (folder / "part").exists()
        return "it is still there" if done and there else ""

    return Operation("a folder, removed", begin, lambda folder: remove_folder(folder / "part"), sound, ("part",))


def network(seed: int) -> cr.Network:
    return cr.Network([cr.Affine(3), cr.BatchNorm()], input_shape=4, seed=seed)


def network_checkpoint(*, at_once: bool) -> Operation:
    def sound(folder: Path, done: bool) -> str:
        seed = load_network(folder / "net")[0].seed
        return "" if seed == 2 or (not done and seed == 1) else f"holds the network of seed {seed}"

    return Operation(
        f"a network's checkpoint, replaced{'' if at_once else ' by two renames'}",
        lambda folder: save_network(folder / "net", network(1)),
        lambda folder: save_network(folder / "net", network(2)),
        sound, ("net",), at_once,
    )  # fmt: skip


def training_checkpoints() -> Operation:
    """A third checkpoint, after which the first of them is removed."""

    def save(folder: Path, step: int) -> None:
        save_checkpoint(folder / f"step-{step:012d}", {"w": np.full(9, float(step))}, {"step": step})

    class Saved:
        """As much of a solver as the callback looks at."""

        stop = True

        class engine:  # noqa: N801
            step_number = 3

    def run(folder: Path) -> None:
        with mock.patch("chainrule.solver.resumption.save_training", lambda path, solver: save(path.parent, 3)):
            TrainingCheckpoints(folder)._write(Saved())  # type: ignore[arg-type]

    def sound(folder: Path, done: bool) -> str:
        steps = [load_checkpoint(path)[1]["step"] for path in checkpoints(folder)]
        return "" if steps in ([3, 2], [2, 1], [3, 2, 1]) and (not done or steps == [3, 2]) else f"holds steps {steps}"

    def begin(folder: Path) -> None:
        save(folder, 1)
        save(folder, 2)

    return Operation("a checkpoint of training, and the oldest removed", begin, run, sound, ("step-00000000000",))


RECIPE_TEXT = """
name = "torture"
title = "A small run"
source = "made for this"
[data]
name = "digits"
train = 24
val = 10
test = 10
[model]
layers = ["Flatten", { layer = "Affine", units = 10 }, { layer = "Dropout", rate = 0.2 }]
[train]
batch_size = 8
epochs = 2
"""


def whole_run(figures: bool) -> Operation:
    """A run from its folder to its results; whatever fails, it can be gone on with to the same bits."""
    wanted: dict[str, str] = {}

    def run(folder: Path) -> None:
        place = folder / "run"
        resume = (place / RECIPE).is_file()
        recipe = resumable(place)[1] if resume else parse_recipe(RECIPE_TEXT)
        experiment = build(recipe, digits())
        solver = experiment.solver((), "reference")
        if not resume:
            new_run_folder(recipe, place)
        train(experiment, solver, place, resume=resume, seconds_between=0.0)
        finish(experiment, place, solver, seconds=0.0, status="finished", figures=figures)

    def sound(folder: Path, done: bool) -> str:
        for path in checkpoints(folder / "run" / "training"):
            load_checkpoint(path)
        if not is_finished(folder / "run"):
            run(folder)
        got = of_folder(folder / "run")
        wanted.setdefault("weights", got["weights"])
        wanted.setdefault("history", got["history"])
        stray = leftovers(folder)
        return "" if got == wanted and not stray else f"went on to other bits, or left {stray}"

    name = "a whole run, with its pictures" if figures else "a whole run"
    return Operation(name, lambda folder: None, run, sound, ("run",))


def operations(*, pictures: bool = False) -> list[Operation]:
    return [
        text_file(replaced=False),
        text_file(replaced=True),
        a_folder(replaced=False, at_once=True),
        a_folder(replaced=True, at_once=True),
        a_folder(replaced=True, at_once=False),
        removed_folder(),
        network_checkpoint(at_once=True),
        network_checkpoint(at_once=False),
        training_checkpoints(),
        whole_run(figures=pictures),
    ]
