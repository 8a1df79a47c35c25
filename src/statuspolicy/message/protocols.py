"""Protocols for type checkers: an object of either library. They have no effect at run time."""

from __future__ import annotations

from typing import Any, Protocol


class AnyRequest(Protocol):
    """An `httpx.Request` or an `httpx2.Request`."""

    method: str
    url: Any
    headers: Any
    stream: Any


class AnyResponse(Protocol):
    """An `httpx.Response` or an `httpx2.Response`."""

    status_code: int
    headers: Any
    extensions: Any

    @property
    def content(self) -> bytes:
        """The body, decoded."""
        ...

    @property
    def has_redirect_location(self) -> bool:
        """Whether it is a redirect with a Location."""
        ...


class AnyClient(Protocol):
    """A client of either library, for threads or for tasks."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        ...

    @property
    def trust_env(self) -> bool:
        """Whether it reads proxies from the environment."""
        ...

    def build_request(self, method: str, url: Any) -> Any:
        """Make a request with the client's defaults."""
        ...
