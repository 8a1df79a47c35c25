"""docs/rules.md#an-earlier-send-may-have-been-acted-on: what answers its repeat says so."""

import json

import pytest

from statuspolicy.engine.effects import Reply
from statuspolicy.testing import FakeClock, replay
from tests.library import httpx, sp

URL = "http://home.example/counter"
SAYS = "an earlier send of the request may have been acted on"

DOUBTFUL = [
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.ReadTimeout("late"),
    httpx.WriteError("broken"),
    *(500, 502, 504),
    (503, {"Retry-After": "1"}),  # the backend that it failed to reach may have had it before
    503,
]
CERTAIN = [
    Reply(httpx.RemoteProtocolError("gone"), unsent=True),
    httpx.ConnectError("refused"),
    (429, {"Retry-After": "1"}),
    (413, {"Retry-After": "1"}),
    425,
]
RETRYING = sp.STANDARD | {code: sp.retry(attempts=4) for code in (500, 502, 503, 504)}


def request(method, **headers):
    return httpx.Request(method, URL, content=b"6", headers=headers)


def seen_by(code, seen):
    def look(exchange):
        seen.append(exchange.maybe_acted_on)
        return sp.Settle()

    return RETRYING | {code: look}


def test_404_405_409_410_412_423_to_a_repeat_say_that_an_earlier_send_may_have_been_acted_on():
    for first in DOUBTFUL:
        for method in ("PUT", "DELETE", "MOVE", "MKCOL", "COPY", "UNLOCK"):
            for last in (404, 405, 409, 410, 412, 423, 204, 501):
                seen = []
                story = replay(request(method), [first, last], table=seen_by(last, seen))
                assert (len(story.sent), seen) == (2, [True]), (first, method, last)
                assert SAYS in story.trace.reason


def test_the_failure_that_ends_it_says_so_too():
    error = httpx.ConnectError("refused")
    story = replay(request("PUT"), [httpx.ReadError("reset"), *[error] * 3])
    assert story.error is error
    assert SAYS in story.trace.reason


def test_412_after_proof_or_after_a_refusal_says_nothing_of_it():
    for first in CERTAIN:
        seen = []
        story = replay(request("PUT"), [first, 412], table=seen_by(412, seen))
        assert seen == [False], first
        assert SAYS not in str(story.trace)


def test_404_to_a_get_that_was_repeated_says_nothing_of_it():
    story = replay(httpx.Request("GET", URL), [httpx.ReadError("reset"), 404])
    assert SAYS not in str(story.trace)


def test_404_after_a_hop_is_still_told_of_the_send_before_it():
    seen = []
    hop = (307, {"Location": "/b"})
    replay(request("PUT"), [httpx.ReadError("reset"), hop, 404], table=seen_by(404, seen))
    assert seen == [True]
    see_other = (303, {"Location": "/b"})
    replay(request("PUT"), [httpx.ReadError("reset"), see_other, 404], table=seen_by(404, seen))
    assert seen == [True, False]  # what was asked then only reads


class Counter:
    """A number that conditional PUTs change; the answer to the first of them is lost."""

    def __init__(self, lost):
        self.number, self.tag, self.lost = 5, 1, [lost]

    def __call__(self, request):
        if request.headers.get("if-match") != f'"{self.tag}"':
            return httpx.Response(412)
        self.number, self.tag = json.loads(request.read()), self.tag + 1
        if self.lost:
            answer = self.lost.pop()
            if isinstance(answer, Exception):
                raise answer
            return answer
        return httpx.Response(204)

    def add_one(self, exchange):
        tag = {"If-Match": f'"{self.tag}"'}
        return httpx.Request("PUT", URL, headers=tag, content=json.dumps(self.number + 1))


LOST = [
    lambda: httpx.ReadError("reset"),
    lambda: httpx.Response(502),
    lambda: httpx.Response(504),
    lambda: httpx.Response(503, headers={"Retry-After": "1"}),
]


def put(counter, duty):
    table, transport = sp.STANDARD | {412: duty}, httpx.MockTransport(counter)
    with sp.wrap(httpx.Client(transport=transport), table=table, clock=FakeClock()) as client:
        return client.put(URL, headers={"If-Match": '"1"'}, content=b"6")


def test_412_of_its_own_success_resolve_does_not_apply_the_change_again():
    for lost in LOST:
        counter = Counter(lost())
        response = put(counter, sp.resolve(counter.add_one))
        assert (counter.number, response.status_code) == (6, 412)
        assert SAYS in sp.trace(response).reason
        assert "even_if_acted_on" in sp.trace(response).reason


def test_412_resolve_applies_it_again_where_that_is_asked_for():
    counter = Counter(httpx.ReadError("reset"))
    response = put(counter, sp.resolve(counter.add_one, even_if_acted_on=True))
    assert (counter.number, response.status_code) == (7, 204)

    counter = Counter(httpx.ReadError("reset"))
    again = sp.resolve(lambda exchange: sp.Again(counter.add_one(exchange), unacted=True))
    assert (put(counter, again).status_code, counter.number) == (204, 7)


def test_412_resolve_can_see_that_it_was_done():
    seen = []
    counter = Counter(httpx.ReadError("reset"))
    response = put(counter, sp.resolve(lambda exchange: seen.append(exchange.maybe_acted_on)))
    assert seen == [True]
    assert response.status_code == 412


@pytest.mark.anyio
async def test_412_of_its_own_success_in_async():
    counter = Counter(httpx.ReadError("reset"))

    async def merge(exchange):
        return counter.add_one(exchange)

    table, transport = sp.STANDARD | {412: sp.resolve(merge)}, httpx.MockTransport(counter)
    client = httpx.AsyncClient(transport=transport)
    async with sp.wrap(client, table=table, clock=FakeClock()):
        response = await client.put(URL, headers={"If-Match": '"1"'}, content=b"6")
    assert (counter.number, response.status_code) == (6, 412)


def test_even_if_acted_on_is_true_or_false():
    with pytest.raises(TypeError, match=r"resolve\(even_if_acted_on='yes'\): write True or False"):
        sp.resolve(lambda exchange: None, even_if_acted_on="yes")
