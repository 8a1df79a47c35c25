"""What a call of a wrapped client says, handed down to its transports.

While it is wrapped, a client is of a class of its own, between its class and the library's, that
hears `send`: every verb and `stream` pass it. So whatever somebody puts on `Client.send` later is
found as ever; and the client holds no method of its own, which would keep it alive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache, wraps
from typing import Any, TypeVar
from weakref import ref

from statuspolicy.during import aduring, during

from ._lib import AsyncClient, Client, Response
from .configured import CALL, driver
from .routing import NAME, Wrapping

T = TypeVar("T")


class HearingClient(Client):
    """A wrapped `Client`."""

    __slots__ = ()

    @wraps(Client.send)
    def send(self, *args: Any, **options: Any) -> Response:  # type: ignore[override]  # `wraps`
        done = self.__dict__.get(NAME)
        if done is None:  # somebody kept this method, and unwrapped the client
            return Client.send(self, *args, **options)
        if done.of.client() is None:
            done.of.client = ref(self)  # a copy, which has outlived the client that was wrapped
        return _sent(done, super().send, *args, **options)


class AsyncHearingClient(AsyncClient):
    """A wrapped `AsyncClient`."""

    __slots__ = ()

    @wraps(AsyncClient.send)
    async def send(self, *args: Any, **options: Any) -> Response:  # type: ignore[override]  # `wraps`
        done = self.__dict__.get(NAME)
        if done is None:
            return await AsyncClient.send(self, *args, **options)
        if done.of.client() is None:
            done.of.client = ref(self)  # a copy, which has outlived the client that was wrapped
        return await _asent(done, super().send, *args, **options)


def over(client: Any, done: Wrapping, send: Any) -> Callable[..., Any]:
    """What hears the calls to a `send` that somebody had put on the client itself."""

    @wraps(send)
    def sync_send(*args: Any, **options: Any) -> Any:
        return _sent(done, send, *args, **options)

    @wraps(send)
    async def async_send(*args: Any, **options: Any) -> Any:
        return await _asent(done, send, *args, **options)

    return async_send if isinstance(client, AsyncClient) else sync_send


def _sent(done: Wrapping, send: Callable[..., T], *args: Any, **options: Any) -> T:
    """What it sends, as a call of that client."""
    try:
        call = (done.of, options.get("follow_redirects"), done.now(), True)
        return during(CALL, call, send, *args, **options)
    except BaseException as error:
        for response in _forsaken(error):
            driver.let_go(response)
        raise


async def _asent(
    done: Wrapping, send: Callable[..., Awaitable[T]], *args: Any, **options: Any
) -> T:
    try:
        call = (done.of, options.get("follow_redirects"), done.now(), True)
        return await aduring(CALL, call, send, *args, **options)
    except BaseException as error:
        for response in _forsaken(error):
            await driver.alet_go(response)
        raise


def _forsaken(error: BaseException) -> list[Response]:
    """The responses that the client had in hand when Ctrl-C or a cancellation came.

    It closes those whose hooks or bodies fail, and forgets what it is interrupted with in between.
    """
    found: list[Response] = []
    traceback = None if isinstance(error, (Exception, GeneratorExit)) else error.__traceback__
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        if frame.f_globals is _OF_THE_CLIENT:
            found += [one for one in frame.f_locals.values() if isinstance(one, Response)]
    return found


_OF_THE_CLIENT = Client.close.__globals__


class _Quiet(Client):
    """The first base of the class of a wrapped client: no subclass of somebody's is announced."""

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        pass


class _AsyncQuiet(AsyncClient):
    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        pass


@cache
def hearing(kind: Any) -> Any:
    """The class of a client while it is wrapped; it is named as its own class is."""
    quiet: Any = _Quiet
    heard: Any = HearingClient
    if issubclass(kind, AsyncClient):
        quiet, heard = _AsyncQuiet, AsyncHearingClient
    bases = (heard,) if kind in (Client, AsyncClient) else (quiet, kind, heard)
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    metaclass: Any = type(kind)
    return metaclass(kind.__name__, bases, {"__slots__": (), **names})


def unhearing(kind: Any) -> Any:
    """The class that a wrapped client had before."""
    bases = kind.__bases__
    return bases[1] if len(bases) > 1 else bases[0].__base__
