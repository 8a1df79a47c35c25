"""The response that stays true, the trace that is kept with it, and the trace itself."""

import copy
import gzip
import pickle
from math import inf

import anyio
import pytest

from statuspolicy import RedirectLoop, Step, Trace, trace
from statuspolicy.message.reason_phrase import phrase
from statuspolicy.message.response import PolicyResponse, adopt, keep_trace
from tests.each import each
from tests.library import httpx

FIRST = httpx.Request("GET", "http://a.example/1")
LAST = httpx.Request("GET", "http://b.example/2")
HOP = Step(
    "GET", "http://a.example/1", 302, "Found", "302", "RFC 9110 §15.4.3", "follow", 1.5, "so"
)
END = Step("GET", "http://b.example/2", 200, "OK", "200", "", "settle")


class Plain(httpx.Response):
    """A response class of somebody else's."""

    def shout(self):
        return self.text.upper()


class Slotted(httpx.Response):
    __slots__ = ("flavour", "missing")


class OneSlot(httpx.Response):
    __slots__ = "flavour"


class HiddenSlot(httpx.Response):
    __slots__ = ("__flavour",)

    @property
    def flavour(self):
        return self.__flavour

    @flavour.setter
    def flavour(self, value):
        self.__flavour = value


FOREIGN = [Plain, Slotted, OneSlot, HiddenSlot]


def adopted(response=None, *, request=LAST, past=(), steps=(HOP, END), **more):
    response = httpx.Response(200, text="hello") if response is None else response
    return adopt(response, request, [*past], steps, **more)


def streamed(content=b"hello", status=200, headers=None):
    """A response as a transport makes it: its body has not been read."""
    return httpx.Response(status, headers=headers, content=iter([content]))


# ── what the client writes into it ─────────────────────────────────────────────────────


def test_the_request_is_pinned_against_the_client_s():
    response = adopted()
    response.request = FIRST
    assert response.request is LAST
    assert response._request is LAST
    assert response.url == "http://b.example/2"


def test_raise_for_status_names_the_last_hop():
    response = adopted(httpx.Response(404))
    response.request = FIRST
    with pytest.raises(httpx.HTTPStatusError, match=r"b\.example/2") as raised:
        response.raise_for_status()
    assert raised.value.request is LAST


def test_history_is_the_client_s_own_and_then_the_policy_s():
    mine, theirs = httpx.Response(302), httpx.Response(401)
    response = adopted(past=[mine])
    assert response.history == [mine]
    response.history = [theirs]
    assert response.history == [theirs, mine]


def test_a_history_that_the_transport_wrote_is_not_counted_twice():
    first = httpx.Response(200)
    first.history = [httpx.Response(302)]
    assert adopted(first).history == []


@each(
    ("status", "headers", "declined", "has_one"),
    [
        (302, {"Location": "/b"}, False, True),
        (302, {"Location": "/b"}, True, False),
        (302, {}, False, False),
        (200, {"Location": "/b"}, False, False),
    ],
)
def test_a_declined_redirect_has_no_location_for_the_client(status, headers, declined, has_one):
    response = adopted(httpx.Response(status, headers=headers), declined=declined)
    assert response.has_redirect_location is has_one
    assert response.headers.get("location") == headers.get("Location")


@pytest.mark.parametrize("location", ["/b", "http://[bad/", "http://a b:99999999/"])
def test_302_a_client_leaves_a_declined_redirect_alone(location):
    """httpx raises for a Location that can't be parsed, even where it isn't to be followed."""

    def declines(request):
        answer = httpx.Response(302, headers={"Location": location})
        return adopt(answer, request, [], (HOP,), declined=True)

    with httpx.Client(transport=httpx.MockTransport(declines), follow_redirects=True) as client:
        response = client.get("http://a.example/1")
    assert (response.status_code, response.next_request, response.history) == (302, None, [])


def test_set_cookie_a_client_files_its_cookies_under_the_host_of_the_last_hop():
    def hopped(request):
        return adopt(httpx.Response(200, headers={"Set-Cookie": "a=b"}), LAST, [], (HOP, END))

    with httpx.Client(transport=httpx.MockTransport(hopped)) as client:
        client.get("http://a.example/1")
        assert [(c.name, c.domain) for c in client.cookies.jar] == [("a", "b.example")]


# ── a true copy ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kept", [None, b"kept"])
def test_the_response_that_the_transport_made_is_not_touched(kept):
    response = streamed(status=511)
    response.extensions["mine"] = 1
    before, stream = dict(vars(response)), response.stream
    new = adopted(response, kept=kept, declined=True)
    assert vars(response) == before
    assert type(response) is httpx.Response
    assert type(response.headers) is httpx.Headers
    assert (response.extensions, response.stream) == ({"mine": 1}, stream)
    assert new.extensions == {"mine": 1, "statuspolicy": Trace((HOP, END))}


def test_a_response_that_a_mock_hands_out_twice_stays_good():
    response = httpx.Response(200, text="hello")
    one, two = adopted(response), adopted(response, request=FIRST)
    assert (one.request, two.request) == (LAST, FIRST)
    assert one.text == two.text == response.text == "hello"


def test_what_is_not_kept_streams_as_before():
    response = adopted(streamed())
    assert not response.is_closed
    assert list(response.iter_raw()) == [b"hello"]


def test_what_is_not_kept_is_read_as_before():
    response = adopted(streamed())
    assert response.read() == response.content == b"hello"


def test_what_is_not_kept_is_read_as_before_in_async():
    async def read():
        async def parts():
            yield b"hello"

        response = adopted(httpx.Response(200, content=parts()))
        return await response.aread(), response.content

    assert anyio.run(read) == (b"hello", b"hello")


# ── the body of an intermediate response ───────────────────────────────────────────────


def zipped(text="hello"):
    return streamed(b"", 302, {"Content-Encoding": "gzip"}), gzip.compress(text.encode())


def test_a_kept_body_is_raw_until_it_is_asked_for():
    response, raw = zipped()
    new = adopted(response, kept=raw)
    assert not hasattr(new, "_content")
    assert (new.content, new.text) == (b"hello", "hello")
    assert new.read() is new.content
    assert b"".join(new.stream) == raw


def test_a_kept_body_reads_in_sync_and_in_async():
    response, raw = zipped()
    assert adopted(response, kept=raw).read() == b"hello"
    assert anyio.run(adopted(response, kept=raw).aread) == b"hello"


@pytest.mark.parametrize(
    "read",
    [
        lambda response: b"".join(response.iter_bytes()),
        lambda response: "".join(response.iter_text()).encode(),
        lambda response: "".join(response.iter_lines()).encode(),
    ],
    ids=["iter_bytes", "iter_text", "iter_lines"],
)
def test_a_kept_body_can_be_iterated_as_a_read_one(read):
    """As with any response of `history` that the client has read."""
    response, raw = zipped()
    assert read(adopted(response, kept=raw)) == b"hello"


def test_a_kept_body_can_be_iterated_in_async():
    async def parts():
        response, raw = zipped()
        return [part async for part in adopted(response, kept=raw).aiter_bytes()]

    assert anyio.run(parts) == [b"hello"]


@pytest.mark.parametrize("path", ["/205", "/204?content-length=5"])
def test_204_205_an_empty_body_that_was_not_waited_for_streams_as_empty(
    open_session, status_server, path
):
    session, url = open_session(), status_server.url + path
    if path == "/205":  # with neither Content-Length nor Transfer-Encoding
        url = status_server.script("/x", b"HTTP/1.1 205 Reset Content\r\n\r\n")

    def read():
        with session.client.stream("GET", url) as response:
            return list(response.iter_bytes())

    async def aread():
        async with session.client.stream("GET", url) as response:
            return [part async for part in response.aiter_bytes()]

    assert session.run(read if session.portal is None else aread) == []


def test_a_kept_body_that_can_not_be_decoded_says_so_when_it_is_asked_for():
    response, _ = zipped()
    new = adopted(response, kept=b"no gzip")
    with pytest.raises(httpx.DecodingError):
        _ = new.content


def test_an_empty_kept_body_is_empty():
    assert adopted(streamed(), kept=b"").content == b""


def test_a_kept_response_of_a_history_is_closed_for_good():
    new = adopted(streamed(), kept=b"hello", passed=True)
    assert new.is_closed
    assert new.is_stream_consumed
    assert new.content == b"hello"
    with pytest.raises(httpx.StreamConsumed):
        list(new.iter_raw())
    new.close()


def test_a_kept_response_that_is_handed_over_is_open_and_streams_raw():
    response, raw = zipped()
    new = adopted(response, kept=raw)
    assert not new.is_closed
    assert not new.is_stream_consumed
    assert b"".join(new.iter_raw()) == raw
    assert new.is_closed
    assert new.read() == b"hello"


def test_a_kept_response_that_is_handed_over_streams_raw_in_async():
    response, raw = zipped()
    new = adopted(response, kept=raw)

    async def parts():
        return b"".join([part async for part in new.aiter_raw()]), await new.aread()

    assert anyio.run(parts) == (raw, b"hello")


@pytest.mark.parametrize("passed", [False, True])
def test_204_an_empty_body_takes_the_place_of_one_that_was_read_before(passed):
    """As a mock gives it: its content is there before anybody reads."""
    response = httpx.Response(204, content=b"stray")
    new = adopted(response, kept=b"", passed=passed)
    assert (new.content, new.text, new.read()) == (b"", "", b"")
    assert b"".join(new.iter_bytes()) == b""
    assert response.content == b"stray"


def test_a_body_that_was_cut_raises():
    response = streamed()
    response.close()
    new = adopted(response)
    for name in ("content", "text"):
        with pytest.raises(httpx.ResponseNotRead):
            getattr(new, name)


def test_an_adopted_response_can_be_adopted_again():
    new = adopted(adopted(streamed(), kept=b"hello"), request=FIRST, kept=b"hello")
    assert type(new).__mro__[1:3] == (PolicyResponse, httpx.Response)
    assert (new.request, new.text) == (FIRST, "hello")


# ── classes of somebody else's ─────────────────────────────────────────────────────────


@each("kind", FOREIGN)
def test_a_foreign_class_is_combined_once(kind):
    new, other = adopted(kind(200, text="hello")), adopted(kind(200))
    assert isinstance(new, PolicyResponse)
    assert isinstance(new, kind)
    assert type(new) is type(other) is not PolicyResponse
    assert type(new).__name__ == kind.__name__
    assert type(adopted(new)) is type(new)


def test_a_foreign_class_keeps_its_methods():
    assert adopted(Plain(200, text="hello")).shout() == "HELLO"
    assert adopted(Plain(200, content=iter([b""])), kept=b"kept").shout() == "KEPT"


@pytest.mark.parametrize("kind", [Slotted, OneSlot, HiddenSlot])
def test_a_foreign_class_keeps_what_its_slots_hold(kind):
    response = kind(200)
    response.flavour = "vanilla"
    assert adopted(response).flavour == "vanilla"


def test_a_slot_that_holds_nothing_stays_empty():
    response = Slotted(200)
    response.flavour = "vanilla"
    assert not hasattr(adopted(response), "missing")


# ── pickling and copying ───────────────────────────────────────────────────────────────


@each("again", [lambda r: pickle.loads(pickle.dumps(r)), copy.copy])
@each("kind", [httpx.Response, Plain, Slotted])
def test_it_survives_pickling_and_copying(kind, again):
    past = adopted(streamed(b"", 302), request=FIRST, kept=b"there", steps=(HOP,))
    response = adopted(kind(200, text="hello"), past=[past])
    once = again(response)
    for new in (once, again(once)):
        assert type(new) is type(response)
        assert (new.status_code, new.text) == (200, "hello")
        assert new.url == "http://b.example/2"
        assert [(p.url, p.text, p.status_code) for p in new.history] == [
            ("http://a.example/1", "there", 302)
        ]
        assert trace(new) == trace(response) == (HOP, END)
        assert isinstance(trace(new), Trace)
        assert not new.has_redirect_location


def test_511_survives_pickling():
    new = pickle.loads(pickle.dumps(adopted(portal())))
    assert new.headers["set-cookie"] == "a=b, c=d"
    assert list(client_jar(new)) == []


# ── 511: a captive portal's cookies ────────────────────────────────────────────────────


def portal():
    return httpx.Response(
        511, headers=[("Set-Cookie", "a=b"), ("X-Portal", "yes"), ("set-cookie", "c=d")]
    )


def client_jar(response):
    with httpx.Client(transport=httpx.MockTransport(lambda request: response)) as client:
        client.get("http://a.example/")
        return client.cookies


def test_the_cookies_of_a_511_reach_no_jar():
    assert len(client_jar(portal())) == 2
    assert len(client_jar(adopted(portal()))) == 0


@pytest.mark.parametrize("times", [1, 2])
def test_the_cookies_of_a_511_are_still_there_to_be_seen(times):
    response = portal()
    for _ in range(times):
        response = adopted(response)
    headers = response.headers
    assert headers["set-cookie"] == "a=b, c=d"
    assert headers.get_list("Set-Cookie") == ["a=b", "c=d"]
    assert headers.raw == portal().headers.raw
    assert headers.multi_items() == [("x-portal", "yes")]
    assert headers["x-portal"] == "yes"


@pytest.mark.parametrize("status", [200, 503])
def test_set_cookie_the_cookies_of_any_other_answer_are_the_jar_s(status):
    response = adopted(httpx.Response(status, headers={"Set-Cookie": "a=b"}), request=FIRST)
    assert len(client_jar(response)) == 1


# ── trace(): it always answers ─────────────────────────────────────────────────────────


def test_the_trace_of_an_adopted_response_is_its_steps():
    assert trace(adopted()) == (HOP, END)


@each(
    ("status", "extensions", "words"),
    [
        (200, {}, "OK"),
        (200, {"reason_phrase": b"Fine"}, "Fine"),
        (200, {"reason_phrase": b""}, "OK"),
        (451, {"reason_phrase": b""}, "Unavailable For Legal Reasons"),
        (499, {}, ""),
        (999, {}, ""),
    ],
)
def test_the_trace_of_an_untouched_response_is_made_of_its_status(status, extensions, words):
    row, citation = {
        200: ("200", "RFC 9110 §15.3.1"),
        451: ("451", "RFC 7725 §3"),
        499: ("400", "RFC 9110 §15.5.1"),
        999: ("500", "RFC 9110 §15.6.1"),
    }[status]
    request = httpx.Request("PUT", "http://user:secret@a.example/1?q#part")
    response = httpx.Response(status, request=request, extensions=extensions)
    step = Step("PUT", "http://a.example/1?q", status, words, row, citation, "settle")
    assert trace(response) == (step,)
    assert phrase(response) == words


def test_the_trace_of_a_response_that_was_never_sent_names_no_url():
    step = Step("", "", 204, "No Content", "204", "RFC 9110 §15.3.5", "settle")
    assert trace(httpx.Response(204)) == (step,)


@pytest.mark.parametrize(
    ("request_", "method", "url"), [(FIRST, "GET", "http://a.example/1"), (None, "", "")]
)
def test_the_trace_of_an_error_is_made_of_its_name(request_, method, url):
    error = httpx.ReadTimeout("timed out", request=request_)
    cited = "RFC 9110 §9.2.2"
    step = Step(method, url, "ReadTimeout", "timed out", "ReadTimeout", cited, "settle")
    assert trace(error) == (step,)


def test_the_trace_of_a_status_error_is_that_of_its_response():
    response = adopted(httpx.Response(404))
    with pytest.raises(httpx.HTTPStatusError) as raised:
        response.raise_for_status()
    assert trace(raised.value) is trace(response)
    untouched = httpx.Response(499, request=FIRST)
    with pytest.raises(httpx.HTTPStatusError) as raised:
        untouched.raise_for_status()
    assert trace(raised.value) == trace(untouched)
    assert (trace(raised.value)[0].code, trace(raised.value)[0].row) == (499, "400")


@each(
    ("error", "code", "row", "citation"),
    [
        (httpx.DecodingError("no gzip", request=FIRST), "DecodingError", "none", ""),
        (ValueError("odd"), "ValueError", "none", ""),
        (httpx.ConnectError("no"), "ConnectError", "ConnectError", "RFC 9110 §9.2.2"),
        (httpx.CloseError("no"), "CloseError", "TransportError", "client side"),
        (httpx.ProxyError("407 no"), "ProxyError", "407", "RFC 9110 §15.5.8"),
    ],
)
def test_the_trace_of_any_other_exception_is_one_step(error, code, row, citation):
    (step,) = trace(error)
    assert (step.code, step.phrase, step.verdict) == (code, str(error), "settle")
    assert (step.row, step.citation) == (row, citation)


@each("thing", [None, 404, "404", httpx.Response, FIRST])
def test_something_that_is_no_outcome_has_no_trace(thing):
    with pytest.raises(TypeError, match="is neither a response nor an error"):
        trace(thing)


def test_something_else_under_the_trace_s_name_is_no_trace():
    response = httpx.Response(200)
    vars(response)["_statuspolicy_trace"] = "not a trace"
    assert trace(response)[0].code == 200


# ── keep_trace() ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("steps", [(), (HOP,), (HOP, END)])
def test_a_trace_is_kept_on_an_error(steps):
    error = httpx.ReadError("broke", request=FIRST)
    keep_trace(error, steps)
    assert trace(error) == steps
    assert isinstance(trace(error), Trace)
    notes = getattr(error, "__notes__", [])
    assert len(notes) == (len(steps) > 1)
    assert all(str(Trace(steps)) in note for note in notes)


def test_an_error_that_comes_again_has_the_last_trace_alone_in_its_notes():
    error = RedirectLoop("in a circle", request=FIRST)
    error.add_note("mine")
    keep_trace(error, (HOP, END))
    keep_trace(error, (HOP, HOP, END))
    assert trace(error) == (HOP, HOP, END)
    assert len(error.__notes__) == 2
    assert error.__notes__[0] == "mine"
    assert error.__notes__[1].count("\n") == 3


@pytest.mark.parametrize("field", ["url", "phrase", "reason"])
def test_a_printed_step_is_one_printable_line_of_bounded_length(field):
    step = END._replace(**{field: "a\r\nb\x1b\u2028" + "x" * 50_000, "citation": "RFC 9110"})
    assert str(step).isprintable()
    assert r"a\r\nb\x1b\u2028" in str(step)
    assert 1000 <= len(str(step)) < 1200
    assert str(step).endswith("[row 200, RFC 9110]")
    assert len(getattr(step, field)) > 50_000  # the value itself is whole


# ── Trace and Step ─────────────────────────────────────────────────────────────────────


@each(
    ("step", "text"),
    [
        (END, "GET http://b.example/2 → 200 OK · settle"),
        (
            HOP,
            (
                "GET http://a.example/1 → 302 Found · follow after 1.5 s: so "
                "[row 302, RFC 9110 §15.4.3]"
            ),
        ),
        (Step("GET", "/", 599, "", "5xx", "", "settle"), "GET / → 599 · settle"),
        (Step("GET", "/", 503, "", "503", "", "repeat", 2.0), "GET / → 503 · repeat after 2 s"),
        (
            Step("GET", "/", 503, "", "503", "", "repeat", 0.123456),
            "GET / → 503 · repeat after 0.123 s",
        ),
        (
            Step("GET", "/", 503, "", "503", "", "repeat", 31_536_000.0),
            "GET / → 503 · repeat after 31536000 s",
        ),
        (
            Step("GET", "/", 503, "", "503", "", "repeat", inf),
            "GET / → 503 · repeat after an endless time",
        ),
        (Step("", "", 200, "OK", "200", "", "settle"), "→ 200 OK · settle"),
    ],
)
def test_a_step_prints_as_one_line(step, text):
    assert str(step).strip() == text


def test_a_trace_prints_a_numbered_line_for_each_step():
    assert str(Trace((HOP, END))) == f"1. {HOP}\n2. {END}"
    assert str(Trace()) == ""


MOVE = Step("GET", "http://a.example/1", "remembered", "", "301", "", "follow", 0.0, "moved")


@each(
    ("steps", "requests", "waited", "reason"),
    [
        ((), 0, 0, ""),
        ((HOP,), 1, 1.5, "so"),
        ((HOP, HOP, END), 3, 3.0, ""),
        ((MOVE, END), 1, 0.0, ""),
        ((END, MOVE), 1, 0.0, "moved"),
    ],
)
def test_a_trace_sums_up(steps, requests, waited, reason):
    steps = Trace(steps)
    assert (steps.requests, steps.waited, steps.reason) == (requests, waited, reason)
    assert repr(steps) == f"<Trace: {requests} requests, {waited:g} s waited>"


def test_a_trace_survives_pickling():
    new = pickle.loads(pickle.dumps(Trace((HOP, END))))
    assert (type(new), type(new[0])) == (Trace, Step)
    assert new == Trace((HOP, END))
    assert new.waited == 1.5


def test_what_ends_a_program_has_a_trace_too():
    (step,) = trace(KeyboardInterrupt("enough"))
    assert (step.code, step.phrase) == ("KeyboardInterrupt", "enough")
