"""Cookies between the requests of one exchange: in (extract) and out (dress)."""

from __future__ import annotations

import urllib.request
from collections import Counter
from http.cookiejar import CookieJar
from typing import Any

from ._internals import names, policy_of, written
from ._lib import URL, Cookies, Request, Response

_SETTING = frozenset({b"set-cookie", b"set-cookie2"})
_EXTRACT, _MAKE = CookieJar.extract_cookies, CookieJar.make_cookies


class Jar(Cookies):
    """A client's cookies, which look into a response only where that sets any.

    To find that there are none takes the libraries a quarter of the time of a call. (httpx2's own
    cookies have learnt to do as these.)
    """

    def extract_cookies(self, response: Response) -> None:
        """Take in the cookies that a response sets."""
        kind = type(self.jar)
        # A jar of somebody's own may find cookies anywhere.
        usual = kind.extract_cookies is _EXTRACT and kind.make_cookies is _MAKE
        if not usual or not _SETTING.isdisjoint(names(response.headers)):
            super().extract_cookies(response)


def hasten(cookies: Any) -> None:
    """Make a client's cookies a `Jar`, where nobody has a class of his own for them."""
    if type(cookies) is Cookies:
        cookies.__class__ = Jar


def undo(cookies: Any) -> None:
    """Make them what they were before."""
    was: type[Cookies] = type(cookies)
    if was is Jar:
        cookies.__class__ = Cookies


def pairs(header: str | None) -> list[str]:
    """The `name=value` pairs of a Cookie field."""
    return [pair for part in (header or "").split(";") if (pair := part.strip())]


def holds_any(cookies: Cookies | None) -> bool:
    """Whether there is a cookie in a jar."""
    return cookies is not None and len(cookies.jar) > 0


def given(cookies: Cookies, request: Request) -> list[str]:
    """The pairs that the jar holds for a request's own host.

    Without those of cookies that have no domain, as `Client(cookies={...})` makes them: a jar
    gives these to every host, so they are the caller's own and go where his Cookie field goes.
    And without those that another host set for itself alone (RFC 6265 §5.4), which a jar gives
    to the hosts below it too.
    """
    if not holds_any(cookies):
        return []
    found = _asked(cookies.jar, request)
    host = _host(request.url)
    not_its_own = [
        cookie
        for cookie in (cookies.jar if found else ())
        if not cookie.domain or not (cookie.domain_specified or cookie.domain == host)
    ]
    if not not_its_own:
        return found
    others = CookieJar(policy_of(cookies.jar))
    for cookie in not_its_own:
        others.set_cookie(cookie)
    return [*(Counter(found) - Counter(_asked(others, request))).elements()]


def _asked(held: CookieJar, request: Request) -> list[str]:
    # Asked as the jar's own library asks: the HTTP library would raise for a cookie that
    # isn't ASCII.
    asking = urllib.request.Request(str(_plain(request.url)))  # noqa: S310 - nothing is opened
    held.add_cookie_header(asking)
    return pairs(asking.get_header("Cookie"))


def _host(url: URL) -> str:
    """The host of a URL, as a jar writes it."""
    host = url.raw_host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    return host if "." in host else f"{host}.local"


def own(cookies: Cookies | None, request: Request) -> tuple[str, ...]:
    """The pairs of a request's Cookie field that its caller wrote, not the jar.

    To be asked before the jar takes in the response to that request.
    """
    if "cookie" not in request.headers:
        return ()
    written = pairs(request.headers["cookie"])
    from_jar = given(cookies, request) if cookies is not None else []
    return tuple(pair for pair in written if pair not in from_jar)


def extract(cookies: Cookies, response: Response, request: Request) -> None:
    """Take a response's Set-Cookie in, under the host that sent it.

    Not those of a 511: a captive portal is not the origin (RFC 6585 §6).
    """
    if response.status_code != 511:
        response.request = Request(request.method, _plain(request.url))
        cookies.extract_cookies(response)


def _plain(url: URL) -> URL:
    # A jar takes userinfo for a part of the host.
    return url.copy_with(userinfo=b"") if url.userinfo else url


def dress(cookies: Cookies | None, request: Request, own_pairs: tuple[str, ...]) -> None:
    """Write a request's Cookie field anew: the jar's for its URL, then the caller's own."""
    from_jar = [] if cookies is None else given(cookies, request)
    names = {pair.partition("=")[0] for pair in from_jar}
    # A cookie that a server has set takes the place of the caller's old value.
    kept = [pair for pair in own_pairs if pair.partition("=")[0] not in names]
    field = "; ".join(from_jar + kept)
    if field or "cookie" in request.headers:
        raw = [(name, value) for name, value in request.headers.raw if name.lower() != b"cookie"]
        request.headers = written([*raw, (b"Cookie", _encode(field))] if field else raw)


def _encode(field: str) -> bytes:
    try:
        return field.encode("latin-1")
    except UnicodeEncodeError:
        return field.encode("utf-8")
