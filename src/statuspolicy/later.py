"""What an application answers may have to be awaited: what is made of it, then or at once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from inspect import isawaitable
from typing import Any


def then(answer: Any, make: Callable[[Any], Any]) -> Any:
    """What `make` makes of an answer; something to await where the answer has to be."""
    return Later(answer, make) if isawaitable(answer) else make(answer)


class Later:
    """What is made of an answer that has to be awaited."""

    def __init__(self, answer: Any, make: Callable[[Any], Any]) -> None:
        self._answer = answer
        self._make = make

    def __await__(self) -> Generator[Any, None, Any]:
        made = self._make((yield from self._answer.__await__()))
        return (yield from made.__await__()) if isawaitable(made) else made

    def close(self) -> None:
        """Never awaited, as in a sync client."""
        close(self._answer)


def close(answer: object) -> None:
    """Let go of something that nobody will await."""
    closing = getattr(answer, "close", None)
    if closing is not None:
        closing()
