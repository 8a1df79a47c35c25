"""engine/evidence.py: the observations of a send, by which a POST may be repeated or not."""

import socket
import ssl
import struct
import threading
import time
from contextlib import contextmanager, suppress

import anyio
import h2.events
import h11
import httpcore
import pytest
import trustme

from statuspolicy.engine.effects import Reply
from statuspolicy.engine.evidence import AsyncWatch, Watch, saw, watched
from statuspolicy.policy.failures import unacted
from statuspolicy.testing import Answer, FakeClock, StatusServer
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx, sp
from tests.raw_server import serving

# ── a watch, as a value ────────────────────────────────────────────────────────────────

SENDING = "http11.send_request_headers.started"
SENDING_2 = "http2.send_request_headers.started"
CONNECTING = "connection.connect_tcp.started"


def sending(method):
    """The event as httpcore tells it, of a request of its own kind."""
    return SENDING, {"request": httpcore.Request(method, "http://a/")}


def tell(watch, *events, kind="sync"):
    """Report these events to a watch, as a transport of that kind does."""
    told = [(event, {"of": event}) if isinstance(event, str) else event for event in events]
    if kind == "sync":
        for event in told:
            assert watch(*event) is None
        return

    async def report():
        for event in told:
            answer = watch(*event)
            assert await answer is None

    anyio.run(report, backend=kind)


def watch_for(kind, theirs=None):
    return Watch(theirs) if kind == "sync" else AsyncWatch(theirs)


@pytest.mark.parametrize(
    ("events", "reused", "unsent"),
    [
        pytest.param([], False, False, id="a transport that tells nothing"),
        pytest.param([CONNECTING], False, True, id="no connection"),
        pytest.param([CONNECTING, "connection.start_tls.started"], False, True, id="no TLS"),
        pytest.param(["socks5.setup_socks5_connection.started"], False, True, id="no SOCKS"),
        pytest.param([CONNECTING, SENDING], False, False, id="a new one"),
        pytest.param([SENDING], True, False, id="an old one"),
        pytest.param([SENDING, "http11.send_request_headers.failed"], True, False, id="its end"),
        pytest.param([SENDING, CONNECTING, SENDING], True, False, id="another after an old one"),
        pytest.param(
            [CONNECTING, "connection.connect_tcp.complete"], False, False, id="no more told"
        ),
        pytest.param([CONNECTING, "connection.start_tls.failed"], False, True, id="TLS failed"),
        pytest.param(["http11.response_closed.started", SENDING], False, False, id="another first"),
        pytest.param([CONNECTING, "http2.send_connection_init.started"], False, True, id="HTTP/2"),
        pytest.param([SENDING_2], False, False, id="an old one of HTTP/2, which speaks for itself"),
        pytest.param([CONNECTING, SENDING_2], False, False, id="a new one of HTTP/2"),
        pytest.param(["http11.send_request_headers.complete"], False, True, id="no beginning"),
        pytest.param([CONNECTING, sending("CONNECT")], False, True, id="the proxy's CONNECT alone"),
        pytest.param([CONNECTING, sending("CONNECT"), sending("POST")], False, False, id="behind"),
        pytest.param([CONNECTING, "http3.send_request_headers.started"], False, False, id="http3"),
    ],
)
def test_a_watch_knows_an_old_connection_and_an_unsent_request(kind, events, reused, unsent):
    """What the sockets say of the connection has to agree."""
    for old in (True, False, None):
        watch = watch_for(kind)
        watch.seen.old = old
        tell(watch, *events, kind=kind)
        assert (watch.reused, watch.unsent) == (reused and old is True, unsent)


def test_every_event_reaches_the_callers_own_trace_in_order(kind):
    heard = []

    def theirs(event, info):
        heard.append((event, info))

    async def their_async(event, info):
        await anyio.sleep(0)
        theirs(event, info)

    events = [CONNECTING, SENDING, SENDING, "any.other"]
    tell(watch_for(kind, theirs if kind == "sync" else their_async), *events, kind=kind)
    assert heard == [(event, {"of": event}) for event in events]


def test_what_the_callers_own_trace_answers_is_handed_on():
    """The transport refuses a coroutine in a thread, and says so; it has to see it."""
    assert Watch(lambda event, info: event)(SENDING, {}) == SENDING


def test_what_the_callers_own_trace_raises_is_raised_and_noted_all_the_same(kind):
    def theirs(event, info):
        raise ZeroDivisionError

    async def their_async(event, info):
        raise ZeroDivisionError

    watch = watch_for(kind, theirs if kind == "sync" else their_async)
    with pytest.raises(ZeroDivisionError):
        tell(watch, SENDING, kind=kind)
    watch.seen.old = True
    assert watch.reused


@each("theirs", [None, print])
@each("watch_kind", [Watch, AsyncWatch])
def test_a_watched_request_is_a_copy_and_the_callers_is_as_it_was(watch_kind, theirs):
    extensions = {"timeout": {"read": 1.0}, "mine": object()}
    if theirs is not None:
        extensions["trace"] = theirs
    request = httpx.Request("POST", "http://a/", content=b"x", extensions=dict(extensions))
    headers, stream = list(request.headers.raw), request.stream
    copy, watch = watched(request, watch_kind, sp.Limits())
    assert copy is not request
    assert (request.extensions, list(request.headers.raw)) == (extensions, headers)
    assert request.stream is copy.stream is stream
    assert type(watch) is watch_kind
    assert copy.extensions == {**extensions, "trace": watch}
    assert (copy.method, copy.url, copy.headers) == (request.method, request.url, request.headers)


@pytest.mark.parametrize("outcome", [httpx.Response(408), httpx.ReadError("reset")])
def test_408_a_reply_says_what_was_seen_of_a_watched_request_and_nothing_of_any_other(outcome):
    request = httpx.Request("POST", "http://a/")
    for events, seen_of_it in [([SENDING], (True, False)), ([CONNECTING], (False, True))]:
        _, watch = watched(request, Watch, sp.Limits())
        watch.seen.old = True
        tell(watch, *events)
        reply = saw(watch, Reply(outcome))
        assert (reply.outcome, reply.reused, reply.unsent) == (outcome, *seen_of_it)
    reply = saw(None, Reply(outcome))
    assert (reply.outcome, reply.reused, reply.unsent) == (outcome, False, False)


def test_a_request_is_unread_where_each_time_that_it_was_begun_nobody_can_have_read_it():
    """A transport may repeat by itself: then the last time alone shows nothing."""
    for sends, unread, expected in [(1, 1, (True, False)), (2, 2, (True, False)),
                                    (1, 0, (False, True)), (2, 1, (False, True))]:  # fmt: skip
        watch = Watch(None)
        watch.seen.sends, watch.seen.unread = sends, unread
        tell(watch, SENDING)
        reply = saw(watch, Reply(httpx.ConnectError("refused")))
        assert (reply.unsent, reply.begun) == expected
        failed = exchange(reply.outcome, method="POST", unsent=reply.unsent, begun=reply.begun)
        assert failed.unacted is expected[0]


@pytest.mark.parametrize(
    "begun",
    [
        b"H",
        b"HTTP/1.1 201 Created\r\nX-Paid: ye",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ],
)
def test_an_old_connection_that_broke_after_the_answer_began_is_no_proof(
    begun, open_session, status_server
):
    session = open_session({"trust_env": False})
    url = status_server.script("/pay", begun, 200)
    session.get(status_server.url + "/200")
    with pytest.raises(httpx.RemoteProtocolError):
        session.request("POST", url, content=b"pay")
    assert [r.method for r in status_server.received] == ["GET", "POST"]


def test_an_old_connection_that_was_closed_on_this_side_is_no_proof(open_session, status_server):
    """Between threads, httpcore 1.0 may close one that another thread sends over and reads from.

    The server has read the request, and acts on it.
    """
    session = open_session({"trust_env": False})

    def acts(received):
        (connection,) = session.client._transport._inner._pool.connections
        session.run(connection.close if session.portal is None else connection.aclose)
        return Answer(201)

    url = status_server.script("/pay", acts, Answer(201))
    session.get(status_server.url + "/200")
    with pytest.raises(httpx.ReadError):
        session.request("POST", url, content=b"pay")
    assert [r.method for r in status_server.received] == ["GET", "POST"]


def test_a_connection_that_was_opened_before_the_client_was_wrapped_shows_nothing(status_server):
    """Nobody looks at it first: an end of it is no proof. One that is opened later is looked at."""
    with httpx.Client() as client:
        client.get(status_server.url + "/200")
        sp.wrap(client, clock=FakeClock())
        url = status_server.url + "/201"
        for before in (True, False):
            trace = at_first("sync", SENDING, lambda: hang_up(status_server))
            if before:
                with pytest.raises(httpx.TransportError):
                    client.post(url, content=b"x", extensions={"trace": trace})
            else:
                assert client.post(url, content=b"x", extensions={"trace": trace}).is_success
            client.get(status_server.url + "/200")
        sp.unwrap(client)
        assert type(client._transport._pool._network_backend).__module__.startswith("httpcore")


def test_a_cause_that_is_its_own_cause_is_looked_at_once():
    error = httpx.ConnectError("reset")
    error.__cause__ = error
    assert unacted(error)
    assert not unacted(error, begun=True)


# ── what shows that a server did not act ───────────────────────────────────────────────


def reset(code):
    return h2.events.StreamReset(stream_id=1, error_code=code)


def goaway(last):
    event = h2.events.ConnectionTerminated()
    event.error_code, event.last_stream_id = 0, last
    return event


def failed_by(*causes, kind=httpx.RemoteProtocolError):
    """A failure as httpx raises it: from httpcore's, which has the event as its argument."""
    error = kind("it failed")
    error.__cause__ = httpcore.RemoteProtocolError(*causes)
    return error


def nested(event):
    """The event three exceptions down, passed on once by `from` and once as an argument."""
    outer = httpx.RemoteProtocolError("outer")
    outer.__cause__ = OSError("between", httpcore.RemoteProtocolError(event))
    return outer


def while_handling(event):
    """A failure that came while another one was handled, which is its context alone."""
    try:
        raise httpcore.RemoteProtocolError(event)
    except httpcore.RemoteProtocolError:
        try:
            raise httpx.ReadError("another")
        except httpx.ReadError as error:
            return error


@each(
    ("error", "sure"),
    [
        *[(failed_by(reset(code)), code == 7) for code in range(14)],
        (failed_by(goaway(0)), True),
        (failed_by(goaway(1)), False),
        (failed_by(goaway(5)), False),
        (failed_by(goaway(2**31 - 1)), False),
        (failed_by(goaway(None)), False),
        (failed_by(reset(2), goaway(0)), True),
        (failed_by(h2.events.StreamEnded(stream_id=7)), False),
        (failed_by("StreamReset error_code=7"), False),
        (failed_by(reset(7), kind=httpx.ReadError), True),
        (failed_by(reset(7), kind=httpx.LocalProtocolError), True),
        (nested(reset(7)), True),
        (nested(goaway(0)), True),
        (nested(reset(8)), False),
        (nested(goaway(3)), False),
        (while_handling(reset(7)), False),
        (while_handling(goaway(0)), False),
        (httpx.ConnectError("refused"), True),
        (httpx.ConnectTimeout("too late"), True),
        (httpx.RemoteProtocolError("Server disconnected"), False),
        (httpx.ReadError("reset"), False),
        (httpx.WriteError("reset"), False),
    ],
)
@each("method", ["POST", "GET"])
def test_what_http2_says_it_did_not_act_on_is_unacted_on_any_connection(error, sure, method):
    assert unacted(error) is sure
    assert exchange(error, method=method).unacted is sure


class ServerDisconnectedError(Exception):
    """As a foreign library has it."""


class ConnectionTimeoutError(TimeoutError):
    """A library's own, for a connection that was not made."""

    __module__ = "aiohttp.client_exceptions"


class ClientOSError(OSError):
    """A library's own, for a connection that it had."""

    __module__ = "aiohttp.client_exceptions"


def lost_by(below):
    """A connection that was made may end so too, as its host can't be reached any more."""
    error = ClientOSError(*below.args)
    error.__cause__ = below
    return error


def caused_by(cause, kind=httpx.ConnectTimeout):
    error = kind("says the transport")
    error.__cause__ = cause
    return error


def raised_over(cause):
    """Raised where another was handled, and not `from` it."""
    try:
        raise cause
    except type(cause):
        try:
            raise httpx.ConnectTimeout("says the transport")
        except httpx.ConnectTimeout as error:
            return error


def test_a_failed_connect_is_believed_by_its_cause_and_not_by_its_name():
    made_none = [
        ConnectionRefusedError(111, "Connection refused"),
        OSError(101, "Network is unreachable"),
        OSError(113, "No route to host"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        httpcore.ConnectError("All connection attempts failed"),
        httpcore.ConnectTimeout(TimeoutError()),
        ConnectionTimeoutError("to host"),
    ]
    lost_one = [
        ServerDisconnectedError("Server disconnected"),
        ConnectionResetError(104, "Connection reset by peer"),
        BrokenPipeError(32, "Broken pipe"),
        TimeoutError(110, "Connection timed out"),
        TimeoutError(),
        httpcore.ReadError("reset"),
        RuntimeError("whatever"),
        *map(lost_by, (ConnectionRefusedError(111, "no"), OSError(113, "No route to host"))),
    ]
    for kind in (httpx.ConnectTimeout, httpx.ConnectError):
        assert unacted(kind("as a mock raises it"))
        assert all(unacted(caused_by(cause, kind)) for cause in made_none)
        assert not any(unacted(caused_by(cause, kind)) for cause in lost_one)
    assert all(unacted(raised_over(cause)) for cause in made_none)
    assert not any(unacted(raised_over(cause)) for cause in lost_one)
    assert not any(unacted(caused_by(cause, httpx.ReadError)) for cause in made_none)


UNPARSABLE = failed_by(h11.RemoteProtocolError("illegal status line"))


def test_a_connection_that_was_idle_and_broke_is_no_proof():
    """Whatever the failure is called: who read the request, acted and died left just that."""
    for error in [
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.ReadError("reset"),
        httpx.WriteError("broken pipe"),
        httpx.ReadTimeout("it may be at it still"),
        httpx.WriteTimeout("it may be at it already"),
        httpx.PoolTimeout("no connection"),
        httpx.CloseError("whatever"),
        httpx.ProxyError("502 Bad Gateway"),
        httpx.LocalProtocolError("too much data"),
        UNPARSABLE,
    ]:
        assert not unacted(error)
        assert not exchange(error, method="POST", reused=True).unacted
        assert not exchange(error, method="POST").unacted


def test_a_request_that_is_known_to_be_unsent_is_unacted_whatever_failed():
    for error in (httpx.ReadError("x"), httpx.WriteTimeout("x"), httpx.CloseError("x")):
        assert exchange(error, method="POST", unsent=True).unacted
    assert not exchange(500, method="POST", unsent=True).unacted


@each(
    ("connection", "reused", "sure"),
    [
        ("close", True, True),
        ("Close", True, True),
        ("keep-alive, close", True, True),
        ("close", False, False),
        ("keep-alive", True, False),
        (None, True, False),
    ],
)
def test_a_408_is_unacted_where_it_closes_a_connection_that_was_idle(connection, reused, sure):
    headers = {} if connection is None else {"Connection": connection}
    assert exchange(408, headers, method="POST", reused=reused).unacted is sure


# ── real sockets ───────────────────────────────────────────────────────────────────────

NO_PROXY = {"trust_env": False}


def hang_up(server):
    """Let a server close the connections that it has open, whatever is on its way to it."""
    wait_for(lambda: server.open_connections)
    with server._lock:
        for connection in server._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: not server.open_connections)


def wait_for(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def at_first(kind, event, do):
    """A trace callable that does something before an event, the first time that it comes."""
    did = []

    def trace(name, info):
        if name == event and not did:
            did.append(name)
            do()

    async def async_trace(name, info):
        trace(name, info)

    return trace if kind == "sync" else async_trace


def seen(server):
    return [(r.method, r.body, r.connection) for r in server.received]


# The HTTP library abandons the body's iterator where a connection breaks under it, and trio says
# so of any async generator.
ABANDONED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
ANY_METHOD = pytest.mark.parametrize("method", ["POST", "PATCH", "FROBNICATE", "PUT"])


@ABANDONED
@ANY_METHOD
def test_what_was_sent_into_a_connection_that_was_closed_meanwhile_is_sent_again(
    method, kind, open_session, status_server
):
    """The server closes it after the transport chose it, and before a byte is sent."""
    session = open_session(NO_PROXY)
    session.get(status_server.url + "/200")
    trace = at_first(kind, SENDING, lambda: hang_up(status_server))
    response = session.request(
        method, status_server.url + "/201", content=b"pay", extensions={"trace": trace}
    )
    assert response.status_code == 201
    assert sp.trace(response).requests == 2
    assert seen(status_server) == [("GET", b"", 1), (method, b"pay", 2)]


@ABANDONED
@ANY_METHOD
def test_what_was_to_be_sent_into_a_new_connection_that_was_closed_is_sent_again(
    method, kind, open_session, status_server
):
    session = open_session(NO_PROXY)
    trace = at_first(kind, SENDING, lambda: hang_up(status_server))
    response = session.request(
        method, status_server.url + "/201", content=b"pay", extensions={"trace": trace}
    )
    assert (response.status_code, sp.trace(response).requests) == (201, 2)
    assert seen(status_server) == [(method, b"pay", 2)]


@ANY_METHOD
def test_a_server_that_hangs_up_on_an_old_connection_is_asked_again_only_if_idempotent(
    method, open_session, status_server
):
    """It read the request, and may have acted on it."""
    session = open_session(NO_PROXY)
    url = status_server.script("/gone", b"", b"", 200)
    session.get(status_server.url + "/200")
    if method == "PUT":
        assert session.request(method, url, content=b"pay").status_code == 200
    else:
        with pytest.raises(httpx.RemoteProtocolError) as error:
            session.request(method, url, content=b"pay")
        assert [step.verdict for step in sp.trace(error.value)] == ["settle"]
    expected = [("GET", b"", 1)] + [(method, b"pay", n) for n in (1, 2, 3)]
    assert seen(status_server) == expected[: 4 if method == "PUT" else 2]


def test_a_server_that_hangs_up_on_a_new_connection_is_not_asked_again(open_session, status_server):
    session = open_session(NO_PROXY)
    url = status_server.script("/gone", b"", 200)
    with pytest.raises(httpx.RemoteProtocolError):
        session.request("POST", url, content=b"pay")
    assert seen(status_server) == [("POST", b"pay", 1)]


def test_an_old_connection_that_is_silent_is_not_a_dead_one(open_session, status_server):
    session = open_session(NO_PROXY)
    url = status_server.script("/stall", Answer(raw=b"", stall=True), 200)
    session.get(status_server.url + "/200")
    with pytest.raises(httpx.ReadTimeout):
        session.request("POST", url, content=b"pay", timeout=httpx.Timeout(30, read=0.05))
    assert seen(status_server) == [("GET", b"", 1), ("POST", b"pay", 1)]


def test_600_an_answer_that_is_no_http_on_an_old_connection_is_not_a_dead_connection(
    open_session, status_server
):
    session = open_session(NO_PROXY)
    url = status_server.script("/600", 600, 200)
    session.get(status_server.url + "/200")
    with pytest.raises(sp.UnparsableResponse):
        session.request("POST", url, content=b"pay")
    assert seen(status_server) == [("GET", b"", 1), ("POST", b"pay", 1)]


@pytest.mark.parametrize(
    ("old", "close", "status"), [(True, True, 200), (True, False, 408), (False, True, 408)]
)
def test_a_408_repeats_a_post_where_it_closes_an_old_connection(
    old, close, status, open_session, status_server
):
    session = open_session(NO_PROXY)
    url = status_server.script("/408", Answer(408, close=close), 200)
    if old:
        session.get(status_server.url + "/200")
    assert session.request("POST", url, content=b"pay").status_code == status
    posts = [(r.body, r.connection) for r in status_server.received if r.method == "POST"]
    assert posts == [(b"pay", 1), (b"pay", 2)][: 2 if status == 200 else 1]


def test_a_408_repeats_a_post_once(open_session, status_server):
    session = open_session(NO_PROXY)
    url = status_server.script("/408", Answer(408, close=True))
    session.get(status_server.url + "/200")
    assert session.request("POST", url, content=b"pay").status_code == 408
    assert seen(status_server) == [("GET", b"", 1), ("POST", b"pay", 1), ("POST", b"pay", 2)]


def one_shot(kind, iterations, *parts):
    """A body that can be iterated once; how often it was begun."""

    def chunks():
        iterations.append(1)
        yield from parts

    async def achunks():
        for part in chunks():
            yield part

    return chunks() if kind == "sync" else achunks()


@pytest.mark.parametrize(("old", "status"), [(True, 200), (False, 408)])
def test_a_408_repeats_a_recorded_body_too_where_it_closes_an_old_connection(
    old, status, kind, open_session, status_server
):
    session = open_session(NO_PROXY)
    url = status_server.script("/408", Answer(408, close=True), 200)
    if old:
        session.get(status_server.url + "/200")
    begun = []
    response = session.request("POST", url, content=one_shot(kind, begun, b"one", b"two"))
    assert (response.status_code, begun) == (status, [1])
    posts = [r.body for r in status_server.received if r.method == "POST"]
    assert posts == [b"onetwo"] * (2 if old else 1)


@pytest.mark.parametrize(("keep", "times"), [(1000, 2), (5, 1), (0, 1)])
def test_a_one_shot_body_that_was_begun_is_sent_again_whole_or_not_at_all(
    keep, times, kind, open_session, status_server
):
    session = open_session(NO_PROXY, limits=sp.Limits(replay_bytes=keep))
    url = status_server.script("/gone", b"", 200)
    session.get(status_server.url + "/200")
    begun = []
    content = one_shot(kind, begun, b"one", b"two")
    if times == 2:
        assert session.request("PUT", url, content=content).status_code == 200
    else:
        with pytest.raises(httpx.RemoteProtocolError) as error:
            session.request("PUT", url, content=content)
        assert "can't be sent again" in sp.trace(error.value).reason
    posts = [r.body for r in status_server.received if r.method == "PUT"]
    assert (posts, begun) == ([b"onetwo"] * times, [1])


@ABANDONED
def test_a_one_shot_body_of_a_request_that_was_not_begun_is_sent_whatever_is_kept(
    kind, open_session, status_server
):
    session = open_session(NO_PROXY, limits=sp.Limits(replay_bytes=0))
    session.get(status_server.url + "/200")
    begun = []
    response = session.request(
        "POST",
        status_server.url + "/201",
        content=one_shot(kind, begun, b"one", b"two"),
        extensions={"trace": at_first(kind, SENDING, lambda: hang_up(status_server))},
    )
    assert (response.status_code, begun) == (201, [1])
    assert seen(status_server) == [("GET", b"", 1), ("POST", b"onetwo", 2)]


# ── before anything was sent ───────────────────────────────────────────────────────────


class ResetServer:
    """One that accepts a connection, reads nothing, and resets it when it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.connections = 0

    def reset(self):
        connection, _ = self.listener.accept()
        self.connections += 1
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


INIT = "http2.send_connection_init.started"


class Inner(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers in turn, and keeps the requests that it was given."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def handle_request(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, stream=httpx.ByteStream(b""))

    async def handle_async_request(self, request):
        return self.handle_request(request)


def sent_through(kind, inner, request):
    """What reaches a transport below the policy."""
    clock = FakeClock()
    if kind == "sync":
        sp.PolicyTransport(inner, clock=clock).handle_request(request)
    else:
        policy = sp.AsyncPolicyTransport(inner, clock=clock)
        anyio.run(policy.handle_async_request, request, backend=kind)
    return inner.requests


# A task of asyncio learns of a reset by writing, and only after the write.
@pytest.mark.parametrize("kind", ["sync", "trio"])
def test_a_connection_that_broke_before_a_byte_of_the_request_was_sent_is_left_for_another(
    kind, open_session
):
    """HTTP/2 begins with a preface: where that can't be sent the request wasn't either.

    Each connection is reset, and a body that can be sent but once is tried on each of them.
    """
    server, heard, begun = ResetServer(), [], []

    def trace(event, info):
        heard.append(event)
        if event == INIT:
            server.reset()

    async def async_trace(event, info):
        trace(event, info)

    session = open_session(
        {"http1": False, "http2": True, **NO_PROXY}, limits=sp.Limits(replay_bytes=0)
    )
    with server.listener, pytest.raises(httpx.WriteError) as error:
        session.request(
            "POST",
            server.url,
            content=one_shot(kind, begun, b"pay"),
            extensions={"trace": trace if kind == "sync" else async_trace},
        )
    assert [step.verdict for step in sp.trace(error.value)] == ["repeat"] * 3 + ["settle"]
    assert "4 attempts" in sp.trace(error.value).reason
    assert (server.connections, begun, SENDING_2 in heard) == (4, [], False)


def test_a_transport_that_sent_it_and_then_found_no_connection_is_not_asked_again(kind):
    """One that repeats by itself, and lets nobody see its pool."""

    class Repeating(Inner):
        def handle_request(self, request):
            tell(request.extensions["trace"], CONNECTING, SENDING, CONNECTING)
            return super().handle_request(request)

        async def handle_async_request(self, request):
            for event in (CONNECTING, SENDING, CONNECTING):
                await request.extensions["trace"](event, {})
            return Inner.handle_request(self, request)

    for cause in (None, httpcore.ConnectError("refused")):
        inner = Repeating(caused_by(cause, httpx.ConnectError), 200)
        with pytest.raises(httpx.ConnectError):
            sent_through(kind, inner, httpx.Request("POST", "http://a/", content=b"pay"))
        assert len(inner.requests) == 1


def test_over_http2_a_stream_that_was_left_for_a_new_connection_was_not_begun():
    """After a GOAWAY httpcore sends what was not processed on another by itself (RFC 9113 §6.8)."""
    watch = Watch(None)
    tell(watch, SENDING_2, CONNECTING)
    assert (watch.unsent, watch.begun) == (False, False)
    tell(watch, SENDING)
    assert watch.begun


def test_what_the_sockets_tell_is_of_the_request_where_its_transport_tells_of_it_too():
    """An application that a transport calls may send requests of its own, in the same context."""
    watch = Watch(None)
    watch.seen.sends = watch.seen.unread = 1
    assert not watch.unsent
    tell(watch, CONNECTING, SENDING)
    assert watch.unsent
    tell(watch, CONNECTING, SENDING)  # over a connection whose socket tells nothing
    assert not watch.unsent
    assert watch.begun


def test_a_failure_of_a_request_that_the_server_made_in_turn_is_no_proof(kind):
    request = httpx.Request("POST", "http://a/", content=b"pay")
    for url, times in [("http://upstream/", 1), ("http://a/", 2)]:
        failure = caused_by(httpcore.ConnectError("refused"), httpx.ConnectError)
        failure.request = httpx.Request("POST", url)
        inner = Inner(failure, 200)
        if times == 1:
            with pytest.raises(httpx.ConnectError):
                sent_through(kind, inner, request)
        else:
            sent_through(kind, inner, request)
        assert len(inner.requests) == times


@pytest.mark.parametrize(
    ("events", "times"), [([CONNECTING], 2), ([CONNECTING, SENDING], 1), ([], 1)]
)
def test_a_transport_that_fails_before_it_sends_is_asked_again(events, times, kind):
    """Whatever it raises, and whether it was the first send or the repeat that failed so."""

    class Failing(Inner):
        def handle_request(self, request):
            if self.answers[0] == 200:
                return super().handle_request(request)
            tell(request.extensions["trace"], *events)
            return super().handle_request(request)

        async def handle_async_request(self, request):
            if self.answers[0] != 200:
                for event in events:
                    await request.extensions["trace"](event, {})
            return Inner.handle_request(self, request)

    for before in ([], [httpx.ConnectError("no")]):
        if before and SENDING in events:
            continue  # told to be sent and not connected: the next test
        inner = Failing(*before, httpx.WriteTimeout("too slow"), 200)
        request = httpx.Request("POST", "http://a/", content=b"pay")
        if times == 1:
            with pytest.raises(httpx.WriteTimeout):
                sent_through(kind, inner, request)
        else:
            sent_through(kind, inner, request)
        assert len(inner.requests) == len(before) + times


# ── the caller's own trace, and the caller's own request ───────────────────────────────


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/200", "/503?retry-after=1&then=200", "/307?location=/200"])
def test_the_callers_own_trace_hears_what_it_would_hear_of_the_transport_alone(
    method, path, kind, open_session, status_server
):
    heard = []

    def trace(event, info):
        heard.append((event, sorted(info)))

    async def async_trace(event, info):
        await anyio.sleep(0)
        trace(event, info)

    theirs = trace if kind == "sync" else async_trace
    session = open_session({**NO_PROXY, "follow_redirects": True})
    extensions = {"trace": theirs, "mine": 1}
    url = status_server.url + path
    request = session.client.build_request(method, url, content=b"pay", extensions=extensions)
    kept = dict(request.extensions)
    response = session.run(session.client.send, request)
    assert response.status_code == 200
    assert request.extensions == kept
    assert request.extensions["trace"] is theirs
    assert response.request.extensions["trace"] is theirs
    through_policy, heard[:] = heard[:], []

    plain = open_session(NO_PROXY)
    sp.unwrap(plain.client)
    for one in [url, status_server.url + "/200"][: sp.trace(response).requests]:
        plain.request(method, one, content=b"pay", extensions=extensions)
    assert through_policy == heard


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "REPORT", "PROPFIND"])
def test_a_safe_request_that_is_well_reaches_the_transport_as_it_is(method, kind):
    request = httpx.Request(method, "http://a/", content=b"")
    (sent,) = sent_through(kind, Inner(200), request)
    assert sent is request
    assert "trace" not in request.extensions


@pytest.mark.parametrize(
    "method", ["POST", "PATCH", "PUT", "DELETE", "MOVE", "CONNECT", "FROBNICATE"]
)
def test_any_other_request_is_watched_each_time_that_it_is_sent(method, kind):
    theirs = object()
    request = httpx.Request(method, "http://a/", content=b"pay", extensions={"trace": theirs})
    watches = []

    class Noted(Inner):
        def handle_request(self, request):
            watches.append(request.extensions["trace"])
            return super().handle_request(request)

    sent = sent_through(kind, Noted(httpx.ConnectError("no"), 421, 200), request)
    assert len(sent) == 3
    # What closes the connection of an answer has nothing of ours to call.
    assert [each.extensions["trace"] for each in sent[1:]] == [theirs] * 2
    assert {type(watch) for watch in watches} == {Watch if kind == "sync" else AsyncWatch}
    assert len(set(map(id, watches))) == 3
    assert [watch._theirs for watch in watches] == [theirs] * 3
    assert request.extensions == {"trace": theirs}


RETRIES = sp.STANDARD | {600: sp.retry(), httpx.TransportError: sp.retry()}

# ── proxies ────────────────────────────────────────────────────────────────────────────


@contextmanager
def tunnels():
    """A proxy that knows CONNECT alone. What it was asked for is a list."""
    asked, threads, ends = [], [], []

    def pump(source, target):
        with suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def start(do, *args):
        threads.append(threading.Thread(target=do, args=args, daemon=True))
        threads[-1].start()

    def accept():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head and (part := client.recv(65536)):
                head += part
            authority = head.split()[1].decode()
            asked.append(authority)
            host, _, port = authority.rpartition(":")
            origin = socket.create_connection((host, int(port)))
            ends.extend((client, origin))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            start(pump, client, origin)
            start(pump, origin, client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        start(accept)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for end in ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
            for end in ends:
                end.close()


@pytest.fixture(scope="module")
def trusted():
    """A context to serve https with, and the one that trusts it."""
    authority = trustme.CA()
    serve = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serve)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return serve, trust


def test_through_a_tunnel_the_connect_is_not_taken_for_a_request_that_went_well(
    open_session, trusted
):
    """CONNECT is sent and answered on the same connection, so it is an old one in a way."""
    serve, trust = trusted
    with tunnels() as (proxy, asked), StatusServer(tls=serve) as server:
        url = server.script("/gone", b"", 200)
        session = open_session({"verify": trust, "proxy": proxy, **NO_PROXY})
        with pytest.raises(httpx.RemoteProtocolError):
            session.request("POST", url, content=b"pay")
        assert seen(server) == [("POST", b"pay", 1)]
        assert asked == [f"127.0.0.1:{server.port}"]
        session.run(session.client.close if session.portal is None else session.client.aclose)


def test_a_request_whose_connect_came_to_nothing_was_not_sent(open_session):
    """CONNECT's own events, and that some of it was answered, say nothing of the request."""
    asked = []

    def serve(peer):
        asked.append(peer.head())
        peer.send([b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n\r\n"][peer.number - 1])

    with serving(serve) as proxy:
        session = open_session(
            {"proxy": proxy.url, **NO_PROXY}, limits=sp.Limits(attempts=3), table=RETRIES
        )
        with pytest.raises(httpx.TransportError) as error:
            session.request("POST", "https://home.example/", content=b"pay")
        told = sp.trace(error.value)
        assert (told.requests, [head.split()[0] for head in asked]) == (3, [b"CONNECT"] * 3)
        assert "3 attempts" in told.reason
