"""After a response came: it is stored, updates or invalidates (RFC 9111 §3, §4.3, §4.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.cache.changes import Drop, Save
from statuspolicy.cache.decision import Forward
from statuspolicy.cache.reuse import reuse
from statuspolicy.cache.update import complete, confirmed, receive
from tests.cache.values import NOW, URL, answer, asked, date, entry, fields, selected
from tests.each import each

FRESH = {"Cache-Control": "max-age=60"}
LATER = NOW + 1000
OLD = date(-1000)


def stale(headers=(), **more):
    """What is stored and has to be validated at LATER."""
    given = headers.items() if isinstance(headers, dict) else headers
    return entry([*FRESH.items(), *given], **more)


def heard(headers=(), status=200, **more):
    return answer(headers, status, LATER, **more)


def received(stored, came, request=(), method="GET", url=URL):
    """A request is planned and its answer received, at LATER."""
    asking = asked(request, method, url)
    forward = reuse(asking, stored, LATER)
    assert isinstance(forward, Forward)
    return receive(asking, forward, came)


def dropped(changes):
    return [(one.url, one.ids) for one in changes if isinstance(one, Drop)]


def saved(changes):
    return [one.entry for one in changes if isinstance(one, Save)]


# ── an answer is stored ────────────────────────────────────────────────────────────────


def test_what_is_stored_is_the_answer_with_its_request_and_times():
    came = heard({**FRESH, "Vary": "Foo, Bar", "Connection": "x", "X": "1", "Y": "2"})
    result = received([], came, {"Foo": "1"})
    assert fields(result.keep) == {
        "cache-control": "max-age=60",
        "vary": "Foo, Bar",
        "y": "2",
        "date": date(1000),
    }
    assert result.keep.vary == selected(bar=None, foo="1")
    assert (result.keep.request_time, result.keep.response_time, result.keep.part) == (
        LATER,
        LATER,
        None,
    )
    assert (result.serve, result.unusable, result.why) == (None, False, "")


@pytest.mark.parametrize("headers", [{}, {"Date": "x"}, [("Date", date(1)), ("Date", date(2))]])
def test_without_a_date_it_gets_that_of_its_coming(headers):
    """RFC 9110 §6.6.1: "append a corresponding Date header field […] if it is cached"."""
    given = headers.items() if isinstance(headers, dict) else headers
    result = received([], heard([*FRESH.items(), *given], dated=False))
    assert fields(result.keep)["date"] == date(1000)


def test_a_date_that_is_one_stays_as_it_was_written():
    came = heard({**FRESH, "Date": "Sunday, 09-Sep-01 01:46:40 GMT"})
    assert fields(received([], came).keep)["date"] == "Sunday, 09-Sep-01 01:46:40 GMT"


@each(
    ("headers", "status", "body", "whole"),
    [
        ({}, 200, b"1234567", True),
        ({"Content-Length": "7"}, 200, b"1234567", True),
        ({"Content-Length": "7, 7"}, 200, b"1234567", True),
        ({"Content-Length": "8"}, 200, b"1234567", False),
        ({"Content-Length": "6"}, 200, b"1234567", False),
        ({"Content-Length": "0"}, 200, b"", True),
        ({"Content-Length": "x"}, 200, b"1234567", True),
        ({"Content-Length": "7", "Content-Range": "bytes 0-6/9"}, 206, b"1234567", True),
        ({"Content-Range": "bytes 0-6/9"}, 206, b"1234567", True),
        ({"Content-Range": "bytes 0-6/9"}, 206, b"123456", False),
        ({"Content-Range": "bytes 0-6/9"}, 206, b"12345678", False),
        ({"Content-Length": "5", "Transfer-Encoding": "chunked"}, 200, b"1234567", True),
    ],
)
def test_content_length_a_body_that_is_not_as_long_as_announced_is_not_stored(
    headers, status, body, whole
):
    """§3.3: a response that "is not complete" isn't, unless it is recorded as that."""
    asking, forward = asked({"Range": "bytes=0-6"}), Forward("uri-miss")
    keep = receive(asking, forward, heard({**FRESH, **headers}, status)).keep
    changes = complete(asking, forward, keep, body)
    assert [one.body for one in saved(changes)] == ([body] if whole else [])
    assert bool(changes) is whole


def test_vary_a_new_answer_takes_the_place_of_what_the_request_selected():
    asking = asked({"Foo": "1"})
    mine = stale({"Vary": "foo"}, vary=selected(foo="1"))
    other = stale({"Vary": "foo"}, vary=selected(foo="2"))
    forward = reuse(asking, [mine, other], LATER)
    for headers, gone in ((FRESH, [mine.id]), ({**FRESH, "Vary": "foo"}, None)):
        keep = receive(asking, forward, heard(headers)).keep
        changes = complete(asking, forward, keep, b"new")
        assert dropped(changes) == ([] if gone is None else [(URL, gone)])
        assert [one.body for one in saved(changes)] == [b"new"]


@each(
    ("headers", "status", "drops"),
    [
        ({"Cache-Control": "no-store"}, 200, True),
        ({"Vary": "*", **FRESH}, 200, True),
        ({}, 200, True),
        ({}, 302, True),
        ({}, 404, True),
        # An error says nothing of what is stored.
        ({}, 400, False),
        ({}, 403, False),
        ({"Cache-Control": "no-store"}, 500, False),
        ({}, 503, False),
        ({}, 429, False),
        ({}, 416, False),
        ({}, 412, False),
    ],
)
def test_what_is_not_stored_still_says_that_the_old_one_is_outdated(headers, status, drops):
    one = stale({"ETag": '"a"'})
    result = received([one], heard(headers, status))
    assert result.keep is None
    assert dropped(result.changes) == ([(URL, [one.id])] if drops else [])


def test_206_a_part_that_cannot_be_stored_says_nothing_of_the_whole():
    one = entry({**FRESH, "ETag": '"a"'}, at=LATER)
    came = heard({"Content-Type": "multipart/byteranges; boundary=x"}, 206)
    result = received([one], came, {"Range": "bytes=0-1,3-4"})
    assert (result.keep, [*result.changes]) == (None, [])


def test_410_drops_all_that_is_stored_of_it_and_may_be_stored_itself():
    one = stale({"ETag": '"a"'})
    result = received([one], heard(FRESH, 410))
    assert dropped(result.changes) == [(URL, None)]
    assert result.keep.status == 410
    assert received([one], heard({}, 410)).keep is None


@each("status", [500, 502, 503, 504, 404, 299])
def test_404_5xx_an_error_that_says_so_is_stored_as_anything_else(status):
    assert received([stale()], heard(FRESH, status)).keep.status == status


def test_nothing_is_stored_of_a_request_that_forbids_it():
    result = received([stale({"ETag": '"a"'})], heard(FRESH), {"Cache-Control": "no-store"})
    assert (result.keep, [*result.changes], result.why) == (None, [], "no-store")


# ── §4.3.4: 304 ────────────────────────────────────────────────────────────────────────


def freshened(stored, came, request=()):
    """The bodies that a 304 freshens, and the one that is handed over; None if disregarded."""
    result = received(stored, came, request)
    served = None if result.serve is None else result.serve.body
    return [*dict.fromkeys(one.body for one in saved(result.changes))], served


@each(
    ("stored", "came", "fits"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        # "If none […] contains at least one of the same strong validators, then the cache MUST
        # NOT use the new response to update any stored responses."
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": 'W/"a"'}, {"ETag": '"a"'}, False),
        ({"ETag": '"a"', "Last-Modified": OLD}, {"ETag": '"b"', "Last-Modified": OLD}, False),
        ({"ETag": '"a"', "Last-Modified": OLD}, {"ETag": '"a"', "Last-Modified": date()}, True),
        # "weak validators, and those validators correspond to one".
        ({"ETag": 'W/"a"'}, {"ETag": 'W/"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": 'W/"a"'}, True),
        ({"ETag": 'W/"a"'}, {"ETag": 'W/"b"'}, False),
        ({"Last-Modified": OLD}, {"ETag": 'W/"a"'}, False),
        ({"Last-Modified": OLD}, {"ETag": '"a"'}, False),
        ({"Last-Modified": OLD}, {"Last-Modified": OLD}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": "Sun Sep  9 01:30:00 2001"}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": date()}, False),
        ({"ETag": '"a"', "Last-Modified": OLD}, {"Last-Modified": OLD}, True),
        ({"ETag": '"a"'}, {"Last-Modified": OLD}, False),
        # Without any it answers the one condition that was sent.
        ({"ETag": '"a"'}, {}, True),
        ({"Last-Modified": OLD}, {}, True),
        ({"ETag": '"a"'}, {"Last-Modified": "x"}, True),
    ],
)
def test_a_304_freshens_what_its_validators_name(stored, came, fits):
    one = stale(stored)
    result = received([one], heard(came, 304))
    if fits:
        assert [new.body for new in saved(result.changes)] == [one.body]
        assert result.serve.body == one.body
        assert result.serve.age(LATER) == 0
    else:
        # It is disregarded: what was validated goes, and the row asks again without conditions.
        assert dropped(result.changes) == [(URL, [one.id])]
        assert (result.serve, saved(result.changes)) == (None, [])


def variant(value, tag, at=0.0, body=b"", **more):
    headers = {"Vary": "foo", "Date": date(at), "ETag": tag, **more}
    return stale(headers, body=body or value.encode(), vary=selected(foo=value))


def test_of_several_variants_a_304_names_the_one_by_its_tag():
    entries = [variant("1", '"a"'), variant("2", '"b"'), variant("3", '"c"')]
    new, served = freshened(entries, heard({"ETag": '"b"'}, 304), {"Foo": "x"})
    assert (new, served) == ([b"2"], b"2")


def test_what_a_304_picked_for_another_request_is_stored_for_that_one_alone():
    """§4.3.4: updated are those "that could have been chosen for that request"."""
    old = variant("1", '"a"')
    result = received([old], heard({"ETag": '"a"'}, 304), {"Foo": "x"})
    (new,) = result.changes
    assert (new.entry.vary, new.same, new.entry.response_time) == (selected(foo="x"), False, LATER)
    assert new.entry.id != old.id


def test_304_etag_of_variants_with_the_same_tag_the_newest_is_picked():
    entries = [variant("1", '"a"', -20), variant("2", '"a"', -10), variant("3", '"b"')]
    assert freshened(entries, heard({"ETag": '"a"'}, 304), {"Foo": "x"}) == ([b"2"], b"2")


def test_304_etag_all_that_are_selected_with_the_same_strong_tag_are_freshened():
    """ "All the stored responses in the initial set with one of those same strong validators"."""
    entries = [variant("1", '"a"', -20), stale({"ETag": '"a"'}, body=b"2")]
    request = {"Foo": "1", "If-None-Match": '"a"'}
    assert freshened(entries, heard({"ETag": '"a"'}, 304), request) == ([b"1", b"2"], None)


def test_304_weak_etag_of_weak_ones_the_most_recent_is():
    entries = [variant("1", 'W/"a"', -20), variant("2", 'W/"a"', -10), variant("3", 'W/"a"', -30)]
    assert freshened(entries, heard({"ETag": 'W/"a"'}, 304), {"Foo": "x"}) == ([b"2"], b"2")


def test_a_304_of_several_without_a_tag_names_none():
    entries = [variant("1", '"a"'), variant("2", '"b"')]
    for headers in ({}, {"Last-Modified": OLD}, {"ETag": '"c"'}):
        assert freshened(entries, heard(headers, 304), {"Foo": "x"}) == ([], None)


def test_every_field_of_the_304_counts_but_those_that_may_not():
    """§3.2."""
    one = stale(
        {"ETag": '"a"', "Content-Length": "10", "Content-Encoding": "gzip", "X": "1", "Y": "1"}
    )
    came = heard(
        [
            ("ETag", '"a"'),
            ("Cache-Control", "max-age=500"),
            ("Content-Length", "0"),
            ("Content-Encoding", "br"),
            ("Content-Type", "text/new"),
            ("Connection", "close, Z"),
            ("Z", "1"),
            ("Transfer-Encoding", "chunked"),
            ("X", "2"),
            ("X", "3"),
            ("Set-Cookie", "a=b"),
        ],
        304,
    )
    result = received([one], came)
    assert fields(result.serve) == {
        "content-length": "10",
        "content-encoding": "gzip",
        "y": "1",
        "etag": '"a"',
        "cache-control": "max-age=500",
        "content-type": "text/new",
        "x": "2, 3",
        "set-cookie": "a=b",
        "date": date(1000),
    }
    assert saved(result.changes) == [result.serve]
    assert result.changes[0].same is True


def test_a_field_of_which_the_304_has_fewer_lines_has_fewer():
    one = stale([("ETag", '"a"'), ("X", "1"), ("X", "2")])
    assert fields(received([one], heard({"ETag": '"a"', "X": "1"}, 304)).serve)["x"] == "1"


@each("headers", [{"ETag": '"a"'}, {"ETag": '"a"', "X": "new"}])
@each("sent", [None, "x", date(990)])
def test_a_304_without_a_date_gets_that_of_its_coming(headers, sent):
    given = headers if sent is None else {**headers, "Date": sent}
    serve = received([stale({"ETag": '"a"', "Age": "5"})], heard(given, 304, dated=False)).serve
    assert serve.age(LATER) == (10 if sent == date(990) else 0)
    assert serve.response_time == LATER


def test_a_304_that_says_only_its_date_changes_nothing_else():
    one = stale({"ETag": '"a"', "X": "1"})
    assert (one.lifetime, one.id, one.etag) == (60, one.id, '"a"')
    serve = received([one], heard({"ETag": '"a"', "X": "1"}, 304)).serve
    assert fields(serve) == {**fields(one), "date": date(1000)}
    assert (serve.lifetime, serve.age(LATER + 3), serve.date) == (60, 3, LATER)
    assert (serve.body, serve.status, serve.who, serve.vary) == (one.body, 200, "", ())


def test_an_expires_is_read_against_the_new_date():
    one = entry({"Expires": date(60), "ETag": '"a"'})
    assert one.lifetime == 60
    assert received([one], heard({"ETag": '"a"'}, 304)).serve.lifetime == 0
    came = heard({"ETag": '"a"', "Expires": date(1060)}, 304)
    assert received([one], came).serve.lifetime == 60


def test_304_last_modified_a_heuristic_lifetime_is_reckoned_anew():
    one = entry({"Last-Modified": OLD})
    assert one.lifetime == 100
    assert received([one], heard({"Last-Modified": OLD}, 304)).serve.lifetime == 200


def test_an_age_of_the_304_counts():
    one = stale({"ETag": '"a"'})
    assert received([one], heard({"ETag": '"a"', "Age": "7"}, 304)).serve.age(LATER) == 7


@pytest.mark.parametrize(
    "headers", [{"Cache-Control": "no-store"}, {"Cache-Control": "max-age=60, no-store"}]
)
def test_a_304_that_forbids_to_store_is_served_and_what_was_stored_goes(headers):
    one = stale({"ETag": '"a"'})
    result = received([one], heard({"ETag": '"a"', **headers}, 304))
    assert dropped(result.changes) == [(URL, [one.id])]
    assert not saved(result.changes)
    assert result.serve.body == one.body


def test_a_304_that_makes_private_what_is_nobodys_drops_it():
    one = stale({"ETag": '"a"'})
    asking = asked(anonymous=True)
    came = heard({"ETag": '"a"', "Cache-Control": "private, max-age=60"}, 304)
    result = receive(asking, reuse(asking, [one], LATER), came)
    assert (dropped(result.changes), saved(result.changes)) == ([(URL, [one.id])], [])


def test_what_must_be_understood_stays_stored_after_a_304():
    one = stale({"ETag": '"a"', "Cache-Control": "must-understand, no-store, max-age=60"})
    result = received([one], heard({"ETag": '"a"'}, 304))
    assert (len(saved(result.changes)), dropped(result.changes)) == (1, [])


@pytest.mark.parametrize("vary", ["*", "foo, *"])
def test_a_304_after_which_nothing_selects_it_leaves_it_to_be_validated(vary):
    one = stale({"ETag": '"a"'})
    result = received([one], heard({"ETag": '"a"', "Vary": vary}, 304))
    assert dropped(result.changes) == [(URL, [one.id])]
    again = reuse(asked(), saved(result.changes), LATER)
    assert (again.why, again.lines) == ("vary-miss", [(b"If-None-Match", b'"a"')])


def test_a_304_that_varies_otherwise_is_stored_as_that():
    one = stale({"ETag": '"a"'})
    result = received([one], heard({"ETag": '"a"', "Vary": "Foo"}, 304), {"Foo": "1"})
    (new,) = saved(result.changes)
    assert new.vary == selected(foo="1")
    assert dropped(result.changes) == [(URL, [one.id])]


# ── §4.3.2: the caller's own 304 ───────────────────────────────────────────────────────


@each(
    ("stored", "came", "fits"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": '"a"'}, {}, False),
        ({"Last-Modified": OLD}, {}, False),
        ({"Last-Modified": OLD}, {"Last-Modified": OLD}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": date()}, False),
        # "does not include any form of validator […], and there is only one stored response […],
        # and that stored response also lacks a validator".
        ({}, {}, True),
        ({}, {"ETag": '"a"'}, False),
    ],
)
def test_a_callers_own_304_is_his_and_freshens_what_it_names(stored, came, fits):
    one = stale(stored)
    request = {"If-None-Match": '"a", "b"'}
    result = received([one], heard(came, 304), request)
    assert (result.serve, result.keep, result.unusable) == (None, None, False)
    assert [new.response_time for new in saved(result.changes)] == ([LATER] if fits else [])
    assert not dropped(result.changes)


def test_a_callers_304_with_nothing_stored_changes_nothing():
    assert not received([], heard({"ETag": '"a"'}, 304), {"If-None-Match": '"a"'}).changes


# ── §4.3.5: HEAD ───────────────────────────────────────────────────────────────────────


@each(
    ("stored", "came", "fits"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": '"a"'}, {"ETag": 'W/"a"'}, False),
        ({}, {"ETag": '"a"'}, False),
        ({"ETag": '"a"'}, {}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": OLD}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": "Sun Sep  9 01:30:00 2001"}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": date()}, False),
        ({}, {"Last-Modified": OLD}, False),
        ({"ETag": '"a"', "Last-Modified": OLD}, {"ETag": '"a"', "Last-Modified": date()}, False),
        ({}, {"Content-Length": "10"}, True),
        ({}, {"Content-Length": "11"}, False),
        ({}, {"Content-Length": "x"}, True),
        ({"ETag": '"a"'}, {"ETag": '"a"', "Content-Length": "9"}, False),
        ({}, {}, True),
    ],
)
def test_head_updates_what_it_matches_and_the_rest_goes(stored, came, fits):
    one = stale(stored)
    result = received([one], heard({**came, "X": "new"}), method="HEAD")
    assert result.keep is result.serve is None
    assert [fields(new)["x"] for new in saved(result.changes)] == (["new"] if fits else [])
    assert dropped(result.changes) == ([] if fits else [(URL, [one.id])])


@each("status", [203, 204, 301, 404, 503])
def test_head_that_is_a_200_is_about_no_other_code(status):
    one = stale(status=status)
    assert dropped(received([one], heard(), method="HEAD").changes) == [(URL, [one.id])]


@pytest.mark.parametrize("status", [301, 404, 503])
def test_a_304_is_about_a_2xx_alone(status):
    one = stale({"ETag": '"a"'}, status=status)
    for request in ({"If-None-Match": '"a"'}, {}):
        result = received([one], heard({"ETag": '"a"'}, 304), request)
        assert ([*result.changes], result.serve) == ([], None)


def test_head_leaves_the_body_and_its_length_alone():
    one = stale({"ETag": '"a"', "Content-Length": "10"})
    (new,) = saved(received([one], heard({"ETag": '"a"'}), method="HEAD").changes)
    assert (new.body, fields(new)["content-length"]) == (one.body, "10")


@each("status", [204, 206, 301, 304, 401, 403, 500, 503])
def test_head_that_is_no_200_says_nothing(status):
    one = stale({"ETag": '"a"'})
    assert not saved(received([one], heard({}, status), method="HEAD").changes)
    assert not dropped(received([one], heard({}, status), method="HEAD").changes)


@pytest.mark.parametrize("status", [404, 410])
def test_head_of_what_is_gone_drops_it(status):
    one = stale({"ETag": '"a"'})
    assert dropped(received([one], heard({}, status), method="HEAD").changes) == [(URL, [one.id])]
    assert not received([], heard({}, status), method="HEAD").changes


def test_head_leaves_other_variants_and_parts_alone():
    part = stale({"ETag": '"p"'}, status=206, part=(0, 9, 20))
    other = variant("2", '"b"')
    result = received([part, other], heard({"ETag": '"x"'}), method="HEAD")
    assert not result.changes


def test_head_that_forbids_to_store_drops():
    one = stale({"ETag": '"a"'})
    came = heard({"ETag": '"a"', "Cache-Control": "no-store"})
    assert dropped(received([one], came, method="HEAD").changes) == [(URL, [one.id])]


# ── §4.4: invalidation ─────────────────────────────────────────────────────────────────


@each("method", ["POST", "PUT", "DELETE", "PATCH", "MKCOL", "X-UNKNOWN"])
@each("status", [200, 201, 204, 206, 299, 300, 301, 302, 303, 304, 307, 399])
def test_post_put_delete_patch_a_success_of_an_unsafe_method_invalidates_its_url(method, status):
    """ "including methods whose safety is unknown"; "a 2xx (Successful) or 3xx (Redirection)"."""
    assert dropped(received([], heard({}, status), method=method).changes) == [(URL, None)]


@each("status", [400, 401, 404, 409, 412, 429, 500, 503, 599])
def test_4xx_5xx_an_error_invalidates_nothing(status):
    headers = {"Location": "/y", "Content-Location": "/z"}
    assert not received([], heard(headers, status), method="POST").changes


@each("method", ["GET", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT"])
def test_options_trace_and_propfind_invalidate_nothing(method):
    assert not dropped(received([], heard({"Location": "/y"}, 201), method=method).changes)


@each(
    ("location", "also"),
    [
        ("/y", ["http://a.example/y"]),
        ("y?z=1", ["http://a.example/y?z=1"]),
        ("http://a.example/y", ["http://a.example/y"]),
        ("http://a.example:80/y", ["http://a.example/y"]),
        ("HTTP://A.EXAMPLE/y#part", ["http://a.example/y"]),
        ("//a.example/y", ["http://a.example/y"]),
        ("http://a.example", ["http://a.example/"]),
        ("http://user:word@a.example/y", ["http://a.example/y"]),
        ("", []),
        (URL, []),
        # "MUST NOT trigger an invalidation […] if the origin […] differs".
        ("http://b.example/y", []),
        ("https://a.example/y", []),
        ("http://a.example:81/y", []),
        ("//b.example/x", []),
        ("mailto:x", []),
        ("http://[", []),
        ("http://a.example:x/", []),
        ("http://a.example:99999/", []),
    ],
)
@each("name", ["Location", "Content-Location"])
def test_location_content_location_what_is_named_is_invalidated_too_within_the_origin(
    name, location, also
):
    changes = received([], heard({name: location}, 201), method="POST").changes
    assert dropped(changes) == [(url, None) for url in [URL, *also]]


def test_location_content_location_both_fields_count_and_two_differing_lines_do_not():
    changes = received(
        [], heard({"Location": "/y", "Content-Location": "/z"}), method="PUT"
    ).changes
    names = [url.rpartition("/")[2] for url, _ in dropped(changes)]
    assert names == ["x", "y", "z"]
    came = heard([("Location", "/y"), ("Location", "/z")], 201)
    assert dropped(received([], came, method="PUT").changes) == [(URL, None)]


def test_content_location_a_post_that_answers_for_get_invalidates_and_is_stored():
    came = heard({**FRESH, "Content-Location": "/x", "Vary": "foo"})
    result = received([stale()], came, {"Foo": "1"}, "POST")
    assert dropped(result.changes) == [(URL, None)]
    assert result.keep.vary == selected(foo="1")
    changes = complete(asked({}, "POST"), Forward("method"), result.keep, b"new")
    assert reuse(asked({"Foo": "1"}), saved(changes), LATER).entry.body == b"new"
    assert reuse(asked({"Foo": "1"}, "HEAD"), saved(changes), LATER).entry.body == b"new"


# ── §3.3, §3.4: a beginning is completed ───────────────────────────────────────────────

BEGUN = stale({"ETag": '"a"', "X": "1"}, status=206, part=(0, 9, 20))
REST = {"ETag": '"a"', "Content-Range": "bytes 10-19/20", "X": "2", **FRESH}


def test_206_the_rest_completes_a_stored_part():
    asking = asked()
    forward = reuse(asking, [BEGUN], LATER)
    result = receive(asking, forward, heard({**REST, "Content-Length": "10"}, 206))
    assert result.begun is BEGUN
    changes = complete(asking, forward, result.keep, b"abcdefghij")
    (whole,) = saved(changes)
    assert (whole.status, whole.body, whole.part) == (200, b"0123456789abcdefghij", None)
    assert fields(whole) == {
        "etag": '"a"',
        "x": "2",
        "cache-control": "max-age=60",
        "date": date(1000),
        "content-length": "20",
    }
    assert dropped(changes) == [(URL, [BEGUN.id])]
    assert reuse(asking, [whole], LATER + 59).entry is whole


def test_206_a_rest_that_was_cut_short_completes_nothing():
    asking = asked()
    forward = reuse(asking, [BEGUN], LATER)
    keep = receive(asking, forward, heard(REST, 206)).keep
    assert complete(asking, forward, keep, b"abc") == []


@each(
    ("status", "headers"),
    [
        (206, {**REST, "ETag": '"b"'}),
        (206, {**REST, "ETag": 'W/"a"'}),
        (206, {name: REST[name] for name in REST if name != "ETag"}),
        (206, {**REST, "Content-Range": "bytes 11-19/20"}),
        (206, {**REST, "Content-Range": "bytes 9-19/20"}),
        (206, {**REST, "Content-Range": "bytes 0-9/20"}),
        (206, {**REST, "Content-Range": "bytes 10-18/20"}),
        (206, {**REST, "Content-Range": "bytes 10-20/21"}),
        (206, {**REST, "Content-Range": "bytes 10-19/*"}),
        (206, {**REST, "Content-Range": "x"}),
        (206, {**REST, "Content-Encoding": "gzip"}),
        (206, {"ETag": '"a"', **FRESH}),
        (206, {"Content-Type": "multipart/byteranges; boundary=x", "ETag": '"a"'}),
        (206, {**REST, "Content-Length": "9"}),
        (206, {**REST, "Cache-Control": "no-store"}),
        (304, {"ETag": '"a"'}),
        (304, {}),
        (416, {"Content-Range": "bytes */5"}),
        (416, {}),
    ],
)
def test_206_304_416_what_is_not_the_rest_is_no_answer_and_all_is_asked_for(status, headers):
    """Nobody asked for a part: it is disregarded, and the beginning with it."""
    result = received([BEGUN], heard(headers, status))
    assert result.unusable
    assert dropped(result.changes) == [(URL, [BEGUN.id])]
    assert result.keep is result.serve is None


def test_200_a_whole_answer_in_place_of_the_rest_is_stored_in_its_place():
    asking = asked()
    forward = reuse(asking, [BEGUN], LATER)
    result = receive(asking, forward, heard({**FRESH, "ETag": '"b"'}))
    assert not result.unusable
    changes = complete(asking, forward, result.keep, b"new")
    assert (dropped(changes), saved(changes)[0].body) == ([(URL, [BEGUN.id])], b"new")


@each(("status", "drops"), [(302, True), (404, True), (500, False), (503, False)])
def test_any_other_answer_in_place_of_the_rest_is_an_answer(status, drops):
    result = received([BEGUN], heard({}, status))
    assert (result.unusable, result.serve) == (False, None)
    assert dropped(result.changes) == ([(URL, [BEGUN.id])] if drops else [])


# ── §3.4: parts are joined ─────────────────────────────────────────────────────────────


def part(first, last, total, tag='"a"', **more):
    """A part of a body whose byte at n is n."""
    size = "*" if total is None else total
    headers = {"Content-Range": f"bytes {first}-{last}/{size}", **FRESH, **more}
    return headers | ({} if tag is None else {"ETag": tag}), bytes(range(first, last + 1))


def stored_part(first, last, total, tag='"a"', **more):
    headers, body = part(first, last, total, tag, **more)
    return entry(headers, 206, body, part=(first, last, total))


def joined(stored, came):
    headers, body = came
    asking = asked({"Range": headers["Content-Range"].replace(" ", "=").partition("/")[0]})
    forward = Forward("partial", selected=stored)
    keep = receive(asking, forward, heard(headers, 206)).keep
    (one,) = saved(complete(asking, forward, keep, body))
    begin = one.part[0] if one.part else 0
    assert one.body == bytes(range(begin, begin + len(one.body)))
    return one


@each(
    ("old", "new", "span"),
    [
        ((0, 9, 30), (10, 19, 30), (0, 19, 30)),
        ((10, 19, 30), (0, 9, 30), (0, 19, 30)),
        ((0, 9, 30), (5, 14, 30), (0, 14, 30)),
        ((5, 14, 30), (0, 9, 30), (0, 14, 30)),
        ((0, 19, 30), (5, 9, 30), (0, 19, 30)),
        ((5, 9, 30), (0, 19, 30), (0, 19, 30)),
        ((0, 9, 30), (0, 9, 30), (0, 9, 30)),
        ((0, 9, None), (10, 19, None), (0, 19, None)),
        ((0, 9, None), (10, 19, 30), (0, 19, 30)),
        ((0, 9, 20), (10, 19, None), None),
        ((0, 9, 20), (10, 19, 20), None),
        ((10, 19, 20), (0, 9, 20), None),
        ((0, 19, 30), (10, 29, 30), None),
        # A gap: the newer one takes the older's place.
        ((0, 9, 30), (11, 19, 30), (11, 19, 30)),
        ((11, 19, 30), (0, 9, 30), (0, 9, 30)),
        # Another length: another representation.
        ((0, 9, 30), (10, 19, 31), (10, 19, 31)),
    ],
)
def test_206_content_range_parts_without_a_gap_are_joined(old, new, span):
    one = joined([stored_part(*old)], part(*new))
    assert (one.part, one.status) == (span, 206 if span else 200)
    ranged = fields(one).get("content-range")
    if span is None:
        assert (len(one.body), ranged) == (new[2] or old[2], None)
    else:
        assert ranged == f"bytes {span[0]}-{span[1]}/{'*' if span[2] is None else span[2]}"
    assert fields(one).get("content-length") in (None, str(len(one.body)))


@each(
    ("old", "new"),
    [
        ('"a"', '"b"'),
        ('W/"a"', 'W/"a"'),
        ('"a"', 'W/"a"'),
        ('W/"a"', '"a"'),
        (None, '"a"'),
        ('"a"', None),
        (None, None),
        ("a", "a"),
        ('"é"', '"é"'),
    ],
)
def test_parts_are_joined_only_under_the_same_strong_validator(old, new):
    """§3.4: "if they all share the same strong validator"."""
    assert joined([stored_part(0, 9, 20, old)], part(10, 19, 20, new)).part == (10, 19, 20)


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ({"Last-Modified": OLD}, {"Last-Modified": OLD}, True),
        ({"Last-Modified": OLD}, {"Last-Modified": date(-500)}, False),
        # RFC 9110 §8.8.2.2: strong only "at least one second after".
        ({"Last-Modified": date()}, {"Last-Modified": date()}, False),
    ],
)
def test_206_last_modified_without_tags_the_dates_of_their_change_may_be_strong(old, new, fits):
    one = joined([stored_part(0, 9, 20, None, **old)], part(10, 19, 20, None, **new))
    assert (one.status == 200) is fits


@each(
    ("old", "new", "fits"),
    [
        ({}, {}, True),
        ({"Content-Encoding": "gzip"}, {"Content-Encoding": "gzip"}, True),
        ({"Content-Encoding": "gzip"}, {}, False),
        ({"Last-Modified": OLD}, {"Last-Modified": OLD}, True),
        ({"Last-Modified": OLD}, {}, True),
        # Where both have it, both are equal.
        ({"Last-Modified": OLD}, {"Last-Modified": date(-500)}, False),
    ],
)
def test_206_what_else_keeps_parts_apart(old, new, fits):
    one = joined([stored_part(0, 9, 20, **old)], part(10, 19, 20, **new))
    assert (one.status == 200) is fits


def test_206_etag_a_part_of_a_stored_whole_updates_it():
    whole = entry({**FRESH, "ETag": '"a"', "X": "1"}, 200, bytes(range(20)))
    one = joined([whole], part(5, 9, 20, X="2"))
    assert (one.status, one.body, one.part, fields(one)["x"]) == (200, bytes(range(20)), None, "2")


def test_a_joined_part_is_as_old_as_the_newer_one():
    one = joined([stored_part(0, 9, 20)], part(10, 19, 20))
    assert (one.response_time, one.age(LATER)) == (LATER, 0)


# ── what most 304s are ─────────────────────────────────────────────────────────────────

TAGGED = [*FRESH.items(), ("ETag", '"a"')]


def quick(stored, came):
    """What a 304 confirms, as most are received; and as `receive` does it."""
    asking = asked()
    forward = reuse(asking, [stored], LATER)
    assert isinstance(forward, Forward)
    return confirmed(forward, came.headers, came.request_time, came.response_time), receive(
        asking, forward, came
    )


EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"
KEPT = [
    [], [("ETag", '"a"')], [("Date", date(999))], [("Date", EPOCH)], [("Connection", "close")],
    [("Content-Length", "0")], [("Cache-Control", "max-age=60"), ("Date", date(1000))],
    [("Date", OLD)],
]  # fmt: skip
SAID = [
    [("ETag", '"b"')], [("Cache-Control", "max-age=9")], [("X-New", "1")], [("Age", "3")],
    [("Set-Cookie", "a=1")], [("Date", "soon")], [("Date", "\xff")], [("Expires", date(2000))],
    [("Date", date(1)), ("Date", date(2))],
]  # fmt: skip


@each("headers", KEPT)
def test_a_304_that_says_nothing_new_leaves_all_but_its_time(headers):
    new, full = quick(entry(TAGGED), heard(headers, 304))
    assert fields(new) == fields(full.serve)
    assert [new.date, new.age(LATER), new.lifetime] == [
        full.serve.date, full.serve.age(LATER), full.serve.lifetime,
    ]  # fmt: skip


@each("headers", SAID)
def test_304_with_other_changes_than_its_date_takes_the_usual_way(headers):
    assert quick(entry(TAGGED), heard(headers, 304, dated=False))[0] is None


@pytest.mark.parametrize(("headers", "status"), [(FRESH.items(), 200), (TAGGED, 404)])
def test_304_without_a_condition_confirms_nothing(headers, status):
    """Without a validator, and of what no 304 is ever about."""
    new, full = quick(entry(headers, status), heard((), 304))
    assert new is None
    assert full.serve is None


lines = st.sampled_from(
    [("ETag", '"a"'), ("ETag", '"b"'), ("Last-Modified", OLD), ("Cache-Control", "max-age=60"),
     ("Cache-Control", 'max-age=1, no-cache="x-one"'), ("Expires", date(30)), ("Age", "5"),
     ("Date", date(999)), ("Date", EPOCH), ("Date", "x"), ("Set-Cookie", "a=1"), ("X-One", "1"),
     ("X-One", "2"), ("Vary", "X"), ("Connection", "x-one"), ("Warning", "110 - x"),
     ("Content-Length", "10"), ("Content-Encoding", "gzip")]
)  # fmt: skip


@given(
    st.lists(lines, max_size=5, unique=True),
    st.lists(lines, max_size=4, unique=True),
    st.booleans(),
)
def test_304_what_is_confirmed_is_what_settling_makes_of_it(stored, came, dated):
    old = entry(stored, vary=selected(x=None) if ("Vary", "X") in stored else ())
    forward = reuse(asked(), [old], LATER)
    if not isinstance(forward, Forward):
        return
    answered = heard(came, 304, dated=dated)
    assert old.served is not old.lines  # both reckoned before, as of what was served before
    new, full = quick(old, answered)
    if new is None:
        return
    again = full.serve
    assert fields(new) == fields(again)
    assert (new.status, new.body, new.who, new.vary, new.part) == (
        again.status, again.body, again.who, again.vary, again.part,
    )  # fmt: skip
    assert (new.request_time, new.response_time) == (again.request_time, again.response_time)
    assert (new.date, new.lifetime, new.explicit, new.age(LATER), new.id) == (
        again.date, again.lifetime, again.explicit, again.age(LATER), again.id,
    )  # fmt: skip
    assert (new.conditions, sorted(new.served)) == (again.conditions, sorted(again.served))
    assert [one.same for one in full.changes if isinstance(one, Save)] == [True]
