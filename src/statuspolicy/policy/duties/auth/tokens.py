"""A callable answers challenges: its value is kept, and one request calls it for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from functools import partial
from inspect import isawaitable
from typing import Any, TypeAlias

from statuspolicy.fields.challenges import Challenge
from statuspolicy.memory.locks import ExchangeLock
from statuspolicy.message import redirected
from statuspolicy.policy.awaitable import close, then
from statuspolicy.policy.duties.auth.answer import (
    REFUSED,
    again,
    carried,
    key_of,
    next_answer,
    with_field,
)
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Settle
from statuspolicy.printable import given

Credentials: TypeAlias = Callable[[Challenge], "str | Awaitable[str | None] | None"]

# Challenges of one response that are tried, and realms that are remembered: the server chooses how
# many. Each that is tried is a nested call.
_MOST = 16
# The tokens that this thread or task is fetching: its requests meanwhile can't wait for them.
_FETCHING: ContextVar[tuple[Tokens, ...]] = ContextVar("statuspolicy.fetching", default=())


class Tokens:
    """The known credentials of one realm.

    turn: the lock that an exchange holds while it fetches them.
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials: Credentials = credentials
        self._known: dict[tuple[str, ...], str] = {}
        self.turn = ExchangeLock()

    @property
    def fetching(self) -> bool:
        """Whether this thread or task is fetching them."""
        return self in _FETCHING.get()

    def answer(self, exchange: Exchange, offered: list[Challenge]) -> Any:
        """Answer the first possible challenge; returns a verdict or an awaitable of one."""
        which = f"the first {_MOST} challenges" if len(offered) > _MOST else "the challenge"
        return self._answer(exchange, offered[:_MOST], which)

    def _answer(self, exchange: Exchange, offered: list[Challenge], which: str) -> Any:
        sent = carried(exchange)
        for n, challenge in enumerate(offered):
            how, key = next_answer(exchange, challenge), key_of(challenge)
            known = self._known.get(key)
            if how == "made" and known is not None and known != sent:
                return again(exchange, challenge, with_field(exchange, known), "kept")
            if how:
                made = partial(self._fetched, exchange, offered[n:], which, how)
                return then(self._fetch(challenge), made)
        return Settle(f"there are no credentials for {which}" if sent is None else REFUSED)

    def _fetched(
        self, exchange: Exchange, offered: list[Challenge], which: str, how: str, value: Any
    ) -> Any:
        challenge, *others = offered
        if value is None or value == carried(exchange):
            return self._answer(exchange, others, which)
        if not (isinstance(value, str) and value.isascii() and value.isprintable()):
            raise TypeError(
                f"{given(self._credentials)} returned {given(value)} for a challenge: return "
                "the value of Authorization as a string of ASCII in one line, such as "
                '"Bearer …", or None.'
            )
        if not redirected.is_digest(value):  # Digest is valid for one request alone
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key_of(challenge)] = value
        return again(exchange, challenge, with_field(exchange, value), how)

    def _fetch(self, challenge: Challenge) -> Any:
        token = _FETCHING.set((*_FETCHING.get(), self))
        try:
            answer = self._credentials(challenge)
        finally:
            _FETCHING.reset(token)
        return _Fetching(answer, self) if isawaitable(answer) else answer


class _Fetching:
    """An awaitable of credentials."""

    def __init__(self, answer: Any, tokens: Tokens) -> None:
        self._answer = answer
        self._tokens = tokens

    def __await__(self) -> Generator[Any, None, Any]:
        token = _FETCHING.set((*_FETCHING.get(), self._tokens))
        try:
            return (yield from self._answer.__await__())
        finally:
            _FETCHING.reset(token)

    def close(self) -> None:
        close(self._answer)
