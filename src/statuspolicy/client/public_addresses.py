"""`public_addresses_only`, against server-side request forgery."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from statuspolicy.wire.context import PINS

if TYPE_CHECKING:
    from httpx import Request


# The IANA special-purpose registries (RFC 6890). They are listed here, since `is_global` differs
# between versions of Python.
_NOT_PUBLIC = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private (RFC 1918)
    "100.64.0.0/10",  # shared by a provider's customers (RFC 6598); Alibaba's metadata
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # Azure's platform, inside each of its networks
    "169.254.0.0/16",  # link-local (RFC 3927); most clouds' metadata
    "172.16.0.0/12",  # private (RFC 1918)
    "192.0.0.0/24",  # protocol assignments (RFC 6890); Oracle's metadata
    "192.0.2.0/24",  # documentation (RFC 5737)
    "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
    "192.168.0.0/16",  # private (RFC 1918)
    "198.18.0.0/15",  # benchmarks (RFC 2544)
    "198.51.100.0/24",  # documentation (RFC 5737)
    "203.0.113.0/24",  # documentation (RFC 5737)
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "2001::/23",  # protocol assignments (RFC 2928), with Teredo, which embeds IPv4
    "2001:db8::/32",  # documentation (RFC 3849)
    "2002::/16",  # 6to4, which embeds IPv4, and is deprecated (RFC 7526)
    "3fff::/20",  # documentation (RFC 9637)
)
# Global unicast (RFC 4291 §2.4): ::1, fc00::/7, fe80::/10, fec0::/10, ff00::/8 are outside, and
# so are addresses that IANA has not assigned.
_GLOBAL = "2000::/3"
_NAT64 = "64:ff9b::/96"  # RFC 6052 §2.1
# A host that ends so is an IPv4 address for some parsers and a name for others.
_NUMBER_AT_END = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")


class PublicAddressesOnly:
    """An `allow_hop` for public addresses only, against server-side request forgery.

    It refuses loopback, link-local, private, shared, multicast, reserved and documentation
    addresses, those of cloud metadata, IPv6 addresses with such an IPv4 address inside, addresses
    in unusual spellings (`2130706433`, `0x7f.1`), and names that don't resolve. One bad address of
    several is enough. In a sync client it resolves names in the thread, without a timeout.

    The checked addresses are noted in the next request's `extensions`, and a new connection uses
    one of these: the name is not resolved a second time. The limits:

    - It is called for hops, not for the first request: `public_addresses_only(request, request)`
      checks one, without noting its addresses.
    - A proxy resolves the name by itself.
    - A transport that isn't httpx's own resolves the name again, and an open connection to the
      same host is used without a check.
    - A NAT64 prefix of the network other than 64:ff9b::/96 is not known.
    - It knows http and https, like hops.
    """

    def __call__(self, request: Request, next_request: Request) -> bool:
        """Whether all addresses of the next request's host are public; resolves in this thread."""
        host = _host(next_request)
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return _judge(request, next_request, found)
        except (OSError, ValueError):  # no address, or not a valid name
            return False

    async def in_async(self, request: Request, next_request: Request) -> bool:
        """As a call, in a task of any event loop that anyio knows."""
        import anyio  # here, so that a program without async never loads it

        host = _host(next_request)
        try:
            found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return _judge(request, next_request, found)
        except (OSError, ValueError):
            return False

    def __repr__(self) -> str:
        return "public_addresses_only"


public_addresses_only = PublicAddressesOnly()


def _host(request: Request) -> str:
    """The host as the transport resolves it."""
    host: bytes = request.url.raw_host
    return host.decode("ascii")


def _judge(request: Request, next_request: Request, found: Iterable[Any]) -> bool:
    """Whether the addresses from `getaddrinfo` are public; notes them for the connection."""
    host = _host(next_request)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not (_is_plain(host) and addresses and all(map(is_public, addresses))):
        return False
    if next_request is not request:
        # A copy: the two requests may share their extensions.
        next_request.extensions = {**next_request.extensions, PINS: {host: addresses}}
    return True


def _is_plain(host: str) -> bool:
    """Whether all parsers read a host as the same name or address. May raise ValueError."""
    if "%" in host:  # the zone of an IPv6 address (RFC 4007 §11)
        return False
    return not _NUMBER_AT_END.search(host) or bool(ip_address(host))


def is_public(address: str) -> bool:
    """Whether an address is public. Raises ValueError if it is not an address."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        carried = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _network(_NAT64) else ip.ipv4_mapped
        if carried is None and ip not in _network(_GLOBAL):
            return False
        ip = carried or ip
    return not any(ip in _network(network) for network in _NOT_PUBLIC)


_network = cache(ip_network)  # made when the first address is judged, not at import
