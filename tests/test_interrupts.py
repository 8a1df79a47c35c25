"""Ctrl-C and cancellation, wherever they come: nothing stays open, locked or set, and the next
request of the same thread and client works."""
# ruff: noqa: RUF012 - a scenario's options, which nothing changes

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import anyio
import pytest

from statuspolicy.testing import FakeClock
from tests.interrupts import Inner, Interrupted, Stepped, apart, interrupting, without_a_loop
from tests.library import httpx, sp
from tests.raw_server import serving

URL = "http://home.example"
FULL = bool(os.environ.get("STATUSPOLICY_CI"))
WIRE = import_module("statuspolicy.wire.context").WIRE  # one for both libraries
PASSING = import_module("statuspolicy.client.wrapping").PASSING
CALL = sp.PolicyTransport.__init__.__globals__["CALL"]
BIG = b"x" * 3000

pytestmark = [
    pytest.mark.timeout(900),  # each place is a run of its own
    # What nobody has yet, or what was left between two of its parts, is closed as it is freed, and
    # Python or trio says so; an interrupt that comes just then is told in the same way.
    pytest.mark.filterwarnings("ignore:.*(unclosed|Async generator):ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class World:
    """A client over a transport without a network, and what it is asked in one scenario."""

    options: dict[str, Any] = {}
    status = 200

    def __init__(self, is_async: bool) -> None:
        self.is_async = is_async
        self.clock, self.memory = FakeClock(), sp.Memory()
        self.inner = Inner(self.answered)
        self.script: Iterator[Any] = iter(())
        kind: Any = httpx.AsyncClient if is_async else httpx.Client
        options = {"limits": sp.Limits(deadline=20), **self.options}
        if "cache" in options:
            options["cache"] = sp.Cache(**options["cache"])
        self.client: Any = sp.wrap(
            kind(transport=self.inner), clock=self.clock, memory=self.memory, **options
        )
        assert self.client._transport._io  # which loads the loop

    def answers(self) -> Iterator[Any]:
        """What is answered, in turn."""
        yield 200, {}, b"o", b"k"

    def answered(self, request: httpx.Request) -> Any:
        if request.url.path == "/ok":
            return 200, {}, b"fine"
        return next(self.script)

    async def go(self) -> Any:
        """The requests of the scenario; the status of the last answer."""
        return await self.request("GET", f"{URL}/a")

    async def request(self, *args: Any, **options: Any) -> Any:
        if self.is_async:
            return (await self.client.request(*args, **options)).status_code
        return self.client.request(*args, **options).status_code

    async def before(self) -> None:
        """What was before."""

    async def run(self, at: int, opcodes: bool = False) -> tuple[int, Any, list[str]]:
        """Interrupt it there: how many places there were, where it was, and what is wrong."""
        await self.before()
        self.script = self.answers()
        with interrupting(at, opcodes) as said:
            with suppress(Interrupted):
                await self.go()
        return said[0], said[1], await self.wrong()

    async def wrong(self) -> list[str]:
        found = []
        if self.inner.open:
            found.append(f"{len(self.inner.open)} responses are open")
        for var in (WIRE, CALL, PASSING):
            if var.get():
                found.append(f"{var.name} is set")
                var.set(None)
        found += [f"{lock} is locked" for lock in self.locked()]
        if not found:
            try:
                found += await self.afterwards()
            except Exception as error:
                found.append(repr(error))
        return found

    def locked(self) -> list[str]:
        return ["the memory"] if self.memory._lock.locked() else []

    async def afterwards(self) -> list[str]:
        """What is wrong with the next requests."""
        if await self.request("GET", f"{URL}/ok") != 200:
            return ["the next request fails"]
        await self.before()
        self.script = self.answers()
        found = await self.go()
        return [] if found == self.status else [f"the same once more is {found}"]


class Redirect(World):
    def answers(self):
        yield 302, {"Location": "/b"}, b"moved"
        yield 302, {"Location": "/c"}, b"moved"
        yield 200, {}, BIG


class RedirectAbroad(World):
    def answers(self):
        yield 302, {"Location": "http://other.example/", "Set-Cookie": "a=b"}, b"moved"
        yield 200, {}, BIG


class RedirectKept(World):
    """A permanent move that is remembered."""

    def answers(self):
        yield 301, {"Location": "https://home.example/b"}, b"moved"
        yield 200, {}, BIG

    async def go(self):
        return await self.request("GET", "https://home.example/a")

    async def afterwards(self):
        return []


class Busy(World):
    def answers(self):
        yield 503, {"Retry-After": "2"}, b"busy"
        yield 200, {}, BIG


class BusyAtOnce(World):
    def answers(self):
        yield 503, {"Retry-After": "0"}, b"busy"
        yield 302, {"Location": "/b"}, b"moved"
        yield 503, {}, b"busy"
        yield 200, {}, BIG


class Failing(World):
    def answers(self):
        yield httpx.ConnectError("no route")
        yield httpx.ConnectTimeout("no answer")
        yield 200, {}, BIG


class Post(World):
    def answers(self):
        yield 307, {"Location": "/b"}, b"elsewhere"
        yield 200, {}, BIG

    options = {"confirm": lambda *_: True}

    async def go(self):
        return await self.request("POST", f"{URL}/a", content=b"body")


class PostDone(Post):
    def answers(self):
        yield 201, {}, b"made"

    status = 201


class PutStreamed(Post):
    async def go(self):
        def parts():
            yield b"some"
            yield b"parts"

        async def aparts():
            for part in parts():
                yield part

        content = aparts() if self.is_async else parts()
        return await self.request("PUT", f"{URL}/a", content=content)


class Challenge(World):
    options = {"table": sp.STANDARD | {401: sp.authenticate(httpx.BasicAuth("a", "b"))}}

    def answers(self):
        yield 401, {"WWW-Authenticate": "Basic realm=x"}, b"no"
        yield 200, {}, BIG


class Token(Challenge):
    options = {"table": sp.STANDARD | {401: sp.authenticate(lambda *_: "token")}}

    def answers(self):
        yield 401, {"WWW-Authenticate": "Bearer"}, b"no"
        yield 200, {}, BIG

    async def afterwards(self):
        return []


class Poll(World):
    options = {"table": sp.STANDARD | {202: sp.poll(interval=1)}}

    def answers(self):
        yield 202, {"Location": "/status"}, b"accepted"
        yield 202, {}, b"not yet"
        yield 200, {}, BIG


class Resumed(World):
    options = {"table": sp.STANDARD | {200: sp.resume}}

    def answers(self):
        whole = {"Content-Length": "3000", "ETag": '"1"', "Accept-Ranges": "bytes"}
        rest = {"Content-Range": "bytes 1000-2999/3000", "ETag": '"1"'}
        yield 200, whole, BIG[:1000], httpx.ReadError("broken")
        yield 206, rest, BIG[:2000]


class Within(World):
    options = {"limits": sp.Limits(total=20)}

    def answers(self):
        yield 503, {"Retry-After": "1"}, b"busy"
        yield 200, {}, b"o", b"k"


class Elsewhere(World):
    def answers(self):
        yield 421, {}, b"elsewhere"
        yield 200, {}, b"o", b"k"


class Looked(World):
    """A duty reads the body, and another one settles with the first answer."""

    options = {"table": sp.STANDARD | {409: sp.resolve(lambda *_: None)}}
    status = 409

    def answers(self):
        yield 409, {"Content-Type": "application/problem+json"}, b'{"title": "no"}'


class Probe(World):
    """A breaker is half-open: one request may try."""

    options = {"table": sp.STANDARD | {503: sp.breaker(sp.surface, failures=1, seconds=5)}}

    async def before(self):
        self.memory.cool(URL, sp.Cool(5, probe=True, refuse=True), self.clock.monotonic())
        self.clock.now += 6

    async def afterwards(self):
        # At once: the probe of an exchange that ended unanswered stands in nobody's way.
        self.script = self.answers()
        return [] if await self.go() == 200 else ["the probe is refused"]


class Cooling(World):
    async def before(self):
        self.memory.cool(URL, sp.Cool(5), self.clock.monotonic())


class Budget(World):
    options = {"limits": sp.Limits(retry_budget=sp.RetryBudget(tokens=1, per_second=0.001))}

    def answers(self):
        yield httpx.ConnectError("no route")
        yield 200, {}, b"ok"


FRESH = {"Cache-Control": "max-age=5", "ETag": '"1"'}
STALE = {"Cache-Control": "max-age=0", "ETag": '"1"'}


class Miss(World):
    options = {"cache": {}}

    def answers(self):
        yield 200, FRESH, b"o", b"k"

    async def before(self):
        self.clock.now += 10


class MissMoved(Miss):
    def answers(self):
        yield 302, {"Location": "/b", **FRESH}, b"moved"
        yield 200, FRESH, b"o", b"k"


class Stored(Miss):
    stored = FRESH

    async def before(self):
        self.clock.now += 10
        self.script = iter([(200, self.stored, b"ok")])
        await self.request("GET", f"{URL}/a")


class Valid(Stored):
    stored = STALE

    def answers(self):
        yield 304, STALE, b""


class Collapsed(Valid):
    options = {"cache": {"collapse": True}}


class StandIn(Stored):
    stored = {
        "Cache-Control": "max-age=0, stale-if-error=60",
        "ETag": '"1"',
    }

    def answers(self):
        while True:
            yield 503, {}, b"busy"


class Written(Stored):
    status = 204

    async def go(self):
        return await self.request("DELETE", f"{URL}/a")

    def answers(self):
        yield 204, {}

    async def afterwards(self):
        """What was stored is stale, where the request went out."""
        if not any(request.method == "DELETE" for request in self.inner.sent):
            return []
        self.script = iter([(200, {}, b"new")])
        sent = len(self.inner.sent)
        await self.request("GET", f"{URL}/a")
        return [] if len(self.inner.sent) > sent else ["what is stale is served"]


WORLDS = [
    World, Redirect, RedirectAbroad, RedirectKept, Busy, BusyAtOnce, Failing, Post, PostDone,
    PutStreamed, Challenge, Token, Poll, Resumed, Within, Elsewhere, Looked, Probe, Cooling, Budget,
    Miss, MissMoved, Stored, Valid, Collapsed, StandIn, Written,
]  # fmt: skip
# Each so many places one.
FEW = {"sync": 47, "asyncio": 97, "trio": 97}
SAMPLE = {"sync": 1, "asyncio": 5, "trio": 11} if FULL else FEW


def swept(world: type[World], kind: str, opcodes: bool = False, step: int = 0) -> Any:
    """How many places there were, and what was wrong at which."""

    def tried(at: int) -> tuple[int, Any, list[str]]:
        one = world(kind != "sync")
        if kind == "sync":
            return without_a_loop(one.run(at, opcodes))
        # In a loop of its own: a cancel scope that Ctrl-C left unclosed ends with it.
        return anyio.run(one.run, at, opcodes, backend=kind)

    tried(0)  # what is loaded and kept once
    places, _, wrong = tried(0)
    assert not wrong
    found = []
    for at in range(1, places + 1, step or SAMPLE[kind]):
        _, where, wrong = tried(at)
        found += [f"{where}: {one}" for one in wrong]
    return places, found


@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
@apart
def test_ctrl_c_at_each_line_leaves_nothing_behind(kind):
    for world in WORLDS:
        places, found = swept(world, kind)
        assert places > 10
        assert found == [], world


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancellation_at_each_checkpoint_leaves_nothing_behind(backend):
    async def cancelled(world: type[World], at: int) -> tuple[int, list[str]]:
        tried = world(True)
        await tried.before()
        tried.script = tried.answers()
        with anyio.CancelScope() as scope:
            stepped = Stepped(tried.go(), at, scope.cancel)
            await stepped
        return stepped.steps, await tried.wrong()

    async def sweep() -> list[str]:
        found = []
        for world in WORLDS:
            checkpoints, wrong = await cancelled(world, 0)
            assert (checkpoints > 0) or world is Stored
            assert not wrong
            for at in range(1, checkpoints + 1):
                _, wrong = await cancelled(world, at)
                found += [f"{world.__name__} at {at}: {one}" for one in wrong]
        return found

    assert anyio.run(sweep, backend=backend) == []


@apart
def test_421_ctrl_c_as_a_transport_is_made_fresh_closes_it():
    """Of a response that has its own transport, both are closed."""

    class Counted(Inner):
        closed = 0

        def close(self):
            self.closed += 1

    made = []

    def fresh():
        made.append(Counted(lambda _: (200, {}, b"ok")))
        return made[-1]

    def go(at):
        http2 = {"http_version": b"HTTP/2"}
        first = Inner(lambda _: (421, {}, b"elsewhere"))
        answer = first.handle_request

        def handle(request):
            response = answer(request)
            response.extensions.update(http2)
            return response

        first.handle_request = handle
        client = sp.wrap(httpx.Client(transport=first), fresh=fresh, clock=FakeClock())
        with interrupting(at) as said, suppress(Interrupted):
            assert client.get(URL).status_code == 200
        return said[0], len(first.open)

    places, _ = go(0)
    assert len(made) == 1
    for at in range(1, places + 1, SAMPLE["sync"]):
        made.clear()
        assert go(at)[1] == 0
        assert [(bool(one.closed), len(one.open)) for one in made] == [(True, 0)] * len(made)


@apart
def test_ctrl_c_in_a_download_closes_its_response_and_lets_the_next_one_have_the_file(tmp_path):
    whole = {"Content-Length": "3000", "ETag": '"1"', "Accept-Ranges": "bytes"}

    def answer(request):
        if "range" not in request.headers:
            return 200, whole, BIG[:1000], BIG[1000:]
        first = int(request.headers["range"][6:].split("-")[0])
        extent = {"Content-Range": f"bytes {first}-2999/3000", "ETag": '"1"'}
        return 206, extent, BIG[first:]

    def go(at):
        inner, path = Inner(answer), tmp_path / str(at)
        client = sp.wrap(httpx.Client(transport=inner))
        with interrupting(at) as said, suppress(Interrupted):
            sp.download(client, f"{URL}/f", path)
        assert not inner.open, said
        assert sp.download(client, f"{URL}/f", path).read_bytes() == BIG, said
        assert [each.name for each in tmp_path.iterdir()] == [path.name], said
        path.unlink()
        return said[0]

    places = go(0)
    for at in range(1, places + 1, SAMPLE["sync"]):
        go(at)


@apart
def test_ctrl_c_in_an_upload_over_a_socket_leaves_its_pool_of_one_free():
    """Expect: 100-continue, a body that waits, and an answer; the next request works."""

    def serve(peer):
        while head := peer.head():
            if b"Expect" in head:
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                peer.exactly(4)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def go(url, at):
        options = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.2)}
        with sp.wrap(httpx.Client(**options)) as client:
            with interrupting(at) as said, suppress(Interrupted):
                client.post(url, content=b"body", headers={"Expect": "100-continue"})
            assert (WIRE.get(), CALL.get()) == (None, None), said
            assert client.get(url).text == "ok", said
        return said[0]

    with serving(serve) as server:
        go(server.url, 0)
        places = go(server.url, 0)
        assert places > 100
        for at in range(1, places + 1, SAMPLE["sync"] // 4 or 1):
            go(server.url, at)
