"""The storage in this process's memory, and what becomes of a storage that fails."""

import logging

import anyio

from statuspolicy.cache.changes import Drop, Save
from statuspolicy.cache.storage.access import achange, alook, change, look
from tests.cache.values import entry
from tests.each import each
from tests.library import sp

ONE = entry({"X": "1"}, body=b"x" * 1000)


def test_an_entry_takes_the_place_of_the_one_with_its_id():
    storage = sp.MemoryStorage()
    other = ONE._replace(vary=(("foo", "1"),))
    for one in (ONE, other, ONE._replace(body=b"new")):
        storage.save("/a", one, same=False)
    assert [one.body for one in storage.load("/a", "")] == [other.body, b"new"]
    storage.save("/a", ONE, same=True)
    assert [one.body for one in storage.load("/a", "")] == [other.body, ONE.body]


def test_what_is_somebody_elses_is_not_loaded():
    storage = sp.MemoryStorage()
    storage.save("/a", ONE._replace(who="me"), same=False)
    assert not storage.load("/a", "")
    assert not storage.load("/a", "you")
    assert not storage.load("/b", "me")
    assert len(storage.load("/a", "me")) == 1


def test_what_is_dropped_is_gone():
    storage = sp.MemoryStorage()
    mine, yours = ONE._replace(who="me"), ONE._replace(who="you")
    for one in (mine, yours):
        storage.save("/a", one, same=False)
    storage.drop("/a", ["nothing"])
    storage.drop("/b", None)
    storage.drop("/a", [mine.id])
    assert (len(storage.load("/a", "me")), len(storage.load("/a", "you"))) == (0, 1)
    storage.drop("/a", None)
    assert not storage.load("/a", "you")
    assert repr(storage) == "<MemoryStorage: 0 URLs, 0 bytes>"


def test_what_was_used_longest_ago_goes_first():
    storage = sp.MemoryStorage(3 * ONE.size)
    for url in ("/a", "/b", "/c"):
        storage.save(url, ONE, same=False)
    assert repr(storage) == f"<MemoryStorage: 3 URLs, {3 * ONE.size} bytes>"
    storage.load("/a", "")
    storage.save("/d", ONE, same=False)
    assert [bool(storage.load(url, "")) for url in ("/a", "/b", "/c", "/d")] == [
        True, False, True, True,
    ]  # fmt: skip
    assert repr(storage) == f"<MemoryStorage: 3 URLs, {3 * ONE.size} bytes>"


def test_what_is_longer_than_all_of_it_takes_no_others_place():
    storage = sp.MemoryStorage(3 * ONE.size)
    storage.save("/a", ONE, same=False)
    storage.save("/b", ONE, same=False)
    storage.save("/b", entry({}, body=b"x" * 10_000), same=False)
    assert (len(storage.load("/a", "")), len(storage.load("/b", ""))) == (1, 0)
    assert repr(storage) == f"<MemoryStorage: 1 URLs, {ONE.size} bytes>"
    storage.save("/a", entry({}, body=b"x" * 10_000, vary=(("foo", "1"),)), same=False)
    assert repr(storage) == f"<MemoryStorage: 1 URLs, {ONE.size} bytes>"


def test_the_same_without_blocking_an_event_loop():
    async def use() -> None:
        storage = sp.MemoryStorage()
        await storage.asave("/a", ONE, same=False)
        assert await alook(storage, "/a", "") == [ONE]
        await achange(storage, [Drop("/a"), Save("/b", ONE)])
        assert not await storage.aload("/a", "")
        await storage.adrop("/b", [ONE.id])
        assert not await storage.aload("/b", "")
        await storage.aclose()

    anyio.run(use)


def test_changes_are_made_in_order():
    storage = sp.MemoryStorage()
    change(storage, [Save("/a", ONE), Drop("/a"), Save("/b", ONE)])
    assert (len(look(storage, "/a", "")), len(look(storage, "/b", ""))) == (0, 1)
    storage.close()
    assert look(storage, "/b", "") == [ONE]


class Broken(sp.MemoryStorage):
    """A storage that fails whatever is asked of it."""

    def load(self, url, who):
        raise OSError("the disk is full")

    def save(self, url, entry, same):
        raise OSError("the disk is full")

    drop = aload = asave = adrop = load


def test_a_storage_that_fails_is_said_and_costs_nothing(caplog):
    async def use() -> None:
        assert await alook(Broken(), "/a", "") == ()
        await achange(Broken(), [Save("/a", ONE)])

    caplog.set_level(logging.ERROR, "statuspolicy")
    assert look(Broken(), "/a", "") == ()
    change(Broken(), [Drop("/a")])
    anyio.run(use)
    assert len(caplog.records) == 4
    assert {record.message for record in caplog.records} == {
        "The cache's storage failed, and the request goes on without it."
    }


@each("name", ["Cache", "CacheStatus", "Entry", "MemoryStorage", "Storage"])
def test_the_public_names_are_loaded_when_they_are_asked_for(name):
    assert getattr(sp, name).__name__ == name
