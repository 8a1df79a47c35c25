"""The tools for tests: StatusServer, FakeClock, replay, and the fixtures of the plugin."""

import asyncio
import socket
import ssl
import subprocess
import sys
import tomllib
from http import HTTPStatus
from pathlib import Path

import anyio
import pytest
import trustme

import pytest_statuspolicy
from statuspolicy import (
    STANDARD,
    STRICT,
    Cache,
    Limits,
    Memory,
    RedirectCapExceeded,
    RedirectLoop,
    Settle,
    SQLiteStorage,
    Use,
    trace,
)
from statuspolicy.engine.effects import Ask, Discard, Look, Send, Wait
from statuspolicy.testing import Answer, FakeClock, Received, StatusServer, replay
from tests.each import each
from tests.library import httpx

# What a URL can ask for as a final answer. 101 ends a request and is tried alone.
FINAL = [
    *(int(code) for code in HTTPStatus if code >= 200),
    *(209, 299, 306, 399, 419, 449, 499, 509, 599, 601, 999),
]


@pytest.fixture
def client():
    """A client without a policy: what it sees is what the server did."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


# ── StatusServer: codes from the URL ───────────────────────────────────────────────────


@pytest.mark.parametrize("code", FINAL)
def test_a_url_answers_its_code(status_server, client, code):
    response = client.get(f"{status_server.url}/{code}")
    assert response.status_code == code
    assert response.content == b""


@pytest.mark.parametrize(
    ("code", "words"), [(200, "OK"), (503, "Service Unavailable"), (599, "Unofficial")]
)
def test_a_code_comes_with_its_phrase(status_server, client, code, words):
    assert client.get(f"{status_server.url}/{code}").reason_phrase == words


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "X-MADE-UP"])
def test_any_method_is_answered_and_noted(status_server, client, method):
    assert client.request(method, status_server.url + "/503").status_code == 503
    assert [received.method for received in status_server.received] == [method]


@pytest.mark.parametrize("code", [200, 300, 404, 503])
def test_parameters_are_the_body_and_header_fields(status_server, client, code):
    url = f"{status_server.url}/{code}?retry-after=1&X-Twice=a&X-Twice=b&empty=&body=h%C3%A9"
    response = client.get(url)
    assert response.text == "hé"
    assert response.headers["retry-after"] == "1"
    assert response.headers.get_list("x-twice") == ["a", "b"]
    assert response.headers["empty"] == ""
    assert response.headers["content-length"] == "3"


def test_head_gets_the_fields_and_no_body(status_server, client):
    url = status_server.url + "/200?body=hello&x=y"
    response = client.head(url)
    assert (response.content, response.headers["content-length"]) == (b"", "5")
    assert client.get(url).text == "hello"
    assert status_server.connections == 1


@pytest.mark.parametrize("code", [204, 304])
def test_codes_without_a_body_have_none(status_server, client, code):
    response = client.get(f"{status_server.url}/{code}?body=hello&etag=x")
    assert (response.status_code, response.content) == (code, b"")
    assert "content-length" not in response.headers
    assert client.get(status_server.url + "/200").status_code == 200
    assert status_server.connections == 1


def test_then_says_what_comes_next_and_the_last_one_stays(status_server, client):
    url = status_server.url + "/503?retry-after=1&then=429&then=200&body=wait"
    answers = [client.get(url) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 429, 200, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["1", None, None, None]
    assert [answer.text for answer in answers] == ["wait", "", "", ""]


def test_each_url_has_turns_of_its_own(status_server, client):
    urls = [status_server.url + "/503?then=200", status_server.url + "/503?then=204"]
    assert [client.get(url).status_code for url in urls * 2] == [503, 503, 200, 204]


def test_what_follows_the_code_in_the_path_tells_urls_apart(status_server, client):
    for path in ("/503/a?then=200", "/503/b?then=200"):
        assert client.get(status_server.url + path).status_code == 503


@pytest.mark.parametrize("code", [100, 102, 103, 199])
def test_an_interim_code_goes_before_200(status_server, code):
    with socket.create_connection(("127.0.0.1", status_server.port)) as connection:
        connection.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % code)
        got = b"".join(iter(lambda: connection.recv(65536), b""))
    interim, final, rest = got.split(b"\r\n\r\n")
    assert interim.startswith(b"HTTP/1.1 %d " % code)
    assert (b"rel=preload" in interim) is (code == 103)
    assert final.startswith(b"HTTP/1.1 200 OK")
    assert rest == b""


def test_a_client_reads_past_interim_codes(status_server, client):
    answers = [client.get(f"{status_server.url}/{code}?body=x") for code in (102, 103)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "x")] * 2


def test_101_switches_where_it_was_asked_for(status_server, client):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    url = status_server.url + "/101?upgrade=websocket&connection=Upgrade"
    with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 101
        assert response.headers["upgrade"] == "websocket"
        assert "network_stream" in response.extensions


def test_disconnect_closes_without_an_answer(status_server, client):
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without"):
        client.get(status_server.url + "/disconnect")
    assert len(status_server.received) == 1


def test_600_is_no_http(status_server, client):
    with pytest.raises(httpx.RemoteProtocolError, match="only an entity arrived"):
        client.get(status_server.url + "/600")


def test_then_knows_disconnect_and_600_too(status_server, client):
    url = status_server.url + "/503?then=disconnect&then=600&then=200"
    assert client.get(url).status_code == 503
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(url)
    assert client.get(url).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/favicon.ico", "/20", "/2000", "/abc", "/%D9%A2%D9%A0%D9%A0", "/?body=x"]
)
def test_another_path_answers_404_with_help(status_server, client, path):
    response = client.get(status_server.url + path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/plain"
    assert "/503?retry-after=1&then=200" in response.text


@pytest.mark.parametrize("path", ["/000", "/099"])
def test_a_code_that_is_none_answers_404_with_help(status_server, client, path):
    response = client.get(status_server.url + path)
    assert response.status_code == 404
    assert "/503?retry-after=1&then=200" in response.text


def test_a_content_length_that_is_too_long_cuts_the_body(status_server, client):
    """What a field in the URL asks for is sent, be it a lie."""
    url = status_server.url + "/200?content-length=10&body=abc"
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
        client.get(url)
    assert len(status_server.received) == 1


# ── StatusServer: scripts ──────────────────────────────────────────────────────────────


def test_a_script_takes_codes_bytes_answers_and_callables(status_server, client):
    def echo(received):
        return Answer(200, [("X-Method", received.method)], received.body)

    url = status_server.script(
        "/a",
        503,
        b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        Answer(201, {"Location": "/b"}, b"made"),
        103,
        echo,
    )
    assert url == status_server.url + "/a"
    answers = [client.post(url + f"?{n}", content=b"hi") for n in range(6)]
    assert [answer.status_code for answer in answers] == [503, 418, 201, 200, 200, 200]
    assert (answers[2].headers["location"], answers[2].text) == ("/b", "made")
    assert [answer.text for answer in answers[4:]] == ["hi", "hi"]
    assert answers[4].headers["x-method"] == "POST"


def test_a_script_goes_before_a_code_in_the_url(status_server, client):
    status_server.script("/503", 200)
    assert client.get(status_server.url + "/503").status_code == 200


def test_a_script_may_be_for_the_target_of_a_connect(status_server):
    status_server.script("home.example:443", 407)
    with socket.create_connection(("127.0.0.1", status_server.port)) as connection:
        connection.sendall(b"CONNECT home.example:443 HTTP/1.1\r\nHost: home.example:443\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 407 Proxy Authentication Required")
    assert [received.target for received in status_server.received] == ["home.example:443"]


def test_a_script_without_lines_leaves_the_url_to_say(status_server, client):
    assert client.get(status_server.script("/503")).status_code == 503


def test_a_script_knows_600(status_server, client):
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(status_server.script("/a", 600))


def test_bytes_are_sent_as_they_stand_and_end_their_connection(status_server):
    status_server.script("/a", b"anything at all")
    with socket.create_connection(("127.0.0.1", status_server.port)) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"".join(iter(lambda: connection.recv(65536), b"")) == b"anything at all"


@pytest.mark.parametrize(
    ("headers", "framing"),
    [
        ({}, ("content-length", "5")),
        ({"Transfer-Encoding": "chunked"}, ("transfer-encoding", "chunked")),
        ([("CONTENT-LENGTH", "5")], ("content-length", "5")),
    ],
)
def test_a_length_is_added_where_no_framing_is_given(status_server, client, headers, framing):
    response = client.get(status_server.script("/a", Answer(200, headers, b"hello")))
    assert response.text == "hello"
    names = ("content-length", "transfer-encoding")
    assert [(n, response.headers[n]) for n in names if n in response.headers] == [framing]


@pytest.mark.parametrize(("close", "connections"), [(False, 1), (True, 2)])
def test_close_ends_the_connection_and_says_so(status_server, client, close, connections):
    url = status_server.script("/a", Answer(close=close))
    said = [client.get(url).headers.get("connection") for _ in range(2)]
    assert said == (["close", "close"] if close else [None, None])
    assert status_server.connections == connections


def test_early_answers_before_the_body_is_read(status_server, client):
    url = status_server.script("/a", Answer(413, early=True))
    assert client.post(url, content=b"hello").status_code == 413
    assert status_server.received[0].body == b""
    assert status_server.received[0].headers["content-length"] == "5"


@pytest.mark.parametrize(
    ("line", "start"),
    [(200, b"HTTP/1.1 100 "), (Answer(417, early=True), b"HTTP/1.1 417 ")],
)
def test_expect_is_answered_with_100_unless_the_answer_is_early(status_server, line, start):
    status_server.script("/a", line)
    with socket.create_connection(("127.0.0.1", status_server.port)) as connection:
        connection.sendall(
            b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(65536).startswith(start)


def test_stall_sends_nothing_more_and_keeps_the_connection_open_until_the_server_ends():
    with StatusServer() as server:
        server.script("/a", Answer(200, {"Content-Length": "9"}, b"part", stall=True))
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            got = b""
            while not got.endswith(b"part"):
                got += connection.recv(65536)
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
            assert server.open_connections == 1
            connection.setblocking(True)
            connection.sendall(b"is anybody there?")
            server.__exit__()
            assert connection.recv(1) == b""


# ── StatusServer: what it notes ────────────────────────────────────────────────────────


def test_what_arrived_is_noted(status_server, client):
    client.post(status_server.url + "/200?a=b", content=b"hello", headers={"X-Mine": "Y"})
    (received,) = status_server.received
    assert isinstance(received, Received)
    assert (received.method, received.target, received.body) == ("POST", "/200?a=b", b"hello")
    assert (received.headers["x-mine"], received.connection) == ("Y", 1)


def test_a_body_in_chunks_is_noted_whole(status_server, client):
    client.post(status_server.url + "/200", content=iter([b"hel", b"lo"]))
    assert status_server.received[0].body == b"hello"


def test_connections_are_counted_and_those_that_are_open(status_server):
    assert (status_server.connections, status_server.open_connections) == (0, 0)
    with httpx.Client(trust_env=False) as one, httpx.Client(trust_env=False) as two:
        for client in (one, two, one):
            client.get(status_server.url + "/200")
        assert (status_server.connections, status_server.open_connections) == (2, 2)
    assert [received.connection for received in status_server.received] == [1, 2, 1]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"GET /200 HTTP/1.1\r\n",
        b"PUT /200 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart",
    ],
)
def test_a_request_that_is_none_is_left_alone(status_server, client, sent):
    with socket.create_connection(("127.0.0.1", status_server.port)) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert status_server.received == []
    assert client.get(status_server.url + "/200").status_code == 200


def test_leaving_it_closes_what_is_open_and_stops_listening():
    with StatusServer() as server, httpx.Client(trust_env=False) as client:
        port = server.port
        client.get(server.url + "/200")
        assert server.open_connections == 1
        server.__exit__()
        assert server.open_connections == 0
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port))


def test_it_serves_tls_and_outlives_a_client_that_does_not_trust_it():
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with StatusServer(served) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
            client.get(server.url + "/200")
        with httpx.Client(verify=trusting, trust_env=False) as client:
            assert client.get(server.url + "/503?then=200").status_code == 503
            assert client.get(server.url + "/503?then=200").status_code == 200
        assert [received.connection for received in server.received] == [1, 1]


# ── FakeClock ──────────────────────────────────────────────────────────────────────────


def test_time_passes_only_when_it_is_slept_on(fake_clock):
    assert (fake_clock.time(), fake_clock.monotonic()) == (1_000_000_000.0, 0.0)
    fake_clock.sleep(2.5)
    fake_clock.sleep(60)
    assert (fake_clock.time(), fake_clock.monotonic()) == (1_000_000_062.5, 62.5)
    assert fake_clock.waits == [2.5, 60]
    assert repr(fake_clock) == "<FakeClock: 62.5 s, waits [2.5, 60]>"


def test_time_starts_and_moves_as_it_is_told():
    clock = FakeClock(start=50.0)
    clock.now += 10
    assert (clock.time(), clock.monotonic(), clock.waits) == (60.0, 10.0, [])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_that_sleeps_lets_others_run(backend):
    clock, ran = FakeClock(), []

    async def other():
        ran.append("other")

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            await clock.asleep(3)
            await clock.asleep(4)
            ran.append("slept")

    anyio.run(main, backend=backend)
    assert ran == ["other", "slept"]
    assert (clock.waits, clock.monotonic()) == ([3, 4], 7.0)


# ── replay ─────────────────────────────────────────────────────────────────────────────

GET = httpx.Request("GET", "http://a.example/1")


def to(url):
    return (302, {"Location": url})


@each(
    "line",
    [
        200,
        (200, {"X": "y"}),
        httpx.Response(200),
        lambda request: httpx.Response(200, headers={"X-Url": str(request.url)}),
    ],
)
def test_every_kind_of_line_is_an_answer(line):
    story = replay(GET, [line])
    assert story.response.status_code == 200
    assert (story.error, story.left_open, story.open_at_most) == (None, 0, 1)
    assert [request.url for request in story.sent] == [GET.url]


def test_a_pair_gives_its_header_fields():
    assert replay(GET, [(200, {"X": "y"})]).response.headers["x"] == "y"


def test_a_callable_sees_the_request():
    made = replay(GET, [lambda request: httpx.Response(200, text=request.method)])
    assert made.response.text == "GET"


def test_replay_looks_a_request_up_in_the_file_of_a_cache(tmp_path):
    cache = Cache(storage=SQLiteStorage(tmp_path / "cache.db"))
    story = replay(GET, [200], cache=cache)
    assert [type(effect) for effect in story.effects[:2]] == [Look, Send]
    assert story.response.status_code == 200
    cache.storage.close()


def test_a_script_may_be_any_iterable():
    assert replay(GET, iter([503, 200])).response.status_code == 200


def test_a_failure_is_a_line_too():
    story = replay(GET, [httpx.ConnectError("refused"), 200])
    assert story.response.status_code == 200
    assert [step.row for step in story.trace] == ["ConnectError", "200"]


def test_a_failure_that_stays_is_the_error_of_the_story():
    failure = httpx.PoolTimeout("busy")
    story = replay(GET, [failure])
    assert (story.response, story.error) == (None, failure)
    assert [step.code for step in story.trace] == ["PoolTimeout"]
    assert (story.left_open, story.open_at_most) == (0, 0)


@pytest.mark.parametrize(
    ("script", "limits", "error"),
    [
        ([to("/1")], Limits(), RedirectLoop),
        ([to("/2"), to("/3")], Limits(redirects=1), RedirectCapExceeded),
    ],
)
def test_what_the_policy_raises_is_the_error_of_the_story(script, limits, error):
    story = replay(GET, script, limits=limits)
    assert story.response is None
    assert isinstance(story.error, error)
    assert story.trace == trace(story.error)
    assert story.left_open == 0


def test_what_a_duty_raises_by_mistake_passes_through():
    def mistaken(exchange):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replay(GET, [500], table=STANDARD | {500: mistaken})


def test_a_script_that_is_too_short_says_which_request_it_does_not_answer():
    with pytest.raises(LookupError, match=r"The script ends before request 2, <Request\('GET'"):
        replay(GET, [to("/2")])


def test_the_story_tells_all_that_happened():
    request = httpx.Request("POST", "http://a.example/1", content=b"hello")
    story = replay(request, [(503, {"Retry-After": "7"}), (303, {"Location": "/2"}), 200])
    assert [(sent.method, str(sent.url)) for sent in story.sent] == [
        ("POST", "http://a.example/1"),
        ("POST", "http://a.example/1"),
        ("GET", "http://a.example/2"),
    ]
    assert story.bodies == [b"hello", b"hello", b""]
    assert story.waits == [7.0]
    kinds = [Send, Discard, Wait, Send, Discard, Send]
    assert [type(effect) for effect in story.effects] == kinds
    assert (story.open_at_most, story.left_open) == (1, 0)
    assert [step.code for step in story.trace] == [503, 303, 200]
    assert [past.status_code for past in story.response.history] == [303]


def test_a_body_that_is_sent_in_parts_is_noted_whole():
    request = httpx.Request("PUT", "http://a.example/1", content=iter([b"hel", b"lo"]))
    story = replay(request, [(503, {"Retry-After": "0"}), 200])
    assert story.bodies == [b"hello", b"hello"]


def test_a_body_that_is_kept_is_read_off_the_script():
    story = replay(GET, [httpx.Response(302, headers={"Location": "/2"}, text="moved"), 200])
    assert story.response.history[0].text == "moved"


def test_a_body_that_streams_is_not_read_off_the_script():
    line = httpx.Response(302, headers={"Location": "/2"}, content=iter([b"moved"]))
    past = replay(GET, [line, 200]).response.history[0]
    with pytest.raises(httpx.ResponseNotRead):
        _ = past.content


def test_a_response_that_is_closed_hard_is_not_read():
    """A 408 asks for another connection."""
    story = replay(GET, [httpx.Response(408, text="late"), 200])
    assert [e.unread for e in story.effects if isinstance(e, Discard)] == [True]


def test_the_story_may_end_with_another_response():
    other = httpx.Response(200, text="stored")
    story = replay(GET, [500], table=STANDARD | {500: lambda exchange: Use(other)})
    assert story.response.text == "stored"
    assert story.left_open == 0


@each(
    ("options", "codes"),
    [
        ({}, [502, 200]),
        ({"table": STRICT}, [502]),
        ({"limits": Limits(attempts=1)}, [502]),
        ({"limits": Limits(retry_budget=None)}, [502, 200]),
    ],
)
def test_table_and_limits_are_the_transport_s(options, codes):
    assert [step.code for step in replay(GET, [502, 200], **options).trace] == codes


def test_a_budget_and_a_memory_are_the_transport_s():
    memory, request = Memory(), httpx.Request("GET", "https://a.example/1")
    moved = (301, {"Location": "/2"})
    first = replay(request, [moved, 200], memory=memory)
    assert [*memory.moves] == ["https://a.example/1"]
    assert [str(sent.url) for sent in first.sent] == [request.url, "https://a.example/2"]
    second = replay(request, [200], memory=memory)
    assert [str(sent.url) for sent in second.sent] == ["https://a.example/2"]
    assert [step.code for step in second.trace] == ["remembered", 200]
    memory = Memory()
    third = replay(request, [moved, 502, 200], memory=memory)
    assert [step.budget for step in third.trace] == [None, 19.0, None]
    assert [tokens for tokens, _ in memory._buckets.values()] == [20.0]  # it was given back


def test_cookies_go_into_the_jar_that_is_given():
    jar = httpx.Cookies()
    story = replay(GET, [(302, {"Location": "/2", "Set-Cookie": "a=b"}), 200], cookies=jar)
    assert story.sent[1].headers["cookie"] == "a=b"
    assert jar["a"] == "b"


def test_follow_false_is_a_call_s_follow_redirects_false():
    assert replay(GET, [to("/2")], follow=False).response.status_code == 302


def test_the_clock_is_the_one_that_is_given():
    clock = FakeClock(start=5.0)
    story = replay(GET, [(503, {"Retry-After": "7"}), 200], clock=clock)
    assert story.waits == clock.waits == [7.0]
    assert clock.time() == 12.0


PUT = httpx.Request("PUT", "http://a.example/1", content=b"x")
KEPT = (307, {"Location": "/2"})


@pytest.mark.parametrize("yes", [True, False])
def test_confirm_may_be_a_function_or_a_coroutine(yes):
    asked = []

    def confirm(request, next_request, response):
        asked.append((str(request.url), str(next_request.url), response.status_code))
        return yes

    async def aconfirm(*given):
        return confirm(*given)

    plain, waited = (replay(PUT, [KEPT, 200], confirm=each) for each in (confirm, aconfirm))
    assert asked == [("http://a.example/1", "http://a.example/2", 307)] * 2
    assert plain.response.status_code == waited.response.status_code == (200 if yes else 307)
    assert [type(e) for e in plain.effects].count(Ask) == 0
    assert [type(e) for e in waited.effects].count(Ask) == 1


def test_a_duty_may_be_a_coroutine():
    async def duty(exchange):
        return Settle("as it was asked")

    assert replay(GET, [500], table=STANDARD | {500: duty}).trace.reason == "as it was asked"


def test_a_coroutine_that_waits_for_something_real_is_an_error():
    async def confirm(*given):
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited for real I/O"):
        replay(PUT, [KEPT, 200], confirm=confirm)


# ── the fixtures of the plugin ─────────────────────────────────────────────────────────


def test_the_fixtures_come_from_the_installed_plugin(pytestconfig, status_server, fake_clock):
    assert pytestconfig.pluginmanager.hasplugin("statuspolicy")
    installed = pytestconfig.pluginmanager.get_plugin("statuspolicy")
    assert installed.status_server is pytest_statuspolicy.status_server
    assert isinstance(status_server, StatusServer)
    assert isinstance(fake_clock, FakeClock)


def test_the_plugin_that_each_start_of_pytest_loads_imports_neither_package_nor_library():
    """But the modules that it is said to be."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    (name,) = project["project"]["entry-points"]["pytest11"].values()
    code = f"import sys, {name}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = set(loaded.stdout.split())
    assert name in modules
    assert modules.isdisjoint({"httpx", "httpx2", "anyio", "statuspolicy"})


def test_a_server_is_ready_and_has_seen_nothing(status_server):
    assert (status_server.received, status_server.connections) == ([], 0)
    assert status_server.url == f"http://127.0.0.1:{status_server.port}"
