"""`@each(names, values)`: what `pytest.mark.parametrize` does, as one test that loops.

A thousand values are a thousand tests to collect and report, which takes longer than what they
prove. It is for values that need no fixture of their own: those are made once a test.
"""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import pytest


def each(
    names: str | tuple[str, ...], values: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call the test with each value in turn; one that fails says with which it did."""
    listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else [*names]
    several = [*values]
    assert several, "a loop over nothing proves nothing"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)
        rest = [p for name, p in signature.parameters.items() if name not in listed]
        assert len(rest) + len(listed) == len(signature.parameters), (
            "the server accepts no such argument"
        )

        @wraps(test)
        def run(**fixtures: Any) -> None:
            for value in several:
                given = [value] if len(listed) == 1 else value
                named = dict(zip(listed, given, strict=True))
                try:
                    test(**fixtures, **named)
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(", ".join(f"{n} = {v!r}" for n, v in named.items()))
                    raise

        run.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return run

    return decorate


def quickly(values: Iterable[Any], first: int) -> list[Any]:
    """Values to parametrize with, of which `make test` tries the first ones and CI all."""
    return [
        value if number < first else pytest.param(value, marks=pytest.mark.slow)
        for number, value in enumerate(values)
    ]
