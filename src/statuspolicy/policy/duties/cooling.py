"""Duties that start a cooldown: 421 by the older specifications, and `breaker` for any duty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from statuspolicy.memory.cooldowns import Cool
from statuspolicy.policy.awaitable import then
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import Duty, makes_duty, surface
from statuspolicy.policy.verdicts import Again, Refuse, Settle, Verdict
from statuspolicy.printable import given, quoted


def too_many_connections(exchange: Exchange) -> Verdict:
    """421 as older lists of the codes have it: too many connections from this address."""
    seconds = 1.0 if exchange.told is None else exchange.told
    cool = Cool(seconds, probe=True) if seconds <= exchange.limits.retry_after else None
    return Settle("too many connections from this address", cool=cool)


@makes_duty
def breaker(
    duty: Duty = surface, *, failures: int = 5, seconds: float = 30.0
) -> Callable[[Exchange], Verdict | Awaitable[Verdict]]:
    """A circuit breaker: a duty that stops requests to an origin that fails again and again.

    It does the same as `duty`, and counts. After `failures` in a row, requests to the origin raise
    `CoolingDown` at once, for `seconds`. Then one request at a time probes the origin, until one
    gets a response of another row.

    duty: the duty for each of the failures.
    failures: how many answers in a row, of rows with this duty, open the circuit breaker.
    seconds: how long no request is sent to the origin.

    As in `STANDARD | {"5xx": breaker(), ConnectError: breaker(retry())}`.

    Raises TypeError or ValueError for an argument with another type or value.
    """
    return _Breaker(duty, failures, seconds)


class _Breaker:
    def __init__(self, duty: Duty, failures: int, seconds: float) -> None:
        if not callable(duty) or isinstance(duty, type):
            raise TypeError(f"breaker({given(duty)}): write a duty, such as breaker(retry()).")
        if type(failures) is not int or failures < 1:
            raise ValueError(f"breaker(failures={failures!r}): write a whole number, 1 or more.")
        if type(seconds) not in (int, float) or not seconds > 0:
            raise ValueError(f"breaker(seconds={seconds!r}): write a number of seconds above 0.")
        self._duty = duty
        self._cool = Cool(float(seconds), failures, probe=True, refuse=True)

    def __call__(self, exchange: Exchange) -> Verdict | Awaitable[Verdict]:
        verdict: Verdict | Awaitable[Verdict] = then(
            self._duty(exchange), lambda verdict: _counted(verdict, self._cool)
        )
        return verdict

    def __repr__(self) -> str:
        return f"breaker({getattr(self._duty, '__name__', None) or quoted(self._duty)})"


def _counted(verdict: Verdict, cool: Cool) -> Verdict:
    if isinstance(verdict, (Settle, Again, Refuse)):
        own = verdict.cool
        return verdict._replace(cool=cool._replace(told=own.seconds) if own else cool)
    return verdict
