"""Exchanges made of values, for the tests of duties."""

from typing import Any

from statuspolicy import Exchange, Limits
from statuspolicy.fields.section import NO_FIELDS, Fields
from tests.library import httpx


def exchange(
    status: int | Exception = 200,
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    *,
    method: str = "GET",
    url: str = "http://home.example/a",
    request: httpx.Request | None = None,
    sent: dict[str, str] | None = None,
    **more: Any,
) -> Exchange:
    """An answer (or a failure) to a request; `sent` are the request's header fields."""
    request = request or httpx.Request(method, url, headers=sent)
    response = None if isinstance(status, Exception) else httpx.Response(status, headers=headers)
    values: dict[str, Any] = {
        "request": request,
        "response": response,
        "error": status if isinstance(status, Exception) else None,
        "fields": NO_FIELDS if response is None else Fields(response.headers.raw),
        "steps": (),
        "limits": Limits(),
        "now": 1_000_000_000.0,
    }
    return Exchange(**(values | more))
