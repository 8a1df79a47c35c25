"""Which responses are stored (RFC 9111 §3), and with which header fields (§3.1, §3.2)."""

from http import HTTPStatus

import pytest

from statuspolicy.cache.storing import storable_lines, unstorable, updated
from statuspolicy.fields.section import Fields
from tests.cache.values import URL, answer, asked, date, fields, pairs
from tests.each import each

FRESH = {"Cache-Control": "max-age=60"}
HEURISTIC = (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 451, 501)
NEVER = (100, 101, 103, 199, 226, 304, 412, 416, 428, 429, 431, 511)


def stored(headers, status=200, request=(), method="GET", **more):
    return unstorable(asked(request, method, **more), answer(headers, status)) == ""


# ── the status code ────────────────────────────────────────────────────────────────────


@each("status", [*range(100, 600), 600, 999])
def test_cache_control_expires_any_final_code_is_stored_that_says_so(status):
    fits = status not in NEVER and status >= 200 and status != 206
    said = (
        FRESH,
        {"Expires": date(60)},
        {"Cache-Control": "public", "Last-Modified": date(-100)},
        {"Cache-Control": "private", "Last-Modified": date(-100)},
    )
    for headers in said:
        assert stored(headers, status) is fits


@each("status", [*range(200, 600), 600])
def test_cache_control_absent_without_a_word_only_what_is_heuristically_cacheable_is(status):
    # Only a 2xx can be validated (RFC 9110 §13.2.1); without freshness others are of no use.
    assert stored({"ETag": '"a"'}, status) is (status in HEURISTIC and status < 300)
    assert stored({"Last-Modified": date(-100)}, status) is (status in HEURISTIC)


# ── what the response says ─────────────────────────────────────────────────────────────


@each(
    ("headers", "fits"),
    [
        (FRESH, True),
        # Never used again: neither fresh nor to be validated.
        ({}, False),
        ({"Cache-Control": "public"}, False),
        ({"Cache-Control": "no-cache"}, False),
        ({"Cache-Control": "no-cache, max-age=60"}, False),
        ({"Cache-Control": "no-cache", "ETag": '"a"'}, True),
        ({"Cache-Control": "no-cache", "Last-Modified": date(-100)}, True),
        ({"Cache-Control": 'no-cache="x", max-age=60'}, True),
        # Stale from the start, it may still stand in where the server is gone (§4.2.4).
        ({"Cache-Control": "max-age=0"}, True),
        ({"Cache-Control": "max-age=x"}, True),
        ({"Expires": "0"}, True),
        ({"Cache-Control": "max-age=0, must-revalidate"}, False),
        ({"Cache-Control": "max-age=0, must-revalidate", "ETag": '"a"'}, True),
        # §5.2.2.5: no-store, in whatever form.
        ({"Cache-Control": "no-store"}, False),
        ({"Cache-Control": "max-age=60, no-store"}, False),
        ({"Cache-Control": "NO-STORE, max-age=60"}, False),
        ({"Cache-Control": "no-store=x, max-age=60"}, False),
        ({"Cache-Control": 'no-store="x", max-age=60'}, False),
        ([("Cache-Control", "max-age=60"), ("Cache-Control", "no-store")], False),
        ({"Cache-Control": 'x="no-store", max-age=60'}, True),
        ({"Cache-Control": "no-store-not, max-age=60"}, True),
        # §5.2.2.7: private is no bar to a private cache, nor are a shared cache's directives.
        ({"Cache-Control": "private, max-age=60"}, True),
        ({"Cache-Control": 'private="x", max-age=60'}, True),
        ({"Cache-Control": "s-maxage=60"}, False),
        ({"Cache-Control": "s-maxage=60", "ETag": '"a"'}, True),
        ({"Cache-Control": "proxy-revalidate, max-age=60"}, True),
        # §5.4: Pragma in a response was never specified.
        ({"Pragma": "no-cache", **FRESH}, True),
        ({"Set-Cookie": "a=b", **FRESH}, True),
        ({"Vary": "*", **FRESH}, False),
        ({"Vary": "a, *", **FRESH}, False),
        ([("Vary", "a"), ("Vary", "*"), *FRESH.items()], False),
        ({"Vary": "*", "ETag": '"a"', **FRESH}, True),  # to be validated, never selected
        ({"Vary": "*", "Last-Modified": date(-100), **FRESH}, False),
        ({"Vary": "a", **FRESH}, True),
        ({"Authentication-Info": "x", **FRESH}, True),
    ],
)
def test_cache_control_what_a_response_says_of_its_storing(headers, fits):
    assert stored(headers) is fits


@each(
    ("said", "status", "fits"),
    [
        # §5.2.2.3: "the cache SHOULD ignore the no-store directive if it understands".
        ("must-understand, no-store, max-age=60", 200, True),
        ("no-store, MUST-UNDERSTAND, max-age=60", 404, True),
        ("must-understand, max-age=60", 200, True),
        ("must-understand, max-age=60", 299, False),
        ("must-understand, no-store, max-age=60", 299, False),
        ("must-understand, no-store, max-age=60", 599, False),
        ("must-understand, max-age=60", 428, False),
        ("max-age=60", 299, True),
        ("no-store, max-age=60", 200, False),
    ],
)
def test_must_understand(said, status, fits):
    assert stored({"Cache-Control": said}, status) is fits


@each("status", [code for code in HTTPStatus if code >= 200])
def test_the_registered_codes_are_understood(status):
    headers = {"Cache-Control": "must-understand, no-store, max-age=60"}
    assert stored(headers, status) is (status not in NEVER and status != 206)


# ── what the request says ──────────────────────────────────────────────────────────────


@each(
    ("request_", "fits"),
    [
        ({}, True),
        ({"Cache-Control": "no-store"}, False),
        ({"Cache-Control": "max-age=0, No-Store"}, False),
        ({"Cache-Control": "no-cache"}, True),
        ({"Cache-Control": "max-age=0"}, True),
        ({"Pragma": "no-cache"}, True),
        ({"Authorization": "Basic x"}, True),  # §3.5 is about shared caches
        ({"Cookie": "a=b"}, True),
    ],
)
def test_cache_control_what_a_request_says_of_its_answers_storing(request_, fits):
    assert stored(FRESH, request=request_) is fits


def test_a_request_that_forbids_storing_is_not_overruled_by_must_understand():
    said = {"Cache-Control": "must-understand, no-store, max-age=60"}
    assert not stored(said, request={"Cache-Control": "no-store"})


@pytest.mark.parametrize("said", ["private", 'private="x"', "private, public"])
def test_cache_control_private_what_is_private_is_stored_for_somebody_alone(said):
    headers = {"Cache-Control": f"{said}, max-age=60"}
    assert not stored(headers, anonymous=True)
    assert stored(headers, anonymous=False)
    assert stored(FRESH, anonymous=True)


@each("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "X"])
def test_no_other_method_is_stored(method):
    assert not stored(FRESH, method=method)
    assert not stored({**FRESH, "Content-Location": URL}, method=method)


@pytest.mark.parametrize("request_", [{"Content-Length": "3"}, {"Transfer-Encoding": "chunked"}])
def test_what_a_body_asked_for_is_not_what_its_url_alone_does(request_):
    """RFC 9110 §9.3.1: content in a GET "has no generally defined semantics"; some have one."""
    assert not stored(FRESH, request=request_)
    assert stored(FRESH, request={"Content-Length": "0"})


@each(
    ("headers", "status", "fits"),
    [
        # RFC 9110 §9.3.3: "explicit freshness information and a Content-Location header field
        # that has the same value as the POST's target URI".
        ({**FRESH, "Content-Location": URL}, 200, True),
        ({**FRESH, "Content-Location": "/x"}, 200, True),
        ({**FRESH, "Content-Location": "x"}, 200, True),
        ({"Expires": date(60), "Content-Location": "/x"}, 200, True),
        ({**FRESH, "Content-Location": "/y"}, 200, False),
        ({**FRESH, "Content-Location": "http://b.example/x"}, 200, False),
        ({**FRESH, "Content-Location": "http://["}, 200, False),
        ({**FRESH, "Content-Location": "http://a.example:x/"}, 200, False),
        ([*FRESH.items(), ("Content-Location", "/x"), ("Content-Location", "/y")], 200, False),
        (FRESH, 200, False),
        ({"Content-Location": "/x", "ETag": '"a"'}, 200, False),
        ({"Content-Location": "/x", "Cache-Control": "max-age=0"}, 200, False),
        ({"Content-Location": "/x", "Cache-Control": "max-age=60, no-store"}, 200, False),
        ({**FRESH, "Content-Location": "/x"}, 201, False),
        ({**FRESH, "Content-Location": "/x"}, 404, False),
    ],
)
def test_content_location_a_posts_answer_is_stored_that_says_to_be_the_resources(
    headers, status, fits
):
    request = {"Content-Length": "3"}
    assert stored(headers, status, request, "POST") is fits


# ── 206 ────────────────────────────────────────────────────────────────────────────────


@each(
    ("headers", "fits"),
    [
        ({"Content-Range": "bytes 0-4/10"}, True),
        ({"Content-Range": "bytes 0-4/*"}, True),
        ({"Content-Range": "BYTES 5-9/10", "Content-Length": "5"}, True),
        ({"Content-Range": "bytes 0-4/10", "Content-Length": "6"}, False),
        ({}, False),
        ({"Content-Range": "bytes */10"}, False),
        ({"Content-Range": "bytes 4-0/10"}, False),
        ({"Content-Range": "bytes 0-10/10"}, False),
        ({"Content-Range": "lines 0-4/10"}, False),  # §3.3: units that aren't understood
        ({"Content-Range": "0-4/10"}, False),
        ([("Content-Range", "bytes 0-4/10"), ("Content-Range", "bytes 0-5/10")], False),
        ({"Content-Type": "multipart/byteranges; boundary=x"}, False),
        ({"Content-Type": "Multipart/ByteRanges", "Content-Range": "bytes 0-4/10"}, False),
        ({"Content-Range": "bytes 0-4/10", "Cache-Control": "no-store"}, False),
    ],
)
def test_206_a_part_is_stored_that_says_what_it_is(headers, fits):
    given = headers.items() if isinstance(headers, dict) else headers
    assert stored([*FRESH.items(), *given], 206, {"Range": "bytes=0-4"}) is fits


def test_206_a_part_that_nobody_asked_for_is_not_stored():
    headers = {**FRESH, "Content-Range": "bytes 0-4/10"}
    assert not stored(headers, 206)


# ── §3.1, §3.2: which fields ───────────────────────────────────────────────────────────

OF_THE_CONNECTION = [
    ("Connection", "close, X-Mine, keep-alive"),
    ("connection", "x-other,,"),
    ("X-Mine", "1"),
    ("x-OTHER", "1"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authenticate", "Basic"),
    ("Proxy-Authentication-Info", "x"),
    ("Proxy-Authorization", "x"),
    ("Proxy-Connection", "close"),
    ("TE", "trailers"),
    ("Transfer-Encoding", "chunked"),
    ("Upgrade", "h2c"),
    ("Content-Length", "7"),  # RFC 9112 §6.1: what stands beside Transfer-Encoding is wrong
]
OF_THE_RESPONSE = [
    ("Content-Type", "text/plain"),
    ("ETag", '"a"'),
    ("Set-Cookie", "a=b"),
    ("Set-Cookie", "c=d"),
    ("X-Unknown", "1"),
    ("Trailer", "X"),
    ("Age", "5"),
    ("Via", "1.1 x"),
    ("Warning", "x"),
    ("Pragma", "no-cache"),
    ("WWW-Authenticate", "Basic"),
    ("Authentication-Info", "x"),
    ("Content-Encoding", "gzip"),
]


def test_all_fields_are_stored_but_those_of_the_connection():
    given = pairs(OF_THE_CONNECTION + OF_THE_RESPONSE)
    assert storable_lines(given, Fields(given)) == pairs(OF_THE_RESPONSE)


def test_a_content_length_is_stored():
    given = pairs({"Content-Length": "7"})
    assert storable_lines(given, Fields(given)) == given


def test_each_field_of_a_newer_section_replaces_the_old_ones():
    old = pairs(
        [("ETag", '"a"'), ("X", "1"), ("X", "2"), ("Y", "3"), ("Content-Type", "a/b"), ("Age", "9")]
    )
    new = pairs([("x", "4"), ("Z", "5"), ("Content-Type", "c/d"), ("Set-Cookie", "a"), ("Z", "6")])
    assert fields(updated(old, new, Fields(new))) == {
        "etag": '"a"',
        "x": "4",
        "y": "3",
        "content-type": "c/d",
        "z": "5, 6",
        "set-cookie": "a",
    }


@each(
    "name",
    ["Content-Length", "Content-Encoding", "Content-Range", "Transfer-Encoding", "Keep-Alive", "A"],
)
def test_these_are_never_updated(name):
    """§3.2: Content-Length, what the stored body depends on, and what may not be stored."""
    old, new = pairs({name: "old"}), pairs({"Connection": "a", name: "new"})
    assert updated(old, new, Fields(new)) == old
    assert updated((), new, Fields(new)) == ()


def test_the_age_of_one_answer_is_not_that_of_the_next():
    old, new = pairs({"Age": "9"}), pairs({"Age": "3"})
    assert updated(old, (), Fields(())) == ()
    assert updated(old, new, Fields(new)) == new
