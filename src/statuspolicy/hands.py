"""The hands that perform what the engine asks for; they own the one response that is open.

Those of a thread and those of a task differ by `async` and `await` alone, but for a stalled
body: a thread lowers the read timeout, a task has a cancel scope.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any

from statuspolicy.clock import SystemClock
from statuspolicy.effects import (
    Ask,
    Discard,
    Enter,
    Look,
    OfTheCache,
    Read,
    Reply,
    Send,
    Shelve,
)
from statuspolicy.evidence import AsyncWatch, Watch
from statuspolicy.expecting import Held
from statuspolicy.grip import Grip, behind
from statuspolicy.later import close
from statuspolicy.library import ANY, RESPONSES
from statuspolicy.ondemand import OnDemand
from statuspolicy.replayable import Body
from statuspolicy.streams import ONE_READ, Parts
from statuspolicy.wire import WIRE, aduring, during, sooner

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport, BaseTransport, Request, Response

if TYPE_CHECKING:
    import anyio
else:  # a program without async never loads it
    anyio = OnDemand("anyio")


class Hands(Grip["BaseTransport"]):
    """The hands of a thread."""

    watch = Watch
    _hurried: tuple[dict[str, Any], Any] | None = None  # lowered timeouts, and what they were

    def send(self, effect: Send) -> Reply:
        transport = self.transport(effect)
        request, watch = self.equipped(effect)
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

    def wait(self, seconds: float) -> None:
        clock, closed = self.plan.clock, self.plan.closed
        if closed is not None and type(clock) is SystemClock:
            closed.wait(min(seconds, TIMEOUT_MAX))  # close() ends it
        else:
            clock.sleep(seconds)

    def discard(self, effect: Discard) -> bytes | None:
        response, kept = effect.response, None
        if self.is_done_with(effect):
            return self.put_away(response)
        try:
            if self.drains(effect):
                self._hurry(self.sent or effect.request)
                end = self.plan.clock.monotonic() + self.plan.limits.drain_seconds
                # A server can go on without end and bring no part of a body (trailer fields, say):
                # each read of the socket gets what is left.
                WIRE.set(sooner(lambda: self.left(end)))
                kept = self._drained(response.stream, end)
        except Exception:  # noqa: BLE001, S110 - whatever it is, nobody wants the rest
            pass
        finally:
            # No context managers: each costs as much as all else here.
            WIRE.set(self.wire_before)
            self._unhurry()
            self.drop()
        return kept

    def _drained(self, stream: Any, end: float) -> bytes | None:
        most, parts, length = self.plan.limits.drain_bytes, [], 0
        for part in stream:
            parts.append(part)
            length += len(part)
            if length > most or self.left(end) < 0:
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
        read, seconds = (before or {}).get("read"), self.plan.limits.drain_seconds
        hurried = seconds if read is None else min(read, seconds)
        lowered = _Lowered({**(before or {}), "read": hurried})
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
                if parts.add(part) > self.plan.limits.drain_bytes:
                    response.stream = parts
                    return None
        except Exception as error:  # noqa: BLE001 - it is raised again, for whoever reads on
            parts.error, response.stream = error, parts
            return None
        self.drop()
        return b"".join(parts.read)

    def cache(self, effect: OfTheCache) -> object:
        shelf = self.shelf
        match effect:
            case Look():
                return shelf.look(effect.url, effect.who)
            case Shelve():
                shelf.change(effect.changes, effect.sent)
            case _:
                plan, request = behind(self.plan, effect.user), effect.request
                shelf.validations.start(effect.key, lambda: _read_on(self.again(plan, request)))
        return None

    def enter(self, effect: Enter) -> bool:
        if effect.turn not in self.turns:
            self.turns.append(effect.turn)  # before it is entered: whoever is interrupted leaves it
            if not effect.turn.enter(effect.seconds):
                self.turns.remove(effect.turn)
                return False
        return True

    def leave(self) -> None:
        while self.turns:
            self.turns[-1].leave()
            self.turns.pop()

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
        """Give back all that is held, wherever it was that an exception ended the exchange."""
        WIRE.set(self.wire_before)
        self.leave()
        self._unhurry()
        self.give_back()
        let_go(self.held)
        self.drop()


class AsyncHands(Grip["AsyncBaseTransport"]):
    """The hands of a task, in any event loop that anyio knows."""

    watch = AsyncWatch

    async def send(self, effect: Send) -> Reply:
        transport = self.transport(effect)
        request, watch = self.equipped(effect)
        try:
            wire = self.wire(effect, transport, watch)
            if wire is None and effect.until is None:
                self.held = await transport.handle_async_request(request)
            elif wire is None:
                await self._take(effect, transport, request)
            else:
                await aduring(WIRE, wire, self._take, effect, transport, request)
        except ANY.TransportError as error:
            await self.drop()
            return self.failed(error, effect, watch)
        finally:
            if isinstance(request.stream, (Body, Held)):
                await request.stream.leave()
        return self.reply(effect, watch)

    async def _take(self, effect: Send, transport: AsyncBaseTransport, request: Request) -> None:
        if effect.until is None:
            self.held = await transport.handle_async_request(request)
            return
        with anyio.move_on_after(self.left(effect.until)):
            self.held = await transport.handle_async_request(request)
            return
        raise self.late(effect.request)

    def wait(self, seconds: float) -> Awaitable[None]:
        return self.plan.clock.asleep(seconds)

    async def discard(self, effect: Discard) -> bytes | None:
        if self.is_done_with(effect):
            return self.put_away(effect.response)
        kept = None
        try:
            if self.drains(effect):
                seconds = self.plan.limits.drain_seconds
                # One scope for both: a second one would cost as much as all else here.
                with anyio.move_on_after(seconds) as scope:
                    kept = await self._drained(effect.response.stream, scope.cancel)
                    if not scope.cancel_called:
                        scope.shield, scope.deadline = True, inf
                        await self._close()
        finally:
            if self.held is not None:
                await self.drop()
        return kept

    async def _drained(self, stream: Any, cancel: Callable[[], None]) -> bytes | None:
        most, parts, length = self.plan.limits.drain_bytes, [], 0
        try:
            async for part in stream:
                parts.append(part)
                length += len(part)
                if length > most:
                    # The next read ends it. To leave the loop would leave generators behind
                    # that nobody closes; only a stream that never reads is left so.
                    cancel()
                    if length > most + ONE_READ:
                        break
        except Exception:  # noqa: BLE001 - whatever it is, nobody wants the rest
            return None
        return b"".join(parts) if length <= most else None

    async def read(self, effect: Read) -> bytes | None:
        response, parts = effect.response, Parts(effect.response.stream)
        assert isinstance(response.stream, ANY.AsyncByteStream)
        parts.rest = rest = aiter(response.stream)
        try:
            async for part in rest:
                if parts.add(part) > self.plan.limits.drain_bytes:
                    response.stream = parts
                    return None
        except Exception as error:  # noqa: BLE001 - it is raised again, for whoever reads on
            parts.error, response.stream = error, parts
            return None
        await self.drop()
        return b"".join(parts.read)

    async def cache(self, effect: OfTheCache) -> object:
        shelf = self.shelf
        match effect:
            case Look():
                return await shelf.alook(effect.url, effect.who)
            case Shelve():
                await shelf.achange(effect.changes, effect.sent)
            case _:
                plan, request = behind(self.plan, effect.user), effect.request

                async def validate() -> None:
                    await _aread_on(await self.again(plan, request))

                shelf.validations.start_task(effect.key, validate)
        return None

    async def enter(self, effect: Enter) -> bool:
        if effect.turn not in self.turns:
            self.turns.append(effect.turn)  # before it is entered: whoever is cancelled leaves it
            if not await effect.turn.aenter(effect.seconds):
                self.turns.remove(effect.turn)
                return False
        return True

    async def ask(self, effect: Ask) -> object:
        try:
            return await effect.answer
        except Exception as error:
            effect.failed(error)
            raise

    def leave(self) -> None:
        while self.turns:
            self.turns[-1].aleave()
            self.turns.pop()

    async def drop(self) -> None:
        held, own = self.held, self.own
        if own is not None or (held is not None and not held.is_closed):
            # A cancelled task must still close what it holds.
            with anyio.CancelScope(shield=True):
                await self._close()
        self.held = None
        if own is not None:
            self.own = None

    async def _close(self) -> None:
        held, own = self.held, self.own
        if held is not None and not held.is_closed:
            try:
                if type(held) in RESPONSES:
                    held.is_closed = True  # as its `aclose` does, but for what an error would say
                    await held.stream.aclose()  # type: ignore[union-attr]
                else:
                    await held.aclose()
            except Exception:  # noqa: BLE001, S110 - nobody has it
                pass
        if own is not None:
            await own.aclose()
        self.held = None
        if own is not None:
            self.own = None

    async def release(self) -> None:
        """As Hands'."""
        self.leave()
        self.give_back()
        await alet_go(self.held)
        await self.drop()


def _read_on(response: Response) -> None:
    """Read a body to its end, for whoever records it; nothing of it is held, nor decoded."""
    assert isinstance(response.stream, ANY.SyncByteStream)
    try:
        for _ in response.stream:
            pass
    finally:
        response.close()


async def _aread_on(response: Response) -> None:
    assert isinstance(response.stream, ANY.AsyncByteStream)
    try:
        async for _ in response.stream:
            pass
    finally:
        with anyio.CancelScope(shield=True):
            await response.aclose()


class _Lowered(dict[str, Any]):
    """Timeouts for the time of a drain, which know what was there before."""

    before: Any


def let_go(held: Response | Reply | None) -> None:
    """Close a response that nobody will have, also where closing it was interrupted before."""
    response = held.outcome if isinstance(held, Reply) else held
    if not isinstance(response, ANY.Response):
        return
    with suppress(Exception):
        response.close()
    with suppress(Exception):
        response.stream.close()  # type: ignore[union-attr]


async def alet_go(held: Response | Reply | None) -> None:
    """As `let_go`. A cancelled task must still close what it holds."""
    response = held.outcome if isinstance(held, Reply) else held
    if not isinstance(response, ANY.Response):
        return
    with anyio.CancelScope(shield=True):
        with suppress(Exception):
            await response.aclose()
        with suppress(Exception):
            await response.stream.aclose()  # type: ignore[union-attr]
