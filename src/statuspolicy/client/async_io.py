"""`AsyncIO`: as `client/sync_io.py`, in a task, in any event loop that anyio knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from statuspolicy.client.io_base import IO, background_config
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
from statuspolicy.engine.evidence import AsyncWatch, saw
from statuspolicy.message.expect_continue import Held
from statuspolicy.message.replayable import Body
from statuspolicy.message.streams import ONE_READ, Bounded, Parts
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.wire.context import HINTED, WIRE, aduring
from statuspolicy.wire.library import ANY, RESPONSES

if TYPE_CHECKING:
    import anyio
    from httpx import AsyncBaseTransport, Request, Response
else:  # a program without async never loads it
    anyio = LazyModule("anyio")


class AsyncIO(IO["AsyncBaseTransport"]):
    """The I/O of a task, in any event loop that anyio knows."""

    watch = AsyncWatch

    async def send(self, effect: Send) -> Reply:
        if effect.plain:
            assert self.held is None, "a response is still open"
            self.sent = request = effect.request
            over = self.route(request.url)
            try:
                self.held = await over.handle_async_request(request)
            except ANY.TransportError as error:
                return saw(None, Reply(error))
            reply = Reply(self.held)
            return saw(None, reply) if HINTED else reply
        transport = self.transport(effect)
        request, watch = self.watched(effect)
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

    async def perform(self, effect: Rare) -> object:
        """Perform any effect but a Send, a Discard and a Wait."""
        match effect:
            case Read():
                return await self.read(effect)
            case Ask():
                return await self.ask(effect)
            case Resume():
                return self.resume(effect)
            case Acquire():
                return await self.acquire(effect)
            case Release():
                self.release_lock()
                return None
            case _:
                return await self.cache(effect)

    def wait(self, seconds: float) -> Awaitable[None]:
        return self.config.clock.asleep(seconds)

    async def discard(self, effect: Discard) -> bytes | None:
        response = effect.response
        if (response.is_closed or response is not self.held) and self.is_done_with(effect):
            return self.put_away(response)
        kept = None
        if self.drains(effect):
            stream: Any = response.stream
            seconds = self.config.limits.drain_seconds
            if isinstance(stream, Bounded):  # or Ctrl-C could come between the ends of two scopes
                stream, seconds = stream.inner, min(seconds, stream.left())
            # One scope for both: a second one would take as long as everything else here.
            with anyio.move_on_after(seconds) as scope:
                kept = await self._drained(stream, scope.cancel)
                if not scope.cancel_called:
                    scope.shield, scope.deadline = True, inf
                    await self._close()
        if self.held is not None:
            await self.drop()
        return kept

    async def _drained(self, stream: Any, cancel: Callable[[], None]) -> bytes | None:
        most, parts, length = self.config.limits.drain_bytes, [], 0
        try:
            async for part in stream:
                parts.append(part)
                length += len(part)
                if length > most:
                    # The next read ends it. Leaving the loop would leave generators open; that
                    # happens only to a stream that never reads.
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
                if parts.add(part) > self.config.limits.drain_bytes:
                    response.stream = parts
                    return None
        except Exception as error:  # noqa: BLE001 - it is raised again, for whoever reads on
            parts.error, response.stream = error, parts
            return None
        await self.drop()
        return b"".join(parts.read)

    async def cache(self, effect: OfTheCache) -> object:
        client_cache = self.client_cache
        match effect:
            case Look():
                return await client_cache.alook(effect.url, effect.who)
            case StoreChanges():
                await client_cache.achange(effect.changes, effect.sent)
            case _:
                config, request = background_config(self.config, effect.user), effect.request

                async def validate() -> None:
                    await _aread_on(await self.again(config, request))

                client_cache.validations.start_task(effect.key, validate)
        return None

    async def acquire(self, effect: Acquire) -> bool:
        if effect.turn not in self.turns:
            self.turns = (
                *self.turns,
                effect.turn,
            )  # before it is entered: whoever is cancelled leaves it
            if not await effect.turn.aacquire(effect.seconds):
                self.turns = self.turns[:-1]
                return False
        return True

    async def ask(self, effect: Ask) -> object:
        try:
            return await effect.answer
        except Exception as error:
            effect.failed(error)
            raise

    def release_lock(self) -> None:
        while self.turns:
            self.turns[-1].arelease()
            self.turns = self.turns[:-1]

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
                    await held.stream.aclose()  # type: ignore[union-attr]
                    held.is_closed = True  # as its `aclose` does, but for what an error would say
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
        """As SyncIO's."""
        self.release_lock()
        self.give_back()
        await alet_go(self.held)
        await self.drop()


async def _aread_on(response: Response) -> None:
    assert isinstance(response.stream, ANY.AsyncByteStream)
    try:
        async for _ in response.stream:
            pass
    finally:
        with anyio.CancelScope(shield=True):
            await response.aclose()


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
