"""Links in header fields (RFC 8288): text -> values, and never an exception."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from statuspolicy._value import Record

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A string without a closing quote ends with the text: otherwise many of them would be slow.
QUOTED = r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)'
_PARAMETER = rf'[ \t]*;[ \t]*({WORD})[ \t]*(?:=[ \t]*(?:{QUOTED}|([^ \t,;"]*)))?'
# RFC 2295 §8.3: `{"paper.html" 0.9 {type text/html} {language en}}`
_VARIANT = r'\{\s*"([^"]*)"\s+([0-9.]+)((?:\s*\{[^{}]*\})*)\s*\}'


class Link(Record):
    """A link to another resource (RFC 8288 §3).

    target: its URL, as the server wrote it.
    parameters: names in lower case, values without quotes.
    """

    target: str
    parameters: Mapping[str, str] = MappingProxyType({})

    def is_(self, relation: str) -> bool:
        """Whether it is of this relation type (lower case)."""
        return relation in self.parameters.get("rel", "").lower().split()


def links(field: str) -> tuple[Link, ...]:
    """The links in a `Link` field, in order; invalid parts are skipped."""
    found: list[Link] = []
    at = 0
    while (at := after(r"[ \t,]*", field, at)) < len(field):
        if not (target := re.compile(r"<([^<>]*)>").match(field, at)):
            at = after(r"<?[^,<]*", field, at)
            continue
        at = target.end()
        parameters: dict[str, str] = {}
        while parameter := re.compile(_PARAMETER, re.DOTALL).match(field, at):
            name, quoted, plain = parameter.groups()
            value = plain or "" if quoted is None else unquoted(quoted)
            parameters.setdefault(name.lower(), value)  # §3.3: later ones "MUST be ignored"
            at = parameter.end()
        found.append(Link(target[1].strip(), parameters))
        at = after(r"[^,]*", field, at)
    return tuple(found)


class Alternative(Record):
    """One of the representations that a 300 or 406 offers.

    url: its URL, as the server wrote it.
    type, language, title: "" where they are not named.
    quality: the quality that the server gives it, from 0 to 1; None where it gives none.
    """

    __module__ = "statuspolicy"

    url: str
    type: str = ""
    language: str = ""
    title: str = ""
    quality: float | None = None

    def __str__(self) -> str:
        said = ", ".join(filter(None, (self.type, self.language, self.title)))
        return f"{self.url} ({said})" if said else self.url


def alternates(link: str, alternates: str) -> tuple[Alternative, ...]:
    """The representations in `Link` with rel=alternate and in `Alternates` (RFC 2295)."""
    linked = [
        Alternative(
            one.target,
            one.parameters.get("type", ""),
            one.parameters.get("hreflang", ""),
            one.parameters.get("title", ""),
        )
        for one in links(link)
        if one.is_("alternate")
    ]
    return (*linked, *map(_variant, re.finditer(_VARIANT, alternates)))


def _variant(match: re.Match[str]) -> Alternative:
    url, quality, attributes = match.groups()
    said = dict(re.findall(r"\{\s*([a-z]+)\s+([^{}]*)\}", attributes.lower()))
    number = float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else None
    kind, language = (said.get(name, "").strip() for name in ("type", "language"))
    return Alternative(url, kind, language, quality=number)


def after(pattern: str, text: str, at: int) -> int:
    """The position after the match of a pattern, which may be empty."""
    match = re.compile(pattern).match(text, at)
    assert match is not None  # it may be empty
    return match.end()


def unquoted(text: str) -> str:
    """The content of a quoted string, without backslashes (RFC 9110 §5.6.4)."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
