"""Tools for tests: a server that answers with any code, a clock that never waits, and `replay`."""

from statuspolicy.testing.clock import FakeClock
from statuspolicy.testing.replay import Story, replay
from statuspolicy.testing.server import Answer, Received, StatusServer

__all__ = ["Answer", "FakeClock", "Received", "StatusServer", "Story", "replay"]
