"""600, unofficial: bytes came that are no status line and no header section."""

from __future__ import annotations

from statuspolicy.printable import PART, printable, quoted

from ..exchange import Exchange
from ..verdicts import Again, Refuse, Settle, Verdict
from .retry import retry

_ELSEWHERE = retry(times=1, wait=0.0, fresh=True)


def elsewhere(exchange: Exchange) -> Verdict:
    """Repeat once on another connection, where that is safe; then say what it was."""
    verdict = _ELSEWHERE(exchange)
    return verdict if isinstance(verdict, Again) else refused(exchange)


def refused(exchange: Exchange) -> Verdict:
    """Say what it was, without another try."""
    if exchange.error is None:
        return Settle()  # a row for 600 is asked about failures alone
    from ..errors import UnparsableResponse
    from ..hop import target

    request = exchange.request
    began = f" (it began with {quoted(exchange.began, PART)})" if exchange.began else ""
    place = printable(target(request.url), PART)
    error = UnparsableResponse(
        f"{place} answered {request.method} with something that is not HTTP: "
        f"{printable(exchange.error, PART)}{began}",
        request=request,
    )
    error.__cause__ = exchange.error
    return Refuse(error, "the answer is not HTTP")
