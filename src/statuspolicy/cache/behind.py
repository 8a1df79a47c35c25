"""Validations behind a caller's back (RFC 5861 §3): few at a time, ended with the client."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from threading import Lock, Thread
from time import monotonic
from typing import Any

from statuspolicy.locks import alone
from statuspolicy.printable import log

_MOST = 8  # at a time; what comes on top is validated when it is asked for again


class Validations:
    """What is validated while its caller has a stale response already."""

    def __init__(self) -> None:
        self._lock = Lock()
        # What ends each: the thread, or a task's cancel scope and the event that it is over.
        self._running: dict[str, Any] = {}

    def start(self, key: str, run: Callable[[], object]) -> None:
        """Run it in a thread of its own, unless one for `key` is under way."""

        def validate() -> None:
            try:
                run()
            except Exception as error:  # noqa: BLE001 - nobody waits for it
                log.info("The background validation of %s failed: %r", key, error)
            finally:
                self._running.pop(key, None)

        # What an application's callables know of their caller, they know here too.
        work = copy_context().run
        thread = Thread(target=work, args=(validate,), name=f"statuspolicy: {key}", daemon=True)
        self._begin(key, thread, thread.start)

    def start_task(self, key: str, run: Callable[[], Awaitable[object]]) -> None:
        """Run it in a task of its own, unless one for `key` is under way."""
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

    @alone  # nobody waits for a thread that has not begun
    def _begin(self, key: str, handle: object, start: Callable[[], object]) -> None:
        if key in self._running or len(self._running) >= _MOST:
            return
        self._running[key] = handle
        try:
            start()
        except RuntimeError as error:  # no thread is to be had
            del self._running[key]
            log.info("The background validation of %s could not start: %r", key, error)

    def close(self, seconds: float) -> None:
        """Wait for what is under way, but no longer than that for all of it."""
        end = monotonic() + seconds
        for thread in self._all():
            thread.join(max(0.0, end - monotonic()))

    @alone
    def _all(self) -> list[Any]:
        return [*self._running.values()]

    async def aclose(self) -> None:
        """End what is under way, and wait until it has."""
        for scope, over in [*self._running.values()]:
            scope.cancel()
            await over.wait()


def _spawn(task: Callable[[], Awaitable[None]]) -> None:
    """A task that its caller does not wait for, in the event loop that runs here."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        trio.lowlevel.spawn_system_task(task, context=copy_context())
        return
    import asyncio

    running = asyncio.ensure_future(task())
    _TASKS.add(running)  # the loop itself holds on to it by a weak reference alone
    running.add_done_callback(_TASKS.discard)


_TASKS: set[Any] = set()
