"""`Challenge`: the challenges of a 401 or 407, parsed from a field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from statuspolicy._value import Record
from statuspolicy.fields.links import QUOTED, WORD, after, unquoted

_PARAMETER = rf'({WORD})[ \t]*=[ \t]*(?:{QUOTED}|([^ \t,"]*))'
_OPAQUE = r"[ \t]+([0-9A-Za-z._~+/-]+=*)(?=[ \t]*(?:,|\Z))"


class Challenge(Record):
    """One challenge of a server (RFC 9110 §11.3).

    scheme: the authentication scheme in lower case: "basic", "digest", "bearer".
    parameters: its parameters; names in lower case, values without quotes.
    token68: the token in place of parameters; "" where there is none.
    origin: the origin that sent it: scheme, host and port; "" where that isn't known.
    """

    __module__ = "statuspolicy"

    scheme: str
    parameters: Mapping[str, str] = MappingProxyType({})
    token68: str = ""
    origin: str = ""

    @property
    def realm(self) -> str:
        """The realm; "" where there is none."""
        return self.parameters.get("realm", "")

    @property
    def stale(self) -> bool:
        """Whether only the nonce was too old (RFC 7616 §3.3)."""
        return self.parameters.get("stale", "").lower() == "true"

    def __str__(self) -> str:
        pairs = (f"{name}={_quoted(value)}" for name, value in self.parameters.items())
        return f"{self.scheme} {self.token68 or ', '.join(pairs)}".rstrip()


def challenges(field: str) -> tuple[Challenge, ...]:
    """The challenges in a `WWW-Authenticate` or `Proxy-Authenticate` field, in its order.

    field: the field's value; several lines joined by commas, as `response.headers[...]` does.

    RFC 9110 §11.6.1: it "might contain more than one challenge, and each challenge can contain
    a comma-separated list of authentication parameters". Invalid parts are skipped.
    """
    if not isinstance(field, str):
        raise TypeError(
            f"challenges({field!r}): give the field's value, such as "
            'response.headers["WWW-Authenticate"].'
        )
    found: list[Challenge] = []
    parameters: dict[str, str] = {}
    at = 0
    while (at := after(r"[ \t,]*", field, at)) < len(field):
        if parameter := re.compile(_PARAMETER, re.DOTALL).match(field, at):
            name, quoted, plain = parameter.groups()
            # §11.2: each name "MUST only occur once per challenge".
            parameters.setdefault(name.lower(), plain if quoted is None else unquoted(quoted))
            at = parameter.end()
        elif scheme := re.compile(WORD).match(field, at):
            parameters = {}
            token = re.compile(_OPAQUE).match(field, scheme.end())
            found.append(Challenge(scheme[0].lower(), parameters, token[1] if token else ""))
            at = (token or scheme).end()
        else:
            at = after(r"[^,]*", field, at)
    return tuple(found)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
