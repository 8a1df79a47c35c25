"""Cooldowns: origins that asked to wait, or failed again and again, get no requests for a time."""

from __future__ import annotations

from collections import OrderedDict
from random import uniform

from statuspolicy._value import Record

# Seconds: a rounding error of a wait, so that no request comes a moment too early.
_TICK = 0.001
# Seconds until the next request may probe a half-open origin.
_LEASE = 30.0
# Seconds after which requests that wait for a half-open origin try again.
_LOOK = 1.0
# Seconds over which the waiting requests are spread at most.
_SPREAD = 30.0
# With so few origins, all are checked each time.
_FEW = 16


class Cool(Record):
    """A cooldown of the origin that answered, as a part of a verdict.

    seconds: its length.
    after: how many such verdicts in a row start it; any other response resets the count.
    probe: whether afterwards only one request at a time is sent (a probe), until one gets a
        response of another row (half-open).
    refuse: whether requests raise `CoolingDown` at once during the cooldown; else they wait.
    told: seconds that the origin itself asked to wait; they hold in any case.
    """

    __module__ = "statuspolicy"

    seconds: float
    after: int = 1
    probe: bool = False
    refuse: bool = False
    told: float = 0.0


class Cooldown(Record):
    """The wait of a request to a cooling origin.

    seconds: until it may be sent, with jitter, so that waiting requests don't come all at once.
    least: the part of `seconds` that has to be waited in any case.
    refuse: whether it must not be sent at all.
    """

    seconds: float
    least: float
    refuse: bool = False

    def within(self, room: float) -> float | None:
        """Seconds to wait within `room`; None where it is too short."""
        if self.least > room:
            return None
        return self.seconds if self.seconds < room else (self.least + room) / 2


class _RequestedCooldown:
    """A cooldown that the origin asked for."""

    __slots__ = ("seconds", "until")

    def __init__(self) -> None:
        self.until = self.seconds = 0.0

    def cool(self, seconds: float, now: float) -> bool:
        begins = self.until <= now + _TICK
        if now + seconds > self.until:
            self.until, self.seconds = now + seconds, seconds
        return begins

    def approach(self, now: float) -> Cooldown | None:
        least = self.until - now
        if least <= _TICK:
            return None
        return Cooldown(least + uniform(0.0, min(self.seconds / 2, _SPREAD)), least)  # noqa: S311


class _CircuitBreaker:
    """A circuit breaker: failures open it, probes close it again."""

    __slots__ = ("cool", "forgotten", "free", "strikes", "until")

    def __init__(self, cool: Cool) -> None:
        self.cool, self.strikes = cool, 0
        self.until: float | None = None  # open until then, and half-open afterwards
        self.free = 0.0  # the time of the next probe
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

    def approach(self, now: float) -> Cooldown | None:
        if self.until is None:
            return None
        if (least := self.until - now) > _TICK:
            return Cooldown(least, least, self.cool.refuse)
        if not self.cool.probe:
            return None
        if (least := self.free - now) > _TICK:
            return Cooldown(min(least, _LOOK), min(least, _LOOK), self.cool.refuse)
        self.free = now + _LEASE
        self.forgotten = max(self.forgotten, self.free)
        return None


class _Origin:
    __slots__ = ("breaker", "requested")

    def __init__(self) -> None:
        self.requested = _RequestedCooldown()
        self.breaker: _CircuitBreaker | None = None

    def matters(self, now: float) -> bool:
        counts = self.breaker is not None and self.breaker.forgotten > now
        return counts or self.requested.until > now


class Cooldowns(OrderedDict[str, _Origin]):
    """The origins that cool down, or whose failures are counted; usually empty."""

    _swept = 0.0

    def cool(self, origin: str, cool: Cool, now: float) -> bool:
        """Start a cooldown of an origin; returns False where it was cooling down already.

        Raises ValueError for negative seconds.
        """
        if not (cool.seconds >= 0 and cool.told >= 0):
            raise ValueError(f"{cool!r}: write a number of seconds, 0 or more.")
        self._sweep(now)
        known = self.pop(origin, None)
        if known is None or not known.matters(now):
            known = _Origin()
        self[origin] = known  # as the last one used
        breaks = cool.probe or cool.refuse or cool.after > 1
        told, begins = cool.told if breaks else cool.seconds, False
        if breaks:
            known.breaker = known.breaker or _CircuitBreaker(cool)
            begins = known.breaker.strike(cool, now)
        return known.requested.cool(told, now) if told else begins

    def approach(self, origin: str, now: float) -> Cooldown | None:
        """The wait of the next request to an origin; None where it may be sent now.

        With None, the request becomes the probe of a half-open origin.
        """
        self._sweep(now)
        known = self.get(origin)
        if known is None or not known.matters(now):
            return None
        wait = known.requested.approach(now)
        breaker = known.breaker
        if breaker is None or (wait and not breaker.cool.refuse):
            return wait  # a request that waited asks again
        return breaker.approach(now) or wait

    def abandon(self, origin: str, sent: float) -> None:
        """Let the next probe be sent: the one from that time got no response."""
        known = self.get(origin)
        breaker = None if known is None else known.breaker
        if breaker is not None and breaker.free == sent + _LEASE:
            breaker.free = sent

    def warm(self, origin: str, now: float) -> None:
        """Close the circuit breaker. A cooldown that the origin asked for still holds."""
        known = self.get(origin)
        if known is not None and known.breaker is not None:
            until = known.breaker.until
            if until is None or until <= now + _TICK:
                known.breaker = None
        self._sweep(now)

    def _sweep(self, now: float) -> None:
        """Forget cooldowns that are over; of many at most once a second, to keep requests fast."""
        if len(self) > _FEW and now < self._swept + 1.0:
            return
        self._swept = now
        for origin in [origin for origin, known in self.items() if not known.matters(now)]:
            del self[origin]
