"""The transport of a policy that was given none: the own one of the library of each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statuspolicy.wire.httpx_internals import check
from statuspolicy.wire.library import BASE, LIBRARY_OF, Library

if TYPE_CHECKING:
    from httpx import Request, Response


class DefaultTransport(BASE.BaseTransport, BASE.AsyncBaseTransport):
    """Made with the first request of a library; one policy may serve clients of both.

    name: of the library's class. install: what is called with it, once it is made.
    """

    def __init__(self, name: str, install: Callable[[object], object]) -> None:
        self._name = name
        self._install = install
        self._made: dict[Library, Any] = {}

    def of(self, request: Request) -> Any:
        """The transport that sends such a request."""
        library = LIBRARY_OF[type(request)]
        if library in self._made:
            return self._made[library]
        check()  # of a library that is perhaps known only now
        made = getattr(library, self._name)()
        self._install(made)
        self._made[library] = made
        return made

    def handle_request(self, request: Request) -> Response:
        response: Response = self.of(request).handle_request(request)
        return response

    async def handle_async_request(self, request: Request) -> Response:
        response: Response = await self.of(request).handle_async_request(request)
        return response

    def close(self) -> None:
        for made in [*self._made.values()]:
            made.close()

    async def aclose(self) -> None:
        for made in [*self._made.values()]:
            await made.aclose()
