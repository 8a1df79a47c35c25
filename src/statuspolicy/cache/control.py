"""Cache-Control (RFC 9111 §5.2): what its lines say, however oddly they are written."""

from __future__ import annotations

import re
from typing import TypeAlias

from statuspolicy.fields import Fields, digits, members

# What each directive was given: None where it stands alone.
Control: TypeAlias = "dict[str, str | None]"

NOTHING_SAID: Control = {}
# The two that may name fields, and then say less than when they stand alone.
_QUALIFIED = frozenset({"no-cache", "private"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2


def control(fields: Fields) -> Control:
    """The directives of a message, names in lower case, arguments without their quotes.

    §4.2.1: where a directive stands twice, "either the first occurrence should be used or the
    response should be considered stale".
    """
    value = fields.get("cache-control")
    if value is None:
        return NOTHING_SAID
    said: Control = {}
    for member in members(value):
        name, equals, argument = member.partition("=")
        given = _unquoted(argument) if equals else None
        if name[-1:] in (" ", "\t"):
            # §5.2 has no white space around "=": it is that directive, but nothing it says is read.
            name, given = name.rstrip(" \t"), ""
        name = name.lower()
        if name in _QUALIFIED and name in said:
            before = said[name]
            said[name] = f"{before},{given}" if before and given else None
        else:
            said.setdefault(name, given)
    return said


def asked(fields: Fields) -> Control:
    """The directives of a request.

    RFC 9111 §5.4: without Cache-Control, `Pragma: no-cache` says the same.
    """
    if "cache-control" not in fields and "pragma" in fields:
        pragma = [member.lower() for member in members(fields.get("pragma") or "")]
        return {"no-cache": None} if "no-cache" in pragma else NOTHING_SAID
    return control(fields)


def seconds(said: Control, name: str) -> float | None:
    """A directive's seconds; None where it isn't there, 0 where what it says can't be read.

    §1.2.2: what is too large to be represented is as good as the greatest that can be.
    """
    return None if name not in said else digits(said[name]) or 0.0


def named(said: Control, name: str) -> frozenset[str]:
    """The fields that a qualified directive names, in lower case (§5.2.2.4).

    None where one of them is no name: then it is as if the directive stood alone.
    """
    names = [field.lower() for field in members(said.get(name) or "")]
    return frozenset(names) if all(_TOKEN.fullmatch(field) for field in names) else frozenset()


def _unquoted(argument: str) -> str:
    # §5.2: "recipients ought to accept both forms", the token and the quoted string.
    if len(argument) > 1 and argument[0] == argument[-1] == '"':
        return argument[1:-1].replace("\\", "")
    return argument
