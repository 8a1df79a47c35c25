"""`Link` fields (RFC 8288): where each leads, and what it says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Link(NamedTuple):
    """One link.

    target: where it leads, relative to what it came with.
    parameters: names in lower case; of one that stands twice, the first (RFC 8288 §3.3).
    """

    target: str
    parameters: Mapping[str, str] = MappingProxyType({})

    @property
    def rels(self) -> frozenset[str]:
        """The relation types that it names, in lower case."""
        return frozenset(self.parameters.get("rel", "").lower().split())


def links(field: str) -> tuple[Link, ...]:
    """The links of a field's value, those that can be read."""
    found = []
    for link in re.finditer(_LINK, field):
        parameters: dict[str, str] = {}
        for name, quoted, token in re.findall(_PARAMETER, link[2]):
            value = re.sub(r"\\(.)", r"\1", quoted) or token
            parameters.setdefault(name.lower(), value)
        found.append(Link(link[1].strip(), MappingProxyType(parameters)))
    return tuple(found)


# `re` compiles these when the first field comes, not when this is imported.
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_PARAMETER = rf";\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:{_QUOTED}|([^\s;,\"]+)))?"
_LINK = r'<([^<>]*)>((?:\s*;\s*[^\s;,="]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)'
