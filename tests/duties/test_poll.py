"""202: the monitor is asked until it is done, and the result handed over."""

import pytest

from statuspolicy import poll
from statuspolicy.testing import replay
from tests.each import each
from tests.library import httpx, sp

HOME = "https://home.example"
URL = f"{HOME}/jobs"
SECRETS = {"Authorization": "Bearer mine", "X-Api-Key": "k", "Cookie": "a=1"}


def post(method="POST", **options):
    return httpx.Request(method, URL, content=b"body", **options)


def play(*script, how=None, request=None, rows=None, **options):
    table = sp.STANDARD | {202: how or poll()} | (rows or {})
    return replay(request or post(), script, table=table, **options)


def accepted(name="Location", url="/monitor", **more):
    return (202, {name: url, **more})


def says(state, status=200, headers=None, **more):
    return httpx.Response(status, json={"status": state, **more}, headers=headers)


def urls(story):
    return [(r.method, str(r.url).removeprefix(HOME)) for r in story.sent]


# ── where the monitor is ───────────────────────────────────────────────────────────────


def test_location_is_asked_until_it_answers_something_else_than_202():
    story = play(accepted(), 202, 202, httpx.Response(200, text="made"))
    assert urls(story) == [("POST", "/jobs"), *[("GET", "/monitor")] * 3]
    assert (story.response.status_code, story.response.text) == (200, "made")
    assert str(story.response.url) == f"{HOME}/monitor"
    assert story.waits == [1.0, 2.0, 4.0]
    assert [(s.code, s.verdict) for s in story.trace] == [
        (202, "aside"), (202, "aside"), (202, "aside"), (200, "use"),
    ]  # fmt: skip
    assert story.left_open == 0
    assert story.open_at_most == 1


def test_what_the_monitor_is_asked_with_is_no_copy_of_what_was_accepted():
    """The body stays, and what was said of its target; the rest goes along."""
    headers = {
        "Accept": "text/x", "Content-Type": "a/b", "If-Match": '"1"', "Range": "bytes=0-1",
        "Prefer": "respond-async", "Idempotency-Key": "i", **SECRETS,
    }  # fmt: skip
    story = play(accepted(), 200, request=post(headers=headers))
    sent = story.sent[1].headers
    assert {n: sent[n] for n in ("accept", "authorization", "x-api-key", "cookie")} == {
        "accept": "text/x", "authorization": "Bearer mine", "x-api-key": "k", "cookie": "a=1",
    }  # fmt: skip
    gone = {"content-type", "content-length", "if-match", "range", "prefer", "idempotency-key"}
    assert not gone & set(sent)
    assert story.bodies == [b"body", b""]


@pytest.mark.parametrize("field", ["Operation-Location", "Azure-AsyncOperation"])
def test_202_operation_location_an_operation_is_asked_for_its_state(field):
    story = play(
        accepted(field),
        says("NotStarted"),
        says("Running", 202),
        says("Running"),
        says("Succeeded"),
    )
    assert len(story.sent) == 5
    assert story.response.json() == {"status": "Succeeded"}


def test_202_operation_location_an_operation_without_a_state_is_done():
    assert play(accepted("Operation-Location"), httpx.Response(200, text="no JSON")).response.text
    odd = httpx.Response(200, json={"status": 5})
    assert play(accepted("Operation-Location"), odd).response.json() == {"status": 5}


@pytest.mark.parametrize("state", ["Failed", "canceled", "Cancelled"])
def test_202_operation_location_an_operation_that_failed_is_handed_over_as_it_says(state):
    story = play(accepted("Operation-Location"), says(state, resourceLocation="/r"))
    assert story.response.json()["status"] == state
    assert story.trace.reason == f"the operation ended as {state.lower()}"


def test_a_location_s_own_states_are_none_of_ours():
    assert len(play(accepted(), says("running")).sent) == 2


def test_operation_location_is_asked_before_location():
    story = play((202, {"Location": "/result", "Operation-Location": "/op"}), 202, 200, 201)
    assert urls(story)[1:] == [("GET", "/op"), ("GET", "/op"), ("GET", "/result")]
    assert story.response.status_code == 201


def test_202_another_field_or_a_member_of_the_body_or_a_callable_names_the_monitor():
    body = {"links": [{"a/b": "/there"}]}
    for how, first in [
        (poll(monitor="X-Status"), accepted("X-Status", "/there")),
        (poll(monitor="/links/0/a~1b"), httpx.Response(202, json=body)),
        (poll(monitor=lambda r: r.json()["links"][0]["a/b"]), httpx.Response(202, json=body)),
        (poll(monitor=lambda r: httpx.URL(f"{HOME}/there")), (202, {})),
    ]:
        story = play(first, 200, how=how)
        assert urls(story)[1:] == [("GET", "/there")]


@each(
    ("first", "how", "why"),
    [
        ((202, {}), poll(), "the response names no status monitor"),
        (
            httpx.Response(202, text="{"),
            poll(monitor="/url"),
            "the response names no status monitor",
        ),
        (
            httpx.Response(202, json=["x"]),
            poll(monitor="/1"),
            "the response names no status monitor",
        ),
        (httpx.Response(202, json=5), poll(monitor="/a/b"), "the response names no status monitor"),
        (
            httpx.Response(202, text="[" * 60_000),
            poll(monitor="/a"),
            "the response names no status monitor",
        ),
        ((202, {}), poll(monitor=lambda r: None), "the response names no status monitor"),
        (
            accepted(url="ftp://x/"),
            poll(),
            "the status monitor has no usable URL: its Location ftp://x/ is not",
        ),
        (
            accepted(url="http://[::"),
            poll(),
            "the status monitor has no usable URL: its Location can't be parsed",
        ),
        (accepted(url="http://home.example/"), poll(), "it leads from https to http"),
    ],
)
def test_where_there_is_no_monitor_the_202_is_handed_over(first, how, why):
    story = play(first, how=how)
    assert story.response.status_code == 202
    assert why in story.trace.reason


# ── when it is asked ───────────────────────────────────────────────────────────────────


def test_retry_after_is_kept_to_beyond_the_deadline_of_an_exchange():
    """Its own deadline bounds it, not `Limits.deadline`."""
    story = play(
        accepted(**{"Retry-After": "7"}),
        (202, {"Retry-After": "120"}),
        202,
        (202, {"Retry-After": "60"}),
        200,
        how=poll(interval=5),
    )
    assert story.waits == [7.0, 120.0, 20.0, 60.0]
    assert story.response.status_code == 200


def test_202_retry_after_a_longer_wait_than_the_limit_is_not_slept():
    story = play(accepted(), (202, {"Retry-After": "121"}))
    assert (story.response.status_code, story.waits) == (202, [1.0])
    assert str(story.response.url) == URL
    assert "the wait of 121 s is above Limits.retry_after=120" in story.trace.reason


def test_202_its_own_interval_doubles_up_to_thirty_seconds():
    assert play(accepted(), *[202] * 6, 200, how=poll(interval=4)).waits == [
        4,
        8,
        16,
        30,
        30,
        30,
        30,
    ]
    assert play(accepted(), 202, 200, how=poll(interval=60)).waits == [60, 60]
    assert play(accepted(), 202, 200, how=poll(interval=0)).waits == []


def test_where_its_time_or_its_number_is_up_the_202_is_handed_over():
    first = httpx.Response(202, headers={"Location": "/monitor"}, text="wait")
    story = play(first, 202, 202, how=poll(interval=10, within=35))
    assert (story.response.status_code, story.response.text) == (202, "wait")
    assert str(story.response.url) == URL
    assert story.trace.reason == "side requests did not bring a decision within 35 s"
    story = play(accepted(), 202, 202, how=poll(times=2))
    assert story.trace.reason == "2 side requests did not bring a decision"


def test_202_poll_retry_after_its_time_begins_with_the_202():
    script = [(503, {"Retry-After": "100"}), accepted(**{"Retry-After": "50"}), 200]
    assert play(*script, how=poll(within=60)).response.status_code == 200


def test_202_its_progress_is_told_before_each_wait():
    told = []
    story = play(
        httpx.Response(202, headers={"Location": "/monitor"}, text="first"),
        httpx.Response(202, text="second"),
        200,
        how=poll(progress=told.append),
    )
    assert [(p.looks, p.elapsed, p.after, p.response.text) for p in told] == [
        (0, 0.0, 1.0, "first"),
        (1, 1.0, 2.0, "second"),
    ]
    assert {p.token for p in told} == {
        sp.poll_token(httpx.Response(202, headers={"Location": "/monitor"}, request=post()))
    }
    assert story.response.status_code == 200


def test_202_an_async_progress_is_awaited():
    told = []

    async def progress(p):
        told.append(p.looks)

    play(accepted(), 202, 200, how=poll(progress=progress))
    assert told == [0, 1]


# ── when it is done, and what of it ────────────────────────────────────────────────────


def test_202_done_says_when_it_is_done():
    how = poll(monitor="/url", done=lambda r: r.json()["ready"])
    first = httpx.Response(202, json={"url": "/m"})
    story = play(first, *[httpx.Response(200, json={"ready": n == 2}) for n in range(3)], how=how)
    assert story.response.json() == {"ready": True}


def test_202_operation_location_done_may_read_states_of_its_own():
    how = poll(done=lambda r: r.json()["status"] != "running")
    story = play(accepted("Operation-Location"), says("running"), says("failed"), how=how)
    assert story.response.json() == {"status": "failed"}
    assert story.trace.reason == "the operation is done"


@each(
    ("method", "last", "location", "result"),
    [
        ("POST", {"resourceLocation": "/made"}, None, "/made"),
        ("PUT", {"resourceLocation": "/made"}, None, "/made"),
        ("PUT", {}, "/location", "/jobs"),
        ("PATCH", {}, None, "/jobs"),
        ("POST", {}, "/location", "/location"),
        ("POST", {}, None, None),
        ("POST", {"resourceLocation": 5}, None, None),
    ],
)
def test_202_operation_location_the_result_of_an_operation_is_where_its_inventors_have_it(
    method, last, location, result
):
    first = {"Operation-Location": "/op"} | ({"Location": location} if location else {})
    script = [(202, first), says("Succeeded", **last)]
    story = play(
        *script, *([httpx.Response(200, text="result")] if result else []), request=post(method)
    )
    assert urls(story)[2:] == ([("GET", result)] if result else [])
    if result:
        assert story.response.text == "result"
        assert str(story.response.url) == HOME + result


@each(
    ("result", "asked"),
    [
        ("Content-Location", "/field"),
        ("/out", "/member"),
        (lambda response: response.json()["out"], "/member"),
        (lambda response: None, None),
        ("X-None", None),
        ("/none", None),
    ],
)
def test_202_content_location_result_says_where_it_is(result, asked):
    last = httpx.Response(200, json={"out": "/member"}, headers={"Content-Location": "/field"})
    story = play(accepted(), last, 201, how=poll(result=result))
    assert urls(story)[2:] == ([("GET", asked)] if asked else [])
    assert story.response.status_code == (201 if asked else 200)


def test_a_result_whose_place_can_not_be_asked_is_what_the_monitor_said():
    story = play(accepted(), httpx.Response(200, json={"out": "ftp://x/"}), how=poll(result="/out"))
    assert story.response.status_code == 200
    assert (
        "the result has no usable URL: its Location ftp://x/ is not http or https"
        in story.trace.reason
    )


def test_202_operation_location_a_result_that_is_long_is_not_read_before_it_is_handed_over():
    long = httpx.Response(200, stream=httpx.ByteStream(b"x" * 100_000))
    story = play(accepted("Operation-Location"), says("succeeded", resourceLocation="/r"), long)
    assert story.response.is_closed is False
    assert story.response.read() == b"x" * 100_000


# ── each answer has its own row ────────────────────────────────────────────────────────


def test_a_503_with_retry_after_is_waited_for_and_its_origin_rests():
    memory = sp.Memory()
    story = play(accepted(), (503, {"Retry-After": "9"}), 202, 200, memory=memory)
    assert story.response.status_code == 200
    assert story.waits[:2] == [1.0, 9.0]
    assert [s.row for s in story.trace] == ["202", "503", "202", "200"]


def test_202_poll_a_monitor_that_answers_503_again_and_again_ends_it():
    story = play(accepted(), *[(503, {"Retry-After": "9"})] * 4)
    assert (story.response.status_code, len(story.sent)) == (503, 5)
    story = play(accepted(), *[(503, {"Retry-After": "9"}), 202] * 4, 200)
    assert story.response.status_code == 200


@each("status", [400, 403, 404, 410, 500])
def test_202_poll_4xx_500_what_its_row_hands_over_ends_it(status):
    story = play(accepted(), 202, httpx.Response(status, text="why"))
    assert (story.response.status_code, story.response.text) == (status, "why")
    assert str(story.response.url) == f"{HOME}/monitor"


def test_a_failure_is_repeated_as_its_row_says_and_then_the_202_is_there_to_go_on_from():
    gone = httpx.ReadTimeout("slow")
    story = play(accepted(), gone, 202, 200)
    assert story.response.status_code == 200
    story = play(accepted(), *[gone] * 4)
    assert story.response.status_code == 202
    assert "the status monitor can't be asked: ReadTimeout" in story.trace.reason
    assert sp.poll_token(story.response)


def test_202_poll_303_307_a_redirect_of_the_monitor_is_followed_each_time():
    moved = (307, {"Location": "/moved", "Retry-After": "3"})
    story = play(accepted(), moved, 202, moved, (303, {"Location": "/out"}), 200)
    assert [u for _, u in urls(story)] == [
        "/jobs", "/monitor", "/moved", "/monitor", "/moved", "/out",
    ]  # fmt: skip
    assert story.waits == [1.0, 3.0, 2.0, 3.0]


def test_202_poll_302_redirects_of_the_monitor_are_bounded():
    script = [(302, {"Location": f"/{n}"}) for n in range(6)]
    story = play(accepted(), *script)
    assert (story.response.status_code, len(story.sent)) == (302, 7)
    story = play(accepted(), (302, {"Location": "ftp://x/"}))
    assert story.response.status_code == 302
    assert "is not http or https" in story.trace.reason
    assert play(accepted(), 302).response.status_code == 302


def test_202_poll_418_what_its_row_refuses_is_raised():
    story = play(accepted(), sp_error := httpx.RemoteProtocolError("x"), 200)
    assert story.response.status_code == 200
    refuse = {418: lambda exchange: sp.Refuse(sp_error)}
    assert play(accepted(), 418, rows=refuse).error is sp_error


def test_202_poll_418_its_row_may_be_a_coroutine_function():
    async def again(exchange):
        return sp.Again(exchange.request, after=5)

    assert play(accepted(), 418, 200, rows={418: again}).waits == [1.0, 5.0]


def test_202_poll_401_a_look_may_be_challenged_and_the_next_has_the_credentials():
    values = iter(["Bearer 1", "Bearer 2"])
    rows = {401: sp.authenticate(lambda challenge: next(values))}
    challenge = (401, {"WWW-Authenticate": "Bearer"})
    story = play(accepted(), challenge, 202, challenge, 202, 200, rows=rows)
    sent = [r.headers.get("authorization") for r in story.sent]
    assert sent == [None, None, "Bearer 1", "Bearer 1", "Bearer 2", "Bearer 2"]
    assert story.response.status_code == 200


def test_202_poll_418_a_row_that_counts_is_told_how_often_it_came_in_a_row():
    seen = []

    def once(exchange):
        return sp.Inspect(lambda read: seen.append(read.times(418)) or sp.Again(read.request))

    play(accepted(), 418, 418, 202, 418, 200, rows={418: once})
    assert seen == [0, 1, 0]


def test_202_poll_401_a_look_whose_credentials_are_refused_ends_it():
    rows = {401: sp.authenticate(lambda challenge: "Bearer 1")}
    challenge = (401, {"WWW-Authenticate": "Bearer"})
    story = play(accepted(), challenge, challenge, rows=rows)
    assert story.response.status_code == 401
    assert story.trace.reason == "the credentials were refused"


class Fetching(httpx.Auth):
    requires_response_body = True

    def auth_flow(self, request):
        answer = yield httpx.Request("POST", f"{HOME}/token")
        request.headers["Authorization"] = f"Bearer {answer.text}"
        yield request


def test_202_poll_401_a_token_for_a_look_is_fetched_on_the_side_too():
    rows = {401: sp.authenticate(Fetching())}
    challenge = (401, {"WWW-Authenticate": "Bearer"})
    token = httpx.Response(200, text="t")
    story = play(accepted(), challenge, token, 202, 200, rows=rows)
    assert [u for _, u in urls(story)] == ["/jobs", "/monitor", "/token", "/monitor", "/monitor"]
    assert story.sent[4].headers["authorization"] == "Bearer t"
    story = play(
        accepted(),
        httpx.Response(401, headers=challenge[1], text="no"),
        httpx.ReadError("gone"),
        rows=rows,
    )
    assert (story.response.status_code, story.response.text) == (401, "no")
    assert str(story.response.url) == f"{HOME}/monitor"


def test_202_poll_401_a_challenge_that_is_too_long_to_keep_is_handed_over():
    long = httpx.Response(401, headers={"WWW-Authenticate": "Bearer"}, content=iter([b"x"]))
    long.stream = type("Long", (httpx.SyncByteStream,), {"__iter__": lambda s: iter([b"xx"])})()
    story = play(accepted(), long, rows={401: sp.authenticate(Fetching())})
    assert story.response.status_code == 401


# ── docs/rules.md#credentials-stay-with-their-origin ───────────────────────────────────


def test_202_poll_credentials_stay_at_home_and_do_not_come_back():
    story = play(
        accepted("Operation-Location", "https://other.example/op"),
        says("Succeeded", resourceLocation=f"{HOME}/made"),
        200,
        request=post(headers=SECRETS),
    )
    assert not {"authorization", "x-api-key", "cookie"} & set(story.sent[1].headers)
    assert "authorization" not in story.sent[2].headers
    assert "x-api-key" not in story.sent[2].headers


def test_202_poll_the_caller_s_own_url_is_asked_as_the_caller_asked():
    story = play(
        accepted("Operation-Location", "https://other.example/op"),
        says("Succeeded"),
        200,
        request=post("PUT", headers=SECRETS),
    )
    assert str(story.sent[2].url) == URL
    assert story.sent[2].headers["authorization"] == "Bearer mine"


def test_202_poll_302_a_redirect_abroad_leaves_them_behind_for_that_look_alone():
    away = (302, {"Location": "https://other.example/x"})
    back = (302, {"Location": f"{HOME}/y"})
    story = play(accepted(), away, back, 202, 200, request=post(headers=SECRETS))
    sent = [r.headers.get("authorization") for r in story.sent]
    assert sent == ["Bearer mine", "Bearer mine", None, None, "Bearer mine"]


def test_202_poll_counts_neither_as_attempts_nor_as_redirects():
    story = play(*[(302, {"Location": f"/{n}"}) for n in range(5)], accepted(), *[202] * 5, 200,
                 request=httpx.Request("GET", URL))  # fmt: skip
    assert story.response.status_code == 200


def test_in_a_row_for_failures_there_is_nothing_to_poll():
    story = play(httpx.ReadError("gone"), rows={httpx.ReadError: poll()})
    assert isinstance(story.error, httpx.ReadError)


# ── what can be said wrong ─────────────────────────────────────────────────────────────


@each(
    ("options", "error", "says"),
    [
        ({"monitor": 5}, TypeError, "the name of a header field"),
        ({"result": ""}, TypeError, "the name of a header field"),
        ({"done": 5}, TypeError, "write a callable"),
        ({"progress": "x"}, TypeError, "write a callable"),
        ({"interval": -1}, ValueError, "a number of seconds, 0 or more"),
        ({"within": "x"}, ValueError, "a number of seconds, 0 or more"),
        ({"times": 0}, ValueError, "1 or more"),
        ({"times": True}, ValueError, "1 or more"),
        ({"every": 1}, TypeError, "poll has no argument 'every'"),
    ],
)
def test_an_argument_that_is_not_valid_raises_at_once(options, error, says):
    with pytest.raises(error, match=says):
        poll(**options)


def test_202_poll_is_named_in_its_row():
    assert "poll(within=60)" in str((sp.STANDARD | {202: poll(within=60)}).row(202))
