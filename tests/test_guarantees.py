"""The guarantees as properties, over random scripts and duties that try to break out."""

from math import inf
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from statuspolicy.engine.effects import Reply
from statuspolicy.fields.methods import IDEMPOTENT
from statuspolicy.testing import FakeClock, Story, replay
from tests.library import httpx, sp

HOME = "https://home.example"
SECRETS = {"authorization": "Bearer x", "x-api-key": "k", "cookie": "mine=1"}

URLS = [
    "/a", "/b", "//other.example/a", "https://home.example/a", "https://home.example/b",
    "https://other.example/a", "http://home.example/a", "https://home.example:8443/a",
    "mailto:x", "https://[::1", "", "#f", "https://u:p@home.example/a", "/" + "x" * 9000,
]  # fmt: skip
WAITS = ["0", "1", "30", "120", "121", "-1", "soon", "1e309", "9" * 400, "1, 2",
         "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 09 Sep 2001 01:46:50 GMT"]  # fmt: skip

headers = st.fixed_dictionaries(
    {},
    optional={
        "location": st.sampled_from(URLS),
        "retry-after": st.sampled_from(WAITS),
        "set-cookie": st.sampled_from(["a=1", "b=2; Path=/b", "c=3; Domain=other.example"]),
        "content-length": st.just("7"),
        "ratelimit": st.just('"d";r=0;t=9'),
        "retry-after-ms": st.sampled_from(["0", "1500", "-1", "soon", "1e309", "9" * 400]),
        "connection": st.sampled_from(["close", "keep-alive"]),
    },
)
statuses = st.sampled_from([200, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308, 399, 401,
                            404, 408, 410, 411, 413, 417, 421, 425, 429, 500, 502, 503, 504, 509,
                            511, 599])  # fmt: skip
failures = st.sampled_from(
    [httpx.ConnectError, httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError,
     httpx.WriteError, httpx.PoolTimeout, httpx.UnsupportedProtocol]
)  # fmt: skip


class Seen(NamedTuple):
    """A failure or an answer, and what was seen of how it came."""

    what: Any
    reused: bool
    unsent: bool


answers = st.one_of(
    st.tuples(statuses, headers),
    failures.map(lambda kind: kind("broken")),
    st.builds(
        Seen,
        failures.map(lambda kind: kind("broken")) | st.tuples(statuses, headers),
        reused=st.booleans(),
        unsent=st.booleans(),
    ),
)
scripts = st.lists(answers, max_size=30)


def evil_again(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Again(exchange.request, why="for ever")


def evil_elsewhere(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Again(httpx.Request("GET", "https://evil.example/", headers=SECRETS))


def evil_home(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Again(httpx.Request("GET", HOME + "/a", headers=SECRETS))


def evil_follow(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Follow(f"https://evil.example/{exchange.hops}")


def evil_wait(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Again(exchange.request, after=10_000, unacted=True)


def evil_aside(exchange: sp.Exchange) -> sp.Verdict:
    request = httpx.Request("GET", "https://evil.example/token", headers=SECRETS)
    return sp.Aside(request, evil_again, times=3)


def evil_aside_home(exchange: sp.Exchange) -> sp.Verdict:
    request = httpx.Request("GET", HOME + "/token", headers=SECRETS)
    return sp.Aside(request, lambda answer: sp.Settle())


evil_poll = sp.poll(monitor=lambda _: "https://evil.example/monitor", times=9)


def evil_cool(exchange: sp.Exchange) -> sp.Verdict:
    """Leave its own origin alone for ever, and go on."""
    forever = sp.Cool(1e300, probe=True, refuse=True)
    return sp.Again(exchange.request, unacted=True, cool=forever)


def evil_look(exchange: sp.Exchange) -> sp.Verdict:
    """Read it first, and go to the evil origin then."""
    return sp.Inspect(evil_elsewhere)


duties = st.sampled_from(
    [sp.surface, sp.resume, sp.retry(), sp.breaker(sp.retry(), failures=2), evil_again,
     evil_elsewhere, evil_home, evil_follow, evil_wait, evil_aside,
     evil_aside_home, evil_cool, evil_look, sp.resolve(lambda exchange: exchange.request),
     sp.choose(lambda *_: "https://evil.example/choice"),
     evil_poll,
     sp.authenticate(lambda challenge: "Bearer t"), sp.moved(lambda *_: None), sp.upgrade_to_https]
)  # fmt: skip
tables = st.builds(
    lambda base, rows: base | rows,
    st.sampled_from([sp.STANDARD, sp.STRICT]),
    st.dictionaries(
        st.sampled_from(["2xx", "3xx", "4xx", "5xx", 404, 500, httpx.ReadError]), duties
    ),
)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
contents = st.sampled_from([b"", b"bytes", "generator", "long generator"])

LIMITS = sp.Limits(replay_bytes=1000)


def make(method: str, content: Any) -> httpx.Request:
    if content == "generator":
        content = iter([b"gene", b"rator"])
    elif content == "long generator":
        content = iter([b"x" * 600, b"y" * 600])
    return httpx.Request(method, HOME + "/a", content=content or None, headers=SECRETS)


def play(
    script: list[Any], table: sp.Table, method: str, content: Any, takes: float = 0.0, **more: Any
) -> tuple[Story, list[Any]]:
    """The story, and the outcomes that were used up, in order; each send `takes` seconds."""
    used: list[Any] = []
    clock = more.setdefault("clock", FakeClock())

    def line(outcome: Any) -> Any:
        def answer(request: httpx.Request) -> Any:
            clock.now += takes
            used.append(outcome)
            seen = outcome if isinstance(outcome, Seen) else Seen(outcome, False, False)
            what = seen.what
            if isinstance(what, tuple):
                what = httpx.Response(what[0], headers=what[1])
            return Reply(what, seen.reused, seen.unsent)

        return answer

    endless = [*script, *[(200, {})] * 200]
    options = {"table": table, "limits": LIMITS, **more}
    return replay(make(method, content), map(line, endless), **options), used


def runs(story: Story) -> list[list[int]]:
    """The indexes of the sends by request: a repeat has its predecessor's method and URL."""
    groups: list[list[int]] = []
    for n, request in enumerate(story.sent):
        before = story.sent[n - 1] if n else None
        same = before is not None and (before.method, before.url) == (request.method, request.url)
        groups[-1].append(n) if same else groups.append([n])
    return groups


@given(scripts, tables, methods, contents)
def test_at_most_one_response_is_open_and_none_is_left_behind(script, table, method, content):
    story, _ = play(script, table, method, content)
    assert story.open_at_most <= 1
    assert story.left_open == 0


@given(scripts, methods, contents)
def test_no_request_is_sent_more_often_than_attempts_and_no_hop_goes_past_the_cap(
    script, method, content
):
    story, _ = play(script, sp.STANDARD, method, content)
    hops = sum(step.verdict == "follow" for step in story.trace)
    assert hops <= LIMITS.redirects
    assert len(story.sent) <= (hops + 1) * LIMITS.attempts


@given(scripts, tables, methods, contents)
def test_whatever_a_duty_says_an_exchange_ends(script, table, method, content):
    """Every kind of send is bounded: repeats by attempts, hops by the cap, asides by number."""
    story, _ = play(script, table, method, content)
    assert len(story.sent) <= (LIMITS.redirects + 1) * LIMITS.attempts * 4
    assert (story.response is None) != (story.error is None)


@given(scripts, tables, methods, contents)
def test_nothing_is_waited_for_past_the_deadline_or_above_retry_after(
    script, table, method, content
):
    story, _ = play(script, table, method, content)
    assert sum(story.waits) <= LIMITS.deadline
    told = [step.wait for step in story.trace if step.code != "cooling"]
    assert all(wait <= LIMITS.retry_after for wait in told)
    assert story.trace.waited == sum(story.waits)


@given(scripts, tables, methods, contents)
@example([(200, {}), (500, {})], sp.STANDARD | {"5xx": evil_home, "2xx": evil_poll}, "GET", b"")
@example(
    [(307, {"location": "https://other.example/a"}), (404, {})],
    sp.STANDARD | {404: evil_aside_home},
    "GET",
    b"",
)
def test_authorization_cookie_credentials_never_cross_an_origin_and_never_come_back(
    script, table, method, content
):
    """A request on the side is judged by its own URL, and by where the hops had led by then."""
    attempts: list[sp.events.Attempt] = []

    def observe(event: object) -> None:
        if isinstance(event, sp.events.Attempt):
            attempts.append(event)

    story, _ = play(script, table, method, content, observer=observe)
    abroad = False
    for request, attempt in zip(story.sent, attempts, strict=True):
        host = (request.url.scheme, request.url.host, request.url.port)
        elsewhere = host != ("https", "home.example", None)
        abroad = abroad or (elsewhere and not attempt.aside)
        if abroad or elsewhere:
            assert "authorization" not in request.headers
            assert "x-api-key" not in request.headers
            assert "mine=1" not in request.headers.get("cookie", "")
        assert not request.url.userinfo


@given(scripts, tables, methods, contents)
def test_never_from_https_to_http(script, table, method, content):
    story, _ = play(script, table, method, content)
    assert {request.url.scheme for request in story.sent} == {"https"}


@given(scripts, methods, contents)
def test_what_may_have_been_acted_on_is_not_repeated(script, method, content):
    story, used = play(script, sp.STANDARD, method, content)
    for group in runs(story):
        for n in group[:-1]:
            outcome = used[n]
            if story.sent[n].method in IDEMPOTENT or 300 <= _status(outcome) < 400:
                continue
            assert _refused(outcome), outcome


def _status(outcome: Any) -> int:
    outcome = outcome.what if isinstance(outcome, Seen) else outcome
    return outcome[0] if isinstance(outcome, tuple) else 0


def _refused(outcome: Any) -> bool:
    outcome, reused, unsent = outcome if isinstance(outcome, Seen) else (outcome, False, False)
    if isinstance(outcome, Exception):
        return unsent or isinstance(outcome, httpx.ConnectError)
    status, fields = outcome
    if status in (411, 417, 421, 425):
        return True
    if status == 408:
        return reused and fields.get("connection") == "close"
    told = fields.keys() & {"retry-after", "retry-after-ms"}
    told = told or (status in (429, 503) and "ratelimit" in fields)
    return status in (413, 429, 503, 509) and bool(told)


@given(scripts, tables, methods, contents)
def test_content_length_transfer_encoding_a_body_goes_whole_or_not_at_all(
    script, table, method, content
):
    """A request that announces content has it, and what can't be replayed goes once."""
    story, _ = play(script, table, method, content)
    whole = {"generator": b"generator", "long generator": b"x" * 600 + b"y" * 600}.get(
        content, content
    )
    for request, body in zip(story.sent, story.bodies, strict=True):
        chunked = "transfer-encoding" in request.headers
        length = int(request.headers.get("content-length", 0))
        assert body == (whole if chunked or length else b"")
    if content == "long generator":
        assert story.bodies.count(whole) == 1


@given(scripts, methods)
def test_the_callers_request_is_never_changed(script, method):
    request = make(method, b"bytes")
    before = (
        request.method,
        request.url,
        request.headers.raw,
        request.stream,
        dict(request.extensions),
    )
    script = [line.what if isinstance(line, Seen) else line for line in script]
    replay(request, [*script, *[200] * 50], limits=LIMITS)
    after = (
        request.method,
        request.url,
        request.headers.raw,
        request.stream,
        dict(request.extensions),
    )
    assert after == before


@given(st.lists(st.tuples(statuses, headers), min_size=1, max_size=1), methods)
def test_where_nothing_is_done_the_response_is_the_transports_own(script, method):
    status, fields = script[0]
    response = httpx.Response(status, headers=fields)
    story = replay(make(method, b""), [response, *[200] * 50])
    untouched = story.response is response
    assert untouched == (len(story.trace) == 1 and not story.trace.reason)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"location", b"retry-after", b"set-cookie", b"content-range", b"date",
                             b"cache-control", b"expires", b"ratelimit", b"upgrade", b"allow",
                             b"x-ratelimit-reset", b"x-ratelimit-remaining", b"content-length",
                             b"content-encoding", b"transfer-encoding", b"www-authenticate"]),
            st.binary(max_size=60) | st.sampled_from([wait.encode() for wait in WAITS]),
        )
    ),
    st.integers(100, 999) | statuses,
    methods,
    st.sampled_from([sp.Limits(), sp.Limits(retry_after=inf), sp.Limits(total=inf)]),
)  # fmt: skip
def test_no_header_value_of_any_server_raises_anything(fields, status, method, limits):
    """But for the policy's own refusals, which `replay` gives back as the story's error."""
    table = sp.STANDARD | {"5xx": sp.retry(wait=0)}
    answer = httpx.Response(status, headers=fields)
    replay(make(method, b""), [answer, *[200] * 50], table=table, limits=limits)


@given(scripts, tables, methods, contents, st.floats(0, 30), st.floats(0.1, 120))
def test_nothing_is_begun_after_the_total(script, table, method, content, takes, total):
    """Each send takes its time, and the last may end late; no other begins then."""
    clock, limits = FakeClock(), sp.Limits(total=total, replay_bytes=1000)
    begun: list[float] = []

    def prepare(request: httpx.Request, attempt: int) -> None:
        begun.append(clock.monotonic())

    more = {"limits": limits, "clock": clock, "prepare": prepare}
    story, _ = play(script, table, method, content, takes, **more)
    assert all(when < total for when in begun)
    assert len(begun) == len(story.sent)
    assert sum(story.waits) < total


@given(scripts, tables, methods, contents)
def test_a_signature_is_on_each_send_and_on_no_other(script, table, method, content):
    """What `prepare` writes for one request never travels to the next."""

    def prepare(request: httpx.Request, attempt: int) -> None:
        assert "x-signed-for" not in request.headers
        request.headers["x-signed-for"] = f"{attempt} {request.method} {request.url}"

    story, _ = play(script, table, method, content, prepare=prepare)
    for request in story.sent:
        attempt, signed = request.headers["x-signed-for"].split(" ", 1)
        assert signed == f"{request.method} {request.url}"
        assert int(attempt) >= 1


@given(scripts, tables, methods, contents, st.sets(st.sampled_from(["other", "evil", "home"])))
def test_no_hop_goes_where_allow_hop_does_not_let_it(script, table, method, content, forbidden):
    def allow_hop(request: httpx.Request, next_request: httpx.Request) -> bool:
        return next_request.url.host.partition(".")[0] not in forbidden

    story, _ = play(script, table, method, content, allow_hop=allow_hop)
    hosts = [request.url.host.partition(".")[0] for request in story.sent]
    left = next((n for n, host in enumerate(hosts) if host != "home"), len(hosts))
    assert not forbidden & set(hosts[left:])


@given(
    st.lists(scripts, min_size=2, max_size=4), tables, st.sampled_from(["wait", "send", "raise"])
)
def test_who_shares_a_memory_keeps_to_these_guarantees_too(many, table, cooling):
    """Cooling origins, breakers, moves and spent budgets of one exchange meet the next."""
    memory, clock = sp.Memory(), FakeClock()
    limits = sp.Limits(cooling=cooling)
    for script in many:
        waited = len(clock.waits)
        story, used = play(
            script, table, "GET", b"", memory=memory, clock=clock, limits=limits, takes=0.5
        )
        assert (story.response is None) != (story.error is None)
        assert len(story.sent) == len(used)
        assert sum(clock.waits[waited:]) <= 2 * limits.deadline
        told = [step.wait for step in story.trace if step.code != "cooling"]
        assert all(wait <= limits.retry_after for wait in told)
        assert story.left_open == 0
        if isinstance(story.error, sp.CoolingDown):
            assert story.error.seconds > 0


@given(scripts, methods, contents)
def test_429_500_repeats_that_nobody_asked_for_take_from_the_budget(script, method, content):
    """No more of them than the bucket holds, what time brings, and what good answers give back."""
    budget = sp.RetryBudget(tokens=2, per_second=0)
    limits = sp.Limits(retry_budget=budget, replay_bytes=1000)
    story, _ = play(script, sp.STANDARD, method, content, limits=limits)
    paid = [step for step in story.trace if step.budget is not None]
    assert all(0 <= step.budget < budget.tokens for step in paid)
    good = sum(isinstance(step.code, int) and step.code < 500 and step.code != 429
               for step in story.trace)  # fmt: skip
    assert len(paid) <= budget.tokens + good


@given(scripts, tables, methods, contents)
def test_an_observer_hears_of_each_send_wait_and_decision_and_of_one_end(
    script, table, method, content
):
    heard: list[Any] = []
    story, _ = play(script, table, method, content, observer=heard.append)
    kinds = [type(event) for event in heard]
    attempts = [event for event in heard if isinstance(event, sp.events.Attempt)]
    assert [event.request for event in attempts] == story.sent
    assert [e.seconds for e in heard if isinstance(e, sp.events.Wait)] == story.waits
    steps = tuple(event.step for event in heard if isinstance(event, sp.events.Decision))
    assert steps == heard[-1].trace
    assert kinds.count(sp.events.Settled) == 1
    assert isinstance(heard[-1], sp.events.Settled)
    assert heard[-1].response is story.response
    assert heard[-1].error is story.error
