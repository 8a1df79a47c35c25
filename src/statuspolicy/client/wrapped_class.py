"""The context of a call of a wrapped client, passed on to its transports.

While it is wrapped, a client has a class made from its own class, with another `send`: every method
such as `get` calls that. So a patch of `Client.send` still works, and the client holds no bound
method, which would keep it alive.

For a subclass, `send` is overridden above and beneath it: above, since its `send` may call
`Client.send` by name, and beneath, since it may set `follow_redirects`.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Awaitable, Callable
from functools import cache, wraps
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from statuspolicy.client.base_transport import CALL
from statuspolicy.client.wrapping import NAME, Wrapping
from statuspolicy.message.redact import bound
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.wire.context import aduring, during
from statuspolicy.wire.library import ANY, LIBRARY_OF, MadeClasses, several

if TYPE_CHECKING:
    from httpx import Response

    from statuspolicy.client import driver
else:  # once there is something to do
    driver = LazyModule("statuspolicy.client.driver")

T = TypeVar("T")


def _override_send(kind: Any) -> Any:
    """Give a class a `send` that notes the call, then calls that of the next class."""
    below = kind.send

    @wraps(below)
    def send(self: Any, *args: Any, **options: Any) -> Any:
        done = self.__dict__.get(NAME)
        if done is None:
            return _next_send(kind, self).send(*args, **options)
        if done.of.client() is None:
            done.of.client = ref(self)  # a copy of a wrapped client that was freed
        return _sent(done, super(kind, self).send, *args, **options)

    @wraps(below)
    async def async_send(self: Any, *args: Any, **options: Any) -> Any:
        done = self.__dict__.get(NAME)
        if done is None:
            return await _next_send(kind, self).send(*args, **options)
        if done.of.client() is None:
            done.of.client = ref(self)
        return await _asent(done, super(kind, self).send, *args, **options)

    kind.send = async_send if issubclass(kind, ANY.AsyncClient) else send
    return kind


def _next_send(kind: Any, client: Any) -> Any:
    """The object with the next `send` for a client that isn't wrapped.

    It was unwrapped while the method was kept, or made by `type(wrapped)(...)`.
    """
    return super(kind, client) if isinstance(client, kind) else client


@cache
def _outer_bases(base: Any) -> tuple[Any, Any]:
    """Two bases of a wrapped client's class: one before its own class, and one after it.

    base: a library's Client or AsyncClient.
    """

    class Above(base):  # type: ignore[misc]
        __slots__ = ()

        def __init_subclass__(cls, **options: Any) -> None:
            """Do nothing: an application's hook must not see the class that `wrap` makes."""

    class Beneath(base):  # type: ignore[misc]
        __slots__ = ()

    return _override_send(Above), _override_send(Beneath)


def wrap_send(client: Any, done: Wrapping, send: Any) -> Callable[..., Any]:
    """Wrap a `send` that was set on the client itself."""

    @wraps(send)
    def sync_send(*args: Any, **options: Any) -> Any:
        return _sent(done, send, *args, **options)

    @wraps(send)
    async def async_send(*args: Any, **options: Any) -> Any:
        return await _asent(done, send, *args, **options)

    return async_send if isinstance(client, ANY.AsyncClient) else sync_send


def _sent(done: Wrapping, send: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call `send` as a call of the wrapped client."""
    try:
        call = (done.of, options.get("follow_redirects"), done.now(), True)
        return during(CALL, call, send, *args, **options)
    except BaseException as error:
        if isinstance(error, ANY.RequestError):
            bound(error)
        for response in _open_responses(error):
            driver.let_go(response)
        raise


async def _asent(
    done: Wrapping, send: Callable[..., Awaitable[T]], *args: Any, **options: Any
) -> T:
    try:
        call = (done.of, options.get("follow_redirects"), done.now(), True)
        return await aduring(CALL, call, send, *args, **options)
    except BaseException as error:
        if isinstance(error, ANY.RequestError):
            bound(error)
        for response in _open_responses(error):
            await driver.alet_go(response)
        raise


def _open_responses(error: BaseException) -> list[Response]:
    """The open responses in the client's frames when Ctrl-C or a cancellation came.

    A client closes its response when a hook or the body fails, but not when it is interrupted.
    """
    found: list[Response] = []
    traceback = None if isinstance(error, (Exception, GeneratorExit)) else error.__traceback__
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        if any(frame.f_globals is client.close.__globals__ for client in several(ANY.Client)):
            found += [one for one in frame.f_locals.values() if isinstance(one, ANY.Response)]
    return found


# `object`'s own setter: the client's class may have a `__setattr__` or a `__class__` of its own.
_become: Any = vars(object)["__class__"].__set__
_CLASS = property(attrgetter("_unwrapped"), _become)


def _made(kind: Any) -> Any:
    """The class that a client of `kind` has while it is wrapped.

    It has the same name, and `client.__class__` is still the client's own class: a client that is
    made from that isn't wrapped.
    """
    if "_unwrapped" in vars(kind):
        return kind  # `type(wrapped)(...)` made the client
    library = LIBRARY_OF[kind]
    base: Any = library.AsyncClient if issubclass(kind, library.AsyncClient) else library.Client
    above, beneath = _outer_bases(base)
    bases: Any = (above, kind, beneath)
    if kind is base:
        bases = (beneath,)
    elif issubclass(kind, beneath):
        bases = (kind,)  # a subclass of `type(wrapped)`
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    names |= {"__slots__": (), "_unwrapped": kind, "__class__": _CLASS}
    metaclass: Any = type(kind)
    # The metaclass is not called: it may register each class.
    new: Any = ABCMeta.__new__ if issubclass(metaclass, ABCMeta) else type.__new__
    return new(metaclass, kind.__name__, bases, names)


wrapped_class = MadeClasses(_made)


def use_wrapped_class(client: Any) -> None:
    """Give a client the class for wrapped clients."""
    kind: Any = type(client)
    _become(client, wrapped_class(kind))


def use_own_class(client: Any) -> None:
    """Give a client its own class back, unless it was changed since."""
    kind = type(client)
    if "_unwrapped" in vars(kind):
        _become(client, kind._unwrapped)
