"""Downloading a named data set into the cache: resumed where it stopped, and kept only if its SHA-256 is the known one.

pooch compares the sums and moves a file to its place when it is whole; it has no way to resume, so the transfer itself
is here. What has come of a file is kept beside it as `.NAME.part`. No other function of the package uses the network.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from chainrule.data.catalog import load
from chainrule.data.facts import Facts, RemoteFile, facts
from chainrule.data.source import VARIABLE, Source, cache_folder
from chainrule.errors import ConfigError, DataError, reason
from chainrule.files import locked

#: Called with the file's name, the bytes that have come so far, and the bytes of the whole file.
Progress = Callable[[str, int, int], None]

_ATTEMPTS = 3  # without a single new byte
_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two reads
_PAUSE = 0.3  # seconds before the first repetition; doubled for each
_CHUNK = 1 << 18


def fetch(name: str, progress: Progress | None = None) -> Source:
    """The data set called `name`, downloaded first unless it is already in $CHAINRULE_DATA or the cache.

    Raises `ConfigError` for an unknown name or one that cannot be downloaded, `DataError` naming each address and what
    it answered where the download fails; what has come by then is used the next time.
    """
    known = facts(name)
    try:
        return load(name)
    except DataError as error:
        if not known.files:
            rest = str(error).replace(f" {known.manual}", "")  # said once
            raise ConfigError(f"data set {name!r} is not downloaded. {known.manual} {rest}") from None
    folder = cache_folder() / known.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in known.files:
            _fetch_file(name, file, folder, progress)
    except OSError as error:
        raise DataError(
            f"data set {name!r} cannot be written to {folder}: {_reason(error)}. {by_hand(known)}"
        ) from None
    return load(name)


def by_hand(known: Facts) -> str:
    """How to get the files without `fetch`."""
    places = f"$XDG_CACHE_HOME/chainrule/{known.folder} or, with {VARIABLE} set, ${VARIABLE}/{known.folder}"
    return f"By hand: download {', '.join(file.urls[0] for file in known.files)} into {places}."


def _fetch_file(name: str, file: RemoteFile, folder: Path, progress: Progress | None) -> None:
    """Download one file from the first of its addresses that gives the right content."""
    with locked(folder / f".{file.name}.lock", wait=True):
        reports = []
        for url in file.urls:
            try:
                _retrieve(url, file, folder, progress)
                return
            except _TransferError as error:
                reports.append(f"{url}: {error}")
    raise DataError(f"data set {name!r} cannot be downloaded: {'; '.join(reports)}. {by_hand(facts(name))}")


def _retrieve(url: str, file: RemoteFile, folder: Path, progress: Progress | None) -> None:
    import pooch  # type: ignore[import-untyped]

    part = folder / f".{file.name}.part"
    for _ in range(2):  # a second time where what was there from before spoilt the sum
        transfer = _Transfer(part, file, progress)
        try:
            with _silent(pooch.get_logger()):
                pooch.retrieve(url, f"sha256:{file.sha256}", file.name, folder, downloader=transfer)
            return
        except ValueError:  # pooch: the sum is another
            if not transfer.resumed:
                break
    raise _TransferError("has another content than the known one (its SHA-256 differs)")


class _TransferError(Exception):
    """A download that failed; the message says why."""


class _Transfer:
    """A downloader as pooch calls it, which goes on where the part file ends."""

    def __init__(self, part: Path, file: RemoteFile, progress: Progress | None) -> None:
        self.part, self.file, self.progress = part, file, progress
        self.resumed = False

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> bool | None:
        """Bring the file at `url` to `output_file`."""
        left, before = _ATTEMPTS, self._have()
        self.resumed = before > 0
        while True:
            try:
                self._pull(url)
                break
            except _BrokenOffError as error:
                left = _ATTEMPTS if self._have() > before else left - 1
                before = self._have()
                if left == 0:
                    got = f"{before:,} of {self.file.size:,} bytes are kept for the next time"
                    raise _TransferError(f"{error}; {got}") from None
                time.sleep(_PAUSE * 2 ** (_ATTEMPTS - left))
        os.replace(self.part, output_file)
        return None

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _pull(self, url: str) -> None:
        """One request for what is missing."""
        import requests
        import urllib3

        have = self._have()
        if have == self.file.size:
            return
        if have > self.file.size:
            self.part.unlink()
            have = 0
        headers = {"Accept-Encoding": "identity"}  # the bytes as they are, of .gz files too
        if have:
            headers["Range"] = f"bytes={have}-"
        try:
            with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
                start = self._start(response, have)
                with open(self.part, "r+b" if start else "wb") as out:
                    out.seek(start)
                    out.truncate()
                    self._copy(response, out, start)
        except requests.exceptions.InvalidSchema as error:
            raise _TransferError(str(error)) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _BrokenOffError(_words(error)) from None

    def _start(self, response: Any, have: int) -> int:
        """The position of the first byte of the answer in the file."""
        if response.status_code == 416:  # what we have is no beginning of it
            self.part.unlink(missing_ok=True)
            raise _BrokenOffError("the server has nothing beyond what was there")
        if response.status_code >= 500 or response.status_code == 429:
            raise _BrokenOffError(f"HTTP {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise _TransferError(f"HTTP {response.status_code} {response.reason}")
        if response.status_code == 200:
            self.resumed = False  # the server sends all of it
            return 0
        if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            self.part.unlink(missing_ok=True)
            raise _BrokenOffError("the server sent another part than was asked for")
        return have

    def _copy(self, response: Any, out: BinaryIO, done: int) -> None:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            done += len(chunk)
            if done > self.file.size:
                self.part.unlink()
                raise _TransferError(f"more than the {self.file.size:,} bytes of {self.file.name}")
            out.write(chunk)
            if self.progress is not None:
                self.progress(self.file.name, done, self.file.size)
        if done < self.file.size:
            out.flush()
            raise _BrokenOffError(f"ended after {done:,} of {self.file.size:,} bytes")


class _BrokenOffError(Exception):
    """A request that gave less than the whole, which another may complete."""


@contextlib.contextmanager
def _silent(logger: Any) -> Iterator[None]:
    before = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(before)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return f"{reason(error)}; free some space, what has come so far is kept"
    return reason(error)


def _words(error: Exception) -> str:
    """The innermost cause, which says it in fewer words."""
    import requests

    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    cause: Any = error
    while getattr(cause, "__context__", None) is not None:
        cause = cause.__context__
    return " ".join(str(cause).split())[:200]
