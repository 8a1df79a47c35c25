"""Verdicts: the values that a duty returns. The loop acts on them if the guard permits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy._value import Record
from statuspolicy.printable import given, quoted
from statuspolicy.wire.library import LIBRARY_OF, Library, meet, of_another

if TYPE_CHECKING:
    from httpx import URL, AsyncBaseTransport, BaseTransport, Request

    from statuspolicy.memory.cooldowns import Cool
    from statuspolicy.memory.locks import ExchangeLock
    from statuspolicy.message.protocols import AnyRequest, AnyResponse


class Settle(Record):
    """Hand this response over (or raise this failure).

    why: the reason, for the trace.
    tell: called with the request and the response before they are handed over.
    empty: whether the response has no body, whatever follows: it is closed unread.
    resume: whether a body that breaks while it is read is resumed with a Range request.
    cool: a cooldown of the origin that begins now.
    """

    __module__ = "statuspolicy"

    why: str = ""
    tell: Callable[[Any, Any], object] | None = None
    empty: bool = False
    resume: bool = False
    cool: Cool | None = None


class Follow(Record):
    """Follow a redirect. The guard builds the request, so that no duty can send a secret along.

    url: the target, relative to the URL of the request.
    method: None keeps the method and the body; "GET" or "HEAD" drop the body.
    after: seconds to wait before the next request.
    confirm: whether the application's `confirm` has to allow it.
    remember: seconds for which later requests to the URL go to the target at once; 0 for none.
    unstored: whether the redirect must not be stored by a cache, whatever its fields say.
    tell: called with the request and the next one, once the guard has permitted that.
    """

    __module__ = "statuspolicy"

    url: URL | str
    method: str | None = None
    after: float = 0.0
    confirm: bool = False
    why: str = ""
    remember: float = 0.0
    unstored: bool = False
    tell: Callable[[Any, Any], object] | None = None


class Again(Record):
    """Send a request once more. With another method or URL it counts as a hop.

    request: the request to send; `exchange.request` for the same.
    after: seconds to wait before it is sent.
    unacted: whether it is sure that the server did not act on the request, so that any method
        may be repeated; after a failure also at another URL.
    fresh: whether to use another connection.
    attempts: how often this request is sent at most; None for `Limits.attempts`.
    cool: a cooldown of the origin that begins now; this request waits `after` all the same.
    over: a transport for this one send; it is closed with the response.
    """

    __module__ = "statuspolicy"

    request: AnyRequest
    after: float = 0.0
    unacted: bool = False
    fresh: bool = False
    why: str = ""
    attempts: int | None = None
    cool: Cool | None = None
    over: BaseTransport | AsyncBaseTransport | None = None


class Aside(Record):
    """Send a side request (for a token, to a status monitor) and decide with its response.

    It counts neither as an attempt nor as a hop, but the guard's rules for credentials, schemes
    and bodies hold. Meanwhile the main response is closed, and its body stays readable. A body
    above `Limits.drain_bytes` can't be kept: then no side request is sent, and the main response
    is handed over.

    request: the side request.
    then: the duty that decides; its exchange has the side response, and `exchange.main` is the
        exchange before it. Its Settle hands the main response over, its Use another one.
    within: seconds since the first answer of the exchange in which side requests may be sent.
    times: how many side requests may follow each other.
    after: seconds to wait before it is sent.
    read: whether to read the side response first, so that `then` sees its body (above
        `Limits.drain_bytes` it stays unread).
    tell: called with the request and the response that led to it, before it is sent.
    cool: a cooldown of the origin that answered, which begins now.
    in_turn: whether the lock of the `Inspect` before it is kept meanwhile.
    """

    __module__ = "statuspolicy"

    request: AnyRequest
    then: Callable[..., Any]
    within: float = 600.0
    times: int = 120
    after: float = 0.0
    read: bool = True
    why: str = ""
    tell: Callable[[Any, Any], object] | None = None
    cool: Cool | None = None
    in_turn: bool = False


class Inspect(Record):
    """Read the body of the response first, then decide with it (`exchange.body`).

    The body stays readable for the caller. A body above `Limits.drain_bytes` is not read, and
    `exchange.body` is None.

    then: the duty that decides.
    turn: a lock that the exchange holds from before `then` is called until this response is
        decided about.
    """

    __module__ = "statuspolicy"

    then: Callable[..., Any]
    turn: ExchangeLock | None = None
    why: str = ""


class Use(Record):
    """Hand over another response in place of this one."""

    __module__ = "statuspolicy"

    response: AnyResponse
    why: str = ""


class Refuse(Record):
    """Raise an error.

    cool: a cooldown of the origin that begins now.
    """

    __module__ = "statuspolicy"

    error: Exception
    why: str = ""
    cool: Cool | None = None


Verdict: TypeAlias = Settle | Follow | Again | Aside | Inspect | Use | Refuse
VERDICTS = frozenset({Settle, Follow, Again, Aside, Inspect, Use, Refuse})

# The field that each verdict must have, and its types: a name is a class of the request's library.
_PARTS: dict[type, tuple[str, tuple[Any, ...]]] = {
    Follow: ("url", (str, "URL")),
    Again: ("request", ("Request",)),
    Aside: ("request", ("Request",)),
    Inspect: ("then", (Callable,)),
    Use: ("response", ("Response",)),
    Refuse: ("error", (Exception,)),
}


def check(answer: object, request: Request, who: Callable[[], str]) -> None:
    """Raise TypeError, in one sentence that begins with `who`, where a value is not a verdict.

    request: the one that the verdict is about.
    """
    kind = type(answer)
    if kind is Settle:
        return
    if kind not in _PARTS:
        raise TypeError(
            f"{who()} returned {given(answer)}: return a Verdict, such as "
            "statuspolicy.Settle() or statuspolicy.Again(exchange.request)."
        )
    name, types = _PARTS[kind]
    part, library = getattr(answer, name), LIBRARY_OF[type(request)]
    for one in types:
        if isinstance(part, getattr(library, one) if type(one) is str else one):
            if isinstance(answer, Again) and answer.over is not None:
                _check_over(answer.over, library, who)
            return
    wanted = " or ".join(map(_called, types))
    other = meet(part)
    of = "" if other is None or other is library else f" of {library}, as its request is"
    raise TypeError(f"{who()} returned {kind.__name__}({name}={quoted(part)}): give {wanted}{of}.")


def _check_over(over: object, library: Library, who: Callable[[], str]) -> None:
    other = of_another(over, library)
    if other is not None:
        raise TypeError(
            f"{who()} returned Again(over={given(over)}), which is of {other}: "
            f"give a transport of {library}, as its request is."
        )


def _called(kind: Any) -> str:
    name = kind if isinstance(kind, str) else kind.__name__
    return f"an {name}" if name == "Exception" else f"a {name}"
