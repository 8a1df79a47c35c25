"""docs/architecture.md is true: the functions of its drawing and its table are called."""

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, Self

import anyio
import pytest

import statuspolicy
from statuspolicy.testing import FakeClock
from tests.library import httpx, sp

PAGE = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text()
SOURCE = str(Path(statuspolicy.__file__).parent)
URL = "https://example.org/"


class Situation(NamedTuple):
    """What a server answers to one call after another; the last call is looked at."""

    answers: list[tuple[int, dict[str, str]]]
    calls: int = 1
    cache: bool = False


OK = (200, {})
FRESH = (200, {"Cache-Control": "max-age=60"})
STALE = (200, {"ETag": '"1"', "Cache-Control": "no-cache"})
SITUATIONS = {
    "a 200": Situation([OK]),
    "a 302 to another origin": Situation([(302, {"Location": "https://other.example/"}), OK]),
    "a 503 with Retry-After": Situation([(503, {"Retry-After": "5"}), OK]),
    "a cache hit": Situation([FRESH], 2, cache=True),
    "a 304 to the cache": Situation([STALE, (304, {"ETag": '"1"'})], 2, cache=True),
}


def lanes() -> dict[str, list[str]]:
    """The columns of the drawing: a situation, and the functions below it."""
    drawing = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert drawing is not None
    head, *lines = drawing[1].splitlines()
    starts = [found.start() for found in re.finditer(r"(?<!\S)\S+(?: \S+)*", head)]
    ends = [*starts[1:], None]
    lines = lines[: next(n for n, line in enumerate(lines) if "▼" in line)]
    columns = {
        head[start:end].strip(): [line[start:end].strip() for line in lines]
        for start, end in zip(starts, ends, strict=True)
    }
    del columns["step"]
    return {name: [cell for cell in column if cell not in ("", "│")]
            for name, column in columns.items()}  # fmt: skip


class Calls:
    """The package's functions that are called, in their order; a generator's once.

    places: their files and names.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.places: set[tuple[str, str]] = set()
        self._frames: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        begins = event == "call" and frame not in self._frames
        if begins and code.co_filename.startswith(SOURCE):
            self._frames.add(frame)  # which is resumed by a call, too
            self.names.append(code.co_qualname)
            self.places.add((code.co_filename.removeprefix(SOURCE)[1:], code.co_qualname))

    def __enter__(self) -> Self:
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        self._frames.clear()


def called(situation: Situation, kind: str) -> tuple[list[str], list[int]]:
    """The functions that the last call passes, and the codes that the server has sent."""
    answers: Iterator[tuple[int, dict[str, str]]] = iter(situation.answers)
    sent: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        status, headers = next(answers)
        sent.append(status)
        return httpx.Response(status, headers=headers)

    options: dict[str, Any] = {
        "clock": FakeClock(),
        "cache": sp.Cache() if situation.cache else None,
    }
    transport = httpx.MockTransport(answer)
    if kind == "sync":
        with sp.wrap(httpx.Client(transport=transport), **options) as client:
            for _ in range(situation.calls - 1):
                client.get(URL)
            with Calls() as calls:
                client.get(URL)
            return calls.names, sent

    async def run() -> list[str]:
        async with sp.wrap(httpx.AsyncClient(transport=transport), **options) as client:
            for _ in range(situation.calls - 1):
                await client.get(URL)
            with Calls() as calls:
                await client.get(URL)
            return calls.names

    return anyio.run(run), sent


def missing(names: list[str], calls: list[str]) -> list[str]:
    """What of `names` is not called in this order, one after the other."""
    left = iter(call.split(".") for call in calls)
    return [name for name in names if not any(name in call for call in left)]


def test_the_drawing_has_a_lane_for_each_situation():
    assert list(lanes()) == list(SITUATIONS)
    assert all(lanes().values())


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_functions_of_a_lane_are_called_in_its_order(situation, kind):
    calls, sent = called(SITUATIONS[situation], kind)
    lane = lanes()[situation]
    if kind == "async":
        lane = [name.replace("handle_request", "handle_async_request") for name in lane]
    assert missing(lane, calls) == [], f"docs/architecture.md; called: {' '.join(calls)}"
    assert sent == [status for status, _ in SITUATIONS[situation].answers]


def test_a_function_that_is_not_called_or_too_late_is_missed():
    calls = ["Transport.handle_request", "run", "State.decide", "retry.__call__", "permit"]
    assert missing(["handle_request", "decide", "retry", "permit"], calls) == []
    assert missing(["handle_request", "nothing"], calls) == ["nothing"]
    assert missing(["permit", "decide"], calls) == ["decide"]


# ── the table ──────────────────────────────────────────────────────────────────────────


class Decision(NamedTuple):
    """What a client requests, and what a server answers; a class of errors is raised."""

    answers: list[Any]
    calls: tuple[tuple[str, dict[str, Any]], ...] = (("GET", {}),)
    options: dict[str, Any] = {}  # noqa: RUF012 - of `wrap`; nothing writes to it


GET = ("GET", {})
POST = ("POST", {"content": b"x"})
SECRET = ("GET", {"headers": {"Authorization": "Bearer b"}})
NEAR = {"Location": "/b"}
FAR = {"Location": "https://other.example/", "Set-Cookie": "a=1"}
IN_2001 = {"Retry-After": "Tue, 02 Jan 2001 00:00:00 GMT"}
OLD = (200, {"Cache-Control": "max-age=0, stale-if-error=60"})
DECISIONS = {
    "a 303 becomes a GET": Decision([(303, {"Location": "b"}), OK], (POST,)),
    "a redirect is followed, or not": Decision([(302, FAR), OK]),
    "an answer takes the fast path": Decision([(302, NEAR), OK]),
    "a redirect loop is found": Decision([(302, {"Location": "/"})]),
    "credentials are dropped": Decision([(302, FAR), OK], (SECRET,)),
    "a field counts as a credential": Decision([(302, FAR), OK], (SECRET,)),
    "cookies are sent": Decision([(302, FAR), OK]),
    "a 503 is repeated, and how often": Decision([(503, {}), OK]),
    "a POST on 503 is not repeated": Decision([(503, {})], (POST,)),
    "a failed POST is proved unacted": Decision([httpx.ConnectError, OK], (POST,)),
    "a body can be sent again": Decision([(307, NEAR), OK], (("POST", {"content": [b"x"]}),)),
    "Retry-After is read": Decision([(503, IN_2001), OK]),
    "a wait is too long, or ends too late": Decision([(503, {"Retry-After": "9000"})]),
    "the retry budget is spent": Decision([(503, {}), OK]),
    "a cooldown begins": Decision([(503, {"Retry-After": "5"}), OK], (POST,)),
    "a request waits for a cooldown": Decision(
        [(503, {"Retry-After": "5"}), OK], (GET, GET), {"limits": sp.Limits(attempts=1)}
    ),
    "a move is remembered": Decision([(301, NEAR), OK]),
    "a remembered move is taken": Decision([(301, NEAR), OK, OK], (GET, GET)),
    "a remembered move is forgotten": Decision([(301, NEAR), OK, (404, {}), OK], (GET, GET)),
    "a body is drained, or its connection closed": Decision([(302, FAR), OK]),
    "a challenge is answered": Decision(
        [(401, {"WWW-Authenticate": 'Bearer realm="a"'}), OK],
        options={"table": sp.STANDARD | {401: sp.authenticate(lambda _: "Bearer b")}},
    ),
    "a 202 is polled": Decision(
        [(202, NEAR), OK], options={"table": sp.STANDARD | {202: sp.poll(within=60)}}
    ),
    "a hit is chosen": Decision([FRESH], (GET, GET), {"cache": sp.Cache()}),
    "a response is stored": Decision([FRESH], options={"cache": sp.Cache()}),
    "a 304 meets the cache": Decision(
        [STALE, (304, {"ETag": '"1"'}), (304, {"ETag": '"1"', "X-New": "1"})],
        (GET, GET, GET),
        {"cache": sp.Cache()},
    ),
    "a write invalidates": Decision([OK], (POST,), {"cache": sp.Cache()}),
    "a stale response stands in for an error": Decision(
        [OLD, (500, {})], (GET, GET), {"cache": sp.Cache()}
    ),
    "a body that breaks is resumed": Decision(
        [OK], options={"table": sp.STANDARD | {200: sp.resume}}
    ),
    "a download joins parts": Decision([OK], (("download", {}),)),
    "If-Range is written": Decision([OK], (("download", {}),)),
}


def table() -> dict[str, list[tuple[str, str]]]:
    """The rows: a decision, and the functions that decide, each with its file."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = re.findall(r"^\| (.+?) +\| `(\S+\.py)`: (.+?) +\|$", PAGE, re.MULTILINE)
    for decision, file, names in rows:
        found[decision] = [(file, name) for name in re.findall(r"`(\S+)`", names)]
    return found


def test_the_table_has_a_situation_for_each_decision():
    assert list(table()) == list(DECISIONS)


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_functions_of_a_decision_are_called_where_it_is_made(decision, tmp_path):
    answers, calls, options = DECISIONS[decision]
    given = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        said = next(given)
        if isinstance(said, type):
            raise said("no")
        return httpx.Response(said[0], headers=said[1], content=iter([b"x"]))

    client = httpx.Client(transport=httpx.MockTransport(answer))
    with sp.wrap(client, clock=FakeClock(), **options), Calls() as called:
        for method, how in calls:
            with suppress(sp.RedirectLoop):
                if method == "download":
                    sp.download(client, URL, tmp_path / "file")
                else:
                    client.request(method, URL, **how)
    assert next(given, None) is None, "the server was asked less often"
    left = {place for place in table()[decision] if place not in called.places}
    assert left == set(), "docs/architecture.md"
