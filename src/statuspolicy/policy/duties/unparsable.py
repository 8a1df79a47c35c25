"""The duties for 600, unofficial: a response without a valid status line or header section."""

from __future__ import annotations

from statuspolicy.policy.duties.retry import retry
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Again, Refuse, Settle, Verdict
from statuspolicy.printable import PART, printable, quoted

_ELSEWHERE = retry(times=1, wait=0.0, fresh=True)


def elsewhere(exchange: Exchange) -> Verdict:
    """600: repeat once on another connection, if that is safe; then raise UnparsableResponse."""
    verdict = _ELSEWHERE(exchange)
    return verdict if isinstance(verdict, Again) else refused(exchange)


def refused(exchange: Exchange) -> Verdict:
    """600: raise UnparsableResponse at once."""
    if exchange.error is None:
        return Settle()  # row 600 is for failures alone
    from statuspolicy.message.errors import UnparsableResponse
    from statuspolicy.message.redirected import target

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
