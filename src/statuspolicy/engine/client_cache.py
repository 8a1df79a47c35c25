"""A cache as a client uses it: its storage, and the user that each request belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom
from typing import TYPE_CHECKING, Any

from statuspolicy.cache import invalidation_log
from statuspolicy.cache.background import Validations
from statuspolicy.cache.changes import Change, Drop
from statuspolicy.cache.collapsing import CollapsedRequests
from statuspolicy.cache.config import Cache
from statuspolicy.cache.entry import Entry, Lines
from statuspolicy.cache.invalidation import invalidated
from statuspolicy.cache.invalidation_log import Sent
from statuspolicy.cache.request import CacheRequest
from statuspolicy.cache.storage.access import achange, alook, change, look
from statuspolicy.cache.storage.memory import MemoryStorage
from statuspolicy.fields.section import Fields
from statuspolicy.message import cookies as jar
from statuspolicy.message.redirected import key, target
from statuspolicy.policy.awaitable import close
from statuspolicy.policy.limits import Limits
from statuspolicy.printable import given
from statuspolicy.wire.httpx_internals import field_names, words
from statuspolicy.wire.library import ANY, LIBRARY_OF, Library

if TYPE_CHECKING:
    from httpx import Cookies, Request, Response

# Fields that most requests have and that identify nobody, as the library writes them.
_USUAL = (b"Accept", b"Accept-Encoding", b"Accept-Language", b"Connection", b"Host", b"User-Agent")
# A client sends equal requests again and again.
_KNOWN, _LONG = 256, 1024


class ClientCache:
    """A cache as one client uses it, or one transport."""

    def __init__(self, cache: Cache, limits: Limits) -> None:
        self.cache = cache
        self.storage = cache.kept
        self.near = isinstance(self.storage, MemoryStorage)  # it answers at once
        self.invalidations = invalidation_log.of(self.storage)
        self._undeleted = self.invalidations.undeleted
        self.validations = Validations()
        self.collapsed_requests = CollapsedRequests()
        self._limits = limits
        self._harmless = frozenset(n for n in _USUAL if not limits.sensitive(n.decode().lower()))
        self._client = urandom(8).hex()
        self._known: dict[object, CacheRequest] = {}

    def user(self, request: Request) -> str | None:
        """The user of a request by the cache's `user`: "" for none, None without that option.

        Called once for each call, in the caller's context: elsewhere it may not know the user.
        """
        user: Any = self.cache.user
        who = user(request) if callable(user) else user
        if who is None:
            return None if user is None else ""
        if not isinstance(who, str):
            close(who)
            raise TypeError(f"Cache(user=...) returned {given(who)}: return a name, as a string.")
        return who

    def asked(
        self, request: Request, cookies: Cookies | None, user: str | None = None
    ) -> CacheRequest:
        """A request as the rules of the cache see it. user: as `user()` returned it."""
        elsewhere = "target" in request.extensions
        said = words(request), user
        known = None if elsewhere else self._known.get(said)
        if known is not None:
            return known
        lines = tuple(request.headers.raw)
        usual = self._harmless.issuperset([name for name, _ in lines])
        if user:
            who = user
        elif usual:
            who = "" if self.storage.shared else self._client
        else:
            of_jar = b"cookie" in field_names(request.headers)
            client = self._client if of_jar or not self.storage.shared else ""
            who = client + self._secrets(request, lines, cookies)
        # With `user=` several people share a client: a response without a user may be anybody's.
        anonymous = not user and (user is not None or not who)
        asked = CacheRequest(request.method, key(request), lines, who, anonymous, elsewhere)
        # The other fields are usual ones, and short.
        if usual and not elsewhere and len(asked.url) + len(who) < _LONG:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[said] = asked
        return asked

    def close(self, seconds: float) -> None:
        """End the background validations, and close the storage."""
        self.validations.close(seconds)
        change(self.storage, self._undeleted_changes())
        self.storage.close()

    async def aclose(self) -> None:
        """As `close`."""
        await self.validations.aclose()
        await achange(self.storage, self._undeleted_changes())
        await self.storage.aclose()

    def deletions(self, url: str) -> Sequence[Change]:
        """The changes that delete a URL."""
        return [Drop(url)]

    def invalidated(self, request: Request, response: Response | None) -> Sequence[Change]:
        """The invalidations after a request and its response; None where none came."""
        asked = CacheRequest(request.method, key(request), tuple(request.headers.raw))
        answer = None
        if response is not None:
            answer = Entry(response.status_code, tuple(response.headers.raw), b"", 0.0, 0.0)
        return normal(LIBRARY_OF[type(request)], asked, invalidated(asked, answer))

    def note_undeleted(self, request: Request) -> None:
        """Note the invalidations of a request with an unknown outcome, to be made later."""
        for one in self.invalidated(request, None):
            self._undeleted.add(one.url)

    def _undeleted_changes(self) -> Sequence[Change]:
        return [*map(Drop, self._undeleted)]

    def look(self, url: str, who: str) -> Sequence[Entry]:
        """The stored responses of a URL for a user; none while the URL is still to be deleted."""
        if self._undeleted and url in self._undeleted:
            change(self.storage, [Drop(url)])
            return ()
        return look(self.storage, url, who)

    async def alook(self, url: str, who: str) -> Sequence[Entry]:
        """As `look`."""
        if self._undeleted and url in self._undeleted:
            await achange(self.storage, [Drop(url)])
            return ()
        return await alook(self.storage, url, who)

    def change(self, changes: Sequence[Change], sent: Sent | None = None) -> None:
        """Save and delete entries. sent: the moment of the request that led to it."""
        change(self.storage, changes, sent)

    async def achange(self, changes: Sequence[Change], sent: Sent | None = None) -> None:
        """As `change`."""
        await achange(self.storage, changes, sent)

    def _secrets(self, request: Request, lines: Lines, cookies: Cookies | None) -> str:
        """A digest of the fields by which a server may tell users apart."""
        fields = Fields(lines)
        secret = (name for name in fields if name != "cookie" and self._limits.sensitive(name))
        secrets = [f"{name}: {fields.get(name)}" for name in secret]
        if "cookie" in fields:
            secrets += jar.own(cookies, request)  # those of the client's jar are the client's
        if not secrets:
            return ""
        from hashlib import sha256  # here, where there are users to tell apart

        return "+" + sha256("\n".join(secrets).encode("utf-8", "surrogateescape")).hexdigest()


def normal(library: Library, asked: CacheRequest, changes: Sequence[Change]) -> Sequence[Change]:
    """The changes, with the URLs of header fields as the library writes them."""
    return [c if c.url == asked.url else c._replace(url=_normal(library, c.url)) for c in changes]


def _normal(library: Library, url: str) -> str:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    try:
        plain = target(library.URL(url))
    except ANY.InvalidURL:
        return url
    return plain.replace("://", f"://{host}@", 1) if host else plain
