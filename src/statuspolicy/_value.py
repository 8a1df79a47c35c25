"""Frozen values with defaults and checks; a dataclass costs 0.6 ms of import time, this nothing."""

from __future__ import annotations

from typing import Any, dataclass_transform


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Value:
    """A base for small configuration values: each annotated default is a keyword argument."""

    def __init__(self, *unnamed: Any, **given: Any) -> None:
        cls = type(self)
        names = list(cls.__annotations__)
        if unnamed:
            first = repr(unnamed[0])
            raise TypeError(
                f"{cls.__name__}({first}): name it, {cls.__name__}({names[0]}={first})."
            )
        for name in given.keys() - set(names):
            raise TypeError(f"{cls.__name__} has no {name!r}: it takes {', '.join(names)}.")
        for name in names:
            object.__setattr__(self, name, given.get(name, getattr(cls, name)))
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError where a value makes no sense."""

    def __setattr__(self, name: str, value: object) -> None:
        cls = type(self).__name__
        raise AttributeError(f"{cls} is frozen: make a new one, as in {cls}({name}={value!r}).")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen.")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        """Only what was set: `retry(attempts=6)`."""
        cls = type(self)
        changed = (f"{n}={v!r}" for n, v in vars(self).items() if v != getattr(cls, n))
        return f"{cls.__name__}({', '.join(changed)})"
