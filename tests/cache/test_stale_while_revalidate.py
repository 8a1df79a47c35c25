"""Background validations: few at a time, one for each key, and closing the client ends them."""

import logging
from threading import Event, Thread
from threading import enumerate as threads
from time import monotonic

import anyio
import pytest

from statuspolicy.cache.background import Validations


def fails():
    raise ValueError("it failed")


def test_background_validations_use_one_thread_for_each_key_and_a_few_at_a_time():
    validations, gate, ran = Validations(), Event(), []

    def run():
        ran.append(1)
        gate.wait(10)

    for n in range(12):
        validations.start(f"{n}", run)
        validations.start("0", run)
    running = [thread for thread in threads() if thread.name.startswith("statuspolicy: ")]
    assert len(running) == 8
    assert all(thread.daemon for thread in running)  # no program waits for them to end
    began = monotonic()
    validations.close(0.05)  # nor does a client that is closed, but so long for all of them
    assert monotonic() - began < 0.3
    assert len(validations._running) == 8
    gate.set()
    validations.close(10)
    assert len(ran) == 8
    assert not validations._running
    validations.start("0", run)
    validations.close(10)
    assert len(ran) == 9


def test_what_a_thread_raises_is_said_and_no_more(caplog):
    caplog.set_level(logging.INFO, "statuspolicy")
    validations = Validations()
    validations.start("/a", fails)
    validations.close(10)
    assert "The background validation of /a failed: ValueError('it failed')" in caplog.text
    assert not validations._running


def test_where_no_thread_is_to_be_had_nothing_is_validated(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "statuspolicy")

    def full(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", full)
    validations = Validations()
    validations.start("/a", fails)
    assert "The background validation of /a could not start" in caplog.text
    assert not validations._running
    validations.close(10)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tasks_are_few_one_a_key_and_end_with_the_client(backend, caplog):
    caplog.set_level(logging.INFO, "statuspolicy")
    ran, ended = [], []

    async def stays():
        ran.append(1)
        try:
            await anyio.sleep(60)
        finally:
            ended.append(1)

    async def breaks():
        fails()

    async def use():
        validations = Validations()
        validations.start_task("/broken", breaks)
        await anyio.wait_all_tasks_blocked()
        for n in range(12):
            validations.start_task(f"{n}", stays)
            validations.start_task("0", stays)
        await anyio.wait_all_tasks_blocked()
        assert (len(ran), len(ended)) == (8, 0)
        await validations.aclose()
        assert len(ended) == 8
        assert not validations._running
        await validations.aclose()

    anyio.run(use, backend=backend)
    assert "The background validation of /broken failed: ValueError('it failed')" in caplog.text


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_ends_ends_its_tasks(backend):
    validations, ended = Validations(), []

    async def stays():
        try:
            await anyio.sleep(60)
        finally:
            ended.append(1)

    async def use():
        validations.start_task("/a", stays)
        await anyio.wait_all_tasks_blocked()

    anyio.run(use, backend=backend)
    assert ended == [1]
    assert not validations._running
