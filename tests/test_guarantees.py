"""The guarantees as properties, over random scripts and duties that try to break out."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

import statuspolicy as sp
from statuspolicy.exchange import IDEMPOTENT
from statuspolicy.testing import FakeClock, Story, replay

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
    },
)
statuses = st.sampled_from([200, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308, 399, 401,
                            404, 408, 410, 411, 413, 417, 421, 425, 429, 500, 502, 503, 504, 509,
                            511, 599])  # fmt: skip
failures = st.sampled_from(
    [httpx.ConnectError, httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError,
     httpx.WriteError, httpx.PoolTimeout, httpx.UnsupportedProtocol]
)  # fmt: skip
answers = st.one_of(
    st.tuples(statuses, headers),
    failures.map(lambda kind: kind("broken")),
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


duties = st.sampled_from(
    [sp.surface, sp.retry(), evil_again, evil_elsewhere, evil_home, evil_follow, evil_wait,
     evil_aside]
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


def play(script: list[Any], table: sp.Table, method: str, content: Any) -> tuple[Story, list[Any]]:
    """The story, and the outcomes that were used up, in order."""
    used: list[Any] = []

    def line(outcome: Any) -> Any:
        def answer(request: httpx.Request) -> httpx.Response:
            used.append(outcome)
            if isinstance(outcome, tuple):
                return httpx.Response(outcome[0], headers=outcome[1])
            return outcome

        return answer

    endless = [*script, *[(200, {})] * 200]
    story = replay(make(method, content), map(line, endless), table=table, limits=LIMITS)
    return story, used


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
    clock = FakeClock()
    story, _ = play(script, table, method, content)
    assert sum(story.waits) <= LIMITS.deadline
    assert all(0 < wait <= LIMITS.retry_after for wait in story.waits)
    assert clock.waits == []


@given(scripts, tables, methods, contents)
def test_credentials_never_cross_an_origin_and_never_come_back(script, table, method, content):
    story, _ = play(script, table, method, content)
    abroad = False
    for request in story.sent:
        host = (request.url.scheme, request.url.host, request.url.port)
        abroad = abroad or host != ("https", "home.example", None)
        if abroad:
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
    return outcome[0] if isinstance(outcome, tuple) else 0


def _refused(outcome: Any) -> bool:
    if isinstance(outcome, Exception):
        return isinstance(outcome, httpx.ConnectError)
    status, fields = outcome
    if status in (411, 417, 421, 425):
        return True
    told = "retry-after" in fields or (status in (429, 503) and "ratelimit" in fields)
    return status in (413, 429, 503, 509) and told


@given(scripts, tables, methods, contents)
def test_a_body_goes_whole_or_not_at_all(script, table, method, content):
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
            st.binary(max_size=60),
        )
    ),
    st.integers(100, 999),
    methods,
)  # fmt: skip
def test_no_header_value_of_any_server_raises_anything(fields, status, method):
    """But for the policy's own refusals, which `replay` gives back as the story's error."""
    table = sp.STANDARD | {"5xx": sp.retry(wait=0)}
    answer = httpx.Response(status, headers=fields)
    replay(make(method, b""), [answer, *[200] * 50], table=table)
