"""What a failure of the transport was, told from real exceptions and from such as they are."""

import socket
import ssl
import threading
from contextlib import contextmanager

import anyio
import h11
import httpcore
import httpx
import pytest
import trustme

from statuspolicy import STANDARD, STRICT, Settle, trace
from statuspolicy.failure import row_key
from statuspolicy.row import NOTHING
from statuspolicy.testing import FakeClock, StatusServer
from tests.each import each
from tests.exchanges import exchange

TABLES = {"STANDARD": STANDARD, "STRICT": STRICT}


def raised(kind, library=None, cause=None, message="it failed", handled=None):
    """An httpx exception as httpx makes it: from httpcore's, which was made from a cause.

    The pool raises httpcore's `from None`, so only its context and its arguments lead on.
    handled: an exception that was being handled all the while.
    """
    if handled is None:
        return _raised(kind, library, cause, message)
    try:
        raise handled
    except type(handled):
        return _raised(kind, library, cause, message)


def _raised(kind, library, cause, message):
    try:
        try:
            if cause is None:
                raise library(message)
            try:
                raise cause
            except type(cause) as error:
                raise library(error) from error
        except library as error:
            try:
                raise error from None
            except library as passed:
                raise kind(str(passed)) from passed
    except kind as error:
        return error


# ── made as httpx, httpcore and h11 make them ──────────────────────────────────────────

UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
GARBAGE = h11.RemoteProtocolError("illegal status line: bytearray(b'<html>')")
SWITCHED = h11.RemoteProtocolError(
    "Received server _SWITCH_UPGRADE event without a pending proposal"
)


@each(
    ("kind", "library", "cause", "message", "key"),
    [
        (httpx.RemoteProtocolError, httpcore.RemoteProtocolError, GARBAGE, "", 600),
        (
            httpx.RemoteProtocolError,
            httpcore.RemoteProtocolError,
            h11.RemoteProtocolError("Receive buffer too long"),
            "",
            600,
        ),
        (httpx.RemoteProtocolError, httpcore.RemoteProtocolError, SWITCHED, "", 101),
        (
            httpx.RemoteProtocolError,
            httpcore.RemoteProtocolError,
            None,
            "Server disconnected without sending a response.",
            httpx.RemoteProtocolError,
        ),
        (
            httpx.RemoteProtocolError,
            httpcore.RemoteProtocolError,
            OSError("not the parser"),
            "",
            httpx.RemoteProtocolError,
        ),
        (httpx.ConnectError, httpcore.ConnectError, UNTRUSTED, "", None),
        (
            httpx.ConnectError,
            httpcore.ConnectError,
            ssl.SSLError(1, "wrong version number"),
            "",
            httpx.ConnectError,
        ),
        (httpx.ConnectError, httpcore.ConnectError, OSError(111, "no"), "", httpx.ConnectError),
        (httpx.ConnectTimeout, httpcore.ConnectTimeout, None, "", httpx.ConnectTimeout),
        (httpx.ReadTimeout, httpcore.ReadTimeout, None, "", httpx.ReadTimeout),
        (httpx.PoolTimeout, httpcore.PoolTimeout, None, "", httpx.PoolTimeout),
        (
            httpx.LocalProtocolError,
            httpcore.LocalProtocolError,
            h11.LocalProtocolError("Too little data for declared Content-Length"),
            "",
            httpx.LocalProtocolError,
        ),
        (
            httpx.ProxyError,
            httpcore.ProxyError,
            None,
            "407 Proxy Authentication Required",
            407,
        ),
        (httpx.ProxyError, httpcore.ProxyError, None, "502 Bad Gateway", httpx.ProxyError),
        (httpx.ProxyError, httpcore.ProxyError, None, "", httpx.ProxyError),
    ],
)
def test_an_exception_is_told_by_what_happened(kind, library, cause, message, key):
    assert row_key(raised(kind, library, cause, message)) == key


@each(
    "kind",
    [
        httpx.ConnectError,
        httpx.ReadError,
        httpx.CloseError,
        httpx.WriteTimeout,
        httpx.RemoteProtocolError,
        httpx.UnsupportedProtocol,
        httpx.ProxyError,
    ],
)
def test_an_exception_without_a_cause_is_its_own_key(kind):
    assert row_key(kind("no")) is kind


@pytest.mark.parametrize(
    ("kind", "library", "message", "handled", "key"),
    [
        (
            httpx.RemoteProtocolError,
            httpcore.RemoteProtocolError,
            "Server disconnected without sending a response.",
            GARBAGE,
            httpx.RemoteProtocolError,
        ),
        (
            httpx.RemoteProtocolError,
            httpcore.RemoteProtocolError,
            "Server disconnected without sending a response.",
            SWITCHED,
            httpx.RemoteProtocolError,
        ),
        (
            httpx.ConnectError,
            httpcore.ConnectError,
            "connection refused",
            UNTRUSTED,
            httpx.ConnectError,
        ),
    ],
)
def test_a_failure_while_another_is_handled_is_not_taken_for_it(
    kind, library, message, handled, key
):
    """Python links the exception that is being handled to every new one, as its context."""
    assert row_key(raised(kind, library, None, message, handled)) == key


# ── the rows that they find ────────────────────────────────────────────────────────────


@each("table", TABLES.values())
@each(
    ("error", "name"),
    [
        (raised(httpx.RemoteProtocolError, httpcore.RemoteProtocolError, GARBAGE), "600"),
        (raised(httpx.RemoteProtocolError, httpcore.RemoteProtocolError, SWITCHED), "101"),
        (httpx.RemoteProtocolError("Server disconnected"), "RemoteProtocolError"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "407"),
        (httpx.ProxyError("403 Forbidden"), "ProxyError"),
        (httpx.ConnectError("refused"), "ConnectError"),
        (httpx.CloseError("broke"), "TransportError"),
    ],
)
def test_a_failure_is_decided_by_its_row(table, error, name):
    assert table.match(error).name == name


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_an_untrusted_certificate_has_no_row_and_is_never_repeated(table):
    error = raised(httpx.ConnectError, httpcore.ConnectError, UNTRUSTED)
    row = table.match(error)
    assert row is NOTHING
    assert row.duty(exchange(error)) == Settle()


# ── real ones ──────────────────────────────────────────────────────────────────────────


@contextmanager
def raw_server(answer):
    """A loopback server that reads one header section and answers these bytes, then closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    head = b""
                    while b"\r\n\r\n" not in head and (part := connection.recv(65536)):
                        head += part
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    assert not thread.is_alive()


def real_failure(kind, url, **options):
    """What a client of either kind, in either event loop, raises; without a policy."""
    options |= {"trust_env": False}
    if kind == "sync":
        with httpx.Client(**options) as client, pytest.raises(httpx.TransportError) as info:
            client.get(url)
        return info.value

    async def get():
        async with httpx.AsyncClient(**options) as client:
            with pytest.raises(httpx.TransportError) as info:
                await client.get(url)
            return info.value

    return anyio.run(get, backend=kind)


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (b"<html>only an entity arrived</html>\r\n\r\n", 600),
        (b"\x16\x03\x01\r\n\r\n", 600),
        (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", 600),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", 600),
        (b"HTTP/1.1 twohundred OK\r\n\r\n", 600),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 101),
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-", httpx.RemoteProtocolError),
    ],
)
def test_what_a_real_server_does_is_told_apart(kind, answer, key):
    with raw_server(answer) as url:
        assert row_key(real_failure(kind, url)) == key


def test_a_refused_connection_is_a_connect_error(kind):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert row_key(real_failure(kind, f"http://127.0.0.1:{port}/")) is httpx.ConnectError


@pytest.mark.parametrize(("code", "key"), [(407, 407), (502, httpx.ProxyError)])
def test_a_proxy_s_answer_to_connect_is_a_failure_with_the_row_of_407(
    kind, status_server, code, key
):
    status_server.script("home.example:443", code)
    error = real_failure(kind, "https://home.example/", proxy=status_server.url)
    assert isinstance(error, httpx.ProxyError)
    assert row_key(error) == key


@pytest.fixture(scope="module")
def tls():
    """The certificate of an authority that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_real_untrusted_certificate_is_no_failure_to_repeat(kind, tls):
    with StatusServer(tls) as server:
        assert row_key(real_failure(kind, server.url + "/200")) is None


def test_a_real_untrusted_certificate_is_met_once(open_session, tls):
    with StatusServer(tls) as server:
        session = open_session({"trust_env": False})
        with pytest.raises(httpx.ConnectError):
            session.get(server.url + "/200")
        assert (server.received, session.clock.waits) == ([], [])


def test_plain_http_on_a_tls_port_is_a_connect_error(kind, status_server):
    """A handshake that fails for another reason than the certificate may be repeated."""
    url = status_server.url.replace("http:", "https:") + "/200"
    assert row_key(real_failure(kind, url)) is httpx.ConnectError


def test_a_disconnect_after_an_unparsable_answer_is_decided_by_its_own_row(
    open_session, status_server
):
    """The first failure is still being handled by the transport while the repeat fails."""
    url = status_server.script("/x", 600, b"", 200)
    response = open_session(clock=FakeClock()).get(url)
    assert [step.row for step in trace(response)] == ["600", "RemoteProtocolError", "200"]
