"""Evidence: what was seen of a send, and so whether a request that is no GET may be repeated."""

import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import anyio
import h2.events
import httpcore
import httpx
import pytest
import trustme

import statuspolicy as sp
from statuspolicy.evidence import AsyncWatch, Watch, watched
from statuspolicy.failure import unacted
from statuspolicy.testing import Answer, StatusServer
from tests.conftest import KINDS
from tests.exchanges import exchange
from tests.test_failure import raised

# ── a watch, as a value ────────────────────────────────────────────────────────────────

SENDING = "http11.send_request_headers.started"
SENDING_2 = "http2.send_request_headers.started"
CONNECTING = "connection.connect_tcp.started"


def tell(watch, *events, kind="sync"):
    """Report these events to a watch, as a transport of that kind does."""
    if kind == "sync":
        for event in events:
            assert watch(event, {"of": event}) is None
        return

    async def report():
        for event in events:
            answer = watch(event, {"of": event})
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
        pytest.param(["http11.response_closed.started", SENDING], False, False, id="another first"),
        pytest.param([CONNECTING, "http2.send_connection_init.started"], False, True, id="HTTP/2"),
        pytest.param([SENDING_2], False, False, id="an old one of HTTP/2, which speaks for itself"),
        pytest.param([CONNECTING, SENDING_2], False, False, id="a new one of HTTP/2"),
        pytest.param(["http11.send_request_headers.complete"], False, True, id="no beginning"),
    ],
)
def test_a_watch_knows_an_old_connection_and_an_unsent_request(kind, events, reused, unsent):
    watch = watch_for(kind)
    tell(watch, *events, kind=kind)
    assert (watch.reused, watch.unsent) == (reused, unsent)


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
    assert watch.reused


@pytest.mark.parametrize("theirs", [None, print])
@pytest.mark.parametrize("watch_kind", [Watch, AsyncWatch])
def test_a_watched_request_is_a_copy_and_the_callers_is_as_it_was(watch_kind, theirs):
    extensions = {"timeout": {"read": 1.0}, "mine": object()}
    if theirs is not None:
        extensions["trace"] = theirs
    request = httpx.Request("POST", "http://a/", content=b"x", extensions=dict(extensions))
    headers, stream = list(request.headers.raw), request.stream
    copy, watch = watched(request, watch_kind)
    assert copy is not request
    assert (request.extensions, list(request.headers.raw)) == (extensions, headers)
    assert request.stream is copy.stream is stream
    assert type(watch) is watch_kind
    assert copy.extensions == {**extensions, "trace": watch}
    assert (copy.method, copy.url, copy.headers) == (request.method, request.url, request.headers)


# ── what shows that a server did not act ───────────────────────────────────────────────


def reset(code):
    return h2.events.StreamReset(stream_id=1, error_code=code)


def goaway(last):
    return h2.events.ConnectionTerminated(
        error_code=0, last_stream_id=last, additional_data=b"REFUSED_STREAM"
    )


def failed_by(*causes, kind=httpx.RemoteProtocolError):
    """A failure as httpx raises it: from httpcore's, which has the event as its argument."""
    return raised(kind, lambda_error(causes))


def lambda_error(causes):
    class Library(httpcore.RemoteProtocolError):
        def __init__(self, message):
            super().__init__(*causes)

    return Library


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
            assert error.__context__.args == (event,)
            return error


@pytest.mark.parametrize(
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
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_http2_says_it_did_not_act_on_is_unacted_on_any_connection(error, sure, method):
    assert unacted(error, reused=False) is sure
    assert exchange(error, method=method).unacted is sure


UNPARSABLE = httpx.RemoteProtocolError("illegal status line")
UNPARSABLE.__cause__ = __import__("h11").RemoteProtocolError("illegal status line")


@pytest.mark.parametrize(
    ("error", "sure"),
    [
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), True),
        (httpx.ReadError("reset"), True),
        (httpx.WriteError("broken pipe"), True),
        (httpx.ReadTimeout("it may be at it still"), False),
        (httpx.WriteTimeout("it may be at it already"), False),
        (httpx.PoolTimeout("no connection"), False),
        (httpx.CloseError("whatever"), False),
        (httpx.ProxyError("502 Bad Gateway"), False),
        (httpx.LocalProtocolError("too much data"), False),
        (UNPARSABLE, False),
    ],
)
def test_a_connection_that_was_idle_and_broke_is_unacted_where_it_is_known_to_be_old(error, sure):
    assert unacted(error, reused=True) is sure
    assert exchange(error, method="POST", reused=True).unacted is sure
    assert exchange(error, method="POST").unacted is False


def test_a_request_that_is_known_to_be_unsent_is_unacted_whatever_failed():
    for error in (httpx.ReadError("x"), httpx.WriteTimeout("x"), httpx.CloseError("x")):
        assert exchange(error, method="POST", unsent=True).unacted
    assert not exchange(500, method="POST", unsent=True).unacted


@pytest.mark.parametrize(
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


ANY_METHOD = pytest.mark.parametrize("method", ["POST", "PATCH", "FROBNICATE", "PUT"])


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


@ANY_METHOD
def test_what_was_sent_into_a_new_connection_that_broke_is_sent_again_only_if_idempotent(
    method, kind, open_session, status_server
):
    session = open_session(NO_PROXY)
    trace = at_first(kind, SENDING, lambda: hang_up(status_server))

    def send():
        return session.request(
            method, status_server.url + "/201", content=b"pay", extensions={"trace": trace}
        )

    if method == "PUT":
        assert send().status_code == 201
        assert seen(status_server) == [("PUT", b"pay", 2)]
        return
    with pytest.raises(httpx.TransportError) as error:
        send()
    assert "not idempotent" in sp.trace(error.value).reason
    assert seen(status_server) == []


@ANY_METHOD
def test_a_server_that_hangs_up_on_an_old_connection_is_asked_exactly_once_more(
    method, open_session, status_server
):
    """The second time the connection is new: what is no GET may have been acted on there."""
    session = open_session(NO_PROXY)
    url = status_server.script("/gone", b"", b"", 200)
    session.get(status_server.url + "/200")
    if method == "PUT":
        assert session.request(method, url, content=b"pay").status_code == 200
    else:
        with pytest.raises(httpx.RemoteProtocolError) as error:
            session.request(method, url, content=b"pay")
        assert [step.verdict for step in sp.trace(error.value)] == ["repeat", "settle"]
    expected = [("GET", b"", 1)] + [(method, b"pay", n) for n in (1, 2, 3)]
    assert seen(status_server) == expected[: 4 if method == "PUT" else 3]


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
        session.request("POST", url, content=b"pay", timeout=0.05)
    assert seen(status_server) == [("GET", b"", 1), ("POST", b"pay", 1)]


def test_an_answer_that_is_no_http_on_an_old_connection_is_not_a_dead_connection(
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
        assert session.request("POST", url, content=content).status_code == 200
    else:
        with pytest.raises(httpx.RemoteProtocolError) as error:
            session.request("POST", url, content=content)
        assert "can't be sent again" in sp.trace(error.value).reason
    posts = [r.body for r in status_server.received if r.method == "POST"]
    assert (posts, begun) == ([b"onetwo"] * times, [1])


def test_a_one_shot_body_that_was_not_begun_is_sent(kind, open_session):
    """It is known that nothing was sent, so not even a body that is kept nowhere is lost."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = []

    def start(clock_wait):
        started.append(StatusServer.__new__(StatusServer))
        started[0].__init__()
        started[0]._listener.close()
        started[0]._listener = socket.create_server(("127.0.0.1", port), backlog=8)
        started[0].__enter__()

    session = open_session(
        NO_PROXY,
        limits=sp.Limits(replay_bytes=0),
        observer=lambda event: start(event) if type(event).__name__ == "Wait" else None,
    )
    try:
        content = one_shot(kind, [], b"one", b"two")
        response = session.request("POST", f"http://127.0.0.1:{port}/201", content=content)
        assert response.status_code == 201
        assert seen(started[0]) == [("POST", b"onetwo", 1)]
    finally:
        session.run(session.client.close if kind == "sync" else session.client.aclose)
        for server in started:
            server.__exit__()
