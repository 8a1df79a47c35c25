"""`RedisStorage`: a storage in Redis or Valkey."""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Sequence
from hashlib import blake2b
from math import inf
from os import urandom
from typing import TYPE_CHECKING, Any

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.sealed import DIGEST
from statuspolicy.cache.storage.external import ExternalStorage
from statuspolicy.cache.storage.memory import VARIANTS
from statuspolicy.printable import given, log, printable, quoted

if TYPE_CHECKING:
    from redis import Redis


_CONNECT, _ANSWER = 0.5, 1.0  # seconds that a request is kept waiting
_TOKEN = 16  # bytes
_BODY = slice(_TOKEN + DIGEST, _TOKEN + 2 * DIGEST)  # where the digest of the body is


class RedisStorage(ExternalStorage):
    """A storage in Redis or Valkey, which several machines share.

    redis: the URL of the server (`redis://`, `rediss://`, `unix://`), or a `redis.Redis` with
        timeouts of your own. Async clients use it in threads, so that it works in asyncio and in
        trio; a `redis.asyncio.Redis` is not accepted.
    prefix: the beginning of all its keys.
    ttl: seconds until a response is deleted that was not stored or validated again.

    Redis itself limits the size and deletes the least recently used keys: set `maxmemory` and
    `maxmemory-policy allkeys-lru`. Bodies are not encrypted: whoever can read that Redis can read
    them.

    While Redis fails, requests go on without it. The failure is logged once, and Redis is tried
    again after 5 seconds; first it does the deletions that failed.

    Raises TypeError or ValueError for an argument with another type or value, and ImportError
    without the extra `redis`.
    """

    __module__ = "statuspolicy"

    def __init__(
        self,
        redis: str | Redis,
        *,
        prefix: str = "statuspolicy:",
        ttl: float = 7 * 86_400.0,
    ) -> None:
        if not isinstance(prefix, str):
            raise TypeError(f"RedisStorage(prefix={given(prefix)}): write a string.")
        if type(ttl) not in (int, float) or not ttl >= 1:
            raise ValueError(f"RedisStorage(ttl={ttl!r}): write a number of seconds, 1 or more.")
        super().__init__()
        self._own = isinstance(redis, str)
        self._redis, self._failures = _connected(redis)
        self._prefix = prefix
        self._ttl = int(min(ttl, 10 * 366 * 86_400))

    def __repr__(self) -> str:
        return f"RedisStorage({self._prefix!r})"

    # A URL has a token, and each user of it a hash with the entries. An entry counts only with the
    # token of its URL: to invalidate the URL for all users, deleting the token is enough. And
    # since Redis may evict any key at any time, entries without a token don't count.

    @staticmethod
    def _name(one: str) -> bytes:
        return _digest(one).encode()

    def _load(self, url: str, who: str) -> Sequence[Entry]:
        token, stored = (
            self._redis.pipeline(transaction=False)  # in one, a full Redis can't be read
            .get(self._token(url))
            .hgetall(self._place(url, who))
            .execute(raise_on_error=False)
        )
        failed = next((one for one in (token, stored) if isinstance(one, Exception)), None)
        if failed is not None and "WRONGTYPE" not in str(failed):
            raise failed
        if failed is not None:  # keys of another program; Redis itself works
            log.warning(
                "%r: the stored responses of %s were deleted: its key had another type.", self, url
            )
            self._redis.delete(self._token(url), self._place(url, who))
            return ()
        found, damaged = self._sound(
            url,
            who,
            (
                (name[1:], name[1:], dumped[_TOKEN:], stored.get(b"b" + name[1:]))
                for name, dumped in stored.items()
                if name[:1] == b"h" and dumped[:_TOKEN] == token
            ),
        )
        self._forget(url, who, damaged)
        return found

    def _save(self, url: str, entry: Entry, same: bool) -> None:
        token_is, place, name = self._token(url), self._place(url, entry.who), self._name(entry.id)
        _, _, token, old = (
            self._redis.pipeline(transaction=True)
            .set(token_is, urandom(_TOKEN // 2).hex(), nx=True)
            .expire(token_is, self._ttl)
            .get(token_is)
            .hget(place, b"h" + name)
            .execute()
        )
        new = token + entry.dump(url)
        fields = {b"h" + name: new}
        # Another program may have stored another body meanwhile. (Where one does so right
        # now, the two don't match, and are deleted when they are loaded.)
        if not same or old is None or old[_BODY] != new[_BODY]:
            fields[b"b" + name] = entry.body
        writes = self._redis.pipeline(transaction=True).hset(place, mapping=fields)
        *_, many = writes.expire(place, self._ttl).hlen(place).execute()
        if many > 2 * VARIANTS:
            self._thin_out(url, entry.who, token)

    def _thin_out(self, url: str, who: str, token: bytes) -> None:
        """Delete entries that no longer count, and of many the oldest."""
        place = self._place(url, who)
        names = [name[1:] for name in self._redis.hkeys(place) if name[:1] == b"h"]
        dumped = self._redis.hmget(place, [b"h" + name for name in names])
        ages = [
            (one[:_TOKEN] == token, response_time_of(one[_TOKEN:]), name)
            for one, name in zip(dumped, names, strict=True)
            if one is not None  # another program was faster
        ]
        self._forget(url, who, [name for *_, name in sorted(ages)[:-VARIANTS]])

    def _drop(self, url: str, ids: Sequence[str] | None) -> None:
        if ids is None:
            self._redis.delete(self._token(url))
            return
        for one in ids:
            who, *_ = literal_eval(one)
            self._forget(url, who, [self._name(one)])

    def _forget(self, url: str, who: str, names: Sequence[bytes]) -> None:
        if names:
            fields = [kind + name for name in names for kind in (b"h", b"b")]
            self._redis.hdel(self._place(url, who), *fields)

    def close(self) -> None:
        """Close the connections that it made itself; the next use opens them again."""
        if not self._delete_at_last():
            log.warning("%r: %d URLs could not be invalidated.", self, len(self._undeleted))
        if self._own:
            self._redis.close()

    def _token(self, url: str) -> str:
        return f"{self._prefix}{_digest(url)}"

    def _place(self, url: str, who: str) -> str:
        return f"{self._token(url)}:{_digest(who)}"


def response_time_of(dumped: bytes) -> float:
    """The time of the response in a dump; 0 where that is damaged."""
    try:
        return float(json.loads(dumped[2 * DIGEST :])["response_time"])
    except (ValueError, KeyError, TypeError):
        return -inf


def _connected(redis: Any) -> tuple[Any, tuple[type[Exception], ...]]:
    """The Redis client, and the exceptions that it raises when it fails."""
    try:
        import redis as library
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as missing:
        text = "RedisStorage needs redis: pip install 'statuspolicy[redis]'."
        raise ImportError(text) from missing
    failures = (library.RedisError, OSError)
    if isinstance(redis, str):
        if "://" not in redis:
            host = redis.rpartition("@")[2]  # without a password
            raise ValueError(f"RedisStorage({quoted(host)}): write redis://{printable(host)}.")
        # One more try at once: a connection from the pool may be closed while Redis works.
        retry = Retry(NoBackoff(), 1)
        waits = {"socket_connect_timeout": _CONNECT, "socket_timeout": _ANSWER}
        try:
            return library.Redis.from_url(redis, retry=retry, **waits), failures
        except ValueError:  # its message may quote a password
            raise ValueError(
                "RedisStorage: the URL can't be parsed: write "
                '"redis://user:password@host:6379/0", special characters percent-encoded.'
            ) from None
    if not isinstance(redis, library.Redis):
        raise TypeError(
            f"RedisStorage({given(redis)}): write the URL of a Redis server, or a redis.Redis "
            "(async clients use it in threads)."
        )
    if redis.get_encoder().decode_responses:
        raise ValueError("RedisStorage: give a redis.Redis without decode_responses=True.")
    return redis, failures


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
