"""Redirects that go round in a circle, or into a "black hole" (RFC 9110 §15.4, §15.5.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from statuspolicy.engine.path import Identity, Path
from statuspolicy.message import body, errors, redirected
from statuspolicy.printable import PART, printable
from statuspolicy.wire.httpx_internals import lines
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Request

_OWN = (b"cookie", b"authorization")
_SHORT = 120  # characters of one URL of several


def led(path: Path, sent: Request, request: Request, leads_to: str) -> tuple[Identity, ...]:
    """What was requested until now, and the request that a hop leads to, which is the last."""
    states = path.states
    if sent is not path.sent or not isinstance(sent.stream, ANY.ByteStream):
        now = identity(sent, path.target or redirected.target(sent.url))
        states = states if now in states else (*states, now)
    return (*states, identity(request, leads_to))


def redirect_loop(states: tuple[Identity, ...], sent: Request) -> errors.RedirectLoop:
    """The error that says that the last of these requests was sent before."""
    way = [printable(known[1], _SHORT) for known in states]
    return errors.RedirectLoop(
        f"Redirect loop: {' → '.join(way)}, "
        f"which was already sent as {states[-1][0]} with the same body, cookies and credentials.",
        request=sent,
    )


def identity(request: Request, target: str) -> Identity:
    """The identity of a request (with the URL alone, logins and cookie walls would not work)."""
    known = body.known(request)
    return (
        request.method,
        target,
        id(request.stream) if known is None else known,
        *[value for _, name, value in lines(request.headers) if name in _OWN],
    )


def holes_of(sent: Request, before: int, came_from: str, leads_to: str) -> int:
    """Count the hops of a redirection "black hole".

    RFC 9110 §15.5.15: "a redirected URI prefix that points to a suffix of itself". One or two
    nested URIs are usual in sign-in redirects.
    """
    nested = came_from in leads_to[1:]
    if not nested and "%3a%2f%2f" in (lower := leads_to.lower()):
        nested = quote(came_from, safe="").lower() in lower
    holes = before + 1 if nested else 0
    if holes >= 3:
        raise errors.RedirectBlackHole(
            f"The third redirect in a row puts the whole URI that it came from "
            f"({printable(came_from, PART)}) into its Location: the URI would grow without end.",
            request=sent,
        )
    return holes
