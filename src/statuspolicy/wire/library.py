"""The HTTP libraries whose clients a policy serves: httpx and httpx2, which have the same names.

Only this module deals with both libraries, and it imports neither. A library is *known* once one of
its objects was seen, or if it was imported before this package. Other modules use it for:

* Questions: is this a response? `isinstance(x, ANY.Response)`, `except ANY.TransportError`. Under
  the name of each class, `ANY` has that class of all known libraries, as a tuple.
* Objects: make a header section. `LIBRARY_OF[type(request)].Headers(...)` is the class of the
  library to which `request` belongs.
* Base classes: an error, transport or stream of this package derives from `BASE.X`, which derives
  from X of each known library. So the one `RedirectLoop` is the TooManyRedirects of both.

In annotations, the whole package uses the names of httpx.
"""

from __future__ import annotations

import gc
import sys
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from statuspolicy.wire.supported import Name, require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    import httpx
    import httpx as ANY  # noqa: N812 - as it is when it runs: `ANY.Response`

NAMES = ("httpx", "httpx2")

__all__ = [
    "ANY", "BASE", "BYTE_STREAMS", "LIBRARY_OF", "NAMES", "RESPONSES", "Library", "MadeClasses",
    "Stream", "either", "is_lasting", "known", "look_around", "meet", "named", "of_another",
    "remember", "several",
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
        # As attributes: a `__getattr__` would make each access slower.
        vars(self).update({one: getattr(module, one) for one in _CLASSES})

    def __repr__(self) -> str:
        return self.name


_known: dict[str, Library] = {}
_learning = Lock()

# The libraries' own classes, for tests that exclude subclasses: `type(stream) in BYTE_STREAMS`
# (a body in memory).
BYTE_STREAMS: set[type] = set()
RESPONSES: set[type] = set()

if not TYPE_CHECKING:

    class _Any:
        """The class of each name in all known libraries, as a tuple, which `isinstance` takes."""

    ANY = _Any()
    vars(ANY).update(dict.fromkeys(_CLASSES, ()))


def named(name: str) -> Library:
    """The library with a name; it is known from now on.

    Raises TypeError if an application has defined a subclass of a class of this package that can't
    derive from the library's class too.
    """
    if name not in _known:
        try:
            _learn(name)
        except TypeError:
            gc.collect()  # a class whose definition failed is a base's subclass until it is freed
            _learn(name)
    return _known[name]


def look_around() -> None:
    """Make the libraries known that were imported since: `except httpx2.X` can't call this."""
    for name in NAMES:
        # Skip a placeholder for a library that isn't installed, and one that is half imported.
        if name not in _known and isinstance(getattr(sys.modules.get(name), "URL", None), type):
            named(name)


def _learn(name: str) -> None:
    from importlib import import_module

    module = import_module(name)  # without our lock, since it waits for the lock of the import
    with _learning:
        if name in _known:
            return  # another thread was faster
        for other in _known.values():
            if other.Response is getattr(module, "Response", None):
                _known[name] = other  # an alias: sys.modules["httpx"] = httpx2
                return
        library = Library(module)
        _grow(library)
        for one in _CLASSES:
            setattr(ANY, one, (*getattr(ANY, one), getattr(library, one)))
        BYTE_STREAMS.add(library.ByteStream)
        RESPONSES.add(library.Response)
        _known[name] = library


def _grow(library: Library) -> None:
    """Make the classes of BASE derive from those of a library too: all of them, or none."""
    before = {kind: kind.__bases__ for kind in vars(BASE).values()}
    # Always in the same order, so that it doesn't depend on which library was seen first.
    libraries = sorted([*known(), library], key=lambda one: NAMES.index(one.name))
    try:
        for one, kind in vars(BASE).items():
            kind.__bases__ = (kind.__bases__[0], *(getattr(each, one) for each in libraries))
    except TypeError:
        for kind, bases in before.items():
            kind.__bases__ = bases
        raise


class _LibraryOf(dict[type, Library]):
    """The library of a class. An application's classes are not stored: they could not be freed."""

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
    """The first class of a library among a class and its bases; None if there is none."""
    return next((base for base in kind.__mro__ if base.__module__ in NAMES), None)


LIBRARY_OF: Mapping[type, Library] = _LibraryOf()


def meet(thing: object) -> Library | None:
    """Make the library of an application's object known, for `ANY`; None if it has no library."""
    kind = type(thing)
    return None if _theirs(kind) is None else LIBRARY_OF[kind]


def remember(kind: type, library: Library) -> None:
    """Store the library of a class of this package, so that LIBRARY_OF finds it quickly."""
    _LIBRARY[kind] = library


_LIBRARY: Any = LIBRARY_OF


class MadeClasses:
    """A class for each class, made on first use. No application's class is kept alive.

    make: makes one.
    lasting: those for classes of the libraries, which live as long as the process.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self.lasting: dict[type, Any] = {}
        # A class that was made knows the application's: both live as long as an object of either.
        self._others: WeakKeyDictionary[type, ref[Any]] = WeakKeyDictionary()

    def __call__(self, kind: type) -> Any:
        """The class for a class."""
        found = self.lasting.get(kind)
        if found is None and kind in self._others:
            found = self._others[kind]()
        if found is None:
            found = self._make(kind)
            if is_lasting(kind):
                self.lasting[kind] = found
            else:
                self._others[kind] = ref(found)
        return found


def is_lasting(kind: type) -> bool:
    """Whether a class is a library's or this package's: it lives as long as the process."""
    return kind.__module__ in NAMES or kind in LIBRARY_OF


def of_another(transport: object, library: Library) -> Library | None:
    """The library of a transport if a client of `library` can't use it; None if it can."""
    meet(transport)
    found = [
        one for one in known() if isinstance(transport, (one.BaseTransport, one.AsyncBaseTransport))
    ]
    return found[0] if found and library not in found else None


def known() -> list[Library]:
    """The libraries that are known now."""
    return [*dict.fromkeys(_known.values())]


def either() -> Library:
    """The library to use where no object decides: the first that is known, else installed."""
    for name in NAMES:
        if name in _known:
            return _known[name]
    try:
        return named("httpx")
    except ImportError:
        return named("httpx2")


# ── base classes for the classes of this package ──────────────────────────────────────


class _Thing:
    """The first base of each class of BASE: Python can't replace `object` in `__bases__`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ != __name__:
            look_around()  # so that bases that can't be combined are refused at the definition


class _Failure(_Thing, Exception):
    """As `_Thing`, for exceptions."""


if TYPE_CHECKING:
    import httpx as BASE  # noqa: N812 - `class RedirectLoop(BASE.TooManyRedirects)`
else:

    class _Bases:
        """For each name, a class that derives from the class with that name of each library."""

        def __getattr__(self, name):
            look_around()
            first = _Thing if name.endswith(("Transport", "Stream")) else _Failure
            with _learning:
                theirs = [getattr(library, name) for library in known()]
                made = type(name, (first, *theirs), {"__module__": __name__})
                return vars(self).setdefault(name, made)

    BASE = _Bases()


class Stream(BASE.SyncByteStream, BASE.AsyncByteStream):
    """Base class of the body streams of this package, for sync and async clients."""


def several(*kinds: Any) -> tuple[Any, ...]:
    """One tuple of classes, made of classes and of tuples as in `ANY`, for `except`."""
    return tuple(one for kind in kinds for one in (kind if isinstance(kind, tuple) else (kind,)))


look_around()
