"""Answers that lie about where they end: the next request on the pool gets its own answer.

Never a poisoned connection, never a hang, never an exception outside the library's family.
"""

import threading
import time

import pytest

from tests.library import httpx, sp
from tests.raw_server import Peer, serving

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
OWN = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown"
CLIENT = {
    "verify": False,
    "timeout": httpx.Timeout(5, connect=10, pool=10),
    "limits": httpx.Limits(max_connections=1),
}
HEAD = b"HTTP/1.1 200 OK\r\n"


def after(answer: bytes, pieces: bool, end: bool):
    """Answer the first request with this; every other one with its own answer."""

    def serve(peer: Peer) -> None:
        while head := peer.head():
            if b"/odd" not in head:
                peer.send(OWN)
                continue
            if pieces:
                for at in range(0, len(answer), 7):
                    peer.send(answer[at : at + 7])
                    time.sleep(0.0002)
            else:
                peer.send(answer)
            if end:
                return

    return serve


# What follows a whole answer, in the same segment: the next request's answer, garbage, a byte.
STRAY = {"an answer": EVIL, "garbage": b"garbage", "an entity": b"<html></html>\r\n\r\n"}
WHOLE = {
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b""),
    "HEAD": ("HEAD", HEAD + b"Content-Length: 4\r\n\r\n", 200, b""),
    "HEAD, chunked": ("HEAD", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 200, b""),
    "length": ("GET", HEAD + b"Content-Length: 2\r\n\r\nok", 200, b"ok"),
    "length 0": ("GET", HEAD + b"Content-Length: 0\r\n\r\n", 200, b""),
    "205": ("GET", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", 205, b""),
    "chunked": (
        "GET",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nT: t\r\n\r\n",
        200,
        b"ok",
    ),
    "interim": ("GET", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 X\r\n\r\n", 204, b""),
    "404": ("GET", b"HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\nno", 404, b"no"),
    "bare newlines": ("GET", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok"),
}


@pytest.mark.parametrize("pieces", [False, True], ids=["at once", "in pieces"])
@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("what", WHOLE)
def test_304_what_follows_an_answer_is_nobody_s(what, stray, pieces, open_session):
    method, answer, code, body = WHOLE[what]
    with serving(after(answer + STRAY[stray], pieces, end=False)) as server:
        session = open_session(CLIENT)
        response = session.request(method, server.url + "/odd", headers={"If-None-Match": '"x"'})
        assert (response.status_code, response.content) == (code, body)
        if pieces:
            time.sleep(0.01)  # it all has to be there: what comes later can't be told
        for _ in range(2):
            assert session.get(server.url + "/own").text == "own"


@pytest.mark.parametrize("what", WHOLE)
def test_what_is_whole_keeps_its_connection(what, open_session):
    method, answer, code, body = WHOLE[what]
    with serving(after(answer, pieces=False, end=False)) as server:
        session = open_session(CLIENT)
        for _ in range(2):
            response = session.request(
                method, server.url + "/odd", headers={"If-None-Match": '"x"'}
            )
            assert (response.status_code, response.content) == (code, body)
            assert session.get(server.url + "/own").text == "own"
        assert len(server.peers) == 1


def test_over_tls_too(tls, open_session):
    with serving(after(WHOLE["204"][1] + EVIL, False, end=False), tls[0]) as server:
        session = open_session({**CLIENT, "verify": tls[1]})
        assert session.get(server.url + "/odd").status_code == 204
        assert session.get(server.url + "/own").text == "own"


def test_302_content_length_an_intermediate_answer_with_more_than_it_says_is_discarded_whole(
    open_session,
):
    """The hop after it goes over another connection, with a pool of one."""
    answer = b"HTTP/1.1 302 X\r\nLocation: /own\r\nContent-Length: 1\r\n\r\nx" + EVIL
    with serving(after(answer, False, end=False)) as server:
        response = open_session(CLIENT).get(server.url + "/odd")
        assert (response.text, len(response.history)) == ("own", 1)


def test_transfer_encoding_content_length_both_framings_at_once_end_the_connection(open_session):
    """RFC 9112 §6.3: Transfer-Encoding counts, and it "ought to be handled as an error"."""
    answer = HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    with serving(after(answer, False, end=False)) as server:
        session = open_session(CLIENT)
        assert session.get(server.url + "/odd").text == "ok"
        assert session.get(server.url + "/own").text == "own"
        assert len(server.peers) == 2


LIES = {
    "longer than it is": HEAD + b"Content-Length: 10\r\n\r\nok",
    "a chunk longer than it is": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nok",
    "no last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "a chunk shorter than it is": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
    "a chunk that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
    "a chunk below nothing": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
    "a size without end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 1_000_000,
    "a trailer without end": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    + b"T: t\r\n" * 90_000,
}


@pytest.mark.parametrize("end", [True, False], ids=["closed", "left open"])
@pytest.mark.parametrize("what", LIES)
def test_a_body_that_is_not_as_long_as_it_says_is_an_error_in_time(what, end, open_session):
    with serving(after(LIES[what], False, end)) as server:
        session = open_session(CLIENT, table=sp.STRICT)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout)):
            session.get(server.url + "/odd", timeout=CLIENT["timeout"] if end else 0.3)
        assert session.get(server.url + "/own").text == "own"


UNFRAMED = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n",
    "a list of two": b"Content-Length: 2, 3\r\n",
    "below nothing": b"Content-Length: -2\r\n",
    "a sign": b"Content-Length: +2\r\n",
    "hexadecimal": b"Content-Length: 0x2\r\n",
    "a fraction": b"Content-Length: 2.0\r\n",
    "nothing": b"Content-Length:\r\n",
    "too many digits": b"Content-Length: " + b"9" * 5000 + b"\r\n",
    "a coding that nobody knows": b"Transfer-Encoding: gzip\r\n",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "identity and chunked": b"Transfer-Encoding: identity, chunked\r\n",
}


@pytest.mark.parametrize("what", UNFRAMED)
def test_a_header_section_that_says_no_length_is_row_600(what, open_session):
    """RFC 9112 §6.3: "an unrecoverable error"; it is repeated once, on another connection."""
    with serving(after(HEAD + UNFRAMED[what] + b"\r\nok", False, end=False)) as server:
        session = open_session(CLIENT)
        with pytest.raises(sp.UnparsableResponse, match=r"began with b'HTTP/1\.1 200 OK") as caught:
            session.get(server.url + "/odd")
        assert [step.code for step in sp.trace(caught.value)] == [600, 600]
        assert session.get(server.url + "/own").text == "own"
        assert len(server.peers) == 3


def test_content_length_the_same_length_twice_is_one(open_session):
    answer = HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"
    with serving(after(answer + EVIL, False, end=False)) as server:
        session = open_session(CLIENT)
        assert session.get(server.url + "/odd").text == "ok"
        assert session.get(server.url + "/own").text == "own"


@pytest.mark.parametrize("what", ["204", "304", "HEAD", "205", "200"])
def test_204_205_304_a_body_that_comes_later_than_its_answer_is_nobody_s(what, open_session):
    """httpcore sees by itself that an idle connection brought something."""
    head = {
        "304": b"HTTP/1.1 304 X\r\n\r\n",
        "HEAD": HEAD + b"\r\n",
        "205": b"HTTP/1.1 205 X\r\n\r\n",
        "200": HEAD + b"Content-Length: 0\r\n\r\n",
    }.get(what, b"HTTP/1.1 204 X\r\n\r\n")

    answered, sent = threading.Event(), threading.Event()

    def serve(peer: Peer) -> None:
        while got := peer.head():
            peer.send(OWN if b"/own" in got else head)
            if b"/odd" in got:
                assert answered.wait(10)
                peer.send(EVIL)
                sent.set()

    with serving(serve) as server:
        session = open_session(CLIENT)
        method = "HEAD" if what == "HEAD" else "GET"
        response = session.request(method, server.url + "/odd", headers={"If-None-Match": "x"})
        assert response.content == b""
        answered.set()
        assert sent.wait(10)
        assert session.get(server.url + "/own").text == "own"


def test_a_206_whose_range_is_another_length_is_no_more_than_its_length(open_session):
    answer = b"HTTP/1.1 206 X\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 2\r\n\r\nok"
    with serving(after(answer + EVIL, False, end=False)) as server:
        session = open_session(CLIENT)
        response = session.get(server.url + "/odd", headers={"Range": "bytes=0-9"})
        assert response.content == b"ok"
        assert session.get(server.url + "/own").text == "own"


def test_what_follows_an_answer_until_the_close_is_its_body(open_session):
    with serving(after(HEAD + b"\r\n" + EVIL, False, end=True)) as server:
        session = open_session(CLIENT)
        assert session.get(server.url + "/odd").content == EVIL
        assert session.get(server.url + "/own").text == "own"


# ── interim responses ──────────────────────────────────────────────────────────────────


def forever(piece: bytes):
    def serve(peer: Peer) -> None:
        if b"/own" in peer.head():
            peer.send(OWN)
        for _ in range(100_000):
            peer.connection.sendall(piece)  # raises when the client has gone

    return serve


@pytest.mark.parametrize(
    "piece", [b"HTTP/1.1 102 X\r\n\r\n", b"HTTP/1.1 103 X\r\nA: b\r\n\r\n" * 99]
)
def test_1xx_interim_responses_without_end_have_a_bound(piece, open_session):
    with serving(forever(piece)) as server:
        session = open_session(CLIENT)
        with pytest.raises(sp.UnparsableResponse, match="longer than 100 KiB"):
            session.get(server.url + "/odd")
        assert len(server.peers) == 2
        assert session.get(server.url + "/own").text == "own"


def test_a_transport_that_a_route_gives_is_looked_after_too():
    """It is another than the one that the policy was given, and has one connection."""
    with serving(after(WHOLE["204"][1] + EVIL, False, end=False)) as server:
        routed = httpx.HTTPTransport(verify=False, limits=CLIENT["limits"])
        policy = sp.PolicyTransport(httpx.HTTPTransport(verify=False), route=lambda _: routed)
        own = {"statuspolicy": sp.STRICT}  # through the engine, which asks the route
        with routed, httpx.Client(transport=policy) as client:
            assert client.get(server.url + "/odd", extensions=own).status_code == 204
            assert client.get(server.url + "/own", extensions=own).text == "own"
        assert {peer.number for peer in server.peers} == {1, 2}
