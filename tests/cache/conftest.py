"""Fixtures: a client with a cache, whole or its engine alone; and storages."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from anyio.from_thread import start_blocking_portal

from tests.cache.places import Driven, RedisServer
from tests.cache.web import Web
from tests.library import sp


@pytest.fixture(params=["engine", "client"])
def opened(request: pytest.FixtureRequest) -> Callable[..., Web]:
    """Open a client: `opened(table=..., limits=..., cache={...})`."""
    return partial(Web, request.param)


@pytest.fixture
def web(opened: Callable[..., Web]) -> Web:
    """A client with the defaults."""
    return opened()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that all may use, and none may stop."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def portal(kind: str) -> Iterator[Any]:
    """The event loop in which a storage is used; None for none."""
    if kind == "sync":
        yield None
    else:
        with start_blocking_portal(kind) as portal:
            yield portal


@pytest.fixture
def make(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., sp.Storage]]:
    """Make storages in one place, which changes from test to test."""
    made: list[sp.Storage] = []
    prefix = f"{uuid4()}:"

    def make(**options: Any) -> sp.Storage:
        if place == "memory":
            storage: sp.Storage = sp.MemoryStorage(**options)
        elif place == "sqlite":
            storage = sp.SQLiteStorage(tmp_path / "cache.db", **options)
        else:
            server = request.getfixturevalue("redis_server")
            storage = sp.RedisStorage(server.url, prefix=prefix, **options)
        made.append(storage)
        return storage

    yield make
    for storage in made:
        storage.close()


@pytest.fixture
def storage(make: Callable[..., sp.Storage], portal: Any) -> Driven:
    """A storage, driven plainly or in an event loop."""
    return Driven(make(), portal)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged, a line each."""
    caplog.set_level(logging.INFO, "statuspolicy")
    return lambda: [record.getMessage() for record in caplog.get_records("call")]
