"""The hands that perform what the engine asks for; they own the one response that is open.

Those of a thread and those of a task differ by `async` and `await` alone, but for a stalled
body: a thread lowers the read timeout, a task has a cancel scope.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from threading import TIMEOUT_MAX
from typing import Any

from statuspolicy.clock import SystemClock
from statuspolicy.later import close
from statuspolicy.wire import sooner, wired

from ._lib import (
    AsyncBaseTransport,
    AsyncByteStream,
    BaseTransport,
    Request,
    Response,
    SyncByteStream,
    TransportError,
)
from .body import Body
from .effects import (
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
from .evidence import AsyncWatch, Watch
from .expecting import Held
from .grip import Grip, behind
from .streams import ONE_READ, Parts


class Hands(Grip[BaseTransport]):
    """The hands of a thread."""

    watch = Watch

    def send(self, effect: Send) -> Reply:
        transport = self.transport(effect)
        request, watch = self.equipped(effect)
        try:
            with self.wired(effect, transport, watch):
                response = transport.handle_request(request)
        except BaseException as error:
            if effect.fresh:
                transport.close()
            if isinstance(error, TransportError):
                return self.failed(error, effect, watch)
            raise
        return self.reply(response, effect, transport, watch)

    def wait(self, seconds: float) -> None:
        clock, closed = self.plan.clock, self.plan.closed
        if closed is not None and type(clock) is SystemClock:
            closed.wait(min(seconds, TIMEOUT_MAX))  # close() ends it
        else:
            clock.sleep(seconds)

    def discard(self, effect: Discard) -> bytes | None:
        kept = None
        if self.is_done_with(effect):
            return self.put_away(effect.response)
        try:
            if self.drains(effect):
                sent = self.sent or effect.request
                with suppress(Exception), _hurried(sent, self.plan.limits.drain_seconds):
                    kept = self._drain(effect.response)
        finally:
            self.drop()
        return kept

    def _drain(self, response: Response) -> bytes | None:
        limits = self.plan.limits
        end = self.plan.clock.monotonic() + limits.drain_seconds
        parts, length = [], 0
        assert isinstance(response.stream, SyncByteStream)
        # A server can go on without end and bring no part of a body (trailer fields, say): each
        # read of the socket gets what is left.
        with wired(sooner(lambda: self.left(end))):
            for part in response.stream:
                parts.append(part)
                length += len(part)
                if length > limits.drain_bytes or self.left(end) < 0:
                    return None
        return b"".join(parts)

    def read(self, effect: Read) -> bytes | None:
        response, parts = effect.response, Parts(effect.response.stream)
        assert isinstance(response.stream, SyncByteStream)
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
            if not effect.turn.enter(effect.seconds):
                return False
            self.turns.append(effect.turn)
        return True

    def leave(self) -> None:
        while self.turns:
            self.turns.pop().leave()

    def ask(self, effect: Ask) -> object:
        close(effect.answer)
        error = TypeError(
            "A duty, `confirm` or hook of a sync client answered with an awaitable: "
            "write it as a plain function, or use it with httpx.AsyncClient."
        )
        effect.failed(error)
        raise error

    def drop(self) -> None:
        held = self.held
        self.held = None
        if held is not None and not held.is_closed:
            with suppress(Exception):
                held.close()


class AsyncHands(Grip[AsyncBaseTransport]):
    """The hands of a task, in any event loop that anyio knows."""

    watch = AsyncWatch

    async def send(self, effect: Send) -> Reply:
        transport = self.transport(effect)
        request, watch = self.equipped(effect)
        try:
            with self.wired(effect, transport, watch):
                response = await self._in_time(effect, transport.handle_async_request(request))
        except BaseException as error:
            if effect.fresh:
                import anyio

                with anyio.CancelScope(shield=True):
                    await transport.aclose()
            if isinstance(error, TransportError):
                return self.failed(error, effect, watch)
            raise
        finally:
            if isinstance(request.stream, (Body, Held)):
                await request.stream.leave()
        return self.reply(response, effect, transport, watch)

    async def _in_time(self, effect: Send, answer: Awaitable[Response]) -> Response:
        if effect.until is None:
            return await answer
        import anyio  # here, so that a program without async never loads it

        with anyio.move_on_after(self.left(effect.until)):
            return await answer
        raise self.late(effect.request)

    def wait(self, seconds: float) -> Awaitable[None]:
        return self.plan.clock.asleep(seconds)

    async def discard(self, effect: Discard) -> bytes | None:
        kept = None
        if self.is_done_with(effect):
            return self.put_away(effect.response)
        try:
            if self.drains(effect):
                import anyio  # here, so that a program without async never loads it

                seconds = self.plan.limits.drain_seconds
                with suppress(Exception), anyio.move_on_after(seconds) as scope:
                    kept = await self._drain(effect.response, scope.cancel)
        finally:
            await self.drop()
        return kept

    async def _drain(self, response: Response, cancel: Callable[[], None]) -> bytes | None:
        parts, length = [], 0
        assert isinstance(response.stream, AsyncByteStream)
        async for part in response.stream:
            parts.append(part)
            length += len(part)
            if length > self.plan.limits.drain_bytes:
                # The next read ends it. To leave the loop would leave generators behind
                # that nobody closes; only a stream that never reads is left so.
                cancel()
                if length > self.plan.limits.drain_bytes + ONE_READ:
                    break
        return b"".join(parts) if length <= self.plan.limits.drain_bytes else None

    async def read(self, effect: Read) -> bytes | None:
        response, parts = effect.response, Parts(effect.response.stream)
        assert isinstance(response.stream, AsyncByteStream)
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
            if not await effect.turn.aenter(effect.seconds):
                return False
            self.turns.append(effect.turn)
        return True

    async def ask(self, effect: Ask) -> object:
        try:
            return await effect.answer
        except Exception as error:
            effect.failed(error)
            raise

    def leave(self) -> None:
        while self.turns:
            self.turns.pop().aleave()

    async def drop(self) -> None:
        held = self.held
        if held is not None and not held.is_closed:
            import anyio

            # A cancelled task must still close what it holds.
            with suppress(Exception), anyio.CancelScope(shield=True):
                await held.aclose()
        self.held = None


def _read_on(response: Response) -> None:
    """Read a body to its end, for whoever records it; nothing of it is held, nor decoded."""
    assert isinstance(response.stream, SyncByteStream)
    try:
        for _ in response.stream:
            pass
    finally:
        response.close()


async def _aread_on(response: Response) -> None:
    assert isinstance(response.stream, AsyncByteStream)
    try:
        async for _ in response.stream:
            pass
    finally:
        import anyio

        with anyio.CancelScope(shield=True):
            await response.aclose()


class _Lowered(dict[str, Any]):
    """Timeouts for the time of a drain, which know what was there before."""

    before: Any


@contextmanager
def _hurried(request: Request, seconds: float) -> Iterator[None]:
    """Lower a sent request's read timeout while its response is drained.

    The transport reads it when the body is first asked for; nothing else can end a stalled
    read in a thread.
    """
    extensions = request.extensions
    before = extensions.get("timeout")
    if isinstance(before, _Lowered):
        before = before.before  # another thread drains a response to the same request
    read = (before or {}).get("read")
    hurried = seconds if read is None else min(read, seconds)
    extensions["timeout"] = lowered = _Lowered({**(before or {}), "read": hurried})
    lowered.before = before
    try:
        yield
    finally:
        if before is None:
            extensions.pop("timeout", None)
        else:
            extensions["timeout"] = before
