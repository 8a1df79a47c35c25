"""`Expect: 100-continue`: the body waits, and a server that wants none of it gets none of it."""

import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from statuspolicy.message.expect_continue import Held, expects
from statuspolicy.testing import Answer, StatusServer
from statuspolicy.wire.context import Seen
from tests.conftest import Session
from tests.each import each
from tests.h2_server import H2Server
from tests.library import httpx, sp
from tests.raw_server import Peer, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = {"Expect": "100-continue"}
BODY = b"the body"
QUICK = {"verify": False}
PATIENT = sp.Limits(expect_wait=30)  # a test that waits so long fails
SOON = sp.Limits(expect_wait=0.05)


def answers(code: int, *fields: str, body: bytes = b"no") -> bytes:
    lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture(params=["http", "https"])
def scheme(request, tls):
    """What a server is opened with, and a client, for each scheme."""
    if request.param == "http":
        return {}, QUICK
    return {"tls": tls[0]}, {"verify": tls[1]}


def test_the_body_waits_for_a_100(scheme, open_session):
    silent = threading.Event()

    def serve(peer: Peer) -> None:
        peer.head()
        peer.connection.settimeout(0.05)
        if not peer.more():
            silent.set()
        peer.connection.settimeout(10)
        peer.send(GO_ON)
        assert peer.exactly(len(BODY)) == BODY
        peer.send(OK)
        peer.head()

    server_options, client = scheme
    with serving(serve, **server_options) as server:
        response = open_session(client, limits=PATIENT).request(
            "POST", server.url, content=BODY, headers=EXPECT
        )
        assert (response.status_code, response.text) == (200, "ok")
    assert silent.is_set()


@pytest.mark.parametrize("code", [200, 307, 401, 413, 417, 500])
def test_expect_a_final_answer_in_its_place_is_handed_over_and_no_byte_of_the_body_is_sent(
    code, scheme, open_session
):
    """RFC 9110 §10.1.1; the connection is closed, since the server may still wait for it."""
    rest = []

    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(answers(code))
        rest.append(peer.to_the_end())

    server_options, client = scheme
    with serving(serve, **server_options) as server:
        session = open_session(client, limits=PATIENT, table=sp.STRICT)
        response = session.request("PUT", server.url, content=BODY, headers=EXPECT)
        assert (response.status_code, response.text) == (code, "no")
        server.ended.acquire(timeout=5)
    assert rest == [b""]


def test_413_expect_on_a_connection_that_is_reused_too(scheme, open_session):
    heads = []

    def serve(peer: Peer) -> None:
        while head := peer.head():
            heads.append((peer.number, head.split()[0]))
            if head.startswith(b"POST"):
                peer.send(answers(413))
                assert peer.to_the_end() == b""
                return
            peer.send(OK)

    server_options, client = scheme
    with serving(serve, **server_options) as server:
        session = open_session(client, limits=PATIENT)
        session.get(server.url)
        response = session.request("POST", server.url, content=BODY, headers=EXPECT)
        assert response.status_code == 413
        assert session.get(server.url).text == "ok"
    assert heads == [(1, b"GET"), (1, b"POST"), (2, b"GET")]


def test_expect_the_body_is_sent_after_expect_wait_without_a_100(scheme, open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        assert peer.exactly(len(BODY)) == BODY
        peer.send(OK)

    server_options, client = scheme
    with serving(serve, **server_options) as server:
        session = open_session(client, limits=SOON)
        began = time.monotonic()
        response = session.request("POST", server.url, content=BODY, headers=EXPECT)
        assert response.status_code == 200
        assert time.monotonic() - began >= 0.05


def test_a_wait_of_0_sends_it_at_once(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        assert peer.exactly(len(BODY)) == BODY
        peer.send(GO_ON + OK)

    with serving(serve) as server:
        session = open_session(QUICK, limits=sp.Limits(expect_wait=0))
        response = session.request("POST", server.url, content=BODY, headers=EXPECT)
        assert response.text == "ok"


def test_507_expect_an_answer_after_the_wait_is_still_an_answer(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.exactly(len(BODY))
        peer.send(GO_ON + answers(507))

    with serving(serve) as server:
        response = open_session(QUICK, limits=SOON).request(
            "POST", server.url, content=BODY, headers=EXPECT
        )
        assert (response.status_code, response.text) == (507, "no")


@pytest.mark.parametrize("pause", [0, 0.02])
def test_other_interim_responses_come_before_the_100_and_in_pieces(pause, open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        for piece in (b"HTT", b"P/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nLink: </a>\r\n", b"\r\n"):
            peer.send(piece)
            time.sleep(pause)
        peer.send(GO_ON)
        assert peer.exactly(len(BODY)) == BODY
        peer.send(OK)

    with serving(serve) as server:
        response = open_session(QUICK, limits=PATIENT).request(
            "POST", server.url, content=BODY, headers=EXPECT
        )
        assert response.text == "ok"
        assert [told.code for told in sp.trace(response)[0].interim] == [102, 103, 100]


def test_a_417_is_repeated_without_the_expectation_and_a_body_of_one_shot_is_whole(open_session):
    """It was not begun: not a chunk was taken from where it comes from."""
    got = {}

    def serve(peer: Peer) -> None:
        head = peer.head()
        if b"expect" in head.lower():
            peer.send(answers(417))
            got[1] = peer.to_the_end()
        else:
            got[2] = peer.until(b"0\r\n\r\n")
            peer.send(OK)

    session = open_session(QUICK, limits=sp.Limits(expect_wait=30, replay_bytes=0))

    def parts():
        yield from (b"one", b"two")

    async def async_parts():
        for part in parts():
            yield part

    content = parts() if session.portal is None else async_parts()
    with serving(serve) as server:
        response = session.request("POST", server.url, content=content, headers=EXPECT)
        assert response.text == "ok"
        assert [step.code for step in sp.trace(response)] == [417, 200]
    assert got == {1: b"", 2: b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"}


def test_a_401_is_answered_with_the_body_that_was_kept(open_session):
    """The client's own auth flow sends the request again; it was not begun the first time."""
    got = {}

    def serve(peer: Peer) -> None:
        while head := peer.head():
            if b"authorization" not in head.lower():
                peer.send(answers(401, 'WWW-Authenticate: Digest realm="r", nonce="n"'))
                got[1] = peer.to_the_end()
                return
            peer.send(GO_ON)
            got[2] = peer.exactly(len(BODY))
            peer.send(OK)

    with serving(serve) as server:
        response = open_session(QUICK, limits=PATIENT).request(
            "POST", server.url, content=BODY, headers=EXPECT, auth=httpx.DigestAuth("u", "p")
        )
        assert response.status_code == 200
    assert got == {1: b"", 2: BODY}


def test_a_connection_that_ends_instead_is_no_answer(open_session):
    def serve(peer: Peer) -> None:
        peer.head()

    with serving(serve) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            open_session(QUICK, limits=PATIENT).request(
                "POST", server.url, content=BODY, headers=EXPECT
            )
        assert len(server.peers) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_one_whose_header_section_was_read_before_it_ended_may_have_been_acted_on(
    method, open_session
):
    """Not a byte of the body was sent, and nothing came back; that is no proof."""
    heads = []

    def serve(peer: Peer) -> None:
        heads.append(peer.head())
        if peer.number > 1:
            peer.send(GO_ON)
            peer.exactly(len(BODY))
        peer.send(OK)
        if peer.number == 1:
            heads.append(peer.head())  # and it goes

    with serving(serve) as server:
        session = open_session(QUICK, limits=PATIENT)
        session.get(server.url)
        if method == "PUT":
            response = session.request(method, server.url, content=BODY, headers=EXPECT)
            assert response.status_code == 200
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                session.request(method, server.url, content=BODY, headers=EXPECT)
    times = 2 if method == "PUT" else 1
    assert [head.split()[0] for head in heads] == [b"GET"] + [method.encode()] * times


def test_a_connection_that_is_reset_in_place_of_a_100_is_a_failure(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        linger = struct.pack("ii", 1, 0)
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with serving(serve) as server:
        with pytest.raises(httpx.ReadError):
            open_session(QUICK, limits=PATIENT).request(
                "POST", server.url, content=BODY, headers=EXPECT
            )


def test_where_nothing_is_connected_nothing_is_held(open_session):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    session = open_session(QUICK, limits=PATIENT, table=sp.STRICT)
    with pytest.raises(httpx.ConnectError):
        session.request("POST", f"http://127.0.0.1:{port}/", content=BODY, headers=EXPECT)
    override = {"statuspolicy": sp.STRICT}  # through the engine too
    with pytest.raises(httpx.ConnectError):
        session.request(
            "POST",
            f"http://127.0.0.1:{port}/",
            content=BODY,
            headers=EXPECT,
            extensions=override,
        )


def test_something_that_is_no_http_ends_the_wait(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(b"<html>never mind</html>")
        assert peer.to_the_end() == b""

    with serving(serve) as server:
        with pytest.raises(sp.UnparsableResponse, match="never mind"):
            open_session(QUICK, limits=PATIENT).request(
                "POST", server.url, content=BODY, headers=EXPECT
            )


@pytest.mark.parametrize(("after", "code"), [(answers(413), 413), (b"<html>", 600)])
def test_100_expect_what_comes_with_the_100_counts_more(after, code, open_session):
    rest = []

    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(GO_ON + after)
        rest.append(peer.to_the_end())

    with serving(serve) as server:
        session = open_session(QUICK, limits=PATIENT)
        with suppress(sp.UnparsableResponse):
            response = session.request("POST", server.url, content=BODY, headers=EXPECT)
            assert response.status_code == code
        server.ended.acquire(timeout=5)
    assert rest == [b""]


def test_102_expect_interim_responses_without_end_do_not_keep_it_waiting(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        for _ in range(10_000):
            peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")

    with serving(serve) as server:
        with pytest.raises(sp.UnparsableResponse, match="longer than 100 KiB"):
            open_session(QUICK, limits=PATIENT).request(
                "POST", server.url, content=BODY, headers=EXPECT
            )


def test_the_total_ends_the_wait(kind):
    """A clock that is real: `Limits.total` is heeded on the socket."""

    def serve(peer: Peer) -> None:
        peer.head()
        peer.to_the_end()

    with serving(serve) as server, ExitStack() as stack:
        limits = sp.Limits(expect_wait=30, total=0.1)
        session = Session(kind, stack, QUICK, {"limits": limits, "clock": None})
        with pytest.raises(sp.TotalTimeout):
            session.request("POST", server.url, content=BODY, headers=EXPECT)


def test_413_expect_through_a_proxy_it_is_the_proxy_that_is_waited_for(open_session):
    def serve(peer: Peer) -> None:
        assert peer.head().startswith(b"POST http://away.example/ HTTP/1.1\r\n")
        peer.send(answers(413))
        assert peer.to_the_end() == b""

    with serving(serve) as proxy:
        session = open_session({**QUICK, "proxy": proxy.url}, limits=PATIENT)
        response = session.request("POST", "http://away.example/", content=BODY, headers=EXPECT)
        assert response.status_code == 413


def test_413_expect_in_a_tunnel_it_is_the_origin(tls, open_session):
    def serve(peer: Peer) -> None:
        assert peer.head().startswith(b"CONNECT ")
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with tls[0].wrap_socket(peer.connection, server_side=True) as inside:
            origin = Peer(inside, 1)
            origin.head()
            origin.send(answers(413))
            assert origin.to_the_end() == b""

    with serving(serve) as proxy:
        session = open_session({"verify": tls[1], "proxy": proxy.url}, limits=PATIENT)
        response = session.request("POST", "https://127.0.0.1/", content=BODY, headers=EXPECT)
        assert response.status_code == 413


def test_a_transport_that_is_not_known_sends_the_body_at_once(open_session):
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=request.content)

    async def async_handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=await request.aread())

    for one in (handler, async_handler):
        session = open_session({"transport": httpx.MockTransport(one)}, limits=PATIENT)
        if (session.portal is None) is (one is handler):
            response = session.request("POST", "http://a.example/", content=BODY, headers=EXPECT)
            assert response.content == BODY


def test_over_http2_it_is_sent_at_once_whatever_the_server_says(open_session):
    """httpcore reads nothing of a stream before its request is sent."""
    with H2Server() as server:
        session = open_session({**QUICK, "http1": False, "http2": True}, limits=PATIENT)
        response = session.request("POST", server.url + "/", content=BODY, headers=EXPECT)
        assert response.status_code == 200
        assert server.acted == [("POST", "/", BODY)]


def test_a_request_may_have_a_wait_of_its_own(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        assert peer.exactly(len(BODY)) == BODY
        peer.send(OK)

    with serving(serve) as server:
        own = {"statuspolicy": sp.Overrides(limits=SOON)}
        response = open_session(QUICK, limits=PATIENT).request(
            "POST", server.url, content=BODY, headers=EXPECT, extensions=own
        )
        assert response.text == "ok"


# ── which requests ─────────────────────────────────────────────────────────────────────


@each(
    ("method", "headers", "content", "held"),
    [
        ("POST", EXPECT, BODY, True),
        ("PUT", {"Expect": " 100-Continue "}, BODY, True),
        ("QUERY", EXPECT, BODY, True),
        ("DELETE", EXPECT, [b"a", b"b"], True),
        ("POST", {}, BODY, False),
        ("POST", {"Expect": "something"}, BODY, False),
        ("POST", EXPECT, b"", False),  # RFC 9110 §10.1.1: no content, no expectation
        ("PUT", EXPECT, None, False),
        ("GET", EXPECT, BODY, False),
    ],
)
def test_expect_what_is_held_back(method, headers, content, held):
    request = httpx.Request(method, "http://a.example/", headers=headers, content=content)
    assert expects(request) is held


def test_a_body_that_nobody_holds_is_as_it_was():
    assert b"".join(Held([b"a", b"b"], Seen(), 1.0)) == b"ab"


@pytest.mark.parametrize(
    ("method", "content", "expected"),
    [
        ("POST", b"x" * 11, True),
        ("POST", b"x" * 10, False),
        ("PUT", [b"x"], True),
        ("GET", b"x" * 11, False),
        ("POST", None, False),
    ],
)
def test_expect_large_bodies_get_the_field_by_themselves(
    method, content, expected, kind, status_server
):
    """An AsyncClient awaits what its hooks answer; the hook is the same."""
    hooks = {"event_hooks": {"request": [sp.expect_continue(above=10)]}}
    if isinstance(content, list) and kind != "sync":
        parts = content

        async def content():
            for part in parts:
                yield part

        content = content()
    with ExitStack() as stack:
        session = Session(kind, stack, {**QUICK, **hooks}, {})
        response = session.request(method, status_server.url + "/200", content=content)
        assert response.status_code == 200
        assert ("expect" in status_server.received[0].headers) is expected
        assert ("expect" in response.request.headers) is expected


def test_an_expectation_of_the_callers_own_stays():
    request = httpx.Request("POST", "http://a.example/", content=BODY, headers={"Expect": "x"})
    sp.expect_continue(above=0)(request)
    assert request.headers["expect"] == "x"


@each("above", [-1, 1.5, True, "1 MB", None])
def test_bytes_that_are_no_length_are_told(above):
    with pytest.raises(ValueError, match=r"expect_continue\(above="):
        sp.expect_continue(above=above)


def test_303_307_expect_it_waits_on_every_hop_and_the_field_stays_home_with_the_body(open_session):
    """RFC 9110 §15.4: where the next request has no content, it has no expectation."""
    with StatusServer() as server:
        url = server.script("/here", Answer(307, {"Location": "/there"}, early=True))
        server.script("/there", Answer(303, {"Location": "/200"}))
        response = open_session(QUICK, limits=PATIENT).request(
            "POST", url, content=BODY, headers=EXPECT
        )
        assert response.status_code == 200
        seen = [(r.method, r.target, r.body, "expect" in r.headers) for r in server.received]
        assert seen == [
            ("POST", "/here", b"", True),
            ("POST", "/there", BODY, True),
            ("GET", "/200", b"", False),
        ]
