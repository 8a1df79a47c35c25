"""policy/failures.py: the row of a failure, from real exceptions and from imitated ones."""

import socket
import ssl
import threading
from contextlib import contextmanager

import anyio
import h11
import httpcore
import pytest
import trustme

from statuspolicy import STANDARD, STRICT, Settle, trace
from statuspolicy.policy.failures import row_key
from statuspolicy.policy.table import NOTHING
from statuspolicy.testing import FakeClock, StatusServer
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx
from tests.raw_server import certified, serving

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
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "",
            None,
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
def test_600_101_407_a_failure_is_decided_by_its_row(table, error, name):
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
def test_600_101_what_a_real_server_does_is_told_apart(kind, answer, key):
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


LASTING = [
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"),
    ssl.SSLError(1, "wrong version number"),
    ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version"),
    ssl.SSLError(1, "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol"),
    ssl.SSLError(1, "[SSL: NO_PROTOCOLS_AVAILABLE] no protocols available"),
    ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure"),
    ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required"),
    ssl.SSLError(1, "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca"),
    ssl.SSLError(1, "[SSL: DH_KEY_TOO_SMALL] dh key too small"),
]
PASSING = [
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    socket.gaierror("what a mock says"),
    ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol"),
    ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error"),
    ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] bad record mac"),
    ConnectionResetError(104, "Connection reset by peer"),
]


def test_what_is_there_at_the_next_try_too_is_never_repeated():
    """A host without an address, and TLS that the two sides can't agree on."""
    for kind, library in [
        (httpx.ConnectError, httpcore.ConnectError),
        (httpx.ReadError, httpcore.ReadError),  # TLS 1.3 refuses a client after the handshake
    ]:
        assert [row_key(raised(kind, library, cause)) for cause in LASTING] == [None] * len(LASTING)
        assert {row_key(raised(kind, library, cause)) for cause in PASSING} == {kind}


def tries(session, method, url):
    with pytest.raises(httpx.TransportError) as error:
        session.request(method, url)
    return trace(error.value).requests


def test_a_host_that_does_not_exist_is_asked_for_once_and_one_that_may_is_again(
    session, monkeypatch
):
    for code, times in [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 4)]:

        def fails(*args, code=code, **options):
            raise socket.gaierror(code, "as told")

        monkeypatch.setattr(socket, "getaddrinfo", fails)
        for method in ("GET", "POST"):
            assert tries(session, method, "http://nowhere.example/") == times


def required(version):
    """Contexts of a server that wants the client's certificate, and of a client without one."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    server.verify_mode, server.maximum_version = ssl.CERT_REQUIRED, version
    authority.configure_trust(server)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return server, trust


def old_fashioned():
    """Contexts that have no version of TLS in common."""
    server, trust = certified("127.0.0.1")
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    return server, trust


@pytest.mark.parametrize(
    "contexts",
    [
        pytest.param(lambda: required(ssl.TLSVersion.TLSv1_3), id="a certificate is required"),
        pytest.param(lambda: required(ssl.TLSVersion.TLSv1_2), id="the same in TLS 1.2"),
        pytest.param(old_fashioned, id="no version in common"),
        pytest.param(lambda: (None, ssl.create_default_context()), id="no TLS at all"),
    ],
)
def test_tls_that_can_not_be_is_tried_once(contexts, open_session):
    """Who closes at once may lose its own alert: this one reads on until the client goes."""
    server, trust = contexts()

    def serve(peer):
        connection = peer.connection
        if server is None:
            peer.more()
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        inside = server.wrap_bio(into := ssl.MemoryBIO(), out := ssl.MemoryBIO(), server_side=True)
        refused = False
        while data := connection.recv(65536):
            into.write(data)
            try:
                refused or inside.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                refused = True
            connection.sendall(out.read())
            if refused:
                connection.shutdown(socket.SHUT_WR)

    session = open_session({"trust_env": False, "verify": trust, "timeout": 5})
    for method in ("GET", "POST"):
        with serving(serve) as listening:
            assert tries(session, method, listening.url.replace("http:", "https:")) == 1
            assert len(listening.peers) == 1


def test_600_a_disconnect_after_an_unparsable_answer_is_decided_by_its_own_row(
    open_session, status_server
):
    """The first failure is still being handled by the transport while the repeat fails."""
    url = status_server.script("/x", 600, b"", 200)
    response = open_session(clock=FakeClock()).get(url)
    assert [step.row for step in trace(response)] == ["600", "RemoteProtocolError", "200"]
