"""`Entry`: a stored response, with its age, validators and size, each computed at first use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from typing import TypeAlias

from statuspolicy._value import Computed, lazy
from statuspolicy.cache import freshness
from statuspolicy.cache.control import Control, control, named
from statuspolicy.cache.flaws import flaw, undecodable
from statuspolicy.cache.sealed import DIGEST, digest, opened, sealed
from statuspolicy.cache.sizes import size
from statuspolicy.cache.vary import Selecting
from statuspolicy.fields.dates import http_date
from statuspolicy.fields.section import Fields

Headers: TypeAlias = "tuple[tuple[bytes, bytes], ...]"
Line: TypeAlias = "tuple[bytes, bytes]"
Lines: TypeAlias = "Sequence[tuple[bytes, bytes]]"
Span: TypeAlias = "tuple[int, int]"  # the first and the last byte

# Characters that no header field of a request can hold.
_CONTROL = re.compile("[\0\n\v\f\r]").search
# Bytes of an entity tag: servers refuse a request with a line of some 8 KB.
LONGEST_TAG = 2_000


class Entry(Computed):
    """A stored response, with the data of its request.

    status, headers, body: as they came (the body not decoded), without the fields that must not
        be stored.
    request_time, response_time: in seconds since the epoch (RFC 9111 §4.2.3).
    who: the user that it belongs to.
    vary: its selecting fields, with their values in the request.
    part: its first and last byte and the length of the whole; None where it is the whole.
    """

    __module__ = "statuspolicy"

    status: int
    headers: Headers
    body: bytes
    request_time: float
    response_time: float
    who: str = ""
    vary: Selecting = ()
    part: tuple[int, int, int | None] | None = None

    def at(self, request_time: float, response_time: float, date: bytes) -> Entry:
        """A copy with a new Date, confirmed by a 304 that differs in its Date alone."""
        headers, place, reckoned = self.headers, self._place_of_date, self._of_its_time
        values = vars(self).copy()
        for name in reckoned:
            values.pop(name, None)
        values["headers"] = (*headers[:place], (b"Date", date), *headers[place + 1 :])
        values["request_time"], values["response_time"] = request_time, response_time
        sent = http_date(date.decode("latin-1"), response_time)
        values["date"] = response_time if sent is None else sent
        return self._of(values)

    @lazy
    def _of_its_time(self) -> tuple[str, ...]:
        """The names of the lazy values that depend on the times and the Date."""
        lasting = not self.dated and (self.modified is None or "max-age" in self.control)
        kept_else = ("fields", "served", "explicit", "_initial_age")
        return kept_else if lasting else (*kept_else, "lifetime")

    @lazy
    def _place_of_date(self) -> int:
        """The index of the Date line; the end where there is none."""
        names = [name.lower() for name, _ in self.headers]
        return names.index(b"date") if b"date" in names else len(names)

    @lazy
    def id(self) -> str:
        """The key within a URL: a new response with the same key replaces it."""
        return repr((self.who, self.vary, self.part is not None))

    @lazy
    def lines(self) -> frozenset[tuple[bytes, bytes]] | None:
        """The header section without Date, to compare it with a newer one.

        None where it can't be compared line by line: a name is repeated, a field is valid for
        one response only (Age), or has to come from the server (cookies, fields of `no-cache`).
        """
        once = len({name.lower() for name, _ in self.headers}) == len(self.headers)
        if not once or self.aged or self.has_cookies or self.checked:
            return None
        return frozenset(line for line in self.headers if line[0].lower() != b"date")

    @lazy
    def aged(self) -> bool:
        """Whether it has an Age field: it came from another cache."""
        return any(name.lower() == b"age" for name, _ in self.headers)

    @lazy
    def dated(self) -> bool:
        """Whether it has an Expires field."""
        return "expires" in self.fields

    @lazy
    def ascii(self) -> bool:
        """Whether the header section is ASCII, as nearly all are."""
        return all(name.isascii() and value.isascii() for name, value in self.headers)

    @lazy
    def encoded(self) -> bool:
        """Whether the body has a Content-Encoding (RFC 9110 §8.4)."""
        return "content-encoding" in self.fields

    @lazy
    def has_cookies(self) -> bool:
        """Whether it sets cookies."""
        return "set-cookie" in self.fields

    @lazy
    def fields(self) -> Fields:
        """The header section."""
        return Fields(self.headers)

    @lazy
    def control(self) -> Control:
        """Its Cache-Control."""
        return control(self.fields)

    @lazy
    def etag(self) -> str | None:
        """The entity tag as it was written; None for one that a request can't hold."""
        tag = self.fields.one("etag")
        return None if tag is None or _CONTROL(tag) else tag

    @lazy
    def modified(self) -> str | None:
        """The Last-Modified field; None where it is not a date."""
        value = self.fields.one("last-modified")
        return value if http_date(value, self.response_time) is not None else None

    @lazy
    def changed(self) -> float | None:
        """The Last-Modified in seconds since the epoch."""
        return http_date(self.modified, self.response_time)

    @property
    def unnamed(self) -> bool:
        """Whether it has no validator."""
        return self.etag is None and self.modified is None

    @property
    def confirmable(self) -> bool:
        """Whether a 304 can confirm it.

        RFC 9110 §13.2.1: conditions are ignored where the answer "would have been a status code
        other than a 2xx (Successful) or 412": a 304 is never about any other.
        """
        return 200 <= self.status < 300

    @lazy
    def date(self) -> float:
        """The Date in seconds since the epoch, else the time of arrival (RFC 9110 §6.6.1)."""
        sent = http_date(self.fields.one("date"), self.response_time)
        return self.response_time if sent is None else sent

    @lazy
    def explicit(self) -> float | None:
        """The explicit freshness lifetime in seconds (§4.2.1); None where there is none.

        Where it can't be parsed it is 0: "invalid freshness information".
        """
        return freshness.explicit(self.control, self.fields, self.date, self.response_time)

    @lazy
    def lifetime(self) -> float:
        """The freshness lifetime in seconds, heuristic where none is explicit (§4.2.1, §4.2.2)."""
        if self.explicit is not None:
            return self.explicit
        return freshness.heuristic(self.status, self.control, self.date, self.changed)

    @lazy
    def _initial_age(self) -> float:
        """§4.2.3: corrected_initial_age."""
        said = self.fields.get("age") if self.aged else None
        return freshness.initial_age(self.date, self.request_time, self.response_time, said)

    def age(self, now: float) -> float:
        """The current age in seconds (§4.2.3: current_age)."""
        resident_time = now - self.response_time
        return self._initial_age + resident_time if resident_time > 0 else self._initial_age

    @lazy
    def bound(self) -> bool:
        """Whether it may never be used stale (§5.2.2.2, §5.2.2.4)."""
        return "must-revalidate" in self.control or self.unchecked

    @lazy
    def unchecked(self) -> bool:
        """Whether it must be validated before each use (§5.2.2.4)."""
        return "no-cache" in self.control and not self.checked

    @lazy
    def checked(self) -> frozenset[str]:
        """The fields that `no-cache` names: they are used only after a validation."""
        return named(self.control, "no-cache")

    @lazy
    def length(self) -> float:
        """The length of the whole in bytes; infinite where a part doesn't say."""
        if self.part is None:
            return len(self.body)
        return inf if self.part[2] is None else self.part[2]

    @lazy
    def served(self) -> Lines:
        """The header section for a hit without validation; Age is added later.

        §5.2.2.4: the fields that `no-cache` names are not used without validation.
        """
        if not (self.aged or self.checked):
            return self.headers
        hidden = {b"age", *(name.encode() for name in self.checked)}
        return [line for line in self.headers if line[0].lower() not in hidden]

    def validated_by(self, answer: Entry) -> Lines:
        """The header section after a validation: fields of `no-cache` as the 304 has them."""
        if not self.checked:
            return self.served
        hidden = {name.encode() for name in self.checked - {*answer.fields}}
        lines = (line for line in self.headers if line[0].lower() not in hidden)
        return [line for line in lines if line[0].lower() != b"age"]

    @lazy
    def conditions(self) -> list[tuple[bytes, bytes]]:
        """The conditions that validate it (§4.3.1)."""
        if not self.confirmable:
            return []
        tag = self.tag
        lines = [] if tag is None else [(b"If-None-Match", tag)]
        if self.modified is not None:
            lines.append((b"If-Modified-Since", self.modified.encode()))
        return lines

    @property
    def tag(self) -> bytes | None:
        """The entity tag for If-None-Match; None for one that servers would refuse."""
        tag = self.fields.raw("etag") if self.etag else b""
        return tag if 0 < len(tag) <= LONGEST_TAG else None

    @lazy
    def size(self) -> int:
        """The approximate size in memory in bytes, lazy values included."""
        return len(self.body) + size(self.headers, self.vary)

    @lazy
    def flaw(self) -> str:
        """Why the values are not valid, whatever wrote them; "" where they are."""
        return flaw(
            self.status, self.headers, self.body, self.request_time, self.response_time,
            self.who, self.vary, self.part,
        )  # fmt: skip

    @lazy
    def undecodable(self) -> str:
        """Why the body can't be decoded; "" where it can, or is only a part."""
        return self._undecodable(b"")

    def _undecodable(self, digest: bytes) -> str:
        if self.part is not None or not self.encoded:
            return ""
        return undecodable(self.fields.get("content-encoding"), self.body, digest)

    def dump(self, url: str) -> bytes:
        """The entry without its body, for a storage that keeps bytes.

        First a digest of the URL and the following, then a digest of the body (`DIGEST` bytes
        each), then JSON.
        """
        import json

        values = {
            "status": self.status,
            "headers": [[part.decode("latin-1") for part in line] for line in self.headers],
            "request_time": self.request_time,
            "response_time": self.response_time,
            "who": self.who,
            "vary": self.vary,
            "part": self.part,
        }
        return sealed(url, digest(self.body) + json.dumps(values).encode())

    @classmethod
    def load(cls, url: str, who: str, dumped: bytes, body: bytes) -> Entry:
        """The entry that was dumped, with its body.

        Raises ValueError where either is damaged or forged, or belongs to another URL, version or
        user.
        """
        try:
            entry = cls(body=body, **opened(url, who, dumped, body))
        except ValueError:
            raise
        except Exception as error:  # the data may be anything: other types, names, deep nesting
            raise ValueError(f"a stored response is damaged: {error!r}"[:200]) from error
        why = entry.flaw or entry._undecodable(dumped[DIGEST : 2 * DIGEST])
        if why:
            raise ValueError(why)
        vars(entry)["undecodable"] = why
        return entry
