"""300, 406, 415, 426: content negotiation; 301, 308, 410: the hooks that are called."""

import pytest

from statuspolicy import STANDARD, STRICT, Settle, choose, gone, moved, upgrade_to_https
from statuspolicy.testing import replay
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx, sp

URL = "http://home.example/a"
HTTPS = "https://home.example/a"
OFFERS = {
    "Link": '</a.de>; rel=alternate; hreflang=de, </a.en>; rel=alternate; hreflang=en; type="t/x"',
    "Alternates": '{"a.fr" 0.5 {language fr}}',
}


def get(url=URL, method="GET", **options):
    return httpx.Request(method, url, **options)


# ── choose ─────────────────────────────────────────────────────────────────────────────


def english(request, response):
    return next(a.url for a in sp.alternatives(response) if a.language == "en")


@pytest.mark.parametrize("status", [300, 406])
def test_300_406_what_the_application_chooses_is_asked_for(status):
    story = replay(get(), [(status, OFFERS), 200], table=STANDARD | {status: choose(english)})
    assert [str(r.url) for r in story.sent] == [URL, "http://home.example/a.en"]


def test_300_choose_may_choose_by_the_body_and_keeps_method_and_body():
    def chooser(request, response):
        return httpx.URL(response.json()["choices"][1])

    listed = httpx.Response(300, json={"choices": ["/x", "http://home.example/y"]})
    request = get(method="POST", content=b"body")
    story = replay(request, [listed, 200], table=STANDARD | {300: choose(chooser)})
    assert (story.sent[1].method, story.sent[1].url.path, story.bodies[1]) == (
        "POST",
        "/y",
        b"body",
    )


def test_300_406_location_where_it_chooses_nothing_the_server_s_preference_is_followed():
    async def chooser(request, response):
        return None

    table = STANDARD | {300: choose(chooser), 406: choose(chooser)}
    story = replay(get(), [(300, {"Location": "/p", **OFFERS}), 200], table=table)
    assert story.sent[1].url.path == "/p"
    story = replay(get(), [(300, OFFERS)], table=table)
    assert story.response.status_code == 300
    story = replay(get(), [(406, OFFERS)], table=table)
    assert story.trace.reason.startswith("the server offers /a.de (de), /a.en (t/x, en), a.fr (fr)")


def test_in_a_row_for_failures_there_is_nothing_to_choose():
    table = STANDARD | {httpx.ReadError: choose(english)}
    assert isinstance(replay(get(), [httpx.ReadError("gone")], table=table).error, httpx.ReadError)


def test_300_a_choice_on_another_origin_leaves_credentials_at_home():
    table = STANDARD | {300: choose(lambda request, response: "https://other.example/")}
    story = replay(get(headers={"Authorization": "x"}), [300, 200], table=table)
    assert "authorization" not in story.sent[1].headers


# ── 406, 415 ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("table", [STANDARD, STRICT])
def test_415_says_what_the_server_takes(table):
    headers = {"Accept-Post": "a/b, c/d,,", "Accept-Encoding": "gzip", "Accept-Patch": ""}
    verdict = table[415](exchange(415, headers))
    assert verdict == Settle("the server accepts Accept-Post: a/b, c/d; Accept-Encoding: gzip")
    assert table[415](exchange(415)) == Settle("the server does not say what it accepts")
    many = {"Accept": ", ".join(f"a/{n}" for n in range(100))}
    assert table[415](exchange(415, many)).why.endswith("a/7")


def test_406_says_what_the_server_offers():
    assert STANDARD[406](exchange(406, {"Accept": "a/b"})) == Settle(
        "the server accepts Accept: a/b"
    )
    assert STANDARD[406](exchange(406)) == Settle("the server does not say what it offers")
    many = {"Link": ", ".join(f"</{n}>; rel=alternate" for n in range(100))}
    assert STANDARD[406](exchange(406, many)).why.endswith("/7")


# ── 426 ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("upgrade", ["TLS/1.0, HTTP/1.1", "tls", "HTTP/1.1,TLS/1.2"])
def test_426_sends_the_same_over_https_where_that_is_what_is_asked_for(upgrade):
    table = STANDARD | {426: upgrade_to_https}
    headers = {"Authorization": "mine", "X-Kept": "yes"}
    request = get(method="POST", content=b"body", headers=headers)
    story = replay(request, [(426, {"Upgrade": upgrade}), 200], table=table)
    sent = story.sent[1]
    assert (sent.method, str(sent.url), story.bodies[1]) == ("POST", HTTPS, b"body")
    assert (sent.headers["authorization"], sent.headers["x-kept"]) == ("mine", "yes")


def test_426_keeps_a_port_which_is_another_origin():
    request = get("http://home.example:8080/a", headers={"Authorization": "mine"})
    table = STANDARD | {426: upgrade_to_https}
    story = replay(request, [(426, {"Upgrade": "TLS/1.2"}), 200], table=table)
    assert str(story.sent[1].url) == "https://home.example:8080/a"
    assert "authorization" not in story.sent[1].headers


def test_426_is_handed_over_where_it_asks_for_something_else_or_came_over_tls():
    for headers in ({}, {"Upgrade": "HTTP/3.0, TLSX"}):
        assert upgrade_to_https(exchange(426, headers)) == Settle("the server does not ask for TLS")
    table = STANDARD | {426: upgrade_to_https}
    story = replay(get(), [(426, {"Upgrade": "TLS/1.2"})] * 2, table=table)
    assert (story.response.status_code, story.trace.reason) == (
        426,
        "the request was already sent over TLS",
    )


# ── who is told ────────────────────────────────────────────────────────────────────────


@each("status", [301, 308])
@each("table", [STANDARD, STRICT])
def test_301_308_who_keeps_links_is_told_where_they_lead_now(status, table):
    told = []
    duty = moved(lambda old, new: told.append((str(old.url), str(new.url))), table[status])
    story = replay(get(), [(status, {"Location": "/b#c"}), 200], table=table | {status: duty})
    assert told == [(URL, "http://home.example/b#c")]
    assert story.response.status_code == 200


def test_301_302_307_308_standard_s_own_duty_is_the_one_that_is_told_of():
    request = get(method="POST", content=b"x")
    for status, method in ((301, "GET"), (308, "POST"), (302, "GET"), (307, "POST")):
        told = []

        async def on_moved(old, new, told=told):
            told.append(new.method)

        table = STANDARD | {status: moved(on_moved)}
        story = replay(request, [(status, {"Location": "/b"}), 200], table=table)
        assert story.sent[1].method == method
        assert told == ([method] if status in (301, 308) else [])


def test_301_a_move_that_is_not_taken_is_not_told():
    told = []
    duty = moved(lambda old, new: told.append(new))
    for leads_to in ("ftp://x/", "/a"):
        replay(get(), [(301, {"Location": leads_to})], table=STANDARD | {301: duty})
    assert told == []


def test_410_who_keeps_links_is_told_that_there_is_nothing_any_more():
    told = []
    duty = gone(lambda request, response: told.append((str(request.url), response.status_code)))
    story = replay(get(), [410], table=STANDARD | {410: duty})
    assert told == [(URL, 410)]
    assert story.response.status_code == 410


def test_410_drops_every_remembered_move_that_leads_there():
    memory = sp.Memory()
    for path in ("1", "2#part", "other"):
        leads_to = "/c" if path == "other" else "/b"
        replay(
            get(f"https://home.example/{path}"), [(301, {"Location": leads_to}), 200], memory=memory
        )
    assert len(memory.moves) == 3
    replay(get("https://home.example/b"), [410], memory=memory)
    assert list(memory.moves) == ["https://home.example/other"]


@each("duty", [choose, moved, gone])
@each("given", [None, 5, dict])
def test_an_object_that_can_not_be_called_raises_at_once(duty, given):
    with pytest.raises(TypeError, match="write a callable"):
        duty(given)


def test_300_301_410_the_names_of_the_callables_are_shown_in_their_rows():
    for code, duty in {300: choose, 301: moved, 410: gone}.items():
        assert f" {duty.__name__} " in str((STANDARD | {code: duty(print)}).row(code))
