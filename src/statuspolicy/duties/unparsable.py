"""600, unofficial: bytes came that are no status line and no header section."""

from __future__ import annotations

from ..exchange import Exchange
from ..verdicts import Again, Refuse, Settle, Verdict
from .retry import retry

_LONGEST = 200  # characters of what the library says: it repeats the offending line, whole
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
    began = f" (it began with {exchange.began!r})" if exchange.began else ""
    error = UnparsableResponse(
        f"{target(request.url)} answered {request.method} with something that is not HTTP: "
        f"{str(exchange.error)[:_LONGEST]}{began}",
        request=request,
    )
    error.__cause__ = exchange.error
    return Refuse(error, "not HTTP")
