"""3xx: where a redirect leads, with which method, whether it is confirmed, what is remembered."""

import pytest

from statuspolicy import STANDARD, STRICT, Follow, Settle, surface
from tests.each import each
from tests.exchanges import exchange

THERE = {"Location": "/b"}
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "MKCOL", "X-MADE-UP")
METHODS = SAFE + UNSAFE
TABLES = {"STANDARD": STANDARD, "STRICT": STRICT}
FOLLOWED = (301, 302, 303, 307, 308)
# The day that a move is remembered where the answer names no time.
DAY = 86_400.0


def answer(code, headers=THERE, *, table="STANDARD", **more):
    return TABLES[table].row(code).duty(exchange(code, headers, **more))


# ── STANDARD: method and confirmation ──────────────────────────────────────────────────


@each("code", [301, 302])
@each("method", [m for m in METHODS if m != "POST"])
def test_301_and_302_keep_every_method_but_post(code, method):
    verdict = answer(code, method=method)
    assert (verdict.url, verdict.method) == ("/b", None)


@each("can_ask", [True, False])
@each("code", [301, 302])
def test_301_and_302_turn_post_into_get_and_ask_nobody(code, can_ask):
    verdict = answer(code, method="POST", can_ask=can_ask)
    assert (verdict.method, verdict.confirm) == ("GET", False)


@each("table", TABLES)
@each("method", METHODS)
def test_303_becomes_get_but_head_stays_head_and_nobody_is_asked(table, method):
    verdict = answer(303, table=table, method=method, can_ask=True)
    expected = "HEAD" if method == "HEAD" else "GET"
    assert (verdict.url, verdict.method, verdict.confirm) == ("/b", expected, False)


@each("code", [307, 308])
@each("method", METHODS)
def test_307_and_308_keep_every_method(code, method):
    verdict = answer(code, method=method)
    assert (verdict.url, verdict.method) == ("/b", None)


@each(
    ("method", "can_ask", "confirm"),
    [(m, True, False) for m in SAFE]
    + [(m, False, False) for m in SAFE]
    + [(m, True, True) for m in UNSAFE]
    + [(m, False, False) for m in UNSAFE],
)
@each("code", [307, 308])
def test_307_308_unsafe_methods_are_confirmed_where_there_is_someone_to_ask(
    code, method, can_ask, confirm
):
    """The default of `confirm` is yes, so without one the redirect is followed."""
    assert answer(code, method=method, can_ask=can_ask).confirm is confirm


@each("code", [301, 302])
@each(
    ("method", "can_ask", "confirm"),
    [(m, True, False) for m in SAFE]
    + [(m, True, True) for m in UNSAFE if m != "POST"]
    + [(m, False, False) for m in UNSAFE],
)
def test_301_and_302_confirm_unsafe_methods_but_post(code, method, can_ask, confirm):
    assert answer(code, method=method, can_ask=can_ask).confirm is confirm


# ── STRICT ─────────────────────────────────────────────────────────────────────────────


@each("can_ask", [True, False])
@each("method", METHODS)
@each("code", [301, 302, 307, 308])
def test_301_302_307_308_strict_keeps_every_method_and_confirms_all_but_get_and_head(
    code, method, can_ask
):
    verdict = answer(code, table="STRICT", method=method, can_ask=can_ask)
    assert verdict.method is None
    assert verdict.confirm is (method not in ("GET", "HEAD"))


# ── 300, 305, 306 and codes without a row ──────────────────────────────────────────────


@each("code", [300, 309, 399])
@each("method", METHODS)
def test_300_and_unknown_codes_of_its_class_are_followed_for_safe_methods(code, method):
    verdict = answer(code, method=method, can_ask=True)
    if method in SAFE:
        assert verdict == Follow("/b")
    else:
        assert verdict == Settle(f"a preferred choice is not followed for {method}")


@each("code", [300, 399])
@each("method", METHODS)
def test_strict_follows_300_for_get_and_head_alone(code, method):
    verdict = answer(code, table="STRICT", method=method)
    assert isinstance(verdict, Follow) is (method in ("GET", "HEAD"))


@pytest.mark.parametrize("table", TABLES)
def test_300_without_location_is_handed_over_with_the_reason(table):
    assert answer(300, {}, table=table) == Settle("the server names no preferred choice")


@each("table", TABLES)
@each("method", METHODS)
def test_305_is_never_obeyed(table, method):
    verdict = answer(305, {"Location": "http://proxy.example/"}, table=table, method=method)
    assert verdict == Settle("a proxy that a response names is never used")


@each("table", TABLES)
@each("method", METHODS)
def test_306_is_handed_over(table, method):
    assert TABLES[table][306] is surface
    assert answer(306, table=table, method=method) == Settle()


# ── Location ───────────────────────────────────────────────────────────────────────────


@each(
    ("headers", "verdict"),
    [
        ([], Settle("the response has no Location")),
        (
            [("Location", "/b"), ("location", "/c")],
            Settle("the response has two different Locations"),
        ),
        ([("Location", "/b"), ("location", "/b")], "/b"),
        ([("Location", " /b\t"), ("LOCATION", "/b")], "/b"),
        ([("Location", "")], ""),
        ([("Location", "//other.example/b#part")], "//other.example/b#part"),
        ([(b"Location", "/caf\u00e9".encode())], "/caf\u00e9"),
    ],
)
@each("table", TABLES)
@each("code", FOLLOWED)
def test_a_redirect_needs_exactly_one_location(code, table, headers, verdict):
    found = answer(code, headers, table=table)
    assert (found if isinstance(verdict, Settle) else found.url) == verdict


# ── Retry-After is the least time before the hop ───────────────────────────────────────


@each(
    ("headers", "after"),
    [
        ({}, 0.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Sun, 09 Sep 2001 01:46:50 GMT"}, 10.0),  # `now` is 01:46:40
        ({"Retry-After": "Sun, 09 Sep 2001 01:46:30 GMT"}, 0.0),
        (
            {
                "Retry-After": "Thu, 01 Jan 2015 00:00:30 GMT",
                "Date": "Thu, 01 Jan 2015 00:00:00 GMT",
            },
            30.0,
        ),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"RateLimit": '"a";r=0;t=9'}, 0.0),
    ],
)
@each("code", [300, *FOLLOWED])
@each("table", TABLES)
def test_retry_after_comes_before_the_hop(table, code, headers, after):
    assert answer(code, THERE | headers, table=table).after == after


# ── moves that are remembered ──────────────────────────────────────────────────────────

HTTPS = "https://home.example/a"


@each(
    ("headers", "seconds"),
    [
        ({}, DAY),
        ({"Cache-Control": "public"}, DAY),
        ({"Cache-Control": "max-age=60"}, 60.0),
        ({"Cache-Control": 'public, MAX-AGE="60"'}, 60.0),
        ({"Cache-Control": "max-age=60, max-age=30"}, 60.0),
        ({"Cache-Control": "max-age=0"}, 0.0),
        ({"Cache-Control": "max-age=word"}, 0.0),
        ({"Cache-Control": "no-store"}, 0.0),
        ({"Cache-Control": "no-cache"}, 0.0),
        ({"Cache-Control": "max-age=60, no-store"}, 0.0),
        ({"Cache-Control": "no-cache, max-age=60"}, 0.0),
        ({"Expires": "Sun, 09 Sep 2001 01:47:40 GMT"}, 60.0),
        ({"Expires": "Sun, 09 Sep 2001 01:46:00 GMT"}, 0.0),
        ({"Expires": "0"}, 0.0),
        (
            {"Expires": "Thu, 01 Jan 2015 00:01:00 GMT", "Date": "Thu, 01 Jan 2015 00:00:00 GMT"},
            60.0,
        ),
        ({"Cache-Control": "max-age=5", "Expires": "Sun, 09 Sep 2001 01:47:40 GMT"}, 5.0),
    ],
)
@each("method", ["GET", "HEAD"])
@each("code", [301, 308])
@each("table", TABLES)
def test_301_308_cache_control_a_permanent_move_is_remembered_as_long_as_its_answer_says(
    table, code, method, headers, seconds
):
    verdict = answer(code, THERE | headers, table=table, method=method, url=HTTPS)
    assert verdict.remember == seconds


@each(
    ("code", "method", "url", "sent"),
    [
        *[(code, "GET", HTTPS, {}) for code in (300, 302, 303, 307)],
        *[
            (code, method, HTTPS, {})
            for code in (301, 308)
            for method in METHODS
            if method not in ("GET", "HEAD")
        ],
        *[(code, "GET", "http://home.example/a", {}) for code in (301, 308)],
        *[
            (code, method, HTTPS, sent)
            for code in (301, 308)
            for method in ("GET", "HEAD")
            for sent in ({"Authorization": "Bearer x"}, {"Cookie": "a=b"})
        ],
    ],
)
@each("table", TABLES)
def test_3xx_nothing_else_is_remembered(table, code, method, url, sent):
    headers = THERE | {"Cache-Control": "max-age=60"}
    verdict = answer(code, headers, table=table, method=method, url=url, sent=sent)
    assert isinstance(verdict, Settle) or verdict.remember == 0.0
