"""One exchange, interrupted at each line (or each bytecode) that the package runs in it."""

import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import Thread
from typing import Any

import statuspolicy
from tests.library import httpx

PACKAGE = str(Path(statuspolicy.__file__).parent)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response that a transport returned, in two parts. It is open until closed."""

    def __init__(self, inner: "Inner", parts: tuple[Any, ...]) -> None:
        self._inner, self._parts = inner, parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            yield part

    def __aiter__(self) -> "Parts":
        return Parts(self._inner, iter(self))

    def close(self) -> None:
        self._inner.open.discard(self)

    async def aclose(self) -> None:
        await self._inner.pause()
        self.close()


class Parts:
    """Those of a body that a task reads; no generator, which has to be closed."""

    def __init__(self, inner: "Inner", parts: Iterator[bytes]) -> None:
        self._inner, self._parts = inner, parts

    def __aiter__(self) -> "Parts":
        return self

    async def __anext__(self) -> bytes:
        await self._inner.pause()
        for part in self._parts:
            return part
        raise StopAsyncIteration


class Inner(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport without a network, which knows its responses that were not closed.

    answer: (status, header fields, parts of the body) for a request, or an error to raise.
    """

    def __init__(self, answer: Callable[[httpx.Request], Any]) -> None:
        self._answer = answer
        self.open: set[Body] = set()
        self.sent: list[httpx.Request] = []

    async def pause(self) -> None:
        """A checkpoint, as each call on a socket is."""
        import anyio.lowlevel

        await anyio.lowlevel.checkpoint()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._answered(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self.pause()
        await request.aread()
        return self._answered(request)

    def _answered(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        status, headers, *parts = answer
        body = Body(self, tuple(parts))
        self.open.add(body)
        return httpx.Response(status, headers=headers, stream=body)


class Interrupted(KeyboardInterrupt):
    """Where it was raised."""


@contextmanager
def interrupting(at: int, opcodes: bool = False) -> Iterator[list[Any]]:
    """Raise KeyboardInterrupt at the `at`th line (bytecode) of the package from here on.

    Gives how many there were, and where it was raised. 0 for nowhere.
    """
    said: list[Any] = [0, None]

    def local(frame: Any, event: str, _arg: object) -> Any:
        if event == ("opcode" if opcodes else "line"):
            said[0] += 1
            if said[0] == at:
                name = frame.f_code.co_filename[len(PACKAGE) + 1 :]
                said[1] = f"{name}:{frame.f_lineno} {frame.f_code.co_name} {frame.f_lasti}"
                sys.settrace(None)
                raise Interrupted(said[1])
        return local

    def entered(frame: Any, _event: str, _arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = opcodes
        return local

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        yield said
    finally:
        sys.settrace(before)


def apart(test: Callable[..., None]) -> Callable[..., None]:
    """A test in a thread of its own.

    An exception that a trace function raises as a handler ends stays behind as the one that the
    thread handles, and would be the context of all that later tests raise.
    """

    @wraps(test)
    def tested(**fixtures: Any) -> None:
        failed: list[BaseException] = []

        def run() -> None:
            try:
                test(**fixtures)
            except BaseException as error:
                failed.append(error)

        thread = Thread(target=run)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    return tested


def without_a_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that awaits nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("It waits for something.")


class Stepped(Awaitable[Any]):
    """A coroutine; `cancel` is called before its `at`th checkpoint."""

    def __init__(self, coroutine: Any, at: int, cancel: Callable[[], object]) -> None:
        self._coroutine, self._at, self._cancel = coroutine, at, cancel
        self.steps = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        value, error = None, None
        while True:
            try:
                if error is None:
                    asked = self._coroutine.send(value)
                else:
                    asked = self._coroutine.throw(error)
            except StopIteration as end:
                return end.value
            self.steps += 1
            if self.steps == self._at:
                self._cancel()
            value, error = None, None
            try:
                value = yield asked
            except BaseException as raised:
                error = raised
