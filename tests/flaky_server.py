"""A server, in a process of its own, that answers three requests in ten badly.

`python flaky_server.py SEED` prints two ports as JSON and serves until it is terminated: on
the first all that is asked, on the second /stats, so that who asks for it isn't counted.

What a request gets depends on the seed, its target and how often that was asked for, and on
nothing else: not on the order in which requests come.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from zlib import crc32

# What a request gets, of a hundred.
SHARES = {
    "right": 70,
    "503": 4,
    "503 at once": 3,
    "503 in 1 s": 4,
    "429 in 1 s": 4,
    "302": 5,
    "302, cut": 2,
    "nothing": 5,  # it hangs up
    "200, cut": 3,  # it hangs up in the middle of the body
}
REFUSED = {"503 at once", "503 in 1 s", "429 in 1 s"}  # they say that nothing was done
PADDING = b"." * 3000


class Counts:
    """What the server saw and did."""

    def __init__(self) -> None:
        self.gave: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()  # by method and target
        self.acted: Counter[str] = Counter()  # by a POST's target
        self.open: set[Connection] = set()
        self.peak = 0  # of the open connections
        self.connections = 0

    def stats(self) -> dict[str, object]:
        return {
            "requests": self.asked.total(),
            "gave": dict(self.gave),
            "asked most": max(self.asked.values(), default=0),
            "acted": len(self.acted),
            "acted twice": [target for target, times in self.acted.items() if times > 1],
            "open": len(self.open),
            "peak": self.peak,
            "connections": self.connections,
        }


class Connection(asyncio.Protocol):
    """A kept-alive HTTP/1.1 connection."""

    def __init__(self, seed: str, counts: Counts) -> None:
        self.seed, self.counts = seed, counts
        self.buffer = b""
        self.head: tuple[str, str, str, str] | None = None  # method, target, what it gets, fields
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.counts.open.add(self)
        self.counts.connections += 1

    def eof_received(self) -> None:
        self.counts.open.discard(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.counts.open.discard(self)

    def hang_up(self) -> None:
        self.counts.open.discard(self)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        # Not where a connection is made: the end of an older one may not have been read then.
        self.counts.peak = max(self.counts.peak, len(self.counts.open))
        self.buffer += data
        while not self.transport.is_closing() and self.one():
            pass

    def one(self) -> bool:
        """Answer one request, if it is there."""
        if self.head is None:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return False
            line, _, fields = head.decode("latin-1").partition("\r\n")
            method, target, _ = line.split(" ")
            self.buffer = rest
            asked = self.counts.asked
            asked[f"{method} {target}"] += 1
            # No secret depends on it: it has to be the same each time.
            dice = random.Random(f"{self.seed} {method} {target} {asked[f'{method} {target}']}")
            gets = dice.choices([*SHARES], [*SHARES.values()])[0]
            self.head = method, target, gets, fields.lower()
            if method == "POST" and gets == "nothing" and self.answered:
                # RFC 9112 §9.3.1: the server closed a connection that was idle, and never read
                # what was sent into that. A client may know that nothing was acted on.
                self.counts.gave["nothing, unread"] += 1
                self.hang_up()
                return False
        method, target, gets, fields = self.head
        body = self.body(fields)
        if body is None:
            return False
        self.head = None
        self.counts.gave[gets] += 1
        if method == "POST" and gets not in REFUSED:
            self.counts.acted[target] += 1
        self.answer(method, target, gets, body)
        self.answered += 1
        return True

    def body(self, fields: str) -> bytes | None:
        """The request's body, taken from the buffer; None where it isn't whole yet."""
        if "transfer-encoding: chunked" not in fields:
            length = int((fields.partition("content-length:")[2] or "0").split("\r\n")[0])
            if len(self.buffer) < length:
                return None
            body, self.buffer = self.buffer[:length], self.buffer[length:]
            return body
        parts, rest = [], self.buffer
        while True:
            size, end, rest = rest.partition(b"\r\n")
            length = int(size, 16) if end else 0
            if not end or len(rest) < length + 2:
                return None
            if not length:
                self.buffer = rest[2:]
                return b"".join(parts)
            parts.append(rest[:length])
            rest = rest[length + 2 :]

    def answer(self, method: str, target: str, gets: str, body: bytes) -> None:
        path, _, hop = target.partition("?hop=")
        if gets == "nothing":
            self.hang_up()
            return
        fields, content = "", gets.encode() + PADDING[:1000]
        if gets in ("right", "200, cut"):
            status = "200 OK"
            content = f"{path[1:]} {method} {crc32(body)} ".encode() + PADDING
        elif gets.startswith("302"):
            status, fields = "302 Found", f"Location: {path}?hop={int(hop or 0) + 1}\r\n"
        else:
            status = (
                "503 Service Unavailable" if gets.startswith("503") else "429 Too Many Requests"
            )
            fields = {"503": "", "503 at once": "Retry-After: 0\r\n"}.get(
                gets, "Retry-After: 1\r\n"
            )
        if int(path[1:]) % 3:
            fields += f"Content-Length: {len(content)}\r\n"
        else:
            fields += "Transfer-Encoding: chunked\r\n"
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        if gets.endswith("cut"):
            content = content[: len(content) // 2]
        self.transport.write(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + content)
        if gets.endswith("cut"):
            self.hang_up()


async def serve(seed: str) -> None:
    """Serve until the process is terminated."""
    counts, loop = Counts(), asyncio.get_running_loop()

    async def stats(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(counts.stats()).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await loop.create_server(
        lambda: Connection(seed, counts), "127.0.0.1", 0, backlog=1024
    )
    other = await asyncio.start_server(stats, "127.0.0.1", 0)
    ports = [each.sockets[0].getsockname()[1] for each in (server, other)]
    print(json.dumps(ports), flush=True)
    await asyncio.gather(server.serve_forever(), other.serve_forever())


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
