"""message/resuming.py: a body that breaks is resumed where it broke, or says why it can't be."""

import gzip
import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from statuspolicy.message.replayable import Body
from statuspolicy.message.resuming import Resuming, resumable
from statuspolicy.testing import Answer, StatusServer
from statuspolicy.testing.server import Received
from tests.each import each
from tests.library import httpx

BODY = bytes(range(256)) * 8
SIZE = len(BODY)
TAG = {"ETag": '"v1"'}
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
SECOND_LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
DATED = {"Last-Modified": MODIFIED, "Date": SECOND_LATER}
OLD_STYLE = {"Last-Modified": "Sunday, 06-Nov-94 08:49:37 GMT", "Date": SECOND_LATER}
PART = {"Content-Range": "bytes 0-9/100", **TAG}


# ── resumable ──────────────────────────────────────────────────────────────────────────


def judged(headers, *, status=200, method="GET", asked=None, content=None):
    headers = [*headers.items()] if isinstance(headers, dict) else headers
    request = httpx.Request(method, "http://a.example/", headers=asked, content=content)
    return resumable(httpx.Response(status, headers=headers), request)


@each(
    "headers",
    [
        TAG,
        {"ETag": '""'},
        {"ETag": '"!#~/W"'},
        TAG | {"Accept-Ranges": "bytes"},
        TAG | {"Last-Modified": MODIFIED, "Date": MODIFIED},
        DATED,
        OLD_STYLE,
    ],
)
def test_etag_a_whole_body_with_a_strong_validator_can_be_resumed(headers):
    assert judged(headers) == ""
    assert judged(headers, asked={"Range": "bytes=5-9"}) == ""


@each(
    ("headers", "reason"),
    [
        ({}, "it has neither an ETag nor a usable Last-Modified"),
        ({"Date": MODIFIED}, "it has neither an ETag nor a usable Last-Modified"),
        ({"Last-Modified": "now"}, "it has neither an ETag nor a usable Last-Modified"),
        ({"ETag": 'W/"v1"'}, "its ETag is weak"),
        ({"ETag": 'W/"v1"'} | DATED, "its ETag is weak"),
        ({"ETag": "v1"}, "its ETag is not a quoted ASCII string"),
        ({"ETag": '"v1'}, "its ETag is not a quoted ASCII string"),
        ({"ETag": '"ü"'.encode()}, "its ETag is not a quoted ASCII string"),
        ({"ETag": ""} | DATED, "its ETag is not a quoted ASCII string"),
        ([("ETag", '"a"'), ("ETag", '"b"')], "its ETag is not a quoted ASCII string"),
        (
            {"Last-Modified": MODIFIED},
            "its Last-Modified is not at least a second before its Date",
        ),
        (
            {"Last-Modified": MODIFIED, "Date": MODIFIED},
            "its Last-Modified is not at least a second before its Date",
        ),
        (
            {"Last-Modified": SECOND_LATER, "Date": MODIFIED},
            "its Last-Modified is not at least a second before its Date",
        ),
        (TAG | {"Accept-Ranges": "None"}, "the server does not support ranges"),
    ],
)
def test_etag_without_a_strong_validator_or_ranges_a_body_can_not_be_resumed(headers, reason):
    assert judged(headers) == reason


@each("method", ["HEAD", "POST", "PUT", "QUERY"])
def test_only_a_get_can_be_resumed(method):
    assert judged(TAG, method=method) == "the method is not GET"


@each("status", [201, 203, 204, 226, 304, 404, 500])
def test_only_200_and_206_can_be_resumed(status):
    assert judged(TAG, status=status) == f"the status code is {status}"


NOT_ONE = "it is a part, and the request did not ask for one range of bytes"
UNUSABLE = "its Content-Range is missing or not valid"


@each(
    ("asked", "headers", "reason"),
    [
        ("bytes=0-9", PART, ""),
        ("Bytes=-10", PART, ""),
        ("bytes=0-", PART | {"Content-Length": "10"}, ""),
        ("bytes=0-9", PART | {"Content-Range": "bytes 0-9/*"}, ""),
        (None, PART, NOT_ONE),
        ("bytes=0-1,5-6", PART, NOT_ONE),
        ("pages=0-1", PART, NOT_ONE),
        ("bytes=0-9", TAG, UNUSABLE),
        ("bytes=0-9", TAG | {"Content-Range": "bytes 9-0/100"}, UNUSABLE),
        ("bytes=0-9", TAG | {"Content-Range": "pages 0-9/100"}, UNUSABLE),
        (
            "bytes=0-9",
            PART | {"Content-Type": "multipart/byteranges; boundary=x"},
            "it has several parts (multipart/byteranges)",
        ),
        (
            "bytes=0-9",
            PART | {"Content-Length": "11"},
            "its Content-Length does not match its Content-Range",
        ),
        ("bytes=0-9", {"Content-Range": "bytes 0-9/100", "ETag": 'W/"a"'}, "its ETag is weak"),
    ],
)
def test_a_part_can_be_resumed_where_one_range_was_asked_for_and_came(asked, headers, reason):
    assert judged(headers, status=206, asked={"Range": asked} if asked else None) == reason


def test_the_callers_own_if_range_is_no_hindrance():
    asked = {"Range": "bytes=0-9", "If-Range": '"v0"'}
    assert judged(TAG, asked=asked) == judged(PART, status=206, asked=asked) == ""


def test_a_get_whose_own_body_is_used_up_can_not_be_resumed():
    body = Body(iter([b"x"]), None, 0)
    request = httpx.Request("GET", "http://a.example/", stream=body)
    assert resumable(httpx.Response(200, headers=TAG), request) == ""
    assert list(body) == [b"x"]
    reason = resumable(httpx.Response(200, headers=TAG), request)
    assert reason == "the request has a body that can't be sent again"


# ── a server, and a reader of each kind ────────────────────────────────────────────────


def raw(status, headers, body, *, cut=True, **also):
    """An answer as it goes out; `cut` where the connection ends with it."""
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, "", ""]).encode()
    return Answer(raw=head + body, **({"close": cut} | also))


def chunked(status, headers, body, **also):
    """The same in one chunk, without the last one that would end it."""
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return raw(status, headers | {"Transfer-Encoding": "chunked"}, chunk, **also)


def cut_at(*cuts, body=BODY, headers=TAG, **also) -> Callable[[Received], Answer]:
    """Ranges of a body are served; the answers end at these positions of it, later ones whole."""
    left = list(cuts)

    def answer(received: Received) -> Answer:
        first, last, status, more = 0, len(body) - 1, 200, {}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", received.headers.get("range", "")):
            first, last, status = int(asked[1]), int(asked[2] or last), 206
            more = {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
        more["Content-Length"] = str(last + 1 - first)
        end = left.pop(0) if left else last + 1
        whole = end == last + 1
        return raw(
            status, headers | more, body[first:end], cut=not whole, **({} if whole else also)
        )

    return answer


class Reader:
    """A bare transport of each kind; what it reads is resumed."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.attempts = 2
        self.limits = httpx.Limits()
        self.left: list[Any] = []  # connections of the pool once all was read

    def __call__(self, url: str, headers: Any = None, read: float | None = None) -> bytes:
        extensions = {"timeout": {"read": read}}
        self.request = httpx.Request("GET", url, headers=headers, extensions=extensions)
        if self.kind == "sync":
            return self.sync()
        return anyio.run(self.task, backend=self.kind)

    def resumed(self, response: httpx.Response, send: Callable[..., Any]) -> httpx.Response:
        assert resumable(response, self.request) == ""
        response.stream = Resuming(response, self.request, send, self.attempts)
        return response

    def sync(self) -> bytes:
        with httpx.HTTPTransport(limits=self.limits) as transport:
            response = transport.handle_request(self.request)
            try:
                return self.resumed(response, transport.handle_request).read()
            finally:
                self.left = [c for c in transport._pool.connections if not c.is_idle()]
                response.close()

    async def task(self) -> bytes:
        async with httpx.AsyncHTTPTransport(limits=self.limits) as transport:
            response = await transport.handle_async_request(self.request)
            try:
                return await self.resumed(response, transport.handle_async_request).aread()
            finally:
                self.left = [c for c in transport._pool.connections if not c.is_idle()]
                await response.aclose()


@pytest.fixture
def reader(kind: str) -> Reader:
    return Reader(kind)


def asked(server: StatusServer) -> list[str | None]:
    return [received.headers.get("range") for received in server.received]


def note(error: BaseException) -> str:
    """The one note of an error: why it was not resumed."""
    (text,) = error.__notes__
    found = re.fullmatch(r"statuspolicy did not resume the body at byte (.*)\.", text)
    assert found, text
    return found[1]


# ── what is resumed ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cut", [0, 1, SIZE // 2, SIZE - 1])
@pytest.mark.parametrize("headers", [TAG, DATED], ids=["etag", "last-modified"])
def test_if_range_a_body_that_breaks_is_read_to_its_end(reader, status_server, cut, headers):
    url = status_server.script("/x", cut_at(cut, headers=headers))
    assert reader(url) == BODY
    assert asked(status_server) == [None, f"bytes={cut}-"]
    validator = status_server.received[1].headers["if-range"]
    assert validator == headers.get("ETag", MODIFIED)


def test_a_body_that_does_not_break_is_asked_for_once(reader, status_server):
    assert reader(status_server.script("/x", cut_at())) == BODY
    assert asked(status_server) == [None]


def test_a_body_may_break_several_times(reader, status_server, caplog):
    caplog.set_level(logging.INFO, "statuspolicy")
    url = status_server.script("/x", cut_at(10, 500, 501, 2000))
    assert reader(url) == BODY
    assert asked(status_server) == [None, *(f"bytes={n}-" for n in (10, 500, 501, 2000))]
    assert caplog.messages == [
        f"GET {url} broke (RemoteProtocolError) and is resumed at byte {n}"
        for n in (10, 500, 501, 2000)
    ]


def test_a_body_that_stalls_is_resumed_after_the_read_timeout(reader, status_server):
    url = status_server.script("/x", cut_at(700, stall=True))
    assert reader(url, read=0.1) == BODY
    assert asked(status_server) == [None, "bytes=700-"]


def test_a_pool_of_one_connection_is_enough(reader, status_server):
    reader.limits = httpx.Limits(max_connections=1)
    url = status_server.script("/x", cut_at(700, 800, stall=True))
    assert reader(url, read=0.3) == BODY
    assert status_server.connections == 3


def test_206_a_body_of_unknown_length_learns_it_from_the_part(reader, status_server):
    url = status_server.script("/x", chunked(200, TAG, BODY[:300]), cut_at(900))
    assert reader(url) == BODY
    assert asked(status_server) == [None, "bytes=300-", "bytes=900-"]


@pytest.mark.parametrize("body", [BODY, b""])
@pytest.mark.parametrize("headers", [{}, TAG])
def test_416_a_body_of_which_only_the_end_was_missing_is_whole(
    reader, status_server, body, headers
):
    none_left = Answer(416, {"Content-Range": f"bytes */{len(body)}", **headers}, b"none left")
    url = status_server.script("/x", chunked(200, TAG, body), none_left)
    assert reader(url) == body
    assert asked(status_server) == [None, f"bytes={len(body)}-"]
    assert reader.left == []


def test_416_lengths_that_no_part_tells_are_found_by_asking_until_nothing_is_left(
    reader, status_server
):
    part = raw(206, {"Content-Range": "bytes 300-2047/*", "Content-Length": "1748", **TAG}, b"")
    part = part._replace(raw=(part.raw or b"") + BODY[300:], close=False)
    url = status_server.script(
        "/x",
        chunked(200, TAG, BODY[:300]),
        part,
        Answer(416, {"Content-Range": f"bytes */{SIZE}"}),
    )
    assert reader(url) == BODY
    assert asked(status_server) == [None, "bytes=300-", f"bytes={SIZE}-"]


def test_206_where_all_that_was_announced_came_nothing_is_resumed(reader, status_server):
    part = {"Content-Range": "bytes 0-99/2048", **TAG}
    url = status_server.script("/x", chunked(206, part, BODY[:100]))
    assert reader(url, {"Range": "bytes=0-99"}) == BODY[:100]
    assert asked(status_server) == ["bytes=0-99"]


def test_206_transfer_encoding_a_part_that_ends_in_order_is_as_long_as_it_is(reader, status_server):
    """Nothing broke, so nothing is mended: its row judges it."""
    part = raw(206, PART | {"Transfer-Encoding": "chunked"}, b"1\r\n!\r\n0\r\n\r\n", cut=False)
    assert reader(status_server.script("/x", part), {"Range": "bytes=0-9"}) == b"!"
    assert asked(status_server) == ["bytes=0-9"]


@pytest.mark.parametrize(
    ("first", "last", "wanted"), [(100, 199, "bytes=100-199"), (1048, 2047, "bytes=-1000")]
)
def test_a_range_is_resumed_within_itself(reader, status_server, first, last, wanted):
    """And the caller's own If-Range gives way to the validator of what came."""
    part = {"Content-Range": f"bytes {first}-{last}/{SIZE}", **TAG}
    part["Content-Length"] = str(last + 1 - first)
    url = status_server.script("/x", raw(206, part, BODY[first : first + 50]), cut_at())
    assert reader(url, {"Range": wanted, "If-Range": MODIFIED}) == BODY[first : last + 1]
    assert asked(status_server) == [wanted, f"bytes={first + 50}-{last}"]
    assert status_server.received[1].headers["if-range"] == '"v1"'


def test_a_200_to_a_range_request_is_resumed_as_the_whole(reader, status_server):
    head = raw(200, TAG | {"Content-Length": str(SIZE)}, BODY[:9])
    assert reader(status_server.script("/x", head, cut_at()), {"Range": "bytes=5-"}) == BODY
    assert asked(status_server) == ["bytes=5-", "bytes=9-"]


def test_206_content_range_a_shorter_part_than_was_asked_for_is_progress(reader, status_server):
    reader.attempts = 1

    def short(received: Received) -> Answer:
        first = int(received.headers["range"][6:-1])
        last = min(first + 499, SIZE - 1)
        part = {"Content-Range": f"bytes {first}-{last}/{SIZE}", **TAG}
        return Answer(206, part, BODY[first : last + 1])

    assert reader(status_server.script("/x", cut_at(10)(FIRST), short)) == BODY
    assert asked(status_server) == [None, *(f"bytes={n}-" for n in (10, 510, 1010, 1510, 2010))]


def test_206_content_encoding_a_coded_body_is_resumed_as_it_is_on_the_wire_and_decoded_once(
    reader, status_server
):
    packed, coded = gzip.compress(BODY), TAG | {"Content-Encoding": "gzip"}
    url = status_server.script("/x", cut_at(40, 60, body=packed, headers=coded))
    assert reader(url, {"Accept-Encoding": "gzip;q=0.7"}) == BODY
    sent = [received.headers["accept-encoding"] for received in status_server.received]
    assert sent == ["gzip;q=0.7"] * 3


def test_200_before_the_first_byte_the_same_whole_body_will_do(reader, status_server):
    empty = raw(200, TAG | {"Content-Length": str(SIZE)}, b"")
    whole = chunked(200, TAG, BODY)
    whole = whole._replace(raw=(whole.raw or b"") + b"0\r\n\r\n")
    assert reader(status_server.script("/x", empty, whole)) == BODY
    assert asked(status_server) == [None, "bytes=0-"]


def test_206_the_request_for_the_rest_is_the_callers_own_without_its_conditions(
    reader, status_server
):
    own = {
        "Authorization": "Bearer x",
        "If-None-Match": '"v0"',
        "If-Modified-Since": MODIFIED,
        "If-Match": '"v1"',
        "If-Unmodified-Since": MODIFIED,
        "X-Range": "1",
    }
    assert reader(status_server.script("/x", cut_at(5)), own) == BODY
    first, second = (received.headers for received in status_server.received)
    assert second == {
        "host": first["host"],
        "authorization": "Bearer x",
        "x-range": "1",
        "range": "bytes=5-",
        "if-range": '"v1"',
    }
    assert "range" not in reader.request.headers
    assert reader.request.headers["if-none-match"] == '"v0"'


def test_a_last_modified_may_be_left_out_of_a_part_that_has_its_etag(reader, status_server):
    url = status_server.script("/x", cut_at(5, headers=TAG | DATED)(FIRST), cut_at())
    assert reader(url) == BODY


def test_a_last_modified_that_only_the_part_has_contradicts_nothing(reader, status_server):
    url = status_server.script("/x", cut_at(5)(FIRST), cut_at(headers=TAG | DATED))
    assert reader(url) == BODY


# ── what is refused ────────────────────────────────────────────────────────────────────

FIRST = Received("GET", "/x", {}, b"", 1)
# trio warns of each generator that isn't read to its end, those of the library among them.
LEFT_BEHIND = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
REST = {"Content-Range": f"bytes 5-{SIZE - 1}/{SIZE}"}


def rest(**also: str) -> Answer:
    """What would be right after five bytes, but for what is said."""
    fields = {name.replace("_", "-"): value for name, value in also.items()}
    return Answer(206, TAG | REST | fields, BODY[5:])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (rest(ETag='"v2"'), "the ETag changed"),
        (rest(ETag='W/"v1"'), "the ETag changed"),
        (Answer(206, REST, BODY[5:]), "the ETag changed"),
        (rest(Last_Modified=SECOND_LATER), "the Last-Modified changed"),
        (rest(Content_Encoding="gzip"), "the Content-Encoding changed"),
        (
            Answer(206, TAG | {"Content-Range": f"bytes 5-{SIZE}/{SIZE + 1}"}, BODY[4:]),
            "the length changed",
        ),
        (
            Answer(206, TAG | {"Content-Range": f"bytes 6-{SIZE - 1}/{SIZE}"}, BODY[6:]),
            "the part begins at byte 6",
        ),
        (
            Answer(206, TAG | {"Content-Range": f"bytes 4-{SIZE - 1}/{SIZE}"}, BODY[4:]),
            "the part begins at byte 4",
        ),
        (
            Answer(206, TAG | {"Content-Range": f"bytes 5-{SIZE}/*"}, BODY[4:]),
            "the part ends after the last byte",
        ),
        (Answer(206, TAG, BODY[5:]), f"a 206 came, but {UNUSABLE}"),
        (
            rest(Content_Type="Multipart/Byteranges; boundary=x"),
            "a 206 came, but it has several parts (multipart/byteranges)",
        ),
        (
            Answer(206, TAG | REST, BODY[6:]),
            "a 206 came, but its Content-Length does not match its Content-Range",
        ),
        (Answer(200, TAG, BODY), "the request for the rest was answered 200"),
        (Answer(304, TAG), "the request for the rest was answered 304"),
        (Answer(404), "the request for the rest was answered 404"),
        (Answer(412), "the request for the rest was answered 412"),
        (Answer(503, body=b"busy"), "the request for the rest was answered 503"),
        (
            Answer(416, {"Content-Range": "bytes */5"}),  # but more was announced
            "the request for the rest was answered 416",
        ),
    ],
)
def test_206_304_404_412_416_503_an_answer_that_is_not_the_rest_is_refused(
    reader, status_server, answer, reason
):
    url = status_server.script("/x", cut_at(5, headers=TAG | DATED)(FIRST), answer)
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection") as broken:
        reader(url)
    assert note(broken.value) == f"5: {reason}"
    assert len(status_server.received) == 2
    assert reader.left == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, TAG | {"ETag": '"v2"'}, BODY), "the ETag changed"),
        (Answer(200, {}, BODY), "the ETag changed"),
        (Answer(200, TAG, BODY + b"!"), "the length changed"),
        (Answer(203, TAG, BODY), "the request for the rest was answered 203"),
    ],
)
def test_203_another_whole_body_is_refused_before_the_first_byte_too(
    reader, status_server, answer, reason
):
    """The caller holds the header section of the first one."""
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(status_server.script("/x", cut_at(0)(FIRST), answer))
    assert note(broken.value) == f"0: {reason}"


@pytest.mark.parametrize("changed", [{}, {"Last-Modified": SECOND_LATER}, {"ETag": '"v1"'} | DATED])
def test_without_an_etag_the_last_modified_has_to_be_the_same(reader, status_server, changed):
    answer = Answer(206, REST | changed, BODY[5:])
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(status_server.script("/x", cut_at(5, headers=DATED)(FIRST), answer))
    assert note(broken.value).endswith("changed")


def test_content_encoding_a_code_that_the_part_no_longer_names_is_another(reader, status_server):
    """RFC 9110 §15.3.7 lets it be left out; but then nobody can tell a body that has none."""
    packed, coded = gzip.compress(BODY), TAG | {"Content-Encoding": "gzip"}
    first = cut_at(5, body=packed, headers=coded)(FIRST)
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(status_server.script("/x", first, cut_at(body=packed)))
    assert note(broken.value) == "5: the Content-Encoding changed"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(416, {"Content-Range": "bytes */4"}),
        Answer(416, {"Content-Range": "bytes */5", "ETag": '"v2"'}),
        Answer(416),
        Answer(400, {"Content-Range": "bytes */5"}),
    ],
)
def test_only_a_416_that_says_that_the_end_is_here_is_the_end(reader, status_server, answer):
    url = status_server.script("/x", chunked(200, TAG, BODY[:5]), answer)
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(url)
    assert note(broken.value) == f"5: the request for the rest was answered {answer.status}"


def test_a_200_never_stands_for_a_part(reader, status_server):
    part = {"Content-Range": f"bytes 0-99/{SIZE}", "Content-Length": "100", **TAG}
    url = status_server.script("/x", raw(206, part, b""), Answer(200, TAG, BODY))
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(url, {"Range": "bytes=0-99"})
    assert note(broken.value) == "0: the request for the rest was answered 200"


@LEFT_BEHIND
def test_206_content_range_a_part_that_is_longer_than_it_says_is_not_handed_over(
    reader, status_server
):
    part = {"Content-Range": f"bytes 5-9/{SIZE}", **TAG}
    url = status_server.script("/x", cut_at(5)(FIRST), chunked(206, part, BODY[5:11]))
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(url)
    assert note(broken.value) == "5: the server sent more bytes than it announced"
    assert reader.left == []


@LEFT_BEHIND
def test_a_whole_body_that_is_longer_than_the_first_one_said_is_not_handed_over(
    reader, status_server
):
    first = cut_at(0)(FIRST)
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(status_server.script("/x", first, chunked(200, TAG, BODY + b"!")))
    assert note(broken.value) == "0: the server sent more bytes than it announced"


def test_206_a_body_that_broke_after_more_than_was_announced_is_left_as_it_is(
    reader, status_server
):
    part = {"Content-Range": f"bytes 0-9/{SIZE}", **TAG}
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(status_server.script("/x", chunked(206, part, BODY[:11])), {"Range": "bytes=0-9"})
    assert note(broken.value) == "11: the server sent more bytes than it announced"
    assert len(status_server.received) == 1


def test_a_request_for_the_rest_that_fails_is_told_with_the_first_error(reader, status_server):
    url = status_server.script("/x", cut_at(5)(FIRST), Answer(raw=b"", close=True))
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection") as broken:
        reader(url)
    second = broken.value.__context__
    assert isinstance(second, httpx.RemoteProtocolError)
    assert note(broken.value) == f"5: the request for the rest failed ({second!r})"
    assert "without sending a response" in str(second)
    # What the library raised it from is still there.
    assert type(broken.value.__cause__).__module__.startswith("httpcore")


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_the_same_byte_is_requested_a_bounded_number_of_times(reader, status_server, attempts):
    reader.attempts = attempts
    with pytest.raises(httpx.RemoteProtocolError) as broken:
        reader(status_server.script("/x", cut_at(*[5] * 9)))
    assert note(broken.value) == f"5: gave up after {attempts} attempts"
    assert asked(status_server) == [None, *["bytes=5-"] * attempts]


def test_each_byte_that_comes_sets_the_bound_back(reader, status_server):
    reader.attempts = 1
    assert reader(status_server.script("/x", cut_at(*range(20)))) == BODY
    assert asked(status_server) == [None, *(f"bytes={n}-" for n in range(20))]


def test_206_transfer_encoding_a_part_that_ends_in_order_without_a_byte_is_no_progress(
    reader, status_server
):
    """The error is that of the last break."""
    nothing = raw(206, TAG | REST | {"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", cut=False)
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection") as broken:
        reader(status_server.script("/x", cut_at(5)(FIRST), nothing))
    assert note(broken.value) == "5: gave up after 2 attempts"


def test_an_empty_piece_is_no_progress(kind):
    sent = []

    def send(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return other_half(Stream(b"", httpx.ReadError("again")))

    _, response = half(b"ab", httpx.ReadError("gone"))
    with pytest.raises(httpx.ReadError, match="again"):
        read(kind, response, send)
    assert len(sent) == 2


def test_a_content_length_beside_a_transfer_coding_announces_nothing(kind):
    """RFC 9112 §6.3: Transfer-Encoding overrides it."""
    both = HALF | {"Transfer-Encoding": "chunked", "Content-Length": "2"}
    stream = Stream(b"ab", httpx.ReadError("gone"))
    response = httpx.Response(200, headers=both, stream=stream)
    assert read(kind, response, lambda request: other_half(Stream(b"cd"))) == [b"ab", b"cd"]


# ── closing ────────────────────────────────────────────────────────────────────────────


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Pieces, then an error; it counts how often it is closed, and may not like it."""

    def __init__(self, *pieces: Any, grumbles: bool = False) -> None:
        self.pieces, self.grumbles, self.closed = pieces, grumbles, 0

    def __iter__(self):
        for piece in self.pieces:
            if callable(piece):
                piece()
            elif isinstance(piece, Exception):
                raise piece
            else:
                yield piece

    async def __aiter__(self):
        for piece in iter(self):
            yield piece

    def close(self) -> None:
        self.closed += 1
        if self.grumbles:
            raise OSError("can't close")

    async def aclose(self) -> None:
        self.close()


REQUEST = httpx.Request("GET", "http://u:p@a.example/x#f")
HALF = {"ETag": '"v1"', "Content-Length": "4"}
OTHER_HALF = {"ETag": '"v1"', "Content-Range": "bytes 2-3/4"}


def half(*pieces: Any, grumbles: bool = False) -> tuple[Stream, httpx.Response]:
    stream = Stream(*pieces, grumbles=grumbles)
    return stream, httpx.Response(200, headers=HALF, stream=stream)


def other_half(stream: Stream, url: str = "http://a.example/x") -> httpx.Response:
    request = httpx.Request("GET", url)
    return httpx.Response(206, headers=OTHER_HALF, stream=stream, request=request)


def read(kind: str, response: httpx.Response, send: Callable[..., Any]) -> list[bytes]:
    """The pieces of a body that is resumed."""

    async def task() -> list[bytes]:
        async def asend(request: httpx.Request) -> httpx.Response:
            return send(request)

        return [part async for part in Resuming(response, REQUEST, asend, 2)]

    if kind == "sync":
        return list(Resuming(response, REQUEST, send, 2))
    return anyio.run(task, backend=kind)


def test_each_stream_is_closed_and_what_broke_before_the_next_is_asked_for(kind):
    first, response = half(b"ab", httpx.ReadError("gone"))
    second = Stream(b"c", b"", b"d")

    def send(request: httpx.Request) -> httpx.Response:
        assert first.closed
        return other_half(second)

    assert read(kind, response, send) == [b"ab", b"c", b"", b"d"]
    assert second.closed


def test_what_broke_may_fail_to_close(kind):
    first, response = half(b"ab", httpx.ReadError("gone"), grumbles=True)
    second = Stream(b"cd", grumbles=True)
    assert read(kind, response, lambda request: other_half(second)) == [b"ab", b"cd"]
    assert first.closed
    assert second.closed


def test_the_rest_of_another_resource_is_refused_and_closed(kind):
    """A strong ETag says nothing about the bytes of another URL (RFC 9110 §8.8.3)."""
    _, response = half(b"ab", httpx.ReadError("gone"))
    second = Stream(b"cd")
    with pytest.raises(httpx.ReadError, match="gone") as broken:
        read(kind, response, lambda request: other_half(second, "http://a.example/y"))
    assert note(broken.value) == "2: the rest came from another URL"
    assert second.closed


def test_an_error_that_is_not_the_transports_is_not_resumed(kind):
    first, response = half(b"ab", ValueError("mine"))
    with pytest.raises(ValueError, match="mine") as broken:
        read(kind, response, lambda request: pytest.fail("it was sent"))
    assert not hasattr(broken.value, "__notes__")
    assert first.closed


def test_an_error_of_send_that_is_not_the_transports_is_raised_as_it_is(kind):
    first, response = half(b"ab", httpx.ReadError("gone"))

    def send(request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read(kind, response, send)
    assert first.closed


def test_what_is_closed_while_it_is_read_is_not_resumed():
    first, response = half(b"ab", lambda: body.close(), httpx.ReadError("closed"))  # noqa: PLW0108 - there is none yet
    body = Resuming(response, REQUEST, lambda request: pytest.fail("it was sent"), 2)
    with pytest.raises(httpx.ReadError) as broken:
        list(body)
    assert note(broken.value) == "2: the response was closed"
    assert first.closed


def test_what_is_closed_while_the_rest_is_asked_for_leaves_nothing_open():
    _, response = half(b"ab", httpx.ReadError("gone"))
    second = Stream(b"cd")

    def send(request: httpx.Request) -> httpx.Response:
        body.close()
        return other_half(second)

    body = Resuming(response, REQUEST, send, 2)
    with pytest.raises(httpx.ReadError) as broken:
        list(body)
    assert note(broken.value) == "2: the response was closed"
    assert second.closed


def test_closing_closes_the_stream_that_is_read_and_may_be_repeated(status_server):
    url = status_server.script("/x", cut_at(5), cut_at(500, stall=True))
    request = httpx.Request("GET", url)
    with httpx.HTTPTransport() as transport:
        response = transport.handle_request(request)
        body = Resuming(response, request, transport.handle_request, 2)
        parts = iter(body)
        assert next(parts) + next(parts) == BODY[:500]
        assert len(transport._pool.connections) == 1
        body.close()
        body.close()
        assert transport._pool.connections == []
    assert len(status_server.received) == 2


@LEFT_BEHIND
def test_to_stop_reading_closes_the_stream_that_is_read_and_asks_for_nothing(kind):
    _, response = half(b"ab", httpx.ReadError("gone"))
    second = Stream(b"c", b"d")
    sent = []

    def send(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return other_half(second)

    async def task() -> None:
        async def asend(request: httpx.Request) -> httpx.Response:
            return send(request)

        parts = aiter(Resuming(response, REQUEST, asend, 2))
        assert [await anext(parts), await anext(parts)] == [b"ab", b"c"]
        await parts.aclose()

    if kind == "sync":
        parts = iter(Resuming(response, REQUEST, send, 2))
        assert [next(parts), next(parts)] == [b"ab", b"c"]
        parts.close()
    else:
        anyio.run(task, backend=kind)
    assert second.closed
    assert len(sent) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_reader_leaves_nothing_open(backend, status_server):
    url = status_server.script("/x", cut_at(5), cut_at(500, stall=True))
    request = httpx.Request("GET", url)

    async def task() -> None:
        async with httpx.AsyncHTTPTransport() as transport:
            response = await transport.handle_async_request(request)
            body = Resuming(response, request, transport.handle_async_request, 2)
            got = b""
            with anyio.CancelScope() as scope:
                async for part in body:
                    got += part
                    if len(got) == 500:
                        scope.cancel()  # the next read is of what stalls
            assert scope.cancelled_caught
            assert got == BODY[:500]
            assert transport._pool.connections == []

    anyio.run(task, backend=backend)
    assert len(status_server.received) == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_task_closes_what_it_holds(backend):
    class Slow(Stream):
        async def aclose(self) -> None:
            await anyio.lowlevel.checkpoint()  # where a cancelled task would get no further
            self.close()

    stream = Slow(b"ab")
    response = httpx.Response(200, headers=HALF, stream=stream)

    async def task() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await Resuming(response, REQUEST, partial(pytest.fail, "it was sent"), 2).aclose()

    anyio.run(task, backend=backend)
    assert stream.closed == 1
