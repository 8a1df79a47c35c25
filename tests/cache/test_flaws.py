"""Rows of storages that are damaged, forged or of another version: a miss, and dropped."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Any

import pytest

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.flaws import flaw
from statuspolicy.cache.sealed import DIGEST, digest, sealed
from tests.cache.web import URL
from tests.library import httpx, sp

SOUND: dict[str, Any] = {
    "status": 200,
    "headers": ((b"Cache-Control", b"max-age=600"), (b"ETag", b'"1"')),
    "body": b"stored",
    "request_time": 1e9,
    "response_time": 1e9,
    "who": "me",
    "vary": (),
    "part": None,
}
DAMAGED = [
    *({"status": s} for s in ("200", 0, -1, 10**6, 200.5, None, [], True, 101, 199, 304, 428)),
    *({"body": b} for b in ("stored", None, 5, bytearray(b"stored"))),
    *(
        {name: t}
        for name in ("request_time", "response_time")
        for t in ("x", None, -1, -1e300, 1e300, float("nan"), float("inf"), True, 10**30)
    ),
    *({"who": w} for w in (None, [], 5, b"me")),
    *({"vary": v} for v in ("ab", None, (("a",),), ((1, 2),), (["a", "b"],), (("a", b"b"),), 5)),
    *(
        {"headers": h}
        for h in (
            "abc",
            None,
            ((),),
            ((1, 2),),
            (("A", "b"),),
            ((b"A", b"b", b"c"),),
            ([b"A", b"b"],),
            ((b"", b"b"),),
            ((b"A B", b"b"),),
            ((b"A", b"b\r\nX: y"),),
            ((b"Content-Length", b"3"),),
        )
    ),
    {"status": 206},
    *(
        {"status": 206, "part": p}
        for p in (
            (-5, 0, 9), (0, 4, 9), (0, 5, 5), (0, 5), "abc", 5, ("0", 5, 9), (0, "5", 9),
            (0, 5, "9"), (6, 5, 9), (0, 10**30, None), [0, 5, 9],
        )
    ),
]  # fmt: skip


def test_a_flaw_in_any_value_is_found():
    for damage in DAMAGED:
        assert flaw(**SOUND | damage), damage


def test_what_is_stored_by_itself_has_no_flaw():
    for fine in [
        {},
        {"status": 206, "part": (0, 5, 9)},
        {"status": 206, "part": (4, 9, None)},
        {"status": 299, "vary": (("accept", None), ("cookie", "a"))},
        {"headers": ((b"Content-Length", b"6"), (b"X", b""), (b"Y", b" a\tb\0\xff"))},
        {"request_time": 0, "response_time": 253_402_300_799},
    ]:
        assert not flaw(**SOUND | fine), fine


# ── a storage of somebody's own ────────────────────────────────────────────────────────


class Odd:
    """One that gives whatever it is told to."""

    shared = False

    def __init__(self, given):
        self.given = given
        self.dropped = []

    def load(self, url, who):
        return self.given

    def save(self, url, entry, same):
        """Nothing is kept."""

    def drop(self, url, ids):
        self.dropped.append((url, ids))

    def close(self):
        """Nothing is open."""

    async def aload(self, url, who):
        return self.load(url, who)

    async def asave(self, url, entry, same):
        self.save(url, entry, same)

    async def adrop(self, url, ids):
        self.drop(url, ids)

    async def aclose(self):
        self.close()


GIVEN = [
    [None],
    ["an entry"],
    [Entry(**SOUND | {"who": "somebody else"})],
    [Entry(**SOUND), Entry(**SOUND | {"response_time": "x"})],
    *([Entry(**SOUND | damage)] for damage in DAMAGED),
]


def test_what_a_storage_gives_that_is_no_response_is_a_miss_and_dropped(caplog):
    for given in [*GIVEN, None, 5, object()]:
        storage = Odd(given)
        client = httpx.Client(transport=httpx.MockTransport(lambda r: httpx.Response(200)))
        with sp.wrap(client, cache=sp.Cache(storage=storage, user="me")):
            for headers in ({}, {"Range": "bytes=0-1"}, {"Cache-Control": "no-cache"}):
                caplog.clear()
                response = client.get(URL, headers=headers)
                assert (response.status_code, response.content) == (200, b""), given
                assert len(caplog.records) == 1
        if isinstance(given, list):
            assert set(storage.dropped) == {(URL, None)}


@pytest.mark.anyio
async def test_what_a_storage_gives_that_is_no_response_is_a_miss_in_async():
    for given in [*GIVEN, None]:
        storage = Odd(given)
        client = httpx.AsyncClient(transport=httpx.MockTransport(lambda r: httpx.Response(200)))
        async with sp.wrap(client, cache=sp.Cache(storage=storage, user="me")):
            response = await client.get(URL)
        assert (response.status_code, response.content) == (200, b""), given
        if isinstance(given, list):
            assert (URL, None) in storage.dropped


def test_what_a_storage_gives_may_be_an_iterator():
    mock = httpx.MockTransport(lambda request: httpx.Response(200, text="new"))
    for given, content in ((iter(()), b"new"), (iter([Entry(**SOUND)]), b"stored")):
        cache, clock = sp.Cache(storage=Odd(given), user="me"), sp.testing.FakeClock(1e9)
        with sp.wrap(httpx.Client(transport=mock), cache=cache, clock=clock) as client:
            assert client.get(URL).content == content


# ── rows of a file, whose digest is right ──────────────────────────────────────────────


def put(**values):
    return lambda row: json.dumps({**row, **values})


FORGED = [
    *(put(**damage) for damage in DAMAGED if "body" not in damage and "b'" not in repr(damage)),
    put(headers=[["A", "\udcff"]]),
    put(headers=[["A", "€"]]),
    put(headers=[["ETag", '"a"\r\nX: y']]),
    put(unknown=1),
    put(version=2),
    lambda row: json.dumps({name: row[name] for name in row if name != "status"}),
    *(lambda row, said=said: said for said in ("[1]", "null", '"x"', "{", "", "[" * 100_000)),
    lambda row: '{"status":' + "9" * 5000 + "}",
]


def test_a_row_of_a_file_that_is_forged_is_a_miss_and_dropped(tmp_path, caplog):
    path = tmp_path / "cache.db"
    answers = []

    def site(request):
        answers.append(request)
        return httpx.Response(200, headers={"Cache-Control": "max-age=600"}, text="right")

    storage = sp.SQLiteStorage(path)
    client = httpx.Client(transport=httpx.MockTransport(site))
    with sp.wrap(client, cache=sp.Cache(storage=storage, user="me")):
        client.get(URL)
        with sqlite3.connect(path, isolation_level=None) as db:
            for forge in FORGED:
                (dumped,) = db.execute("SELECT dumped FROM entry").fetchone()
                said = forge(json.loads(dumped[2 * DIGEST :])).encode()
                dumped = sealed(URL, digest(b"right") + said)
                db.execute("UPDATE entry SET dumped = ?", (dumped,))
                caplog.clear()
                before = len(answers)
                assert client.get(URL).text == "right"
                assert len(answers) == before + 1, said[:100]
                assert len(caplog.records) == 1
                assert caplog.records[0].levelno == logging.WARNING
                assert len(caplog.text) < 600
            for odd in (5, 1.5, "text", b"", b"\0" * 200):
                db.execute("UPDATE entry SET dumped = ?", (odd,))
                assert client.get(URL).text == "right"
                db.execute("UPDATE body SET body = ?", (odd,))
                assert client.get(URL).text == "right"
        db.close()


def test_a_row_of_a_file_whose_other_columns_are_odd_is_a_miss_and_dropped(tmp_path, caplog):
    path = tmp_path / "cache.db"
    storage = sp.SQLiteStorage(path)
    with sqlite3.connect(path, isolation_level=None) as db:
        for column in ("used", "id"):
            for odd in ("text", b"bytes", float("inf"), -1e300):
                storage.save(URL, Entry(**SOUND), False)
                db.execute(f"UPDATE entry SET {column} = ?", (odd,))
                caplog.clear()
                for _ in range(2):  # when it was used says nothing of what it is
                    assert len(storage.load(URL, "me")) == (column == "used")
                assert len(caplog.records) <= 1
    db.close()
    storage.close()


def test_what_would_be_dropped_when_it_is_loaded_is_not_saved(tmp_path):
    storage = sp.SQLiteStorage(tmp_path / "cache.db")
    storage.save(URL, Entry(**SOUND | {"headers": ((b"A B", b""),)}), False)
    assert not storage.load(URL, "me")
    storage.save(URL, Entry(**SOUND), False)
    assert len(storage.load(URL, "me")) == 1
    storage.close()


def test_an_etag_that_no_request_could_name_is_none():
    conditions = []

    def site(request):
        conditions.append(request.headers.get("if-none-match"))
        headers = [(b"Cache-Control", b"max-age=0"), (b"ETag", b'"a\0"')]
        return httpx.Response(200, headers=headers, text="right")

    with sp.wrap(httpx.Client(transport=httpx.MockTransport(site)), cache=sp.Cache()) as client:
        assert [client.get(URL).text for _ in range(2)] == ["right"] * 2
    assert conditions == [None, None]
