"""`FastPath`: the effect of a duty as plain values, so that no Exchange and verdict is made."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

DutyT = TypeVar("DutyT")


class FastPath(NamedTuple):
    """The effect of a duty on each response that needs nothing else.

    of: the duty itself. (A wrapper that copies its attributes is another duty.)
    repeats: whether it repeats the request, after the time that the server names. Else it follows
        `Location` with GET or HEAD, without a confirmation.
    attempts: how often one request is sent; None for `Limits.attempts`.
    untold: whether it repeats also if the server names no time, at once.
    cools: the codes whose time to wait is a cooldown of the origin too.
    bodiless: whether it drops the request's body when it follows.
    """

    of: Any
    repeats: bool = False
    attempts: int | None = None
    untold: bool = False
    cools: frozenset[int] = frozenset()
    bodiless: bool = False


def leads(duty: DutyT) -> DutyT:
    """Mark a duty that follows each redirect of a GET or HEAD."""
    marked: Any = duty
    marked.fast_path = FastPath(duty)
    return duty


def leads_bodiless(duty: DutyT) -> DutyT:
    """Mark a duty that does so, and drops the body of the request."""
    marked: Any = duty
    marked.fast_path = FastPath(duty, bodiless=True)
    return duty
