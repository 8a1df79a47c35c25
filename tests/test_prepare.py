"""`prepare`: each request made ready just before it is sent, and what it wrote stays with it."""

import anyio
import pytest

from statuspolicy.engine.effects import Reply
from statuspolicy.testing import Answer, FakeClock, replay
from tests.each import each
from tests.library import httpx, sp

HOME = "https://home.example/a"
FAR = "https://far.example/b"
BUSY = (503, {"retry-after": "1"})
ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


def get(url: str = HOME, **options) -> httpx.Request:
    return httpx.Request("GET", url, **options)


def to(location: str, status: int = 302, **headers: str) -> tuple[int, dict[str, str]]:
    return status, {"location": location, **{k.replace("_", "-"): v for k, v in headers.items()}}


class Signer:
    """Signs a request for its host, and notes what it was asked to sign."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, request: httpx.Request, attempt: int) -> None:
        assert "x-signed" not in request.headers, "a signature has travelled"
        assert "signed" not in request.extensions
        self.asked.append((request.url.path, attempt))
        request.headers["X-Signed"] = signature(request, attempt)
        request.extensions["signed"] = attempt


def signature(request: httpx.Request, attempt: int) -> str:
    return f"{request.method} {request.url.host}{request.url.path} {attempt}"


def on_the_side(then):
    """A 401 asks for a token on the side."""

    def challenge(exchange: sp.Exchange) -> sp.Verdict:
        return sp.Aside(get(str(exchange.request.url.join("/token"))), then)

    return sp.STANDARD | {401: challenge}


def with_token(answer: sp.Exchange) -> sp.Verdict:
    request = answer.main.request
    headers = {**request.headers, "X-Api-Key": "t"}
    return sp.Again(httpx.Request(request.method, request.url, headers=headers), unacted=True)


# ── when it is called ──────────────────────────────────────────────────────────────────


@each(
    ("script", "asked"),
    [
        ([200], [("/a", 1)]),
        ([404], [("/a", 1)]),
        ([BUSY, BUSY, 200], [("/a", 1), ("/a", 2), ("/a", 3)]),
        ([httpx.ConnectError("no"), 200], [("/a", 1), ("/a", 2)]),
        ([to("/b"), to(FAR + "c"), 200], [("/a", 1), ("/b", 1), ("/bc", 1)]),
        ([BUSY, to("/b"), BUSY, 200], [("/a", 1), ("/a", 2), ("/b", 1), ("/b", 2)]),
    ],
)
def test_prepare_is_called_before_every_send_with_attempts_from_1(script, asked):
    signer = Signer()
    story = replay(get(), script, prepare=signer)
    assert signer.asked == asked
    assert len(story.sent) == len(asked)


def test_401_a_request_on_the_side_is_prepared_as_a_first_attempt_and_is_none_of_the_main_one():
    signer = Signer()
    story = replay(get(), [BUSY, 401, 200, 200], table=on_the_side(with_token), prepare=signer)
    assert signer.asked == [("/a", 1), ("/a", 2), ("/token", 1), ("/a", 3)]
    assert [r.headers.get("x-api-key") for r in story.sent] == [None, None, None, "t"]
    assert story.response.status_code == 200


def test_301_before_a_remembered_move_is_taken_it_is_asked_whether_it_writes_who_asks():
    signer, memory = Signer(), sp.Memory()
    replay(get(), [to("/b", 301, cache_control="max-age=60"), 200], memory=memory)
    story = replay(get(), [200], memory=memory, prepare=signer)
    assert signer.asked == [("/a", 1), ("/b", 1)]
    assert story.sent[0].headers["x-signed"] == "GET home.example/b 1"


def test_what_waits_for_a_cooling_origin_is_prepared_after_the_wait():
    """A signature holds for minutes, a token may: neither is to age meanwhile."""
    memory, when = sp.Memory(), []
    replay(get(), [BUSY], memory=memory, limits=sp.Limits(attempts=1))
    clock = FakeClock()
    replay(
        get(), [200], memory=memory, clock=clock, prepare=lambda *_: when.append(clock.monotonic())
    )
    assert len(when) == 1
    assert when[0] >= 1


def test_prepare_is_called_for_a_plain_200_too(session_with, status_server):
    signer = Signer()
    session_with(signer).get(status_server.url + "/200")
    assert signer.asked == [("/200", 1)]


@pytest.fixture
def session_with(open_session):
    def opened(prepare, **wrap):
        return open_session(dict(ONE), prepare=prepare, **wrap)

    return opened


# ── what it is given, and what becomes of it ───────────────────────────────────────────


def test_the_callers_request_is_never_changed():
    request = get(headers={"X-Own": "1"}, extensions={"own": 1})
    before = (request.headers.raw, dict(request.extensions))
    replay(request, [BUSY, to(FAR), 200], prepare=Signer())
    assert (request.headers.raw, request.extensions) == before


def test_prepare_sees_the_request_as_it_would_be_sent_with_its_body():
    seen = []
    request = httpx.Request("PUT", HOME, json={"a": 1}, headers={"Cookie": "mine=1"})
    replay(
        request,
        [(503, {"retry-after": "1", "set-cookie": "seen=1"}), 200],
        prepare=lambda r, _: seen.append((r.method, r.content, r.headers["cookie"])),
    )
    assert seen == [("PUT", b'{"a":1}', "mine=1"), ("PUT", b'{"a":1}', "seen=1; mine=1")]


def test_what_it_wrote_is_what_is_sent_and_the_responses_own_request():
    story = replay(get(), [BUSY, to(FAR), 200], prepare=Signer())
    signed = ["GET home.example/a 1", "GET home.example/a 2", "GET far.example/b 1"]
    assert [r.headers["x-signed"] for r in story.sent] == signed
    assert [r.extensions["signed"] for r in story.sent] == [1, 2, 1]
    response = story.response
    assert response.request.headers["x-signed"] == signed[2]
    assert [r.request.headers["x-signed"] for r in response.history] == [signed[1]]


@pytest.mark.parametrize("cross_origin", ["strip", "keep"])
def test_what_was_written_for_one_host_never_travels(cross_origin):
    """Not to another host, and not to another path or a repeat either."""

    def sign_once(request, attempt):
        if len(sent) == 0:
            request.headers["Authorization"] = "AWS4-HMAC-SHA256 for home"
            request.headers["X-Plain"] = "1"
        sent.append(request.url.host)

    for script in ([BUSY, 200], [to("/b"), 200], [to(FAR), 200], [to(FAR), to(HOME + "2"), 200]):
        sent: list[str] = []
        limits = sp.Limits(cross_origin=cross_origin)
        story = replay(get(), script, prepare=sign_once, limits=limits)
        assert story.sent[0].headers["authorization"] == "AWS4-HMAC-SHA256 for home"
        for request in story.sent[1:]:
            assert "authorization" not in request.headers
            assert "x-plain" not in request.headers


def test_what_was_written_for_the_side_stays_there():
    story = replay(
        get(),
        [401, 200, 200],
        table=on_the_side(with_token),
        prepare=lambda r, _: r.headers.update({"X-For": r.url.path}),
    )
    assert [r.headers["x-for"] for r in story.sent] == ["/a", "/token", "/a"]


def test_a_duty_and_a_loop_are_about_the_request_without_it():
    """What differs at each send would make each send another request."""
    seen = []

    def look(exchange: sp.Exchange) -> sp.Verdict:
        seen.append("x-signed" in exchange.request.headers)
        return sp.Follow("/a")

    table = sp.STANDARD | {302: look}
    story = replay(
        get(), [302], table=table, prepare=lambda r, _: r.headers.update({"Cookie": "n"})
    )
    assert seen == [False]
    assert isinstance(story.error, sp.RedirectLoop)


def test_what_it_wrote_is_on_the_wire_and_in_response_request(session_with, status_server):
    signer = Signer()
    session = session_with(signer)
    request = session.client.build_request("GET", status_server.url + "/503?retry-after=1&then=200")
    response = session.run(session.client.send, request)
    expected = ["GET 127.0.0.1/503 1", "GET 127.0.0.1/503 2"]
    assert [r.headers["x-signed"] for r in status_server.received] == expected
    assert response.request.headers["x-signed"] == expected[1]
    assert "x-signed" not in request.headers
    assert "signed" not in request.extensions


@pytest.mark.parametrize("path", ["/200", "/404"])
def test_in_response_request_where_nothing_else_happened_too(path, session_with, status_server):
    response = session_with(Signer()).get(status_server.url + path)
    assert response.request.headers["x-signed"] == f"GET 127.0.0.1{path} 1"
    assert response.history == []


def test_a_clients_next_request_starts_without_it(session_with, status_server):
    signer = Signer()
    session = session_with(signer)
    for _ in range(2):
        session.get(status_server.url + "/200")
    assert signer.asked == [("/200", 1)] * 2


# ── what it may be, and what it may not do ─────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_prepare_may_be_async_in_an_async_client(kind, open_session, status_server):
    signer = Signer()

    async def prepare(request, attempt):
        await anyio.sleep(0)
        signer(request, attempt)

    session = open_session(dict(ONE), prepare=prepare, table=on_the_side(with_token))
    status_server.script("/token", 200)
    url = status_server.script("/me", Answer(401), Answer(302, {"Location": "/200"}))
    assert session.get(url).status_code == 200
    assert signer.asked == [("/me", 1), ("/token", 1), ("/me", 2), ("/200", 1)]
    assert all("x-signed" in r.headers for r in status_server.received)


def test_an_awaitable_in_a_sync_client_is_a_type_error_and_nothing_is_sent(status_server):
    async def prepare(request, attempt):
        request.headers["x"] = "1"

    with sp.wrap(httpx.Client(), prepare=prepare) as client:
        with pytest.raises(TypeError, match=r"awaitable: write it as a plain function.*Async"):
            client.get(status_server.url + "/200")
    assert status_server.received == []


@pytest.mark.parametrize("wrong", [True, "sign", {}])
def test_what_cannot_be_called_is_refused_at_once(wrong, kind):
    client = httpx.Client() if kind == "sync" else httpx.AsyncClient()
    with pytest.raises(TypeError, match=r"prepare=.*: write a callable instead"):
        sp.wrap(client, prepare=wrong)


def test_prepare_may_return_the_request_that_it_got():
    def prepare(request, attempt):
        request.headers["x-a"] = "1"
        return request

    story = replay(get(), [200], prepare=prepare)
    assert story.sent[0].headers["x-a"] == "1"


def _method(request):
    request.method = "DELETE"


def _url(request):
    request.url = httpx.URL("https://other.example/")


def _stream(request):
    request.stream = httpx.ByteStream(b"other")


def _another(request):
    return httpx.Request(request.method, request.url, headers={"x": "1"})


def _flag(request):
    return True


async def _later(request):
    return httpx.Request(request.method, request.url)


@each("change", [_method, _url, _stream, _another, _flag, _later])
@each("script", [[], [BUSY], [to("/b")]])
def test_prepare_may_change_fields_and_extensions_and_nothing_else(change, script):
    sent = []

    def prepare(request, attempt):
        sent.append(request)
        return change(request) if len(sent) > len(script) else None

    with pytest.raises(TypeError) as raised:
        replay(httpx.Request("PUT", HOME, content=b"body"), script, prepare=prepare)
    sentence = str(raised.value)
    assert "changed more than header fields and extensions" in sentence
    assert sentence.startswith("prepare=<function")
    assert sentence.endswith("and return None.")


@pytest.mark.parametrize(
    ("path", "sends"),
    [
        ("/200", 0),
        ("/503?retry-after=1&body=busy&then=200", 1),
        ("/302?location=/200&body=moved", 1),
        ("/401?body=who", 1),
    ],
    ids=["first", "repeat", "hop", "aside"],
)
@pytest.mark.parametrize("error", [KeyError("no key"), httpx.ReadTimeout("of the token's server")])
def test_what_it_raises_passes_through_and_nothing_stays_open(
    error, path, sends, session_with, status_server
):
    """Not even a failure of the HTTP library is taken for an answer, and repeated."""
    asked = []

    def prepare(request, attempt):
        asked.append(request.url.path)
        if len(asked) == sends + 1:
            raise error

    session = session_with(prepare, table=on_the_side(with_token))
    with pytest.raises(type(error)) as raised:
        session.get(status_server.url + path)
    assert raised.value is error
    assert len(status_server.received) == sends
    # The pool of one is free, and its connection lives on.
    assert session.get(status_server.url + "/200").status_code == 200
    assert (len(asked), status_server.connections) == (sends + 2, 1)


# ── a Digest counts its requests ───────────────────────────────────────────────────────

DIGEST = 'Digest username="u", nonce="n", nc=00000001, response="r"'


def signed(scheme: str = DIGEST, method: str = "GET") -> httpx.Request:
    return httpx.Request(method, HOME, headers={"Authorization": scheme})


@each(
    "answer",
    [
        BUSY,
        (429, {"retry-after": "1"}),
        408,
        502,
        httpx.ReadError("gone"),
        Reply(httpx.ReadError("gone"), reused=False),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("disconnected"),
    ],
)
@each("scheme", [DIGEST, DIGEST.replace("Digest", "digest")])
def test_a_digest_that_was_used_is_not_sent_again_and_the_trace_says_why(answer, scheme):
    """RFC 7616 §3.4: nc counts "the number of requests […] that the client has sent"."""
    story = replay(signed(scheme), [answer])
    assert len(story.sent) == 1
    assert story.waits == []
    assert "its Digest credentials are for one request (nc)" in story.trace.reason
    assert "prepare=" in story.trace.reason
    assert story.left_open == 0


@each(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        Reply(httpx.RemoteProtocolError("gone"), unsent=True),
        Reply(httpx.ReadError("gone"), reused=True, unsent=True),
        Reply(httpx.ReadTimeout("slow"), unsent=True),
    ],
)
def test_authorization_a_digest_that_the_server_never_saw_is_sent_again(failure):
    story = replay(signed(), [failure, 200])
    assert story.response.status_code == 200
    assert [r.headers["authorization"] for r in story.sent] == [DIGEST] * 2


def test_authorization_with_prepare_it_is_sent_again_and_signed_anew():
    def prepare(request, attempt):
        field = request.headers["authorization"]
        request.headers["authorization"] = field.replace("nc=00000001", f"nc={attempt:08}")

    story = replay(signed(), [BUSY, 200], prepare=prepare)
    assert ["nc=00000002" in r.headers["authorization"] for r in story.sent] == [False, True]


def test_authorization_a_duty_that_signs_anew_itself_is_believed():
    def anew(exchange: sp.Exchange) -> sp.Verdict:
        field = DIGEST.replace("nc=00000001", "nc=00000002")
        return sp.Again(signed(field), unacted=True)

    story = replay(signed(), [500, 200], table=sp.STANDARD | {500: anew})
    assert story.response.status_code == 200
    assert ["nc=00000002" in r.headers["authorization"] for r in story.sent] == [False, True]


@each("scheme", ["Basic dTpw", "Bearer Digest", "Digestive x", "DPoP Digest x"])
def test_authorization_any_other_scheme_is_repeated_and_goes_along_at_home(scheme):
    story = replay(signed(scheme), [BUSY, to("/b"), 200])
    assert [r.headers["authorization"] for r in story.sent] == [scheme] * 3


@each("location", ["/b", FAR, HOME + "?q"])
@each("cross_origin", ["strip", "keep"])
@each("scheme", [DIGEST, "DIGEST x"])
def test_authorization_a_hop_drops_it_for_it_was_made_for_one_uri(location, cross_origin, scheme):
    limits = sp.Limits(cross_origin=cross_origin)
    story = replay(signed(scheme), [to(location), BUSY, 200], limits=limits)
    assert ["authorization" in r.headers for r in story.sent] == [True, False, False]
    assert story.response.status_code == 200


CHALLENGE = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'}


@pytest.mark.parametrize("again", [False, True], ids=["without prepare", "with prepare"])
def test_401_503_authorization_the_clients_own_digest_flow_is_never_sent_twice_with_one_nc(
    again, open_session, status_server
):
    busy = Answer(503, {"Retry-After": "1"}, b"busy")
    url = status_server.script("/me", Answer(401, CHALLENGE), busy, Answer(200))
    counts = []

    def prepare(request, attempt):
        field = request.headers.get("authorization", "")
        request.headers["authorization"] = field.replace("nc=00000001", f"nc={attempt:08}")

    session = open_session(dict(ONE), prepare=prepare if again else None)
    response = session.get(url, auth=httpx.DigestAuth("u", "p"))
    for received in status_server.received[1:]:
        (count,) = [p for p in received.headers["authorization"].split(", ") if p[:3] == "nc="]
        counts.append(count)
    assert counts == ["nc=00000001", "nc=00000002"][: 1 + again]
    if again:
        assert response.status_code == 200
    else:
        assert (response.status_code, response.text) == (503, "busy")
        assert "its Digest credentials are for one request (nc)" in sp.trace(response).reason


@pytest.mark.parametrize("again", [False, True])
def test_206_the_rest_of_a_body_is_not_asked_for_with_a_digest_that_was_used(
    again, open_session, status_server
):
    """Unless there is somebody to sign it anew."""
    half = b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: 10\r\n\r\nhello'
    rest = Answer(206, {"ETag": '"v1"', "Content-Range": "bytes 5-9/10"}, b"world")
    url = status_server.script("/me", Answer(401, CHALLENGE), Answer(raw=half, close=True), rest)
    prepare = (lambda request, attempt: None) if again else None
    session = open_session(dict(ONE), table=sp.STANDARD | {200: sp.resume}, prepare=prepare)
    digest = httpx.DigestAuth("u", "p")
    if again:
        assert session.get(url, auth=digest).text == "helloworld"
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            session.get(url, auth=digest)
    assert len(status_server.received) == 2 + again


@pytest.mark.parametrize("field", ["Authorization", "Cookie", "X-Other"])
def test_301_a_move_that_was_told_to_somebody_is_remembered_for_nobody(field):
    memory = sp.Memory()

    def prepare(request, attempt):
        request.headers[field] = "x"

    script = [(301, {"location": "/b"}), 200]
    request = httpx.Request("GET", "https://home.example/a")
    replay(request, script, memory=memory, prepare=prepare)
    assert bool(memory.moves) is (field == "X-Other")
