"""A client with a cache that others see too: what it keeps, and for whom; on real sockets."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from statuspolicy.testing import Answer
from tests.library import sp

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.parametrize("place", ["sqlite", "redis"])


@pytest.fixture
def program(make, open_session):
    """A program with a client of its own and a storage of its own, in the place of all."""

    def program(**cache):
        return open_session(cache=sp.Cache(storage=make(), **cache))

    return program


def told(server) -> list[str]:
    """What the server was asked, and how often."""
    return [received.target for received in server.received]


FRESH = {"Cache-Control": "max-age=600", "ETag": '"1"'}


def test_a_response_outlives_the_program(program, status_server):
    url = status_server.script("/a", Answer(200, FRESH, b"hello"))
    first = program(user="ann").get(url)
    again = program(user="ann").get(url)
    assert first.content == again.content == b"hello"
    assert again.headers["etag"] == '"1"'
    assert again.headers["age"] == "0"
    assert told(status_server) == ["/a"]


def test_nobody_gets_what_is_somebody_elses(program, status_server):
    url = status_server.script("/me", Answer(200, FRESH, b"ann's"), Answer(200, FRESH, b"bob's"))
    ann, bob = program(user="ann"), program(user=lambda request: "bob")
    assert [ann.get(url).text, bob.get(url).text, ann.get(url).text, bob.get(url).text] == [
        "ann's", "bob's", "ann's", "bob's",
    ]  # fmt: skip
    assert len(told(status_server)) == 2


def test_what_one_program_validated_is_fresh_for_the_other(program, status_server):
    stale = {"Cache-Control": "max-age=0", "ETag": '"1"'}
    url = status_server.script("/a", Answer(200, stale, b"hello"), Answer(304, FRESH))
    program(user="ann").get(url)
    assert program(user="ann").get(url).content == b"hello"
    assert program(user="ann").get(url).content == b"hello"
    assert [received.headers.get("if-none-match") for received in status_server.received] == [
        None, '"1"',
    ]  # fmt: skip


def test_what_one_program_changed_is_forgotten_by_the_other(program, status_server):
    url = status_server.script("/a", Answer(200, FRESH, b"old"), 204, Answer(200, FRESH, b"new"))
    ann, bob = program(user="ann"), program(user="bob")
    assert ann.get(url).content == b"old"
    bob.request("POST", url)
    assert ann.get(url).content == b"new"


def test_what_is_for_anybody_is_kept_for_all_without_a_user(program, status_server):
    url = status_server.script("/a", Answer(200, FRESH, b"for all"))
    program().get(url)
    assert program().get(url).content == b"for all"
    assert told(status_server) == ["/a"]


def test_what_is_private_is_kept_for_nobody_without_a_user(program, status_server):
    private = {"Cache-Control": "private, max-age=600"}
    url = status_server.script("/me", Answer(200, private, b"1"), Answer(200, private, b"2"))
    one = program()
    assert [one.get(url).text, one.get(url).text] == ["1", "2"]


def test_what_is_private_is_kept_for_its_user(program, status_server):
    private = {"Cache-Control": "private, max-age=600"}
    url = status_server.script("/me", Answer(200, private, b"1"))
    program(user="ann").get(url)
    assert program(user="ann").get(url).text == "1"
    assert told(status_server) == ["/me"]


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key"])
def test_one_secret_never_gets_what_another_was_given(program, status_server, name):
    url = status_server.script("/me", *(Answer(200, FRESH, b"%d" % n) for n in range(4)))
    one, other = program(), program()
    for client in (one, other):
        assert client.get(url, headers={name: "secret a"}).text == "0"
        assert client.get(url, headers={name: "secret b"}).text == "1"
        assert client.get(url).text == "2"
    assert len(told(status_server)) == 3


def test_a_cookie_gets_what_its_client_was_given_for_it_and_nobody_else_does(
    program, status_server
):
    url = status_server.script("/me", *(Answer(200, FRESH, b"%d" % n) for n in range(4)))
    one, other = program(), program()
    assert one.get(url, headers={"Cookie": "a=1"}).text == "0"
    assert one.get(url, headers={"Cookie": "a=2"}).text == "1"
    assert other.get(url, headers={"Cookie": "a=1"}).text == "2"
    assert one.get(url, headers={"Cookie": "a=1"}).text == "0"


def test_what_a_jar_was_given_is_its_clients_alone(program, status_server):
    url = status_server.script("/me", *(Answer(200, FRESH, b"%d" % n) for n in range(4)))
    one, other = program(), program()
    for client in (one, other):
        client.client.cookies.set("session", "1")
    assert [one.get(url).text, other.get(url).text, one.get(url).text] == ["0", "1", "0"]


def test_no_secret_is_where_it_is_kept(program, status_server, tmp_path, place, request):
    url = status_server.script("/me", Answer(200, FRESH | {"Vary": "Authorization, X-Api-Key"}))
    client = program()
    secrets = {"Authorization": "hunter2", "Cookie": "s=hunter2", "X-Api-Key": "hunter2"}
    client.get(url, headers=secrets)
    client.get(url, headers=secrets)
    assert len(told(status_server)) == 1
    if place == "sqlite":
        kept = b"".join(file.read_bytes() for file in tmp_path.glob("cache.db*"))
        assert b"max-age=600" in kept
    else:
        import redis

        with redis.Redis.from_url(request.getfixturevalue("redis_server").url) as server:
            kept = b"".join(
                key + b"".join(server.hgetall(key).values())
                for key in server.scan_iter()
                if server.type(key) == b"hash"
            )
    assert b"hunter2" not in kept


def test_a_storage_that_fails_is_no_requests_failure(program, status_server, caplog):
    """A client is open when its storage is pulled from under it."""
    url = status_server.script("/a", Answer(200, FRESH, b"hello"))
    client = program(user="ann")
    client.get(url)

    def failing(*args):
        raise OSError("gone")

    storage = client.client._transport.config.cache.storage
    storage._load = storage._save = storage._drop = failing
    with caplog.at_level(logging.INFO, "statuspolicy"):
        for _ in range(3):
            assert client.get(url).content == b"hello"
        assert client.request("POST", url).status_code == 200
    assert len([line for line in caplog.messages if "requests go on without it" in line]) == 1
    assert len(told(status_server)) == 5


PROGRAM = """
import sys, httpx
import statuspolicy as sp
kind, place, prefix, url = sys.argv[1:]
storage = sp.SQLiteStorage(place) if kind == "sqlite" else sp.RedisStorage(place, prefix=prefix)
with sp.wrap(httpx.Client(), cache=sp.Cache(storage=storage, user="ann")) as client:
    print(client.get(url).text)
"""


@pytest.mark.parametrize("kind", ["sync"])
def test_another_process_finds_it(
    make, open_session, status_server, tmp_path, place, request, kind
):
    storage = make()
    url = status_server.script("/a", Answer(200, FRESH, b"hello"))
    where, prefix = str(tmp_path / "cache.db"), ""
    if place == "redis":
        where, prefix = request.getfixturevalue("redis_server").url, storage._prefix
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM, place, where, prefix, url],
            cwd=ROOT, check=True, capture_output=True, text=True, timeout=50,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("hello\n", "")
    session = open_session(cache=sp.Cache(storage=storage, user="ann"))
    assert session.get(url).text == "hello"
    assert told(status_server) == ["/a"]
