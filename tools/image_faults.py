"""Makes a folder of images with planted faults and checks what `load_image_folder` makes of it.

    python tools/image_faults.py                      10,000 files, 1,000 of them planted, into docs/results/

Every planted file must be listed with its path and a reason, every other one used with exactly its pixels; nothing may
be written to standard error, and memory must not grow with the folder.
"""

from __future__ import annotations

import argparse
import codecs
import collections
import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results" / "image-folders.md"
SIDE = 64
CLASSES = ("ant", "bee", "caf\udce9", "dog\nrow")  # the third is not UTF-8, the fourth has a line break


def encoded(image: Any, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose chunks are right and which declares `width` × `height` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _contents() -> dict[str, Callable[[Any], bytes]]:
    """Contents that are no usable image, made from a good one."""
    from PIL import Image

    return {
        "empty file": lambda _: b"",
        "PNG cut in the middle": lambda i: cut(encoded(i, "PNG")),
        "PNG without its end": lambda i: encoded(i, "PNG")[:-12],
        "PNG with a changed byte": lambda i: flipped(encoded(i, "PNG"), 200),
        "JPEG cut in the middle": lambda i: cut(encoded(i, "JPEG")),
        "JPEG without its end": lambda i: encoded(i, "JPEG")[:-2],
        "JPEG header only": lambda i: encoded(i, "JPEG")[:100],
        "GIF cut in the middle": lambda i: cut(encoded(i, "GIF")),
        "BMP cut in the middle": lambda i: cut(encoded(i, "BMP")),
        "WebP cut in the middle": lambda i: cut(encoded(i, "WEBP", lossless=True)),
        "TIFF cut in the middle": lambda i: cut(encoded(i, "TIFF", compression="tiff_lzw")),
        "JPEG inside of TIFF": lambda i: encoded(i, "TIFF", compression="jpeg"),
        "text": lambda _: b"the picture was here\n" * 5,
        "HTML page": lambda _: b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "PDF": lambda _: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        "ZIP": lambda _: b"PK\x03\x04" + bytes(60),
        "HEIC": lambda _: b"\0\0\0\x18ftypheic" + bytes(64),
        "random bytes": lambda _: np.random.default_rng(5).bytes(500),
        "zeros": lambda _: bytes(1000),
        "bomb": lambda _: png_of_size(60_000, 60_000),
        "large bomb below Pillow's own limit": lambda _: png_of_size(9_000, 9_000),
        "no pixels": lambda _: png_of_size(0, 0),
        "floating-point TIFF": lambda i: encoded(Image.fromarray(np.asarray(i.convert("L"), np.float32)), "TIFF"),
        "another size": lambda i: encoded(i.resize((SIDE + 2, SIDE)), "PNG"),
    }


def _special(root: Path) -> dict[str, Callable[[Path], None]]:
    """Entries of a folder that are no readable file."""

    def huge(path: Path) -> None:
        with open(path, "wb") as file:
            file.truncate(70 << 20)  # takes no room on the disk

    def unreadable(path: Path) -> None:
        path.write_bytes(b"secret")
        path.chmod(0)

    outside = root.parent / "outside.png"
    return {
        "link that leaves the folder": lambda path: path.symlink_to(outside),
        "link to nowhere": lambda path: path.symlink_to("nowhere.png"),
        "loop of links": lambda path: path.symlink_to(path.name),
        "link to a folder": lambda path: path.symlink_to(".", target_is_directory=True),
        "pipe": lambda path: os.mkfifo(path),
        "file of 70 MiB": huge,
        "file without permission": unreadable,
    }


def _good(index: int, pixels: np.ndarray) -> tuple[str, bytes, np.ndarray | None]:
    """A name's ending, its content, and the pixels expected, where the format keeps them exactly."""
    from PIL import Image

    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6
    grey = np.asarray(image.convert("L"))
    spread = np.repeat(grey[..., None], 3, axis=2)
    alpha = image.copy()
    alpha.putalpha(255)
    few = Image.fromarray(pixels & 0xC0).quantize(64)
    kinds: list[tuple[str, bytes, np.ndarray | None]] = [
        (".png", encoded(image, "PNG"), pixels),
        (".bmp", encoded(image, "BMP"), pixels),
        (".webp", encoded(image, "WEBP", lossless=True), pixels),
        (".tif", encoded(image, "TIFF", compression="tiff_adobe_deflate"), pixels),
        (".jpg", encoded(image, "JPEG"), None),
        (".jpeg", encoded(image.convert("CMYK"), "JPEG"), None),
        (".png", encoded(image, "JPEG"), None),  # the name lies, the content counts
        (".png", encoded(image.convert("L"), "PNG"), spread),
        (".png", encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"), spread),
        (".png", encoded(alpha, "PNG"), pixels),
        (".png", encoded(few, "PNG"), np.asarray(few.convert("RGB"))),
        (".gif", encoded(few, "GIF", save_all=True, append_images=[few.rotate(90)]), np.asarray(few.convert("RGB"))),
        (".png", encoded(image, "PNG", exif=exif), np.rot90(pixels, -1)),
        (".ppm", encoded(image, "PPM"), pixels),
        ("", encoded(image, "PNG"), pixels),
    ]
    return kinds[index % len(kinds)]


def make_folder(root: Path, files: int, planted: int, seed: int = 0) -> tuple[dict[str, str], dict[str, Any]]:
    """Fill `root` with `files` files, `planted` of them faulty: the kind of each fault, the pixels of the others.

    Both by path; pixels are None where the format does not keep them.
    """
    from PIL import Image

    rng = np.random.default_rng(seed)
    contents, special = _contents(), _special(root)
    kinds = [*contents, *special]
    bad = set(rng.choice(np.arange(1, files), planted, replace=False).tolist())  # the first sets the size
    faults: dict[str, str] = {}
    pixels: dict[str, Any] = {}
    for name in CLASSES:
        os.makedirs(os.path.join(os.fsencode(root), os.fsencode(name)))
    (root.parent / "outside.png").write_bytes(encoded(Image.new("RGB", (SIDE, SIDE)), "PNG"))
    y, x = np.mgrid[:SIDE, :SIDE]
    for i in range(files):
        phase = rng.integers(0, 255, 6)
        image = np.stack([(x * phase[c] // 50 + y * phase[c + 3] // 50 + phase[c]) % 256 for c in range(3)], -1)
        image = image.astype(np.uint8)
        folder = CLASSES[i % len(CLASSES)]
        if i in bad:
            kind = kinds[len(faults) % len(kinds)]
            path = f"{folder}/{i:06}.{('png', 'jpg')[i % 2]}"
            place = Path(os.path.join(root, path))
            if kind in contents:
                place.write_bytes(contents[kind](Image.fromarray(image)))
            else:
                special[kind](place)
            faults[path] = kind
            continue
        ending, content, expected = _good(i, image)
        path = f"{folder}/{i:06}{ending}"
        Path(os.path.join(root, path)).write_bytes(content)
        pixels[path] = expected
    return faults, pixels


def compare(source: Any, faults: dict[str, str], pixels: dict[str, Any], printable: Callable[[str], str]) -> list[str]:
    """What is wrong with a loaded folder: nothing, if all is well."""
    wrong = []
    skipped = {entry.path: entry.reason for entry in source.skipped}
    expected = {printable(path): kind for path, kind in faults.items()}
    wrong += [f"planted but not listed: {path} ({expected[path]})" for path in expected.keys() - skipped.keys()]
    wrong += [f"listed but good: {path} ({skipped[path]})" for path in skipped.keys() - expected.keys()]
    wrong += [f"listed without a reason: {path}" for path, reason in skipped.items() if not reason]
    known = {printable(path): array for path, array in pixels.items()}
    rows = source.row_names["train"]
    if sorted(rows) != sorted(known):
        wrong.append(f"{len(rows)} rows, expected {len(known)}")
    for path, image, label in zip(rows, source.train.X, source.train.y, strict=True):
        array = known.get(path)
        if array is not None and not np.array_equal(image.transpose(1, 2, 0), array):
            wrong.append(f"other pixels: {path}")
        if source.train.class_names[label] != path.split("/")[0]:
            wrong.append(f"other label: {path}")
    return wrong


def _child(root: str) -> None:
    """Load the folder in a process of its own and print what it took."""
    from chainrule.data import image_folder

    with _ordinary_user():
        before = _peak()
        started = time.perf_counter()
        images = image_folder.read_images(Path(root), list_sizes=True)
        seconds = time.perf_counter() - started
        peak = _peak()
        started = time.perf_counter()
        image_folder.read_images(Path(root), list_sizes=True)
        again = time.perf_counter() - started
    print(json.dumps({"before": before, "peak": peak, "seconds": seconds, "again": again, "used": len(images.X)}))


def _measure(files: int, planted: int) -> dict[str, Any]:
    """Make a folder, load it as a user who is not root, compare."""
    from chainrule.data.image_files import shown
    from chainrule.data.image_folder import image_source, read_images

    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        root, cache = base / "images", base / "cache"
        for folder in (root, cache):
            folder.mkdir()
        base.chmod(0o755)
        cache.chmod(0o777)
        faults, pixels = make_folder(root, files, planted)
        size = sum(entry.stat().st_size for entry in root.rglob("*") if entry.is_file() and not entry.is_symlink())
        os.environ["XDG_CACHE_HOME"] = str(cache)
        command = [sys.executable, __file__, "--child", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout)
        with _ordinary_user():
            source = image_source(read_images(root, list_sizes=True), root)
        wrong = compare(source, faults, pixels, shown)
        reasons = collections.defaultdict(set)
        listed = {entry.path: entry.reason for entry in source.skipped}
        for path, kind in faults.items():
            reasons[kind].add(listed.get(shown(path), "NOT LISTED"))
        decoded = source.train.X.nbytes
        del source
    planted_kinds = collections.Counter(faults.values())
    return found | {
        "files": files,
        "planted": planted,
        "kinds": len(planted_kinds),
        "counts": planted_kinds,
        "reasons": reasons,
        "wrong": wrong,
        "stderr": done.stderr,
        "bytes": size,
        "decoded": decoded,
    }


def _peak() -> int:
    """The most memory that this process has held, in KiB. (`ru_maxrss` begins with that of the parent.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@contextlib.contextmanager
def _ordinary_user() -> Iterator[None]:
    """Inside, a process of root is nobody's: for root no file is unreadable. What is needed was imported before."""
    from PIL import Image

    Image.init()
    codecs.lookup("unicode_escape")
    if os.getuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def _page(small: dict[str, Any], large: dict[str, Any]) -> str:
    grown = (large["peak"] - large["before"]) / 1024
    lines = [
        "# A folder of images with planted faults",
        "",
        f"Written by `python tools/image_faults.py --files {large['files']} --planted {large['planted']}`. "
        "The rules are in `src/chainrule/data/image_file.py`.",
        "",
        f"- {large['files']:,} files in {len(CLASSES)} classes, {large['planted']:,} of them planted faults of "
        f"{large['kinds']} kinds; the others in fifteen forms (PNG, BMP, lossless WebP, TIFF, PPM, JPEG, CMYK, "
        "wrong ending, grey, 16 bits, alpha, palette, animated, turned by EXIF, no ending).",
        f"- Listed with path and reason: {large['planted'] - _count(large, 'planted but')} of {large['planted']:,}; "
        f"good files refused: {_count(large, 'listed but')}; images used: {large['used']:,}, of other pixels than "
        f"were written (lossless forms): {_count(large, 'other pixels')}.",
        f"- Written to standard error: {len(large['stderr'])} bytes. Exit status 0.",
        f"- Decoding and writing the cache: {large['seconds']:.1f} s; from the cache, all sums compared: "
        f"{large['again']:.1f} s.",
        f"- Memory: the process grew by {grown:.0f} MiB to decode {large['decoded'] / 2**20:.0f} MiB of pixels "
        f"(and by {(small['peak'] - small['before']) / 1024:.0f} MiB for {small['files']} files with "
        f"{small['decoded'] / 2**20:.0f} MiB).",
        "",
        "| planted | files | reason that is listed |",
        "|---|---|---|",
    ]
    for kind, count in sorted(large["counts"].items()):
        reason = sorted(large["reasons"][kind])[0].replace("|", "\\|")
        lines.append(f"| {kind} | {count} | {reason} |")
    return "\n".join(lines) + "\n"


def _count(found: dict[str, Any], start: str) -> int:
    return sum(line.startswith(start) for line in found["wrong"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--planted", type=int, default=1_000)
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child is not None:
        _child(options.child)
        return 0
    small, large = _measure(300, 40), _measure(options.files, options.planted)
    for line in [*small["wrong"], *large["wrong"]][:20]:
        print(line)
    PAGE.write_text(_page(small, large))
    print(_page(small, large))
    return 1 if small["wrong"] or large["wrong"] or large["stderr"] else 0


if __name__ == "__main__":
    sys.exit(main())
