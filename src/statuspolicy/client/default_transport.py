"""The transport of a policy that was given none: the library's own, once a request says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statuspolicy.wire.httpx_internals import check
from statuspolicy.wire.library import BASE, LIBRARY_OF

if TYPE_CHECKING:
    from httpx import Request, Response


class DefaultTransport(BASE.BaseTransport, BASE.AsyncBaseTransport):
    """Made with its first request, which is of one library.

    name: of the library's class. install: what is called with it, once it is made.
    """

    _made: Any = None

    def __init__(self, name: str, install: Callable[[object], object]) -> None:
        self._name = name
        self._install = install

    def of(self, request: Request) -> Any:
        """The transport that sends such a request."""
        if self._made is not None:
            return self._made
        library = LIBRARY_OF[type(request)]
        check()  # of a library that is perhaps known only now
        made = getattr(library, self._name)()
        self._install(made)
        self._made = made
        return made

    def handle_request(self, request: Request) -> Response:
        response: Response = self.of(request).handle_request(request)
        return response

    async def handle_async_request(self, request: Request) -> Response:
        response: Response = await self.of(request).handle_async_request(request)
        return response

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    async def aclose(self) -> None:
        if self._made is not None:
            await self._made.aclose()
