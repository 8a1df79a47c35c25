"""`Cache`: what can be configured, and one sentence for what makes no sense."""

import pytest

from tests.each import each
from tests.library import sp


def test_the_defaults_keep_in_this_process_and_for_each_client_its_own():
    one, two = sp.Cache(), sp.Cache()
    assert isinstance(one.storage, sp.MemoryStorage)
    assert one.storage is not two.storage
    assert (one.user, one.cache_status, one.collapse) == (None, False, False)


def test_all_can_be_said():
    storage = sp.MemoryStorage()
    cache = sp.Cache(storage=storage, user="me", entry_bytes=1, cache_status=True, collapse=True)
    assert cache.storage is storage
    assert sp.Cache(user=lambda request: "x").user is not None


@each(
    ("arguments", "words"),
    [
        ({"storage": "file.db"}, "write a storage"),
        ({"storage": sp.MemoryStorage}, "write a storage"),
        ({"user": 7}, "write a name"),
        ({"entry_bytes": 0}, "write a number of bytes"),
        ({"entry_bytes": 1.5}, "write a number of bytes"),
        ({"entry_bytes": True}, "write a number of bytes"),
        ({"cache_status": 1}, "write True or False"),
        ({"collapse": "yes"}, "write True or False"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        sp.Cache(**arguments)


@each("size", [0, -1, True, 1.5, "1"])
def test_a_memory_storage_wants_bytes(size):
    with pytest.raises(ValueError, match="write a number of bytes"):
        sp.MemoryStorage(size)


@each("cache", [True, "memory", object(), sp.MemoryStorage(), sp.Cache])
def test_a_client_wants_a_cache(cache):
    with pytest.raises(TypeError, match=r"write statuspolicy\.Cache\(\)"):
        sp.PolicyTransport(cache=cache)
