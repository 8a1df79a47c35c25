"""Over httpx-aiohttp, a transport of others: each connection that it lost is a ConnectTimeout."""

import socket
from collections.abc import Callable

import anyio
import httpx
import pytest
from httpx_aiohttp import HttpxAiohttpClient

import statuspolicy as sp
from statuspolicy.testing import FakeClock
from tests.raw_server import Peer, serving


def failed(url: str, method: str) -> tuple[httpx.TransportError, int]:
    """What a request ends in, and how often it was sent."""

    async def main() -> httpx.TransportError:
        async with HttpxAiohttpClient() as client:
            sp.wrap(client, clock=FakeClock())
            with pytest.raises(httpx.TransportError) as error:
                await client.request(method, url, content=b"order")
            return error.value

    error = anyio.run(main)
    return error, sp.trace(error).requests


def reads_and_goes(peer: Peer) -> None:
    peer.head()
    peer.exactly(5)


def reads_and_resets(peer: Peer) -> None:
    reads_and_goes(peer)
    peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("serve", [reads_and_goes, reads_and_resets])
def test_a_post_that_was_read_is_sent_once_whatever_the_failure_is_called(
    serve: Callable[[Peer], None],
) -> None:
    with serving(serve) as server:
        error, times = failed(server.url, "POST")
        assert isinstance(error, (httpx.ConnectTimeout, httpx.ConnectError))
        assert "may have been acted on" in sp.trace(error).reason
        assert (times, len(server.peers)) == (1, 1)
    with serving(serve) as server:
        assert failed(server.url, "PUT")[1] == 4


def test_a_post_that_nobody_was_there_for_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failed(f"http://127.0.0.1:{port}/", "POST")[1] == 4
