"""202: what was accepted is not finished, and a status monitor tells when it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statuspolicy._value import Value
from statuspolicy.printable import given

from .._lib import URL, Response
from ..exchange import Exchange
from ..verdicts import Inspect, Settle, Verdict
from .looks import Looks
from .ticket import Progress, Ticket, ticket


class poll(Value):  # noqa: N801 - it stands in tables as a duty does: {202: poll(within=60)}
    """A duty for 202 that asks the status monitor until it is done, and hands over the result.

    monitor: where to ask. None: what `Operation-Location`, `Azure-AsyncOperation` or `Location`
        names. The name of another header field, a JSON Pointer into the 202's body
        ("/links/status"), or a callable that makes a URL of the 202.
    done: a callable that is given what the monitor answered with 2xx. None: anything but 202;
        and where one of the first two fields named the monitor, a JSON body whose "status" is
        "succeeded", "failed" or "canceled", or that has none.
    result: where the result is. None: as those fields' inventors have it: "resourceLocation" in
        the body, else the URL that was PUT or PATCHed, else `Location` of the 202; with
        `Location` as the monitor, what it answered last. Else as `monitor`, from the monitor's
        last answer; a callable may answer None: that answer is the result.
    progress: is told before each wait (a `Progress`).
    interval: seconds before the second look where the server names no time; it doubles from
        look to look, up to 30 s.
    within: seconds that the poll may take, waits included. `Limits.deadline` doesn't bind it;
        `Limits.total` does, and each wait is within `Limits.retry_after`.
    times: requests that it may send.

    Each answer is treated as its row says (a 503 with Retry-After is waited for); what its row
    would hand over ends the poll, and is handed over. Where the time is up, the monitor can't be
    asked, or its answer has to be read and can't be decoded within `Limits.drain_bytes`, it is
    the 202, and `poll_token` of that resumes the poll later.

    Raises TypeError or ValueError for an argument that is none of these.
    """

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
        """Look where the monitor is, and ask it."""
        if exchange.response is None:
            return Settle()  # a row for failures
        if self.monitor is None or (isinstance(self.monitor, str) and self.monitor[:1] != "/"):
            return self._begun(exchange)
        return Inspect(self._begun)

    def _begun(self, exchange: Exchange) -> Verdict:
        assert exchange.response is not None
        found = ticket(self.monitor, exchange.request, exchange.response, exchange.body)
        return Settle(found) if isinstance(found, str) else self.at(found, exchange)

    def at(self, found: Ticket, exchange: Exchange, after: float | None = None) -> Any:
        """Ask the monitor that a ticket names, after so many seconds."""
        return Looks(self, found, exchange.request, exchange.elapsed).first(exchange, after)
