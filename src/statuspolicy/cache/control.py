"""Cache-Control (RFC 9111 §5.2): what its lines say, however oddly they are written."""

from __future__ import annotations

from typing import TypeAlias

from statuspolicy.fields import Fields, digits, members

# What each directive was given: None where it stands alone.
Control: TypeAlias = "dict[str, str | None]"

NOTHING_SAID: Control = {}
# The two that may name fields, and then say less than when they stand alone.
_QUALIFIED = frozenset({"no-cache", "private"})


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
        name = name.strip(" \t").lower()
        given = _unquoted(argument) if equals else None
        if name in _QUALIFIED and name in said:
            before = said[name]
            said[name] = None if before is None or given is None else f"{before},{given}"
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
    """The fields that a qualified directive names, in lower case (§5.2.2.4)."""
    argument = said.get(name)
    return frozenset(field.lower() for field in members(argument)) if argument else frozenset()


def _unquoted(argument: str) -> str:
    # §5.2: "recipients ought to accept both forms", the token and the quoted string.
    if len(argument) > 1 and argument[0] == argument[-1] == '"':
        return argument[1:-1].replace("\\", "")
    return argument
