"""The steps of a poll: each response by its own row, until it is done, and the result."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from statuspolicy._value import Record
from statuspolicy.fields import json_pointer
from statuspolicy.message import body, redirected
from statuspolicy.message.response import is_kept
from statuspolicy.policy.awaitable import then
from statuspolicy.policy.duties.polling.token import PollToken, Progress, led_to
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Again, Aside, Follow, Inspect, Settle, Use
from statuspolicy.wire.httpx_internals import written
from statuspolicy.wire.library import LIBRARY_OF

if TYPE_CHECKING:
    from httpx import URL, Request, Response

_ENDED = ("succeeded", "completed")
_FAILED = ("failed", "canceled", "cancelled")
_LONGEST = 30.0  # seconds between two steps where the server names no time
# Fields that are about the accepted request, not about the monitor.
_ITS_OWN = frozenset({"range", "prefer", "idempotency-key"})


class PollStep(Record):
    """A running poll.

    how: the `poll` with the options.
    token: the token of the poll. main: the request that was accepted.
    began: when it began, in seconds since the first response of the exchange.
    request: the request to the monitor. looks: how often it was sent.
    answers: the answers to the current request in a row. hops: the redirects before it.
    ends: whether the current request is for the result.
    """

    how: Any
    token: PollToken
    main: Request
    began: float
    request: Request | None = None
    looks: int = 0
    answers: tuple[int | str, ...] = ()
    hops: int = 0
    ends: bool = False

    def first(self, exchange: Exchange, after: float | None) -> Any:
        """Ask the monitor for the first time."""
        request = _get(self.token.monitor, exchange.request, exchange)
        return self._replace(request=request)._look(exchange, after)

    def _look(self, exchange: Exchange, after: float | None = None) -> Aside:
        wait = exchange.told if after is None else after
        if wait is None:
            most = max(_LONGEST, self.how.interval)
            wait = float(min(self.how.interval * 2.0 ** min(self.looks, 60), most))
        assert self.request is not None
        step = self._replace(answers=(), hops=0, looks=self.looks + 1)
        return step._send(self.request, wait, "", tell=self._hook(exchange, wait))

    def _send(self, request: Any, after: float, why: str, **more: Any) -> Aside:
        how = self.how
        within = self.began + how.within
        return Aside(request, self.seen, within, how.times, after, not self.ends, why, **more)

    def _hook(self, exchange: Exchange, after: float) -> Any:
        progress = self.how.progress
        if progress is None:
            return None

        def hook(request: Request, response: Response) -> object:
            elapsed = exchange.elapsed - self.began
            return progress(Progress(self.looks, elapsed, after, response, self.token.text))

        return hook

    def seen(self, exchange: Exchange) -> Any:
        """Decide about a side response."""
        if exchange.response is not None and exchange.response.is_success:
            return self._succeeded(exchange)
        return self._by(exchange.duty, exchange, exchange)

    def _by(self, duty: Any, outer: Exchange, answer: Exchange) -> Any:
        """Call a duty with a side response, and do its verdict with side requests."""
        counted = answer._replace(answers=self.answers, hops=self.hops)
        return then(duty(counted), partial(self._by_its_row, outer))

    def _succeeded(self, exchange: Exchange) -> Any:
        response = exchange.response
        assert response is not None
        if self.ends:
            return Use(response, "the result")
        states = self.token.states and exchange.status != 202
        named = isinstance(self.how.result, str) and self.how.result[:1] == "/"
        if (states or named) and exchange.body is None and is_kept(response):
            return Settle(
                "the status monitor's response can't be decoded within Limits.drain_bytes"
            )
        state = json_pointer.text(json_pointer.document(exchange.body), "/status") if states else ""
        if not self._is_done(exchange, response, state.lower()):
            # The next step is a new request: its challenge may be answered again.
            kept = {
                k: v for k, v in exchange.request.extensions.items() if k != redirected.ANSWERED
            }
            last = body.copy(exchange.request, extensions=kept) if not self.hops else self.request
            assert last is not None
            again = redirected.request_to(
                last.url, "GET", last, sensitive=exchange.limits.sensitive, keep_host=True
            )
            return self._replace(request=again)._look(exchange)
        if self.how.done is None and state.lower() in _FAILED:
            return Use(response, f"the operation ended as {state.lower()}")
        return self._result(exchange, response)

    def _is_done(self, exchange: Exchange, response: Response, state: str) -> bool:
        if self.how.done is not None:
            return bool(self.how.done(response))
        return exchange.status != 202 and (not state or state in (*_ENDED, *_FAILED))

    def _result(self, exchange: Exchange, response: Response) -> Any:
        where, token = self.how.result, self.token
        if where is not None:
            url = led_to(where, response, exchange.body)
            if not url:
                return Use(response, "" if callable(where) else "the response names no result")
        else:
            named = json_pointer.text(json_pointer.document(exchange.body), "/resourceLocation")
            own = token.url if token.method in ("PUT", "PATCH") else token.location
            url = (named or own) if token.states else ""
            if not url:
                return Use(response, "the operation is done")
        # The caller's own URL is requested with the fields of the caller's request, any other URL
        # with the fields of the last request: credentials that were dropped stay so.
        previous = self.main if url == token.url else exchange.request
        try:
            request = _get(redirected.resolve(exchange.request.url, url), previous, exchange)
        except redirected.Unusable as why:
            return Use(response, f"the result has no usable URL: {why}")
        ended = self._replace(answers=(), hops=0, ends=True)
        return ended._send(request, 0.0, f"the operation is done: {redirected.target(request.url)}")

    def _by_its_row(self, exchange: Exchange, verdict: Any) -> Any:
        """Do the verdict of a row with side requests."""
        if isinstance(verdict, Inspect):
            return verdict._replace(then=lambda read: self._by(verdict.then, read, read))
        if isinstance(verdict, Aside) and exchange.body is not None:
            return verdict._replace(
                then=lambda side: self._by(verdict.then, exchange, side),
                within=self.began + self.how.within,
                times=self.how.times,
            )
        if isinstance(verdict, Again) and self._may_repeat(exchange, verdict):
            repeated = self._replace(answers=(*self.answers, exchange.code))
            return repeated._send(verdict.request, verdict.after, verdict.why, cool=verdict.cool)
        if isinstance(verdict, Follow) and self.hops < exchange.limits.redirects:
            try:
                url = redirected.resolve(exchange.request.url, verdict.url)
            except redirected.Unusable as why:
                return self._over(exchange, str(why))
            request = _get(url, exchange.request, exchange)
            moved = self._replace(answers=(), hops=self.hops + 1)
            return moved._send(request, verdict.after, f"to {redirected.target(url)}")
        if isinstance(verdict, (Settle, Aside, Again, Follow)):
            return self._over(exchange, verdict.why)
        return verdict

    def _may_repeat(self, exchange: Exchange, verdict: Again) -> bool:
        return len(self.answers) + 1 < (verdict.attempts or exchange.limits.attempts)

    def _over(self, exchange: Exchange, why: str) -> Any:
        """Hand over the response; after a failure the 202, from which the poll can be resumed."""
        if exchange.response is None:
            return Settle(f"the status monitor can't be asked: {exchange.error!r}")
        return Use(exchange.response, why)


def _get(url: URL | str, previous: Request, exchange: Exchange) -> Request:
    """A GET of a URL with the fields of an earlier request."""
    request = redirected.request_to(
        type(previous.url)(url), "GET", previous, sensitive=exchange.limits.sensitive, bodiless=True
    )
    request.headers = written(
        LIBRARY_OF[type(request)],
        [
            (name, value)
            for name, value in request.headers.raw
            if (key := name.lower().decode("latin-1")) not in _ITS_OWN and key[:3] != "if-"
        ],
    )
    return request
