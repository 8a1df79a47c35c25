"""The HTTP libraries whose clients a policy serves: httpx and httpx2, which have the same names.

This module alone knows them, and imports neither: a library is known once an object of it was
seen, or where it was imported before this package. Two questions are asked of it:

* Is this a response? `isinstance(x, ANY.Response)`, `except ANY.TransportError`: under each name,
  `ANY` has the classes of all known libraries, as a tuple.
* Make a header section: `LIBRARY_OF[type(request)].Headers(...)`, the library of an object at hand.

What is ours and has to be the library's too (an error, a transport, a stream) is a subclass of
`BASE.X`, which is of all known libraries. So there is one `RedirectLoop`, and it is the
TooManyRedirects of both.

For type checkers the names in annotations are httpx's, throughout the package.
"""

from __future__ import annotations

import gc
import sys
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from statuspolicy.wire.supported import Name, require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    import httpx
    import httpx as ANY  # noqa: N812 - as it is when it runs: `ANY.Response`

NAMES = ("httpx", "httpx2")

__all__ = [
    "ANY", "BASE", "BYTE_STREAMS", "LIBRARY_OF", "NAMES", "RESPONSES", "Library", "Stream",
    "either", "known", "look_around", "meet", "named", "of_another", "remember", "several",
]  # fmt: skip

_CLASSES = (
    "URL", "AsyncBaseTransport", "AsyncByteStream", "AsyncClient", "AsyncHTTPTransport", "Auth",
    "BaseTransport", "ByteStream", "Client", "ConnectError", "ConnectTimeout", "Cookies",
    "DecodingError", "DigestAuth", "HTTPStatusError", "HTTPTransport", "Headers", "InvalidURL",
    "LocalProtocolError", "PoolTimeout", "ProxyError", "ReadError", "ReadTimeout",
    "RemoteProtocolError", "Request", "RequestError", "Response", "SyncByteStream",
    "TimeoutException", "TooManyRedirects", "TransportError", "UnsupportedProtocol", "WriteError",
    "WriteTimeout",
)  # fmt: skip


class Library:
    """One of the two, by the classes that are made of it."""

    if TYPE_CHECKING:
        URL: type[httpx.URL]
        Auth: type[httpx.Auth]
        AsyncBaseTransport: type[httpx.AsyncBaseTransport]
        AsyncClient: type[httpx.AsyncClient]
        AsyncHTTPTransport: type[httpx.AsyncHTTPTransport]
        BaseTransport: type[httpx.BaseTransport]
        ByteStream: type[httpx.ByteStream]
        Client: type[httpx.Client]
        Cookies: type[httpx.Cookies]
        DecodingError: type[httpx.DecodingError]
        HTTPStatusError: type[httpx.HTTPStatusError]
        HTTPTransport: type[httpx.HTTPTransport]
        Headers: type[httpx.Headers]
        Request: type[httpx.Request]
        Response: type[httpx.Response]

    def __init__(self, module: ModuleType) -> None:
        self.name = name = module.__name__
        require(
            name, [Name(one, "to wrap a client", partial(getattr, module, one)) for one in _CLASSES]
        )
        # No `__getattr__`, which would make each access slower.
        vars(self).update({one: getattr(module, one) for one in _CLASSES})

    def __repr__(self) -> str:
        return self.name


_known: dict[str, Library] = {}
_learning = Lock()

# Of these classes themselves, and no subclass: `type(stream) in BYTE_STREAMS` (a body in memory).
BYTE_STREAMS: set[type] = set()
RESPONSES: set[type] = set()

if not TYPE_CHECKING:

    class _Any:
        """Under each name the classes of the known libraries: `isinstance` takes a tuple too."""

    ANY = _Any()
    vars(ANY).update(dict.fromkeys(_CLASSES, ()))


def named(name: str) -> Library:
    """The library of that name, which is known from now on.

    Raises TypeError where a subclass of ours that an application defined can't be the library's.
    """
    if name not in _known:
        try:
            _learn(name)
        except TypeError:
            gc.collect()  # a class that was refused where it is defined lives on until then
            _learn(name)
    return _known[name]


def look_around() -> None:
    """Know what was imported meanwhile: `except httpx2.TooManyRedirects` asks nobody."""
    for name in NAMES:
        # Neither what stands there for a library that isn't installed, nor a half of one.
        if name not in _known and isinstance(getattr(sys.modules.get(name), "URL", None), type):
            named(name)


def _learn(name: str) -> None:
    from importlib import import_module

    module = import_module(name)  # before the lock: it waits for the lock of the import
    with _learning:
        if name in _known:
            return  # another thread saw it first
        for other in _known.values():
            if other.Response is getattr(module, "Response", None):
                _known[name] = other  # one stands in for the other: sys.modules["httpx"] = httpx2
                return
        library = Library(module)
        _grow(library)
        for one in _CLASSES:
            setattr(ANY, one, (*getattr(ANY, one), getattr(library, one)))
        BYTE_STREAMS.add(library.ByteStream)
        RESPONSES.add(library.Response)
        _known[name] = library


def _grow(library: Library) -> None:
    """Make the bases of ours subclasses of a library's too: all of them, or none."""
    before = {kind: kind.__bases__ for kind in vars(BASE).values()}
    # In one order, whichever was seen first.
    libraries = sorted([*known(), library], key=lambda one: NAMES.index(one.name))
    try:
        for one, kind in vars(BASE).items():
            kind.__bases__ = (kind.__bases__[0], *(getattr(each, one) for each in libraries))
    except TypeError:
        for kind, bases in before.items():
            kind.__bases__ = bases
        raise


class _LibraryOf(dict[type, Library]):
    """The library of a class. It holds no class of an application's, which would not be freed."""

    def __missing__(self, kind: type) -> Library:
        base = _theirs(kind)
        if base is None:
            raise TypeError(
                f"{kind.__module__}.{kind.__qualname__} is of neither httpx nor httpx2."
            )
        library = named(base.__module__)
        if base is kind:
            self[kind] = library
        return library


def _theirs(kind: type) -> type | None:
    """The first class of a library that a class is a subclass of."""
    return next((base for base in kind.__mro__ if base.__module__ in NAMES), None)


LIBRARY_OF: Mapping[type, Library] = _LibraryOf()


def meet(thing: object) -> Library | None:
    """Know the library of what an application gives, before `ANY` is asked; None for a stranger."""
    kind = type(thing)
    return None if _theirs(kind) is None else LIBRARY_OF[kind]


def remember(kind: type, library: Library) -> None:
    """Have the library of a class of ours be found as quickly as that of its own."""
    _LIBRARY[kind] = library


_LIBRARY: Any = LIBRARY_OF


def of_another(transport: object, library: Library) -> Library | None:
    """The library of a transport that a client of this library can't use; None if it can."""
    meet(transport)
    found = [
        one for one in known() if isinstance(transport, (one.BaseTransport, one.AsyncBaseTransport))
    ]
    return found[0] if found and library not in found else None


def known() -> list[Library]:
    """The libraries that are known by now."""
    return [*dict.fromkeys(_known.values())]


def either() -> Library:
    """A library, where no object says which one: the first that is known, or else installed."""
    for name in NAMES:
        if name in _known:
            return _known[name]
    try:
        return named("httpx")
    except ImportError:
        return named("httpx2")


# ── what is ours and the library's ────────────────────────────────────────────────────


class _Thing:
    """The bases' first base: in the place of `object` itself Python takes no other."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ != __name__:
            look_around()  # here, so that bases that don't go together are refused at once


class _Failure(_Thing, Exception):
    """As `_Thing`, of errors."""


if TYPE_CHECKING:
    import httpx as BASE  # noqa: N812 - `class RedirectLoop(BASE.TooManyRedirects)`
else:

    class _Bases:
        """Under each name a class that is a subclass of each known library's class of that name."""

        def __getattr__(self, name):
            look_around()
            first = _Thing if name.endswith(("Transport", "Stream")) else _Failure
            with _learning:
                theirs = [getattr(library, name) for library in known()]
                made = type(name, (first, *theirs), {"__module__": __name__})
                return vars(self).setdefault(name, made)

    BASE = _Bases()


class Stream(BASE.SyncByteStream, BASE.AsyncByteStream):
    """A body that is ours, for both kinds of client."""


def several(*kinds: Any) -> tuple[Any, ...]:
    """Classes, and tuples of them as `ANY` has, as `except` takes them together."""
    return tuple(one for kind in kinds for one in (kind if isinstance(kind, tuple) else (kind,)))


look_around()
