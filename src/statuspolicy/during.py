"""A context variable that holds for one call, whatever ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")


def during(
    var: ContextVar[Any], value: object, call: Callable[..., T], *args: Any, **named: Any
) -> T:
    """What it answers, called while the variable has that value.

    Ctrl-C may come anywhere: then the variable has its old value all the same, and an answer
    that nobody will have is closed.
    """
    before = var.get()
    answer: Any = None
    try:
        try:
            var.set(value)
            answer = call(*args, **named)
        finally:
            var.set(before)
        return answer  # type: ignore[no-any-return]  # noqa: TRY300 - Ctrl-C may come here too
    except BaseException:
        var.set(before)  # it may have come just before it was
        if hasattr(answer, "close"):
            with suppress(Exception):
                answer.close()
        raise


async def aduring(
    var: ContextVar[Any], value: object, call: Callable[..., Awaitable[T]], *args: Any, **named: Any
) -> T:
    """As `during`."""
    before = var.get()
    answer: Any = None
    try:
        try:
            var.set(value)
            answer = await call(*args, **named)
        finally:
            var.set(before)
        return answer  # type: ignore[no-any-return]  # noqa: TRY300 - Ctrl-C may come here too
    except BaseException:
        var.set(before)
        if hasattr(answer, "aclose"):
            import anyio

            with suppress(Exception), anyio.CancelScope(shield=True):
                await answer.aclose()
        raise
