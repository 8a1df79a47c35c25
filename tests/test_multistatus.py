"""207: its parts, as they come, on values and on real sockets."""

import sys
import tracemalloc
import weakref
from itertools import count

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspolicy import Part, multistatus
from statuspolicy.testing import Answer
from tests.each import each
from tests.library import httpx, sp

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


def test_207_there_is_a_part_for_each_response():
    body = dav(part(), part("/b", "HTTP/1.1 424 Failed Dependency"))
    assert list(multistatus(response(body))) == [Part("/a", 423), Part("/b", 424)]


def test_207_several_hrefs_that_share_a_status_are_several_parts():
    body = dav(part("/a</D:href><D:href>/b"))
    assert values(multistatus(response(body))) == [("/a", 423), ("/b", 423)]


def test_207_there_is_a_part_for_each_propstat_with_its_properties():
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


def test_207_301_error_description_and_location_are_those_of_the_response():
    more = (
        '<e:error xmlns:e="urn:e"/>'
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


@each(
    "line", ["", "HTTP/1.1", "HTTP/1.1 4", "HTTP/1.1 4xx", "HTTP/1.1 1000 Far", "HTTP/1.1 ４２３ x"]
)
def test_a_status_that_can_not_be_read_is_none(line):
    assert [p.status for p in multistatus(response(dav(part(status=line))))] == [None]


def test_207_the_prefix_is_the_server_s_own_and_what_is_not_of_dav_is_passed_over():
    inside = '<e:x xmlns:e="urn:e">text<e:y/></e:x>' + part().replace("D:", "lp1:")
    assert values(multistatus(response(dav(inside, prefix="lp1")))) == [("/a", 423)]
    body = b'<multistatus xmlns="DAV:"><response><href>/a</href></response></multistatus>'
    assert values(multistatus(response(body))) == [("/a", None)]
    body = b'<multistatus xmlns="DAV:"><response><status/></response></multistatus>'
    assert values(multistatus(response(body))) == [("", None)]


@each(
    ("body", "why"),
    [
        (b"", "not well-formed \\(no element found"),
        (b"<html/>", "its root element is html"),
        (b'{"json": true}', "not well-formed"),
        (b'<multistatus xmlns="urn:x"/>', "its root element is {urn:x}multistatus"),
        (dav(part())[:-5], "not well-formed"),
        (b'<?xml version="1.0" encoding="x-unknown"?><a/>', "x-unknown"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "multi-byte"),
        (b"\xff\xfe\x00", "not well-formed"),
        (dav("<D:x>" * 300), "its elements are nested more than 256 deep"),
        (b'<!DOCTYPE x [<!ENTITY e "e">]><multistatus xmlns="DAV:"/>', "it has a document type"),
        (b'<!DOCTYPE x SYSTEM "http://evil.example/"><x/>', "it has a document type"),
        (dav(part("&e;")), "undefined entity"),
    ],
)
def test_207_what_is_no_multistatus_is_one_clear_error(body, why):
    with pytest.raises(httpx.DecodingError, match=why) as raised:
        list(multistatus(response(body)))
    assert str(raised.value).startswith("The body of the 207 of http://home.example/d/ is no")
    with pytest.raises(httpx.DecodingError, match="The body of the 207 is not a multistatus"):
        list(multistatus(httpx.Response(207, content=body)))


def test_207_what_came_before_the_flaw_is_there():
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
def test_207_it_does_not_matter_where_a_body_is_cut(sizes):
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


def test_207_the_parts_come_while_the_body_does_and_none_is_kept():
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


# ── bounds ─────────────────────────────────────────────────────────────────────────────


def calls(body, name=None):
    """How many functions are called to read a body, or how often that one."""
    counted = 0

    def count(_frame, event, what):
        nonlocal counted
        made = event == "call" if name is None else event == "c_call" and what.__name__ == name
        counted += made or (name is None and event == "c_call")

    sys.setprofile(count)
    try:
        found = list(multistatus(response(body)))
    finally:
        sys.setprofile(None)
    return counted, found


def drip(body):
    return iter([body[at : at + 1] for at in range(len(body))])


def test_207_one_response_with_four_times_as_much_takes_four_times_as_many_steps():
    shapes = [
        lambda n: part("/a</D:href><D:href>" * n),
        lambda n: f"<D:response><D:href>/a</D:href>{'<D:propstat/>' * n}</D:response>",
        lambda n: f"<D:response>{'<D:href/>' * n}{'<D:propstat/>' * n}</D:response>",
        lambda n: f"<D:response><D:propstat>{'<D:status/>' * n}</D:propstat></D:response>",
        lambda n: (
            f"<D:response>{'<D:propstat/><D:status/><D:error><a/></D:error>' * n}</D:response>"
        ),
        lambda n: f"<D:response><D:href>{'<!---->x<b/>' * n}</D:href></D:response>",
        lambda n: part() * n,
    ]
    for shape in shapes:
        few, found = calls(dav(shape(100)))
        many, more = calls(dav(shape(400)))
        assert many < 4.5 * few
        assert len(found) <= 202
        assert len(more) <= 802


def test_207_with_several_hrefs_and_propstats_loses_none_of_them():
    propstats = "".join(
        f"<D:propstat><D:status>HTTP/1.1 {code} X</D:status></D:propstat>" for code in (200, 403)
    )
    hrefs = "<D:href>/a</D:href><D:href>/b</D:href>"
    status = "<D:status>HTTP/1.1 207 X</D:status>"
    body = dav(f"<D:response>{hrefs}{propstats}</D:response>")
    assert values(multistatus(response(body))) == [("/a", 200), ("/a", 403), ("/b", None)]
    body = dav(f"<D:response>{hrefs}{propstats}{status}</D:response>")
    assert values(multistatus(response(body))) == [("/a", 200), ("/a", 403), ("/b", 207)]


def test_207_a_long_tag_that_drips_is_not_parsed_anew_for_each_byte():
    body = dav(f"<!--{'x' * 30_000}-->", part())
    parses, found = calls(drip(body), "Parse")
    assert values(found) == [("/a", 423)]
    assert parses < 5_000


def test_207_an_async_one_that_drips_gives_the_same():
    body = dav(f"<!--{'x' * 30_000}-->", part())

    async def dripping():
        for piece in drip(body):
            yield piece

    async def read():
        return [one async for one in multistatus(response(dripping()))]

    for backend in ("asyncio", "trio"):
        assert values(anyio.run(read, backend=backend)) == [("/a", 423)]


LONG = "x" * 30_000
# What each is, and its beginning, what it has again and again, and what is said of it.
BOMBS = {
    "elements": ("<D:response>", lambda _: "<a/>", "more than 65536 elements and attributes"),
    "attributes": ("<D:response>", lambda _: '<a b="" c="" d=""/>', "65536 elements and attr"),
    "texts": ("<D:response>", lambda _: "x<a/>", "more than 65536 elements"),
    "of one tag": (
        "<D:response><a ",
        lambda n: f'b{n}=""',
        "tags or comments is longer than 32768",
    ),
    "comment": ("<!--", lambda _: "x" * 16, "tags or comments is longer than 32768"),
    "names": ("", lambda n: f"<a{n}/>", "it has too many different names"),
    "names of attributes": ("", lambda n: f'<a b{n}=""/>', "too many different names"),
    "prefixes": ("", lambda n: f'<a xmlns:p{n}="u"/>', "too many different names"),
    "URIs": ("", lambda n: f'<a xmlns="u{n}"/>', "too many different names"),
    "pairs": ("", lambda n: f'<p{n}:a xmlns:p{n}="u"/>', "too many different names"),
    "a long URI": (
        f'<a xmlns:p="{LONG}">',
        lambda _: "<a " + " ".join(f'p:{n}=""' for n in range(500)) + "/>",
        "the URI of a namespace is longer than 2000",
    ),
    "long names": (
        f'<D:response xmlns="{LONG[:1999]}">',
        lambda n: f"<a{n}/>",
        "too many different names",
    ),
    "text": ("<D:response>", lambda _: "x" * 4096, "longer than 16777216 bytes"),
}


@each("what", BOMBS)
def test_207_whatever_is_endless_is_bounded_by_one_clear_error(what):
    begins, more, why = BOMBS[what]

    def endless():
        yield dav()[: -len(b"</D:multistatus>")] + begins.encode()
        for start in count(step=200):
            yield "".join(more(n) + " " for n in range(start, start + 200)).encode()

    error = None
    tracemalloc.start()
    try:
        list(multistatus(response(endless())))
    except httpx.DecodingError as raised:
        error = raised
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert why in str(error)
    assert most < 25_000_000


def test_207_16_megabytes_of_empty_elements_take_no_more_memory_than_the_body():
    body = dav()[: -len(b"</D:multistatus>")] + b"<D:response>" + b"<a/>" * 4_000_000
    tracemalloc.start()
    with pytest.raises(httpx.DecodingError, match="more than 65536 elements"):
        list(multistatus(response(body)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < len(body) + 12_000_000


def test_207_parts_are_freed_as_they_are_handed_over():
    one = part("/a", more=f"<D:prop>{'<a/>' * 100}</D:prop>")
    found = iter(multistatus(response(dav(one * 3))))
    props = [weakref.ref(next(found).prop) for _ in range(3)]
    assert [prop() for prop in props[:2]] == [None, None]
    with pytest.raises(StopIteration):
        next(found)
    assert props[2]() is None
