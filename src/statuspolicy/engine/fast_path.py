"""The fast path: a plain repeat, a plain redirect, and the last response.

For such a response the effect of the duty is known as plain values (`policy/fast_path.py`), so no
Exchange and no verdict are made. The guard makes the request to another URL here too. All other
responses are decided in the loop, and the next one may take the fast path again. The trace is the
same: `tests/test_fast_path.py` compares both, with random servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.engine import guard
from statuspolicy.engine.state import ExchangeState
from statuspolicy.fields.methods import SAFE, WITHOUT_CONTENT
from statuspolicy.memory.cooldowns import Cool
from statuspolicy.message import redirected
from statuspolicy.message.reason_phrase import phrase
from statuspolicy.message.response import adopt
from statuspolicy.policy.fast_path import FastPath
from statuspolicy.policy.table import REDIRECTS, Row, surface
from statuspolicy.wire.httpx_internals import lines
from statuspolicy.wire.library import BYTE_STREAMS

if TYPE_CHECKING:
    from httpx import Request, Response

# Fields with which a response can't take the fast path; three of them are read here.
_SAYS = frozenset(
    {
        b"retry-after", b"location", b"ratelimit", b"ratelimit-remaining", b"ratelimit-reset",
        b"retry-after-ms", b"set-cookie", b"x-ratelimit-remaining", b"x-ratelimit-reset",
    }
)  # fmt: skip
# The same for a response that is handed over.
_SAYS_AT_LAST = frozenset({b"deprecation", b"retry-after", b"retry-after-ms", b"sunset"})
_LONG = 10  # digits: no limit allows a time with more
# These codes ask for a changed request or another connection, which the loop decides.
_SEEN_TO = guard.ASKS_FOR_ANOTHER | {421}


def fast_path(state: ExchangeState, answer: Response) -> Response | Request | None:
    """The response to hand over, or the next request; None for a response that the loop decides."""
    config, status = state.config, answer.status_code
    if not 200 <= status < 600:
        return None
    if config.cache is not None:
        return _from_the_cache(state, answer)
    row = config.table.row(status)
    if status < 400 and row.duty is surface and status not in REDIRECTS:
        return _handed_over(state, answer, row)
    seen = getattr(row.duty, "fast_path", None)
    if (
        not isinstance(seen, FastPath)
        or seen.of is not row.duty
        or status < 300
        or status in _SEEN_TO
        or (status < 400 and config.follow is False)
    ):
        return None
    told = location = None
    sets_cookies = False
    for _, name, value in lines(answer.headers):
        if name not in _SAYS:
            continue
        if name == b"retry-after" and told is None and value.isdigit() and len(value) < _LONG:
            told = float(value)
        elif name == b"location" and location is None:
            location = value
        elif name == b"set-cookie" and not seen.repeats:
            sets_cookies = True
        else:
            return None
    if type(state.sent.stream) not in BYTE_STREAMS:
        return None
    now = state.now()
    elapsed = 0.0 if state.first_response_time is None else now - state.first_response_time
    if elapsed + (told or 0.0) > config.limits.deadline:
        return None
    state.row = row
    if seen.repeats:
        following = _repeated(state, answer, seen, told)
    elif location is not None and status in REDIRECTS:
        following = _followed(state, answer, seen, told, location, sets_cookies)
    else:
        return None
    if following is not None:
        state.earliest = now
        if state.first_response_time is None:
            state.first_response_time = now
    return following


def _from_the_cache(state: ExchangeState, answer: Response) -> Response | None:
    """A response from the cache, if nothing else has to be done and nothing came before it."""
    config = state.config
    if state.steps or answer.status_code not in config.table.quiet:
        return None
    if config.memory.cooling and config.memory.is_cooling(redirected.origin(state.sent.url)):
        return None
    assert state.lookup is not None
    return None if state.lookup.may_stand_in(answer) else answer


def _handed_over(state: ExchangeState, answer: Response, row: Row) -> Response | None:
    if (
        not state.steps
        or state.moves_taken
        or (state.maybe_acted_on and state.sent.method not in SAFE)
    ):
        return None  # nothing happened to it, a move may have led astray, or it may be a success
    for _, name, _ in lines(answer.headers):
        if name in _SAYS_AT_LAST:
            return None
    if state.spent is not None:
        state.refund(answer.status_code)
    state.row = row
    if state.config.memory.cooling:
        _warm(state)
    said = state.sent.method, state.path.target, answer.status_code, phrase(answer)
    state.step(said, "settle", "")
    return adopt(answer, state.sent, state.past, state.steps)


def _repeated(
    state: ExchangeState, answer: Response, seen: FastPath, told: float | None
) -> Request | None:
    limits, sent = state.config.limits, state.sent
    if sent.method not in WITHOUT_CONTENT:
        return None
    if len(state.answers) + 1 >= (seen.attempts or limits.attempts):
        return None
    if told is None and not seen.untold:
        return None
    if told and told > limits.retry_after:
        return None
    for _, name, value in lines(sent.headers):
        if name == b"authorization" and redirected.is_digest(value.decode("latin-1")):
            return None  # it holds for one request alone
    if (told or state.config.memory.cooling) and not _cools(state, answer, seen, told):
        return None
    if state.spent is not None:
        state.refund(answer.status_code)
    left = None
    if told is None and limits.retry_budget is not None:
        left = state.spend(redirected.origin(sent.url), limits.retry_budget)
        if left is None:
            return None
    why = "the server asks to wait" if told else "at once"
    said = sent.method, state.path.target, answer.status_code, phrase(answer)
    state.step(said, "repeat", why, told or 0.0, told, left)
    return sent


def _cools(state: ExchangeState, answer: Response, seen: FastPath, told: float | None) -> bool:
    """Start the origin's cooldown; returns whether the repeat waits only as long as it."""
    memory, origin = state.config.memory, redirected.origin(state.sent.url)
    if not (told and answer.status_code in seen.cools):
        return not memory.is_cooling(origin)
    if memory.is_watched(origin):
        return False
    return memory.cool(origin, Cool(told), state.config.clock.monotonic())


def _warm(state: ExchangeState) -> None:
    """Note a response that starts no cooldown."""
    origin, config = redirected.origin(state.sent.url), state.config
    config.memory.warm(origin, config.clock.monotonic())


def _followed(
    state: ExchangeState,
    answer: Response,
    seen: FastPath,
    told: float | None,
    location: bytes,
    sets_cookies: bool,
) -> Request | None:
    sent, path, limits = state.sent, state.path, state.config.limits
    method, new = sent.method, None
    gets = method in ("GET", "HEAD")
    if told or (seen.confirms and not gets) or (state.maybe_acted_on and method not in SAFE):
        return None
    if seen.bodiless:
        new = method if gets else "GET"
    elif method in seen.to_get:
        new = "GET"
    url = redirected.plainly(sent.url, location.decode("latin-1"))
    if url is None or (
        gets and answer.status_code in (301, 308) and _may_be_remembered(sent, answer)
    ):
        return None
    if sets_cookies:
        state.store_cookies(answer, sent)
    permit = guard.follow(
        sent,
        path,
        limits,
        state.hops,
        state.cookies,
        url,
        new,
        location[:1] == b"/",
    )
    if permit is None:
        return None
    if state.spent is not None:
        state.refund(answer.status_code)
    if state.config.memory.cooling:
        _warm(state)
    said = method, path.target, answer.status_code, phrase(answer)
    state.step(said, "follow", f"to {permit.path.target}", 0.0, told)
    state.path = permit.path
    return permit.request


def _may_be_remembered(request: Request, answer: Response) -> bool:
    """Whether a permanent redirect may have to be remembered: then its duty decides."""
    if request.url.scheme != "https":
        return False
    said = [value for _, name, value in lines(answer.headers) if name == b"cache-control"]
    # (Several are read as one: a quotation mark in one may swallow what the next says.)
    return len(said) != 1 or said[0].lower() not in (b"no-store", b"no-cache")


def went_on(
    state: ExchangeState, answer: Response, following: Request, kept: bytes | None
) -> float:
    """Note that the response was discarded, and take the next request; returns the seconds to wait.

    kept: the raw body of the response, if it was read.
    """
    sent, state.noted = state.sent, None
    if state.fresh:
        state.fresh, state.over = False, None
    if following is sent:
        state.answers = (*state.answers, answer.status_code)
        return state.steps[-1].wait
    state.passed(answer, sent, kept)
    state.sent = state.went = following
    state.hops += 1
    state.answers = ()
    return 0.0
