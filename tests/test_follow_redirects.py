"""`follow_redirects=` on a call: True is heard as False is."""

import anyio
import pytest

from statuspolicy.testing import Answer, replay
from tests.library import httpx, sp

SURFACED = sp.STANDARD | {"3xx": sp.surface}


def own(exchange: sp.Exchange) -> sp.Settle:
    """A duty of somebody's own, which has its reasons."""
    return sp.Settle("not this one")


def test_follow_redirects_true_follows_each_redirect_where_3xx_is_surfaced(
    open_session, status_server
):
    """By STANDARD's row: its method, its cap, its declining."""
    session = open_session(table=SURFACED)
    for code in (301, 302, 303, 307, 308):
        url = f"{status_server.url}/{code}?location=/200"
        for options in ({}, {"follow_redirects": False}):
            assert session.get(url, **options).status_code == code
        response = session.get(url, follow_redirects=True)
        assert (response.status_code, response.url.path) == (200, "/200")
        assert sp.trace(response)[0].verdict == "follow"
        assert sp.trace(response)[0].row == str(code)
        assert [r.status_code for r in response.history] == [code]
        sent = session.request("POST", url, content=b"content", follow_redirects=True)
        assert sent.request.method == ("POST" if code in (307, 308) else "GET")
    url = status_server.script("/loop", Answer(302, {"Location": "/loop"}))
    assert session.get(url).status_code == 302
    with pytest.raises(sp.RedirectLoop):
        session.get(url, follow_redirects=True)


def test_follow_redirects_true_leaves_alone_what_is_no_redirect_and_what_has_its_own_duty(
    open_session, status_server
):
    session = open_session(table=SURFACED | {302: own})
    for code in (300, 304, 305, 306, 399):
        url = f"{status_server.url}/{code}?location=/200"
        assert session.get(url, follow_redirects=True).status_code == code
    response = session.get(f"{status_server.url}/302?location=/200", follow_redirects=True)
    assert response.status_code == 302
    assert sp.trace(response).reason == "not this one"
    # From one that is followed to one that is not.
    response = session.get(f"{status_server.url}/307?location=/302", follow_redirects=True)
    assert [r.status_code for r in [*response.history, response]] == [307, 302]


def test_follow_redirects_true_is_heard_whatever_table_the_call_brings(session, status_server):
    url = f"{status_server.url}/302?location=/303?location=/200"
    for table in (SURFACED, sp.Overrides(table=SURFACED), sp.STANDARD | {303: sp.surface}):
        extensions = {"statuspolicy": table}
        response = session.get(url, extensions=extensions, follow_redirects=True)
        assert len(response.history) == 2
        assert session.get(url, extensions=extensions).status_code in (302, 303)
    # Under STANDARD nothing changes, and under STRICT who asks for a confirmation still does.
    assert session.get(url, follow_redirects=True).status_code == 200
    strict = {"extensions": {"statuspolicy": sp.STRICT}, "follow_redirects": True}
    assert session.get(url, **strict).status_code == 200
    assert session.request("PUT", status_server.url + "/307?location=/200", **strict).is_redirect


def test_follow_redirects_true_counts_for_streams_and_send(status_server):
    url = status_server.url + "/302?location=/200"
    with sp.wrap(httpx.Client(), table=SURFACED) as client:
        with client.stream("GET", url, follow_redirects=True) as response:
            assert response.status_code == 200
        with client.stream("GET", url) as response:
            assert response.status_code == 302
        request = client.build_request("GET", url)
        assert client.send(request, follow_redirects=True).status_code == 200
        assert client.send(request).status_code == 302


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_follow_redirects_true_counts_for_async_streams_and_send(backend, status_server):
    url = status_server.url + "/302?location=/200"

    async def main():
        async with sp.wrap(httpx.AsyncClient(), table=SURFACED) as client:
            async with client.stream("GET", url, follow_redirects=True) as response:
                yes = response.status_code
            async with client.stream("GET", url) as response:
                no = response.status_code
            request = client.build_request("GET", url)
            sent = await client.send(request, follow_redirects=True)
            return yes, no, sent.status_code, (await client.send(request)).status_code

    assert anyio.run(main, backend=backend) == (200, 302, 200, 302)


def test_follow_redirects_true_follows_nothing_that_is_declined(open_session):
    """Neither does the client, behind the policy's back."""
    down = httpx.MockTransport(
        lambda request: httpx.Response(
            302 if request.url.scheme == "https" else 200, headers={"location": "http://a.example/"}
        )
    )
    session = open_session({"transport": down}, table=SURFACED)
    response = session.get("https://a.example/", follow_redirects=True)
    assert response.status_code == 302
    assert "https" in sp.trace(response).reason


@pytest.mark.parametrize("follow", [True, False])
def test_a_client_that_says_follow_redirects_once_for_all_changes_no_row(
    follow, open_session, status_server
):
    session = open_session({"follow_redirects": follow}, table=sp.STANDARD | {302: sp.surface})
    url = status_server.url + "/302?location=/200"
    assert session.get(url).status_code == 302
    assert session.get(status_server.url + "/303?location=/200").status_code == 200
    assert session.get(url, follow_redirects=True).status_code == 200


def test_follow_redirects_true_is_heard_by_each_request_of_an_auth_flow(
    open_session, status_server
):
    status_server.script("/ask", Answer(401, {"WWW-Authenticate": 'Digest realm="r", nonce="n"'}))
    url = status_server.script("/to-ask", Answer(302, {"Location": "/ask"}))
    session = open_session({"auth": httpx.DigestAuth("user", "pass")}, table=SURFACED)
    assert session.get(url, follow_redirects=True).status_code == 401
    assert [r.target for r in status_server.received] == ["/to-ask", "/ask"] * 2


def test_replay_hears_follow_true_as_a_call_does():
    hop = (302, {"location": "/2"})
    request = httpx.Request("GET", "http://a.example/1")
    assert replay(request, [hop, 200], table=SURFACED, follow=True).response.status_code == 200
    for follow in (None, False):
        assert replay(request, [hop], table=SURFACED, follow=follow).response.status_code == 302
