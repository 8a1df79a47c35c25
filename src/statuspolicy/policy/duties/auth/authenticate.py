"""The duty for 401 and 407: answer each challenge once (RFC 9110 §11, §15.5.2, §15.5.8)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import TYPE_CHECKING

from statuspolicy.fields.challenges import Challenge, challenges
from statuspolicy.memory.locks import synchronized
from statuspolicy.memory.memory import short
from statuspolicy.message import redirected
from statuspolicy.policy.duties.auth.answer import FIELDS
from statuspolicy.policy.duties.auth.httpx_auth import Flows
from statuspolicy.policy.duties.auth.tokens import Credentials, Tokens
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import makes_duty
from statuspolicy.policy.verdicts import Inspect, Settle, Verdict
from statuspolicy.printable import given
from statuspolicy.wire.library import ANY, meet

if TYPE_CHECKING:
    from httpx import Auth

_MOST = 256  # realms that are remembered: servers choose their names


@makes_duty
def authenticate(
    credentials: Auth | Credentials,
) -> Callable[[Exchange], Verdict | Awaitable[Verdict]]:
    """A duty for 401 and 407 that answers each challenge of the first origin once.

    credentials: an `httpx.Auth`, whose flow is run from its start for each 401, and whose other
        requests are sent as side requests; or a callable that takes a `Challenge` and returns the
        value of Authorization, such as "Bearer …", or None where it has none (then the next
        challenge is tried). It may be a coroutine function in async clients.

    As in `STANDARD | {401: authenticate(fetch_token)}`. The value that a callable returned is
    kept. When it is refused, one request calls it again, for all requests that were refused
    meanwhile. If the same challenge (scheme and realm) comes a second time, the response is
    handed over; `stale=true` of Digest allows one more answer.

    In row 407 it answers the HTTP proxy of an http URL, also after a redirect to another origin;
    no origin gets credentials for a proxy. For https URLs the transport needs the credentials of
    the proxy: `httpx.Proxy(url, auth=...)`.

    A side request to another origin has no Authorization and no Cookie, as every hop; write what
    that origin needs into its body.

    Raises TypeError for an object that is neither.
    """
    known: object = credentials
    meet(known)
    if isinstance(known, type) or not (isinstance(known, ANY.Auth) or callable(known)):
        raise TypeError(
            f"authenticate({given(credentials)}): write an httpx.Auth, such as "
            "httpx.BasicAuth(user, password), or a callable that returns the value of "
            "Authorization."
        )
    return _Authenticate(credentials)


class _Authenticate:
    def __init__(self, credentials: Auth | Credentials) -> None:
        self._credentials = credentials
        self._lock = Lock()
        self._purses: OrderedDict[tuple[str, ...], Flows | Tokens] = OrderedDict()

    def __repr__(self) -> str:
        return "authenticate"

    def __call__(self, exchange: Exchange) -> Verdict:
        if exchange.status not in FIELDS:
            tunnel = exchange.code == 407  # the answer to CONNECT, before the request was sent
            return Settle("for https URLs, write httpx.Proxy(url, auth=...)" if tunnel else "")
        tunnelled = exchange.request.url.scheme == "https"  # so the origin answered
        if exchange.status == 407 and (tunnelled or not exchange.proxied):
            # Otherwise any origin could ask for credentials of a proxy.
            return Settle("the 407 may not come from a proxy: no proxy credentials are sent")
        # Credentials of a proxy may be sent to each origin through it; those of an origin may not.
        if exchange.status == 401 and exchange.abroad:
            return Settle("the challenge is from another origin, which gets no credentials")
        asker = redirected.origin(exchange.request.url) if exchange.status == 401 else ""
        field = exchange.fields.get(FIELDS[exchange.status][0]) or ""
        offered = [challenge._replace(origin=asker) for challenge in challenges(field)]
        if not offered:
            return Settle("the response has no challenge")
        purse = self._purse(offered[0])
        if purse.fetching:
            return Settle("the request that fetches the credentials needs them itself")
        return Inspect(lambda exchange: purse.answer(exchange, offered), purse.turn)

    def _purse(self, challenge: Challenge) -> Flows | Tokens:
        """The credentials for the origin and realm of a challenge."""
        credentials = self._credentials
        if isinstance(credentials, ANY.DigestAuth):
            key: tuple[str, ...] = (challenge.origin,)  # Digest counts the nonces of an origin
        elif isinstance(credentials, ANY.Auth):
            key = ()  # it has one state for all origins
        else:
            key = (challenge.origin, short(challenge.realm))
        return self._kept(key)

    @synchronized
    def _kept(self, key: tuple[str, ...]) -> Flows | Tokens:
        if key not in self._purses:
            is_auth = isinstance(self._credentials, ANY.Auth)
            self._purses[key] = Flows(self._credentials) if is_auth else Tokens(self._credentials)
        self._purses.move_to_end(key)
        while len(self._purses) > _MOST:
            self._purses.popitem(last=False)
        return self._purses[key]
