"""Cache-Control (RFC 9111 §5.2), parsed leniently."""

from __future__ import annotations

import re
from typing import TypeAlias

from statuspolicy.fields.section import Fields, digits, members

# The argument of each directive; None where it has none.
Control: TypeAlias = "dict[str, str | None]"

NOTHING_SAID: Control = {}
# These two may name fields: then they hold for these fields alone.
_QUALIFIED = frozenset({"no-cache", "private"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2


def control(fields: Fields) -> Control:
    """The directives of a message: names in lower case, arguments without quotes.

    §4.2.1: where a directive stands twice, "either the first occurrence should be used or the
    response should be considered stale".
    """
    value = fields.get("cache-control")
    if value is None:
        return NOTHING_SAID
    said: Control = {}
    for member in members(value):
        name, equals, argument = member.partition("=")
        content = _unquoted(argument) if equals else None
        if name[-1:] in (" ", "\t"):
            # §5.2 allows no white space around "=": the directive counts, its argument does not.
            name, content = name.rstrip(" \t"), ""
        name = name.lower()
        if name in _QUALIFIED and name in said:
            before = said[name]
            said[name] = f"{before},{content}" if before and content else None
        else:
            said.setdefault(name, content)
    return said


def of_request(fields: Fields) -> Control:
    """The directives of a request.

    RFC 9111 §5.4: without Cache-Control, `Pragma: no-cache` says the same.
    """
    if "cache-control" not in fields and "pragma" in fields:
        pragma = [member.lower() for member in members(fields.get("pragma") or "")]
        return {"no-cache": None} if "no-cache" in pragma else NOTHING_SAID
    return control(fields)


def seconds(said: Control, name: str) -> float | None:
    """The seconds of a directive: None where it is missing, 0 where it can't be parsed.

    §1.2.2: a value that is too large to be represented counts as the largest that can be.
    """
    return None if name not in said else digits(said[name]) or 0.0


def named(said: Control, name: str) -> frozenset[str]:
    """The fields that a qualified directive names, in lower case (§5.2.2.4).

    Empty where one of them is not a valid name: then the directive holds for the whole response.
    """
    names = [field.lower() for field in members(said.get(name) or "")]
    return frozenset(names) if all(_TOKEN.fullmatch(field) for field in names) else frozenset()


def _unquoted(argument: str) -> str:
    # §5.2: "recipients ought to accept both forms", the token and the quoted string.
    if len(argument) > 1 and argument[0] == argument[-1] == '"':
        return argument[1:-1].replace("\\", "")
    return argument
