"""Modules that are imported when something of them is first used, and found at once afterwards."""

from __future__ import annotations

from typing import Any


class OnDemand:
    """Stands in for a module that most programs never use, or not before the first answer.

    name: as of `importlib.import_module`.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        from importlib import import_module

        found = getattr(import_module(self._name), name)
        setattr(self, name, found)
        return found
