"""`Cache`: that there is one, where it keeps its responses, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statuspolicy._value import Value
from statuspolicy.cache.storage import MemoryStorage, Storage
from statuspolicy.printable import given


class Cache(Value):
    """A private HTTP cache (RFC 9111) for a client: `wrap(client, cache=Cache())`.

    storage: where responses are kept; None for a `MemoryStorage()` of its own.
    user: whose responses these are, as a name or as a callable that tells it of a request, and is
        asked once a call. It takes the place of the rule below. "" or None is nobody: then the
        rule holds, and nothing `private` is stored.
    entry_bytes: a response with a longer body isn't stored.
    cache_status: write a Cache-Status field (RFC 9211) into each response.
    collapse: of several requests that would validate the same response at the same time, one
        asks and the others wait for what it learns, no longer than their own timeouts; where it
        fails, those with the same timeouts have failed too.

    Whose a response is: without `user`, a stored response answers only the client that got it
    (in a storage that is shared, any client whose request has no cookies of its jar), and only
    requests with the same Authorization, the same Cookie field of the caller's own and the same
    `Limits.sensitive_headers`. A shared storage keeps nothing that is `private` for nobody.

    A Host that isn't the URL's is part of what was asked for, and a request with a `target` of its
    own passes the cache by.

    Raises TypeError or ValueError for an argument that is none of these.
    """

    storage: Storage | None = None
    user: str | Callable[[Any], str | None] | None = None
    entry_bytes: int = 8 * 1024 * 1024
    cache_status: bool = False
    collapse: bool = False

    @property
    def kept(self) -> Storage:
        """The storage, which is there once this is made."""
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
