"""The narration of an exchange: the steps of its trace, its log lines and its events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy.engine.events import Decision, Event, Settled
from statuspolicy.engine.path import Path
from statuspolicy.fields.notices import joined
from statuspolicy.message.reason_phrase import phrase
from statuspolicy.message.response import TRACE, kept_trace
from statuspolicy.message.steps import NOT_SENT, REMEMBERED, Step, Trace
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Settle, Verdict
from statuspolicy.printable import PART, log, name_of, printable
from statuspolicy.wire.httpx_internals import target
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Request, Response

    from statuspolicy.fields.interim import Interim

Result: TypeAlias = "Response | Exception"

_MAYBE = "an earlier send of the request may have been acted on"


class Narrator:
    """Base class of ExchangeState: writes the trace and the log, and calls the observer.

    steps: the trace so far.
    row, exchange: the row and the Exchange of the last answer.
    noted: whether the last answer has a step; None before the first answer.
    """

    sent: Request
    went: Request
    path: Path
    steps: tuple[Step, ...] = ()
    exchange: Exchange | None = None
    noted: bool | None = None
    # The state gives their types; of each, no more is read here than stands beside it.
    row: Any  # duty, name, citation
    config: Any  # answered, observer
    lookup: Any  # status

    def note(self, kind: str, verdict: Verdict, why: str, budget: float | None = None) -> None:
        """Add a step about the last answer to the trace, and a line to the log."""
        exchange = self.exchange
        assert exchange is not None
        resumed = self.config.answered is not None and not self.steps
        response = exchange.response
        words = phrase(response) if response is not None else str(exchange.error or "")
        request = exchange.request
        aside = request is not self.sent
        why = joined(why, _MAYBE) if exchange.maybe_acted_on else why
        url = target(request.url) if aside else self.path.target
        code = REMEMBERED if resumed else exchange.code or REMEMBERED
        wait, told = getattr(verdict, "after", 0.0), exchange.told
        cache = "" if self.lookup is None or aside else str(self.lookup.status)
        said = request.method, url, code, words
        self.step(said, kind, why, wait, told, budget, cache, exchange.interim)

    def step(
        self,
        said: tuple[str, str, int | str, str],
        kind: str,
        why: str,
        wait: float = 0.0,
        told: float | None = None,
        budget: float | None = None,
        cache: str = "",
        interim: tuple[Interim, ...] = (),
    ) -> None:
        """As `note`, on the fast path, where there is no Exchange.

        said: the method and the URL, the code and the phrase.
        """
        row, words, self.noted = self.row, said[3], True
        # Text of a server is in both; most of it is short and printable, which is quickly checked.
        if len(why) > PART or "@" in why or not f"{words}{why}".isprintable():
            said, why = (*said[:3], printable(words)), printable(why)
        # As its own `__new__`, three times faster.
        step: Step = tuple.__new__(
            Step, (*said, row.name, row.citation, kind, wait, why, told, budget, cache, interim)
        )
        self.add(step)

    def add(self, step: Step) -> None:
        """Add a step to the trace."""
        self.steps = (*self.steps, step)
        level = logging.DEBUG if step.verdict in ("settle", "use") else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "%s", step)
        if self.config.observer is not None:
            self.tell(Decision, step)

    def tell(self, event: type[Event], *values: Any) -> None:
        """Call the observer with an event; an exception of it is logged and changes nothing."""
        if self.config.observer is None:
            return
        try:
            self.config.observer(event(*values))
        except Exception:
            log.exception("The observer failed, and the exchange goes on.")

    def tell_the_end(self, result: Result) -> Result:
        """Call the observer with the end of the exchange."""
        if self.config.observer is None:
            return result
        response, error = (result, None) if isinstance(result, ANY.Response) else (None, result)
        self.tell(Settled, self.went, response, error, Trace(self.steps))
        return result

    def raised(self, what: str, call: Any, error: Exception) -> None:
        """Put the trace on an exception of the application's callable; its last step names that.

        An exception that came from another exchange has a trace already.
        """
        if isinstance(error, ANY.RequestError) and kept_trace(error) is not None:
            return
        if what == "the duty" and self.exchange is not None and self.exchange.main is None:
            call = self.row.duty  # a duty that is called with the body has no name of its own
        of = f" of row {self.row.name}" if what == "the duty" else ""
        why = f"{what}{of}, {name_of(call)}, raised {type(error).__name__}"
        if self.noted is None:
            url = target(self.sent.url)
            self.add(Step(self.sent.method, url, NOT_SENT, "", "", "", "raise", reason=why))
        elif self.noted:
            *before, last = self.steps
            self.steps = (*before, last._replace(verdict="raise", reason=joined(last.reason, why)))
        else:
            self.note("raise", Settle(), why)
        vars(error)[TRACE] = Trace(self.steps)
