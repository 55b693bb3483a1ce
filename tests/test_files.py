"""Files and folders that appear whole or not at all, whatever fails and whenever the process is killed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule import files
from chainrule.errors import WriteError
from chainrule.files import LOCK, locked, new_folder, remove_folder, remove_leftovers, sync_folder, write_atomically


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


def test_what_a_killed_process_left_goes_and_an_older_folder_comes_back(tmp_path: Path) -> None:
    for name in (".a.json.0123abcd", ".b.json.0123abcd", ".editor.settings"):
        (tmp_path / name).write_text("half")
    for name in (".c.0123abcd", ".c.0123abcd.old", ".d.0123abcd.old", "d"):
        fill(tmp_path / name, name)
    remove_leftovers(tmp_path, ("a.json", "c", "d"))
    assert sorted(os.listdir(tmp_path)) == [".b.json.0123abcd", ".editor.settings", "c", "d"]
    assert (tmp_path / "c" / "a").read_text() == ".c.0123abcd.old"
    assert (tmp_path / "d" / "a").read_text() == "d"


def test_long_names_need_no_more_room_than_their_own(tmp_path: Path) -> None:
    name = "ü" * 127  # 254 of 255 bytes
    write_atomically(tmp_path / name, "text")
    fill(tmp_path / f"{name[:-1]}d", "text")
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"{name[:-1]}d"])
    for write in (lambda path: write_atomically(path, "text"), lambda path: fill(path, "text")):
        with pytest.raises(WriteError, match="ü could not be written: the name is too long"):
            write(tmp_path / (name + "ü"))


def test_folders_that_know_no_sync_are_not_an_error_and_a_fault_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fails(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(code, os.strerror(code))
        real(handle)

    monkeypatch.setattr(os, "fsync", fails)
    code = errno.EINVAL
    write_atomically(tmp_path / "f", "text")
    if os.path.exists("/proc/self/fd"):
        code = errno.EIO
        with pytest.raises(WriteError, match=r"f could not be written: the disk reports a fault"):
            write_atomically(tmp_path / "f", "text")


def test_a_lock_is_held_by_one_and_waited_for(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    hold = (
        f"from chainrule.files import locked\nwith locked({str(tmp_path / LOCK)!r}): print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        with locked(tmp_path / LOCK) as alone:
            assert not alone
        process.stdin.close()
        with locked(tmp_path / LOCK, wait=True) as alone:
            assert alone
    with pytest.raises(WriteError, match=r"missing/.lock could not be written: "), locked(tmp_path / "missing" / LOCK):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_file_systems_without_locks_keep_nobody_out(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fails(handle: int, how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", fails)
    if code == errno.EIO:
        with pytest.raises(WriteError, match=r"\.lock could not be locked: the disk reports"), locked(tmp_path / LOCK):
            pass
        return
    with locked(tmp_path / LOCK) as alone:
        assert alone


def test_what_a_block_cannot_read_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "f"):
        (tmp_path / "not there").read_text()
    with pytest.raises(WriteError, match=r"/f could not be written: No such file"), new_folder(tmp_path / "f") as made:
        (made / "deep" / "er").write_text("")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(path, "words")
        assert os.read(reader, 100) == b"words"
    finally:
        os.close(reader)
    assert path.is_fifo()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/fd/1"), reason="no names for what a process has open")
def test_standard_output_is_written_to_where_it_goes_to_a_file(tmp_path):
    program = """
import pathlib, sys
from chainrule import files
assert files._is_stream(pathlib.Path("/dev/stdout"))
print("before")
files.write_atomically(sys.argv[1], "words\\n")
print("after")
"""
    for place in ("/dev/fd/1", "/dev/fd/2"):
        with open(tmp_path / "out", "ab+") as out:
            subprocess.run([sys.executable, "-c", program, place], stdout=out, stderr=out, check=True)
        assert (tmp_path / "out").read_text() == "before\nwords\nafter\n"
        with open(tmp_path / "out", "w+") as out:  # where the writer's place is not the end
            subprocess.run([sys.executable, "-c", program, "/dev/fd/1"], stdout=out, check=True)
        assert (tmp_path / "out").read_text() == "before\nwords\nafter\n"
        assert os.listdir(tmp_path) == ["out"]
        (tmp_path / "out").unlink()


def replaced(folder):
    with new_folder(folder) as new:
        (new / "file").write_text("new")


@pytest.mark.parametrize(("change", "left"), [(remove_folder, []), (replaced, ["folder", "folder/file"])])
def test_ctrl_c_while_a_folder_is_removed_leaves_nothing_of_it(change, left, tmp_path, monkeypatch):
    folder, removed, rmtree = tmp_path / "folder", [], shutil.rmtree
    (folder / "deep").mkdir(parents=True)

    def interrupted(path, ignore_errors):
        if Path(path).exists() and not removed:
            removed.append(path)
            raise KeyboardInterrupt
        rmtree(path, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        change(folder)
    assert removed
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == left
