"""docs/architecture.md is true: the functions of its drawing are called, in its order."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

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
    """The package's functions that are called, in their order; a generator's once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._frames: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        begins = event == "call" and frame not in self._frames
        if begins and code.co_filename.startswith(SOURCE):
            self._frames.add(frame)  # which is resumed by a call, too
            self.names.append(code.co_qualname)

    def __enter__(self) -> list[str]:
        sys.setprofile(self)
        return self.names

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
            with Calls() as names:
                client.get(URL)
            return names, sent

    async def run() -> list[str]:
        async with sp.wrap(httpx.AsyncClient(transport=transport), **options) as client:
            for _ in range(situation.calls - 1):
                await client.get(URL)
            with Calls() as names:
                await client.get(URL)
            return names

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
