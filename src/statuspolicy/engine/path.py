"""The path of an exchange through its hops, and the next request, as the guard permits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy._value import Record
from statuspolicy.message.remade import FACTORY
from statuspolicy.wire.context import PINS

if TYPE_CHECKING:
    from httpx import URL, Request

    from statuspolicy.policy.limits import Limits

# The method, the target and the other parts that identify a request.
Identity: TypeAlias = "tuple[Any, ...]"
# Extensions of a request that need more than a plain send: its addresses, the source of its body.
ELSEWHERE = frozenset({PINS, FACTORY})


class Path(Record):
    """The hops of an exchange so far.

    home: the URL that the caller requested; credentials are sent to its origin alone.
    states: the identities of the requests, up to the last hop.
    sent: the request of the last hop.
    target: the target of the last hop; a repeat has the same.
    abroad: whether it ever left the first origin: then credentials are never sent again.
    holes: how many hops in a row had a Location that contains the whole URI before it.
    cookies: the pairs of the caller's own Cookie field.
    """

    home: URL
    states: tuple[Identity, ...] = ()
    abroad: bool = False
    holes: int = 0
    cookies: tuple[str, ...] = ()
    sent: Request | None = None
    target: str = ""


class Permit(Record):
    """The request that may be sent, and the path with it.

    costs: whether it takes a token from the origin's retry budget.
    tokens: how many tokens are left after that.
    """

    request: Request
    path: Path
    is_hop: bool
    costs: bool = False
    tokens: float | None = None


def drops_credentials(limits: Limits, abroad: bool) -> bool:
    """Whether credentials are dropped ("stop" allows no hop abroad, but side requests)."""
    return abroad and limits.cross_origin != "keep"


def gives_back(status: int | None) -> bool:
    """Whether a response gives back the token that its repeat took from the retry budget."""
    return status is not None and status < 500 and status != 429
