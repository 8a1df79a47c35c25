"""`statuspolicy.events`, typed for httpx2."""

from statuspolicy.engine.events import Attempt, Decision, Event, Settled, Wait

__all__ = ["Attempt", "Decision", "Event", "Settled", "Wait"]
