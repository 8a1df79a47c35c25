"""401 and 407 as values: what a challenge is answered with, and when it is handed over."""

import hashlib
import re

import anyio
import pytest

from statuspolicy import Again, Aside, Inspect, Settle, authenticate
from statuspolicy.memory.locks import ExchangeLock
from statuspolicy.testing import replay
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx, sp

BASIC = {"WWW-Authenticate": 'Basic realm="r"'}
BEARER = {"WWW-Authenticate": 'Bearer realm="r"'}
URL = "http://home.example/a"


def decide(duty, found):
    """What a duty says in the end, its body read."""
    verdict = duty(found)
    return verdict.then(found) if isinstance(verdict, Inspect) else verdict


def next_of(found, verdict, headers=None):
    """The exchange after a verdict's request was refused too."""
    return exchange(401, headers or dict(found.response.headers), request=verdict.request)


# ── a callable ─────────────────────────────────────────────────────────────────────────


def test_401_authorization_a_callable_is_given_the_challenge_and_its_value_is_sent():
    given = []

    def token(challenge):
        given.append(challenge)
        return "Bearer t"

    request = httpx.Request("POST", URL, content=b"body", headers={"X-Kept": "yes"})
    verdict = decide(authenticate(token), exchange(401, BEARER, request=request))
    assert given == [sp.Challenge("bearer", {"realm": "r"}, "", "http://home.example")]
    assert isinstance(verdict, Again)
    assert (verdict.unacted, verdict.after) == (True, 0.0)
    assert verdict.why == 'with credentials for "r" (bearer)'
    assert verdict.request.headers["authorization"] == "Bearer t"
    assert verdict.request.headers["x-kept"] == "yes"
    assert (verdict.request.method, verdict.request.read()) == ("POST", b"body")
    assert "authorization" not in request.headers


@each(
    ("found", "why"),
    [
        (exchange(401), "the response has no challenge"),
        (exchange(401, {"WWW-Authenticate": "@"}), "the response has no challenge"),
        (exchange(401, BEARER, abroad=True), "the challenge is from another origin"),
        (exchange(407, {"Proxy-Authenticate": "Basic"}), "the 407 may not come from a proxy"),
        (exchange(403, BASIC), ""),
        (exchange(httpx.ReadError("gone")), ""),
        (exchange(httpx.ProxyError("407 Proxy Authentication Required")), "httpx.Proxy(url, auth"),
    ],
)
def test_401_403_407_authenticate_asks_nobody_where_nothing_may_be_answered(found, why):
    def token(challenge):
        raise AssertionError

    verdict = decide(authenticate(token), found)
    assert isinstance(verdict, Settle)
    assert why in verdict.why


def test_401_the_same_challenge_a_second_time_is_handed_over():
    values = iter(["Bearer 1", "Bearer 2"])
    duty = authenticate(lambda challenge: next(values))
    found = exchange(401, BEARER)
    second = next_of(found, decide(duty, found))
    assert decide(duty, second) == Settle("the credentials were refused")


def test_401_authorization_the_value_that_was_refused_is_not_sent_again():
    duty = authenticate(lambda challenge: "Bearer t")
    found = exchange(401, BEARER, sent={"Authorization": "Bearer t"})
    assert decide(duty, found) == Settle("the credentials were refused")


def test_401_www_authenticate_another_realm_is_another_challenge():
    duty = authenticate(lambda challenge: f"Bearer {challenge.realm}")
    found = exchange(401, BEARER)
    first = decide(duty, found)
    second = decide(duty, next_of(found, first, {"WWW-Authenticate": 'Bearer realm="s"'}))
    assert second.request.headers["authorization"] == "Bearer s"


def test_401_www_authenticate_the_next_challenge_is_tried_where_the_first_has_no_answer():
    field = {"WWW-Authenticate": "Negotiate, Bearer realm=r, Basic realm=r"}
    answers = {"negotiate": None, "bearer": "Bearer t", "basic": "Basic Og=="}
    duty = authenticate(lambda challenge: answers[challenge.scheme])
    found = exchange(401, field)
    first = decide(duty, found)
    assert first.request.headers["authorization"] == "Bearer t"
    second = decide(duty, next_of(found, first))
    assert second.request.headers["authorization"] == "Basic Og=="
    third = next_of(found, second)
    assert decide(duty, third) == Settle("the credentials were refused")


@pytest.mark.parametrize("waits", [False, True])
def test_401_www_authenticate_of_many_challenges_the_first_ones_alone_are_considered(waits):
    """A server writes them: neither the stack nor the callable is at its mercy."""
    given = []

    def token(challenge):
        given.append(challenge.realm)

    async def awaited(challenge):
        given.append(challenge.realm)

    many = ", ".join(f'Bearer realm="{n}"' for n in range(400))
    verdict = decide(
        authenticate(awaited if waits else token), exchange(401, {"WWW-Authenticate": many})
    )
    if waits:

        async def wait(later):
            return await later

        verdict = anyio.run(wait, verdict)
    assert given == [str(n) for n in range(16)]
    assert verdict == Settle("there are no credentials for the first 16 challenges")


def test_401_where_nobody_has_an_answer_it_is_handed_over():
    duty = authenticate(lambda challenge: None)
    assert decide(duty, exchange(401, BASIC)) == Settle(
        "there are no credentials for the challenge"
    )


def test_401_authorization_what_was_fetched_once_is_sent_again_until_it_is_refused():
    values = iter(["Bearer 1", "Bearer 2"])
    duty = authenticate(lambda challenge: next(values))
    decide(duty, exchange(401, BEARER))
    found = exchange(401, BEARER)
    kept = decide(duty, found)
    assert kept.request.headers["authorization"] == "Bearer 1"
    anew = decide(duty, next_of(found, kept))
    assert anew.request.headers["authorization"] == "Bearer 2"
    refused = next_of(found, anew)
    assert decide(duty, refused) == Settle("the credentials were refused")


def test_401_authorization_what_another_exchange_has_fetched_meanwhile_is_sent():
    values = iter(["Bearer 1", "Bearer 2"])
    duty = authenticate(lambda challenge: next(values))
    decide(duty, exchange(401, BEARER))
    one, two = exchange(401, BEARER), exchange(401, BEARER)
    one, two = next_of(one, decide(duty, one)), next_of(two, decide(duty, two))
    assert decide(duty, one).request.headers["authorization"] == "Bearer 2"
    assert decide(duty, two).request.headers["authorization"] == "Bearer 2"


def test_401_authorization_another_origin_gets_a_value_of_its_own():
    duty = authenticate(lambda challenge: f"Bearer {challenge.origin}")
    for host in ("a.example", "b.example"):
        verdict = decide(duty, exchange(401, BEARER, url=f"http://{host}/"))
        assert verdict.request.headers["authorization"] == f"Bearer http://{host}"


def test_401_digest_stale_earns_one_more_answer_and_is_not_kept():
    values = iter(f'Digest nonce="{n}"' for n in range(9))
    duty = authenticate(lambda challenge: next(values))
    stale = {"WWW-Authenticate": 'Digest realm="r", nonce="n", stale=true'}
    found = exchange(401, stale)
    sent = []
    for _ in range(2):
        verdict = decide(duty, found)
        sent.append(verdict.request.headers["authorization"])
        found = next_of(found, verdict)
    assert decide(duty, found) == Settle("the credentials were refused")
    assert decide(duty, exchange(401, stale)).request.headers["authorization"] != sent[0]


def test_401_a_digest_that_a_callable_returns_is_made_for_one_request_and_not_kept():
    values = iter(f'Digest nonce="{n}"' for n in range(9))
    duty = authenticate(lambda challenge: next(values))
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n"'}
    first = decide(duty, exchange(401, challenge)).request
    # Refused with what was kept before it: a token of another request's would be sent as it is.
    other = exchange(401, challenge, sent={"Authorization": 'Digest nonce="old"'})
    again = decide(duty, other).request
    assert first.headers["authorization"] == 'Digest nonce="0"'
    assert again.headers["authorization"] == 'Digest nonce="1"'


def test_401_a_hop_that_left_the_credentials_behind_may_be_answered_again():
    duty = authenticate(lambda challenge: f"Bearer {challenge.origin}")
    first = decide(duty, exchange(401, BEARER)).request
    del first.headers["authorization"]
    assert isinstance(decide(duty, exchange(401, BEARER, request=first)), Again)


@each("value", [5, b"Basic x", "Bearer \n", "Bearer é"])
def test_401_a_callable_that_returns_no_value_is_told_what_to_return(value):
    with pytest.raises(TypeError, match="return the value of Authorization as a string of ASCII"):
        decide(authenticate(lambda challenge: value), exchange(401, BEARER))


@each("given", [None, "Bearer x", httpx.BasicAuth, 5])
def test_what_is_neither_an_auth_nor_a_callable_is_refused(given):
    with pytest.raises(TypeError, match=r"write an httpx\.Auth"):
        authenticate(given)


def test_401_www_authenticate_many_realms_are_not_kept_for_ever():
    asked = []

    def answer(challenge):
        asked.append(challenge.realm)
        return None if challenge.realm == "none" else "Bearer t"

    duty = authenticate(answer)
    for n in range(300):
        decide(duty, exchange(401, {"WWW-Authenticate": f"Bearer realm={n}"}))
        decide(duty, exchange(401, {"WWW-Authenticate": f"Basic realm=z{n}, Bearer realm={n}"}))
    for n in range(40):
        asked.clear()
        field = {"WWW-Authenticate": f"Basic realm=none, Bearer realm={n}"}
        decide(duty, exchange(401, field))
        assert asked == ["none", str(n)]
    assert len(duty._purses) == 256
    assert max(len(purse._known) for purse in duty._purses.values()) <= 16


def test_401_retry_after_authenticate_waits_where_the_server_says_when():
    verdict = decide(
        authenticate(lambda c: "Bearer t"), exchange(401, BEARER | {"Retry-After": "3"})
    )
    assert verdict.after == 3.0


# ── httpx.Auth ─────────────────────────────────────────────────────────────────────────


def test_401_basic_answers_once_and_only_with_what_was_not_refused():
    duty = authenticate(httpx.BasicAuth("user", "password"))
    found = exchange(401, BASIC)
    verdict = decide(duty, found)
    assert verdict.request.headers["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="
    second = next_of(found, verdict)
    assert decide(duty, second) == Settle("the auth flow has no other credentials")


DIGEST = {"WWW-Authenticate": 'Digest realm="r", nonce="n1", qop="auth", algorithm=MD5'}


def nonce_and_count(request):
    field = request.headers["authorization"]
    return re.search('nonce="(.*?)"', field)[1], re.search("nc=([0-9a-f]+)", field)[1]


def test_401_digest_counts_each_request_with_a_nonce():
    duty = authenticate(httpx.DigestAuth("user", "password"))
    counts = [
        nonce_and_count(decide(duty, exchange(401, DIGEST, url=f"{URL}/{n}")).request)
        for n in range(3)
    ]
    assert counts == [("n1", "00000001"), ("n1", "00000002"), ("n1", "00000003")]


def test_401_www_authenticate_digest_is_found_among_other_challenges_in_one_line():
    field = 'Basic realm="b", ' + DIGEST["WWW-Authenticate"]
    verdict = decide(
        authenticate(httpx.DigestAuth("user", "p")), exchange(401, {"WWW-Authenticate": field})
    )
    field = verdict.request.headers["authorization"]
    parts = dict(re.findall(r'(\w+)="?([^",]*)', field))
    ha1, ha2 = (hashlib.md5(t.encode()).hexdigest() for t in ("user:r:p", "GET:/a"))
    text = f"{ha1}:n1:{parts['nc']}:{parts['cnonce']}:auth:{ha2}"
    assert parts["response"] == hashlib.md5(text.encode()).hexdigest()


def test_401_digest_with_a_wrong_password_is_handed_over_after_its_answer():
    duty = authenticate(httpx.DigestAuth("user", "wrong"))
    found = exchange(401, DIGEST)
    first = decide(duty, found)
    second = next_of(found, first, {"WWW-Authenticate": DIGEST["WWW-Authenticate"] + ", x=1"})
    assert decide(duty, second) == Settle("the credentials were refused")
    stale = {"WWW-Authenticate": DIGEST["WWW-Authenticate"].replace("n1", "n2") + ", stale=true"}
    third = decide(duty, next_of(found, first, stale))
    assert nonce_and_count(third.request) == ("n2", "00000001")
    assert decide(duty, next_of(found, third, stale)) == Settle("the credentials were refused")


def test_401_digest_s_nonces_of_two_origins_are_two():
    duty = authenticate(httpx.DigestAuth("user", "password"))
    decide(duty, exchange(401, DIGEST))
    other = {"WWW-Authenticate": DIGEST["WWW-Authenticate"].replace("n1", "n9")}
    verdict = decide(duty, exchange(401, other, url="http://other.example/"))
    assert nonce_and_count(verdict.request) == ("n9", "00000001")


@each(
    "field",
    [
        "Digest realm=r, nonce=n, algorithm=ROT13",
        "Digest realm=r, nonce=n, qop=auth-int",
        "Digest realm=r, nonce=n, qop=sideways",
        "Digest realm=r",
        "Digest realm",
        "Digest nonce=n",
    ],
)
def test_401_a_digest_challenge_that_nobody_can_answer_is_handed_over_and_forgotten(field):
    duty = authenticate(httpx.DigestAuth("user", "password"))
    verdict = decide(duty, exchange(401, {"WWW-Authenticate": field}))
    assert isinstance(verdict, Settle)
    assert "the challenge can't be answered (" in verdict.why
    assert "Error(" not in verdict.why
    assert isinstance(decide(duty, exchange(401, DIGEST)), Again)


class Refreshing(httpx.Auth):
    """As in httpx's documentation: a token, and a request for another when it is refused."""

    requires_response_body = True

    def __init__(self, token):
        self.token = token

    def auth_flow(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            answer = yield httpx.Request("POST", "http://home.example/token")
            self.token = answer.text
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request


def token_of(n):
    return (
        exchange(httpx.ReadError("gone"))
        if n is None
        else exchange(200)._replace(response=httpx.Response(200, text=n))
    )


def test_401_a_flow_that_fetches_a_token_sends_that_on_the_side():
    duty = authenticate(Refreshing("old"))
    found = exchange(401, BEARER)
    first = decide(duty, found)
    assert first.request.headers["authorization"] == "Bearer old"
    aside = decide(duty, next_of(found, first))
    assert isinstance(aside, Aside)
    assert (aside.request.method, aside.request.url.path) == ("POST", "/token")
    verdict = aside.then(token_of("new"))
    assert verdict.request.headers["authorization"] == "Bearer new"
    assert decide(duty, next_of(found, verdict)) == Settle("the credentials were refused")


def test_401_a_token_that_another_exchange_has_fetched_meanwhile_is_not_fetched_again():
    duty = authenticate(Refreshing("old"))
    one, two = exchange(401, BEARER), exchange(401, BEARER)
    one, two = next_of(one, decide(duty, one)), next_of(two, decide(duty, two))
    assert isinstance(decide(duty, one).then(token_of("new")), Again)
    assert decide(duty, two).request.headers["authorization"] == "Bearer new"


def test_where_the_request_for_a_token_fails_the_401_is_handed_over():
    duty = authenticate(Refreshing("old"))
    found = exchange(401, BEARER, sent={"Authorization": "Bearer old"})
    verdict = decide(duty, found).then(token_of(None))
    assert "the request for the credentials failed: ReadError" in verdict.why


def test_a_token_that_can_not_be_read_hands_the_401_over():
    duty = authenticate(Refreshing("old"))
    found = exchange(401, BEARER, sent={"Authorization": "Bearer old"})
    long = exchange(200)._replace(response=httpx.Response(200, content=iter([b"x"])))
    verdict = decide(duty, found).then(long)
    assert "the response to its own request, which can't be read within" in verdict.why


class Stubborn(httpx.Auth):
    """Sends the same request again and again."""

    def auth_flow(self, request):
        while True:
            yield request


class Silent(httpx.Auth):
    def auth_flow(self, request):
        yield request


@pytest.mark.parametrize("auth", [Stubborn(), Silent(), httpx.Auth()])
def test_401_a_flow_without_an_answer_hands_it_over(auth):
    assert isinstance(decide(authenticate(auth), exchange(401, BASIC)), Settle)


class Signing(httpx.Auth):
    """Signs the body, with a field of its own."""

    requires_request_body = True

    def auth_flow(self, request):
        request.headers["X-Signature"] = hashlib.sha256(request.content).hexdigest()
        yield request


def test_401_a_flow_that_wants_the_request_s_body_gets_it_where_it_is_in_memory():
    request = httpx.Request("POST", URL, content=b"body")
    verdict = decide(authenticate(Signing()), exchange(401, BASIC, request=request))
    assert verdict.request.headers["x-signature"] == hashlib.sha256(b"body").hexdigest()
    once = httpx.Request("POST", URL, content=iter([b"body"]))
    verdict = decide(authenticate(Signing()), exchange(401, BASIC, request=once))
    assert "not in memory (Limits.replay_bytes)" in verdict.why


def test_401_a_flow_that_wants_the_answer_s_body_is_told_where_that_is_too_long():
    found = exchange(401, BEARER)
    found = found._replace(response=httpx.Response(401, headers=BEARER, content=iter([b"x"])))
    verdict = decide(authenticate(Refreshing("t")), found)
    assert "can't be read within Limits.drain_bytes" in verdict.why


# ── 407 ────────────────────────────────────────────────────────────────────────────────

PROXY = {"Proxy-Authenticate": 'Basic realm="p"', "WWW-Authenticate": "Bearer"}


def test_407_is_answered_with_the_proxy_s_own_field_and_the_origin_s_stays():
    found = exchange(407, PROXY, proxied=True, sent={"Authorization": "Bearer mine"})
    for credentials in (
        httpx.BasicAuth("user", "password"),
        lambda c: "Basic dXNlcjpwYXNzd29yZA==",
    ):
        duty = authenticate(credentials)
        verdict = decide(duty, found)
        assert verdict.request.headers["proxy-authorization"] == "Basic dXNlcjpwYXNzd29yZA=="
        assert verdict.request.headers["authorization"] == "Bearer mine"
        refused = exchange(407, PROXY, proxied=True, request=verdict.request)
        assert isinstance(decide(duty, refused), Settle)


def test_407_with_digest():
    headers = {"Proxy-Authenticate": DIGEST["WWW-Authenticate"]}
    verdict = decide(
        authenticate(httpx.DigestAuth("user", "p")), exchange(407, headers, proxied=True)
    )
    assert 'nonce="n1"' in verdict.request.headers["proxy-authorization"]
    assert "authorization" not in verdict.request.headers


def test_what_row_407_wrote_does_not_travel_to_another_origin_or_through_a_tunnel():
    duty = authenticate(lambda challenge: "Basic x")
    request = decide(duty, exchange(407, PROXY, proxied=True)).request
    for leads_to in ("https://home.example/", "http://other.example/", "http://home.example:81/"):
        table = sp.STANDARD | {407: duty}
        story = replay(request, [(302, {"Location": leads_to}), 200], table=table)
        assert "proxy-authorization" in story.sent[0].headers
        assert "proxy-authorization" not in story.sent[1].headers
    story = replay(request, [(302, {"Location": "/b"}), 200])
    assert "proxy-authorization" in story.sent[1].headers


# ── in an exchange ─────────────────────────────────────────────────────────────────────


def table(credentials):
    return sp.STANDARD | {401: authenticate(credentials)}


def test_401_an_exchange_is_answered_once_and_then_handed_over():
    story = replay(
        httpx.Request("POST", URL, content=b"x"),
        [(401, BASIC), (401, BASIC)],
        table=table(lambda challenge: "Basic x"),
    )
    assert story.response.status_code == 401
    assert [r.status_code for r in story.response.history] == [401]
    assert story.bodies == [b"x", b"x"]
    assert [(s.verdict, s.reason) for s in story.trace] == [
        ("repeat", 'with credentials for "r" (basic)'),
        ("settle", "the credentials were refused"),
    ]


def test_cookies_of_a_401_go_with_the_answer():
    story = replay(
        httpx.Request("GET", URL),
        [(401, BASIC | {"Set-Cookie": "a=1"}), 200],
        table=table(httpx.BasicAuth("u", "p")),
    )
    assert story.sent[1].headers["cookie"] == "a=1"


def test_401_www_authenticate_a_challenge_of_another_origin_is_handed_over():
    story = replay(
        httpx.Request("GET", URL),
        [(302, {"Location": "http://other.example/"}), (401, BASIC)],
        table=table(httpx.BasicAuth("u", "p")),
    )
    assert story.response.status_code == 401
    assert len(story.sent) == 2


def test_401_a_digest_of_the_row_s_own_is_made_anew_for_a_repeat():
    story = replay(
        httpx.Request("GET", URL),
        [(401, DIGEST), (503, {"Retry-After": "1"}), (401, DIGEST), 200],
        table=table(httpx.DigestAuth("u", "p")),
    )
    assert story.response.status_code == 200
    fields = [r.headers.get("authorization") for r in story.sent]
    assert [field is None for field in fields] == [True, False, True, False]
    assert fields[1] != fields[3]


def test_401_an_async_callable_is_awaited():
    async def token(challenge):
        return "Bearer t"

    story = replay(httpx.Request("GET", URL), [(401, BEARER), 200], table=table(token))
    assert story.sent[1].headers["authorization"] == "Bearer t"


def test_a_basic_token_is_kept_over_a_503():
    story = replay(
        httpx.Request("GET", URL),
        [(401, BASIC), (503, {"Retry-After": "1"}), 200],
        table=table(httpx.BasicAuth("u", "p")),
    )
    assert story.sent[2].headers["authorization"] == story.sent[1].headers["authorization"]


def test_503_authorization_a_digest_of_the_caller_s_own_is_not_sent_twice():
    request = httpx.Request("GET", URL, headers={"Authorization": "Digest nc=00000001"})
    story = replay(request, [(503, {"Retry-After": "1"})])
    assert "its Digest credentials are for one request" in story.trace.reason


def test_401_authenticate_is_named_in_its_row():
    assert "authenticate" in str(table(httpx.BasicAuth("u", "p")).row(401))


# ── turns ──────────────────────────────────────────────────────────────────────────────


def turns(story):
    """Acquire, Send, Release in their order, by their initials."""
    names = {"Acquire": "A", "Send": "S", "Release": "R"}
    return "".join(names.get(type(effect).__name__, "") for effect in story.effects)


def test_401_a_turn_is_had_from_the_decision_to_its_end_and_over_the_request_for_the_token():
    token = httpx.Response(200, text="new")
    story = replay(
        httpx.Request("GET", URL),
        [(401, BEARER), (401, BEARER), token, 200],
        table=table(Refreshing("old")),
    )
    assert turns(story) == "SAR" + "SAS" + "RS"


def test_202_401_a_poll_does_not_keep_the_turn_over_its_looks():
    rows = table(lambda challenge: "Bearer t") | {202: sp.poll()}
    script = [(202, {"Location": "/m"}), (401, BEARER), 202, 202, 200]
    story = replay(httpx.Request("POST", URL), script, table=rows)
    assert turns(story) == "SSARSSS"


def test_401_a_turn_that_is_had_is_not_waited_for(open_session, status_server):
    turn = ExchangeLock()

    def first(found):
        request = httpx.Request("GET", found.request.url.join("/200"))
        return Aside(request, lambda answer: Inspect(lambda a: Settle("done"), turn), in_turn=True)

    session = open_session(table=sp.STANDARD | {401: lambda e: Inspect(first, turn)})
    for _ in range(2):
        assert sp.trace(session.get(status_server.url + "/401")).reason == "done"


def test_401_what_is_known_of_long_realms_takes_little_memory():
    """A server writes them, and a new one with each answer."""
    duty = sp.authenticate(lambda challenge: "Basic x")
    for number in range(400):
        realm = f"{number}{'x' * 20_000}"
        refused = exchange(401, {"WWW-Authenticate": f'Basic realm="{realm}"'})
        verdict = duty(refused)
        assert isinstance(verdict.then(refused), sp.Again)
    assert len(duty._purses) == 256
    known = [key for purse in duty._purses.values() for key in purse._known]
    assert len(known) == 256
    assert sum(len(part) for key in (*duty._purses, *known) for part in key) < 256 * 800
