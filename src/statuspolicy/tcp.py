"""What the kernel says of a TCP connection: its state, and what of it was acknowledged.

Linux tells it (TCP_INFO). Elsewhere, on an old kernel, and of what is no plain TCP nothing is
known, and nothing is taken for known.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Any, NamedTuple

ESTABLISHED, CLOSED, CLOSE_WAIT = 1, 7, 8  # as linux/tcp_states.h has them

_SIZE = 256  # bytes to ask for: no less than a kernel has
# struct tcp_info of linux/tcp.h: tcpi_state, tcpi_rtt, tcpi_bytes_acked, tcpi_notsent_bytes,
# tcpi_bytes_sent (Linux 4.19).
_FIELDS = struct.Struct("=B67xI48xQ16xI52xQ")


class Count(NamedTuple):
    """What a connection stands at.

    state: ESTABLISHED; CLOSE_WAIT, where the peer ended its stream (a FIN); CLOSED, where
        the peer or the kernel gave it up (a reset); or another.
    rtt: microseconds for a segment and its acknowledgement, as measured.
    acked: bytes that the peer acknowledged.
    waiting, sent: bytes that were not sent yet, and that were.
    """

    state: int
    rtt: int
    acked: int
    waiting: int
    sent: int


def is_counted(sock: Any) -> bool:
    """Whether `count` means something: for TCP over IP.

    Several subflows (MPTCP) or a way beside TCP (SMC) have acknowledgements of their own. What
    Python knows of a socket's protocol isn't asked: a library that is loaded before the program
    can change it.
    """
    try:
        return sys.platform == "linux" and (
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
            and sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
            in (socket.AF_INET, socket.AF_INET6)
        )
    except (OSError, AttributeError, ValueError):  # closed, or no socket of the kernel's
        return False


def count(sock: Any) -> Count | None:
    """What a socket's connection stands at; None where that can't be told."""
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
        return Count(*_FIELDS.unpack_from(told))
    except (OSError, ValueError, struct.error):  # closed; so of uvloop; an older kernel
        return None


def ended(sock: Any) -> bool:
    """Whether the peer's stream ended before its connection was given up.

    It takes nothing from the socket, but the error of a reset.
    """
    try:
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            return same.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except (OSError, ValueError):
        return False
