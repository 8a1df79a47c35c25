"""The duties for 409, 412, 423, 449 and 510: the application gives the next request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy.message import body
from statuspolicy.policy import verdicts
from statuspolicy.policy.awaitable import then
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import makes_duty
from statuspolicy.policy.verdicts import Again, Inspect, Settle, Verdict
from statuspolicy.printable import given
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Request

Resolver: TypeAlias = Callable[
    [Exchange], "Request | Verdict | Awaitable[Request | Verdict | None] | None"
]


@makes_duty
def resolve(resolver: Resolver, *, even_if_acted_on: bool = False) -> Callable[[Exchange], Verdict]:
    """A duty for 409, 412 and 423: the application resolves the conflict with another request.

    resolver: a callable that takes the exchange, whose `body` was read. It returns the request to
        send, None to hand the response over, or a verdict, such as an `Aside` that fetches the
        current state and decides with it. It may be a coroutine function in async clients.
    even_if_acted_on: whether to send its request even if the server may have acted on an earlier
        send of the first one (`exchange.maybe_acted_on`): the conflict may come from that success,
        and a change such as "add one" would be made twice. A verdict is used in any case.

    It is called again if its request gets such a response too, up to `Limits.attempts`. After a
    412 its request has to have a condition again (RFC 9110 §15.5.13).

    Raises TypeError for an object that can't be called.
    """
    if not isinstance(even_if_acted_on, bool):
        raise TypeError(f"resolve(even_if_acted_on={even_if_acted_on!r}): write True or False.")
    return _Resolved("resolve", resolver, careful=not even_if_acted_on)


@makes_duty
def extend(extension: Resolver) -> Callable[[Exchange], Verdict]:
    """A duty for 510: the application adds the extension that the server asks for, once.

    extension: as the `resolver` of `resolve`; it returns the request with the extension
        (RFC 2774 §7).

    Raises TypeError for an object that can't be called.
    """
    return _Resolved("extend", extension, times=1)


@makes_duty
def perform(act: Callable[[Exchange], object]) -> Callable[[Exchange], Verdict]:
    """A duty for 449: the application does what the server asks for, and the request is repeated.

    act: a callable that takes the exchange, whose `body` was read. It returns False if it was not
        done: then the 449 is handed over. It may be a coroutine function in async clients.

    The repeat has `Ms-Echo-Reply` (MS-WDV §2.2.2). A 449 without `Ms-Echo-Request`, and a second
    449, are handed over.

    Raises TypeError for an object that can't be called.
    """
    return _Performed(act)


class _Resolved:
    def __init__(
        self, name: str, resolver: Resolver, times: int | None = None, careful: bool = False
    ) -> None:
        _callable(name, resolver)
        self._name = name
        self._resolver = resolver
        self._times = times
        self._careful = careful  # whether a change must not be made twice

    def __repr__(self) -> str:
        return self._name

    def __call__(self, exchange: Exchange) -> Verdict:
        if self._times is not None and exchange.times(exchange.code) >= self._times:
            return Settle(f"the repeat was answered {exchange.code} again")
        return Inspect(self._ask)

    def _ask(self, exchange: Exchange) -> Any:
        return then(self._resolver(exchange), partial(self._answered, exchange))

    def _answered(self, exchange: Exchange, answer: Any) -> Verdict:
        if answer is None:
            return Settle("the application gave no other request")
        if not isinstance(answer, ANY.Request):
            verdicts.check(
                answer, exchange.request, lambda: f"{self._name}({given(self._resolver)})"
            )
            verdict: Verdict = answer
            return verdict
        if self._careful and exchange.maybe_acted_on:
            return Settle("only resolve(..., even_if_acted_on=True) submits after that")
        # §15.5.13: the condition was to "prevent the request method from being applied" if it
        # does not hold.
        if exchange.status == 412 and _conditional(exchange.request) and not _conditional(answer):
            return Settle("the application's request has no condition, but the first one had")
        # The server refused the request, and the application decides to send this one.
        return Again(
            answer, exchange.told or 0.0, unacted=True, why="with the application's request"
        )


class _Performed:
    def __init__(self, act: Callable[[Exchange], object]) -> None:
        _callable("perform", act)
        self._act = act

    def __repr__(self) -> str:
        return "perform"

    def __call__(self, exchange: Exchange) -> Verdict:
        if not exchange.fields.get("ms-echo-request"):
            return Settle("the response has no Ms-Echo-Request")
        if exchange.times(449):
            return Settle("the repeat was answered 449 again")
        return Inspect(self._ask)

    def _ask(self, exchange: Exchange) -> Any:
        return then(self._act(exchange), partial(self._done, exchange))

    def _done(self, exchange: Exchange, done: object) -> Verdict:
        if done is False:
            return Settle("the application did not do what the server asks")
        request = body.copy(exchange.request)
        request.headers["Ms-Echo-Reply"] = exchange.fields.get("ms-echo-request") or ""
        return Again(request, exchange.told or 0.0, unacted=True, why="with Ms-Echo-Reply")


def _conditional(request: Request) -> bool:
    return any(name.startswith("if-") for name in request.headers)


def _callable(name: str, call: object) -> None:
    if not callable(call) or isinstance(call, type):
        raise TypeError(f"{name}({given(call)}): write a callable that takes an Exchange.")
