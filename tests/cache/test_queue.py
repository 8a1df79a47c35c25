"""Of several who would ask the same one asks, and the others wait."""

from threading import Event

from statuspolicy.cache.queue import Queues


def test_one_asks_and_the_others_wait_for_his_event():
    queues, first, second, other = Queues(), Event(), Event(), Event()
    assert queues.join("a", first) is None
    assert queues.join("a", second) is first
    assert queues.join("b", other) is None
    queues.leave("a")
    assert (first.is_set(), second.is_set(), other.is_set()) == (True, False, False)
    assert queues.join("a", second) is None
