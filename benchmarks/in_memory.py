"""The scenarios without a socket: what handling a code costs, and nothing else."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import Any

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
    Shape,
    Stored,
)
from measure import Goal, Scenario, Timed

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
        (Goal(2.0, "does nothing"), Goal(0.25, "httpx-retries")),
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
        (Goal(0.75, "plain"),),
    )


def _elsewhere_moved(kind: Kind) -> Scenario:
    """A permanent move of another site is remembered, which is nothing to this one."""
    memory = sp.Memory()
    memory.remember("https://other.example/", (301, "https://other.example/b"), 1e9, time())
    return Scenario(
        "200 through a client, beside a remembered move",
        "plain",
        {
            "plain": kind.timed(kind.got(Fine(), URL)),
            "statuspolicy": kind.wrapped(Fine(), URL, memory=memory),
        },
        50,
        (Goal(0.75, "plain"),),
    )


COOKIE = {"Set-Cookie": "session=1; Path=/"}
HOME, SURE = "http://home.example/a", "https://home.example/a"
# A redirect's shape: the request, the code, the Location, and what the two answers say besides.
SHAPES: dict[str, tuple[str, str, int, str, dict[str, str], dict[str, str]]] = {
    "302 to an absolute URL": ("GET", HOME, 302, "http://home.example/b", {}, {}),
    "302 to a path with %XX": ("GET", HOME, 302, "/b%20c?d=%C3%A9", {}, {}),
    "302 with Set-Cookie": ("GET", HOME, 302, "/b", COOKIE, {}),
    "302 to a 200 with Set-Cookie": ("GET", HOME, 302, "/b", {}, COOKIE),
    "302 with a cookie in the jar": ("GET", HOME, 302, "/b", {}, {}),
    "301 over https, no-store": ("GET", SURE, 301, "/b", {"Cache-Control": "no-store"}, {}),
    "301 from http to https": ("GET", HOME, 301, "https://home.example/b", {}, {}),
    "301 to www.": ("GET", HOME, 301, "http://www.home.example/b", {}, {}),
    "302 of a POST": ("POST", HOME, 302, "/b", {}, {}),
    "303 of a PUT": ("PUT", HOME, 303, "/b", {}, {}),
    "307 of a POST": ("POST", HOME, 307, "/b", {}, {}),
}


def _shape(title: str) -> Callable[[Kind], Scenario]:
    method, url, status, location, said, at_last = SHAPES[title]

    def make(kind: Kind) -> Scenario:
        def asked(client: Any) -> Timed:
            if "jar" in title:
                client.cookies.set("a", "1", domain="home.example")
            content = {} if method == "GET" else {"content": b"some content"}
            return kind.timed(partial(client.request, method, url, **content))

        def inner() -> Shape:
            return Shape(status, location, said, at_last)

        return Scenario(
            f"{title} through a client",
            "httpx",
            {
                "httpx": asked(kind.client(transport=inner(), follow_redirects=True)),
                "statuspolicy": asked(sp.wrap(kind.client(transport=inner()))),
            },
            30,
            (Goal(1.0 if kind.suffix else 0.9, "httpx"),),
        )

    return make


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


def _repeats(failures: int, most: float, most_async: float) -> Callable[[Kind], Scenario]:
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
            (Goal(most_async if kind.suffix else most, "httpx-retries"),),
        )

    return make


def _slept(kind: Kind) -> Scenario:
    """httpx-retries sleeps 0 s, which takes longer than all else in a thread, not in a task."""

    def inner() -> Down:
        return Down(1, {"Retry-After": "0"})

    return Scenario(
        "1 × 503 then 200 at transport level, with real sleeps of 0 s",
        "httpx-retries",
        {
            "by hand": kind.timed(kind.by_hand(kind.drained(inner())), perf_counter),
            "statuspolicy": kind.timed(kind.drained(kind.policy(inner())), perf_counter),
            "httpx-retries": kind.timed(kind.drained(RetryTransport(inner())), perf_counter),
        },
        100,
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
        (Goal(2.7 if kind.suffix else 2.5, "httpx-retries"),),
    )


def _waited_by_a_client(kind: Kind) -> Scenario:
    told = {"Retry-After": "1"}
    return Scenario(
        "1 × 503 with a stubbed wait through a client",
        "httpx-retries",
        {
            "statuspolicy": kind.wrapped(Down(1, told), URL, clock=Skipping(), limits=LIMITS),
            "httpx-retries": kind.timed(kind.got(RetryTransport(Down(1, told), Sleepless()), URL)),
        },
        50,
        (Goal(1.3, "httpx-retries"),),
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
        (Goal(1.0 if kind.suffix else 0.9, "httpx"),),
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
            (Goal(1.05 if kind.suffix else 0.95, "httpx-retries"),),
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
    _elsewhere_moved,
    _redirects(1, 0.90),
    _redirects(5, 0.72),
    *map(_shape, SHAPES),
    _abroad,
    _repeats(1, 1.4, 1.8),
    _repeats(3, 1.4, 1.8),
    _slept,
    _waited,
    _repeats_of_a_client(1),
    _repeats_of_a_client(3),
    _waited_by_a_client,
    _moved,
    _cached("a fresh cache hit", FRESH, 0.85),
    _cached("a 304 revalidation", STALE, 1.3),
    _cached("a miss that is stored", BARE),
]
