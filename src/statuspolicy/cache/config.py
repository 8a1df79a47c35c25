"""`Cache`: the configuration of a client's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statuspolicy._value import Value
from statuspolicy.cache.storage.memory import MemoryStorage, Storage
from statuspolicy.printable import given


class Cache(Value):
    """A private HTTP cache (RFC 9111) for a client: `wrap(client, cache=Cache())`.

    storage: where responses are stored; None for a new `MemoryStorage()`.
    user: the user that responses belong to: a name, or a callable that takes the request and
        returns the name; it is called once for each call of the client. With "" or None the user
        is not known: then the rule below holds, and no `private` response is stored.
    entry_bytes: the longest body in bytes; a response with a longer one isn't stored.
    cache_status: whether to write a Cache-Status field (RFC 9211) into each response.
    collapse: whether equal requests wait for one validation: one of them asks the server, and the
        others wait for its result, no longer than their own timeouts. Where it fails, those with
        the same timeouts fail too.

    Without `user`, a stored response answers only the client that received it (in a shared
    storage: each client, for requests without cookies from its jar), and only requests with the
    same Authorization, the same Cookie field set by the caller, and the same
    `Limits.sensitive_headers`. A shared storage keeps no `private` response without a user.

    A Host other than the URL's is part of the key, and a request with a `target` of its own is
    not cached.

    Raises TypeError or ValueError for an argument with another type or value.
    """

    __module__ = "statuspolicy"

    storage: Storage | None = None
    user: str | Callable[[Any], str | None] | None = None
    entry_bytes: int = 8 * 1024 * 1024
    cache_status: bool = False
    collapse: bool = False

    @property
    def kept(self) -> Storage:
        """The storage; never None after `__init__`."""
        assert self.storage is not None
        return self.storage

    def check(self) -> None:
        if self.storage is None:
            object.__setattr__(self, "storage", MemoryStorage())
        if isinstance(self.storage, type) or not hasattr(self.storage, "aload"):
            raise TypeError(
                f"Cache(storage={given(self.storage)}): write a storage, such as "
                "statuspolicy.MemoryStorage() or statuspolicy.SQLiteStorage(path)."
            )
        if not (self.user is None or isinstance(self.user, str) or callable(self.user)):
            raise TypeError(
                f"Cache(user={given(self.user)}): write a name, or a callable that returns one."
            )
        if type(self.entry_bytes) is not int or self.entry_bytes < 1:
            raise ValueError(
                f"Cache(entry_bytes={self.entry_bytes!r}): write a number of bytes, 1 or more."
            )
        for name in ("cache_status", "collapse"):
            if not isinstance(flag := getattr(self, name), bool):
                raise TypeError(f"Cache({name}={flag!r}): write True or False.")
