"""409, 412, 423, 449, 510: the application says what is sent."""

import pytest

from statuspolicy import Again, Aside, Inspect, Settle, extend, perform, resolve
from statuspolicy.testing import replay
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx, sp

URL = "http://home.example/a"


def put(content=b"mine", **headers):
    return httpx.Request("PUT", URL, content=content, headers=headers)


def decide(duty, found):
    verdict = duty(found)
    return verdict.then(found) if isinstance(verdict, Inspect) else verdict


# ── resolve ────────────────────────────────────────────────────────────────────────────


@each("status", [409, 412, 423])
@each("method", ["PUT", "POST", "PATCH"])
def test_409_412_423_what_the_application_returns_is_submitted(status, method):
    request = httpx.Request(method, URL, content=b"merged")
    found = exchange(status, {"Retry-After": "2"}, method=method)
    verdict = decide(resolve(lambda given: request if given is found else None), found)
    assert verdict == Again(request, 2.0, unacted=True, why="with the application's request")


def test_409_without_a_request_it_is_handed_over():
    verdict = decide(resolve(lambda exchange: None), exchange(409))
    assert verdict == Settle("the application gave no other request")


def test_409_a_verdict_of_its_own_is_taken():
    aside = Aside(put(), lambda answer: Settle())
    assert decide(resolve(lambda exchange: aside), exchange(409)) is aside


@pytest.mark.parametrize("answer", [5, "http://home.example/", httpx.Response(200)])
def test_409_anything_else_is_a_type_error(answer):
    with pytest.raises(TypeError, match="return a Verdict"):
        decide(resolve(lambda exchange: answer), exchange(409))


def test_412_is_never_repeated_without_a_condition():
    """docs/status-codes.md: without its conditions a repeat would do what they prevented."""
    found = exchange(412, request=put(**{"If-Match": '"1"'}))
    verdict = decide(resolve(lambda exchange: put()), found)
    assert verdict == Settle("the application's request has no condition, but the first one had")
    new = put(**{"If-Match": '"2"'})
    assert decide(resolve(lambda exchange: new), found).request is new
    assert isinstance(decide(resolve(lambda exchange: put()), exchange(412)), Again)


def test_412_if_match_the_application_sees_the_body_and_may_fetch_what_is_there_now():
    seen = []

    def merge(found):
        seen.append(found.body)
        return Aside(httpx.Request("GET", found.request.url), submit)

    def submit(now):
        etag = now.response.headers["etag"]
        return Again(put(now.body + b"+mine", **{"If-Match": etag}), unacted=True)

    story = replay(
        put(**{"If-Match": '"1"'}),
        [
            httpx.Response(412, text="changed"),
            httpx.Response(200, text="theirs", headers={"ETag": '"2"'}),
            204,
        ],
        table=sp.STANDARD | {412: resolve(merge)},
    )
    assert seen == [b"changed"]
    assert [(r.method, b) for r, b in zip(story.sent, story.bodies, strict=True)] == [
        ("PUT", b"mine"), ("GET", b""), ("PUT", b"theirs+mine"),
    ]  # fmt: skip
    assert story.sent[2].headers["if-match"] == '"2"'
    assert (story.response.status_code, story.open_at_most) == (204, 1)


def test_409_resolve_is_asked_again_up_to_the_attempts():
    asked = []

    def next_one(exchange):
        asked.append(exchange.attempt)
        return put(b"%d" % exchange.attempt)

    table = sp.STANDARD | {409: resolve(next_one)}
    story = replay(put(), [409] * 4, table=table)
    assert story.bodies == [b"mine", b"1", b"2", b"3"]
    assert "gave up after 4 attempts (Limits.attempts)" in story.trace.reason


def test_423_a_coroutine_function_is_awaited():
    async def merge(exchange):
        return put(b"merged")

    story = replay(put(), [423, 200], table=sp.STANDARD | {423: resolve(merge)})
    assert story.bodies[1] == b"merged"


def test_409_a_body_above_the_bound_is_not_read():
    seen = []
    long = httpx.Response(409, content=iter([b"x"]))
    table = sp.STANDARD | {409: resolve(lambda found: seen.append(found.body))}
    long.stream = type("Long", (httpx.SyncByteStream,), {"__iter__": lambda s: iter([b"x"])})()
    story = replay(put(), [long], table=table)
    assert seen == [None]
    assert story.response.read() == b"x"


# ── extend ─────────────────────────────────────────────────────────────────────────────


def test_510_is_extended_once():
    def extension(found):
        request = put(man="http://home.example/ext")
        return request if b"policy" in found.body else None

    table = sp.STANDARD | {510: extend(extension)}
    story = replay(put(), [httpx.Response(510, text="policy"), 200], table=table)
    assert story.sent[1].headers["man"] == "http://home.example/ext"
    story = replay(put(), [httpx.Response(510, text="policy"), 510], table=table)
    assert (story.response.status_code, story.trace.reason) == (
        510,
        "the repeat was answered 510 again",
    )


# ── perform ────────────────────────────────────────────────────────────────────────────

ECHO = {"Ms-Echo-Request": "execute location=0x1"}


def test_449_is_repeated_with_the_echo_after_it_was_acted_on():
    seen = []
    table = sp.STANDARD | {449: perform(lambda found: seen.append(found.body))}
    story = replay(put(), [httpx.Response(449, headers=ECHO, text="do"), 200], table=table)
    assert seen == [b"do"]
    assert story.sent[1].headers["ms-echo-reply"] == "execute location=0x1"
    assert story.bodies == [b"mine", b"mine"]


def test_449_that_comes_again_or_asks_for_nothing_or_was_not_acted_on_is_handed_over():
    table = sp.STANDARD | {449: perform(lambda found: True)}
    story = replay(put(), [(449, ECHO), (449, ECHO)], table=table)
    assert (story.response.status_code, story.trace.reason) == (
        449,
        "the repeat was answered 449 again",
    )
    story = replay(put(), [449], table=table)
    assert story.trace.reason == "the response has no Ms-Echo-Request"
    story = replay(put(), [(449, ECHO)], table=sp.STANDARD | {449: perform(lambda found: False)})
    assert story.trace.reason == "the application did not do what the server asks"


@each("duty", [resolve, extend, perform])
@each("given", [None, 5, dict])
def test_an_object_that_can_not_be_called_raises_at_once(duty, given):
    with pytest.raises(TypeError, match="write a callable that takes an Exchange"):
        duty(given)


def test_409_449_510_the_names_of_the_callables_are_shown_in_their_rows():
    names = {409: resolve, 510: extend, 449: perform}
    for code, duty in names.items():
        row = (sp.STANDARD | {code: duty(print)}).row(code)
        assert duty.__name__ in str(row)


def test_409_a_duty_that_asks_to_inspect_twice_is_a_type_error():
    table = sp.STANDARD | {409: lambda e: Inspect(lambda e: Inspect(sp.surface))}
    with pytest.raises(TypeError, match="but the body was read already"):
        replay(put(), [409], table=table)
    with pytest.raises(TypeError, match="give a Callable"):
        replay(put(), [409], table=sp.STANDARD | {409: lambda e: Inspect(None)})
