"""A request as the cache sees it, and the keys of the URLs that fields name."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from statuspolicy._value import Record, lazy
from statuspolicy.cache import control
from statuspolicy.cache.control import Control
from statuspolicy.fields.section import Fields

# The fields of a request that change what a cache may do.
_SAYS = frozenset(
    {
        b"cache-control", b"content-length", b"if-match", b"if-modified-since", b"if-none-match",
        b"if-range", b"if-unmodified-since", b"pragma", b"range", b"transfer-encoding",
    }
)  # fmt: skip
_PORTS = {"http": 80, "https": 443}


class CacheRequest(Record):
    """The parts of a request that the rules of the cache read.

    url: without fragment. Where the request sends another Host than the URL's, that Host stands
        in the place of userinfo.
    lines: the header section.
    who: the user that the response belongs to.
    anonymous: whether the user is not known, so that several users may get the stored response.
    elsewhere: whether the request sets a `target` of its own, other than its URL.
    """

    method: str
    url: str
    lines: tuple[tuple[bytes, bytes], ...]
    who: str = ""
    anonymous: bool = False
    elsewhere: bool = False

    @lazy
    def names(self) -> frozenset[bytes]:
        """The names of its fields, in lower case."""
        return frozenset([name.lower() for name, _ in self.lines])

    @lazy
    def plain(self) -> bool:
        """Whether it is a GET without a field that the cache has to heed."""
        return self.method == "GET" and not self.elsewhere and self.names.isdisjoint(_SAYS)

    @lazy
    def fields(self) -> Fields:
        """The header section."""
        return Fields(self.lines)

    @lazy
    def control(self) -> Control:
        """Its Cache-Control."""
        return control.NOTHING_SAID if self.plain else control.of_request(self.fields)

    @lazy
    def has_body(self) -> bool:
        """Whether the request has content: then the URL alone does not name the resource."""
        length = self.fields.get("content-length")
        return length not in (None, "0") or "transfer-encoding" in self.fields

    @lazy
    def conditional(self) -> bool:
        """Whether the caller set a condition that a stored response can answer (§4.3.2)."""
        return b"if-none-match" in self.names or b"if-modified-since" in self.names


def of_the_origin(base: str, location: str) -> str | None:
    """The key of the URL in a field; None where it has another origin than the request."""
    try:
        key = named(base, location)
        return key if urlsplit(key)[:2] == urlsplit(base)[:2] else None
    except ValueError:
        return None


def named(base: str, location: str) -> str:
    """The key of the URL in a field, of any origin. Raises ValueError where it is not a URL.

    A server may name itself by the Host that was sent, too.
    """
    url, here = urlsplit(urljoin(base, location)), urlsplit(base)
    path = f"{url.path or '/'}{url.query and '?' + url.query}"
    own = [here]
    if here.username is not None:
        with suppress(ValueError):
            own.append(urlsplit(f"{here.scheme}://{unquote(here.username)}"))
    if _origin(url) in map(_origin, own):
        return f"{here.scheme}://{here.netloc}{path}"
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{path}"


def _origin(url: SplitResult) -> tuple[str, str | None, int | None] | None:
    try:
        return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)
    except ValueError:  # the Host that was sent is not valid
        return None
