"""Remove secrets and control characters from the messages of failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from statuspolicy.printable import SECRET, printable
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Request, RequestError, TransportError


# A Python string, as libraries quote values; not text between apostrophes.
_QUOTED = re.compile(r"""(?<!\w)b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")


def redact(error: TransportError, request: Request, sensitive: Callable[[str], bool]) -> None:
    """Remove secrets from a failure and its causes, and make their messages printable.

    Libraries repeat text of a server, and the field of a request that they refuse to send.
    sensitive: whether the field with a name (lower case) holds a secret.
    """
    refused = isinstance(error, ANY.LocalProtocolError)
    secrets = sorted(_secrets(request, sensitive), key=len, reverse=True)
    _say(error, lambda said: _redacted(said, refused, secrets))


def bound(error: RequestError) -> None:
    """Make the messages of a failure and its causes printable, and shorten them."""
    _say(error, printable)


def _say(error: RequestError, shown: Callable[[str], str]) -> None:
    for one in _all(error):
        if isinstance(one, OSError):
            continue  # its text is the system's
        said = tuple(shown(arg) if isinstance(arg, str) else arg for arg in one.args)
        if said != one.args:
            one.args = said


def _secrets(request: Request, sensitive: Callable[[str], bool]) -> set[str]:
    values = [value for name, value in request.headers.multi_items() if sensitive(name)]
    # Whole or without its scheme, as it is or as Python quotes it.
    whole = [form for value in values for form in (value, value.partition(" ")[2])]
    forms = {form for one in whole for form in (one.strip(), repr(one)[1:-1])}
    return {form for form in forms if len(form) >= SECRET}


def _redacted(said: str, refused: bool, secrets: list[str]) -> str:
    for secret in secrets:
        said = said.replace(secret, "…")
    return printable(_QUOTED.sub("…", said) if refused else said)


def _all(error: BaseException) -> Iterator[BaseException]:
    """A failure, and all exceptions that a traceback shows with it."""
    seen: set[int] = set()
    found: list[object] = [error]
    while found:
        one = found.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            found += [one.__cause__, one.__context__, *one.args]
