"""What others put above a wrapped client's policy, or in its place: on `send`, and transports."""

import copy
import inspect
from threading import Lock
from typing import ClassVar
from unittest import mock

import anyio
import pytest
import respx

from statuspolicy.client import wrapped_class
from statuspolicy.testing import Answer, FakeClock
from tests.library import httpx, sp

A, B = "http://a.example", "http://b.example"


class Web(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """/302 leads to /there, /to-b to B's /there, /to-a to A's; each second /503 is a 200."""

    def __init__(self, name: str = "web") -> None:
        self.name = name
        self.sent: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.sent.append(f"{request.method} {request.url}")
        leads = {"/302": "/there", "/to-b": B + "/there", "/b-loop": B + "/a-loop"}
        leads |= {"/a-loop": A + "/b-loop", "/to-b-503": B + "/503"}
        if path in leads:
            return httpx.Response(302, headers={"location": leads[path]})
        if path == "/503" and sum(line.endswith("/503") for line in self.sent) % 2:
            return httpx.Response(503, headers={"retry-after": "1"})
        return httpx.Response(200, text=self.name)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class Above(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that somebody puts above another; it can't be entered twice, as with a lock."""

    def __init__(self, transport, *, keeps_extensions: bool = True) -> None:
        self.transport = transport
        self.lock = Lock()
        self.seen: list[str] = []
        self.keeps_extensions = keeps_extensions

    def passed(self, request: httpx.Request) -> httpx.Request:
        self.seen.append(str(request.url))
        if self.keeps_extensions:
            return request
        return httpx.Request(request.method, request.url, headers=request.headers)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self.lock.acquire(blocking=False)
        try:
            return self.transport.handle_request(self.passed(request))
        finally:
            self.lock.release()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.lock.acquire(blocking=False)
        try:
            return await self.transport.handle_async_request(self.passed(request))
        finally:
            self.lock.release()

    def close(self) -> None:
        self.transport.close()


def pattern(client: httpx.Client, url: str):
    return next(p for p in client._mounts if p.pattern == url)


def mounted(url: str, transport) -> dict:
    """What `client._mounts` takes, as somebody adds it later."""
    return dict(httpx.Client(mounts={url: transport})._mounts)


# ── on `send` ──────────────────────────────────────────────────────────────────────────


def test_send_that_is_mocked_on_the_class_later_is_the_mock(session):
    name = "httpx.AsyncClient.send" if session.portal else "httpx.Client.send"
    name = name.replace("httpx.", f"{httpx.__name__}.")
    mocked = httpx.Response(204, request=httpx.Request("GET", A))
    with mock.patch(name, return_value=mocked) as send:
        assert session.get("http://nowhere.invalid/") is mocked
    (request,) = send.call_args.args  # as it is called on any client: without the client
    assert request.url.host == "nowhere.invalid"


@pytest.mark.parametrize("when", ["before", "after"])
def test_send_that_is_instrumented_on_the_class_sees_each_call_and_302_is_heard(
    when, monkeypatch, open_session
):
    """As sentry and ddtrace do, before a client is wrapped or after."""
    session = open_session({"transport": Web()}) if when == "after" else None
    seen = []
    for kind in (httpx.Client, httpx.AsyncClient):

        def instrumented(client, request, _real=kind.send, **options):
            seen.append(request.url.path)
            return _real(client, request, **options)

        monkeypatch.setattr(kind, "send", instrumented)
    session = session or open_session({"transport": Web()})
    assert session.get(A + "/302").status_code == 200
    assert session.get(A + "/302", follow_redirects=False).status_code == 302
    monkeypatch.undo()
    assert session.get(A + "/302", follow_redirects=False).status_code == 302
    assert seen == ["/302", "/302"]


def test_send_that_is_put_on_a_client_before_or_after_stays_and_302_is_heard():
    seen = []

    def put_on(client, name):
        send = client.send

        def instrumented(*args, **options):
            seen.append(name)
            return send(*args, **options)

        client.send = instrumented
        return instrumented

    client = httpx.Client(transport=Web())
    before = put_on(client, "before")
    sp.wrap(client)
    after = put_on(client, "after")
    assert client.get(A + "/302", follow_redirects=False).status_code == 302
    assert client.get(A + "/302").status_code == 200
    assert seen == ["after", "before"] * 2
    sp.unwrap(client)
    assert client.send is after
    assert client.get(A + "/302").status_code == 302
    assert seen == ["after", "before"] * 3
    del client.send
    client.send = before
    sp.unwrap(sp.wrap(client))
    assert client.send is before


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_send_that_is_put_on_an_async_client_stays_and_302_is_heard(backend):
    client = httpx.AsyncClient(transport=Web())
    seen, send = [], client.send

    async def instrumented(*args, **options):
        seen.append(options["follow_redirects"])
        return await send(*args, **options)

    client.send = instrumented

    async def main():
        async with sp.wrap(client):
            stopped = await client.get(A + "/302", follow_redirects=False)
            followed = await client.get(A + "/302")
        assert (stopped.status_code, followed.status_code) == (302, 200)

    anyio.run(main, backend=backend)
    assert seen[0] is False
    assert len(seen) == 2


def test_a_mock_of_send_that_was_there_before_can_be_left_after():
    client = httpx.Client(transport=Web())
    with mock.patch.object(client, "send", return_value=httpx.Response(204)):
        sp.wrap(client)
        assert client.get(A).status_code == 204
    assert client.get(A + "/302").status_code == 200
    assert client.get(A + "/302", follow_redirects=False).status_code == 302
    assert sp.unwrap(client).get(A + "/302").status_code == 302


def test_a_method_that_was_kept_is_the_client_s_own_after_unwrap(kind):
    if kind == "sync":
        client = sp.wrap(httpx.Client(transport=Web()))
        send = client.send
        sp.unwrap(client)
        assert send(httpx.Request("GET", A + "/302")).status_code == 302
        return

    async def main():
        client = sp.wrap(httpx.AsyncClient(transport=Web()))
        send = client.send
        sp.unwrap(client)
        assert (await send(httpx.Request("GET", A + "/302"))).status_code == 302

    anyio.run(main, backend=kind)


class Mixin:
    def send(self, *args, **options):
        self.flavour = "mixed"
        return super().send(*args, **options)


class Stops(Mixin, httpx.Client):
    """Whose calls never follow, and whose subclasses have to be announced with a name."""

    __slots__ = ("flavour",)
    announced: ClassVar = []

    def __init_subclass__(cls, *, name: str) -> None:
        Stops.announced.append(name)

    def send(self, request, **options):
        options["follow_redirects"] = False
        return super().send(request, **options)


def test_a_subclass_is_heard_as_it_calls_the_library_and_keeps_its_class():
    client = sp.wrap(Stops(transport=Web()))
    assert isinstance(client, Stops)
    assert type(client).__name__ == type(client).__qualname__ == "Stops"
    assert repr(client).startswith(f"<{__name__}.Stops object")
    assert client.get(A + "/302").status_code == 302
    assert client.flavour == "mixed"
    assert Stops.announced == []
    assert type(sp.unwrap(client)) is Stops
    assert type(sp.unwrap(sp.wrap(httpx.Client()))) is httpx.Client
    assert type(sp.unwrap(sp.wrap(httpx.AsyncClient()))) is httpx.AsyncClient


def test_send_looks_as_the_library_s_own(monkeypatch):
    """Its class is made here: one that was made while `send` was patched looks as the patch."""
    made = wrapped_class._outer_bases.__wrapped__
    monkeypatch.setattr(wrapped_class, "_outer_bases", made)
    monkeypatch.setattr(wrapped_class.wrapped_class, "lasting", {})
    for client in (httpx.Client(), httpx.AsyncClient()):
        signature, is_async = inspect.signature(client.send), client.__class__.__name__[0] == "A"
        sp.wrap(client)
        assert inspect.signature(client.send) == signature
        assert inspect.iscoroutinefunction(client.send) == is_async


def test_a_copy_of_a_wrapped_client_is_wrapped_and_outlives_it():
    web = Web()
    client = sp.wrap(httpx.Client(transport=Web(), mounts={A: Web(), B: web}))
    copied = copy.copy(client)
    for _ in range(2):
        assert copied.get(A + "/to-b").url == B + "/there"
        assert copied.get(A + "/302", follow_redirects=False).status_code == 302
        client = None  # the second time, only the copy is there
    assert web.sent == [f"GET {B}/there"] * 2
    transport = copied._transport
    del copied
    # Who kept a transport goes on with what it has.
    hop = httpx.Request("GET", "http://c.example/to-b")
    assert transport.handle_request(hop).text == "web"
    assert len(web.sent) == 2


def test_a_copy_of_a_wrapped_async_client_outlives_it_too():
    copied = copy.copy(sp.wrap(httpx.AsyncClient(mounts={A: Web("a"), B: Web("b")})))

    async def main():
        return (await copied.get(A + "/to-b")).text

    assert anyio.run(main) == "b"


# ── a transport above ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("keeps", [True, False], ids=["", "no extensions"])
def test_302_and_503_beneath_a_transport_that_came_later_are_handled(keeps, open_session):
    """As tracing libraries put theirs: it sees what the client sends, and is entered once."""
    web = Web()
    session = open_session({"transport": web}, cache=sp.Cache(), observer=lambda event: None)
    client = session.client
    client._transport = above = Above(client._transport, keeps_extensions=keeps)
    for path, count in (("/200", 1), ("/302", 2), ("/503", 2)):
        web.sent.clear()
        assert session.get(A + path).text == "web"
        assert len(web.sent) == count
        assert session.request("POST", A + path, content=b"content").text == "web"
    assert above.seen == [A + path for path in ("/200", "/302", "/503") for _ in range(2)]
    with pytest.raises(sp.RedirectLoop):
        session.get(A + "/b-loop")
    assert session.get(A + "/302", follow_redirects=False).status_code == 302


def test_302_goes_through_what_came_later_above_another_mount_once(open_session):
    """The policy beneath it lets the hop pass, be it answered 200, 503 or with a way back."""
    at_a, at_b = Web("a"), Web("b")
    mounts = {A: at_a, B: at_b}
    for options in ({}, {"cache": sp.Cache()}, {"table": sp.STANDARD | {302: sp.moved(print)}}):
        session = open_session({"mounts": mounts}, **options)
        client = session.client
        client._mounts[pattern(client, B)] = above = Above(client._mounts[pattern(client, B)])
        assert session.get(A + "/to-b").text == "b"
        assert above.seen == [B + "/there"]
        assert session.get(A + "/to-b-503").text == "b"
        assert above.seen[1:] == [B + "/503"] * 2
        with pytest.raises(sp.RedirectLoop):
            session.get(A + "/b-loop")
        assert session.request("POST", A + "/to-b").text == "b"
        assert session.get(B + "/302").text == "b"
        at_b.sent.clear()


def test_a_failure_of_a_hop_beneath_what_came_later_is_met_once(open_session):
    """Four attempts, not sixteen."""

    class Broken(Web):
        def handle_request(self, request):
            super().handle_request(request)
            raise httpx.ReadError("broken", request=request)

    broken = Broken()
    session = open_session({"mounts": {A: Web(), B: broken}})
    client = session.client
    client._mounts[pattern(client, B)] = Above(client._mounts[pattern(client, B)])
    with pytest.raises(httpx.ReadError) as raised:
        session.get(A + "/to-b")
    assert len(broken.sent) == 4
    assert sp.trace(raised.value).requests == 5


def test_307_with_content_goes_through_what_came_later_above_another_mount(open_session):
    class Keeps(Web):
        def handle_request(self, request):
            if request.url.path == "/there":
                return httpx.Response(200, content=request.content)
            return httpx.Response(307, headers={"location": B + "/there"})

    session = open_session({"mounts": {A: Keeps(), B: Keeps()}})
    client = session.client
    client._mounts[pattern(client, B)] = Above(client._mounts[pattern(client, B)])
    assert session.request("PUT", A + "/307", content=b"content").content == b"content"


def test_a_mount_that_came_later_is_plain_httpx_but_for_hops_that_lead_there(open_session):
    later = Web("later")
    session = open_session({"transport": Web()})
    session.client._mounts.update(mounted(B, later))
    assert session.get(B + "/302").status_code == 302
    assert session.get(B + "/503").status_code == 503
    later.sent.clear()
    assert session.get(A + "/to-b").text == "later"
    assert session.get(A + "/to-b-503").text == "later"
    assert later.sent == [f"GET {B}{path}" for path in ("/there", "/503", "/503")]
    with pytest.raises(sp.RedirectLoop):
        session.get(A + "/b-loop")
    sp.unwrap(session.client)
    assert session.get(B + "/503").status_code == 503


def test_302_content_length_a_mount_that_came_later_heeds_total_as_the_library_s_own_do(
    status_server,
):
    """Its sockets listen, as those of each transport of a client do."""
    url = status_server.script("/slow", Answer(200, {"Content-Length": "9"}, b"begun", stall=True))
    with sp.wrap(httpx.Client(transport=Web()), limits=sp.Limits(total=0.2)) as client:
        port = status_server.port
        client._mounts.update(mounted(f"all://127.0.0.1:{port}", httpx.HTTPTransport()))
        moved = httpx.MockTransport(lambda _: httpx.Response(302, headers={"location": url}))
        client._transport._inner.handle_request = moved.handle_request
        with pytest.raises(sp.TotalTimeout):
            client.get(A)


def test_a_mock_in_the_place_of_a_transport_is_what_is_asked_by_hops_too(open_session):
    session = open_session({"transport": Web(), "mounts": {A: Web()}})
    session.client._transport = mocked = Web("mock")
    assert session.get(A + "/to-b").text == "mock"
    assert session.get(B + "/302").status_code == 302
    assert mocked.sent == [f"GET {B}/there", f"GET {B}/302"]


@pytest.mark.skipif(httpx.__name__ != "httpx", reason="respx knows httpx alone")
def test_respx_that_mocks_the_choice_of_transport_mocks_hops_and_repeats(open_session):
    session = open_session({"transport": Web()})
    with respx.mock(using="httpx", assert_all_called=False) as router:
        router.get(B + "/there").respond(text="mocked")
        router.get(B + "/503").mock(side_effect=[httpx.Response(503), httpx.Response(200)])
        router.route().pass_through()
        assert session.get(A + "/302").text == "web"
        assert session.get(A + "/503").text == "web"
        assert session.get(A + "/to-b").text == "mocked"
        assert session.get(A + "/to-b-503").status_code == 200


# ── unwrap ─────────────────────────────────────────────────────────────────────────────


def test_unwrap_beneath_a_transport_that_came_later_leaves_it_and_handles_nothing(open_session):
    """Nor does a method that the transport has kept; and it can be wrapped again."""
    for options in ({}, {"cache": sp.Cache()}):
        session = open_session(
            {"transport": Web(), "mounts": {B: Web(), "ftp://": None}}, **options
        )
        client = session.client
        client._transport = above = Above(client._transport)
        mounts = [t and t._inner for t in client._mounts.values()]
        assert sp.unwrap(client) is client
        assert client._transport is above
        assert [*client._mounts.values()] == mounts
        for _ in range(2):
            assert session.get(A + "/302").status_code == 302
            assert session.request("POST", A + "/302", content=b"content").status_code == 302
        assert session.get(A + "/503").status_code == 503
        broken = mock.Mock(side_effect=httpx.ConnectError("broken"))
        above.transport._inner.handle_request = broken
        with pytest.raises(httpx.ConnectError):
            session.get(A)
        assert broken.call_count == 1
        del above.transport._inner.handle_request
        sp.wrap(client, clock=FakeClock())
        assert session.get(A + "/302").status_code == 200
        assert session.get(A + "/503").status_code == 200


def test_a_download_goes_on_beneath_a_transport_that_came_later(tmp_path, status_server):
    url = status_server.script("/hop", Answer(302, {"Location": "/200?body=whole"}))
    with sp.wrap(httpx.Client()) as client:
        client._transport = Above(client._transport)
        assert sp.download(client, url, tmp_path / "file").read_bytes() == b"whole"
