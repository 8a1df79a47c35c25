"""Bounds of the cache: how much a storage holds, and of how many responses it asks a server."""

import gc
import tracemalloc

import pytest

from statuspolicy.cache.decision import Forward
from statuspolicy.cache.reuse import reuse
from statuspolicy.cache.storage.memory import VARIANTS
from statuspolicy.cache.storage.redis import response_time_of
from statuspolicy.engine.cache_lookup import look_up
from statuspolicy.engine.client_cache import ClientCache
from statuspolicy.wire.library import LIBRARY_OF
from tests.cache.places import URL, Driven, entry
from tests.cache.values import NOW, asked
from tests.cache.values import entry as response
from tests.library import httpx, sp

every_place = pytest.mark.parametrize("place", ["memory", "sqlite", "redis"])


# ── variants ───────────────────────────────────────────────────────────────────────────


def variant(number, tag=None, **more):
    """One that a cookie of its own selects, the newest with the greatest number."""
    said = (("cookie", f"{number}"),)
    headers = {"Vary": "Cookie", "ETag": f'"{number}"' if tag is None else tag}
    return response(headers, at=NOW + number, vary=said, **more)


def if_none_match(stored):
    """What a request is sent with that selects none of these, and what that is about."""
    decision = reuse(asked({"Cookie": "new"}), stored, NOW + 1e6)
    assert isinstance(decision, Forward)
    lines = dict(decision.lines)
    return lines.get(b"If-None-Match", b"").decode(), decision.entries


def test_if_none_match_lists_the_ten_newest_of_many_variants():
    said, about = if_none_match([variant(number) for number in range(100)])
    assert said == ", ".join(f'"{number}"' for number in range(99, 89, -1))
    assert [one.etag for one in about] == said.split(", ")


def test_if_none_match_lists_each_tag_once_and_is_about_all_that_have_it():
    said, about = if_none_match([variant(number, f'"{number % 3}"') for number in range(50)])
    assert sorted(said.split(", ")) == ['"0"', '"1"', '"2"']
    assert len(about) == 50


def test_if_none_match_stays_short_however_long_the_tags_are():
    long = [variant(number, f'"{number}{"x" * 600}"') for number in range(20)]
    said, about = if_none_match(long)
    assert len(said) < 2_000
    assert [one.etag for one in about] == said.split(", ")
    huge = [variant(9, f'"{"x" * 3_000}"'), variant(1)]
    assert if_none_match(huge) == ('"1"', [huge[1]])
    assert if_none_match(huge[:1]) == ("", [])


def test_an_etag_that_no_server_takes_back_is_not_sent_by_itself_either():
    tag = f'"{"x" * 3_000}"'
    old = response({"ETag": tag, "Cache-Control": "max-age=0"})
    decision = reuse(asked(), [old], NOW + 9)
    assert (decision.why, decision.lines) == ("stale", [])
    modified = "Wed, 21 Oct 2015 07:28:00 GMT"
    old = response({"ETag": tag, "Cache-Control": "max-age=0", "Last-Modified": modified})
    assert [name for name, _ in reuse(asked(), [old], NOW + 9).lines] == [b"If-Modified-Since"]
    part = response({"ETag": tag, "Cache-Control": "max-age=9"}, status=206, part=(0, 9, 20))
    assert reuse(asked(), [part], NOW).lines == ()


@every_place
@pytest.mark.parametrize("kind", ["sync"])
def test_a_url_keeps_a_bounded_number_of_variants_for_each_user_the_newest(make, portal):
    storage = Driven(make(), portal)
    other, elsewhere = entry(b"another user's", "bob"), entry(b"elsewhere")
    storage.save(other)
    storage.save(elsewhere, URL + "2")
    kept = [
        entry(b"%d" % number, vary=(("cookie", f"{number}"),), response_time=float(number))
        for number in range(3 * VARIANTS)
    ]
    for one in kept:
        storage.save(one)
        storage.save(one._replace(response_time=one.response_time + 0.5), same=True)
    there = sorted(int(one["body"]) for one in storage.load())
    assert there == [*range(2 * VARIANTS, 3 * VARIANTS)]
    assert len(storage.load(who="bob")) == len(storage.load(URL + "2")) == 1


def test_memory_what_is_freshened_is_as_new_as_what_is_stored():
    storage = sp.MemoryStorage()
    kept = [entry(b"", vary=(("cookie", f"{number}"),)) for number in range(2 * VARIANTS)]
    for one in kept:
        storage.save(URL, one, False)
        storage.save(URL, kept[0], True)
    assert kept[0] in storage.load(URL, "ann")


@pytest.mark.parametrize("place", ["redis"])
@pytest.mark.parametrize("kind", ["sync"])
def test_redis_what_was_invalidated_does_not_pile_up(make, portal):
    storage = make()
    for number in range(3 * VARIANTS):
        storage.drop(URL, None)
        storage.save(URL, entry(b"", vary=(("cookie", f"{number}"),)), False)
    assert len(storage.load(URL, "ann")) == 1
    assert storage._redis.hlen(storage._place(URL, "ann")) <= 2 * VARIANTS


def test_what_is_damaged_is_older_than_all_else():
    dumped = entry(response_time=5.0).dump(URL)
    assert response_time_of(dumped) == 5.0
    for damaged in (
        b"",
        dumped[:-1],
        dumped[:32] + b"{}",
        dumped[:32] + b"[]",
        dumped[:32] + b"\xff",
    ):
        assert response_time_of(damaged) == float("-inf")


def test_a_rolling_cookie_and_vary_cookie_never_make_a_request_too_long(open_session):
    """Django and Flask send `Vary: Cookie` and a new session with each answer."""
    seen = []

    def handler(request):
        seen.append(sum(len(name) + len(value) + 4 for name, value in request.headers.raw))
        headers = {
            "Cache-Control": "private, max-age=0", "Vary": "Cookie",
            "ETag": f'"{len(seen):032x}"', "Set-Cookie": f"session={len(seen):032x}; Path=/",
        }  # fmt: skip
        return httpx.Response(200 if seen[-1] < 8_190 else 400, headers=headers, content=b"page")

    storage = sp.MemoryStorage()
    cache = sp.Cache(storage=storage)
    session = open_session({"transport": httpx.MockTransport(handler)}, cache=cache)
    assert {session.get(URL).status_code for _ in range(120)} == {200}
    assert max(seen) < 1_000
    assert sum(map(len, storage._kept.values())) == VARIANTS


# ── bytes ──────────────────────────────────────────────────────────────────────────────


FEW = {"Cache-Control": "max-age=99"}
TYPICAL = {
    **FEW, "Content-Type": "text/html; charset=utf-8", "Server": "nginx", "Vary": "Accept-Encoding",
    "ETag": '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
    "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT",
}  # fmt: skip
MOST = 400_000  # bytes
REQUEST = httpx.Request("GET", URL)


def held(headers, content=b"", url="/{}", who="", sent=""):
    """How much memory a full storage takes, used and validated, as a part of what it may."""
    storage = sp.MemoryStorage(MOST)
    client_cache = ClientCache(sp.Cache(storage=storage), sp.Limits())
    lines = [*headers.items()] if isinstance(headers, dict) else headers

    def get(number, now):
        asking = asked({"X-A": f"{number}{sent}"}, url=url.format(number), who=f"{who}{number}")
        stored = client_cache.look(asking.url, asking.who)
        lookup = look_up(client_cache, LIBRARY_OF[httpx.Request], asking, stored, now)
        if lookup.served() is None:
            status = 304 if lookup.decision.lines else 200
            body = bytes(bytearray(content if status == 200 else b""))
            lookup.with_conditions(REQUEST)
            answer = httpx.Response(status, headers=lines, content=body)
            client_cache.change(lookup.receive(answer, now)[1], lookup.sent)

    worst = 0.0
    get(-1, NOW)
    storage.drop(url.format(-1), None)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        number = room = 0
        while storage._size + room < MOST:
            get(number, NOW)
            number += 1
            room = storage._size / number
            assert room, "it is not stored"
        for now in (NOW, NOW + 100):
            for one in range(number):
                get(one, now)
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0] - before
            worst = max(worst, taken / MOST)
    finally:
        tracemalloc.stop()
    assert len(storage._kept) == number
    return worst


@pytest.mark.slow
def test_memory_storage_holds_no_more_than_max_bytes_whatever_is_stored():
    """Long URLs, users and tags, many short lines, many directives, names and variants."""
    many = [("Cache-Control", "max-age=99"), *((f"a{n % 50}", "b") for n in range(500))]
    shapes = {
        "typical": held(TYPICAL, b"x" * 256),
        "few fields": held(FEW),
        "10 KB": held(TYPICAL, b"x" * 10_000),
        "long URLs": held(FEW, url="/{}" + "x" * 8_000),
        "a long user": held(FEW, who="u" * 8_000),
        "many lines": held(many),
        "other lines": held([*FEW.items(), *((f"a{n}", "b") for n in range(300))]),
        "a long line": held({**FEW, "X-A": "z" * 20_000}),
        "a long tag": held({**FEW, "ETag": f'"{"z" * 20_000}"'}),
        "directives": held(
            {"Cache-Control": "max-age=99," + ",".join(f"z{n}" for n in range(999))}
        ),
        "named": held(
            {
                "ETag": '"a"',
                "Cache-Control": 'max-age=9, no-cache="'
                + ",".join(f"z{n}" for n in range(999))
                + '"',
            }
        ),
        "a long selecting field": held({**FEW, "Vary": "X-A"}, sent="y" * 8_000),
        "many selecting fields": held({**FEW, "Vary": ",".join(f"n{n}" for n in range(300))}),
    }
    assert {name: ratio for name, ratio in shapes.items() if ratio > 1.3} == {}


def test_what_is_known_of_requests_with_long_urls_is_not_kept():
    client_cache = ClientCache(sp.Cache(), sp.Limits())
    for number in range(300):
        long = httpx.Request("GET", f"http://a.example/{number}{'x' * 8_000}")
        assert client_cache.asked(long, None).url == str(long.url)
    assert not client_cache._known


def test_memory_storage_makes_room_user_by_user():
    """What one URL has for many users is not let go of all at once, nor looked through."""
    size = entry(who="user 0").size
    storage = sp.MemoryStorage(50 * size)
    for number in range(80):
        storage.save(URL, entry(who=f"user {number}"), False)
        assert storage.load(URL, "user 0"), "it is used again and again"
    there = [number for number in range(80) if storage.load(URL, f"user {number}")]
    assert there == [0, *range(80 - len(there) + 1, 80)]
    assert len(there) > 45
    assert repr(storage).startswith("<MemoryStorage: 1 URLs")
    storage.drop(URL, [entry(who="user 79").id])
    assert not storage.load(URL, "user 79")
    storage.drop(URL, None)
    assert repr(storage) == "<MemoryStorage: 0 URLs, 0 bytes>"
    assert not storage._kept


def test_memory_storage_counts_what_a_304_added_to_a_header_section():
    small = entry()
    grown = small._replace(headers=(*small.headers, (b"X-Long", b"x" * 60_000)))
    storage = sp.MemoryStorage(20 * small.size)
    for number in range(15):
        storage.save(f"{URL}{number}", small, False)
        storage.save(f"{URL}{number}", grown, True)
    there = [one for number in range(15) for one in storage.load(f"{URL}{number}", "ann")]
    assert sum(one.size for one in there) <= 20 * small.size
