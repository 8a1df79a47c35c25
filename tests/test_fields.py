"""fields/: text from a server -> a value or None, and never an exception."""

from collections.abc import Callable
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.fields.dates import http_date
from statuspolicy.fields.ranges import content_range
from statuspolicy.fields.retry_after import rate_limit_reset, retry_after
from statuspolicy.fields.section import NO_FIELDS, Fields, digits
from tests.each import each

# The example of RFC 9110 §5.6.7, in its three formats.
EXAMPLE = 784111777.0
IMF = "Sun, 06 Nov 1994 08:49:37 GMT"
RFC850 = "Sunday, 06-Nov-94 08:49:37 GMT"
ASCTIME = "Sun Nov  6 08:49:37 1994"
NOW = EXAMPLE - 60  # a minute before the example
HOUR = 3600.0


def fields(*lines: tuple[str, str]) -> Fields:
    return Fields([(name.encode(), value.encode()) for name, value in lines])


# ── Fields ─────────────────────────────────────────────────────────────────────────────


def test_retry_after_names_are_looked_up_in_lower_case_whatever_the_server_wrote():
    read = fields(("RETRY-After", "5"), ("x", "1"))
    assert read.get("retry-after") == "5"
    assert "retry-after" in read
    assert "RETRY-After" not in read
    assert list(read) == ["retry-after", "x"]


@each(
    ("lines", "every", "joined", "single"),
    [
        ([], [], None, None),
        (["a"], ["a"], "a", "a"),
        (["a", "b"], ["a", "b"], "a, b", None),
        (["a", "a"], ["a", "a"], "a, a", "a"),
        (["a", "a "], ["a", "a"], "a, a", "a"),
        ([" \ta\t "], ["a"], "a", "a"),
        ([""], [""], "", ""),
        (["a", ""], ["a", ""], "a, ", None),
        (["A", "a"], ["A", "a"], "A, a", None),
    ],
)
def test_lines_are_read_as_each_as_a_list_and_as_the_one(lines, every, joined, single):
    read = fields(*(("n", line) for line in lines))
    assert (read.all("n"), read.get("n"), read.one("n")) == (every, joined, single)


@each(
    ("raw", "text"),
    [(b"caf\xc3\xa9", "café"), (b"caf\xe9", "café"), (b"\xff\xfe", "ÿþ"), (b"\xc2\xa05", "\xa05")],
)
def test_a_value_that_is_no_utf_8_is_read_as_latin_1(raw, text):
    assert Fields([(b"n", raw)]).get("n") == text


def test_a_name_that_is_no_ascii_does_not_raise():
    assert list(Fields([(b"\xe9", b"v")])) == ["é"]


def test_no_fields_is_empty():
    assert list(NO_FIELDS) == []
    assert NO_FIELDS.one("date") is None


# ── digits ─────────────────────────────────────────────────────────────────────────────


@each(
    ("value", "number"),
    [
        ("0", 0.0),
        ("5", 5.0),
        ("007", 7.0),
        ("120", 120.0),
        ("9" * 299, float("9" * 299)),
        ("9" * 309, inf),
        ("9" * 5000, inf),
        ("0" * 5000, 0.0),  # as long as it is, it is a number
        ("0" * 5000 + "7", 7.0),
    ],
)
def test_ascii_digits_of_any_length_are_a_number(value, number):
    assert digits(value) == number


@each(
    "value",
    [
        None,
        "",
        " ",
        "٣",
        "５",
        "²",
        "५",
        "-5",
        "+5",
        "1.5",
        "1e309",
        "1_000",
        "0x10",
        "5 ",
        " 5",
        "5,5",
        "soon",
        "inf",
        "nan",
        "Infinity",
        "5\n",
        "5\x00",
    ],
)
def test_what_is_not_ascii_digits_alone_is_no_number(value):
    assert digits(value) is None


# ── http_date ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [IMF, RFC850, ASCTIME])
def test_the_three_formats_of_the_rfc_are_one_time_in_any_case(value):
    for text in (value, value.lower(), value.upper()):
        assert http_date(text, NOW) == EXAMPLE


@each(
    ("value", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu Jan  1 00:00:00 1970", 0),
        ("Thu Jan 01 00:00:00 1970", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951782400),
        ("Thu, 29 Feb 2024 23:59:59 GMT", 1709251199),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800),  # a leap second
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799),
        ("Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE),  # the name of the day says nothing
    ],
)
def test_edges_of_the_calendar_are_read(value, seconds):
    assert http_date(value, NOW) == seconds


@each(
    ("now", "two_digits", "year"),
    [
        (1_780_000_000, "94", 1994),  # 2026: 94 would be 68 years ahead
        (1_780_000_000, "26", 2026),
        (1_780_000_000, "30", 2030),
        (1_780_000_000, "76", 2076),  # 50 years ahead are not more than 50
        (1_780_000_000, "77", 1977),
        (1_780_000_000, "00", 2000),
        (NOW, "94", 1994),
        (NOW, "44", 1944),
        (NOW, "45", 1945),
    ],
)
def test_a_two_digit_year_is_the_past_one_where_it_would_be_over_50_years_ahead(
    now, two_digits, year
):
    short = http_date(f"Sunday, 06-Nov-{two_digits} 08:49:37 GMT", now)
    assert short == http_date(f"Sun, 06 Nov {year} 08:49:37 GMT", now)


@each(
    "value",
    [
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Oct 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 30 Feb 2024 08:49:37 GMT",
        "Wed, 29 Feb 2023 08:49:37 GMT",
        "Mon, 29 Feb 2100 08:49:37 GMT",
        "Sunday, 29-Feb-23 08:49:37 GMT",
        "Sunday, 31-Jun-94 08:49:37 GMT",
        "Sun Nov 31 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994",
        "Sat, 01 Jan 0000 00:00:00 GMT",
    ],
)
def test_a_day_that_does_not_exist_is_no_date(value):
    assert http_date(value, 1_780_000_000) is None


@each(
    "value",
    [
        None,
        "",
        "soon",
        "0",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov １９９４ 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        f"{IMF}, {IMF}",
    ],
)
def test_what_is_none_of_the_three_formats_is_no_date(value):
    assert http_date(value, NOW) is None


# ── Retry-After ────────────────────────────────────────────────────────────────────────


@each(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("9" * 5000, inf),
        (IMF, 60.0),
        (RFC850, 60.0),
        (ASCTIME, 60.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 - NOW),
        ("Sun, 06 Nov 1994 08:48:37 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),  # a past date is a wait of 0
    ],
)
def test_retry_after_is_seconds_or_one_of_three_dates(value, seconds):
    assert retry_after(fields(("Retry-After", value)), NOW) == seconds


@each(
    "value",
    [
        "",
        "-5",
        "+5",
        "1.5",
        "1e309",
        "soon",
        "5s",
        "٣",
        "５",
        "5, 6",
        "inf",
        "nan",
        "5;q=1",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    ],
)
def test_retry_after_signs_fractions_words_and_other_digits_are_no_instruction(value):
    assert retry_after(fields(("Retry-After", value)), NOW) is None


@each(
    ("lines", "seconds"),
    [
        ([], None),
        (["5", "5"], 5.0),
        (["5", " 5"], 5.0),
        (["5", "6"], None),
        (["5", "soon"], None),
        ([IMF, IMF], 60.0),
        ([IMF, RFC850], None),  # the same time, but not the same field
    ],
)
def test_two_retry_after_lines_are_an_instruction_only_where_they_are_equal(lines, seconds):
    assert retry_after(fields(*(("Retry-After", line) for line in lines)), NOW) == seconds


@each("skew", [-HOUR, 0.0, HOUR, -50 * 365 * 24 * HOUR])
def test_a_date_is_read_against_the_response_s_own_date_so_a_skewed_clock_does_not_matter(skew):
    told = fields(("Retry-After", IMF), ("Date", "Sun, 06 Nov 1994 08:49:07 GMT"))
    assert retry_after(told, NOW + skew) == 30.0


@each(
    "date",
    [None, "", "yesterday", "784111747", "Sun, 31 Nov 1994 08:49:07 GMT"],
)
@each(("now", "seconds"), [(NOW, 60.0), (NOW - HOUR, 3660.0), (NOW + HOUR, 0.0)])
def test_our_clock_stands_in_where_date_is_missing_or_bad(date, now, seconds):
    lines = [("Retry-After", IMF)] + ([] if date is None else [("Date", date)])
    assert retry_after(fields(*lines), now) == seconds


def test_two_differing_dates_are_a_bad_date():
    told = fields(("Retry-After", IMF), ("Date", IMF), ("Date", "Sun, 06 Nov 1994 08:49:07 GMT"))
    assert retry_after(told, NOW) == 60.0


def test_a_date_has_no_say_over_seconds():
    assert retry_after(fields(("Retry-After", "7"), ("Date", IMF)), NOW) == 7.0


# ── rate limits ────────────────────────────────────────────────────────────────────────

EPOCH = 1_700_000_000.0


@each(
    ("lines", "seconds"),
    [
        ([("RateLimit", '"default";r=0;t=30')], 30.0),
        ([("RateLimit", '"default"; r=0; t=30')], 30.0),
        ([("RateLimit", '"default";t=30;r=0')], 30.0),
        ([("RateLimit", '"a";r=0;t=30, "b";r=5;t=90')], 30.0),
        ([("RateLimit", '"a";r=0;t=30, "b";r=0;t=90')], 90.0),
        ([("RateLimit", '"a";r=0;t=30'), ("RateLimit", '"b";r=0;t=90')], 90.0),
        ([("RateLimit-Remaining", "0"), ("RateLimit-Reset", "30")], 30.0),
        ([("RateLimit-Remaining", "0"), ("RateLimit-Reset", "1700000030")], 1_700_000_030.0),
        ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "30")], 30.0),
        ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "999999999")], 999_999_999.0),
        ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1000000000")], 0.0),
        ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1700000030")], 30.0),
        ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "9" * 5000)], inf),
        ([("RateLimit-Remaining", "00"), ("RateLimit-Reset", "0")], 0.0),
    ],
)
def test_ratelimit_a_limit_that_is_used_up_tells_when_it_is_renewed(lines, seconds):
    assert rate_limit_reset(fields(*lines), EPOCH) == seconds


@pytest.mark.parametrize("skew", [-86_400, 0, 86_400])
def test_a_reset_in_unix_time_is_read_against_the_response_s_own_date_too(skew):
    lines = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1000000030")]
    lines += [("Date", "Sun, 09 Sep 2001 01:46:40 GMT")]
    assert rate_limit_reset(fields(*lines), 1_000_000_000 + skew) == 30


@each(
    "lines",
    [
        [],
        [("RateLimit", '"default";r=1;t=30')],
        [("RateLimit", '"default";t=30')],
        [("RateLimit", '"default";r=0')],
        [("RateLimit", '"default";r=-0;t=30')],
        [("RateLimit", '"default";r=0;t=soon')],
        [("RateLimit", "limit=100, remaining=0, reset=50")],
        [("RateLimit", '"a;r=0;t=99";r=5;t=3')],
        [("RateLimit-Remaining", "3"), ("RateLimit-Reset", "30")],
        [("RateLimit-Reset", "30")],
        [("RateLimit-Remaining", "0")],
        [("RateLimit-Remaining", "0"), ("RateLimit-Reset", "-30")],
        [("RateLimit-Remaining", "0"), ("RateLimit-Remaining", "1"), ("RateLimit-Reset", "30")],
        [("RateLimit-Remaining", "0"), ("RateLimit-Reset", "30"), ("RateLimit-Reset", "60")],
        [("X-RateLimit-Remaining", "3"), ("X-RateLimit-Reset", "30")],
        [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1.7e9")],
        [("X-RateLimit-Remaining", "0"), ("RateLimit-Reset", "30")],
    ],
)
def test_ratelimit_fields_that_do_not_say_that_nothing_is_left_tell_nothing(lines):
    assert rate_limit_reset(fields(*lines), EPOCH) is None


def test_ratelimit_the_standard_field_comes_first_and_the_older_ones_stand_in():
    old = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "90")]
    middle = [("RateLimit-Remaining", "0"), ("RateLimit-Reset", "60")]
    new = [("RateLimit", '"a";r=0;t=30')]
    assert rate_limit_reset(fields(*old, *middle, *new), EPOCH) == 30.0
    assert rate_limit_reset(fields(*old, *middle), EPOCH) == 60.0
    assert rate_limit_reset(fields(*old, ("RateLimit", '"a";r=1;t=3')), EPOCH) == 90.0


# ── Content-Range ──────────────────────────────────────────────────────────────────────


@each(
    ("value", "part"),
    [
        ("bytes 0-0/1", (0, 0, 1)),
        ("bytes 0-499/1234", (0, 499, 1234)),
        ("Bytes 500-1233/1234", (500, 1233, 1234)),
        ("bytes 5-9/*", (5, 9, None)),
        (" bytes 007-009/010 ", (7, 9, 10)),
        ("bytes 0-999999999999999998/999999999999999999", (0, 10**18 - 2, 10**18 - 1)),
    ],
)
def test_a_content_range_says_first_last_and_length(value, part):
    assert content_range(fields(("Content-Range", value))) == part


@each(
    "value",
    [
        "",
        "bytes */1234",
        "bytes 5-4/10",
        "bytes 0-10/10",
        "bytes 0-9/9",
        "bytes 0-9",
        "0-9/10",
        "items 0-9/10",
        "bytes=0-9/10",
        "bytes -9/10",
        "bytes 0-/10",
        "bytes 0-9/",
        "bytes 0-9/-1",
        "bytes +0-9/10",
        "bytes 0 - 9/10",
        "bytes 0-9/1e9",
        "bytes ٠-٩/10",
        "bytes 0-9/10, x",
        "bytes 0-" + "9" * 5000 + "/*",
    ],
)
def test_an_invalid_content_range_says_nothing(value):
    assert content_range(fields(("Content-Range", value))) is None


def test_a_content_range_that_is_missing_or_differs_says_nothing():
    assert content_range(NO_FIELDS) is None
    same, other = ("Content-Range", "bytes 0-9/10"), ("Content-Range", "bytes 0-9/20")
    assert content_range(fields(same, same)) == (0, 9, 10)
    assert content_range(fields(same, other)) is None


# ── never an exception ─────────────────────────────────────────────────────────────────

NAMES = ["Retry-After", "Date", "RateLimit", "RateLimit-Reset", "RateLimit-Remaining"]
NAMES += ["X-RateLimit-Reset", "X-RateLimit-Remaining", "Cache-Control", "Expires"]

WORDS = ["0", "7", "99", "9" * 400, "-", "+", ".", "e9", " ", ",", ";", "=", '"', "r=0", "t=30"]
WORDS += ["max-age", "no-store", IMF, RFC850, ASCTIME, "Sun, ", "29", " Feb ", "1900", " 08:49:37"]
WORDS += [" GMT", "Sunday, 31-Nov-00 08:49:60 GMT", "Wed, 29 Feb 2023 00:00:00 GMT", "٣", "inf"]
WORDS += ["Sat Jan  0 00:00:00 0000", "nan"]
values = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from(WORDS), max_size=8).map(lambda words: "".join(words).encode()),
)


@pytest.mark.parametrize("read", [retry_after, rate_limit_reset])
@given(lines=st.lists(st.tuples(st.sampled_from(NAMES).map(str.encode), values), max_size=6))
def test_no_header_value_makes_a_reader_raise(
    read: Callable[[Fields, float], float | None], lines: list[tuple[bytes, bytes]]
):
    told = read(Fields(lines), NOW)
    assert told is None or told >= 0


@given(name=st.binary(max_size=20), value=values, other=values)
def test_no_header_line_makes_fields_raise(name: bytes, value: bytes, other: bytes):
    read = Fields([(name, value), (name, other)])
    (key,) = read
    assert len(read.all(key)) == 2
    assert read.get(key) == ", ".join(read.all(key))
    assert read.one(key) in (None, read.all(key)[0])


@given(text=st.text(st.characters(codec="utf-8")), now=st.floats(0, 1e11))
def test_no_text_makes_digits_or_http_date_raise(text: str, now: float):
    assert digits(text) is None or digits(text) >= 0
    assert http_date(text, now) is None
    content_range(fields(("Content-Range", f"bytes {text}")))
