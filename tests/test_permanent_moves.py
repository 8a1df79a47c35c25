"""301 and 308 that are remembered: whom they answer, and what becomes of those that lead astray."""

import pytest

from statuspolicy.testing import FakeClock, replay
from tests.library import httpx, sp

A, B, C = (f"https://home.example/{name}" for name in "abc")
TO_B = (301, {"Location": "/b"})
# What may make an answer somebody's own, or another place's: in header fields and extensions.
OWN = [
    ({"Authorization": "Bearer a"}, {}),
    ({"Cookie": "sid=a"}, {}),
    ({"X-API-Key": "alice"}, {}),
    ({"Private-Token": "alice"}, {}),
    ({"Host": "tenant.example"}, {}),
    ({"Host": "home.example:8443"}, {}),
    ({"Cache-Control": "no-cache"}, {}),
    ({"Cache-Control": "no-store"}, {}),
    ({"Cache-Control": "max-age=0"}, {}),
    ({"Pragma": "no-cache"}, {}),
    ({"Content-Length": "1"}, {}),
    ({"Transfer-Encoding": "chunked"}, {}),
    ({}, {"target": b"/other"}),
    ({}, {"sni_hostname": "other.example"}),
]


def get(headers=None, extensions=None, url=A):
    return httpx.Request("GET", url, headers=headers, extensions=extensions)


def knowing(*moves):
    memory = sp.Memory()
    for code, here, there in moves or [(301, A, B)]:
        memory.remember(here, (code, there), 60, now=1_000_000_000)
    return memory


def urls(story):
    return [str(request.url) for request in story.sent]


# ── whom they answer ───────────────────────────────────────────────────────────────────


def test_301_to_a_request_that_says_who_asks_or_for_what_is_not_remembered():
    for headers, extensions in OWN:
        memory = sp.Memory()
        replay(get(headers, extensions), [TO_B, 200], memory=memory)
        assert not memory.moves, (headers, extensions)


def test_301_that_is_remembered_answers_no_request_that_says_who_asks_or_for_what():
    for headers, extensions in OWN:
        memory = knowing()
        story = replay(get(headers, extensions), [200], memory=memory)
        assert urls(story) == [A], (headers, extensions)
        assert len(memory.moves) == 1  # it still holds for the others


def test_301_with_a_host_that_is_its_urls_is_remembered_and_taken():
    for host in ("home.example", "HOME.example", "home.example:443"):
        memory = sp.Memory()
        replay(get({"Host": host}), [TO_B, 200], memory=memory)
        assert urls(replay(get({"Host": host}), [200], memory=memory)) == [B]


def test_301_names_that_the_limits_call_sensitive_count():
    limits = sp.Limits(sensitive_headers=("x-mine",))
    story = replay(get({"X-Mine": "a"}), [200], memory=knowing(), limits=limits)
    assert urls(story) == [A]
    assert urls(replay(get({"X-Mine": "a"}), [200], memory=knowing())) == [B]


def test_301_what_prepare_writes_counts():
    def sign(request, attempt):
        request.headers["Authorization"] = "Bearer a"

    memory = sp.Memory()
    replay(get(), [TO_B, 200], memory=memory, prepare=sign)
    assert not memory.moves
    assert urls(replay(get(), [200], memory=knowing(), prepare=sign)) == [A]


def test_301_with_a_vary_beyond_accept_encoding_is_not_remembered():
    for vary, remembered in [
        ("Accept-Encoding", True),
        ("accept-encoding, ", True),
        ("Accept-Language", False),
        ("Accept-Encoding, Origin", False),
        ("*", False),
    ]:
        memory = sp.Memory()
        moved = (301, {"Location": "/b", "Vary": vary})
        replay(get(), [moved, 200], memory=memory)
        assert bool(memory.moves) is remembered, vary


def test_301_that_a_duty_of_somebodys_own_remembers_is_kept_from_others_too():
    own = {301: lambda exchange: sp.Follow("/b", remember=60.0)}
    for headers in ({"Authorization": "Bearer a"}, {"X-API-Key": "a"}):
        memory = sp.Memory()
        replay(get(headers), [TO_B, 200], memory=memory, table=sp.STANDARD | own)
        assert not memory.moves
    replay(get(), [TO_B, 200], memory=memory, table=sp.STANDARD | own)
    assert len(memory.moves) == 1


def test_301_the_cookies_of_the_clients_jar_are_not_an_anonymous_visitor():
    """An anonymous visitor is sent to the sign-in; whoever has signed in since is not."""

    def site(request):
        if request.url.path == "/login":
            return httpx.Response(200, headers={"Set-Cookie": "sid=1"})
        if "cookie" in request.headers:
            return httpx.Response(200, text="welcome")
        return httpx.Response(301, headers={"Location": "/login"})

    with sp.wrap(httpx.Client(transport=httpx.MockTransport(site))) as client:
        client.get(A)
        assert client.get(A).text == "welcome"


# ── what leads astray ──────────────────────────────────────────────────────────────────

FAILURES = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("late"),
    httpx.ReadTimeout("late"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.ProxyError("502 Bad Gateway"),
]


def test_301_that_is_remembered_and_leads_astray_is_forgotten_and_the_first_url_is_asked():
    back = (301, {"Location": "/a"})
    downgrade = (302, {"Location": "http://home.example/"})
    for astray in [*FAILURES, 400, 403, 404, 405, 410, 451, back, downgrade]:
        memory = knowing()
        story = replay(get(), [astray, httpx.Response(200, text="right")], memory=memory)
        assert urls(story) == [B, A], astray
        assert story.response.text == "right"
        assert story.response.history == []
        assert story.waits == []
        assert not memory.moves
        assert "is forgotten" in str(story.trace)


def test_301_that_leads_astray_in_its_own_call_is_not_remembered():
    memory = knowing()
    story = replay(get(), [404, TO_B, 404], memory=memory)
    assert urls(story) == [B, A, B]
    assert story.response.status_code == 404
    assert [r.status_code for r in story.response.history] == [301]
    assert not memory.moves  # or each call would cost three requests from now on
    for astray in [*FAILURES, 400, 403, 404, 405, 410, 451]:
        memory = sp.Memory()
        replay(get(), [TO_B, *[astray] * 4], memory=memory)
        assert not memory.moves, astray
    memory = sp.Memory()
    replay(get(), [TO_B, 503], memory=memory, table=sp.STANDARD | {503: sp.surface})
    assert memory.moves


def test_301_that_is_remembered_stays_where_its_place_is_only_out_of_order():
    for answer in (401, 416, 429, 500, 503):
        memory = knowing()
        story = replay(get(), [answer] * 4, memory=memory)
        assert set(urls(story)) == {B}
        assert memory.moves, answer
    memory = knowing()
    story = replay(get(), [httpx.PoolTimeout("all are busy")], memory=memory)
    assert isinstance(story.error, httpx.PoolTimeout)
    assert memory.moves


def test_301_of_a_chain_that_is_remembered_the_first_url_is_asked():
    memory = knowing((301, A, B), (308, B, C))
    story = replay(get(), [httpx.ConnectError("refused"), 200], memory=memory)
    assert urls(story) == [C, A]
    assert not memory.moves


def test_301_that_is_remembered_of_a_later_hop_leads_back_to_that_hop():
    memory = knowing((301, B, C))
    story = replay(get(), [(302, {"Location": "/b"}), 404, 200], memory=memory)
    assert urls(story) == [A, C, B]
    assert [r.status_code for r in story.response.history] == [302]


def test_301_that_is_remembered_and_leads_too_far_does_not_use_up_the_cap():
    memory = knowing()
    on = [(302, {"Location": f"/{n}"}) for n in range(5)]
    story = replay(get(), [*on, *on[:4], 200], memory=memory)
    assert story.response.status_code == 200
    assert not memory.moves


def test_301_leads_astray_once_a_call_and_not_after_the_deadline():
    memory = knowing()
    gone = httpx.ConnectError("refused")
    story = replay(get(), [gone, TO_B, gone, 200], memory=memory)
    assert urls(story) == [B, A, B, B]  # repeated as any other request

    clock = FakeClock()

    def late(request):
        clock.sleep(200)
        return httpx.Response(404)

    memory = knowing()
    story = replay(get(), [(302, {"Location": "/d"}), late], memory=memory, clock=clock)
    assert story.response.status_code == 404  # 200 s after the first answer
    assert not memory.moves


def test_301_that_led_astray_the_cookies_that_were_set_there_go_along():
    there = httpx.Response(404, headers={"Set-Cookie": "seen=1; Path=/"})
    story = replay(get(), [there, 200], memory=knowing(), cookies=httpx.Cookies())
    assert story.sent[1].headers["cookie"] == "seen=1"


def test_301_that_a_row_answers_by_itself_did_not_lead_astray():
    own = httpx.Response(200, text="its own")
    memory = knowing()
    story = replay(get(), [404], memory=memory, table=sp.STANDARD | {404: lambda e: sp.Use(own)})
    assert story.response.text == "its own"


# ── clients ────────────────────────────────────────────────────────────────────────────


def moving(state):
    def site(request):
        state["asked"].append(request.url.path)
        if request.url.path == state["dead"]:
            raise httpx.ConnectError("refused")
        moved = state["moved"].get(request.url.path)
        if moved is not None:
            return httpx.Response(state["code"], headers={"Location": moved})
        return httpx.Response(200, text=request.url.path)

    return httpx.MockTransport(site)


def test_301_and_308_over_https_on_the_same_origin_are_remembered():
    for code in (301, 308):
        state = {"asked": [], "moved": {"/a": "/b"}, "dead": "", "code": code}
        with sp.wrap(httpx.Client(transport=moving(state))) as client:
            client.get(A)
            client.get(A)
        assert state["asked"] == ["/a", "/b", "/b"], code


@pytest.mark.parametrize("change", [{"moved": {"/b": "/a"}}, {"moved": {}, "dead": "/b"}])
@pytest.mark.anyio
async def test_301_that_turned_round_or_died_is_right_in_the_next_call(change):
    state = {"asked": [], "moved": {"/a": "/b"}, "dead": "", "code": 301}
    with sp.wrap(httpx.Client(transport=moving(state))) as client:
        assert client.get(A).text == "/b"
        state.update(change)
        assert [client.get(A).text for _ in range(2)] == ["/a", "/a"]
    assert state["asked"] == ["/a", "/b", "/b", "/a", "/a"]

    state = {"asked": [], "moved": {"/a": "/b"}, "dead": "", "code": 301}
    async with sp.wrap(httpx.AsyncClient(transport=moving(state))) as client:
        assert (await client.get(A)).text == "/b"
        state.update(change)
        assert [(await client.get(A)).text for _ in range(2)] == ["/a", "/a"]
    assert state["asked"] == ["/a", "/b", "/b", "/a", "/a"]
