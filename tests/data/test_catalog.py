import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import CATALOG, find_folder, load
from chainrule.errors import ConfigError, DataError

FILES = [("a.gz", "a"), ("b",)]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty data folder and an empty cache, named in the environment."""
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data" / "letters", tmp_path / "cache" / "chainrule" / "letters"


def fill(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


def test_digits():
    source = load("digits")
    data = source.train
    assert data.X.shape == (1797, 1, 8, 8)
    assert data.X.dtype == np.float32
    assert data.y.dtype == np.int64
    assert (data.X.min(), data.X.max()) == (0, source.scale)
    assert data.class_counts().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert source.test is None


@pytest.mark.parametrize("name", ["minst", "MNIST", "", None, 3, ["mnist"]])
def test_unknown_name(name):
    with pytest.raises(ConfigError, match="unknown data set") as caught:
        load(name)
    if name == "minst":
        assert "did you mean 'mnist'" in str(caught.value)


def test_the_variable_comes_before_the_cache(places):
    given, cache = places
    fill(cache, "a", "b")
    assert find_folder("letters", FILES) == cache
    fill(given, "a")
    assert find_folder("letters", FILES) == cache  # not complete
    fill(given, "b")
    assert find_folder("letters", FILES) == given


def test_absent_files_are_named_with_the_places(places):
    given, cache = places
    fill(given, "b")
    with pytest.raises(DataError) as caught:
        find_folder("letters", FILES)
    text = str(caught.value)
    assert f"looked for a.gz, b; {given} lacks a.gz or a; {cache} is not a folder." in text
    assert "Set CHAINRULE_DATA to the folder that holds a folder 'letters'" in text
    assert "not set" not in text


@pytest.mark.parametrize("cache", [None, "", "relative/path"])
def test_without_any_variable_the_home_cache_is_used(monkeypatch, tmp_path, cache):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    if cache is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
    with pytest.raises(DataError, match="CHAINRULE_DATA is not set"):
        find_folder("letters", FILES)
    folder = tmp_path / ".cache" / "chainrule" / "letters"
    fill(folder, "a.gz", "b")
    assert find_folder("letters", FILES) == folder


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_DATA", "~/data")
    fill(tmp_path / "data" / "letters", "a", "b")
    assert find_folder("letters", FILES) == tmp_path / "data" / "letters"


@pytest.mark.parametrize("name", sorted(set(CATALOG) - {"digits"}))
def test_load_without_files_says_so(places, name):
    with pytest.raises(DataError, match=f"data set '{name}' was not found: looked for "):
        load(name)


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_real_sources(data_folder: Path, name):
    if name not in ("digits", *(f.name for f in data_folder.iterdir())):
        pytest.skip(f"CHAINRULE_DATA holds no {name}")
    source = load(name)
    assert source.name == name
    assert source.train.has_labels
    if source.scale is not None:
        assert source.train.X.max() == source.scale


def test_import_is_light():
    heavy = {"sklearn", "scipy", "matplotlib", "PIL", "rich", "jax", "torch"}
    code = f"import sys, chainrule.data; print(sorted(set(sys.modules) & {heavy!r}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
