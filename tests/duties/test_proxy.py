"""305 to the letter: one request, through that proxy, where the application allows it."""

import httpx
import pytest

import statuspolicy as sp
from statuspolicy import STRICT, Again, Settle, use_proxy
from statuspolicy.testing import Answer, replay
from tests.exchanges import exchange

URL = "https://home.example/a"
NAMED = {"Location": "http://user:secret@proxy.example:3128/"}
PROXY = httpx.MockTransport(lambda request: httpx.Response(200, text="through the proxy"))


def accepted(found, transport=PROXY):
    asked = []
    duty = use_proxy(lambda request, proxy: asked.append((request, proxy)) or transport)
    return duty(found), asked


def test_the_one_request_is_sent_over_what_the_application_returns():
    found = exchange(305, NAMED, url=URL, method="POST")
    verdict, asked = accepted(found)
    assert asked == [(found.request, httpx.URL("http://proxy.example:3128/"))]
    assert verdict == Again(
        found.request,
        unacted=True,
        why="through the proxy http://proxy.example:3128",
        over=PROXY,
    )


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (exchange(305, NAMED), "is never used for http"),
        (exchange(305, NAMED, url=URL, proxied=True), "in use already"),
        (exchange(305, NAMED, url=URL, answers=(305,)), "a 305 again"),
        (exchange(305, url=URL), "it names no proxy"),
        (
            exchange(305, [("Location", "http://a/"), ("Location", "http://b/")], url=URL),
            "no proxy",
        ),
        (exchange(305, {"Location": "socks5://a/"}, url=URL), "is not http or https"),
    ],
)
def test_nobody_is_asked_where_it_may_not_be(found, why):
    verdict, asked = accepted(found)
    assert isinstance(verdict, Settle)
    assert why in verdict.why
    assert asked == []


def test_the_default_is_no():
    verdict, _ = accepted(exchange(305, NAMED, url=URL), None)
    assert verdict == Settle("the application does not accept the proxy http://proxy.example:3128")
    assert isinstance(STRICT[305](exchange(305, NAMED, url=URL)), Settle)


@pytest.mark.parametrize("answer", [True, "http://proxy.example", httpx.AsyncHTTPTransport])
def test_what_is_no_transport_is_said_to_be_none(answer):
    with pytest.raises(TypeError, match=r"return an httpx\.HTTPTransport\(proxy=\.\.\.\)"):
        accepted(exchange(305, NAMED, url=URL), answer)
    with pytest.raises(TypeError, match="write a callable that returns a transport"):
        use_proxy(None)


def test_the_next_request_goes_its_own_way_again():
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


def test_it_is_closed_with_what_it_brought(kind, open_session):
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


def test_where_a_proxy_is_in_use_it_is_not_asked(open_session, status_server):
    status_server.script("/a", Answer(305, NAMED))
    table = STRICT | {305: use_proxy(lambda request, url: PROXY)}
    session = open_session({"proxy": status_server.url}, table=table)
    response = session.get("http://origin.example/a")
    assert response.status_code == 305
    assert "never used for http" in sp.trace(response).reason
