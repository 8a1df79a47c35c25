"""`observer`: it gets each event of an exchange, in order and at once, and changes nothing."""

import functools
import logging

import pytest

from statuspolicy.engine.events import Attempt, Decision, Settled, Wait
from statuspolicy.testing import Answer, FakeClock, replay
from tests.each import each
from tests.library import httpx, sp

HOME = "https://home.example/a"
BUSY = (503, {"retry-after": "2"})


def get(url: str = HOME, **options) -> httpx.Request:
    return httpx.Request("GET", url, **options)


def to(location: str, status: int = 302, **headers: str) -> tuple[int, dict[str, str]]:
    return status, {"location": location, **{k.replace("_", "-"): v for k, v in headers.items()}}


def observed(script, request=None, **options):
    """What an observer is told of an exchange, and its story."""
    told = []
    story = replay(request or get(), script, observer=told.append, **options)
    return told, story


def kinds(told) -> str:
    """The events in order, a decision with its verdict."""
    return " ".join(
        event.step.verdict if isinstance(event, Decision) else type(event).__name__
        for event in told
    )


def on_the_side(exchange: sp.Exchange) -> sp.Verdict:
    request = get(str(exchange.request.url.join("/token")))
    return sp.Aside(request, lambda answer: sp.Again(answer.main.request, unacted=True), after=3)


ASIDE = sp.STANDARD | {401: on_the_side}


def cooled() -> sp.Memory:
    """A memory in which home.example asked for 2 s of rest."""
    memory = sp.Memory()
    replay(get(), [BUSY], memory=memory, limits=sp.Limits(attempts=1))
    return memory


def moved() -> sp.Memory:
    """A memory in which /a has moved to /b."""
    memory = sp.Memory()
    replay(get(), [to("/b", 301, cache_control="max-age=60"), 200], memory=memory)
    return memory


# ── what it is told, in order ──────────────────────────────────────────────────────────


ONCE = {"limits": sp.Limits(attempts=1)}
ORDER = {
    "a quiet 200": ([200], {}, "Attempt settle Settled"),
    "a quiet 404": ([404], {}, "Attempt settle Settled"),
    "a repeat": ([BUSY, 200], {}, "Attempt repeat Wait Attempt settle Settled"),
    "a repeat at once": ([408, 200], {}, "Attempt repeat Attempt settle Settled"),
    "a redirect": ([to("/b"), 200], {}, "Attempt follow Attempt settle Settled"),
    "a redirect after a wait": (
        [to("/b", retry_after="2"), 200],
        {},
        "Attempt follow Wait Attempt settle Settled",
    ),
    "a refusal": ([to("/a")], {}, "Attempt refuse Settled"),
    "a refusal after a hop": ([to("/b"), to("/a")], {}, "Attempt follow Attempt refuse Settled"),
    "a decline": ([to("mailto:a@b")], {}, "Attempt settle Settled"),
    "an aside": (
        [401, 200, 200],
        {"table": ASIDE},
        "Attempt aside Wait Attempt repeat Attempt settle Settled",
    ),
    "a failure": ([httpx.ReadTimeout("slow")], ONCE, "Attempt settle Settled"),
    "a failure that is repeated": (
        [httpx.ConnectError("no"), 200],
        {},
        "Attempt repeat Wait Attempt settle Settled",
    ),
    "a failure without a row": (
        [httpx.UnsupportedProtocol("ftp")],
        {},
        "Attempt settle Settled",
    ),
}


@each(("script", "options", "order"), ORDER.values())
def test_each_step_is_told_in_order(script, options, order):
    told, _ = observed(script, **options)
    assert kinds(told) == order


def test_a_wait_for_a_cooling_origin_is_decided_and_told_before_the_first_attempt():
    told, story = observed([200], memory=cooled())
    assert kinds(told) == "wait Wait Attempt settle Settled"
    decision, wait = told[:2]
    assert decision.step.code == "cooling"
    assert decision.step.reason == "https://home.example is cooling down"
    assert [wait.seconds] == story.waits == [decision.step.wait]
    assert (wait.request.url, wait.seconds >= 2) == (HOME, True)


def test_what_is_not_sent_at_all_is_neither_attempted_nor_waited_for_but_settled():
    told, story = observed([], memory=cooled(), limits=sp.Limits(cooling="raise"))
    assert not any(isinstance(event, (Attempt, Wait)) for event in told)
    settled = told[-1]
    assert isinstance(settled, Settled)
    assert isinstance(settled.error, sp.CoolingDown)
    assert settled.error is story.error
    assert (settled.trace, settled.request.url) == (story.trace, HOME)


def test_a_remembered_move_is_a_decision_and_its_request_a_hop():
    told, _ = observed([200], memory=moved())
    assert kinds(told) == "follow Attempt settle Settled"
    assert told[0].step.code == "remembered"
    assert (told[1].request.url.path, told[1].attempt, told[1].hops) == ("/b", 1, 1)


# ── what each of them says ─────────────────────────────────────────────────────────────


def test_an_attempt_says_which_of_which_request_and_how_many_hops_led_there():
    script = [BUSY, to("/b"), 401, 200, BUSY, 200]
    told, story = observed(script, table=ASIDE)
    attempts = [event for event in told if isinstance(event, Attempt)]
    assert [(a.request.url.path, a.attempt, a.hops, a.aside) for a in attempts] == [
        ("/a", 1, 0, False),
        ("/a", 2, 0, False),
        ("/b", 1, 1, False),
        ("/token", 1, 1, True),
        ("/b", 2, 1, False),
        ("/b", 3, 1, False),
    ]
    assert [a.request for a in attempts] == story.sent


def test_an_attempt_s_request_is_the_one_that_goes_out_as_it_was_prepared():
    told, story = observed([200], prepare=lambda r, _: r.headers.update({"x-signed": "1"}))
    assert told[0].request is story.sent[0]
    assert told[0].request.headers["x-signed"] == "1"


@each(
    ("script", "options"),
    [
        ([BUSY, to("/b"), 200], {}),
        ([to("/b"), to("/a")], {}),
        ([to("mailto:a@b")], {}),
        ([401, 200, 200], {"table": ASIDE}),
        ([httpx.ConnectError("no"), httpx.ReadTimeout("slow")], {"limits": sp.Limits(attempts=2)}),
    ],
)
def test_the_decisions_are_the_trace_refusals_and_declines_too(script, options):
    told, story = observed(script, **options)
    decisions = tuple(event.step for event in told if isinstance(event, Decision))
    assert decisions == story.trace == told[-1].trace
    assert decisions[-1].verdict in ("settle", "refuse")


def test_a_decline_says_why():
    told, _ = observed([to("https://far.example/")], limits=sp.Limits(cross_origin="stop"))
    assert "it leads to another origin" in told[1].step.reason


def test_a_wait_says_how_long_and_what_was_answered():
    told, story = observed([to("/b"), BUSY, 200])
    (wait,) = [event for event in told if isinstance(event, Wait)]
    assert [wait.seconds] == [2.0] == story.waits
    assert wait.request.url.path == "/b"


def test_a_wait_is_told_before_it_is_waited_and_an_attempt_after():
    clock, told = FakeClock(), []
    replay(
        get(),
        [BUSY, 200],
        clock=clock,
        observer=lambda event: told.append((type(event).__name__, clock.monotonic())),
    )
    assert told[2:4] == [("Wait", 0.0), ("Attempt", 2.0)]


@each("script", [[200], [BUSY, 200], [to("/b"), 404], [to("mailto:a@b")]])
def test_settled_has_the_response_that_is_handed_over(script):
    told, story = observed(script)
    assert told[-1].response is story.response
    assert told[-1].error is None
    assert told[-1].request is story.sent[-1]
    assert told[-1].trace.requests == len(story.sent)


@pytest.mark.parametrize("script", [[to("/b"), to("/a")], [httpx.UnsupportedProtocol("ftp")]])
def test_settled_has_the_error_that_is_raised(script):
    told, story = observed(script)
    assert told[-1].error is story.error is not None
    assert told[-1].response is None
    assert told[-1].request is story.sent[-1]
    assert told[-1].trace == story.trace


def test_settled_s_request_is_as_it_was_prepared():
    told, story = observed([200], prepare=lambda r, _: r.headers.update({"x-signed": "1"}))
    assert told[-1].request is story.sent[-1]


def test_an_answer_from_the_side_that_is_used_is_settled_with_it():
    def monitor(exchange: sp.Exchange) -> sp.Verdict:
        request = get(str(exchange.request.url.join("/result")))
        return sp.Aside(request, lambda answer: sp.Use(answer.response))

    told, story = observed([202, 200], table=sp.STANDARD | {202: monitor})
    assert kinds(told) == "Attempt aside Attempt use Settled"
    assert told[-1].response is story.response
    assert story.response.url.path == "/result"


# ── what it may be, and what it may not do ─────────────────────────────────────────────


async def _coroutine(event):
    raise AssertionError


@each("observer", [_coroutine, functools.partial(_coroutine)])
@each(
    "make",
    [
        lambda observer: sp.wrap(httpx.Client(), observer=observer),
        lambda observer: sp.wrap(httpx.AsyncClient(), observer=observer),
        lambda observer: sp.PolicyTransport(observer=observer),
        lambda observer: sp.AsyncPolicyTransport(observer=observer),
    ],
)
def test_a_coroutine_function_is_refused_where_it_is_given(make, observer):
    with pytest.raises(TypeError, match="is a coroutine function: write a plain function"):
        make(observer)


@pytest.mark.parametrize("observer", [1, "print", []])
def test_what_cannot_be_called_is_refused_where_it_is_given(observer):
    with pytest.raises(TypeError, match=r"observer=.*: write a callable instead"):
        sp.wrap(httpx.Client(), observer=observer)


SCRIPTS = {
    "a repeat and a hop": [BUSY, to("/b"), 200],
    "a refusal": [to("/a")],
    "a failure": [httpx.UnsupportedProtocol("ftp")],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_what_it_raises_is_logged_and_changes_nothing(script, caplog):
    def observer(event):
        raise KeyError(type(event).__name__)

    quiet = replay(get(), script)
    story = replay(get(), script, observer=observer)
    assert [r.url for r in story.sent] == [r.url for r in quiet.sent]
    assert (story.waits, story.trace) == (quiet.waits, quiet.trace)
    assert type(story.error) is type(quiet.error)
    assert (story.response is None) == (quiet.response is None)
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    told, _ = observed(script)
    assert [record.exc_info[1].args[0] for record in failures] == [type(e).__name__ for e in told]
    assert {record.name for record in failures} == {"statuspolicy"}
    assert {record.getMessage() for record in failures} == {
        "The observer failed, and the exchange goes on."
    }


def test_what_it_returns_means_nothing():
    assert replay(get(), [to("/b"), 200], observer=lambda _: False).response.status_code == 200


# ── on sockets ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def listening(open_session, status_server):
    """A session whose observer notes each event, and how many requests had arrived by then."""
    told = []

    def observer(event):
        told.append((event, len(status_server.received)))

    def opened(**wrap):
        return open_session(observer=observer, **wrap), told

    return opened


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("/200", "Attempt settle Settled"),
        ("/503?retry-after=1&then=200", "Attempt repeat Wait Attempt settle Settled"),
        ("/302?location=/200", "Attempt follow Attempt settle Settled"),
        ("/302?location=mailto:a@b", "Attempt settle Settled"),
        (
            "/302?location=/302%3Flocation=/x",
            "Attempt follow Attempt follow Attempt settle Settled",
        ),
        ("/401?then=200", "Attempt aside Wait Attempt repeat Attempt settle Settled"),
    ],
)
def test_each_step_is_told_as_it_happens(path, order, listening, status_server):
    status_server.script("/token", Answer(200, body=b"t"))
    session, told = listening(table=ASIDE)
    response = session.get(status_server.url + path)
    assert kinds([event for event, _ in told]) == order
    # An attempt is told before it is sent, all else after it was answered.
    attempts = 0
    for event, arrived in told:
        assert arrived == attempts
        attempts += isinstance(event, Attempt)
    settled = told[-1][0]
    assert isinstance(settled, Settled)
    assert settled.response is response
    assert settled.trace == sp.trace(response)


def test_a_refusal_is_told_and_raised(listening, status_server):
    session, told = listening()
    url = status_server.script("/loop", Answer(302, {"Location": "/loop"}))
    with pytest.raises(sp.RedirectLoop) as raised:
        session.get(url)
    assert kinds([event for event, _ in told]) == "Attempt refuse Settled"
    assert told[-1][0].error is raised.value


def test_a_cooling_origin_is_told(listening, status_server):
    session, told = listening()
    status_server.script("/busy", Answer(503, {"Retry-After": "2"}), 200)
    limits = sp.Overrides(limits=sp.Limits(attempts=1))
    session.get(status_server.url + "/busy", extensions={"statuspolicy": limits})
    told.clear()
    assert session.get(status_server.url + "/200").status_code == 200
    assert kinds([event for event, _ in told]) == "wait Wait Attempt settle Settled"
    assert session.clock.waits == [told[1][0].seconds]


def test_a_failure_is_told_and_raised(listening, status_server):
    session, told = listening(limits=sp.Limits(attempts=1))
    with pytest.raises(httpx.RemoteProtocolError) as raised:
        session.get(status_server.url + "/disconnect")
    assert kinds([event for event, _ in told]) == "Attempt settle Settled"
    assert told[-1][0].error is raised.value


@pytest.mark.parametrize("path", ["/200", "/302?location=/200", "/503?retry-after=1&then=200"])
def test_an_observer_that_fails_costs_no_response_and_no_connection(
    path, open_session, status_server, caplog
):
    def observer(event):
        raise ZeroDivisionError

    session = open_session(observer=observer)
    for _ in range(2):
        assert session.get(status_server.url + path).status_code == 200
    assert status_server.connections == 1
    assert "ZeroDivisionError" in caplog.text
