"""wire/monitor.py: bytes that come while a request is sent, without any I/O."""

import socket
from types import SimpleNamespace

import anyio
import httpcore
import pytest

from statuspolicy.wire.monitor import Delegate
from statuspolicy.wire.stream import AsyncStream, Stream, _SocketWatcher

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
GARBAGE = b"\x16\x03\x01 this is no HTTP\r\n"


class Core(httpcore.NetworkStream):
    """A stream of httpcore's family."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return GARBAGE

    def get_extra_info(self, info: str) -> object:
        return None


class Foreign:
    """A stream whose errors nobody knows."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return GARBAGE


def test_what_is_not_said_of_a_stream_is_its_own():
    assert Delegate(SimpleNamespace(color="blue")).color == "blue"


def test_garbage_that_was_heard_while_a_body_was_sent_is_an_error_when_it_is_asked_for():
    stream = Stream(Core())
    stream._sends(HEAD, None)
    stream._overhear(GARBAGE)
    with pytest.raises(httpcore.RemoteProtocolError):
        stream.read(100)


@pytest.mark.parametrize("inner", [Core, Foreign])
def test_garbage_is_an_error_of_the_stream_s_own_library_or_is_left_to_it(inner):
    stream = Stream(inner())
    stream._sends(HEAD, None)
    if inner is Foreign:
        assert stream.read(100) == GARBAGE
    else:
        with pytest.raises(httpcore.RemoteProtocolError):
            stream.read(100)


def test_what_came_behind_an_answer_is_given_to_who_asks_for_more_than_the_answer():
    class Talkative(Core):
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore"

    stream = Stream(Talkative())
    stream._sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None)
    assert stream.read(100).endswith(b"\r\n\r\n")
    assert stream.get_extra_info("is_readable") is True
    assert stream.read(2) == b"mo"
    assert stream.read(100) == b"re"


def test_413_an_error_that_an_event_loop_took_from_the_socket_is_heard_all_the_same(monkeypatch):
    """A read that was given up goes on in asyncio; what it brought the socket shows no more."""
    shown = iter([(True, False), (False, False)])
    monkeypatch.setattr(_SocketWatcher, "ready", lambda *_: next(shown))
    came = iter([httpcore.ReadTimeout(), b"HTTP/1.1 413 Content Too Large\r\n\r\n"])

    class Slow(Core):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            what = next(came)
            if isinstance(what, Exception):
                raise what
            return what

    stream = AsyncStream(Slow())
    stream._sends(HEAD, None)
    with pytest.raises(httpcore.WriteError):
        anyio.run(stream._write_and_listen, b"x" * 1000, 5.0)


@pytest.mark.parametrize("deaf", [False, True])
def test_a_socket_that_is_closed_while_it_is_watched_keeps_nobody_waiting(deaf):
    """As asyncio closes one whose sending failed; the selector shows nothing of it any more."""
    here, there = socket.socketpair()
    stream = SimpleNamespace(get_extra_info={"socket": here}.get)
    with there, _SocketWatcher(stream) as watched:
        here.close()
        assert watched.ready(0, deaf) == (True, True)
