"""A private name of another library that is gone is missed, and it is said what to install."""

import tomllib
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import h11
import httpcore
import httpcore2
import httpx
import httpx2
import pytest

import statuspolicy as sp
from statuspolicy.wire import (
    cookiejar_internals,
    h2_internals,
    h11_internals,
    httpcore_internals,
    httpx_internals,
)
from statuspolicy.wire.flow_control import give_windows_back
from statuspolicy.wire.library import Library
from statuspolicy.wire.supported import TESTED, Name, UnsupportedVersion, missing, require
from tests.each import each

SOURCE = Path(sp.__file__).parent
LIBRARIES = (httpx, httpx2)
CORES = (httpcore, httpcore2)
CHECKS = (
    httpx_internals._check, httpx_internals._check_pools, httpcore_internals.check,
    httpcore_internals.check_http2, h11_internals.check, cookiejar_internals.check,
)  # fmt: skip


@pytest.fixture(autouse=True)
def looked_for_anew() -> Iterator[None]:
    """As in a process of its own, before and after."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    httpx_internals._checked.clear()
    for check in CHECKS:
        check.cache_clear()


def lose(monkeypatch: pytest.MonkeyPatch, kind: Any, name: str) -> None:
    """Let a class be as in a version that calls one of its attributes or methods otherwise."""
    if name in vars(kind):
        monkeypatch.delattr(kind, name)
        return
    init = kind.__init__

    def renamed(self: Any, *args: Any, **options: Any) -> None:
        init(self, *args, **options)
        vars(self)["renamed"] = vars(self).pop(name, None)

    monkeypatch.setattr(kind, "__init__", renamed)


# ── each of them is there, and is missed ─────────────────────────────────────────────────

Lose = Callable[[pytest.MonkeyPatch, Any], None]

OF_HTTPX: dict[str, Lose] = {
    "Headers._list": lambda m, lib: lose(m, lib.Headers, "_list"),
    "Headers._encoding": lambda m, lib: lose(m, lib.Headers, "_encoding"),
    "URL._uri_reference": lambda m, lib: lose(m, lib.URL, "_uri_reference"),
    "Request.__dict__": lambda m, lib: lose(m, lib.Request, "extensions"),
    "Request._content": lambda m, lib: lose(m, lib.Request, "_content"),
    "Response.__dict__": lambda m, lib: lose(m, lib.Response, "is_stream_consumed"),
    "Response._request": lambda m, lib: lose(m, lib.Response, "_request"),
    "Response._content": lambda m, lib: lose(m, lib.Response, "_content"),
    "RequestError._request": lambda m, lib: lose(m, lib.RequestError, "_request"),
    "Client._transport": lambda m, lib: lose(m, lib.Client, "_transport"),
    "Client._mounts": lambda m, lib: lose(m, lib.AsyncClient, "_mounts"),
    "Client._transport_for_url": lambda m, lib: lose(m, lib.Client, "_transport_for_url"),
    "Client._send_single_request": lambda m, lib: lose(m, lib.AsyncClient, "_send_single_request"),
    "IteratorByteStream._stream": lambda m, lib: lose(
        m, lib._content.IteratorByteStream, "_stream"
    ),
    "MultipartStream.fields": lambda m, lib: lose(m, lib._multipart.MultipartStream, "fields"),
    "HTTPTransport._pool": lambda m, lib: lose(m, lib.HTTPTransport, "_pool"),
    "AsyncHTTPTransport._pool": lambda m, lib: lose(m, lib.AsyncHTTPTransport, "_pool"),
}


def in_two(monkeypatch: pytest.MonkeyPatch, core: Any) -> None:
    def send(self: Any, event: Any, timeout: float | None = None) -> None:
        data = self._h11_state.send(event) or b""
        self._network_stream.write(data[:9])
        self._network_stream.write(data[9:])

    monkeypatch.setattr(core.HTTP11Connection, "_send_event", send)


def around_the_stream(monkeypatch: pytest.MonkeyPatch, core: Any) -> None:
    def response(*, extensions: dict[str, Any], **given: Any) -> Any:
        return core.Response(extensions=extensions | {"network_stream": object()}, **given)

    monkeypatch.setattr(core._sync.http11, "Response", response)


def no_preface(monkeypatch: pytest.MonkeyPatch, core: Any) -> None:
    init = core.HTTP2Connection._send_connection_init

    def later(self: Any, request: Any) -> None:
        self._network_stream.write(b"")
        init(self, request)

    monkeypatch.setattr(core.HTTP2Connection, "_send_connection_init", later)


OF_HTTPCORE: dict[str, Lose] = {
    "ConnectionPool._network_backend": lambda m, core: lose(
        m, core.ConnectionPool, "_network_backend"
    ),
    "AsyncConnectionPool._network_backend": lambda m, core: lose(
        m, core.AsyncConnectionPool, "_network_backend"
    ),
    "header section that is written at once": in_two,
    "answer that is read after a WriteError": lambda m, core: m.setattr(
        core._sync.http11, "WriteError", ZeroDivisionError
    ),
    "network_stream that the backend made": around_the_stream,
    "trace event http11.send_request_headers.started": lambda m, core: m.setattr(
        core._sync.http11.logger, "name", "core.http1"
    ),
    "preface that is written first": no_preface,
    "trace event http2.send_request_headers.started": lambda m, core: m.setattr(
        core._sync.http2.logger, "name", "core.h2"
    ),
    "HTTPConnection._connection, HTTP2Connection._network_stream, ._h2_state": lambda m, core: lose(
        m, core.HTTPConnection, "_connection"
    ),
    "HTTP2Connection._events": lambda m, core: lose(m, core.HTTP2Connection, "_events"),
    "HTTP2Connection._write_outgoing_data": lambda m, core: lose(
        m, core.HTTP2Connection, "_write_outgoing_data"
    ),
    "HTTP2Connection._response_closed": lambda m, core: lose(
        m, core.HTTP2Connection, "_response_closed"
    ),
}


def of_httpx(lib: ModuleType) -> tuple[Name, ...]:
    return (*httpx_internals.names(lib), *httpx_internals.pools(lib))


def of_httpcore(core: ModuleType) -> tuple[Name, ...]:
    return (*httpcore_internals.names(core), *httpcore_internals.http2_names(core))


@each("lib", LIBRARIES)
def test_httpx_and_httpx2_have_every_private_name_that_is_used(lib):
    assert missing(of_httpx(lib)) == []
    assert {name.name for name in of_httpx(lib)} == OF_HTTPX.keys()


@each("core", CORES)
def test_httpcore_and_httpcore2_have_every_private_name_that_is_used(core):
    assert missing(of_httpcore(core)) == []
    assert {name.name for name in of_httpcore(core)} == OF_HTTPCORE.keys()
    httpcore_internals.check_http2(core.__name__)  # with those of h2


def test_h11_and_http_cookiejar_have_every_private_name_that_is_used():
    assert missing([*h11_internals.names(), *cookiejar_internals.names()]) == []


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("name", OF_HTTPX)
def test_a_private_name_of_httpx_that_is_gone_is_missed(lib, name, monkeypatch):
    OF_HTTPX[name](monkeypatch, lib)
    assert name in [gone.name for gone in missing(of_httpx(lib))]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", OF_HTTPCORE)
def test_a_private_name_of_httpcore_that_is_gone_is_missed(core, name, monkeypatch):
    OF_HTTPCORE[name](monkeypatch, core)
    assert name in [gone.name for gone in missing(of_httpcore(core))]


def test_private_names_of_h2_that_are_gone_are_missed():
    names = h2_internals.names(SimpleNamespace(), 1, [object()])
    assert missing(names) == list(names)


class Elsewhere(h11.RemoteProtocolError):
    pass


@pytest.mark.parametrize("kind", [h11.RemoteProtocolError, Elsewhere, None])
def test_private_names_of_h11_that_are_gone_are_missed(kind, monkeypatch):
    def next_event(self: Any) -> None:
        if kind is not None:
            raise kind("unexpected 101")

    monkeypatch.setattr(h11.Connection, "next_event", next_event)
    gone = [name.name for name in missing(h11_internals.names())]
    assert gone[0] == "_SWITCH_UPGRADE in the error of such a 101"
    assert ("errors of its own module" in gone) is (kind is not h11.RemoteProtocolError)


@pytest.mark.parametrize("name", ["_policy", "_cookies", "_cookies_lock"])
def test_private_names_of_http_cookiejar_that_are_gone_are_missed(name, monkeypatch):
    lose(monkeypatch, CookieJar, name)
    assert f"CookieJar.{name}" in [gone.name for gone in missing(cookiejar_internals.names())]


# ── what is missing is said, where something depends on it ───────────────────────────────


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_wrap_says_that_transports_have_no_pool_any_more(lib, kind, monkeypatch):
    lose(monkeypatch, lib.HTTPTransport, "_pool")
    lose(monkeypatch, lib.AsyncHTTPTransport, "_pool")
    wrap = sp.wrap if lib is httpx else __import__("statuspolicy.httpx2").httpx2.wrap
    for _ in range(2):  # each time
        with pytest.raises(UnsupportedVersion) as raised:
            wrap(getattr(lib, kind)())
        library = lib.__name__
        assert str(raised.value) == (
            f"{library} {version(library)} has no HTTPTransport._pool, AsyncHTTPTransport._pool, "
            "which statuspolicy needs (pinned addresses, Limits.total in threads, Expect, "
            "the proof that a request was not read): "
            f"install {library}{TESTED[library]}."
        )


def test_wrap_says_that_a_pool_takes_no_other_backend_any_more(monkeypatch):
    lose(monkeypatch, httpcore.ConnectionPool, "_network_backend")
    with httpx.Client() as client, pytest.raises(UnsupportedVersion) as raised:
        sp.wrap(client)
    told = (
        f"httpcore {version('httpcore')} has no ConnectionPool._network_backend, which statuspolicy"
    )
    assert str(raised.value).startswith(told)
    assert str(raised.value).endswith(f": install httpcore{TESTED['httpcore']}.")


def test_wrap_says_that_a_name_of_httpx_is_gone_whatever_the_transport(monkeypatch):
    lose(monkeypatch, httpx.Client, "_send_single_request")
    with (
        httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client,
        pytest.raises(UnsupportedVersion, match=r"has no Client\._send_single_request, which"),
    ):
        sp.wrap(client)


def test_wrap_says_that_a_cookie_jar_has_no_policy_any_more(monkeypatch):
    lose(monkeypatch, CookieJar, "_policy")
    with pytest.raises(UnsupportedVersion, match=r"^Python 3\S+ has no CookieJar\._policy, which"):
        sp.PolicyTransport(httpx.MockTransport(lambda request: httpx.Response(200)))


def test_a_first_connection_of_http2_says_that_a_name_is_gone(monkeypatch):
    lose(monkeypatch, httpcore.HTTP2Connection, "_response_closed")
    with (
        httpcore.ConnectionPool() as pool,
        pytest.raises(UnsupportedVersion, match=r"has no HTTP2Connection\._response_closed, which"),
    ):
        give_windows_back(pool, object())


def test_a_library_of_other_names_is_refused_in_one_sentence(monkeypatch):
    for name in ("URL", "Auth", "AsyncClient", "WriteTimeout", "BaseTransport"):
        monkeypatch.delattr(httpx, name)
    with pytest.raises(UnsupportedVersion) as raised:
        Library(httpx)
    assert str(raised.value) == (
        f"httpx {version('httpx')} has no URL, AsyncClient, Auth and 2 more, which statuspolicy "
        f"needs (to wrap a client): install httpx{TESTED['httpx']}."
    )


def test_a_client_that_is_mocked_in_its_module_is_no_other_version(monkeypatch):
    monkeypatch.setattr(httpx, "Client", Mock())
    sp.wrap(httpx.AsyncClient())


def test_under_respx_every_name_is_there(respx_mock):
    respx_mock.get("https://a.example/").respond(204)
    with sp.wrap(httpx.Client()) as client:
        assert client.get("https://a.example/").status_code == 204


def test_an_http2_connection_of_another_library_or_pool_is_left_as_it_is():
    other = SimpleNamespace(_network_stream=object(), _h2_state=object())
    for pool in (None, SimpleNamespace(connections=[other]), httpcore.ConnectionPool()):
        give_windows_back(pool, object())
    assert vars(other).keys() == {"_network_stream", "_h2_state"}


class Own(httpx.HTTPTransport):
    def __init__(self) -> None:
        pass  # it opens no connections

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200)


@pytest.mark.parametrize("pool", [None, object(), SimpleNamespace(_network_backend=object())])
def test_a_transport_of_somebody_s_own_needs_no_pool(pool):
    transport = Own()
    transport._pool = pool
    sent = sp.PolicyTransport(transport).handle_request(httpx.Request("GET", "http://a.example"))
    assert sent.status_code == 200


def test_a_library_of_an_unknown_version_is_named_all_the_same(monkeypatch):
    monkeypatch.setitem(TESTED, "gone", "<2")
    with pytest.raises(UnsupportedVersion) as raised:
        require("gone", [Name("x", "all", lambda: False)])
    told = "gone (of an unknown version) has no x, which statuspolicy needs (all): install gone<2."
    assert str(raised.value) == told


def test_what_is_tested_is_what_pip_installs():
    file = SOURCE.parent.parent / "pyproject.toml"
    project = tomllib.loads(file.read_text("utf-8"))["project"]
    assert TESTED["Python"].startswith(project["requires-python"])
    asked = [*project["dependencies"], *project["optional-dependencies"]["httpx2"]]
    for library in ("httpx", "httpcore", "h11", "httpx2"):
        assert library + TESTED[library] in asked
