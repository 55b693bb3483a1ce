"""The fixture `gradcheck`, in a pytest of its own."""

import subprocess
import sys

TEST = """
import numpy as np


def square_forward(x):
    return x**2, x


def test_right(gradcheck):
    assert gradcheck(square_forward, lambda dout, x: 2 * x * dout).ok


def test_wrong(gradcheck):
    gradcheck(square_forward, lambda dout, x: x * dout, shapes={"x": (2, 3)}, name="my square")
"""


def test_the_fixture_fails_with_the_diagnosis(tmp_path):
    (tmp_path / "test_mine.py").write_text(TEST)
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "chainrule.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "--color=no",
        "test_mine.py",
    ]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "my square: WRONG" in done.stdout
    assert "probably: a factor 2 is missing or too many" in done.stdout
    assert "test_mine.py:13" not in done.stdout  # the diagnosis, not a traceback


def test_the_plugin_alone_imports_nothing_heavy():
    code = (
        "import sys, chainrule.pytest_plugin\n"
        "print([m for m in ('numpy', 'chainrule.check', 'chainrule.layers', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
