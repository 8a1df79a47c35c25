"""Origins that asked for rest, or that failed again and again: how long nobody bothers them."""

from __future__ import annotations

from collections import OrderedDict
from random import uniform

from statuspolicy._value import Record

# Seconds: what rounding may eat of a wait, so that nobody comes back a tick too early.
_TICK = 0.001
# Seconds that one request may be the only one to a half-open origin before the next may try.
_LEASE = 30.0
# Seconds after which those who wait for a half-open origin look again.
_LOOK = 1.0


class Cool(Record):
    """What a verdict may say of the origin that answered: let it rest.

    seconds: how long.
    after: how many such verdicts in a row it takes; any other answer begins the count anew.
    probe: afterwards one request at a time, until one is answered otherwise (half-open).
    refuse: meanwhile requests are not sent late, but refused at once (`CoolingDown`).
    """

    seconds: float
    after: int = 1
    probe: bool = False
    refuse: bool = False


class Rest(Record):
    """What a request to a cooling origin meets.

    seconds: until it may be sent, jitter included, so that those who wait don't all come at
        once; at least `least` of it has to be waited.
    refuse: it is not to be sent at all.
    """

    seconds: float
    least: float
    refuse: bool


class _Origin:
    __slots__ = ("cool", "free", "gone", "strikes", "until")

    def __init__(self) -> None:
        self.strikes = 0
        self.until = 0.0  # it rests until then
        self.free = 0.0  # from then on the next probe may go
        self.gone = 0.0  # from then on nothing of this matters
        self.cool = Cool(0.0)


class Cooldowns(OrderedDict[str, _Origin]):
    """The origins that rest, or are being watched; empty in ordinary times."""

    def cool(self, origin: str, cool: Cool, now: float) -> bool:
        """Count such a verdict, and let the origin rest; whether its rest begins with it."""
        self._sweep(now)
        known = self.setdefault(origin, _Origin())
        known.cool, known.strikes, known.gone = cool, known.strikes + 1, now + cool.seconds
        if known.strikes < cool.after and not known.until:
            return False
        begins = known.until <= now + _TICK
        known.until = known.free = max(known.until, now + cool.seconds)
        known.gone = known.until + (_LEASE + cool.seconds if cool.probe else 0.0)
        return begins

    def approach(self, origin: str, now: float) -> Rest | None:
        """What a request that is about to be sent meets; None where the way is free.

        A free way to a half-open origin is taken by asking.
        """
        self._sweep(now)
        known = self.get(origin)
        if known is None or not known.until:
            return None
        rest = known.until - now
        if rest > _TICK:
            # As long again at most, and a few seconds: what was held back comes spread out.
            spread = uniform(0.0, min(known.cool.seconds, 10.0) / 2)  # noqa: S311 - jitter
            return Rest(rest + spread, rest, known.cool.refuse)
        if not known.cool.probe:
            return None
        if known.free > now + _TICK:
            wait = min(known.free - now, _LOOK)
            return Rest(wait, wait, known.cool.refuse)
        known.free = now + _LEASE
        known.gone = max(known.gone, known.free)
        return None

    def warm(self, origin: str, now: float) -> None:
        """The origin answered otherwise. A rest that it asked for still holds."""
        known = self.get(origin)
        if known is not None:
            known.strikes = 0
            if known.until <= now + _TICK:
                del self[origin]

    def _sweep(self, now: float) -> None:
        for origin in [origin for origin, known in self.items() if known.gone <= now]:
            del self[origin]
