"""Real sockets with a deadline and pinned addresses: a thread ends in time, no name is resolved."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import trustme

from statuspolicy.testing import Answer, StatusServer
from statuspolicy.wire.backend import AsyncBackend, Backend, install
from statuspolicy.wire.context import WIRE, Wire
from statuspolicy.wire.stream import Stream
from tests.each import each
from tests.library import httpx

KINDS = ("sync", "asyncio", "trio")
TOTAL = 0.05  # seconds that an exchange gets here
SLACK = 0.5  # seconds that a busy machine may add; a server here goes on for 2 s
NAME = "checked.example"  # a name that nothing resolves (RFC 2606)
QUICK = {"verify": False}  # to load the authorities takes longer than a test

Serve = Callable[[socket.socket], None]


@contextmanager
def raw(serve: Serve, listener: socket.socket | None = None) -> Iterator[int]:
    """A server of bytes, in a thread; its port."""
    listener = listener or socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    serve(connection)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def drip(head: bytes, part: bytes, pause: float = 0.02) -> Serve:
    """Send the head at once and the part again and again, for 2 s or until the client goes."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        end = time.monotonic() + 2
        while not select.select([connection], [], [], pause)[0] and time.monotonic() < end:
            connection.sendall(part)

    return serve


def sip(connection: socket.socket) -> None:
    """Take what is sent slowly, for 2 s or until the client goes."""
    end = time.monotonic() + 2
    while connection.recv(16384) and time.monotonic() < end:
        select.select([], [], [], 0.005)


def over_tls(serve: Serve, context: ssl.SSLContext) -> Serve:
    def wrapped(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            serve(secure)

    return wrapped


@contextmanager
def holding(wire: Wire | None) -> Iterator[None]:
    token = WIRE.set(wire)
    try:
        yield
    finally:
        WIRE.reset(token)


def until(end: float) -> Wire:
    return Wire(left=lambda: end - time.monotonic())


@contextmanager
def let_go_in_time() -> Iterator[None]:
    """What is done here fails when its total is over, and not before."""
    began = time.monotonic()
    with holding(until(began + TOTAL)), pytest.raises(httpx.TransportError):
        yield
    assert TOTAL <= time.monotonic() - began + 0.01 < TOTAL + SLACK


@contextmanager
def client(**options: Any) -> Iterator[httpx.Client]:
    transport = httpx.HTTPTransport(**(QUICK | options))
    assert install(transport)
    with httpx.Client(transport=transport) as opened:
        yield opened


def get(kind: str, url: str, wire: Wire | None, **options: Any) -> httpx.Response:
    """One request by a client of this kind."""
    if kind == "sync":
        with client(**options) as opened, holding(wire):
            return opened.get(url)

    async def run() -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(**(QUICK | options))
        assert install(transport)
        async with httpx.AsyncClient(transport=transport) as opened:
            with holding(wire):
                return await opened.get(url)

    return anyio.run(run, backend=kind)


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for NAME, and a client's that trusts it."""
    authority = trustme.CA()
    server, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(NAME, "127.0.0.1").configure_cert(server)
    authority.configure_trust(trust)
    return server, trust


# ── in time ────────────────────────────────────────────────────────────────────────────

HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "header section": drip(HEAD + b"X: ", b"x"),
    "body": drip(HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "endless interim responses": drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.002),
    "endless body": drip(HEAD + b"\r\n", b"x" * 60000, 0),
    "no answer": drip(b"", b"", 2),
}


@each("what", DRIPS)
def test_a_thread_is_let_go_in_time_by_a_server_that_never_ends(what):
    with raw(DRIPS[what]) as port, client() as opened, let_go_in_time():
        opened.get(f"http://127.0.0.1:{port}/")


def test_a_thread_ends_in_time_without_timeouts():
    with raw(DRIPS["no answer"]) as port, client() as opened, let_go_in_time():
        opened.get(f"http://127.0.0.1:{port}/", timeout=None)


@pytest.mark.parametrize("what", ["header section", "endless body"])
def test_and_over_tls(what, tls):
    server, trust = tls
    with raw(over_tls(DRIPS[what], server)) as port, client(verify=trust) as opened:
        with let_go_in_time():
            opened.get(f"https://127.0.0.1:{port}/")


def test_a_thread_ends_in_time_where_a_server_never_answers_a_tls_handshake():
    with raw(DRIPS["no answer"]) as port, client() as opened, let_go_in_time():
        opened.get(f"https://127.0.0.1:{port}/")


def test_a_thread_ends_in_time_in_the_tunnel_of_a_proxy(tls):
    server, trust = tls

    def tunnel(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(HEAD + b"\r\n")
        over_tls(DRIPS["header section"], server)(connection)

    with raw(tunnel) as port, client(verify=trust, proxy=f"http://127.0.0.1:{port}") as opened:
        with let_go_in_time():
            opened.get(f"https://{NAME}/")


def test_a_thread_ends_in_time_where_a_server_reads_the_request_slowly():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    small = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)]  # so that it notices
    with raw(sip, listener) as port, client(socket_options=small) as opened, let_go_in_time():
        opened.post(f"http://127.0.0.1:{port}/", content=bytes(4_000_000))


def test_a_thread_ends_in_time_on_a_unix_socket(tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path := str(tmp_path / "socket"))
    listener.listen()
    with raw(DRIPS["header section"], listener), client(uds=path) as opened, let_go_in_time():
        opened.get("http://127.0.0.1/")


def test_the_tries_to_connect_and_the_waits_between_them_end_in_time():
    """Of HTTPTransport(retries=...): it would wait 3.5 s."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    began = time.monotonic()
    with client(retries=4) as opened, holding(until(began + TOTAL)):
        with pytest.raises(httpx.ConnectError):
            opened.get(f"http://127.0.0.1:{port}/")
    assert time.monotonic() - began < TOTAL + SLACK


def test_a_connection_that_is_kept_alive_heeds_each_exchange_s_own_deadline():
    with StatusServer() as server, client() as opened:
        stalled = server.script("/stalled", Answer(raw=b"HTTP/1.1 200 OK\r\n", stall=True))
        with holding(Wire(left=lambda: 5)):
            opened.get(server.url + "/200")
        with holding(None):
            assert opened.get(server.url + "/200").status_code == 200
        with let_go_in_time():
            opened.get(stalled)
        assert server.connections == 1


def test_what_the_deadline_raises_ends_the_call():
    def left() -> float:
        raise httpx.ReadTimeout("all of it took too long")

    with StatusServer() as server, client() as opened, holding(Wire(left)):
        with pytest.raises(httpx.ReadTimeout, match="all of it"):
            opened.get(server.url + "/200")


def test_a_body_arrives_whole_under_a_deadline():
    content = bytes(range(256)) * 1000
    with StatusServer() as server, client() as opened, holding(Wire(left=lambda: 5)):
        opened.post(server.url + "/200", content=content)
        assert server.received[0].body == content


class Inner:
    """A backend and a stream that record the timeout that they are given."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def read(self, max_bytes: int, timeout: float | None) -> bytes:
        self.calls.append((max_bytes, timeout))
        return b"read"

    def write(self, buffer: bytes, timeout: float | None) -> None:
        self.calls.append((len(buffer), timeout))

    def close(self) -> None:
        self.calls.append(("close",))

    def connect_unix_socket(self, path: str, timeout: float | None) -> None:
        self.calls.append((path, timeout))


@each(
    ("left", "timeout", "expected"),
    [
        (3, 5, 3),
        (5, 3, 3),
        (3, None, 3),
        (0.0001, 5, 0.001),
        (float("inf"), None, None),
        (float("inf"), 5, 5),
        (1e12, None, None),  # more than a socket can hold
        (1e12, 5, 5),
    ],
)
def test_a_call_gets_the_lesser_of_its_timeout_and_what_is_left(left, timeout, expected):
    inner = Inner()
    with holding(Wire(left=lambda: left)):
        assert Stream(inner).read(7, timeout) == b"read"
    assert inner.calls == [(7, expected)]


def test_connecting_to_a_unix_socket_ends_in_time():
    inner = Inner()
    with holding(Wire(left=lambda: 3)):
        Backend(inner).connect_unix_socket("/socket", 5)
    assert inner.calls == [("/socket", 3)]


@pytest.mark.parametrize("wire", [None, Wire(), Wire(pins={NAME: ("127.0.0.1",)})])
def test_without_a_deadline_a_call_is_passed_on_as_it_is(wire):
    inner = Inner()
    with holding(wire):
        Stream(inner).write(bytes(100_000), 5)
        Stream(inner).read(7, None)
    assert inner.calls == [(100_000, 5), (7, None)]


def test_when_nothing_is_left_the_connection_is_closed_first():
    """What is there already could be read within any timeout."""
    inner = Inner()
    with holding(Wire(left=lambda: 0)):
        Stream(inner).read(7, 5)
    assert inner.calls == [("close",), (7, 0.001)]


class BlackHole:
    """A backend whose every try to connect takes all of its timeout."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tries: list[str] = []

    def connect_tcp(self, host: str, port: int, timeout: float) -> object:
        self.tries.append(host)
        self.now += timeout
        raise TimeoutError(host)


def test_the_addresses_of_a_name_share_what_is_left(monkeypatch):
    found = [(0, 0, 0, "", (address, 0)) for address in ("::1", "127.0.0.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    inner = BlackHole()
    with holding(Wire(left=lambda: 3 - inner.now)), pytest.raises(TimeoutError, match=r"127\.0"):
        Backend(inner).connect_tcp("dual.example", 80, 5)
    assert inner.tries == ["::1", "127.0.0.1"]
    assert inner.now == pytest.approx(3.001)


def test_a_name_that_does_not_resolve_fails_in_the_backend_s_own_words(monkeypatch):
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with client() as opened, holding(Wire(left=lambda: 5)):
        with pytest.raises(httpx.ConnectError, match="no such name"):
            opened.get("http://nowhere.example/")


# ── pins ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asked_for(monkeypatch) -> list[str]:
    """The names that are resolved: none of them is."""
    names = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *_: Any, **options: Any) -> Any:
        with suppress(OSError):
            return real(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        names.append(host.decode() if isinstance(host, bytes) else host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.mark.parametrize("kind", KINDS)
def test_the_pinned_address_is_connected_to_and_the_host_field_stays(kind, asked_for):
    with StatusServer() as server:
        url = f"http://{NAME}:{server.port}/200"
        assert get(kind, url, Wire(pins={NAME: ("127.0.0.1",)})).status_code == 200
        assert server.received[0].headers["host"] == f"{NAME}:{server.port}"
    assert asked_for == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_is_verified_for_the_name_that_was_pinned(kind, tls, asked_for):
    context, trust = tls
    indicated = []
    context.sni_callback = lambda _socket, name, _context: indicated.append(name)
    with StatusServer(tls=context) as server:
        wire = Wire(pins={NAME: ("127.0.0.1",), "other.example": ("127.0.0.1",)})
        url = f"https://{NAME}:{server.port}/200"
        assert get(kind, url, wire, verify=trust).status_code == 200
        with pytest.raises(httpx.ConnectError):
            get(kind, url.replace(NAME, "other.example"), wire, verify=trust)
        assert len(server.received) == 1
    assert indicated == [NAME, "other.example"]
    assert asked_for == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_pinned_addresses_are_tried_in_turn(kind):
    with StatusServer() as server:
        wire = Wire(pins={NAME: ("127.0.0.2", "127.0.0.1", "192.0.2.1")})
        assert get(kind, f"http://{NAME}:{server.port}/200", wire).status_code == 200


class AsyncBlackHole(BlackHole):
    """As a task's backend."""

    async def connect_tcp(self, host: str, port: int, timeout: float) -> object:
        return super().connect_tcp(host, port, timeout)


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_them_together_have_the_one_timeout(kind):
    """A name that somebody else chose may have as many as he likes."""
    many = tuple(f"192.0.2.{n}" for n in range(250))

    def connect() -> None:
        Backend(inner).connect_tcp(NAME, 80, 5)

    async def async_connect() -> None:
        await AsyncBackend(inner).connect_tcp(NAME, 80, timeout=5)

    inner = BlackHole() if kind == "sync" else AsyncBlackHole()
    run = connect if kind == "sync" else partial(anyio.run, async_connect, backend=kind)
    with holding(Wire(pins={NAME: many})), pytest.raises(TimeoutError, match=many[-1]):
        run()
    assert inner.tries == [*many]
    assert inner.now == pytest.approx(5)


@pytest.mark.parametrize("kind", KINDS)
def test_where_none_of_them_answers_it_is_the_last_one_s_error(kind, asked_for):
    with StatusServer() as server:
        wire = Wire(pins={NAME: ("127.0.0.2", "127.0.0.3")})
        with pytest.raises(httpx.ConnectError):
            get(kind, f"http://{NAME}:{server.port}/200", wire)
    assert asked_for == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wire", [None, Wire(pins={NAME: ("127.0.0.2",)})])
def test_another_name_is_resolved_as_ever(kind, wire, asked_for):
    with pytest.raises(httpx.ConnectError):
        get(kind, "http://other.example/", wire)
    assert asked_for[0] == "other.example"


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_is_asked_for_the_name(kind):
    with StatusServer() as proxy:
        wire = Wire(pins={NAME: ("127.0.0.2",)})
        url = f"http://{NAME}/200"
        assert get(kind, url, wire, proxy=proxy.url).status_code == 200
        assert proxy.received[0].target == url


# ── install ────────────────────────────────────────────────────────────────────────────


@each(
    "transport",
    [
        httpx.MockTransport(lambda _: httpx.Response(200)),
        SimpleNamespace(_pool=None),
        SimpleNamespace(_pool=SimpleNamespace(_network_backend=object())),
        None,
    ],
)
def test_the_backend_is_not_installed_in_a_transport_without_a_pool(transport):
    assert install(transport) is False


@pytest.mark.parametrize("make", [httpx.HTTPTransport, httpx.AsyncHTTPTransport])
def test_the_backend_is_installed_once(make):
    transport = make()
    assert install(transport)
    first = transport._pool._network_backend
    assert install(transport)
    assert transport._pool._network_backend is first


def test_what_else_the_connection_tells_is_passed_on():
    with StatusServer() as server, client() as opened, opened.stream("GET", server.url) as response:
        network = response.extensions["network_stream"]
        assert network.get_extra_info("server_addr") == ("127.0.0.1", server.port)


def test_a_unix_socket_is_heeded_too(kind, tmp_path):
    """A client whose transport connects to a path is wrapped and read to its end."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            connection.recv(65536)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    path = str(tmp_path / "s")

    async def main():
        async with httpx.AsyncHTTPTransport(uds=path) as transport:
            assert install(transport)
            response = await transport.handle_async_request(httpx.Request("POST", "http://h/"))
            return await response.aread()

    with listener:
        if kind == "sync":
            with httpx.HTTPTransport(uds=path) as transport:
                assert install(transport)
                response = transport.handle_request(httpx.Request("POST", "http://h/"))
                assert response.read() == b"ok"
        else:
            assert anyio.run(main, backend=kind) == b"ok"
        thread.join(5)
