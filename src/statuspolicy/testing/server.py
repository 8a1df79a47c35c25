"""`StatusServer`: a real server on the loopback that answers any code, by URL or by script."""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import h11

from statuspolicy.policy.standard import STANDARD


class Answer(NamedTuple):
    """The response of the server to one request.

    status, headers, body: the response; Content-Length is added if the headers have no framing.
    interim: the 1xx codes before it.
    raw: bytes that are sent in place of all that.
    close: whether to close the connection afterwards (with False, HTTP decides).
    early: whether to answer before the body of the request is read, then close.
    stall: whether to send nothing more afterwards, and keep the connection open.
    """

    status: int = 200
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    body: bytes = b""
    interim: tuple[int, ...] = ()
    raw: bytes | None = None
    close: bool = False
    early: bool = False
    stall: bool = False


class Received(NamedTuple):
    """A request as it arrived.

    target: path and query. headers: names in lower case.
    connection: the number of its TCP connection, from 1.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Line: TypeAlias = "int | bytes | Answer | Callable[[Received], Answer]"

_BODILESS = frozenset({101, 204, 304})
# The unofficial 600: no status line and no header section.
_UNPARSABLE = b"<html>only an entity arrived</html>\r\n\r\n"


class StatusServer:
    """A server in a thread, on 127.0.0.1 and a port of its own; a context manager.

    The URL names the response: `/503?retry-after=1&then=200` answers 503 with that header field,
    and 200 to the next request for the same URL. `then` may be repeated, `body` is the body, every
    other parameter is a header field. `/102` answers 102 and then 200, `/600` is not HTTP, and
    `/disconnect` closes without an answer.

    `script` overrides that for a path. `received` lists the requests, `connections` counts the TCP
    connections.

    tls: an `ssl.SSLContext` to serve https with.
    port: the port to listen on; 0 for any free one.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self._tls = tls
        self._scripts: dict[str, list[Line]] = {}
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now."""
        with self._lock:
            return len(self._open)

    def script(self, path: str, *lines: Line) -> str:
        """Answer the requests for a path with these lines in order; the last one is repeated.

        A line is a status code, an Answer, raw bytes, or a callable that takes the Received and
        returns an Answer. Returns the URL.
        """
        self._scripts[path] = list(lines)
        return self.url + path

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    # ── connections ───────────────────────────────────────────────────────────────────

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with suppress(OSError, h11.RemoteProtocolError):
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self.connections += 1
                    number = self.connections
                    self._open.add(connection)
                while self._exchange(connection, number):
                    pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _exchange(self, connection: socket.socket, number: int) -> bool:
        """Serve one request; returns False if the connection ends with it."""
        http = h11.Connection(h11.SERVER)
        head = _next(http, connection)
        if not isinstance(head, h11.Request):
            return False
        method, target = head.method.decode(), head.target.decode()
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        line = self._line(target)
        early = isinstance(line, Answer) and line.early
        if http.they_are_waiting_for_100_continue and not early:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            connection.sendall(http.send(go_on) or b"")
        body = b""
        while not early and not isinstance(event := _next(http, connection), h11.EndOfMessage):
            assert isinstance(event, h11.Data)
            body += event.data
        received = Received(method, target, headers, body, number)
        self.received.append(received)
        answer = line(received) if callable(line) else _answer(line)
        connection.sendall(answer.raw if answer.raw is not None else _bytes(method, answer))
        if answer.stall:
            while connection.recv(65536):  # until the client goes, or the server is closed
                pass
        hung_up = "close" in headers.get("connection", "").lower()
        return not (answer.close or early or answer.stall or hung_up or _lies(method, answer))

    # ── answers ───────────────────────────────────────────────────────────────────────

    def _line(self, target: str) -> Line:
        # The target of a CONNECT has no path.
        path = target if target in self._scripts else urlsplit(target).path
        key = path if path in self._scripts else target
        with self._lock:
            turn = self._turns[key] = self._turns.get(key, 0) + 1
        lines = self._scripts.get(path) or _from_url(target)
        return lines[min(turn, len(lines)) - 1]


def _next(http: h11.Connection, connection: socket.socket) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(connection.recv(65536))
    return event


def _from_url(target: str) -> list[Line]:
    """The lines that `/503?retry-after=1&then=200` names."""
    url = urlsplit(target)
    word = url.path.strip("/").partition("/")[0]
    if word == "disconnect":
        first = Answer(raw=b"", close=True)
    elif not (word.isascii() and word.isdigit() and len(word) == 3 and word >= "100"):
        body = b"Ask for a code, as in /503?retry-after=1&then=200\n"
        return [Answer(404, {"Content-Type": "text/plain"}, body)]
    else:
        first = _answer(int(word))
    then: list[Line] = []
    headers: list[tuple[str, str]] = []
    body = b""
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name == "then":
            then += _from_url(f"/{value}")
        elif name == "body":
            body = value.encode()
        else:
            headers.append((name, value))
    return [first._replace(headers=headers, body=body), *then]


def _answer(line: int | bytes | Answer) -> Answer:
    if isinstance(line, Answer):
        return line
    if isinstance(line, bytes):
        return Answer(raw=line, close=True)
    if line == 600:
        return Answer(raw=_UNPARSABLE, close=True)
    if 100 <= line < 200 and line != 101:
        return Answer(interim=(line,))
    return Answer(line)


def _bytes(method: str, answer: Answer) -> bytes:
    """The bytes of an answer: written by hand, since it may break HTTP on purpose."""
    lines = []
    for status in answer.interim:
        link = "Link: </style.css>; rel=preload\r\n" if status == 103 else ""
        lines.append(f"HTTP/1.1 {status} {_reason(status)}\r\n{link}\r\n")
    lines.append(f"HTTP/1.1 {answer.status} {_reason(answer.status)}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in _fields(answer)]
    if answer.status not in _BODILESS and not _framing(answer):
        lines.append(f"Content-Length: {len(answer.body)}\r\n")
    if answer.close:
        lines.append("Connection: close\r\n")
    body = b"" if method == "HEAD" or answer.status in _BODILESS else answer.body
    if body and _framing(answer).get("transfer-encoding") == "chunked":
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return "".join([*lines, "\r\n"]).encode("latin-1", "replace") + body


def _fields(answer: Answer) -> list[tuple[str, str]]:
    headers = answer.headers
    return [*headers.items()] if isinstance(headers, Mapping) else [*headers]


def _framing(answer: Answer) -> dict[str, str]:
    """The framing fields of an answer."""
    fields = {name.lower(): value for name, value in _fields(answer)}
    return {
        name: fields[name] for name in ("content-length", "transfer-encoding") if name in fields
    }


def _lies(method: str, answer: Answer) -> bool:
    """Whether the body is not as long as announced, so that the connection has to be closed."""
    length = len(answer.body) if method != "HEAD" and answer.status not in _BODILESS else None
    said = _framing(answer).get("content-length", str(length))
    return length is not None and said != str(length)


def _reason(status: int) -> str:
    row = STANDARD.row(status)
    return row.phrase if row.key == status else "Unofficial"
