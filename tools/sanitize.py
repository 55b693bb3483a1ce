"""Run the native engine's tests under the sanitizers of the compiler: addresses and undefined behaviour, then threads.

    python tools/sanitize.py                          both
    python tools/sanitize.py address                  one of them
    python tools/sanitize.py thread --pytest -k mlp    other arguments for pytest

The instrumented module is built in build/sanitize-* and takes the installed one's place for these runs alone. Every
instruction set of the machine is tested. Needs GCC, CMake and Ninja. Exits with 1 if a test fails or a fault is found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = [f"tests/engines/test_{name}.py" for name in ("native", "native_kernels", "native_edges", "winograd", "mixed")]
# What each is good at: the first sees every kernel on every shape; races need several threads and real sizes.
CHOICES = {
    "address": [
        "-k",
        "networks or layer or rule or loss or steps or sizes or groups or convolutions or borders or pixel or rows or "
        "product or shapes or reference",
    ],
    "thread": ["-k", "networks or threads or steps or many_rows"],
}
PRELOAD = {"address": ["libasan.so", "libubsan.so"], "thread": ["libtsan.so"]}
OPTIONS = {
    # Python itself never frees all it has; a huge request is answered by NumPy, with an error of its own.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:halt_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "report_bugs=1:halt_on_error=0:exitcode=0:ignore_noninstrumented_modules=1",
    "OMP_NUM_THREADS": "1",  # of NumPy, whose threads are not under test
    "CHAINRULE_THREADS": "4",
}
FINDING = re.compile(r"ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:")
SUMMARY = re.compile(r"^SUMMARY:|runtime error:")
# The module under test goes in before anything asks for the installed one.
BOOTSTRAP = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("chainrule.engines._native", sys.argv[1])
module = sys.modules["chainrule.engines._native"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import pytest
sys.exit(pytest.main(sys.argv[2:]))
"""


def build(kind: str) -> Path:
    """The instrumented module, built if a source has changed."""
    folder = ROOT / "build" / f"sanitize-{kind}"
    nanobind = subprocess.run(
        [sys.executable, "-m", "nanobind", "--cmake_dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    configure = [
        *("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"),
        *(f"-DCHAINRULE_SANITIZE={kind}", f"-Dnanobind_DIR={nanobind}", f"-DPython_EXECUTABLE={sys.executable}"),
    ]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder], check=True)
    return next(folder.glob("_native*.so"))


def library(name: str) -> str:
    """The path of one of the compiler's libraries."""
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
    return str(Path(found.strip()).resolve())


def test(kind: str, module: Path, arguments: list[str]) -> bool:
    """Whether all tests passed and nothing was found; what was found goes to the screen and into a file."""
    # The sanitizer first, and the C++ library beside it: it must see exceptions before Python loads them.
    preload = [library(name) for name in (*PRELOAD[kind], "libstdc++.so.6")]
    environment = {**os.environ, **OPTIONS, "LD_PRELOAD": " ".join(preload)}
    # -s: else pytest keeps what a sanitizer says to itself.
    command = [sys.executable, "-c", BOOTSTRAP, str(module), *TESTS, "-s", "-p", "no:cacheprovider", "-p", "no:xdist"]
    if shutil.which("setarch"):  # a memory layout drawn at random may lie where a sanitizer keeps its own
        command = ["setarch", "-R", *command]
    log = module.parent / "log.txt"
    with log.open("w") as out:
        status = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    text = log.read_text(errors="replace")
    found = len(FINDING.findall(text))
    said = [line for line in text.splitlines() if SUMMARY.search(line)]
    print("\n".join(dict.fromkeys(said)) if found else text[-1500:] if status else text.splitlines()[-1])
    print(f"{kind}: {found} findings, tests {'passed' if status == 0 else 'failed'}; all output is in {log}")
    return status == 0 and found == 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", help="address, thread; both if not given")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, help="arguments for pytest instead of the usual ones")
    given = parser.parse_args()
    for kind in given.kinds:
        if kind not in CHOICES:
            parser.error(f"unknown sanitizer {kind!r}; known: {', '.join(CHOICES)}")
    results = []
    for kind in given.kinds or list(CHOICES):
        results.append(test(kind, build(kind), CHOICES[kind] if given.pytest is None else given.pytest))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
