"""What a duty may answer. Small values: the engine acts on them, once the guard agrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy._value import Record
from statuspolicy.cooldown import Cool
from statuspolicy.printable import given, quoted

from ._lib import URL, AsyncBaseTransport, BaseTransport, Request, Response

if TYPE_CHECKING:
    from statuspolicy.locks import Turn


class Settle(Record):
    """Hand this response over (or raise this failure).

    why: the reason, for the trace.
    tell: called with the request and the response before they are handed over.
    empty: what follows the header section is no body: close it unread, hand over none.
    resume: a body that breaks while it is read goes on with what a Range request brings.
    cool: how the origin is to be left alone from now on.
    """

    why: str = ""
    tell: Callable[[Request, Response], object] | None = None
    empty: bool = False
    resume: bool = False
    cool: Cool | None = None


class Follow(Record):
    """Go there. The guard builds the request, so no duty can carry a secret along.

    url: where to, relative to the request's own URL.
    method: None keeps the method and the body; "GET" or "HEAD" drop the body.
    after: seconds to wait before.
    confirm: whether the application's `confirm` has to say yes.
    remember: seconds that this move short-cuts later requests for.
    unstored: no cache stores the redirect, whatever it says of itself.
    tell: called with the request and the next one, once the guard has let it pass.
    """

    url: URL | str
    method: str | None = None
    after: float = 0.0
    confirm: bool = False
    why: str = ""
    remember: float = 0.0
    unstored: bool = False
    tell: Callable[[Request, Request], object] | None = None


class Again(Record):
    """Send this once more. Another method or URL than the last makes it a hop.

    request: the request to send; `exchange.request` for the same.
    after: seconds to wait before.
    unacted: the server did not act on the request, so any method may be repeated; after a
        failure also elsewhere.
    fresh: on another connection.
    attempts: sends of this request at most; None for `Limits.attempts`.
    cool: how the origin is to be left alone from now on; this request keeps to `after`.
    over: a transport for this one send; it is closed with what it brings.
    """

    request: Request
    after: float = 0.0
    unacted: bool = False
    fresh: bool = False
    why: str = ""
    attempts: int | None = None
    cool: Cool | None = None
    over: BaseTransport | AsyncBaseTransport | None = None


class Aside(Record):
    """Send something on the side (a token, a status monitor) and decide with its answer.

    It counts neither as an attempt nor as a hop, and passes the guard's rules for
    credentials, schemes and replay. While it is under way the response that the exchange is
    about is closed, its body kept readable; one above `Limits.drain_bytes` can't be kept, and
    is handed over in place of asking.

    request: what to send.
    then: the duty that decides; its exchange is about the answer, `exchange.main` about
        what led here. Its Settle hands the main response over, its Use another one.
    within: seconds since the first answer of the exchange that asides may take.
    times: how many there may be in a row.
    after: seconds to wait before.
    read: read the answer first, so that `then` sees its body (above `Limits.drain_bytes` it
        stays unread).
    tell: called with the request and the response that led to it, before it is sent.
    cool: how the origin that answered is to be left alone from now on.
    in_turn: whether the turn of the `Inspect` that led to it is kept meanwhile.
    """

    request: Request
    then: Callable[..., Any]
    within: float = 600.0
    times: int = 120
    after: float = 0.0
    read: bool = True
    why: str = ""
    tell: Callable[[Request, Response], object] | None = None
    cool: Cool | None = None
    in_turn: bool = False


class Inspect(Record):
    """Read this answer's body first, then decide with it (`exchange.body`).

    It is read within `Limits.drain_bytes`, and stays readable for whoever gets the response; of
    a longer one nothing is read, and `exchange.body` is None.

    then: the duty that decides.
    turn: what one exchange at a time may be at, from before `then` is asked until it is decided
        what becomes of this answer.
    """

    then: Callable[..., Any]
    turn: Turn | None = None
    why: str = ""


class Use(Record):
    """Hand over another response in this one's place."""

    response: Response
    why: str = ""


class Refuse(Record):
    """Raise this error.

    cool: how the origin is to be left alone from now on.
    """

    error: Exception
    why: str = ""
    cool: Cool | None = None


Verdict: TypeAlias = Settle | Follow | Again | Aside | Inspect | Use | Refuse
KINDS = frozenset({Settle, Follow, Again, Aside, Inspect, Use, Refuse})

_PARTS: dict[type, tuple[str, tuple[type, ...]]] = {
    Follow: ("url", (str, URL)),
    Again: ("request", (Request,)),
    Aside: ("request", (Request,)),
    Inspect: ("then", (Callable,)),  # type: ignore[dict-item]
    Use: ("response", (Response,)),
    Refuse: ("error", (Exception,)),
}


def check(answer: object, who: Callable[[], str]) -> None:
    """Raise TypeError, in one sentence that begins with `who`, where an answer is no verdict."""
    kind = type(answer)
    if kind is Settle:
        return
    if kind not in _PARTS:
        raise TypeError(
            f"{who()} returned {given(answer)}: return a Verdict, such as "
            "statuspolicy.Settle() or statuspolicy.Again(exchange.request)."
        )
    name, kinds = _PARTS[kind]
    if not isinstance(part := getattr(answer, name), kinds):
        wanted = " or ".join(f"{'an' if one is Exception else 'a'} {one.__name__}" for one in kinds)
        raise TypeError(f"{who()} returned {kind.__name__}({name}={quoted(part)}): give {wanted}.")
