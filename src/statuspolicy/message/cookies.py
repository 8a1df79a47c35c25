"""Cookies of an exchange: taken from responses (extract) and set on requests (dress)."""

from __future__ import annotations

import re
import time
import urllib.request
from collections import Counter
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from statuspolicy.wire.cookiejar_internals import cookies_lock, cookies_of, is_indexed, policy_of
from statuspolicy.wire.httpx_internals import extended, field_names, lines, parts, written
from statuspolicy.wire.library import ANY, LIBRARY_OF, Library, remember, several

if TYPE_CHECKING:
    from httpx import URL, Cookies, Headers, Request, Response

_SETTING = frozenset({b"set-cookie", b"set-cookie2"})
_EXTRACT, _MAKE = CookieJar.extract_cookies, CookieJar.make_cookies
# The attributes of a jar's default policy.
_USUAL = vars(DefaultCookiePolicy())
# A path that a jar uses unchanged, without quoting.
_PLAIN_PATH = re.compile(r"[\w.~!$&'()*+,;=:@/-]*", re.ASCII)


@cache
def jar_of(kind: type[Cookies]) -> type[Cookies]:
    """The cookies of a client, which read a response only if it sets a cookie.

    The library's own class reads each response, which takes a quarter of the time of a call.
    (httpx2's does as this one now.)
    """

    def extract_cookies(self: Cookies, response: Response) -> None:
        """Store the cookies that a response sets."""
        jar = type(self.jar)
        # A subclass of CookieJar may find cookies anywhere.
        usual = jar.extract_cookies is _EXTRACT and jar.make_cookies is _MAKE
        if not usual or not _SETTING.isdisjoint(field_names(response.headers)):
            kind.extract_cookies(self, response)

    # Its only base is the library's: Python lets a client's cookies be of no other class.
    own = {"extract_cookies": extract_cookies, "__module__": __name__, "_plain": kind}
    return type("Jar", (kind,), own)


def hasten(cookies: Any) -> None:
    """Make a client's cookies a `Jar`, unless they have another class."""
    if type(cookies) in several(ANY.Cookies):
        kind: Any = type(cookies)
        cookies.__class__ = jar_of(kind)


def undo(cookies: Any) -> None:
    """Undo `hasten`: give a client's cookies their own class back."""
    plain = vars(type(cookies)).get("_plain")
    if plain is not None:
        cookies.__class__ = plain


def pairs(header: str | None) -> list[str]:
    """The `name=value` pairs of a Cookie field."""
    return [pair for part in (header or "").split(";") if (pair := part.strip())]


def holds_any(cookies: Cookies | None) -> bool:
    """Whether there is a cookie in a jar."""
    return cookies is not None and any(True for _ in cookies.jar)


def pairs_for(cookies: Cookies, request: Request) -> list[str]:
    """The pairs of the jar's cookies for a request, without two kinds that a jar sends too widely.

    Cookies without a domain, as from `Client(cookies={...})`: a jar sends these to every host, so
    they count as the caller's own, like the Cookie field. And cookies that another host set for
    itself alone (RFC 6265 §5.4): a jar sends these to its subdomains too.
    """
    held = cookies.jar
    if _is_usual(held, policy_of(held)):
        # On one line: an exception between the last line and the end would leave it locked.
        with cookies_lock(held): read = _read(held, request.url)  # fmt: skip  # noqa: E701
        if read is not None:
            return read
    if not holds_any(cookies):
        return []
    found = _pairs_of(held, request)
    host = _host(request.url)
    not_its_own = [
        cookie
        for cookie in (held if found else ())
        if not cookie.domain or not (cookie.domain_specified or cookie.domain == host)
    ]
    if not not_its_own:
        return found
    others = CookieJar(policy_of(held))
    for cookie in not_its_own:
        others.set_cookie(cookie)
    return [*(Counter(found) - Counter(_pairs_of(others, request))).elements()]


def _is_usual(held: CookieJar, policy: Any) -> bool:
    """Whether a jar has the standard library's class, or httpx2's, and the default policy."""
    kind = type(held)
    if not (kind is CookieJar or is_indexed(kind)) or type(policy) is not DefaultCookiePolicy:
        return False
    said = vars(policy)
    return said == _USUAL or said | _USUAL == said  # (it notes the time too, once it was asked)


def _read(held: CookieJar, url: URL) -> list[str] | None:
    """As `pairs_for`, read from the fields of a usual jar; None where that is not enough.

    A call of the jar takes 40 µs, mostly since it parses the URL once more.
    """
    scheme, place, path = parts(url)
    if ":" in place:
        place, _, port = place.partition(":")
        if not port.isdigit():  # then it is an IPv6 address
            return None
    if not _PLAIN_PATH.fullmatch(path):
        return None
    host, path, now = _named(place), path or "/", time.time()
    found, others, dotted = [], set(), f".{host}"
    domains = set()
    for domain, by_path in cookies_of(held).items():
        if not dotted.endswith(domain if domain[:1] in ("", ".") else f".{domain}"):
            continue
        for above, by_name in by_path.items():
            if not path.startswith(above):
                continue
            if path != above and above[-1:] != "/" and path[len(above)] != "/":
                continue
            for cookie in by_name.values():
                expires = cookie.expires
                if cookie.version != 0 or cookie.port or (expires is not None and expires <= now):
                    return None
                if cookie.secure and scheme != "https":
                    continue
                name, value = cookie.name, cookie.value
                pair = (name if value is None else f"{name}={value}").strip()
                if not pair or ";" in pair:
                    return None
                if domain and (cookie.domain_specified or domain == host):
                    found.append((-len(above), pair))
                    domains.add(domain)
                else:
                    others.add(pair)
    if len(domains) > 1 and type(held) is not CookieJar:
        return None  # httpx2's goes through them in another order
    found.sort(key=_depth)
    said = [pair for _, pair in found]
    # Of two equal pairs, one may be the caller's own: then the jar has to decide.
    return said if len({*said} | others) == len(said) + len(others) else None


def _depth(found: tuple[int, str]) -> int:
    return found[0]


def _pairs_of(held: CookieJar, request: Request) -> list[str]:
    # By the standard library: the HTTP library would raise for a cookie that isn't ASCII.
    asking = urllib.request.Request(str(_plain(request.url)))  # noqa: S310 - nothing is opened
    held.add_cookie_header(asking)
    return pairs(asking.get_header("Cookie"))


def _host(url: URL) -> str:
    """The host of a URL, as a jar writes it."""
    host = url.raw_host.decode("ascii")
    return _named(f"[{host}]" if ":" in host else host)


def _named(host: str) -> str:
    return host if "." in host else f"{host}.local"


def own(cookies: Cookies | None, request: Request) -> tuple[str, ...]:
    """The pairs of a Cookie field that the caller wrote, not the jar.

    To be called before the jar gets the response to that request.
    """
    for _, name, _ in lines(request.headers):
        if name == b"cookie":
            from_jar = pairs_for(cookies, request) if cookies is not None else []
            sent = pairs(request.headers["cookie"])
            return tuple(pair for pair in sent if pair not in from_jar)
    return ()


def extract(cookies: Cookies, response: Response, request: Request) -> None:
    """Store the cookies of a response, under the host that sent it.

    Not those of a 511: a captive portal is not the origin (RFC 6585 §6).
    """
    if response.status_code == 511:
        return
    held = cookies.jar
    said = [line for line in lines(response.headers) if line[1] in _SETTING]
    library = LIBRARY_OF[type(request)]
    readable = type(response.headers) is library.Headers and all(
        value.isascii() for *_, value in said
    )
    plain = library.Cookies
    if readable and type(cookies) in (plain, jar_of(plain)) and _is_usual(held, policy_of(held)):
        held.extract_cookies(_Answer(said), _Asking(request.url))  # type: ignore[arg-type]
    else:
        response.request = library.Request(request.method, _plain(request.url))
        cookies.extract_cookies(response)


class _Answer:
    """The parts of a response that `http.cookiejar` reads, as it documents."""

    def __init__(self, said: list[tuple[bytes, bytes, bytes]]) -> None:
        self._said = said

    def info(self) -> _Answer:
        return self

    def get_all(self, name: str, _default: object) -> list[str]:
        key = name.lower().encode("ascii")
        return [value.decode("ascii") for _, line, value in self._said if line == key]


class _Asking:
    """The parts of a request that `http.cookiejar` reads, as it documents; faster than httpx's."""

    unverifiable = False

    def __init__(self, url: URL) -> None:
        scheme, place, path = parts(url)
        self.host = self.origin_req_host = place
        self._url = f"{scheme}://{place}{path}"

    def get_full_url(self) -> str:
        return self._url


def _plain(url: URL) -> URL:
    # A jar would take userinfo for a part of the host.
    return url.copy_with(userinfo=b"") if url.userinfo else url


def dress(cookies: Cookies | None, request: Request, own_pairs: tuple[str, ...]) -> None:
    """Write the Cookie field: the jar's cookies for the URL, then the caller's own."""
    from_jar = [] if cookies is None else pairs_for(cookies, request)
    names = {pair.partition("=")[0] for pair in from_jar}
    # A cookie from a server replaces the caller's old value.
    kept = [pair for pair in own_pairs if pair.partition("=")[0] not in names]
    field, there = "; ".join(from_jar + kept), lines(request.headers)
    raw = [(name, value) for name, key, value in there if key != b"cookie"]
    if field or len(raw) < len(there):
        raw += [(b"Cookie", _encode(field))] if field else []
        request.headers = written(LIBRARY_OF[type(request)], raw)


def _encode(field: str) -> bytes:
    try:
        return field.encode("latin-1")
    except UnicodeEncodeError:
        return field.encode("utf-8")


@cache
def _cookieless(library: Library) -> type[Headers]:
    """The class of a header section with Set-Cookie fields that no jar stores, such as a 511's.

    A client's jar reads `multi_items()`; the fields are still there for everything else.
    """
    plain = library.Headers

    def multi_items(self: Headers) -> list[tuple[str, str]]:
        return [item for item in plain.multi_items(self) if item[0].lower() != "set-cookie"]

    def reduce(self: Headers) -> tuple[Any, ...]:
        return without_cookies, (extended(self),)

    own = {"multi_items": multi_items, "__reduce__": reduce, "__module__": __name__}
    kind = type("Headers", (plain,), own)
    remember(kind, library)
    return kind


def without_cookies(headers: Headers) -> Headers:
    """A copy of a header section with Set-Cookie fields that no jar stores."""
    return _cookieless(LIBRARY_OF[type(headers)])(headers)
