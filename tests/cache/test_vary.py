"""Vary (RFC 9111 §4.1): which stored response a request selects."""

import pytest

from statuspolicy.cache.vary import normal, selecting, selects
from statuspolicy.fields.section import Fields
from tests.cache.values import pairs
from tests.each import each


def section(headers):
    return Fields(pairs(headers))


def matches(vary, first, second):
    """Whether a response to `first` is selected by `second`."""
    chosen = selecting(section([("Vary", line) for line in vary]), section(first))
    return selects(chosen, section(second))


@pytest.mark.parametrize("headers", [{}, {"Accept": "x"}])
def test_vary_that_is_absent_lets_any_request_select(headers):
    assert selecting(section({}), section(headers)) == ()
    assert matches([], {}, headers)
    assert matches([""], {}, headers)


@each("vary", [["*"], ["a, *"], ["*, a"], ["a", "*"], [" * "], ["*,*"]])
def test_vary_star_always_fails_to_match(vary):
    assert not matches(vary, {}, {})
    assert not matches(vary, {"A": "1"}, {"A": "1"})
    assert not matches(vary, {"*": "*"}, {"*": "*"})


@each(
    ("vary", "first", "second", "same"),
    [
        (["Foo"], {"Foo": "1"}, {"Foo": "1"}, True),
        (["Foo"], {"Foo": "1"}, {"foo": "1"}, True),
        (["FOO"], {"foo": "1"}, {"Foo": "1"}, True),
        (["Foo"], {"Foo": "1"}, {"Foo": "1", "Bar": "2"}, True),
        (["Foo"], {"Foo": "1"}, {"Foo": "2"}, False),
        (["Foo"], {"Foo": "a"}, {"Foo": "A"}, False),
        (["Foo"], {"Foo": "1"}, {"Foo": "1 "}, True),
        # "it can only match another request if it is also absent there".
        (["Foo"], {}, {}, True),
        (["Foo"], {}, {"Foo": "1"}, False),
        (["Foo"], {"Foo": "1"}, {}, False),
        (["Foo"], {"Foo": ""}, {}, False),
        (["Foo"], {}, {"Foo": ""}, False),
        (["Foo"], {"Foo": ""}, {"Foo": ""}, True),
        (["Foo, Bar"], {"Foo": "1", "Bar": "2"}, {"Bar": "2", "Foo": "1"}, True),
        (["Foo, Bar"], {"Foo": "1", "Bar": "2"}, {"Foo": "1", "Bar": "3"}, False),
        (["Foo", "Bar"], {"Foo": "1", "Bar": "2"}, {"Foo": "1", "Bar": "3"}, False),
        (["Foo,,Foo, ,"], {"Foo": "1"}, {"Foo": "1"}, True),
        # Several lines are one list, and white space between its members is none.
        (["Foo"], [("Foo", "1"), ("Foo", "2")], {"Foo": "1, 2"}, True),
        (["Foo"], {"Foo": "1,2"}, {"Foo": "1 ,\t2"}, True),
        (["Foo"], {"Foo": "1, 2"}, {"Foo": "2, 1"}, False),
        (["Foo"], {"Foo": "1 2"}, {"Foo": "12"}, False),
        (["Foo"], {"Foo": '"1, 2"'}, {"Foo": '"1,2"'}, False),
        # RFC 9110 §12.4.2, §12.5: names are case-insensitive, weights say the order.
        (["Accept-Language"], {"Accept-Language": "en, de"}, {"Accept-Language": "EN,de"}, True),
        (["Accept-Language"], {"Accept-Language": "en, de"}, {"Accept-Language": "de, en"}, True),
        (
            ["Accept-Language"],
            {"Accept-Language": "en;q=0.5, de"},
            {"Accept-Language": "de, en; Q=0.500"},
            True,
        ),
        (
            ["Accept-Language"],
            {"Accept-Language": "en;q=0.5"},
            {"Accept-Language": "en;q=0.6"},
            False,
        ),
        (["Accept-Encoding"], {"Accept-Encoding": "gzip;q=1.0"}, {"Accept-Encoding": "gzip"}, True),
        (["Accept-Encoding"], {"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "gzip"}, False),
        (["Accept-Encoding"], {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "gzip, br"}, False),
        (["Accept-Encoding"], {"Accept-Encoding": ""}, {}, False),
        (["Accept"], {"Accept": "Text/HTML"}, {"Accept": "text/html;q=1"}, True),
        (["Accept"], {"Accept": "text/html;Level=a"}, {"Accept": "text/html;level=a"}, True),
        (["Accept"], {"Accept": "text/html;level=a"}, {"Accept": "text/html;level=A"}, False),
        (["Accept"], {"Accept": "text/html;q=9"}, {"Accept": "text/html"}, False),
        (["Accept"], {"Accept": "text/html;level"}, {"Accept": "text/html"}, False),
        (["Accept-Charset"], {"Accept-Charset": "UTF-8"}, {"Accept-Charset": "utf-8"}, True),
        (["User-Agent"], {"User-Agent": "a"}, {"User-Agent": "A"}, False),
    ],
)
def test_vary_requests_match_where_the_fields_mean_the_same(vary, first, second, same):
    assert matches(vary, first, second) is same
    assert matches(vary, second, first) is same


def test_what_is_normal_is_its_own_normal_form():
    for name in ("accept", "accept-language", "user-agent"):
        for value in ("", "A;q=0.50, b ;Q=1.000,,c", 'x="a, b"; y, z', None):
            once = normal(name, value)
            assert normal(name, once) == once
