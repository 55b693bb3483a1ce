"""Archives: what tarfile and zipfile read is read alike; every hostile one is refused, and nothing lands outside."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import archives
from chainrule.data.archives import extract, is_archive, iterate_members
from chainrule.data.member_names import name_fault, windows_fault
from chainrule.errors import ConfigError, DataError, DTypeError

FILES = {"a/1.png": b"one" * 400, "a/2.png": b"", "b/é.txt": bytes(512), "c/" + "d" * 90 + "/" + "e" * 90: b"long"}


def tar_bytes(members, mode="w", form=tarfile.PAX_FORMAT):
    """An archive of (name, content) pairs; a function in place of the content changes the header."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            data = b"" if callable(content) else content
            info.size = len(data)
            if callable(content):
                content(info)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_bytes(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, method
            data = b"" if callable(content) else content
            if callable(content):
                content(info)
            archive.writestr(info, data)
    return out.getvalue()


def of_kind(kind: bytes, link: str = "") -> Callable[[tarfile.TarInfo], None]:
    def change(info):
        info.type, info.linkname = kind, link

    return change


def of_mode(mode: int) -> Callable[[zipfile.ZipInfo], None]:
    def change(info):
        info.create_system, info.external_attr = 3, mode << 16

    return change


def header(name=b"a", size=b"00000000000\0", kind=b"0", magic=b"ustar\00000", total=None):
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[124:136], block[156:157], block[257:265] = b"0000644\0", size, kind, magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block) if total is None else total
    return bytes(block)


def pax(*records: bytes) -> bytes:
    data = b"".join(records)
    return header(b"pax", b"%011o\0" % len(data), b"x") + data + bytes(-len(data) % 512)


END = bytes(1024)
HELLO = [("ok", b"hello")]


def forged_zip(change: Callable[[bytearray], None], members=HELLO, method=zipfile.ZIP_STORED) -> bytes:
    data = bytearray(zip_bytes(members, method))
    change(data)
    return bytes(data)


def set_at(marker: bytes, offset: int, value: bytes) -> Callable[[bytearray], None]:
    def change(data):
        start = data.index(marker) + offset
        data[start : start + len(value)] = value

    return change


def both(*changes):
    def change(data):
        for one in changes:
            one(data)

    return change


def big_dictionary_xz() -> bytes:
    """An xz stream that declares a dictionary of 1.5 GiB, more than is allowed."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1536 << 20}]
    try:
        return lzma.compress(tar_bytes(HELLO), format=lzma.FORMAT_XZ, filters=filters)
    except (MemoryError, lzma.LZMAError):
        pytest.skip("no memory to write such a stream")


ZEROS = bytes(1 << 20)

#: name of the case, the archive, words of the error
HOSTILE: list[tuple[str, Callable[[], bytes], str]] = [
    # -- names that lead elsewhere
    ("tar parent", lambda: tar_bytes([*HELLO, ("../out", b"x")]), "leads to a folder above"),
    ("tar parent inside", lambda: tar_bytes([*HELLO, ("a/../../out", b"x")]), "leads to a folder above"),
    ("tar parent at the end", lambda: tar_bytes([*HELLO, ("a/..", b"x")]), "leads to a folder above"),
    ("tar parent folder", lambda: tar_bytes([*HELLO, ("../d", of_kind(b"5"))]), "leads to a folder above"),
    ("tar absolute", lambda: header(b"/tmp/out") + END, "is absolute"),
    ("tar absolute by pax", lambda: pax(b"18 path=/tmp/outt\n") + header() + END, "is absolute"),
    ("tar absolute by prefix", lambda: tar_bytes([("//x", b"")]), "is absolute"),
    ("tar drive", lambda: tar_bytes([("C:/out", b"x")]), "is absolute"),
    ("tar drive without slash", lambda: tar_bytes([("c:out", b"x")]), "is absolute"),
    ("tar backslash", lambda: tar_bytes([("a\\..\\..\\out", b"x")]), "backslash"),
    ("zip parent", lambda: zip_bytes([*HELLO, ("../out", b"x")]), "leads to a folder above"),
    ("zip absolute", lambda: zip_bytes([("/tmp/out", b"x")]), "is absolute"),
    ("zip drive", lambda: zip_bytes([("D:/out", b"x")]), "is absolute"),
    ("zip backslash", lambda: zip_bytes([("..\\out", b"x")]), "backslash"),
    ("zip network path", lambda: zip_bytes([("\\\\host\\out", b"x")]), "backslash"),
    # -- names that break something
    ("tar empty name", lambda: header(b"") + END, "is empty"),
    ("tar name is a dot", lambda: header(b".") + END, "names no file"),
    ("tar NUL by pax", lambda: pax(b"14 path=a\0bcd\n") + header() + END, "control character"),
    ("tar line feed", lambda: tar_bytes([("a\nb", b"x")]), "control character"),
    ("tar escape sequence", lambda: tar_bytes([("\x1b[2J", b"x")]), "control character"),
    ("tar turned text", lambda: tar_bytes([("a\u202egnp.exe", b"x")]), "direction of writing"),
    ("tar not UTF-8", lambda: header(b"\xff\xfe") + END, "not UTF-8"),
    ("tar part too long", lambda: tar_bytes([("a" * 256, b"x")]), "longer than 255"),
    ("tar path too long", lambda: tar_bytes([("/".join(["a" * 200] * 6), b"x")]), "longer than 1024"),
    ("tar too deep", lambda: tar_bytes([("a/" * 70 + "b", b"x")]), "64 folders"),
    ("zip NUL", lambda: forged_zip(lambda d: d.__setitem__(slice(0, len(d)), d.replace(b"ok", b"o\0"))), "control"),
    ("zip empty name", lambda: zip_bytes([("", b"x")]), "is empty"),
    # -- links and devices
    ("tar symbolic link", lambda: tar_bytes([("a", of_kind(tarfile.SYMTYPE, "/etc/passwd"))]), "a symbolic link"),
    (
        "tar through a link",
        lambda: tar_bytes([("a", of_kind(tarfile.SYMTYPE, "/tmp")), ("a/out", b"x")]),
        "a symbolic link",
    ),
    ("tar hard link", lambda: tar_bytes([("a", of_kind(tarfile.LNKTYPE, "/etc/passwd"))]), "a hard link"),
    ("tar character device", lambda: tar_bytes([("a", of_kind(tarfile.CHRTYPE))]), "a character device"),
    ("tar block device", lambda: tar_bytes([("a", of_kind(tarfile.BLKTYPE))]), "a block device"),
    ("tar pipe", lambda: tar_bytes([("a", of_kind(tarfile.FIFOTYPE))]), "a named pipe"),
    ("tar sparse", lambda: header(b"a", kind=b"S") + END, "a sparse file"),
    ("tar sparse by pax", lambda: pax(b"22 GNU.sparse.major=1\n") + header() + END, "a sparse file"),
    ("tar unknown kind", lambda: header(b"a", kind=b"V") + END, "unknown kind"),
    ("zip symbolic link", lambda: zip_bytes([("a", of_mode(stat.S_IFLNK | 0o777))]), "a symbolic link"),
    ("zip device", lambda: zip_bytes([("a", of_mode(stat.S_IFCHR | 0o600))]), "a device, pipe or socket"),
    ("zip pipe", lambda: zip_bytes([("a", of_mode(stat.S_IFIFO | 0o600))]), "a device, pipe or socket"),
    # -- two members for one file
    ("tar twice", lambda: tar_bytes([("a", b"x"), ("a", b"y")]), "twice"),
    ("tar twice by dots", lambda: tar_bytes([("a/b", b"x"), ("./a//b", b"y")]), "twice"),
    ("tar case", lambda: tar_bytes([("a/B", b"x"), ("A/b", b"y")]), "twice"),
    ("tar accents", lambda: tar_bytes([("\u00e9", b"x"), ("e\u0301", b"y")]), "twice"),
    ("tar file as folder", lambda: tar_bytes([("a", b"x"), ("a/b", b"y")]), "below a member that is a file"),
    ("tar folder as file", lambda: tar_bytes([("a/b", b"x"), ("a", b"y")]), "twice"),
    ("zip case", lambda: zip_bytes([("a", b"x"), ("A", b"y")]), "twice"),
    # -- bombs
    ("gzip bomb", lambda: gzip.compress(tar_bytes([("a", ZEROS * 40)])), "a bomb"),
    ("xz bomb", lambda: lzma.compress(tar_bytes([("a", ZEROS * 40)]), preset=0), "a bomb"),
    ("zip bomb", lambda: zip_bytes([("a", ZEROS * 40)]), "a bomb"),
    ("zip bomb in pieces", lambda: zip_bytes([(f"{i}", ZEROS) for i in range(40)]), "a bomb"),
    ("bomb after the end", lambda: gzip.compress(tar_bytes(HELLO) + ZEROS * 40), "a bomb"),
    ("tar member of 8 EiB", lambda: header(b"a", b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7) + END, "more than"),
    ("tar size by pax", lambda: pax(b"27 size=999999999999999999\n") + header() + END, "more than"),
    ("tar size below zero", lambda: pax(b"11 size=-5\n") + header() + END, "the size '-5'"),
    ("tar pax of 8 GiB", lambda: header(b"p", b"77777777777\0", b"x") + END, "an extended header of"),
    ("tar long name of 8 GiB", lambda: header(b"p", b"77777777777\0", b"L") + END, "an extended header of"),
    ("tar headers without end", lambda: pax(b"10 path=a\n") * 20 + header() + END, "extended headers in a row"),
    ("tar global path", lambda: pax(b"10 path=a\n").replace(b"x", b"g", 1) + header() + END, "sum is wrong|global"),
    ("xz dictionary", big_dictionary_xz, "[Mm]emory"),
    ("zip declares less", lambda: forged_zip(both(set_at(b"PK\1\2", 24, struct.pack("<I", 2)))), "damage|bytes in"),
    (
        "zip declares more",
        lambda: forged_zip(set_at(b"PK\1\2", 24, struct.pack("<I", 200 << 20)), method=zipfile.ZIP_DEFLATED),
        "damage|bytes in",
    ),
    # -- damage
    ("empty", lambda: b"", "cut short"),
    ("text", lambda: b"no archive at all" * 100, "sum is wrong"),
    ("tar without end", lambda: tar_bytes(HELLO)[:1024], "cut short"),
    ("tar cut in content", lambda: tar_bytes([("a", bytes(5000))])[:2000], "an end inside of"),
    ("tar cut in header", lambda: tar_bytes(HELLO)[:700], "an end"),
    ("tar wrong sum", lambda: header(total=b"000001\0 ") + END, "sum is wrong"),
    ("tar second header damaged", lambda: header() + header(b"b", total=b"000001\0 ") + END, "sum is wrong"),
    ("tar size is no number", lambda: header(size=b"0000009z000\0") + END, "whose size"),
    ("tar pax without member", lambda: pax(b"10 path=a\n") + END, "without a member"),
    ("tar pax damaged", lambda: pax(b"99 path=a\n") + header() + END, "damaged pax header"),
    ("gzip cut", lambda: gzip.compress(tar_bytes([("a", np.random.default_rng(0).bytes(9000))]))[:4000], "end"),
    ("gzip sum", lambda: gzip.compress(tar_bytes(HELLO))[:-8] + bytes(8), "CRC"),
    ("xz cut", lambda: lzma.compress(tar_bytes(HELLO))[:-20], "end of the file|[Cc]ompressed|[Cc]orrupt"),
    ("zip cut", lambda: zip_bytes(HELLO)[:-10], "cut short|damaged"),
    ("zip content", lambda: forged_zip(set_at(b"hello", 0, b"jello")), "CRC"),
    ("zip names differ", lambda: forged_zip(set_at(b"ok", 0, b"no")), "differ"),
    ("zip encrypted", lambda: forged_zip(both(set_at(b"PK\1\2", 8, b"\1"), set_at(b"PK\3\4", 6, b"\1"))), "encrypted"),
    ("zip by method 99", lambda: forged_zip(set_at(b"PK\1\2", 10, b"\x63\0")), "method 99"),
    ("zip directory elsewhere", lambda: forged_zip(set_at(b"PK\5\6", 16, b"\xff\xff\xff\x7f")), "damage"),
]


@pytest.mark.parametrize(("make", "words"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile_archives_write_nothing_and_say_why(tmp_path, make, words):
    place = tmp_path / "place"
    place.mkdir()
    archive = place / "evil.bin"
    archive.write_bytes(make())
    with pytest.raises(DataError, match=words) as caught:
        extract(archive, place / "out")
    assert "evil.bin" in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert os.listdir(place) == ["evil.bin"]
    assert os.listdir(tmp_path) == ["place"]
    assert not Path("/tmp/out").exists()


def test_there_are_forty_hostile_archives():
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_tar_is_read_as_tarfile_reads_it(tmp_path, form, mode):
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_bytes([("a", of_kind(b"5")), *FILES.items()], mode, form))
    with tarfile.open(archive) as tar:
        expected = {m.name: tar.extractfile(m).read() for m in tar if m.isreg()}
    assert expected == FILES
    assert {m.name: m.data for m in iterate_members(archive)} == FILES
    assert is_archive(archive)
    assert extract(archive, tmp_path / "out") == len(FILES)
    assert {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in files_below(tmp_path / "out")} == FILES


def files_below(folder):
    return [p for p in folder.rglob("*") if p.is_file()]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip_is_read_as_zipfile_reads_it(tmp_path, method):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_bytes([("a/", b""), *FILES.items()], method))
    assert {m.name: m.data for m in iterate_members(archive)} == FILES
    assert is_archive(archive)
    assert extract(archive, tmp_path / "out") == len(FILES)


def test_large_numbers_and_old_tars(tmp_path):
    base256 = header(b"x", b"\x80" + (5).to_bytes(11, "big")) + b"hello".ljust(512, b"\0")
    old = header(b"folder/", magic=bytes(8)) + header(b"folder/y", b"          3 ", kind=b"\0", magic=bytes(8))
    (tmp_path / "a.tar").write_bytes(base256 + old + b"abc".ljust(512, b"\0") + END)
    assert [(m.name, m.data) for m in iterate_members(tmp_path / "a.tar")] == [("x", b"hello"), ("folder/y", b"abc")]


def test_sums_of_signed_bytes_as_old_tars_have_them(tmp_path):
    name = "é.txt".encode()
    plain = header(name)
    signed = sum(byte - 256 * (byte > 127) for byte in plain[:148] + b" " * 8 + plain[156:])
    assert signed > 0
    (tmp_path / "a.tar").write_bytes(header(name, total=b"%06o\0 " % signed) + END)
    assert [m.name for m in iterate_members(tmp_path / "a.tar")] == ["é.txt"]


def test_several_packed_streams_in_one_file(tmp_path):
    data = tar_bytes(FILES.items())
    for pack in (gzip.compress, lzma.compress):
        (tmp_path / "a").write_bytes(pack(data[:1000]) + pack(data[1000:]))
        assert {m.name: m.data for m in iterate_members(tmp_path / "a")} == FILES
    (tmp_path / "a").write_bytes(lzma.compress(data) + bytes(8))
    assert len(list(iterate_members(tmp_path / "a"))) == len(FILES)


def test_unwanted_members_are_passed_over_but_checked(tmp_path):
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_bytes(FILES.items()))
    assert [m.name for m in iterate_members(archive, wanted=lambda name: name.endswith(".txt"))] == ["b/é.txt"]
    assert extract(archive, tmp_path / "out", wanted=lambda name: name.startswith("a/")) == 2
    archive.write_bytes(tar_bytes([*FILES.items(), ("../x", b"")]))
    with pytest.raises(DataError, match="folder above"):
        list(iterate_members(archive, wanted=lambda name: False))


def test_names_that_differ_in_case_are_fine_in_memory(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_bytes([("a/1", b"x"), ("A/1", b"y")]))
    assert [m.data for m in iterate_members(tmp_path / "a.tar")] == [b"x", b"y"]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_files": 3}, "more than 3 members"),
        ({"max_member_bytes": 1000}, "1200 bytes in 'a/1.png', more than 1000"),
        ({"max_bytes": 1500}, r"more than 1500 bytes in its members up to 'b/é.txt' \(max_bytes\)"),
    ],
)
@pytest.mark.parametrize("pack", [tar_bytes, zip_bytes])
def test_caps(tmp_path, pack, limit, words):
    (tmp_path / "a").write_bytes(pack(FILES.items()))
    with pytest.raises(DataError, match=words):
        list(iterate_members(tmp_path / "a", **limit))
    with pytest.raises(DataError, match=words):
        extract(tmp_path / "a", tmp_path / "out", **limit)
    assert os.listdir(tmp_path) == ["a"]


def test_the_ratio_can_be_raised(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(tar_bytes([("a", ZEROS * 40)])))
    with pytest.raises(DataError, match="a bomb: more than 250 times"):
        list(iterate_members(tmp_path / "a"))
    assert len(next(iterate_members(tmp_path / "a", max_ratio=2000)).data) == 40 << 20


def test_memory_stays_small_for_a_bomb(tmp_path):
    import tracemalloc

    packer, out = zlib.compressobj(9, wbits=31), bytearray()
    out += packer.compress(header(b"a", b"%011o\0" % (200 << 20)))
    for _ in range(200):
        out += packer.compress(ZEROS)
    (tmp_path / "a").write_bytes(bytes(out + packer.flush()))
    tracemalloc.start()
    with pytest.raises(DataError, match="a bomb"):
        list(iterate_members(tmp_path / "a", wanted=lambda name: False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_zip_with_a_directory_for_more_members_than_allowed(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_bytes([(f"{i:050}", b"") for i in range(200)]))
    with pytest.raises(DataError, match="too long for 3 members"):
        list(iterate_members(tmp_path / "a.zip", max_files=3))


def test_folders_that_are_not_empty_stay(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_bytes(HELLO))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_bytes(b"1")
    with pytest.raises(ConfigError, match="new or empty"):
        extract(tmp_path / "a.tar", tmp_path / "full")
    with pytest.raises(ConfigError, match="new or empty"):
        extract(tmp_path / "a.tar", tmp_path / "a.tar")
    assert os.listdir(tmp_path / "full") == ["mine"]
    (tmp_path / "empty").mkdir()
    extract(tmp_path / "a.tar", tmp_path / "empty")
    assert os.listdir(tmp_path / "empty") == ["ok"]
    extract(tmp_path / "a.tar", tmp_path / "deep" / "er")
    assert os.listdir(tmp_path / "deep") == ["er"]
    assert stat.S_IMODE((tmp_path / "deep" / "er").stat().st_mode) == 0o777 & ~umask()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_permissions_come_from_the_user_not_from_the_archive(tmp_path):
    def evil(info):
        info.mode = 0o6777

    (tmp_path / "a.tar").write_bytes(tar_bytes([("x", evil)]))
    extract(tmp_path / "a.tar", tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / "x").stat().st_mode) == 0o666 & ~umask()


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.tar").write_bytes(tar_bytes(HELLO))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.os, "replace", fail)
    with pytest.raises(DataError, match="No space left"):
        extract(tmp_path / "a.tar", tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.tar"]


def test_what_is_no_archive(tmp_path):
    (tmp_path / "text").write_bytes(b"text")
    assert not is_archive(tmp_path / "text")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "none")
    (tmp_path / "plain.gz").write_bytes(gzip.compress(b"text"))
    assert not is_archive(tmp_path / "plain.gz")
    with pytest.raises(DataError, match="does not exist"):
        list(iterate_members(tmp_path / "none"))
    with pytest.raises(DataError, match="whole tar or zip"):
        list(iterate_members(tmp_path))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: iterate_members(3), DTypeError, "path"),
        (lambda: iterate_members("a", wanted="*.png"), DTypeError, "wanted must be a function"),
        (lambda: iterate_members("a", max_files=0), ConfigError, "max_files"),
        (lambda: iterate_members("a", max_bytes=1.5), DTypeError, "max_bytes"),
        (lambda: iterate_members("a", max_member_bytes=-1), ConfigError, "max_member_bytes"),
        (lambda: iterate_members("a", max_ratio=0), ConfigError, "max_ratio"),
        (lambda: extract("a", 3), DTypeError, "path"),
        (lambda: is_archive(None), DTypeError, "path"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_names():
    assert name_fault("a/b.c") is None
    assert name_fault("a/..b/c..") is None
    assert [windows_fault(part) for part in ("NUL", "com1.txt", "a ", "ok", "console")] == [True] * 3 + [False] * 2
