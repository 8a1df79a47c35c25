"""`download` and `adownload` on real sockets, in sync, asyncio and trio."""

import gzip
import hashlib
import json
import os
import signal
import stat
import sys
import threading
import time
from base64 import b64encode
from functools import partial
from importlib import import_module

import anyio
import pytest

from statuspolicy.downloads import download_state, segment
from statuspolicy.downloads.part_file import PartFile
from statuspolicy.downloads.segment import Halted
from statuspolicy.testing import Answer, Received
from tests.downloads.ranged import BODY, GONE, Ranged, beside, save
from tests.library import httpx, sp

partfile = import_module("statuspolicy.downloads.part_file")
PARTS = ["file", "file.part", "file.part.json"]
QUICK = httpx.Timeout(5, pool=0.5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def ranges(server) -> list[str | None]:
    return [request.headers.get("range") for request in server.received]


def interrupted(session, server, path, at=100_000, fields=None, body=BODY) -> str:
    """Leave a part behind; the URL of what it is a part of."""
    server._turns.clear()
    url = server.script("/file", Ranged(body, fields, cut=at), GONE)
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path)
    server.received.clear()
    server._turns.clear()
    return url


# ── a whole file ───────────────────────────────────────────────────────────────────────


def test_a_file_is_saved_whole_and_nothing_is_left_beside_it(session, status_server, path):
    told = []
    url = status_server.script("/file", Ranged())
    saved = save(session, url, path, progress=lambda *now: told.append(now))
    assert saved == path
    assert path.read_bytes() == BODY
    assert beside(path) == ["file"]
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)
    (request,) = status_server.received
    assert request.headers["accept-encoding"] == "identity"
    assert "range" not in request.headers


def test_a_new_file_has_the_permissions_that_open_gives(session, status_server, path):
    (path.parent / "other").write_bytes(b"")
    save(session, status_server.script("/file", Ranged()), path)
    mode, other = (stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent / "other"))
    assert (path.read_bytes(), mode) == (BODY, other)


@pytest.mark.parametrize("fields", [{"ETag": '"v1"', "Accept-Ranges": "bytes"}, {}])
def test_content_length_0_is_a_file_of_no_bytes(session, status_server, path, fields):
    save(session, status_server.script("/file", Ranged(b"", fields)), path, segments=4)
    assert (path.read_bytes(), beside(path)) == (b"", ["file"])


def test_transfer_encoding_a_body_that_tells_no_length_is_whole_where_it_ends(
    session, status_server, path
):
    chunked = Answer(200, {"Transfer-Encoding": "chunked", "ETag": '"v1"'}, BODY)
    told = []
    url = status_server.script("/file", chunked)
    save(session, url, path, segments=4, progress=lambda *now: told.append(now))
    assert path.read_bytes() == BODY
    assert (told[0], told[-1]) == ((0, None), (len(BODY), len(BODY)))


def test_302_503_redirects_and_waits_are_the_table_s(session, status_server, path):
    status_server.script("/file", Answer(503, {"Retry-After": "7"}), Ranged())
    save(session, status_server.url + "/302?location=/file", path)
    assert path.read_bytes() == BODY
    assert session.clock.waits == [7.0]


@pytest.mark.parametrize("segments", [1, 4])
def test_a_client_s_cache_neither_answers_nor_keeps_it(open_session, status_server, path, segments):
    """Each of many segments would be held in memory until it is whole."""
    fields = {"ETag": '"v1"', "Accept-Ranges": "bytes", "Cache-Control": "max-age=60"}
    storage = sp.MemoryStorage()
    session = open_session(cache=sp.Cache(storage=storage))
    url = status_server.script("/file", Answer(200, fields, b"old"), Ranged(fields=fields))
    session.get(url)
    before = repr(storage)
    assert save(session, url, path, segments=segments).read_bytes() == BODY
    assert repr(storage) == before


def test_a_body_that_breaks_goes_on_by_itself(session, status_server, path):
    url = status_server.script("/file", Ranged(cut=100_000), Ranged(cut=50_000), Ranged())
    save(session, url, path)
    assert path.read_bytes() == BODY
    assert ranges(status_server) == [None, "bytes=100000-", "bytes=150000-"]


# ── what is no file ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [204, 207, 301, 404, 416, 500])
def test_204_207_301_404_416_500_another_answer_is_an_error_with_its_entity(
    session, status_server, path, status
):
    url = status_server.script("/file", Answer(status, {}, b"an entity"))
    with pytest.raises(
        httpx.HTTPStatusError, match=f"was answered {status} .*no file was saved"
    ) as e:
        save(session, url, path)
    if status not in (204, 416):
        assert e.value.response.text == "an entity"
    assert beside(path) == []
    assert session.get(status_server.url + "/200").status_code == 200


def test_the_error_says_why_it_was_not_gone_on_with(session, status_server, path):
    with pytest.raises(httpx.HTTPStatusError, match=r"503 .*the wait of 3600 s is above Limits"):
        save(session, status_server.script("/file", GONE), path)


def test_an_entity_that_is_too_long_is_not_read_to_its_end(open_session, status_server, path):
    session = open_session({"limits": httpx.Limits(max_connections=1), "timeout": QUICK})
    url = status_server.script("/file", Answer(404, {}, BODY))
    with pytest.raises(httpx.HTTPStatusError) as raised:
        save(session, url, path)
    assert not hasattr(raised.value.response, "_content")
    assert session.get(status_server.url + "/200").status_code == 200


def test_an_entity_that_breaks_is_shown_as_far_as_it_came(session, status_server, path):
    raw = b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nno such"
    with pytest.raises(httpx.HTTPStatusError) as raised:
        save(session, status_server.script("/file", raw), path)
    assert raised.value.response.content == b"no such"


def test_what_is_truncated_and_can_t_be_gone_on_with_is_not_there(session, status_server, path):
    url = status_server.script("/file", Ranged(fields={}, cut=100_000), GONE)
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path)
    assert beside(path) == []


def test_content_encoding_a_coding_that_nobody_asked_for_is_refused(session, status_server, path):
    coded = {"ETag": '"v1"', "Content-Encoding": "gzip"}
    url = status_server.script("/file", Ranged(gzip.compress(BODY), coded))
    with pytest.raises(sp.DownloadError, match="Content-Encoding gzip, but identity"):
        save(session, url, path)
    assert beside(path) == []
    save(session, url, path, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(path.read_bytes()) == BODY


# ── resumed ────────────────────────────────────────────────────────────────────────────


def test_if_range_a_part_is_gone_on_with_where_it_broke(session, status_server, path):
    url = interrupted(session, status_server, path)
    assert beside(path) == PARTS[1:]
    told = []
    status_server.script("/file", Ranged())
    save(session, url, path, progress=lambda *now: told.append(now))
    assert (path.read_bytes(), beside(path)) == (BODY, ["file"])
    (request,) = status_server.received
    assert request.headers["range"] == "bytes=100000-299999"
    assert request.headers["if-range"] == '"v1"'
    assert told[0] == (100_000, len(BODY))


def test_a_date_will_do_where_it_is_a_strong_validator(session, status_server, path):
    fields = {
        "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        "Date": "Sun, 06 Nov 1994 08:49:39 GMT",
    }
    url = interrupted(session, status_server, path, fields=fields)
    status_server.script("/file", Ranged(fields=fields))
    save(session, url, path)
    assert path.read_bytes() == BODY
    assert status_server.received[0].headers["if-range"] == fields["Last-Modified"]


@pytest.mark.parametrize(
    "fields",
    [
        {"ETag": 'W/"v1"'},
        {"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"ETag": '"v1"', "Accept-Ranges": "none"},
    ],
)
def test_etag_last_modified_without_a_strong_validator_nothing_is_left_to_go_on_with(
    session, status_server, path, fields
):
    url = interrupted(session, status_server, path, fields=fields)
    assert beside(path) == []
    status_server.script("/file", Ranged(fields=fields))
    save(session, url, path, segments=4)
    assert (path.read_bytes(), ranges(status_server)) == (BODY, [None])


NEW = bytes(reversed(BODY))


def part(first: int, end: int, total: object = len(BODY), body: bytes | None = None, **fields):
    """A 206 that says so."""
    span = f"bytes {first}-{end - 1}/{total}"
    named = {"ETag": '"v1"', "Content-Range": span}
    named |= {name.replace("_", "-"): value for name, value in fields.items()}
    named = {name: value for name, value in named.items() if value}
    return Answer(206, named, BODY[first:end] if body is None else body)


def multipart(*parts: tuple[int, int], total: object = len(BODY)) -> Answer:
    body = b"a preamble"
    for first, end in parts:
        span = f"Content-Range: bytes {first}-{end - 1}/{total}"
        body += f"\r\n--cut\r\nContent-Type: x/y\r\n{span}\r\n\r\n".encode() + BODY[first:end]
    fields = {"ETag": '"v1"', "Content-Type": "multipart/byteranges; boundary=cut"}
    return Answer(206, fields, body + b"\r\n--cut--\r\nand an epilogue")


REST = 100_000, 300_000
EMPTY = (
    b'HTTP/1.1 206 Partial Content\r\nETag: "v1"\r\nTransfer-Encoding: chunked\r\n'
    b"Content-Range: bytes 100000-299999/300000\r\n\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("answer", "sent", "body"),
    [
        pytest.param(part(*REST), 1, BODY, id="right"),
        pytest.param(Answer(200, {"ETag": '"v1"'}, BODY), 1, BODY, id="ignores Range"),
        pytest.param(Answer(200, {"ETag": '"v2"'}, NEW), 1, NEW, id="changed"),
        pytest.param(Answer(200, {}, NEW), 1, NEW, id="changed, without an ETag"),
        pytest.param(part(0, 300_000), 2, BODY, id="from byte 0"),
        pytest.param(part(99_999, 300_000), 2, BODY, id="one byte early"),
        pytest.param(part(100_001, 300_000), 2, BODY, id="one byte late"),
        pytest.param(part(*REST, total=300_001), 2, BODY, id="another length"),
        pytest.param(part(*REST, ETag='"v2"'), 2, BODY, id="another ETag"),
        pytest.param(part(*REST, ETag=None), 2, BODY, id="no ETag"),
        pytest.param(part(*REST, Content_Range=None), 2, BODY, id="no Content-Range"),
        pytest.param(part(*REST, Content_Range="bytes 1"), 2, BODY, id="a bad Content-Range"),
        pytest.param(part(*REST, Content_Encoding="br"), 2, None, id="coded"),
        pytest.param(
            part(*REST, body=BODY[100_000:] + b"more", Transfer_Encoding="chunked"),
            2, BODY, id="longer than announced",
        ),
        pytest.param(
            Answer(raw=EMPTY), 2, BODY, id="of no bytes"
        ),
        pytest.param(
            part(*REST, body=BODY[100_000:150_000], Transfer_Encoding="chunked"),
            2, BODY, id="shorter than announced",
        ),
        pytest.param(part(100_000, 150_000), 2, BODY, id="less than was asked for"),
        pytest.param(part(*REST, total="*"), 1, BODY, id="of unknown length"),
        pytest.param(multipart(REST), 1, BODY, id="multipart"),
        pytest.param(multipart((0, 50), (100_000, 200_000)), 2, BODY, id="multipart, not all"),
        pytest.param(multipart((0, 50)), 2, BODY, id="multipart, nothing of it"),
        pytest.param(multipart(REST, total=5), 2, BODY, id="multipart, of another length"),
        pytest.param(
            Answer(206, {"ETag": '"v1"', "Content-Type": "multipart/byteranges"}, b"x"),
            2, BODY, id="multipart without a boundary",
        ),
        pytest.param(
            Answer(416, {"Content-Range": "bytes */50000"}), 2, BODY, id="shrunk",
        ),
        pytest.param(Answer(416), 2, BODY, id="416 that says nothing"),
    ],
)  # fmt: skip
def test_206_416_whatever_comes_in_place_of_the_rest_the_file_is_one(
    session, status_server, path, answer, sent, body
):
    """What undici took three years to get right: whole, and never mixed."""
    url = interrupted(session, status_server, path)
    status_server.script("/file", answer, Ranged())
    if body is None:
        with pytest.raises(sp.DownloadError, match="Content-Encoding br"):
            save(session, url, path)
        assert beside(path) == PARTS[1:]
        return
    save(session, url, path)
    assert path.read_bytes() == body
    assert beside(path) == ["file"]
    assert len(status_server.received) == sent


def test_a_page_in_place_of_the_rest_is_no_new_start(session, status_server, path):
    fields = {"ETag": '"v1"', "Content-Type": "application/zip"}
    url = interrupted(session, status_server, path, fields=fields)
    page = Answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>Log in!")
    status_server.script("/file", page)
    with pytest.raises(
        sp.DownloadError, match="the media type was application/zip and is text/html"
    ):
        save(session, url, path)
    assert beside(path) == PARTS[1:]
    status_server.script("/file", Ranged(fields=fields))
    save(session, url, path)
    assert path.read_bytes() == BODY
    assert ranges(status_server)[-1] == "bytes=100000-299999"


def test_404_an_error_in_place_of_the_rest_leaves_the_part(session, status_server, path):
    url = interrupted(session, status_server, path)
    status_server.script("/file", 404)
    with pytest.raises(httpx.HTTPStatusError):
        save(session, url, path)
    assert beside(path) == PARTS[1:]


def test_a_download_without_a_byte_begins_without_a_range(session, status_server, path):
    url = interrupted(session, status_server, path, at=0)
    assert beside(path) == []
    status_server.script("/file", Ranged())
    save(session, url, path)
    assert (path.read_bytes(), ranges(status_server)) == (BODY, [None])


def whole_but_not_renamed(session, server, path, answer) -> str:
    """As if the power had gone just before the end."""

    def stop(done, total):
        if done == len(BODY):
            raise RuntimeError("the power is gone")

    url = server.script("/file", answer)
    with pytest.raises(RuntimeError, match="power"):
        save(session, url, path, progress=stop)
    assert beside(path) == PARTS[1:]
    server.received.clear()
    return url


def test_a_whole_part_is_asked_about_and_416_says_that_it_is_the_file(session, status_server, path):
    url = whole_but_not_renamed(session, status_server, path, Ranged())
    save(session, url, path)
    assert (path.read_bytes(), ranges(status_server)) == (BODY, ["bytes=300000-"])


def test_etag_a_whole_part_of_what_changed_is_begun_anew(session, status_server, path):
    url = whole_but_not_renamed(session, status_server, path, Ranged())
    status_server.script("/file", Ranged(NEW, {"ETag": '"v2"'}))
    save(session, url, path)
    assert path.read_bytes() == NEW


CHUNKED = b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nTransfer-Encoding: chunked\r\n\r\n'


@pytest.mark.parametrize("total", ["*", 300_000])
def test_a_part_of_unknown_length_is_gone_on_with(session, status_server, path, total):
    chunk = b"%x\r\n%b\r\n" % (100_000, BODY[:100_000])
    url = status_server.script("/file", Answer(raw=CHUNKED + chunk, close=True), GONE)
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path)
    status_server.received.clear()
    status_server._turns.clear()
    rest = part(100_000, 200_000, total), part(200_000, 300_000, total)
    status_server.script("/file", *rest, Ranged())
    save(session, url, path, segments=2)
    assert path.read_bytes() == BODY
    asked = ["bytes=100000-", "bytes=200000-", "bytes=300000-"]
    assert ranges(status_server) == (asked if total == "*" else ranges(status_server))


def test_a_part_of_something_else_or_a_damaged_one_is_not_gone_on_with(
    session, status_server, path
):
    side = path.with_name("file.part.json")
    url = interrupted(session, status_server, path)
    status_server.script("/file", Ranged())
    status_server.script("/other", Ranged(NEW))
    side.write_bytes(side.read_bytes().replace(b"100000", b"200000"))
    save(session, url, path)
    assert (path.read_bytes(), ranges(status_server)) == (BODY, [None])
    interrupted(session, status_server, path)
    save(session, status_server.url + "/other", path)
    assert (path.read_bytes(), ranges(status_server)) == (NEW, [None])
    interrupted(session, status_server, path)
    status_server.script("/file", Ranged())
    save(session, url, path, resume=False)
    assert (path.read_bytes(), ranges(status_server)) == (BODY, [None])


def test_a_part_without_its_journal_is_not_gone_on_with(session, status_server, path):
    url = interrupted(session, status_server, path)
    path.with_name("file.part.json").unlink()
    status_server.script("/file", Ranged())
    save(session, url, path)
    assert (path.read_bytes(), ranges(status_server)) == (BODY, [None])


def test_a_signature_may_be_new_each_time_and_another_place_is_another_file(
    session, status_server, path
):
    status_server.script("/a", Ranged(cut=100_000), GONE, Ranged())
    status_server.script("/b", Ranged(NEW))
    moves = [Answer(302, {"Location": f"/{to}"}) for to in ("a?sign=1", "a?sign=2", "b")]
    url = status_server.script("/file", *moves)
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path)
    status_server.received.clear()
    save(session, url, path)
    assert path.read_bytes() == BODY
    assert ranges(status_server) == ["bytes=100000-299999"] * 2
    status_server._turns.clear()
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path)
    status_server._turns["/file"] = 2
    save(session, url, path)  # it has the same ETag and length there
    assert path.read_bytes() == NEW


def test_authorization_the_journal_tells_no_secret(session, status_server, path):
    url = status_server.script("/file", Ranged(cut=100_000), GONE) + "?token=secret"
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path, headers={"Authorization": "secret"})
    side = path.with_name("file.part.json").read_text()
    assert "secret" not in side
    assert json.loads(side[9:])["there"] == [[0, 100_000]]


# ── digests ────────────────────────────────────────────────────────────────────────────


def digest_fields(body: bytes) -> list[dict[str, str]]:
    sha256, md5 = hashlib.sha256(body).digest(), hashlib.md5(body).digest()
    told = f"sha-256=:{b64encode(sha256).decode()}:"
    return [
        {"Repr-Digest": told},
        {"Content-Digest": told},
        {"Content-MD5": b64encode(md5).decode()},
        {"Repr-Digest": f"{told};a=1"},
        {"Digest": f"SHA-256={b64encode(sha256).decode()}"},
    ]


@pytest.mark.parametrize("n", range(5))
def test_repr_digest_the_server_s_own_digest_is_verified(session, status_server, path, n):
    base = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
    url = status_server.script("/file", Ranged(fields=base | digest_fields(BODY)[n]))
    save(session, url, path, segments=2)
    assert path.read_bytes() == BODY
    path.unlink()
    status_server.script("/file", Ranged(fields=base | digest_fields(b"another")[n]))
    with pytest.raises(sp.DigestMismatch, match="does not match its digest") as raised:
        save(session, url, path)
    assert beside(path) == []
    assert sp.trace(raised.value).requests == 1


def test_a_repr_digest_that_only_the_206_of_the_rest_has_is_verified(session, status_server, path):
    url = interrupted(session, status_server, path)
    wrong = {"ETag": '"v1"', "Accept-Ranges": "bytes"} | digest_fields(b"another")[0]
    status_server.script("/file", Ranged(fields=wrong))
    with pytest.raises(sp.DigestMismatch, match="Repr-Digest says"):
        save(session, url, path)
    assert beside(path) == []


def test_a_206_that_is_not_what_its_content_digest_says_is_not_joined(session, status_server, path):
    def spoilt(request):
        whole = Ranged()(request)
        if whole.status == 200:
            return whole
        digest = b64encode(hashlib.sha256(whole.body).digest()).decode()
        fields = dict(whole.headers) | {"Content-Digest": f"sha-256=:{digest}:"}
        return Answer(206, fields, whole.body[:-1] + b"!" if ruins else whole.body)

    url = interrupted(session, status_server, path)
    ruins = False
    status_server.script("/file", spoilt)
    save(session, url, path)
    assert ranges(status_server) == ["bytes=100000-299999"]
    assert path.read_bytes() == BODY
    url = interrupted(session, status_server, path)
    ruins = True
    status_server.script("/file", spoilt)
    save(session, url, path)
    assert ranges(status_server) == ["bytes=100000-299999", None]
    assert path.read_bytes() == BODY


def test_a_digest_of_a_part_that_can_t_be_verified_is_one_warning(
    session, status_server, path, caplog
):
    fields = {"ETag": '"v1"', "Accept-Ranges": "bytes"}

    def coming(request):
        more = {"Content-Digest": "sha-384=:AAAA:"} if "range" in request.headers else {}
        return Ranged(fields=fields | more)(request)

    save(session, status_server.script("/file", coming), path, segments=4)
    assert path.read_bytes() == BODY
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert [one.partition(": its ")[2] for one in told] == [
        "Content-Digest can't be verified (sha-384=:AAAA:)"
    ]


def test_a_digest_that_can_t_be_verified_is_a_warning(session, status_server, path, caplog):
    fields = {"Repr-Digest": "sha-256=:not it\x1b[2J:"}
    save(session, status_server.script("/file", Ranged(fields=fields)), path)
    assert path.read_bytes() == BODY
    (told,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "its Repr-Digest can't be verified (sha-256=:not it" in told.getMessage()
    assert told.getMessage().isprintable()


def test_the_caller_s_digest_is_verified_over_all_that_was_resumed(session, status_server, path):
    url = interrupted(session, status_server, path)
    status_server.script("/file", Ranged())
    with pytest.raises(sp.DigestMismatch, match="sha256= says"):
        save(session, url, path, sha256="0" * 64)
    assert beside(path) == []
    url = interrupted(session, status_server, path)
    status_server.script("/file", Ranged())
    save(session, url, path, sha256=hashlib.sha256(BODY).hexdigest().upper())
    assert path.read_bytes() == BODY


# ── segments ───────────────────────────────────────────────────────────────────────────


def test_segments_are_fetched_apart_and_joined(session, status_server, path):
    url = status_server.script("/file", Ranged())
    save(session, url, path, segments=3)
    assert (path.read_bytes(), beside(path)) == (BODY, ["file"])
    first, *others = status_server.received
    assert "range" not in first.headers
    asked = sorted(request.headers["range"] for request in others)
    assert asked == ["bytes=100000-199999", "bytes=200000-299999"]
    assert {request.headers["if-range"] for request in others} == {'"v1"'}


def test_all_that_is_missing_is_shared_out_again(session, status_server, path):
    url = interrupted(session, status_server, path)
    status_server.script("/file", Ranged())
    save(session, url, path, segments=2)
    assert path.read_bytes() == BODY
    assert ranges(status_server) == ["bytes=100000-199999", "bytes=200000-299999"]


@pytest.mark.parametrize("fields", [{"ETag": '"v1"'}, {"ETag": 'W/"v1"', "Accept-Ranges": "bytes"}])
def test_accept_ranges_none_gets_one_stream(session, status_server, path, fields):
    save(session, status_server.script("/file", Ranged(fields=fields)), path, segments=4)
    assert (path.read_bytes(), ranges(status_server)) == (BODY, [None])


@pytest.mark.parametrize("status", [403, 503])
def test_403_503_a_server_that_allows_one_connection_gets_one(session, status_server, path, status):
    whole, refused = Ranged(), [True]

    def one_at_a_time(request: Received) -> Answer:
        if request.headers.get("range") and refused:
            refused.pop()
            return Answer(status, {"Retry-After": "3600"})
        return whole(request)

    save(session, status_server.script("/file", one_at_a_time), path, segments=2)
    assert path.read_bytes() == BODY
    assert ranges(status_server)[-1] == "bytes=150000-299999"


def test_segments_that_all_fail_fail(session, status_server, path):
    url = interrupted(session, status_server, path)

    def nothing(request: Received) -> Answer:
        first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        head = f'HTTP/1.1 206 Cut\r\nETag: "v1"\r\nContent-Length: {int(last) + 1 - int(first)}\r\n'
        span = f"Content-Range: bytes {first}-{last}/300000\r\n\r\n"
        return Answer(raw=(head + span).encode(), close=True)

    status_server.script("/file", nothing)
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path, segments=2)
    assert beside(path) == PARTS[1:]


@pytest.mark.parametrize(
    "segment",
    [
        Ranged(NEW, {"ETag": '"v2"'}),
        part(0, 150_000, ETag='"v2"'),
        Answer(200, {"ETag": '"v2"'}, NEW),
        part(150_001, 300_000),
    ],
)
def test_etag_a_file_that_changes_between_its_segments_is_begun_anew(
    session, status_server, path, segment
):
    """The first answer stalls, so nothing but the change ends its reading."""
    held = Ranged(cut=200).__call__
    lines = [lambda request: held(request)._replace(close=False, stall=True), segment]
    url = status_server.script("/file", *lines, Ranged(NEW, {"ETag": '"v2"'}))
    began = time.monotonic()
    save(session, url, path, segments=2)
    assert time.monotonic() - began < 4  # less than the timeout of a read
    assert path.read_bytes() == NEW
    assert ranges(status_server)[-1] is None


def test_200_a_segment_that_comes_whole_is_taken_from_it(session, status_server, path):
    """A server with ranges that ignores one now and then: the same bytes, if its ETag says so."""
    whole = Answer(200, {"ETag": '"v1"'}, BODY)
    url = status_server.script("/file", Ranged(), whole)
    save(session, url, path, segments=2)
    assert path.read_bytes() == BODY


def test_content_type_a_page_in_place_of_a_segment_is_an_error(session, status_server, path):
    page = Answer(200, {"Content-Type": "text/html"}, b"<p>Log in!")
    url = status_server.script("/file", Ranged(), page)
    with pytest.raises(sp.DownloadError, match="text/html"):
        save(session, url, path, segments=2)
    assert beside(path) == PARTS[1:]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_302_authorization_segments_go_where_a_redirect_led_and_credentials_stay_at_home(
    open_session, status_server, path, elsewhere
):
    from statuspolicy.testing import StatusServer

    session = open_session({"auth": ("me", "secret"), "headers": {"X-Api-Key": "secret"}})
    with StatusServer() as other:
        holder = other if elsewhere else status_server
        holder.script("/file", Ranged())
        url = status_server.script("/to", Answer(302, {"Location": holder.url + "/file"}))
        save(session, url, path, segments=3)
        fetched = [request for request in holder.received if request.target == "/file"]
    assert path.read_bytes() == BODY
    assert [request.target for request in status_server.received].count("/to") == 1
    assert len(fetched) == 3
    secrets = {(r.headers.get("authorization"), r.headers.get("x-api-key")) for r in fetched}
    assert secrets == {(None, None)} if elsewhere else (None, None) not in secrets


@pytest.mark.parametrize("cut", [None, 70_000])
@pytest.mark.parametrize("back", [False, True])
def test_302_hooks_and_auth_do_not_run_for_segments_and_the_rest_at_another_origin(
    open_session, kind, status_server, path, cut, back
):
    """Not at the first one either, where another led back to it."""
    from statuspolicy.testing import StatusServer

    heard = []

    def asked(request):
        heard.append(request.url.path)
        request.headers["Authorization"] = request.headers["X-Mine"] = "secret"

    def answered(response):
        heard.append(response.request.url.path)

    class Flow(httpx.Auth):
        def auth_flow(self, request):
            heard.append("auth")
            request.headers["X-Flow"] = "secret"
            yield request

    async def asked_async(request):
        asked(request)

    async def answered_async(response):
        answered(response)

    hooks = (asked, answered) if kind == "sync" else (asked_async, answered_async)
    limits = sp.Limits(sensitive_headers={"X-Mine", "X-Flow"})
    client = {"auth": Flow(), "event_hooks": {"request": [hooks[0]], "response": [hooks[1]]}}
    session = open_session(client, limits=limits)
    with StatusServer() as other:
        holder = status_server if back else other
        holder.script("/file", Ranged(cut=cut), Ranged())
        away = other.script("/away", Answer(302, {"Location": holder.url + "/file"}))
        url = status_server.script("/to", Answer(302, {"Location": away}))
        save(session, url, path, segments=3)
        fetched = [request for request in holder.received if request.target == "/file"]
    assert path.read_bytes() == BODY
    assert len(fetched) >= 3
    assert heard == ["auth", "/to", "/file"]  # the one call of the caller's, and its answer
    for request in fetched:
        assert not {"authorization", "x-mine", "x-flow"} & request.headers.keys()


# ── ended before its end ───────────────────────────────────────────────────────────────


def test_what_the_callback_raises_ends_it_and_the_part_stays(session, status_server, path):
    def stop(done, total):
        if done:
            raise ZeroDivisionError

    url = status_server.script("/file", Ranged())
    with pytest.raises(ZeroDivisionError):
        save(session, url, path, segments=2, progress=stop)
    assert beside(path) == PARTS[1:]
    save(session, url, path)
    assert path.read_bytes() == BODY


def open_at(server, most=2.0) -> int:
    """Connections that are open, once what was closed has been seen closed."""
    end = time.monotonic() + most
    while server.open_connections and time.monotonic() < end:
        time.sleep(0.01)
    return server.open_connections


def stalled(request: Received) -> Answer:
    """The right answer, of which a part comes, and then nothing more."""
    return Ranged(cut=70_000)(request)._replace(close=False, stall=True)


@pytest.mark.parametrize("lead_ends", [False, True])
def test_ctrl_c_leaves_a_part_and_no_open_connection(status_server, path, lead_ends):
    """Segments stall in threads of their own; the main one stalls too, or waits for them."""
    arrived = []
    interrupt = partial(signal.pthread_kill, threading.main_thread().ident, signal.SIGINT)

    def stalls(request: Received) -> Answer:
        arrived.append(request)
        if len(arrived) == 3:
            threading.Timer(0.2, interrupt).start()
        ends = lead_ends and "range" not in request.headers
        return (Ranged() if ends else stalled)(request)

    url = status_server.script("/file", stalls)
    began = time.monotonic()
    with sp.wrap(httpx.Client(timeout=30)) as client:
        with pytest.raises(KeyboardInterrupt):
            sp.download(client, url, path, segments=3)
        assert open_at(status_server) == 0
    assert time.monotonic() - began < 3
    assert beside(path) == PARTS[1:]
    side = json.loads(path.with_name("file.part.json").read_text()[9:])
    there = [[0, 70_000], [100_000, 170_000], [200_000, 270_000]]
    assert side["there"] == ([[0, 170_000], there[2]] if lead_ends else there)
    status_server.script("/file", Ranged())
    with sp.wrap(httpx.Client()) as client:
        sp.download(client, url, path)
    assert path.read_bytes() == BODY
    rest = ["bytes=70000-99999", "bytes=170000-199999", "bytes=270000-299999"]
    assert ranges(status_server)[3:] == (rest[1:] if lead_ends else rest)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancellation_leaves_a_part_and_no_open_connection(status_server, path, backend):
    url = status_server.script("/file", stalled)

    part = path.with_name("file.part")

    async def stopped(client, scope):
        with scope:
            await sp.adownload(client, url, path, segments=3)

    async def cancelled():
        async with sp.wrap(httpx.AsyncClient(timeout=30)) as client:
            scope = anyio.CancelScope()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stopped, client, scope)
                while not part.exists():
                    await anyio.sleep(0.01)
                await anyio.sleep(0.3)  # until what the server sent before it stalled is there
                scope.cancel()
            assert scope.cancelled_caught
            assert open_at(status_server) == 0
            status_server.received.clear()
            status_server.script("/file", Ranged())
            await sp.adownload(client, url, path)

    anyio.run(cancelled, backend=backend)
    assert path.read_bytes() == BODY
    assert None not in ranges(status_server)


def test_a_full_disk_is_the_disk_s_own_error_and_the_part_stays(
    session, status_server, path, monkeypatch
):
    url = interrupted(session, status_server, path)
    status_server.script("/file", Ranged())

    def full(self, *args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "write", full)
        with pytest.raises(OSError, match="No space left"):
            save(session, url, path, segments=2)
    save(session, url, path)
    assert path.read_bytes() == BODY


def test_two_downloads_to_one_path_are_one_too_many(session, status_server, path):
    refused = []

    def second(done, total):
        with pytest.raises(
            BlockingIOError, match="another download is writing to this file"
        ) as raised:
            PartFile(path, "another", True)
        refused.append(raised.value.filename)

    save(session, status_server.script("/file", Ranged()), path, progress=second)
    assert path.read_bytes() == BODY
    assert set(refused) == {str(path) + ".part"}


# ── what can't be had, or makes no sense ───────────────────────────────────────────────


def test_a_server_that_never_gets_it_right_is_given_up(open_session, path):
    """A foreign transport may hand over more than was announced."""

    class Long(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self):
            yield b"12345"

        async def __aiter__(self):
            yield b"12345"
            raise httpx.ReadError("and it breaks")

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Length": "4"}, stream=Long())

    session = open_session({"transport": httpx.MockTransport(answer)})
    with pytest.raises(
        sp.DownloadError, match=r"begun 4 times.*the server sent more bytes than it announced"
    ):
        save(session, "http://example.org/", path)
    assert beside(path) == []


def test_a_stream_that_never_reads_and_never_ends_is_left(path):
    """Nothing cancels it, so it is bounded by what it brings."""

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                yield b"." * 100_000

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Length": "4"}, stream=Endless())

    async def given_up():
        async with sp.wrap(httpx.AsyncClient(transport=httpx.MockTransport(answer))) as client:
            with pytest.raises(
                sp.DownloadError, match="the server sent more bytes than it announced"
            ):
                await sp.adownload(client, "http://example.org/", path)

    anyio.run(given_up)


def test_a_connection_that_others_share_is_not_cut():
    class Shared:
        def get_extra_info(self, name):
            raise AssertionError(name)

    stream = {"http_version": b"HTTP/2", "network_stream": Shared()}
    segment.cut(httpx.Response(200, extensions=stream))


def test_a_client_that_is_not_wrapped_is_told_so(session, path):
    sp.unwrap(session.client)
    with pytest.raises(TypeError, match=r"not wrapped: call statuspolicy.wrap\(client\) first"):
        save(session, "http://127.0.0.1:9/", path)
    sp.wrap(session.client)


def test_a_client_of_the_other_kind_is_told_so(path):
    with pytest.raises(TypeError, match=r"give an httpx.Client, or an AsyncClient to adownload"):
        sp.download(httpx.AsyncClient(), "http://127.0.0.1:9/", path)
    with httpx.Client() as client:
        coroutine = sp.adownload(client, "http://127.0.0.1:9/", path)
        with pytest.raises(TypeError, match=r"give an httpx.AsyncClient, or a Client to download"):
            coroutine.send(None)


async def _acallback(done, total):
    """Not a plain callable."""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"segments": 0}, "segments=0: write a number from 1 to 32"),
        ({"segments": 33}, "segments=33"),
        ({"segments": True}, "segments=True"),
        ({"segments": 2.0}, "segments=2.0"),
        ({"progress": 1}, "progress=1: write a plain callable"),
        ({"progress": _acallback}, "write a plain callable"),
        ({"sha256": "abc"}, "sha256='abc': write 64 hexadecimal digits"),
        ({"sha256": b"0" * 64}, "write 64 hexadecimal digits"),
        ({"headers": {"Range": "bytes=0-"}}, "headers has 'range', which download writes itself"),
        ({"headers": {"If-Match": "x"}}, "headers has 'if-match'"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(session, path, options, says):
    with pytest.raises((TypeError, ValueError), match=says):
        save(session, "http://127.0.0.1:9/", path, **options)
    assert beside(path) == []


def test_a_directory_is_no_file(session, tmp_path):
    with pytest.raises(IsADirectoryError, match="name the file to write"):
        save(session, "http://127.0.0.1:9/", tmp_path)


# ── the part file ──────────────────────────────────────────────────────────────────────


def test_the_journal_is_written_now_and_then(session, status_server, path, monkeypatch):
    monkeypatch.setattr(partfile, "EVERY", 0.0)
    side, told = path.with_name("file.part.json"), []

    def look(done, total):
        if not done:
            return
        told.append(
            (done, sum(end - first for first, end in json.loads(side.read_text()[9:])["there"]))
        )

    save(session, status_server.script("/file", Ranged()), path, progress=look)
    assert told[-1] == (len(BODY), len(BODY))
    assert all(recorded == done for done, recorded in told)


def test_a_part_that_was_renamed_while_its_lock_was_awaited_is_not_used(path, monkeypatch):
    lock, times = partfile._lock, []

    def renamed_meanwhile(file):
        times.append(file)
        if len(times) == 1:
            path.with_name("file.part").rename(path)
        lock(file)

    monkeypatch.setattr(partfile, "_lock", renamed_meanwhile)
    mine = PartFile(path, "asked", True)
    assert len(times) == 2
    assert path.with_name("file.part").exists()
    mine.close()
    assert beside(path) == ["file"]


def test_a_lock_that_can_t_be_had_at_all_is_the_system_s_own_error(path, monkeypatch):
    def no_locks(file):
        raise OSError(37, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(partfile, "_lock", no_locks)
        with pytest.raises(OSError, match="No locks available"):
            PartFile(path, "asked", True)
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    PartFile(path, "asked", True).close()
    assert beside(path) == []


def test_what_comes_late_from_an_older_start_is_not_written(path):
    from statuspolicy.fields.section import Fields

    part = PartFile(path, "asked", True)
    fields = Fields([(b"etag", b'"v1"'), (b"content-length", b"6")])
    part.begin("from", fields)
    old = part.epoch
    part.begin("from", fields)
    part.write(0, b"new", part.epoch)
    part.write(0, b"old", old)
    assert part.part.read_bytes() == b"new"
    part.close()
    part.write(0, b"old", part.epoch)
    assert part.part.read_bytes() == b"new"


def test_a_thread_that_comes_late_does_not_end_the_next_round(path):
    """As one that waited for a Retry-After while the others began anew."""
    answer = httpx.Response(200, headers={"Content-Length": "3"}, content=b"abc")
    transport = httpx.MockTransport(lambda request: answer)
    with sp.wrap(httpx.Client(transport=transport)) as client:
        under_way = download_state.DownloadState(
            client, "http://a.example/", path, 1, True, None, None, None
        )
        (late,) = under_way.begin_round(client.send(under_way.lead()))
        under_way.halt()
        (job,) = under_way.begin_round(client.send(under_way.lead()))
        with pytest.raises(Halted) as raised:
            under_way.writer_for(late, answer)
        under_way.failed(late, raised.value)
        assert not under_way.halted
        under_way.failed(job, ZeroDivisionError())
        assert under_way.halted
        under_way.close()


def test_a_part_that_is_a_link_is_not_written_through(path):
    (path.parent / "precious").write_bytes(b"precious")
    path.with_name("file.part").symlink_to(path.parent / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        PartFile(path, "asked", True)
    assert (path.parent / "precious").read_bytes() == b"precious"


def test_a_full_disk_does_not_hide_why_it_ended(session, status_server, path, monkeypatch):
    """What was recorded before still holds."""
    url = interrupted(session, status_server, path)
    status_server.script("/file", 404)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(httpx.HTTPStatusError):
            save(session, url, path)
    assert beside(path) == PARTS[1:]


def test_a_journal_that_would_be_too_long_is_not_kept_and_neither_is_the_part(
    session, status_server, path
):
    long = {"ETag": '"v1"', "Repr-Digest": ", ".join(["x=:AAAA:"] * 7000)}
    interrupted(session, status_server, path, fields=long)
    assert beside(path) == []
