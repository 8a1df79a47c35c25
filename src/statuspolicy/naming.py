"""What a callable of an application is called, in a trace; nothing that it was given is told."""

from __future__ import annotations

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
