"""Methods that one thread at a time is in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class _Locked(Protocol):
    _lock: Lock


SelfT = TypeVar("SelfT", bound=_Locked)
P = ParamSpec("P")
T = TypeVar("T")


def alone(method: Callable[Concatenate[SelfT, P], T]) -> Callable[Concatenate[SelfT, P], T]:
    """A method that is called while nobody else has the object's `_lock`."""

    @wraps(method)
    def locked(self: SelfT, /, *args: P.args, **options: P.kwargs) -> T:
        # On one line: an exception that is raised between a `with`'s last line and its end, as
        # by a debugger, would leave it locked.
        with self._lock: return method(self, *args, **options)  # fmt: skip  # noqa: E701

    return locked
