"""`poll`, the duty for 202: ask the status monitor until the operation is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statuspolicy._value import Value
from statuspolicy.policy.duties.polling.step import PollStep
from statuspolicy.policy.duties.polling.token import PollToken, Progress, token_of
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Inspect, Settle, Verdict
from statuspolicy.printable import given

if TYPE_CHECKING:
    from httpx import URL, Response


class poll(Value):  # noqa: N801 - it stands in tables as a duty does: {202: poll(within=60)}
    """A duty for 202 that asks the status monitor until the operation is done, then hands over the
    result.

    monitor: the URL of the status monitor. None: from `Operation-Location`,
        `Azure-AsyncOperation` or `Location`. Else the name of another header field, a JSON
        Pointer into the body of the 202 ("/links/status"), or a callable that takes the 202 and
        returns the URL.
    done: a callable that takes each 2xx response of the monitor and returns whether it is done.
        None: it is done with any code but 202; where one of the first two fields named the
        monitor, with a "status" of "succeeded", "failed" or "canceled" in a JSON body, or
        without one.
    result: the URL of the result. None, as Azure defines it: "resourceLocation" in the body, else
        the URL of the PUT or PATCH, else `Location` of the 202; if `Location` named the monitor,
        its last response is the result. Else as `monitor`, from the last response of the
        monitor; a callable may return None: then that response is the result.
    progress: a callable that takes a `Progress`, called before each wait.
    interval: seconds before the second step where the server names no time; it doubles with each
        step, up to 30 s.
    within: seconds for the whole poll, waits included. `Limits.deadline` doesn't limit it, but
        `Limits.total` does, and `Limits.retry_after` limits each wait.
    times: how many requests it may send.

    Each response is handled by its row (a 503 with Retry-After is waited for); a response that
    its row hands over ends the poll. When the time is up, when the monitor can't be asked, or when
    its response can't be decoded within `Limits.drain_bytes`, the 202 is handed over, and its
    `poll_token` resumes the poll later.

    Raises TypeError or ValueError for an argument with another type or value.
    """

    __module__ = "statuspolicy"

    monitor: str | Callable[[Response], URL | str | None] | None = None
    done: Callable[[Response], bool] | None = None
    result: str | Callable[[Response], URL | str | None] | None = None
    progress: Callable[[Progress], object] | None = None
    interval: float = 1.0
    within: float = 600.0
    times: int = 120

    def check(self) -> None:
        for name in ("monitor", "result"):
            value = getattr(self, name)
            if not (value is None or (isinstance(value, str) and value) or callable(value)):
                raise TypeError(
                    f"poll({name}={given(value)}): write the name of a header field, a JSON "
                    'Pointer such as "/links/status", or a callable that makes a URL of a response.'
                )
        for name in ("done", "progress"):
            value = getattr(self, name)
            if not (value is None or callable(value)):
                raise TypeError(f"poll({name}={given(value)}): write a callable instead.")
        for name in ("interval", "within"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not value >= 0:
                raise ValueError(f"poll({name}={value!r}): write a number of seconds, 0 or more.")
        if type(self.times) is not int or self.times < 1:
            raise ValueError(f"poll(times={self.times!r}): write a whole number, 1 or more.")

    def __call__(self, exchange: Exchange) -> Verdict:
        """Find the monitor, and ask it."""
        if exchange.response is None:
            return Settle()  # a row for failures
        if self.monitor is None or (isinstance(self.monitor, str) and self.monitor[:1] != "/"):
            return self._begun(exchange)
        return Inspect(self._begun)

    def _begun(self, exchange: Exchange) -> Verdict:
        assert exchange.response is not None
        found = token_of(self.monitor, exchange.request, exchange.response, exchange.body)
        return Settle(found) if isinstance(found, str) else self.at(found, exchange)

    def at(self, found: PollToken, exchange: Exchange, after: float | None = None) -> Any:
        """Ask the monitor of a token, after so many seconds."""
        return PollStep(self, found, exchange.request, exchange.elapsed).first(exchange, after)
