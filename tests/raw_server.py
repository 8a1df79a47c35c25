"""A server of bytes: a test says what it does with each connection."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trustme

Serve = Callable[["Peer"], None]


class Peer:
    """A connection to a client, as the server has it.

    number: of the connection, from 1. got: all that came so far.
    """

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.connection = connection
        self.number = number
        self.got = bytearray()
        self._taken = 0

    def head(self) -> bytes:
        """Read on to the end of the next header section: that."""
        return self.until(b"\r\n\r\n")

    def until(self, end: bytes) -> bytes:
        """Read on until this comes: what came up to it; b"" where the client goes before."""
        searched = self._taken
        while (at := self.got.find(end, searched)) < 0:
            searched = max(self._taken, len(self.got) - len(end) + 1)
            if not self.more():
                return b""
        return self._up_to(at + len(end))

    def exactly(self, size: int) -> bytes:
        """Read on to so many bytes."""
        while len(self.got) - self._taken < size and self.more():
            pass
        return self._up_to(min(self._taken + size, len(self.got)))

    def more(self) -> bytes:
        """Read once; b"" where the client has gone."""
        with suppress(OSError):
            data = self.connection.recv(65536)
            self.got += data
            return data
        return b""

    def to_the_end(self) -> bytes:
        """Read until the client goes: what came since the last reading."""
        while self.more():
            pass
        return self._up_to(len(self.got))

    def _up_to(self, end: int) -> bytes:
        taken, self._taken = self._taken, end
        return bytes(self.got[taken:end])

    def send(self, data: bytes) -> None:
        """Send it, if the client is still there."""
        with suppress(OSError):
            self.connection.sendall(data)


class RawServer:
    """What a test sees of it: its URL, and the connections it had."""

    def __init__(self, listener: socket.socket, scheme: str) -> None:
        self.port: int = listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.peers: list[Peer] = []
        self.ended = threading.Semaphore(0)  # released when a connection was served


@contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Serve each connection in a thread of its own; what `serve` raises fails the test."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(listener, "https" if tls else "http")
    threads: list[threading.Thread] = []
    failed: list[BaseException] = []

    def run(connection: socket.socket, number: int) -> None:
        try:
            with connection:
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    peer = Peer(connection, number)
                    server.peers.append(peer)
                    serve(peer)
        except OSError:
            pass
        except BaseException as error:
            failed.append(error)
        finally:
            server.ended.release()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(10)  # whatever a test does wrong, it ends
                thread = threading.Thread(target=run, args=(connection, len(threads) + 1))
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        for peer in [*server.peers]:
            with suppress(OSError):
                peer.connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
    if failed:
        raise failed[0]


def certified(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for these names, and a client's that trusts it."""
    authority = trustme.CA()
    server, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    authority.configure_trust(trust)
    return server, trust
