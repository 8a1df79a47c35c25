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
# Seconds over which those who were held back come at most.
_SPREAD = 30.0
# Origins that are looked through each time.
_FEW = 16


class Cool(Record):
    """What a verdict may say of the origin that answered: let it rest.

    seconds: how long.
    after: how many such verdicts in a row it takes; any other answer begins the count anew.
    probe: afterwards one request at a time, until one is answered otherwise (half-open).
    refuse: meanwhile requests are not sent late, but refused at once (`CoolingDown`).
    told: seconds that it is to rest at any rate, since it asked for that itself.
    """

    seconds: float
    after: int = 1
    probe: bool = False
    refuse: bool = False
    told: float = 0.0


class Rest(Record):
    """What a request to a cooling origin meets.

    seconds: until it may be sent, jitter included, so that those who wait don't all come at
        once; at least `least` of it has to be waited.
    refuse: it is not to be sent at all.
    """

    seconds: float
    least: float
    refuse: bool = False

    def within(self, room: float) -> float | None:
        """Seconds to wait where there is room for so many; None where there is too little."""
        if self.least > room:
            return None
        return self.seconds if self.seconds < room else (self.least + room) / 2


class _Asked:
    """It asked for rest: until when, and how long that was."""

    __slots__ = ("seconds", "until")

    def __init__(self) -> None:
        self.until = self.seconds = 0.0

    def cool(self, seconds: float, now: float) -> bool:
        begins = self.until <= now + _TICK
        if now + seconds > self.until:
            self.until, self.seconds = now + seconds, seconds
        return begins

    def approach(self, now: float) -> Rest | None:
        least = self.until - now
        if least <= _TICK:
            return None
        return Rest(least + uniform(0.0, min(self.seconds / 2, _SPREAD)), least)  # noqa: S311


class _Watched:
    """It is probed, or its failures are counted: they open it, and probes close it again."""

    __slots__ = ("cool", "forgotten", "free", "strikes", "until")

    def __init__(self, cool: Cool) -> None:
        self.cool, self.strikes = cool, 0
        self.until: float | None = None  # it is left alone until then, and half-open afterwards
        self.free = 0.0  # from then on the next probe may go
        self.forgotten = 0.0

    def strike(self, cool: Cool, now: float) -> bool:
        self.cool, self.strikes = cool, self.strikes + 1
        self.forgotten = now + cool.seconds
        if self.until is None and self.strikes < cool.after:
            return False
        begins = self.until is None or self.until <= now + _TICK
        self.until = self.free = max(self.until or now, now + cool.seconds)
        self.forgotten = self.until + (_LEASE + cool.seconds if cool.probe else 0.0)
        return begins

    def approach(self, now: float) -> Rest | None:
        if self.until is None:
            return None
        if (least := self.until - now) > _TICK:
            return Rest(least, least, self.cool.refuse)
        if not self.cool.probe:
            return None
        if (least := self.free - now) > _TICK:
            return Rest(min(least, _LOOK), min(least, _LOOK), self.cool.refuse)
        self.free = now + _LEASE
        self.forgotten = max(self.forgotten, self.free)
        return None


class _Origin:
    __slots__ = ("asked", "watched")

    def __init__(self) -> None:
        self.asked = _Asked()
        self.watched: _Watched | None = None

    def matters(self, now: float) -> bool:
        watched = self.watched is not None and self.watched.forgotten > now
        return watched or self.asked.until > now


class Cooldowns(OrderedDict[str, _Origin]):
    """The origins that rest, or are being watched; empty in ordinary times."""

    _swept = 0.0

    def cool(self, origin: str, cool: Cool, now: float) -> bool:
        """Let an origin rest; whether its rest begins with this.

        Raises ValueError for seconds that are none.
        """
        if not (cool.seconds >= 0 and cool.told >= 0):
            raise ValueError(f"{cool!r}: write a number of seconds, 0 or more.")
        self._sweep(now)
        known = self.pop(origin, None)
        if known is None or not known.matters(now):
            known = _Origin()
        self[origin] = known  # as the one that was used last
        watch = cool.probe or cool.refuse or cool.after > 1
        told, begins = cool.told if watch else cool.seconds, False
        if watch:
            known.watched = known.watched or _Watched(cool)
            begins = known.watched.strike(cool, now)
        return known.asked.cool(told, now) if told else begins

    def approach(self, origin: str, now: float) -> Rest | None:
        """What a request that is about to be sent meets; None where the way is free.

        A free way to a half-open origin is taken by asking.
        """
        self._sweep(now)
        known = self.get(origin)
        if known is None or not known.matters(now):
            return None
        asked = known.asked.approach(now)
        watched = known.watched
        if watched is None or (asked and not watched.cool.refuse):
            return asked  # whoever waits asks again afterwards
        return watched.approach(now) or asked

    def abandon(self, origin: str, asked: float) -> None:
        """Who took the way at that time was not answered: it is free again."""
        known = self.get(origin)
        watched = None if known is None else known.watched
        if watched is not None and watched.free == asked + _LEASE:
            watched.free = asked

    def warm(self, origin: str, now: float) -> None:
        """The origin answered otherwise. A rest that it asked for still holds."""
        known = self.get(origin)
        if known is not None and known.watched is not None:
            until = known.watched.until
            if until is None or until <= now + _TICK:
                known.watched = None
        self._sweep(now)

    def _sweep(self, now: float) -> None:
        """Let go of what is over; of many at most once a second, or each request would pay."""
        if len(self) > _FEW and now < self._swept + 1.0:
            return
        self._swept = now
        for origin in [origin for origin, known in self.items() if not known.matters(now)]:
            del self[origin]
