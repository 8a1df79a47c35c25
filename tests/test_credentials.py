"""Credentials over the exchanges of a whole client: what another origin gets of them, and when."""

import pytest

from statuspolicy.engine import guard
from tests.exchanges import exchange
from tests.library import httpx, sp

HOME, ABROAD = "https://home.example", "https://abroad.example"


class World:
    """Two origins. `answers` has a status and a header section for each URL; else it is 200."""

    def __init__(self, answers):
        self.answers = {url: list(lines) for url, lines in answers.items()}
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        lines = self.answers.get(str(request.url).partition("?")[0], [(200, {})])
        status, headers = lines.pop(0) if len(lines) > 1 else lines[0]
        return httpx.Response(status, headers=headers, content=b"ok")

    def got(self, name, origin=""):
        """The values of a field, one for each request to an origin."""
        seen = (
            self.seen
            if origin is None
            else [r for r in self.seen if str(r.url)[: len(origin)] == origin]
        )
        return [request.headers.get(name) for request in seen]


@pytest.fixture
def world(open_session):
    """Open a session over a world: `world({url: [(status, headers), ...]}, client={...}, ...)`."""

    def opened(answers, client=None, **wrap):
        there = World(answers)
        session = open_session({"transport": httpx.MockTransport(there), **(client or {})}, **wrap)
        return there, session

    return opened


# ── cookies without a domain ───────────────────────────────────────────────────────────

THERE_AND_BACK = {
    HOME + "/": [(302, {"Location": HOME + "/a"})],
    HOME + "/a": [(302, {"Location": ABROAD + "/b", "Set-Cookie": "of=home"})],
    ABROAD + "/b": [(302, {"Location": HOME + "/c", "Set-Cookie": "of=abroad"})],
}


def constructed(client):
    client.cookies.update({"session": "SECRET"})


def set_by_name(client):
    client.cookies.set("session", "SECRET")


@pytest.mark.parametrize("give", [constructed, set_by_name])
def test_cookies_without_a_domain_do_not_cross_an_origin_on_a_redirect_nor_come_back(world, give):
    there, session = world(THERE_AND_BACK)
    give(session.client)
    before = [(c.name, c.value, c.domain) for c in session.client.cookies.jar]
    assert session.get(HOME + "/").status_code == 200
    assert there.got("cookie") == ["session=SECRET", "session=SECRET", None, "of=home"]
    held = [(c.name, c.value, c.domain) for c in session.client.cookies.jar]
    assert held[: len(before)] == before
    assert held[len(before) :] == [
        ("of", "home", "home.example"),
        ("of", "abroad", "abroad.example"),
    ]


def test_cookies_without_a_domain_stay_home_when_the_other_origin_is_asked_again(world):
    """Its answers set cookies, so the Cookie field of each repeat is written anew."""
    busy = (503, {"Retry-After": "1", "Set-Cookie": "of=abroad"})
    answers = {HOME + "/": [(307, {"Location": ABROAD + "/b"})], ABROAD + "/b": [busy, (200, {})]}
    there, session = world(answers, {"cookies": {"session": "SECRET"}})
    assert session.get(HOME + "/").status_code == 200
    assert there.got("cookie", ABROAD) == [None, "of=abroad"]


def test_a_cookie_without_a_domain_goes_along_at_home_after_a_repeat_that_set_one(world):
    busy = (503, {"Retry-After": "1", "Set-Cookie": "of=home"})
    there, session = world({HOME + "/": [busy, (200, {})]}, {"cookies": {"session": "SECRET"}})
    session.get(HOME + "/")
    assert there.got("cookie") == ["session=SECRET", "of=home; session=SECRET"]


def test_a_cookie_without_a_domain_leaves_one_of_the_same_pair_that_has_one(world):
    there, session = world({HOME + "/": [(302, {"Location": ABROAD + "/b"})]})
    session.client.cookies.set("a", "1")
    session.client.cookies.set("a", "1", domain="abroad.example")
    session.client.cookies.set("b", "2", domain="home.example")
    session.get(HOME + "/")
    assert there.got("cookie", ABROAD) == ["a=1"]


def test_cookies_without_a_domain_do_not_go_to_a_monitor_of_another_origin(world):
    accepted = (202, {"Location": ABROAD + "/m"})
    table = sp.STANDARD | {202: sp.poll()}
    there, session = world(
        {HOME + "/": [accepted]}, {"cookies": {"session": "SECRET"}}, table=table
    )
    assert session.request("POST", HOME + "/").status_code == 200
    assert there.got("cookie") == ["session=SECRET", None]
    accepted = (202, {"Location": HOME + "/m"})
    there, session = world(
        {HOME + "/": [accepted]}, {"cookies": {"session": "SECRET"}}, table=table
    )
    session.request("POST", HOME + "/")
    assert there.got("cookie") == ["session=SECRET"] * 2


def test_cookies_without_a_domain_do_not_go_to_the_other_origin_that_a_file_is_on(world, tmp_path):
    part = {"Content-Range": "bytes 0-0/2", "ETag": '"v"', "Content-Length": "2"}
    answers = {
        HOME + "/f": [(302, {"Location": ABROAD + "/f"})],
        ABROAD + "/f": [(302, {"Location": ABROAD + "/g"})],
        ABROAD + "/g": [(200, part | {"Set-Cookie": "of=abroad"})],
    }
    there, session = world(answers, {"cookies": {"session": "SECRET"}})
    get = sp.download if isinstance(session.client, httpx.Client) else sp.adownload
    session.run(get, session.client, HOME + "/f", tmp_path / "f")
    assert there.got("cookie", HOME) == ["session=SECRET"]
    assert there.got("cookie", ABROAD) == [None, None]


def test_a_transport_with_a_jar_of_its_own_gives_cookies_without_a_domain_to_no_other_origin():
    there = World(THERE_AND_BACK)
    held = httpx.Cookies({"session": "SECRET"})
    inner = httpx.MockTransport(there)
    with httpx.Client(transport=sp.PolicyTransport(inner, cookies=held), cookies=held) as client:
        client.get(HOME + "/")
    assert there.got("cookie") == ["session=SECRET", "session=SECRET", None, "of=home"]


# ── what a duty writes itself ──────────────────────────────────────────────────────────


def test_202_307_a_request_on_the_side_that_goes_home_after_a_hop_abroad_brings_nothing_back(world):
    secrets = {"Authorization": "Basic S", "X-Api-Key": "S", "Cookie": "mine=S"}

    def ask_home(heard):
        request = httpx.Request("GET", HOME + "/m", headers=secrets)
        return sp.Aside(request, lambda answer: sp.Use(answer.response))

    answers = {HOME + "/": [(307, {"Location": ABROAD + "/op"})], ABROAD + "/op": [(202, {})]}
    there, session = world(answers, {"headers": secrets}, table=sp.STANDARD | {202: ask_home})
    assert session.request("POST", HOME + "/").status_code == 200
    assert [str(request.url) for request in there.seen] == [HOME + "/", ABROAD + "/op", HOME + "/m"]
    for name, value in secrets.items():
        assert there.got(name) == [value, None, None]


def test_proxy_authorization_that_a_duty_writes_reaches_no_other_origin():
    """It may for a 407 of a proxy that sees the request, and that alone."""
    path = guard.Path(httpx.URL("http://home.example/"), abroad=True)
    for status, url, proxied, goes in (
        (407, "http://abroad.example/", True, True),
        (407, "http://abroad.example/", False, False),
        (407, "https://abroad.example/", True, False),
        (401, "http://abroad.example/", True, False),
    ):
        heard = exchange(status, url=url, proxied=proxied)
        fields = {"Proxy-Authorization": "Basic S"}
        verdict = sp.Again(httpx.Request("GET", url, headers=fields))
        permit = guard.permit(heard, path, verdict, None)
        assert ("proxy-authorization" in permit.request.headers) is goes, (status, url, proxied)


def test_a_cookie_that_home_set_for_itself_alone_goes_to_no_host_below_it(world):
    below = "https://api.home.example/"
    answers = {
        HOME + "/": [(302, {"Location": below, "Set-Cookie": "session=SECRET; Path=/; Secure"})],
        below: [(302, {"Location": HOME + "/b"})],
    }
    there, session = world(answers)
    session.get(HOME + "/")
    assert there.got("cookie") == [None, None, "session=SECRET"]
