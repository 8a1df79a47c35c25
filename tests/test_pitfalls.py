"""Mistakes that middleware below a client easily makes; users of other libraries met each.

The docstring of a test says why the mistake happens. Other pitfalls are held by the tests of their
own subject.
"""

import io
import pickle
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from math import inf
from threading import Event
from typing import Any, Self

import anyio
import anyio.lowlevel
import h2.config
import h2.connection
import h2.events
import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from statuspolicy.testing import Answer, FakeClock, StatusServer
from tests.each import each
from tests.library import httpx, sp

ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


def transport(kind: str, **options: Any) -> Any:
    """The library's own transport for a kind of client."""
    return (httpx.HTTPTransport if kind == "sync" else httpx.AsyncHTTPTransport)(**options)


# ── what the client does with what it gets ─────────────────────────────────────────────


def test_a_cookie_of_an_answer_that_is_repeated_goes_with_the_repeat_and_into_the_jar(
    session, status_server
):
    """The client sees only the last answer, and the cookies of that alone."""
    busy = Answer(503, {"Retry-After": "1", "Set-Cookie": "seen=1"})
    session.get(status_server.script("/busy", busy, Answer()))
    assert [r.headers.get("cookie") for r in status_server.received] == [None, "seen=1"]
    assert session.client.cookies["seen"] == "1"


OTHER = "http://localhost:1/"
DECLINED: dict[str, tuple[str, dict[str, Any]]] = {
    "a row": ("/200", {"table": sp.STANDARD | {307: sp.surface}}),
    "a class": ("/200", {"table": sp.STANDARD | {"3xx": sp.surface}}),
    "a duty": ("/200", {"table": sp.STANDARD | {307: lambda exchange: sp.Settle()}}),
    "nobody to ask": ("/200", {"table": sp.STRICT}),
    "no confirmation": ("/200", {"confirm": lambda *asked: False}),
    "another origin": (OTHER, {"limits": sp.Limits(cross_origin="stop")}),
    "its length": ("/" + "x" * 99, {"limits": sp.Limits(uri_length=99)}),
    "the wait": ("/200", {"limits": sp.Limits(retry_after=0)}),
    "the scheme": ("mailto:nobody@example.org", {}),
    "no host": ("https:///", {}),
}


@pytest.mark.parametrize("reason", DECLINED)
def test_307_what_is_declined_for_any_reason_is_not_followed_by_a_client_that_follows(
    reason, open_session, status_server
):
    """The client looks for a redirect in whatever it gets, and would follow it."""
    location, options = DECLINED[reason]
    session = open_session({"follow_redirects": True}, **options)
    fields = {"Location": location, "Retry-After": "1"}
    url = status_server.script("/away", Answer(307, fields, b"see"))
    response = session.request("PUT", url, content=b"x")
    assert (response.status_code, response.text) == (307, "see")
    assert response.headers["location"] == location
    assert response.next_request is None
    assert len(status_server.received) == 1


def test_307_a_body_that_is_used_up_is_not_sent_empty_by_a_client_that_follows(status_server):
    """To decline a 307 is of no use where the client resends it without its body."""
    client = httpx.Client(follow_redirects=True)
    with sp.wrap(client, limits=sp.Limits(replay_bytes=0)):
        url = status_server.url + "/307?location=/200"
        assert client.put(url, content=iter([b"once"])).status_code == 307
    assert [r.body for r in status_server.received] == [b"once"]


locations = st.one_of(
    st.text(max_size=20),
    st.builds(
        str.__add__,
        st.sampled_from(["http:", "https:", "http://", "//", "/", "?", "#", "http://h:", "x:"]),
        st.text("abc/:@[]%?#.0ß٣ \\xn--", max_size=12),
    ),
)


@given(locations, st.booleans())
@example("http://[::1", False)
@example("http://h:x/", False)
@example("http:99999999", True)
@example("mailto:nobody@example.org", False)
@example("http://xn--/", False)
def test_no_location_makes_a_client_raise_followed_or_not(location, follow):
    """Httpx builds the next request of any redirect, and raises where it can't."""

    def answer(request: httpx.Request) -> httpx.Response:
        if str(request.url) != "http://home.example/":
            return httpx.Response(200)
        return httpx.Response(302, headers=[(b"location", location.strip().encode())])

    with sp.wrap(httpx.Client(transport=httpx.MockTransport(answer))) as client:
        with suppress(sp.RedirectLoop):  # to where it came from
            response = client.get("http://home.example/", follow_redirects=follow)
            assert follow or response.status_code == 302


def test_302_the_elapsed_time_of_a_hop_is_its_own_and_no_wait_counts(open_session):
    """The client times the whole call, and what is in the history not at all."""
    took = {"/a": 3, "/b": 5, "/c": 7}
    leads_to = {"/a": "/b", "/b": "/c"}

    def answer(request: httpx.Request) -> httpx.Response:
        session.clock.now += took[request.url.path]
        if request.url.path not in leads_to:
            return httpx.Response(200)
        fields = {"location": leads_to[request.url.path], "retry-after": "11"}
        return httpx.Response(302, headers=fields)

    session = open_session({"transport": httpx.MockTransport(answer)})
    response = session.get("http://h/a")
    assert [r.elapsed for r in response.history] == [timedelta(seconds=3), timedelta(seconds=5)]
    assert sp.trace(response).waited == 22


@pytest.mark.parametrize(
    "path", ["/200", "/302?location=/200", "/503?retry-after=1&then=200", "/302", "/511?body=x"]
)
def test_whatever_is_handed_over_has_an_elapsed_time(path, session, status_server):
    """It is written on closing, wherever a library keeps it."""
    response = session.get(status_server.url + path)
    assert response.elapsed > timedelta()


def test_302_an_error_of_a_later_hop_names_it_and_all_that_came_before(session, status_server):
    """The client writes its own request into every exception that passes it."""
    for n in range(6):
        status_server.script(f"/{n}a", Answer(302, {"Location": f"/{n + 1}a"}))
    with pytest.raises(httpx.TooManyRedirects) as raised:
        session.get(status_server.url + "/0a")
    error = raised.value
    assert isinstance(error, sp.RedirectCapExceeded)
    assert error.request.url.path == error.response.url.path == "/5a"
    assert [r.url.path for r in error.response.history] == [f"/{n}a" for n in range(5)]


# ── the request that goes out ──────────────────────────────────────────────────────────


class Readable:
    """A file that can be read once and nothing else."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def read(self, size: int = -1) -> bytes:
        size = len(self._rest) if size < 0 else size
        chunk, self._rest = self._rest[:size], self._rest[size:]
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(2):
            yield chunk


class Parts:
    """An async iterator that is no generator."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop(0)


FORMS: dict[str, Callable[[], dict[str, Any]]] = {
    "a part that only reads": lambda: {"files": {"f": ("f", Readable(b"body"))}},
    "a part that seeks": lambda: {"files": {"f": ("f", io.BytesIO(b"body"))}},
    "fields": lambda: {"data": {"field": "body"}},
}
OF_A_THREAD: dict[str, Callable[[], dict[str, Any]]] = {
    "an iterator": lambda: {"content": iter([b"bo", b"dy"])},
    "a file that only reads": lambda: {"content": Readable(b"body")},
    "a file in memory": lambda: {"content": io.BytesIO(b"body")},
}
OF_A_TASK: dict[str, Callable[[], dict[str, Any]]] = {
    "an async iterator": lambda: {"content": Parts(b"bo", b"dy")},
}


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        *(("sync", shape) for shape in OF_A_THREAD | FORMS),
        *(("asyncio", shape) for shape in OF_A_TASK | FORMS),
        *(("trio", shape) for shape in OF_A_TASK | FORMS),
    ],
)
@pytest.mark.parametrize("path", ["/307?location=/200", "/503?retry-after=1&then=200"])
def test_307_503_a_body_of_any_shape_arrives_whole_both_times(path, shape, session, status_server):
    """Httpx sends most of these empty the second time, and the server answers 200."""
    body = (OF_A_THREAD | OF_A_TASK | FORMS)[shape]()
    response = session.request("PUT", status_server.url + path, **body)
    assert response.status_code == 200
    first, second = status_server.received
    assert b"body" in first.body
    assert second.body == first.body


def test_303_307_the_request_of_each_hop_can_be_looked_at(session, status_server):
    """A request that is made of a stream has no content that could be read."""
    response = session.request("POST", status_server.url + "/307?location=/200", json=[1])
    sent = [*[r.request for r in response.history], response.request]
    assert [(r.method, r.content) for r in sent] == [("POST", b"[1]")] * 2
    response = session.request("POST", status_server.url + "/303?location=/200", json=[1])
    sent = [*[r.request for r in response.history], response.request]
    assert [(r.method, r.content) for r in sent] == [("POST", b"[1]"), ("GET", b"")]


def test_a_callers_own_host_field_goes_with_a_relative_location_alone(session, status_server):
    """A copied Host asks the second server for the first one's site."""
    headers = {"Host": "virtual.example"}
    session.get(status_server.url + "/302?location=/200", headers=headers)
    other = f"localhost:{status_server.port}"
    url = status_server.script("/away", Answer(302, {"Location": f"http://{other}/200"}))
    session.get(url, headers=headers)
    hosts = [r.headers["host"] for r in status_server.received]
    assert hosts == ["virtual.example", "virtual.example", "virtual.example", other]


class Http2Server:
    """HTTP/2 without TLS: each path answers with its code and, on a hop, where it leads.

    answer: from the path and the number of the connection to a status and header fields.
    `received` lists method, authority, path, body and connection.
    """

    def __init__(self, answer: Callable[[str, int], tuple[int, dict[str, str]]]) -> None:
        self.answer = answer
        self.received: list[tuple[str, str, str, bytes, int]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        for open_socket in (self._listener, *self._connections):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._connections.append(self._listener.accept()[0])
                self._start(self._serve, self._connections[-1], len(self._connections))

    def _serve(self, connection: socket.socket, number: int) -> None:
        http = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        http.initiate_connection()
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        with suppress(OSError):
            connection.sendall(http.data_to_send())
            while data := connection.recv(65536):
                for event in http.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        heads[event.stream_id] = dict(event.headers)
                        bodies[event.stream_id] = b""
                    elif isinstance(event, h2.events.DataReceived):
                        bodies[event.stream_id] += event.data
                    elif isinstance(event, h2.events.StreamEnded):
                        head = heads[event.stream_id]
                        asked = (head[":method"], head[":authority"], head[":path"])
                        self.received.append((*asked, bodies[event.stream_id], number))
                        status, fields = self.answer(head[":path"], number)
                        http.send_headers(
                            event.stream_id,
                            [(":status", str(status)), *fields.items()],
                            end_stream=True,
                        )
                connection.sendall(http.data_to_send())


HTTP2 = {"http1": False, "http2": True}


@pytest.mark.parametrize(("status", "method", "body"), [(307, "POST", b"body"), (303, "GET", b"")])
def test_303_307_over_http2_a_hop_names_its_own_host_and_brings_its_body(
    status, method, body, open_session
):
    """A copied Host becomes the `:authority`, and without a length no body is sent."""

    def answer(path: str, connection: int) -> tuple[int, dict[str, str]]:
        return (200, {}) if path == "/b" else (status, {"location": location})

    session = open_session(dict(HTTP2))
    with Http2Server(answer) as server:
        location = f"http://localhost:{server.port}/b"
        response = session.request("POST", f"http://127.0.0.1:{server.port}/a", content=b"body")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
    first, second = server.received
    assert first[:4] == ("POST", f"127.0.0.1:{server.port}", "/a", b"body")
    assert second[:4] == (method, f"localhost:{server.port}", "/b", body)


def test_302_503_the_timeouts_of_a_call_hold_on_every_hop_and_every_try(open_session):
    """Where they are lost, a server that stalls is waited for without end."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.path, dict(request.extensions["timeout"])))
        script = {
            1: httpx.Response(503, headers={"retry-after": "1"}),
            2: httpx.Response(302, headers={"location": "/b"}),
            3: httpx.Response(302, headers={"location": "http://far.example/c"}),
            4: httpx.Response(503, headers={"retry-after": "1"}),
        }
        return script.get(len(seen), httpx.Response(200))

    session = open_session({"transport": httpx.MockTransport(answer)})
    response = session.get("http://h/a", timeout=httpx.Timeout(1, read=2, write=3, pool=4))
    assert response.status_code == 200
    assert [path for path, _ in seen] == ["/a", "/a", "/b", "/c", "/c"]
    assert {tuple(given.items()) for _, given in seen} == {
        (("connect", 1), ("read", 2), ("write", 3), ("pool", 4))
    }


# ── what is let go of ──────────────────────────────────────────────────────────────────


class Meanwhile(FakeClock):
    """A clock in whose waits the client is used for something else."""

    client: Any = None
    url = ""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if isinstance(self.client, httpx.Client):
            assert self.client.get(self.url).status_code == 200

    async def asleep(self, seconds: float) -> None:
        await super().asleep(seconds)
        assert (await self.client.get(self.url)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/503?retry-after=9&body=busy&then=200", "/302?retry-after=9&body=x&location=/200"]
)
def test_302_503_a_wait_holds_no_connection(path, open_session, status_server):
    """What is held while one waits is missing elsewhere, here a pool's only one."""
    clock = Meanwhile()
    session = open_session(dict(ONE), clock=clock)
    clock.client, clock.url = session.client, status_server.url + "/200?meanwhile"
    assert session.get(status_server.url + path).status_code == 200
    assert clock.waits == [9]
    assert [r.target for r in status_server.received][1] == "/200?meanwhile"
    assert status_server.connections == 1


def test_302_content_encoding_an_intermediate_body_is_not_decoded_before_somebody_asks(
    session, status_server
):
    """A body that nobody reads is a way to fill the memory, or to stop a redirect."""
    fields = {"Location": "/200", "Content-Encoding": "gzip"}
    response = session.get(status_server.script("/bad", Answer(302, fields, b"no gzip")))
    assert response.status_code == 200
    assert status_server.connections == 1
    with pytest.raises(httpx.DecodingError):
        _ = response.history[0].text


def boom(*anything: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "options",
    [
        {"table": sp.STANDARD | {307: boom}},
        {"table": sp.STANDARD | {307: lambda exchange: "no verdict"}},
        {"table": sp.STANDARD | {307: sp.retry(wait=boom)}},
        {"confirm": boom},
    ],
    ids=["duty", "no verdict", "wait", "confirm"],
)
def test_what_an_application_raises_leaves_no_response_open(options, open_session, status_server):
    """Httpx-retries keeps the connection of a response that its validator chokes on."""
    session = open_session(dict(ONE), **options)
    for _ in range(2):
        with pytest.raises((ZeroDivisionError, TypeError)):
            session.request("PUT", status_server.url + "/307?location=/200", content=b"x")
    assert session.get(status_server.url + "/200").status_code == 200


class ClosesSlowly(httpx.AsyncByteStream):
    """A body whose closing gives other tasks a turn, as httpcore's does not."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"begun"
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed = True


async def asleep(*asked: Any) -> Any:
    await anyio.sleep_forever()


@each("backend", ["asyncio", "trio"])
@each("options", [{}, {"confirm": asleep}])
def test_a_cancelled_call_closes_what_it_holds_however_long_that_takes(options, backend):
    """The first await of a cancelled task raises, and what comes after it is left out."""
    held = ClosesSlowly()

    class Redirects(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(307, headers={"location": "/b"}, stream=held)

    async def main() -> None:
        limits = sp.Limits(drain_seconds=999)
        policy = sp.AsyncPolicyTransport(Redirects(), limits=limits, **options)
        async with httpx.AsyncClient(transport=policy) as client:
            with anyio.move_on_after(0.05) as scope:
                await client.put("http://h/a", content=b"x")
            assert scope.cancelled_caught

    anyio.run(main, backend=backend)
    assert held.closed


# ── what runs above, and what runs below ───────────────────────────────────────────────


class Reads(httpx.Auth):
    """A flow that wants to read the response."""

    requires_response_body = True

    def __init__(self) -> None:
        self.read: list[tuple[int, str, str, int]] = []

    def auth_flow(self, request: httpx.Request) -> Any:
        response = yield request
        hops = len(response.history)
        self.read.append((response.status_code, response.text, response.url.path, hops))


@pytest.mark.parametrize(
    ("path", "hops"), [("/200x", 0), ("/302?location=/200x", 1), ("/503x", 0), ("/511x", 0)]
)
def test_a_flow_of_the_clients_own_reads_what_is_handed_over(path, hops, session, status_server):
    """It reads the response before the caller does, and both get all of it."""
    status_server.script("/200x", Answer(200, body=b"text"))
    status_server.script("/511x", Answer(511, body=b"text"))
    status_server.script("/503x", Answer(503, {"Retry-After": "1"}), Answer(200, body=b"text"))
    flow = Reads()
    response = session.get(status_server.url + path, auth=flow)
    assert response.text == "text"
    assert flow.read == [(response.status_code, "text", response.url.path, hops)]


@pytest.mark.parametrize("path", ["/200x", "/404x", "/302?location=/200x", "/503x"])
def test_what_is_handed_over_is_left_for_the_caller_to_read(path, session, status_server):
    """A body that was read ahead is no stream, and may be longer than the memory."""
    body = b"x" * 100_000
    status_server.script("/200x", Answer(200, body=body))
    status_server.script("/404x", Answer(404, body=body))
    status_server.script("/503x", Answer(503, {"Retry-After": "1"}), Answer(200, body=body))

    def stream() -> bytes:
        with session.client.stream("GET", status_server.url + path) as response:
            assert not hasattr(response, "_content")
            assert not response.is_stream_consumed
            return b"".join(response.iter_raw())

    async def astream() -> bytes:
        async with session.client.stream("GET", status_server.url + path) as response:
            assert not hasattr(response, "_content")
            assert not response.is_stream_consumed
            return b"".join([part async for part in response.aiter_raw()])

    assert session.run(stream if session.portal is None else astream) == body


UPGRADE = {"Upgrade": "echo", "Connection": "upgrade"}


@pytest.mark.parametrize(
    ("method", "head", "status"),
    [
        ("CONNECT", b"200 Connection established\r\n", 200),
        ("GET", b"101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n", 101),
    ],
    ids=["CONNECT", "101"],
)
def test_101_connect_a_tunnel_is_handed_over_untouched_with_its_stream_open(
    method, head, status, session, status_server
):
    """What follows is no body, and to drain or close it would end the tunnel."""
    raw = b"HTTP/1.1 " + head + b"\r\nhello"
    status_server.script("h.example:443", Answer(raw=raw, stall=True))
    options: dict[str, Any] = {"extensions": {"target": b"h.example:443"}}
    options["headers"] = UPGRADE if method == "GET" else {}

    def tunnel() -> tuple[int, bytes]:
        with session.client.stream(method, status_server.url, **options) as response:
            assert type(response) is httpx.Response
            stream = response.extensions["network_stream"]
            stream.write(b"x")
            return response.status_code, stream.read(5, timeout=5)

    async def atunnel() -> tuple[int, bytes]:
        async with session.client.stream(method, status_server.url, **options) as response:
            assert type(response) is httpx.Response
            stream = response.extensions["network_stream"]
            await stream.write(b"x")
            return response.status_code, await stream.read(5, timeout=5)

    assert session.run(tunnel if session.portal is None else atunnel) == (status, b"hello")
    assert [r.method for r in status_server.received] == [method]


@pytest.mark.parametrize(("renewed", "status", "connections"), [(True, 200, 2), (False, 421, 1)])
def test_over_http2_a_421_gets_another_connection_or_is_handed_over(
    renewed, status, connections, kind, open_session
):
    """Nothing that a transport is told makes it leave an HTTP/2 connection."""
    fresh = {"fresh": lambda: transport(kind, **HTTP2)} if renewed else {}
    session = open_session(dict(HTTP2), **fresh)
    with Http2Server(lambda path, connection: (421 if connection == 1 else 200, {})) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert session.request("POST", url, content=b"body").status_code == status
        assert [r[3:] for r in server.received] == [(b"body", n + 1) for n in range(connections)]


class Noted(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that notes how it is opened and closed, and does nothing of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __enter__(self) -> Self:
        self.calls.append("enter")
        return self

    def __exit__(self, *error: object) -> None:
        self.calls.append("exit")

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()

    def close(self) -> None:
        self.calls.append("close")

    async def aclose(self) -> None:
        self.close()


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_is_wrapped_is_entered_and_left_once_with_its_client(wrapped, kind):
    """A client enters its transport, and one that isn't told so opens nothing."""
    default, mounted = Noted(), Noted()
    sync = kind == "sync"
    policy = sp.PolicyTransport if sync else sp.AsyncPolicyTransport
    inside = [default, mounted] if wrapped else [policy(default), policy(mounted)]
    options = {"transport": inside[0], "mounts": {"http://m": inside[1]}}
    client = httpx.Client(**options) if sync else httpx.AsyncClient(**options)
    if wrapped:
        sp.wrap(client)

    async def entered() -> None:
        async with client:
            pass

    if sync:
        with client:
            pass
    else:
        anyio.run(entered, backend=kind)
    assert [default.calls, mounted.calls] == [["enter", "exit"]] * 2


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_is_wrapped_is_closed_once_with_its_client(wrapped, kind):
    """`close()` without `with` reaches the transport that holds the sockets."""
    default, sync = Noted(), kind == "sync"
    policy = sp.PolicyTransport if sync else sp.AsyncPolicyTransport
    given: Any = default if wrapped else policy(default)
    client = httpx.Client(transport=given) if sync else httpx.AsyncClient(transport=given)
    if wrapped:
        sp.wrap(client)
    client.close() if sync else anyio.run(client.aclose, backend=kind)
    assert default.calls == ["close"]


def test_no_transport_is_made_that_is_not_used(monkeypatch):
    """Each makes an SSL context, which takes longer than a request."""
    made = []
    for kind in (httpx.HTTPTransport, httpx.AsyncHTTPTransport):
        monkeypatch.setattr(kind, "__init__", lambda self, **options: made.append(type(self)))
    sp.PolicyTransport()  # which makes one with its first request
    sp.AsyncPolicyTransport()
    sp.PolicyTransport(Noted())
    sp.AsyncPolicyTransport(Noted())
    sp.wrap(httpx.Client(transport=Noted()))
    sp.wrap(httpx.AsyncClient(transport=Noted()))
    assert made == []


class Cache(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A cache of 200 and 301, and a list of what it was asked for."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.asked: list[str] = []
        self.stored: dict[str, tuple[int, httpx.Headers, bytes]] = {}

    def _stored(self, url: str) -> httpx.Response | None:
        self.asked.append(url.rpartition("/")[2])
        if url not in self.stored:
            return None
        status, headers, body = self.stored[url]
        return httpx.Response(status, headers=headers, content=body)

    def _store(self, url: str, response: httpx.Response) -> httpx.Response:
        if response.status_code in (200, 301):
            self.stored[url] = (response.status_code, response.headers, response.content)
        return response

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if stored := self._stored(str(request.url)):
            return stored
        response = self.inner.handle_request(request)
        response.read()
        return self._store(str(request.url), response)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if stored := self._stored(str(request.url)):
            return stored
        response = await self.inner.handle_async_request(request)
        await response.aread()
        return self._store(str(request.url), response)

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        await self.inner.aclose()


def test_a_cache_below_sees_every_hop_and_every_try_and_its_redirects_are_followed(
    kind, open_session, status_server
):
    """Above the policy it would keep the last body under the first URL."""
    cache = Cache(transport(kind))
    session = open_session({"transport": cache})
    status_server.script("/a", Answer(301, {"Location": "/b"}))
    status_server.script("/b", Answer(503, {"Retry-After": "1"}), Answer(200, body=b"b"))
    for _ in range(2):
        response = session.get(status_server.url + "/a")
        assert (response.text, response.url.path, len(response.history)) == ("b", "/b", 1)
    assert cache.asked == ["a", "b", "b", "a", "b"]
    assert [r.target for r in status_server.received] == ["/a", "/b", "/b"]


@pytest.mark.parametrize(
    "condition", [{"If-None-Match": '"x"'}, {"If-Modified-Since": "Sun, 09 Sep 2001 01:46:40 GMT"}]
)
@pytest.mark.parametrize("path", ["/304?etag=x", "/302?location=/304"])
def test_a_304_to_a_condition_of_the_callers_own_is_his_also_after_a_hop(
    path, condition, session, status_server
):
    """The caller has a cache of his own, and asked whether it holds."""
    response = session.get(status_server.url + path, headers=condition)
    assert (response.status_code, response.content) == (304, b"")
    assert len(status_server.received) == 1 + len(response.history)
    for received in status_server.received:
        assert received.headers.items() >= {k.lower(): v for k, v in condition.items()}.items()


class ByCertificate:
    """An SSL context for a server that notes who came with a certificate, and as what host."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.certified: list[bool] = []

    def wrap_socket(self, connection: socket.socket, server_side: bool) -> ssl.SSLSocket:
        wrapped = self.context.wrap_socket(connection, server_side=server_side)
        self.certified.append(bool(wrapped.getpeercert()))
        return wrapped


@pytest.mark.parametrize(
    ("home", "away", "certified"),
    [("127.0.0.1", "localhost", [True, False]), ("localhost", "127.0.0.1", [False, True])],
)
def test_302_a_client_certificate_is_shown_to_the_host_that_it_is_mounted_for_and_to_no_other(
    home, away, certified, kind, open_session
):
    """Below one transport, each host that a Location names would be shown it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    noting: Any = ByCertificate(context)
    trusts, shows = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusts)
    authority.configure_trust(shows)
    authority.issue_cert("client.example").configure_cert(shows)
    mounts = {"https://127.0.0.1": transport(kind, verify=shows)}
    session = open_session({"verify": trusts, "mounts": mounts})
    with StatusServer(tls=noting) as server:
        server.script("/away", Answer(302, {"Location": f"https://{away}:{server.port}/200"}))
        assert session.get(f"https://{home}:{server.port}/away").status_code == 200
    assert [r.target for r in server.received] == ["/away", "/200"]
    assert noting.certified == certified


# ── what stays home ────────────────────────────────────────────────────────────────────


def test_what_a_flow_and_a_location_add_stays_home_and_does_not_come_back(
    open_session, status_server
):
    """Httpx sends a Location's userinfo as credentials, and all but Authorization."""

    class Signs(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            request.headers["Authorization"] = "Bearer secret"
            request.headers["X-Amz-Security-Token"] = "secret"
            request.headers["X-Mine"] = "secret"
            yield request

    limits = sp.Limits(sensitive_headers=(*sp.Limits().sensitive_headers, "x-mine"))
    session = open_session({"auth": Signs()}, limits=limits)
    away = f"http://user:secret@localhost:{status_server.port}/away"
    status_server.script("/home", Answer(302, {"Location": away}))
    status_server.script("/away", Answer(302, {"Location": status_server.url + "/200"}))
    headers = {"Proxy-Authorization": "Basic secret", "Cookie": "sid=secret"}
    response = session.get(status_server.url + "/home", headers=headers)
    assert response.status_code == 200
    home, abroad, back = (str(r.headers).count("secret") for r in status_server.received)
    assert (home, abroad, back) == (5, 0, 0)
    assert "secret" not in str(sp.trace(response))


# ── many at once ───────────────────────────────────────────────────────────────────────


def test_calls_at_once_share_a_client_and_neither_attempts_nor_history(open_session, status_server):
    """Counters of the transport's own would run out for all callers together."""
    session = open_session(limits=sp.Limits(deadline=9999))
    calls = range(12)
    urls = [
        status_server.script(f"/{n}a", Answer(302, {"Location": f"/{n}b", "Set-Cookie": f"c{n}=1"}))
        for n in calls
    ]
    busy = Answer(503, {"Retry-After": "1"})
    for n in calls:
        status_server.script(f"/{n}b", busy, busy, busy, Answer(200, body=str(n).encode()))
    got: dict[int, httpx.Response] = {}

    def fetch(n: int) -> None:
        got[n] = session.client.get(urls[n])

    async def fetch_all() -> None:
        async def one(n: int) -> None:
            got[n] = await session.client.get(urls[n])

        async with anyio.create_task_group() as group:
            for n in calls:
                group.start_soon(one, n)

    if session.portal is None:
        with ThreadPoolExecutor(len(calls)) as pool:
            list(pool.map(fetch, calls))
    else:
        session.run(fetch_all)
    for n in calls:
        assert (got[n].text, got[n].url.path) == (str(n), f"/{n}b")
        assert [r.url.path for r in got[n].history] == [f"/{n}a"]
        assert sp.trace(got[n]).requests == 5
    assert len(session.client.cookies) == len(calls)


def test_the_callers_request_is_as_it_was_whenever_a_transport_is_asked(open_session):
    """What is changed and put right afterwards is seen by whoever else sends it."""

    def now() -> Any:
        timeouts = dict(mine.extensions["timeout"])
        extensions = {**mine.extensions, "timeout": timeouts}
        return mine.method, str(mine.url), mine.headers.raw, mine.stream, extensions

    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        assert now() == before
        script = {
            1: httpx.Response(503, headers={"retry-after": "1", "set-cookie": "a=1"}),
            2: httpx.Response(417),
            3: httpx.Response(307, headers={"location": "/b"}),
            4: httpx.Response(303, headers={"location": "http://far.example/"}),
        }
        return script.get(len(sent), httpx.Response(200))

    session = open_session({"transport": httpx.MockTransport(answer)})
    headers = {"Authorization": "secret", "Expect": "100-continue"}
    mine = session.client.build_request("PUT", "http://h/a", content=b"x", headers=headers)
    before = now()
    response = session.run(session.client.send, mine)
    assert (response.status_code, len(sent)) == (200, 5)
    assert now() == before


# ── further cases ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nstray",
        b"HTTP/1.1 205 Reset Content\r\n\r\n",
    ],
)
def test_204_205_what_is_handed_over_empty_has_an_elapsed_time_and_is_closed(
    raw, session, status_server
):
    """Also where there is nothing that a client could read to its end."""
    response = session.get(status_server.script("/x", raw))
    assert response.is_closed
    assert response.elapsed.total_seconds() > 0


def test_302_a_failure_of_a_later_hop_names_that_hop(open_session):
    """The client writes its first request into every error that has none."""

    def answer(request):
        if request.url.path == "/b":
            raise httpx.ConnectError("no", request=request)
        return httpx.Response(302, headers={"location": "/b"})

    session = open_session(
        {"transport": httpx.MockTransport(answer)},
        table=sp.STANDARD | {httpx.ConnectError: sp.surface},
    )
    with pytest.raises(httpx.ConnectError) as raised:
        session.get("http://h/a")
    assert raised.value.request.url.path == "/b"
    again = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is httpx.ConnectError
    assert str(again) == "no"


class Slow(httpx.AsyncByteStream):
    def __init__(self, chunks, slow_close=False):
        self.chunks, self.slow_close, self.closed = chunks, slow_close, False

    async def __aiter__(self):
        for _ in range(self.chunks):
            await anyio.lowlevel.checkpoint()
            yield b"x" * 1000

    async def aclose(self):
        if self.slow_close:
            await anyio.lowlevel.checkpoint()
        self.closed = True


class Scripted(httpx.AsyncBaseTransport):
    def __init__(self, *responses):
        self.responses, self.closed = list(responses), 0

    async def handle_async_request(self, request):
        return self.responses.pop(0)

    async def aclose(self):
        self.closed += 1


def over_http2(status, stream):
    return httpx.Response(status, stream=stream, extensions={"http_version": b"HTTP/2"})


async def cancelled_while_streaming(transport):
    async with httpx.AsyncClient(transport=transport) as client:
        with anyio.CancelScope() as scope:
            async with client.stream("GET", "https://h/"):
                scope.cancel()
                await anyio.sleep(1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_421_a_fresh_transport_is_closed_with_its_response_also_when_cancelled(backend):
    """Whatever the closing of the response awaits."""
    fresh = Scripted(over_http2(200, Slow(10, slow_close=True)))
    transport = sp.AsyncPolicyTransport(Scripted(over_http2(421, Slow(1))), fresh=lambda: fresh)
    anyio.run(cancelled_while_streaming, transport, backend=backend)
    assert fresh.closed == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_was_too_long_to_put_away_is_closed_also_when_cancelled(backend):
    """A body of which only the beginning was read."""

    def aside(exchange):
        return sp.Aside(httpx.Request("GET", "https://h/side"), lambda exchange: sp.Settle())

    stream = Slow(100)
    transport = sp.AsyncPolicyTransport(
        Scripted(over_http2(202, stream)),
        table=sp.STANDARD | {202: aside},
        limits=sp.Limits(drain_bytes=1000),
    )
    anyio.run(cancelled_while_streaming, transport, backend=backend)
    assert stream.closed


@pytest.mark.parametrize(
    "head",
    [
        b"200 OK\r\n",
        b"204 No Content\r\nContent-Length: 7\r\n",
        b"205 Reset\r\n",
        b"206 Partial\r\n",
    ],
)
def test_2xx_any_2xx_to_connect_is_a_tunnel(head, status_server):
    """Whatever the code and the fields say (RFC 9110 §9.3.6)."""
    status_server.script(
        "h.example:443", Answer(raw=b"HTTP/1.1 " + head + b"\r\nhello", stall=True)
    )
    with sp.wrap(httpx.Client()) as client:
        with client.stream(
            "CONNECT", status_server.url, extensions={"target": b"h.example:443"}
        ) as response:
            stream = response.extensions["network_stream"]
            stream.write(b"x")
            assert stream.read(5, timeout=5) == b"hello"
            assert type(response) is httpx.Response


@pytest.mark.parametrize("seconds", ["60", "99999999999", "9" * 400])
def test_503_closing_the_client_ends_a_wait(seconds, status_server):
    """A thread that waits does so no longer, and opens no connection afterwards.

    Also where all limits are lifted and no clock of the machine can hold what a server said.
    """
    waits = Event()

    def observer(event):
        if isinstance(event, sp.events.Wait):
            waits.set()

    limits = sp.Limits(retry_after=inf, deadline=inf)
    client = sp.wrap(httpx.Client(), limits=limits, observer=observer)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.get, f"{status_server.url}/503?retry-after={seconds}")
        assert waits.wait(5)
        client.close()
        with pytest.raises(RuntimeError, match="closed while a request waited"):
            call.result(5)
    assert len(status_server.received) == 1


def test_503_a_task_does_not_send_with_a_client_that_was_closed_while_it_waited(status_server):
    """In a task too, where closing ends no wait of another clock."""

    class Closing(FakeClock):
        async def asleep(self, seconds: float) -> None:
            await client.aclose()

    client = sp.wrap(httpx.AsyncClient(), clock=Closing())

    async def main() -> None:
        with pytest.raises(RuntimeError, match="closed"):
            await client.get(status_server.url + "/503?retry-after=60")

    anyio.run(main)
    assert len(status_server.received) == 1


def test_503_a_transport_that_is_entered_again_waits_and_sends_again(status_server):
    """What was closed is open again, as the library's own transports are."""
    transport = sp.PolicyTransport(clock=FakeClock())
    for n in range(2):
        with transport:
            url = f"{status_server.url}/503?retry-after=1&then=200&n={n}"
            assert transport.handle_request(httpx.Request("GET", url)).status_code == 200
