"""The README's comparison: each line of its table is shown here, on a real server."""

import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import httpx_retries
import pytest

import statuspolicy as sp
from statuspolicy.testing import Answer, FakeClock
from tests.each import each
from tests.test_evidence import SENDING, at_first, hang_up

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


def test_a_post_on_a_kept_alive_connection_that_the_server_has_closed(plain, ours, status_server):
    """It does so after the client chose the connection, and before a byte is sent."""
    by_default = httpx_retries.RetryTransport()  # the fixture's may repeat POST, blindly
    with httpx.Client(transport=by_default) as retries:
        for client in (plain, retries, ours):
            assert client.get(status_server.url + "/200").status_code == 200
            before = len(status_server.received)
            extensions = {"trace": at_first("sync", SENDING, lambda: hang_up(status_server))}
            url = status_server.url + "/201"
            if client is ours:
                assert client.post(url, content=b"x", extensions=extensions).status_code == 201
            else:
                with pytest.raises(httpx.TransportError):
                    client.post(url, content=b"x", extensions=extensions)
            assert len(status_server.received) - before == (client is ours)


def test_a_429_with_retry_after_9_and_another_call(plain, retries, status_server, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for n, client in enumerate((plain, retries)):
        client.get(f"{status_server.url}/429?retry-after=9&then=200&n={n}")
        slept.clear()
        client.get(status_server.url + "/200")
        assert slept == []
    # The one that was told gives up, since its own limits are shorter than another's.
    with sp.wrap(httpx.Client(), clock=FakeClock(), limits=sp.Limits(attempts=1)) as impatient:
        impatient.get(status_server.url + "/429?retry-after=9")
        response = impatient.get(status_server.url + "/200")
        assert response.status_code == 200
        assert 9 <= sp.trace(response).waited <= 13.5


def test_a_body_that_breaks_while_it_is_read(plain, retries, status_server):
    def part(request):
        first = int((request.headers.get("range") or "bytes=0-")[6:-1])
        if not first:
            head = b'HTTP/1.1 200 OK\r\nETag: "v"\r\nContent-Length: 9\r\n\r\n'
            return Answer(raw=head + b"012", close=True)
        fields = {"ETag": '"v"', "Content-Range": f"bytes {first}-8/9"}
        return Answer(206, fields, b"012345678"[first:])

    url = status_server.script("/file", part)
    for client in (plain, retries):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(url)
    with sp.wrap(httpx.Client(), table=sp.STANDARD | {200: sp.resume}) as ours:
        assert ours.get(url).content == b"012345678"


def test_a_server_that_drips_a_byte_at_a_time(retries, plain, dripping):
    """Each byte comes in time for every timeout; they are left after twenty of them."""
    for client in (plain, retries):
        with client.stream("GET", dripping, timeout=httpx.Timeout(30, read=0.2)) as response:
            assert sum(1 for _, byte in zip(range(20), response.iter_raw(1), strict=False)) == 20
    with sp.wrap(
        httpx.Client(timeout=httpx.Timeout(30, read=0.2)), limits=sp.Limits(total=0.15)
    ) as ours:
        with pytest.raises(sp.TotalTimeout, match=r"total=0\.15"):
            ours.get(dripping)


@pytest.fixture
def dripping():
    """A server that sends a byte of its body every 10 ms, without end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                connection.sendall(b"x")
                time.sleep(0.01)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=[listener.accept()[0]], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_redirect_to_a_private_address(plain, retries, status_server):
    url = status_server.url + "/302?location=/200"  # the loopback is one
    for client in (plain, retries):
        assert client.get(url).status_code == 200
    with sp.wrap(httpx.Client(), allow_hop=sp.public_addresses_only) as ours:
        response = ours.get(url)
    assert response.status_code == 302
    assert "allow_hop" in sp.trace(response).reason


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
        "a POST on a kept-alive connection that the server has closed",
        "a 429 with `Retry-After: 9`, then another call to that host",
        "a body that breaks while it is read",
        "a server that drips a byte at a time",
        "a redirect to a private address",
        "304 unasked, 408, 411, 417, 421",
        "[cost](benchmarks/results.md) of a 200, over a wrapper that does nothing",
        "cost of a 503 and its repeat at once, without a socket, over httpx-retries",
        "cost of a 503 and its repeat after a wait, which isn't counted",
        "cost of a redirect on its origin, through a client, over httpx",
        "cost of three to other origins",
    ]


@each(
    ("row", "scenario"),
    [
        ("of a 200, over a wrapper that does nothing", "200 at transport level, prebuilt"),
        ("of a 503 and its repeat at once", "1 × 503 then 200 at transport level"),
        (
            "of a 503 and its repeat after a wait",
            "1 × 503 with a stubbed wait at transport level",
        ),
        ("of a redirect on its origin", "1 redirect through a client"),
        ("of three to other origins", "3 redirects to other origins through a client"),
    ],
)
def test_the_costs_in_the_readme_are_those_that_were_measured(row, scenario):
    results = (README.parent / "benchmarks" / "results.md").read_text()
    table = results.partition(f"## {scenario}\n")[2].partition("\n## ")[0]
    line = next(line for line in README.read_text().splitlines() if row in line)
    contenders = ("httpx", "httpx-retries", "**statuspolicy**")
    for name, said in zip(contenders, line.split("|")[2:5], strict=True):
        if said.strip() == "–":
            continue
        measured = re.search(rf"^\| {re.escape(name)} \| [\d.]+ \| ([\d.]+) ", table, re.MULTILINE)
        assert float(measured[1]) == pytest.approx(float(re.search(r"[\d.]+", said)[0]), rel=0.15)
