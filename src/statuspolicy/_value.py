"""Base classes of frozen values, like dataclasses; `__init__` is compiled at the first use.

A frozen dataclass costs 0.6 ms of import time, a NamedTuple 0.1 ms, and the package has a dozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, dataclass_transform, overload

from statuspolicy.printable import given, quoted

T = TypeVar("T")


class _Signature:
    """A descriptor: the signature of a class, for `help` and `inspect.signature`."""

    def __get__(self, of: object | None, kind: type) -> Any:
        if of is not None:
            raise AttributeError("__signature__")  # an instance has the signature of `__call__`
        from inspect import Parameter, Signature

        how = Parameter.KEYWORD_ONLY if issubclass(kind, Value) else Parameter.POSITIONAL_OR_KEYWORD
        return Signature(
            [
                Parameter(n, how, default=getattr(kind, n, Parameter.empty), annotation=annotation)
                for n, annotation in kind.__annotations__.items()
            ]
        )


class _Frozen:
    __signature__ = _Signature()

    def __setattr__(self, name: str, value: object) -> None:
        cls = type(self).__name__
        raise AttributeError(
            f"{cls} is frozen: make a new one, as in {cls}({name}={given(value)})."
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen.")

    def _arguments(self) -> dict[str, Any]:
        """The arguments of the instance, without lazy values."""
        return {name: vars(self)[name] for name in type(self).__annotations__}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._arguments() == self._arguments()

    def __hash__(self) -> int:
        return hash(tuple(self._arguments().values()))

    def __repr__(self) -> str:
        """Show only the arguments that are not the default: `retry(attempts=6)`."""
        cls = type(self)
        unset = object()
        changed = (
            f"{n}={quoted(v)}" for n, v in self._arguments().items() if v != getattr(cls, n, unset)
        )
        return f"{cls.__name__}({', '.join(changed)})"


class lazy(Generic[T]):  # noqa: N801 - as functools.cached_property, but without its lock
    """An attribute that is computed at its first use, and then stored."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, of: None, kind: type) -> Self: ...
    @overload
    def __get__(self, of: object, kind: type) -> T: ...
    def __get__(self, of: object | None, kind: type) -> Self | T:
        if of is None:
            return self
        value = of.__dict__[self._name] = self._compute(of)
        return value


@dataclass_transform(frozen_default=True)
class Record(_Frozen):
    """Base class of values that are made often: each annotation is an argument, in order."""

    def __init__(self, *values: Any, **named: Any) -> None:
        cls = type(self)
        cls.__init__ = _compiled(cls)  # type: ignore[method-assign]
        cls.__init__(self, *values, **named)

    def _replace(self, **changes: Any) -> Self:
        """A copy in which some values are changed."""
        values = vars(self).copy()
        values.update(changes)
        if len(values) > len(vars(self)):
            unknown = ", ".join(changes.keys() - vars(self).keys())
            raise TypeError(f"{type(self).__name__} has no {unknown}.")
        return self._of(values)

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        """An instance with these values as its `__dict__`."""
        new = object.__new__(cls)
        object.__setattr__(new, "__dict__", values)
        return new


class Computed(Record):
    """Base class of records with `lazy` values: `_replace` computes all of them anew.

    The values that `_of` gets may lack those that have their default.
    """

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).__annotations__}

    def _replace(self, **changes: Any) -> Self:
        return type(self)(**self._arguments() | changes)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Value(_Frozen):
    """Base class of a configuration: each annotated default is a keyword argument, and checked."""

    def __init__(self, *unnamed: Any, **named: Any) -> None:
        cls = type(self)
        names = list(cls.__annotations__)
        if unnamed:
            first = given(unnamed[0])
            raise TypeError(
                f"{cls.__name__}({first}): pass it by name, {cls.__name__}({names[0]}={first})."
            )
        for name in named.keys() - set(names):
            raise TypeError(
                f"{cls.__name__} has no argument {name!r}: write one of {', '.join(names)}."
            )
        vars(self).update({name: named.get(name, getattr(cls, name)) for name in names})
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError for a value that is not valid."""


def _compiled(cls: type) -> Any:
    """Compile the `__init__` of a Record."""
    names = list(cls.__annotations__)
    defaults = {f"_{name}": getattr(cls, name) for name in names if hasattr(cls, name)}
    arguments = (f"{n}=_{n}" if f"_{n}" in defaults else n for n in names)
    lines = [f"def __init__(self, {', '.join(arguments)}):", " values = self.__dict__"]
    lines += [f" values[{name!r}] = {name}" for name in names]
    scope: dict[str, Any] = {}
    exec("\n".join(lines), defaults, scope)  # noqa: S102 - of names that stand in this package
    return scope["__init__"]
