"""Coverage-guided: an input that reaches a line of ours that none reached before is kept and changed further.

    python tools/fuzz --guided 30                          each parser for 30 s of processor time, by the loop below
    python tools/fuzz --guided 30 --target "mat, inside"   one of them
    python tools/fuzz --guided 30 --engine atheris         by libFuzzer, where the extra `fuzz` is installed

The parsers are those of `GUIDED`, made of the targets that the other fuzzer changes blindly: what is packed is
unpacked first, so that changes reach the parser behind the sums. Every case is judged like theirs.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from fuzz import checkpoints as stored
from fuzz import folders
from fuzz.cases import mutated
from fuzz.judge import Hook, outcome, ring, warm_up
from fuzz.running import scratch_folder
from fuzz.targets import DATA, Target, examples

PACKAGE = f"{os.sep}chainrule{os.sep}"
LONGEST = 20_000  # bytes of an input that is kept


def _inside(target: Target) -> Target:
    """A packed target as what is inside it; read packed again."""
    if target.unpack is None or target.pack is None:
        return target
    unpack, pack = target.unpack, target.pack

    def read(path: Path) -> Any:
        try:
            packed = pack(path.read_bytes())
        except (ValueError, OverflowError, IndexError):  # nothing that could be packed
            return None
        path.write_bytes(packed)
        return target.read(path)

    return dataclasses.replace(
        target, name=f"{target.name}, inside", examples=lambda: [unpack(d) for d in target.examples()], read=read
    )


def _part(name: str, of: str, make: Callable[[folders.Files, bytes], folders.Files], part: bytes, read: Any) -> Target:
    """One file of a checkpoint as the input; the others stay good, sums are made right unless it is the manifest."""

    def read_part(path: Path) -> Any:
        good = {"network": stored.network_files, "training": stored.training_files}[of]()
        files = make(dict(good), path.read_bytes())
        if files["manifest.json"] == good["manifest.json"]:
            files = stored.sealed(files)
        folder = path.parent / "folder"
        folder.mkdir(exist_ok=True)
        return read(folders.write(files, folder))

    return Target(name, lambda: [part], read_part, errors=("CheckpointError",))


def _file(name: str) -> Callable[[folders.Files, bytes], folders.Files]:
    return lambda files, content: {**files, name: content}


def _with_header(files: folders.Files, header: bytes) -> folders.Files:
    weights = files["weights.safetensors"]
    end = 8 + int.from_bytes(weights[:8], "little")
    return {**files, "weights.safetensors": len(header).to_bytes(8, "little") + header + weights[end:]}


def _header(files: folders.Files) -> bytes:
    weights = files["weights.safetensors"]
    return weights[8 : 8 + int.from_bytes(weights[:8], "little")]


def targets() -> tuple[Target, ...]:
    """The parsers of ours, each by the shortest way to it."""
    by_name = {target.name: target for target in DATA}
    plain = ("idx", "CIFAR python", "CIFAR binary", "mat", "pickle (X, y)", "CSV", "recipe", "search space", "Parquet")
    packed = ("npz", "mat, compressed", "tar", "zip")
    network, training = stored.network_files(), stored.training_files()
    return (
        *(by_name[name] for name in plain),
        *(_inside(by_name[name]) for name in packed),
        _part("checkpoint: state", "network", _file("state.json"), network["state.json"], stored.read_network),
        _part("checkpoint: header", "network", _with_header, _header(network), stored.read_network),
        _part("checkpoint: manifest", "network", _file("manifest.json"), network["manifest.json"], stored.read_network),
        _part("training: state", "training", _file("state.json"), training["state.json"], stored.read_training),
    )  # fmt: skip


@dataclasses.dataclass
class Found:
    """What a search through one parser came to."""

    name: str
    cases: int = 0
    refused: int = 0
    lines: int = 0  # of ours that were reached
    first_lines: int = 0  # by the good examples alone
    corpus: int = 0
    bad: list[str] = dataclasses.field(default_factory=list)


class Lines:
    """The lines of the package that run while this is on."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()

    def __enter__(self) -> Lines:
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if PACKAGE in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def search(target: Target, seconds: float, seed: int = 0) -> Found:
    """Change what is known for `seconds` of processor time, keeping what reaches something new."""
    found, rng, lines = Found(target.name), np.random.default_rng(seed), Lines()
    with scratch_folder() as scratch, warnings.catch_warnings():
        hook, corpus = Hook(Path(scratch)), list(examples(target))
        signal.signal(signal.SIGALRM, ring)
        warm_up((target,), Path(scratch))
        warnings.simplefilter("error")
        for data in corpus:
            with lines:
                outcome(target, data, Path(scratch), hook)
        found.first_lines, begun = len(lines.seen), time.process_time()
        while time.process_time() - begun < seconds:
            recent = corpus[-20:] if rng.random() < 0.5 else corpus
            data, other = (pool[int(rng.integers(len(pool)))] for pool in (recent, corpus))
            data = bytes(mutated(bytearray(data), rng, other, []))
            before = len(lines.seen)
            with lines:
                kind, detail = outcome(target, data, Path(scratch), hook)
            found.cases += 1
            found.refused += kind == "refused"
            if kind == "bad":
                found.bad.append(f"{target.name}: {detail[:600]}; input {data[:400]!r}")
            if len(lines.seen) > before and len(data) <= LONGEST:
                corpus.append(data)
    found.lines, found.corpus = len(lines.seen), len(corpus)
    return found


def by_atheris(target: Target, seconds: float) -> None:
    """The same by libFuzzer, which ends the process; a finding ends it with a traceback and the input in a file."""
    import atheris

    with scratch_folder() as scratch:
        hook = Hook(Path(scratch))
        signal.signal(signal.SIGALRM, ring)
        warm_up((target,), Path(scratch))
        for name, module in list(sys.modules.items()):
            if name.startswith("chainrule"):
                _instrument(atheris, module)
        corpus = Path(scratch) / "corpus"
        corpus.mkdir()
        for i, data in enumerate(examples(target)):
            (corpus / str(i)).write_bytes(data)

        def one(data: bytes) -> None:
            kind, detail = outcome(target, data, Path(scratch), hook)
            if kind == "bad":
                raise AssertionError(detail)

        limits = [f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], str(corpus), *limits], one)
        atheris.Fuzz()


def _instrument(atheris: Any, module: Any) -> None:
    """Coverage into every plain function of a module that is imported already."""
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) == module.__name__ and type(value).__name__ == "function":
            setattr(module, name, atheris.instrument_func(value))
