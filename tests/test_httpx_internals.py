"""wire/httpx_internals.py: its functions give the same result as the public ones of the library."""

from http.cookiejar import CookieJar, DefaultCookiePolicy

import pytest

from statuspolicy.wire.cookiejar_internals import policy_of
from statuspolicy.wire.httpx_internals import (
    extended,
    field_names,
    lines,
    same_place,
    send_without_hooks,
    target,
    words,
    written,
)
from statuspolicy.wire.library import LIBRARY_OF
from tests.each import each
from tests.library import httpx

LIBRARY = LIBRARY_OF[httpx.Headers]
LINES = [(b"Host", b"a.example"), (b"X-One", b"1"), (b"x-one", b"2")]
URLS = [
    "http://a.example", "http://a.example/", "http://a.example:80/b", "https://a.example:8443/b?",
    "http://[::1]/", "http://[::1]:81/b?c=d#e", "http://u:p@a.example/b%20c?d=%C3%A9",
    "http://m\xfcller.example/\xe9?\xe9",
]  # fmt: skip


def test_lines_that_were_checked_make_the_section_that_the_library_makes():
    assert written(LIBRARY, LINES) == httpx.Headers(LINES)
    assert written(LIBRARY, LINES).raw == LINES
    assert written(LIBRARY, LINES)["x-one"] == "1, 2"
    assert [name for _, name, _ in lines(written(LIBRARY, LINES))] == [b"host", b"x-one", b"x-one"]
    assert field_names(written(LIBRARY, LINES)) == {b"host", b"x-one"}


@pytest.mark.parametrize("value", [b"3", b"\xff"])
def test_a_section_is_copied_with_more_lines_and_the_first_is_left_alone(value):
    first = httpx.Headers(LINES)
    more = extended(first, [(b"X-More", value)])
    assert more.raw == [*LINES, (b"X-More", value)]
    assert more["x-more"] == value.decode("latin-1")
    assert first.raw == LINES
    del more["host"]
    assert extended(first).raw == LINES


def test_an_encoding_that_somebody_chose_stays():
    first = httpx.Headers([(b"X", "\xe9".encode("latin-1"))], encoding="latin-1")
    assert extended(first)["x"] == "\xe9"


@pytest.mark.parametrize("looked_at", [False, True])
def test_what_is_not_ascii_can_be_written_into_a_copy_and_into_what_was_copied(looked_at):
    first = httpx.Headers(LINES)
    if looked_at:
        assert first["host"] == "a.example"  # for which the library looks for the encoding
    more = extended(first)
    more["x-name"] = "\xe9"
    assert more["x-name"] == "\xe9"
    if not looked_at:
        first["x-name"] = "\xe9"


@each("url", URLS)
def test_a_target_is_the_url_without_fragment_and_userinfo(url):
    parsed = httpx.URL(url)
    origin = f"{parsed.scheme}://{parsed.netloc.decode()}"
    assert target(parsed) == origin + parsed.raw_path.decode()


@each("first", URLS)
@each("second", URLS)
def test_a_place_is_scheme_host_and_port(first, second):
    one, other = httpx.URL(first), httpx.URL(second)
    same = (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
    assert same_place(one, other) == same


def test_requests_that_say_the_same_have_the_same_words():
    def said(*given: str, **headers: str) -> object:
        return words(httpx.Request(*given, headers=headers))

    assert said("GET", "http://a/b?c", x="1") == said("GET", "http://a:80/b?c", x="1")
    others = [
        said("GET", "http://a/"), said("HEAD", "http://a/"), said("GET", "http://a/b"),
        said("GET", "http://b/"), said("GET", "http://a/", x="1"), said("GET", "http://a/", x="2"),
        said("GET", "https://a/"), said("GET", "http://a/?"),
    ]  # fmt: skip
    assert len(set(others)) == len(others)


def test_what_is_sent_alone_runs_no_hook_and_not_on_a_closed_client():
    heard = []
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="x"))
    hooks = {"request": [heard.append], "response": [heard.append]}
    with httpx.Client(transport=transport, event_hooks=hooks, auth=("me", "secret")) as client:
        request = client.build_request("GET", "http://a.example/")
        response = send_without_hooks(client, request)
        assert (response.request, response.read(), heard) == (request, b"x", [])
        assert "authorization" not in request.headers
    with pytest.raises(RuntimeError, match="closed"):
        send_without_hooks(client, request)


def test_a_jar_s_policy_is_the_one_that_it_was_given():
    policy = DefaultCookiePolicy()
    assert policy_of(CookieJar(policy)) is policy
    assert policy_of(httpx.Cookies().jar) is not None
