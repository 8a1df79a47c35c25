"""HTTP/2: a server that others wrote (Hypercorn), and one that refuses what it is sent."""

import asyncio
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from urllib.parse import parse_qsl, urlsplit

import anyio
import hypercorn.asyncio
import pytest
import trustme
from hypercorn.config import Config, Sockets

from tests.h2_server import DONE, REFUSED, H2Server, Turn
from tests.library import httpx, sp
from tests.test_evidence import tunnels

# ── Hypercorn, and an application that answers any code ────────────────────────────────

STREAMS = 8  # at once on one connection: the server allows no more


class App:
    """An ASGI application: `/503?retry-after=1&then=200` answers 503, and 200 the next time.

    received: what arrived: method, target, body, the client's port. fields: their header fields.
    """

    def __init__(self):
        self.clear()

    def clear(self):
        self.received, self.fields, self.turns, self.together = [], [], {}, 0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for what in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{what}.complete"})
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        target = scope["path"]
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode()
        assert scope["http_version"] == "2"
        self.received.append((scope["method"], target, body, scope["client"][1]))
        self.fields.append({n.decode(): v.decode() for n, v in scope["headers"]})
        if target == "/together":
            await self.all_here()
        turn = self.turns[target] = self.turns.get(target, -1) + 1
        status, fields, content = answer(target, turn)
        head = {"type": "http.response.start", "status": status, "headers": fields}
        await send(head)
        await send({"type": "http.response.body", "body": content})

    async def all_here(self):
        """Wait until as many requests are under way as the server allows."""
        self.together += 1
        while self.together < STREAMS:
            await asyncio.sleep(0.001)


def answer(target, turn):
    """A status, header fields and a body, as the query says."""
    url = urlsplit(target)
    query = parse_qsl(url.query, keep_blank_values=True)
    then = [int(value) for name, value in query if name == "then"]
    word = url.path.strip("/")
    status = int(word) if word.isdigit() else 200
    if then and turn:
        return then[min(turn, len(then)) - 1], [], b""
    fields = [(n.encode(), v.encode()) for n, v in query if n not in ("then", "body")]
    content = dict(query).get("body", "").encode()
    if status not in (204, 205, 304):
        fields.append((b"content-length", b"%d" % len(content)))
    return status, fields, content


class Listener(socket.socket):
    """A socket that keeps what it accepts, to see what is open."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.accepted = []

    def accept(self):
        connection, address = super().accept()
        self.accepted.append(connection)
        return connection, address


class Hypercorn:
    """Hypercorn in a thread, with TLS; a context manager."""

    def __init__(self, certificate):
        self.app = App()
        self.config = Config()
        self.config.certfile = self.config.keyfile = str(certificate)
        self.config.h2_max_concurrent_streams = STREAMS
        self.config.loglevel = "CRITICAL"
        self.config.graceful_timeout = 1
        self.config.keep_alive_timeout = 60
        self._listener = Listener(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()  # already: a client may come before Hypercorn is ready
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self.config.create_sockets = lambda: Sockets([self._listener], [], [])
        self._ready.set()
        await hypercorn.asyncio.serve(self.app, self.config, shutdown_trigger=self._end.wait)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def open_connections(self):
        """How many TCP connections are open now."""
        return sum(connection.fileno() != -1 for connection in self._listener.accepted)

    @property
    def ports(self):
        """The ports that requests came from: one for each TCP connection."""
        return {port for *_, port in self.app.received}

    @property
    def received(self):
        return [(method, target, body) for method, target, body, _ in self.app.received]


@pytest.fixture(scope="module")
def hypercorn_server(tmp_path_factory):
    certificate = tmp_path_factory.mktemp("tls") / "server.pem"
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    with Hypercorn(certificate) as server:
        server.trust = ssl.create_default_context()
        authority.configure_trust(server.trust)
        yield server


@pytest.fixture
def server(hypercorn_server):
    """The server with nothing received; in the end nothing may be open."""
    hypercorn_server.app.clear()
    yield hypercorn_server
    wait_for(lambda: hypercorn_server.open_connections == 0)


@pytest.fixture
def client(kind, open_session, server):
    """Opens a session over HTTP/2, and sees to it that all is closed in the end."""
    with ExitStack() as stack:

        def opened(**wrap):
            options = {"http2": True, "verify": server.trust, "trust_env": False, "timeout": 10}
            session = open_session(options, **wrap)
            stack.callback(closed, session, server)
            return session

        yield opened


def closed(session, server):
    """Close a client. It may have had one connection, and none is left."""
    wait_for(lambda: server.open_connections == 1)
    session.run(session.client.close if session.portal is None else session.client.aclose)
    wait_for(lambda: server.open_connections == 0)


def wait_for(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


# What is asked for, what is handed over, and how many requests that takes.
CODES = {
    200: ("/200?body=hello", 200, 1),
    204: ("/204", 204, 1),
    205: ("/205", 205, 1),
    206: ("/206?content-range=bytes 0-0/1&body=x", sp.ProtocolViolation, 1),
    301: ("/301?location=/200", 200, 2),
    302: ("/302?location=/200", 200, 2),
    303: ("/303?location=/200", 200, 2),
    304: ("/304?then=200", 200, 2),
    307: ("/307?location=/200", 200, 2),
    308: ("/308?location=/200", 200, 2),
    404: ("/404?body=why", 404, 1),
    408: ("/408?then=200", 200, 2),
    421: ("/421", 421, 1),
    425: ("/425?then=200", 200, 2),
    429: ("/429?retry-after=1&then=200", 200, 2),
    502: ("/502?then=200", 200, 2),
    503: ("/503?retry-after=1&then=200", 200, 2),
}


@pytest.mark.parametrize("code", CODES)
def test_each_code_does_its_duty_over_http2_on_one_connection(code, client, server):
    path, expected, requests = CODES[code]
    session = client()
    if isinstance(expected, int):
        response = session.get(server.url + path)
        assert (response.status_code, response.http_version) == (expected, "HTTP/2")
        assert all(passed.http_version == "HTTP/2" for passed in response.history)
        if "body=" in path:
            assert response.text in path
    else:
        with pytest.raises(expected) as error:
            session.get(server.url + path)
        assert error.value.response.http_version == "HTTP/2"
    assert (len(server.received), len(server.ports)) == (requests, 1)


@pytest.mark.parametrize("path", ["/307?location=/200", "/503?retry-after=1&then=200"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("one_shot", [False, True])
def test_307_503_a_body_is_replayed_byte_for_byte(path, method, one_shot, kind, client, server):
    def chunks():
        yield b"one" * 1000
        yield b"two" * 1000

    async def achunks():
        for chunk in chunks():
            yield chunk

    whole = b"".join(chunks())
    content = (chunks() if kind == "sync" else achunks()) if one_shot else whole
    session = client()
    response = session.request(method, server.url + path, content=content)
    assert (response.status_code, response.http_version) == (200, "HTTP/2")
    second = "/200" if "location" in path else path
    assert server.received == [(method, path, whole), (method, second, whole)]
    assert len(server.ports) == 1


def test_a_post_becomes_a_get_without_a_body_at_a_303(client, server):
    session = client()
    path = "/303?location=/200"
    assert session.request("POST", server.url + path, json={"a": 1}).http_version == "HTTP/2"
    assert server.received == [("POST", path, b'{"a":1}'), ("GET", "/200", b"")]
    assert not {"content-type", "content-length"} & server.app.fields[1].keys()


def test_503_retry_after_the_waits_are_the_servers_and_the_fake_clocks(client, server):
    session = client()
    session.get(server.url + "/503?retry-after=7&then=503&then=200")
    assert session.clock.waits[0] == 7
    assert len(session.clock.waits) == 2


def test_a_login_redirect_sets_its_cookie(client, server):
    session = client()
    response = session.request("POST", server.url + "/302?location=/me&set-cookie=sid=1")
    assert (response.status_code, response.http_version) == (200, "HTTP/2")
    assert [fields.get("cookie") for fields in server.app.fields] == [None, "sid=1"]
    assert session.client.cookies["sid"] == "1"


@pytest.mark.parametrize(
    "path", ["/302?location=/200&body=moved", "/503?retry-after=1&body=busy", "/408?body=slow"]
)
def test_302_408_503_no_stream_is_left_open_by_what_is_passed_on_the_way(path, client, server):
    """The server allows eight streams at once: a ninth would wait for ever."""
    session = client(limits=sp.Limits(retry_budget=None, attempts=2))
    for _ in range(3 * STREAMS):
        assert sp.trace(session.get(server.url + path)).requests == 2
    assert (len(server.received), len(server.ports)) == (6 * STREAMS, 1)


def test_302_no_stream_is_left_open_by_a_body_that_is_not_drained(client, server):
    session = client(limits=sp.Limits(drain_bytes=1))
    for _ in range(3 * STREAMS):
        assert session.get(server.url + "/302?location=/200&body=moved").status_code == 200
    assert (len(server.received), len(server.ports)) == (6 * STREAMS, 1)


def test_streams_that_are_being_read_do_not_hinder_one_another(client, server):
    """All but one of them are open and unread while the last goes through its redirects."""
    session = client()

    def opened(n):
        url = f"{server.url}/503?retry-after=1&then=200&n={n}"
        request = session.client.build_request("GET", url)
        return session.run(session.client.send, request, stream=True)

    unread = [opened(n) for n in range(STREAMS - 1)]
    response = session.get(server.url + "/307?location=/302?location=/200?body=done")
    assert response.text == "done"
    for other in unread:
        session.run(other.read if session.portal is None else other.aread)
        assert (other.status_code, other.http_version) == (200, "HTTP/2")
    assert (len(server.received), len(server.ports)) == (2 * (STREAMS - 1) + 3, 1)


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_exchanges_at_once_share_one_connection(client, server):
    """No request is answered before as many are under way as the server allows."""
    session = client()
    got = {}

    async def one(n):
        got[n, 0] = await session.client.get(server.url + "/together")
        path = [f"/302?location=/200?body={n}", f"/503?retry-after=1&then=200&n={n}"][n % 2]
        got[n, 1] = await session.client.post(server.url + path, content=b"%d" % n)

    async def main():
        await session.client.get(server.url + "/200")  # settings come with the first answer
        async with anyio.create_task_group() as tasks:
            for n in range(STREAMS):
                tasks.start_soon(one, n)

    session.run(main)
    assert {(r.status_code, r.http_version) for r in got.values()} == {(200, "HTTP/2")}
    assert [got[n, 1].text for n in range(0, STREAMS, 2)] == ["0", "2", "4", "6"]
    assert (len(got), len(server.ports)) == (2 * STREAMS, 1)
    posted = sorted(body for method, _, body in server.received if method == "POST")
    once, twice = "0246", "1357"
    assert posted == sorted([*map(str.encode, once + twice + twice)])


def test_expect_in_a_tunnel_a_body_that_would_wait_for_a_100_is_sent_at_once(open_session, server):
    """It doesn't wait on the connection that CONNECT went over, which is HTTP/1.1."""
    with tunnels() as (proxy, asked):
        options = {"http2": True, "verify": server.trust, "proxy": proxy, "trust_env": False}
        session = open_session(options, limits=sp.Limits(expect_wait=60))
        response = session.request(
            "POST", server.url + "/200", content=b"pay", headers={"Expect": "100-continue"}
        )
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        assert server.received == [("POST", "/200", b"pay")]
        assert asked == [server.url.removeprefix("https://")]
        closed(session, server)


# ── another connection ─────────────────────────────────────────────────────────────────


def test_a_421_is_surfaced_where_there_is_no_other_connection(client, server):
    session = client()
    response = session.request("POST", server.url + "/421?then=200&body=why", content=b"pay")
    assert (response.status_code, response.http_version) == (421, "HTTP/2")
    assert "only fresh=" in sp.trace(response).reason
    assert len(server.received) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_421_is_repeated_once_on_a_connection_of_its_own_where_fresh_makes_one(
    method, kind, client, server
):
    """It is closed with its response, and the client's own goes on."""
    made = []

    def fresh():
        transport = httpx.HTTPTransport if kind == "sync" else httpx.AsyncHTTPTransport
        made.append(transport(http2=True, verify=server.trust, trust_env=False))
        return made[-1]

    session = client(fresh=fresh)
    path = "/421?then=200&n=1"
    response = session.request(method, server.url + path, content=b"pay")
    assert (response.status_code, response.http_version) == (200, "HTTP/2")
    assert server.received == [(method, path, b"pay")] * 2
    assert (len(made), len(server.ports)) == (1, 2)
    wait_for(lambda: server.open_connections == 1)
    assert session.get(server.url + "/200").status_code == 200
    assert len(server.ports) == 2
    path = "/421?then=421&n=2"
    assert session.request(method, server.url + path, content=b"pay").status_code == 421
    assert (len(made), len(server.received)) == (2, 5)


# ── a server that refuses ──────────────────────────────────────────────────────────────


@pytest.fixture
def refusing(open_session):
    """Starts a server that has these turns, and a session that speaks HTTP/2 with it."""
    with ExitStack() as stack:

        def started(*turns, **wrap):
            server = stack.enter_context(H2Server(*turns))
            options = {"http1": False, "http2": True, "trust_env": False}
            session = open_session(options, **wrap)
            end = session.client.close if session.portal is None else session.client.aclose
            stack.callback(session.run, end)
            return server, session

        yield started


PAID = ("POST", "/pay", b"pay")
NO_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0, 2, 8, 11  # RFC 9113 §7


def pay(session, server, content=b"pay", method="POST"):
    return session.request(method, server.url + "/pay", content=content)


def test_a_stream_that_is_refused_is_sent_again_whatever_its_method(refusing):
    """RFC 9113 §8.7. The connection is well, and is used for the next one."""
    server, session = refusing(REFUSED, REFUSED)
    response = pay(session, server)
    assert (response.status_code, response.http_version) == (200, "HTTP/2")
    assert server.acted == [PAID]
    assert server.arrived == [(1, 1), (1, 3), (1, 5)]
    assert [step.verdict for step in sp.trace(response)] == ["repeat", "repeat", "settle"]


def test_a_stream_that_is_always_refused_is_sent_no_more_often_than_any(refusing):
    server, session = refusing(*[REFUSED] * 9)
    with pytest.raises(httpx.RemoteProtocolError) as error:
        pay(session, server)
    assert "4 attempts" in sp.trace(error.value).reason
    assert (server.acted, len(server.arrived)) == ([], 4)


@pytest.mark.parametrize("code", [NO_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM])
def test_a_stream_that_is_reset_for_another_reason_is_sent_again_only_if_idempotent(code, refusing):
    server, session = refusing(Turn(reset=code))
    with pytest.raises(httpx.RemoteProtocolError) as error:
        pay(session, server)
    assert "not idempotent" in sp.trace(error.value).reason
    assert server.acted == [PAID]

    server, session = refusing(Turn(reset=code))
    assert session.get(server.url + "/").status_code == 200
    assert server.arrived == [(1, 1), (1, 3)]


def test_a_goaway_that_names_no_stream_as_processed_is_sent_again_on_another_connection(
    refusing,
):
    server, session = refusing(Turn(act=False, goaway=0))
    response = pay(session, server)
    assert (response.status_code, response.http_version) == (200, "HTTP/2")
    assert server.acted == [PAID]
    assert server.arrived == [(1, 1), (2, 1)]


@pytest.mark.parametrize("last", [-1, 5, 2**31 - 1])
def test_a_goaway_that_may_have_processed_the_stream_is_sent_again_only_if_idempotent(
    last, refusing
):
    """As the last stream it names the request's own, or one after it."""
    server, session = refusing(DONE, Turn(goaway=last))
    assert pay(session, server).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError) as error:
        pay(session, server)
    assert "not idempotent" in sp.trace(error.value).reason
    assert server.acted == [PAID, PAID]

    server, session = refusing(DONE, Turn(goaway=last))
    for _ in range(2):
        assert session.get(server.url + "/").status_code == 200
    assert server.arrived == [(1, 1), (1, 3), (2, 1)]


def test_a_goaway_before_the_stream_is_the_transports_own_to_repeat(refusing):
    """httpcore repeats by itself where GOAWAY names an earlier stream as the last (but not 0).

    So the policy sees one answer, and the server acted on it once.
    """
    server, session = refusing(DONE, Turn(act=False, goaway=1))
    session.get(server.url + "/")
    response = pay(session, server)
    assert sp.trace(response).requests == 1
    assert server.acted == [("GET", "/", b""), PAID]
    assert server.arrived == [(1, 1), (1, 3), (2, 1)]


def one_shot(kind, begun):
    def chunks():
        begun.append(1)
        yield from (b"p", b"ay")

    async def achunks():
        for chunk in chunks():
            yield chunk

    return chunks() if kind == "sync" else achunks()


@pytest.mark.parametrize("turn", [REFUSED, Turn(act=False, goaway=0)])
@pytest.mark.parametrize("keep", [0, 100])
def test_a_one_shot_body_of_a_refused_stream_is_sent_again_whole_or_not_at_all(
    keep, turn, kind, refusing
):
    server, session = refusing(turn, limits=sp.Limits(replay_bytes=keep))
    begun = []
    if keep:
        assert pay(session, server, one_shot(kind, begun)).status_code == 200
    else:
        with pytest.raises(httpx.RemoteProtocolError) as error:
            pay(session, server, one_shot(kind, begun))
        assert "can't be sent again" in sp.trace(error.value).reason
    assert (server.acted, begun) == ([PAID] if keep else [], [1])


@pytest.mark.parametrize("keep", [0, 100])
def test_a_one_shot_body_that_the_transport_repeats_is_sent_whole_or_not_at_all(
    keep, kind, refusing
):
    """What httpcore sends a second time is no empty body."""
    server, session = refusing(DONE, Turn(act=False, goaway=1), limits=sp.Limits(replay_bytes=keep))
    session.get(server.url + "/")
    begun = []
    if keep:
        assert pay(session, server, one_shot(kind, begun)).status_code == 200
    else:
        with pytest.raises(httpx.LocalProtocolError, match="used up"):
            pay(session, server, one_shot(kind, begun))
    assert (server.acted[1:], begun) == ([PAID] if keep else [], [1])


def test_an_old_connection_that_broke_without_a_goaway_proves_nothing(refusing):
    """Over HTTP/2 a server says how far it got; where it doesn't it may have acted."""
    server, session = refusing(DONE, Turn(hang_up=True))
    session.get(server.url + "/")
    with pytest.raises(httpx.RemoteProtocolError):
        pay(session, server)
    assert server.acted == [("GET", "/", b""), PAID]

    server, session = refusing(DONE, Turn(hang_up=True))
    for _ in range(2):
        assert session.get(server.url + "/").status_code == 200
    assert server.arrived == [(1, 1), (1, 3), (2, 1)]
