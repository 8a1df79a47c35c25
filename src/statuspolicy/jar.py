"""Cookies between the requests of one exchange: in (extract) and out (dress)."""

from __future__ import annotations

from statuspolicy._lib import ByteStream, Cookies, Request, Response


def pairs(header: str | None) -> list[str]:
    """The `name=value` pairs of a Cookie field."""
    return [pair for part in (header or "").split(";") if (pair := part.strip())]


def given(cookies: Cookies, request: Request) -> list[str]:
    """The pairs that the jar holds for a request."""
    if not cookies.jar:
        return []
    bare = Request(request.method, request.url, stream=ByteStream(b""))
    cookies.set_cookie_header(bare)
    return pairs(bare.headers.get("cookie"))


def own(cookies: Cookies | None, request: Request) -> tuple[str, ...]:
    """The pairs of a request's Cookie field that its caller wrote, not the jar.

    To be asked before the jar takes in the response to that request.
    """
    written = pairs(request.headers.get("cookie"))
    from_jar = given(cookies, request) if written and cookies is not None else []
    return tuple(pair for pair in written if pair not in from_jar)


def extract(cookies: Cookies, response: Response, request: Request) -> None:
    """Take a response's Set-Cookie in, under the host that sent it.

    Not those of a 511: a captive portal is not the origin (RFC 6585 §6).
    """
    if response.status_code != 511:
        response.request = request
        cookies.extract_cookies(response)


def dress(cookies: Cookies, request: Request, own_pairs: tuple[str, ...]) -> str:
    """The Cookie field for a request: the jar's, then the caller's own."""
    from_jar = given(cookies, request)
    names = {pair.partition("=")[0] for pair in from_jar}
    # A cookie that a server has set anew takes the place of the caller's old value.
    kept = [pair for pair in own_pairs if pair.partition("=")[0] not in names]
    return "; ".join(from_jar + kept)
