"""The cache in an exchange, in the engine alone and through a whole client."""

import gzip

import pytest

from tests.cache.values import date
from tests.library import httpx, sp

OLD = date(-1000)
FRESH = {"Cache-Control": "max-age=60"}
TAGGED = {**FRESH, "ETag": '"a"'}
NOTHING = sp.Limits(attempts=1)


# ── hits ───────────────────────────────────────────────────────────────────────────────


def test_cache_control_max_age_a_fresh_response_is_not_asked_for_again(web):
    first = web.get((200, FRESH, b"body"))
    again = web.get(later=59)
    assert (first.body, again.body) == (b"body", b"body")
    assert (first.cache, again.cache) == (
        "statuspolicy; fwd=uri-miss; stored", "statuspolicy; hit; ttl=1",
    )  # fmt: skip
    assert "age" not in first.headers
    assert again.headers["age"] == "59"


def test_an_age_that_came_is_replaced(web):
    """§4: "replacing any present in the response with a value equal to […] current_age"."""
    web.get((200, {"Cache-Control": "max-age=600", "Age": "100"}, b"x"))
    assert web.get(later=7).headers.get_list("age") == ["107"]


def test_a_huge_age_is_written_as_the_greatest(web):
    web.get((200, {"Cache-Control": "max-age=60", "Age": "9" * 400}, b"x"))
    assert web.get(headers={"Cache-Control": "max-stale"}).headers["age"] == str(2**31)


def test_what_is_served_is_whole_but_for_the_connections_fields(web):
    given = [*FRESH.items(), ("Connection", "close, X"), ("X", "1"), ("Y", "2"), ("Y", "3")]
    web.get((203, given, b"body"))
    again = web.get()
    assert (again.status, again.body) == (203, b"body")
    assert [*again.headers.multi_items()] == [
        ("cache-control", "max-age=60"), ("y", "2"), ("y", "3"), ("date", date()), ("age", "0"),
    ]  # fmt: skip


def test_other_urls_and_other_queries_are_others(web):
    web.get((200, FRESH, b"1"))
    for url in ("http://a.example/y", "http://a.example/x?q", "http://b.example/x"):
        assert web.get((200, FRESH, b"2"), url=url).body == b"2"
    assert web.get(url="http://a.example/x#part").body == b"1"
    assert web.get(url="http://A.example:80/x").body == b"1"


def test_content_encoding_a_packed_body_is_kept_as_it_came(web):
    packed = gzip.compress(b"body" * 100, mtime=0)
    headers = {**TAGGED, "Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    assert web.get((200, headers, packed)).body == b"body" * 100
    assert web.get().body == b"body" * 100
    assert web.get((304, {"ETag": '"a"'}), later=60).body == b"body" * 100


def test_head_is_answered_by_what_get_stored(web):
    web.get((200, {**FRESH, "Content-Length": "4"}, b"body"))
    head = web.request("HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "4")
    assert web.request("HEAD", (200, {**FRESH, "X": "new"}), later=60).headers["x"] == "new"
    # What it said holds for what is stored (§4.3.5).
    again = web.get()
    assert (again.body, again.headers["x"]) == (b"body", "new")


def test_a_vary_keeps_answers_apart(web):
    headers = {**FRESH, "Vary": "Foo"}
    web.get((200, headers, b"1"), headers={"Foo": "1"})
    web.get((200, headers, b"2"), headers={"Foo": "2"})
    web.get((200, headers, b"0"))
    assert web.get(headers={"Foo": "1"}).body == b"1"
    assert web.get(headers={"Foo": "2"}).body == b"2"
    assert web.get().body == b"0"


def test_a_response_that_is_too_long_is_not_stored(opened):
    web = opened(cache={"entry_bytes": 4})
    assert web.get((200, FRESH, b"12345")).body == b"12345"
    # Too long before its last part has come.
    assert web.get((200, FRESH, b"123456789")).body == b"123456789"
    assert web.get((200, FRESH, b"1234")).body == b"1234"
    assert web.get().body == b"1234"
    whole = httpx.Response(200, headers=FRESH, content=b"12345")
    assert web.get((whole), url="http://a.example/y").body == b"12345"
    whole = httpx.Response(200, headers=FRESH, content=b"1234")
    assert web.get(whole, url="http://a.example/y").body == b"1234"
    assert web.get(url="http://a.example/y").body == b"1234"


def test_one_that_says_so_is_not_even_recorded(opened):
    web = opened(cache={"entry_bytes": 4})
    got = web.get((200, {**FRESH, "Content-Length": "5"}, b"12345"))
    assert got.body == b"12345"
    assert got.cache == 'statuspolicy; fwd=uri-miss; detail="it is longer than Cache.entry_bytes"'
    assert web.get((200, {**FRESH, "Content-Length": "4"}, b"1234")).cache.endswith("stored")


def test_content_length_a_body_that_lies_about_its_length_is_not_stored(web):
    web.get((200, {**FRESH, "Content-Length": "5"}, b"1234"))
    assert web.get((200, FRESH, b"1234")).body == b"1234"


def test_cache_status_the_header_says_what_the_cache_did_where_it_is_asked_for(opened):
    web = opened(cache={"cache_status": True})
    came = {**FRESH, "Cache-Status": 'Other; hit; detail="a, b"'}
    theirs = 'Other; hit; detail="a, b", '
    assert web.get((200, came, b"x")).headers["cache-status"] == (
        theirs + "statuspolicy; fwd=uri-miss; stored"
    )
    assert web.get(later=9).headers["cache-status"] == theirs + "statuspolicy; hit; ttl=51"
    assert (
        web.get((200, {"Cache-Control": "no-store"}), url="http://a.example/y").headers[
            "cache-status"
        ]
        == 'statuspolicy; fwd=uri-miss; detail="no-store"'
    )


# ── validations ────────────────────────────────────────────────────────────────────────


def test_a_304_hands_over_what_is_stored(web):
    web.get((200, {**TAGGED, "X": "1"}, b"body"))
    again = web.get((304, {"ETag": '"a"', "X": "2"}), later=60)
    assert (again.status, again.body, again.headers["x"]) == (200, b"body", "2")
    assert again.asked == ['"a"']
    assert again.cache == "statuspolicy; fwd=stale; fwd-status=304; ttl=60"
    assert web.get(later=59).headers["x"] == "2"


def test_what_the_origin_just_validated_has_no_age(web):
    """§5.1: Age "implies that the response was not generated or validated by the origin"."""
    web.get((200, {**TAGGED, "Age": "5"}, b"body"))
    assert "age" not in web.get((304, {"ETag": '"a"'}), later=60).headers
    assert web.get(later=3).headers["age"] == "3"
    assert web.get((304, {"ETag": '"a"', "Age": "7"}), later=60).headers["age"] == "7"


def test_a_200_in_place_of_a_304_is_handed_over_and_stored(web):
    web.get((200, TAGGED, b"old"))
    assert web.get((200, {**FRESH, "ETag": '"b"'}, b"new"), later=60).body == b"new"
    assert web.get().body == b"new"
    assert web.get((304, {"ETag": '"b"'}), later=60).asked == ['"b"']


def test_a_304_that_is_about_something_else_is_disregarded(web):
    """§4.3.4; the request is repeated without conditions, once."""
    web.get((200, TAGGED, b"old"))
    again = web.get((304, {"ETag": '"b"'}), (200, {**FRESH, "ETag": '"b"'}, b"new"), later=60)
    assert (again.body, again.asked) == (b"new", ['"a"', None])
    assert web.get().body == b"new"


def test_a_304_to_no_condition_at_all_is_surfaced_in_the_end(web):
    got = web.get((304, {}), (304, {}))
    assert (got.status, got.asked) == (304, [None, None])


def test_304_vary_etag_variants_are_validated_by_their_tags(web):
    for name in "12":
        headers = {**FRESH, "Vary": "Foo", "ETag": f'"{name}"'}
        web.get((200, headers, name.encode()), headers={"Foo": name})
    got = web.get((304, {"ETag": '"1"'}), headers={"Foo": "3"})
    assert (got.body, got.status) == (b"1", 200)
    assert {*got.asked[0].split(", ")} == {'"1"', '"2"'}
    assert web.get(headers={"Foo": "3"}).body == b"1"
    assert web.get(headers={"Foo": "2"}).body == b"2"


def test_304_a_callers_own_condition_is_answered_by_what_is_fresh(web):
    web.get((200, {**TAGGED, "Content-Type": "text/plain", "X": "1"}, b"body"))
    for method in ("GET", "HEAD"):
        got = web.request(method, headers={"If-None-Match": 'W/"a", "b"'}, later=5)
        assert (got.status, got.body) == (304, b"")
        # RFC 9110 §15.4.5: what a 304 has of the response that it stands for.
        assert {*got.headers} == {"cache-control", "etag", "date", "age"}
    assert web.get(headers={"If-None-Match": '"b"'}).body == b"body"
    assert web.get(headers={"If-Modified-Since": date()}).status == 304


def test_a_callers_own_304_is_his_and_freshens_what_it_names(web):
    web.get((200, TAGGED, b"body"))
    got = web.get((304, {"ETag": '"a"'}), headers={"If-None-Match": '"a"'}, later=60)
    assert (got.status, got.body) == (304, b"")
    assert web.get(later=59).body == b"body"
    got = web.get((304, {"ETag": '"b"'}), headers={"If-None-Match": '"b"'}, later=60)
    assert got.status == 304
    assert web.get((304, {"ETag": '"a"'})).asked == ['"a"']


def test_304_cache_control_fields_that_no_cache_names_are_handed_over_only_by_a_server(web):
    """§5.2.2.4: "excluded […] or […] revalidated (updating or removing those fields)"."""
    headers = {"Cache-Control": 'max-age=60, no-cache="X"', "ETag": '"a"', "X": "1"}
    assert web.get((200, headers, b"body")).headers["x"] == "1"
    assert "x" not in web.get().headers
    assert "x" not in web.get((304, {"ETag": '"a"'}), later=60).headers
    assert web.get((304, {"ETag": '"a"', "X": "2"}), later=60).headers["x"] == "2"
    assert "x" not in web.get().headers


def test_cache_control_no_cache_wants_a_validation_each_time(web):
    web.get((200, {"Cache-Control": "no-cache", "ETag": '"a"'}, b"body"))
    for _ in range(2):
        assert web.get((304, {"ETag": '"a"'})).body == b"body"
    web.get((304, {"ETag": '"a"', "Cache-Control": "max-age=60"}))
    assert web.get().body == b"body"
    assert web.get((304, {"ETag": '"a"'}), headers={"Cache-Control": "no-cache"}).body == b"body"


def test_a_304_that_says_no_store_is_the_last_of_it(web):
    web.get((200, TAGGED, b"body"))
    got = web.get((304, {"ETag": '"a"', "Cache-Control": "no-store"}), later=60)
    assert got.body == b"body"
    assert web.get((200, {}, b"new")).asked == [None]


# ── ranges ─────────────────────────────────────────────────────────────────────────────

WHOLE = bytes(range(20))


def piece(first, last, total=20, tag='"a"'):
    headers = {**FRESH, "Content-Range": f"bytes {first}-{last}/{total}", "ETag": tag}
    return (206, headers, WHOLE[first : last + 1])


def test_a_range_is_cut_from_what_is_stored(web):
    web.get((200, {**TAGGED, "Content-Length": "20", "Content-Type": "text/plain"}, WHOLE))
    got = web.get(headers={"Range": "bytes=5-9"})
    assert (got.status, got.body) == (206, WHOLE[5:10])
    assert got.headers["content-range"] == "bytes 5-9/20"
    assert got.headers["content-length"] == "5"
    assert got.headers["content-type"] == "text/plain"
    assert web.get(headers={"Range": "bytes=-5"}).body == WHOLE[15:]
    assert web.get(headers={"Range": "bytes=5-9", "If-Range": '"b"'}).body == WHOLE
    got = web.get((416, {"Content-Range": "bytes */20"}), headers={"Range": "bytes=20-"})
    assert (got.status, got.cache) == (
        416,
        'statuspolicy; fwd=partial; detail="a 416 is never stored"',
    )
    assert web.get().body == WHOLE


def test_a_range_of_what_is_stale_is_validated(web):
    web.get((200, TAGGED, WHOLE))
    got = web.get((304, {"ETag": '"a"'}), headers={"Range": "bytes=5-9"}, later=60)
    assert (got.status, got.body, got.sent[0].headers["range"]) == (206, WHOLE[5:10], "bytes=5-9")
    got = web.get(
        (304, {"ETag": '"a"'}), headers={"Range": "bytes=5-9", "If-Range": '"b"'}, later=60
    )
    assert (got.status, got.body) == (200, WHOLE)


def test_206_parts_are_stored_joined_and_become_the_whole(web):
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    assert web.get(headers={"Range": "bytes=1-3"}).body == WHOLE[1:4]
    web.get(piece(5, 9), headers={"Range": "bytes=5-9"})
    got = web.get(headers={"Range": "bytes=3-7"})
    assert (got.status, got.body, got.headers["content-range"]) == (206, WHOLE[3:8], "bytes 3-7/20")
    web.get(piece(10, 19), headers={"Range": "bytes=10-"})
    got = web.get()
    assert (got.status, got.body) == (200, WHOLE)
    assert "content-range" not in got.headers


def test_206_parts_that_are_too_long_together_are_not_joined(opened):
    """Or a download in segments would fill the memory, part by part."""
    web = opened(cache={"entry_bytes": 9})
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    web.get(piece(5, 9), headers={"Range": "bytes=5-9"})
    assert web.get(headers={"Range": "bytes=6-8"}).body == WHOLE[6:9]
    assert web.get(piece(0, 4), headers={"Range": "bytes=0-4"}).body == WHOLE[:5]


def test_206_if_range_a_stored_beginning_is_completed(web):
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    got = web.get(piece(5, 19))
    assert (got.status, got.body, got.asked) == (200, WHOLE, ["bytes=5-"])
    assert got.sent[0].headers["if-range"] == '"a"'
    assert got.headers["content-length"] == "20"
    assert "content-range" not in got.headers
    assert web.get().body == WHOLE


def test_206_a_stored_beginning_is_completed_in_memory(web):
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    status, headers, body = piece(5, 19)
    got = web.get(httpx.Response(status, headers=headers, content=body))
    assert (got.status, got.body, web.get().body) == (200, WHOLE, WHOLE)


def test_206_what_was_completed_in_memory_may_be_asked_for_again(opened):
    """What came of it is open no more then."""
    asked = []

    def once_more(exchange):
        asked.append(exchange)
        return sp.Again(exchange.request) if len(asked) == 1 else sp.Settle()

    web = opened(table=sp.STANDARD | {200: once_more})
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    status, headers, body = piece(5, 19)
    got = web.get(httpx.Response(status, headers=headers, content=body), (304, {"ETag": '"a"'}))
    assert (got.status, got.body) == (200, WHOLE)


@pytest.mark.parametrize(
    "instead",
    [
        piece(0, 4),
        piece(5, 19, tag='"b"'),
        piece(6, 19),
        piece(5, 18),
        (206, {"ETag": '"a"'}, b""),
        (416, {"Content-Range": "bytes */5"}, b""),
        (304, {"ETag": '"a"'}, b""),
    ],
)
def test_206_304_416_what_is_not_the_rest_is_put_away_and_all_is_asked_for(web, instead):
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    got = web.get(instead, (200, {**FRESH, "ETag": '"b"'}, b"new"))
    assert (got.status, got.body, got.asked) == (200, b"new", ["bytes=5-", None])
    assert web.get().body == b"new"


def test_206_the_whole_in_place_of_the_rest_is_the_answer(web):
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    assert web.get((200, {**FRESH, "ETag": '"b"'}, b"new")).body == b"new"
    assert web.get().body == b"new"


def test_500_an_error_in_place_of_the_rest_is_surfaced_and_forgets_nothing(web):
    web.get(piece(0, 4), headers={"Range": "bytes=0-4"})
    assert web.get(500).status == 500
    assert web.get(piece(5, 19)).body == WHOLE


def test_a_part_that_nobody_asked_for_is_refused_and_not_stored(web):
    assert isinstance(web.get(piece(0, 4)).error, sp.ProtocolViolation)
    assert web.get((200, FRESH, WHOLE)).asked == [None]


def test_several_ranges_pass_by_what_is_fresh(web):
    web.get((200, TAGGED, WHOLE))
    several = (206, {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x--")
    assert web.get(several, headers={"Range": "bytes=0-1,3-4"}).body == b"--x--"
    assert web.get().body == WHOLE


# ── only-if-cached ─────────────────────────────────────────────────────────────────────


def test_a_504_that_the_cache_makes_is_not_repeated(web):
    got = web.get(headers={"Cache-Control": "only-if-cached"})
    assert (got.status, got.body, got.sent) == (504, b"", [])
    assert got.cache == 'statuspolicy; detail="no usable response is stored"'
    web.get((200, FRESH, b"body"))
    assert web.get(headers={"Cache-Control": "only-if-cached"}).body == b"body"
    assert web.get(headers={"Cache-Control": "only-if-cached"}, later=60).status == 504


def test_post_an_unsafe_request_is_sent_whatever_it_says_of_the_cache(web):
    assert web.request("POST", 201, headers={"Cache-Control": "only-if-cached"}).status == 201


# ── invalidation ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "X-UNKNOWN"])
def test_post_put_delete_patch_an_unsafe_success_invalidates(web, method):
    there = "http://a.example/y"
    for url in (None, there):
        web.get((200, FRESH, b"old"), **({"url": url} if url else {}))
    assert web.request(method, 500).status == 500
    assert web.get().body == b"old"
    web.request(method, (201, {"Location": "/y"}))
    assert web.get((200, FRESH, b"new")).body == b"new"
    assert web.get((200, FRESH, b"new"), url=there).body == b"new"


@pytest.mark.parametrize(("status", "asked"), [(204, True), (303, True), (500, False)])
def test_post_what_is_sent_on_the_side_invalidates_too(opened, status, asked):
    other = "http://a.example/y"

    def unlock(exchange):
        return sp.Aside(httpx.Request("PUT", other), lambda answer: sp.Settle())

    web = opened(table=sp.STANDARD | {423: unlock})
    web.get((200, FRESH, b"1"), url=other)
    web.request("POST", 423, status)
    assert web.get(*[(200, FRESH, b"2")] * asked, url=other).body == (b"2" if asked else b"1")


def test_location_content_location_no_other_origin_is_invalidated(web):
    there = "http://b.example/y"
    web.get((200, FRESH, b"old"), url=there)
    web.request("POST", (201, {"Location": there, "Content-Location": there}))
    assert web.get(url=there).body == b"old"


def test_content_location_a_posts_answer_that_is_the_resources_answers_get(web):
    headers = {**FRESH, "Content-Location": "/x"}
    web.request("POST", (200, headers, b"new"), content=b"form")
    assert web.get().body == b"new"
    assert web.request("POST", (200, headers, b"newer"), content=b"form").body == b"newer"
    assert web.get().body == b"newer"


# ── failures ───────────────────────────────────────────────────────────────────────────

SIE = {"Cache-Control": "max-age=60, stale-if-error=30", "ETag": '"a"'}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_stale_if_error_5xx_a_stale_response_stands_in_for_an_error_after_its_rows_repeats(
    opened, status
):
    web = opened(limits=sp.Limits(attempts=2))
    web.get((200, SIE, b"body"))
    repeats = 1 if status == 500 else 2
    got = web.get(*[status] * repeats, later=70)
    assert (got.status, got.body, got.headers["age"][0]) == (200, b"body", "7")
    assert got.cache.startswith(f"statuspolicy; fwd=stale; fwd-status={status}; ttl=-1")
    assert "a stale response is used in its place" in sp.trace(got.response).reason
    assert len(web.clock.waits) == repeats - 1


def test_stale_if_error_an_error_is_not_stood_in_for_for_longer_than_was_said(opened):
    web = opened(limits=NOTHING)
    web.get((200, SIE, b"body"))
    assert web.get(503, later=91).status == 503
    assert web.get(503, headers={"Cache-Control": "stale-if-error=40"}).body == b"body"
    assert web.get(503, headers={"Cache-Control": "no-cache"}).status == 503
    assert web.get(501).status == 501


@pytest.mark.parametrize("said", ["must-revalidate", "no-cache"])
def test_503_never_against_must_revalidate_or_no_cache(opened, said):
    web = opened(limits=NOTHING)
    headers = {"Cache-Control": f"max-age=60, stale-if-error=30, {said}", "ETag": '"a"'}
    web.get((200, headers, b"body"))
    assert web.get(503, later=70).status == 503
    assert isinstance(web.get(httpx.ConnectError("no")).error, httpx.ConnectError)


def test_503_an_error_that_could_be_stored_does_not_replace_what_stands_in_for_it(opened):
    web = opened(limits=NOTHING)
    web.get((200, SIE, b"body"))
    assert web.get((503, FRESH, b"error"), later=70).body == b"body"
    assert web.get((304, {"ETag": '"a"'})).body == b"body"


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.ReadTimeout,
              httpx.WriteError, httpx.WriteTimeout, httpx.RemoteProtocolError],
)  # fmt: skip
def test_a_stale_response_stands_in_where_the_server_is_gone(opened, error):
    """§4.2.4: "unless it is disconnected"."""
    web = opened(limits=sp.Limits(attempts=2))
    web.get((200, FRESH, b"body"))
    got = web.get(error("gone"), error("gone"), later=10_000)
    assert (got.status, got.body, len(got.sent)) == (200, b"body", 2)
    assert f'detail="{error.__name__}"' in got.cache


@pytest.mark.parametrize("error", [httpx.PoolTimeout, httpx.LocalProtocolError])
def test_a_clients_own_failure_is_not_the_servers(opened, error):
    web = opened(limits=NOTHING)
    web.get((200, FRESH, b"body"))
    assert isinstance(web.get(error("mine"), later=60).error, error)


def test_cache_control_nothing_stands_in_for_a_caller_who_wants_it_new(opened):
    web = opened(limits=NOTHING)
    web.get((200, FRESH, b"body"))
    for wanted in ("no-cache", "max-age=10"):
        got = web.get(httpx.ConnectError("no"), headers={"Cache-Control": wanted}, later=60)
        assert isinstance(got.error, httpx.ConnectError)


# ── codes that would be repeated or followed ───────────────────────────────────────────


@pytest.mark.parametrize("status", [408, 425, 502, 503, 504])
def test_5xx_a_stored_error_is_not_asked_for_again(opened, status):
    web = opened(limits=NOTHING)
    web.get((status, FRESH, b"error"))
    web.options["limits"] = sp.Limits()
    got = web.get()
    assert (got.status, got.body, web.clock.waits) == (status, b"error", [])


def test_401_a_stored_challenge_is_answered(opened):
    """By the server, though the challenge is as much the answer to a request with credentials."""
    challenge = (401, {**FRESH, "WWW-Authenticate": 'Basic realm="a"'}, b"who?")
    web = opened(table=sp.STANDARD | {401: sp.authenticate(httpx.BasicAuth("me", "secret"))})
    web.get(challenge, 500)
    got = web.get((200, FRESH, b"body"))
    assert (got.status, got.sent[0].headers["authorization"][:6]) == (200, "Basic ")
    assert web.get().body == b"body"


def test_a_stored_202_is_polled_and_no_look_is_the_caches(opened):
    web = opened(table=sp.STANDARD | {202: sp.poll()})
    web.get((202, {**FRESH, "Location": "/job"}), (200, {}, b"1"))
    got = web.get((200, {}, b"2"))
    assert got.body == b"2"
    assert [step.cache for step in sp.trace(got.response)] == ["statuspolicy; hit; ttl=59", ""]


def test_503_retry_after_an_error_that_is_stored_is_asked_for_again_where_its_row_repeats_it(
    opened,
):
    web = opened()
    got = web.get((503, {**FRESH, "Retry-After": "1"}), (200, FRESH, b"body"))
    assert (got.status, got.body, web.clock.waits) == (200, b"body", [1])


def test_401_without_a_user_an_answer_to_credentials_is_stored_beside_the_challenge():
    seen = []

    def serve(request):
        seen.append(request.headers.get("authorization"))
        if seen[-1]:
            return httpx.Response(200, headers=FRESH, content=b"body")
        return httpx.Response(401, headers={**FRESH, "WWW-Authenticate": 'Basic realm="a"'})

    table = sp.STANDARD | {401: sp.authenticate(httpx.BasicAuth("me", "secret"))}
    client = httpx.Client(transport=httpx.MockTransport(serve))
    sp.wrap(client, table=table, cache=sp.Cache())
    assert [client.get("http://a.example/").content for _ in range(3)] == [b"body"] * 3
    assert len(seen) == 2


def test_a_stored_503_cools_nobody_down_once_more(opened):
    web = opened(limits=NOTHING)
    web.get((503, {**FRESH, "Retry-After": "20"}, b"error"))
    assert web.memory.cooling
    web.clock.now += 21
    web.get((200, {}, b""), url="http://a.example/y")
    assert not web.memory.cooling
    assert web.get().status == 503
    assert not web.memory.cooling


def test_503_retry_after_a_hit_does_not_say_that_its_origin_is_well(opened):
    web = opened(limits=NOTHING)
    web.get((200, FRESH, b"body"))
    web.get((503, {"Retry-After": "20"}), url="http://a.example/y")
    assert web.memory.cooling
    assert web.get().body == b"body"
    assert web.memory.cooling
    assert web.clock.waits == []


def test_429_retry_after_a_hit_waits_for_no_origin_that_rests(opened):
    web = opened()
    web.get((200, FRESH, b"body"))
    web.get((429, {"Retry-After": "20"}), (200, {}), url="http://a.example/y")
    waits = [*web.clock.waits]
    assert web.get().body == b"body"
    assert web.clock.waits == waits


def test_503_retry_after_age_the_wait_before_a_request_makes_its_answer_no_older(opened):
    """§4.2.3: request_time is "the value of the clock at the time of the request"."""
    web = opened(limits=sp.Limits(attempts=1))
    web.get((503, {"Retry-After": "40"}), url="http://a.example/y")
    web.options["limits"] = sp.Limits()
    web.get((200, FRESH, b"body"))
    if web.clock.waits:
        assert web.get(later=1).headers["age"] == "1"


def test_301_age_a_redirect_that_is_stored_is_followed_from_the_store(web):
    there = "http://a.example/there"
    first = web.get((301, {**FRESH, "Location": "/there"}, b"moved"), (200, {}, b"1"))
    again = web.get((200, {}, b"2"), later=10)
    assert (first.body, again.body) == (b"1", b"2")
    assert [str(r.url) for r in again.sent] == [there]
    assert [r.status_code for r in again.response.history] == [301]
    assert again.response.history[0].headers["age"] == "10"
    assert str(again.response.url) == there
    assert sp.trace(again.response)[0].cache == "statuspolicy; hit; ttl=50"


@pytest.mark.parametrize("status", [302, 303, 307, 308])
def test_302_303_307_308_a_chain_of_stored_redirects_costs_nothing(web, status):
    web.get(
        (status, {**FRESH, "Location": "/b"}),
        (status, {**FRESH, "Location": "/c"}),
        (200, FRESH, b"c"),
    )
    again = web.get()
    assert (again.body, again.sent, len(again.response.history)) == (b"c", [], 2)


def test_a_302_without_a_word_is_not_stored(web):
    for _ in range(2):
        got = web.get((302, {"Location": "/b"}), (200, {}, b"b"))
        assert len(got.sent) == 2


@pytest.mark.parametrize("status", [404, 410])
def test_301_404_410_a_stored_redirect_that_leads_nowhere_is_forgotten(web, status):
    web.get((301, {**FRESH, "Location": "/b"}), (200, {}, b"b"))
    assert web.get(status).status == status
    assert web.get((200, {}, b"back")).body == b"back"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_301_a_stored_redirect_that_would_raise_is_forgotten_and_the_first_url_is_asked(
    web, status
):
    redirect = (status, {**FRESH, "Location": "/b"})
    round_again = (302, {"Location": "/x"})
    for astray in (round_again, httpx.ConnectError("refused"), httpx.ReadTimeout("late")):
        web.get(redirect, (200, {}, b"b"))
        got = web.get(astray, (200, {}, b"back"))
        assert got.body == b"back"
        assert [request.url.path for request in got.sent] == ["/b", "/x"]
        assert got.response.history == []
        web.get((200, {}, b"it is forgotten"))


def test_301_a_stored_redirect_that_leads_astray_in_its_own_call_is_not_kept(web):
    redirect = (301, {**FRESH, "Location": "/b"})
    web.get(redirect, (200, {}, b"b"))
    gone = httpx.ConnectError("refused")
    got = web.get(gone, redirect, gone, gone, gone, gone)
    assert got.error is gone
    assert [request.url.path for request in got.sent] == ["/b", "/x", *["/b"] * 4]
    assert web.get((200, {}, b"back")).body == b"back"


def test_301_stale_if_error_what_is_stored_stands_in_for_the_place_of_a_stored_redirect(web):
    web.get((301, {**FRESH, "Location": "/b"}), (200, {"Cache-Control": "max-age=1"}, b"b"))
    got = web.get(*[httpx.ConnectError("refused")] * 4, later=10)
    assert got.body == b"b"
    assert [request.url.path for request in got.sent] == ["/b"] * 4


def test_410_drops_what_is_stored_and_a_fresh_410_answers(web):
    web.get((200, TAGGED, b"body"))
    assert web.get(410, later=60).status == 410
    assert web.get((410, FRESH, b"gone")).asked == [None]
    assert (web.get().status, web.get().body) == (410, b"gone")


def test_strict_stores_no_303(opened):
    web = opened(table=sp.STRICT)
    for _ in range(2):
        got = web.get((303, {**FRESH, "Location": "/b"}), (200, {}, b"b"))
        assert len(got.sent) == 2
    web = opened(table=sp.STANDARD)
    web.get((303, {**FRESH, "Location": "/b"}), (200, {}, b"b"))
    assert len(web.get((200, {}, b"b")).sent) == 1


@pytest.mark.parametrize("status", [204, 205, 206, 226, 300, 404, 405, 414, 451, 499, 501, 599])
def test_what_rows_look_at_is_stored_as_any_other(web, status):
    part = {"Content-Range": "bytes 0-3/10"} if status == 206 else {}
    asks = {"headers": {"Range": "bytes=0-3"}} if status == 206 else {}
    body = b"" if status in (204, 205) else b"body"
    length = {"Content-Length": "0"} if status in (204, 205) else {}
    web.get((status, {**FRESH, **part, **length}, body), **asks)
    if status == 226:
        assert web.get((status, {}, body)).status == 226
    else:
        assert (web.get(**asks).status, web.get(**asks).body) == (status, body)


# ── cookies ────────────────────────────────────────────────────────────────────────────


def cookies(web):
    return dict(web.client.cookies if web.kind == "client" else web.jar)


def test_set_cookie_the_cookies_of_a_stored_response_are_not_taken_in_again():
    from tests.cache.web import Web

    web = Web("client")
    web.get((200, {**FRESH, "Set-Cookie": "a=1"}, b"body"))
    assert cookies(web) == {"a": "1"}
    web.client.cookies.clear()
    got = web.get()
    assert got.headers["set-cookie"] == "a=1"
    assert cookies(web) == {}


def test_the_cookies_of_a_304_are():
    from tests.cache.web import Web

    web = Web("client")
    web.get((200, {**TAGGED, "Set-Cookie": "a=1"}, b"body"))
    web.client.cookies.clear()
    assert web.get((304, {"ETag": '"a"'}), later=60).body == b"body"
    assert cookies(web) == {}
    web.get((304, {"ETag": '"a"', "Set-Cookie": "b=2"}), later=60)
    assert cookies(web) == {"b": "2"}
    web.client.cookies.clear()
    assert web.get().headers["set-cookie"] == "b=2"
    assert cookies(web) == {}


def test_set_cookie_the_cookies_of_an_error_that_was_stood_in_for_are(opened):
    web = opened(limits=NOTHING)
    web.get((200, SIE, b"body"))
    assert web.get((500, {"Set-Cookie": "a=1"}), later=70).body == b"body"
    assert cookies(web) == {"a": "1"}


def test_the_cookies_of_a_stored_redirect_are_not_taken_in_again(web):
    web.get((301, {**FRESH, "Location": "/b", "Set-Cookie": "a=1"}), (200, {}, b"b"))
    assert cookies(web) == {"a": "1"}
    (web.client.cookies if web.kind == "client" else web.jar).clear()
    got = web.get((200, {}, b"b"))
    assert "cookie" not in got.sent[0].headers
    assert cookies(web) == {}


# ── with what else there is ────────────────────────────────────────────────────────────


def test_301_a_remembered_move_stores_its_answer_where_it_leads(opened):
    """A 301 over https that can't be stored is remembered: what comes is the other URL's."""
    web = opened()
    here, there = "https://a.example/x", "https://a.example/y"
    web.get((301, {"Location": "/y"}), (200, {}, b"1"), url=here)
    assert web.memory.moves
    got = web.get((200, FRESH, b"2"), url=here)
    assert [str(r.url) for r in got.sent] == [there]
    assert web.get(url=there).body == b"2"
    assert web.get(url=here).body == b"2"
    assert str(web.get(url=here).response.url) == there


def test_vary_what_prepare_writes_selects_the_response(opened):
    def write(request, attempt):
        request.headers["Foo"] = web.foo

    web = opened(prepare=write)
    web.foo = "1"
    web.get((200, {**FRESH, "Vary": "Foo"}, b"1"))
    assert web.get().body == b"1"
    web.foo = "2"
    assert web.get((200, {**FRESH, "Vary": "Foo"}, b"2")).body == b"2"


def test_an_observer_is_told_of_no_attempt_where_nothing_is_sent(opened):
    told = []
    web = opened(observer=told.append, prepare=lambda request, attempt: None)
    web.get((200, FRESH, b"body"))
    assert [type(event).__name__ for event in told] == ["Attempt", "Decision", "Settled"]
    del told[:]
    web.get()
    assert [type(event).__name__ for event in told] == ["Decision", "Settled"]
    assert told[0].step.cache == "statuspolicy; hit; ttl=60"


def test_a_total_counts_with_a_cache_too(opened):
    web = opened(limits=sp.Limits(total=10))
    web.get((200, FRESH, b"body"))
    assert web.get().body == b"body"


def test_a_storage_that_raises_costs_nothing(opened, caplog):
    class Broken(sp.MemoryStorage):
        def load(self, url, who):
            raise OSError("the disk is gone")

        def save(self, url, entry, same):
            raise OSError("the disk is gone")

        def drop(self, url, ids):
            raise OSError("the disk is gone")

    web = opened(cache={"storage": Broken()})
    assert web.get((200, FRESH, b"1")).body == b"1"
    assert web.get((200, FRESH, b"2")).body == b"2"
    assert web.request("POST", 201).status == 201
    assert "storage failed" in caplog.text


def test_a_call_with_a_table_of_its_own_has_the_cache_too():
    from tests.cache.web import Web

    web = Web("client")
    web.get((200, FRESH, b"body"), extensions={"statuspolicy": sp.STRICT})
    assert web.get(extensions={"statuspolicy": sp.STRICT}).body == b"body"


def test_a_user_that_is_no_name_is_said(opened):
    web = opened(cache={"user": lambda request: 7})
    with pytest.raises(TypeError, match="return a name"):
        web.get()


# ── what is stored is handed over as it came ───────────────────────────────────────────


def test_a_304_that_says_only_what_is_known_already_costs_no_field(web):
    """Its Connection is of the connection, and its Date is new."""
    web.get((200, TAGGED | {"Date": date()}, b"body"))
    told = {**TAGGED, "Connection": "keep-alive", "Date": date(61)}
    again = web.get((304, told, b""), later=61)
    assert (again.body, again.headers["date"], again.asked) == (b"body", date(61), ['"a"'])
    assert "connection" not in again.headers
    assert web.get(later=59).sent == []


def test_a_field_that_is_not_ascii_comes_back_as_it_was_written(web):
    written = [(b"Cache-Control", b"max-age=60"), (b"X-Name", "Zoë".encode())]
    answer = httpx.Response(200, headers=written, content=b"body")
    assert web.get(answer).response.headers.raw[1][1] == "Zoë".encode()
    again = web.get().response
    assert dict(again.headers.raw)[b"X-Name"] == "Zoë".encode()
    assert again.headers["x-name"] == "Zoë"


# ── what the cache says of itself is true ──────────────────────────────────────────────


def test_a_forwarded_request_that_fails_was_no_hit(opened):
    web = opened(limits=NOTHING)
    web.get((200, TAGGED, b"body"))
    got = web.get(httpx.ConnectError("down"), headers={"Cache-Control": "no-cache"})
    assert got.cache == "statuspolicy; fwd=request"


def test_504_only_if_cached_was_neither_a_hit_nor_forwarded(web):
    got = web.get(headers={"Cache-Control": "only-if-cached"})
    assert (got.status, got.cache) == (504, 'statuspolicy; detail="no usable response is stored"')
