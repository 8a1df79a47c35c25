"""engine/fast_path.py: the fast path has the effect that the decision would have."""

import random
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple
from unittest.mock import patch

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.client.base_transport import CALL
from statuspolicy.engine.config import Config
from statuspolicy.engine.state import ExchangeState
from statuspolicy.testing import FakeClock
from statuspolicy.wire.context import PINS
from tests.cache import web
from tests.each import each
from tests.library import httpx, sp

HOME = "http://home.example"
ONCE = {503: sp.retry(wait=0), 404: sp.retry(wait=0.0, attempts=3)}
TABLE = sp.STANDARD | ONCE
SLOW = sp.Limits(deadline=5)


class Parts(web.Parts):
    """A body that comes from somewhere, and breaks where it is None."""

    def __iter__(self):
        yield b"begun, "
        if self.body is None:
            raise httpx.ReadError("broken")
        yield self.body


class Line(NamedTuple):
    """One answer: what it says, how its body comes, and how many seconds it took."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = b"at hand"  # or a str that is read, or None for one that breaks
    takes: float = 0.0


class Server(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers by a script, over and over again with its last line."""

    def __init__(self, script: list[Any], clock: FakeClock) -> None:
        self.script, self.clock = script, clock
        self.sent: list[Any] = []
        self.streams: list[Parts] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        extensions = {k: v for k, v in request.extensions.items() if k not in ("timeout", "trace")}
        said = (request.method, str(request.url), request.headers.raw, content, extensions)
        self.sent.append(said)
        line = self.script[min(len(self.sent), len(self.script)) - 1]
        if isinstance(line, Exception):
            raise type(line)(*line.args, request=request)
        self.clock.now += line.takes
        if isinstance(line.body, bytes):
            return httpx.Response(line.status, headers=line.headers, content=line.body)
        body = Parts(None if line.body is None else line.body.encode())
        self.streams.append(body)
        return httpx.Response(line.status, headers=line.headers, stream=body)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def told(response: httpx.Response) -> Any:
    """All that a response says of itself, and of what led to it."""
    try:
        content: Any = response.read() if isinstance(response, httpx.Response) else None
    except (httpx.ReadError, httpx.StreamError) as error:
        content = repr(error)
    elapsed = getattr(response, "_elapsed", None)
    says = response.status_code, response.headers.raw, content, elapsed, str(response.request.url)
    return type(response), *says, tuple(sp.trace(response)), [told(r) for r in response.history]


class Story(NamedTuple):
    """What came of a script."""

    end: Any
    sent: list[Any]
    open: int
    budgets: Any
    cooling: Any
    cookies: Any
    now: float
    decided: int


def sync(transport: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    return transport.handle_request(request)


def asynchronous(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    return anyio.run(transport.handle_async_request, request)


DRIVERS: dict[str, Any] = {
    "sync": (sp.PolicyTransport, sync),
    "async": (sp.AsyncPolicyTransport, asynchronous),
}


def tell(
    driver: str,
    script: list[Any],
    request: Callable[[], httpx.Request],
    fast: bool,
    cookies: dict[str, str],
    memory: Callable[[], sp.Memory] = sp.Memory,
    follow: bool = True,
    **options: Any,
) -> Story:
    kind, send = DRIVERS[driver]
    random.seed(1)  # for the jitter of what is waited
    clock, jar, remembered = FakeClock(), httpx.Cookies(cookies), memory()
    server = Server(script, clock)

    def held_by_client() -> httpx.Cookies:
        return jar

    options = {
        "table": TABLE, "cookies": held_by_client, "memory": remembered, "clock": clock,
    } | options  # fmt: skip
    transport = kind(server, **options)
    asked = request()
    # As a wrapped client says it, where the call doesn't follow.
    token = CALL.set(None if follow else (held_by_client, False, 0.0, True))
    heard, hear = [], ExchangeState.snapshot
    try:
        with (
            patch.object(ExchangeState, "snapshot", lambda *given: heard.append(1) or hear(*given)),
            nullcontext() if fast else patch.object(Config, "fast", False),
        ):
            response = send(transport, asked)
        if not hasattr(response, "_request") or response._request is None:
            response.request = asked  # as the client does
        end = told(response)
    except httpx.RequestError as error:
        end = type(error), str(error), tuple(sp.trace(error)), str(error.request.url)
    finally:
        CALL.reset(token)
    still = sum(not stream.closed for stream in server.streams)
    budgets = dict(remembered._buckets)
    cooling = [
        (of, known.requested.until, known.breaker and known.breaker.strikes)
        for of, known in remembered.cooling.items()
    ]
    held = sorted((cookie.name, cookie.value) for cookie in jar.jar)
    return Story(end, server.sent, still, budgets, cooling, held, clock.now, len(heard))


def both(script: list[Any], request: Any = None, driver: str = "sync", **options: Any) -> Story:
    """The story on the fast path; it is the same as the one without it."""
    if request is None:
        request = get
    cookies = options.pop("jar", {})
    short = tell(driver, script, request, True, cookies, **options)
    whole = tell(driver, script, request, False, cookies, **options)
    assert short._replace(decided=0) == whole._replace(decided=0)
    assert whole.decided in (0, len(whole.sent))  # what asks for nothing needs no decision
    return short


def get() -> httpx.Request:
    return httpx.Request("GET", f"{HOME}/a?b", headers={"X-Own": "1"})


def asking(*given: Any, **more: Any) -> Callable[[], httpx.Request]:
    return lambda: httpx.Request(*given, **more)


BUSY = Line(503, (("Retry-After", "0"),))
SETS = Line(302, (("Location", "/c"), ("Set-Cookie", "a=1")))
UNKEPT = (("Location", "/b"), ("Cache-Control", "no-store"))
AFTER = Line(503, (("Retry-After", "2"),))
DOWN = Line(503)
FINE = Line(200)
GONE = httpx.ConnectError("gone")
FEW = sp.RetryBudget(tokens=2, per_second=0.1)


def to(location: str, status: int = 302, **more: Any) -> Line:
    return Line(status, (("Location", location),), **more)


def with_field(name: str, value: str, url: str = HOME) -> Callable[[], httpx.Request]:
    return asking("GET", url, headers={name: value})


BASIC, DIGEST = with_field("Authorization", "Basic x"), with_field("Authorization", "Digest x")
AT_A = asking("GET", f"{HOME}/a")
SURE = asking("GET", "https://home.example/")


def table(key: Any, duty: Any) -> dict[str, Any]:
    return {"table": TABLE | {key: duty}}


def moved() -> sp.Memory:
    memory = sp.Memory()
    memory.remember(f"{HOME}/elsewhere", (301, f"{HOME}/x"), 1e18, 0)
    return memory


def resting(origin: str = HOME, seconds: float = 1e9) -> sp.Memory:
    memory = sp.Memory()
    memory.cool(origin, sp.Cool(seconds), 0)
    return memory


def counted() -> sp.Memory:
    memory = sp.Memory()
    memory.cool(HOME, sp.Cool(60, after=2, refuse=True), 0)
    return memory


PLAIN: dict[str, Any] = {
    "told to come back at once": ([BUSY, FINE], {}),
    "three times": ([BUSY, BUSY, BUSY, FINE], {}),
    "with other words each time": ([BUSY, DOWN, BUSY, FINE], {}),
    "not told": ([DOWN, DOWN, FINE], {}),
    "other codes": ([Line(404), Line(404), Line(429, BUSY.headers), FINE], {}),
    "no budget": ([DOWN, FINE], {"limits": sp.Limits(retry_budget=None)}),
    "with its credentials": ([BUSY, FINE], {"request": BASIC}),
    "OPTIONS": ([BUSY, FINE], {"request": asking("OPTIONS", HOME)}),
    "a redirect": ([to("/b"), FINE], {}),
    "what a log would hide": ([to("/@me"), to("/" + "x" * 300), FINE], {}),
    "each of them": ([to("/b", 301), to("/c", 303), to("/d", 307), to("/e?f=1", 308), FINE], {}),
    "its own origin": ([to("/b"), to(f"{HOME}/c"), FINE], {}),
    "HEAD": ([to("/b", 303), Line(200, body=b"")], {"request": asking("HEAD", HOME)}),
    "another URL has moved": ([to("/b"), FINE], {"memory": moved}),
    "another origin cools down": ([to("/b"), FINE], {"memory": lambda: resting("http://o.example")}),
    "a redirect at once": ([Line(302, (("Location", "/b"), ("Retry-After", "0"))), FINE], {}),
    "repeats and redirects": ([BUSY, to("/b"), DOWN, BUSY, to("/c"), FINE], {}),
    "bodies that are read": (
        [BUSY._replace(body="x"), to("/b", body="y"), DOWN._replace(body="z"), to("/c", body="!"),
         Line(200, body="end")],
        {},
    ),
    "a body that breaks": ([BUSY._replace(body=None), to("/b", body=None), FINE], {}),
    "time that passes": ([to("/b", takes=1), to("/c", takes=2, body="x"), Line(200, takes=3)], {}),
    "https": ([to("/b"), to("/c", 307), FINE], {"request": SURE}),
    "STRICT": ([to("/b"), to("/c", 303), to("/d", 307), BUSY, FINE], {"table": sp.STRICT}),
    "a cookie at last": ([BUSY, Line(200, (("Set-Cookie", "a=1"),))], {}),
    "a host of its own": ([to("/b"), FINE], {"request": with_field("Host", "own.example")}),
    "a repeat that a redirect answers": ([DOWN, to("/b"), DOWN, FINE], {}),
    "a call that follows nothing": ([BUSY, BUSY, FINE], {"follow": False}),
    "a redirect that is repeated": ([Line(302), FINE], table(302, sp.retry(wait=0))),
    "content that is kept": ([to("/b", 307), FINE], {"request": asking("GET", HOME, json=1)}),
    "a wait": ([AFTER, FINE], {}),
    "a wait in the middle": ([BUSY, AFTER, AFTER, to("/b"), AFTER, FINE], {}),
    "a wait that is no cooldown": ([Line(404, AFTER.headers), FINE], {}),
    "a wait, and bodies that are read": ([AFTER._replace(body="x"), Line(200, body="end")], {}),
    "a wait after one before it was sent": ([AFTER, FINE], {"memory": lambda: resting(seconds=1)}),
    "its origin cools down": ([to("/b"), FINE], {"memory": resting}),
    "a code without a row": ([Line(599, BUSY.headers), FINE], table("5xx", sp.retry(wait=0))),
    "another origin": ([BUSY, to("http://other.example/"), FINE], {}),
    "another scheme": ([to("https://home.example/"), FINE], {"request": BASIC}),
    "another port": ([to(f"{HOME}:8080/"), FINE], {"request": BASIC}),
    "another Host": ([to(f"{HOME}/b"), FINE], {"request": with_field("Host", "own.example")}),
    "the URI that it came from, in its own": ([to(f"/b?next={HOME}/a"), FINE], {"request": AT_A}),
    "a cookie wall": (
        [to("/b"), Line(302, (("Location", "/a"), ("Set-Cookie", "a=1"))), FINE],
        {"request": AT_A},
    ),
    "a jar": ([to("/b"), FINE], {"jar": {"a": "1"}}),
    "a cookie of its own": ([to("/b"), FINE], {"request": with_field("Cookie", "a=1")}),
    "credentials": ([to("/b"), FINE], {"request": BASIC}),
    "a target": ([to("/b"), FINE], {"request": asking("GET", HOME, extensions={"target": b"/t"})}),
    "no Host": ([to("/b"), FINE], {"request": lambda: without_host(asking("GET", HOME)())}),
    "content that stays behind": ([to("/b", 303), FINE], {"request": asking("GET", HOME, json=1)}),
    "what speaks of content": (
        [to("/b", 303), FINE], {"request": with_field("Content-Type", "text/plain")},
    ),
    "a Host that isn't first": (
        [to("/b", 303), FINE],
        {"request": asking("GET", HOME, headers=[("X", "1"), ("Host", "own.example")])},
    ),
    "another origin with a jar": ([to("http://other.example/"), FINE], {"jar": {"a": "1"}}),
    "cookies on the way": (
        [to("/b"), SETS, SETS._replace(headers=(("Location", "/d"), *SETS.headers[1:])), FINE],
        {"jar": {"b": "2"}},
    ),
    "cookies of another origin": (
        [to("http://other.example/"), SETS, to(f"{HOME}/d"), FINE], {"request": AT_A},
    ),
    "what says that it isn't remembered": ([Line(301, UNKEPT), FINE], {"request": SURE}),
    "a POST": ([to("/b"), FINE], {"request": asking("POST", HOME)}),
    "OPTIONS elsewhere": ([BUSY, to("/b"), FINE], {"request": asking("OPTIONS", HOME)}),
    "content of other methods": (
        [to("/b", 307), to("http://c.example/", 308), to("http://c.example/d"), FINE],
        {"request": asking("PUT", HOME, json=1)},
    ),
    "content of a POST": (
        [to("/b", 307), to("https://home.example/c", 301), to("/d", 307), FINE],
        {"request": asking("POST", HOME, json=1)},
    ),
    "a PUT that is answered elsewhere": (
        [to("/b", 303), FINE], {"request": asking("PUT", HOME, json=1)},
    ),
}  # fmt: skip


@each("driver", DRIVERS)
@each("name", PLAIN)
def test_what_is_plain_is_done_at_a_glance(name, driver):
    script, options = PLAIN[name]
    story = both(script, driver=driver, **options)
    assert not story.decided
    assert story.open == 0


OTHERS: dict[str, Any] = {
    "a long wait": ([AFTER, Line(503, (("Retry-After", "121"),)), FINE], {}),
    "a wait that ends too late": ([AFTER, AFTER, FINE], {"limits": sp.Limits(deadline=3)}),
    "a wait for one URL": ([Line(302, (("Location", "/b"), *AFTER.headers)), FINE], {}),
    "a repeat where others wait": ([DOWN, FINE], {"memory": resting}),
    "a repeat at once where others wait": ([BUSY, FINE], {"memory": resting}),
    "a wait where others wait": ([AFTER, FINE], {"memory": resting}),
    "a wait that is no cooldown where others wait": (
        [Line(404, AFTER.headers), FINE], {"memory": resting},
    ),
    "a wait where failures are counted": ([AFTER, FINE], {"memory": counted}),
    "no number": ([BUSY, Line(503, (("Retry-After", "soon"),)), FINE], {}),
    "two numbers": ([Line(503, (("Retry-After", "0"), ("Retry-After", "0"))), FINE], {}),
    "finer numbers": ([Line(503, (("Retry-After-Ms", "0"),)), FINE], {}),
    "a limit that is reached": ([Line(503, (("X-RateLimit-Remaining", "0"),)), FINE], {}),
    "attempts used up": ([BUSY] * 9, {}),
    "attempts of its own": ([Line(404)] * 9, {}),
    "the deadline": ([BUSY, BUSY._replace(takes=9), FINE], {"limits": SLOW}),
    "the budget": ([DOWN, DOWN, DOWN, FINE], {"limits": sp.Limits(retry_budget=FEW)}),
    "a Digest": ([BUSY, FINE], {"request": DIGEST}),
    "a method with content": ([BUSY, FINE], {"request": asking("PUT", HOME, content=b"x")}),
    "a cookie in between": ([BUSY, Line(503, (("Set-Cookie", "a=1"),)), FINE], {}),
    "a failure": ([BUSY, GONE, FINE], table(httpx.ConnectError, sp.retry(wait=0))),
    "a failure that is raised": ([to("/b"), BUSY, GONE], table(httpx.ConnectError, sp.surface)),
    "a code that is handed over": ([BUSY, to("/b"), Line(410)], {}),
    "another row": ([BUSY, Line(401), FINE], {}),
    "a stop": ([BUSY, FINE], table(503, sp.retry(wait=0, stop=lambda _: True))),
    "a number of times": ([BUSY, BUSY, FINE], table(503, sp.retry(wait=0, times=1))),
    "a code that asks for another": ([Line(411), FINE], table(411, sp.retry(wait=0))),
    "a farewell": ([BUSY, Line(200, (("Sunset", "Fri, 31 Dec 9999 23:59:59 GMT"),))], {}),
    "told at last": ([BUSY, Line(200, (("Retry-After", "3"),))], {}),
    "a repeat that is refunded": ([Line(404), Line(404), Line(410)], {}),
    "another origin with secrets": ([to("//other.example/"), FINE], {"request": BASIC}),
    "dots": ([to("/b"), to("../c"), FINE], {}),
    "no Location": ([BUSY, Line(302)], {}),
    "two Locations": ([Line(302, (("Location", "/b"), ("Location", "/b"))), FINE], {}),
    "a loop": ([to("/b"), to("/c"), to("/b"), FINE], {}),
    "a loop back": ([to("/b"), to("/a"), FINE], {"request": AT_A}),
    "itself": ([to("/a"), FINE], {"request": AT_A}),
    "the cap": ([to(f"/{n}") for n in range(9)], {}),
    "a long one": ([to("/b"), to("/" + "x" * 99), FINE], {"limits": sp.Limits(uri_length=99)}),
    "a fragment": ([to("/b"), FINE], {"request": asking("GET", f"{HOME}/a#f")}),
    "what may be remembered": ([to("/b"), to("/c", 301), FINE], {"request": SURE}),
    "a redirect that a call does not follow": ([BUSY, to("/b"), FINE], {"follow": False}),
    "a redirect that would be repeated": (
        [Line(302), FINE], {"follow": False} | table(302, sp.retry(wait=0)),
    ),
    "pins": ([BUSY, FINE], {"request": asking("GET", HOME, extensions={PINS: {}})}),
    "a factory": (
        [BUSY, FINE],
        {"request": asking("GET", HOME, extensions={"statuspolicy.body": lambda: b""})},
    ),
    "an observer": ([BUSY, FINE], {"observer": lambda event: None}),
    "who confirms": ([to("/b"), FINE], {"confirm": lambda *_: True}),
    "who allows": ([to("/b"), FINE], {"allow_hop": lambda *_: True}),
    "who prepares": ([to("/b"), FINE], {"prepare": lambda *_: None}),
    "a total": ([to("/b"), FINE], {"limits": sp.Limits(total=9)}),
    "a move": ([BUSY, to("/elsewhere"), FINE], {"memory": moved}),
    "what STRICT confirms": (
        [to("/b", 307), FINE], {"request": asking("PUT", HOME, json=1), "table": sp.STRICT},
    ),
    "OPTIONS that STRICT confirms": (
        [to("/b"), FINE], {"request": asking("OPTIONS", HOME), "table": sp.STRICT},
    ),
    "a PUT that may have been acted on": (
        [Line(500), to("/b"), FINE],
        {"request": asking("PUT", HOME, json=1)} | table(500, sp.retry(wait=0)),
    ),
}  # fmt: skip


def without_host(request: httpx.Request) -> httpx.Request:
    del request.headers["host"]
    return request


@each("name", OTHERS)
def test_what_is_not_is_decided_wherever_it_comes(name):
    script, options = OTHERS[name]
    assert both(script, **options).decided


def test_a_call_that_follows_no_redirect_is_heard():
    client = sp.wrap(httpx.Client(transport=Server([BUSY, to("/b"), FINE], FakeClock())))
    response = client.get(HOME, follow_redirects=False)
    assert (response.status_code, len(sp.trace(response))) == (302, 2)


class Learning(Server):
    """Another thread learns something while the second request is sent."""

    learnt: Callable[[], sp.Memory]
    memory: sp.Memory

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if len(self.sent) == 1:
            learnt = self.learnt()
            self.memory.cooling.update(learnt.cooling)
            self.memory.moves.update(learnt.moves)
        return super().handle_request(request)


def heard(script: list[Line], learnt: Callable[[], sp.Memory]) -> tuple[bool, sp.Memory]:
    """Whether an answer was decided about, and what is remembered in the end."""
    inner, hear = Learning(script, FakeClock()), ExchangeState.snapshot
    inner.learnt, inner.memory = learnt, sp.Memory()
    transport = sp.PolicyTransport(
        inner, memory=inner.memory, clock=inner.clock, limits=sp.Limits(cooling="send")
    )
    with patch.object(ExchangeState, "snapshot", autospec=True, side_effect=hear) as decided:
        assert transport.handle_request(get()).status_code == 200
    return decided.called, inner.memory


def test_what_others_learn_meanwhile_is_heeded():
    """They were told to leave an origin alone, or of a move, or count its failures."""
    assert not heard([BUSY, BUSY, FINE], moved)[0]
    assert heard([BUSY, BUSY, FINE], resting)[0]
    assert heard([BUSY, AFTER, FINE], resting)[0]
    for script in ([BUSY, FINE], [BUSY, to("/b"), FINE]):
        decided, memory = heard(script, counted)
        assert not decided
        assert not memory.is_watched(HOME)  # a good answer closes the circuit breaker


def test_the_steps_are_in_the_log(caplog):
    with caplog.at_level("DEBUG", logger="statuspolicy"):
        story = both([BUSY, to("/b"), FINE])
    lines = [record.getMessage() for record in caplog.records if record.name == "statuspolicy"]
    assert lines[:3] == lines[3:] == [str(step) for step in story.end[6]]
    with caplog.at_level("INFO", logger="statuspolicy"):
        caplog.clear()
        both([BUSY, FINE])
    assert len(caplog.records) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_whatever_ends_a_drain_the_answer_is_closed(error):
    class Ended(Parts):
        def __iter__(self):
            raise error

    body = Ended(b"")
    inner = httpx.MockTransport(lambda _: httpx.Response(503, headers=BUSY.headers, stream=body))
    with pytest.raises(error):
        sp.PolicyTransport(inner).handle_request(get())
    assert body.closed


@pytest.mark.parametrize("driver", DRIVERS)
def test_whatever_an_application_raises_meanwhile_the_answer_is_closed(driver):
    def cookies() -> httpx.Cookies:
        raise ZeroDivisionError

    kind, send = DRIVERS[driver]
    server = Server([to("/b", body="unread")], FakeClock())
    with pytest.raises(ZeroDivisionError):
        send(kind(server, cookies=cookies), get())
    assert [stream.closed for stream in server.streams] == [True]


@pytest.mark.parametrize("driver", DRIVERS)
def test_whatever_ends_the_first_send_passes_through(driver):
    class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise ZeroDivisionError

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise ZeroDivisionError

    kind, send = DRIVERS[driver]
    with pytest.raises(ZeroDivisionError):
        send(kind(Broken()), get())


class Falsy(httpx.Response):
    def __len__(self) -> int:
        return len(self.content)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_response_that_counts_for_nothing_is_one(driver):
    class Odd(Server):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            super().handle_request(request)
            return Falsy(200) if len(self.sent) == 2 else Falsy(302, headers={"Location": "/b"})

    kind, send = DRIVERS[driver]
    response = send(kind(Odd([FINE], FakeClock())), get())
    assert (response.status_code, len(sp.trace(response))) == (200, 2)


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_a_route_raises_is_no_answer(driver):
    asked = []

    def route(url: httpx.URL) -> Any:
        asked.append(url)
        raise httpx.ConnectError("no such mount")

    kind, send = DRIVERS[driver]
    server = Server([to("/b", body="unread")], FakeClock())
    with pytest.raises(httpx.ConnectError):
        send(kind(server, route=route, clock=FakeClock()), get())
    assert len(asked) == 1
    assert [stream.closed for stream in server.streams] == [True]


ASKED = (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_digest_that_a_row_made_is_for_one_request_alone(driver):
    """RFC 7616 §3.4: the server has counted its nonce, and may take it for a replay."""
    digest = table(401, sp.authenticate(httpx.DigestAuth("me", "pass")))
    story = tell(driver, [Line(401, ASKED), BUSY, FINE], get, True, {}, **digest)
    said = [dict(headers).get(b"Authorization", b"")[:6] for _, _, headers, *_ in story.sent]
    assert said == [b"", b"Digest", b""]


class Record(list[Any]):
    """A callable of an application that is false until it is called."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __call__(self, *given: Any) -> Any:
        self.append(given)
        return self.answer


@pytest.mark.parametrize("option", ["allow_hop", "observer", "prepare"])
def test_who_is_asked_need_not_be_true(option):
    asked = Record(False if option == "allow_hop" else None)
    server = Server([to("/b"), FINE], FakeClock())
    response = sp.PolicyTransport(server, **{option: asked}).handle_request(get())
    assert asked
    assert response.status_code == (302 if option == "allow_hop" else 200)


def test_an_empty_table_for_one_request_counts():
    request = httpx.Request(
        "GET", HOME, extensions={"statuspolicy": sp.Overrides(table=sp.Table())}
    )
    assert (
        sp.PolicyTransport(Server([BUSY, FINE], FakeClock())).handle_request(request).status_code
        == 503
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_content_of_a_request_that_was_answered_early_is_closed(backend):
    """Also with a method that has none: nobody else closes the caller's generator."""
    closed = []

    class Early(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.parts = aiter(request.stream)
            await anext(self.parts)
            return httpx.Response(200)

    async def content():
        try:
            yield b"begun, "
            yield b"left"
        finally:
            closed.append(True)

    async def ask():
        request = httpx.Request("GET", HOME, content=content())
        await sp.AsyncPolicyTransport(early).handle_async_request(request)
        return len(closed)

    early = Early()
    assert anyio.run(ask, backend=backend) == 1


# ── at random ──────────────────────────────────────────────────────────────────────────

headers = st.lists(
    st.sampled_from(
        [("Retry-After", "0"), ("Retry-After", "0"), ("Retry-After", "1"), ("Set-Cookie", "a=1"),
         ("Location", "/a"), ("Location", "/b"), ("Location", "/c?d"), ("Location", "/d/"),
         ("Location", "//other.example/"), ("Location", f"{HOME}/e"), ("X-Else", "1"),
         ("Location", "https://home.example/s"), ("Location", "http://www.home.example/"),
         ("Location", "https://home.example:444/"), ("Location", f"{HOME}/b?{HOME}/a"),
         ("Cache-Control", "no-store"), ("Cache-Control", "max-age=9"),
         ("Set-Cookie", "b=; Max-Age=0"),
         ("Deprecation", "@0"), ("RateLimit", '"d";r=0;t=0')]
    ),
    max_size=2,
).map(tuple)  # fmt: skip
plain = st.sampled_from(
    [
        BUSY,
        AFTER,
        DOWN,
        DOWN,
        SETS,
        to("https://home.example/t"),
        to("//o.example/"),
        to("/b"),
        to("/c"),
        to("/d", 307),
        to("/e", 301),
        to("/f", 303),
    ]
)
answers = (
    plain
    | plain
    | st.builds(
        Line,
        st.sampled_from(
            [200, 204, 301, 302, 303, 307, 308, 404, 408, 410, 421, 429, 500, 503, 599]
        ),
        headers,
        st.sampled_from([b"", b"x", "parts", None]),
        st.sampled_from([0.0, 0.0, 1.0, 4.0]),
    )
    | st.sampled_from([GONE, httpx.ReadError("gone")])
)
requests = st.builds(
    asking,
    st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "PUT"]),
    st.sampled_from([f"{HOME}/a", f"{HOME}/b", HOME, "https://home.example/a", f"{HOME}/a#f"]),
    headers=st.dictionaries(
        st.sampled_from(
            ["Authorization", "Cookie", "Host", "X-Own", "Content-Type", "Expect", "Trailer"]
        ),
        st.sampled_from(["Digest x", "Basic x", "a=1", "own.example"]),
        max_size=1,
    ),
    content=st.sampled_from([None, None, b"", b"content"]),
)
limits = st.builds(
    sp.Limits,
    redirects=st.integers(0, 5),
    attempts=st.integers(1, 5),
    deadline=st.sampled_from([3.0, 150.0]),
    cooling=st.sampled_from(["wait", "send", "raise"]),
    retry_budget=st.none() | st.just(FEW),
)


@given(
    st.lists(answers, min_size=1, max_size=9),
    requests,
    st.sampled_from(
        [
            TABLE,
            TABLE,
            sp.STANDARD,
            sp.STRICT,
            TABLE | {"4xx": sp.retry(wait=0)},
            TABLE | {302: sp.retry(wait=0), 300: sp.retry()},
        ]
    ),
    limits,
    st.sampled_from([{}, {}, {"a": "1"}]),
    st.sampled_from([True, True, False]),
    st.sampled_from([*DRIVERS]),
)
def test_the_trace_is_the_same_with_and_without_the_fast_path(
    script, request_, table, limits, jar, follow, driver
):  # fmt: skip
    options = {"table": table, "limits": limits, "jar": jar, "follow": follow}
    both([*script, FINE], request_, driver, **options)


def test_302_a_duty_with_an_attribute_of_that_name_is_a_duty():
    def mine(exchange: sp.Exchange) -> sp.Verdict:
        return sp.STANDARD.row(302).duty(exchange)

    mine.fast_path = True
    story = both([to("/b"), FINE], table=sp.STANDARD | {302: mine})
    assert story.decided
    assert [send[1] for send in story.sent][-1].endswith("/b")


def test_301_several_lines_of_cache_control_are_read_as_one():
    """A quotation mark that begins in one swallows the next: the move is remembered, or not."""
    lines = (("Cache-Control", 'a="x'), ("Cache-Control", "no-store"), ("Cache-Control", '"'))
    script = [Line(301, (("Location", "/b"), *lines)), FINE]
    remembered = []
    for fast in (True, False):
        memory = sp.Memory()
        tell("sync", script, asking("GET", "https://home.example/a"), fast, {}, lambda m=memory: m)
        remembered.append(dict(memory.moves))
    assert len(remembered[0]) == len(remembered[1]) == 1


@each("driver", DRIVERS)
def test_set_cookie_of_the_last_response_is_the_client_s_affair_with_a_cache_too(driver):
    sets = Line(200, (("Set-Cookie", "a=1"),))
    for cache in (None, sp.Cache()):
        assert both([sets], driver=driver, cache=cache).cookies == []
        assert both([BUSY, sets], driver=driver, cache=cache).cookies == []
