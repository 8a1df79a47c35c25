"""The Redis storage: what is its own, beyond what any storage does."""

import sys
import time

import pytest
import redis
import redis.asyncio

from statuspolicy.cache.storage import external
from tests.cache.places import URL, RedisServer, entry, values
from tests.each import each
from tests.library import sp


@pytest.fixture
def client(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def my_redis(tmp_path):
    """One that may be stopped."""
    server = RedisServer(tmp_path)
    yield server
    server.thaw()
    server.stop()


@pytest.fixture
def now(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(external, "monotonic", lambda: now[0])
    return now


# ── what somebody else put there ───────────────────────────────────────────────────────


def test_keys_of_another_type_and_odd_values_are_a_miss_and_dropped(redis_server, client, caplog):
    storage = sp.RedisStorage(redis_server.url)
    kept = entry()
    token, place = storage._token(URL), storage._place(URL, kept.who)
    for forge in (
        lambda: client.rpush(token, "x"),
        lambda: client.set(place, "x"),
        lambda: client.rpush(place, "x"),
    ):
        storage.save(URL, kept, False)
        client.delete(token, place)
        forge()
        caplog.clear()
        assert not storage.load(URL, kept.who)
        assert [r.levelname for r in caplog.records] == ["WARNING"]
        storage.save(URL, kept, False)  # and there is room again
        assert len(storage.load(URL, kept.who)) == 1
    name = next(name for name in client.hgetall(place) if name[:1] == b"h")
    for odd in (b"", b"x", client.get(token), client.get(token) + b"\0" * 90):
        storage.save(URL, kept, False)
        client.hset(place, name, odd)
        assert not storage.load(URL, kept.who)
    storage.close()


def test_a_redis_that_refuses_a_command_is_one_that_is_away(redis_server, client, caplog):
    client.acl_setuser(
        "weak", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-hgetall"]
    )
    storage = sp.RedisStorage(redis_server.url.replace("://", "://weak:any@"))
    assert not storage.load(URL, "me")
    assert "requests go on without it" in caplog.text
    client.acl_deluser("weak")
    storage.close()


# ── what can be misconfigured ──────────────────────────────────────────────────────────


@each("wrong", [None, 6379, b"redis://127.0.0.1", redis.asyncio.Redis()])
def test_what_is_no_redis_is_refused(wrong):
    with pytest.raises(TypeError, match=r"write the URL of a Redis server, or a redis\.Redis"):
        sp.RedisStorage(wrong)


def test_a_redis_client_that_decodes_responses_is_refused():
    with pytest.raises(ValueError, match="without decode_responses=True"):
        sp.RedisStorage(redis.Redis(decode_responses=True))


def test_a_url_of_something_else_is_refused():
    with pytest.raises(ValueError, match="redis://"):
        sp.RedisStorage("http://127.0.0.1")


@each("wrong", [0, 0.5, -1, float("nan")])
def test_a_time_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^RedisStorage\(ttl=.*: write a number of seconds, 1"):
        sp.RedisStorage("redis://127.0.0.1", ttl=wrong)


def test_without_the_library_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ImportError, match=r"needs redis: pip install 'statuspolicy\[redis\]'\.$"):
        sp.RedisStorage("redis://127.0.0.1")


# ── what is kept ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("ttl", "seconds"), [(60, 60), (1.9, 1), (float("inf"), 316224000)])
def test_all_that_is_kept_ends_by_itself(client, redis_server, ttl, seconds):
    storage = sp.RedisStorage(redis_server.url, ttl=ttl)
    storage.save(URL, entry(), False)
    storage.save(URL, entry(response_time=3.0), True)
    keys = client.keys()
    assert len(keys) == 2
    assert {client.ttl(key) for key in keys} <= {seconds, seconds - 1}
    storage.close()


def test_its_keys_begin_as_they_should_and_tell_no_url(client, redis_server):
    storage = sp.RedisStorage(redis_server.url, prefix="mine:")
    storage.save(URL, entry(), False)
    assert all(key.startswith(b"mine:") and b"example" not in key for key in client.scan_iter())
    storage.close()


def test_whichever_key_redis_lets_go_nothing_that_was_forgotten_comes_back(client, redis_server):
    storage = sp.RedisStorage(redis_server.url)
    users = ("ann", "bob")
    for gone in range(3):
        client.flushall()
        for who in users:
            storage.save(URL, entry(who=who), False)
        client.delete(sorted(client.keys())[gone])
        storage.drop(URL, None)
        storage.save(URL, entry(b"new", "eve"), False)
        assert [list(storage.load(URL, who)) for who in users] == [[], []]
    storage.close()


def test_a_header_section_is_freshened_without_sending_the_body(client, redis_server):
    storage = sp.RedisStorage(redis_server.url)
    storage.save(URL, entry(b"x" * 100_000), False)
    before = client.info("stats")["total_net_input_bytes"]
    storage.save(URL, entry(b"x" * 100_000, response_time=9.0), True)
    assert client.info("stats")["total_net_input_bytes"] - before < 5_000
    assert values(storage.load(URL, "ann")) == values([entry(b"x" * 100_000, response_time=9.0)])
    storage.close()


@pytest.mark.parametrize("field", [b"h", b"b"])
def test_a_damaged_entry_is_dropped_and_never_served(client, redis_server, said, field):
    storage = sp.RedisStorage(redis_server.url)
    storage.save(URL, entry(), False)
    (place,) = (key for key in client.scan_iter() if client.type(key) == b"hash")
    (name,) = (name for name in client.hkeys(place) if name.startswith(field))
    client.hset(place, name, client.hget(place, name)[:-1] + b"?")
    assert not storage.load(URL, "ann")
    assert not client.exists(place)
    assert len(said()) == 1
    storage.close()


def test_a_redis_of_the_programs_own_stays_open(client):
    storage = sp.RedisStorage(client)
    storage.save(URL, entry(), False)
    connections = client.connection_pool._available_connections
    assert connections
    storage.close()
    assert all(one._sock is not None for one in connections)
    assert values(storage.load(URL, "ann")) == values([entry()])


# ── while it is away ───────────────────────────────────────────────────────────────────


def test_where_there_is_none_requests_go_on_and_it_is_said_once(my_redis, said, now):
    my_redis.stop()
    storage = sp.RedisStorage(my_redis.url)
    for _ in range(50):
        storage.save(URL, entry(), False)
        assert not storage.load(URL, "ann")
        now[0] += 1.0
    (line,) = said()
    assert line.startswith("RedisStorage('statuspolicy:') failed, and requests go on without it: ")
    my_redis.start()
    now[0] += 5.0
    storage.save(URL, entry(), False)
    assert values(storage.load(URL, "ann")) == values([entry()])
    storage.close()


def test_no_request_notices_that_redis_was_restarted(my_redis, said):
    storage = sp.RedisStorage(my_redis.url)
    storage.save(URL, entry(), False)
    my_redis.stop()
    my_redis.start()
    assert not storage.load(URL, "ann"), "it kept nothing on disk"
    storage.save(URL, entry(), False)
    assert storage.load(URL, "ann")
    assert not said()
    storage.close()


def test_no_request_waits_for_a_redis_that_does_not_answer(my_redis, said, now):
    client = redis.Redis(port=my_redis.port, socket_timeout=0.05, retry=None)
    storage = sp.RedisStorage(client)
    storage.save(URL, entry(), False)
    my_redis.freeze()
    before = time.perf_counter()
    storage.drop(URL, None)
    for _ in range(100):
        assert not storage.load(URL, "ann")
    assert time.perf_counter() - before < 5
    my_redis.thaw()
    now[0] += 5.0
    assert not storage.load(URL, "ann"), "it was forgotten, if later"
    assert len(said()) == 1
    client.close()


def test_the_default_waits_are_short(redis_server):
    storage = sp.RedisStorage(redis_server.url)
    options = storage._redis.connection_pool.connection_kwargs
    assert options["socket_timeout"] <= 1
    assert options["socket_connect_timeout"] <= 1
    assert options["retry"]._retries == 1


def test_a_full_redis_is_logged_once_and_can_still_be_read(my_redis, said, now):
    storage = sp.RedisStorage(my_redis.url)
    storage.save(URL, entry(), False)
    with redis.Redis(port=my_redis.port) as client:
        client.config_set("maxmemory", 1)
    for number in range(10):
        storage.save(f"{URL}/{number}", entry(), False)
        now[0] += 6.0
        assert storage.load(URL, "ann")
    (line,) = said()
    assert "OOM" in line or "memory" in line
    storage.close()
