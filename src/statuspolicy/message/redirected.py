"""The target of a Location, and the request that is sent there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from statuspolicy.fields.section import Fields, members
from statuspolicy.message import remade
from statuspolicy.printable import PART, printable
from statuspolicy.wire.context import PINS
from statuspolicy.wire.httpx_internals import extended, lines, same_place, url_of_parts, written
from statuspolicy.wire.httpx_internals import origin as origin  # noqa: PLC0414 - these are found here too
from statuspolicy.wire.httpx_internals import target as target  # noqa: PLC0414
from statuspolicy.wire.library import ANY, BYTE_STREAMS, LIBRARY_OF, several

if TYPE_CHECKING:
    from httpx import URL, Request

# Whether a request header field, by its name in lower case, stays with the first origin.
Sensitive: TypeAlias = Callable[[str], bool]

# RFC 9110 §15.4: a redirected request that changes its method drops these, and §10.1.1
# keeps Expect for requests with content.
OF_THE_BODY = frozenset(
    {b"transfer-encoding", b"trailer", b"digest", b"repr-digest", b"last-modified", b"expect"}
)
SECRET = frozenset({b"cookie", b"authorization", b"proxy-authorization"})
# Extensions that are not kept for another URL: `target` would request the old path.
OF_ONE_URL = frozenset({"target", PINS})
# Extensions that send a request to another place than its URL, or accept another certificate.
_ELSEWHERE = frozenset({"target", "sni_hostname"})
# With these fields, the URL alone does not decide about the response.
_OF_ITS_OWN = frozenset({b"cache-control", b"pragma", b"content-length", b"transfer-encoding"})
_USUAL_PORT = {"http": b":80", "https": b":443"}
_USUAL, _LAST_PORT = {"http": 80, "https": 443}, 65_535
# In a request's `extensions`: the challenges that were answered before it.
ANSWERED = "statuspolicy.answered"
# Extensions that each request to another URL keeps.
_ANYWHERE = frozenset({"timeout", "trace", "statuspolicy"})
# Extensions that are kept for another origin.
PORTABLE = frozenset({"timeout", "trace", "statuspolicy", remade.FACTORY})


# A path, or an http(s) URL, in which the library's parser would change nothing: no dot segment, no
# empty one, no parameters (which `urljoin` takes apart), nothing that has to be quoted, and a host
# whose last label is a name (others may be taken for an IPv4 address). Whether it is on the same
# origin is another question.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(
    rf"(?:(https?)://((?:{_LABEL}\.)*(?=[a-z]){_LABEL})(?::([1-9][0-9]{{0,4}}))?)?"
    r"(/|(?:/[\w~%!$&'()*+,=:@-][\w.~%!$&'()*+,=:@-]*)+/?)"
    r"(?:\?([\w.~%!$&'()*+,=:@/-]+))?",
    re.ASCII,
)
_NOT_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SHORT = 80  # characters of a Location that are shown
_LONG = 4096  # characters: far below the limit of the library for a URL
_NAMES_A_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


class Unusable(Exception):
    """A Location can't be followed, for this reason."""


def plain(url: URL) -> URL:
    """The URL without userinfo: a Location's is never used as credentials (RFC 9110 §4.2.4)."""
    return url.copy_with(userinfo=b"") if url.userinfo else url


def same_origin(first: URL, second: URL) -> bool:
    """Whether credentials for the first URL may be sent to the second.

    http to https on the same host, both on their default ports, counts as the same origin.
    """
    if same_place(first, second):
        return True
    upgraded = (first.scheme, second.scheme) == ("http", "https")
    return upgraded and first.host == second.host and first.port is second.port is None


def resolve(base: URL, location: URL | str) -> URL:
    """The target URL of a Location, relative to `base`. Raises Unusable with the reason."""
    kind = type(base)
    try:
        near = plainly(base, location) if isinstance(location, str) else None
        if near is not None:
            return near
        url = kind(location)
        if url.scheme and not url.host and url.scheme == base.scheme:
            # "http:/path" and "http:///path" have no host; servers mean their own.
            url = url.copy_with(host=base.host, port=base.port)
        elif url.is_relative_url:
            url = base.join(url)
        connectable = url.scheme in ("http", "https") and _connectable(url)
    except several(ANY.InvalidURL, ValueError) as error:  # for an odd host even `url.host` raises
        raise Unusable(f"its Location can't be parsed ({printable(error, PART)})") from None
    if not connectable:
        raise Unusable(
            f"its Location {printable(plain(url), _SHORT)} is not http or https with a host"
        )
    # RFC 9110 §10.2.2: a Location without a fragment MUST be processed "as if the value
    # inherits the fragment component of the URI reference used to generate the target URI".
    if base.fragment and not url.fragment and "#" not in str(location):
        url = kind(f"{url}#{str(base).partition('#')[2]}")  # as it was written
    return plain(url)


def request_to(
    url: URL,
    method: str,
    previous: Request,
    *,
    sensitive: Sensitive,
    bodiless: bool = False,
    abroad: bool = False,
    keep_host: bool = False,
) -> Request:
    """The request to `url` that follows `previous`; cookies are added later.

    sensitive: whether a field, by its name in lower case, stays with its origin.
    bodiless: whether to drop the body and the fields that describe it.
    abroad: whether to drop the credentials.
    keep_host: whether to keep the caller's own Host field (a relative Location has no host).
    """
    bodiless = bodiless and _has_content(previous)
    if bodiless or abroad or not holds_for(url, previous, keep_host):
        headers = written(
            LIBRARY_OF[type(previous)],
            _headers_for(url, previous, sensitive, bodiless, abroad, keep_host),
        )
    else:
        headers = extended(previous.headers)
    extensions = dict(previous.extensions)
    if not _ANYWHERE.issuperset(extensions):
        for name in previous.extensions:
            # `sni_hostname` would check the new host's certificate against the old one's name.
            if (
                name in OF_ONE_URL
                or (name == "sni_hostname" and url.host != previous.url.host)
                or (abroad and name not in PORTABLE)
                or (bodiless and name == remade.FACTORY)
            ):
                del extensions[name]
    stream = LIBRARY_OF[type(previous)].ByteStream(b"") if bodiless else previous.stream
    return remade.copy(
        previous,
        method=method,
        url=url,
        headers=headers,
        stream=stream,
        extensions=extensions,
    )


def _has_content(request: Request) -> bool:
    """Whether anything of a request stays behind where its content does."""
    first, *rest = [name for _, name, _ in lines(request.headers)] or [b""]
    if first != b"host":
        return True  # the header section that is made without it begins with Host
    if type(request.stream) not in BYTE_STREAMS or remade.FACTORY in request.extensions:
        return True
    return any(name[:8] == b"content-" or name in OF_THE_BODY for name in rest) or any(
        request.stream  # type: ignore[arg-type]
    )


def other_host(request: Request) -> str | None:
    """The Host of a request if it differs from its URL; else None."""
    url = request.url
    place = url.netloc
    hosts = [value for _, name, value in lines(request.headers) if name == b"host"]
    if hosts in ([place], []):
        return None
    usual = _USUAL_PORT.get(url.scheme, b"")
    hosts = [value.strip().lower().removesuffix(usual) for value in hosts]
    return None if hosts == [place] else b", ".join(hosts).decode("latin-1")


def key(request: Request) -> str:
    """The cache key of a request: its URL and Host.

    A Host that differs from the URL stands in the place of userinfo, which no key has.
    """
    url, host = target(request.url), other_host(request)
    own = request.extensions.get("target")
    if own is not None:
        path = own if isinstance(own, str) else bytes(own).decode("latin-1")
        url = origin(request.url) + path if path[:1] == "/" else url
    return url if host is None else url.replace("://", f"://{quote(host, safe='')}@", 1)


def asks_as_anybody(request: Request, sensitive: Sensitive) -> bool:
    """Whether a server would redirect any other client's request as it redirects this one.

    That is if it has no field that names a user or selects a variant (and none that requires a new
    response, such as `Cache-Control: no-cache`).
    """
    if not _ELSEWHERE.isdisjoint(request.extensions) or other_host(request) is not None:
        return False
    for _, name, value in lines(request.headers):
        if name in _OF_ITS_OWN and value != b"0":
            return False
        if sensitive(name.decode("latin-1")):
            return False
    return True


def holds_for_anybody(request: Request, answer: Fields, sensitive: Sensitive) -> bool:
    """Whether a redirect is valid for all users, as far as request and response show."""
    vary = {name.lower() for name in members(answer.get("vary") or "")}
    return vary <= {"accept-encoding"} and asks_as_anybody(request, sensitive)


def holds_for(url: URL, previous: Request, keep_host: bool) -> bool:
    """Whether a header section may be sent unchanged to another URL of its origin."""
    host = b""
    for _, name, value in lines(previous.headers):
        if name in SECRET:
            return False
        if name == b"host":
            host = value
    return host == url.netloc or (keep_host and host != b"")


def _headers_for(
    url: URL, previous: Request, sensitive: Sensitive, bodiless: bool, abroad: bool, keep_host: bool
) -> list[tuple[bytes, bytes]]:
    headers = [(b"Host", url.netloc)]
    for name, key, value in lines(previous.headers):
        if key == b"host":
            if keep_host and value not in (b"", previous.url.netloc):
                headers[0] = (b"Host", value)
            continue
        if key == b"cookie":
            continue
        if bodiless and (key.startswith(b"content-") or key in OF_THE_BODY):
            continue
        if abroad and sensitive(key.decode("latin-1")):
            continue
        # Credentials from row 407 are for a proxy, which may not see the next request.
        answered = key == b"proxy-authorization" and ANSWERED in previous.extensions
        if answered and origin(url) != origin(previous.url):
            continue
        # RFC 7616 §3.4: a Digest is made for one URI, and its nonce counts each request.
        if key == b"authorization" and is_digest(value.decode("latin-1")):
            continue
        if abroad and key == b"referer" and not (value := _origin_of(value, type(url))):
            continue
        headers.append((name, value))
    return headers


def is_digest(credentials: str) -> bool:
    """Whether credentials are valid for one request only."""
    return credentials[:7].lower() == "digest "


def _origin_of(referer: bytes, kind: type[URL]) -> bytes:
    """The origin of a Referer: another origin must not see the path or the query."""
    try:
        url = plain(kind(referer.decode("latin-1")))
        shown = f"{origin(url)}/" if url.scheme in ("http", "https") and url.host else ""
    except several(ANY.InvalidURL, ValueError):
        return b""
    return shown.encode("ascii")


def plainly(base: URL, location: str) -> URL | None:
    """The target of a Location that is a plain path or URL; None where it has to be parsed."""
    found = _PLAIN.fullmatch(location) if len(location) < _LONG else None
    if found is None or base.fragment or ("%" in location and _NOT_ENCODED.search(location)):
        return None
    scheme, host, port, path, query = found.groups()
    if scheme is None:
        return url_of_parts(base, path, query)
    number = None if port is None else int(port)
    if "xn--" in host or (number or 0) > _LAST_PORT:
        return None
    return url_of_parts(
        base, path, query, (scheme, host, None if number == _USUAL[scheme] else number)
    )


def is_relative(location: URL | str) -> bool:
    """Whether a Location has no host, so that it is relative to the request."""
    text = str(location)
    if text[:1] == "/":
        return text[:2] != "//"
    return _NAMES_A_HOST.match(text) is None


def _connectable(url: URL) -> bool:
    """Whether a socket accepts the host and port; for some it raises unusual exceptions."""
    labels = url.raw_host.removesuffix(b".").split(b".")
    sized = ":" in url.host or all(0 < len(label) < 64 for label in labels)
    return sized and "%" not in url.host and (url.port is None or 0 < url.port < 65536)
