"""`then`: use the result of a callable, which may be an awaitable."""

from __future__ import annotations

from collections.abc import Callable, Generator
from inspect import isawaitable
from typing import Any


def then(answer: Any, make: Callable[[Any], Any]) -> Any:
    """Call `make` with a result; returns an awaitable if the result is one."""
    return Later(answer, make) if isawaitable(answer) else make(answer)


class Later:
    """An awaitable that calls `make` with an awaited result."""

    def __init__(self, answer: Any, make: Callable[[Any], Any]) -> None:
        self._answer = answer
        self._make = make

    def __await__(self) -> Generator[Any, None, Any]:
        made = self._make((yield from self._answer.__await__()))
        return (yield from made.__await__()) if isawaitable(made) else made

    def close(self) -> None:
        """Close it without awaiting it, as in a sync client."""
        close(self._answer)


def close(answer: object) -> None:
    """Close a coroutine that is never awaited."""
    closing = getattr(answer, "close", None)
    if closing is not None:
        closing()
