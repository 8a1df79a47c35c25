"""Cooldowns (docs/rules.md#cooldown): a response starts one, and the next requests wait for it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, TypeAlias

from statuspolicy.engine.effects import Wait
from statuspolicy.engine.events import Wait as Waiting
from statuspolicy.engine.state import ExchangeState, Flow
from statuspolicy.message import redirected
from statuspolicy.message.errors import CoolingDown
from statuspolicy.message.steps import COOLING, Step
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Again, Aside, Follow, Refuse, Settle, Use, Verdict

if TYPE_CHECKING:
    from httpx import Request

Decided: TypeAlias = Settle | Follow | Again | Use | Refuse


def noted(state: ExchangeState, exchange: Exchange, verdict: Verdict) -> bool:
    """Note a response in the memory of its origin; returns whether a cooldown begins."""
    memory, clock = state.config.memory, state.config.clock
    cool = verdict.cool if isinstance(verdict, (Settle, Again, Aside, Refuse)) else None
    if cool is not None:
        return memory.cool(redirected.origin(exchange.request.url), cool, clock.monotonic())
    if memory.cooling and exchange.response is not None:
        memory.warm(redirected.origin(exchange.request.url), clock.monotonic())
    return False


def heeded(state: ExchangeState, exchange: Exchange, verdict: Decided) -> Decided:
    """The verdict of a repeat, with the wait of its origin's cooldown.

    The exchange whose response started the cooldown waits as long as the server asked; all others
    wait longer, and not all for the same time.
    """
    begins = noted(state, exchange, verdict)
    if not isinstance(verdict, Again) or not state.config.memory.cooling:
        return verdict
    origin, limits = redirected.origin(exchange.request.url), exchange.limits
    if begins and not state.config.memory.is_watched(origin):
        return verdict
    if redirected.origin(verdict.request.url) != origin:
        return verdict  # it goes to another origin, whose cooldown counts there
    met = state.approach(origin)
    if met is None:
        return verdict
    if met.refuse:
        return Settle(f"no request to {origin} for {met.least:.3g} s")
    if begins or met.seconds <= verdict.after or limits.cooling == "send":
        return verdict
    if limits.cooling == "raise" and met.least > verdict.after:
        return Settle(f"{origin} is cooling down for {met.least:.3g} s more")
    now = state.as_of_now(exchange)
    room = min(limits.retry_after, limits.deadline - now.elapsed, now.left)
    # If the limits allow no such wait, the guard refuses it.
    after = max(verdict.after, met.within(room) or met.least)
    return verdict._replace(after=after, why=f"{verdict.why}; {origin} is cooling down")


def held_back(state: ExchangeState, request: Request) -> Flow[CoolingDown | None]:
    """Wait before the first send of a request to a cooling origin; the error if it is refused.

    How long it waits, and what happens then: docs/rules.md#cooldown.
    """
    limits = state.config.limits
    since = state.now() if state.first_response_time is None else state.first_response_time
    while state.config.memory.cooling:
        origin = redirected.origin(request.url)
        met = state.approach(origin)
        if met is None:
            return None
        if met.refuse or limits.cooling == "raise":
            cause = "it failed too often" if met.refuse else "it asked to wait"
            why = f"no request to {origin} for {met.least:.3g} s more: {cause}"
            _note(state, request, "refuse", 0.0, why)
            return CoolingDown(f"{why}.", request=request, seconds=met.least)
        now = state.now()
        room = since + limits.deadline - now
        left = inf if state.until is None else state.until - now
        seconds = met.within(min(room, left))
        if limits.cooling == "send" or met.least > limits.retry_after:
            return None
        if seconds is None or seconds >= left:
            return None
        _note(state, request, "wait", seconds, f"{origin} is cooling down")
        state.tell(Waiting, seconds, request)
        state.earliest = now + seconds
        yield Wait(seconds)
    return None


def _note(state: ExchangeState, request: Request, verdict: str, seconds: float, why: str) -> None:
    """Add a step about a request that waits for its origin to the trace."""
    step = Step(
        method=request.method,
        url=redirected.target(request.url),
        code=COOLING,
        phrase="",
        row="",
        citation="",
        verdict=verdict,
        wait=seconds,
        reason=why,
    )
    state.add(step)
