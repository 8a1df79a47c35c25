"""`Limits`: the bounds of an exchange. The guard enforces them, whatever a duty says."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Literal

from statuspolicy._value import Value
from statuspolicy.fields.credentials import SENSITIVE_HEADERS, is_credential


def _names(value: object) -> tuple[str, ...]:
    names = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [None]
    if not all(isinstance(name, str) for name in names):
        example = value if isinstance(value, str) else "x-my-key"
        raise TypeError(
            f"Limits(sensitive_headers={value!r}): write a tuple of names, ({example!r},), instead."
        )
    return tuple(sorted(str(name).lower() for name in names))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _at_least_zero(value: Value) -> None:
    for name, number in vars(value).items():
        usual = getattr(type(value), name)
        if isinstance(usual, (int, float)) and not (_is_number(number) and number >= 0):
            raise ValueError(
                f"{type(value).__name__}({name}={number!r}): "
                f"write a number of 0 or more, such as {usual!r}."
            )
        if isinstance(usual, int) and not isinstance(number, int) and number != inf:
            raise ValueError(
                f"{type(value).__name__}({name}={number!r}): "
                f"write a whole number, such as {usual!r}."
            )


# The allowed values of these arguments.
_WORDS = {"cooling": ("wait", "send", "raise"), "cross_origin": ("strip", "stop", "keep")}


class RetryBudget(Value):
    """A token bucket for each origin: a repeat takes a token, time brings tokens back.

    So a client makes an outage only a little worse, and then stops to repeat. A repeat that waited
    as long as the server asked takes no token. A repeat that succeeds gives its token back.

    tokens: the size of the bucket: how many repeats may follow each other.
    per_second: how many tokens are added each second.
    """

    __module__ = "statuspolicy"

    tokens: float = 20.0
    per_second: float = 0.2

    def check(self) -> None:
        _at_least_zero(self)


class Limits(Value):
    """The bounds of one exchange: all that one call of the client sends.

    redirects: how many redirects one exchange follows; the next one raises an error.
    attempts: how often one request is sent, the first send included (a hop is a new request).
        RFC 9110 §9.2.2 says that a client SHOULD NOT automatically retry a failed
        automatic retry. Four sends are a deviation: rate limits and rolling restarts
        take more than one try, and the wait between them grows.
    deadline: seconds after the first response or failure in which another send may start and a
        wait may end. It never ends the first attempt.
    total: seconds for the whole exchange: all attempts, all waits, and the reading of the body
        (then `TotalTimeout` is raised). None for no such limit.
    retry_after: the longest wait in seconds; where the server asks for more, the response is
        handed over at once.
    retry_budget: tokens for repeats, for each origin; None for no such limit.
    cooling: what happens to a request to an origin that answered 429 or 503 with a time to wait:
        "wait" as long as these limits allow (else it is sent at once), "send" it at once, or
        "raise" `CoolingDown`. A time above `retry_after` starts no cooldown.
    replay_bytes: how many bytes of a one-shot request body are kept for sending it again.
    expect_wait: seconds that the body of a request with `Expect: 100-continue` waits for a 100 or
        another response (RFC 9110 §10.1.1).
    drain_bytes, drain_seconds: how much of an intermediate response is read to keep its
        connection alive; where there is more, the connection is closed. During an exchange its
        decoded body has the same limit: above it `Exchange.body` is None and `content` raises
        DecodingError.
        (What is handed over, and what `history` and an error's `response` hold, is decoded as
        the library decodes it, when the caller reads it.)
    uri_length: bytes; a Location that leads to a longer URI is not followed.
    sensitive_headers: names or patterns (`x-*-key`) of request header fields that stay
        with the first origin, besides Authorization, Proxy-Authorization and Cookie. In
        place of the default's patterns: `(*SENSITIVE_HEADERS, "x-mine")` adds to them.
    cross_origin: on a hop to another origin "strip" the credentials, "stop" and hand the
        redirect over, or "keep" everything.
    """

    __module__ = "statuspolicy"

    redirects: int = 5
    attempts: int = 4
    deadline: float = 150.0
    total: float | None = None
    retry_after: float = 120.0
    retry_budget: RetryBudget | None = RetryBudget()
    cooling: Literal["wait", "send", "raise"] = "wait"
    replay_bytes: int = 1024 * 1024
    drain_bytes: int = 64 * 1024
    drain_seconds: float = 1.0
    uri_length: int = 8192
    expect_wait: float = 1.0
    sensitive_headers: tuple[str, ...] = SENSITIVE_HEADERS
    cross_origin: Literal["strip", "stop", "keep"] = "strip"

    def check(self) -> None:
        _at_least_zero(self)
        if self.attempts < 1:
            raise ValueError("Limits(attempts=0): the first send counts too, write 1 or more.")
        for name, words in _WORDS.items():
            if (value := getattr(self, name)) not in words:
                first, second, third = (f'"{word}"' for word in words)
                raise ValueError(
                    f"Limits({name}={value!r}): write {first}, {second} or {third} instead."
                )
        total = self.total
        if total is not None and (not _is_number(total) or not total > 0):
            raise ValueError(
                f"Limits(total={total!r}): write a number of seconds above 0, or None."
            )
        if not isinstance(self.retry_budget, RetryBudget | None):
            raise TypeError(
                f"Limits(retry_budget={self.retry_budget!r}): "
                "write statuspolicy.RetryBudget(...), or None for no budget."
            )
        # A set or a list is as clear as a tuple; the lookup below wants something hashable.
        object.__setattr__(self, "sensitive_headers", _names(self.sensitive_headers))

    def sensitive(self, name: str) -> bool:
        """Whether the request header field `name` (lower case) stays with the first origin."""
        return is_credential(name, self.sensitive_headers)
