"""Fixtures for pytest, which finds them once the package is installed, without an import.

pytest loads this module at each start, wherever the package is installed. So it is a module beside
the package, which (with httpx) is imported by the first test that uses a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from statuspolicy.testing import FakeClock, StatusServer


@pytest.fixture
def status_server() -> Iterator[StatusServer]:
    """A loopback server that answers any code from its URL, or follows a script."""
    from statuspolicy.testing import StatusServer

    with StatusServer() as server:
        yield server


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that never waits, and lists the waits."""
    from statuspolicy.testing import FakeClock

    return FakeClock()
