"""Fixtures for pytest: installed with the package, there without an import."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from statuspolicy.testing.clock import FakeClock
from statuspolicy.testing.server import StatusServer


@pytest.fixture
def status_server() -> Iterator[StatusServer]:
    """A loopback server that answers any code from its URL, or follows a script."""
    with StatusServer() as server:
        yield server


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that never waits, and lists the waits that it was asked for."""
    return FakeClock()
