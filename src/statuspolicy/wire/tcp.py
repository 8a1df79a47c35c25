"""The state of a TCP connection from the kernel, and how many bytes were acknowledged.

Linux has it (TCP_INFO). On other systems, on an old kernel, and for other protocols it is not
known, and nothing is assumed.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Any, NamedTuple

ESTABLISHED, CLOSED, CLOSE_WAIT = 1, 7, 8  # as linux/tcp_states.h has them

_SIZE = 256  # bytes: more than a kernel returns
# struct tcp_info of linux/tcp.h: tcpi_state, tcpi_rtt, tcpi_bytes_acked, tcpi_notsent_bytes,
# tcpi_bytes_sent (Linux 4.19).
_FIELDS = struct.Struct("=B67xI48xQ16xI52xQ")


class Count(NamedTuple):
    """The state of a connection.

    state: ESTABLISHED; CLOSE_WAIT if the peer ended its stream (a FIN); CLOSED after a reset; or
        another.
    rtt: the measured round trip time in microseconds.
    acked: the number of bytes that the peer acknowledged.
    waiting, sent: the numbers of bytes that are not sent yet, and that were sent.
    """

    state: int
    rtt: int
    acked: int
    waiting: int
    sent: int


def is_counted(sock: Any) -> bool:
    """Whether `count` is right for a socket: for TCP over IP.

    MPTCP and SMC have acknowledgements of their own. The kernel is asked, not Python: a preloaded
    library can change the protocol of a socket.
    """
    try:
        return sys.platform == "linux" and (
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
            and sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
            in (socket.AF_INET, socket.AF_INET6)
        )
    except (OSError, AttributeError, ValueError):  # closed, or not a socket of the kernel
        return False


def count(sock: Any) -> Count | None:
    """The state of a socket's connection; None if it is not known."""
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
        return Count(*_FIELDS.unpack_from(data))
    except (OSError, ValueError, struct.error):  # closed (uvloop: ValueError); an older kernel
        return None


def ended(sock: Any) -> bool:
    """Whether the peer's stream ended before the connection was reset.

    It reads no data from the socket, but clears the error of a reset.
    """
    try:
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            return same.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except (OSError, ValueError):
        return False
