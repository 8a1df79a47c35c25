"""`LazyModule`: a module that is imported at its first use."""

from __future__ import annotations

from typing import Any


class LazyModule:
    """A stand-in for a module that most programs never use, or not before the first response.

    name: its full name, as for `importlib.import_module`.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        from importlib import import_module

        found = getattr(import_module(self._name), name)
        setattr(self, name, found)
        return found
