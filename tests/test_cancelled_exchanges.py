"""An exchange that is cancelled gives back what it holds: each thing by itself."""

from contextvars import ContextVar
from threading import Thread

import anyio
import pytest

from statuspolicy.memory.locks import ExchangeLock
from statuspolicy.testing import FakeClock
from statuspolicy.wire.context import aduring, during
from tests.interrupts import Inner
from tests.library import httpx, sp

URL = "http://home.example/"


class Variable:
    """A context variable; Ctrl-C comes as it is set for the second time."""

    def __init__(self):
        self.value, self.sets = "before", 0

    def get(self):
        return self.value

    def set(self, value):
        self.sets += 1
        if self.sets == 2:
            raise KeyboardInterrupt
        self.value = value


class Answer:
    closed = 0

    def close(self):
        self.closed += 1
        raise OSError("it was gone already")

    async def aclose(self):
        self.close()


def test_an_answer_that_nobody_will_have_is_closed_and_the_variable_as_it_was():
    variable, answer = Variable(), Answer()
    with pytest.raises(KeyboardInterrupt):
        during(variable, "meanwhile", lambda: answer)
    assert (variable.value, answer.closed) == ("before", 1)

    async def answered():
        return answer

    async def main():
        variable = Variable()
        with pytest.raises(KeyboardInterrupt):
            await aduring(variable, "meanwhile", answered)
        return variable.value

    assert (anyio.run(main), answer.closed) == ("before", 2)


def test_what_fails_leaves_the_variable_as_it_was():
    variable = ContextVar("test", default="before")

    def fail():
        assert variable.get() == "meanwhile"
        raise ValueError

    with pytest.raises(ValueError):
        during(variable, "meanwhile", fail)
    assert variable.get() == "before"


def test_a_turn_that_is_another_threads_is_not_left():
    turn = ExchangeLock()
    assert turn.acquire(0)
    thread = Thread(target=turn.release)
    thread.start()
    thread.join()
    came = []
    thread = Thread(target=lambda: came.append(turn.acquire(0)))
    thread.start()
    thread.join()
    assert came == [False]
    turn.release()


def test_503_a_repeat_at_once_that_is_broken_off_gives_its_token_back():
    answers = iter([(503, {}, b""), KeyboardInterrupt()])

    class Broken(Inner):
        def _answered(self, request):
            answer = next(answers)
            if isinstance(answer, KeyboardInterrupt):
                raise answer
            self._answer = lambda _: answer
            return super()._answered(request)

    memory, clock = sp.Memory(), FakeClock()
    budget = sp.RetryBudget(tokens=1)
    client = sp.wrap(
        httpx.Client(transport=Broken(None)),
        memory=memory,
        clock=clock,
        limits=sp.Limits(retry_budget=budget),
        table=sp.STANDARD | {503: sp.retry(wait=0.0)},
    )
    with pytest.raises(KeyboardInterrupt):
        client.get(URL)
    assert memory.spend("http://home.example", budget, clock.monotonic()) is not None


def test_send_that_is_broken_off_closes_what_the_client_held():
    inner = Inner(lambda _: (200, {}, b"ok"))

    def hook(response):
        raise KeyboardInterrupt

    client = sp.wrap(httpx.Client(transport=inner, event_hooks={"response": [hook]}))
    with pytest.raises(KeyboardInterrupt):
        client.get(URL)
    assert not inner.open


def test_503_an_answer_that_cannot_be_closed_is_nobodys_concern():
    class Stuck(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self):
            yield b"busy"

        async def __aiter__(self):
            yield b"busy"

        def close(self):
            raise OSError("it was gone already")

        async def aclose(self):
            self.close()

    def answers():
        busy = httpx.Response(503, headers={"Retry-After": "0"}, stream=Stuck())
        return iter([busy, httpx.Response(200)])

    first, second = answers(), answers()

    class Server(httpx.BaseTransport, httpx.AsyncBaseTransport):
        def handle_request(self, request):
            return next(first)

        async def handle_async_request(self, request):
            return next(second)

    async def main():
        return await sp.wrap(httpx.AsyncClient(transport=Server())).get(URL)

    assert sp.wrap(httpx.Client(transport=Server())).get(URL).status_code == 200
    assert anyio.run(main).status_code == 200
