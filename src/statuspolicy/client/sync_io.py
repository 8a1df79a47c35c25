"""`SyncIO`: performs the I/O of an exchange in a thread, and owns the open response.

A stalled body is ended by a lower read timeout; a task has a cancel scope for that.
"""

from __future__ import annotations

from contextlib import suppress
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any

from statuspolicy.client.io_base import IO, background_config
from statuspolicy.engine.clock import SystemClock
from statuspolicy.engine.effects import (
    Acquire,
    Ask,
    Discard,
    Look,
    OfTheCache,
    Rare,
    Read,
    Release,
    Reply,
    Resume,
    Send,
    StoreChanges,
)
from statuspolicy.engine.evidence import Watch, saw
from statuspolicy.message.streams import Parts
from statuspolicy.policy.awaitable import close
from statuspolicy.wire.context import HINTED, WIRE, during, sooner
from statuspolicy.wire.library import ANY, RESPONSES

if TYPE_CHECKING:
    from httpx import BaseTransport, Request, Response

_UNTOUCHED = object()


class SyncIO(IO["BaseTransport"]):
    """The I/O of a thread."""

    watch = Watch
    before: Any = _UNTOUCHED  # the options of the sockets before the drain
    _hurried: tuple[dict[str, Any], Any] | None = None  # lowered timeouts, and what they were

    def send(self, effect: Send) -> Reply:
        if effect.plain:
            assert self.held is None, "a response is still open"
            self.sent = request = effect.request
            over = self.route(request.url)
            try:
                self.held = over.handle_request(request)
            except ANY.TransportError as error:
                return saw(None, Reply(error))
            reply = Reply(self.held)
            return saw(None, reply) if HINTED else reply
        transport = self.transport(effect)
        request, watch = self.watched(effect)
        try:
            wire = self.wire(effect, transport, watch)
            if wire is None:
                # One expression, so that Ctrl-C can't come between the response and its place.
                self.held = transport.handle_request(request)
            else:
                during(WIRE, wire, self._take, transport, request)
        except ANY.TransportError as error:
            self.drop()
            return self.failed(error, effect, watch)
        return self.reply(effect, watch)

    def _take(self, transport: BaseTransport, request: Request) -> None:
        self.held = transport.handle_request(request)

    def perform(self, effect: Rare) -> object:
        """Perform any effect but a Send, a Discard and a Wait."""
        match effect:
            case Read():
                return self.read(effect)
            case Ask():
                return self.ask(effect)
            case Resume():
                return self.resume(effect)
            case Acquire():
                return self.acquire(effect)
            case Release():
                self.release_lock()
                return None
            case _:
                return self.cache(effect)

    def wait(self, seconds: float) -> None:
        clock, closed = self.config.clock, self.config.closed
        if closed is not None and type(clock) is SystemClock:
            closed.wait(min(seconds, TIMEOUT_MAX))  # close() ends it
        else:
            clock.sleep(seconds)

    def discard(self, effect: Discard) -> bytes | None:
        response, kept = effect.response, None
        if (response.is_closed or response is not self.held) and self.is_done_with(effect):
            return self.put_away(response)
        self.before = WIRE.get()
        try:
            if self.drains(effect):
                kept = self._drained(response.stream, self.sent or effect.request)
        except Exception:  # noqa: BLE001, S110 - whatever it is, nobody wants the rest
            pass
        finally:
            # Without context managers: each takes as long as everything else here.
            WIRE.set(self.before)
            if self._hurried is not None:
                self._unhurry()
            self.drop()
        return kept

    def _drained(self, stream: Any, request: Request) -> bytes | None:
        limits, monotonic = self.config.limits, self.config.clock.monotonic
        end = monotonic() + limits.drain_seconds
        self._hurry(request)
        # A server can go on without end and bring no part of a body (trailer fields, say): each
        # read of the socket gets what is left.
        WIRE.set(sooner(lambda: end - monotonic()))
        parts: list[bytes] = []
        most, length = limits.drain_bytes, 0
        for part in stream:
            # (The first part may be all of it.)
            if parts and monotonic() > end:
                return None
            parts.append(part)
            length += len(part)
            if length > most:
                return None
        return b"".join(parts)

    def _hurry(self, request: Request) -> None:
        """Lower a sent request's read timeout while its response is drained.

        The transport reads it when the body is first asked for; nothing else can end a stalled
        read in a thread.
        """
        extensions = request.extensions
        before = extensions.get("timeout")
        if isinstance(before, _Lowered):
            before = before.before  # another thread drains a response to the same request
        lowered = _Lowered(before or ())
        read, seconds = lowered.get("read"), self.config.limits.drain_seconds
        lowered["read"] = seconds if read is None else min(read, seconds)
        lowered.before = before
        self._hurried = extensions, before
        extensions["timeout"] = lowered

    def _unhurry(self) -> None:
        if self._hurried is None:
            return
        extensions, before = self._hurried
        if before is None:
            extensions.pop("timeout", None)
        else:
            extensions["timeout"] = before
        self._hurried = None

    def read(self, effect: Read) -> bytes | None:
        response, parts = effect.response, Parts(effect.response.stream)
        assert isinstance(response.stream, ANY.SyncByteStream)
        parts.rest = rest = iter(response.stream)
        try:
            for part in rest:
                if parts.add(part) > self.config.limits.drain_bytes:
                    response.stream = parts
                    return None
        except Exception as error:  # noqa: BLE001 - it is raised again, for whoever reads on
            parts.error, response.stream = error, parts
            return None
        self.drop()
        return b"".join(parts.read)

    def cache(self, effect: OfTheCache) -> object:
        client_cache = self.client_cache
        match effect:
            case Look():
                return client_cache.look(effect.url, effect.who)
            case StoreChanges():
                client_cache.change(effect.changes, effect.sent)
            case _:
                config, request = background_config(self.config, effect.user), effect.request
                client_cache.validations.start(
                    effect.key, lambda: _read_on(self.again(config, request))
                )
        return None

    def acquire(self, effect: Acquire) -> bool:
        if effect.turn not in self.turns:
            self.turns = (
                *self.turns,
                effect.turn,
            )  # before it is entered: whoever is interrupted leaves it
            if not effect.turn.acquire(effect.seconds):
                self.turns = self.turns[:-1]
                return False
        return True

    def release_lock(self) -> None:
        while self.turns:
            self.turns[-1].release()
            self.turns = self.turns[:-1]

    def ask(self, effect: Ask) -> object:
        close(effect.answer)
        error = TypeError(
            "A duty, `confirm` or hook of a sync client returned an awaitable: "
            "write it as a plain function, or use it with httpx.AsyncClient."
        )
        effect.failed(error)
        raise error

    def drop(self) -> None:
        held, own = self.held, self.own
        if held is not None and not held.is_closed:
            try:
                if type(held) in RESPONSES:
                    held.is_closed = True  # as its `close` does, but for what an error would say
                    held.stream.close()  # type: ignore[union-attr]
                else:
                    held.close()
            except Exception:  # noqa: BLE001, S110 - nobody has it
                pass
        if own is not None:
            own.close()
        self.held = None
        if own is not None:
            self.own = None

    def release(self) -> None:
        """Close and release everything that is held, wherever an exception ended the exchange."""
        if self.before is not _UNTOUCHED:
            WIRE.set(self.before)
        self.release_lock()
        self._unhurry()
        self.give_back()
        let_go(self.held)
        self.drop()


def _read_on(response: Response) -> None:
    """Read a body to its end, for a recording of it; it is neither kept nor decoded."""
    assert isinstance(response.stream, ANY.SyncByteStream)
    try:
        for _ in response.stream:
            pass
    finally:
        response.close()


class _Lowered(dict[str, Any]):
    """The timeouts during a drain, with those from before it."""

    before: Any


def let_go(held: Response | Reply | None) -> None:
    """Close a response that no caller gets, also if closing it was interrupted before."""
    response = held.outcome if isinstance(held, Reply) else held
    if not isinstance(response, ANY.Response):
        return
    with suppress(Exception):
        response.close()
    with suppress(Exception):
        response.stream.close()  # type: ignore[union-attr]
