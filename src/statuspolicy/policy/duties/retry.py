"""`retry`: wait, and repeat the request.

It waits as long as the server asks (RFC 9110 §10.2.3), else with a backoff of tenacity. Whether a
POST may be repeated is decided in `policy/repeatable.py`, and enforced by the guard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statuspolicy._value import Value, lazy
from statuspolicy.memory.cooldowns import Cool
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.fast_path import FastPath
from statuspolicy.policy.repeatable import not_repeatable
from statuspolicy.policy.verdicts import Again, Settle, Verdict
from statuspolicy.wire.library import LIBRARY_OF

if TYPE_CHECKING:
    from tenacity import RetryCallState

# docs/rules.md#cooldown: only with these two, and only for a wait within `Limits.retry_after`.
_COOLS = frozenset({429, 503})


class retry(Value):  # noqa: N801 - it stands in tables as a duty does: {503: retry(attempts=6)}
    """A duty that waits and repeats the request.

    attempts: how often one request is sent, the first send included; None for `Limits.attempts`.
    times: how often one request is repeated for this code; None for no limit.
    wait: seconds, or a tenacity wait, if the server names no time; None for exponential backoff
        with full jitter, from 0.5 s to 20 s.
    stop: a tenacity stop.
    unsafe: True repeats any method, even if the server may have acted on the request; False only
        idempotent methods; None also others, if the response shows that it did not act.
    told: whether to repeat only if the server names a time.
    fresh: whether to use another connection.

    Raises TypeError or ValueError for an argument with another type or value.
    """

    __module__ = "statuspolicy"

    attempts: int | None = None
    times: int | None = None
    wait: float | Callable[[RetryCallState], float] | None = None
    stop: Callable[[RetryCallState], bool] | None = None
    unsafe: bool | None = None
    told: bool = False
    fresh: bool = False

    def check(self) -> None:
        for name in ("attempts", "times"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 1):
                raise ValueError(f"retry({name}={number!r}): write a whole number, 1 or more.")
        for name in ("unsafe", "told", "fresh"):
            flag = getattr(self, name)
            if not isinstance(flag, bool) and not (name == "unsafe" and flag is None):
                raise TypeError(f"retry({name}={flag!r}): write True or False.")
        for name in ("wait", "stop"):
            if isinstance(kind := getattr(self, name), type):
                raise TypeError(
                    f"retry({name}={kind.__name__}) is a class: call it, {kind.__name__}(...)."
                )
        if isinstance(self.wait, (int, float)) and not self.wait >= 0:
            raise ValueError(f"retry(wait={self.wait!r}): write a number of seconds, 0 or more.")
        if not (self.wait is None or isinstance(self.wait, (int, float)) or callable(self.wait)):
            raise TypeError(
                f"retry(wait={self.wait!r}): write seconds or a tenacity wait, "
                "such as tenacity.wait_exponential_jitter()."
            )
        if self.stop is not None and not callable(self.stop):
            raise TypeError(
                f"retry(stop={self.stop!r}): write a tenacity stop, "
                "such as tenacity.stop_after_delay(30), or attempts=5."
            )

    def __call__(self, exchange: Exchange) -> Verdict:
        """Wait as the server asks, else with backoff, and repeat; the origin cools down as long."""
        verdict = self._decided(exchange)
        told = exchange.told if exchange.status in _COOLS else None
        if told and told <= exchange.limits.retry_after:
            return verdict._replace(cool=Cool(told))
        return verdict

    @lazy
    def fast_path(self) -> FastPath | None:
        """Its fast path: a repeat, at once or after a time that the server names; None for none."""
        if type(self) is not retry or self.times or self.stop or self.fresh:
            return None
        untold = self.wait is not None and self.wait == 0 and not self.told
        return FastPath(self, True, self.attempts, untold, _COOLS)

    def _decided(self, exchange: Exchange) -> Settle | Again:
        told = exchange.told
        if told is None and self.told:
            return Settle("the server names no time to wait")
        if self.times is not None and exchange.times(exchange.code) >= self.times:
            return Settle(f"the request was already repeated for {exchange.code}")
        if exchange.status == 421 and not exchange.can_renew:
            return Settle(
                "the server asks for another connection: over HTTP/2 only fresh=... makes one"
            )
        unacted = exchange.unacted if self.unsafe is None else self.unsafe
        if why := not_repeatable(exchange, unacted):
            return Settle(why)
        after, why = told, "the server asks to wait"
        if after is None:
            after, why = self._backoff(exchange), "with backoff"
        if self.stop is not None and self.stop(_tenacity(exchange, after)):
            return Settle("stop= ends the repeats")
        if not after:
            why = "at once, on another connection" if self.fresh else "at once"
        return Again(exchange.request, after, unacted, self.fresh, why, self.attempts)

    def _backoff(self, exchange: Exchange) -> float:
        if isinstance(self.wait, (int, float)):
            return self.wait
        wait = self.wait
        if wait is None:
            from tenacity import wait_random_exponential

            wait = wait_random_exponential(multiplier=0.5, max=20)
        return float(wait(_tenacity(exchange, 0.0)))


def _tenacity(exchange: Exchange, upcoming: float) -> RetryCallState:
    """The state that waits and stops of tenacity read."""
    from tenacity import Future, RetryCallState

    nothing: Any = None
    state = RetryCallState(nothing, None, (), {})
    outcome: Any = Future(exchange.attempt)
    if exchange.response is None:
        outcome.set_exception(exchange.error)
    else:
        outcome.set_result(exchange.response)
        # A wait by exception needs one for a status code too; others use the result.
        failed = LIBRARY_OF[type(exchange.response)].HTTPStatusError(
            f"{exchange.code}", request=exchange.request, response=exchange.response
        )
        outcome.exception = lambda *_: failed
    state.outcome = outcome
    state.attempt_number = exchange.attempt
    state.idle_for = sum(step.wait for step in exchange.steps)
    state.start_time, state.outcome_timestamp = 0.0, exchange.elapsed
    state.upcoming_sleep = upcoming
    return state
