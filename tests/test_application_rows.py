"""The rows that an application answers, on real sockets: 300, 406, 409 … 449, 510."""

import ssl

import pytest
import trustme

from statuspolicy.testing import Answer, StatusServer
from tests.library import httpx, sp

ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


def coroutine(kind, function):
    """The same function, or for an async client a coroutine function."""
    if kind == "sync":
        return function

    async def awaited(*args):
        return function(*args)

    return awaited


@pytest.fixture
def document(status_server):
    """A resource with optimistic concurrency: 412 for another ETag than its own."""
    status_server.etag = '"2"'

    def answer(received):
        if received.method == "GET":
            return Answer(200, {"ETag": status_server.etag}, b"theirs")
        if received.headers.get("if-match") != status_server.etag:
            return Answer(412, body=b"it has changed")
        return Answer(200, body=b"stored")

    return status_server.script("/d", answer)


def merge(found):
    """Fetch what is there now, and put the two together."""
    assert found.body == b"it has changed"
    return sp.Aside(httpx.Request("GET", found.request.url), submit)


def submit(now):
    headers = {"If-Match": now.response.headers["ETag"]}
    url = now.main.request.url
    request = httpx.Request("PUT", url, content=now.body + b"+mine", headers=headers)
    return sp.Again(request, unacted=True)


def test_412_is_resolved_over_a_pool_of_one(document, kind, open_session, status_server):
    table = sp.STANDARD | {412: sp.resolve(coroutine(kind, merge))}
    session = open_session(dict(ONE), table=table)
    response = session.request("PUT", document, content=b"mine", headers={"If-Match": '"1"'})
    assert (response.status_code, response.text) == (200, "stored")
    assert [r.body for r in status_server.received] == [b"mine", b"", b"theirs+mine"]
    assert status_server.connections == 1


def test_409_that_nobody_resolves_can_be_read(kind, open_session, status_server):
    table = sp.STANDARD | {409: sp.resolve(coroutine(kind, lambda found: None))}
    response = open_session(table=table).request("PUT", status_server.url + "/409?body=why")
    assert (response.status_code, response.text) == (409, "why")


def test_423_and_510_are_submitted_anew(kind, open_session, status_server):
    def renewed(found):
        return httpx.Request("PUT", found.request.url, content=found.body, headers={"If": "(<t>)"})

    renewed = coroutine(kind, renewed)
    table = sp.STANDARD | {423: sp.resolve(renewed), 510: sp.extend(renewed)}
    session = open_session(dict(ONE), table=table)
    for code in (423, 510):
        url = f"{status_server.url}/{code}?body=token&then=200"
        assert session.request("PUT", url, content=b"x").status_code == 200
        assert status_server.received[-1].body == b"token"
        assert status_server.received[-1].headers["if"] == "(<t>)"


def test_449_is_acted_on_and_repeated(kind, open_session, status_server):
    seen = []

    def act(found):
        seen.append(found.body)

    table = sp.STANDARD | {449: sp.perform(coroutine(kind, act))}
    url = status_server.url + "/449?ms-echo-request=e&body=do&then=200"
    response = open_session(dict(ONE), table=table).request("POST", url, content=b"x")
    assert (response.status_code, seen) == (200, [b"do"])
    assert status_server.received[1].headers["ms-echo-reply"] == "e"
    assert status_server.received[1].body == b"x"


@pytest.mark.parametrize("status", [300, 406])
def test_300_406_what_is_chosen_is_asked_for(status, kind, open_session, status_server):
    def chooser(request, response):
        assert response.text == "choose"
        return sp.alternatives(response)[1].url

    headers = {"Link": '</200?1>; rel=alternate, </200?2>; rel="alternate"'}
    url = status_server.script("/a", Answer(status, headers, b"choose"))
    table = sp.STANDARD | {status: sp.choose(coroutine(kind, chooser))}
    response = open_session(dict(ONE), table=table).get(url)
    assert str(response.url) == status_server.url + "/200?2"


def test_426_is_sent_over_tls(open_session, status_server):
    """To the same port, so this server's answer is seen and its refusal of TLS too."""
    authority = trustme.CA()
    served, trusted = (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(),
    )
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.configure_trust(trusted)
    table = sp.STANDARD | {426: sp.upgrade_to_https}
    session = open_session({"verify": trusted}, table=table)
    with StatusServer(tls=served) as secure:

        def redirected(url):
            return url.copy_with(port=secure.port) if url.scheme == "https" else url

        # The port of http is not the port of https here: the transport is told the other.
        transport = session.client._transport._inner
        name = "handle_request" if session.portal is None else "handle_async_request"
        send = getattr(transport, name)

        def elsewhere(request):
            request.url = redirected(request.url)
            return send(request)

        setattr(transport, name, elsewhere)
        url = status_server.url + "/426?upgrade=TLS/1.2"
        response = session.request("POST", url, content=b"body")
        assert (response.status_code, secure.received[0].body) == (426, b"body")
        assert sp.trace(response).reason == "the request was already sent over TLS"


def test_301_410_who_keeps_links_is_told(kind, open_session, status_server):
    told = []

    def tell(*values):
        told.append([type(value).__name__ for value in values])

    table = sp.STANDARD | {
        301: sp.moved(coroutine(kind, tell)),
        410: sp.gone(coroutine(kind, tell)),
    }
    session = open_session(dict(ONE), table=table)
    assert session.get(status_server.url + "/301?location=/410").status_code == 410
    assert told == [["Request", "Request"], ["Request", "PolicyResponse"]] or told == [
        ["Request", "Request"],
        ["Request", "Response"],
    ]


def test_415_tells_what_it_takes(session, status_server):
    response = session.request("POST", status_server.url + "/415?accept-post=a/b&body=why")
    assert response.text == "why"
    assert sp.trace(response).reason == "the server accepts Accept-Post: a/b"


def test_423_is_waited_for_where_its_row_says_so(open_session, status_server):
    session = open_session(dict(ONE), table=sp.STANDARD | {423: sp.retry(told=True)})
    url = status_server.url + "/423?retry-after=3&then=200"
    assert session.request("PUT", url, content=b"x").status_code == 200
    assert session.clock.waits == [3.0]
    response = session.request("PUT", status_server.url + "/423?body=why")
    assert response.text == "why"
