"""The fixtures of `pytest_statuspolicy`, for `pytest -p statuspolicy.testing.plugin`."""

from pytest_statuspolicy import fake_clock, status_server

__all__ = ["fake_clock", "status_server"]
