"""Files and folders that appear whole or not at all, whatever fails and whenever the process is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule import files
from chainrule.files import new_folder, sync_folder, write_atomically


@pytest.fixture(name="at_once")
def _exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(files, "_exchange_at_once", lambda a, b: False)


def fill(path: Path, text: str) -> None:
    with new_folder(path) as folder:
        (folder / "a").write_text(text)
        (folder / "b").write_text(text)


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    for content in ("first ä", b"second"):
        write_atomically(tmp_path / "f", content)
        assert (tmp_path / "f").read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_file_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    write_atomically(tmp_path / "f", "old")

    def fails(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, function, fails)
    with pytest.raises(OSError, match=r"no space left"):
        write_atomically(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("at_once", [True, False], indirect=True)
def test_a_folder_appears_whole_and_replaces_the_older(tmp_path: Path, at_once: None) -> None:
    path = tmp_path / "deep" / "er" / "folder"
    for text in ("one", "two", "three"):
        fill(path, text)
        assert {f.name: f.read_text() for f in path.iterdir()} == {"a": text, "b": text}
        assert os.listdir(path.parent) == ["folder"]
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("at_once", [True, False], indirect=True)
def test_a_block_that_fails_leaves_nothing(tmp_path: Path, at_once: None) -> None:
    fill(tmp_path / "f", "old")
    for name in ("f", "g"):
        with contextlib.suppress(KeyboardInterrupt), new_folder(tmp_path / name) as folder:
            (folder / "a").write_text("new")
            raise KeyboardInterrupt
    assert (tmp_path / "f" / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("at_once", [True, False], indirect=True)
@pytest.mark.parametrize("function", ["replace", "fsync", "mkdir", "write", "open"])
@pytest.mark.parametrize("nth", range(4))
def test_any_call_may_fail_and_the_older_folder_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: None, function: str, nth: int
) -> None:
    fill(tmp_path / "f", "old")
    real, calls = getattr(os, function), iter(range(1000))

    def fails(*args: Any, **named: Any) -> Any:
        if (function != "open" or args[1] & (os.O_CREAT | os.O_RDWR)) and next(calls) == nth:
            raise OSError(f"{function} failed")
        return real(*args, **named)

    monkeypatch.setattr(os, function, fails)
    failed = False
    try:
        fill(tmp_path / "f", "new")
    except OSError:
        failed = True
    monkeypatch.undo()
    content = {f.name: f.read_text() for f in (tmp_path / "f").iterdir()}
    assert content in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})
    last_sync = function == "fsync" and nth == 3  # of the parent, when the name is there already
    assert content["a"] == ("old" if failed and not last_sync else "new")
    assert os.listdir(tmp_path) == ["f"]


def test_kill_at_any_moment_leaves_one_whole_folder(tmp_path: Path) -> None:
    fill(tmp_path / "f", "old")
    program = f"""
import os, pathlib, signal, sys
from chainrule.files import new_folder
nth, calls = int(sys.argv[1]), iter(range(100))
def dies(event, args):
    if event in ("os.rename", "os.mkdir", "open", "os.chmod", "os.rmdir", "os.remove", "shutil.rmtree"):
        if next(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(dies)
with new_folder(pathlib.Path({str(tmp_path)!r}) / "f") as folder:
    (folder / "a").write_text("new")
    (folder / "b").write_text("new")
print("done")
"""
    finished = False
    for nth in range(40):
        result = subprocess.run([sys.executable, "-c", program, str(nth)], capture_output=True, text=True, check=False)
        content = {f.name: f.read_text() for f in (tmp_path / "f").iterdir()}
        assert content in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"}), nth
        if "done" in result.stdout:
            finished = True
            break
        assert result.returncode == -9, result.stderr
    assert finished


def test_folders_that_cannot_be_synced_are_not_an_error(tmp_path: Path) -> None:
    sync_folder(tmp_path / "missing")
    sync_folder(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="permission bits are a matter of POSIX")
def test_what_is_written_has_the_permissions_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", "text")
        with new_folder(tmp_path / "folder") as temporary:
            (temporary / "part").write_text("text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
