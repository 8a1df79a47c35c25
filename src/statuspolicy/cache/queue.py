"""Requests that would validate the same response at the same time: one asks, the others wait."""

from __future__ import annotations

from threading import Lock
from typing import Any


class Queues:
    """Who asks for what at the moment; what is waited for is an event of a thread or a task."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking: dict[str, Any] = {}

    def join(self, key: str, event: Any) -> Any:
        """The event that whoever asks will set; None where nobody asks: then it is `event`."""
        with self._lock:
            found = self._asking.setdefault(key, event)
        return None if found is event else found

    def leave(self, key: str) -> None:
        """It was asked: those who wait go on."""
        with self._lock:
            event = self._asking.pop(key)
        event.set()
