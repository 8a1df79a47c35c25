"""HTTP/2: what is closed unread gives its window back, so that the connection goes on."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import h2.config
import h2.connection
import h2.events
import pytest

from tests.library import sp
from tests.raw_server import Peer, serving
from tests.test_evidence import wait_for

BODY = bytes(1_000_000)
TIMES = 20  # of them are more than the window of a connection, 2^24 and some bytes
CANCEL = 8  # RFC 9113 §7


class Shop:
    """A server of HTTP/2 that sends large bodies, as far as the windows let it.

    cancelled: how many streams were. dry: set when the connection's window is used up.
    """

    def __init__(self) -> None:
        self.cancelled = 0
        self.dry = threading.Event()
        self.turn = 0

    def answer(self, path: str) -> tuple[list[tuple[str, str]], bytes]:
        self.turn += 1
        word = path.strip("/")
        told = {"long": [("content-length", str(len(BODY)))]}.get(word, [])
        if word in ("302", "long"):
            return [(":status", "302"), ("location", "/ok"), *told], BODY
        if word == "503":
            again = self.turn % 2 == 0
            head = [(":status", "200" if again else "503"), ("retry-after", "1")]
            return head, b"ok" if again else BODY
        if word in ("204", "200"):
            return [(":status", word)], BODY
        if word == "endless":
            return [(":status", "302"), ("location", "/ok")], BODY
        return [(":status", "200")], b"ok"

    def serve(self, peer: Peer) -> None:
        config = h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8", validate_outbound_headers=False
        )
        http, rest, endless = h2.connection.H2Connection(config), {}, set()
        http.initiate_connection()
        peer.send(http.data_to_send())
        while data := peer.more():
            for event in http.receive_data(data):
                match event:
                    case h2.events.RequestReceived():
                        path = dict(event.headers)[":path"]
                        if path == "/endless":
                            endless.add(event.stream_id)
                        head, body = self.answer(path)
                        http.send_headers(event.stream_id, head)
                        rest[event.stream_id] = body
                    case h2.events.StreamReset():
                        self.cancelled += event.error_code == CANCEL
                        rest.pop(event.stream_id, None)
            for stream in [*rest]:
                while body := rest[stream]:
                    window = http.local_flow_control_window(stream)
                    size = min(window, http.max_outbound_frame_size, len(body))
                    if not size:
                        break
                    http.send_data(stream, body[:size])
                    rest[stream] = body[size:]
                else:
                    del rest[stream]
                    if stream not in endless:
                        http.end_stream(stream)
            peer.send(http.data_to_send())
            if http.outbound_flow_control_window == 0:
                self.dry.set()


@pytest.fixture
def shopping(open_session):
    """A session that speaks HTTP/2 with a shop, on one connection."""
    with ExitStack() as stack:
        shop = Shop()
        server = stack.enter_context(serving(shop.serve))
        options = {"http1": False, "http2": True, "trust_env": False, "timeout": 3}
        session = open_session(options, limits=sp.Limits(retry_budget=None, drain_bytes=100_000))
        yield session, shop, server
        assert len(server.peers) == 1
        session.run(session.client.close if session.portal is None else session.client.aclose)


@pytest.mark.parametrize("path", ["/302", "/long", "/503"])
def test_302_503_bodies_that_are_passed_over_on_the_way_never_use_it_up(path, shopping):
    session, _, server = shopping
    for _ in range(TIMES):
        assert session.get(server.url + path).text == "ok"


@pytest.mark.parametrize("path", ["/200", "/204"])
def test_204_nor_do_those_that_the_caller_leaves(path, shopping):
    session, _, server = shopping
    for _ in range(TIMES):
        request = session.client.build_request("GET", server.url + path)
        response = session.run(session.client.send, request, stream=True)
        session.run(response.close if session.portal is None else response.aclose)
    assert session.get(server.url + "/ok").text == "ok"


def unread_bytes(session) -> int:
    """What the one connection keeps for its streams."""
    (connection,) = session.client._transport._inner._pool.connections
    events = [event for events in [*connection._connection._events.values()] for event in events]
    return sum(getattr(event, "flow_controlled_length", 0) for event in events)


def test_a_stream_that_waits_for_the_window_goes_on_when_others_are_left(shopping):
    session, shop, server = shopping
    send = session.client.send

    def opened():
        request = session.client.build_request("GET", server.url + "/200")
        return session.run(send, request, stream=True)

    def start(threads) -> Future:
        url = server.url + "/200"
        if session.portal is None:
            return threads.submit(session.client.get, url)
        return session.portal.start_task_soon(session.client.get, url)

    with ThreadPoolExecutor() as threads:
        unread = [opened() for _ in range(TIMES)]
        waiting = start(threads)
        assert shop.dry.wait(3)
        # It is asked for, and nothing more is on its way.
        wait_for(lambda: shop.turn > TIMES and unread_bytes(session) >= 2**24)
        for response in unread:
            session.run(response.close if session.portal is None else response.aclose)
        response = waiting.result(5)
        assert (response.content, sp.trace(response).requests) == (BODY, 1)


def test_what_does_not_end_is_cancelled_when_it_is_passed_over(shopping):
    session, shop, server = shopping
    assert session.get(server.url + "/endless").text == "ok"
    assert shop.cancelled == 1


def test_what_was_read_to_its_end_is_not_cancelled(shopping):
    session, shop, server = shopping
    for _ in range(3):
        assert session.get(server.url + "/200").content == BODY
    assert session.get(server.url + "/ok").text == "ok"
    assert shop.cancelled == 0
