"""207: its parts, as they come, on values and on real sockets."""

import tracemalloc

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import statuspolicy as sp
from statuspolicy import Part, multistatus
from statuspolicy.testing import Answer

URL = "http://home.example/d/"


def response(body, status=207, **options):
    return httpx.Response(status, content=body, request=httpx.Request("PROPFIND", URL), **options)


def dav(*parts, prefix="D"):
    inside = "".join(parts)
    name = f"{prefix}:multistatus"
    return f'<?xml version="1.0"?><{name} xmlns:{prefix}="DAV:">{inside}</{name}>'.encode()


def part(href="/a", status="HTTP/1.1 423 Locked", more=""):
    return f"<D:response><D:href>{href}</D:href><D:status>{status}</D:status>{more}</D:response>"


def values(found):
    return [(p.href, p.status) for p in found]


def test_there_is_a_part_for_each_response():
    body = dav(part(), part("/b", "HTTP/1.1 424 Failed Dependency"))
    assert list(multistatus(response(body))) == [Part("/a", 423), Part("/b", 424)]


def test_several_hrefs_that_share_a_status_are_several_parts():
    body = dav(part("/a</D:href><D:href>/b"))
    assert values(multistatus(response(body))) == [("/a", 423), ("/b", 423)]


def test_there_is_a_part_for_each_propstat_with_its_properties():
    body = dav(
        "<D:response><D:href> /a </D:href>"
        "<D:propstat><D:prop><D:displayname>A</D:displayname></D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
        '<D:propstat><D:prop><x:y xmlns:x="urn:x" D:n="1"/></D:prop>'
        "<D:status>HTTP/1.1 403 Forbidden</D:status>"
        "<D:error><D:cannot-modify-protected-property/></D:error>"
        "<D:responsedescription>no</D:responsedescription></D:propstat>"
        "<D:responsedescription>some</D:responsedescription></D:response>"
    )
    first, second = multistatus(response(body))
    assert (first.href, first.status, first.error, first.description) == ("/a", 200, (), "some")
    assert [(p.tag, p.text) for p in first.prop] == [("{DAV:}displayname", "A")]
    assert (second.href, second.status, second.description) == ("/a", 403, "no")
    assert second.error == ("{DAV:}cannot-modify-protected-property",)
    assert [(p.tag, p.attrib) for p in second.prop] == [("{urn:x}y", {"{DAV:}n": "1"})]


def test_error_description_and_location_are_those_of_the_response():
    more = (
        "<D:error><D:lock-token-submitted><D:href>/l</D:href></D:lock-token-submitted></D:error>"
        "<D:responsedescription>moved</D:responsedescription>"
        "<D:location><D:href>http://other.example/</D:href></D:location>"
    )
    (found,) = multistatus(response(dav(part("/a", "HTTP/1.1 301 Moved", more))))
    assert found == Part(
        "/a", 301, ("{DAV:}lock-token-submitted",), "moved", "http://other.example/"
    )


def test_each_inner_code_can_be_asked_of_the_table():
    (found,) = multistatus(response(dav(part())))
    assert sp.STANDARD.row(found.status).phrase == "Locked"


@pytest.mark.parametrize(
    "line", ["", "HTTP/1.1", "HTTP/1.1 4", "HTTP/1.1 4xx", "HTTP/1.1 1000 Far", "HTTP/1.1 ４２３ x"]
)
def test_a_status_that_can_not_be_read_is_none(line):
    assert [p.status for p in multistatus(response(dav(part(status=line))))] == [None]


def test_the_prefix_is_the_server_s_own_and_what_is_not_of_dav_is_passed_over():
    inside = '<e:x xmlns:e="urn:e">text<e:y/></e:x>' + part().replace("D:", "lp1:")
    assert values(multistatus(response(dav(inside, prefix="lp1")))) == [("/a", 423)]
    body = b'<multistatus xmlns="DAV:"><response><href>/a</href></response></multistatus>'
    assert values(multistatus(response(body))) == [("/a", None)]
    body = b'<multistatus xmlns="DAV:"><response><status/></response></multistatus>'
    assert values(multistatus(response(body))) == [("", None)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not well-formed \\(no element found"),
        (b"<html/>", "it is a html"),
        (b'{"json": true}', "not well-formed"),
        (b'<multistatus xmlns="urn:x"/>', "it is a {urn:x}multistatus"),
        (dav(part())[:-5], "not well-formed"),
        (b'<?xml version="1.0" encoding="x-unknown"?><a/>', "x-unknown"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "multi-byte"),
        (b"\xff\xfe\x00", "not well-formed"),
        (dav("<D:x>" * 300), "more than 256 of its elements"),
        (b'<!DOCTYPE x [<!ENTITY e "e">]><multistatus xmlns="DAV:"/>', "it has a document type"),
        (b'<!DOCTYPE x SYSTEM "http://evil.example/"><x/>', "it has a document type"),
        (dav(part("&e;")), "undefined entity"),
    ],
)
def test_what_is_no_multistatus_is_one_clear_error(body, why):
    with pytest.raises(httpx.DecodingError, match=why) as raised:
        list(multistatus(response(body)))
    assert str(raised.value).startswith("The body of the 207 of http://home.example/d/ is no")
    with pytest.raises(httpx.DecodingError, match="The body of the 207 is no multistatus"):
        list(multistatus(httpx.Response(207, content=body)))


def test_what_came_before_the_flaw_is_there():
    found = []
    with pytest.raises(httpx.DecodingError):
        found += iter(multistatus(response(dav(part(), part("/b"), "<D:response><oops"))))
    got = iter(multistatus(response(dav(part(), part("/b"), "<D:response><oops"))))
    assert values([next(got), next(got)]) == [("/a", 423), ("/b", 423)]
    with pytest.raises(httpx.DecodingError):
        next(got)


def test_a_body_that_was_read_can_be_read_again():
    found = multistatus(response(dav(part())))
    assert list(found) == list(found)


@given(st.lists(st.integers(1, 60), max_size=12))
def test_it_does_not_matter_where_a_body_is_cut(sizes):
    body = dav(part("/é"), part("/b"))
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    found = multistatus(response(iter([*pieces, body[at:]])))
    assert values(found) == [("/é", 423), ("/b", 423)]


@given(st.binary(max_size=200))
def test_whatever_comes_is_parts_or_that_error(noise):
    body = dav(part())
    try:
        found = list(multistatus(response(body[: -len(noise) or None] + noise)))
    except httpx.DecodingError:
        return
    assert all(isinstance(one, Part) for one in found)


def endless(piece):
    yield dav(part())[: -len(b"</D:multistatus>")]
    while True:
        yield piece


def test_the_parts_come_while_the_body_does_and_none_is_kept():
    piece = part("/x" * 50).encode() * 100
    found = iter(multistatus(response(endless(piece))))
    for _ in range(1000):
        next(found)
    tracemalloc.start()
    for _ in range(10_000):
        next(found)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


@pytest.mark.parametrize(
    "piece", [b"x" * 65536, b"<D:response><D:href>" + b"x" * 65536, b"<!--" + b"-" * 9]
)
def test_one_part_without_end_is_bounded(piece):
    found = iter(multistatus(response(endless(piece))))
    assert next(found).href == "/a"
    with pytest.raises(httpx.DecodingError):
        list(found)


# ── on real sockets ────────────────────────────────────────────────────────────────────


def test_a_streamed_207_is_read_as_it_comes(open_session, status_server, kind):
    url = status_server.script("/d", Answer(207, body=dav(*[part(f"/{n}") for n in range(2000)])))
    session = open_session()

    def plain():
        with session.client.stream("PROPFIND", url) as answer:
            return values(multistatus(answer))

    async def coroutine():
        async with session.client.stream("PROPFIND", url) as answer:
            return values([one async for one in multistatus(answer)])

    found = session.run(plain if kind == "sync" else coroutine)
    assert found == [(f"/{n}", 423) for n in range(2000)]


def test_an_async_207_that_is_cut_off_gives_what_came(open_session, status_server):
    url = status_server.script("/d", Answer(207, body=dav(part(), "<D:response>")))
    session = open_session()
    found = []

    def plain():
        for one in multistatus(session.client.get(url)):
            found.append(one)

    async def coroutine():
        async for one in multistatus(await session.client.get(url)):
            found.append(one)

    with pytest.raises(httpx.DecodingError, match="not well-formed"):
        session.run(plain if session.portal is None else coroutine)
    assert values(found) == [("/a", 423)]
