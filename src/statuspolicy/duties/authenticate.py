"""401 and 407: a challenge is answered, once (RFC 9110 §11, §15.5.2, §15.5.8)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from threading import Lock

from statuspolicy.challenge import Challenge, challenges
from statuspolicy.locks import alone
from statuspolicy.memory import short
from statuspolicy.printable import given

from .. import hop
from .._lib import Auth, DigestAuth
from ..exchange import Exchange
from ..row import makes_duty
from ..verdicts import Inspect, Settle, Verdict
from .answering import FIELDS
from .flow import Flows
from .tokens import Credentials, Tokens

_MOST = 256  # of those who ask that are told apart: a server writes its realms


@makes_duty
def authenticate(
    credentials: Auth | Credentials,
) -> Callable[[Exchange], Verdict | Awaitable[Verdict]]:
    """A duty for 401 and 407 that answers each challenge of the first origin once.

    credentials: an `httpx.Auth`, whose flow is run from its start for each 401, and whose other
        requests are sent on the side; or a callable that is given a `Challenge` and returns the
        value of Authorization, such as "Bearer …", or None where it has none (then the next
        challenge is tried). It may be a coroutine function in async clients.

    As in `STANDARD | {401: authenticate(fetch_token)}`. What a callable returned is kept, and
    asked for again when it is refused: by one of the requests that were refused meanwhile, for
    all of them. The same challenge (scheme and realm) a second time is handed over; Digest's
    `stale=true` earns one more answer.

    In row 407 it answers the HTTP proxy through which an http URL is asked for, also after a
    redirect to another origin; no origin gets what is for a proxy. For https URLs
    a proxy's credentials are the transport's: `httpx.Proxy(url, auth=...)`.

    A request on the side to another origin leaves Authorization and Cookie at home, as every
    hop does; what that origin needs goes into its body.

    Raises TypeError for something that is neither.
    """
    known: object = credentials
    if isinstance(known, type) or not (isinstance(known, Auth) or callable(known)):
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
            tunnel = exchange.code == 407  # CONNECT was answered so, before the request was sent
            return Settle("for https URLs, write httpx.Proxy(url, auth=...)" if tunnel else "")
        tunnelled = exchange.request.url.scheme == "https"  # what comes is the origin's
        if exchange.status == 407 and (tunnelled or not exchange.proxied):
            # Else any origin could ask for them.
            return Settle("the 407 may not come from a proxy: no proxy credentials are sent")
        # For a proxy's challenge the border is the proxy, whatever origin is asked for through it.
        if exchange.status == 401 and exchange.abroad:
            return Settle("the challenge is from another origin, which gets no credentials")
        asker = hop.origin(exchange.request.url) if exchange.status == 401 else ""
        field = exchange.fields.get(FIELDS[exchange.status][0]) or ""
        asked = [challenge._replace(origin=asker) for challenge in challenges(field)]
        if not asked:
            return Settle("the response has no challenge")
        purse = self._purse(asked[0])
        if purse.fetching:
            return Settle("the request that fetches the credentials needs them itself")
        return Inspect(lambda exchange: purse.answer(exchange, asked), purse.turn)

    def _purse(self, challenge: Challenge) -> Flows | Tokens:
        """What is held for those who ask so."""
        credentials = self._credentials
        if isinstance(credentials, DigestAuth):
            key: tuple[str, ...] = (challenge.origin,)  # whose nonces it counts
        elif isinstance(credentials, Auth):
            key = ()  # it has one state, whoever asks
        else:
            key = (challenge.origin, short(challenge.realm))
        return self._kept(key)

    @alone
    def _kept(self, key: tuple[str, ...]) -> Flows | Tokens:
        if key not in self._purses:
            is_auth = isinstance(self._credentials, Auth)
            self._purses[key] = Flows(self._credentials) if is_auth else Tokens(self._credentials)
        self._purses.move_to_end(key)
        while len(self._purses) > _MOST:
            self._purses.popitem(last=False)
        return self._purses[key]
