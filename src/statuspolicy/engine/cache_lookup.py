"""The lookup of one request in the cache: applies the pure rules to requests and responses."""

from __future__ import annotations

from collections.abc import Container, Sequence
from math import inf
from typing import TYPE_CHECKING

from statuspolicy.cache import partial
from statuspolicy.cache.changes import Change, Drop, Save
from statuspolicy.cache.collapsing import CollapsedRequest
from statuspolicy.cache.config import Cache
from statuspolicy.cache.decision import Decision, Forward, Missing, Serve
from statuspolicy.cache.entry import Entry, Span
from statuspolicy.cache.invalidation_log import Invalidations, Sent
from statuspolicy.cache.request import CacheRequest
from statuspolicy.cache.reuse import reuse
from statuspolicy.cache.status import CacheStatus, Forwarded
from statuspolicy.cache.update import Update, complete, confirmed, receive
from statuspolicy.engine.cached_response import completed, response_of, validated_span
from statuspolicy.engine.client_cache import ClientCache, normal
from statuspolicy.fields.section import digits
from statuspolicy.message import body
from statuspolicy.message.recording import Recording
from statuspolicy.message.response import CACHED, stored_response
from statuspolicy.policy.failures import key_of, keys_of
from statuspolicy.wire.httpx_internals import extended
from statuspolicy.wire.library import ANY, LIBRARY_OF, Library

if TYPE_CHECKING:
    from httpx import Cookies, Request, Response

# RFC 9111 §4.2.4: stale responses are for a cache that is "disconnected".
_GONE = {
    "ConnectError", "ConnectTimeout", "ReadError", "ReadTimeout", "RemoteProtocolError",
    "WriteError", "WriteTimeout",
}  # fmt: skip
# A 304 without header fields.
_BARE_304 = Entry(304, (), b"", 0.0, 0.0)
# RFC 5861 §4.
_ERRORS = frozenset({500, 502, 503, 504})


class CacheLookup:
    """The lookup of one request in the cache, up to the storing of its response.

    sent: the moment when it was sent, counted in invalidations.
    user: the user of the request by the cache's `user`, where that was asked for this lookup.
    """

    sent: Sent
    user: str | None = None

    def __init__(
        self,
        library: Library,
        cache: Cache,
        invalidations: Invalidations,
        asked: CacheRequest,
        decision: Decision,
        now: float,
    ) -> None:
        self._library = library
        self._cache = cache
        self._invalidations = invalidations
        self.asked = asked
        self.now = now  # the time of the request
        self.decision = decision
        self._status: CacheStatus | None = None
        self.from_here = False  # whether the response comes from the cache
        self.collapsed = False  # whether it waited for the result of another request
        self.collapsed_request: CollapsedRequest | None = None  # the request that others wait for

    @property
    def status(self) -> CacheStatus:
        """The Cache-Status of the request so far."""
        if self._status is None:
            self._status = CacheStatus(
                self.decision.why if isinstance(self.decision, Forward) else None,
                collapsed=self.collapsed,
            )
        return self._status

    @property
    def sends(self) -> bool:
        """Whether the request has to be sent."""
        return isinstance(self.decision, Forward)

    @property
    def is_miss(self) -> bool:
        """Whether the request has to be sent, and waits for no equal one."""
        return isinstance(self.decision, Forward) and not self.queues

    @property
    def queues(self) -> bool:
        """Whether it waits for an equal request that is running."""
        validates = isinstance(self.decision, Forward) and bool(self.decision.lines)
        return validates and self._cache.collapse

    @property
    def keeps(self) -> bool:
        """Whether the response is stored, or will be once it is read."""
        return self.from_here or self.status.stored

    @property
    def revalidates(self) -> bool:
        """Whether the stored response is stale and needs a background validation."""
        return isinstance(self.decision, Serve) and self.decision.revalidate

    def hit(self, quiet: Container[int]) -> Response | None:
        """The stored response, if there is nothing else to do: its code is one of `quiet`."""
        decision = self.decision
        if (
            not isinstance(decision, Serve)
            or decision.revalidate
            or decision.entry.status not in quiet
        ):
            return None
        response = self.served()
        # (A range of it has another code.)
        return response if response is not None and response.status_code in quiet else None

    def served(self) -> Response | None:
        """The stored response, or a 504; None where the request has to be sent."""
        decision = self.decision
        if isinstance(decision, Forward):
            return None
        self.from_here = True
        if isinstance(decision, Missing):
            # §5.2.1.7: "SHOULD either respond using a stored response […] or […] 504".
            self._status = CacheStatus(detail="no usable response is stored")
            return self._marked(stored_response(504, self._library.Headers(), b""))
        unmodified = decision.unmodified
        return self._response(decision.entry, self.now, decision.span, unmodified=unmodified)

    def with_conditions(self, request: Request) -> Request:
        """The request as it is sent now, with the conditions of the cache."""
        assert isinstance(self.decision, Forward)
        self.sent = Sent(self.asked.url, self._invalidations)
        lines = self.decision.lines
        if not lines:
            return request
        return body.copy(request, headers=extended(request.headers, lines))

    def receive(self, response: Response, now: float) -> tuple[Response | None, Sequence[Change]]:
        """The response to hand over, and the changes of the storage.

        None: the response is unusable, and the request has to be sent without our conditions.
        """
        decision = self.decision
        assert isinstance(decision, Forward)
        if decision.forgives and self.may_stand_in(response):
            # The stale response stays stored, whatever the fields of the error say.
            self._status = CacheStatus(decision.why)
            return self._marked(response), ()
        headers = response.headers.raw
        entry = None
        if response.status_code == 304:
            entry = confirmed(decision, headers, self.now, now)
        if entry is not None:
            self.from_here = True
            change = Save(self.asked.url, entry, same=True)
            span = validated_span(self.asked, entry)
            return self._response(entry, now, span, decision.why, validated=_BARE_304), [change]
        answer = Entry(response.status_code, tuple(headers), b"", self.now, now, self.asked.who)
        update = receive(self.asked, decision, answer)
        if update.unusable:
            self.decision = Forward(decision.why, selected=decision.selected)
            return None, update.changes
        if update.serve is not None:
            self.from_here = True
            entry, span = update.serve, validated_span(self.asked, update.serve)
            return self._response(entry, now, span, decision.why, validated=answer), update.changes
        why = update.why or self._too_long(update)
        kept = update.keep is not None and not why
        self._status = CacheStatus(decision.why, stored=kept, detail=why)
        changes = update.changes
        if decision.why == "method":
            changes = normal(self._library, self.asked, changes)
        if kept:
            changes = [*changes, *self._recorded(response, decision, update)]
            if update.begun is not None and update.keep is not None:
                lines = partial.whole(update.begun, update.keep)
                response = completed(self._library, response, lines, update.begun.encoded)
        return self._marked(response), changes

    def tell_others(self, failure: Exception | None = None) -> None:
        """Give the result to the requests that wait for it."""
        if self.collapsed_request is not None:
            # Not every failure counts for them: it may be the Limits.total of this exchange, say.
            gone = failure if failure is not None and key_of(type(failure)) in _GONE else None
            self.collapsed_request.came(gone, useless=failure is not None or not self.keeps)

    def may_stand_in(self, response: Response) -> bool:
        """Whether a stale response may be used in place of an error."""
        decision = self.decision
        failed = response.status_code in _ERRORS
        return failed and isinstance(decision, Forward) and decision.forgives

    def stand_in(self, outcome: Response | Exception, now: float) -> Response | None:
        """The stale response in place of an error, if that is allowed (§4.2.4, RFC 5861 §4)."""
        decision = self.decision
        if not isinstance(decision, Forward) or decision.spare is None:
            return None
        if isinstance(outcome, ANY.Response):
            fits, answer, detail = self.may_stand_in(outcome), outcome.status_code, ""
        else:
            fits, answer, detail = (
                not _GONE.isdisjoint(keys_of(type(outcome))),
                None,
                type(outcome).__name__,
            )
        spare = decision.spare
        if not fits:
            return None
        return self._response(
            spare.entry,
            now,
            spare.span,
            decision.why,
            answer,
            detail,
            unmodified=spare.unmodified,
        )

    def _response(
        self,
        entry: Entry,
        now: float,
        span: Span | None,
        forwarded: Forwarded | None = None,
        answer: int | None = None,
        detail: str = "",
        validated: Entry | None = None,
        unmodified: bool = False,
    ) -> Response:
        """Make the response of a stored entry.

        span, unmodified: as of a `Serve`.
        forwarded, answer, detail: as of a CacheStatus.
        validated: the 304 that confirmed it.
        """
        age = entry.age(now)
        response = response_of(self._library, self.asked, entry, age, span, validated, unmodified)
        ttl = None if entry.lifetime == inf else entry.lifetime - age
        answer = answer if validated is None else validated.status
        self._status = CacheStatus(forwarded, answer, ttl, False, self.collapsed, detail)
        return self._marked(response)

    def _marked(self, response: Response) -> Response:
        response.extensions[CACHED] = self.status
        if self._cache.cache_status:
            response.headers["Cache-Status"] = ", ".join(
                [*response.headers.get_list("cache-status"), str(self.status)]
            )
        return response

    def _too_long(self, update: Update) -> str:
        """Why a body is too long to be stored, by its Content-Length; "" where it isn't."""
        if update.keep is None or update.begun is not None:
            return ""
        announced = digits(update.keep.fields.one("content-length"))
        return (
            ""
            if (announced or 0) <= self._cache.entry_bytes
            else "it is longer than Cache.entry_bytes"
        )

    def _recorded(self, response: Response, decision: Forward, update: Update) -> Sequence[Change]:
        """Store a body while it is read; returns the changes at once where it is in memory."""
        keep, begun, cache = update.keep, update.begun, self._cache
        assert keep is not None

        def whole(content: bytes) -> Sequence[Change]:
            changes = complete(self.asked, decision, keep, content, cache.entry_bytes)
            return [c for c in changes if isinstance(c, Drop) or not c.entry.undecodable]

        if isinstance(response.stream, ANY.ByteStream):
            content = b"".join(response.stream)
            if begun is not None:
                response.stream = self._library.ByteStream(begun.body + content)
            return whole(content) if len(content) <= cache.entry_bytes else ()
        first = b"" if begun is None else begun.body
        storage = cache.kept
        response.stream = Recording(
            response.stream, first, cache.entry_bytes, whole, storage, self.sent
        )
        return ()


def look_up(
    client_cache: ClientCache,
    library: Library,
    asked: CacheRequest,
    stored: Sequence[Entry],
    now: float,
    validate: bool = False,
    since: float = inf,
) -> CacheLookup:
    """Look a request up. validate, since: as in the cache's `reuse`."""
    decision = reuse(asked, stored, now, validate, since)
    cache, invalidations = client_cache.cache, client_cache.invalidations
    return CacheLookup(library, cache, invalidations, asked, decision, now)


def look_up_at_once(
    client_cache: ClientCache, request: Request, cookies: Cookies | None, now: float
) -> CacheLookup:
    """Look a request up in a storage that answers at once."""
    user = client_cache.user(request)
    asked = client_cache.asked(request, cookies, user)
    stored = client_cache.look(asked.url, asked.who)
    lookup = look_up(client_cache, LIBRARY_OF[type(request)], asked, stored, now)
    lookup.user = user
    return lookup
