"""What a callable of an application is called, in a trace; nothing that it was given is told."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

OURS = __name__.partition(".")[0]


def name_of(call: Any) -> str:
    """The name of a callable, with its module; of a duty of ours, also of what it calls."""
    while isinstance(call, partial):
        call = call.func
    of = getattr(call, "__self__", None)
    if type(of).__module__.partition(".")[0] == OURS:
        call = of  # a method of a duty is the duty's own affair
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


def of_the_other(value: object, *ours: type) -> str:
    """What to write for a client or transport of the other library; "" for all else.

    ours: classes of the library that is bound here.
    """
    for library, package in (("httpx", "statuspolicy"), ("httpx2", "statuspolicy.httpx2")):
        theirs = sys.modules.get(library)
        if theirs is None or getattr(theirs, ours[0].__name__) is ours[0]:
            continue
        kinds = theirs.Client, theirs.AsyncClient, theirs.BaseTransport, theirs.AsyncBaseTransport
        if isinstance(value, kinds) and not isinstance(value, ours):
            return f"it is of {library}: write `import {package} as sp` instead."
    return ""
