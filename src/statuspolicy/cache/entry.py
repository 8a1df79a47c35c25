"""A stored response, and what is reckoned of it once: its age, its validators, its size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from typing import TypeAlias

from statuspolicy._value import Reckoned, lazy
from statuspolicy.cache import freshness
from statuspolicy.cache.control import Control, control, named
from statuspolicy.cache.flaws import flaw, undecodable
from statuspolicy.cache.sealed import DIGEST, digest, opened, sealed
from statuspolicy.cache.sizes import size
from statuspolicy.cache.vary import Selecting
from statuspolicy.dates import http_date
from statuspolicy.fields import Fields

Headers: TypeAlias = "tuple[tuple[bytes, bytes], ...]"
Line: TypeAlias = "tuple[bytes, bytes]"
Lines: TypeAlias = "Sequence[tuple[bytes, bytes]]"
Span: TypeAlias = "tuple[int, int]"  # the first and the last byte

# What no header field of a request can hold.
_CONTROL = re.compile("[\0\n\v\f\r]").search
# Bytes of an entity tag: servers refuse a request with a line of some 8 KB.
LONGEST_TAG = 2_000


class Entry(Reckoned):
    """A stored response, and what its request was.

    status, headers, body: as they came (the body not decoded), but for the fields that may
        not be stored.
    asked, heard: when it was asked for and when it came, in seconds since the epoch.
    who: whose it is.
    vary: what of the request selects it.
    part: where it is a part, its first and last byte and the length of the whole.
    """

    status: int
    headers: Headers
    body: bytes
    asked: float
    heard: float
    who: str = ""
    vary: Selecting = ()
    part: tuple[int, int, int | None] | None = None

    def at(self, asked: float, heard: float, date: bytes) -> Entry:
        """The same, as of an answer that said nothing new but its Date."""
        headers, place, reckoned = self.headers, self._place_of_date, self._of_its_time
        values = vars(self).copy()
        for name in reckoned:
            values.pop(name, None)
        values["headers"] = (*headers[:place], (b"Date", date), *headers[place + 1 :])
        values["asked"], values["heard"] = asked, heard
        sent = http_date(date.decode("latin-1"), heard)
        values["date"] = heard if sent is None else sent
        return self._of(values)

    @lazy
    def _of_its_time(self) -> tuple[str, ...]:
        """What is reckoned anew for one of another time."""
        lasting = not self.dated and (self.modified is None or "max-age" in self.control)
        kept_else = ("fields", "served", "explicit", "_initial_age")
        return kept_else if lasting else (*kept_else, "lifetime")

    @lazy
    def _place_of_date(self) -> int:
        """Where its Date stands, or would."""
        names = [name.lower() for name, _ in self.headers]
        return names.index(b"date") if b"date" in names else len(names)

    @lazy
    def id(self) -> str:
        """What it takes the place of: the same user's, for the same selecting fields."""
        return repr((self.who, self.vary, self.part is not None))

    @lazy
    def lines(self) -> frozenset[tuple[bytes, bytes]] | None:
        """Its header section without Date, to see whether another one says anything new.

        None where that can't be seen line by line: a name stands twice, or what it says holds
        for one answer alone (Age), or depends on who repeats it (cookies, what `no-cache` names).
        """
        once = len({name.lower() for name, _ in self.headers}) == len(self.headers)
        if not once or self.aged or self.has_cookies or self.checked:
            return None
        return frozenset(line for line in self.headers if line[0].lower() != b"date")

    @lazy
    def aged(self) -> bool:
        """Whether it came from another cache, and says so."""
        return any(name.lower() == b"age" for name, _ in self.headers)

    @lazy
    def dated(self) -> bool:
        """Whether it says until when it is fresh."""
        return "expires" in self.fields

    @lazy
    def ascii(self) -> bool:
        """Whether its header section is, as nearly all are."""
        return all(name.isascii() and value.isascii() for name, value in self.headers)

    @lazy
    def encoded(self) -> bool:
        """Whether its body has to be decoded (RFC 9110 §8.4)."""
        return "content-encoding" in self.fields

    @lazy
    def has_cookies(self) -> bool:
        """Whether it sets any."""
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
        """Its entity tag, as it was written; None for one that no request could name."""
        tag = self.fields.one("etag")
        return None if tag is None or _CONTROL(tag) else tag

    @lazy
    def modified(self) -> str | None:
        """Its Last-Modified, where that is a date."""
        value = self.fields.one("last-modified")
        return value if http_date(value, self.heard) is not None else None

    @lazy
    def changed(self) -> float | None:
        """Its Last-Modified, as a time."""
        return http_date(self.modified, self.heard)

    @property
    def unnamed(self) -> bool:
        """Whether it has no validator."""
        return self.etag is None and self.modified is None

    @property
    def confirmable(self) -> bool:
        """Whether a 304 can say that it is still right.

        RFC 9110 §13.2.1: conditions are ignored where the answer "would have been a status code
        other than a 2xx (Successful) or 412": a 304 is never about any other.
        """
        return 200 <= self.status < 300

    @lazy
    def date(self) -> float:
        """When it was made; without a usable Date, when it came (RFC 9110 §6.6.1)."""
        sent = http_date(self.fields.one("date"), self.heard)
        return self.heard if sent is None else sent

    @lazy
    def explicit(self) -> float | None:
        """The freshness lifetime in seconds, where the response says it (§4.2.1).

        What can't be read is "invalid freshness information", which is no freshness.
        """
        return freshness.explicit(self.control, self.fields, self.date, self.heard)

    @lazy
    def lifetime(self) -> float:
        """How long it is fresh, in seconds of its age."""
        if self.explicit is not None:
            return self.explicit
        return freshness.heuristic(self.status, self.control, self.date, self.changed)

    @lazy
    def _initial_age(self) -> float:
        """§4.2.3: corrected_initial_age."""
        said = self.fields.get("age") if self.aged else None
        return freshness.initial_age(self.date, self.asked, self.heard, said)

    def age(self, now: float) -> float:
        """How old it is, in seconds (§4.2.3: current_age)."""
        resident_time = now - self.heard
        return self._initial_age + resident_time if resident_time > 0 else self._initial_age

    @lazy
    def bound(self) -> bool:
        """Whether it may never be used stale (§5.2.2.2, §5.2.2.4)."""
        return "must-revalidate" in self.control or self.unchecked

    @lazy
    def unchecked(self) -> bool:
        """Whether it may not be used at all before it was validated (§5.2.2.4)."""
        return "no-cache" in self.control and not self.checked

    @lazy
    def checked(self) -> frozenset[str]:
        """The fields that are not used before it was validated: those that `no-cache` names."""
        return named(self.control, "no-cache")

    @lazy
    def length(self) -> float:
        """How many bytes the whole has; infinite where a part doesn't say."""
        if self.part is None:
            return len(self.body)
        return inf if self.part[2] is None else self.part[2]

    @lazy
    def served(self) -> Lines:
        """The header section as it is handed over unvalidated, but for Age.

        §5.2.2.4: the fields that `no-cache` names are not used without validation.
        """
        if not (self.aged or self.checked):
            return self.headers
        hidden = {b"age", *(name.encode() for name in self.checked)}
        return [line for line in self.headers if line[0].lower() not in hidden]

    def validated_by(self, answer: Entry) -> Lines:
        """The same, just validated: of the fields that `no-cache` names, those of the answer."""
        if not self.checked:
            return self.served
        hidden = {name.encode() for name in self.checked - {*answer.fields}}
        lines = (line for line in self.headers if line[0].lower() not in hidden)
        return [line for line in lines if line[0].lower() != b"age"]

    @lazy
    def conditions(self) -> list[tuple[bytes, bytes]]:
        """What asks the server whether it is still right (§4.3.1)."""
        if not self.confirmable:
            return []
        tag = self.tag
        lines = [] if tag is None else [(b"If-None-Match", tag)]
        if self.modified is not None:
            lines.append((b"If-Modified-Since", self.modified.encode()))
        return lines

    @property
    def tag(self) -> bytes | None:
        """Its entity tag as it is asked about; None for one that no server would take back."""
        tag = self.fields.raw("etag") if self.etag else b""
        return tag if 0 < len(tag) <= LONGEST_TAG else None

    @lazy
    def size(self) -> int:
        """The bytes that it takes in memory, about, with what is reckoned of it at a hit."""
        return len(self.body) + size(self.headers, self.vary)

    @lazy
    def flaw(self) -> str:
        """What is wrong with it, whoever made it; "" where nothing is."""
        return flaw(
            self.status, self.headers, self.body, self.asked, self.heard, self.who, self.vary,
            self.part,
        )  # fmt: skip

    @lazy
    def undecodable(self) -> str:
        """Why its body can't be decoded; "" where it can, or is a part, which needs the others."""
        return self._undecodable(b"")

    def _undecodable(self, digest: bytes) -> str:
        if self.part is not None or not self.encoded:
            return ""
        return undecodable(self.fields.get("content-encoding"), self.body, digest)

    def dump(self, url: str) -> bytes:
        """All but the body, for a storage that keeps bytes: a digest of it all and of the URL, a
        digest of the body (`DIGEST` bytes each), and the rest.
        """
        import json

        values = {
            "status": self.status,
            "headers": [[part.decode("latin-1") for part in line] for line in self.headers],
            "asked": self.asked,
            "heard": self.heard,
            "who": self.who,
            "vary": self.vary,
            "part": self.part,
        }
        return sealed(url, digest(self.body) + json.dumps(values).encode())

    @classmethod
    def load(cls, url: str, who: str, dumped: bytes, body: bytes) -> Entry:
        """What was dumped, with its body.

        Raises ValueError where either is damaged or forged, or is another URL's, another version's
        or somebody else's.
        """
        try:
            entry = cls(body=body, **opened(url, who, dumped, body))
        except ValueError:
            raise
        except Exception as error:  # anything may be there: other types, other names, an abyss
            raise ValueError(f"a stored response is damaged: {error!r}"[:200]) from error
        why = entry.flaw or entry._undecodable(dumped[DIGEST : 2 * DIGEST])
        if why:
            raise ValueError(why)
        vars(entry)["undecodable"] = why
        return entry
