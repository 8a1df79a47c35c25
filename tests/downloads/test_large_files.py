"""Downloads of 200 MB: they survive SIGKILL, take little memory, and segments make them faster."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Self

import pytest

from tests.downloads.ranged import save
from tests.library import sp

SIZE = 200_000_000
BLOCK = bytes(range(256)) * 4096  # 1 MiB, which stands in the file again and again

SAVE = """
import hashlib, json, sys
import anyio, anyio.to_thread, anyio._backends._asyncio, h11, httpcore, httpx, ssl
import statuspolicy as sp
from statuspolicy.downloads import download, part_file

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def progress(done, total):
    if not told:
        told.append(done)

async def main():
    async with sp.wrap(httpx.AsyncClient()) as client:
        await sp.adownload(client, url, path, progress=progress, **given)

part_file.EVERY = 0.05
kind, url, path, sha256, segments = sys.argv[1:]
given = dict(sha256=sha256, segments=int(segments))
told, bare = [], peak()
if kind == "sync":
    with sp.wrap(httpx.Client()) as client:
        sp.download(client, url, path, progress=progress, **given)
else:
    anyio.run(main)
print(json.dumps([told[0], peak() - bare]))
"""


class BigServer:
    """A file with ranges, from a thread a connection; a context manager.

    rate: bytes a second of each connection.
    """

    def __init__(self, size: int = SIZE, rate: float = inf) -> None:
        self.size, self.rate = size, rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/big"
        self.asked: list[bytes] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while head := connection.recv(65536):
                asked = head.lower().partition(b"\r\nrange: bytes=")[2].split(b"\r\n")[0]
                self.asked.append(asked)
                first, end, status = 0, self.size, "200 OK"
                if asked:
                    first = int(asked.split(b"-")[0])
                    end = int(asked.split(b"-")[1] or self.size - 1) + 1
                    status = "206 Partial Content"
                    status += f"\r\nContent-Range: bytes {first}-{end - 1}/{self.size}"
                fields = f'ETag: "big"\r\nAccept-Ranges: bytes\r\nContent-Length: {end - first}'
                connection.sendall(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode())
                pieces = min(len(BLOCK), int(self.rate / 100) if self.rate < inf else SIZE)
                began, sent = time.monotonic(), 0
                while first < end:
                    piece = BLOCK[first % len(BLOCK) :][: min(pieces, end - first)]
                    connection.sendall(piece)
                    first += len(piece)
                    sent += len(piece)
                    time.sleep(max(0.0, began + sent / self.rate - time.monotonic()))


@pytest.fixture(scope="module")
def sha256() -> str:
    whole, rest = divmod(SIZE, len(BLOCK))
    digest = hashlib.sha256()
    for _ in range(whole):
        digest.update(BLOCK)
    digest.update(BLOCK[:rest])
    return digest.hexdigest()


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SAVE, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


SLOW = pytest.mark.slow
KILLED = [
    ("sync", 1), pytest.param("sync", 4, marks=SLOW), pytest.param("async", 4, marks=SLOW),
]  # fmt: skip


@pytest.mark.parametrize(("way", "segments"), KILLED)
def test_a_killed_download_of_200_mb_goes_on_and_its_sha256_holds(tmp_path, sha256, way, segments):
    """Killed once a quarter is on record; the memory is that of the one that goes on.

    What is measured is the peak of a child process's resident memory (VmHWM: ru_maxrss
    begins with that of the parent), less what it was in it once all modules were imported.
    """
    path, side = tmp_path / "big", tmp_path / "big.part.json"
    with BigServer() as server:
        child = start(way, server.url, path, sha256, segments)
        end = time.monotonic() + 30
        while on_record(side) < SIZE // 4:
            assert time.monotonic() < end
            assert child.poll() is None
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert not path.exists()
        there = on_record(side)
        server.asked.clear()
        told, _ = start(way, server.url, path, sha256, segments).communicate(timeout=50)
        first, memory = json.loads(told)
    assert first == there
    assert b"" not in server.asked
    assert os.listdir(tmp_path) == ["big"]
    with open(path, "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == sha256
    assert memory < 64 * 1024 * 1024
    print(f"{way}, {segments}: went on at {first:,}, {memory / 2**20:.1f} MiB above the imports")


def on_record(side: Path) -> int:
    """How many bytes a journal says are there."""
    try:
        return sum(end - first for first, end in json.loads(side.read_bytes()[9:])["there"])
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_four_segments_are_faster_than_one_where_each_connection_is_slow(
    open_session, tmp_path, kind
):
    """This one waits: a server that gives each connection 1 MB/s, and a file of 1 MB.

    It may try three times: what else the machine does slows the four down, never the one.
    """
    session = open_session(clock=sp.SystemClock())

    def seconds(segments: int) -> float:
        began = time.monotonic()
        path = save(session, server.url, tmp_path / "file", segments=segments)
        took = time.monotonic() - began
        assert path.read_bytes() == BLOCK[:1_000_000]
        return took

    with BigServer(1_000_000, 1_000_000.0) as server:
        one = seconds(1)
        four = next((took for _ in range(3) if (took := seconds(4)) < 0.4 * one), None)
    print(f"{kind}: one {one:.2f} s, four {four or 9:.2f} s")
    assert four is not None
