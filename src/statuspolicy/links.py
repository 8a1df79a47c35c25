"""Links between resources in header fields: text -> values, and never an exception."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from statuspolicy._value import Record

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A string that nobody closes goes to the end, or each of many would be looked through to there.
QUOTED = r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)'
_PARAMETER = rf'[ \t]*;[ \t]*({WORD})[ \t]*(?:=[ \t]*(?:{QUOTED}|([^ \t,;"]*)))?'
# RFC 2295 §8.3: `{"paper.html" 0.9 {type text/html} {language en}}`
_VARIANT = r'\{\s*"([^"]*)"\s+([0-9.]+)((?:\s*\{[^{}]*\})*)\s*\}'


class Link(Record):
    """A link to another resource (RFC 8288 §3).

    target: where it leads, as the server wrote it.
    parameters: what is said of it; names in lower case, values without their quotes.
    """

    target: str
    parameters: Mapping[str, str] = MappingProxyType({})

    def is_(self, relation: str) -> bool:
        """Whether it is of this relation type (lower case)."""
        return relation in self.parameters.get("rel", "").lower().split()


def links(field: str) -> tuple[Link, ...]:
    """The links in a `Link` field, in its order; what can't be read is passed over."""
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

    url: where it is, as the server wrote it.
    type, language, title: what is said of it; "" for nothing.
    quality: how good the server finds it, from 0 to 1; None where it doesn't say.
    """

    url: str
    type: str = ""
    language: str = ""
    title: str = ""
    quality: float | None = None

    def __str__(self) -> str:
        said = ", ".join(filter(None, (self.type, self.language, self.title)))
        return f"{self.url} ({said})" if said else self.url


def alternates(link: str, alternates: str) -> tuple[Alternative, ...]:
    """What `Link` fields with rel=alternate and an `Alternates` field (RFC 2295) offer."""
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
    """The place after what a pattern, which may match nothing, matches there."""
    match = re.compile(pattern).match(text, at)
    assert match is not None  # it may be empty
    return match.end()


def unquoted(text: str) -> str:
    """The inside of a quoted string, without what escapes its characters (RFC 9110 §5.6.4)."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
