"""The worked example of CONTRIBUTING.md is true: one file and one line give a layer its tests, docs and benchmark row.

The two code blocks are taken from the page and put into a copy of the package; nothing else is written.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# An installed (editable) package must not shadow the copy.
BOOTSTRAP = (
    "import sys; sys.meta_path = [f for f in sys.meta_path if 'ScikitBuild' not in type(f).__name__]; "
    "sys.path.insert(0, {src!r}); import chainrule; assert chainrule.__file__.startswith({src!r}), chainrule.__file__; "
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    page = (ROOT / "CONTRIBUTING.md").read_text()
    file, line = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[:2]
    folder = tmp_path_factory.mktemp("copy")
    for part in ("src", "tests", "tools", "pyproject.toml"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    layers = folder / "src" / "chainrule" / "layers"
    (layers / "hard_tanh.py").write_text(file)
    listing = layers / "__init__.py"
    text = listing.read_text()
    anchor = "from chainrule.layers.layer import Cost as Cost\n"
    assert anchor in text
    listing.write_text(text.replace(anchor, line + anchor))
    (folder / "docs").mkdir()
    return folder


def _run(copy, code):
    code = BOOTSTRAP.format(src=str(copy / "src")) + code
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run([sys.executable, "-c", code], cwd=copy, env=environment, capture_output=True, text=True)


def test_the_new_layer_gets_all_generated_tests(copy):
    arguments = ["tests/layers/test_layers.py", "-k", "HardTanh", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = _run(copy, f"import pytest; sys.exit(pytest.main({arguments!r}))")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    assert passed >= 15, done.stdout


def test_a_fault_in_the_new_layer_is_caught(copy):
    file = copy / "src" / "chainrule" / "layers" / "hard_tanh.py"
    right = file.read_text()
    try:
        file.write_text(right.replace("(x > -1) & (x < 1)", "(x > -1)"))
        arguments = [
            "tests/layers/test_layers.py",
            "-k",
            "HardTanh and gradient",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
        ]
        done = _run(copy, f"import pytest; sys.exit(pytest.main({arguments!r}))")
    finally:
        file.write_text(right)
    assert done.returncode == 1, done.stdout[-3000:]


def test_the_new_layer_gets_its_documentation_row(copy):
    done = _run(copy, "import runpy; sys.argv = ['docs.py']; runpy.run_path('tools/docs.py', run_name='__main__')")
    assert done.returncode == 0, done.stderr
    page = (copy / "docs" / "layers.md").read_text()
    assert "| [HardTanh](#hardtanh) | ... → ... |" in page
    assert "Hard hyperbolic tangent." in page


def test_the_new_layer_gets_its_benchmark_row_and_its_public_name(copy):
    code = (
        "from chainrule.bench import cases, ours; "
        "case = next(c for c in cases.layer_cases() if c.layer.name == 'HardTanh'); "
        "assert min(next(ours.layer_passes(case, {'engine': 'reference'}))) > 0; "
        "from chainrule.config import from_config; print(from_config('layer', 'HardTanh'), chainrule.HardTanh())"
    )
    done = _run(copy, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "HardTanh() HardTanh()"
