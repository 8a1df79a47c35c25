"""A loopback server in a process of its own, as fast as Python can be: it parses next to nothing.

`/200` answers 200, `/302` leads there, `/503` answers 503 and 200 in turn, and `/connections`
tells how many connections were opened. It prints its port and ends when its input does.
"""

import asyncio
import sys
from itertools import count

HEAD = (
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: bench\r\n"
    b"Content-Type: text/plain\r\nContent-Length: %d\r\n%b\r\n%b"
)


def answer(line: bytes, body: bytes = b"ok", fields: bytes = b"") -> bytes:
    return b"HTTP/1.1 " + line + b"\r\n" + HEAD % (len(body), fields, body)


FINE = answer(b"200 OK")
MOVED = answer(b"302 Found", b"moved", b"Location: /200\r\n")
BUSY = answer(b"503 Service Unavailable", b"busy", b"Retry-After: 0\r\n")


class Connection(asyncio.Protocol):
    opened = 0
    turn = count(1)

    def connection_made(self, transport) -> None:
        Connection.opened += 1
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self.transport.write(self.answer(head.split(b" ", 2)[1]))

    def answer(self, path: bytes) -> bytes:
        if path == b"/302":
            return MOVED
        if path == b"/503":
            return BUSY if next(self.turn) % 2 else FINE
        if path == b"/connections":
            return answer(b"200 OK", b"%d" % self.opened)
        return FINE


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
