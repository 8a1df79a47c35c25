"""wire/http1.py: the end of a response and its interim responses, however it is cut in pieces."""

from itertools import pairwise

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statuspolicy.wire.context import NotHTTP
from statuspolicy.wire.http1 import MOST, ResponseTracker
from tests.each import each

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
CONNECT = b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def pieces(data, cuts):
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(at) if a < b]


def taken(reading, data, cuts=()):
    """How many of these bytes belong to the answer, as far as it asks for them."""
    total = 0
    for piece in pieces(data, cuts):
        ours = reading.consume(piece)
        total += ours
        if ours < len(piece):
            break
    return total


cut_anywhere = given(cuts=st.lists(st.integers(0, 500), max_size=8))

# A request, its answer, and what the answer is.
ANSWERS = [
    (GET, OK + b"Content-Length: 2\r\n\r\nok", 200),
    (GET, OK + b"content-length:2\r\n\r\nok", 200),
    (GET, OK + b"Content-Length: 0\r\n\r\n", 200),
    (GET, b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204),
    (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304),
    (HEAD, OK + b"Content-Length: 5\r\n\r\n", 200),
    (HEAD, OK + b"Transfer-Encoding: chunked\r\n\r\n", 200),
    (GET, b"HTTP/1.0 404\r\nContent-Length: 1\r\n\r\nx", 404),
    (GET, b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200),
    (GET, OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
    (GET, OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
    (
        GET,
        OK + b"Transfer-Encoding: chunked\r\n\r\n1A;a=b\r\n" + b"\n" * 26 + b"\r\n0\r\n\r\n",
        200,
    ),
    (GET, OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n000\r\nA: b\r\nC: d\r\n\r\n", 200),
    (GET, b"HTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 100 X\r\n\r\nHTTP/1.1 204 X\r\n\r\n", 204),
]


@pytest.mark.parametrize(("request_head", "answer", "code"), ANSWERS)
@cut_anywhere
@example(cuts=list(range(500)))
def test_an_answer_ends_where_it_ends_and_a_parser_agrees(request_head, answer, code, cuts):
    reading = ResponseTracker(request_head)
    end = taken(reading, answer + EVIL, cuts)
    assert end == len(answer)
    assert (reading.code, reading.final) == (code, True)
    parser = h11.Connection(h11.CLIENT)
    method = request_head.split()[0].decode()
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(answer)
    event = parser.next_event()
    while not isinstance(event, h11.EndOfMessage):
        assert event is not h11.NEED_DATA
        event = parser.next_event()
    assert parser.trailing_data == (b"", False)


@pytest.mark.parametrize(
    ("request_head", "answer"),
    [
        (GET, OK + b"\r\nto the close"),
        (GET, OK + b"Content-Length: 2, 2\r\n\r\nok"),
        (GET, OK + b"Content-Length: -1\r\n\r\nok"),
        (GET, OK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nok"),
        (GET, OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        (GET, OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n"),
        (GET, b"HTTP/1.1 101 X\r\nUpgrade: a\r\n\r\n"),
        (CONNECT, OK + b"Content-Length: 0\r\n\r\n"),
    ],
)
@cut_anywhere
def test_101_where_no_end_can_be_seen_all_of_it_belongs(request_head, answer, cuts):
    """The parser judges it; nothing is kept from it."""
    assert taken(ResponseTracker(request_head), answer + EVIL, cuts) == len(answer + EVIL)


def test_403_connect_a_refused_tunnel_is_an_answer_like_any_other():
    reading = ResponseTracker(CONNECT)
    answer = b"HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\nno"
    assert taken(reading, answer + EVIL) == len(answer)
    assert not reading.switches


@pytest.mark.parametrize(("head", "switches"), [(GET, False), (CONNECT, True)])
def test_what_switches(head, switches):
    reading = ResponseTracker(head)
    reading.consume(OK)
    assert not reading.switches
    reading.consume(b"\r\n")
    assert reading.switches is switches


@cut_anywhere
def test_interim_responses_are_told_in_order_with_what_103_leads_to(cuts):
    data = (
        b"HTTP/1.1 102 Processing\r\nLink: </no>\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b>, </c>\r\n\r\n"
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"
    )
    reading = ResponseTracker(GET)
    taken(reading, data, cuts)
    assert [told.code for told in reading.interim] == [102, 103, 100]
    assert [[link.target for link in told.links] for told in reading.interim] == [
        [],
        ["/a.css", "/b", "/c"],
        [],
    ]
    assert reading.goes_ahead


@each(
    ("data", "code", "final", "goes_ahead"),
    [
        (b"HTTP/1.1 20", 0, False, False),
        (b"HTTP/1.1 200 ", 200, True, False),
        (b"HTTP/1.1 413\r", 413, True, False),
        (b"HTTP/1.1 101 ", 101, True, False),
        (b"HTTP/1.1 100 ", 100, False, True),
        (b"HTTP/1.1 103 X\r\n\r\n", 0, False, False),
        (b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 401 ", 401, True, True),
    ],
)
def test_1xx_what_a_beginning_tells(data, code, final, goes_ahead):
    reading = ResponseTracker(GET)
    reading.consume(data)
    assert (reading.code, reading.final, reading.goes_ahead) == (code, final, goes_ahead)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\r\n",
        b"http/1.1 200 OK",
        b"HTTP/1.1 2x0",
        b"HTTP/1.1 2000",
        b"HTTP/11 200 OK",
        b"HTTP/1.1  200",
        b"HTTP/1.1 102 X\r\n\r\nx",
        OK + b"A: " + b"a" * MOST,
    ],
)
@cut_anywhere
def test_what_is_no_http(data, cuts):
    with pytest.raises(NotHTTP):
        taken(ResponseTracker(GET), data, cuts)


def test_1xx_interim_responses_without_end():
    with pytest.raises(NotHTTP, match="longer than 100 KiB"):
        ResponseTracker(GET).consume(b"HTTP/1.1 102 X\r\n\r\n" * (MOST // 18 + 1))


def test_an_end_before_its_header_section_is_whole():
    reading = ResponseTracker(GET)
    assert reading.consume(b"") == 0  # nothing came at all: that isn't for it to say
    reading.consume(OK)
    with pytest.raises(NotHTTP, match="truncated"):
        reading.consume(b"")


def test_its_first_bytes_are_those_of_the_header_section_that_failed():
    reading = ResponseTracker(GET)
    with pytest.raises(NotHTTP):
        reading.consume(b"HTTP/1.1 102 X\r\n\r\n" + b"<html>" * 100)
    assert reading.first == (b"<html>" * 100)[:160]


def test_transfer_encoding_content_length_two_framings_are_doubtful_and_one_is_not():
    for fields, doubtful in (
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", True),
        (b"Transfer-Encoding: chunked\r\n", False),
        (b"Content-Length: 1\r\n", False),
    ):
        reading = ResponseTracker(GET)
        reading.consume(OK + fields + b"\r\n")
        assert reading.doubtful is doubtful
