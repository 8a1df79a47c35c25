"""The cache in an exchange is tried in the engine alone and through a whole client."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.cache.web import Web


@pytest.fixture(params=["engine", "client"])
def opened(request: pytest.FixtureRequest) -> Callable[..., Web]:
    """Open a client: `opened(table=..., limits=..., cache={...})`."""
    return partial(Web, request.param)


@pytest.fixture
def web(opened: Callable[..., Web]) -> Web:
    """A client with the defaults."""
    return opened()
