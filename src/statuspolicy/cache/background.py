"""Background validations (RFC 5861 §3): some at a time; closing the client ends them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from threading import Lock, Thread
from time import monotonic
from typing import Any

from statuspolicy.memory.locks import synchronized
from statuspolicy.printable import log

_MOST = 8  # at the same time; others are validated at their next request


class Validations:
    """The background validations of a client: their callers have a stale response already."""

    def __init__(self) -> None:
        self._lock = Lock()
        # By key: the thread; or of a task, its cancel scope and the event that is set at its end.
        self._running: dict[str, Any] = {}

    def start(self, key: str, run: Callable[[], object]) -> None:
        """Validate in a new thread, unless a validation of `key` is running."""

        def validate() -> None:
            try:
                run()
            except Exception as error:  # noqa: BLE001 - nobody waits for it
                log.info("The background validation of %s failed: %r", key, error)
            finally:
                self._running.pop(key, None)

        # The callables of the application see the context variables of the caller.
        work = copy_context().run
        thread = Thread(target=work, args=(validate,), name=f"statuspolicy: {key}", daemon=True)
        self._begin(key, thread, thread.start)

    def start_task(self, key: str, run: Callable[[], Awaitable[object]]) -> None:
        """Validate in a new task, unless a validation of `key` is running."""
        import anyio

        scope, over = anyio.CancelScope(), anyio.Event()

        async def validate() -> None:
            try:
                with scope:
                    await run()
            except Exception as error:  # noqa: BLE001 - nobody waits for it
                log.info("The background validation of %s failed: %r", key, error)
            finally:
                self._running.pop(key, None)
                over.set()

        self._begin(key, (scope, over), lambda: _spawn(validate))

    @synchronized  # `close` must not wait for a thread that has not started
    def _begin(self, key: str, handle: object, start: Callable[[], object]) -> None:
        if key in self._running or len(self._running) >= _MOST:
            return
        self._running[key] = handle
        try:
            start()
        except RuntimeError as error:  # the system gives no thread
            del self._running[key]
            log.info("The background validation of %s could not start: %r", key, error)

    def close(self, seconds: float) -> None:
        """Wait until the running validations have ended, for `seconds` at most."""
        end = monotonic() + seconds
        for thread in self._all():
            thread.join(max(0.0, end - monotonic()))

    @synchronized
    def _all(self) -> list[Any]:
        return [*self._running.values()]

    async def aclose(self) -> None:
        """Cancel the running validations, and wait until they have ended."""
        for scope, over in [*self._running.values()]:
            scope.cancel()
            await over.wait()


def _spawn(task: Callable[[], Awaitable[None]]) -> None:
    """Start a task in the running event loop; nobody waits for it."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        trio.lowlevel.spawn_system_task(task, context=copy_context())
        return
    import asyncio

    running = asyncio.ensure_future(task())
    _TASKS.add(running)  # the event loop keeps only a weak reference
    running.add_done_callback(_TASKS.discard)


_TASKS: set[Any] = set()
