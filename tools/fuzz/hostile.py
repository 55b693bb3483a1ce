"""Checkpoints made by hand to harm: each is declared once, with how it is made and what must be said of it.

Every one must be refused with `CheckpointError` (or what `error` names) and a message that matches `says`, within a
second and within 64 MB more memory than its files have bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import checkpoints as stored
from fuzz import folders, values
from fuzz.folders import Files

WEIGHTS, STATE, MANIFEST = "weights.safetensors", "state.json", "manifest.json"
LEFT = 64 << 20  # bytes of memory beyond the size of the files


@dataclasses.dataclass(frozen=True)
class Hostile:
    """One checkpoint: `make` writes it into a folder; `kind` says how it is read."""

    name: str
    make: Callable[[Path], None]
    says: str
    kind: str = "network"
    error: str = "CheckpointError"


# -- ways to make one -------------------------------------------------------------------------------------------------


def _good(kind: str = "network") -> Files:
    return dict({"network": stored.network_files, "training": stored.training_files, "run": stored.run_files}[kind]())


def with_state(change: Callable[[Any], Any], kind: str = "network") -> Callable[[Path], None]:
    """The state changed in place, or what `change` returns in its place; sums right."""

    def make(folder: Path) -> None:
        files = _good(kind)
        state = json.loads(files[STATE])
        other = change(state)
        _lay(stored.sealed({**files, STATE: values.dumps(state if other is None else other)}), folder)

    return make


def with_network(**entries: Any) -> Callable[[Path], None]:
    """Entries of the network's declaration replaced; sums right."""
    return with_state(lambda state: state["network"].update(entries))


def with_layer(layer: Any, at: int = 0) -> Callable[[Path], None]:
    return with_state(lambda state: state["network"]["layers"].__setitem__(at, layer))


def with_header(change: Callable[[Any], Any], kind: str = "network") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        files = _good(kind)

        def changed(header: Any) -> Any:
            other = change(header)
            return header if other is None else other

        _lay(stored.sealed({**files, WEIGHTS: stored.with_header(files[WEIGHTS], changed)}), folder)

    return make


def with_raw(name: str, content: Callable[[bytes], bytes], kind: str = "network", *, seal: bool = True) -> Any:
    """The bytes of one file replaced."""

    def make(folder: Path) -> None:
        files = _good(kind)
        files[name] = content(files[name])
        _lay(stored.sealed(files) if seal else files, folder)

    return make


def with_manifest(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        files = _good()
        manifest = json.loads(files[MANIFEST])
        other = change(manifest)
        _lay({**files, MANIFEST: values.dumps(manifest if other is None else other)}, folder)

    return make


def in_place_of(name: str, put: Callable[[Path], None], kind: str = "network") -> Callable[[Path], None]:
    """Something else than a file under the name of one."""

    def make(folder: Path) -> None:
        _lay(_good(kind), folder)
        (folder / name).unlink()
        put(folder / name)

    return make


def _lay(files: Files, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folders.write(files, folder)


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _sparse(size: int, *, declared: bool) -> Callable[[Path], None]:
    """A file of zeros that takes no room on the disk; where `declared`, manifest, header and network say its size."""

    def make(folder: Path) -> None:
        files = _good()
        state, manifest = json.loads(files[STATE]), json.loads(files[MANIFEST])
        side = math.isqrt(size // 4)
        header = values.dumps({"W1": {"dtype": "F32", "shape": [side, side], "data_offsets": [0, 4 * side * side]}})
        header += b" " * (-len(header) % 8)
        if declared:
            init = {"init": "Orthogonal"}
            layers = [{"layer": "Affine", "units": side, "bias": False, "init": init}]
            state["network"].update(layers=layers, input_shape=[side])
            files[STATE] = values.dumps(state)
        prefix = len(header).to_bytes(8, "little") + header
        whole = len(prefix) + 4 * side * side
        manifest["files"][STATE] = {"bytes": len(files[STATE]), "sha256": hashlib.sha256(files[STATE]).hexdigest()}
        manifest["files"][WEIGHTS] = {"bytes": whole, "sha256": "0" * 64}
        _lay({**files, WEIGHTS: prefix, MANIFEST: values.dumps(manifest)}, folder)
        os.truncate(folder / WEIGHTS, whole)

    return make


def _huge_state(size: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _lay(_good(), folder)
        os.truncate(folder / STATE, size)

    return make


def _nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> Callable[[bytes], bytes]:
    return lambda _: b'{"network": ' + opening * depth + b"1" + closing * depth + b"}"


def _tree(depth: int) -> Any:
    """Blocks in blocks, two in each."""
    if depth == 0:
        return {"layer": "Affine", "units": 4}
    return {"layer": "Residual", "body": [_tree(depth - 1)], "shortcut": [_tree(depth - 1)]}


def _chain(depth: int) -> Any:
    layer: Any = {"layer": "Affine", "units": 4}
    for _ in range(depth):
        layer = {"layer": "Residual", "body": [layer]}
    return layer


def _repeat_key(key: str) -> Callable[[bytes], bytes]:
    """A second entry under the name of the first one."""
    return lambda text: text[:1] + f'"{key}": {{}}, '.encode() + text[1:]


def _header_bytes(header: bytes) -> Callable[[bytes], bytes]:
    return lambda weights: len(header).to_bytes(8, "little") + header


def _offsets(name: str, begin: int, end: int) -> Callable[[Any], None]:
    return lambda header: header[name].update(data_offsets=[begin, end])


def _tensor(name: str, **entries: Any) -> Callable[[Any], None]:
    return lambda header: header[name].update(entries)


def _named(name: str) -> Callable[[Any], Any]:
    return lambda header: {name if n == "W1" else n: t for n, t in header.items()}


def _history(**entries: Any) -> Callable[[Path], None]:
    return with_state(lambda state: state["history"].update(entries), "training")


def _top(kind: str = "training", **entries: Any) -> Callable[[Path], None]:
    return with_state(lambda state: state.update(entries), kind)


def _zip_of(weights: bytes) -> bytes:
    return b"PK\x03\x04" + weights


def _pickle(_: bytes) -> bytes:
    return b"cos\nsystem\n(S'touch canary'\ntR."


def _lists_named_often(state: Any) -> None:
    state["extra"] = {str(i): {"tensor": "list.0"} for i in range(1000)}


def _growing(folder: Path) -> None:
    """A file that another process writes to while it is read: half of it is there when it is opened."""
    files = _good()
    _lay(files, folder)
    content, ready = files[WEIGHTS], threading.Event()

    def grow() -> None:
        with open(folder / WEIGHTS, "wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            ready.set()
            for byte in content[len(content) // 2 :] * 3:
                file.write(bytes([byte]))

    threading.Thread(target=grow, daemon=True).start()
    ready.wait()


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero
    except OSError:  # without the right to make one
        os.mkfifo(path)


def _damaged_row(kind: str, name: str, content: Callable[[bytes], bytes]) -> Any:
    return with_raw(name, content, kind, seal=False)


_W1 = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}
_BIG = {"layer": "Affine", "units": 10**12}

HOSTILE: tuple[Hostile, ...] = (
    # what lies under the names
    Hostile("weights are a pipe", in_place_of(WEIGHTS, os.mkfifo), "not a regular file"),
    Hostile("state is a pipe", in_place_of(STATE, os.mkfifo), "not a regular file"),
    Hostile("manifest is a pipe", in_place_of(MANIFEST, os.mkfifo), "not a regular file"),
    Hostile("weights are a folder", in_place_of(WEIGHTS, os.mkdir), "not a regular file"),
    Hostile("manifest is a folder", in_place_of(MANIFEST, os.mkdir), "not a regular file"),
    Hostile("weights are a device", in_place_of(WEIGHTS, _device), "not a regular file"),
    Hostile("state is a socket", in_place_of(STATE, _socket), "not a regular file"),
    Hostile("weights link to /dev/zero", in_place_of(WEIGHTS, _endless), "not a regular file"),
    Hostile("manifest links to /dev/zero", in_place_of(MANIFEST, _endless), "not a regular file"),
    Hostile("state links to a secret", in_place_of(STATE, _link_to("/etc/passwd")), "not a regular file"),
    Hostile("weights link to themselves", in_place_of(WEIGHTS, _link_to(WEIGHTS)), "not a regular file"),
    Hostile("weights link nowhere", in_place_of(WEIGHTS, _link_to("gone")), "not a regular file"),
    Hostile("weights are missing", in_place_of(WEIGHTS, lambda path: None), "No such file"),
    Hostile("weights grow while they are read", _growing, "the manifest says|SHA-256"),
    Hostile("an empty folder", lambda folder: folder.mkdir(), "manifest.json: cannot be read: No such file"),
    # sizes
    Hostile("1 TB of zeros as weights", _sparse(1 << 40, declared=False), "expected tensors|none named"),
    Hostile("1 TB of zeros, declared by all", _sparse(1 << 40, declared=True), "must fit in memory"),
    Hostile("1 TB of zeros as state", _huge_state(1 << 40), "must be at most 16777216 bytes"),
    Hostile("a manifest of 100 MB", with_raw(MANIFEST, lambda m: m + b" " * (100 << 20), seal=False), "at most 65536"),
    Hostile("12 MB of empty lists", with_raw(STATE, lambda s: b'{"a": [' + b"[]," * (4 << 20) + b"0]}"), "memory"),
    Hostile("14 MB of small numbers", with_raw(STATE, lambda s: b'{"a": [' + b"7," * (7 << 20) + b"0]}"), "memory"),
    Hostile("8 MB of tables", with_raw(STATE, lambda s: b'{"a": [' + b'{"b":0},' * (1 << 20) + b"0]}"), "memory"),
    Hostile(
        "16 MB of one wide letter",
        with_raw(STATE, lambda s: b'{"a": "' + "𝕏".encode() * (4 << 20) + b'"}'),
        "memory|at most",
    ),
    Hostile(
        "a header of 1 TB", with_raw(WEIGHTS, lambda w: struct.pack("<Q", 1 << 40) + w[8:]), "its header must have"
    ),
    Hostile("a header of 2⁶⁴ bytes", with_raw(WEIGHTS, lambda w: b"\xff" * 8 + w[8:]), "its header must have"),
    Hostile("a header longer than its file", with_raw(WEIGHTS, lambda w: struct.pack("<Q", len(w)) + w[8:]), "header"),
    Hostile("weights of 7 bytes", with_raw(WEIGHTS, lambda w: w[:7], seal=False), "the manifest says"),
    Hostile("no weights at all", with_raw(WEIGHTS, lambda w: b""), "not a safetensors file"),
    # the manifest
    Hostile("a newer format", with_manifest(lambda m: m.update(format=4)), "format must be 1, 2 or 3, got 4"),
    Hostile("the format is true", with_manifest(lambda m: m.update(format=True)), "format must be"),
    Hostile("the format is a list", with_manifest(lambda m: m.update(format=[3])), "format must be"),
    Hostile(
        "files elsewhere", with_manifest(lambda m: m.update(files={"../../etc/passwd": {}, STATE: {}})), "files must"
    ),
    Hostile("a size below zero", with_manifest(lambda m: m["files"][WEIGHTS].update(bytes=-1)), "says -1 bytes"),
    Hostile(
        "a size that is a text", with_manifest(lambda m: m["files"][WEIGHTS].update(bytes="9")), "an integer and a text"
    ),
    Hostile(
        "a sum that is a number", with_manifest(lambda m: m["files"][STATE].update(sha256=7)), "an integer and a text"
    ),
    Hostile("a sum of other weights", with_manifest(lambda m: m["files"][WEIGHTS].update(sha256="0" * 64)), "SHA-256"),
    Hostile("a key twice in the manifest", with_raw(MANIFEST, _repeat_key("format"), seal=False), "stands twice"),
    Hostile("a manifest 60,000 deep", with_raw(MANIFEST, lambda m: b"[" * 60_000, seal=False), "not JSON|memory"),
    Hostile("a manifest in UTF-16", with_raw(MANIFEST, lambda m: m.decode().encode("utf-16"), seal=False), "not JSON"),
    # the state
    Hostile("a state 10,000 deep", with_raw(STATE, _nested(10_000)), "not JSON"),
    Hostile("a state 500 deep", with_raw(STATE, _nested(500)), "nested 128 deep"),
    Hostile("a key twice in the state", with_raw(STATE, _repeat_key("network")), "stands twice"),
    Hostile(
        "an integer of 5,000 digits", with_raw(STATE, lambda s: b'{"network": ' + b"9" * 5000 + b"}"), "5000 digits"
    ),
    Hostile("a pickle as state", with_raw(STATE, _pickle), "not JSON"),
    Hostile("a list as state", with_raw(STATE, lambda s: b"[]"), "must hold an object"),
    Hostile("no network", with_state(lambda s: s.pop("network")), "config must be a table"),
    Hostile("extra is a list", with_state(lambda s: s.update(extra=[1])), "extra must be a table"),
    Hostile("one list named 1,000 times", with_state(_lists_named_often), "stands elsewhere too"),
    Hostile("a list that is not there", with_state(lambda s: s.update(extra={"a": {"tensor": "list.9"}})), "list.9"),
    Hostile("weights as a list", with_state(lambda s: s.update(extra={"a": {"tensor": "W1"}})), "not there"),
    Hostile(
        "columns of two lengths", with_state(lambda s: s.update(extra={"columns": {"a": [1], "b": []}})), "one length"
    ),
    # the network that it declares
    Hostile("10¹² units", with_layer(_BIG, 5), r"expected tensors W3 of shape \(4, 1000000000000\)"),
    Hostile(
        "10¹² units, and the header says so", with_header(_tensor("W1", shape=[4, 10**12])), "does not fill its bytes"
    ),
    Hostile("units of 40 digits", with_layer({"layer": "Affine", "units": 10**40}), "41 digits"),
    Hostile(
        "units of 19 digits twice", with_network(layers=[{"layer": "Affine", "units": 10**18}] * 2), "expected tensors"
    ),
    Hostile("units below zero", with_layer({"layer": "Affine", "units": -4}), "units must be an integer >= 1"),
    Hostile("units are NaN", with_layer({"layer": "Affine", "units": math.nan}), "units"),
    Hostile("a rate of NaN", with_layer({"layer": "Dropout", "rate": math.nan}, 3), "rate"),
    Hostile("a rate of 10³⁰⁸", with_layer({"layer": "Dropout", "rate": 1e308}, 3), "rate"),
    Hostile("an unknown layer", with_layer({"layer": "os.system", "command": "touch canary"}), "unknown layer"),
    Hostile("a layer's name of 3 MB", with_layer({"layer": "A" * (3 << 20)}), "unknown layer 'AAAA"),
    Hostile("an unknown field", with_layer({"layer": "Affine", "units": 4, "__class__": "x"}), "unknown field"),
    Hostile("layers 33 deep", with_layer(_chain(33)), "nested 32 deep|nested 128 deep"),
    Hostile("8,192 blocks, two in each", with_layer(_tree(12)), "at most 10000 layers"),
    Hostile("500,000 layers", with_network(layers=["ReLU"] * 500_000), "at most 10000 layers"),
    Hostile("no layers", with_network(layers=[]), "at least one layer"),
    Hostile(
        "a kernel larger than the image", with_layer({"layer": "Conv2D", "filters": 1, "kernel": 10**9}), "axes|window"
    ),
    Hostile("an input of 10¹⁸", with_network(input_shape=[10**18]), "expected tensors"),
    Hostile("an input of no size", with_network(input_shape=[0]), "input_shape must be an integer >= 1"),
    Hostile("a dtype of objects", with_network(dtype="O"), "dtype must be one of"),
    Hostile("a dtype that is a table", with_network(dtype={"names": ["a"], "formats": ["O"]}), "dtype must be one of"),
    Hostile("a dtype of 10⁹ numbers", with_network(dtype="(1000000000,)f4"), "dtype must be one of"),
    Hostile("a seed of 2⁶⁴", with_network(seed=2**64), "seed must be"),
    Hostile("regularisation of infinity", with_network(reg=math.inf), "reg must be"),
    Hostile("a loss that is a path", with_network(loss="../../loss.py"), "unknown loss"),
    # the header of the weights
    Hostile("tensors that overlap", with_header(_offsets("b1", 0, 16)), "must begin at byte|end at byte"),
    Hostile(
        "a gap between tensors",
        with_header(lambda h: {n: t for n, t in h.items() if n != "W1"}),
        "must begin at byte|end at byte",
    ),
    Hostile("offsets reversed", with_header(_offsets("W1", 64, 0)), "does not fill its bytes"),
    Hostile("offsets of 2⁶³", with_header(_offsets("W1", 2**63, 2**63 + 64)), "must begin at byte|end at byte"),
    Hostile("an offset below zero", with_header(_offsets("W1", -64, 0)), "integers >= 0"),
    Hostile("a shape of 10⁹ sizes of one", with_header(_tensor("W1", shape=[1] * 200_000)), "a shape and two offsets"),
    Hostile("a size of zero hides 10¹⁸", with_header(_tensor("W1", shape=[0, 10**18])), "does not fill its bytes"),
    Hostile("a shape of floats", with_header(_tensor("W1", shape=[4.0, 4])), "integers >= 0"),
    Hostile("a dtype of no kind", with_header(_tensor("W1", dtype="F128")), "must have a dtype of"),
    Hostile("a dtype of bfloat16", with_header(_tensor("W1", dtype="BF16", shape=[8, 4])), "must have a dtype of"),
    Hostile("another dtype of the same size", with_header(_tensor("W1", dtype="I32")), "dtype float32"),
    Hostile("a name with a path", with_header(_named("../../W1")), "none named 'W1'"),
    Hostile("a name with a null", with_header(_named("W1\0")), "none named 'W1'"),
    Hostile("a name of 1 MB", with_header(_named("W" * (1 << 20))), "none named 'W1'"),
    Hostile(
        "a stranger among the tensors",
        with_raw(
            WEIGHTS,
            _header_bytes(
                values.dumps({"W1": _W1, "evil": {"dtype": "F32", "shape": [0], "data_offsets": [64, 64]}}) + b" " * 64
            ),
        ),
        "end at byte|none named",
    ),
    Hostile("a tensor twice", with_raw(WEIGHTS, _header_bytes(b'{"W1": {}, "W1": {}}')), "stands twice"),
    Hostile("a tensor that is a number", with_header(lambda h: h.update(W1=7)), "must declare"),
    Hostile("a header 10,000 deep", with_raw(WEIGHTS, _header_bytes(b'{"W1": ' + b"[" * 10_000)), "not JSON"),
    Hostile("a zip archive as weights", with_raw(WEIGHTS, _zip_of), "its header must have"),
    Hostile("a pickle as weights", with_raw(WEIGHTS, _pickle), "its header must have"),
    # training
    Hostile("a step of 2⁶³", _top(step_number=2**63), "a counter must be", "training"),
    Hostile("an epoch below zero", _top(epoch=-1), "a counter must be", "training"),
    Hostile("a score that is a list", _top(best_val_acc=[1]), "a score must be", "training"),
    Hostile("an engine of 1 MB that is a list", _top(engine=["x" * (1 << 20)]), "engine must be a text", "training"),
    Hostile(
        "no history", with_state(lambda s: s.pop("history"), "training"), "not the state of a training run", "training"
    ),
    Hostile("losses of texts", _history(loss_history=["0.5"]), "Expected `float`", "training"),
    Hostile(
        "losses that are a table", _history(loss_history={"columns": {"a": [1.0]}}), "Expected `array`", "training"
    ),
    Hostile("epochs with a stranger", _history(epochs=[{"epoch": 1, "system": "rm"}]), "has no 'system'", "training"),
    Hostile(
        "options of another run",
        with_state(lambda s: s["options"].update(seed=5), "training"),
        "saved with seed 5",
        "training",
    ),
    Hostile(
        "a network's checkpoint", lambda folder: _lay(_good(), folder), "not the state of a training run", "training"
    ),
    Hostile(
        "a slot under another name",
        with_header(lambda h: {n.replace("slot", "slut"): t for n, t in h.items()}, "training"),
        "the state must hold",
        "training",
    ),
    Hostile(
        "a tensor of no part",
        with_header(lambda h: {n.replace("best.W1", "W1"): t for n, t in h.items()}, "training"),
        "belongs to no part",
        "training",
    ),
    # whole runs
    Hostile(
        "a run whose results were edited",
        _damaged_row("run", "results.json", lambda r: r.replace(b"0", b"1", 1)),
        "results.json: its SHA-256",
        "run",
    ),
    Hostile(
        "a run whose history was edited",
        _damaged_row("run", "history.json", lambda r: r.replace(b"0", b"1", 1)),
        "history.json: its SHA-256",
        "run",
    ),
    Hostile(
        "a run whose recipe was edited",
        _damaged_row("run", "recipe.toml", lambda r: r.replace(b"seed = 0", b"seed = 1")),
        "recipe.toml: its SHA-256",
        "run",
    ),
    Hostile(
        "a run with a checkpoint of another",
        lambda folder: _lay({**_good("run"), **{f"checkpoint/{n}": c for n, c in _good().items()}}, folder),
        "not the checkpoint of a run",
        "run",
    ),
    Hostile(
        "a run whose results are a pipe", in_place_of("results.json", os.mkfifo, "run"), "not a regular file", "run"
    ),
    Hostile(
        "a run whose history links away",
        in_place_of("history.json", _link_to("/etc/passwd"), "run"),
        "not a regular",
        "run",
    ),
)


def read(kind: str, folder: Path) -> Any:
    """As a user would."""
    return {"network": stored.read_network, "training": stored.read_training, "run": stored.read_run}[kind](folder)


def size_of(folder: Path) -> int:
    """The bytes that the files of a folder take on the disk: those of a hole take none."""
    return sum(min(p.lstat().st_size, 512 * p.lstat().st_blocks) for p in folder.rglob("*") if p.is_file())
