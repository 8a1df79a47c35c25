"""The scenarios without a socket: what handling a code costs, and nothing else."""

from collections.abc import Callable, Iterator
from itertools import count
from tempfile import TemporaryDirectory
from time import perf_counter

from contenders import EAGER, KINDS, LIMITS, Kind, Skipping, Sleepless
from httpx_retries import RetryTransport
from inner import (
    BARE,
    FRESH,
    STALE,
    URL,
    Abroad,
    Down,
    Fine,
    Hops,
    Moved,
    Nothing,
    Prebuilt,
    Prepared,
    Stored,
)
from measure import Goal, Scenario

import statuspolicy as sp


def scenarios() -> Iterator[Scenario]:
    for make in _EACH:
        for kind in KINDS:
            scenario = make(kind)
            yield scenario._replace(title=scenario.title + kind.suffix)


def _prebuilt(kind: Kind) -> Scenario:
    inner = Prebuilt()
    return Scenario(
        "200 at transport level, prebuilt",
        "does nothing",
        {
            "no wrapper": kind.sent(inner),
            "does nothing": kind.sent(Nothing(inner)),
            "statuspolicy": kind.sent(kind.policy(inner)),
            "httpx-retries": kind.sent(RetryTransport(inner)),
        },
        2000,
        (Goal(1.6 if kind.suffix else 2.0, "does nothing"), Goal(0.25, "httpx-retries")),
    )


def _fine(kind: Kind) -> Scenario:
    plain = kind.got(Fine(), URL)
    return Scenario(
        "200 through a client",
        "plain",
        {
            "plain": kind.timed(plain),
            "does nothing": kind.timed(kind.got(Nothing(Fine()), URL)),
            "statuspolicy": kind.wrapped(Fine(), URL),
            "httpx-retries": kind.timed(kind.got(RetryTransport(Fine()), URL)),
            "tenacity": kind.timed(kind.with_tenacity(plain)),
            "stamina": kind.timed(kind.with_stamina(plain)),
            "hishel": kind.timed(kind.got(kind.with_hishel(Fine()), URL)),
        },
        50,
    )


def _redirects(hops: int, most: float) -> Callable[[Kind], Scenario]:
    def make(kind: Kind) -> Scenario:
        url = f"{URL}{hops}"
        return Scenario(
            f"{hops} redirect{'s' * (hops > 1)} through a client",
            "httpx",
            {
                "httpx": kind.timed(kind.got(Hops(), url, follow_redirects=True)),
                "statuspolicy": kind.wrapped(Hops(), url),
            },
            50 // hops,
            (Goal(most, "httpx"),),
        )

    return make


def _repeats(failures: int, most: float) -> Callable[[Kind], Scenario]:
    """With `Retry-After: 0`, which all who look at it have to read."""

    def make(kind: Kind) -> Scenario:
        def inner() -> Down:
            return Down(failures, {"Retry-After": "0"})

        policy = kind.policy(inner(), table=EAGER, limits=LIMITS)
        retries = RetryTransport(inner(), Sleepless())
        return Scenario(
            f"{failures} × 503 then 200 at transport level",
            "httpx-retries",
            {
                "by hand": kind.timed(kind.by_hand(kind.drained(inner()))),
                "statuspolicy": kind.timed(kind.drained(policy)),
                "httpx-retries": kind.timed(kind.drained(retries)),
                "tenacity": kind.timed(kind.with_tenacity(kind.drained(inner()))),
            },
            150 // failures,
            (Goal(most, "httpx-retries"),),
        )

    return make


def _slept(kind: Kind) -> Scenario:
    """httpx-retries sleeps 0 s, which in a thread takes longer than all else; in a task it doesn't.

    The responses are made beforehand: to make two takes more than the goal by itself.
    """
    return Scenario(
        "1 × 503 then 200 at transport level, prebuilt, with real sleeps of 0 s",
        "httpx-retries",
        {
            "by hand": kind.timed(kind.by_hand(kind.drained(Prepared())), perf_counter),
            "statuspolicy": kind.timed(kind.drained(kind.policy(Prepared())), perf_counter),
            "httpx-retries": kind.timed(kind.drained(RetryTransport(Prepared())), perf_counter),
        },
        100,
        () if kind.suffix else (Goal(0.15, "httpx-retries"),),
    )


def _waited(kind: Kind) -> Scenario:
    """Told to wait, and no time passes: the engine, and the rest of the origin with it."""
    told = {"Retry-After": "1"}
    policy = kind.policy(Down(1, told), clock=Skipping(), limits=LIMITS)
    return Scenario(
        "1 × 503 with a stubbed wait at transport level",
        "httpx-retries",
        {
            "statuspolicy": kind.timed(kind.drained(policy)),
            "httpx-retries": kind.timed(kind.drained(RetryTransport(Down(1, told), Sleepless()))),
        },
        100,
    )


def _abroad(kind: Kind) -> Scenario:
    """To another origin each time: what is credentials stays behind, and the engine looks."""
    url = "http://3.example.org/3"
    return Scenario(
        "3 redirects to other origins through a client",
        "httpx",
        {
            "httpx": kind.timed(kind.got(Abroad(), url, follow_redirects=True)),
            "statuspolicy": kind.wrapped(Abroad(), url),
        },
        20,
    )


def _repeats_of_a_client(failures: int) -> Callable[[Kind], Scenario]:
    def make(kind: Kind) -> Scenario:
        def plain() -> Callable[[], object]:
            return kind.got(Down(failures), URL)

        retries = RetryTransport(Down(failures), Sleepless())
        return Scenario(
            f"{failures} × 503 then 200 through a client",
            "by hand",
            {
                "by hand": kind.timed(kind.by_hand(plain())),
                "statuspolicy": kind.wrapped(Down(failures), URL, table=EAGER, limits=LIMITS),
                "httpx-retries": kind.timed(kind.got(retries, URL)),
                "tenacity": kind.timed(kind.with_tenacity(plain())),
                "stamina": kind.timed(kind.with_stamina(plain())),
            },
            50 // failures,
        )

    return make


def _moved(kind: Kind) -> Scenario:
    url = "https://example.org/"
    own = {"follow_redirects": True}
    return Scenario(
        "a known permanent redirect through a client",
        "asked directly",
        {
            "asked directly": kind.timed(kind.got(Moved(), f"{url}new")),
            "httpx": kind.timed(kind.got(Moved(), url, **own)),
            "statuspolicy": kind.wrapped(Moved(), url),
            "hishel": kind.timed(kind.got(kind.with_hishel(Moved()), url, **own)),
        },
        20,
    )


def _cached(
    title: str, headers: list[tuple[str, str]], most: float | None = None
) -> Callable[[Kind], Scenario]:
    def make(kind: Kind) -> Scenario:
        return Scenario(
            f"{title} through a client",
            "plain",
            {
                "plain": kind.timed(kind.got(Stored(headers), URL)),
                "statuspolicy": kind.wrapped(Stored(headers), URL, cache=sp.Cache()),
                "statuspolicy, in a file": kind.wrapped(Stored(headers), URL, cache=in_a_file()),
                "hishel": kind.timed(kind.got(kind.with_hishel(Stored(headers)), URL)),
            },
            20,
            () if most is None else (Goal(most, "plain"),),
        )

    return make


def in_a_file() -> sp.Cache:
    """A cache in a SQLite file that ends with the benchmark."""
    return sp.Cache(storage=sp.SQLiteStorage(f"{FOLDER.name}/{next(NUMBERS)}.db"))


FOLDER, NUMBERS = TemporaryDirectory(), count()

_EACH = [
    _prebuilt,
    _fine,
    _redirects(1, 0.90),
    _redirects(5, 0.72),
    _abroad,
    _repeats(1, 1.1),
    _repeats(3, 1.0),
    _slept,
    _waited,
    _repeats_of_a_client(1),
    _repeats_of_a_client(3),
    _moved,
    _cached("a fresh cache hit", FRESH, 1.15),
    _cached("a 304 revalidation", STALE, 1.3),
    _cached("a miss that is stored", BARE),
]
