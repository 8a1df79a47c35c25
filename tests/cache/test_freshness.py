"""How long a response is fresh and how old it is (RFC 9111 §4.2, §5.1, §5.3)."""

from math import inf

import pytest

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.freshness import HEURISTIC
from tests.cache.values import NOW, URL, date, entry, pairs
from tests.each import each

DAY = 86_400.0
WEEK = 7 * DAY


def cc(value, **more):
    return {"Cache-Control": value, **more}


# ── §4.2.1: what the response says itself ──────────────────────────────────────────────


@each(
    ("headers", "lifetime"),
    [
        ({}, None),
        (cc("max-age=60"), 60),
        (cc("max-age=0"), 0),
        (cc("max-age=60, max-age=0"), 60),
        (cc("max-age=x"), 0),
        (cc("max-age"), 0),
        # §5.2.2.10, §5.2.2.8: these two are a shared cache's.
        (cc("s-maxage=60"), None),
        (cc("max-age=5, s-maxage=60, proxy-revalidate"), 5),
        # §5.3: with max-age "a recipient MUST ignore the Expires header field".
        (cc("max-age=60", Expires=date(5)), 60),
        (cc("max-age=60", Expires="0"), 60),
        (cc("max-age=0", Expires=date(500)), 0),
        (cc("max-age=x", Expires=date(500)), 0),
        (cc("s-maxage=60", Expires=date(500)), 500),
        (cc("max-stale=60"), None),
        (cc("private, public, must-revalidate"), None),
        ({"Pragma": "no-cache", "Expires": date(60)}, 60),
        ({"Expires": date(60)}, 60),
        ({"Expires": date()}, 0),
        ({"Expires": date(-60)}, 0),
        ({"Expires": "Fri, 31 Dec 9999 23:59:59 GMT"}, 252_402_300_799),
        # §4.2.1: "either the first occurrence should be used or […] considered stale".
        ([("Expires", date(60)), ("Expires", date(600))], 60),
        ([("Expires", date(-60)), ("Expires", date(600))], 0),
        ([("Expires", "0"), ("Expires", date(600))], 0),
        ([("Expires", f"{date(60)}, {date(600)}")], 0),
    ],
)
def test_the_first_of_max_age_and_expires_counts(headers, lifetime):
    assert entry(headers).explicit == lifetime


@each(
    "text",
    [
        "Sun, 09 Sep 2001 01:47:40 GMT",
        "Sunday, 09-Sep-01 01:47:40 GMT",
        "Sun Sep  9 01:47:40 2001",
        # §4.2: "a cache recipient SHOULD match the field value case-insensitively".
        "sun, 09 sep 2001 01:47:40 gmt",
        "SUN, 09 SEP 2001 01:47:40 GMT",
        "sunday, 09-SEP-01 01:47:40 gmt",
        "sun sep  9 01:47:40 2001",
        "  Sun, 09 Sep 2001 01:47:40 GMT\t",
    ],
)
def test_expires_comes_in_three_formats_of_any_case(text):
    assert entry({"Expires": text}).explicit == 60


@each(
    "text",
    [
        "0",
        "-1",
        "",
        "now",
        "60",
        "2001-09-09T01:47:40Z",
        "Sun, 09 Sep 2001 01:47:40",
        "Sun, 09 Sep 2001 01:47:40 UTC",  # §4.2: another zone than GMT is invalid
        "Sun, 09 Sep 2001 01:47:40 AEST",
        "Sun, 09 Sep 2001 01:47:40 +0000",
        "Sun, 09 Sep 2001 01:47:40 GMT;",
        "Sun, 09  Sep  2001 01:47:40 GMT",
        "Sun,  09 Sep 2001 01:47:40 GMT",
        "Sun, 9 Sep 2001 01:47:40 GMT",
        "Sun 09 Sep 2001 01:47:40 GMT",
        "09 Sep 2001 01:47:40 GMT",
        "Sun, 09-Sep-2001 01:47:40 GMT",
        "Sunday, 09 Sep 2001 01:47:40 GMT",
        "Sun, 09 September 2001 01:47:40 GMT",
        "Sun, 09 Sep 01 01:47:40 GMT",
        "Sun, 09 Sep 2001 1:47:40 GMT",
        "Sun, 09 Sep 2001 01:47 GMT",
        "Sun, 09 Sep 2001 01.47.40 GMT",
        "Sun, 09 Sep 2001 24:47:40 GMT",
        "Sun, 09 Sep 2001 01:60:40 GMT",
        "Sun, 09 Sep 2001 01:47:61 GMT",
        "Sun, 31 Sep 2001 01:47:40 GMT",
        "Sun, 00 Sep 2001 01:47:40 GMT",
        "Sun, 09 Foo 2001 01:47:40 GMT",
        "Sun, 09 Sep 0000 01:47:40 GMT",
        '"Sun, 09 Sep 2001 01:47:40 GMT"',
        "Sun, ٠٩ Sep 2001 01:47:40 GMT".encode().decode("latin-1"),
        "x" * 10_000,
    ],
)
def test_an_expires_that_is_no_date_has_passed(text):
    assert entry({"Expires": text}).explicit == 0


def test_expires_is_read_against_date_so_a_skewed_clock_does_not_matter():
    """§4.2.1: "use its value minus the value of the Date response header field"."""
    assert entry({"Expires": date(5060), "Date": date(5000)}).explicit == 60
    assert entry({"Expires": date(-4940), "Date": date(-5000)}).explicit == 60


@pytest.mark.parametrize("text", [None, "yesterday", "0"])
def test_without_a_date_the_time_of_its_coming_counts(text):
    headers = {"Expires": date(60)} | ({} if text is None else {"Date": text})
    assert entry(headers, dated=False).explicit == 60
    assert entry(headers, dated=False).date == NOW


def test_of_two_dates_neither_counts():
    headers = [("Date", date(-100)), ("Date", date(-50))]
    assert entry(headers).date == NOW
    assert entry([("Date", date(-50)), ("Date", date(-50))]).date == NOW - 50


# ── §4.2.2: heuristics ─────────────────────────────────────────────────────────────────


@each("status", [*range(200, 600), 600, 999])
def test_a_tenth_of_the_time_since_last_modified_by_code(status):
    old = {"Last-Modified": date(-1000)}
    heuristic = status in {
        200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 451, 501,
    }  # fmt: skip
    assert entry(old, status).lifetime == (100 if heuristic else 0)
    assert (status in HEURISTIC) is heuristic


@each("status", [200, 302, 499, 599])
@each("said", ["public", "private", 'private="x"', "PUBLIC, x"])
def test_last_modified_what_says_that_it_may_be_stored_has_a_heuristic_lifetime(status, said):
    """§4.2.2: "marked as explicitly cacheable"; §5.2.2.7 and §5.2.2.9 say which are."""
    assert entry(cc(said, **{"Last-Modified": date(-1000)}), status).lifetime == 100


@each(
    ("headers", "lifetime"),
    [
        ({}, 0),
        ({"Last-Modified": date(-10 * DAY)}, DAY),
        ({"Last-Modified": date(-10_000 * DAY)}, WEEK),  # capped
        ({"Last-Modified": date()}, 0),
        ({"Last-Modified": date(100)}, 0),
        ({"Last-Modified": "0"}, 0),
        ({"Last-Modified": "x"}, 0),
        ([("Last-Modified", date(-1000)), ("Last-Modified", date(-2000))], 0),
        ([("Last-Modified", date(-1000)), ("Last-Modified", date(-1000))], 100),
        ({"Last-Modified": date(-1000), "Date": date(-500)}, 50),
        ({"Last-Modified": date(-1000), "Date": "x"}, 100),
        # "MUST NOT use heuristics […] when an explicit expiration time is present".
        (cc("max-age=5", **{"Last-Modified": date(-1000)}), 5),
        (cc("max-age=x", **{"Last-Modified": date(-1000)}), 0),
        ({"Expires": "0", "Last-Modified": date(-1000)}, 0),
        ({"Expires": date(7), "Last-Modified": date(-1000)}, 7),
        ({"ETag": '"a"'}, 0),
    ],
)
def test_heuristics_want_a_last_modified_and_nothing_explicit(headers, lifetime):
    assert entry(headers).lifetime == lifetime


# ── §4.2.3: age ────────────────────────────────────────────────────────────────────────


@each(
    ("headers", "age"),
    [
        ({}, 0),
        ({"Age": "0"}, 0),
        ({"Age": "60"}, 60),
        ({"Age": " 60 "}, 60),
        ({"Age": "0060"}, 60),
        # §5.1: "use the first member of the field value, discarding subsequent ones".
        ({"Age": "60, 5"}, 60),
        ({"Age": "60,x"}, 60),
        ({"Age": "5,60"}, 5),
        ({"Age": ",60"}, 60),  # RFC 9110 §5.6.1: empty members don't count
        ([("Age", "60"), ("Age", "5")], 60),
        ([("Age", "5"), ("Age", "60")], 5),
        # "If the field value […] is invalid, […] a cache SHOULD ignore the field".
        ({"Age": "-60"}, 0),
        ({"Age": "+60"}, 0),
        ({"Age": "60.0"}, 0),
        ({"Age": "1e3"}, 0),
        ({"Age": "x"}, 0),
        ({"Age": "60x"}, 0),
        ({"Age": "60;a=b"}, 0),
        ({"Age": '"60"'}, 0),
        ({"Age": ""}, 0),
        ({"Age": "x, 60"}, 0),
        ({"Age": "2147483648"}, 2**31),
        ({"Age": "99999999999999999999"}, 1e20),
        ({"Age": "9" * 1000}, inf),
        # apparent_age: the greater of the two.
        ({"Date": date(-30)}, 30),
        ({"Date": date(-30), "Age": "10"}, 30),
        ({"Date": date(-30), "Age": "60"}, 60),
        ({"Date": date(30)}, 0),  # "If the result is negative, the result is replaced by zero."
        ({"Date": date(30), "Age": "10"}, 10),
        ({"Date": "x", "Age": "10"}, 10),
    ],
)
def test_age_is_the_greater_of_what_date_and_age_say(headers, age):
    assert entry(headers).age(NOW) == age
    assert entry(headers).age(NOW + 7) == age + 7


def test_age_date_the_delay_of_the_answer_counts():
    """§4.2.3: "relative to the time the request was initiated"."""
    slow = Entry(200, pairs({"Age": "10", "Date": date()}), b"", NOW - 5, NOW)
    assert slow.age(NOW) == 15
    slow = Entry(200, pairs({"Date": date(-5)}), b"", NOW - 5, NOW)
    assert slow.age(NOW + 1) == 6


def test_a_clock_that_was_set_back_makes_nothing_younger():
    assert entry({"Age": "10"}).age(NOW - 1000) == 10
    assert Entry(200, pairs({"Date": date()}), b"", NOW + 9, NOW).age(NOW) == 0


# ── what may not be used stale, or not unvalidated ─────────────────────────────────────


@each(
    ("said", "unchecked", "bound"),
    [
        ("max-age=5", False, False),
        ("must-revalidate", False, True),
        ("Must-Revalidate", False, True),
        ("no-cache", True, True),
        ('no-cache="x"', False, False),
        ('no-cache="x", no-cache', True, True),
        ("no-cache=''", False, False),  # two single quotes are a token, as odd as that is
        ('no-cache=""', True, True),
        # §5.2.2.8, §5.2.2.10: "does not apply to private caches".
        ("proxy-revalidate, s-maxage=1", False, False),
    ],
)
def test_no_cache_and_must_revalidate(said, unchecked, bound):
    one = entry(cc(said))
    assert (one.unchecked, one.bound) == (unchecked, bound)


def test_etag_two_entity_tags_are_none():
    assert entry([("ETag", '"a"'), ("ETag", '"b"')]).etag is None
    assert entry([("ETag", '"a"'), ("ETag", '"a"')]).etag == '"a"'


# ── dumped and loaded ──────────────────────────────────────────────────────────────────

WHOLE = entry(
    [("Set-Cookie", "a=b"), ("Set-Cookie", "c=\xe9"), ("Vary", "accept")],
    who="me",
    vary=(("accept", None), ("x", "y")),
    part=(0, 9, None),
)


def test_what_is_dumped_is_loaded_as_it_was():
    for one in (WHOLE, entry({})):
        loaded = Entry.load(URL, one.who, one.dump(URL), one.body)
        assert (loaded, loaded.id) == (one, one.id)


def test_what_is_damaged_or_of_another_is_not_loaded():
    dumped = WHOLE.dump(URL)
    bad = [b"", b"{}", b"\xff" * 200, dumped[:-1], dumped + b" ", dumped.replace(b"200", b"204")]
    assert dumped not in bad
    for one in bad:
        with pytest.raises(ValueError):
            Entry.load(URL, WHOLE.who, one, WHOLE.body)
    for url, who, body in (
        (URL + "y", WHOLE.who, WHOLE.body),
        (URL, "somebody", WHOLE.body),
        (URL, WHOLE.who, WHOLE.body[:-1]),
    ):
        with pytest.raises(ValueError):
            Entry.load(url, who, dumped, body)


def test_a_size_counts_the_body_and_the_header_section():
    assert entry({}, body=b"x" * 1000).size > 1000
    assert entry({"X": "y" * 1000}).size > 1000
