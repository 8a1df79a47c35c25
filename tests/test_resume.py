"""`resume` on a row or a call: the body that the caller reads goes on where it broke."""

import gzip

import pytest

from statuspolicy.testing import Answer, Received
from tests.library import httpx, sp

WHOLE = bytes(range(256)) * 20
ROW = sp.STANDARD | {200: sp.resume}
ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


def broken(at: int, **fields: str) -> Answer:
    """A 200 that announces all and hangs up in the middle."""
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    announced = f"HTTP/1.1 200 OK\r\nContent-Length: {len(WHOLE)}\r\n{head}\r\n"
    return Answer(raw=announced.encode() + WHOLE[:at], close=True)


def rest(request: Received) -> Answer:
    """What a Range request asks for, as nginx would answer it."""
    first = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert request.headers["if-range"] == '"v1"'
    span = f"bytes {first}-{len(WHOLE) - 1}/{len(WHOLE)}"
    return Answer(206, {"Content-Range": span, "ETag": '"v1"'}, WHOLE[first:])


def test_range_a_row_resumes_over_a_pool_of_one(open_session, status_server):
    url = status_server.script("/file", broken(1000, ETag='"v1"'), rest)
    session = open_session(dict(ONE), table=ROW)
    response = session.get(url)
    assert response.content == WHOLE
    assert [r.headers.get("range") for r in status_server.received] == [None, "bytes=1000-"]
    assert session.get(status_server.url + "/200").status_code == 200


def test_a_call_resumes_and_other_calls_do_not(open_session, status_server):
    session = open_session()
    url = status_server.script("/a", broken(1000, ETag='"v1"'), rest)
    extensions = {"statuspolicy": sp.Overrides(resume=True)}
    assert session.get(url, extensions=extensions).content == WHOLE
    url = status_server.script("/b", broken(1000, ETag='"v1"'), rest)
    with pytest.raises(httpx.RemoteProtocolError) as raised:
        session.get(url)
    assert not getattr(raised.value, "__notes__", [])


def test_206_503_the_rest_has_the_policy_of_the_table(open_session, status_server):
    """A 503 on the way is waited for, a second break is resumed as well, a hop keeps home."""
    lines = [broken(10, ETag='"v1"'), Answer(503, {"Retry-After": "2"})]
    half = WHOLE[10:2000]
    span = f"bytes 10-{len(WHOLE) - 1}/{len(WHOLE)}"
    head = f'HTTP/1.1 206 Partial Content\r\nContent-Range: {span}\r\nETag: "v1"\r\n'
    announced = f"{head}Content-Length: {len(WHOLE) - 10}\r\n\r\n"
    lines.append(Answer(raw=announced.encode() + half, close=True))
    url = status_server.script("/file", *lines, rest)
    session = open_session(dict(ONE), table=ROW)
    assert session.get(url).content == WHOLE
    assert session.clock.waits == [2.0]
    ranges = [r.headers.get("range") for r in status_server.received]
    assert ranges == [None, "bytes=10-", "bytes=10-", "bytes=2000-"]


def test_302_after_a_redirect_the_rest_is_asked_of_the_last_hop(open_session, status_server):
    status_server.script("/file", broken(7, ETag='"v1"'), rest)
    session = open_session(table=ROW)
    response = session.get(status_server.url + "/302?location=/file")
    assert response.content == WHOLE
    assert [r.status_code for r in response.history] == [302]
    assert [r.target.partition("?")[0] for r in status_server.received] == [
        "/302", "/file", "/file",
    ]  # fmt: skip


def test_206_content_encoding_what_is_coded_is_resumed_as_it_was_sent(open_session, status_server):
    packed = gzip.compress(WHOLE * 20, mtime=0)

    def coded(request: Received) -> Answer:
        first = int((request.headers.get("range") or "bytes=0-")[6:-1])
        fields = {"ETag": '"v1"', "Content-Encoding": "gzip"}
        if not first:
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            announced = f"HTTP/1.1 200 OK\r\nContent-Length: {len(packed)}\r\n{head}\r\n"
            return Answer(raw=announced.encode() + packed[: len(packed) // 2], close=True)
        span = f"bytes {first}-{len(packed) - 1}/{len(packed)}"
        return Answer(206, {**fields, "Content-Range": span}, packed[first:])

    session = open_session(table=ROW)
    assert session.get(status_server.script("/file", coded)).content == WHOLE * 20


@pytest.mark.parametrize(
    ("fields", "then", "reason"),
    [
        ({"ETag": '"v1"'}, Answer(200, {"ETag": '"v2"'}, b"new"), "was answered 200"),
        ({"ETag": '"v1"'}, 404, "was answered 404"),
        ({"ETag": '"v1"'}, Answer(302, {"Location": "mailto:x"}), "was answered 302"),
        ({"ETag": '"v1"'}, Answer(302, {"Location": "/file"}), "failed"),
    ],
)
def test_where_it_cannot_go_on_the_first_error_says_why(
    open_session, status_server, fields, then, reason
):
    url = status_server.script("/file", broken(1000, **fields), then)
    session = open_session(dict(ONE), table=ROW)
    with pytest.raises(httpx.RemoteProtocolError) as raised:
        session.get(url)
    (note,) = (note for note in raised.value.__notes__ if "resume" in note)
    assert reason in note
    assert session.get(status_server.url + "/200").status_code == 200


def test_etag_a_response_without_a_strong_validator_is_handed_over_and_says_so(
    open_session, status_server
):
    url = status_server.script("/file", broken(1000, ETag='W/"v1"'))
    session = open_session(table=ROW)
    with pytest.raises(httpx.RemoteProtocolError):
        session.get(url)
    url = status_server.script("/whole", Answer(200, {"ETag": 'W/"v1"'}, b"whole"))
    response = session.get(url)
    assert (response.content, sp.trace(response).reason) == (b"whole", "its ETag is weak")


def test_the_total_bounds_the_rest_too(open_session, status_server):
    """The rest never comes: what broke the body is raised in time, and its note says the total."""
    stalled = Answer(raw=b"", stall=True)
    url = status_server.script("/file", broken(1000, ETag='"v1"'), stalled)
    limits = sp.Limits(total=0.3)
    session = open_session(table=ROW, limits=limits, clock=sp.SystemClock())
    with pytest.raises(httpx.TransportError) as raised:
        session.get(url)
    assert "TotalTimeout" in "".join(raised.value.__notes__)


def test_what_is_in_memory_cannot_break(open_session, status_server):
    fields = {"ETag": 'W/"v1"', "Cache-Control": "max-age=60"}
    url = status_server.script("/file", Answer(200, fields, WHOLE))
    session = open_session(table=ROW, cache=sp.Cache())
    first, stored = session.get(url), session.get(url)
    assert sp.trace(first)[0].reason == "its ETag is weak"
    assert sp.trace(stored)[0].reason == ""
    assert stored.content == WHOLE
