"""What is remembered between exchanges: permanent moves and retry budgets."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TypeAlias

from statuspolicy.limits import RetryBudget

__all__ = ["Memory"]

# A status code, 301 or 308, and where it led.
Move: TypeAlias = "tuple[int, str]"


class Memory:
    """One client's memory, in this process, bounded: what was used longest ago goes first.

    entries: how many moves and how many origins it holds at most.
    """

    def __init__(self, entries: int = 1024) -> None:
        if isinstance(entries, bool) or not isinstance(entries, int) or entries < 1:
            raise ValueError(f"Memory(entries={entries!r}): write a number of entries, 1 or more.")
        self._most = entries
        self._lock = Lock()
        # Public to the transport: while it is empty nothing has to be looked up before sending.
        self.moves: OrderedDict[str, tuple[Move, float]] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def recall(self, url: str, now: float) -> Move | None:
        """Where a URL has moved to, permanently, and by which code."""
        with self._lock:
            move, until = self.moves.get(url, (None, now))
            if until <= now:
                self.moves.pop(url, None)
                return None
            self.moves.move_to_end(url)
            return move

    def remember(self, url: str, move: Move | None, seconds: float, now: float) -> None:
        """Keep where a URL has moved to for so many seconds; None forgets it."""
        with self._lock:
            self.moves.pop(url, None)
            if move is not None:
                self.moves[url] = (move, now + seconds)
                while len(self.moves) > self._most:
                    self.moves.popitem(last=False)

    def spend(self, origin: str, budget: RetryBudget, now: float) -> bool:
        """Take a token from an origin's retry budget; False where there is none."""
        with self._lock:
            tokens, filled = self._buckets.pop(origin, (budget.tokens, now))
            tokens = min(budget.tokens, tokens + (now - filled) * budget.per_second)
            granted = tokens >= 1
            self._buckets[origin] = (tokens - granted, now)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            return granted

    def __repr__(self) -> str:
        return f"<Memory: {len(self.moves)} moves, {len(self._buckets)} origins>"
