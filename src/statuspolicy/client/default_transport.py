"""`DefaultTransport`: the transport of a policy without a transport argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statuspolicy.wire.httpx_internals import check
from statuspolicy.wire.library import BASE, LIBRARY_OF, Library

if TYPE_CHECKING:
    from httpx import Request, Response


class DefaultTransport(BASE.BaseTransport, BASE.AsyncBaseTransport):
    """A transport that passes each request to a transport of the request's own library.

    That one is made with the first request of its library: a policy may serve clients of both.

    name: the name of the library's transport class. install: called with each one that is made.
    """

    def __init__(self, name: str, install: Callable[[object], object]) -> None:
        self._name = name
        self._install = install
        self._made: dict[Library, Any] = {}

    def of(self, request: Request) -> Any:
        """The transport of the request's library."""
        library = LIBRARY_OF[type(request)]
        if library in self._made:
            return self._made[library]
        check()  # the library may have become known with this request
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
