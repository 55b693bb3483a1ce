"""Downloads, from a server on this machine that breaks off, lies and fails."""

import hashlib
import http.server
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import catalog, fetch, load
from chainrule.data.facts import FACTS, RemoteFile
from chainrule.errors import ConfigError, DataError

# An idx file of 5 × 28 × 28 bytes and more, in four files as MNIST has them.
RNG = np.random.default_rng(0)
COUNT = 300


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


CONTENT = {
    "train-images-idx3-ubyte": idx(RNG.integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)),
    "train-labels-idx1-ubyte": idx((np.arange(COUNT) % 10).astype(np.uint8)),
    "t10k-images-idx3-ubyte": idx(RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8)),
    "t10k-labels-idx1-ubyte": idx(np.arange(10).astype(np.uint8)),
}
IMAGES = "train-images-idx3-ubyte"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; `server.faults` maps a file's name to a list of faults, one a request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.path.lstrip("/")
        data, wanted = self.server.content.get(name), self.headers.get("Range")
        faults = self.server.faults.get(name, [])
        fault = faults.pop(0) if faults else None
        self.server.requests.append((name, wanted))
        self.server.encodings.add(self.headers.get("Accept-Encoding"))
        if fault == "slow":
            time.sleep(0.5)
        self.close_connection = True
        if data is None or isinstance(fault, int):
            self.send_error(404 if data is None else fault)
            return
        start = 0 if wanted is None or fault == "no ranges" else int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(data):
            self.send_error(416)
            return
        if fault == "other bytes":
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif fault == "longer":
            data += b"more"
        elif fault == "shorter":
            data = data[:-4]
        self.send_response(206 if start else 200)
        if start:
            shift = 1 if fault == "wrong range" else 0
            self.send_header("Content-Range", f"bytes {start + shift}-{len(data) - 1}/{len(data)}")
        body = data[start:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Encoding", "gzip" if fault == "says gzip" else "identity")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "break off" else body)

    def log_message(self, *words):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server, an empty cache, and "mnist" pointing at that server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("chainrule.data.download._PAUSE", 0.0)
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.content, made.faults, made.requests, made.encodings = dict(CONTENT), {}, [], set()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{made.server_port}/"
    made.folder = tmp_path / "cache" / "chainrule" / "mnist"
    point(monkeypatch, [made.url])
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def point(monkeypatch, places):
    files = tuple(
        RemoteFile(name, tuple(p + name for p in places), len(data), hashlib.sha256(data).hexdigest())
        for name, data in CONTENT.items()
    )
    monkeypatch.setitem(FACTS, "mnist", replace(FACTS["mnist"], files=files))


def left(server):
    return {path.name for path in server.folder.iterdir() if not path.name.endswith(".lock")}


def test_all_files_come_and_load(server, capfd):
    seen = []
    source = fetch("mnist", lambda *progress: seen.append(progress))
    assert len(source.train) == COUNT
    assert left(server) == set(CONTENT)
    assert {path.name: path.read_bytes() for path in server.folder.iterdir() if path.name in CONTENT} == CONTENT
    assert {name for name, *_ in seen} == set(CONTENT)
    assert all(0 < done <= total == len(CONTENT[name]) for name, done, total in seen)
    count = len(server.requests)
    fetch("mnist")  # is there
    assert len(server.requests) == count
    assert server.encodings == {"identity"}  # a .gz file must not be unpacked on its way
    assert len(load("mnist").test) == 10
    assert capfd.readouterr() == ("", "")


def test_the_data_folder_comes_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for name, data in CONTENT.items():
        (tmp_path / "data" / "mnist" / name).write_bytes(data)
    assert len(fetch("mnist").train) == COUNT
    assert server.requests == []
    assert not server.folder.exists()


@pytest.mark.parametrize("fault", ["break off", 500, 503, 429])
def test_a_transfer_that_breaks_off_goes_on(server, fault):
    server.faults[IMAGES] = [fault, fault]
    fetch("mnist")
    ranges = [wanted for name, wanted in server.requests if name == IMAGES]
    half = len(CONTENT[IMAGES]) // 2
    assert ranges[0] is None
    if fault == "break off":
        assert ranges[1] == f"bytes={half}-"
        assert len(ranges) == 3
    assert left(server) == set(CONTENT)


def test_the_next_fetch_uses_what_came(server):
    server.faults[IMAGES] = ["break off", 500, 500, 500]
    with pytest.raises(DataError, match=r"HTTP 500 .*; [\d,]+ of [\d,]+ bytes are kept for the next time"):
        fetch("mnist")
    assert f".{IMAGES}.part" in left(server)
    server.requests.clear()
    fetch("mnist")
    assert server.requests[0] == (IMAGES, f"bytes={len(CONTENT[IMAGES]) // 2}-")
    assert left(server) == set(CONTENT)


@pytest.mark.parametrize(
    "start", [b"rubbish" * 99, b"x" * (len(CONTENT[IMAGES]) + 9), b"x" * len(CONTENT[IMAGES]), b""]
)
def test_a_spoilt_beginning_is_thrown_away(server, start):
    server.folder.mkdir(parents=True)
    (server.folder / f".{IMAGES}.part").write_bytes(start)
    fetch("mnist")
    assert left(server) == set(CONTENT)


@pytest.mark.parametrize("fault", ["no ranges", "wrong range", "says gzip"])
def test_servers_with_ways_of_their_own(server, fault):
    server.folder.mkdir(parents=True)
    (server.folder / f".{IMAGES}.part").write_bytes(CONTENT[IMAGES][:1000])
    server.faults[IMAGES] = [fault]
    fetch("mnist")
    assert left(server) == set(CONTENT)


BAD = [
    ("other bytes", "has another content than the known one"),
    ("longer", "more than the 235,216 bytes"),
    ("shorter", "ended after 235,212 of 235,216 bytes"),
    (404, "HTTP 404 Not Found"),
    (403, "HTTP 403 Forbidden"),
]


@pytest.mark.parametrize(("fault", "text"), BAD, ids=[str(fault) for fault, _ in BAD])
def test_what_fails_is_told_with_the_way_by_hand(server, fault, text):
    server.faults[IMAGES] = [fault] * 9
    with pytest.raises(DataError) as caught:
        fetch("mnist")
    message = str(caught.value)
    assert f"data set 'mnist' cannot be downloaded: {server.url}{IMAGES}: {text}" in message
    assert f"By hand: download {server.url}{IMAGES}, " in message
    assert "$CHAINRULE_DATA/mnist" in message
    assert IMAGES not in left(server)
    server.faults.clear()
    fetch("mnist")  # and nothing is left that would be in the way
    assert left(server) == set(CONTENT)


def test_the_second_address_is_asked(server, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        point(monkeypatch, [closed, server.url])
        fetch("mnist")
        assert left(server) == set(CONTENT)


def test_offline_is_one_message(server, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        point(monkeypatch, [closed])
        with pytest.raises(DataError, match="Connection refused; 0 of 235,216 bytes are kept") as caught:
            fetch("mnist")
        assert f"By hand: download {closed}{IMAGES}, " in str(caught.value)
        assert len(str(caught.value)) < 900


def test_no_cached_data_says_how_to_get_it(server):
    with pytest.raises(DataError, match=r"`chainrule data fetch mnist` downloads them \(0 MB\)\."):
        load("mnist")


def test_damage_in_the_cache_is_mended(server):
    fetch("mnist")
    file = server.folder / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    server.requests.clear()
    fetch("mnist")
    assert [name for name, _ in server.requests] == ["t10k-labels-idx1-ubyte"]


def test_a_folder_that_cannot_be_made(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    said = r"cannot be written to .*file/chainrule/mnist: a part of its path is a file, not a folder\. By hand: "
    with pytest.raises(DataError, match=said):
        fetch("mnist")


PROGRAM = """
import http.server, os, resource, signal, sys
from dataclasses import replace
from chainrule.data import fetch
from chainrule.data.facts import FACTS, RemoteFile
import hashlib, pooch, requests, sklearn.datasets, socket, encodings.idna, stringprep
files = tuple(RemoteFile(n, (u,), int(s), h) for n, u, s, h in [w.split(",") for w in sys.argv[2:]])
FACTS["mnist"] = replace(FACTS["mnist"], files=files)
if sys.argv[1] == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
elif sys.argv[1] == "forbidden" and os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
try:
    fetch("mnist")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits and permissions of Unix")
@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("full", "the file would be larger than this process may write; free some space, what has come"),
        ("forbidden", "there is no permission for it"),
    ],
)
def test_the_system_refuses_to_write(server, case, text):
    with tempfile.TemporaryDirectory() as cache:  # others may enter it, unlike pytest's own
        folder = Path(cache) / "chainrule" / "mnist"
        folder.mkdir(parents=True)
        Path(cache).chmod(0o755)
        if case == "forbidden":
            folder.chmod(0o555)
        files = [",".join([f.name, f.urls[0], str(f.size), f.sha256]) for f in FACTS["mnist"].files]
        command = [sys.executable, "-c", PROGRAM, case, *files]
        environment = os.environ | {"no_proxy": "*", "XDG_CACHE_HOME": cache}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.startswith(f"DataError data set 'mnist' cannot be written to {folder}: {text}")
        if case == "full":
            assert (folder / f".{IMAGES}.part").stat().st_size == 100_000
            subprocess.run([*command[:3], "both", *files], env=environment, check=True)
            assert server.requests[-4] == (IMAGES, "bytes=100000-")


def test_processes_at_once(server):
    files = [",".join([f.name, f.urls[0], str(f.size), f.sha256]) for f in FACTS["mnist"].files]
    command = [sys.executable, "-c", PROGRAM, "both", *files]
    server.faults[IMAGES] = ["slow"] * 3
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in running] == [""] * 3
    assert left(server) == set(CONTENT)
    assert sorted(name for name, _ in server.requests) == sorted(CONTENT)  # each file once


@pytest.mark.parametrize("name", [n for n in FACTS if not FACTS[n].files])
def test_what_is_not_downloaded_says_what_to_do(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    if name == "digits":
        assert len(fetch(name).train) == 1797
        return
    with pytest.raises(ConfigError, match=re.escape(FACTS[name].manual[:40])):
        fetch(name)


def test_unknown_names():
    for name in ("minst", None, 3):
        with pytest.raises(ConfigError, match="unknown data set"):
            fetch(name)


def test_every_set_is_documented():
    assert set(FACTS) == set(catalog.CATALOG)
    for name, known in FACTS.items():
        assert known.sizes["train"] > 0
        assert known.licence
        assert known.source
        assert known.files or known.manual
        for file in known.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.size > 0
            assert all(url.startswith("http") and url.endswith(file.name) for url in file.urls), name


def test_sums_and_counts_are_those_of_the_real_files(data_folder):
    for file in FACTS["mnist"].files:
        data = (data_folder / "mnist" / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)
