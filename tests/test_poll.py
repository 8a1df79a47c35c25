"""202 on real sockets, and a poll that goes on after a restart."""

import base64
import json
from functools import partial

import pytest

from statuspolicy.testing import Answer
from tests.library import httpx, sp

POLLING = sp.STANDARD | {202: sp.poll()}
ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


@pytest.fixture
def job(status_server):
    """What is accepted, and is done at the third look."""
    status_server.script(
        "/monitor", 202, Answer(503, {"Retry-After": "9"}), 202, Answer(200, body=b"made")
    )
    headers = {"Location": "/monitor", "Retry-After": "2"}
    return status_server.script("/jobs", Answer(202, headers, b"wait"))


def test_202_the_result_is_handed_over_over_a_pool_of_one(job, open_session, status_server):
    session = open_session(dict(ONE), table=POLLING)
    response = session.request("POST", job, content=b"do", headers={"Authorization": "Bearer t"})
    assert (response.status_code, response.text) == (200, "made")
    assert response.url.path == "/monitor"
    assert session.clock.waits == [2.0, 1.0 * 2, 9.0, 4.0]
    assert [r.headers.get("authorization") for r in status_server.received] == ["Bearer t"] * 5
    assert status_server.connections == 1
    assert [s.code for s in sp.trace(response)] == [202, 202, 503, 202, 200]


def test_202_303_a_long_result_streams(open_session, status_server):
    status_server.script("/monitor", Answer(303, {"Location": "/out"}))
    status_server.script("/out", Answer(200, body=b"x" * 300_000))
    url = status_server.script("/jobs", Answer(202, {"Location": "/monitor"}))
    response = open_session(dict(ONE), table=POLLING).request("POST", url)
    assert response.content == b"x" * 300_000


def test_a_202_in_standard_is_handed_over(job, session, status_server):
    assert session.request("POST", job).text == "wait"
    assert len(status_server.received) == 1


# ── resumed ────────────────────────────────────────────────────────────────────────────


def test_202_a_poll_that_ran_out_of_time_goes_on_from_its_token(job, open_session, status_server):
    short = sp.STANDARD | {202: sp.poll(within=3)}
    response = open_session(table=short).request("POST", job, content=b"do")
    assert (response.status_code, response.text) == (202, "wait")
    token = sp.poll_token(response)
    assert len(token) < 200
    session = open_session(table=POLLING)  # another life
    response = session.run(sp.resume_poll, session.client, token)
    assert (response.status_code, response.text) == (200, "made")
    assert session.clock.waits == [9.0, 2.0]  # and not one before the first look
    posts = [r for r in status_server.received if r.method == "POST"]
    assert [r.body for r in posts] == [b"do"]  # what was accepted is not sent again
    trace = sp.trace(response)
    assert (trace[0].method, trace[0].code, trace[0].row) == ("POST", "remembered", "202")
    assert trace.requests == len(status_server.received) - 2


def test_202_what_the_monitor_gets_is_what_the_client_sends_anyway_and_the_headers_given(
    job, open_session, status_server
):
    session = open_session({"headers": {"X-Client": "c"}}, table=POLLING)
    token = sp.poll_token(
        httpx.Response(202, headers={"Location": "/monitor"}, request=httpx.Request("POST", job))
    )
    given = {"Authorization": "Bearer t"}
    resume = partial(sp.resume_poll, session.client, token, headers=given)
    response = session.run(resume, origin=status_server.url)
    assert response.status_code == 200
    first = status_server.received[0].headers
    assert (first["x-client"], first["authorization"]) == ("c", "Bearer t")


def test_202_credentials_do_not_go_to_a_monitor_of_another_origin(open_session, status_server):
    url = status_server.script("/monitor", 200)
    accepted = httpx.Response(
        202, headers={"Location": url}, request=httpx.Request("POST", "http://home.example/")
    )
    session = open_session(table=POLLING)
    given = {"Authorization": "Bearer t"}
    resume = partial(sp.resume_poll, session.client, sp.poll_token(accepted), headers=given)
    response = session.run(resume, origin="http://home.example")
    assert response.status_code == 200
    assert "authorization" not in status_server.received[0].headers


def test_202_what_is_known_of_the_result_goes_along(open_session, status_server):
    """Operation-Location with Location, resumed twice: the second time from the 202 handed over."""
    status_server.script("/op", 202, Answer(200, body=b'{"status": "Succeeded"}'))
    status_server.script("/out", Answer(200, body=b"made"))
    headers = {"Operation-Location": "/op", "Location": "/out"}
    accepted = httpx.Response(
        202, headers=headers, request=httpx.Request("POST", status_server.url)
    )
    session = open_session(table=sp.STANDARD)
    short = sp.poll(times=1)
    response = session.run(sp.resume_poll, session.client, sp.poll_token(accepted), short)
    assert response.status_code == 202
    response = session.run(sp.resume_poll, session.client, sp.poll_token(response))
    assert response.text == "made"


def test_202_a_monitor_inside_the_body_is_in_the_token(open_session, status_server):
    status_server.script("/monitor", Answer(200, body=b"made"))
    how = sp.poll(monitor="/url")
    accepted = httpx.Response(
        202, json={"url": "/monitor"}, request=httpx.Request("POST", status_server.url)
    )
    session = open_session()
    response = session.run(sp.resume_poll, session.client, sp.poll_token(accepted, how), how)
    assert response.text == "made"


def encoded(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "", "x", "%%%", "é", encoded(1), encoded("a", "b", "c", True, ""), encoded(*"abcde"),
        encoded("GET", "http://a/", "ftp://b/", True, ""),
        encoded("GET", "http://[", "http://b/", True, ""),
        encoded("GET", "http://a/", "http://u:p@b/", True, ""),
        encoded("GET", "http://u:p@a/", "http://b/", True, ""),
        encoded("GET", "http://a/", "", True, "http://b/"),
        encoded("GET", "http://a/", "http://b/", True, "é\n"),
        encoded("GET / HTTP/1.1\r\nX:", "http://a/", "http://b/", True, ""),
        base64.urlsafe_b64encode(b"5").decode(), base64.urlsafe_b64encode(b"null").decode(),
    ],
)  # fmt: skip
def test_what_is_no_token_is_said_to_be_none(token, session):
    with pytest.raises(ValueError, match="is not a poll token: give what"):
        sp.resume_poll(session.client, token)


def test_202_a_response_that_begins_no_poll_has_no_token():
    request = httpx.Request("GET", "http://home.example/")
    with pytest.raises(ValueError, match="the response names no status monitor"):
        sp.poll_token(httpx.Response(202, request=request))


def test_202_a_client_that_is_not_wrapped_is_said_to_be_none():
    accepted = httpx.Response(
        202, headers={"Location": "/m"}, request=httpx.Request("POST", "http://h/")
    )
    with httpx.Client() as client, pytest.raises(TypeError, match="is not wrapped"):
        sp.resume_poll(client, sp.poll_token(accepted))


# ── a token names no credentials ───────────────────────────────────────────────────────

HOME, ABROAD = "http://home.example", "http://abroad.example"
SECRETS = {"authorization": "Bearer S", "x-api-key": "S", "cookie": "mine=S", "x-of-a-hook": "S"}


class Origins:
    """Home leads to another origin, whose operation is done at once; nobody is let in there."""

    def __init__(self):
        self.seen = []

    def __call__(self, request):
        self.seen.append(request)
        challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n"'}
        answers = {
            HOME + "/moves": (307, {"Location": ABROAD + "/op"}),
            HOME + "/op": (202, {"Location": "/m"}),
            ABROAD + "/op": (202, {"Location": "/m"}),
            ABROAD + "/m": (401, challenge),
        }
        status, headers = answers.get(str(request.url), (200, {}))
        return httpx.Response(status, headers=headers)

    def got(self, origin):
        """The secrets that each request to an origin brought."""
        seen = [request for request in self.seen if str(request.url).startswith(origin)]
        self.seen = []
        return [{k: r.headers[k] for k in SECRETS if k in r.headers} for r in seen]


@pytest.fixture
def origins(open_session):
    """A client that has all kinds of credentials, and the world that it is in."""

    def opened(base_url="", **wrap):
        there = Origins()

        def hook(request):
            request.headers["X-Of-A-Hook"] = "S"

        async def ahook(request):
            hook(request)

        def bearer(request):
            request.headers["Authorization"] = "Bearer S"
            return request

        options = {
            "transport": httpx.MockTransport(there),
            "base_url": base_url,
            "auth": bearer,
            "headers": {"X-Api-Key": "S"},
            "cookies": {"mine": "S"},
        }
        session = open_session(options, **wrap)
        in_sync = isinstance(session.client, httpx.Client)
        session.client.event_hooks = {"request": [hook if in_sync else ahook]}
        return there, session

    return opened


def changed(token, **values):
    """A token that somebody has edited."""
    names = ("method", "url", "monitor", "states", "location")
    read = dict(zip(names, json.loads(base64.urlsafe_b64decode(token + "==")), strict=True))
    return encoded(*(read | values).values()).rstrip("=")


def token_of(session, path):
    return sp.poll_token(session.request("POST", HOME + path))


def test_a_poll_token_that_was_edited_sends_no_credentials_to_the_host_in_it(origins):
    edits = (
        {"url": ABROAD + "/", "monitor": ABROAD + "/m"},
        {"monitor": ABROAD + "/m"},
        {"url": ABROAD + "/", "monitor": ABROAD + "/m", "method": "PUT", "states": True},
        {"monitor": "http://home.example:8080/m"},
        {"monitor": "http://home.example.evil.example/m"},
    )
    rows = sp.STANDARD | {401: sp.authenticate(lambda _: "Bearer S")}
    for wrap in ({}, {"table": rows}, {"limits": sp.Limits(cross_origin="keep")}):
        there, session = origins(**wrap)
        token = token_of(session, "/op")
        assert there.got(HOME) == [SECRETS]
        for edit in edits:
            for named in ({}, {"origin": HOME}):
                if named and "url" not in edit and "limits" in wrap:
                    continue  # from home on to its monitor "keep" keeps
                edited, given = changed(token, **edit), {"Authorization": "Bearer S"}
                session.run(sp.resume_poll, session.client, edited, headers=given, **named)
                got = there.got("http://")
                assert got, (wrap, edit, named)
                # What a hook writes into a request to home goes on as its name tells.
                told = {"x-of-a-hook": "S"} if named and "url" not in edit else {}
                assert [brought for brought in got if brought != told] == [], (wrap, edit, named)


def test_a_poll_token_of_after_a_redirect_sends_no_credentials_to_where_that_led(origins):
    tokens = []
    polling = sp.poll(progress=lambda progress: tokens.append(progress.token))
    there, session = origins(table=sp.STANDARD | {202: polling})
    session.request("POST", HOME + "/moves")
    assert there.got(ABROAD)[:2] == [{"x-of-a-hook": "S"}] * 2  # no name that tells
    there, session = origins()
    tokens.append(token_of(session, "/moves"))
    for token in tokens:
        for named in ({}, {"origin": HOME}):
            there.got("")
            response = session.run(sp.resume_poll, session.client, token, **named)
            assert response.status_code == 401
            assert there.got(ABROAD) == [{}]


def test_credentials_go_on_with_a_poll_to_the_origin_that_the_caller_names(origins):
    for base_url, named in (
        ("", {"origin": HOME}),
        ("", {"origin": httpx.URL(HOME + ":80/any/path?x")}),
        (HOME + "/v1", {}),
        (ABROAD, {"origin": HOME}),
    ):
        there, session = origins(base_url)
        token = token_of(session, "/op")
        there.got("")
        response = session.run(sp.resume_poll, session.client, token, **named)
        assert (response.status_code, there.got(HOME)) == (200, [SECRETS])
        assert "credentials" not in sp.trace(response)[0].reason


def test_credentials_that_a_resumed_poll_leaves_behind_are_told_in_the_trace(origins):
    _, session = origins()
    token = token_of(session, "/op")
    response = session.run(sp.resume_poll, session.client, token)
    assert "name their origin, resume_poll(..., origin=...)" in sp.trace(response)[0].reason
    response = session.run(sp.resume_poll, session.client, token, origin=ABROAD)
    assert f"they are for {ABROAD}, the token is for another" in sp.trace(response)[0].reason


def test_a_resumed_poll_without_credentials_is_read_to_its_end_or_closed(open_session):
    closed = []

    class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self):
            yield b"a"
            raise httpx.ReadError("broke")

        async def __aiter__(self):
            for part in self:
                yield part

        def close(self):
            closed.append(1)

        async def aclose(self):
            closed.append(1)

    broken = httpx.MockTransport(lambda r: httpx.Response(200, stream=Broken()))
    session = open_session({"transport": broken})
    token = encoded("POST", HOME + "/op", HOME + "/m", False, "")
    with pytest.raises(httpx.ReadError):
        session.run(sp.resume_poll, session.client, token, sp.poll(result=lambda _: HOME))
    assert closed


@pytest.mark.parametrize(
    "origin", ["", "home.example", "ftp://home.example", "http://", 5, "http://["]
)
def test_what_is_no_origin_is_refused_by_resume_poll(origin, session):
    with pytest.raises(ValueError, match=r"resume_poll\(origin=.*write scheme and host"):
        sp.resume_poll(session.client, "any", origin=origin)
