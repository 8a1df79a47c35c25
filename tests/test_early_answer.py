"""An error that comes while a body is being sent ends the sending, and is what is handed over."""

import select
import socket
import struct
import threading
import time
from contextlib import closing

import pytest

from statuspolicy.wire.monitor import PIECE
from statuspolicy.wire.stream import Stream, _SocketWatcher
from tests.library import httpx, sp
from tests.raw_server import Peer, serving

SIZE = 30_000_000  # more than any socket takes by itself
MUCH = 2_000_000
PART = 65536
REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
QUICK = {"verify": False, "timeout": 30}


@pytest.fixture(params=["http", "https"])
def scheme(request, tls):
    if request.param == "http":
        return {}, QUICK
    return {"tls": tls[0]}, {**QUICK, "verify": tls[1]}


class Source:
    """A large body, as bytes, in large parts or in small ones, and how much of it was asked for."""

    def __init__(self, shape: str, kind: str, size: int = SIZE) -> None:
        self.asked = 0
        self.closed = False
        self._size = size
        self.content = {
            "bytes": lambda: bytes(size),
            "parts": lambda: self._parts(PART, kind),
            "lines": lambda: self._parts(5000, kind),
        }[shape]()

    def _parts(self, size, kind):
        def parts():
            try:
                for _ in range(self._size // size):
                    self.asked += size
                    yield bytes(size)
            finally:
                self.closed = True

        async def async_parts():
            with closing(parts()) as opened:
                for part in opened:
                    yield part

        return parts() if kind == "sync" else async_parts()


SHAPES = ["bytes", "parts", "lines"]


@pytest.mark.parametrize("shape", SHAPES)
def test_413_an_error_ends_the_sending_and_is_read_to_its_end(shape, scheme, kind, open_session):
    """The server reads on as long as something comes, as a polite one does (RFC 9112 §9.6)."""
    got = []

    def serve(peer: Peer) -> None:
        peer.head()
        peer.exactly(100_000)
        peer.send(REFUSED[:-2])
        time.sleep(0.02)
        peer.send(REFUSED[-2:])
        peer.to_the_end()
        got.append(len(peer.got))

    server_options, client = scheme
    source = Source(shape, kind)
    with serving(serve, **server_options) as server:
        response = open_session(client).request("POST", server.url, content=source.content)
        assert (response.status_code, response.text) == (413, "big!")
        server.ended.acquire(timeout=10)
    assert got[0] < SIZE / 2
    assert source.asked < SIZE / 2
    # A task's generators are closed, since trio complains of those that are left.
    assert kind == "sync" or source.closed is (shape != "bytes")


@pytest.mark.parametrize("shape", ["bytes", "parts"])
def test_413_from_a_server_that_reads_nothing_more_it_comes_before_the_timeout(
    shape, scheme, kind, open_session
):
    done = threading.Event()

    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(REFUSED)
        done.wait(20)

    server_options, client = scheme
    with serving(serve, **server_options) as server:
        began = time.monotonic()
        session = open_session({**client, "timeout": 15})
        response = session.request("PUT", server.url, content=Source(shape, kind).content)
        assert (response.status_code, response.text) == (413, "big!")
        assert time.monotonic() - began < 5
        done.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a body is left
@pytest.mark.parametrize("what", ["an error", "its end"])
def test_413_an_answer_to_a_body_that_the_socket_does_not_take_is_read_once_and_not_polled_for(
    what, scheme, kind, open_session, monkeypatch
):
    """The server speaks when the socket is full, and reads on only later."""
    full, done, looks, ready = threading.Event(), threading.Event(), [], _SocketWatcher.ready

    def counted(watched, *args):
        looks.append(full.is_set())
        if not select.select([], [watched._socket], [], 0)[1]:
            full.set()
        return ready(watched, *args)

    monkeypatch.setattr(_SocketWatcher, "ready", counted)

    def serve(peer: Peer) -> None:
        peer.head()
        assert full.wait(10)
        time.sleep(0.1)  # until what was read has made no more room
        if what == "an error":
            peer.send(REFUSED)
            done.wait(2)
        else:
            socket.socket.shutdown(peer.connection, socket.SHUT_WR)
            time.sleep(0.2)  # so long a client that doesn't rest looks
        peer.to_the_end()

    server_options, client = scheme
    with serving(serve, **server_options) as server:
        session = open_session(client)
        if what == "an error":
            response = session.request("POST", server.url, content=bytes(SIZE))
            assert (response.status_code, response.text) == (413, "big!")
            assert len(server.peers[0].got) <= 2 * PART  # it had read the header section alone
            done.set()
        else:
            with pytest.raises(httpx.TransportError):
                session.request("POST", server.url, content=bytes(MUCH * 5))
    # A thread is woken; a task looks again and again, with pauses. Each piece is a look.
    assert sum(looks) < 2 * (SIZE if what == "an error" else MUCH * 5) / PIECE


@pytest.mark.parametrize("shape", SHAPES)
def test_413_is_read_where_the_server_resets_the_connection_after_it(shape, kind, open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.exactly(PART)
        peer.send(REFUSED)
        time.sleep(0.05)
        linger = struct.pack("ii", 1, 0)
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with serving(serve) as server:
        response = open_session(QUICK).request(
            "POST", server.url, content=Source(shape, kind).content
        )
        assert response.status_code == 413


def test_503_the_row_sees_it_and_may_repeat_on_another_connection(open_session):
    got = []

    def serve(peer: Peer) -> None:
        peer.head()
        if peer.number == 1:
            peer.exactly(PART)
            peer.send(b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
            peer.to_the_end()
        else:
            got.append(len(peer.exactly(SIZE)))
            peer.send(OK)

    with serving(serve) as server:
        session = open_session(QUICK)
        response = session.request("POST", server.url, content=bytes(SIZE))
        assert response.text == "ok"
        assert [step.code for step in sp.trace(response)] == [503, 200]
        assert session.clock.waits == [7]
    assert got == [SIZE]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "early",
    [
        OK,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\n\r\n",
        b"HTTP/1.1 102 X\r\n\r\n" + OK[:20],
        OK[:5],
    ],
    ids=["200", "interim", "200 in pieces", "the beginning of one"],
)
def test_1xx_an_answer_that_is_no_error_does_not(early, shape, scheme, kind, open_session):
    """It may come from a server that answers as it reads."""
    got = []

    def serve(peer: Peer) -> None:
        peer.head()
        peer.exactly(PART)
        peer.send(early)
        if isinstance(source.content, bytes):
            got.append(len(peer.exactly(MUCH - PART)) + PART)
        else:
            peer.until(b"\r\n0\r\n\r\n")
            got.append(source.asked)
        peer.send(OK[20:] if early.endswith(OK[:20]) else OK[len(early) :] if early in OK else OK)

    server_options, client = scheme
    source = Source(shape, kind, MUCH)
    with serving(serve, **server_options) as server:
        response = open_session(client).request("POST", server.url, content=source.content)
        assert (response.status_code, response.text) == (200, "ok")
        server.ended.acquire(timeout=10)
    assert got[0] >= MUCH - PART


def test_what_is_no_http_ends_the_sending_too(kind, open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(b"go away\r\n")
        peer.to_the_end()

    with serving(serve) as server:
        with pytest.raises(sp.UnparsableResponse, match="go away"):
            open_session(QUICK).request("POST", server.url, content=bytes(SIZE))
        server.ended.acquire(timeout=10)
        assert len(server.peers[0].got) < SIZE / 2


def test_a_server_that_half_closes_and_reads_on_gets_it_all(kind, open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(OK)
        peer.connection.shutdown(socket.SHUT_WR)
        peer.exactly(MUCH)

    with serving(serve) as server:
        response = open_session(QUICK).request("POST", server.url, content=bytes(MUCH))
        assert response.text == "ok"
        server.ended.acquire(timeout=10)
        assert server.peers[0].got.endswith(bytes(MUCH))


def test_a_server_that_half_closes_without_a_response_gets_the_whole_body(kind, open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.connection.shutdown(socket.SHUT_WR)
        peer.exactly(MUCH)

    with serving(serve) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            open_session(QUICK).request("POST", server.url, content=bytes(MUCH))


# A body that is left is httpx's own generator, of which trio tells when it is collected.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
def test_a_server_that_neither_reads_nor_answers_is_a_timeout_of_writing(scheme, open_session):
    done = threading.Event()

    def serve(peer: Peer) -> None:
        peer.head()
        done.wait(20)

    server_options, client = scheme
    with serving(serve, **server_options) as server:
        session = open_session({**client, "timeout": httpx.Timeout(30, write=0.2)}, table=sp.STRICT)
        with pytest.raises(httpx.WriteTimeout):
            session.request("POST", server.url, content=bytes(SIZE))
        done.set()


def test_a_server_that_reads_slowly_gets_it_whole(scheme, kind, open_session):
    size = 3_000_000

    def serve(peer: Peer) -> None:
        peer.head()
        for _ in range(20):
            peer.exactly(PART)
            time.sleep(0.005)
        peer.exactly(size - 20 * PART)
        peer.send(OK)

    server_options, client = scheme
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with serving(serve, **server_options) as server:
        response = open_session(client).request("POST", server.url, content=content)
        assert response.text == "ok"
        assert server.peers[0].got.endswith(content)


class Closed:
    """A stream whose socket is closed, as another thread may leave it."""

    __module__ = "httpcore.test"

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.close()
        self.written = 0

    def get_extra_info(self, info: str) -> object:
        return self.socket

    def write(self, buffer: bytes, timeout: float | None) -> None:
        self.written += len(buffer)


def test_on_a_closed_socket_the_call_fails_in_its_own_words():
    """Nothing else is raised before it."""
    inner = Closed()
    stream = Stream(inner)
    stream.write(b"POST / HTTP/1.1\r\n\r\n")
    stream.write(bytes(20_000))
    assert inner.written == 20_000 + 19
