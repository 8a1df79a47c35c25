"""The scenarios with sockets: one connection that is kept alive, to a server on this machine.

Here other libraries can take part. The server runs in a process of its own, so the figures are
what a caller waits, not what a processor does.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import aiohttp_retry
import httpx
import niquests
import niquests.packages
import requests
from contenders import EAGER, KINDS, LIMITS, Kind
from httpx_retries import RetryTransport
from measure import LOOP, Result, Scenario, asynchronous, compare, sync
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import statuspolicy as sp


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server that is there meanwhile."""
    program = [sys.executable, str(Path(__file__).with_name("server.py"))]
    with subprocess.Popen(program, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def scenarios(url: str) -> Iterator[Scenario]:
    for kind in KINDS:
        plain = _httpx(kind, kind.client(follow_redirects=True), url)
        policy = _httpx(kind, sp.wrap(kind.client(), table=EAGER, limits=LIMITS), url)
        http = httpx.AsyncHTTPTransport() if kind.suffix else httpx.HTTPTransport()
        retries = _httpx(kind, kind.client(transport=RetryTransport(http)), url)
        sessions = LOOP.run(_sessions()) if kind.suffix else ()
        others = _async_others(url, *sessions) if sessions else _sync_others(url)
        everybody = {"httpx": plain, "statuspolicy": policy, "httpx-retries": retries, **others}
        yield Scenario(f"200 on loopback{kind.suffix}", "httpx", _at(everybody, "/200"), 50)
        hopping = {name: at for name, at in everybody.items() if name != "httpx-retries"}
        yield Scenario(f"1 redirect on loopback{kind.suffix}", "httpx", _at(hopping, "/302"), 25)
        repeating = {name: at for name, at in everybody.items() if name not in _NEVER_REPEAT}
        title = f"1 × 503 then 200 on loopback{kind.suffix}"
        yield Scenario(title, "httpx-retries", _at(repeating, "/503"), 25)
        for session in sessions:
            LOOP.run(session.close())


# What a path is asked for with.
At = Callable[[str], Any]
_NEVER_REPEAT = ("httpx", "requests", "niquests", "aiohttp")


def _at(contenders: dict[str, At], path: str) -> dict[str, Any]:
    return {name: at(path) for name, at in contenders.items()}


def _httpx(kind: Kind, client: Any, url: str) -> At:
    return lambda path: kind.timed(lambda: client.get(url + path), perf_counter)


def _sync_others(url: str) -> dict[str, At]:
    def timed(session: Any) -> At:
        return lambda path: sync(lambda: session.get(url + path), perf_counter)

    repeats = {"total": 3, "status_forcelist": [503], "backoff_factor": 0}
    retrying = requests.Session()
    retrying.mount("http://", HTTPAdapter(max_retries=Retry(**repeats)))
    theirs = niquests.packages.urllib3.util.Retry(**repeats)
    return {
        "requests": timed(requests.Session()),
        "requests, Retry": timed(retrying),
        "niquests": timed(niquests.Session()),
        "niquests, Retry": timed(niquests.Session(retries=theirs)),
    }


async def _sessions() -> tuple[Any, Any]:
    options = aiohttp_retry.ExponentialRetry(attempts=4, start_timeout=0, statuses={503})
    return aiohttp.ClientSession(), aiohttp_retry.RetryClient(retry_options=options)


def _async_others(url: str, plain: Any, retrying: Any) -> dict[str, At]:
    def timed(session: Any) -> At:
        def at(path: str) -> Any:
            async def call() -> Any:
                async with session.get(url + path) as response:
                    await response.read()
                return response

            return asynchronous(call, perf_counter)

        return at

    return {"aiohttp": timed(plain), "aiohttp-retry": timed(retrying)}


def connections(scenario: Scenario, url: str) -> dict[str, int]:
    """How many connections each contender opens for 100 calls, once it has one."""
    opened = {}
    for name, timed in scenario.contenders.items():
        timed(2)
        before = int(httpx.get(url + "/connections").text)
        timed(100)
        opened[name] = int(httpx.get(url + "/connections").text) - before - 1
    return opened


def run(rounds: int) -> tuple[list[Result], dict[str, dict[str, int]]]:
    """All scenarios, and the connections that those with a 503 opened."""
    results, opened = [], {}
    with server() as url:
        for scenario in scenarios(url):
            results.append(compare(scenario, rounds))
            if "503" in scenario.title:
                opened[scenario.title] = connections(scenario, url)
    return results, opened
