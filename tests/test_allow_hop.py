"""`allow_hop`: who is asked before a request leads to another, and what a no means."""

import socket
import threading
from types import SimpleNamespace

import pytest

from statuspolicy.testing import Answer, StatusServer, replay
from tests.each import each
from tests.library import httpx, sp

HOME = "https://home.example/a"
FAR = "https://far.example/b"
BUSY = (503, {"retry-after": "1"})
MOVED = (301, {"location": FAR, "cache-control": "max-age=60"})
ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


def get(url: str = HOME, **options) -> httpx.Request:
    return httpx.Request("GET", url, **options)


def to(location: str, status: int = 302) -> tuple[int, dict[str, str]]:
    return status, {"location": location}


class Gate:
    """An `allow_hop` that notes what it was asked."""

    def __init__(self, answer: object = True) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answer = answer

    def __call__(self, request: httpx.Request, next_request: httpx.Request) -> object:
        self.asked.append((str(request.url), str(next_request.url)))
        return self.answer


def token(exchange: sp.Exchange) -> sp.Verdict:
    request = get("https://token.example/t")
    return sp.Aside(request, lambda answer: sp.Again(answer.main.request, unacted=True))


ASIDE = sp.STANDARD | {401: token}
TOKEN = "https://token.example/t"


def remembering() -> sp.Memory:
    """A memory in which HOME has moved to FAR."""
    memory = sp.Memory()
    replay(get(), [MOVED, 200], memory=memory)
    return memory


# ── when it is asked ───────────────────────────────────────────────────────────────────


@each(
    ("script", "asked"),
    [
        ([200], []),
        ([BUSY, httpx.ConnectError("no"), 200], []),
        ([to(FAR), 200], [(HOME, FAR)]),
        ([to("/b"), 200], [(HOME, "https://home.example/b")]),
        ([to(FAR), to("/c"), 200], [(HOME, FAR), (FAR, "https://far.example/c")]),
        ([BUSY, to(FAR), BUSY, 200], [(HOME, FAR)]),
        ([401, 200, 200], [(HOME, TOKEN)]),
        ([to(FAR), 401, 200, 200], [(HOME, FAR), (FAR, TOKEN)]),
    ],
)
def test_allow_hop_is_called_for_each_hop_and_side_request_and_for_nothing_else(script, asked):
    gate = Gate()
    story = replay(get(), script, allow_hop=gate, table=ASIDE)
    assert gate.asked == asked
    assert story.response.status_code == 200


def test_allow_hop_is_called_for_a_remembered_move_too():
    gate = Gate()
    story = replay(get(), [200], allow_hop=gate, memory=remembering())
    assert gate.asked == [(HOME, FAR)]
    assert [str(r.url) for r in story.sent] == [FAR]


def test_a_duty_that_sends_another_request_in_its_place_is_asked_about():
    gate = Gate(False)
    table = sp.STANDARD | {500: lambda exchange: sp.Again(get(FAR))}
    story = replay(get(), [500], allow_hop=gate, table=table)
    assert gate.asked == [(HOME, FAR)]
    assert story.response.status_code == 500


def test_allow_hop_sees_the_request_as_it_would_be_sent_without_the_credentials():
    seen = []
    replay(
        get(headers={"Authorization": "Bearer x", "X-Plain": "1"}),
        [to(FAR), 200],
        allow_hop=lambda _, request: seen.append(request.headers) or True,
    )
    assert seen[0]["x-plain"] == "1"
    assert "authorization" not in seen[0]


# ── what a no means ────────────────────────────────────────────────────────────────────


def test_302_allow_hop_where_it_says_no_the_redirect_is_handed_over_readable_with_the_reason():
    script = [httpx.Response(302, headers={"location": FAR}, content=b"over there")]
    story = replay(get(), script, allow_hop=Gate(False))
    assert (story.response.status_code, story.response.text) == (302, "over there")
    assert not story.response.has_redirect_location
    assert story.trace.reason == "allow_hop refused the hop to https://far.example"
    assert (len(story.sent), story.left_open) == (1, 0)


def test_401_allow_hop_where_it_says_no_to_an_aside_what_asked_for_it_is_handed_over():
    script = [httpx.Response(401, content=b"who?")]
    story = replay(get(), script, table=ASIDE, allow_hop=Gate(False))
    assert (story.response.status_code, story.response.text) == (401, "who?")
    assert story.trace.reason == "allow_hop refused the hop to https://token.example"
    assert len(story.sent) == 1


def test_301_allow_hop_where_it_says_no_to_a_remembered_move_the_old_url_is_asked_as_ever():
    """And a redirect from there is asked about by itself."""
    gate = Gate(False)
    story = replay(get(), [200], allow_hop=gate, memory=remembering())
    assert [str(r.url) for r in story.sent] == [HOME]
    assert story.response.status_code == 200
    story = replay(get(), [MOVED], allow_hop=gate, memory=remembering())
    assert story.response.status_code == 301
    assert gate.asked == [(HOME, FAR)] * 3


@each("answer", [None, 0, "", []])
def test_302_allow_hop_what_is_no_yes_is_a_no(answer):
    story = replay(get(), [to(FAR)], allow_hop=Gate(answer))
    assert (story.response.status_code, len(story.sent)) == (302, 1)


def test_302_allow_hop_what_it_raises_passes_through_and_nothing_stays_open(
    open_session, status_server
):
    def gate(request, next_request):
        raise LookupError("no list of hosts")

    session = open_session(dict(ONE), allow_hop=gate)
    with pytest.raises(LookupError, match="no list of hosts"):
        session.get(status_server.url + "/302?location=/200&body=moved")
    assert session.get(status_server.url + "/200").status_code == 200


@pytest.mark.parametrize("follow", [True, False])
def test_302_allow_hop_the_client_does_not_follow_behind_our_back(
    follow, open_session, status_server
):
    """The client would by itself: it was told to follow redirects."""
    session = open_session({"follow_redirects": True, **ONE}, allow_hop=Gate(False))
    url = status_server.url + "/302?location=/200&body=moved"
    response = session.get(url, **({} if follow else {"follow_redirects": False}))
    assert (response.status_code, response.text) == (302, "moved")
    assert response.history == []
    assert [r.target.partition("?")[0] for r in status_server.received] == ["/302"]
    if follow:
        assert "allow_hop" in sp.trace(response).reason
    assert session.get(status_server.url + "/200").status_code == 200  # its connection is free


def test_302_allow_hop_a_call_that_follows_nothing_is_not_asked_about(open_session, status_server):
    gate = Gate()
    session = open_session(allow_hop=gate)
    session.get(status_server.url + "/302?location=/200", follow_redirects=False)
    assert gate.asked == []


# ── what it may be ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
@pytest.mark.parametrize("answer", [True, False])
def test_302_allow_hop_may_be_async_in_an_async_client(answer, kind, open_session, status_server):
    gate = Gate(answer)

    async def allow(request, next_request):
        return gate(request, next_request)

    session = open_session(allow_hop=allow)
    response = session.get(status_server.url + "/302?location=/200")
    assert response.status_code == (200 if answer else 302)
    assert len(gate.asked) == 1


def test_302_allow_hop_an_awaitable_in_a_sync_client_is_no_yes(status_server):
    async def allow(request, next_request):
        return True

    with sp.wrap(httpx.Client(), allow_hop=allow) as client:
        with pytest.raises(TypeError, match="write it as a plain function"):
            client.get(status_server.url + "/302?location=/200")
    assert len(status_server.received) == 1


@each("wrong", [True, "public", ["home.example"]])
@each("client", [httpx.Client, httpx.AsyncClient])
def test_what_cannot_be_called_is_refused_where_it_is_given(client, wrong):
    with pytest.raises(TypeError, match=r"allow_hop=.*: write a callable instead"):
        sp.wrap(client(), allow_hop=wrong)


# ── in which order ─────────────────────────────────────────────────────────────────────


@each(
    ("script", "limits"),
    [
        ([to("http://home.example/")], sp.Limits()),
        ([to("mailto:a@b")], sp.Limits()),
        ([to(FAR)], sp.Limits(cross_origin="stop")),
        ([to(FAR)], sp.Limits(redirects=0)),
        ([to("/a")], sp.Limits()),
        ([(302, {"location": FAR, "retry-after": "900"})], sp.Limits()),
    ],
)
def test_302_allow_hop_what_the_guard_refuses_is_not_asked_about(script, limits):
    """Nobody resolves a name for a hop that is not made."""
    gate = Gate()
    replay(get(), script, allow_hop=gate, limits=limits)
    assert gate.asked == []


def test_401_allow_hop_an_aside_that_the_guard_refuses_is_not_asked_about():
    gate = Gate()
    table = sp.STANDARD | {401: lambda exchange: sp.Aside(get("http://home.example/t"), token)}
    story = replay(get(), [401], allow_hop=gate, table=table)
    assert "from https to http" in story.trace.reason
    assert gate.asked == []


@pytest.mark.parametrize(("allowed", "order"), [(True, ["gate", "user"]), (False, ["gate"])])
def test_307_allow_hop_is_asked_before_somebody_has_to_confirm(allowed, order):
    """Nobody is bothered with what is not allowed anyway."""
    asked = []
    story = replay(
        httpx.Request("POST", HOME, content=b"body"),
        [to(FAR, 307), 200],
        allow_hop=lambda *_: asked.append("gate") or allowed,
        confirm=lambda *_: asked.append("user") or True,
    )
    assert asked == order
    assert story.response.status_code == (200 if allowed else 307)


# ── public_addresses_only, in a client, on sockets ─────────────────────────────────────

NAME = "next.example"
PUBLIC = "8.8.8.8"


class Network:
    """Names that resolve as they are told to, and public addresses that lead to a server here."""

    def __init__(self, monkeypatch, public: StatusServer) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self.connected: list[str] = []
        self._public = public
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host, port, *given, **_):
        name = host.decode() if isinstance(host, bytes) else host
        flags = given[3:]  # trio's, which asks first whether it is an address
        if name not in self.answers or any(flags):
            return self._literal(name, port)
        self.asked.append(name)
        self.threads.add(threading.get_ident())
        answers = self.answers[name]
        return self._literal(answers.pop(0) if len(answers) > 1 else answers[0], port)

    def _literal(self, address: str, port: object):
        return self._real(address, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)

    def under(self, client) -> None:
        """Put it under the client's sockets."""
        pool = client._transport._inner._pool
        inner, note = pool._network_backend, self._where

        def connect_tcp(host, port, *args, **options):
            return inner.connect_tcp(*note(host, port), *args, **options)

        pool._network_backend = SimpleNamespace(connect_tcp=connect_tcp)

    def _where(self, host: str, port: int) -> tuple[str, int]:
        self.connected.append(host)
        return ("127.0.0.1", self._public.port) if host == PUBLIC else (host, port)


@pytest.fixture
def public():
    """What a public address leads to."""
    with StatusServer() as server:
        yield server


@pytest.fixture
def network(monkeypatch, public):
    return Network(monkeypatch, public)


@pytest.fixture
def guarded(open_session, network):
    """A session that goes to public addresses only, over that network."""

    def opened(**wrap):
        # No connection is kept, so that each request connects.
        client = {"limits": httpx.Limits(max_keepalive_connections=0), "timeout": 5}
        session = open_session(client, allow_hop=sp.public_addresses_only, **wrap)
        network.under(session.client)
        return session

    return opened


def leading(server: StatusServer, location: str) -> str:
    return server.script("/first", Answer(302, {"Location": location}, b"moved"))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "[::ffff:127.0.0.1]"])
def test_302_public_addresses_only_a_hop_to_this_machine_is_refused(
    host, guarded, network, status_server
):
    url = leading(status_server, f"http://{host}:{status_server.port}/secret")
    session = guarded()
    network.answers["2130706433"] = ["127.0.0.1"]
    response = session.get(url)
    assert (response.status_code, response.text) == (302, "moved")
    assert "allow_hop refused the hop to http://" in sp.trace(response).reason
    assert [r.target for r in status_server.received] == ["/first"]


def test_302_public_addresses_only_a_hop_to_a_name_that_leads_to_this_machine_is_refused(
    guarded, network, status_server
):
    network.answers[NAME] = ["127.0.0.1"]
    url = leading(status_server, f"http://{NAME}:{status_server.port}/secret")
    response = guarded().get(url)
    assert (response.status_code, response.text) == (302, "moved")
    assert [r.target for r in status_server.received] == ["/first"]
    assert network.connected == ["127.0.0.1"]


def test_a_hop_to_a_public_name_is_followed_under_its_own_name(
    guarded, network, status_server, public
):
    network.answers[NAME] = [PUBLIC]
    public.script("/there", Answer(200, body=b"public"))
    response = guarded().get(leading(status_server, f"http://{NAME}/there"))
    assert (response.text, str(response.url)) == ("public", f"http://{NAME}/there")
    assert public.received[0].headers["host"] == NAME
    assert network.connected == ["127.0.0.1", PUBLIC]


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_task_does_not_hold_up_its_event_loop_while_it_resolves(
    kind, guarded, network, status_server
):
    network.answers[NAME] = [PUBLIC]
    session = guarded()
    session.get(leading(status_server, f"http://{NAME}/200"))
    assert network.asked == [NAME]
    assert session.run(threading.get_ident) not in network.threads


@pytest.mark.parametrize("total", [None, 30.0])
def test_the_address_that_was_checked_is_the_one_connected_to(
    total, guarded, network, status_server, public
):
    """DNS rebinding: the name is public when it is checked, and this machine's afterwards."""
    network.answers[NAME] = [PUBLIC, "127.0.0.1"]
    public.script("/secret", Answer(200, body=b"public"))
    url = leading(status_server, f"http://{NAME}:{status_server.port}/secret")
    response = guarded(limits=sp.Limits(total=total)).get(url)
    assert response.text == "public"
    assert [r.target for r in status_server.received] == ["/first"]
    assert network.connected == ["127.0.0.1", PUBLIC]
    assert network.asked == [NAME]


def test_503_public_addresses_only_and_in_a_repeat_after_the_hop(
    guarded, network, status_server, public
):
    network.answers[NAME] = [PUBLIC, "127.0.0.1"]
    busy = Answer(503, {"Retry-After": "1"}, close=True)
    public.script("/secret", busy, Answer(200, body=b"public"))
    response = guarded().get(leading(status_server, f"http://{NAME}:{status_server.port}/secret"))
    assert response.text == "public"
    assert [r.target for r in status_server.received] == ["/first"]
    assert network.connected == ["127.0.0.1", PUBLIC, PUBLIC]


def test_pinned_addresses_hold_where_prepare_changes_the_request(
    guarded, network, status_server, public
):
    network.answers[NAME] = [PUBLIC, "127.0.0.1"]
    public.script("/secret", Answer(200, body=b"public"))
    url = leading(status_server, f"http://{NAME}:{status_server.port}/secret")
    session = guarded(prepare=lambda request, _: request.headers.update({"x": "1"}))
    assert session.get(url).text == "public"
    assert network.connected == ["127.0.0.1", PUBLIC]


def test_401_public_addresses_only_and_on_the_side(guarded, network, status_server, public):
    network.answers[NAME] = [PUBLIC, "127.0.0.1"]
    public.script("/secret", Answer(200, body=b"public"))
    url = status_server.script("/me", Answer(401, body=b"who?"))

    def ask(exchange: sp.Exchange) -> sp.Verdict:
        request = get(f"http://{NAME}:{status_server.port}/secret")
        return sp.Aside(request, lambda answer: sp.Use(answer.response))

    assert guarded(table=sp.STANDARD | {401: ask}).get(url).text == "public"
    assert [r.target for r in status_server.received] == ["/me"]
    assert network.connected == ["127.0.0.1", PUBLIC]


def test_302_public_addresses_only_each_hop_to_a_name_is_checked_anew(
    guarded, network, status_server, public
):
    """What it was once is no pass for later."""
    network.answers[NAME] = [PUBLIC, "127.0.0.1"]
    secret = f"http://{NAME}:{status_server.port}/secret"
    public.script("/public", Answer(302, {"Location": secret}, b"moved on"))
    url = leading(status_server, f"http://{NAME}:{status_server.port}/public")
    response = guarded().get(url)
    assert (response.status_code, response.text) == (302, "moved on")
    assert [r.target for r in status_server.received] == ["/first"]
    assert network.asked == [NAME, NAME]


def test_401_public_addresses_only_an_aside_to_this_machine_is_refused(guarded, status_server):
    url = status_server.script("/me", Answer(401, body=b"who?"))

    def ask(exchange: sp.Exchange) -> sp.Verdict:
        return sp.Aside(get(f"{status_server.url}/secret"), lambda answer: sp.Use(answer.response))

    response = guarded(table=sp.STANDARD | {401: ask}).get(url)
    assert (response.status_code, response.text) == (401, "who?")
    assert [r.target for r in status_server.received] == ["/me"]


def test_the_first_request_may_go_anywhere(guarded, status_server):
    assert guarded().get(status_server.url + "/200").status_code == 200


# ── Referer ────────────────────────────────────────────────────────────────────────────


def referers(referer: str, *locations: str, **limits) -> list[str | None]:
    request = get(headers={"Referer": referer})
    story = replay(request, [*map(to, locations), 200], limits=sp.Limits(**limits))
    assert story.sent[0].headers["referer"] == referer
    return [r.headers.get("referer") for r in story.sent[1:]]


SECRET = "https://home.example:8443/inbox/7?token=s3cret"


@each(
    ("referer", "told"),
    [
        (SECRET, "https://home.example:8443/"),
        ("https://home.example/", "https://home.example/"),
        ("https://home.example", "https://home.example/"),
        ("https://home.example:443/x", "https://home.example/"),
        ("http://user:s3cret@home.example/x#f", "http://home.example/"),
        ("https://[::1]:8080/x", "https://[::1]:8080/"),
    ],
)
def test_referer_another_origin_is_told_where_it_came_from_but_no_path_and_no_query(referer, told):
    assert referers(referer, FAR) == [told]


def test_referer_the_origin_is_told_in_ascii():
    request = get(headers=[(b"Referer", "https://b\u00fccher.example/x".encode("latin-1"))])
    story = replay(request, [to(FAR), 200])
    assert story.sent[1].headers["referer"] == "https://xn--bcher-kva.example/"


@each(
    "referer",
    [
        "",
        "/inbox?token=s3cret",
        "about:blank",
        "data:text/plain,s3cret",
        "android-app://com.example/s3cret",
        "https://[::1/s3cret",
        "https://home.example:port/s3cret",
        "https:///s3cret",
        "http://xn--/s3cret",
    ],
)
def test_a_referer_that_names_no_origin_stays_behind(referer):
    (told,) = referers(referer, FAR)
    assert told is None or "s3cret" not in told
    if referer != "http://xn--/s3cret":  # httpx2 takes that for a name
        assert told is None


def test_once_away_the_path_never_comes_back():
    assert referers(SECRET, FAR, HOME + "2") == ["https://home.example:8443/"] * 2


@pytest.mark.parametrize("referer", [SECRET, "/inbox", "about:blank"])
def test_referer_at_home_goes_along_as_it_is(referer):
    assert referers(referer, "/b", "/c?d") == [referer] * 2


def test_referer_and_from_http_to_https_of_the_same_host():
    request = httpx.Request("GET", "http://home.example/a", headers={"Referer": SECRET})
    story = replay(request, [to("https://home.example/b"), 200])
    assert story.sent[1].headers["referer"] == SECRET


@pytest.mark.parametrize("referer", [SECRET, "about:blank"])
def test_referer_goes_along_where_everything_does(referer):
    assert referers(referer, FAR, cross_origin="keep") == [referer]
