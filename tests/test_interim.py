"""Interim responses on a socket: in the trace, and nowhere else."""

import pytest

from statuspolicy.testing import Answer, FakeClock, StatusServer
from statuspolicy.wire.context import HINTED
from tests.library import httpx, sp
from tests.raw_server import Peer, serving

CLIENT = {"verify": False}
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\n\r\n"


def codes(response):
    return [[told.code for told in step.interim] for step in sp.trace(response)]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_1xx_are_counted_in_the_trace_and_the_links_of_103_are_parsed(method, open_session):
    with StatusServer() as server:
        url = server.script("/a", Answer(200, body=b"ok", interim=(102, 102, 103)))
        response = open_session(CLIENT).request(method, url, content=b"x")
        assert (response.status_code, response.text) == (200, "ok")
        assert codes(response) == [[102, 102, 103]]
        (link,) = sp.trace(response)[0].interim[2].links
        assert (link.target, dict(link.parameters)) == ("/style.css", {"rel": "preload"})
        assert "after 102 × 2, after 103 </style.css>" in str(sp.trace(response))
        assert response.request.url == url


def test_103_is_in_the_trace_with_a_cache_too(open_session):
    with StatusServer() as server:
        url = server.script("/a", Answer(200, body=b"ok", interim=(103,)))
        response = open_session(CLIENT, cache=sp.Cache()).get(url)
        assert codes(response) == [[103]]
    assert not HINTED


def test_103_is_in_the_trace_over_tls_too(tls, open_session):
    with StatusServer(tls=tls[0]) as server:
        response = open_session({"verify": tls[1]}).get(server.url + "/103")
        assert codes(response) == [[103]]


def test_102_each_answer_has_its_own_interim_responses(open_session):
    """Also on the same connection, and where the next one has none."""
    with StatusServer() as server:
        url = server.script("/a", Answer(503, {"Retry-After": "1"}, interim=(102,)), 200, 404)
        session = open_session(CLIENT)
        assert codes(session.get(url)) == [[102], []]
        plain = session.get(url)
        assert type(plain) is httpx.Response
        assert codes(plain) == [[]]
        assert server.connections == 1
    assert not HINTED


def test_102_103_may_come_before_a_redirect_and_before_a_code_without_a_decision(open_session):
    with StatusServer() as server:
        url = server.script("/a", Answer(302, {"Location": "/b"}, interim=(103,)))
        server.script("/b", Answer(404, interim=(102,)))
        response = open_session(CLIENT).get(url)
        assert codes(response) == [[103], [102]]
        assert len(response.history) == 1


def test_103_is_read_in_pieces_of_a_byte(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        for byte in HINTS * 2 + b"HTTP/1.1 204 X\r\n\r\n":
            peer.send(bytes([byte]))

    with serving(serve) as server:
        assert codes(open_session(CLIENT).get(server.url)) == [[103, 103]]


def test_103_set_cookie_their_cookies_are_nobody_s(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 103 X\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 204 X\r\n\r\n")

    with serving(serve) as server:
        session = open_session(CLIENT)
        session.get(server.url)
        assert not session.client.cookies


def test_103_somebody_else_s_do_not_keep_an_answer_from_being_handed_over_as_it_is(open_session):
    """A transport that is used beside the policy leaves its connection among the hinted."""
    with StatusServer() as server:
        transport = httpx.HTTPTransport(verify=False)
        sp.PolicyTransport(transport)
        with transport:
            request = httpx.Request("GET", server.url + "/103")
            transport.handle_request(request).read()
            assert len(HINTED) == 1
            plain = open_session(CLIENT).get(server.url + "/200")
            assert type(plain) is httpx.Response
            mocked = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
            assert codes(sp.wrap(mocked, clock=FakeClock()).get("http://a.example/")) == [[]]
    assert not HINTED


def test_a_connection_that_is_closed_leaves_nothing_behind(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(HINTS)  # and it goes

    with serving(serve) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            open_session(CLIENT, table=sp.STRICT).get(server.url)
    assert not HINTED
