"""Safe text for logs, traces and errors.

Each log line, step of a trace and error goes through here. So the text of a server can't control
a terminal, end a line or fill a log, and a password in a URL is never shown.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from types import FunctionType, MethodType
from typing import Any

OURS = __name__.partition(".")[0]

LINE = 1000  # characters of a line
PART = 200  # characters of one text from a server
SECRET = 6  # characters: a shorter secret is not removed from text, since many words contain it

_USERINFO = re.compile(r"://[^/?#\s]*@")


def printable(text: object, most: int = LINE) -> str:
    """Text in one line of at most `most` characters, without passwords and control characters."""
    line = str(text)
    if "@" in line:
        line = _USERINFO.sub("://", line)
    if not line.isprintable():
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line[:most])
    return line[:most]


def quoted(value: object, most: int = LINE) -> str:
    """The `repr` of a value, as printable text; for a partial or a method, its name."""
    held = isinstance(value, (partial, MethodType))
    return printable(name_of(value) if held else repr(value), most)


def given(value: object) -> str:
    """A wrong argument as an error message shows it: only its type where it may be secret."""
    if value is None or isinstance(value, (int, float, type, FunctionType)):
        return quoted(value)
    if isinstance(value, str) and len(value) < SECRET:
        return quoted(value)
    if type(value).__module__.partition(".")[0] == OURS:
        return quoted(value)
    if type(value) is tuple:
        return f"({', '.join(map(given, value))}{',' * (len(value) == 1)})"
    return f"<{type(value).__name__}>"


def name_of(call: Any) -> str:
    """The name of a callable with its module, for a trace; arguments bound to it are not shown.

    For a duty of this package, also the name of the callable that it calls.
    """
    while isinstance(call, partial):
        call = call.func
    of = getattr(call, "__self__", None)
    if type(of).__module__.partition(".")[0] == OURS:
        call = of  # a method of a duty of this package has the name of the duty
    name = getattr(call, "__qualname__", None)
    if isinstance(name, str):
        line = getattr(getattr(call, "__code__", None), "co_firstlineno", 0)
        where = f" (line {line})" if "<lambda>" in name else ""
        return f"{getattr(call, '__module__', None)}.{name}{where}"
    kind = type(call)
    if kind.__module__.partition(".")[0] != OURS:
        return f"{kind.__module__}.{kind.__qualname__}"
    within = [name_of(value) for value in getattr(call, "__dict__", {}).values() if callable(value)]
    return f"{repr(call).partition('(')[0]}({', '.join(within)})"


class _Shown:
    """An argument of a log line, made printable when the line is formatted."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return printable(self._value)

    def __repr__(self) -> str:
        return quoted(self._value)


def _argument(value: object) -> object:
    return value if isinstance(value, (int, float)) else _Shown(value)


def _printable(record: logging.LogRecord) -> bool:
    """Make all arguments and tracebacks of a log record printable."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_argument, record.args))
    if record.exc_info and not record.exc_text:
        traceback = logging.Formatter().formatException(record.exc_info)
        record.exc_text = "\n".join(map(printable, traceback.split("\n")))
    return True


log = logging.getLogger("statuspolicy")
log.addFilter(_printable)
