"""The codes after which an exchange goes on without the engine, where nothing else speaks up.

Their duty is one of the library's own, and what it asks for can be told from the header section.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from statuspolicy import guard
from statuspolicy.duties import redirect
from statuspolicy.duties.retry import retry
from statuspolicy.plan import Plan
from statuspolicy.response import registered
from statuspolicy.row import REDIRECTS, Row

# For GET and HEAD these say the same: there, with the same method, and nobody is asked.
_FOLLOWING: tuple[Any, ...] = (
    redirect.moved,
    redirect.same_method,
    redirect.see_other,
    redirect.confirmed,
    redirect.see_other_strict,
)


class Way(NamedTuple):
    """What the row of a code asks for, where that is as plain.

    shown: the name and the citation of the row, and what the code is called.
    attempts: sends of one request; 0 where it follows a redirect.
    at_once: whether it repeats at once where the server names no time.
    bodiless: whether the content of the request stays behind.
    """

    shown: tuple[str, str, str]
    attempts: int = 0
    at_once: bool = False
    bodiless: bool = False


class Ways(dict[int, Way]):
    """The codes after which an exchange may go straight on, by a transport's plan.

    ends: those with which it may be over then; what has no row is seldom the end.
    staying: the same codes without redirects, for a call that follows none.
    """

    def __init__(self, plan: Plan) -> None:
        table = plan.table
        self.ends: dict[int, Way] = {}
        self.staying: dict[int, Way] = {}
        if plan.confirm or plan.allow_hop or plan.cache or plan.looks_first:
            return
        rows = [code for code in table if isinstance(code, int) and code < 400]
        self.ends = {code: _way(table.row(code), code) for code in rows if code in table.quiet}
        for code in {*range(300, 600)} - guard.ASKS_FOR_ANOTHER - {421}:
            row = table.row(code)
            duty: Any = row.duty
            if type(duty) is retry:
                if not (duty.times or duty.stop or duty.fresh):
                    at_once = duty.wait is not None and duty.wait == 0 and not duty.told
                    self[code] = _way(row, code, duty.attempts or plan.limits.attempts, at_once)
            elif code in REDIRECTS and duty in _FOLLOWING:
                bodiless = duty in (redirect.see_other, redirect.see_other_strict)
                self[code] = _way(row, code, bodiless=bodiless)
        self.staying = {code: way for code, way in self.items() if code >= 400}


def _way(
    row: Row, code: int, attempts: int = 0, at_once: bool = False, bodiless: bool = False
) -> Way:
    shown = (row.name, row.citation, registered(code))
    return Way(shown, attempts, at_once, bodiless)
