"""`FastPath`: the effect of a duty as plain values, so that no Exchange and verdict is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

DutyT = TypeVar("DutyT")


class FastPath(NamedTuple):
    """The effect of a duty on each response that needs nothing else.

    of: the duty itself. (A wrapper that copies its attributes is another duty.)
    repeats: whether it repeats the request, after the time that the server names. Else it follows
        `Location`.
    attempts: how often one request is sent; None for `Limits.attempts`.
    untold: whether it repeats also if the server names no time, at once.
    cools: the codes whose time to wait is a cooldown of the origin too.
    bodiless: whether it drops the request's body when it follows, and goes on with GET or HEAD.
    to_get: the methods with which it does so in any case, and goes on with GET.
    confirms: whether it wants a confirmation for all methods but GET and HEAD. (None does where the
        application has no `confirm`, if that isn't said.)
    """

    of: Any
    repeats: bool = False
    attempts: int | None = None
    untold: bool = False
    cools: frozenset[int] = frozenset()
    bodiless: bool = False
    to_get: frozenset[str] = frozenset()
    confirms: bool = False


def follows(
    *, bodiless: bool = False, to_get: Iterable[str] = (), confirms: bool = False
) -> Callable[[DutyT], DutyT]:
    """Mark a duty that follows each redirect, as `FastPath` says."""

    def mark(duty: DutyT) -> DutyT:
        marked: Any = duty
        marked.fast_path = FastPath(
            duty, bodiless=bodiless, to_get=frozenset(to_get), confirms=confirms
        )
        return duty

    return mark
