"""Before a request is sent: whether a stored response answers it (RFC 9111 §4; RFC 5861)."""

import pytest

from statuspolicy.cache.decision import Forward, Missing, Serve
from statuspolicy.cache.reuse import reuse
from tests.cache.values import NOW, asked, date, entry, selected
from tests.each import each

OLD = {"Last-Modified": date(-1000)}


def stored(said="max-age=100", age=0.0, **more):
    headers = {"Cache-Control": said, "Age": f"{age:.0f}"} | more.pop("headers", {})
    return entry(headers, **more)


def course(one, wanted="", *, now=NOW, validate=False, **headers):
    """What becomes of a request: "fresh", "revalidate", "missing", or why it goes on."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = asked(({"Cache-Control": wanted} if wanted else {}) | given)
    decided = reuse(request, [one], now, validate)
    match decided:
        case Serve(revalidate=revalidate):
            return "revalidate" if revalidate else "served"
        case Missing():
            return "missing"
        case _:
            return decided.why


# ── freshness, and the request's directives ────────────────────────────────────────────


@each(
    ("said", "age", "wanted", "what"),
    [
        ("max-age=100", 0, "", "served"),
        ("max-age=100", 99, "", "served"),
        ("max-age=100", 100, "", "stale"),  # §4.2: "freshness_lifetime > current_age"
        ("max-age=100", 101, "", "stale"),
        ("max-age=0", 0, "", "stale"),
        ("max-age=99999999999999999999", 2**31, "", "served"),
        ("no-cache, max-age=100", 0, "", "request"),
        ('no-cache="x", max-age=100', 0, "", "served"),
        ("s-maxage=100", 0, "", "stale"),
        # §5.2.1.1: "a response whose age is less than or equal to the specified number".
        ("max-age=100", 10, "max-age=10", "served"),
        ("max-age=100", 10, "max-age=9", "request"),
        ("max-age=100", 0, "max-age=0", "served"),
        ("max-age=100", 1, "max-age=0", "request"),
        ("max-age=100", 0, "max-age=x", "served"),
        ("max-age=100", 1, "max-age=x", "request"),
        ("max-age=5", 10, "max-age=100", "stale"),
        # §5.2.1.3: "still be fresh for at least the specified number of seconds".
        ("max-age=100", 10, "min-fresh=90", "served"),
        ("max-age=100", 10, "min-fresh=91", "request"),
        ("max-age=100", 10, "min-fresh=0", "served"),
        ("max-age=100", 10, "min-fresh=99999999999999999999", "request"),
        ("max-age=100", 10, "min-fresh=x", "served"),
        ("max-age=100", 10, "max-age=10, min-fresh=90", "served"),
        ("max-age=100", 10, "max-age=9, min-fresh=90", "request"),
        ("max-age=100", 10, "max-age=10, min-fresh=91", "request"),
        # §5.2.1.4, §5.4.
        ("max-age=100", 0, "no-cache", "request"),
        ("max-age=100", 0, "NO-CACHE", "request"),
        ("max-age=100", 0, "no-cache, max-stale", "request"),
        ("max-age=100", 0, "no-cache, max-age=100", "request"),
        # §5.2.1.5: nothing is stored of it, so the cache stays out of it.
        ("max-age=100", 0, "no-store", "bypass"),
        # §5.2.1.2: "it has exceeded its freshness lifetime by no more than".
        ("max-age=100", 150, "max-stale", "served"),
        ("max-age=100", 10**9, "max-stale", "served"),
        ("max-age=100", 150, "max-stale=50", "served"),
        ("max-age=100", 151, "max-stale=50", "stale"),
        ("max-age=100", 150, "max-stale=0", "stale"),
        ("max-age=100", 150, "max-stale=x", "stale"),
        ("max-age=100", 150, "max-stale=", "stale"),
        ("max-age=100", 50, "max-stale=x", "served"),
        ("max-age=100, must-revalidate", 150, "max-stale", "stale"),
        ("max-age=100, must-revalidate", 50, "max-stale", "served"),
        ("max-age=100, proxy-revalidate", 150, "max-stale", "served"),
        ("max-age=100, s-maxage=0", 150, "max-stale", "served"),
        ("no-cache, max-age=100", 150, "max-stale", "stale"),
        # With max-age "the client does not wish to receive" what is older, stale or not.
        ("max-age=100", 150, "max-stale, max-age=150", "served"),
        ("max-age=100", 150, "max-stale, max-age=149", "stale"),
        ("max-age=100", 50, "max-stale, max-age=49", "request"),
        ("max-age=100", 50, "max-stale, min-fresh=51", "request"),
        ("max-age=100", 150, "max-stale, min-fresh=0", "stale"),
        # RFC 8246 §2: not validated "during the response's freshness lifetime".
        ("max-age=100, immutable", 50, "max-age=0", "served"),
        ("max-age=100, immutable", 50, "min-fresh=90", "served"),
        ("max-age=100, immutable", 100, "", "stale"),
        ("max-age=100, immutable", 50, "no-cache", "request"),
        ("max-age=100, immutable, no-cache", 50, "", "request"),
        # §5.2.1.7: "a stored response consistent with the other constraints", or 504.
        ("max-age=100", 50, "only-if-cached", "served"),
        ("max-age=100", 150, "only-if-cached", "missing"),
        ("max-age=100", 150, "only-if-cached, max-stale", "served"),
        ("max-age=100", 50, "only-if-cached, max-age=10", "missing"),
        ("max-age=100", 50, "only-if-cached, no-cache", "missing"),
        ("max-age=100", 50, "only-if-cached, no-store", "missing"),
        # What is unknown, or a response's, is ignored (§5.2.3).
        ("max-age=100", 50, "no-transform, x=y, public, must-revalidate", "served"),
    ],
)
def test_age_a_stored_response_is_used_as_both_sides_have_it(said, age, wanted, what):
    assert course(stored(said, age), wanted) == what


@each("age", [0, 99, 100, 150])
def test_pragma_no_cache_is_a_request_for_validation(age):
    why = "request" if age < 100 else "stale"
    assert course(stored(age=age), Pragma="no-cache") == why


def test_pragma_is_nothing_beside_cache_control():
    assert course(stored(), "max-age=100", Pragma="no-cache") == "served"


def test_last_modified_a_heuristic_lifetime_is_a_lifetime():
    assert course(entry(OLD), now=NOW + 99) == "served"
    assert course(entry(OLD), now=NOW + 100) == "stale"


def test_who_wants_it_validated_gets_it_validated():
    assert course(stored(), validate=True) == "request"
    assert course(stored(age=200), validate=True) == "stale"


@each("status", [200, 203, 204, 299, 301, 302, 404, 410, 500, 503, 599])
def test_any_code_that_is_stored_is_used(status):
    assert course(stored(status=status)) == "served"
    assert course(stored(status=status, age=100)) == "stale"


# ── methods ────────────────────────────────────────────────────────────────────────────


@each("method", ["POST", "PUT", "DELETE", "PATCH", "X-NEW"])
def test_post_put_delete_patch_unsafe_methods_are_written_through_whatever_they_say(method):
    """§4: "MUST write through requests with methods that are unsafe"."""
    for wanted in ({}, {"Cache-Control": "only-if-cached"}, {"Cache-Control": "max-stale"}):
        decided = reuse(asked(wanted, method), [stored()], NOW)
        assert (type(decided), decided.why) == (Forward, "method")


@each("method", ["OPTIONS", "TRACE", "QUERY", "PROPFIND"])
def test_options_trace_and_propfind_go_on_but_with_only_if_cached(method):
    assert reuse(asked({}, method), [stored()], NOW).why == "method"
    wanted = {"Cache-Control": "only-if-cached"}
    assert reuse(asked(wanted, method), [stored()], NOW) == Missing()


def test_head_is_answered_by_what_get_stored():
    assert reuse(asked({}, "HEAD"), [stored()], NOW) == Serve(stored())
    stale = reuse(asked({}, "HEAD"), [stored(age=100, headers={"ETag": '"a"'})], NOW)
    # It asks by itself, and its answer may update what is stored (§4.3.5).
    assert (stale.why, [*stale.lines], len(stale.selected)) == ("stale", [], 1)


def test_206_a_part_answers_no_head():
    part = stored(status=206, part=(0, 9, 20))
    assert reuse(asked({}, "HEAD"), [part], NOW).why == "partial"


@pytest.mark.parametrize("request_", [{"Content-Length": "3"}, {"Transfer-Encoding": "chunked"}])
def test_a_get_with_a_body_goes_on(request_):
    assert reuse(asked(request_), [stored()], NOW).why == "bypass"
    assert isinstance(reuse(asked({"Content-Length": "0"}), [stored()], NOW), Serve)


# ── nothing that fits ──────────────────────────────────────────────────────────────────


def test_nothing_is_stored():
    assert reuse(asked(), [], NOW) == Forward("uri-miss")
    assert reuse(asked({"Cache-Control": "only-if-cached"}), [], NOW) == Missing()
    assert reuse(asked({"Cache-Control": "only-if-cached, max-stale"}), [], NOW) == Missing()


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since"])
def test_if_match_if_unmodified_since_these_conditions_are_the_servers_to_judge(name):
    """§4.3.2: "MUST NOT evaluate conditional header fields that only apply to an origin server"."""
    decided = reuse(asked({name: '"a"'}), [stored(headers={"ETag": '"a"'})], NOW)
    assert decided == Forward("bypass")


# ── §4.1: variants ─────────────────────────────────────────────────────────────────────


def variant(value, tag=None, at=0.0, **more):
    headers = {"Vary": "foo", "Date": date(at)} | ({} if tag is None else {"ETag": tag})
    return stored(headers=headers, vary=selected(foo=value), **more)


def test_a_request_selects_the_variant_that_was_asked_alike():
    one, two, absent = variant("1"), variant("2"), variant(None)
    entries = [one, two, absent]
    assert reuse(asked({"Foo": "1"}), entries, NOW).entry is one
    assert reuse(asked({"Foo": "2"}), entries, NOW).entry is two
    assert reuse(asked(), entries, NOW).entry is absent
    assert reuse(asked({"Foo": ""}), entries, NOW).why == "vary-miss"


def test_of_several_the_most_recent_is_used_by_its_date():
    """§4: "MUST use the most recent one (as determined by the Date header field)"."""
    first, last = variant("1", '"a"', at=-20), variant("1", '"b"', at=-10)
    for entries in ([first, last], [last, first]):
        assert reuse(asked({"Foo": "1"}), entries, NOW).entry is last


def test_of_the_same_date_the_one_that_came_last_is_used():
    first = variant("1", '"a"')
    last = first._replace(response_time=NOW + 0.5)
    assert reuse(asked({"Foo": "1"}), [last, first], NOW + 1).entry is last


def test_vary_one_that_says_what_selects_it_goes_before_one_that_omits_vary():
    """§4.1: "SHOULD choose the most recent […] stored response with a valid Vary field value"."""
    mine, older = variant("1", at=-20), variant("1", at=-30)
    default = stored(headers={"Date": date(-10)})
    assert reuse(asked({"Foo": "1"}), [default, older, mine], NOW).entry is mine
    assert reuse(asked({"Foo": "2"}), [default, older, mine], NOW).entry is default


def test_if_none_match_where_none_is_selected_the_server_is_told_of_all():
    """§4.3.1: "a cache is allowed to validate a response that it cannot choose"."""
    part = variant("3", '"p"', status=206, part=(0, 9, 20))
    stale = variant("4", 'W/"w"', age=1000)
    old, same = variant("1", '"a"', at=-9), variant("5", '"a"', at=-3)
    entries = [old, variant("2"), part, stale, same]
    decided = reuse(asked({"Foo": "x"}), entries, NOW)
    assert decided.why == "vary-miss"
    # The newest first, so that it is the one that a weak validator picks (§4.3.4).
    assert decided.lines == [(b"If-None-Match", b'W/"w", "a"')]
    assert [*decided.entries] == [stale, same, old]
    assert not decided.selected


@pytest.mark.parametrize(
    "headers", [{"Range": "bytes=0-1"}, {"If-None-Match": '"x"'}, {"If-Modified-Since": date()}]
)
def test_range_if_none_match_where_none_is_selected_a_caller_who_asks_for_less_is_left_alone(
    headers,
):
    decided = reuse(asked({"Foo": "x", **headers}), [variant("1", '"a"')], NOW)
    assert (decided.why, [*decided.lines], [*decided.entries]) == ("vary-miss", [], [])


def test_where_none_is_selected_and_none_has_a_tag_nothing_is_added():
    decided = reuse(asked({"Foo": "x"}), [variant("1")], NOW)
    assert (decided.why, [*decided.lines]) == ("vary-miss", [])


# ── §4.3.1: the conditions of a validation ─────────────────────────────────────────────


@each(
    ("headers", "lines"),
    [
        ({}, []),
        ({"ETag": '"a"'}, [(b"If-None-Match", b'"a"')]),
        ({"ETag": 'W/"a"'}, [(b"If-None-Match", b'W/"a"')]),
        ({"ETag": "a"}, [(b"If-None-Match", b"a")]),
        ({"ETag": '"\xe9"'}, [(b"If-None-Match", b'"\xe9"')]),
        (OLD, [(b"If-Modified-Since", OLD["Last-Modified"].encode())]),
        (
            {"ETag": '"a"', **OLD},
            [(b"If-None-Match", b'"a"'), (b"If-Modified-Since", OLD["Last-Modified"].encode())],
        ),
        ({"Last-Modified": "yesterday"}, []),
        ({"ETag": '"a"', "Last-Modified": "0"}, [(b"If-None-Match", b'"a"')]),
        # As it was written: a server may compare it as text.
        (
            {"Last-Modified": "Sunday, 09-Sep-01 01:30:00 GMT"},
            [(b"If-Modified-Since", b"Sunday, 09-Sep-01 01:30:00 GMT")],
        ),
    ],
)
def test_etag_last_modified_all_validators_are_sent(headers, lines):
    decided = reuse(asked(), [stored(age=200, headers=headers)], NOW)
    assert decided.why == "stale"
    assert [*decided.lines] == lines


@each("status", [301, 404, 410, 500, 503])
def test_only_a_2xx_is_validated(status):
    """RFC 9110 §13.2.1: the server ignores conditions, or a 304 is about what is there now."""
    one = stored(age=200, status=status, headers={"ETag": '"a"', **OLD})
    decided = reuse(asked(), [one], NOW)
    assert (decided.why, [*decided.lines], [*decided.selected]) == ("stale", [], [one])
    one = one._replace(vary=selected(foo="1"))
    assert [*reuse(asked(), [one], NOW).lines] == []
    assert [*reuse(asked(), [one._replace(status=203)], NOW).lines] == [(b"If-None-Match", b'"a"')]


@pytest.mark.parametrize("name", ["If-None-Match", "If-Modified-Since"])
def test_if_none_match_if_modified_since_a_callers_own_conditions_go_on_as_they_are(name):
    one = stored(age=200, headers={"ETag": '"a"', **OLD})
    decided = reuse(asked({name: date(-5000)}), [one], NOW)
    assert (decided.why, [*decided.lines], [*decided.selected]) == ("stale", [], [one])


# ── §4.3.2: the caller's own conditions ────────────────────────────────────────────────


@each(
    ("headers", "request_", "unmodified"),
    [
        ({"ETag": '"a"'}, {"If-None-Match": '"a"'}, True),
        ({"ETag": '"a"'}, {"If-None-Match": '"b"'}, False),
        ({"ETag": '"a"'}, {"If-None-Match": '"b", "a"'}, True),
        ({"ETag": '"a"'}, {"If-None-Match": '"b" , W/"a",'}, True),
        ({"ETag": 'W/"a"'}, {"If-None-Match": '"a"'}, True),  # the weak comparison
        ({"ETag": '"a,b"'}, {"If-None-Match": '"a,b"'}, True),
        ({"ETag": '"a,b"'}, {"If-None-Match": '"a", "b"'}, False),
        ({"ETag": '"a"'}, {"If-None-Match": "a"}, False),
        ({"ETag": '"a"'}, {"If-None-Match": '"A"'}, False),
        ({"ETag": '"a"'}, {"If-None-Match": "*"}, True),
        ({}, {"If-None-Match": "*"}, True),
        ({}, {"If-None-Match": '"a"'}, False),
        ({"ETag": '"a"'}, {"If-None-Match": ""}, False),
        # RFC 9110 §13.1.3: "MUST ignore If-Modified-Since if […] If-None-Match".
        ({"ETag": '"a"', **OLD}, {"If-None-Match": '"b"', "If-Modified-Since": date()}, False),
        (
            {"ETag": '"a"', **OLD},
            {"If-None-Match": '"a"', "If-Modified-Since": date(-5000)},
            True,
        ),
        (OLD, {"If-Modified-Since": date(-1000)}, True),
        (OLD, {"If-Modified-Since": date(-999)}, True),
        (OLD, {"If-Modified-Since": date(-1001)}, False),
        (OLD, {"If-Modified-Since": "Sunday, 09-Sep-01 01:30:00 GMT"}, True),
        (OLD, {"If-Modified-Since": "Sun Sep  9 01:30:00 2001"}, True),
        (OLD, {"If-Modified-Since": "sun, 09 sep 2001 01:30:00 gmt"}, True),
        # "MUST ignore [it] if the received field value is not a valid HTTP-date".
        (OLD, {"If-Modified-Since": "yesterday"}, False),
        (OLD, {"If-Modified-Since": ""}, False),
        # §4.3.2: without Last-Modified "the stored response's Date field value".
        ({}, {"If-Modified-Since": date()}, True),
        ({}, {"If-Modified-Since": date(-1)}, False),
        ({"Last-Modified": "x"}, {"If-Modified-Since": date()}, True),
    ],
)
def test_304_if_none_match_the_cache_answers_a_callers_own_conditions(
    headers, request_, unmodified
):
    one = stored(headers=headers)
    assert reuse(asked(request_), [one], NOW) == Serve(one, unmodified=unmodified)
    assert reuse(asked(request_, "HEAD"), [one], NOW) == Serve(one, unmodified=unmodified)


def test_if_modified_since_without_a_date_the_time_of_its_coming_is_compared():
    one = stored(dated=False)
    assert reuse(asked({"If-Modified-Since": date()}), [one], NOW).unmodified
    assert not reuse(asked({"If-Modified-Since": date(-1)}), [one], NOW).unmodified


@each("status", [203, 301, 302, 404, 500])
def test_conditions_and_ranges_are_for_a_200(status):
    """RFC 9110 §13.2.1, §14.2."""
    one = stored(status=status, headers={"ETag": '"a"'})
    for request in ({"If-None-Match": '"a"'}, {"Range": "bytes=0-1"}):
        assert reuse(asked(request), [one], NOW) == Serve(one)


def test_if_none_match_what_is_stale_is_not_compared_but_asked_about():
    one = stored(age=200, headers={"ETag": '"a"'})
    assert reuse(asked({"If-None-Match": '"a"'}), [one], NOW).why == "stale"


# ── ranges (§3.3, RFC 9110 §14) ────────────────────────────────────────────────────────

WHOLE = stored(headers={"ETag": '"a"', **OLD})


@each(
    ("wanted", "span"),
    [
        ("bytes=0-4", (0, 4)),
        ("bytes=3-3", (3, 3)),
        ("bytes=4-", (4, 9)),
        ("bytes=0-", (0, 9)),
        ("bytes=8-100", (8, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-100", (0, 9)),
        ("BYTES=0-4", (0, 4)),
        ("bytes=0000000001-4", (1, 4)),
        # Not one range, not of bytes, or not in it: the server is to say.
        ("bytes=10-", None),
        ("bytes=10-20", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=4-3", None),
        ("bytes=0-1,3-4", None),
        ("bytes=0-1, 3-4", None),
        ("bytes=a-b", None),
        ("bytes 0-4", None),
        ("lines=0-4", None),
        ("bytes=0-4;x", None),
        ("bytes=99999999999999999999-", None),
        ("", None),
        ("x", None),
    ],
)
def test_a_range_is_cut_from_the_whole(wanted, span):
    decided = reuse(asked({"Range": wanted}), [WHOLE], NOW)
    if span is None:
        assert (decided.why, [*decided.lines]) == ("partial", [])
    else:
        assert decided == Serve(WHOLE, span)


def test_a_range_of_nothing_is_the_servers_to_refuse():
    assert reuse(asked({"Range": "bytes=0-"}), [stored(body=b"")], NOW).why == "partial"


def test_a_range_of_what_is_stale_is_validated_with_it():
    one = stored(age=200, headers={"ETag": '"a"'})
    decided = reuse(asked({"Range": "bytes=0-4"}), [one], NOW)
    assert (decided.why, [*decided.lines]) == ("stale", [(b"If-None-Match", b'"a"')])
    assert decided.spare == Serve(one, (0, 4))


@each(
    ("headers", "condition", "ranged"),
    [
        ({"ETag": '"a"'}, '"a"', True),
        ({"ETag": '"a"'}, '"b"', False),
        ({"ETag": '"a"'}, 'W/"a"', False),  # RFC 9110 §13.1.5: the strong comparison
        ({"ETag": 'W/"a"'}, 'W/"a"', False),
        ({"ETag": 'W/"a"'}, '"a"', False),
        ({}, '"a"', False),
        (OLD, OLD["Last-Modified"], True),
        (OLD, date(-999), False),
        (OLD, date(-1001), False),
        (OLD, "yesterday", False),
        (OLD, "", False),
        # A date that isn't strong (§8.8.2.2) is no condition that holds.
        ({"Last-Modified": date()}, date(), False),
        ({"ETag": '"a"', **OLD}, OLD["Last-Modified"], True),
        ({"ETag": 'W/"a"', **OLD}, OLD["Last-Modified"], False),
    ],
)
def test_a_callers_if_range_decides_between_a_range_and_the_whole(headers, condition, ranged):
    one = stored(headers=headers)
    request = {"Range": "bytes=0-4", "If-Range": condition}
    assert reuse(asked(request), [one], NOW) == Serve(one, (0, 4) if ranged else None)


def test_two_different_if_ranges_hold_nothing():
    headers = [("Range", "bytes=0-4"), ("If-Range", '"a"'), ("If-Range", '"b"')]
    assert reuse(asked(headers), [WHOLE], NOW) == Serve(WHOLE)


def test_if_range_without_range_is_ignored():
    assert reuse(asked({"If-Range": '"b"'}), [WHOLE], NOW) == Serve(WHOLE)


def test_a_callers_condition_is_judged_before_his_range():
    """RFC 9110 §13.2.2: If-None-Match first; only where it does not hold, the range."""
    request = {"Range": "bytes=0-4", "If-None-Match": '"a"'}
    assert reuse(asked(request), [WHOLE], NOW).unmodified
    part = stored(status=206, part=(0, 9, 20), headers={"ETag": '"a"'})
    assert reuse(asked(request), [part], NOW).unmodified
    request = {"Range": "bytes=0-4", "If-None-Match": '"b"'}
    assert reuse(asked(request), [WHOLE], NOW) == Serve(WHOLE, (0, 4))
    assert reuse(asked(request), [part], NOW) == Serve(part, (0, 4))


def test_head_has_no_range():
    """RFC 9110 §14.2: "A server MUST ignore a Range header field received with" any but GET."""
    assert reuse(asked({"Range": "bytes=0-4"}, "HEAD"), [WHOLE], NOW) == Serve(WHOLE)


@each(
    ("part", "wanted", "span"),
    [
        ((0, 9, 20), "bytes=0-9", (0, 9)),
        ((0, 9, 20), "bytes=2-4", (2, 4)),
        ((0, 9, 20), "bytes=2-10", None),
        ((0, 9, 20), "bytes=2-", None),
        ((0, 9, 20), "bytes=-3", None),
        ((0, 9, 20), "bytes=12-14", None),
        ((10, 19, 20), "bytes=10-", (10, 19)),
        ((10, 19, 20), "bytes=15-99", (15, 19)),
        ((10, 19, 20), "bytes=-10", (10, 19)),
        ((10, 19, 20), "bytes=-3", (17, 19)),
        ((10, 19, 20), "bytes=-11", None),
        ((10, 19, 20), "bytes=9-12", None),
        ((10, 19, None), "bytes=12-14", (12, 14)),
        # Of a length that nobody told, the end is not known.
        ((10, 19, None), "bytes=12-", None),
        ((10, 19, None), "bytes=12-20", None),
        ((10, 19, None), "bytes=-3", None),
    ],
)
def test_a_range_is_cut_from_a_part_that_holds_it(part, wanted, span):
    """§3.3: "a range wholly within the incomplete response"."""
    one = stored(status=206, part=part, headers={"ETag": '"a"'})
    decided = reuse(asked({"Range": wanted}), [one], NOW)
    if span is None:
        assert (decided.why, [*decided.lines]) == ("partial", [])
    else:
        assert decided == Serve(one, span)


@each(
    ("headers", "part", "lines"),
    [
        ({"ETag": '"a"'}, (0, 9, 20), [(b"Range", b"bytes=10-"), (b"If-Range", b'"a"')]),
        ({"ETag": '"a"'}, (0, 9, None), [(b"Range", b"bytes=10-"), (b"If-Range", b'"a"')]),
        (
            OLD,
            (0, 9, 20),
            [(b"Range", b"bytes=10-"), (b"If-Range", OLD["Last-Modified"].encode())],
        ),
        ({"ETag": 'W/"a"'}, (0, 9, 20), []),  # RFC 9110 §13.1.5: never a weak one
        ({}, (0, 9, 20), []),
        ({"Last-Modified": date()}, (0, 9, 20), []),
        ({"ETag": '"a"'}, (1, 10, 20), []),
    ],
)
def test_206_if_range_a_stored_beginning_is_completed_by_what_it_lacks(headers, part, lines):
    """§3.3: "MUST NOT use an incomplete response to answer requests unless […] complete"."""
    one = stored(status=206, part=part, headers=headers)
    decided = reuse(asked(), [one], NOW)
    assert (decided.why, [*decided.lines]) == ("partial", lines)
    assert [*decided.entries] == ([one] if lines else [])
    assert [*decided.selected] == [one]


@pytest.mark.parametrize(
    "headers", [{"If-None-Match": '"b"'}, {"If-Modified-Since": date(-2000)}, {"Range": "x"}]
)
def test_206_a_beginning_is_not_completed_for_who_asks_for_less(headers):
    one = stored(status=206, part=(0, 9, 20), headers={"ETag": '"a"'})
    assert [*reuse(asked(headers), [one], NOW).lines] == []


# ── RFC 5861, and servers that are gone ────────────────────────────────────────────────

SWR = "max-age=100, stale-while-revalidate=50"


@each(
    ("said", "age", "wanted", "what"),
    [
        (SWR, 99, "", "served"),
        (SWR, 100, "", "revalidate"),
        (SWR, 150, "", "revalidate"),
        (SWR, 151, "", "stale"),
        ("max-age=100, stale-while-revalidate", 100, "", "revalidate"),  # 0 s is no more than that
        ("max-age=100, stale-while-revalidate", 101, "", "stale"),
        ("max-age=100, stale-while-revalidate=x", 101, "", "stale"),
        ('max-age=100, Stale-While-Revalidate="50"', 150, "", "revalidate"),
        (f"{SWR}, must-revalidate", 120, "", "stale"),
        (f"{SWR}, no-cache", 120, "", "stale"),
        (f"{SWR}, proxy-revalidate", 120, "", "revalidate"),
        (SWR, 120, "no-cache", "stale"),
        (SWR, 120, "max-age=1000", "stale"),
        (SWR, 120, "min-fresh=0", "stale"),
        (SWR, 120, "no-store", "bypass"),
        (SWR, 120, "max-stale=1", "revalidate"),
        (SWR, 120, "max-stale", "served"),
        # Who wants only what is stored gets it, and nobody is asked.
        (SWR, 120, "only-if-cached", "served"),
        (SWR, 151, "only-if-cached", "missing"),
        ("max-age=100", 120, "stale-while-revalidate=50", "stale"),
    ],
)
def test_stale_while_revalidate(said, age, wanted, what):
    assert course(stored(said, age), wanted) == what


@each(
    ("said", "age", "wanted", "spare", "forgives"),
    [
        ("max-age=100", 1000, "", True, False),
        ("max-age=100, stale-if-error=50", 150, "", True, True),
        ("max-age=100, stale-if-error=50", 151, "", True, False),
        ("max-age=100, stale-if-error=x", 150, "", True, False),
        ("max-age=100, stale-if-error", 150, "", True, False),
        ("max-age=100", 150, "stale-if-error=50", True, True),
        ("max-age=100", 151, "stale-if-error=50", True, False),
        ("max-age=100, stale-if-error=10", 150, "stale-if-error=50", True, True),
        ("max-age=100, stale-if-error=50", 150, "stale-if-error=10", True, True),
        # Never against must-revalidate or no-cache, whoever says it.
        ("max-age=100, stale-if-error=50, must-revalidate", 120, "", False, False),
        ("max-age=100, must-revalidate", 120, "stale-if-error=50", False, False),
        ("max-age=100, stale-if-error=50, no-cache", 120, "", False, False),
        ("max-age=100, stale-if-error=50, no-cache", 50, "", False, False),
        ("max-age=100, stale-if-error=50", 120, "no-cache", False, False),
        ("max-age=100, stale-if-error=50", 120, "max-age=10", False, False),
        ("max-age=100, stale-if-error=50", 120, "max-age=120", True, True),
        ("max-age=100, stale-if-error=50", 120, "no-cache, stale-if-error=50", False, False),
        ("max-age=100, stale-if-error=50, proxy-revalidate", 120, "", True, True),
        ('max-age=100, stale-if-error=50, no-cache="x"', 120, "", True, True),
        # Fresh, but not fresh enough for who asks.
        ("max-age=100, stale-if-error=50", 90, "min-fresh=20", True, True),
    ],
)
def test_what_may_stand_in(said, age, wanted, spare, forgives):
    one = stored(said, age)
    decided = reuse(asked({"Cache-Control": wanted} if wanted else {}), [one], NOW)
    assert decided.spare == (Serve(one) if spare else None)
    assert decided.forgives is forgives


def test_nothing_stands_in_where_nothing_is_selected_or_it_is_not_enough():
    assert reuse(asked({"Foo": "x"}), [variant("1", '"a"')], NOW).spare is None
    part = stored(age=200, status=206, part=(0, 9, 20))
    assert reuse(asked(), [part], NOW).spare is None
