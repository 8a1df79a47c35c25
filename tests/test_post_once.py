"""A POST that may have been acted on is not sent again; one that nobody can have read is.

What servers do with a connection, on real sockets. The kernel is the witness.
"""

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from statuspolicy.wire.delivery import tcp
from tests.conftest import Session
from tests.each import quickly
from tests.library import httpx, sp
from tests.raw_server import Peer, serving
from tests.test_evidence import SENDING, at_first, tunnels, wait_for

RUNS = 25 if os.environ.get("STATUSPOLICY_CI") else 1  # of what is left to chance
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
FORMS: dict[str, dict[str, Any]] = {
    "little": {"content": b"order"},
    "much": {"content": bytes(1_000_000)},
    "nothing": {},
    "held back": {"content": b"order", "headers": {"Expect": "100-continue"}},
}

# A body that is left is a generator of httpx's own, of which trio tells when it is collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=quickly(["sync", "asyncio", "trio", "uvloop"], 2))
def kind(request):
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    return request.param


Case = Callable[["Shop", Peer], None]


class Shop:
    """A server that answers a GET, then does with the POST what a case says.

    On its other connections it acts on every POST and answers it.

    fresh: the POST comes first. orders: how often it acted.
    """

    def __init__(self, case: Case, form: str, fresh: bool) -> None:
        self.case, self.fresh = case, fresh
        self.size = len(FORMS[form].get("content", b""))
        self.orders = 0
        self.go = threading.Event()  # where a case waits for the client
        self.came = threading.Event()  # it did what the client waits for
        self.went = threading.Event()  # its connection is closed
        self.ends = threading.Event()  # the client is done

    def order(self, peer: Peer) -> None:
        """Act on a POST whose header section was read."""
        peer.exactly(self.size)
        self.orders += 1

    def serve(self, peer: Peer) -> None:
        if peer.number == 1:
            if not self.fresh:
                peer.head()
                peer.send(OK)
            self.case(self, peer)
            with suppress(OSError):
                peer.connection.close()
            self.went.set()
            return
        while head := peer.head():
            if head.startswith(b"POST"):
                if b"xpect:" in head:
                    peer.send(GO_ON)
                self.order(peer)
            peer.send(OK)


@pytest.fixture
def session(kind, tls) -> Iterator[Session]:
    """One client for all cases of a test: each has a server of its own, so its own connections."""
    with ExitStack() as stack:
        yield opened(kind, stack, tls)


def opened(kind: str, stack: ExitStack, tls: Any, **client: Any) -> Session:
    options = {"trust_env": False, "timeout": 10, "verify": tls[1], **client}
    return Session(kind, stack, options, {"limits": sp.Limits(expect_wait=0.03)})


def kind_of(session: Session) -> str:
    return "sync" if session.portal is None else "async"


@contextmanager
def shopping(
    session: Session, case: Case, form: str, *, tls: Any = None, fresh: bool = False
) -> Iterator[tuple[Shop, str]]:
    """A shop, and where it is. The session has a connection to it, or none yet."""
    shop = Shop(case, form, fresh)
    with serving(shop.serve, tls and tls[0]) as server:
        if not fresh:
            session.get(server.url)
        try:
            yield shop, server.url
        finally:
            shop.go.set()
            shop.ends.set()


def is_handed_over(session: Session, url: str, form: str, **extensions: Any) -> str:
    """What the error is, of a POST that is sent once since it may have been acted on."""
    with pytest.raises(httpx.TransportError) as error:
        session.request("POST", url, **FORMS[form], extensions=extensions)
    reason = sp.trace(error.value).reason
    assert (
        "not idempotent and may have been acted on" in reason or reason == "the answer is not HTTP"
    )
    return type(error.value).__name__


# ── it is read, and then the connection ends ───────────────────────────────────────────


def reset(peer: Peer) -> None:
    """Let the connection be reset when it is closed, and what wasn't read be lost."""
    peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_close(peer: Peer) -> None:
    """End the stream of this side: that of TCP, of which TLS knows nothing."""
    with suppress(OSError):
        socket.socket.shutdown(peer.connection, socket.SHUT_WR)


def reads_it(shop: Shop, peer: Peer, pause: float = 0.0) -> None:
    peer.head()
    shop.order(peer)
    time.sleep(pause)


def reads_it_and_dies_later(shop: Shop, peer: Peer) -> None:
    reads_it(shop, peer, 0.06)  # more than a kernel delays an acknowledgement


def reads_it_and_resets(shop: Shop, peer: Peer) -> None:
    reads_it(shop, peer)
    reset(peer)


def reads_it_and_half_closes(shop: Shop, peer: Peer) -> None:
    reads_it(shop, peer)
    half_close(peer)
    peer.to_the_end()


def reads_it_half_closes_and_resets(shop: Shop, peer: Peer) -> None:
    reads_it(shop, peer)
    half_close(peer)
    reset(peer)


def reads_the_head(shop: Shop, peer: Peer) -> None:
    peer.head()
    shop.orders += 1


def reads_the_head_and_resets(shop: Shop, peer: Peer) -> None:
    reads_the_head(shop, peer)
    reset(peer)


def reads_the_head_and_resets_later(shop: Shop, peer: Peer) -> None:
    reads_the_head(shop, peer)
    time.sleep(0.01)  # the body is under way
    reset(peer)


def reads_the_head_and_half_closes(shop: Shop, peer: Peer) -> None:
    reads_the_head(shop, peer)
    half_close(peer)
    peer.exactly(shop.size)


def reads_it_and_begins_to_answer(shop: Shop, peer: Peer) -> None:
    reads_it(shop, peer)
    peer.send(b"HTTP/1.1 2")


def says_that_it_is_at_it(shop: Shop, peer: Peer) -> None:
    reads_it(shop, peer)
    peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")


def asks_for_the_body(shop: Shop, peer: Peer) -> None:
    peer.head()
    peer.send(GO_ON)
    shop.order(peer)


READ: list[Case] = [
    reads_it,
    reads_it_and_dies_later,
    reads_it_and_resets,
    reads_it_and_half_closes,
    reads_it_half_closes_and_resets,
    reads_the_head,
    reads_the_head_and_resets,
    reads_the_head_and_resets_later,
    reads_the_head_and_half_closes,
    reads_it_and_begins_to_answer,
    says_that_it_is_at_it,
    asks_for_the_body,
]


def sent_once(session: Session, cases: list[Case], form: str, **more: Any) -> None:
    for case in cases * RUNS:
        with shopping(session, case, form, **more) as (shop, url):
            is_handed_over(session, url, form)
            assert shop.orders == 1, case


@pytest.mark.timeout(300)  # as below
def test_a_post_that_was_read_before_its_connection_ended_is_sent_once(session, tls):
    for form in FORMS:
        sent_once(session, READ, form)


@pytest.mark.timeout(300)  # 150 runs in CI, which take 45 seconds on a quiet machine
def test_a_post_that_was_not_read_is_repeated_on_a_new_connection_and_over_tls(session, tls):
    for form in ("little", "much"):
        sent_once(session, READ, form, fresh=True)
        sent_once(session, READ, form, tls=tls)


def test_a_post_is_not_repeated_where_only_tls_ended_and_the_server_reads_on(session, tls):
    def says_goodbye(shop: Shop, peer: Peer) -> None:
        assert isinstance(peer.connection, ssl.SSLSocket)
        shop.go.wait(10)
        peer.connection.settimeout(0)
        with suppress(ssl.SSLWantReadError):
            peer.connection.unwrap()
        peer.connection.settimeout(10)
        shop.came.set()
        shop.orders += bool(socket.socket.recv(peer.connection, 65536))

    with shopping(session, says_goodbye, "little", tls=tls) as (shop, url):

        def told() -> None:
            shop.go.set()
            assert shop.came.wait(10)

        is_handed_over(session, url, "little", trace=at_first(kind_of(session), SENDING, told))
        wait_for(lambda: shop.orders == 1)


# ── it was closed before a byte of it was written ──────────────────────────────────────


def closes(shop: Shop, peer: Peer) -> None:
    shop.go.wait(10)


def resets(shop: Shop, peer: Peer) -> None:
    shop.go.wait(10)
    reset(peer)


def says_that_it_waited_and_closes(shop: Shop, peer: Peer) -> None:
    shop.go.wait(10)
    peer.send(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


CLOSED: list[Case] = [closes, resets, says_that_it_waited_and_closes]


def closing(shop: Shop) -> None:
    """Let the shop close the connection, and wait until that is done."""
    shop.go.set()
    assert shop.went.wait(10)


def sent_again(session: Session, cases: list[Case], form: str, **more: Any) -> None:
    for case in cases:
        with shopping(session, case, form, **more) as (shop, url):
            # After the transport chose the connection, and before a byte is sent.
            trace = at_first(kind_of(session), SENDING, lambda shop=shop: closing(shop))
            response = session.request("POST", url, **FORMS[form], extensions={"trace": trace})
            assert (response.text, shop.orders) == ("ok", 1), case
            assert sp.trace(response).requests == 2, case


def test_a_post_into_a_connection_that_was_closed_before_is_sent_on_another(session, tls):
    for form in FORMS:
        sent_again(session, CLOSED, form)
        sent_again(session, CLOSED, form, tls=tls)
        sent_again(session, [closes, resets], form, fresh=True)


def test_a_post_is_not_repeated_where_the_state_of_tcp_is_not_known(session, tls, monkeypatch):
    """On other systems a connection that has something to be read is not written to."""
    monkeypatch.setattr(tcp, "is_counted", lambda sock: False)
    for form in FORMS:
        sent_again(session, CLOSED, form)
    sent_again(session, CLOSED, "little", tls=tls)
    sent_once(session, READ, "little")
    sent_once(session, READ, "little", tls=tls)


def test_a_post_to_a_proxy_as_to_a_server(kind, tls):
    """It is the proxy's connection that ends."""
    url = "http://shop.example/"
    for case in (reads_it, reads_it_and_resets, reads_the_head, closes, resets):
        shop = Shop(case, "little", fresh=False)
        with serving(shop.serve) as proxy, ExitStack() as stack:
            session = opened(kind, stack, tls, proxy=proxy.url)
            session.get(url)
            if case in READ:
                is_handed_over(session, url, "little")
            else:
                trace = at_first(kind, SENDING, lambda shop=shop: closing(shop))
                response = session.request(
                    "POST", url, content=b"order", extensions={"trace": trace}
                )
                assert response.text == "ok"
            assert shop.orders == 1, case


def test_a_post_in_a_tunnel_as_to_a_server(kind, tls):
    def reached(session: Session) -> bool:
        """Whether the end has come through the proxy."""
        (mount,) = session.client._mounts.values()
        (tunnel,) = mount._inner._pool.connections
        return bool(tunnel._connection._network_stream.get_extra_info("is_readable"))

    with tunnels() as (proxy, asked), ExitStack() as stack:
        session = opened(kind, stack, tls, proxy=proxy)
        with shopping(session, closes, "little", tls=tls) as (shop, url):

            def closed() -> None:
                closing(shop)
                wait_for(lambda: reached(session))

            trace = at_first(kind, SENDING, closed)
            response = session.request("POST", url, content=b"order", extensions={"trace": trace})
            assert (response.text, shop.orders, len(asked)) == ("ok", 1, 2)
        sent_once(session, [reads_it, reads_it_and_resets], "little", tls=tls)
        session.run(session.client.close if session.portal is None else session.client.aclose)


# ── it crosses the end of the connection ───────────────────────────────────────────────


@contextmanager
def crossing(monkeypatch: pytest.MonkeyPatch, shop: Shop, closed: bool) -> Iterator[None]:
    """Let the shop go on after the connection was looked at, and before a byte is written."""
    count, done = tcp.count, []

    def counted(sock: Any) -> tcp.Count | None:
        now = count(sock)
        if not done:
            done.append(now)
            shop.go.set()
            assert (shop.went if closed else shop.came).wait(10)
        return now

    with monkeypatch.context() as patch:
        patch.setattr(tcp, "count", counted)
        yield
    assert done


def test_a_post_that_crosses_the_end_of_an_idle_connection_is_sent_on_another(session, monkeypatch):
    """What was on its way is answered with a reset: there was nobody to read it."""
    for form in FORMS:
        with shopping(session, closes, form) as (shop, url):
            with crossing(monkeypatch, shop, closed=True):
                response = session.request("POST", url, **FORMS[form])
            assert (response.text, shop.orders, sp.trace(response).requests) == ("ok", 1, 2)


def test_and_so_over_tls_but_for_threads_which_cannot_tell(session, tls, monkeypatch):
    """Python's SSLSocket calls a reset the end of the stream, and itself writes into it."""
    with shopping(session, closes, "little", tls=tls) as (shop, url):
        with crossing(monkeypatch, shop, closed=True):
            if session.portal is None:
                is_handed_over(session, url, "little")
            else:
                assert session.request("POST", url, content=b"order").text == "ok"
        assert shop.orders == (session.portal is not None)


def test_a_post_that_crosses_a_reset_is_handed_over(session, monkeypatch, tls):
    """A server that acted resets just so."""
    for form in FORMS:
        for options in ({}, {"tls": tls}):
            with shopping(session, resets, form, **options) as (shop, url):
                with crossing(monkeypatch, shop, closed=True):
                    is_handed_over(session, url, form)
                assert shop.orders == 0


def half_closes_and_reads_on(shop: Shop, peer: Peer) -> None:
    shop.go.wait(10)
    half_close(peer)
    shop.came.set()
    reads_it(shop, peer)


def half_closes_and_reads_on_for_long(shop: Shop, peer: Peer) -> None:
    half_closes_and_reads_on(shop, peer)
    peer.to_the_end()


def half_closes_and_never_reads(shop: Shop, peer: Peer) -> None:
    shop.go.wait(10)
    half_close(peer)
    shop.came.set()
    shop.orders += 1  # whoever it is that reads there
    shop.ends.wait(10)


def test_a_post_that_crosses_the_end_of_one_stream_alone_is_handed_over(session, monkeypatch, tls):
    """Who ended its own may read on: its kernel acknowledges, if late."""
    for case in (
        half_closes_and_reads_on,
        half_closes_and_reads_on_for_long,
        half_closes_and_never_reads,
    ):
        for form in FORMS:
            for options in ({}, {"tls": tls}):
                with shopping(session, case, form, **options) as (shop, url):
                    with crossing(monkeypatch, shop, closed=False):
                        is_handed_over(session, url, form)
                    wait_for(lambda shop=shop: shop.orders == 1)
