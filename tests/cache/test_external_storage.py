"""cache/storage/external.py: what a request notices while a storage fails, and afterwards."""

import logging
from threading import Event, Thread

import pytest

from statuspolicy.cache.storage import external
from statuspolicy.cache.storage.external import ExternalStorage
from tests.cache.places import URL, entry


class Flaky(ExternalStorage):
    """A dict that can be away."""

    _failures = (OSError,)

    def __init__(self):
        super().__init__()
        self.kept = {}
        self.calls = []
        self.away = False
        self.error = OSError("no answer")

    def __repr__(self):
        return "Flaky()"

    @staticmethod
    def _name(one):
        return one.encode()

    def _call(self, name, url):
        self.calls.append((name, url))
        if self.away:
            raise self.error

    def _load(self, url, who):
        self._call("load", url)
        return self.kept.get(url, [])

    def _save(self, url, entry, same):
        self._call("save", url)
        self.kept[url] = [entry]

    def _drop(self, url, ids):
        self._call("drop", url)
        self.kept.pop(url, None)

    def close(self):
        self._call("close", None)


@pytest.fixture
def now(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(external, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def flaky(now, caplog):
    caplog.set_level(logging.INFO, "statuspolicy")
    flaky = Flaky()
    flaky.save(URL, entry(), False)
    return flaky


def test_while_it_is_away_it_is_tried_every_5_seconds_and_said_once(flaky, now, caplog):
    flaky.away = True
    flaky.calls.clear()
    for _ in range(100):
        assert not flaky.load(URL, "ann")
        flaky.save(URL, entry(), False)
        now[0] += 0.5
    assert len(flaky.calls) == 10
    assert caplog.messages == ["Flaky() failed, and requests go on without it: no answer"]


def test_an_error_without_words_is_named(flaky, caplog):
    flaky.away, flaky.error = True, OSError()
    flaky.load(URL, "ann")
    assert caplog.messages == ["Flaky() failed, and requests go on without it: OSError()"]


def test_when_it_is_back_it_is_used_again(flaky, now):
    flaky.away = True
    assert not flaky.load(URL, "ann")
    flaky.away = False
    now[0] += 4.9
    assert not flaky.load(URL, "ann")
    now[0] += 0.1
    assert flaky.load(URL, "ann") == [entry()]


def test_works_again_is_logged_after_a_minute_without_a_failure(flaky, now, caplog):
    """Where it comes and goes, that is no news each time."""
    for _ in range(20):
        flaky.away = True
        flaky.load(URL, "ann")
        flaky.away = False
        now[0] += 10
        flaky.load(URL, "ann")
    assert len(caplog.messages) == 1
    now[0] += 51
    flaky.load(URL, "ann")
    flaky.load(URL, "ann")
    assert caplog.messages[1:] == ["Flaky() works again."]
    flaky.away = True
    flaky.load(URL, "ann")
    assert len(caplog.messages) == 3


@pytest.mark.parametrize("ids", [None, [entry().id]])
def test_what_was_to_be_forgotten_is_before_it_is_used_again(flaky, now, ids):
    flaky.away = True
    flaky.drop(URL, ids)  # tried
    flaky.drop(URL + "2", ids)  # not even that
    flaky.away = False
    now[0] += 5
    flaky.calls.clear()
    assert not flaky.load(URL, "ann")
    assert flaky.calls == [("drop", URL), ("drop", URL + "2"), ("load", URL)]
    flaky.calls.clear()
    flaky.load(URL, "ann")
    assert flaky.calls == [("load", URL)]


def test_what_could_not_be_forgotten_once_more_stays_to_be(flaky, now):
    flaky.away = True
    flaky.drop(URL, None)
    for _ in range(3):
        now[0] += 5
        assert not flaky.load(URL, "ann")
    flaky.away = False
    now[0] += 5
    assert not flaky.load(URL, "ann")
    assert not flaky.kept


def test_what_is_to_be_forgotten_is_bounded(flaky, now, monkeypatch):
    monkeypatch.setattr(external, "_UNDELETED", 3)
    flaky.away = True
    for number in range(5):
        flaky.drop(f"{URL}{number}", None)
    flaky.away = False
    now[0] += 5
    flaky.calls.clear()
    flaky.load(URL, "ann")
    assert [url for name, url in flaky.calls if name == "drop"] == [f"{URL}{n}" for n in (2, 3, 4)]


def test_one_request_tries_a_failed_storage_and_the_others_go_on_without_it(flaky, now):
    flaky.away = True
    flaky.load(URL, "ann")
    flaky.away = False
    now[0] += 5
    tries, goes_on = Event(), Event()
    load = flaky._load

    def slow(url, who):
        tries.set()
        assert goes_on.wait(10)
        return load(url, who)

    flaky._load = slow
    found = []
    thread = Thread(target=lambda: found.append(flaky.load(URL, "ann")))
    thread.start()
    assert tries.wait(10)
    assert not flaky.load(URL, "ann"), "at once"
    goes_on.set()
    thread.join()
    assert found == [[entry()]]


def test_a_mistake_of_the_programs_own_is_no_failure_of_the_storage(flaky):
    flaky.away, flaky.error = True, TypeError("a bug")
    with pytest.raises(TypeError, match="a bug"):
        flaky.load(URL, "ann")
    assert flaky._until is None
