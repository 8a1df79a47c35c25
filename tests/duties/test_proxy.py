"""305 to the letter: one request, through that proxy, where the application allows it."""

import socket
import ssl
import threading
from contextlib import suppress

import pytest
import trustme

from statuspolicy import STRICT, Again, Settle, use_proxy
from statuspolicy.testing import Answer, StatusServer, replay
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx, sp

URL = "https://home.example/a"
NAMED = {"Location": "http://user:secret@proxy.example:3128/"}
PROXY = httpx.MockTransport(lambda request: httpx.Response(200, text="through the proxy"))


def accepted(found, transport=PROXY):
    asked = []
    duty = use_proxy(lambda request, proxy: asked.append((request, proxy)) or transport)
    return duty(found), asked


def test_305_the_one_request_is_sent_over_what_the_application_returns():
    found = exchange(305, NAMED, url=URL, method="POST")
    verdict, asked = accepted(found)
    assert asked == [(found.request, httpx.URL("http://proxy.example:3128/"))]
    assert verdict == Again(
        found.request,
        unacted=True,
        why="through the proxy http://proxy.example:3128",
        over=PROXY,
    )


@each(
    ("found", "why"),
    [
        (exchange(305, NAMED), "is never used for http"),
        (exchange(305, NAMED, url=URL, proxied=True), "in use already"),
        (exchange(305, NAMED, url=URL, answers=(305,)), "the repeat was answered 305 again"),
        (exchange(305, url=URL), "the response names no proxy"),
        (
            exchange(305, [("Location", "http://a/"), ("Location", "http://b/")], url=URL),
            "no proxy",
        ),
        (exchange(305, {"Location": "socks5://a/"}, url=URL), "is not http or https"),
    ],
)
def test_305_nobody_is_asked_where_it_may_not_be(found, why):
    verdict, asked = accepted(found)
    assert isinstance(verdict, Settle)
    assert why in verdict.why
    assert asked == []


def test_305_the_default_is_no():
    verdict, _ = accepted(exchange(305, NAMED, url=URL), None)
    assert verdict == Settle("the application does not accept the proxy http://proxy.example:3128")
    assert isinstance(STRICT[305](exchange(305, NAMED, url=URL)), Settle)


@pytest.mark.parametrize("answer", [True, "http://proxy.example", httpx.AsyncHTTPTransport])
def test_305_what_is_no_transport_is_said_to_be_none(answer):
    with pytest.raises(TypeError, match=r"return an httpx\.HTTPTransport\(proxy=\.\.\.\)"):
        accepted(exchange(305, NAMED, url=URL), answer)
    with pytest.raises(TypeError, match="write a callable that returns a transport"):
        use_proxy(None)


def test_305_302_the_next_request_goes_its_own_way_again():
    table = STRICT | {305: use_proxy(lambda request, proxy: PROXY)}
    script = [(305, NAMED), (302, {"Location": "/b"}), 200]
    story = replay(httpx.Request("GET", URL), script, table=table)
    sends = [effect for effect in story.effects if type(effect).__name__ == "Send"]
    assert [(send.over, send.fresh) for send in sends] == [
        (None, False),
        (PROXY, True),
        (None, False),
    ]


class Closing(httpx.MockTransport):
    closed = 0

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


class Streamed(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __iter__(self):
        yield b"through it"

    async def __aiter__(self):
        yield b"through it"


def test_305_use_proxy_is_closed_with_what_it_brought(kind, open_session):
    """The origin is a mock, as no server here speaks TLS to a proxy that isn't there."""
    proxy = Closing(lambda request: httpx.Response(200, stream=Streamed()))

    async def coroutine(request, url):
        return proxy

    accept = (lambda request, url: proxy) if kind == "sync" else coroutine
    origin = httpx.MockTransport(lambda request: httpx.Response(305, headers=NAMED))
    session = open_session({"transport": origin}, table=STRICT | {305: use_proxy(accept)})
    response = session.request("POST", URL, content=b"x")
    assert (response.text, proxy.closed) == ("through it", 1)
    assert "use_proxy" in str((STRICT | {305: use_proxy(print)}).row(305))


# ── on real sockets ────────────────────────────────────────────────────────────────────


class Tunnel:
    """A proxy that knows CONNECT alone; `heads` are what it was asked."""

    def __init__(self):
        self.heads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        self.heads.append(head.decode())
        host, port = head.split()[1].decode().split(":")
        origin = socket.create_connection((host, int(port)))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=_pass_on, args=(origin, connection), daemon=True).start()
        _pass_on(connection, origin)

    def close(self):
        self._listener.close()


def _pass_on(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture
def tunnel():
    proxy = Tunnel()
    yield proxy
    proxy.close()


@pytest.fixture
def secure():
    """A server with TLS, and the context that trusts it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with StatusServer(tls=context) as server:
        yield server, trusted


def test_305_connect_the_one_request_goes_through_the_tunnel_and_the_next_does_not(
    kind, open_session, secure, tunnel
):
    server, trusted = secure
    url = server.script("/a", Answer(305, {"Location": tunnel.url}), Answer(200, body=b"through"))
    transport = httpx.HTTPTransport if kind == "sync" else httpx.AsyncHTTPTransport

    def accept(request, proxy):
        return transport(proxy=str(proxy), verify=trusted)

    table = STRICT | {305: use_proxy(accept)}
    session = open_session({"verify": trusted}, table=table)
    response = session.request("PUT", url, content=b"body", headers={"Authorization": "mine"})
    assert (response.text, server.received[1].body) == ("through", b"body")
    assert server.received[1].headers["authorization"] == "mine"
    assert [head.split()[0] for head in tunnel.heads] == ["CONNECT"]
    assert "mine" not in tunnel.heads[0]
    assert session.get(server.url + "/200").status_code == 200
    assert len(tunnel.heads) == 1


def test_305_where_a_proxy_is_in_use_nobody_is_asked(open_session, secure, tunnel):
    server, trusted = secure
    url = server.script("/a", Answer(305, {"Location": tunnel.url}))
    table = STRICT | {305: use_proxy(lambda request, proxy: PROXY)}
    client = {"verify": trusted, "proxy": tunnel.url}
    response = open_session(client, table=table).get(url)
    assert response.status_code == 305
    assert sp.trace(response).reason == "a proxy is in use already"


def test_a_407_through_a_tunnel_is_the_origin_s_and_gets_nothing(open_session, secure, tunnel):
    server, trusted = secure
    url = server.script("/a", Answer(407, {"Proxy-Authenticate": "Basic realm=p"}))
    table = sp.STANDARD | {407: sp.authenticate(httpx.BasicAuth("user", "password"))}
    client = {"verify": trusted, "proxy": tunnel.url}
    response = open_session(client, table=table).get(url)
    assert response.status_code == 407
    assert len(server.received) == 1
    assert "the 407 may not come from a proxy" in sp.trace(response).reason
