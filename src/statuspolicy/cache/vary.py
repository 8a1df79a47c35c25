"""Vary (RFC 9111 §4.1): the stored responses that a request selects."""

from __future__ import annotations

import re
from typing import TypeAlias

from statuspolicy.fields.credentials import is_credential
from statuspolicy.fields.section import Fields, members

# The selecting fields and their values in the request, None where one is missing.
Selecting: TypeAlias = "tuple[tuple[str, str | None], ...]"

# A name that no field has: `Vary: *` "always fails to match".
_STAR: Selecting = (("", "*"),)

# RFC 9110 §12.4.2, §12.5: weights say what is preferred, not the order, and names are
# case-insensitive.
_WEIGHTED = frozenset({"accept", "accept-charset", "accept-encoding", "accept-language"})


def selecting(response: Fields, request: Fields) -> Selecting:
    """The selecting fields of a response, with their values in the request."""
    vary = response.get("vary")
    if vary is None:
        return ()
    names = sorted({name.lower() for name in members(vary)})
    if "*" in names:
        return _STAR
    return tuple((name, normal(name, request.get(name))) for name in names)


def selects(vary: Selecting, request: Fields) -> bool:
    """Whether a request has the same value in each selecting field."""
    return all(normal(name, request.get(name)) == said for name, said in vary)


def normal(name: str, value: str | None) -> str | None:
    """A normal form: equal for values with the same meaning.

    §4.1 allows "identical semantics": other white space around the members of a list, and
    another order or case where that has no meaning.
    """
    if value is None:
        return None
    parts = members(value)
    if name in _WEIGHTED:
        parts = sorted({_weighed(part, keep_case=name == "accept") for part in parts})
    said = ",".join(parts)
    # A storage may be a file, or read by others.
    return _digest(said) if is_credential(name) else said


def _digest(said: str) -> str:
    from hashlib import blake2b

    return blake2b(said.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _weighed(part: str, keep_case: bool) -> str:
    """`EN ; q=0.50` -> `en;q=0.5`, `gzip;q=1.0` -> `gzip`."""
    said, *parameters = (word.strip(" \t") for word in part.split(";"))
    kept = [said.lower()]
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if name.lower() == "q" and re.fullmatch(r"[01](\.\d{0,3})?", value):
            weight = f"{float(value):g}"
            kept += [] if weight == "1" else [f"q={weight}"]
        else:  # the parameter of a media type may be any text
            kept.append(f"{name.lower()}{equals}{value if keep_case else value.lower()}")
    return ";".join(kept)
