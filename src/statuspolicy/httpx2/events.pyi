# `statuspolicy.events` as a type checker sees it for httpx2.

from typing import TypeAlias

import httpx2

from statuspolicy.engine.events import Decision as Decision
from statuspolicy.message.steps import Trace

class Attempt:
    request: httpx2.Request
    attempt: int
    hops: int
    aside: bool

class Wait:
    seconds: float
    request: httpx2.Request

class Settled:
    request: httpx2.Request
    response: httpx2.Response | None
    error: Exception | None
    trace: Trace

Event: TypeAlias = Attempt | Decision | Wait | Settled
