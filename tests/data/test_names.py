"""The public names of `chainrule.data` are loaded at first use."""

import ast
import inspect
import subprocess
import sys

import pytest

import chainrule.data


def test_the_two_lists_of_names_are_the_same():
    tree = ast.parse(inspect.getsource(chainrule.data))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    listed = {
        (node.module.removeprefix("chainrule.data."), alias.asname)
        for node in imports
        if node.module.startswith("chainrule.data.")
        for alias in node.names
    }
    assert listed == {(module, name) for module, names in chainrule.data.NAMES.items() for name in names}
    names = [name for names in chainrule.data.NAMES.values() for name in names]
    assert len(names) == len(set(names)) > 40


@pytest.mark.parametrize("module", chainrule.data.NAMES)
def test_every_name_is_there(module):
    for name in chainrule.data.NAMES[module]:
        assert getattr(chainrule.data, name) is not None
        assert name in dir(chainrule.data)


def test_a_star_brings_all_names():
    there = {}
    exec("from chainrule.data import *", there)
    assert there["load"] is chainrule.data.load
    assert there.keys() >= {name for names in chainrule.data.NAMES.values() for name in names}


def test_modules_are_attributes_and_nothing_else_is():
    assert chainrule.data.catalog.load is chainrule.data.load
    assert not hasattr(chainrule.data, "lod")
    assert not hasattr(chainrule.data, "_private")
    with pytest.raises(ImportError, match="cannot import name 'lod'"):
        from chainrule.data import lod  # noqa: F401


def test_a_network_does_not_load_the_readers():
    code = "import sys, chainrule.network; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "chainrule.data.augment.flip" in loaded
    assert not {"archives", "catalog", "image_file", "readers"} & {m.removeprefix("chainrule.data.") for m in loaded}
