"""What every storage does, in memory, in a file and in Redis; in sync, asyncio and trio."""

import logging
from threading import Barrier, Thread

import pytest

from statuspolicy.cache.storage import sqlite
from tests.cache.places import URL, Driven, entry, sound, values
from tests.library import sp

PLACES = ("memory", "sqlite", "redis")
every_place = pytest.mark.parametrize("place", PLACES)
shared_places = pytest.mark.parametrize("place", PLACES[1:])

pytestmark = pytest.mark.usefixtures("nothing_logged")


@pytest.fixture
def nothing_logged(caplog):
    """No storage has anything to say here."""
    caplog.set_level(logging.INFO, "statuspolicy")
    yield
    assert not [record.getMessage() for record in caplog.get_records("call")]


@every_place
@pytest.mark.parametrize(
    "kept",
    [
        entry(),
        entry(b""),
        entry(bytes(range(256)) * 300),
        entry(status=451, headers=((b"X", b"\xff\x00\xe9"), (b"x", b""), (b"X", b"twice"))),
        entry(vary=(("accept", None), ("accept-language", "de, 'en\"\n"))),
        entry(part=(0, 3, None)),
        entry(part=(0, 3, 10)),
        entry(request_time=1e9 + 1 / 3, response_time=1e9 + 2 / 3),
        entry(who=""),
        entry(who="J\u00fcrgen \U0001f600 \udcff \x00 '\""),
    ],
)
def test_what_was_saved_is_loaded(storage, kept):
    storage.save(kept)
    assert storage.load(who=kept.who) == values([kept])


@every_place
def test_a_body_of_megabytes_is_kept_whole(storage):
    kept = entry(b"0123456789abcdef" * 2**19)
    storage.save(kept)
    assert storage.load() == values([kept])


@every_place
def test_nobody_gets_what_is_somebody_elses_or_another_urls(storage):
    storage.save(entry(who="ann"))
    for who in ("", "bob", "an", "ann ", "Ann", "ann', "):
        assert storage.load(who=who) == []
    for url in (URL + "/", URL.upper(), URL[:-1], ""):
        assert storage.load(url) == []


@every_place
def test_each_user_has_his_own(storage):
    mine, yours = entry(b"mine", "ann"), entry(b"yours", "bob")
    storage.save(mine)
    storage.save(yours)
    assert storage.load(who="ann") == values([mine])
    assert storage.load(who="bob") == values([yours])


@every_place
def test_what_other_requests_select_is_kept_beside_it(storage):
    kept = [entry(word.encode(), vary=(("accept-language", word),)) for word in ("de", "en")]
    for one in kept:
        storage.save(one)
    assert sorted(storage.load(), key=lambda one: one["body"]) == values(kept)


@every_place
def test_what_has_the_same_id_takes_its_place(storage):
    storage.save(entry(b"old"))
    new = entry(b"new", status=203)
    storage.save(new)
    assert storage.load() == values([new])


@every_place
def test_a_header_section_is_freshened_and_the_body_stays(storage):
    old = entry(b"as it was")
    storage.save(old)
    new = old._replace(headers=(*old.headers, (b"Age", b"0")), response_time=99.0)
    storage.save(new, same=True)
    assert storage.load() == values([new])


@every_place
def test_a_header_section_never_meets_a_body_that_another_one_stored_meanwhile(storage):
    mine, theirs = entry(b"mine"), entry(b"theirs!")
    storage.save(mine)
    storage.save(theirs)
    storage.save(mine._replace(response_time=99.0), same=True)
    assert storage.load() == values([mine._replace(response_time=99.0)])


@every_place
def test_a_header_section_whose_body_is_gone_brings_its_own(storage):
    storage.save(entry(), same=True)
    assert storage.load() == values([entry()])


@every_place
def test_what_is_dropped_by_its_id_is_gone_and_the_rest_is_not(storage):
    kept = [entry(word.encode(), vary=(("accept", word),)) for word in "abc"]
    other = entry(b"bob's", "bob", vary=(("accept", "a"),))
    for one in (*kept, other):
        storage.save(one)
    storage.drop(ids=[kept[0].id, kept[2].id, "('nobody', (), False)"])
    assert storage.load() == values([kept[1]])
    assert storage.load(who="bob") == values([other])


@every_place
def test_all_of_a_url_is_dropped_whosever_it_is(storage):
    elsewhere = entry(b"elsewhere")
    for who in ("ann", "bob", ""):
        storage.save(entry(who=who))
    storage.save(elsewhere, URL + "2")
    storage.drop()
    assert [storage.load(who=who) for who in ("ann", "bob", "")] == [[], [], []]
    assert storage.load(URL + "2") == values([elsewhere])
    storage.save(entry(b"new"))
    assert storage.load() == values([entry(b"new")])
    assert storage.load(who="bob") == []


@every_place
def test_to_drop_what_is_not_there_does_nothing(storage):
    storage.drop()
    storage.drop(ids=[entry().id])
    storage.drop(ids=[])
    assert storage.load() == []


@every_place
def test_after_it_was_closed_it_is_used_again(storage):
    storage.close()
    storage.save(entry())
    storage.close()
    storage.close()
    assert storage.load() == values([entry()])


@shared_places
def test_two_of_them_in_one_place_see_the_same(make, storage, portal):
    other = Driven(make(), portal)
    storage.save(entry())
    assert other.load() == values([entry()])
    other.drop()
    assert storage.load() == []


@shared_places
def test_a_part_outlives_the_process_that_began_it(make, storage, portal):
    storage.save(entry())
    storage.close()
    assert Driven(make(), portal).load() == values([entry()])


@pytest.mark.parametrize("place", ["memory", "sqlite"])
def test_what_was_used_longest_ago_goes_first(make, portal, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(sqlite, "time", lambda: now[0])
    storage = Driven(make(max_bytes=1_000_000), portal)
    urls = [f"{URL}/{number}" for number in range(30)]
    for number, url in enumerate(urls):
        now[0] += 100.0
        storage.save(entry(b"%d" % number * 25_000), url)
        assert storage.load(urls[0]), "what is used again and again stays"
    there = [url for url in urls if storage.load(url)]
    assert there == [urls[0], *urls[-len(there) + 1 :]]
    assert 12 < len(there) < 28


@every_place
@pytest.mark.parametrize("kind", ["sync"])
def test_threads_use_it_at_the_same_time(make, portal):
    storage, start, wrong = Driven(make(), portal), Barrier(6), []

    def work(number: int) -> None:
        try:
            start.wait(10)
            for turn in range(60):
                url = f"{URL}/{turn % 7}"
                kept = entry(b"%d of %d" % (turn, number) * 500, f"user {turn % 3}")
                storage.save(kept, url)
                for one in storage.storage.load(url, kept.who):
                    if not sound(one) or one.who != kept.who:
                        wrong.append(one)
                if turn % 10 == number:
                    storage.drop(url)
        except Exception as error:
            wrong.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@shared_places
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_storage_does_not_wait_for_a_program_that_uses_all_threads(make, portal, kind):
    """Where each thread of a program waits for a request, the request gets one all the same."""
    from anyio import fail_after, from_thread, to_thread

    storage = make()

    async def program() -> None:
        to_thread.current_default_thread_limiter().total_tokens = 1
        with fail_after(20):
            await to_thread.run_sync(
                lambda: from_thread.run(storage.asave, URL, entry(), False), abandon_on_cancel=True
            )

    portal.call(program)
    assert values(storage.load(URL, "ann")) == values([entry()])


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "1", None])
@pytest.mark.parametrize("name", ["MemoryStorage", "SQLiteStorage"])
def test_bytes_that_are_none_are_refused(name, wrong, tmp_path):
    given = [tmp_path / "cache.db"] if name == "SQLiteStorage" else []
    with pytest.raises(
        ValueError, match=rf"^{name}\(max_bytes=.*write a number of bytes, 1 or more\.$"
    ):
        getattr(sp, name)(*given, max_bytes=wrong)
