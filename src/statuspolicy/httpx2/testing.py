"""`statuspolicy.testing`, typed for httpx2."""

from statuspolicy.testing import Answer, FakeClock, Received, StatusServer, Story, replay

__all__ = ["Answer", "FakeClock", "Received", "StatusServer", "Story", "replay"]
