"""The steps before each send: the cooldown of its origin, then `prepare`."""

from __future__ import annotations

from statuspolicy.engine.cooling import held_back
from statuspolicy.engine.prepare import outgoing
from statuspolicy.engine.state import ExchangeState, Flow
from statuspolicy.message.errors import CoolingDown


def before_send(state: ExchangeState) -> Flow[CoolingDown | None]:
    """Do the steps before the next send; returns the error if the request is refused."""
    config = state.config
    if config.memory.cooling and not state.answers:
        refused = yield from held_back(state, state.sent)
        if refused is not None:
            return refused
    state.went = state.sent
    if config.prepare is not None or config.observer is not None:
        state.went = yield from outgoing(state, state.sent, len(state.answers) + 1)
    return None
