"""202 on real sockets, and a poll that goes on after a restart."""

import base64
import json

import httpx
import pytest

import statuspolicy as sp
from statuspolicy.testing import Answer

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


def test_the_result_is_handed_over_over_a_pool_of_one(job, open_session, status_server):
    session = open_session(dict(ONE), table=POLLING)
    response = session.request("POST", job, content=b"do", headers={"Authorization": "Bearer t"})
    assert (response.status_code, response.text) == (200, "made")
    assert response.url.path == "/monitor"
    assert session.clock.waits == [2.0, 1.0 * 2, 9.0, 4.0]
    assert [r.headers.get("authorization") for r in status_server.received] == ["Bearer t"] * 5
    assert status_server.connections == 1
    assert [s.code for s in sp.trace(response)] == [202, 202, 503, 202, 200]


def test_a_long_result_streams(open_session, status_server):
    status_server.script("/monitor", Answer(303, {"Location": "/out"}))
    status_server.script("/out", Answer(200, body=b"x" * 300_000))
    url = status_server.script("/jobs", Answer(202, {"Location": "/monitor"}))
    response = open_session(dict(ONE), table=POLLING).request("POST", url)
    assert response.content == b"x" * 300_000


def test_a_202_in_standard_is_handed_over(job, session, status_server):
    assert session.request("POST", job).text == "wait"
    assert len(status_server.received) == 1


# ── resumed ────────────────────────────────────────────────────────────────────────────


def test_a_poll_that_ran_out_of_time_goes_on_from_its_token(job, open_session, status_server):
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


def test_what_the_monitor_gets_is_what_the_client_sends_anyway_and_the_headers_given(
    job, open_session, status_server
):
    session = open_session({"headers": {"X-Client": "c"}}, table=POLLING)
    token = sp.poll_token(
        httpx.Response(202, headers={"Location": "/monitor"}, request=httpx.Request("POST", job))
    )
    given = {"Authorization": "Bearer t"}
    response = session.run(sp.resume_poll, session.client, token, headers=given)
    assert response.status_code == 200
    first = status_server.received[0].headers
    assert (first["x-client"], first["authorization"]) == ("c", "Bearer t")


def test_credentials_do_not_go_to_a_monitor_of_another_origin(open_session, status_server):
    url = status_server.script("/monitor", 200)
    accepted = httpx.Response(
        202, headers={"Location": url}, request=httpx.Request("POST", "http://home.example/")
    )
    session = open_session(table=POLLING)
    given = {"Authorization": "Bearer t"}
    response = session.run(sp.resume_poll, session.client, sp.poll_token(accepted), headers=given)
    assert response.status_code == 200
    assert "authorization" not in status_server.received[0].headers


def test_what_is_known_of_the_result_goes_along(open_session, status_server):
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


def test_a_monitor_inside_the_body_is_in_the_token(open_session, status_server):
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
        base64.urlsafe_b64encode(b"5").decode(), base64.urlsafe_b64encode(b"null").decode(),
    ],
)  # fmt: skip
def test_what_is_no_token_is_said_to_be_none(token, session):
    with pytest.raises(ValueError, match="is no token of a poll: give what"):
        sp.resume_poll(session.client, token)


def test_a_response_that_begins_no_poll_has_no_token():
    request = httpx.Request("GET", "http://home.example/")
    with pytest.raises(ValueError, match="it names no status monitor"):
        sp.poll_token(httpx.Response(202, request=request))


def test_a_client_that_is_not_wrapped_is_said_to_be_none():
    accepted = httpx.Response(
        202, headers={"Location": "/m"}, request=httpx.Request("POST", "http://h/")
    )
    with httpx.Client() as client, pytest.raises(TypeError, match="is not wrapped"):
        sp.resume_poll(client, sp.poll_token(accepted))
