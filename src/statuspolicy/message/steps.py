"""`Trace` and `Step`: what happened in an exchange. Plain values, which keep no response alive."""

# No `from __future__ import annotations`: a NamedTuple compiles each string among them at import.
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from statuspolicy.printable import LINE, PART, printable, quoted

if TYPE_CHECKING:
    from statuspolicy.fields.interim import Interim


class Step(NamedTuple):
    """One response or failure, and the decision about it.

    method, url: of the request, without userinfo.
    code: the status code, or the name of the exception.
    phrase: the reason phrase, or the message of the exception.
    row: the row of the table that decided ("503", "5xx", "ConnectError").
    citation: the specification of that row.
    verdict: "settle", "follow", "repeat", "aside", "use", "refuse", "wait" for an origin that
        cools down, or "raise" where a callable of the application raised.
    wait: seconds waited before the next request.
    reason: the reason for the decision, in words.
    told: seconds that the server asked to wait; None where it named no time.
    budget: repeats left in the origin's retry budget; None where it was not used.
    cache: what the cache did, as a Cache-Status field (RFC 9211); "" without a cache.
    interim: the interim responses before this one, where the transport shows them.
    """

    method: str
    url: str
    code: int | str
    phrase: str
    row: str
    citation: str
    verdict: str
    wait: float = 0.0
    reason: str = ""
    told: float | None = None
    budget: float | None = None
    cache: str = ""
    interim: "tuple[Interim, ...]" = ()

    def __str__(self) -> str:
        line = f" → {self.code} {self.phrase}".rstrip()
        for text, same in groupby(map(str, self.interim)):
            times = len([*same])
            line += f", after {text}" + (f" × {times}" if times > 1 else "")
        line += f" · {self.verdict}"
        if self.wait:
            line += f" after {in_words(self.wait)}"
        if self.reason:
            line += f": {self.reason}"
        if self.budget is not None:
            line += f" ({self.budget:.3g} repeats left)"
        if self.cache:
            line += f" ({self.cache})"
        # A long URL is cut, so that the text after it is still shown.
        url = printable(self.url, max(LINE - len(line), PART))
        line = printable(f"{printable(self.method, PART)} {url}{line}")
        return f"{line} [row {self.row}, {self.citation}]" if self.citation else line

    def __repr__(self) -> str:
        values = zip(self._fields, self, strict=True)
        return f"Step({', '.join(f'{name}={quoted(value)}' for name, value in values)})"


Step.__module__ = "statuspolicy"


def in_words(seconds: float) -> str:
    """A wait in words, with three digits or in whole seconds."""
    if seconds > _EVER:
        return "an endless time"
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


_EVER = 1e12  # seconds


class Trace(tuple[Step, ...]):
    """The steps of an exchange, oldest first; `print(trace)` prints a line for each."""

    __module__ = "statuspolicy"

    __slots__ = ()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(step.code not in (REMEMBERED, COOLING, NOT_SENT) for step in self)

    @property
    def waited(self) -> float:
        """Seconds waited between them."""
        return sum(step.wait for step in self)

    @property
    def reason(self) -> str:
        """The reason of the last decision."""
        return self[-1].reason if self else ""

    def __str__(self) -> str:
        return "\n".join(f"{n}. {step}" for n, step in enumerate(self, 1))

    def __repr__(self) -> str:
        return f"<Trace: {self.requests} requests, {self.waited:g} s waited>"


# The code of a step without a request: a permanent redirect that was remembered.
REMEMBERED = "remembered"
# The code of a step without a response: the origin is cooling down.
COOLING = "cooling"
# The code of a step whose request was not sent, since a callable of the application raised.
NOT_SENT = "not sent"
