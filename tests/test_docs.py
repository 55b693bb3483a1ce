"""The generated pages under docs/ are what `make docs` would write now."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _generator():
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(_generator().pages()), ids=lambda p: p.name)
def test_generated_page_is_up_to_date(path):
    assert path.read_text() == _generator().pages()[path], f"run `make docs`: {path.name} is out of date"
