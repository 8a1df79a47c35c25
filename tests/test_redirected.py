"""message/redirected.py: the target of a Location, and the request that is sent there."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statuspolicy import Limits
from statuspolicy.message.redirected import (
    _PLAIN,
    Unusable,
    is_relative,
    origin,
    plain,
    plainly,
    request_to,
    resolve,
    same_origin,
    target,
)
from statuspolicy.message.remade import FACTORY
from tests.each import each
from tests.library import httpx

HOME = httpx.URL("https://home.example:8443/a/b?q=1")
PLAIN = httpx.URL("http://home.example/a/b")


# ── resolve ────────────────────────────────────────────────────────────────────────────


@each(
    ("location", "leads_to"),
    [
        ("c", "https://home.example:8443/a/c"),
        ("./c", "https://home.example:8443/a/c"),
        ("../c", "https://home.example:8443/c"),
        ("../../../c", "https://home.example:8443/c"),
        ("/c", "https://home.example:8443/c"),
        ("/c?x=1&y", "https://home.example:8443/c?x=1&y"),
        ("?x", "https://home.example:8443/a/b?x"),
        ("", "https://home.example:8443/a/b?q=1"),
        ("#f", "https://home.example:8443/a/b?q=1#f"),
        ("//other.example/c", "https://other.example/c"),
        ("//other.example:99/c", "https://other.example:99/c"),
        ("https://other.example/c", "https://other.example/c"),
        ("http://other.example/c", "http://other.example/c"),
        ("HTTPS://Other.EXAMPLE/C", "https://other.example/C"),
        ("https://other.example:443/c", "https://other.example/c"),
        ("https://[::1]:8080/c", "https://[::1]:8080/c"),
        ("https://other.example./c", "https://other.example./c"),
        ("/a b", "https://home.example:8443/a%20b"),
        ("/%7Eb", "https://home.example:8443/%7Eb"),
        ("/café", "https://home.example:8443/caf%C3%A9"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
    ],
)
def test_a_location_is_resolved_against_the_request(location, leads_to):
    assert str(resolve(HOME, location)) == leads_to
    assert resolve(HOME, httpx.URL(location)) == resolve(HOME, location)


@each(
    ("base", "location", "leads_to"),
    [
        (HOME, "https:/c", "https://home.example:8443/c"),
        (HOME, "https:///c", "https://home.example:8443/c"),
        (PLAIN, "http:/c", "http://home.example/c"),
        (PLAIN, "http:///c?d", "http://home.example/c?d"),
        (httpx.URL("http://[::1]:80/"), "http:/c", "http://[::1]/c"),
    ],
)
def test_location_a_url_that_names_no_host_means_the_server_s_own(base, location, leads_to):
    assert str(resolve(base, location)) == leads_to


@each(
    ("fragment", "location", "leads_to"),
    [
        ("#f", "/c", "http://h.example/c#f"),
        ("#f", "", "http://h.example/a#f"),
        ("#f", "https://other.example/c", "https://other.example/c#f"),
        ("#f", "/c#own", "http://h.example/c#own"),
        ("#f", "#own", "http://h.example/a#own"),
        ("#f", "http:/c", "http://h.example/c#f"),
        ("", "/c", "http://h.example/c"),
        ("", "/c#own", "http://h.example/c#own"),
        ("#%C3%A9", "/c", "http://h.example/c#%C3%A9"),
        ("#a%20b", "/c", "http://h.example/c#a%20b"),
    ],
)
def test_a_location_without_a_fragment_inherits_the_request_s(fragment, location, leads_to):
    assert str(resolve(httpx.URL("http://h.example/a" + fragment), location)) == leads_to


@pytest.mark.parametrize("location", ["/c#", "http://other.example/c#"])
def test_location_an_empty_fragment_is_one_of_its_own(location):
    assert resolve(httpx.URL("http://h.example/a#f"), location).fragment == ""


@each("fragment", ["%2541", "%0A", "%00", "a%0D%0Ab", "%23", "%25"])
def test_an_inherited_fragment_is_the_one_that_was_there_byte_for_byte(fragment):
    """The URL gives its fragment decoded; put back so, it is another one, or none at all."""
    base = httpx.URL(f"http://h.example/a#{fragment}")
    assert str(resolve(base, "/c")).partition("#")[2] == fragment


@each(
    ("location", "leads_to"),
    [
        ("https://user:secret@other.example/c", "https://other.example/c"),
        ("https://user@other.example:99/c", "https://other.example:99/c"),
        ("//user:secret@home.example:8443/c", "https://home.example:8443/c"),
        ("https://a%40b:p%3Aq@other.example/", "https://other.example/"),
        ("https://@other.example/c", "https://other.example/c"),
    ],
)
def test_userinfo_in_a_location_is_cut_off(location, leads_to):
    url = resolve(HOME, location)
    assert str(url) == leads_to
    assert url.userinfo == b""


@each("location", ["/c", "", "https:/c", "#f"])
def test_location_userinfo_of_the_request_does_not_come_along(location):
    url = resolve(httpx.URL("https://user:secret@h.example/a"), location)
    assert (url.userinfo, url.host) == (b"", "h.example")


@each(
    "location",
    [
        "mailto:a@b.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://other.example/c",
        "ws://other.example/c",
        "about:blank",
        "x:",
        "http:/c",  # another scheme than the request's, and no host
        "http://:80/c",
        "http://user@/c",
        "https:c",
        "http://[::1",
        "http://[nonsense]/",
        "http://other.example:abc/",
        "http://1.2.3.999/",
        "http://other\texample/",
        "http://other.example/\r\nSet-Cookie: a=b",
        "\x00",
        "/a\x7f",
        "/" + "x" * 70_000,
        "http://" + "x" * 70_000,
        "/\udcff",
        "http://\udcff.example/",
        "http://\u3002/",
    ],
)
def test_a_location_that_cannot_be_followed_is_unusable(location):
    with pytest.raises(Unusable, match=r"^its Location ") as caught:
        resolve(HOME, location)
    assert len(str(caught.value)) < 250


@pytest.mark.skipif(httpx.__name__ == "httpx2", reason="httpx2 leaves such names to the resolver")
@each("location", ["http://xn--/", "//xn--/", "//XN--0/c", "//XN---/c"])
def test_location_a_name_that_is_no_idn_is_unusable(location):
    with pytest.raises(Unusable, match="can't be parsed"):
        resolve(HOME, location)


@each(
    "location",
    [
        "http://a..b/",
        "http://.../",
        "http://.b.example/",
        "http://" + "a" * 64 + ".example/",
        "http://%41/",
        "http://other.example:99999/",
        "http://other.example:65536/",
        "http://other.example:0/",
        "http://other.example:-1/",
    ],
)
def test_location_a_host_or_port_that_no_socket_takes_is_unusable(location):
    """The socket module raises UnicodeError or OverflowError for them, which nobody catches."""
    with pytest.raises(Unusable):
        resolve(HOME, location)


@pytest.mark.parametrize(
    "location", ["ftp://user:s3cret@other.example/c", "http://user:s3cret@/c", "x://:s3cret@h/"]
)
def test_location_the_reason_does_not_repeat_userinfo(location):
    with pytest.raises(Unusable) as caught:
        resolve(HOME, location)
    assert "s3cret" not in str(caught.value)


BASES = st.sampled_from(
    [HOME, PLAIN, httpx.URL("https://u:p@h.example/x#frag"), httpx.URL("http://[::1]:8080/?q#%0a")]
)
WORDS = ["http", "https", "ftp", ":", "/", "//", "@", "#", "?", "..", "[", "]", "%", "%00", "é"]
WORDS += ["u:p@", "h.example", ":80", ":99999", "\\", "::1", "xn--", ".", "\ud800", "\x00", "٣"]
LOCATIONS = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORDS), max_size=10).map("".join),
    st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")),
)


@given(base=BASES, location=st.from_regex(_PLAIN, fullmatch=True))
@example(base="http://me:secret@a.example:80", location="/b/?q=1")
@example(base="http://a.example/b?c#d", location="/e")
@example(base="http://a.example/b", location="/%C3%A9/a%2Fb?q=%20&r='s'")
@example(base="http://me:secret@a.example/b", location="https://a.example:443/")
@example(base="https://a.example/b", location="http://b.a.example:8080/c(d)?e=/f")
@example(base="https://a.example:8443/b", location="https://a.example")
def test_a_plain_location_is_put_together_as_it_would_be_parsed(base, location):
    base = httpx.URL(base)
    try:
        together = resolve(base, location)
    except Unusable:
        assert plainly(base, location) is None
        return
    parsed = plain(base.copy_with(fragment=None).join(location))
    assert target(together) == target(parsed)
    assert together.copy_with(fragment=None) == parsed
    assert (together.port, together.userinfo) == (parsed.port, b"")


@each(
    "location",
    [
        "/a;b", "/a;b/c", "/%", "/%g0", "/./a", "/a/../b", "//other.example/", "/.a", "/a//b", "/é",
        "http://xn--bcher-kva.example/", "http://a.xn--p1ai/", "http://other.example:65536/",
        "http://other.example:0/", "http://1a2b3c4/", "http://127.0.0.1/", "http://[::1]/",
        "http://Other.example/", "http://me@other.example/", "HTTP://other.example/", "ftp://a/b",
        "http://-a.example/", "http://a-.example/", "http://a..b/", "/a#b", "b", "?b", "",
        f"http://{'a' * 64}.example/", "/" + "a" * 4096,
    ],
)  # fmt: skip
def test_location_what_the_parser_would_change_or_refuse_is_not_plain(location):
    assert plainly(PLAIN, location) is None


@each("base", ["http://home.example/a", "https://home.example/", "http://home.example:8080/"])
def test_a_plain_location_says_nothing_of_its_origin(base):
    there = plainly(httpx.URL(base), "http://other.example/b")
    assert there == httpx.URL("http://other.example/b")
    assert not same_origin(httpx.URL(base), there)


@given(base=BASES, location=LOCATIONS)
@example(base=httpx.URL("http://h.example/#%0a"), location="/c")
def test_any_text_leads_to_a_host_over_http_without_userinfo_or_is_unusable(base, location):
    try:
        url = resolve(base, location)
    except Unusable:
        pass
    else:
        assert url.scheme in ("http", "https")
        assert url.host
        assert url.userinfo == b""
        assert url.port is None or 0 < url.port < 65536
        assert httpx.Request("GET", url).headers["host"]


# ── is_relative, plain, target, origin ─────────────────────────────────────────────────


@each(
    ("location", "relative"),
    [
        ("", True),
        ("c", True),
        ("/c", True),
        ("?x", True),
        ("#f", True),
        ("/http://other.example", True),
        ("c/d:e", True),
        ("//other.example/c", False),
        ("///c", False),
        ("http://other.example", False),
        ("HTTPS://other.example", False),
        ("http:/c", False),
        ("mailto:a@b", False),
        (httpx.URL("/c"), True),
        (httpx.URL("http://other.example/c"), False),
    ],
)
def test_a_location_is_relative_where_it_names_neither_scheme_nor_host(location, relative):
    assert is_relative(location) is relative


@each(
    ("url", "asked", "home"),
    [
        ("http://h.example/a", "http://h.example/a", "http://h.example"),
        ("http://h.example/a#f", "http://h.example/a", "http://h.example"),
        ("http://u:p@h.example/a?q#f", "http://h.example/a?q", "http://h.example"),
        ("http://h.example:80/a", "http://h.example/a", "http://h.example"),
        ("https://h.example:443/", "https://h.example/", "https://h.example"),
        ("https://h.example:80/", "https://h.example:80/", "https://h.example:80"),
        ("https://[::1]:8080/", "https://[::1]:8080/", "https://[::1]:8080"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", None),
    ],
)
def test_a_target_has_no_fragment_and_no_userinfo_and_an_origin_no_default_port(url, asked, home):
    assert target(httpx.URL(url)) == asked
    assert origin(httpx.URL(url)) == (home or asked.rstrip("/"))


def test_an_empty_path_and_the_root_are_one_target():
    """RFC 9110 §4.2.3: both are requested as "/", so a redirect between them is a circle."""
    assert target(httpx.URL("http://h.example")) == target(httpx.URL("http://h.example/"))
    assert target(httpx.URL("http://h.example?q")) == target(httpx.URL("http://h.example/?q"))


def test_plain_leaves_a_url_without_userinfo_as_it_is():
    assert plain(HOME) is HOME


# ── same_origin ────────────────────────────────────────────────────────────────────────


@each(
    ("first", "second", "same"),
    [
        ("http://h.example/a", "http://h.example/b", True),
        ("http://h.example", "http://h.example:80", True),
        ("https://h.example", "https://h.example:443", True),
        ("http://H.example", "http://h.EXAMPLE", True),
        ("http://u:p@h.example", "http://h.example", True),
        ("http://[::1]:1", "http://[::1]:1", True),
        ("http://h.example", "https://h.example", True),  # the upgrade, both ports default
        ("http://h.example:80", "https://h.example:443", True),
        ("https://h.example", "http://h.example", False),
        ("http://h.example:8080", "https://h.example", False),
        ("http://h.example", "https://h.example:8443", False),
        ("http://h.example:8080", "https://h.example:8080", False),
        ("http://h.example:443", "https://h.example", False),
        ("http://h.example", "http://h.example:8080", False),
        ("https://h.example", "https://h.example:80", False),
        ("http://h.example", "http://www.h.example", False),
        ("http://www.h.example", "http://h.example", False),
        ("http://h.example", "http://h.example.", False),
        ("http://127.0.0.1", "http://localhost", False),
    ],
)
def test_credentials_are_at_home_at_the_same_scheme_host_and_port(first, second, same):
    assert same_origin(httpx.URL(first), httpx.URL(second)) is same


# ── request_to ─────────────────────────────────────────────────────────────────────────

ELSEWHERE = httpx.URL("https://other.example/c")


def post(**more):
    return httpx.Request("POST", HOME, content=b"body", **more)


def go(previous, url=ELSEWHERE, method=None, limits=Limits(), **how):  # noqa: B008
    return request_to(url, method or previous.method, previous, sensitive=limits.sensitive, **how)


def test_method_body_and_fields_go_along_unless_something_is_said():
    previous = post(headers={"Accept": "a/b", "X-Key": "k", "Content-Type": "c/d"})
    request = go(previous)
    assert (request.method, request.url) == ("POST", ELSEWHERE)
    assert request.read() == b"body"
    assert request.headers["content-length"] == "4"
    for name in ("accept", "x-key", "content-type"):
        assert request.headers[name] == previous.headers[name]


@each(
    "name",
    [
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        "Content-Language",
        "Content-Location",
        "Content-Disposition",
        "CONTENT-MD5",
        "Content-Digest",
        "Transfer-Encoding",
        "Trailer",
        "Digest",
        "Repr-Digest",
        "Last-Modified",
        "Expect",
    ],
)
def test_content_type_content_length_what_speaks_of_the_body_goes_where_the_body_goes(name):
    previous = post(headers={name: "x", "Accept": "a/b"})
    request = go(previous, method="GET", bodiless=True)
    assert name not in request.headers
    assert request.read() == b""
    assert request.headers["accept"] == "a/b"
    assert go(previous).headers[name] == "x"


@each("name", ["Accept", "User-Agent", "Range", "If-None-Match", "TE", "X-Key"])
def test_other_fields_stay_where_the_body_goes(name):
    assert name in go(post(headers={name: "x"}), method="GET", bodiless=True).headers


def test_a_request_without_its_body_has_no_factory_that_would_bring_it_back():
    """A repeat of the GET would send its body: docs/rules.md#a-hop-that-becomes-get."""
    previous = post(extensions={FACTORY: lambda: b"body", "timeout": {}})
    request = go(previous, method="GET", bodiless=True)
    assert FACTORY not in request.extensions
    assert "timeout" in request.extensions
    assert FACTORY in go(previous).extensions


@each(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "X-Api-Key",
        "X-Auth-Token",
        "X-Session",
        "PRIVATE-KEY",
    ],
)
def test_authorization_credentials_stay_behind_abroad_and_only_there(name):
    previous = post(headers={name: "s3cret"})
    assert name not in go(previous, abroad=True).headers
    assert go(previous).headers[name] == "s3cret"


def test_what_the_limits_call_sensitive_stays_behind_beside_what_always_does():
    sent = {"X-Mine": "1", "Authorization": "2", "Idempotency-Key": "3", "X-Api-Key": "4"}
    previous = post(headers={**sent, "Proxy-Authorization": "5", "Cookie2": "6"})
    limits = Limits(sensitive_headers=["X-Mine"])
    request = go(previous, limits=limits, abroad=True)
    for name in ("x-mine", "authorization", "proxy-authorization", "cookie2"):
        assert name not in request.headers
    assert request.headers["x-api-key"] == "4"  # the default's patterns were replaced
    assert request.headers["idempotency-key"] == "3"
    assert go(previous, abroad=True).headers["idempotency-key"] == "3"


@pytest.mark.parametrize("abroad", [False, True])
def test_cookies_never_go_along_by_themselves(abroad):
    assert "cookie" not in go(post(headers={"Cookie": "a=1"}), abroad=abroad).headers


def test_a_field_that_stands_twice_stands_twice_there():
    previous = post(headers=[("X-A", "1"), ("X-A", "2"), ("x-B", "3")])
    assert go(previous).headers.get_list("x-a") == ["1", "2"]
    assert (b"x-B", b"3") in go(previous).headers.raw


@each(
    ("sent", "keep", "url", "host"),
    [
        (None, False, "https://other.example/c", "other.example"),
        (None, True, "https://home.example:8443/c", "home.example:8443"),
        ("virtual.example", True, "https://home.example:8443/c", "virtual.example"),
        ("virtual.example", False, "https://home.example:8443/c", "home.example:8443"),
        ("virtual.example", False, "https://other.example:99/c", "other.example:99"),
        ("home.example:8443", True, "https://home.example:8443/c", "home.example:8443"),
        ("", True, "https://home.example:8443/c", "home.example:8443"),
    ],
)
@each("others", [{}, {"Cookie": "a=b"}])
def test_host_is_made_anew_but_a_custom_one_is_kept_where_that_is_said(
    sent, keep, url, host, others
):
    previous = post(headers=others if sent is None else {"Host": sent, **others})
    request = go(previous, httpx.URL(url), keep_host=keep)
    assert request.headers.get_list("host") == [host]
    assert request.headers.raw[0][0] == b"Host"


@each(
    ("name", "at_home", "far"),
    [
        ("timeout", True, True),
        ("trace", True, True),
        ("statuspolicy", True, True),
        (FACTORY, True, True),
        ("sni_hostname", False, False),
        ("own", True, False),
        ("target", False, False),
    ],
)
def test_extensions_go_along_as_far_as_they_hold(name, at_home, far):
    """`target` asks for one path, `sni_hostname` speaks of one host (here it is another)."""
    value = {"read": 5.0}
    previous = post(extensions={name: value})
    assert go(previous).extensions == ({name: value} if at_home else {})
    assert go(previous, abroad=True).extensions == ({name: value} if far else {})


@each(
    ("url", "kept"),
    [
        ("https://home.example:8443/c", True),
        ("https://home.example:9443/c", True),
        ("https://other.example:8443/c", False),
        ("https://www.home.example:8443/c", False),
    ],
)
def test_the_name_that_a_certificate_is_checked_against_holds_for_one_host(url, kept):
    previous = post(extensions={"sni_hostname": "cert.example", "timeout": {}})
    extensions = go(previous, httpx.URL(url)).extensions
    assert ("sni_hostname" in extensions) is kept
    assert "timeout" in extensions


@each("how", [{}, {"abroad": True}, {"bodiless": True}, {"keep_host": True}])
def test_the_previous_request_is_never_changed(how):
    extensions = {"timeout": {"read": 1.0}, "target": b"/x", "sni_hostname": "y"}
    previous = post(
        headers={"Authorization": "s", "Cookie": "a=1", "Expect": "x"}, extensions=extensions
    )
    before = (previous.method, str(previous.url), previous.headers.raw, dict(previous.extensions))
    request = go(previous, method="GET", **how)
    request.headers["new"] = "1"
    request.extensions["new"] = 1
    after = (previous.method, str(previous.url), previous.headers.raw, dict(previous.extensions))
    assert after == before
    assert previous.read() == b"body"


def test_a_stream_goes_along_as_the_same_object():
    previous = httpx.Request("PUT", HOME, content=iter([b"a"]))
    assert go(previous).stream is previous.stream
