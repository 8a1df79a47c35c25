"""An HTTP/2 server that refuses: what a well-behaved one does only now and then, when told."""

import socket
import threading
from contextlib import suppress
from typing import NamedTuple, Self

import h2.config
import h2.connection
import h2.events


class Turn(NamedTuple):
    """What one request gets.

    act: whether the server acts on it.
    reset: answer with RST_STREAM and this error code.
    goaway: answer with GOAWAY that names this as the last stream; -1 for the request's own.
    hang_up: then, or in place of an answer, close the connection.
    """

    act: bool = True
    reset: int | None = None
    goaway: int | None = None
    hang_up: bool = False


REFUSED = Turn(act=False, reset=7)
DONE = Turn()


class H2Server:
    """In a thread on the loopback, with prior knowledge (no TLS); a context manager.

    turns: for each request in turn, over all connections; afterwards DONE.
    arrived: the connection and the stream of each request, in turn.
    acted: what was acted on: method, path, body.
    """

    def __init__(self, *turns: Turn) -> None:
        self.turns = list(turns)
        self.arrived: list[tuple[int, int]] = []
        self.acted: list[tuple[str, str, bytes]] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in self._threads)

    def _start(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.add(connection)
                self._start(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        http = h2.connection.H2Connection(config)
        http.initiate_connection()
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        with connection, suppress(OSError):
            connection.sendall(http.data_to_send())
            going = True
            while going and (data := connection.recv(65536)):
                for event in http.receive_data(data) if going else ():
                    match event:
                        case h2.events.RequestReceived():
                            heads[event.stream_id] = dict(event.headers)
                            bodies[event.stream_id] = b""
                        case h2.events.DataReceived():
                            bodies[event.stream_id] += event.data
                            http.acknowledge_received_data(
                                event.flow_controlled_length, event.stream_id
                            )
                        case h2.events.StreamEnded() if going:
                            stream = event.stream_id
                            self.arrived.append((number, stream))
                            going = self._answer(http, stream, heads[stream], bodies[stream])
                connection.sendall(http.data_to_send())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # what is on its way must not reset the connection
                pass
        self._open.discard(connection)

    def _answer(self, http, stream: int, head: dict[str, str], body: bytes) -> bool:
        """Answer one request. False where the connection ends with it."""
        turn = self.turns.pop(0) if self.turns else DONE
        if turn.act:
            self.acted.append((head[":method"], head[":path"], body))
        if turn.reset is not None:
            http.reset_stream(stream, turn.reset)
        elif turn.goaway is not None:
            last = stream if turn.goaway == -1 else turn.goaway
            http.close_connection(last_stream_id=last)
            return False
        elif not turn.hang_up:
            http.send_headers(stream, [(":status", "200"), ("content-length", "2")])
            http.send_data(stream, b"ok", end_stream=True)
        return not turn.hang_up
