"""wire/delivery.py: the proof that a request was not read, from counts of a kernel. No sockets."""

import errno
import socket
import ssl
from types import SimpleNamespace

import h2.config
import h2.connection
import httpcore
import pytest

from statuspolicy.wire.context import WIRE, Seen, Wire, during
from statuspolicy.wire.delivery import Proof, tcp
from statuspolicy.wire.flow_control import _gives_back
from statuspolicy.wire.stream import Stream

IDLE = tcp.Count(tcp.ESTABLISHED, rtt=100, acked=500, waiting=0, sent=500)
SENT = IDLE._replace(sent=600)
HALF = SENT._replace(state=tcp.CLOSE_WAIT)
GONE = SENT._replace(state=tcp.CLOSED)


def told(monkeypatch, *counts, most=9.0, peeked=False, error=None, heard=False):
    """What is known in the end, where the kernel tells these in turn; how long it took."""
    left = [IDLE, *counts]
    monkeypatch.setattr(tcp, "is_counted", lambda sock: True)
    monkeypatch.setattr(tcp, "count", lambda sock: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(tcp, "ended", lambda sock: peeked)
    seen, stream = Seen(), SimpleNamespace(get_extra_info=lambda info: object())
    proof = Proof(stream)
    assert not proof.begins(seen, stream)
    if error is not None:
        proof.failed(error)
    seen.heard = heard
    waits = [*proof.settle(most)]
    return seen.unread == seen.sends == 1, round(sum(waits), 3)


def after(cause):
    error = httpcore.ReadError()
    error.__cause__ = cause
    return error


def test_a_reset_after_the_end_of_the_stream_proves_it_and_nothing_else_does(monkeypatch):
    cases = [
        ([HALF, GONE], {}, True),
        ([HALF, HALF, HALF, GONE], {}, True),
        ([GONE], {"peeked": True}, True),
        ([GONE], {}, False),  # a reset alone
        ([HALF._replace(acked=501), GONE._replace(acked=501)], {}, False),
        ([HALF, HALF._replace(acked=600)], {}, False),  # acknowledged late
        ([SENT, GONE], {}, False),  # no end of the stream was seen
        ([HALF, None], {}, False),  # the socket was closed on this side
        ([IDLE._replace(state=tcp.CLOSE_WAIT)], {}, False),  # nothing went by way of TCP
        ([HALF, GONE], {"heard": True}, False),
    ]
    for counts, options, expected in cases:
        assert told(monkeypatch, *counts, **options)[0] is expected, (counts, options)


def test_a_failed_call_takes_the_proof_away_but_for_one_that_only_found_nothing(monkeypatch):
    """A reset is told once: the next read says that the stream ended."""
    harmless = [BlockingIOError(), ssl.SSLWantReadError(), ssl.SSLWantWriteError(), TimeoutError()]
    for cause in harmless:
        assert told(monkeypatch, HALF, GONE, error=after(cause))[0]
    for cause in [
        ConnectionResetError(errno.ECONNRESET, "reset"),
        BrokenPipeError(errno.EPIPE, "broken"),
        TimeoutError(errno.ETIMEDOUT, "the kernel gave up"),
        ssl.SSLError(1, "bad record mac"),
        None,
    ]:
        assert not told(monkeypatch, HALF, GONE, error=after(cause))[0]


def test_silence_is_no_proof_after_0_3_seconds_or_three_round_trips_or_what_is_left(monkeypatch):
    far = HALF._replace(rtt=200_000)
    for count, most, least, longest in [
        (HALF, 9, 0.3, 0.36),
        (far, 9, 0.6, 0.66),
        (far, 0.1, 0.1, 0.16),
        (HALF, 0, 0, 0),
    ]:
        proven, waited = told(monkeypatch, count, most=most)
        assert not proven
        assert least <= waited <= longest


def test_of_what_is_no_tcp_nothing_is_counted():
    assert not tcp.is_counted(None)
    closed = socket.socket()
    closed.close()
    assert not tcp.is_counted(closed)
    assert tcp.count(closed) is None
    assert not tcp.ended(closed)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not tcp.is_counted(ours)
        assert not tcp.ended(theirs)
        ours.shutdown(socket.SHUT_WR)
        assert tcp.ended(theirs)


def test_a_kernel_that_tells_less_tells_nothing():
    short = SimpleNamespace(getsockopt=lambda *_: bytes(104))
    assert tcp.count(short) is None


def test_a_stream_whose_errors_are_not_known_is_written_to_unseen():
    """Nothing that it could raise would be understood."""

    class Foreign:
        written = b""

        def write(self, buffer, timeout):
            self.written += buffer

    greeting, head = b"\5\1\0", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"  # of SOCKS, and its request
    seen, inner = Seen(), Foreign()
    stream = Stream(inner)
    during(WIRE, Wire(seen=seen), stream.write, greeting)
    during(WIRE, Wire(seen=seen), stream.write, head)
    assert (inner.written, seen.sends, seen.unread) == (greeting + head, 0, 0)


@pytest.mark.parametrize("over", [False, True])
def test_over_http2_nothing_is_given_back_on_a_connection_that_is_over(over):
    http = h2.connection.H2Connection(h2.config.H2Configuration())
    http.initiate_connection()
    http.send_headers(1, [(":method", "GET"), (":path", "/"), (":authority", "a"),
                          (":scheme", "http")], end_stream=True)  # fmt: skip
    if over:
        http.close_connection()
    assert _gives_back(http, 1, []) is not over
