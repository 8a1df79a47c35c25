"""Row 600 on a socket: what came is shown, bounded in bytes and in time."""

import threading
import time
from contextlib import ExitStack

import pytest

from tests.conftest import Session
from tests.library import httpx, sp
from tests.raw_server import Peer, serving

CLIENT = {"verify": False, "timeout": 5}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\n"


def with_(answer: bytes, end: bool, left: threading.Event):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(answer)
        if not end:
            left.wait(5)

    return serve


# What came, and how the error shows it.
ANSWERS = {
    "an entity": (b"<html>hello</html>", "status line", "<html>hello</html>"),
    "HTTP/0.9": (b"hello, world\n", "status line", r"hello, world\\n"),
    "a byte": (b"\0", "status line", r"\\x00"),
    "TLS": (b"\x15\x03\x01\0\x02\x02", "status line", r"\\x15\\x03"),
    "HTTP/2": (b"\0\0\x12\4\0\0\0\0\0", "status line", r"\\x00\\x00\\x12"),
    "another protocol": (b"220 ftp ready\r\n", "status line", "220 ftp ready"),
    "ICY": (b"ICY 200 OK\r\n\r\n", "status line", "ICY 200 OK"),
    "no number": (b"HTTP/1.1 abc\r\n\r\n", "status line", "HTTP/1.1 abc"),
    "two digits": (b"HTTP/1.1 20 OK\r\n\r\n", "status line", "HTTP/1.1 20 OK"),
    "an empty line first": (b"\r\n" + OK, "status line", r"\\r\\nHTTP/1.1 200"),
    "a field that is none": (HEAD + b"no colon\r\n\r\n", "no colon", "HTTP/1.1 200 OK"),
    "a control character": (HEAD + b"A: \1\0\r\n\r\n", "illegal header", "HTTP/1.1 200 OK"),
    "after interim responses": (
        b"HTTP/1.1 102 X\r\n\r\n<html>",
        "status line",
        "began with b'<html>",
    ),
}


@pytest.mark.parametrize("end", [True, False], ids=["closed", "left open"])
@pytest.mark.parametrize("what", ANSWERS)
def test_600_the_error_shows_what_it_began_with_and_comes_at_once(what, end, open_session):
    """It doesn't wait for the end of something that can't become a header section."""
    answer, why, shown = ANSWERS[what]
    left = threading.Event()
    with serving(with_(answer, end, left)) as server:
        began = time.monotonic()
        with pytest.raises(sp.UnparsableResponse, match=why) as caught:
            open_session(CLIENT).get(server.url)
        assert time.monotonic() - began < 3
        left.set()
        assert shown.replace("\\\\", "\\") in str(caught.value)
        assert isinstance(caught.value, httpx.RemoteProtocolError)
        assert [step.row for step in sp.trace(caught.value)] == ["600", "600"]
        assert len(server.peers) == 2


@pytest.mark.parametrize(
    "answer", [b"H", b"HTTP/1.1 20", HEAD[:-2], HEAD, HEAD + b"A: b\r\n", HEAD + b"A: b\r\n\r"]
)
def test_a_header_section_that_is_cut_off_is_row_600(answer, open_session):
    with serving(with_(answer, True, threading.Event())) as server:
        with pytest.raises(sp.UnparsableResponse, match="truncated") as caught:
            open_session(CLIENT).get(server.url)
        assert repr(answer) in str(caught.value)
        assert len(server.peers) == 2


def test_with_a_cache_too(open_session):
    with serving(with_(b"<html>", True, threading.Event())) as server:
        session = open_session(CLIENT, table=sp.STRICT, cache=sp.Cache())
        with pytest.raises(sp.UnparsableResponse, match="began with b'<html>'"):
            session.get(server.url)


def test_nothing_at_all_is_no_answer_and_its_own_row(open_session):
    with serving(with_(b"", True, threading.Event())) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending") as caught:
            open_session(CLIENT, limits=sp.Limits(attempts=2)).get(server.url)
        assert {step.row for step in sp.trace(caught.value)} == {"RemoteProtocolError"}


ENDLESS = {
    "a status line": (b"HTTP/1.1 200 ", b"O" * 4096),
    "a field": (HEAD + b"A: ", b"a" * 4096),
    "fields": (HEAD, b"A: b\r\n" * 500),
    "an entity": (b"<html>", b"x" * 4096),
    "empty lines": (b"", b"\r\n" * 2000),
    "nothing": (HEAD + b"A: b", b"\0" * 4096),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("what", ENDLESS)
def test_a_header_section_without_end_is_bounded_in_bytes(what, strict, open_session):
    first, more = ENDLESS[what]
    sent = []

    def serve(peer: Peer) -> None:
        peer.head()
        peer.connection.sendall(first)
        sent.append(0)
        for _ in range(20_000):
            peer.connection.sendall(more)
            sent[-1] += len(more)

    table = sp.STRICT if strict else sp.STANDARD
    with serving(serve) as server:
        with pytest.raises(sp.UnparsableResponse) as caught:
            open_session(CLIENT, table=table).get(server.url)
        assert len(str(caught.value)) < 1000
        assert len(server.peers) == (1 if strict else 2)
    assert max(sent) < 20_000_000  # what the sockets' buffers take


def test_a_drip_of_header_bytes_is_bounded_by_the_total(kind):
    """No timeout of a read ends it: each byte is in time."""

    def serve(peer: Peer) -> None:
        peer.head()
        peer.connection.sendall(HEAD + b"A: ")
        while True:
            peer.connection.sendall(b"a")
            time.sleep(0.005)

    with serving(serve) as server, ExitStack() as stack:
        limits = sp.Limits(total=0.2)
        session = Session(kind, stack, CLIENT, {"limits": limits, "clock": None})
        began = time.monotonic()
        with pytest.raises(sp.TotalTimeout):
            session.get(server.url)
        assert time.monotonic() - began < 2


def test_a_quick_drip_of_single_bytes_costs_no_more_than_its_bound(open_session):
    def serve(peer: Peer) -> None:
        peer.head()
        peer.connection.sendall(HEAD)
        while True:
            peer.connection.sendall(b"a")

    with serving(serve) as server:
        began = time.process_time()
        with pytest.raises(sp.UnparsableResponse, match="longer than"):
            open_session(CLIENT, table=sp.STRICT).get(server.url)
        assert time.process_time() - began < 15


def test_a_large_header_section_that_ends_is_fine(open_session):
    answer = HEAD + b"A: " + b"a" * 90_000 + b"\r\nContent-Length: 2\r\n\r\nok"
    with serving(with_(answer, True, threading.Event())) as server:
        assert open_session(CLIENT).get(server.url).text == "ok"


def test_over_tls_and_for_a_post_which_is_not_repeated(tls, open_session):
    def serve(peer: Peer) -> None:
        peer.until(b"\r\n\r\nx")
        peer.send(b"<html>")

    with serving(serve, tls[0]) as server:
        with pytest.raises(sp.UnparsableResponse, match="<html>"):
            open_session({**CLIENT, "verify": tls[1]}).request("POST", server.url, content=b"x")
        assert len(server.peers) == 1


def test_an_answer_of_the_proxy_to_connect_is_looked_at_too(open_session):
    with serving(with_(b"SSH-2.0-OpenSSH\r\n", True, threading.Event())) as proxy:
        with pytest.raises(sp.UnparsableResponse, match="SSH-2"):
            open_session({**CLIENT, "proxy": proxy.url}).get("https://away.example/")


def test_what_a_switched_connection_brings_is_the_caller_s(open_session):
    """Nothing of it is judged: it is no HTTP any more."""

    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 101 X\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello")
        peer.send(b"<" + peer.exactly(25 + 4) + b">")

    with serving(serve) as server:
        session = open_session(CLIENT)
        headers = {"Upgrade": "echo", "Connection": "upgrade"}
        request = session.client.build_request("GET", server.url, headers=headers)
        response = session.run(session.client.send, request, stream=True)
        network = response.extensions["network_stream"]

        def read(size):
            got = b""
            while len(got) < size:
                got += session.run(network.read, 3)
            return got

        assert read(5) == b"hello"
        session.run(network.write, b"GET / HTTP/1.1\r\nA: bb\r\n\r\nmore")
        assert read(31) == b"<GET / HTTP/1.1\r\nA: bb\r\n\r\nmore>"
        session.run(response.close if session.portal is None else response.aclose)
