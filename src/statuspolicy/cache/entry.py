"""A stored response: how old it is and how long it is fresh (RFC 9111 §4.2)."""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import Any, TypeAlias

from statuspolicy._value import Record
from statuspolicy.cache.control import Control, control, named, seconds
from statuspolicy.cache.vary import Selecting
from statuspolicy.fields import Fields, digits, http_date

Headers: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

# RFC 9110 §15.1; 451: RFC 7725 §3.
HEURISTIC = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 451, 501})
# RFC 9111 §4.2.2: "a typical setting of this fraction might be 10%". A week at most, as the
# browsers have it.
_FRACTION, _MOST = 0.1, 7 * 86_400.0


class Entry(Record):
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

    def _replace(self, **changes: Any) -> Entry:
        # What was reckoned from the old values stays behind.
        return Entry(**{name: vars(self)[name] for name in Entry.__annotations__} | changes)

    @cached_property
    def id(self) -> str:
        """What it takes the place of: the same user's, for the same selecting fields."""
        return repr((self.who, self.vary, self.part is not None))

    @cached_property
    def fields(self) -> Fields:
        """The header section."""
        return Fields(self.headers)

    @cached_property
    def control(self) -> Control:
        """Its Cache-Control."""
        return control(self.fields)

    @cached_property
    def etag(self) -> str | None:
        """Its entity tag, as it was written."""
        return self.fields.get("etag")

    @cached_property
    def modified(self) -> str | None:
        """Its Last-Modified, where that is a date."""
        value = self.fields.one("last-modified")
        return value if http_date(value, self.heard) is not None else None

    @cached_property
    def date(self) -> float:
        """When it was made; without a usable Date, when it came (RFC 9110 §6.6.1)."""
        sent = http_date(self.fields.one("date"), self.heard)
        return self.heard if sent is None else sent

    @cached_property
    def explicit(self) -> float | None:
        """The freshness lifetime in seconds, where the response says it (§4.2.1).

        What can't be read is "invalid freshness information", which is no freshness.
        """
        age = seconds(self.control, "max-age")
        if age is not None:
            return age
        expires = self.fields.all("expires")
        if not expires:
            return None
        # §5.3: "invalid date formats, especially including the value "0", as representing a
        # time in the past".
        until = http_date(expires[0], self.heard)
        return 0.0 if until is None else max(0.0, until - self.date)

    @cached_property
    def lifetime(self) -> float:
        """How long it is fresh, in seconds of its age."""
        if self.explicit is not None:
            return self.explicit
        if not (self.status in HEURISTIC or "public" in self.control) or self.modified is None:
            return 0.0
        modified = http_date(self.modified, self.heard) or 0.0
        return min(_MOST, max(0.0, (self.date - modified) * _FRACTION))

    @cached_property
    def _initial_age(self) -> float:
        """§4.2.3: corrected_initial_age."""
        apparent_age = max(0.0, self.heard - self.date)
        # §5.1: of a list "use the first member"; a value that is no number is ignored.
        value = (self.fields.get("age") or "").partition(",")[0].strip(" \t")
        corrected_age_value = (digits(value) or 0.0) + max(0.0, self.heard - self.asked)
        return max(apparent_age, corrected_age_value)

    def age(self, now: float) -> float:
        """How old it is, in seconds (§4.2.3: current_age)."""
        return self._initial_age + max(0.0, now - self.heard)

    @cached_property
    def bound(self) -> bool:
        """Whether it may never be used stale (§5.2.2.2, §5.2.2.4)."""
        return "must-revalidate" in self.control or self.unchecked

    @cached_property
    def unchecked(self) -> bool:
        """Whether it may not be used at all before it was validated (§5.2.2.4)."""
        return "no-cache" in self.control and not named(self.control, "no-cache")

    @cached_property
    def length(self) -> float:
        """How many bytes the whole has; infinite where a part doesn't say."""
        if self.part is None:
            return len(self.body)
        return inf if self.part[2] is None else self.part[2]

    @cached_property
    def served(self) -> list[tuple[bytes, bytes]]:
        """The header section as it is handed over unvalidated, but for Age.

        §5.2.2.4: the fields that `no-cache` names are not used without validation.
        """
        hidden = {b"age", *(name.encode() for name in named(self.control, "no-cache"))}
        return [line for line in self.headers if line[0].lower() not in hidden]

    @property
    def size(self) -> int:
        """The bytes that it takes, about."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + 512

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
        return _sealed(url, _digest(self.body) + json.dumps(values).encode())

    @classmethod
    def load(cls, url: str, who: str, dumped: bytes, body: bytes) -> Entry:
        """What was dumped, with its body.

        Raises ValueError where either is damaged, or is another URL's or somebody else's.
        """
        import json

        try:
            said = dumped[DIGEST:]
            if dumped != _sealed(url, said) or said[:DIGEST] != _digest(body):
                raise ValueError("what is stored is not what was stored")
            values: dict[str, Any] = json.loads(said[DIGEST:])
            if values["who"] != who:
                raise ValueError("it is somebody else's")
            values["headers"] = tuple(
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in values["headers"]
            )
            values["vary"] = tuple((name, value) for name, value in values["vary"])
            part = values["part"]
            values["part"] = None if part is None else (part[0], part[1], part[2])
            return cls(body=body, **values)
        except (KeyError, TypeError) as error:  # no bytes, or another version's
            raise ValueError(f"a stored response is damaged: {error!r}") from error


DIGEST = 16  # bytes


def _digest(content: bytes) -> bytes:
    from hashlib import blake2b  # here: who stores in memory needs none

    return blake2b(content, digest_size=DIGEST).digest()


def _sealed(url: str, said: bytes) -> bytes:
    """What is said, behind what will tell whether it was damaged, or is another URL's."""
    return _digest(url.encode("utf-8", "surrogatepass") + b"\0" + said) + said
