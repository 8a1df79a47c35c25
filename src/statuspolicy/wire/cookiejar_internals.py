"""All private names of the standard library's `http.cookiejar` that this package uses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from http.cookiejar import Cookie, CookieJar, CookiePolicy, DefaultCookiePolicy
from operator import attrgetter
from typing import Any

from statuspolicy.wire.library import NAMES
from statuspolicy.wire.supported import Name, require

# The policy of a jar, which decides what the jar accepts and sends. An application may set its own.
policy_of: Callable[[CookieJar], CookiePolicy] = attrgetter("_policy")

# The cookies of a jar, by domain, path and name; and its lock, to be held while they are read.
cookies_of: Callable[[CookieJar], dict[str, dict[str, dict[str, Cookie]]]] = attrgetter("_cookies")
cookies_lock: Callable[[CookieJar], AbstractContextManager[Any]] = attrgetter("_cookies_lock")


def is_indexed(kind: type[CookieJar]) -> bool:
    """Whether a jar is httpx2's own: the standard library's, which looks up the domains of a host.

    What it sends is the same, but for the order of cookies of different domains.
    """
    return kind.__name__ == "IndexedCookieJar" and kind.__module__.partition(".")[0] in NAMES


def names() -> tuple[Name, ...]:
    """Each private name that this package uses, with a check that it exists."""
    use, policy = "the cookies of a hop", DefaultCookiePolicy()
    jar = CookieJar(policy)

    def by_place() -> bool:
        jar.set_cookie(_COOKIE)
        return cookies_of(jar)["a.example"]["/b"]["c"] is _COOKIE

    def locks() -> bool:
        with cookies_lock(jar):
            return True

    return (
        Name("CookieJar._policy", use, lambda: policy_of(jar) is policy),
        Name("CookieJar._cookies", use, by_place),
        Name("CookieJar._cookies_lock", use, locks),
    )


_COOKIE = Cookie(
    version=0, name="c", value="d", port=None, port_specified=False, domain="a.example",
    domain_specified=False, domain_initial_dot=False, path="/b", path_specified=True, secure=False,
    expires=None, discard=True, comment=None, comment_url=None, rest={},
)  # fmt: skip


@cache
def check() -> None:
    """Raise UnsupportedVersion if a name is missing; checks once in a process."""
    require("Python", names())
