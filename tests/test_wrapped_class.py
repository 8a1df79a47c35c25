"""The class that a client has while it is wrapped: what somebody's own class does still holds."""

import abc
import copy
import dataclasses
from typing import ClassVar
from unittest import mock

import anyio
import pytest

from tests.library import httpx, sp

URL = "http://a.example/302"
SURFACED = sp.STANDARD | {"3xx": sp.surface}


def web(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/302":
        return httpx.Response(302, headers={"location": "/there"})
    return httpx.Response(200)


class ByName(httpx.Client):
    def send(self, request, **options):
        return httpx.Client.send(self, request, **options)


class ByProperty(httpx.Client):
    @property
    def send(self):
        return lambda *args, **options: httpx.Client.send(self, *args, **options)


class Plain(httpx.Client):
    pass


class AsyncPlain(httpx.AsyncClient):
    pass


def heard(client: httpx.Client) -> list[int]:
    """Of a client that surfaces 302: what comes of a call that says nothing, True, or False."""
    calls = ({}, {"follow_redirects": True}, {"follow_redirects": False})
    return [client.get(URL, **said).status_code for said in calls]


def test_302_is_heard_where_a_send_calls_the_library_s_by_name_or_is_spied_on():
    for kind in (Plain, ByName, ByProperty):
        client = sp.wrap(kind(transport=httpx.MockTransport(web)), table=SURFACED)
        assert heard(client) == [302, 200, 302], kind
    client = sp.wrap(Plain(transport=httpx.MockTransport(web)))
    with mock.patch.object(Plain, "send", autospec=True, side_effect=Plain.send) as spy:
        assert heard(client) == [200, 200, 302]
    assert spy.call_count == 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_302_is_heard_where_an_async_send_is_spied_on(backend):
    client = sp.wrap(AsyncPlain(transport=httpx.MockTransport(web)))
    library = AsyncPlain.send

    async def spied(self, *args, **options):
        return await library(self, *args, **options)

    async def main():
        with mock.patch.object(AsyncPlain, "send", spied):
            return [
                (await client.get(URL, **said)).status_code
                for said in ({}, {"follow_redirects": True}, {"follow_redirects": False})
            ]

    assert anyio.run(main, backend=backend) == [200, 200, 302]


def test_another_client_of_a_wrapped_one_s_class_is_not_wrapped_and_can_be(kind):
    own = Plain if kind == "sync" else AsyncPlain
    client = sp.wrap(own(transport=httpx.MockTransport(web)))
    assert client.__class__ is own

    class Later(type(client)):
        pass

    async def status(of) -> int:
        response = of.get(URL)
        return (response if kind == "sync" else await response).status_code

    async def main():
        for made, its_own in ((type(client), own), (client.__class__, own), (Later, Later)):
            other = made(transport=httpx.MockTransport(web))
            assert await status(other) == 302
            assert await status(sp.wrap(other)) == 200
            assert await status(sp.unwrap(other)) == 302
            assert type(other) is its_own
        assert await status(client) == 200

    anyio.run(main)


class Registers(abc.ABCMeta):
    made: ClassVar = []

    def __new__(cls, name, bases, names, *, tag):
        return super().__new__(cls, name, bases, names)

    def __init__(cls, name, bases, names, *, tag) -> None:
        Registers.made.append(tag)
        super().__init__(name, bases, names)


class Registered(httpx.Client, metaclass=Registers, tag="once"):
    pass


class Final(type):
    def __init__(cls, name, bases, names) -> None:
        assert not any(isinstance(base, Final) for base in bases)
        super().__init__(name, bases, names)


class Finished(httpx.Client, metaclass=Final):
    pass


class Sealed(httpx.Client):
    def __setattr__(self, name, value) -> None:
        assert name != "__class__"
        super().__setattr__(name, value)


class Disguised(httpx.Client):
    @property
    def __class__(self):
        return httpx.Client


@dataclasses.dataclass
class Data(httpx.Client):
    transport: object = None
    token: str = "t"

    def __post_init__(self) -> None:
        super().__init__(transport=self.transport)


@pytest.mark.parametrize("own", [Registered, Finished, Sealed, Disguised, Data])
def test_no_class_s_own_ways_stand_against_wrap(own):
    transport = httpx.MockTransport(web)
    client = sp.wrap(own(transport=transport))
    assert isinstance(client, own)
    assert client.get(URL).status_code == 200
    assert type(sp.unwrap(client)) is own
    assert client.get(URL).status_code == 302
    assert Registers.made == ["once"]


def test_a_wrapped_client_that_is_data_is_equal_and_can_be_replaced():
    transport = httpx.MockTransport(web)
    client, other = sp.wrap(Data(transport)), Data(transport)
    assert client == other
    changed = dataclasses.replace(client, token="u")
    assert (type(changed), changed.token, changed.get(URL).status_code) == (Data, "u", 302)


def test_a_class_that_somebody_gives_a_wrapped_client_stays():
    client = sp.wrap(httpx.Client(transport=httpx.MockTransport(web)))
    client.__class__ = Plain
    assert copy.copy(client).get(URL).status_code == 200
    assert type(sp.unwrap(client)) is Plain
    assert client.get(URL).status_code == 302
