"""The README's comparison: each line of its table is shown here, on a real server."""

import re
import time
from pathlib import Path

import httpx
import httpx_retries
import pytest

import statuspolicy as sp
from statuspolicy.testing import Answer, FakeClock

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def plain():
    with httpx.Client(follow_redirects=True) as client:
        yield client


@pytest.fixture
def retries():
    retry = httpx_retries.Retry(total=3, backoff_factor=0, allowed_methods=["GET", "POST"])
    transport = httpx_retries.RetryTransport(retry=retry)
    with httpx.Client(transport=transport, follow_redirects=True) as client:
        yield client


@pytest.fixture
def ours():
    with sp.wrap(httpx.Client(), clock=FakeClock()) as client:
        yield client


def test_a_redirect_to_itself(plain, ours, status_server):
    url = status_server.script("/loop", Answer(302, {"Location": "/loop"}))
    with pytest.raises(httpx.TooManyRedirects):
        plain.get(url)
    assert len(status_server.received) == 21
    with pytest.raises(httpx.TooManyRedirects, match="/loop"):
        ours.get(url)
    assert len(status_server.received) == 22


@pytest.mark.parametrize(("name", "sent"), [("plain", True), ("retries", True), ("ours", False)])
def test_an_api_key_on_a_redirect_to_another_host(name, sent, request, status_server):
    location = f"http://localhost:{status_server.port}/200"
    url = status_server.script("/away", Answer(302, {"Location": location}))
    request.getfixturevalue(name).get(url, headers={"X-API-Key": "k"})
    assert ("x-api-key" in status_server.received[1].headers) == sent


@pytest.mark.parametrize(
    ("name", "path", "second"),
    [
        ("plain", "/307?location=/200", b""),
        ("retries", "/307?location=/200", b""),
        ("retries", "/503?then=200", b""),
        ("ours", "/307?location=/200", b"body"),
        ("ours", "/503?retry-after=1&then=200", b"body"),
    ],
)
def test_a_body_from_an_iterator(name, path, second, request, status_server):
    client = request.getfixturevalue(name)
    response = client.post(status_server.url + path, content=iter([b"bo", b"dy"]))
    assert response.status_code == 200
    assert [r.body for r in status_server.received] == [b"body", second]


def test_retry_after_3600(plain, retries, ours, status_server, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    url = status_server.url + "/503?retry-after=3600&then=200"
    assert plain.get(url + "&a").status_code == 503
    assert retries.get(url + "&b").status_code == 200
    assert slept == [120]
    response = ours.get(url + "&c")
    assert response.status_code == 503
    assert "Limits.retry_after" in sp.trace(response).reason


def test_ten_503s_over_keep_alive(retries, ours, status_server):
    def ten(client: httpx.Client, retry_after: str) -> int:
        before = status_server.connections
        for n in range(10):
            url = f"{status_server.url}/503?{retry_after}&then=200&body=busy&n={n}"
            assert client.get(url).status_code == 200
        return status_server.connections - before

    assert ten(retries, "x=1") == 11
    assert ten(ours, "retry-after=1") == 1


def test_a_location_that_cannot_be_parsed(plain, ours, status_server):
    url = status_server.script("/bad", Answer(302, {"Location": "http://[::1"}, b"see"))
    with pytest.raises(httpx.RemoteProtocolError):
        plain.get(url, follow_redirects=False)
    assert ours.get(url).text == "see"


def test_a_204_with_stray_bytes_after_it(plain, retries, ours, status_server):
    raw = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nstray"
    url = status_server.script("/204x", Answer(raw=raw))
    assert plain.get(url).status_code == 204
    with pytest.raises(httpx.RemoteProtocolError):
        plain.get(status_server.url + "/200")
    for client in (retries, ours):
        assert client.get(url).status_code == 204
        assert client.get(status_server.url + "/200").status_code == 200


@pytest.mark.parametrize("code", [304, 408, 411, 417, 421])
def test_codes_that_are_repaired(code, plain, retries, ours, status_server):
    headers = {"Expect": "100-continue"} if code == 417 else {}
    got = {}
    for n, client in enumerate((plain, retries, ours)):
        response = client.get(f"{status_server.url}/{code}?then=200&n={n}", headers=headers)
        got[n] = response.status_code
    assert got == {0: code, 1: code, 2: 200}


def test_the_readme_claims_no_line_that_is_not_shown_here():
    section = README.read_text().partition("## Compared with")[2].partition("What they have")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)[1:]
    assert rows == [
        "a redirect to itself",
        "`X-API-Key` on a redirect to another host",
        "a body from an iterator, and a 307 or 503",
        "`Retry-After: 3600`",
        "ten 503s with a body over keep-alive",
        "a `Location` that can't be parsed",
        "a 204 that announces a body and sends one",
        "304 unasked, 408, 411, 417, 421",
        "cost of a 200, over a wrapper that does nothing",
    ]
