"""Duties for 301, 308 and 410 that call a hook (RFC 9110 §15.4.2, §15.5.11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from statuspolicy.policy.awaitable import then
from statuspolicy.policy.duties import redirect
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import Duty, makes_duty
from statuspolicy.policy.verdicts import Follow, Settle, Verdict
from statuspolicy.printable import given

if TYPE_CHECKING:
    from httpx import Request, Response


@makes_duty
def moved(
    on_moved: Callable[[Request, Request], object], duty: Duty | None = None
) -> Callable[[Exchange], Verdict | Awaitable[Verdict]]:
    """A duty for 301 and 308 that follows, and calls a hook, so that links can be updated.

    on_moved: called with the request and the next one, once the guard has permitted it; may be a
        coroutine function in async clients.
    duty: the duty that decides; None for that of STANDARD. `STRICT | {301: moved(f, STRICT[301])}`.

    Raises TypeError for an object that can't be called.
    """
    _callable("moved", on_moved)
    return _Moved(on_moved, duty)


@makes_duty
def gone(on_gone: Callable[[Request, Response], object]) -> Callable[[Exchange], Verdict]:
    """A duty for 410 that calls a hook, so that links can be removed.

    on_gone: called with the request and the response before that is handed over; may be a
        coroutine function in async clients.

    Raises TypeError for an object that can't be called.
    """
    _callable("gone", on_gone)
    return _Gone(on_gone)


class _Moved:
    def __init__(self, on_moved: Callable[[Request, Request], object], duty: Duty | None) -> None:
        self._hook = on_moved
        self._duty = duty

    def __repr__(self) -> str:
        return "moved"

    def __call__(self, exchange: Exchange) -> Verdict | Awaitable[Verdict]:
        standard = redirect.same_method if exchange.status in (307, 308) else redirect.moved
        permanent = exchange.status in (301, 308)
        decided: Verdict | Awaitable[Verdict] = then(
            (self._duty or standard)(exchange),
            lambda verdict: (
                verdict._replace(tell=self._hook)
                if isinstance(verdict, Follow) and permanent
                else verdict
            ),
        )
        return decided


class _Gone:
    def __init__(self, on_gone: Callable[[Request, Response], object]) -> None:
        self._hook = on_gone

    def __repr__(self) -> str:
        return "gone"

    def __call__(self, _: Exchange) -> Verdict:
        return Settle(tell=self._hook)


def _callable(name: str, call: object) -> None:
    if not callable(call) or isinstance(call, type):
        raise TypeError(f"{name}({given(call)}): write a callable.")
