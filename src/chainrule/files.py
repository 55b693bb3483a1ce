"""Writing files so that a crash at any moment leaves the old content or the new, never half of either."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_TEMPORARY = re.compile(r"^\..+\.[a-z0-9_]{8}(\.old)?$")  # as tempfile names them after a file or folder


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write `content` to `path`: a temporary file beside it, fsync, rename, fsync of the folder."""
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's own 0600 would hide the file from other users
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill that becomes `path` only when the block ends well; an older `path` is replaced then.

    Raises `OSError` where that fails, `path` being as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        for file in temporary.iterdir():
            with open(file, "r+b") as handle:
                os.fsync(handle.fileno())
        sync_folder(temporary)
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            _replace_folder(temporary, path)
        else:
            os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # what was written if that failed, the older folder otherwise


def remove_folder(path: str | Path) -> None:
    """Delete a folder: its name goes first, so that no half of it is ever taken for the whole."""
    path = Path(path)
    leaving = path.with_name(f".{path.name}.removing")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(leaving, ignore_errors=True)
        os.replace(path, leaving)
        shutil.rmtree(leaving, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[bool]:
    """Hold the folder's lock, which ends with the process; False where another process holds it."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield True
        return
    with open(Path(folder) / ".lock", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def remove_leftovers(folder: str | Path) -> None:
    """Delete the temporary files and folders that killed processes left in `folder`."""
    folder = Path(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name[0] == "." and _TEMPORARY.search(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _replace_folder(new: Path, path: Path) -> None:
    """Swap the names of two folders at once on Linux; elsewhere there is a moment in which `path` is not there."""
    if _exchange_at_once(new, path):
        return
    older = path.with_name(f"{new.name}.old")
    os.replace(path, older)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(older, path)
        raise
    shutil.rmtree(older, ignore_errors=True)


def _exchange_at_once(a: Path, b: Path) -> bool:
    """`renameat2` with RENAME_EXCHANGE; False where the system or the file system has no such thing."""
    if sys.platform != "linux":
        return False
    import ctypes

    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    return renameat2 is not None and renameat2(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0


def _umask() -> int:
    """The permissions that new files of this process lack; reading them means setting them for a moment."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; platforms that cannot open a folder do not need it."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
