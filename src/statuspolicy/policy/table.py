"""`Row` and `Table`: what each code asks of a client, and the duty that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, TypeVar

from statuspolicy._value import Computed, lazy
from statuspolicy.policy import failures
from statuspolicy.policy.verdicts import Settle, Verdict
from statuspolicy.printable import given, quoted

if TYPE_CHECKING:
    from httpx import Response, TransportError

    from statuspolicy.policy.exchange import Exchange

Duty: TypeAlias = "Callable[[Exchange[Any, Any, Any]], Verdict | Awaitable[Verdict]]"
Key: TypeAlias = "int | str | type[Exception]"

MakerT = TypeVar("MakerT", bound=Callable[..., Any])

_CLASSES = {f"{n}xx": n for n in range(1, 6)}
# A client follows these by itself, unless the response says that the policy declined them.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# These are always decided about; 511 too, or the cookies of a captive portal would get into the
# client's jar (RFC 6585 §6).
_LOOKED_AT = REDIRECTS | {511}


def makes_duty(factory: MakerT) -> MakerT:
    """Mark a function that makes a duty, so that a table can refuse the function itself."""
    marked: Any = factory
    marked.makes_duty = True
    return factory


def surface(exchange: Exchange[Any, Any, Any]) -> Verdict:
    """The duty that hands a response over as it is, or raises a failure."""
    return Settle()


def resume(exchange: Exchange[Any, Any, Any]) -> Verdict:
    """The duty that hands a response over, and resumes its body if it breaks while it is read.

    As in `{200: resume}`, for GET: the missing bytes are requested with Range and If-Range, given
    a strong validator (RFC 9110 §14.2, §13.1.5). Where that fails, the error of the library is
    raised, with a note that says why.
    """
    return Settle(resume=True)


class Row(Computed):
    """One row of a table.

    key: a status code, a class ("4xx"), or the name of a failure ("ConnectError"), which stands for
        the exception class of both libraries.
    phrase: the reason phrase of the code.
    citation: its specification.
    says: what the specification asks of a client.
    duty: the callable that decides.
    """

    __module__ = "statuspolicy"

    key: Key
    phrase: str
    citation: str
    says: str
    duty: Duty = surface

    @lazy
    def name(self) -> str:
        """The key as a trace shows it."""
        return self.key.__name__ if isinstance(self.key, type) else str(self.key)

    def __str__(self) -> str:
        duty = getattr(self.duty, "__name__", None) or quoted(self.duty)
        return f"{self.name:<20} {self.phrase:<32} {duty:<24} {self.citation}: {self.says}"


# The row for a failure without a row: it is raised.
NOTHING = Row("none", "", "", "no row is known for it")


class Table(Mapping[Key, Duty]):
    """The duty of each status code. Immutable: `table | {503: duty}` makes a new table.

    A key is a status code, a class of codes ("4xx"), or a failure: the exception
    class of httpx or of httpx2, or its name, which are one key.
    In `table | other`, a class (of codes or of exceptions) replaces all rows of that class, and
    then the exact keys of `other` apply. A code without a row has the row of its class: 499 is
    handled as 400 (RFC 9110 §15).

    Raises TypeError or ValueError for a key or a duty that is not valid.
    """

    __module__ = "statuspolicy"

    __slots__ = ("__dict__", "_rows")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows: dict[Key, Row] = {}
        for row in rows:
            key = _check(row.key, row.duty)
            self._rows[key] = row if key is row.key else row._replace(key=key)

    def row(self, key: Key) -> Row:
        """The row of a code or an exception class, fallbacks included.

        Raises ValueError for a string that is not a class of codes.
        """
        rows = self._rows
        if key in rows:
            return rows[key]
        if isinstance(key, type) or key in failures.ABOVE:
            return next((rows[one] for one in failures.keys_of(key) if one in rows), NOTHING)
        if isinstance(key, int):
            # RFC 9110 §15: an unrecognized code is "equivalent to the x00 status code of
            # that class"; a code outside 100-599 is treated as a server error.
            kind = key // 100 if 100 <= key <= 599 else 5
            return rows.get(f"{kind}xx") or rows.get(kind * 100, NOTHING)
        if isinstance(key, str) and key not in _CLASSES:
            raise ValueError(
                f"row({key!r}): write a status code as a number, such as 503, "
                'or a class such as "5xx".'
            )
        return NOTHING

    def match(self, outcome: Response | TransportError) -> Row:
        """The row of a response or a failure."""
        if isinstance(outcome, Exception):
            key = failures.row_key(outcome)
            return NOTHING if key is None else self.row(key)
        # A literal 600 on the wire is a server error; row 600 is for unparsable headers.
        status = outcome.status_code
        return self.row(status if status <= 599 else 500)

    @cached_property
    def quiet(self) -> frozenset[int]:
        """The codes of responses that are handed over untouched, without a decision."""
        return frozenset(
            code
            for code in range(100, 600)
            if self.row(code).duty is surface and code not in _LOOKED_AT
        )

    def __or__(self, other: Mapping[Any, Duty]) -> Table:  # of Key: a mapping of int alone is none
        if not isinstance(other, Mapping):
            return NotImplemented
        new = {_check(key, duty): duty for key, duty in other.items()}
        rows = dict(self._rows)
        for key in sorted(new.keys() & _CLASSES.keys(), key=str):
            codes = range(_CLASSES[str(key)] * 100, _CLASSES[str(key)] * 100 + 100)
            for code in rows.keys() & set(codes):
                rows[code] = rows[code]._replace(duty=new[key])
            rows[key] = Row(key, "any other", "RFC 9110 §15", "as the class", new[key])
        for key in sorted(new.keys() - _CLASSES.keys(), key=_generality):
            if _is_failure(key):
                for kind in [
                    one for one in rows if _is_failure(one) and key in failures.keys_of(one)
                ]:
                    rows[kind] = rows[kind]._replace(duty=new[key])
            rows[key] = self.row(key)._replace(key=key, duty=new[key])
        table = Table()
        table._rows = dict(sorted(rows.items(), key=_order))
        return table

    def __getitem__(self, key: Key) -> Duty:
        return self._rows[failures.key_of(key) if isinstance(key, type) else key].duty

    def __iter__(self) -> Iterator[Key]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __str__(self) -> str:
        return "\n".join(map(str, self._rows.values()))

    def __repr__(self) -> str:
        return f"<Table: {len(self)} rows>"


def _is_failure(key: Key) -> TypeGuard[str | type[Exception]]:
    return isinstance(key, type) or key in failures.ABOVE


def _generality(key: Key) -> tuple[bool, int]:
    """A sort key: general failures first, so that the more special ones win."""
    return isinstance(key, type), len(failures.keys_of(key)) if _is_failure(key) else 0


def _order(item: tuple[Key, Row]) -> tuple[int, int, str]:
    """A sort key: codes in order, a class after its codes, failures last."""
    key = item[0]
    if isinstance(key, int):
        return (0, key, "")
    if isinstance(key, str) and key in _CLASSES:
        return (0, _CLASSES[key] * 100 + 99, key)
    return (1, 0, item[1].name)


def _check(key: Any, duty: Any) -> Key:
    """The key as a table stores it. Raises TypeError or ValueError for a wrong key or duty."""
    known = (
        (isinstance(key, int) and not isinstance(key, bool) and (100 <= key <= 600))
        or (isinstance(key, str) and (key in _CLASSES or key in failures.ABOVE))
        or (isinstance(key, type) and "TransportError" in failures.keys_of(key))
    )
    if not known:
        raise ValueError(
            f"{key!r} is not a key of a policy table: write a status code from 100 to 600, "
            'a class such as "5xx", or a subclass of httpx.TransportError or its name.'
        )
    if isinstance(duty, type):
        raise TypeError(
            f"Row {key!r}: {duty.__name__} is a class, not a duty: "
            f"call it, as in {{{key!r}: {duty.__name__}()}}."
        )
    if getattr(duty, "makes_duty", None) is True:
        from inspect import signature

        shown = key.__name__ if isinstance(key, type) else repr(key)
        name, first = duty.__name__, next(iter(signature(duty).parameters))
        raise TypeError(
            f"Row {shown}: {name} makes a duty: call it, as in {{{shown}: {name}({first})}}."
        )
    if not callable(duty):
        raise TypeError(
            f"Row {key!r}: {given(duty)} is not a duty: write a callable that takes an Exchange "
            "and returns a Verdict, such as statuspolicy.surface or statuspolicy.retry()."
        )
    return failures.key_of(key) if isinstance(key, type) else key
