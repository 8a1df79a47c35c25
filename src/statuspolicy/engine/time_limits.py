"""Why a request may not be sent: it would be too late, or after too long a wait.

Each function returns the reason in words, and "" where the request may be sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.message.steps import in_words

if TYPE_CHECKING:
    from statuspolicy.policy.exchange import Exchange
    from statuspolicy.policy.limits import Limits


def too_late(exchange: Exchange, after: float) -> str:
    """Whether the next send, after a wait of so many seconds, would break a limit of time."""
    limits = exchange.limits
    if not after >= 0:
        raise ValueError(f"The duty asks to wait {after!r} s: give a number of seconds, 0 or more.")
    if why := too_long_a_wait(limits, after) or total_is_over(exchange, after):
        return why
    if exchange.elapsed + after > limits.deadline:
        wait = (
            f"a wait of {in_words(after)} would end after"
            if after
            else "the next send would begin after"
        )
        return (
            f"{exchange.elapsed:.3g} s have passed since the first answer: {wait} "
            f"Limits.deadline={limits.deadline:g}"
        )
    return ""


def too_long_a_wait(limits: Limits, after: float) -> str:
    """Whether a wait is longer than `Limits.retry_after`.

    It is never shortened: servers block clients that come back earlier than allowed.
    """
    if after > limits.retry_after:
        return f"the wait of {in_words(after)} is above Limits.retry_after={limits.retry_after:g}"
    return ""


def total_is_over(exchange: Exchange, after: float) -> str:
    """Whether `Limits.total` would be over after a wait of so many seconds."""
    total = exchange.limits.total
    if total is not None and after >= exchange.left:
        return f"Limits.total={total:g} would be over before the next answer"
    return ""
