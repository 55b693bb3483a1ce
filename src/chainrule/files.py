"""Writing files so that a crash at any moment leaves the old content or the new, never half of either.

Everything is done by the calls of `os` that the system knows (open, write, fsync, mkdir, replace), so that a test can
make each of them fail in turn. What fails is a `WriteError` that names the path meant, not the temporary one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Container, Iterator
from pathlib import Path
from typing import BinaryIO

from chainrule.errors import WriteError

_TEMPORARY = re.compile(r"^\.(?P<of>.+)\.[a-z0-9_]{8}(?P<old>\.old)?$")  # as `_beside` and `remove_folder` name them
_LONGEST = 200  # bytes of a name that its temporary one repeats: most file systems end at 255
#: The file in a folder that stands for its lock.
LOCK = ".lock"
# What some network file systems answer.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP}
_NO_LOCKS = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write `content` to `path`: a temporary file beside it, fsync, rename, fsync of the folder.

    A device or a pipe, such as /dev/null, is written to as it is, and so is /dev/stdout, whatever it stands for. Raises
    `WriteError`, `path` being as it was, or whole and new where only the last fsync failed.
    """
    path, data = Path(path), encoded(content) if isinstance(content, str) else content
    temporary = _beside(path)
    with _told(path, "written"):
        if _is_stream(path):
            _write_into(path, data)
            return
        try:
            write_new(temporary, data)
            _sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


def encoded(text: str) -> bytes:
    """`text` in UTF-8; names of files that are no UTF-8 have their odd bytes as escapes, which JSON knows too."""
    return text.encode("utf-8", "backslashreplace")


def write_new(path: Path, content: bytes) -> None:
    """Write `content` to `path`, where no file is yet; for a file of a `new_folder`, which makes it durable."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o666)
    try:
        _write_all(handle, content)
    finally:
        os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while len(left):
        left = left[os.write(handle, left) :]


def _is_stream(path: Path) -> bool:
    """Whether a name is that of a device, of a pipe, or of something this process has open: no file may take its place.

    Where standard output goes to a file, /dev/stdout looks like that file; the name is still a link of the system.
    """
    place = os.path.abspath(path)
    if place.startswith(("/dev/", "/proc/")) and (os.path.islink(place) or place.startswith("/dev/fd/")):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _write_into(path: Path, content: bytes) -> None:
    """Write to a stream: where it is our own standard output or error, behind what these have written so far."""
    status = os.stat(path)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, absent, or none of the system's
            handle = stream.fileno()
            if os.path.samestat(status, os.fstat(handle)):
                stream.flush()
                break
    else:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0))
        try:
            _write_all(handle, content)
        finally:
            os.close(handle)
        return
    _write_all(handle, content)


def make_folder(path: str | Path) -> None:
    """Make a folder, and those above it, where they are not there yet; `WriteError` where that fails."""
    with _told(path, "made"):
        Path(path).mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def open_regular(path: str | Path) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file open for reading, and its size in bytes; `OSError` for anything else under that name.

    A link could lead out of the folder, a pipe would wait for ever, a device has no end: none is opened.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):  # opening a device can have effects of its own
        raise OSError(errno.EINVAL, "not a regular file")
    # Should another file take its place in between, the open neither follows a link nor waits.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield file, status.st_size


def read_at_most(stream: BinaryIO, most: int) -> bytes:
    """The next `most` bytes of a file, or all it has: `read` alone would first take memory for `most`."""
    status = os.fstat(stream.fileno())
    return stream.read(min(most, status.st_size + 1) if stat.S_ISREG(status.st_mode) else most)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill that becomes `path` only when the block ends well; an older `path` is replaced then.

    Raises `WriteError`, `path` being as it was, or whole and new where only the last fsync failed.
    """
    path = Path(path)
    temporary = _beside(path)
    try:
        with _told(path, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkdir(temporary)
        try:
            yield temporary
        except WriteError:
            raise
        except OSError as error:  # what the block wrote is told by the name it is meant for
            if error.filename is not None and not Path(error.filename).is_relative_to(temporary):
                raise
            raise WriteError.of(path, "written", error) from error
        with _told(path, "written"):
            for file in temporary.iterdir():
                _sync(file)
            sync_folder(temporary)
            if path.exists():
                _replace_folder(temporary, path)
            else:
                os.replace(temporary, path)
            sync_folder(path.parent)
    finally:
        _remove_all(temporary)  # what was written if that failed, the older folder otherwise


def remove_folder(path: str | Path) -> None:
    """Delete a folder: its name goes first, so that no half of it is ever taken for the whole."""
    path = Path(path)
    leaving = path.with_name(f".{path.name}.removing")
    with _told(path, "removed"):
        shutil.rmtree(leaving, ignore_errors=True)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, leaving)
        finally:
            _remove_all(leaving)


def _remove_all(folder: Path) -> None:
    """Delete a folder with all that can be deleted, also where Ctrl-C comes in between."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(path: str | Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock that the file `path` stands for; False where another process holds it, unless it is waited for.

    It ends with the process; the file stays, as to remove it would let a third process in. On systems and file systems
    without such locks nobody is kept out.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    with _told(path, "written"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        held = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            held = False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise WriteError.of(path, "locked", error) from error
        yield held
    finally:
        os.close(handle)


def is_temporary(name: str) -> bool:
    """Whether a name is that of a temporary file or folder of ours."""
    return _TEMPORARY.match(name) is not None


def remove_leftovers(folder: str | Path, of: Container[str] | None = None) -> None:
    """Delete the temporary files and folders that killed processes left in `folder`, those of the names `of` if given.

    An older folder that was moved aside, and whose successor never came, is put back.
    """
    folder = Path(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _TEMPORARY.match(path.name)
        if match is None or (of is not None and match["of"] not in of):
            continue
        if match["old"] and not (folder / match["of"]).exists():
            with _told(folder / match["of"], "put back"):
                os.replace(path, folder / match["of"])
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with _told(path, "removed"):
                path.unlink(missing_ok=True)


def _replace_folder(new: Path, path: Path) -> None:
    """Swap the names of two folders at once on Linux; elsewhere there is a moment in which `path` is not there."""
    if _exchange_at_once(new, path):
        return
    older = path.with_name(f"{new.name}.old")
    try:
        os.replace(path, older)
        os.replace(new, path)
    except BaseException:
        if older.exists() and not path.exists():
            os.replace(older, path)
        raise
    finally:
        shutil.rmtree(older, ignore_errors=True)


def _exchange_at_once(a: Path, b: Path) -> bool:
    """`renameat2` with RENAME_EXCHANGE; False where the system or the file system has no such thing."""
    if sys.platform != "linux":
        return False
    import ctypes

    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    return renameat2 is not None and renameat2(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0


def _beside(path: Path) -> Path:
    """A name beside `path` that nothing has; it is known before anything is made, so that a stop at any point can
    be cleared up after."""
    start = path.name
    while len(os.fsencode(start)) > _LONGEST:
        start = start[:-1]
    while True:
        found = path.parent / f".{start}.{os.urandom(4).hex()}"
        if not os.path.lexists(found):
            return found


@contextlib.contextmanager
def _told(path: str | Path, what: str) -> Iterator[None]:
    """Turn an error of the system into one that says which path could not be `what`, and why."""
    try:
        yield
    except OSError as error:
        raise WriteError.of(path, what, error) from error


def _sync(path: Path) -> None:
    """Make the content of a file durable."""
    handle = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; platforms that cannot open a folder do not need it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)
