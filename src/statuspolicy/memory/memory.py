"""`Memory`: permanent redirects, retry budgets and cooldowns, which exchanges share."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any, Protocol, TypeAlias

from statuspolicy.memory.cooldowns import Cool, Cooldown, Cooldowns
from statuspolicy.memory.locks import synchronized

__all__ = ["Memory"]

# A status code, 301 or 308, and its target.
Move: TypeAlias = tuple[int, str]


_LONGEST_MOVE, _LONGEST = 4_096, 300  # characters of a remembered redirect, of an origin


def short(text: str) -> str:
    """A short text that identifies a long one.

    (In hot paths the caller checks the length first: that is cheaper than a call.)
    """
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… {hash(text)}"


class Bucket(Protocol):
    """A token bucket, as `RetryBudget` describes one."""

    @property
    def tokens(self) -> float:
        """The size of the bucket."""
        ...

    @property
    def per_second(self) -> float:
        """How many tokens are added each second."""
        ...


class Memory:
    """The memory of a client: permanent redirects, cooldowns and retry budgets, in this process.

    Threads and tasks share it, and several clients may.

    entries: how many redirects and how many origins it holds at most: the least recently used one
        is forgotten first. Redirects with more than 4,096 characters are not remembered.
    """

    __module__ = "statuspolicy"

    def __init__(self, entries: int = 1024) -> None:
        if isinstance(entries, bool) or not isinstance(entries, int) or entries < 1:
            raise ValueError(f"Memory(entries={entries!r}): write a number of entries, 1 or more.")
        self._most = entries
        self._lock = Lock()
        self.moves: OrderedDict[str, tuple[Move, float]] = OrderedDict()
        self.cooling = Cooldowns()
        self._noticed: OrderedDict[str, None] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def has_moved(self, url: str) -> bool:
        """Whether a redirect of a URL is remembered; it may be expired."""
        return url in self.moves

    def is_cooling(self, origin: str) -> bool:
        """Whether an origin may be cooling down.

        None of these three takes the lock: after True, `recall` or `approach` decides.
        """
        return (origin if len(origin) <= _LONGEST else short(origin)) in self.cooling

    def is_watched(self, origin: str) -> bool:
        """Whether a circuit breaker counts the failures of an origin."""
        known = self.cooling.get(origin if len(origin) <= _LONGEST else short(origin))
        return known is not None and known.breaker is not None

    @synchronized
    def recall(self, url: str, now: float) -> Move | None:
        """The permanent redirect of a URL: its code and target; None where there is none."""
        move, until = self.moves.get(url, (None, now))
        if until <= now:
            self.moves.pop(url, None)
            return None
        self.moves.move_to_end(url)
        return move

    @synchronized
    def remember(self, url: str, move: Move | None, seconds: float, now: float) -> None:
        """Remember a permanent redirect for so many seconds; None forgets it."""
        self.moves.pop(url, None)
        if move is not None and len(url) + len(move[1]) <= _LONGEST_MOVE:
            self.moves[url] = (move, now + seconds)
            self._forget(self.moves)

    @synchronized
    def forget_moves_to(self, url: str) -> None:
        """Forget the permanent redirects that lead to a URL, which is gone."""
        gone = [a for a, ((_, b), _) in self.moves.items() if b.partition("#")[0] == url]
        for moved in gone:
            del self.moves[moved]

    @synchronized
    def spend(self, origin: str, budget: Bucket, now: float) -> float | None:
        """Take a token from a retry budget; returns how many are left, None for an empty one."""
        origin = origin if len(origin) <= _LONGEST else short(origin)
        tokens, filled = self._buckets.pop(origin, (budget.tokens, now))
        tokens = min(budget.tokens, tokens + (now - filled) * budget.per_second)
        granted = tokens >= 1
        self._buckets[origin] = (tokens - granted, now)
        self._forget(self._buckets)
        return tokens - 1 if granted else None

    @synchronized
    def refund(self, origin: str, budget: Bucket) -> None:
        """Give a token back, since the repeat that took it succeeded."""
        origin = origin if len(origin) <= _LONGEST else short(origin)
        if origin in self._buckets:
            tokens, filled = self._buckets[origin]
            self._buckets[origin] = (min(budget.tokens, tokens + 1), filled)

    @synchronized
    def notice(self, what: str) -> bool:
        """Whether a notice is new, so that it is logged only once."""
        what = short(what)
        new = what not in self._noticed
        self._noticed[what] = None
        self._forget(self._noticed)
        return new

    @synchronized
    def cool(self, origin: str, cool: Cool, now: float) -> bool:
        """Start a cooldown of an origin; returns False where it was cooling down already."""
        begins = self.cooling.cool(origin if len(origin) <= _LONGEST else short(origin), cool, now)
        self._forget(self.cooling)
        return begins

    @synchronized
    def approach(self, origin: str, now: float) -> Cooldown | None:
        """The wait of the next request to an origin; None where it may be sent now."""
        return self.cooling.approach(origin if len(origin) <= _LONGEST else short(origin), now)

    @synchronized
    def abandon(self, origin: str, sent: float) -> None:
        """Let the next probe be sent: the one from that time got no response."""
        self.cooling.abandon(origin if len(origin) <= _LONGEST else short(origin), sent)

    @synchronized
    def warm(self, origin: str, now: float) -> None:
        """Note a good response of an origin: its circuit breaker closes."""
        self.cooling.warm(origin if len(origin) <= _LONGEST else short(origin), now)

    def _forget(self, kept: OrderedDict[str, Any]) -> None:
        while len(kept) > self._most:
            kept.popitem(last=False)

    def __repr__(self) -> str:
        origins = len(self._buckets.keys() | self.cooling.keys())
        return f"<Memory: {len(self.moves)} moves, {origins} origins>"
