"""411 and 417: the request is repaired and sent once more."""

import io
from inspect import isawaitable

import anyio
import pytest

from statuspolicy import STANDARD, STRICT, Again, Limits, Settle, surface
from statuspolicy.message import body
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx

TABLES = {"STANDARD": STANDARD, "STRICT": STRICT}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "X-MADE-UP")
URL = "http://home.example/a"


def chunked(method="POST", content=b"hello"):
    """A request whose body is in memory and that named no length."""
    return httpx.Request(
        method,
        URL,
        headers={"Transfer-Encoding": "chunked", "X-Kept": "yes"},
        stream=httpx.ByteStream(content),
    )


LIMITS = Limits()


def carried(content, limits=LIMITS, *, send=True, **options):
    """A request with a one-shot body as the engine carries it, sent to its end or not."""
    request = body.carry(
        httpx.Request("POST", URL, content=content, **options), limits.replay_bytes
    )
    if send:
        assert b"".join(request.stream)
    return request


def begun(request):
    """The same, of whose body only the beginning was sent."""
    next(iter(request.stream))
    return request


# ── 411 ────────────────────────────────────────────────────────────────────────────────


@each("table", TABLES)
@each("method", METHODS)
def test_411_is_resubmitted_with_content_length_whatever_the_method(table, method):
    request = chunked(method)
    verdict = TABLES[table][411](exchange(411, request=request))
    assert (verdict.after, verdict.unacted, verdict.why) == (0.0, True, "with Content-Length")
    assert verdict.request.method == method
    assert verdict.request.url == request.url
    assert verdict.request.headers["content-length"] == "5"
    assert "transfer-encoding" not in verdict.request.headers
    assert verdict.request.headers["x-kept"] == "yes"
    assert verdict.request.read() == b"hello"


def test_411_leaves_the_caller_s_request_as_it_was():
    request = chunked()
    STANDARD[411](exchange(411, request=request))
    assert request.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in request.headers


def test_411_to_a_request_without_a_body_is_answered_with_a_length_of_zero():
    verdict = STANDARD[411](exchange(411, method="GET"))
    assert verdict.request.headers["content-length"] == "0"


def test_411_waits_where_the_server_names_a_time():
    assert STANDARD[411](exchange(411, {"Retry-After": "3"}, request=chunked())).after == 3.0


@pytest.mark.parametrize("content", [iter([b"hel", b"lo"]), [b"hel", b"lo"]])
def test_411_learns_the_length_of_a_body_that_was_recorded_while_it_was_sent(content):
    verdict = STANDARD[411](exchange(411, request=carried(content)))
    assert verdict.request.headers["content-length"] == "5"
    assert verdict.request.read() == b"hello"


@pytest.mark.parametrize(
    "request_",
    [
        begun(carried(iter([b"hel", b"lo"]), send=False)),
        carried(iter([b"hello"]), Limits(replay_bytes=4)),
    ],
    ids=["a one-shot body of which a part was sent", "longer than Limits.replay_bytes"],
)
def test_411_is_handed_over_where_the_length_is_not_known(request_):
    verdict = STANDARD[411](exchange(411, request=request_))
    assert verdict == Settle("the length of the body is not known (Limits.replay_bytes)")


@pytest.mark.parametrize(
    "request_",
    [
        carried(iter([b"hello"]), extensions={body.FACTORY: lambda: [b"hel", b"lo"]}),
        carried([b"hel", b"lo"], Limits(replay_bytes=4)),
    ],
    ids=["a factory makes it", "a list gives it again"],
)
def test_411_is_resubmitted_where_the_body_was_sent_whole_and_can_be_made_again(request_):
    """Duties, 411: "and is replayable (or fits `Limits.replay_bytes`)"."""
    verdict = STANDARD[411](exchange(411, request=request_))
    assert isinstance(verdict, Again)
    assert verdict.request.headers["content-length"] == "5"
    assert "transfer-encoding" not in verdict.request.headers
    assert b"".join(verdict.request.stream) == b"hello"


async def pieces():
    yield b"hel"
    yield b"lo"


def found_out(request, limits=LIMITS):
    """The verdict, awaited where it has to be."""
    verdict = STANDARD[411](exchange(411, request=request, limits=limits))
    if not isawaitable(verdict):
        return verdict

    async def awaited():
        return await verdict

    return anyio.run(awaited)


@each(
    "request_",
    [
        carried(iter([b"hel", b"lo"]), send=False),
        begun(carried([b"hel", b"lo"], send=False)),
        begun(
            carried(iter([b"x"]), extensions={body.FACTORY: lambda: [b"hel", b"lo"]}, send=False)
        ),
        carried(pieces(), send=False),
    ],
)
def test_411_that_came_before_the_body_was_sent_is_resubmitted_once_it_was_read(request_):
    """Duties, 411: "is replayable (or fits `Limits.replay_bytes`)"; an early answer too."""
    verdict = found_out(request_)
    assert isinstance(verdict, Again)
    assert verdict.request.headers["content-length"] == "5"
    assert "transfer-encoding" not in verdict.request.headers
    assert verdict.request.read() == b"hello"


@pytest.mark.parametrize("content", [[b"hel", b"lo"], pieces()])
def test_411_is_handed_over_where_what_has_to_be_read_for_it_is_too_long(content):
    verdict = found_out(carried(content, send=False), Limits(replay_bytes=4))
    assert verdict == Settle("the length of the body is not known (Limits.replay_bytes)")


@pytest.mark.parametrize(
    "options", [{"content": b"hello"}, {"content": io.BytesIO(b"hello")}, {"json": {}}]
)
def test_411_to_a_request_that_had_a_length_is_handed_over(options):
    verdict = STANDARD[411](exchange(411, request=httpx.Request("POST", URL, **options)))
    assert verdict == Settle("the request already had a Content-Length")


def test_411_is_resubmitted_once():
    verdict = STANDARD[411](exchange(411, request=chunked(), answers=(503, 411)))
    assert verdict == Settle("the request was already repeated with Content-Length")


# ── 417 ────────────────────────────────────────────────────────────────────────────────


@each("value", ["100-continue", "100-Continue", " 100-continue "])
@each("method", METHODS)
def test_417_is_repeated_without_the_expectation_whatever_the_method(method, value):
    request = httpx.Request(
        method, URL, headers={"Expect": value, "X-Kept": "yes"}, content=b"hello"
    )
    verdict = STANDARD[417](exchange(417, request=request))
    assert (verdict.after, verdict.unacted, verdict.why) == (0.0, True, "without Expect")
    assert "expect" not in verdict.request.headers
    assert verdict.request.headers["x-kept"] == "yes"
    assert (verdict.request.method, verdict.request.read()) == (method, b"hello")
    assert request.headers["expect"] == value


def test_417_waits_where_the_server_names_a_time():
    found = exchange(417, {"Retry-After": "3"}, sent={"Expect": "100-continue"})
    assert STANDARD[417](found).after == 3.0


@pytest.mark.parametrize("sent", [{}, {"Expect": ""}, {"Expect": "coffee"}])
def test_417_to_any_other_expectation_is_handed_over(sent):
    verdict = STANDARD[417](exchange(417, method="POST", sent=sent))
    assert verdict == Settle("the request has no Expect: 100-continue to remove")


def test_417_after_the_expectation_was_left_out_is_handed_over():
    first = STANDARD[417](exchange(417, sent={"Expect": "100-continue"}))
    second = STANDARD[417](exchange(417, request=first.request, answers=(417,)))
    assert isinstance(second, Settle)


def test_strict_hands_417_over():
    assert STRICT[417] is surface
    assert STRICT[417](exchange(417, sent={"Expect": "100-continue"})) == Settle()
