"""An `httpx.Auth` answers a challenge: its flow is run from the start."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from statuspolicy.fields.challenges import Challenge
from statuspolicy.memory.locks import ExchangeLock
from statuspolicy.message import body
from statuspolicy.policy.awaitable import then
from statuspolicy.policy.duties.auth.answer import REFUSED, again, answered, next_answer, with_field
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Again, Aside, Settle
from statuspolicy.wire.library import ANY, LIBRARY_OF, several

if TYPE_CHECKING:
    from httpx import Auth, Request, Response

_MOST = 10  # side requests of one flow
# The exceptions of the library's Digest for an unknown algorithm, for auth-int alone, and for a
# challenge that it can't parse.
_OF_DIGEST = (KeyError, NotImplementedError, ValueError)
_TOO_LONG = "which can't be read within Limits.drain_bytes"
_ITS_OWN = "the response to its own request"


class Flows:
    """An Auth, and how often it has answered.

    turn: the lock that an exchange holds while a flow runs, so that one fetches a token for all.
    """

    fetching = False  # its flow sends nothing itself

    def __init__(self, auth: Any) -> None:
        self.auth: Auth = auth
        self.answers = 0
        self.turn = ExchangeLock()

    def answer(self, exchange: Exchange, offered: list[Challenge]) -> Any:
        """Run the flow; returns a verdict or an awaitable of one."""
        return _Run(self, exchange, offered)()


class _Run:
    """One run of a flow, for one 401 or 407; it ends with the request that it makes.

    Credentials that the flow has before it sees the challenge (a token) are tried once, and once
    more after another run. Then the flow gets the challenge.
    """

    def __init__(self, flows: Flows, exchange: Exchange, offered: list[Challenge]) -> None:
        self._flows = flows
        # A challenge that can't be answered must not change its state.
        self._auth = copy(flows.auth) if isinstance(flows.auth, ANY.DigestAuth) else flows.auth
        self._kept = f"kept {flows.answers}"
        self._exchange = exchange
        self._offered = offered
        self._shown = False

    def __call__(self) -> Any:
        """Run the flow; returns a verdict or an awaitable of one."""
        exchange = self._exchange
        if not any(next_answer(exchange, challenge) for challenge in self._offered):
            return Settle(REFUSED)
        request = self._copy()
        if request is None:
            return Settle(
                "the auth flow needs the request's body, "
                "which is not in memory (Limits.replay_bytes)"
            )
        if self._auth.requires_response_body and exchange.body is None:
            return Settle(f"the auth flow needs the response's body, {_TOO_LONG}")
        self._request = request
        self._sent = request.headers.raw.copy()
        self._steps = _steps(self._auth, request, exchange.can_await)
        return self._step(None)

    def _copy(self) -> Request | None:
        """A copy of the request, which the flow may change."""
        request = body.copy(self._exchange.request)
        if self._auth.requires_request_body:
            content = body.known(request)
            if content is None:
                return None
            request = body.copy(request, stream=LIBRARY_OF[type(request)].ByteStream(content))
        if self._exchange.status == 407:
            # A flow writes Authorization only; it must not see the credentials of the origin.
            sent = request.headers.pop("proxy-authorization", "")
            request.headers.pop("authorization", None)
            if sent:
                request.headers["Authorization"] = sent
        return request

    def _step(self, response: Response | None) -> Any:
        digest = isinstance(self._auth, ANY.DigestAuth)
        unusable = several(ANY.RequestError, *_OF_DIGEST if digest else ())
        return then(_stepped(self._steps, response, unusable), self._yielded)

    def _yielded(self, request: Request | Exception | None) -> Any:
        """Handle the next request of the flow."""
        if request is None:
            return Settle("the auth flow has no other credentials")
        if isinstance(request, Exception):
            kind = type(request).__name__
            return Settle(f"the challenge can't be answered ({kind}: {request})")
        own = self._exchange.request
        if request is not self._request and (request.method, request.url) != (own.method, own.url):
            self._shown = True
            return Aside(
                request,
                self._answered_aside,
                times=_MOST,
                why="to fetch the credentials",
                in_turn=True,
            )
        if request.headers.raw != self._sent and (how := self._how(request)):
            return self._over(self._answer(request, how))
        if self._shown:
            return self._over(Settle(REFUSED))
        self._shown = True
        return self._step(self._as_401())

    def _answered_aside(self, answer: Exchange) -> Any:
        """Give the side response to the flow."""
        if answer.response is None:
            return self._over(Settle(f"the request for the credentials failed: {answer.error!r}"))
        if self._auth.requires_response_body and answer.body is None:
            return self._over(Settle(f"the auth flow needs the body of {_ITS_OWN}, {_TOO_LONG}"))
        return self._step(answer.response)

    def _which(self, request: Request) -> Challenge:
        """The challenge that a request answers."""
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        fits = [challenge for challenge in self._offered if challenge.scheme == scheme]
        return (fits or self._offered)[0]

    def _how(self, request: Request) -> str:
        challenge = self._which(request)
        if self._shown:
            return next_answer(self._exchange, challenge)
        before = answered(self._exchange, challenge)
        return "" if before & {self._kept, "made"} else self._kept

    def _answer(self, request: Request, how: str) -> Again:
        challenge = self._which(request)
        self._flows.auth = self._auth
        self._flows.answers += self._shown
        if self._exchange.status == 407:
            request = with_field(self._exchange, request.headers.get("authorization", ""))
        return again(self._exchange, challenge, request, how)

    def _as_401(self) -> Response:
        """The response as a flow expects it: a 401 with a line for each challenge."""
        exchange = self._exchange
        assert exchange.response is not None
        lines = [
            (name, value)
            for name, value in exchange.response.headers.raw
            if name.lower() not in (b"www-authenticate", b"content-encoding", b"content-length")
        ]
        lines += [(b"WWW-Authenticate", str(one).encode()) for one in self._offered]
        content = exchange.body or b""
        return LIBRARY_OF[type(exchange.request)].Response(
            401, headers=lines, content=content, request=exchange.request
        )

    def _over(self, verdict: Any) -> Any:
        return then(_closed(self._steps), lambda _: verdict)


def _steps(auth: Auth, request: Request, can_await: bool) -> Any:
    """The generator of the flow; the sync or async one where an Auth defines it."""
    kind: Any = type(auth)
    plain: Any = LIBRARY_OF[kind].Auth
    if can_await and kind.async_auth_flow is not plain.async_auth_flow:
        return auth.async_auth_flow(request)
    if not can_await and kind.sync_auth_flow is not plain.sync_auth_flow:
        return auth.sync_auth_flow(request)
    return auth.auth_flow(request)


def _stepped(steps: Any, response: Response | None, unusable: Any) -> Any:
    """The next request of a flow; None at its end, or an error that ends it."""
    if hasattr(steps, "asend"):
        return _astepped(steps, response, unusable)
    try:
        return steps.send(response)
    except StopIteration:
        return None
    except unusable as error:
        return error


async def _astepped(steps: Any, response: Response | None, unusable: Any) -> Any:
    try:
        return await steps.asend(response)
    except StopAsyncIteration:
        return None
    except unusable as error:
        return error


def _closed(steps: Any) -> Any:
    return steps.aclose() if hasattr(steps, "aclose") else steps.close()
