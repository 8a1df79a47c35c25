"""`trace` of an error that is not the policy's: an SDK's, or of an application's own callable."""

from functools import partial

import pytest

from statuspolicy.printable import name_of
from statuspolicy.testing import Answer, replay
from tests.library import httpx, sp

HOP = {"Location": "/200"}


class SdkError(Exception):
    """What an SDK makes of an error of the library."""


class StatusError(Exception):
    """What an SDK makes of a response."""

    def __init__(self, response: object) -> None:
        super().__init__("404 from the service")
        self.response = response


class Opaque(Exception):
    """Whose response is a property that raises."""

    @property
    def response(self) -> httpx.Response:
        raise RuntimeError("no response")


def raised(work, *given, **options) -> BaseException:
    """What it raises."""
    with pytest.raises(BaseException) as caught:
        work(*given, **options)
    return caught.value


@pytest.fixture
def loop(status_server) -> httpx.HTTPError:
    """An error that carries a trace of two steps."""
    url = status_server.script("/loop", Answer(302, {"Location": "/back"}))
    status_server.script("/back", Answer(302, {"Location": "/loop"}))
    with sp.wrap(httpx.Client()) as client:
        return raised(client.get, url)


# ── an SDK's ───────────────────────────────────────────────────────────────────────────


def test_the_trace_of_an_error_that_an_sdk_made_is_that_of_its_cause(loop):
    def by_cause():
        raise SdkError("connection") from loop

    def by_context():
        try:
            raise loop
        except httpx.HTTPError:
            raise SdkError("connection")  # noqa: B904

    def hidden():
        try:
            raise loop
        except httpx.HTTPError:
            raise SdkError("connection") from None

    def twice():
        raise Opaque from raised(by_cause)

    def grouped():
        raise ExceptionGroup("of tasks", [ValueError("none"), raised(by_cause)])

    known = sp.trace(loop)
    assert len(known) == 2
    for make in (by_cause, by_context, hidden, twice, grouped):
        assert sp.trace(raised(make)) == known
        loop.__context__ = loop.__cause__ = None


def test_the_nearest_error_that_is_known_is_the_one(loop):
    """An error of the library that no policy saw, also: it says its own request."""
    plain = httpx.ConnectError("no", request=httpx.Request("GET", "http://plain.example/"))
    plain.__context__ = loop
    error = SdkError("connection")
    error.__cause__, error.__context__ = plain, loop
    (step,) = sp.trace(error)
    assert (step.url, step.code) == ("http://plain.example/", "ConnectError")
    assert step.row == "ConnectError"


def test_the_trace_of_an_sdk_s_status_error_is_that_of_its_response(status_server, loop):
    with sp.wrap(httpx.Client()) as client:
        untouched = client.get(status_server.url + "/404")
        followed = client.get(status_server.url + "/302?location=/404")
    for response, steps in ((untouched, 1), (followed, 2)):
        error = StatusError(response)
        error.__context__ = loop  # of another call, which failed before
        assert sp.trace(error) == sp.trace(response)
        assert len(sp.trace(error)) == steps
    for nothing in (None, "a text", 404):
        assert sp.trace(StatusError(nothing))[0].code == "StatusError"


def test_a_circle_and_an_endless_chain_of_errors_end(loop):
    one, other = SdkError("one"), SdkError("other")
    one.__cause__, other.__cause__ = other, one
    assert sp.trace(one)[0].code == "SdkError"
    other.__context__ = loop
    assert len(sp.trace(one)) == 2
    deep: BaseException = loop
    for _ in range(100):
        above = SdkError("again")
        above.__context__ = deep
        deep = above
    assert sp.trace(deep)[0].code == "SdkError"


# ── an application's own ───────────────────────────────────────────────────────────────


def fails(*given):
    raise LookupError("the application's own")


class Duty:
    """A callable object, and one with a method."""

    secret = "hunter2"

    def __call__(self, exchange):
        return fails()

    def method(self, exchange):
        return fails()


OWN = f"{__name__}.fails"
NAMED = [
    ({404: fails}, f"the duty of row 404, {OWN}, "),
    ({"4xx": partial(fails, "hunter2")}, f"the duty of row 404, {OWN}, "),
    ({404: Duty()}, f"the duty of row 404, {__name__}.Duty, "),
    ({404: Duty().method}, f"the duty of row 404, {__name__}.Duty.method, "),
    ({404: lambda exchange: fails()}, f"the duty of row 404, {__name__}.<lambda> (line "),
    ({404: sp.resolve(fails)}, f"the duty of row 404, resolve({OWN}), "),
    ({404: sp.retry(wait=fails)}, f"the duty of row 404, retry({OWN}), "),
    ({404: sp.breaker(fails)}, f"the duty of row 404, breaker({OWN}), "),
    ({404: sp.gone(fails)}, f"a hook, {OWN}, "),
]


def test_what_a_duty_or_hook_raises_has_the_request_the_answer_and_the_callable(
    open_session, status_server
):
    for rows, named in NAMED:
        session = open_session(table=sp.STANDARD | rows)
        error = raised(session.get, status_server.url + "/302?location=/404")
        assert type(error) is LookupError
        trace = sp.trace(error)
        assert [(step.url, step.code) for step in trace] == [
            (status_server.url + "/302?location=/404", 302),
            (status_server.url + "/404", 404),
        ]
        assert trace[-1].verdict == "raise"
        assert trace.reason.startswith(named)
        assert trace.reason.endswith("raised LookupError")
        assert "hunter2" not in str(trace)
        assert trace.requests == 2


def test_a_callable_is_named_without_what_it_was_given():
    resolving = sp.resolve(partial(fails, "hunter2"))
    for call in (resolving, resolving._ask, partial(resolving._ask, "hunter2")):
        assert name_of(call) == f"resolve({OWN})"
    assert name_of(print) == "builtins.print"


def test_what_is_raised_before_a_send_has_the_request_that_was_not_sent(
    open_session, status_server
):
    url = status_server.url + "/302?location=/200"

    def second(request, attempt):
        if request.url.path == "/200":
            fails()

    error = raised(open_session(prepare=fails).get, url)
    step = f"GET {url} → not sent · raise: prepare, {OWN}, raised LookupError"
    assert str(sp.trace(error)) == f"1. {step}"
    assert sp.trace(error).requests == 0
    error = raised(open_session(prepare=second).get, url)
    followed, unsent = sp.trace(error)
    assert (followed.code, followed.verdict) == (302, "follow")
    assert (unsent.url, unsent.code) == (status_server.url + "/200", "not sent")
    assert sp.trace(error).requests == 1
    other = raised(open_session(prepare=lambda request, attempt: 1).get, url)
    assert (type(other), sp.trace(other)[0].verdict) == (TypeError, "raise")


def test_308_what_confirm_allow_hop_and_a_hook_of_a_redirect_raise_has_the_answer(
    open_session, status_server
):
    url = status_server.url + "/308?location=/200"
    for options, named in (
        ({"confirm": fails}, "confirm, "),
        ({"allow_hop": fails}, "allow_hop, "),
        (
            {"table": sp.STANDARD | {308: sp.moved(fails)}},
            "to " + status_server.url + "/200; a hook, ",
        ),
    ):
        trace = sp.trace(raised(open_session(**options).request, "PUT", url))
        assert [(step.code, step.verdict) for step in trace] == [(308, "raise")]
        assert trace.reason == f"{named}{OWN}, raised LookupError"


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_what_a_coroutine_function_raises_says_so_too(open_session, status_server):
    async def later(*given):
        fails()

    own = name_of(later)
    for options, named in (
        ({"confirm": later}, "confirm, "),
        ({"prepare": later}, "prepare, "),
        ({"table": sp.STANDARD | {307: later}}, "the duty of row 307, "),
        ({"table": sp.STANDARD | {307: sp.resolve(later)}}, "the duty of row 307, resolve("),
    ):
        error = raised(
            open_session(**options).request, "PUT", status_server.url + "/307?location=/200"
        )
        assert sp.trace(error)[-1].verdict == "raise"
        assert sp.trace(error).reason.startswith(named + own)
    story = partial(replay, httpx.Request("GET", "http://a.example/"), [404])
    error = raised(story, table=sp.STANDARD | {404: later})
    assert sp.trace(error).reason == f"the duty of row 404, {own}, raised LookupError"


def test_a_duty_that_answers_wrongly_is_named(status_server):
    async def later(exchange):
        return sp.Settle()

    wrong = sp.STANDARD | {404: lambda exchange: 1}
    again = sp.STANDARD | {404: lambda exchange: sp.Inspect(lambda read: sp.Inspect(fails))}
    for table in (wrong, again, sp.STANDARD | {404: later}):
        with sp.wrap(httpx.Client(), table=table) as client:
            error = raised(client.get, status_server.url + "/404")
        assert type(error) is TypeError
        assert sp.trace(error)[-1].reason.startswith("the duty of row 404, ")


def test_what_a_duty_sent_by_itself_and_that_failed_keeps_its_own_trace(status_server, loop):
    def sends(exchange):
        raise loop

    known = sp.trace(loop)
    with sp.wrap(httpx.Client(), table=sp.STANDARD | {404: sends}) as client:
        assert raised(client.get, status_server.url + "/404") is loop
    assert sp.trace(loop) == known


def test_what_is_raised_on_the_side_names_the_one_that_decides_there(open_session, status_server):
    def aside(exchange):
        return sp.Aside(httpx.Request("GET", status_server.url + "/503"), then=fails)

    session = open_session(table=sp.STANDARD | {404: aside})
    trace = sp.trace(raised(session.get, status_server.url + "/404"))
    assert [(step.code, step.verdict) for step in trace] == [(404, "aside"), (503, "raise")]
    assert OWN in trace.reason


def test_what_the_client_or_a_transport_calls_and_that_raises_is_named_with_the_request(
    open_session, status_server
):
    """A client's own hooks and auth, a body, and whose a request is."""

    def hook(request_or_response):
        fails()

    async def async_hook(request_or_response):
        fails()

    def body():
        yield b"part"
        fails()

    async def async_body():
        yield b"part"
        fails()

    url, session = status_server.url + "/200", open_session()
    is_async = isinstance(session.client, httpx.AsyncClient)
    asked, content = (async_hook, async_body) if is_async else (hook, body)
    hooked = [open_session({"event_hooks": {of: [asked]}}) for of in ("request", "response")]
    for calling, method, options, call in (
        (hooked[0], "GET", {}, asked),
        (hooked[1], "GET", {}, asked),
        (session, "GET", {"auth": hook}, hook),
        (session, "POST", {"content": content()}, content),
        (open_session(cache=sp.Cache(user=hook)), "GET", {}, hook),
    ):
        error = raised(calling.request, method, url, **options)
        step = f"{method} {url} → LookupError the application's own · raise: {name_of(call)} raised"
        assert str(sp.trace(error)) == f"1. {step} LookupError"
        made = SdkError("x")
        made.__cause__ = error
        assert sp.trace(made) == sp.trace(error)
