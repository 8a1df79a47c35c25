"""Answers that have to be looked at before they are handed over: 101, 204, 205, 206, 304, 511."""

import pytest

from statuspolicy import STANDARD, STRICT, Again, ProtocolViolation, Refuse, Settle, reset
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx

TABLES = {"STANDARD": STANDARD, "STRICT": STRICT}


@pytest.fixture(params=TABLES)
def table(request):
    """The rows of this file are the same in both tables."""
    return TABLES[request.param]


# ── 101 ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("websocket", "websocket"),
        ("websocket", "WebSocket"),
        ("h2c, websocket", "websocket"),
        ("IRC/6.9, RTA/x11", "irc/6.9"),
        ("websocket", " websocket ,"),
        ("websocket", None),
    ],
)
def test_101_to_a_protocol_that_was_asked_for_is_handed_over(table, asked, got):
    headers = {} if got is None else {"Upgrade": got}
    assert table[101](exchange(101, headers, sent={"Upgrade": asked})) == Settle()


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (None, "websocket"),
        (None, None),
        ("", "websocket"),
        (" , ", None),
        ("websocket", "h2c"),
        ("websocket", "websocket, h2c"),
        ("h2c", "h2"),
    ],
)
def test_101_that_nobody_asked_for_is_a_protocol_error(table, asked, got):
    headers = {} if got is None else {"Upgrade": got}
    sent = {} if asked is None else {"Upgrade": asked}
    verdict = table[101](exchange(101, headers, sent=sent))
    assert isinstance(verdict, Refuse)
    assert isinstance(verdict.error, ProtocolViolation)
    assert isinstance(verdict.error, httpx.RemoteProtocolError)
    assert str(verdict.error) == (
        "http://home.example/a switched to a protocol that was not requested (101 to GET)."
    )
    assert verdict.why == "switched to a protocol that was not requested"


def test_101_that_the_parser_refused_is_the_same_error_with_its_cause(table):
    """The parser knows a 101 that wasn't asked for, so it comes as a failure."""
    failure = httpx.RemoteProtocolError("Received server _SWITCH_UPGRADE event")
    found = exchange(failure, sent={"Upgrade": "websocket"})
    verdict = table[101](found)
    assert isinstance(verdict.error, ProtocolViolation)
    assert verdict.error.__cause__ is failure
    assert verdict.error.request is found.request


def test_101_a_violation_names_no_userinfo(table):
    verdict = table[101](exchange(101, url="http://user:secret@home.example/a#part"))
    assert "secret" not in str(verdict.error)
    assert str(verdict.error).startswith("http://home.example/a switched")


# ── 204 ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "0"}, {"Content-Length": "000"}])
def test_204_is_handed_over_as_it_is(table, headers):
    assert table[204](exchange(204, headers)) == Settle()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "5"},
        {"Content-Length": "five"},
        {"Content-Length": "-1"},
        {"Transfer-Encoding": "chunked"},
        {"Content-Length": "0", "Transfer-Encoding": "chunked"},
    ],
)
def test_204_that_announces_a_body_is_closed_unread(table, headers):
    verdict = table[204](exchange(204, headers))
    assert verdict == Settle("a 204 has no body, but one was announced: it is not read", empty=True)


# ── 205 ────────────────────────────────────────────────────────────────────────────────


def note(request, response):
    """An application's hook."""


@each("on_reset", [None, note])
@each(
    ("headers", "empty"),
    [
        ({}, True),
        ({"Content-Length": "0"}, False),
        ({"Transfer-Encoding": "chunked"}, False),
    ],
)
def test_205_tells_the_view_and_waits_for_no_body_where_none_is_framed(headers, empty, on_reset):
    verdict = reset(on_reset)(exchange(205, headers))
    assert (verdict.empty, verdict.tell) == (empty, on_reset)
    assert verdict.why == ("a 205 has no body: none is read" if empty else "")


def test_205_in_the_tables_tells_nobody(table):
    assert table[205](exchange(205)).tell is None
    assert repr(table[205]) == "reset"


def test_205_reset_without_an_argument_tells_nobody():
    assert reset()(exchange(205, {"Content-Length": "0"})) == Settle()


# ── 206 ────────────────────────────────────────────────────────────────────────────────

RANGE = {"Range": "bytes=0-4"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 0-4/10"},
        {"Content-Range": "Bytes 0-4/*"},
        [("Content-Range", "bytes 0-4/10"), ("Content-Range", "bytes 0-4/10")],
        {"Content-Type": "multipart/byteranges; boundary=x"},
        {"Content-Type": "Multipart/ByteRanges; boundary=x"},
    ],
)
def test_206_that_says_what_came_is_handed_over(table, headers):
    assert table[206](exchange(206, headers, sent=RANGE)) == Settle()


FLAGGED = Settle(
    "its Content-Range is missing or not valid: the part must not be combined with others"
)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Range": "lines 0-4/10"},
        {"Content-Range": "0-4/10"},
        {"Content-Type": "text/plain"},
        [("Content-Range", "bytes 0-4/10"), ("Content-Range", "bytes 5-9/10")],
    ],
)
def test_206_without_a_usable_content_range_is_handed_over_flagged(table, headers):
    assert table[206](exchange(206, headers, sent=RANGE)) == FLAGGED


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes nonsense"},
        {"Content-Range": "bytes */10"},
        {"Content-Range": "bytes 5-2/10"},
        {"Content-Range": "bytes 0-10/5"},
    ],
)
def test_206_with_an_invalid_content_range_is_handed_over_flagged(table, headers):
    """RFC 9110 §14.4: a last position below the first, or not below the length, is invalid."""
    assert table[206](exchange(206, headers, sent=RANGE)) == FLAGGED


def test_206_of_another_length_than_its_content_range_is_flagged(table):
    headers = {"Content-Range": "bytes 0-4/10", "Content-Length": "9"}
    verdict = table[206](exchange(206, headers, sent=RANGE))
    assert verdict == Settle(
        "its Content-Length does not match its Content-Range: "
        "the part must not be combined with others"
    )


@pytest.mark.parametrize("span", ["bytes 0-4/10", "Bytes 0-4/*", "bytes */10", "bytes nonsense"])
def test_206_of_bytes_that_a_get_did_not_ask_for_is_a_protocol_error(table, span):
    found = exchange(206, {"Content-Range": span})
    verdict = table[206](found)
    assert isinstance(verdict, Refuse)
    assert isinstance(verdict.error, ProtocolViolation)
    assert verdict.error.request is found.request
    assert str(verdict.error) == (
        "http://home.example/a sent a part, but no range was requested (206 to GET)."
    )


UNASKED = Settle("no range was requested: the part must not be combined with others")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "X"])
def test_206_that_nobody_asked_for_is_handed_over_flagged_where_the_method_is_not_get(
    table, method
):
    """What was carried out is not taken for a failure (PostgREST answers its calls so)."""
    for headers in ({"Content-Range": "bytes 0-4/10"}, {"Content-Range": "0-4/10"}, {}):
        assert table[206](exchange(206, headers, method=method)) == UNASKED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Range": ""},
        {"Content-Range": "0-1/5"},  # PostgREST
        {"Content-Range": "*/*"},
        {"Content-Range": "items 0-1/5"},
        {"Content-Range": "id 01..99; max=200"},  # Heroku
        {"Content-Range": "bytes-of-a-kind 0-1/5"},
        {"Content-Type": "multipart/byteranges; boundary=x"},
    ],
)
def test_206_that_nobody_asked_for_is_handed_over_flagged_where_it_is_not_of_bytes(table, headers):
    assert table[206](exchange(206, headers)) == UNASKED


# ── 304 ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "sent",
    [
        {"If-None-Match": '"a"'},
        {"If-Modified-Since": "Sun, 09 Sep 2001 01:46:40 GMT"},
        {"If-None-Match": "*", "If-Modified-Since": "Sun, 09 Sep 2001 01:46:40 GMT"},
    ],
)
def test_304_to_a_condition_of_the_caller_is_handed_over(table, sent):
    assert table[304](exchange(304, sent=sent)) == Settle()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("headers", "after"), [({}, 0.0), ({"Retry-After": "3"}, 3.0)])
def test_304_that_answers_no_condition_is_asked_again(table, method, headers, after):
    found = exchange(304, headers, method=method)
    verdict = table[304](found)
    assert isinstance(verdict, Again)
    assert verdict.request is found.request
    assert (verdict.after, verdict.why) == (after, "the request has no condition")


def test_304_that_answers_no_condition_is_asked_again_once(table):
    verdict = table[304](exchange(304, answers=(304,)))
    assert verdict == Settle("the repeat was answered 304 again, and it has no conditions")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_304_says_nothing_of_whether_a_request_was_acted_on(table, method):
    """docs/rules.md#nothing-is-sent-twice: its row would have to say that nobody acted on it."""
    verdict = table[304](exchange(304, method=method))
    assert not (isinstance(verdict, Again) and verdict.unacted)


# ── 511 ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3"}, {"Set-Cookie": "a=b"}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_511_is_handed_over_as_a_captive_portal_s_answer(table, headers, method):
    verdict = table[511](exchange(511, headers, method=method))
    assert verdict == Settle(
        "a captive portal answered, not the origin; its cookies are not stored"
    )
