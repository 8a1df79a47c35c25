"""`replay`: plays an exchange against a script of responses, without a transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from statuspolicy.cache.config import Cache
from statuspolicy.client.base_transport import client_cache_of
from statuspolicy.client.trace import trace
from statuspolicy.engine.clock import Clock
from statuspolicy.engine.config import AllowHop, Config, Confirm, Observer, Prepare
from statuspolicy.engine.effects import (
    Acquire,
    Ask,
    Discard,
    Effect,
    Look,
    Outcome,
    Read,
    Release,
    Reply,
    Resume,
    Revalidate,
    Send,
    StoreChanges,
    Wait,
)
from statuspolicy.engine.loop import exchange
from statuspolicy.engine.state import ExchangeState
from statuspolicy.memory.memory import Memory
from statuspolicy.message.steps import Trace
from statuspolicy.policy.limits import Limits
from statuspolicy.policy.standard import STANDARD, following
from statuspolicy.policy.table import Table
from statuspolicy.printable import quoted
from statuspolicy.testing.clock import FakeClock
from statuspolicy.wire.library import ANY, LIBRARY_OF, meet

if TYPE_CHECKING:
    from httpx import Cookies, Request, Response

Line: TypeAlias = (
    "int | tuple[int, Mapping[str, str]] | Outcome | Reply | Callable[[Request], Response | Reply]"
)


class Story(NamedTuple):
    """The outcome of a script.

    response: the response that was handed over; None if an error was raised.
    error: the error that was raised; None if a response was handed over.
    sent: the requests in the order in which they were sent.
    bodies: the body that was sent with each.
    waits: seconds, in order.
    effects: the effects that the loop requested, in order.
    open_at_most: how many responses were open at the same time.
    left_open: how many responses were not closed; the one that was handed over doesn't count.
    """

    response: Response | None
    error: Exception | None
    sent: list[Request]
    bodies: list[bytes]
    waits: list[float]
    effects: list[Effect]
    open_at_most: int
    left_open: int

    @property
    def trace(self) -> Trace:
        """The trace of the response, or of the error."""
        result: Any = self.error if self.response is None else self.response
        return trace(result)


def replay(
    request: Request,
    script: Iterable[Line],
    *,
    table: Table = STANDARD,
    limits: Limits = Limits(),
    cookies: Cookies | None = None,
    cache: Cache | None = None,
    memory: Memory | None = None,
    confirm: Confirm | None = None,
    allow_hop: AllowHop | None = None,
    prepare: Prepare | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
    follow: bool | None = None,
) -> Story:
    """Play an exchange against a script, without a transport and without waiting.

    script: the outcome of each send: a status code, a (status, headers) pair, a response, a
        `TransportError`, a `Reply` with one of these, or a callable that takes the request and
        returns one.
    The other parameters are those of `statuspolicy.PolicyTransport`; `follow` is the
    `follow_redirects` of a call.

    Raises LookupError if more requests are sent than the script has lines. An exception of a duty
    is raised; an error of the policy is `story.error`.
    """
    jar = cookies
    config = Config(
        table=following(table) if follow else table,
        limits=limits,
        cookies=None if jar is None else lambda: jar,
        memory=Memory() if memory is None else memory,
        confirm=confirm,
        fresh=None,
        clock=FakeClock() if clock is None else clock,
        allow_hop=allow_hop,
        prepare=prepare,
        observer=observer,
        cache=None if cache is None else client_cache_of(cache, limits),
        follow=follow,
    )
    meet(request)
    lines = iter(script)
    sent: list[Request] = []
    bodies: list[bytes] = []
    waits: list[float] = []
    effects: list[Effect] = []
    held: list[Response] = []
    most = 0
    response: Response | None = None
    error: Exception | None = None
    flow = exchange(ExchangeState(config, request))
    value: object = None
    while True:
        try:
            effect = flow.send(value)
        except StopIteration as end:
            if isinstance(end.value, ANY.Response):
                response = end.value
            else:
                error = end.value
            break
        effects.append(effect)
        value = None
        match effect:
            case Send():
                sent.append(effect.request)
                bodies.append(_body(effect.request))
                reply = value = _outcome(lines, effect.request, len(sent))
                if isinstance(reply.outcome, ANY.Response):
                    held.append(reply.outcome)
                most = max(most, len(held))
            case Wait(seconds):
                waits.append(seconds)
                config.clock.sleep(seconds)
            case Discard():
                value = _discard(effect)
                held = [one for one in held if one is not effect.response]
            case Read():
                value = _discard(Discard(effect.response, request))
                held = [one for one in held if one is not effect.response]
            case Ask():
                value = _answer(effect)
            case Resume():
                value = ""
            case Look():
                assert config.cache is not None
                value = config.cache.look(effect.url, effect.who)
            case StoreChanges():
                assert config.cache is not None
                config.cache.change(effect.changes, effect.sent)
            case Acquire():
                value = True
            case _:
                assert isinstance(effect, (Release, Revalidate))
    still_open = len(held) - (response is not None and bool(held))
    return Story(response, error, sent, bodies, waits, effects, most, still_open)


def _body(request: Request) -> bytes:
    assert isinstance(request.stream, ANY.SyncByteStream)
    return b"".join(request.stream)


def _outcome(lines: Iterator[Line], request: Request, n: int) -> Reply:
    try:
        line = next(lines)
    except StopIteration:
        raise LookupError(
            f"The script ends before request {n}, {quoted(request)}: add a line."
        ) from None
    if isinstance(line, int):
        line = LIBRARY_OF[type(request)].Response(line)
    elif isinstance(line, tuple):
        line = LIBRARY_OF[type(request)].Response(line[0], headers=line[1])
    elif callable(line):
        line = line(request)
    return line if isinstance(line, Reply) else Reply(line)


def _discard(effect: Discard) -> bytes | None:
    stream = effect.response.stream
    return b"".join(stream) if isinstance(stream, ANY.ByteStream) and not effect.unread else None


def _answer(effect: Ask) -> object:
    """Run a coroutine that does no I/O, as in a script."""
    try:
        next(effect.answer.__await__())
    except StopIteration as end:
        return end.value
    except Exception as error:
        effect.failed(error)
        raise
    raise RuntimeError("A coroutine in a script waited for real I/O: return at once.")
