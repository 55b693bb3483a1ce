"""Good data files of every kind, small ones, from which the bad ones are made."""

from __future__ import annotations

import functools
import io
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from typing import Any

import numpy as np


@functools.cache
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "images": rng.integers(0, 256, (5, 4, 3), dtype=np.uint8),
        "colours": rng.integers(0, 256, (3, 3072), dtype=np.uint8),
        "labels": rng.integers(0, 10, 3),
        "X": rng.normal(size=(6, 4)),
        "y": np.array([0, 1, 2, 0, 1, 2]),
    }


def idx_files() -> list[bytes]:
    a = arrays()
    out = []
    for code, array in ((8, a["images"]), (0x0D, a["X"].astype(">f4")), (0x0B, a["y"].astype(">i2"))):
        head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        out.append(head + array.tobytes())
    return out


def cifar_pickles() -> list[bytes]:
    a = arrays()
    labels = [int(v) for v in a["labels"]]
    ten = {b"data": a["colours"], b"labels": labels, b"batch_label": b"one", b"filenames": [b"a", b"b", b"c"]}
    return [pickle.dumps(ten, protocol=protocol) for protocol in (2, 4, 5)]


def cifar_binary() -> list[bytes]:
    a = arrays()
    return [np.concatenate([a["labels"][:, None].astype(np.uint8), a["colours"]], axis=1).tobytes()]


def npz_files(compressed: bool) -> list[bytes]:
    a, out = arrays(), io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(out, X=a["X"], y=a["y"], F=np.asfortranarray(a["images"]))
    return [out.getvalue()]


def mat_element(kind: int, content: bytes, order: str) -> bytes:
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def mat_file(order: str = "<", compressed: bool = False) -> bytes:
    a = arrays()
    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")
    for name, array, class_, stored, code in (
        (b"X", a["X"], 6, 9, "f8"),
        (b"labels", a["y"][:, None], 6, 2, "u1"),
        (b"images", a["images"], 9, 2, "u1"),
    ):
        parts = mat_element(6, struct.pack(f"{order}II", class_, 0), order)
        parts += mat_element(5, struct.pack(f"{order}{array.ndim}i", *array.shape), order)
        small = struct.pack(f"{order}I", len(name) << 16 | 1) + name.ljust(4, b"\0")
        parts += small if len(name) <= 4 else mat_element(1, name, order)
        parts += mat_element(stored, array.astype(order + code).tobytes(order="F"), order)
        matrix = mat_element(14, parts, order)
        if compressed:
            packed = zlib.compress(matrix)
            matrix = struct.pack(f"{order}II", 15, len(packed)) + packed
        out += matrix
    return out


class Hostile:
    """What a malicious pickle holds: a call, made when it is loaded."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def pickles() -> list[bytes]:
    a = arrays()
    values: list[Any] = [
        (a["X"], a["y"]),
        {"X": a["X"], "y": a["y"].tolist()},
        {"X_train": a["X"], "y_train": a["y"], "X_test": a["X"], "y_test": a["y"]},
    ]
    out = [pickle.dumps(value, protocol=protocol) for protocol in range(6) for value in values]
    for protocol in (0, 2, 4):
        out.append(pickle.dumps((a["X"], Hostile(os.system, "touch canary")), protocol=protocol))
        out.append(pickle.dumps({"X": Hostile(eval, "open('canary', 'w')"), "y": a["y"]}, protocol=protocol))
    return out


def csv_files() -> list[bytes]:
    rows = "\n".join(f"{i},{i / 7:.4f},{'abc'[i % 3]}" for i in range(12))
    return [
        f"height,width,label\n{rows}\n".encode(),
        "\n".join(f"{i},{i * i},{i % 2}" for i in range(9)).encode(),
        b'a,"b ""c""",y\n1.5,2,x\n3,4,"y\nz"\n',
    ]


def members() -> list[tuple[str, bytes]]:
    return [
        ("set/a/1.bin", b"one" * 50),
        ("set/a/2.bin", bytes(600)),
        ("set/é/" + "n" * 60 + "/" + "m" * 60, b"three"),
        ("set/b", b""),
    ]


def tar_files() -> list[bytes]:
    out = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
            for name, content in members():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        out.append(stream.getvalue())
    return out


def zip_files() -> list[bytes]:
    out = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, content in members():
                archive.writestr(name, content)
        out.append(stream.getvalue())
    return out


def cifar_tars() -> list[bytes]:
    from chainrule.data.cifar10 import META, TEST, TRAIN

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in (*TRAIN, TEST, META):
            content = pickle.dumps({b"label_names": [b"c%d" % i for i in range(10)]}, 2)
            content = cifar_pickles()[0] if name != META else content
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return [stream.getvalue()]


def parquet_files() -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    a, out = arrays(), []
    table = pa.table({"height": a["X"][:, 0], "width": a["X"][:, 1], "count": a["y"], "y": ["a", "b", "c"] * 2})
    for codec in ("none", "snappy"):
        stream = io.BytesIO()
        parquet.write_table(table, stream, compression=codec)
        out.append(stream.getvalue())
    return out


def recipes() -> list[bytes]:
    from importlib import resources

    folder = resources.files("chainrule.recipes")
    names = ("digits-mlp.toml", "mnist-cnn-bn-dropout.toml", "search-digits.toml")
    found = [folder.joinpath(name).read_bytes() for name in names if folder.joinpath(name).is_file()]
    search = b"""[search]
strategy = "grid"
[search.spaces]
"train.batch_size" = "choice(50, 100)"
"train.optim_config.learning_rate" = "log(1e-4, 1e-1, 3)"
depth = "range(1, 3)"
[search.bind]
depth = "repeat(1, 2)"
"""
    return [*found, found[0] + search]


def spaces() -> list[bytes]:
    return [b"log(1e-5, 1e-1)", b"uniform(-1, 0.5, 7)", b"range(1, 10, 3)", b'choice(1, "a", {b = [2]}, [0.5, true])']
