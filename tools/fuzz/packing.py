"""Packing again, so that a change inside gets past the checksums outside."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable


def with_right_sums(data: bytes) -> bytes:
    """A tar archive with the sums of its headers made right; what is a header is seen from the magic."""
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


def unzipped(data: bytes) -> bytes:
    """The members of a zip archive, one after the other, each behind its name and length."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name.encode(), archive.read(name)) for name in archive.namelist()]
    return b"".join(struct.pack("<HI", len(name), len(body)) + name + body for name, body in parts)


def zipped(data: bytes) -> bytes:
    stream, at = io.BytesIO(), 0
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice is meant
        while at + 6 <= len(data):
            n, length = struct.unpack("<HI", data[at : at + 6])
            name, body = data[at + 6 : at + 6 + n], data[at + 6 + n : at + 6 + n + length]
            archive.writestr(zipfile.ZipInfo(name.decode("latin-1").encode("ascii", "replace").decode()), body)
            at += 6 + n + length
    return stream.getvalue()


def mat_unpacked(data: bytes) -> bytes:
    out, at = data[:128], 128
    while at + 8 <= len(data):
        _, length = struct.unpack("<II", data[at : at + 8])
        out += zlib.decompress(data[at + 8 : at + 8 + length])
        at += 8 + length
    return out


def mat_packed(data: bytes) -> bytes:
    out, at = data[:128], 128
    while at + 8 <= len(data):
        length = min(struct.unpack("<I", data[at + 4 : at + 8])[0], len(data))
        packed = zlib.compress(data[at : at + 8 + length], 1)
        out += struct.pack("<II", 15, len(packed)) + packed
        at += 8 + length
    return out


def gunzipped(data: bytes) -> bytes:
    return gzip.decompress(data)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def packed_all(pack: Callable[[bytes], bytes], files: Callable[[], list[bytes]]) -> Callable[[], list[bytes]]:
    return lambda: [pack(data) for data in files()]
