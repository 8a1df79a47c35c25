"""When and where a request may not be sent: too late, after too long a wait, without TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.message.steps import in_words
from statuspolicy.printable import PART, printable
from statuspolicy.wire.httpx_internals import target

if TYPE_CHECKING:
    from httpx import URL

    from statuspolicy.policy.exchange import Exchange
    from statuspolicy.policy.limits import Limits


class No(Exception):
    """The guard refuses the request, for this reason: the response is handed over."""


def in_time(exchange: Exchange, after: float) -> None:
    """Raise No if a wait would be too long, or end too late."""
    limits = exchange.limits
    if not after >= 0:
        raise ValueError(f"The duty asks to wait {after!r} s: give a number of seconds, 0 or more.")
    no_longer_wait(limits, after)
    within_the_total(exchange, after)
    if exchange.elapsed + after > limits.deadline:
        wait = (
            f"a wait of {in_words(after)} would end after"
            if after
            else "the next send would begin after"
        )
        raise No(
            f"{exchange.elapsed:.3g} s have passed since the first answer: {wait} "
            f"Limits.deadline={limits.deadline:g}"
        )


def no_longer_wait(limits: Limits, after: float) -> None:
    # Never shortened: servers block clients that come back earlier than allowed.
    if after > limits.retry_after:
        raise No(
            f"the wait of {in_words(after)} is above Limits.retry_after={limits.retry_after:g}"
        )


def within_the_total(exchange: Exchange, after: float) -> None:
    total = exchange.limits.total
    if total is not None and after >= exchange.left:
        raise No(f"Limits.total={total:g} would be over before the next answer")


def no_downgrade(sent: URL, url: URL) -> None:
    if (sent.scheme, url.scheme) == ("https", "http"):
        raise No(f"it leads from https to http ({printable(target(url), PART)})")
