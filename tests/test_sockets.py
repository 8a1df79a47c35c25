"""Real sockets: a real server, a real client of each kind, each code of the table."""

import asyncio
import gzip
import io
import socket
import ssl
import threading
import time

import anyio
import pytest
import trio
import trustme

from statuspolicy.testing import Answer, FakeClock, StatusServer
from tests.conftest import Session
from tests.library import httpx, sp
from tests.test_deadlines_and_pins import drip, raw

# The URL that is asked for, what is handed over (a status or an exception), and how many
# requests that takes. A row is here for each code of the table.
CODES = {
    100: ("/100", 200, 1),
    101: ("/101", sp.ProtocolViolation, 1),
    102: ("/102", 200, 1),
    103: ("/103", 200, 1),
    200: ("/200?body=hello", 200, 1),
    201: ("/201?location=/404", 201, 1),
    202: ("/202?location=/monitor", 202, 1),
    203: ("/203", 203, 1),
    204: ("/204", 204, 1),
    205: ("/205?content-length=0", 205, 1),
    206: ("/206?content-range=bytes 0-0/1&body=x", sp.ProtocolViolation, 1),
    207: ("/207?body=<multistatus/>", 207, 1),
    208: ("/208", 208, 1),
    226: ("/226", 226, 1),
    300: ("/300?location=/200", 200, 2),
    301: ("/301?location=/200", 200, 2),
    302: ("/302?location=/200", 200, 2),
    303: ("/303?location=/200", 200, 2),
    304: ("/304?then=200", 200, 2),
    305: ("/305?location=http://proxy.example", 305, 1),
    306: ("/306", 306, 1),
    307: ("/307?location=/200", 200, 2),
    308: ("/308?location=/200", 200, 2),
    **{code: (f"/{code}?body=why", code, 1) for code in (*range(400, 408), 409, 410, 412)},
    408: ("/408?then=200", 200, 2),
    411: ("/411?then=200", 200, 2),
    413: ("/413?retry-after=1&then=200", 200, 2),
    **{code: (f"/{code}?body=why", code, 1) for code in (414, 415, 416, 422, 423, 424, 426, 428)},
    417: ("/417", 417, 1),
    421: ("/421?then=200", 200, 2),
    425: ("/425?then=200", 200, 2),
    429: ("/429?retry-after=1&then=200", 200, 2),
    **{code: (f"/{code}?body=why", code, 1) for code in (431, 449, 451, 500, 501)},
    502: ("/502?then=200", 200, 2),
    503: ("/503?retry-after=1&then=200", 200, 2),
    504: ("/504?then=200", 200, 2),
    **{code: (f"/{code}?body=why", code, 1) for code in (505, 506, 507, 508, 510, 511)},
    509: ("/509?retry-after=1&then=200", 200, 2),
    600: ("/600", sp.UnparsableResponse, 2),
}


def test_each_code_of_the_table_has_a_row_here():
    assert {key for key in sp.STANDARD if isinstance(key, int)} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_each_code_does_its_duty(code, session, status_server):
    path, expected, requests = CODES[code]
    if isinstance(expected, int):
        response = session.get(status_server.url + path)
        assert response.status_code == expected
        if "body=" in path:
            assert response.text in path
        trace = sp.trace(response)
    else:
        with pytest.raises(expected) as raised:
            session.get(status_server.url + path)
        trace = sp.trace(raised.value)
    assert len(status_server.received) == requests == trace.requests


# ── connections ────────────────────────────────────────────────────────────────────────

ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


@pytest.mark.parametrize("path", ["/302?location=/200", "/503?retry-after=1&body=busy"])
def test_a_pool_of_one_survives_two_hundred_of_each_on_one_connection(
    path, open_session, status_server
):
    limits = sp.Limits(retry_budget=None, attempts=2)
    session = open_session(dict(ONE), limits=limits)
    for _ in range(200 // 2):
        response = session.get(status_server.url + path)
        assert sp.trace(response).requests == 2
    assert session.get(status_server.url + "/200").status_code == 200
    assert len(status_server.received) == 201
    assert status_server.connections == 1


def test_two_hundred_redirects_and_two_hundred_retries_in_a_row(open_session, status_server):
    """One exchange after the other over a pool of one: 401 exchanges, one TCP connection."""
    session = open_session(dict(ONE))
    for n in range(200):
        assert session.get(f"{status_server.url}/302?location=/200&n={n}").status_code == 200
    for n in range(200):
        url = f"{status_server.url}/503?retry-after=0&then=200&n={n}"
        assert session.get(url).status_code == 200
    assert session.get(status_server.url + "/200").status_code == 200
    assert (len(status_server.received), status_server.connections) == (801, 1)


def test_408_a_repeat_on_another_connection_is_on_another_connection(session, status_server):
    session.get(status_server.url + "/408?then=200")
    assert [r.connection for r in status_server.received] == [1, 2]


def test_302_an_intermediate_body_above_the_bound_is_not_read(open_session, status_server):
    url = status_server.script("/big", Answer(302, {"Location": "/200"}, b"x" * 100_000), Answer())
    session = open_session(limits=sp.Limits(drain_bytes=1000))
    response = session.get(url)
    assert response.status_code == 200
    assert status_server.connections == 2
    with pytest.raises(httpx.ResponseNotRead):
        _ = response.history[0].content


def test_302_a_chunked_intermediate_body_above_the_bound_is_cut(open_session, status_server):
    chunk = b"400\r\n" + b"x" * 0x400 + b"\r\n"
    raw = b"HTTP/1.1 302 Found\r\nLocation: /200\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 64
    url = status_server.script("/big", Answer(raw=raw, stall=True))
    session = open_session(limits=sp.Limits(drain_bytes=2000))
    assert session.get(url).status_code == 200
    assert status_server.connections == 2


def test_302_an_intermediate_body_that_stalls_is_left_after_drain_seconds(
    open_session, status_server
):
    raw = b"HTTP/1.1 302 Found\r\nLocation: /200\r\nContent-Length: 100\r\n\r\nhalf"
    url = status_server.script("/stall", Answer(raw=raw, stall=True))
    session = open_session(limits=sp.Limits(drain_seconds=0.1))
    began = time.monotonic()
    assert session.get(url, timeout=30).status_code == 200
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("limits", [{}, {"total": 30}], ids=["alone", "within a total"])
def test_302_an_intermediate_body_that_goes_on_and_brings_nothing_is_left_after_drain_seconds(
    limits, open_session
):
    """Trailer fields without end: no read of the socket is late, and no part of a body comes."""
    chunked = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    slowly = drip(chunked, b"A: b\r\n")

    def serve(connection):
        if b"/a" in connection.recv(9, socket.MSG_PEEK):
            slowly(connection)
        else:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    limits = sp.Limits(drain_seconds=0.1, **limits)
    session = open_session({"trust_env": False}, limits=limits, clock=sp.SystemClock())
    with raw(serve) as port:
        began = time.monotonic()
        assert session.get(f"http://127.0.0.1:{port}/a", timeout=30).status_code == 200
        assert time.monotonic() - began < 1.5  # the server goes on for 2 s


def test_302_an_intermediate_body_that_breaks_is_no_error(session, status_server):
    raw = b"HTTP/1.1 302 Found\r\nLocation: /200\r\nContent-Length: 100\r\n\r\nhalf"
    assert session.get(status_server.script("/half", raw)).status_code == 200


def test_302_an_intermediate_body_is_readable_in_the_history(session, status_server):
    body = gzip.compress(b"moved")
    fields = {"Location": "/200", "Content-Encoding": "gzip"}
    url = status_server.script("/gzip", Answer(302, fields, body))
    (passed,) = session.get(url).history
    assert passed.text == "moved"
    assert passed.elapsed.total_seconds() >= 0
    assert passed.is_closed


def test_a_204_with_a_body_does_not_poison_the_connection(session, status_server):
    raw = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nstray"
    response = session.get(status_server.script("/204x", Answer(raw=raw)))
    assert (response.status_code, response.content) == (204, b"")
    assert session.get(status_server.url + "/200").status_code == 200
    assert status_server.connections == 2


def test_a_205_without_framing_does_not_hang(session, status_server):
    raw = b"HTTP/1.1 205 Reset Content\r\n\r\n"
    url = status_server.script("/205x", Answer(raw=raw, stall=True))
    response = session.get(url, timeout=5)
    assert (response.status_code, response.content) == (205, b"")


def test_what_a_head_or_a_304_says_of_its_length_costs_no_connection(open_session, status_server):
    """It is the length of what GET would bring: nothing follows that had to be read."""
    session = open_session(dict(ONE))
    big = {"Content-Length": "100000000"}
    moved = status_server.script("/moved", Answer(302, {"Location": "/200", **big}))
    for _ in range(3):
        assert session.request("HEAD", moved).status_code == 200
    for n in range(3):
        url = status_server.script(f"/304-{n}", Answer(304, big), Answer(200, body=b"x"))
        assert session.get(url).text == "x"
    assert (len(status_server.received), status_server.connections) == (12, 1)


# ── redirects ──────────────────────────────────────────────────────────────────────────


def test_303_post_that_becomes_get_at_the_same_url_works(session, status_server):
    url = status_server.script(
        "/x",
        lambda r: Answer(303, {"Location": "/x"}) if r.method == "POST" else Answer(body=b"done"),
    )
    response = session.request("POST", url, json={"a": 1})
    assert response.text == "done"
    second = status_server.received[1]
    assert (second.method, second.body) == ("GET", b"")
    assert not {"content-type", "content-length", "transfer-encoding"} & second.headers.keys()


@pytest.mark.parametrize("status", [307, 308])
def test_307_308_the_method_and_the_body_are_kept(status, session, status_server):
    session.request("PUT", f"{status_server.url}/{status}?location=/200", content=b"body")
    assert [(r.method, r.body) for r in status_server.received] == [("PUT", b"body")] * 2


def test_302_a_login_redirect_works(session, status_server):
    status_server.script("/login", Answer(302, {"Location": "/me", "Set-Cookie": "sid=1; Path=/"}))
    status_server.script(
        "/me", lambda r: Answer(200 if r.headers.get("cookie") == "sid=1" else 403)
    )
    assert session.request("POST", status_server.url + "/login").status_code == 200
    assert session.client.cookies["sid"] == "1"
    assert session.get(status_server.url + "/me").status_code == 200


def test_the_cookie_of_another_host_is_never_filed_under_the_first(session, status_server):
    """The same server by two names: `localhost` is another host than 127.0.0.1."""
    other = f"http://localhost:{status_server.port}"
    status_server.script("/away", Answer(302, {"Location": f"{other}/there"}))
    status_server.script("/there", Answer(200, {"Set-Cookie": "other=1"}))
    response = session.get(status_server.url + "/away")
    assert str(response.url) == f"{other}/there"
    assert {cookie.domain for cookie in session.client.cookies.jar} == {"localhost.local"}
    session.get(status_server.url + "/200")
    assert "cookie" not in status_server.received[-1].headers


def test_511_a_captive_portals_cookie_stays_out_of_the_jar(session, status_server):
    response = session.get(status_server.url + "/511?set-cookie=portal=1")
    assert response.headers["set-cookie"] == "portal=1"
    assert not session.client.cookies


@pytest.mark.parametrize("rows", [{"5xx": sp.surface}, {511: sp.surface}])
def test_511_a_captive_portals_cookie_stays_out_of_the_jar_in_any_table(
    rows, open_session, status_server
):
    session = open_session(table=sp.STANDARD | rows)
    response = session.get(status_server.url + "/511?set-cookie=portal=1&body=portal")
    assert (response.headers["set-cookie"], response.text) == ("portal=1", "portal")
    assert not session.client.cookies


def test_a_login_redirect_with_userinfo_in_its_url_keeps_its_cookie(session, status_server):
    status_server.script("/login", Answer(302, {"Location": "/me", "Set-Cookie": "sid=1; Path=/"}))
    status_server.script(
        "/me", lambda r: Answer(200 if r.headers.get("cookie") == "sid=1" else 403)
    )
    url = status_server.url.replace("//", "//user:secret@") + "/login"
    assert session.get(url).status_code == 200
    assert [(c.name, c.domain) for c in session.client.cookies.jar] == [("sid", "127.0.0.1")]
    assert session.get(status_server.url + "/me").status_code == 200


def test_307_authorization_credentials_stay_home_on_the_wire(session, status_server):
    other = f"http://localhost:{status_server.port}"
    status_server.script("/away", Answer(307, {"Location": f"{other}/200"}))
    headers = {"Authorization": "Bearer x", "X-Api-Key": "k", "Cookie": "a=b", "Accept": "x/y"}
    session.get(status_server.url + "/away", headers=headers)
    first, second = status_server.received
    assert {"authorization", "x-api-key", "cookie"} <= first.headers.keys()
    assert not {"authorization", "x-api-key", "cookie"} & second.headers.keys()
    assert second.headers["accept"] == "x/y"
    assert second.headers["host"] == f"localhost:{status_server.port}"


def test_302_a_url_with_userinfo_sends_it_once_and_never_shows_it(session, status_server):
    url = status_server.url.replace("//", "//user:secret@") + "/302?location=/200"
    response = session.get(url)
    assert [r.headers.get("authorization") for r in status_server.received] == [
        "Basic dXNlcjpzZWNyZXQ="
    ] * 2
    assert "secret" not in str(sp.trace(response))


# ── bodies ─────────────────────────────────────────────────────────────────────────────


def chunks(kind: str, *parts: bytes):
    if kind == "sync":
        return iter(parts)

    async def generator():
        for part in parts:
            yield part

    return generator()


@pytest.mark.parametrize("path", ["/307?location=/200", "/503?retry-after=1&then=200"])
def test_307_503_a_generator_body_is_replayed_byte_for_byte(path, kind, session, status_server):
    content = chunks(kind, b"one", b"two", b"three")
    response = session.request("PUT", status_server.url + path, content=content)
    assert response.status_code == 200
    assert [r.body for r in status_server.received] == [b"onetwothree"] * 2


@pytest.mark.parametrize("path", ["/307?location=/200", "/503?retry-after=1&then=200"])
def test_307_503_a_body_above_replay_bytes_is_handed_over_with_the_reason(
    path, kind, open_session, status_server
):
    session = open_session(limits=sp.Limits(replay_bytes=5))
    content = chunks(kind, b"one", b"two")
    response = session.request("PUT", status_server.url + path, content=content)
    assert response.status_code in (307, 503)
    assert "can't be sent again" in sp.trace(response).reason
    assert [r.body for r in status_server.received] == [b"onetwo"]


def test_503_a_file_is_rewound_to_where_it_stood(tmp_path, status_server):
    path = tmp_path / "file"
    path.write_bytes(b"skipped" + b"sent" * 50_000)
    with sp.wrap(httpx.Client(), clock=FakeClock()) as client, path.open("rb") as file:
        file.seek(7)
        url = status_server.url + "/503?retry-after=1&then=200"
        headers = {"Content-Length": "200000"}
        assert client.put(url, content=file, headers=headers).status_code == 200
    assert [r.body for r in status_server.received] == [b"sent" * 50_000] * 2


def test_307_multipart_with_a_file_is_replayed(session, status_server):
    url = status_server.url + "/307?location=/200"
    session.request("POST", url, files={"f": ("name", io.BytesIO(b"content"))})
    first, second = status_server.received
    assert b"content" in first.body
    assert first.body == second.body


def test_a_length_is_found_out_for_411(kind, session, status_server):
    url = status_server.script(
        "/411x", lambda r: Answer(200 if "content-length" in r.headers else 411)
    )
    assert session.request("POST", url, content=chunks(kind, b"ab", b"c")).status_code == 200
    assert status_server.received[1].headers["content-length"] == "3"


# The HTTP library abandons the body's iterator, and trio says so of any async generator.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_413_an_answer_that_comes_before_the_body_is_sent_is_what_the_row_sees(
    kind, open_session, status_server
):
    """The connection breaks under the rest of the body; the 413 counts, not the broken pipe."""
    url = status_server.script("/413x", Answer(413, body=b"too much", early=True))
    session = open_session(limits=sp.Limits(replay_bytes=0))
    try:
        response = session.request("POST", url, content=chunks(kind, *[b"x" * 65536] * 64))
    except httpx.WriteError:  # the kernel may reset before the answer is read
        return
    except httpx.ReadError:
        return
    assert response.status_code == 413


# ── waiting ────────────────────────────────────────────────────────────────────────────


def test_the_wait_is_real(kind, status_server):
    from contextlib import ExitStack

    with ExitStack() as stack:
        session = Session(kind, stack, {}, {"clock": sp.SystemClock()})
        table = sp.STANDARD | {500: sp.retry(wait=0.2)}
        url = status_server.url + "/500?then=200"
        began = time.monotonic()
        response = session.get(url, extensions={"statuspolicy": table})
        assert response.status_code == 200
        assert 0.2 <= time.monotonic() - began < 5


def test_the_machines_own_clock_waits():
    clock = sp.SystemClock()
    began = time.monotonic()
    clock.sleep(0.02)
    assert 0.02 <= time.monotonic() - began < 5
    assert abs(clock.time() - time.time()) < 5


def test_a_guest_in_another_kind_of_loop_waits_as_its_own_loop_does():
    """trio in guest mode runs inside asyncio's loop, and is no task of it."""

    async def guest():
        await sp.SystemClock().asleep(0.001)
        return "slept"

    async def host():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        return (await done).unwrap()

    assert asyncio.run(host()) == "slept"


class Interrupted(FakeClock):
    """A clock whose wait ends as Ctrl-C ends it."""

    def sleep(self, seconds: float) -> None:
        raise KeyboardInterrupt


def test_302_503_ctrl_c_in_a_wait_leaves_no_open_connection(status_server):
    """What was drained is back in the pool; nothing is held, and the client goes on working."""
    limits = sp.Limits(cooling="send")  # or the second request would wait for the first
    client = sp.wrap(httpx.Client(**ONE), clock=Interrupted(), limits=limits)
    with client:
        for path in ("/503?retry-after=9", "/302?location=/200&retry-after=9"):
            with pytest.raises(KeyboardInterrupt):
                client.get(status_server.url + path)
        assert client.get(status_server.url + "/200").status_code == 200
    _all_closed(status_server)


def test_307_ctrl_c_while_the_application_is_asked_closes_what_is_held(status_server):
    def confirm(request, next_request, response):
        raise KeyboardInterrupt

    with sp.wrap(httpx.Client(**ONE), confirm=confirm) as client:
        with pytest.raises(KeyboardInterrupt):
            client.put(status_server.url + "/307?location=/200", content=b"x")
        assert client.get(status_server.url + "/200").status_code == 200
    _all_closed(status_server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("path", ["/503?retry-after=60", "/stall"])
def test_302_503_cancellation_in_a_wait_or_a_drain_leaves_no_open_connection(
    backend, path, status_server
):
    raw = b"HTTP/1.1 302 Found\r\nLocation: /200\r\nContent-Length: 9\r\n\r\nhalf"
    status_server.script("/stall", Answer(raw=raw, stall=True))
    limits = sp.Limits(drain_seconds=30, cooling="send")

    async def main() -> None:
        async with sp.wrap(httpx.AsyncClient(**ONE), limits=limits) as client:
            with anyio.move_on_after(0.1) as scope:
                await client.get(status_server.url + path)
            assert scope.cancelled_caught
            assert (await client.get(status_server.url + "/200")).status_code == 200

    anyio.run(main, backend=backend)
    _all_closed(status_server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_307_cancellation_while_the_application_is_asked_closes_what_is_held(
    backend, status_server
):
    async def confirm(request, next_request, response):
        await anyio.sleep(60)

    async def main() -> None:
        async with sp.wrap(httpx.AsyncClient(**ONE), confirm=confirm) as client:
            with anyio.move_on_after(0.1) as scope:
                await client.put(status_server.url + "/307?location=/200", content=b"x")
            assert scope.cancelled_caught
            assert (await client.get(status_server.url + "/200")).status_code == 200

    anyio.run(main, backend=backend)
    _all_closed(status_server)


def _all_closed(server: StatusServer) -> None:
    for _ in range(200):
        if not server.open_connections:
            return
        threading.Event().wait(0.01)
    pytest.fail(f"{server.open_connections} connections are still open")


# ── https, and what else a socket shows ────────────────────────────────────────────────


@pytest.fixture
def secure():
    """An https server, and the context that trusts it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with StatusServer(tls=context) as server:
        yield server, trust


def test_301_a_permanent_move_over_https_is_remembered(secure, open_session):
    server, trust = secure
    session = open_session({"verify": trust})
    for _ in range(3):
        assert session.get(server.url + "/301?location=/200").status_code == 200
    assert [r.target for r in server.received] == ["/301?location=/200", "/200", "/200", "/200"]


def test_302_a_downgrade_is_declined_and_the_client_does_not_follow_it_either(
    secure, open_session, status_server
):
    server, trust = secure
    session = open_session({"verify": trust, "follow_redirects": True})
    server.script("/down", Answer(302, {"Location": status_server.url + "/200"}))
    response = session.get(server.url + "/down")
    assert response.status_code == 302
    assert "https to http" in sp.trace(response).reason
    assert not status_server.received


def test_a_certificate_that_does_not_verify_is_never_tried_again(secure, session):
    server, _ = secure
    with pytest.raises(httpx.ConnectError, match=r"CERTIFICATE_VERIFY_FAILED|^$") as raised:
        session.get(server.url + "/200")
    assert len(sp.trace(raised.value)) == 1
    assert session.clock.waits == []


def test_a_connection_that_is_refused_is_tried_again(open_session):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    session = open_session(table=sp.STANDARD | {httpx.ConnectError: sp.retry(wait=2)})
    with pytest.raises(httpx.ConnectError) as raised:
        session.request("POST", f"http://127.0.0.1:{port}/", content=b"x")
    assert session.clock.waits == [2, 2, 2]
    assert "4 attempts" in sp.trace(raised.value).reason


def test_a_server_that_hangs_up_is_tried_again(session, status_server):
    url = status_server.url + "/disconnect?then=200"
    assert session.get(url).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        session.request("POST", status_server.url + "/disconnect", content=b"x")


def test_a_101_that_was_asked_for_keeps_its_stream(session, status_server):
    raw = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello"
    url = status_server.script("/upgrade", Answer(raw=raw, stall=True))
    headers = {"Upgrade": "echo", "Connection": "upgrade"}
    if session.portal is None:
        with session.client.stream("GET", url, headers=headers) as response:
            stream = response.extensions["network_stream"]
            assert response.status_code == 101
            assert stream.read(5, timeout=5) == b"hello"
    else:

        async def upgraded() -> tuple[int, bytes]:
            async with session.client.stream("GET", url, headers=headers) as response:
                stream = response.extensions["network_stream"]
                return response.status_code, await stream.read(5, timeout=5)

        assert session.run(upgraded) == (101, b"hello")


def test_a_206_that_was_asked_for_is_handed_over(session, status_server):
    url = status_server.url + "/206?content-range=bytes 0-0/9&body=x"
    response = session.get(url, headers={"Range": "bytes=0-0"})
    assert (response.status_code, response.text) == (206, "x")


def test_a_206_that_nobody_asked_for_is_handed_over_flagged_and_never_stored(
    open_session, status_server
):
    session = open_session(cache=sp.Cache())
    fields = {"Content-Range": "0-1/5", "Cache-Control": "max-age=60", "ETag": '"a"'}
    page = status_server.script("/items", Answer(206, fields, b"[1, 2]"))
    span = {"Content-Range": "bytes 0-5/9"}
    call = status_server.script("/rpc", Answer(206, span, b"[1, 2]"))
    for method, url in (("GET", page), ("GET", page), ("POST", call)):
        response = session.request(method, url)
        assert (response.status_code, response.json()) == (206, [1, 2])
        assert "no range was requested" in sp.trace(response).reason
    assert [(r.method, r.target) for r in status_server.received] == [
        ("GET", "/items"), ("GET", "/items"), ("POST", "/rpc"),
    ]  # fmt: skip


def test_an_expectation_that_is_refused_is_left_out(session, status_server):
    url = status_server.script("/417x", lambda r: Answer(417 if "expect" in r.headers else 200))
    headers = {"Expect": "100-continue"}
    response = session.request("POST", url, content=b"x", headers=headers)
    assert response.status_code == 200
    assert [r.body for r in status_server.received] == [b"x", b"x"]


def test_a_304_to_the_callers_own_condition_is_handed_over(session, status_server):
    url = status_server.url + "/304?etag=x"
    response = session.get(url, headers={"If-None-Match": "x"})
    assert response.status_code == 304
    assert len(status_server.received) == 1
