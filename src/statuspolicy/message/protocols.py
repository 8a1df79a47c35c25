"""What a type checker has to see of an object of either library. Nothing of it is used when run."""

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
        """Whether it leads somewhere."""
        ...


class AnyClient(Protocol):
    """A client of either library, for threads or for tasks."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        ...

    @property
    def trust_env(self) -> bool:
        """Whether it heeds the environment."""
        ...

    def build_request(self, method: str, url: Any) -> Any:
        """A request, as it would be sent."""
        ...
