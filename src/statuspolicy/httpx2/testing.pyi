# `statuspolicy.testing` as a type checker sees it for httpx2.

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import httpx2

from statuspolicy import Cache, Clock, Limits, Memory, Table, Trace
from statuspolicy.httpx2 import _AllowHop, _Confirm, _Observer, _Prepare
from statuspolicy.testing import Answer as Answer
from statuspolicy.testing import FakeClock as FakeClock
from statuspolicy.testing import Received as Received
from statuspolicy.testing import StatusServer as StatusServer

_Line: TypeAlias = (
    int
    | tuple[int, Mapping[str, str]]
    | httpx2.Response
    | httpx2.TransportError
    | Callable[[httpx2.Request], httpx2.Response]
)

class Story(NamedTuple):
    response: httpx2.Response | None
    error: Exception | None
    sent: list[httpx2.Request]
    bodies: list[bytes]
    waits: list[float]
    effects: list[Any]
    open_at_most: int
    left_open: int

    @property
    def trace(self) -> Trace: ...

def replay(
    request: httpx2.Request,
    script: Iterable[_Line],
    *,
    table: Table = ...,
    limits: Limits = ...,
    cookies: httpx2.Cookies | None = None,
    cache: Cache | None = None,
    memory: Memory | None = None,
    confirm: _Confirm | None = None,
    allow_hop: _AllowHop | None = None,
    prepare: _Prepare | None = None,
    observer: _Observer | None = None,
    clock: Clock | None = None,
    follow: bool | None = None,
) -> Story: ...
