"""Drive a wrapped client through every row of the table, on real sockets, a line for each.

`make demo` runs it. The server is a real one on the loopback; the clock is a fake one, which counts
the waits.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from httpx import AsyncClient, Client, RequestError, Response

import statuspolicy
from statuspolicy.message.steps import Trace
from statuspolicy.policy.table import Duty, Row
from statuspolicy.testing import Answer, FakeClock, StatusServer


class Scene(NamedTuple):
    """A request that shows one row.

    code: the row. path: the path of the request, which names the response.
    how: the policy in words, if it is not STANDARD alone. policy: the arguments of `wrap`.
    before: how often the request is sent before the one that is shown.
    """

    code: int | str
    path: str
    method: str = "GET"
    headers: dict[str, str] | None = None
    content: bytes | None = None
    sends: str = ""
    how: str = ""
    policy: Callable[[], dict[str, Any]] = dict
    before: int = 0


_SHOWN = (
    Scene(101, "/101?upgrade=echo"),
    Scene(201, "/201?location=/new"),
    Scene(202, "/202?location=/monitor&retry-after=5"),
    Scene(204, "/204?content-length=5"),
    Scene(205, "/no-framing", sends="205, without framing"),
    Scene(206, "/206?content-range=bytes 0-4/9&body=parts", headers={"Range": "bytes=0-4"}),
    *(Scene(code, f"/{code}?location=/200") for code in (300, 301, 302, 305)),
    Scene(303, "/303?location=/200", "POST", content=b"form"),
    Scene(304, "/304?then=200"),
    Scene(307, "/307?location=/200", "PUT", content=b"body"),
    Scene(308, "/308?location=/200"),
    Scene(405, "/405?allow=GET, HEAD"),
    Scene(408, "/408?then=200"),
    Scene(411, "/411?then=200"),
    Scene(413, "/413?retry-after=30&then=200", "POST", content=b"large"),
    Scene(417, "/417?then=200", "POST", {"Expect": "100-continue"}, b"body"),
    Scene(421, "/421?then=200", "POST", content=b"body"),
    Scene(425, "/425?retry-after=1&then=200", "POST", content=b"body"),
    Scene(429, "/429?retry-after=2&then=200"),
    Scene(502, "/502?then=200"),
    Scene(503, "/503?retry-after=120&then=200"),
    Scene(504, "/504?then=504&then=200"),
    Scene(509, "/509?retry-after=60&then=200"),
    Scene(511, "/511?set-cookie=portal=1"),
    Scene(600, "/600"),
)
_REFUSED = (
    Scene("–", "/disconnect?then=200", sends="no answer, and closes, then 200"),
    Scene("–", "/disconnect", "POST", content=b"body", sends="no answer, and closes"),
    Scene(503, "/503?retry-after=3600"),
    Scene(503, "/503?then=200", "POST", content=b"body", sends="503, then 200"),
    Scene(302, "/loop", sends="302 Location: /loop"),
    Scene(302, "/away", sends="302 Location: mailto:…"),
)


def _row(code: int, make: Callable[[], Duty]) -> Callable[[], dict[str, Any]]:
    return lambda: {"table": statuspolicy.STANDARD | {code: make()}}


_YOURS = (
    Scene(202, "/202?location=/200&retry-after=5", how="poll()",
          policy=_row(202, statuspolicy.poll)),
    Scene(304, "/page", sends='200 ETag: "1", then 304', how="cache=Cache()", before=1,
          policy=lambda: {"cache": statuspolicy.Cache()}),
    Scene(401, '/401?www-authenticate=Basic realm="a"&then=200', how="authenticate(…)",
          policy=_row(401, lambda: statuspolicy.authenticate(lambda _: "Basic YTpi"))),
    Scene(409, "/409?then=200", "PUT", content=b"mine", how="resolve(…)",
          policy=_row(409, lambda: statuspolicy.resolve(lambda exchange: exchange.request))),
    Scene(449, "/449?ms-echo-request=a&then=200", how="perform(…)",
          policy=_row(449, lambda: statuspolicy.perform(lambda _: None))),
)  # fmt: skip


def scenes() -> Iterator[Scene]:
    """A scene for every row with a code, then some with a refusal or another policy."""
    special = {scene.code: scene for scene in _SHOWN}
    for code in statuspolicy.STANDARD:
        if isinstance(code, int):
            yield special.get(code, Scene(code, f"/{code}"))
    yield from _REFUSED
    yield from _YOURS


class Outcome(NamedTuple):
    """The outcome of a scene."""

    trace: Trace
    got: str


def _play(scene: Scene, url: str) -> Outcome:
    random.seed(600)  # so that the jitter of a backoff is the same for both clients
    with statuspolicy.wrap(Client(), clock=FakeClock(), **scene.policy()) as client:
        try:
            for _ in range(scene.before):
                client.request(scene.method, url, headers=scene.headers, content=scene.content)
            response = client.request(
                scene.method, url, headers=scene.headers, content=scene.content
            )
        except RequestError as error:
            return _raised(error)
    return _handed_over(response)


async def _aplay(scene: Scene, url: str) -> Outcome:
    random.seed(600)
    async with statuspolicy.wrap(AsyncClient(), clock=FakeClock(), **scene.policy()) as client:
        try:
            for _ in range(scene.before):
                await client.request(
                    scene.method, url, headers=scene.headers, content=scene.content
                )
            response = await client.request(
                scene.method, url, headers=scene.headers, content=scene.content
            )
        except RequestError as error:
            return _raised(error)
    return _handed_over(response)


def _raised(error: RequestError) -> Outcome:
    return Outcome(statuspolicy.trace(error), type(error).__name__)


def _handed_over(response: Response) -> Outcome:
    return Outcome(statuspolicy.trace(response), f"{response.status_code} {response.reason_phrase}")


def _sends(path: str) -> str:
    """`/503?retry-after=1&then=200` in words."""
    url = urlsplit(path)
    words, then = [url.path.strip("/")], ""
    for name, value in parse_qsl(url.query):
        if name == "then":
            then += f", then {value}"
        elif name != "body":
            words.append(f"{name.title()}: {value}")
    return " ".join(words) + then


def _line(scene: Scene, outcome: Outcome, origin: str) -> str:
    row: Row = statuspolicy.STANDARD.row(scene.code if isinstance(scene.code, int) else 200)
    first = outcome.trace[0]
    said = (step.reason or step.cache for step in outcome.trace)
    why = (
        " | ".join(
            f"{s.verdict}: {words}" for s, words in zip(outcome.trace, said, strict=True) if words
        )
        or f"surface: {row.says}"
    )
    why = f"with {scene.how}: {why}" if scene.how else why
    citation = first.citation or row.citation
    decided = f"{why} [{citation}]".replace(origin, "")
    sends = scene.sends or _sends(scene.path)
    requests, waited = outcome.trace.requests, f"{outcome.trace.waited:.3g} s"
    return (
        f"{scene.code!s:<4} {scene.method:<5}{sends:<37.37}{requests:>2} {waited:>7}  "
        f"{outcome.got:<26.26} {decided}"
    )


def main() -> int:
    """Print the table; returns 1 if the two clients did not do the same."""
    head = f"{'row':<5}{'':<5}{'the server sends':<36}{'sent':>4}{'waited':>7}  "
    print("Each line: a real server, httpx.Client and httpx.AsyncClient, both wrapped.")
    print("Nothing sleeps: a fake clock counts the seconds of each wait.\n")
    print(f"{head}{'the caller gets':<26} the decision, its reason, and the specification")
    differ = 0
    for scene in scenes():
        lines = []
        for play in (_play, lambda scene, url: asyncio.run(_aplay(scene, url))):
            with StatusServer() as server:
                framing = b"HTTP/1.1 205 Reset Content\r\n\r\n"
                server.script("/no-framing", Answer(raw=framing, stall=True))
                server.script("/loop", Answer(302, {"Location": "/loop"}))
                fresh = Answer(200, {"ETag": '"1"', "Cache-Control": "no-cache"}, b"page")
                server.script("/page", fresh, Answer(304, {"ETag": '"1"'}))
                server.script("/away", Answer(302, {"Location": "mailto:nobody@example.org"}))
                lines.append(_line(scene, play(scene, server.url + scene.path), server.url))
        same = lines[0] == lines[1]
        print(lines[0] if same else f"{lines[0]}\nbut async: {lines[1]}")
        differ += not same
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
