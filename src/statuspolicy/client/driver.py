"""The drivers: two functions that run the loop and perform its effects; they differ by `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statuspolicy.client.async_io import AsyncIO, alet_go
from statuspolicy.client.sync_io import SyncIO, let_go
from statuspolicy.engine.effects import Discard, Reply, Send, Wait
from statuspolicy.engine.evidence import AsyncWatch, Watch, hinted, saw, watched
from statuspolicy.engine.state import ExchangeState, Flow, Result
from statuspolicy.message.response import kept_trace
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Response

# The names that a transport uses to run an exchange.
__all__ = [
    "AsyncIO",
    "AsyncWatch",
    "ExchangeState",
    "Reply",
    "SyncIO",
    "Watch",
    "alet_go",
    "arun",
    "hinted",
    "let_go",
    "run",
    "saw",
    "watched",
]


def run(flow: Flow[Result], io: SyncIO) -> Response:
    """Drive an exchange to its end. Whoever made the I/O releases it if this raises."""
    value: Any = None
    while True:
        try:
            effect = flow.send(value)
        except StopIteration as end:
            value = end.value
            break
        if isinstance(effect, Send):
            value = io.send(effect)
        elif isinstance(effect, Discard):
            value = io.discard(effect)
        elif isinstance(effect, Wait):
            value = None
            io.wait(effect.seconds)
            io.still_open()
        else:
            value = io.perform(effect)
    if io.turns:
        io.release_lock()
    io.ended = True
    if io.state.until is not None:
        io.trace = kept_trace(value)
    if isinstance(value, ANY.Response):
        return value
    try:
        raise value  # here, where no frame of the loop is left for the traceback to hold
    finally:
        del value  # or the traceback of an error would hold the error


async def arun(flow: Flow[Result], io: AsyncIO) -> Response:
    """Drive an exchange to its end. Whoever made the I/O releases it if this raises."""
    value: Any = None
    while True:
        try:
            effect = flow.send(value)
        except StopIteration as end:
            value = end.value
            break
        if isinstance(effect, Send):
            value = await io.send(effect)
        elif isinstance(effect, Discard):
            value = await io.discard(effect)
        elif isinstance(effect, Wait):
            value = None
            await io.wait(effect.seconds)
            io.still_open()
        else:
            value = await io.perform(effect)
    if io.turns:
        io.release_lock()
    io.ended = True
    if io.state.until is not None:
        io.trace = kept_trace(value)
    if isinstance(value, ANY.Response):
        return value
    try:
        raise value  # here, where no frame of the loop is left for the traceback to hold
    finally:
        del value  # or the traceback of an error would hold the error
