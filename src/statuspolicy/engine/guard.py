"""The guard: rules that no duty can override.

Whatever a duty returns, the one request that follows is built or checked here: its target, its
fields and credentials, how often and how late it may be sent. If the guard refuses it, the response
is handed over with the reason, or an error is raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statuspolicy.engine.path import Path, Permit, drops_credentials
from statuspolicy.engine.redirect_loops import holes_of, led, redirect_loop
from statuspolicy.engine.time_limits import too_late, too_long_a_wait, total_is_over
from statuspolicy.message import body, errors, redirected
from statuspolicy.message import cookies as jar
from statuspolicy.policy.repeatable import not_repeatable
from statuspolicy.policy.verdicts import Again, Aside, Follow, Refuse, Settle
from statuspolicy.printable import PART, printable
from statuspolicy.wire.httpx_internals import lines, same_place
from statuspolicy.wire.library import ANY, BYTE_STREAMS, several

if TYPE_CHECKING:
    from httpx import URL, Cookies, Request

    from statuspolicy.message.protocols import AnyRequest
    from statuspolicy.policy.exchange import Exchange
    from statuspolicy.policy.limits import Limits


class NotPermitted(Exception):
    """The request may not be sent, for this reason: the response is handed over."""


def permit(
    exchange: Exchange, path: Path, verdict: Follow | Again, cookies: Cookies | None
) -> Permit | Settle | Refuse:
    """The request that a verdict leads to, as a Permit; or the verdict in its place."""
    if why := too_late(exchange, verdict.after):
        return Settle(why)
    try:
        if isinstance(verdict, Again) and _same_target(exchange.request, verdict.request):
            return _repeat(exchange, path, verdict, cookies)
        leads_to = verdict.url if isinstance(verdict, Follow) else verdict.request.url
        url = redirected.resolve(exchange.request.url, leads_to)
        return _decided_hop(exchange, path, verdict, url, cookies)
    except (NotPermitted, redirected.Unusable) as reason:
        return Settle(why=str(reason))
    except ANY.TooManyRedirects as error:
        # A traceback into the guard is of no use, and would keep its frames alive.
        return Refuse(error.with_traceback(None), why=str(error))


def permit_aside(
    exchange: Exchange,
    path: Path,
    verdict: Aside,
    cookies: Cookies | None,
    looks: int,
    before: Exchange | None = None,
) -> Request | Settle:
    """The side request that may be sent, or the verdict in its place.

    before: the side response before it, if there was one.
    """
    limits, request = exchange.limits, verdict.request
    if looks > verdict.times:
        return Settle(f"{verdict.times} side requests did not bring a decision")
    if exchange.elapsed + verdict.after > verdict.within:
        return Settle(f"side requests did not bring a decision within {verdict.within:g} s")
    if why := too_long_a_wait(limits, verdict.after) or total_is_over(exchange, verdict.after):
        return Settle(f"the side request is not sent: {why}")
    try:
        url = redirected.resolve(exchange.request.url, request.url)
        _no_downgrade(exchange.request.url, url)
    except (NotPermitted, redirected.Unusable) as reason:
        return Settle(f"the side request is not sent: {reason}")
    drop = drops_credentials(limits, path.abroad or not redirected.same_origin(path.home, url))
    request = _with_extensions(exchange.request, request)
    wanted, request = (
        request,
        redirected.request_to(
            url, request.method, request, sensitive=limits.sensitive, abroad=drop
        ),
    )
    if drop and before is not None and _same_target(before.request, wanted):
        request = _for_the_proxy(before, wanted, request)
    request = body.carry(request, limits.replay_bytes)
    if not body.replayable(request):
        return Settle(_USED_UP)
    jar.dress(cookies, request, () if drop else path.cookies)
    return request


def _no_downgrade(sent: URL, url: URL) -> None:
    if (sent.scheme, url.scheme) == ("https", "http"):
        raise NotPermitted(
            f"it leads from https to http ({printable(redirected.target(url), PART)})"
        )


def _with_extensions(sent: Request, request: Any) -> Request:
    """Give a request of a duty the timeouts and hooks of the request before it."""
    if request is sent:
        return request
    portable = {
        name: value for name, value in sent.extensions.items() if name in redirected.PORTABLE
    }
    portable.pop(body.FACTORY, None)
    return body.copy(request, extensions=portable | request.extensions)


def _same_target(sent: Request, request: AnyRequest) -> bool:
    return request is sent or (
        request.method == sent.method
        and redirected.target(request.url) == redirected.target(sent.url)
    )


# ── a hop ──────────────────────────────────────────────────────────────────────────────


def follow(
    sent: Request,
    path: Path,
    limits: Limits,
    hops: int,
    cookies: Cookies | None,
    url: URL,
    method: str | None,
    keep_host: bool,
) -> Permit | None:
    """The request that follows a redirect of `sent` at once; None if the loop has to decide."""
    try:
        return _hop(sent, path, limits, hops, cookies, sent, url, method, keep_host=keep_host)
    except several(NotPermitted, ANY.TooManyRedirects):
        return None


def _decided_hop(
    exchange: Exchange, path: Path, verdict: Follow | Again, url: URL, cookies: Cookies | None
) -> Permit:
    sent, limits, hops = exchange.request, exchange.limits, exchange.hops
    sure = exchange.error is None or (isinstance(verdict, Again) and verdict.unacted)
    why = not_repeatable(exchange, sure or exchange.unacted)
    if isinstance(verdict, Again):
        again = _with_extensions(sent, verdict.request)
        return _hop(sent, path, limits, hops, cookies, again, url, None, why)
    keep_host, polls = redirected.is_relative(verdict.url), bool(verdict.after)
    return _hop(sent, path, limits, hops, cookies, sent, url, verdict.method, why, keep_host, polls)


def _hop(
    sent: Request,
    path: Path,
    limits: Limits,
    hops: int,
    cookies: Cookies | None,
    wanted: Request,
    url: URL,
    method: str | None,
    not_twice: str = "",
    keep_host: bool = False,
    polls: bool = False,
) -> Permit:
    """The request to another URL.

    sent: the request before it. wanted: the request to send there; for a redirect, `sent` itself.
    method: the method that drops the body; None keeps both.
    not_twice: why `sent` must not be sent again, to the other URL neither; "" if it may be.
    polls: whether the server asked to wait.
    """
    came_from, leads_to = path.target or redirected.target(sent.url), redirected.target(url)
    if (length := len(leads_to)) > (most := limits.uri_length):
        raise NotPermitted(
            f"its Location leads to a URI of {length} bytes, above Limits.uri_length={most}"
        )
    if leads_to[:5] == "http:":
        _no_downgrade(sent.url, url)
    abroad = path.abroad or not (
        same_place(path.home, url) or redirected.same_origin(path.home, url)
    )
    if abroad and not path.abroad and limits.cross_origin == "stop":
        raise NotPermitted(
            f"it leads to another origin ({printable(leads_to, PART)}; Limits.cross_origin)"
        )
    if hops >= limits.redirects:
        raise errors.RedirectCapExceeded(
            f"{limits.redirects} redirects were followed from "
            f"{printable(redirected.target(path.home), PART)} and the next leads to "
            f"{printable(leads_to, PART)}: raise Limits.redirects to follow more.",
            request=sent,
        )
    holes = holes_of(sent, path.holes, came_from, leads_to)

    drop = abroad and drops_credentials(limits, abroad)
    request = redirected.request_to(
        url,
        method or wanted.method,
        wanted,
        sensitive=limits.sensitive,
        bodiless=method is not None and method in ("GET", "HEAD"),
        abroad=drop,
        keep_host=keep_host,
    )
    if not_twice and (request.method, body.known(request)) == (sent.method, body.known(sent)):
        raise NotPermitted(not_twice)  # to another URL, it is sent twice too
    if type(request.stream) not in BYTE_STREAMS or body.FACTORY in request.extensions:
        request = body.carry(request, limits.replay_bytes)
        if not body.replayable(request):
            raise NotPermitted(_USED_UP)
    own = () if drop else path.cookies
    if own or (cookies is not None and jar.holds_any(cookies)):
        jar.dress(cookies, request, own)
    states = led(path, sent, request, leads_to)
    # A redirect to the same request, after a wait that the server asked for, is polling.
    if states[-1] in states[:-1] and not polls:
        raise redirect_loop(states, sent)
    path = Path(path.home, states, abroad, holes, path.cookies, request, leads_to)
    return Permit(request, path, True)


# ── a repeat ───────────────────────────────────────────────────────────────────────────


def _repeat(exchange: Exchange, path: Path, verdict: Again, cookies: Cookies | None) -> Permit:
    sent, request = exchange.request, _with_extensions(exchange.request, verdict.request)
    attempts = verdict.attempts or exchange.limits.attempts
    if why := not_repeatable(exchange, verdict.unacted):
        raise NotPermitted(why)
    if exchange.attempt >= attempts:
        source = "attempts= of the row" if verdict.attempts else "Limits.attempts"
        raise NotPermitted(f"gave up after {exchange.attempt} attempts ({source})")
    drop = drops_credentials(exchange.limits, path.abroad)
    amended, answered = request is not sent, "set-cookie" in exchange.fields
    if amended and drop:
        wanted = request
        request = redirected.request_to(
            wanted.url,
            wanted.method,
            wanted,
            sensitive=exchange.limits.sensitive,
            abroad=True,
            keep_host=True,
        )
        request = _for_the_proxy(exchange, wanted, request)
    elif answered:
        request = body.copy(request)  # the caller's request is never changed
    request = body.carry(request, exchange.limits.replay_bytes)
    if not body.replayable(request):
        raise NotPermitted(_USED_UP)
    if not (exchange.can_sign or _untouched(exchange)) and _same_digest(sent, request):
        if redirected.ANSWERED not in request.extensions:
            raise NotPermitted(_COUNTED)
        request = body.copy(request)
        del request.headers["authorization"]  # the row of the next 401 makes a new one
    if answered or (amended and drop):
        # A cookie that a duty wrote counts as the caller's own.
        before = jar.pairs(sent.headers.get("cookie"))
        added = [p for p in jar.pairs(request.headers.get("cookie")) if p not in before]
        jar.dress(cookies, request, () if drop else (*added, *path.cookies))
    # A repeat at the time that the server named, or of a changed request that it asked for, does
    # not make an outage worse.
    told = exchange.told
    invited = told is not None and told <= verdict.after
    return Permit(request, path, False, not invited and exchange.status not in ASKS_FOR_ANOTHER)


def _for_the_proxy(exchange: Exchange, wanted: Request, request: Request) -> Request:
    """The request with the credentials for a proxy that the duty set.

    They are for the proxy, not for an origin: so they stay after a hop to another origin through
    the same proxy, and in each repeat of the request.
    """
    sent, field = exchange.request, wanted.headers.get("proxy-authorization")
    challenged = exchange.status == 407 and exchange.proxied and sent.url.scheme == "http"
    if field is not None and (challenged or field == sent.headers.get("proxy-authorization")):
        request.headers["Proxy-Authorization"] = field
    if redirected.ANSWERED in wanted.extensions:
        request.extensions = {
            **request.extensions,
            redirected.ANSWERED: wanted.extensions[redirected.ANSWERED],
        }
    return request


def _untouched(exchange: Exchange) -> bool:
    """Whether the request failed before the server saw it."""
    return exchange.error is not None and exchange.unacted


def _same_digest(sent: Request, request: Request) -> bool:
    if not any(name == b"authorization" for _, name, _ in lines(request.headers)):
        return False
    field = request.headers["authorization"]
    return redirected.is_digest(field) and field == sent.headers.get("authorization")


# These ask for a changed request: 304 without conditions, the others with the named change.
ASKS_FOR_ANOTHER = frozenset({304, 305, 401, 407, 411, 417, 449})


_COUNTED = "its Digest credentials are for one request (nc): give prepare= to sign each send"
_USED_UP = (
    "the request's body was sent and can't be sent again: give bytes, a seekable file, a "
    f'factory in extensions={{"{body.FACTORY}": ...}}, or raise Limits.replay_bytes'
)
