"""A client's own writes and the cache: what was asked for before one is not stored after it."""

import logging
import sqlite3
import threading
from contextlib import closing

import anyio
import pytest

from statuspolicy.cache import invalidation_log
from statuspolicy.cache.changes import Drop, Save
from statuspolicy.cache.invalidation_log import Invalidations, Sent, UndeletedUrls
from statuspolicy.cache.storage import sqlite
from statuspolicy.cache.storage.access import achange, change, look
from statuspolicy.cache.storage.memory import MemoryStorage
from tests.cache.places import RedisServer
from tests.cache.values import entry
from tests.library import httpx, sp

URL = "http://a.example/x"
FRESH = {"Cache-Control": "max-age=60"}


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is read in parts."""

    def __init__(self, content):
        self.content = content

    def __iter__(self):
        yield from (self.content[:1], self.content[1:])

    async def __aiter__(self):
        for part in self:
            yield part


class Origin(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A resource whose version counts its writes, and who writes while it is asked for.

    meanwhile: the method of a write that is answered while the next read is on its way.
    answers: what the next writes are answered with, in place of 204; an error is raised.
    """

    def __init__(self, **headers):
        self.version, self.meanwhile, self.client = 1, None, None
        self.headers = FRESH | {"ETag": None} | headers
        self.answers, self.sent, self.status = [], [], 200

    def answer(self, request):
        self.sent.append(request.method)
        if request.method not in ("GET", "HEAD"):
            self.version += 1
            answer = self.answers.pop(0) if self.answers else 204
            if isinstance(answer, BaseException):
                raise answer
            return answer if isinstance(answer, httpx.Response) else httpx.Response(answer)
        tag = f'"{self.version}"'
        headers = {**self.headers, "ETag": tag, "Location": "/y"}
        if request.headers.get("if-none-match") == tag:
            return httpx.Response(304, headers=headers)
        content = b"v%d" % self.version
        if "range" in request.headers:
            headers["Content-Range"] = f"bytes 0-{len(content) - 1}/{len(content)}"
            return httpx.Response(206, headers=headers, stream=Body(content))
        return httpx.Response(self.status, headers=headers, stream=Body(content))

    def _interrupted(self, request):
        """The method of a write that comes before this answer does."""
        if request.method not in ("GET", "HEAD"):
            return None
        method, self.meanwhile = self.meanwhile, None
        return method

    def handle_request(self, request):
        answer, write = self.answer(request), self._interrupted(request)
        if write is not None:
            self.client.request(write, URL)
        return answer

    async def handle_async_request(self, request):
        answer, write = self.answer(request), self._interrupted(request)
        if write is not None:
            await self.client.request(write, URL)
        return answer


@pytest.fixture
def opened(open_session):
    """Open a client of an origin: `opened(storage=..., cache options)`, and that origin."""

    def opened(headers=None, table=sp.STANDARD, **cache):
        origin = Origin(**(headers or {}))
        session = open_session({"transport": origin}, cache=sp.Cache(**cache), table=table)
        origin.client = session.client
        return session, origin

    return opened


STALE = {"Cache-Control": "max-age=0"}


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
def test_a_read_that_is_under_way_while_this_client_writes_is_not_stored_after_it(
    opened, storage, tmp_path
):
    """Neither a 200, nor what a 304 says is right, nor a part, nor a stored redirect."""
    for number, (first, how, status) in enumerate(
        [
            (None, {}, 200),
            (STALE, {}, 200),  # the read is a validation
            (STALE, {"headers": {"Range": "bytes=0-"}}, 200),
            (None, {"headers": {"Range": "bytes=0-"}}, 200),
            (None, {"follow_redirects": False}, 301),
            (None, {"follow_redirects": False}, 404),
        ]
    ):
        path = tmp_path / f"{number}.db"
        kept = sp.MemoryStorage() if storage == "memory" else sp.SQLiteStorage(path)
        session, origin = opened(storage=kept, user="me")
        origin.status = status
        if first is not None:
            origin.headers |= first
            session.get(URL)
            origin.headers |= FRESH
        for write in ("PUT", "DELETE", "X-OWN"):
            origin.meanwhile = write
            before = origin.version
            read = session.get(URL, **how)
            assert read.content in (b"v%d" % before, b"")
            again = session.get(URL, **how)
            assert again.content == b"v%d" % (before + 1), (status, how, write)
            session.request("PUT", URL)
        assert session.get(URL, **how).content == session.get(URL, **how).content
        assert "hit" in sp.trace(session.get(URL, **how))[-1].cache


def test_a_body_that_is_read_to_its_end_after_a_write_is_not_stored(opened):
    session, origin = opened()
    client = session.client

    def read():
        with client.stream("GET", URL) as response:
            client.put(URL)
            return response.read()

    async def aread():
        async with client.stream("GET", URL) as response:
            await client.put(URL)
            return await response.aread()

    assert session.run(read if session.portal is None else aread) == b"v1"
    assert [session.get(URL).content for _ in range(2)] == [b"v2"] * 2
    assert origin.sent == ["GET", "PUT", "GET"]


def test_a_head_that_is_under_way_freshens_nothing_after_a_write(opened):
    session, origin = opened(STALE)
    session.get(URL)
    origin.headers |= FRESH
    origin.meanwhile = "PUT"
    session.request("HEAD", URL)
    assert session.get(URL).content == b"v2"


def test_stale_while_revalidate_a_validation_that_a_write_overtakes_is_not_stored(opened):
    session, origin = opened({"Cache-Control": "max-age=1, stale-while-revalidate=60"})
    session.get(URL)
    session.clock.now += 10
    written = threading.Event()
    origin.meanwhile = "PUT"
    inner = origin.answer

    def answer(request):
        if request.method == "PUT":
            written.set()
        return inner(request)

    origin.answer = answer
    assert session.get(URL).content == b"v1"
    assert session.run(written.wait if session.portal is None else anyio.sleep, 0.05) is not False
    if session.portal is None:
        for thread in threading.enumerate():
            if thread.name.startswith("statuspolicy:"):
                thread.join(10)
    assert written.is_set()
    assert session.get(URL).content == b"v2"


def test_a_write_through_one_client_overtakes_a_read_of_another_with_the_same_storage(opened):
    storage = sp.MemoryStorage()
    session, origin = opened(storage=storage, user="me")
    other = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(204)))
    sp.wrap(other, cache=sp.Cache(storage=storage, user="me"))
    inner = origin.answer

    def answer(request):
        response = inner(request)
        origin.answer = inner
        other.put(URL)
        return response

    origin.answer = answer
    session.get(URL)
    origin.version = 2
    assert session.get(URL).content == b"v2"


def test_what_is_asked_for_after_a_write_is_stored(opened):
    session, origin = opened()
    for _ in range(3):
        session.request("PUT", URL)
        assert len({session.get(URL).content for _ in range(3)}) == 1
    assert origin.sent == ["PUT", "GET"] * 3


# ── errors that tell that what is stored is out of date ────────────────────────────────

LOST = [
    httpx.ReadError("gone"), httpx.ReadTimeout("late"), httpx.WriteError("gone"),
    httpx.WriteTimeout("late"), httpx.RemoteProtocolError("Server disconnected"),
    ValueError("a stream's own"),
]  # fmt: skip
UNSENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("late"), httpx.PoolTimeout("full")]
ONCE = sp.STANDARD | dict.fromkeys(("5xx", httpx.TransportError), sp.surface)


def test_502_504_after_a_write_of_unknown_outcome_the_server_is_asked(opened):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for outcome in [*LOST, 502, 504]:
            session, origin = opened(table=ONCE)
            session.get(URL)
            origin.answers = [outcome]
            if isinstance(outcome, int):
                assert session.request(method, URL).status_code == outcome
            else:
                with pytest.raises(type(outcome)):
                    session.request(method, URL)
            assert session.get(URL).content == b"v2", (method, outcome)


def test_4xx_after_a_write_that_did_not_happen_what_is_stored_stands(opened):
    for outcome in [*UNSENT, 400, 403, 404, 409, 412, 422, 429, 500, 503]:
        session, origin = opened(table=ONCE | {429: sp.surface})
        session.get(URL)
        origin.answers = [outcome]
        if isinstance(outcome, int):
            session.request("POST", URL)
        else:
            with pytest.raises(type(outcome)):
                session.request("POST", URL)
        assert "hit" in sp.trace(session.get(URL))[-1].cache, outcome


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_after_a_write_that_was_cancelled_the_server_is_asked(opened):
    session, origin = opened()
    session.get(URL)

    async def write():
        async def hang(request):
            origin.answer(request)
            await anyio.sleep_forever()

        answering, origin.handle_async_request = origin.handle_async_request, hang
        with anyio.move_on_after(0.01):
            await session.client.put(URL)
        origin.handle_async_request = answering

    session.run(write)
    assert [session.get(URL).content for _ in range(2)] == [b"v2"] * 2
    assert origin.sent == ["GET", "PUT", "GET"]


def test_412_and_409_to_a_condition_say_that_what_is_stored_is_out_of_date(opened):
    conditions = [
        ("If-Match", '"1"'), ("If-None-Match", "*"), ("If", '(["1"])'),
        ("If-Unmodified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ]  # fmt: skip
    for method in ("PUT", "DELETE", "PATCH", "MOVE"):
        for condition in conditions:
            for status in (412, 409):
                session, origin = opened(table=ONCE)
                session.get(URL)
                origin.answers = [status]
                session.request(method, URL, headers=dict([condition]))
                assert session.get(URL).content == b"v2", (method, condition, status)


def test_412_to_a_get_with_the_stored_tag_says_so_too(opened):
    session, origin = opened()
    session.get(URL)
    inner, origin.version = origin.answer, 2
    origin.answer = lambda request: httpx.Response(412)
    assert session.get(URL, headers={"If-Match": '"1"'}).status_code == 412
    origin.answer = inner
    assert session.get(URL).content == b"v2"


def test_412_resolve_fetches_what_is_there_now(opened, kind):
    clients = []

    def changed(tag):
        return httpx.Request("PUT", URL, headers={"If-Match": tag})

    def mine(exchange):
        return changed(clients[0].get(URL).headers["etag"])

    async def amine(exchange):
        return changed((await clients[0].get(URL)).headers["etag"])

    resolving = sp.resolve(mine if kind == "sync" else amine)
    session, origin = opened(table=sp.STANDARD | {412: resolving})
    clients.append(session.client)
    seen, inner = [], origin.answer

    def answer(request):
        if request.method != "PUT":
            return inner(request)
        seen.append(request.headers["if-match"])
        return httpx.Response(204 if seen[-1] == f'"{origin.version}"' else 412)

    origin.answer = answer
    tag = session.get(URL).headers["etag"]
    origin.version = 7
    assert session.request("PUT", URL, headers={"If-Match": tag}).status_code == 204
    assert seen == ['"1"', '"7"']


def test_a_write_on_the_side_of_unknown_outcome_invalidates_too(open_session):
    """An Aside that is lost, as any other write."""
    outcomes = [httpx.ReadError("gone"), httpx.Response(504), httpx.Response(204)]
    for outcome in outcomes:
        seen = []

        def handler(request, outcome=outcome, seen=seen):
            seen.append(request.method)
            if request.method == "POST":
                return httpx.Response(423)
            if request.method == "GET":
                return httpx.Response(200, headers=FRESH, content=b"body")
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        def unlock(exchange):
            return sp.Aside(httpx.Request("PUT", URL), lambda answer: sp.Settle())

        transport = httpx.MockTransport(handler)
        table = ONCE | {423: unlock}
        session = open_session({"transport": transport}, cache=sp.Cache(), table=table)
        session.get(URL)
        session.request("POST", URL + "/other")
        session.get(URL)
        assert seen == ["GET", "POST", "PUT", "GET"], outcome


# ── COPY and MOVE ──────────────────────────────────────────────────────────────────────


def test_copy_and_move_invalidate_their_destination(opened):
    there = "http://a.example/a%20b"
    for method in ("COPY", "MOVE"):
        for destination in (
            there,
            "/a%20b",
            "/a b",
            "HTTP://A.EXAMPLE:80/a%20b#part",
            "http://u:p@a.example/a b",
        ):
            for status in (201, 204, 207):
                session, origin = opened()
                session.get(there)
                origin.answers = [status]
                session.request(method, URL, headers={"Destination": destination})
                assert session.get(there).content == b"v2", (method, destination)
        elsewhere = "http://user@b.example:81/a b#part"
        session, origin = opened()
        session.get("http://b.example:81/a%20b")
        session.request(method, URL, headers={"Destination": elsewhere})
        assert session.get("http://b.example:81/a%20b").content == b"v2"
        for destination in ("http://[", "http://b.example:x/", "", "mailto:x"):
            session, origin = opened()
            session.get(there)
            session.get(URL)
            session.request(method, URL, headers={"Destination": destination})
            assert session.get(there).content == b"v1"
            assert session.get(URL).content == b"v2"


def test_what_a_field_names_is_invalidated_for_the_host_that_was_sent(opened):
    there, tenant = "http://a.example/y", {"Host": "tenant.example"}
    for method, where in (("PUT", {"Location": "/y"}), ("MOVE", {"Destination": there})):
        session, origin = opened()
        session.get(there, headers=tenant)
        session.get(there)
        if method == "PUT":
            origin.answers = [httpx.Response(204, headers=where)]
        session.request(method, URL, headers=tenant | where)
        assert session.get(there, headers=tenant).content == b"v2", method
        assert session.get(there).content == b"v1", method


def test_copy_and_move_that_fail_invalidate_nothing_and_that_are_lost_both(opened):
    there = "http://a.example/y"
    for outcome, content in ((403, b"v1"), (httpx.ReadError("gone"), b"v2")):
        session, origin = opened(table=ONCE)
        session.get(there)
        origin.answers = [outcome]
        try:
            session.request("MOVE", URL, headers={"Destination": there})
        except httpx.ReadError:
            assert outcome != 403
        assert session.get(there).content == content
    session, origin = opened()
    session.get(there)
    session.request("PUT", URL, headers={"Destination": there})  # it means nothing here
    assert session.get(there).content == b"v1"


# ── invalidations, as values ───────────────────────────────────────────────────────────


def test_an_invalidation_overtakes_what_was_sent_before_it():
    known = Invalidations()
    before = Sent("/a", known)
    Sent("/b", known).invalidate("/b")
    assert not before.overtaken
    Sent("/b", known).invalidate("/a")
    assert before.overtaken
    assert not Sent("/a", known).overtaken


def test_a_requests_own_invalidation_does_not_overtake_it():
    known = Invalidations()
    first, own = Sent("/a", known), Sent("/a", known)
    own.invalidate("/a")
    assert (own.overtaken, first.overtaken) == (False, True)
    first.invalidate("/a")
    assert (own.overtaken, first.overtaken) == (True, True)
    one = Sent("/a", known)
    Sent("/a", known).invalidate("/a")
    one.invalidate("/other")
    assert one.overtaken


def test_what_is_known_of_invalidations_is_bounded_and_errs_to_one_side(monkeypatch):
    monkeypatch.setattr(invalidation_log, "_URLS", 3)
    known = Invalidations()
    old = Sent("/old", known)
    for number in range(4):
        Sent("", known).invalidate(f"/{number}" + "x" * 10_000)
    assert old.overtaken, "of /0 is known only that something was invalidated"
    assert not Sent("/old", known).overtaken
    assert len(known._last) == 3


def test_storages_that_can_not_be_known_have_invalidations_of_each_clients_own():
    class Unhashable(MemoryStorage):
        __hash__ = None

    storage = MemoryStorage()
    assert invalidation_log.of(storage) is invalidation_log.of(storage)
    assert invalidation_log.of(MemoryStorage()) is not invalidation_log.of(storage)
    odd = Unhashable()
    assert invalidation_log.of(odd) is not invalidation_log.of(odd)


def test_what_is_owed_is_bounded_in_count_and_in_length(monkeypatch):
    monkeypatch.setattr(invalidation_log, "_CHARACTERS", 100)
    undeleted = UndeletedUrls()
    for number in range(9):
        undeleted.add(f"{number}" * 40)
    assert [url[0] for url in undeleted] == ["7", "8"]
    undeleted.add("7" * 40)
    assert [url[0] for url in undeleted] == ["8", "7"]
    undeleted.add("x" * 200)
    assert [*undeleted] == ["x" * 200], "the last one is kept, however long"
    undeleted.remove("x" * 200)
    undeleted.remove("nothing")
    for number in range(9):
        undeleted.add(f"{number}", 3)
    assert [*undeleted] == ["6", "7", "8"]


def test_what_is_saved_while_its_url_is_invalidated_is_dropped_again():
    known = Invalidations()

    class Slow(MemoryStorage):
        def save(self, url, entry, same):
            Sent(url, known).invalidate(url)
            super().save(url, entry, same)

    storage = Slow()
    change(storage, [Save("/a", entry())], Sent("/a", known))
    assert not storage.load("/a", "")
    anyio.run(achange, storage, [Save("/a", entry())], Sent("/a", known))
    assert not storage.load("/a", "")


# ── invalidations that can't be made ───────────────────────────────────────────────────


class Failing(MemoryStorage):
    """A storage that can't be written to for a time."""

    error = None

    def drop(self, url, ids):
        if self.error is not None:
            raise self.error
        super().drop(url, ids)

    async def adrop(self, url, ids):
        self.drop(url, ids)


def test_an_invalidation_that_fails_is_made_before_anything_is_used_and_at_close(opened):
    storage = Failing()
    session, origin = opened(storage=storage, user="me")
    for _ in range(2):
        session.get(URL)
        storage.error = OSError("full")
        session.request("PUT", URL)
        assert session.get(URL).content == b"v%d" % origin.version
        storage.error = None
        assert session.get(URL).content == b"v%d" % origin.version
    session.get(URL)
    storage.error = OSError("full")
    session.request("PUT", URL)
    storage.error = None
    session.run(session.client.close if session.portal is None else session.client.aclose)
    assert not storage.load(URL, "me")


def test_where_one_change_fails_the_others_are_made(caplog):
    caplog.set_level(logging.ERROR, "statuspolicy")

    class One(Failing):
        def drop(self, url, ids):
            self.error = OSError("full") if url == "/a" else None
            super().drop(url, ids)

    storage = One()
    for url in ("/a", "/b", "/c"):
        change(storage, [Save(url, entry())])
    change(storage, [Drop("/a"), Drop("/b"), Drop("/a"), Save("/d", entry())])
    assert [bool(look(storage, url, "")) for url in ("/a", "/b", "/d")] == [True, False, True]
    assert len(caplog.messages) == 1
    assert [*invalidation_log.of(storage).undeleted] == ["/a"]


def test_an_interrupted_invalidation_is_owed_with_all_that_were_to_follow():
    storage = Failing()
    storage.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        change(storage, [Drop("/a"), Save("/c", entry()), Drop("/b")])
    assert [*invalidation_log.of(storage).undeleted] == ["/a", "/b"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_invalidation_that_is_cancelled_is_owed_with_all_that_were_to_follow(backend):
    class Slow(Failing):
        async def adrop(self, url, ids):
            await anyio.sleep_forever()

    storage = Slow()

    async def program():
        with anyio.move_on_after(0.01):
            await achange(storage, [Drop("/a"), Save("/c", entry()), Drop("/b")])

    anyio.run(program, backend=backend)
    assert [*invalidation_log.of(storage).undeleted] == ["/a", "/b"]


def test_an_invalidation_while_a_sqlite_file_is_busy_is_made_at_close(
    opened, tmp_path, monkeypatch
):
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.02)
    path = tmp_path / "cache.db"
    for stays_busy in (False, True):
        storage = sp.SQLiteStorage(path)
        session, origin = opened(storage=storage)
        session.get(URL)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            session.request("PUT", URL)
            if not stays_busy:
                other.execute("COMMIT")
            session.run(session.client.close if session.portal is None else session.client.aclose)

        following, there = opened(storage=sp.SQLiteStorage(path))
        there.version = origin.version
        assert following.get(URL).content == b"v2"
        assert "fwd=uri-miss" in sp.trace(following.get(URL, headers={"Cookie": "a=1"}))[-1].cache
        following.run(
            following.client.close if following.portal is None else following.client.aclose
        )


def test_a_sqlite_file_that_can_not_even_be_removed_is_said_to_be_out_of_date(
    tmp_path, monkeypatch, caplog
):
    storage = sp.SQLiteStorage(tmp_path / "cache.db")
    storage.save(URL, entry(), False)

    def fail(*given):
        raise OSError("read-only")

    monkeypatch.setattr(storage, "_drop", fail)
    monkeypatch.setattr(sqlite.os, "remove", fail)
    storage.drop(URL, None)
    storage.close()
    assert caplog.messages[-1] == f"{storage!r}: 1 URLs could not be invalidated: read-only"
    monkeypatch.undo()
    assert not storage.load(URL, ""), "the same object still knows"


def test_an_invalidation_while_redis_is_away_is_made_at_close(tmp_path, caplog):
    redis = pytest.importorskip("redis")
    server = RedisServer(tmp_path)
    try:
        client = redis.Redis.from_url(
            server.url, socket_timeout=0.1, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        )
        storage = sp.RedisStorage(client)
        storage.save(URL, entry(), False)
        server.freeze()
        storage.drop(URL, None)
        storage.close()
        assert caplog.messages[-1].endswith("1 URLs could not be invalidated.")
        server.thaw()
        storage.close()
        assert not sp.RedisStorage(server.url).load(URL, "")
    finally:
        server.stop()


@pytest.mark.anyio
async def test_what_is_being_stored_while_a_write_invalidates_it_is_never_served():
    """A storage takes its time: an older answer may come into it after the invalidation."""

    class Slow(sp.Storage):
        shared = False

        def __init__(self):
            self.inner = sp.MemoryStorage()
            self.load, self.drop, self.close = self.inner.load, self.inner.drop, self.inner.close
            self.aload, self.adrop = self.inner.aload, self.inner.adrop
            self.aclose = self.inner.aclose
            self.meanwhile, self.then = [], []

        def save(self, url, one, same):
            if self.meanwhile:
                self.meanwhile.pop()()
            self.inner.save(url, one, same)
            if self.then:
                self.then.pop()()

        async def asave(self, url, one, same):
            if self.meanwhile:
                await self.meanwhile.pop()()
            self.inner.save(url, one, same)
            if self.then:
                await self.then.pop()()

    version, got = [1], []

    def site(request):
        version[0] += request.method == "PUT"
        return httpx.Response(200, headers=FRESH, text=f"v{version[0]}")

    storage = Slow()
    mock = httpx.MockTransport(site)
    with sp.wrap(httpx.Client(transport=mock), cache=sp.Cache(storage=storage)) as client:
        storage.meanwhile = [lambda: client.put(URL)]
        storage.then = [lambda: got.append(client.get(URL).text)]
        client.get(URL)
        assert [*got, client.get(URL).text, client.get(URL).text] == ["v2"] * 3
        assert "hit" in sp.trace(client.get(URL))[-1].cache

    storage, version, got = Slow(), [1], []
    async with sp.wrap(httpx.AsyncClient(transport=mock), cache=sp.Cache(storage=storage)) as own:

        async def get():
            got.append((await own.get(URL)).text)

        storage.meanwhile, storage.then = [lambda: own.put(URL)], [get]
        await own.get(URL)
        for _ in range(2):
            await get()
        assert got == ["v2"] * 3
        assert "hit" in sp.trace(await own.get(URL))[-1].cache
