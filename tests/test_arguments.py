"""What can't be meant is said where it is written, in one sentence with what to write instead."""

import asyncio
import re
from functools import partial

import pytest

from tests.library import httpx, sp

URL = "http://home.example/file"


def download(path: object = "file", **options: object) -> None:
    with sp.wrap(httpx.Client()) as client:
        sp.download(client, URL, path, **options)


def adownload(path: object = "file", **options: object) -> None:
    async def run() -> None:
        async with sp.wrap(httpx.AsyncClient()) as client:
            await sp.adownload(client, URL, path, **options)

    asyncio.run(run())


WRONG = [
    (partial(sp.PolicyTransport, clock=0), TypeError,
     r"clock=0: write statuspolicy\.SystemClock\(\), or an object with its methods"),
    (partial(sp.PolicyTransport, clock=sp.SystemClock), TypeError,
     r"clock=.*SystemClock'>: write statuspolicy\.SystemClock\(\), or"),
    (partial(sp.PolicyTransport, httpx.HTTPTransport), TypeError,
     r"inner is the class HTTPTransport: call it, as in HTTPTransport\(\)"),
    (partial(sp.PolicyTransport, cache=sp.MemoryStorage()), TypeError,
     r"cache=<.*MemoryStorage.*>: write .*, or statuspolicy\.Cache\(storage=\.\.\.\) for a"),
    (partial(sp.RedisStorage, "redis://h", ttl="x"), ValueError,
     r"RedisStorage\(ttl='x'\): write a number of seconds, 1 or more"),
    (partial(sp.RedisStorage, "redis://h", prefix=3), TypeError,
     r"RedisStorage\(prefix=3\): write a string"),
    (partial(sp.RedisStorage, "127.0.0.1:6379"), ValueError,
     r"RedisStorage\('127\.0\.0\.1:6379'\): write redis://127\.0\.0\.1:6379"),
    (partial(sp.SQLiteStorage, 3), TypeError, r"SQLiteStorage\(3\): write the path of a file"),
    (partial(sp.SQLiteStorage, None), TypeError,
     r"SQLiteStorage\(None\): write the path of a file"),
    *((partial(load, path), TypeError, r"path=None: write the path of a file")
      for load, path in [(download, None), (adownload, None)]),
    *((partial(load, "nodir/f"), FileNotFoundError,
       r"nodir/f: the directory does not exist: create it first")
      for load in (download, adownload)),
    *((partial(load, resume="no"), TypeError, r"resume='no': write True or False")
      for load in (download, adownload)),
    *((partial(load, headers="x"), TypeError,
       r"headers='x': write a mapping of names to values") for load in (download, adownload)),
    (partial(sp.alternatives, "x"), TypeError, r"alternatives\('x'\): give an httpx\.Response"),
    (partial(sp.multistatus, "x"), TypeError, r"multistatus\('x'\): give an httpx\.Response"),
    (partial(sp.poll_token, "x"), TypeError, r"poll_token\('x'\): give an httpx\.Response"),
    (partial(sp.resume_poll, None, "x"), TypeError, r"^None: give statuspolicy\.wrap\(client\)\.$"),
    (partial(sp.poll_token, httpx.Response(200)), ValueError,
     r"<Response \[200 OK\]> has no request: give a response that a client returned"),
    (partial(sp.challenges, httpx.Response(401)), TypeError,
     r"challenges\(<Response .*>\): give the field's value, such as response\.headers\[.*\]"),
    (partial(sp.reset, 1), TypeError,
     r"reset\(1\): write a callable that takes the request and the response"),
    (partial(sp.choose, 1), TypeError,
     r"choose\(1\): write a callable that takes the request and the response and returns a URL"),
    (partial(sp.STANDARD.row, "503"), ValueError,
     r"""row\('503'\): write a status code as a number, such as 503, or a class such as "5xx\""""),
    (partial(sp.Limits, attempts="4"), ValueError,
     r"Limits\(attempts='4'\): write a number of 0 or more, such as 4"),
    (lambda: sp.STANDARD | {httpx.HTTPStatusError: sp.surface}, ValueError,
     r"<class .*> is not a key of a policy table: write .* or a subclass of httpx\.TransportError"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "sentence"), WRONG)
def test_what_can_t_be_meant_is_one_sentence(make, kind, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as caught:
        make()
    assert type(caught.value) is kind
    assert re.match(sentence, str(caught.value))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
