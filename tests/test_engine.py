"""The engine and its guard, stepped by `replay`: a script in, a story out."""

import logging
from urllib.parse import quote

import pytest
import tenacity

from statuspolicy.engine.effects import Discard, Send
from statuspolicy.message import body
from statuspolicy.testing import FakeClock, replay
from tests.each import each
from tests.library import httpx, sp

HOME = "https://home.example/a"
GET = httpx.Request("GET", HOME)


def to(location: str, status: int = 302, **headers: str) -> tuple[int, dict[str, str]]:
    return status, {"location": location, **{k.replace("_", "-"): v for k, v in headers.items()}}


def get(url: str = HOME, **options) -> httpx.Request:
    return httpx.Request("GET", url, **options)


def post(**options) -> httpx.Request:
    return httpx.Request("POST", HOME, content=b"body", **options)


# ── hops ───────────────────────────────────────────────────────────────────────────────


def test_what_is_handed_over_after_a_hop_is_true():
    """url and request are the final hop's, history holds what was passed."""
    story = replay(GET, [to("/b"), to("/c"), 200])
    response = story.response
    assert str(response.url) == "https://home.example/c"
    assert [str(r.url) for r in response.history] == [HOME, "https://home.example/b"]
    assert [len(r.history) for r in response.history] == [0, 1]
    assert [str(r.url) for r in story.sent] == [HOME, "https://home.example/b", str(response.url)]


def test_307_location_the_trace_says_where_a_redirect_leads_and_no_secret():
    story = replay(GET, [to("//user:secret@home.example/b", 307), 200])
    assert story.trace[0].reason == "to https://home.example/b"
    assert "secret" not in str(story.trace)


def test_a_response_with_nothing_to_do_is_the_transports_own():
    response = httpx.Response(200)
    assert replay(GET, [response]).response is response


def test_five_redirects_pass_and_the_sixth_is_refused():
    hops = [to(f"/{n}") for n in range(6)]
    assert replay(GET, [*hops[:5], 200]).response.status_code == 200
    story = replay(GET, [*hops, 200])
    assert isinstance(story.error, sp.RedirectCapExceeded)
    assert isinstance(story.error, httpx.TooManyRedirects)
    assert len(story.sent) == 6
    for url in (HOME, "https://home.example/5", "Limits.redirects"):
        assert url in str(story.error)


@each(
    ("script", "sent"),
    [
        ([to("/a")], 1),
        ([to("/b"), to("/a")], 2),
        ([to("/b"), to("/c"), to("/a")], 3),
        ([to("/a#else")], 1),
        ([to("https://user:secret@home.example/a")], 1),
    ],
)
def test_a_cycle_is_refused_before_it_is_requested_again(script, sent):
    story = replay(GET, [*script, 200])
    assert isinstance(story.error, sp.RedirectLoop)
    assert isinstance(story.error, httpx.TooManyRedirects)
    assert len(story.sent) == sent
    assert HOME in str(story.error)
    assert story.left_open == 0
    assert sp.trace(story.error)[-1].verdict == "refuse"


def test_302_the_refused_redirect_stays_readable_on_the_error():
    story = replay(GET, [httpx.Response(302, headers={"location": "/a"}, content=b"why")])
    assert story.error.response.text == "why"
    assert story.error.request.url == GET.url


def test_303_a_post_that_is_sent_elsewhere_as_get_to_the_same_url_is_no_cycle():
    story = replay(post(), [to("/a", 303), 200])
    assert [(r.method, b) for r, b in zip(story.sent, story.bodies, strict=True)] == [
        ("POST", b"body"),
        ("GET", b""),
    ]


def test_a_cookie_wall_is_no_cycle():
    """The same URL with another Cookie is another request."""
    story = replay(GET, [to("/a", set_cookie="seen=1"), 200])
    assert story.response.status_code == 200
    assert story.sent[1].headers["cookie"] == "seen=1"


def test_303_to_itself_after_retry_after_is_polling_and_counts_towards_the_cap():
    polls = [to("/a", 303, retry_after="2")] * 5
    story = replay(GET, [*polls, 200])
    assert (story.response.status_code, story.waits) == (200, [2.0] * 5)
    assert isinstance(replay(GET, [*polls, *polls]).error, sp.RedirectCapExceeded)


@pytest.mark.parametrize("written", [str, lambda url: quote(str(url), safe="")])
def test_302_a_black_hole_is_refused_at_its_third_nested_uri(written):
    def nest(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": f"/login?next={written(request.url)}"})

    story = replay(GET, [nest] * 4)
    assert isinstance(story.error, sp.RedirectBlackHole)
    assert len(story.sent) == 3


def test_302_two_nested_uris_are_a_sign_in_not_a_black_hole():
    def nest(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": f"/login?next={request.url}"})

    assert replay(GET, [nest, nest, 200]).response.status_code == 200
    assert replay(GET, [nest, nest, to("/home"), nest, nest, 200]).response.status_code == 200


@each(
    ("location", "reason"),
    [
        ("mailto:a@b.example", "not http or https"),
        ("https://[::1", "can't be parsed"),
        ("http://home.example/a", "from https to http"),
        ("/" + "x" * 9000, "Limits.uri_length"),
        ("https://" + "x" * 64 + ".example/", "not http or https with a host"),
        ("https://a..example/", "not http or https with a host"),
        ("https://%20/", "not http or https with a host"),
        ("https://home.example:70000/", "not http or https with a host"),
    ],
)
def test_a_location_that_cannot_be_followed_is_declined_with_the_reason(location, reason):
    story = replay(GET, [to(location)])
    assert story.response.status_code == 302
    assert reason in story.trace.reason
    assert not story.response.has_redirect_location


def test_302_location_a_redirect_without_location_is_declined():
    story = replay(GET, [302])
    assert (story.response.status_code, story.trace.reason) == (302, "the response has no Location")


def test_the_fragment_is_inherited():
    story = replay(get(HOME + "#part"), [to("/b"), 200])
    assert str(story.response.url) == "https://home.example/b#part"


# ── confirmation ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [307, 308])
def test_307_308_an_unsafe_method_is_kept_and_confirmed_where_somebody_can_be_asked(status):
    asked = []

    def confirm(request, next_request, response):
        asked.append((request.method, next_request.url.path, response.status_code))
        return True

    story = replay(post(), [to("/b", status), 200], confirm=confirm)
    assert asked == [("POST", "/b", status)]
    assert story.bodies == [b"body", b"body"]


def test_307_without_anybody_to_ask_standard_follows_and_strict_declines():
    script = [to("/b", 307), 200]
    assert replay(post(), script).response.status_code == 200
    story = replay(post(), script, table=sp.STRICT)
    assert story.response.status_code == 307
    assert "confirm" in story.trace.reason


async def _no(request, next_request, response):
    return False


@pytest.mark.parametrize("confirm", [lambda *_: False, _no], ids=["plain", "awaited"])
def test_307_what_is_not_confirmed_is_handed_over(confirm):
    story = replay(post(), [to("/b", 307)], confirm=confirm)
    assert (story.response.status_code, len(story.sent)) == (307, 1)
    assert story.trace.reason == "the application did not confirm the redirect"


@each(
    ("takes", "headers", "sent"),
    [(149, {}, 2), (151, {}, 1), (100, {"retry_after": "60"}, 1), (80, {"retry_after": "60"}, 2)],
)
def test_307_the_time_that_somebody_takes_to_confirm_counts_towards_the_deadline(
    takes, headers, sent
):
    clock = FakeClock()

    def confirm(*_):
        clock.now += takes
        return True

    script = [to("/b", 307, **headers), 200]
    story = replay(post(), script, confirm=confirm, clock=clock)
    assert len(story.sent) == sent
    if sent == 1:
        assert story.response.status_code == 307
        assert story.waits == []
        assert "Limits.deadline=150" in story.trace.reason
        assert f"{takes} s have passed" in story.trace.reason
        assert "a wait of 0 s" not in story.trace.reason


def test_301_strict_sends_what_is_confirmed_with_its_method():
    story = replay(post(), [to("/b", 301), 200], table=sp.STRICT, confirm=lambda *_: True)
    assert [r.method for r in story.sent] == ["POST", "POST"]


# ── credentials ────────────────────────────────────────────────────────────────────────

SECRETS = {
    "authorization": "Bearer x",
    "cookie": "mine=1",
    "proxy-authorization": "Basic x",
    "x-api-key": "x",
    "x-amz-security-token": "x",
}


def secrets(request: httpx.Request) -> set[str]:
    return SECRETS.keys() & request.headers.keys()


def test_credentials_stay_with_the_first_origin_and_never_come_back():
    script = [to("https://other.example/"), to(HOME + "2"), 200]
    story = replay(get(headers={**SECRETS, "accept": "x"}), script)
    assert [secrets(r) for r in story.sent] == [set(SECRETS), set(), set()]
    assert [r.headers["accept"] for r in story.sent] == ["x"] * 3
    assert [r.headers["host"] for r in story.sent] == [
        "home.example",
        "other.example",
        "home.example",
    ]


@pytest.mark.parametrize("names", [("x-mine",), ()])
def test_authorization_proxy_authorization_cookie_stay_home_whatever_is_called_sensitive(
    names,
):
    limits = sp.Limits(sensitive_headers=names)
    story = replay(get(headers=SECRETS), [to("https://other.example/"), 200], limits=limits)
    kept = secrets(story.sent[1])
    assert not kept & {"authorization", "proxy-authorization", "cookie"}
    assert "x-api-key" in kept  # it was taken off the list


@each("name", ["apikey", "X-ApiKey", "X-Authorization", "X-Password", "X-Jwt", "X-Signature"])
def test_a_credential_by_any_usual_name_stays_home(name):
    script = [to("https://other.example/"), to(HOME + "2"), 200]
    story = replay(get(headers={name: "s3cret"}), script)
    assert [name in r.headers for r in story.sent] == [True, False, False]


def test_credentials_go_along_within_the_origin():
    story = replay(get(headers=SECRETS), [to("/b"), 200])
    assert secrets(story.sent[1]) == set(SECRETS)


def test_http_to_https_on_default_ports_is_no_other_origin():
    script = [to("https://home.example/a"), 200]
    story = replay(get("http://home.example/a", headers=SECRETS), script)
    assert secrets(story.sent[1]) == set(SECRETS)


def test_a_duty_cannot_carry_a_secret_to_another_host():
    """It says `Again`, but the URL says hop: the guard strips it."""

    def evil(exchange):
        return sp.Again(httpx.Request("GET", "https://evil.example/", headers=SECRETS))

    story = replay(get(headers=SECRETS), [500, 200], table=sp.STANDARD | {500: evil})
    assert secrets(story.sent[1]) == set()
    assert story.sent[1].headers["host"] == "evil.example"


def test_a_duty_cannot_bring_a_secret_back_once_the_exchange_was_abroad():
    def evil(exchange):
        return sp.Again(httpx.Request("GET", exchange.request.url, headers=SECRETS))

    script = [to("https://other.example/"), 500, 200]
    story = replay(get(headers=SECRETS), script, table=sp.STANDARD | {500: evil})
    assert [secrets(r) for r in story.sent] == [set(SECRETS), set(), set()]


def test_302_cross_origin_stop_hands_the_redirect_over():
    story = replay(GET, [to("https://other.example/")], limits=sp.Limits(cross_origin="stop"))
    assert (story.response.status_code, len(story.sent)) == (302, 1)
    assert "another origin" in story.trace.reason


def test_cross_origin_keep_keeps_everything():
    script = [to("https://other.example/"), 200]
    story = replay(get(headers=SECRETS), script, limits=sp.Limits(cross_origin="keep"))
    assert secrets(story.sent[1]) == set(SECRETS)


# ── cookies ────────────────────────────────────────────────────────────────────────────


def test_cookies_of_a_hop_are_sent_on_the_next_and_filed_under_their_host():
    jar = httpx.Cookies()
    script = [
        to("https://other.example/", set_cookie="home=1"),
        to("/x", set_cookie="other=1"),
        200,
    ]
    story = replay(GET, script, cookies=jar)
    assert [r.headers.get("cookie") for r in story.sent] == [None, None, "other=1"]
    assert {(c.name, c.domain) for c in jar.jar} == {
        ("home", "home.example"),
        ("other", "other.example"),
    }


def test_the_callers_own_cookie_goes_along_at_home_joined_with_the_jars():
    jar = httpx.Cookies()
    request = get(headers={"cookie": "mine=1"})
    story = replay(request, [to("/b", set_cookie="set=2"), 200], cookies=jar)
    assert story.sent[1].headers["cookie"] == "set=2; mine=1"


def test_a_cookie_set_by_a_repeated_response_is_sent_with_the_repeat():
    request = get(headers={"cookie": "mine=1"})
    script = [(503, {"retry-after": "0", "set-cookie": "node=7"}), 200]
    story = replay(request, script)
    assert story.sent[1].headers["cookie"] == "node=7; mine=1"
    assert request.headers["cookie"] == "mine=1"


@pytest.mark.parametrize("abroad", [False, True])
def test_a_cookie_that_a_duty_writes_goes_along_with_the_one_that_was_set(abroad):
    def consent(exchange):
        headers = {**exchange.request.headers, "cookie": "mine=1; consent=yes"}
        return sp.Again(httpx.Request("GET", exchange.request.url, headers=headers))

    table = sp.STANDARD | {500: consent}
    there = [to("https://other.example/")] if abroad else []
    script = [*there, (500, {"set-cookie": "sid=1"}), 200]
    story = replay(get(headers={"cookie": "mine=1"}), script, table=table)
    wanted = {"sid=1", "consent=yes", "mine=1"}
    if abroad:  # what a duty writes there is no cookie of home's
        wanted -= {"consent=yes", "mine=1"}
    assert set(story.sent[-1].headers["cookie"].split("; ")) == wanted


# ── repeats ────────────────────────────────────────────────────────────────────────────


def test_503_retry_after_a_wait_that_the_server_names_is_kept_to():
    story = replay(GET, [(503, {"retry-after": "7"}), 200])
    assert (story.waits, story.response.status_code) == ([7.0], 200)
    assert story.response.history == []
    assert [s.verdict for s in story.trace] == ["repeat", "settle"]


@each(
    ("retry_after", "waits"),
    [
        ("0", []),
        ("120", [120.0]),
        ("121", None),
        ("9" * 1000, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Sun, 09 Sep 2001 01:46:50 GMT", [10.0]),
        ("Sunday, 09-Sep-01 01:46:50 GMT", [10.0]),
        ("Sun Sep  9 01:46:50 2001", [10.0]),
        ("Sun, 09 Sep 2001 01:46:30 GMT", []),
    ],
)
def test_retry_after_is_waited_for_whole_or_not_at_all(retry_after, waits):
    """`waits` None: handed over at once. Never slept in part, never answered early."""
    story = replay(GET, [(503, {"retry-after": retry_after}), 200])
    if waits is None:
        assert (story.response.status_code, story.waits, len(story.sent)) == (503, [], 1)
        assert "Limits.retry_after" in story.trace.reason
    else:
        assert (story.response.status_code, story.waits) == (200, waits)


@each("retry_after", [b"1e309", b"-5", b"+5", b"soon", b"1.5", b"\xd9\xa3", b""])
def test_503_retry_after_what_is_no_instruction_is_no_wait_the_server_asked_for(retry_after):
    """It is backed off from, as if nothing had been said."""
    table = sp.STANDARD | {503: sp.retry(wait=0.25)}
    busy = httpx.Response(503, headers=[(b"retry-after", retry_after)])
    story = replay(GET, [busy, 200], table=table)
    assert (story.response.status_code, story.waits) == (200, [0.25])


def test_a_date_is_read_against_the_servers_own_clock():
    """The server's clock is an hour ahead, and the wait is still ten seconds."""
    fields = {
        "date": "Sun, 09 Sep 2001 02:46:40 GMT",
        "retry-after": "Sun, 09 Sep 2001 02:46:50 GMT",
    }
    assert replay(GET, [(429, fields), 200]).waits == [10.0]


def test_502_503_a_method_that_is_not_idempotent_is_not_repeated_unless_it_was_refused():
    story = replay(post(), [503])
    assert (story.response.status_code, len(story.sent)) == (503, 1)
    assert "not idempotent" in story.trace.reason
    assert len(replay(post(), [(503, {"retry-after": "1"}), 200]).sent) == 2
    assert len(replay(post(headers={"idempotency-key": "k"}), [502, 200]).sent) == 2
    for none in ("", " "):
        assert len(replay(post(headers={"idempotency-key": none}), [502]).sent) == 1


def test_a_duty_cannot_repeat_what_may_have_been_acted_on():
    table = sp.STANDARD | {500: lambda exchange: sp.Again(exchange.request)}
    story = replay(post(), [500], table=table)
    assert "not idempotent" in story.trace.reason


def test_nor_send_it_elsewhere_after_a_failure_that_leaves_it_open():
    def elsewhere(method, content=b"pay", **said):
        request = httpx.Request(method, "http://b.example/", content=content)
        return lambda exchange: sp.Again(request, **said)

    def sent(duty, error):
        request = httpx.Request("POST", "http://a.example/", content=b"pay")
        return replay(request, [error, 200], table=sp.STANDARD | {type(error): duty}).sent

    late, refused = httpx.ReadTimeout("late"), httpx.ConnectError("refused")
    follow = lambda exchange: sp.Follow("http://b.example/")  # noqa: E731
    for duty in (elsewhere("POST"), follow):
        assert (len(sent(duty, late)), len(sent(duty, refused))) == (1, 2)
    for duty in (elsewhere("POST", unacted=True), elsewhere("POST", b"undo"), elsewhere("GET")):
        assert len(sent(duty, late)) == 2


def test_503_attempts_are_bounded_by_the_limits_unless_the_row_names_its_own():
    script = [(503, {"retry-after": "1"})] * 9
    assert len(replay(GET, script).sent) == 4
    assert len(replay(GET, script, limits=sp.Limits(attempts=2)).sent) == 2
    assert len(replay(GET, script, table=sp.STANDARD | {503: sp.retry(attempts=6)}).sent) == 6
    story = replay(GET, script)
    assert story.response.status_code == 503
    assert "4 attempts" in story.trace.reason


def test_503_a_hop_is_a_new_request_with_attempts_of_its_own():
    busy = (503, {"retry-after": "1"})
    story = replay(GET, [busy, busy, busy, to("/b"), busy, busy, busy, 200])
    assert story.response.status_code == 200
    assert len(story.sent) == 8


def test_503_no_wait_ends_and_no_send_starts_after_the_deadline():
    script = [(503, {"retry-after": "60"})] * 3
    story = replay(GET, [*script, 200])
    assert story.waits == [60.0, 60.0]
    assert "Limits.deadline" in story.trace.reason
    assert replay(GET, script, limits=sp.Limits(deadline=59)).waits == []


def test_500_past_the_deadline_the_reason_of_a_repeat_at_once_speaks_of_no_wait():
    clock = FakeClock()

    def slow(exchange):
        clock.now += 200
        return sp.Again(exchange.request)

    story = replay(GET, [500], table=sp.STANDARD | {500: slow}, clock=clock)
    assert len(story.sent) == 1
    assert "200 s have passed since the first answer" in story.trace.reason
    assert "the next send would begin after Limits.deadline=150" in story.trace.reason
    assert "wait" not in story.trace.reason


def _wrapped(exchange):
    return sp.retry(attempts=6)(exchange)._replace(why="wrapped")


@pytest.mark.parametrize("duty", [_wrapped, lambda e: sp.Again(e.request, attempts=6)])
def test_503_a_row_s_own_attempts_travel_in_its_verdict(duty):
    """However its duty is wrapped."""
    script = [(503, {"retry-after": "1"})] * 9
    assert len(replay(GET, script, table=sp.STANDARD | {503: duty}).sent) == 6


def test_an_attribute_of_a_duty_that_is_called_attempts_means_nothing():
    class Duty:
        attempts = 99

        def __call__(self, exchange):
            return sp.Again(exchange.request, after=1)

    story = replay(GET, [503] * 9, table=sp.STANDARD | {503: Duty()})
    assert len(story.sent) == 4
    assert "4 attempts" in story.trace.reason


def test_502_the_retry_budget_stops_repeats_that_nobody_asked_for():
    memory = sp.Memory()
    options = {
        "memory": memory,
        "clock": FakeClock(),
        "table": sp.STANDARD | {502: sp.retry(wait=0)},
    }
    limits = sp.Limits(retry_budget=sp.RetryBudget(tokens=2, per_second=0))
    first = replay(GET, [502, 502, 500], limits=limits, **options)
    assert first.response.status_code == 500
    second = replay(GET, [502], limits=limits, **options)
    assert "retry budget of https://home.example" in second.trace.reason
    other = replay(get("https://other.example/"), [502, 200], limits=limits, **options)
    assert other.response.status_code == 200


def test_502_the_retry_budget_is_refilled_by_time():
    clock, memory = FakeClock(), sp.Memory()
    limits = sp.Limits(retry_budget=sp.RetryBudget(tokens=1, per_second=0.1))
    options = {"memory": memory, "clock": clock, "table": sp.STANDARD | {502: sp.retry(wait=0)}}
    assert len(replay(GET, [502, 502], limits=limits, **options).sent) == 2
    assert len(replay(GET, [502], limits=limits, **options).sent) == 1
    clock.now += 10
    assert len(replay(GET, [502, 200], limits=limits, **options).sent) == 2


@pytest.mark.parametrize(
    ("script", "request_"),
    [
        ([(503, {"retry-after": "1"}), 200], get()),
        ([417, 200], get(headers={"expect": "100-continue"})),
    ],
    ids=["the server named the time", "the request was amended"],
)
def test_417_503_what_does_not_multiply_an_outage_takes_no_token(script, request_):
    memory = sp.Memory()
    story = replay(request_, script, memory=memory)
    assert not memory._buckets
    assert story.response.status_code == 200


NO_TOKENS = sp.Limits(retry_budget=sp.RetryBudget(tokens=0, per_second=0))


@each(
    "rebuilt",
    [
        lambda e: httpx.Request(e.request.method, e.request.url),
        lambda e: httpx.Request(e.request.method, e.request.url, headers={"x-attempt": "2"}),
        lambda e: body.copy(e.request),
        lambda e: e.request,
    ],
)
def test_the_retry_budget_is_not_escaped_by_a_request_that_is_made_anew(rebuilt):
    table = sp.STANDARD | {502: lambda exchange: sp.Again(rebuilt(exchange))}
    story = replay(GET, [502], table=table, limits=NO_TOKENS)
    assert (story.response.status_code, len(story.sent)) == (502, 1)
    assert "retry budget of https://home.example is spent" in story.trace.reason
    assert len(replay(GET, [502, 200], table=table).sent) == 2


@each(
    ("code", "request_"),
    [
        (304, get()),
        (411, httpx.Request("POST", HOME, content=iter([b"x"]))),
        (417, get(headers={"expect": "100-continue"})),
        (401, get()),
        (407, get()),
        (449, get()),
    ],
)
def test_304_401_407_411_417_449_what_asks_for_another_request_takes_no_token(code, request_):
    again = {
        key: lambda exchange: sp.Again(body.copy(exchange.request), unacted=True)
        for key in (401, 407, 449)
    }
    memory, table = sp.Memory(), sp.STANDARD | again
    story = replay(request_, [code, 200], table=table, limits=NO_TOKENS, memory=memory)
    assert story.response.status_code == 200
    assert not memory._buckets


def test_503_retry_after_a_repeat_before_the_time_that_the_server_named_takes_a_token():
    early = sp.STANDARD | {503: lambda exchange: sp.Again(exchange.request, after=1)}
    story = replay(GET, [(503, {"retry-after": "9"})], table=early, limits=NO_TOKENS)
    assert (len(story.sent), story.waits) == (1, [])
    assert "retry budget" in story.trace.reason


def test_502_without_a_budget_nothing_is_spent():
    memory = sp.Memory()
    story = replay(GET, [502, 200], limits=sp.Limits(retry_budget=None), memory=memory)
    assert len(story.sent) == 2
    assert not memory._buckets


def test_tenacity_waits_are_taken_as_they_are():
    wait = tenacity.wait_fixed(1) + tenacity.wait_incrementing(start=0, increment=2)
    story = replay(GET, [502, 502, 502, 200], table=sp.STANDARD | {502: sp.retry(wait=wait)})
    assert story.waits == [1.0, 3.0, 5.0]


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ConnectTimeout("no")])
def test_a_connection_that_never_stood_is_tried_again_for_any_method(error):
    assert len(replay(post(), [error, 200]).sent) == 2


@pytest.mark.parametrize(
    "error", [httpx.ReadError("no"), httpx.ReadTimeout("no"), httpx.RemoteProtocolError("no")]
)
def test_a_broken_connection_is_tried_again_for_idempotent_methods(error):
    assert len(replay(GET, [error, 200]).sent) == 2
    story = replay(post(), [error])
    assert story.error is error
    assert "not idempotent" in story.trace.reason


def test_a_failure_that_stays_is_raised_with_the_trace_in_its_notes():
    error = httpx.ReadTimeout("too slow")
    story = replay(GET, [error] * 4)
    assert story.error is error
    assert len(story.trace) == 4
    assert "statuspolicy sent 4 requests:" in error.__notes__[0]
    replay(GET, [error] * 4)
    assert len(error.__notes__) == 1


def test_an_exception_without_a_row_is_raised_at_once():
    story = replay(GET, [httpx.PoolTimeout("full")])
    assert (len(story.sent), type(story.error)) == (1, httpx.PoolTimeout)


def test_unparsable_is_tried_once_more_then_named():
    class H11Error(Exception):
        __module__ = "h11._util"

    def garbage() -> httpx.RemoteProtocolError:
        error = httpx.RemoteProtocolError("illegal status line")
        error.__cause__ = H11Error("illegal status line")
        return error

    story = replay(GET, [garbage(), garbage()])
    assert isinstance(story.error, sp.UnparsableResponse)
    assert isinstance(story.error, httpx.RemoteProtocolError)
    assert "illegal status line" in str(story.error)
    assert len(replay(GET, [garbage()], table=sp.STRICT).sent) == 1
    assert len(replay(post(), [garbage()]).sent) == 1


# ── bodies ─────────────────────────────────────────────────────────────────────────────


def test_307_503_a_generator_that_was_kept_whole_is_replayed_byte_for_byte():
    def chunks():
        yield b"one"
        yield b"two"

    request = httpx.Request("POST", HOME, content=chunks())
    story = replay(request, [(503, {"retry-after": "1"}), to("/b", 307), 200])
    assert story.bodies == [b"onetwo"] * 3


@pytest.mark.parametrize("answer", [(503, {"retry-after": "1"}), to("/b", 307)])
def test_307_503_a_body_above_replay_bytes_is_never_sent_again(answer):
    request = httpx.Request("POST", HOME, content=iter([b"x" * 600, b"x" * 600]))
    story = replay(request, [answer], limits=sp.Limits(replay_bytes=1000))
    assert story.response.status_code == answer[0]
    assert len(story.sent) == 1
    assert "Limits.replay_bytes" in story.trace.reason


def test_411_resubmits_with_the_length_of_what_was_recorded():
    request = httpx.Request("POST", HOME, content=iter([b"12", b"345"]))
    story = replay(request, [411, 200])
    assert "transfer-encoding" in story.sent[0].headers
    assert story.sent[1].headers["content-length"] == "5"
    assert "transfer-encoding" not in story.sent[1].headers
    assert story.bodies == [b"12345"] * 2
    assert len(replay(request, [411, 411]).sent) == 2


# ── settle, use, refuse ────────────────────────────────────────────────────────────────


def test_302_a_surfaced_redirect_is_not_followed_behind_our_back():
    story = replay(GET, [to("/b")], table=sp.STANDARD | {302: sp.surface})
    assert story.response.status_code == 302
    assert not story.response.has_redirect_location


def test_302_follow_redirects_false_leaves_the_redirect_untouched():
    response = httpx.Response(302, headers={"location": "/b"})
    story = replay(GET, [response], follow=False)
    assert story.response is response
    assert response.has_redirect_location


def test_follow_redirects_false_still_protects_from_a_location_that_cannot_be_parsed():
    """The client builds the next request eagerly, and would raise."""
    story = replay(GET, [to("https://[::1")], follow=False)
    assert not story.response.has_redirect_location


def test_follow_redirects_false_leaves_repeats_and_304_alone():
    assert len(replay(GET, [(503, {"retry-after": "1"}), 200], follow=False).sent) == 2
    assert len(replay(GET, [304, 200], follow=False).sent) == 2


def test_205_reset_tells_the_application_before_the_response_is_handed_over():
    told = []
    table = sp.STANDARD | {
        205: sp.reset(lambda request, response: told.append(response.status_code))
    }
    story = replay(GET, [205], table=table)
    assert told == [205]
    assert story.response.content == b""


def test_205_a_hook_may_be_a_coroutine():
    told = []

    async def on_reset(request, response):
        told.append(request.method)

    replay(GET, [(205, {"content-length": "0"})], table=sp.STANDARD | {205: sp.reset(on_reset)})
    assert told == ["GET"]


def test_a_duty_may_be_a_coroutine():
    async def duty(exchange):
        return sp.Settle("awaited")

    story = replay(GET, [500], table=sp.STANDARD | {500: duty})
    assert story.trace.reason == "awaited"


def test_use_hands_over_another_response_and_closes_this_one():
    other = httpx.Response(200, content=b"from elsewhere")
    story = replay(GET, [500], table=sp.STANDARD | {500: lambda exchange: sp.Use(other)})
    assert story.response.content == b"from elsewhere"
    assert story.left_open == 0
    assert [type(effect) for effect in story.effects] == [Send, Discard]


def test_use_of_the_same_response_leaves_it_open():
    table = sp.STANDARD | {500: lambda exchange: sp.Use(exchange.response)}
    story = replay(GET, [500], table=table)
    assert story.response.status_code == 500
    assert [type(effect) for effect in story.effects] == [Send]


def test_use_stands_in_for_a_failure():
    other = httpx.Response(200)
    table = sp.STANDARD | {httpx.ReadError: lambda exchange: sp.Use(other)}
    assert replay(GET, [httpx.ReadError("no")], table=table).response.status_code == 200


@each("read", [True, False])
@each("status", [204, 205])
def test_204_205_what_has_no_body_is_handed_over_empty_though_a_mock_gave_one(status, read):
    response = httpx.Response(status, content=b"stray" if read else iter([b"stray"]))
    story = replay(GET, [response], table=sp.STANDARD | {205: empty})
    assert story.response.status_code == status
    assert (story.response.content, story.response.read()) == (b"", b"")
    assert "a 204 has no body" in story.trace.reason or status == 205


def empty(exchange):
    return sp.Settle(empty=True)


@each(
    ("verdict", "sentence"),
    [
        (sp.Again(None), "returned Again(request=None): give a Request."),
        (sp.Again(HOME), f"returned Again(request='{HOME}'): give a Request."),
        (sp.Follow(None), "returned Follow(url=None): give a str or a URL."),
        (sp.Refuse("no"), "returned Refuse(error='no'): give an Exception."),
        (sp.Refuse(KeyboardInterrupt()), "returned Refuse(error=KeyboardInterrupt())"),
        (sp.Use(None), "returned Use(response=None): give a Response."),
        (sp.Aside(None, sp.surface), "returned Aside(request=None): give a Request."),
        (None, "returned None: return a Verdict, such as statuspolicy.Settle()"),
        (sp.Settle, "return a Verdict, such as statuspolicy.Settle()"),
    ],
)
def test_a_verdict_about_nothing_is_one_sentence_that_names_its_row(verdict, sentence):
    with pytest.raises(TypeError) as raised:
        replay(GET, [500], table=sp.STANDARD | {500: lambda exchange: verdict})
    assert str(raised.value).startswith("The duty of row 500, <function")
    assert sentence in str(raised.value)


def test_a_verdict_about_nothing_is_named_on_the_side_too():
    table = sp.STANDARD | {401: lambda e: sp.Aside(get(), lambda answer: sp.Use(None))}
    with pytest.raises(TypeError, match=r"returned Use\(response=None\): give a Response"):
        replay(GET, [401, 200], table=table)


def test_a_duty_that_answers_no_verdict_is_named():
    with pytest.raises(TypeError, match=r"row 500.*returned 5.*Settle"):
        replay(GET, [500], table=sp.STANDARD | {500: lambda exchange: 5})


@pytest.mark.parametrize("after", [-1, float("nan")])
def test_a_duty_that_asks_for_an_impossible_wait_is_told(after):
    table = sp.STANDARD | {500: lambda exchange: sp.Again(exchange.request, after=after)}
    with pytest.raises(ValueError, match="a number of seconds, 0 or more"):
        replay(GET, [500], table=table)


def test_per_request_overrides_name_what_is_wrong():
    transport = sp.PolicyTransport(httpx.MockTransport(lambda request: httpx.Response(200)))
    with httpx.Client(transport=transport) as client:
        with pytest.raises(TypeError, match="write a table"):
            client.get(HOME, extensions={"statuspolicy": {503: 1}})


# ── on the side ────────────────────────────────────────────────────────────────────────


def token_duty(exchange):
    def then(answer):
        if answer.status != 200:
            return sp.Settle("no token was to be had")
        token = answer.response.text
        request = httpx.Request("GET", HOME, headers={"authorization": f"Bearer {token}"})
        return sp.Again(request, unacted=True, why="with a token")

    return sp.Aside(httpx.Request("POST", "https://home.example/token"), then)


TOKENS = sp.STANDARD | {401: token_duty}


def test_401_an_aside_is_sent_and_decides():
    story = replay(GET, [401, httpx.Response(200, content=b"t"), 200], table=TOKENS)
    assert story.response.status_code == 200
    assert story.sent[2].headers["authorization"] == "Bearer t"
    assert [(s.code, s.verdict) for s in story.trace] == [
        (401, "aside"),
        (200, "repeat"),
        (200, "settle"),
    ]
    assert story.open_at_most == 1


def test_where_an_aside_settles_the_main_response_is_handed_over_readable():
    main = httpx.Response(401, content=b"who are you?")
    story = replay(GET, [main, 500], table=TOKENS)
    assert (story.response.status_code, story.response.text) == (401, "who are you?")
    assert story.trace.reason == "no token was to be had"
    assert story.left_open == 0


def test_a_failed_aside_is_an_exchange_of_its_own():
    story = replay(GET, [401, httpx.ConnectError("no")], table=TOKENS)
    assert story.response.status_code == 401


def test_an_aside_may_hand_over_its_own_answer_unread():
    answer = httpx.Response(200, content=b"done")

    def poll(exchange):
        request = httpx.Request("GET", "https://home.example/result")
        return sp.Aside(request, lambda e: sp.Use(e.response), after=3, read=False)

    story = replay(GET, [202, answer], table=sp.STANDARD | {202: poll})
    assert (story.response.text, story.waits) == ("done", [3])


def test_an_aside_that_is_not_used_is_closed():
    def look(exchange):
        request = httpx.Request("GET", "https://home.example/look")
        return sp.Aside(request, lambda e: sp.Settle("seen"), read=False)

    story = replay(GET, [202, 200], table=sp.STANDARD | {202: look})
    assert (story.response.status_code, story.left_open) == (202, 0)


def poll_for_ever(**options):
    def poll(exchange):
        request = httpx.Request("GET", "https://home.example/monitor")
        return sp.Aside(request, poll, **options)

    return sp.STANDARD | {202: poll}


def test_asides_are_bounded_in_number_and_in_time():
    story = replay(GET, [202] * 9, table=poll_for_ever(times=3))
    assert len(story.sent) == 4
    assert "3 side requests" in story.trace.reason
    story = replay(GET, [202] * 9, table=poll_for_ever(after=10, within=25))
    assert story.waits == [10, 10]
    assert "within 25 s" in story.trace.reason


@pytest.mark.parametrize(
    ("verdict", "code"), [(lambda request: sp.Again(request, after=100), 202), (None, 202)]
)
def test_the_time_of_an_aside_counts_towards_the_deadline(verdict, code):
    verdict = verdict or (lambda request: sp.Follow("/b", "GET", after=100))

    def monitor(exchange):
        request = get("https://home.example/monitor")
        return sp.Aside(request, lambda answer: verdict(exchange.request), after=100)

    table = sp.STANDARD | {202: monitor}
    story = replay(GET, [202, 200], table=table)
    assert (story.response.status_code, story.waits, len(story.sent)) == (code, [100], 2)
    assert "100 s have passed" in story.trace.reason
    assert "a wait of 100 s would end after Limits.deadline=150" in story.trace.reason
    longer = replay(GET, [202, 200, 200], table=table, limits=sp.Limits(deadline=200))
    assert (longer.response.status_code, longer.waits) == (200, [100, 100])


def test_the_time_that_a_duty_takes_counts_towards_what_asides_may_take():
    clock = FakeClock()

    def slow(exchange):
        clock.now += 400
        return sp.Aside(get("https://home.example/monitor"), slow)

    story = replay(GET, [202, 202, 202], table=sp.STANDARD | {202: slow}, clock=clock)
    assert len(story.sent) == 2
    assert "within 600 s" in story.trace.reason


TIMEOUTS = {"connect": 1.0, "read": 2.0, "write": 3.0, "pool": 4.0}


@each(
    "verdict",
    [
        lambda request: sp.Again(request("GET", HOME)),
        lambda request: sp.Again(request("GET", HOME + "2")),
        lambda request: sp.Again(request("GET", "https://other.example/")),
        lambda request: sp.Aside(request("GET", HOME + "2"), sp.surface),
        lambda request: sp.Aside(request("GET", "https://other.example/"), sp.surface),
    ],
)
def test_a_request_that_a_duty_makes_has_the_timeouts_of_the_one_it_follows(verdict):
    def hook(*_):
        """httpcore calls it for each event of a connection."""

    first = get(extensions={"timeout": TIMEOUTS, "trace": hook, "own": 1})
    table = sp.STANDARD | {500: lambda exchange: verdict(httpx.Request)}
    story = replay(first, [500, 200], table=table)
    assert len(story.sent) == 2
    assert story.sent[1].extensions == {"timeout": TIMEOUTS, "trace": hook}

    def hurried(method, url):
        return httpx.Request(method, url, extensions={"timeout": {"read": 9.0}})

    table = sp.STANDARD | {500: lambda exchange: verdict(hurried)}
    story = replay(first, [500, 200], table=table)
    assert story.sent[1].extensions["timeout"] == {"read": 9.0}


def test_a_request_that_a_duty_makes_has_no_body_but_its_own():
    """The factory of the first request's body is not for what goes on the side."""
    first = post(extensions={body.FACTORY: lambda: b"body"})
    table = sp.STANDARD | {401: lambda e: sp.Aside(get("https://home.example/t"), sp.surface)}
    story = replay(first, [401, 200], table=table)
    assert story.bodies == [b"body", b""]
    assert body.FACTORY not in story.sent[1].extensions


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://home.example/", "https to http"), ("ftp://home.example/", "not http")],
)
def test_an_aside_passes_the_guard(url, reason):
    table = sp.STANDARD | {202: lambda e: sp.Aside(httpx.Request("GET", url), sp.surface)}
    story = replay(GET, [202], table=table)
    assert (story.response.status_code, len(story.sent)) == (202, 1)
    assert reason in story.trace.reason


def test_an_aside_leaves_credentials_at_home():
    def monitor(exchange):
        return sp.Aside(httpx.Request("GET", "https://other.example/", headers=SECRETS), sp.surface)

    story = replay(get(headers=SECRETS), [202, 200], table=sp.STANDARD | {202: monitor})
    assert secrets(story.sent[1]) == set()
    keep = sp.Limits(cross_origin="keep")
    story = replay(
        get(headers=SECRETS), [202, 200], table=sp.STANDARD | {202: monitor}, limits=keep
    )
    assert "authorization" in secrets(story.sent[1])


def test_an_aside_whose_body_is_used_up_is_not_sent():
    used = httpx.Request("POST", "https://home.example/token", content=iter([b"x"]))
    used = body.carry(used, 0)
    b"".join(used.stream)
    table = sp.STANDARD | {401: lambda exchange: sp.Aside(used, sp.surface)}
    story = replay(GET, [401], table=table)
    assert len(story.sent) == 1
    assert "can't be sent again" in story.trace.reason


def test_cookies_of_an_aside_count():
    script = [
        401,
        httpx.Response(200, content=b"t", headers={"set-cookie": "sid=1"}),
        to("/b"),
        200,
    ]
    story = replay(GET, script, table=TOKENS)
    assert story.sent[3].headers["cookie"] == "sid=1"


# ── remembered moves ───────────────────────────────────────────────────────────────────


def test_301_a_permanent_move_is_remembered_and_is_a_step_of_the_trace():
    memory = sp.Memory()
    replay(GET, [to("/new", 301), 200], memory=memory)
    story = replay(GET, [200], memory=memory)
    assert [str(r.url) for r in story.sent] == ["https://home.example/new"]
    assert [(s.code, s.verdict) for s in story.trace] == [("remembered", "follow"), (200, "settle")]
    assert story.trace.requests == 1
    assert str(story.response.url) == "https://home.example/new"


def test_308_a_remembered_move_passes_the_guard_like_its_hop():
    memory = sp.Memory()
    replay(GET, [to("https://other.example/", 308), 200], memory=memory)
    assert str(replay(GET, [200], memory=memory).sent[0].url) == "https://other.example/"
    stop = sp.Limits(cross_origin="stop")
    assert str(replay(GET, [200], memory=memory, limits=stop).sent[0].url) == HOME


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_301_a_remembered_move_short_cuts_get_and_head_only(method):
    memory = sp.Memory()
    replay(GET, [to("/new", 301), 200], memory=memory)
    assert len(replay(httpx.Request("HEAD", HOME), [200], memory=memory).trace) == 2
    assert str(replay(httpx.Request(method, HOME), [200], memory=memory).sent[0].url) == HOME


@pytest.mark.parametrize("status", [404, 410])
def test_301_404_410_a_move_that_leads_nowhere_is_forgotten(status):
    memory = sp.Memory()
    replay(GET, [to("/new", 301), 200], memory=memory)
    assert replay(GET, [status, status], memory=memory).response.status_code == status
    assert str(replay(GET, [200], memory=memory).sent[0].url) == HOME


def test_301_moves_that_lead_in_a_circle_are_forgotten():
    memory = sp.Memory()
    memory.remember(HOME, (301, "https://home.example/b"), 60, 1_000_000_000)
    memory.remember("https://home.example/b", (301, HOME), 60, 1_000_000_000)
    story = replay(GET, [200], memory=memory)
    assert str(story.sent[0].url) == "https://home.example/b"
    assert len(memory.moves) == 1


def test_301_a_remembered_move_ends_in_a_loop_and_is_forgotten():
    memory = sp.Memory()
    memory.remember(HOME, (301, "https://home.example/b"), 60, 1_000_000_000)
    story = replay(GET, [to("/a"), to("/a")], memory=memory)
    assert isinstance(story.error, sp.RedirectLoop)
    assert not memory.moves


def test_301_cache_control_a_move_is_remembered_only_as_long_as_it_says():
    clock, memory = FakeClock(), sp.Memory()
    moved = to("/new", 301, cache_control="max-age=60")
    replay(GET, [moved, 200], memory=memory, clock=clock)
    clock.now += 61
    assert str(replay(GET, [200], memory=memory, clock=clock).sent[0].url) == HOME


def test_301_no_remembered_move_is_taken_where_the_call_follows_no_redirects():
    memory = sp.Memory()
    replay(GET, [to("/new", 301), 200], memory=memory)
    assert str(replay(GET, [200], memory=memory, follow=False).sent[0].url) == HOME


@pytest.mark.parametrize("duty", [sp.surface, lambda exchange: sp.Settle("not now")])
def test_301_no_remembered_move_is_taken_where_its_row_would_not_follow_it(duty):
    memory = sp.Memory()
    replay(GET, [to("/new", 301), 200], memory=memory)
    story = replay(GET, [200], memory=memory, table=sp.STANDARD | {301: duty})
    assert str(story.sent[0].url) == HOME
    assert len(story.trace) == 1
    again = replay(GET, [200], memory=memory)  # it is known still
    assert str(again.sent[0].url) == "https://home.example/new"


def test_301_308_a_remembered_move_asks_the_row_of_its_own_code():
    memory = sp.Memory()
    replay(GET, [to("/new", 308), 200], memory=memory)
    table = sp.STANDARD | {301: sp.surface}
    assert str(replay(GET, [200], memory=memory, table=table).sent[0].url).endswith("/new")
    table = sp.STANDARD | {308: sp.surface}
    assert str(replay(GET, [200], memory=memory, table=table).sent[0].url) == HOME


@pytest.mark.parametrize(
    ("code", "citation"), [(301, "RFC 9110 §15.4.2"), (308, "RFC 9110 §15.4.9")]
)
def test_301_308_a_remembered_move_cites_its_own_code(code, citation):
    memory = sp.Memory()
    replay(GET, [to("/new", code), 200], memory=memory)
    step = replay(GET, [200], memory=memory).trace[0]
    assert (step.row, step.citation, step.code) == (str(code), citation, "remembered")
    assert step.reason == f"to https://home.example/new, remembered from a {code}"


@each(
    ("first", "location", "then", "leads_to"),
    [
        ("#first", "/new", "", ""),
        ("#first", "/new", "#mine", "#mine"),
        ("", "/new", "#mine", "#mine"),
        ("#first", "/new#servers", "#mine", "#servers"),
        ("#first", "/new#servers", "", "#servers"),
    ],
)
def test_301_location_a_remembered_move_has_the_fragment_of_its_server_or_of_the_one_who_asks(
    first, location, then, leads_to
):
    memory = sp.Memory()
    replay(get(HOME + first), [to(location, 301), 200], memory=memory)
    story = replay(get(HOME + then), [200], memory=memory)
    assert str(story.response.url) == "https://home.example/new" + leads_to


# ── the log ────────────────────────────────────────────────────────────────────────────


def test_a_wait_or_a_hop_is_logged_at_info_and_settling_at_debug(caplog):
    caplog.set_level(logging.DEBUG, logger="statuspolicy")
    replay(get("https://user:secret@home.example/a"), [to("/b"), (503, {"retry-after": "3"}), 200])
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "DEBUG"]
    assert "repeat after 3 s: the server asks to wait" in caplog.text
    assert "secret" not in caplog.text


def test_a_refusal_is_logged_at_info(caplog):
    caplog.set_level(logging.INFO, logger="statuspolicy")
    replay(GET, [to("/a")])
    assert "refuse: Redirect loop" in caplog.text


def test_no_server_forges_a_line_of_the_log_or_floods_it(caplog):
    caplog.set_level(logging.DEBUG, logger="statuspolicy")
    phrase = b"Busy\r\nCRITICAL forged\x1b[2J\x85" + b"x" * 100_000
    busy = httpx.Response(503, headers={"retry-after": "1"}, extensions={"reason_phrase": phrase})
    error = httpx.ReadError("no\nCRITICAL forged")
    story = replay(GET, [busy, error, 200])
    assert len(caplog.records) == 3
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert len(record.getMessage()) < 1200
    assert r"Busy\r\nCRITICAL forged\x1b[2J" in caplog.records[0].getMessage()
    assert caplog.records[0].getMessage().endswith("[row 503, RFC 9110 §15.6.4]")
    assert len(str(story.trace).splitlines()) == 3


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(405, headers=[(b"allow", "GET\u2028CRITICAL\u202e".encode())]),
        httpx.Response(302, headers=[(b"location", b"ftp://h/" + b"x" * 50_000)]),
        httpx.Response(404, extensions={"reason_phrase": b"\x00\x7f\t"}),
    ],
)
def test_302_404_405_what_a_server_wrote_prints_as_one_bounded_line(response):
    trace = replay(GET, [response], table=sp.STANDARD | {404: lambda e: sp.Settle("no")}).trace
    assert str(trace).isprintable()
    assert len(str(trace)) < 1200
