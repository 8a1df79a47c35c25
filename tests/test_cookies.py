"""message/cookies.py: which cookies are stored, which are sent, and to whom they belong."""

import copy
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import import_module
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.message import cookies as jar
from statuspolicy.message.cookies import without_cookies
from tests.each import each
from tests.library import httpx

HOME = "http://home.example/a"


def request(cookie: str | None = None, url: str = HOME) -> httpx.Request:
    return httpx.Request("GET", url, headers={} if cookie is None else {"Cookie": cookie})


def cookies(*pairs: tuple[str, str], domain: str = "home.example") -> httpx.Cookies:
    """In a jar of the standard library's own class. (httpx2 makes another.)"""
    held = httpx.Cookies(CookieJar())
    for name, value in pairs:
        held.set(name, value, domain=domain)
    return held


def answer(*lines: str, status: int = 200) -> httpx.Response:
    return httpx.Response(status, headers=[("Set-Cookie", line) for line in lines])


@each(
    ("field", "pairs"),
    [
        (None, []),
        ("", []),
        (" ; ", []),
        ("a=1", ["a=1"]),
        ("a=1; b=2", ["a=1", "b=2"]),
        ("a=1;b=2 ;; c", ["a=1", "b=2", "c"]),
        ("a=b=c", ["a=b=c"]),
        ('a="x, y"', ['a="x, y"']),
    ],
)
def test_a_cookie_field_is_taken_apart(field, pairs):
    assert jar.pairs(field) == pairs


# ── pairs_for, own ─────────────────────────────────────────────────────────────────────────


@each(
    ("url", "pairs"),
    [
        (HOME, ["a=1", "b=2"]),
        ("https://home.example/x/y?z", ["a=1", "b=2"]),
        ("http://other.example/", []),
        ("http://home.example.other.example/", []),
    ],
)
def test_the_jar_gives_what_applies_to_the_url(url, pairs):
    assert jar.pairs_for(cookies(("a", "1"), ("b", "2")), request(url=url)) == pairs


def test_the_jar_s_pairs_do_not_depend_on_what_the_request_carries_and_it_stays_as_it_is():
    asked = request("x=9")
    assert jar.pairs_for(cookies(("a", "1")), asked) == ["a=1"]
    assert asked.headers["cookie"] == "x=9"


def test_an_empty_jar_gives_nothing():
    assert jar.pairs_for(httpx.Cookies(), request()) == []


@each(
    ("written", "held", "own"),
    [
        (None, [("a", "1")], ()),
        ("a=1", [("a", "1")], ()),
        ("a=1; mine=2", [("a", "1")], ("mine=2",)),
        ("mine=2; a=1", [("a", "1")], ("mine=2",)),
        ("a=other", [("a", "1")], ("a=other",)),
        ("mine=2; mine=3", [], ("mine=2", "mine=3")),
    ],
)
def test_the_caller_s_own_pairs_are_those_that_the_jar_did_not_give(written, held, own):
    assert jar.own(cookies(*held), request(written)) == own


@pytest.mark.parametrize(("written", "own"), [(None, ()), ("a=1; b=2", ("a=1", "b=2"))])
def test_without_a_jar_all_pairs_are_the_caller_s_own(written, own):
    assert jar.own(None, request(written)) == own


def test_a_jar_s_cookie_for_another_host_leaves_the_caller_s_pair_his_own():
    assert jar.own(cookies(("a", "1"), domain="other.example"), request("a=1")) == ("a=1",)


# ── extract ────────────────────────────────────────────────────────────────────────────


@each("status", [200, 302, 401, 404, 503])
def test_set_cookie_cookies_are_filed_under_the_host_that_set_them(status):
    held = httpx.Cookies()
    jar.extract(held, answer("a=1", "b=2", status=status), request(url="http://far.example/x"))
    assert {(c.name, c.value, c.domain) for c in held.jar} == {
        ("a", "1", "far.example"),
        ("b", "2", "far.example"),
    }
    assert jar.pairs_for(held, request(url="http://far.example/")) == ["a=1", "b=2"]
    assert jar.pairs_for(held, request()) == []


def test_a_response_that_was_asked_by_another_request_is_filed_under_the_one_that_is_named():
    held, response = httpx.Cookies(), answer("a=1")
    response.request = request()
    jar.extract(held, response, request(url="http://far.example/"))
    assert [c.domain for c in held.jar] == ["far.example"]


def test_a_cookie_for_a_host_that_the_server_does_not_speak_for_is_not_taken():
    held = httpx.Cookies()
    jar.extract(held, answer("a=1; Domain=bank.example"), request())
    assert not held.jar


def test_511_set_cookie_a_captive_portal_s_cookies_are_never_taken():
    """A 511 is not the origin's (RFC 6585 §6)."""
    held = httpx.Cookies()
    jar.extract(held, answer("a=1", status=511), request())
    assert not held.jar


def test_a_cookie_that_the_server_takes_back_is_gone():
    held = cookies(("a", "1"))
    jar.extract(held, answer("b=1"), request())
    assert jar.pairs_for(held, request()) == ["a=1", "b=1"]
    jar.extract(held, answer("b=; Max-Age=0"), request())
    assert jar.pairs_for(held, request()) == ["a=1"]


# ── dress ──────────────────────────────────────────────────────────────────────────────


def dressed(held: httpx.Cookies | None, bare: httpx.Request, own: tuple[str, ...]) -> list[str]:
    jar.dress(held, bare, own)
    return bare.headers.get_list("cookie")


@each("before", [None, "stale=1; a=0"])
@each(
    ("held", "own", "field"),
    [
        ([], (), None),
        ([("a", "1")], (), "a=1"),
        ([], ("mine=2",), "mine=2"),
        ([("a", "1")], ("mine=2",), "a=1; mine=2"),
        ([("a", "new")], ("a=old", "mine=2"), "a=new; mine=2"),
        ([("a", "new")], ("aa=old", "A=2"), "a=new; aa=old; A=2"),
        ([("a", "new")], ("a",), "a=new"),
        ([], ("mine=2", "mine=3"), "mine=2; mine=3"),
    ],
)
def test_the_cookie_field_is_written_anew_with_the_jar_s_first_and_winning_a_name(
    held, own, field, before
):
    assert dressed(cookies(*held), request(before), own) == ([] if field is None else [field])


@pytest.mark.parametrize(("own", "fields"), [((), []), (("a=1", "b=2"), ["a=1; b=2"])])
def test_without_a_jar_the_caller_s_own_pairs_are_all(own, fields):
    assert dressed(None, request("stale=1"), own) == fields


def test_only_what_applies_to_the_new_url_is_worn():
    held = cookies(("a", "1"))
    held.set("b", "2", domain="far.example")
    assert dressed(held, request(url="http://far.example/"), ()) == ["b=2"]


def test_a_server_s_new_value_takes_the_place_of_the_caller_s_old_one():
    held, asked = httpx.Cookies(), request("session=old; mine=1")
    own = jar.own(held, asked)  # asked before the answer is taken in
    jar.extract(held, answer("session=new"), asked)
    assert dressed(held, request(), own) == ["session=new; mine=1"]


def test_two_cookie_fields_become_one_and_other_fields_stay():
    bare = httpx.Request("GET", HOME, headers=[("Cookie", "a=1"), ("X-A", "1"), ("cookie", "b=2")])
    assert dressed(None, bare, ("c=3",)) == ["c=3"]
    assert bare.headers["x-a"] == "1"


@pytest.mark.parametrize(
    ("pair", "raw"), [("a=caf\xe9", b"a=caf\xe9"), ("a=\u2603", b"a=\xe2\x98\x83")]
)
def test_a_cookie_that_is_no_ascii_does_not_raise(pair, raw):
    bare = request()
    jar.dress(None, bare, (pair,))
    assert (b"Cookie", raw) in bare.headers.raw


@pytest.mark.parametrize("value", ["caf\xe9", "\u2603"])
def test_a_cookie_that_is_no_ascii_comes_out_of_the_jar(value):
    held = cookies(("a", value))
    assert jar.pairs_for(held, request()) == [f"a={value}"]
    jar.dress(held, bare := request(), ())
    assert "cookie" in bare.headers


# ── a client's own ─────────────────────────────────────────────────────────────────────


def hastened(held: httpx.Cookies | CookieJar | None = None) -> httpx.Cookies:
    quick = httpx.Cookies(held)
    jar.hasten(quick)
    return quick


def answered(*lines: tuple[str, str]) -> httpx.Response:
    return httpx.Response(200, headers=list(lines), request=request())


@pytest.mark.parametrize("name", ["Set-Cookie", "set-cookie", "SET-COOKIE"])
def test_set_cookie_a_client_s_cookies_take_in_what_a_response_sets(name):
    quick = hastened()
    quick.extract_cookies(answered((name, "a=1"), ("Set-Cookie", "b=2")))
    assert dict(quick) == {"a": "1", "b": "2"}


def test_the_older_field_counts_for_a_jar_that_knows_it():
    policy = DefaultCookiePolicy(rfc2965=True)
    quick = hastened(CookieJar(policy))
    quick.extract_cookies(answered(("Set-Cookie2", 'a="1"; Version="1"')))
    assert dict(quick) == {"a": "1"}


def test_set_cookie_a_response_that_sets_no_cookie_is_not_looked_into():
    """Or it would be asked for its request, which it has not."""
    quick = hastened()
    quick.extract_cookies(httpx.Response(200, headers={"X-Set-Cookie": "a=1"}))
    with pytest.raises(RuntimeError, match="request"):
        quick.extract_cookies(httpx.Response(200, headers={"Set-Cookie": "a=1"}))


@each("method", ["extract_cookies", "make_cookies"])
@each("later", [False, True])
def test_a_jar_of_somebodys_own_sees_every_response_also_one_that_was_put_in_later(method, later):
    seen = []
    own = type("Own", (CookieJar,), {method: lambda *given: seen.append(given) or []})()
    quick = hastened(None if later else own)
    quick.jar = own
    usual = httpx.Cookies(own)
    for held in (usual, quick):
        held.extract_cookies(answered())
    # httpx2 doesn't ask it about what sets no cookie, whosever it is.
    assert len(seen) == (0 if type(usual).__module__.startswith("httpx2") else 2)


def test_cookies_of_somebodys_own_kind_stay_of_that_kind():
    class Cookies(httpx.Cookies):
        pass

    own = Cookies()
    jar.hasten(own)
    assert type(own) is Cookies
    jar.undo(own)
    assert type(own) is Cookies


def test_what_was_changed_is_undone_and_can_be_copied():
    quick = hastened(cookies(("a", "1")))
    for other in (copy.copy(quick), httpx.Cookies(quick)):
        assert dict(other) == {"a": "1"}
    jar.undo(quick)
    assert type(quick) is httpx.Cookies
    assert dict(quick) == {"a": "1"}


def test_a_cookie_without_a_domain_that_the_jar_s_own_policy_keeps_back_takes_nothing_away():
    held = cookies(("a", "1"), ("b", "2"))
    held.set("b", "2")
    held.set("c", "3")
    held.jar.set_policy(DefaultCookiePolicy(blocked_domains=[""]))
    assert sorted(jar.pairs_for(held, request())) == ["a=1", "b=2"]
    held.jar.set_policy(DefaultCookiePolicy())
    assert sorted(jar.pairs_for(held, request())) == ["a=1", "b=2"]
    assert len(held.jar) == 4


def test_a_cookie_that_a_host_set_for_itself_alone_goes_to_no_host_below_it():
    """RFC 6265 §5.4; one with a Domain goes there (§5.2.3), and the jar keeps both."""
    for host, below in (
        ("home.example", "https://api.home.example/"),
        ("home.example", "https://home.example.evil.example/"),
        ("localhost", "http://api.localhost/"),
    ):
        held = httpx.Cookies()
        asked = request(url=f"https://{host}/")
        jar.extract(held, answer("own=1; Path=/", "all=2; Path=/; Secure"), asked)
        jar.extract(held, answer(f"wide=3; Path=/; Domain={host}"), asked)
        assert {"own=1", "all=2"} <= set(jar.pairs_for(held, asked))
        given = jar.pairs_for(held, request(url=below))
        assert set(given) <= {"wide=3"}, below
        assert jar.own(held, request("own=1; wide=3", url=below))[:1] == ("own=1",)
    assert jar.pairs_for(held, request(url="http://localhost/")) == ["own=1"]
    for literal in ("http://127.0.0.1:8000/", "http://[::1]:8000/a", "http://[::1]/", HOME.upper()):
        held = httpx.Cookies()
        jar.extract(held, answer("own=1; Path=/"), request(url=literal))
        assert jar.pairs_for(held, request(url=literal)) == ["own=1"], literal


# ── what is read from a usual jar ──────────────────────────────────────────────────────


# The jar that httpx2 makes: it looks up the domains of a host in an order of its own.
INDEXED: type[CookieJar] = type(import_module("httpx2").Cookies().jar)


class Own(CookieJar):
    """A jar of somebody's own, which changes nothing: so it is asked, as the library asks."""


class OwnIndexed(INDEXED):
    """The same, of httpx2's."""


def both(jar_of_library: CookieJar) -> tuple[httpx.Cookies, httpx.Cookies]:
    """A usual jar and one that is asked, with the same cookies in the same order."""
    own = Own(jar_of_library._policy)
    for cookie in jar_of_library:
        own.set_cookie(copy.copy(cookie))
    return httpx.Cookies(jar_of_library), httpx.Cookies(own)


PLACES = [
    "http://home.example/", "https://home.example/a/b", "https://api.home.example/a", "http://h/a",
    "http://home.example:8080/ab?c=/d", "http://[::1]/a", "http://127.0.0.1/a/", "http://h/a%2Fb",
    "https://home.example", "http://home.example/a//b;c", "http://Home.example/a|b",
]  # fmt: skip
SET = st.builds(
    "{}={}{}{}{}{}".format,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["1", "2", '"3"', "", "x y"]),
    st.sampled_from(["", "", "; Path=/", "; Path=/a", "; Path=/a/b", "; Path=a%2fb"]),
    st.sampled_from(["", "", "; Domain=home.example", "; Domain=.example", "; Domain=h"]),
    st.sampled_from(["", "", "; Secure", "; HttpOnly"]),
    st.sampled_from(["", "", "; Max-Age=99", "; Max-Age=0", "; Version=1", "; Port=80", "; a=é"]),
)


@given(
    st.lists(st.tuples(st.sampled_from(PLACES), st.lists(SET, min_size=1, max_size=3)), max_size=5),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), max_size=2),
    st.sampled_from(PLACES),
    st.sampled_from([(CookieJar, Own), (INDEXED, OwnIndexed)]),
)
def test_a_usual_jar_takes_and_gives_what_one_does_that_is_asked(told, owned, url, kinds):
    usual, own = (httpx.Cookies(kind()) for kind in kinds)
    now = time.time()
    with patch("time.time", lambda: now):  # or a second could pass between the two
        for place, lines in told:
            response = httpx.Response(200, headers=[("Set-Cookie", e.encode()) for e in lines])
            for held in (usual, own):
                jar.extract(held, response, request(url=place))
    for held in (usual, own):
        for name, value in owned:  # of no domain: the caller's own
            held.set(name, value)
    assert [*map(vars, usual.jar)] == [*map(vars, own.jar)]
    assert jar.pairs_for(usual, request(url=url)) == jar.pairs_for(own, request(url=url))


def test_cookies_that_nobody_may_take_in_are_left_out_of_a_usual_jar_too():
    held, response = httpx.Cookies(), answer("a=1")
    response.headers = without_cookies(response.headers)
    jar.extract(held, response, request())
    assert not held.jar


@each(
    ("name", "value"),
    [
        ("netscape", False), ("strict_ns_domain", 4), ("secure_protocols", ("http", "https")),
        ("_blocked_domains", ("home.example",)), ("_allowed_domains", ("far.example",)),
    ],
)  # fmt: skip
def test_a_policy_that_was_told_otherwise_is_asked(name, value):
    policy = DefaultCookiePolicy()
    setattr(policy, name, value)
    full = cookies(("a", "1"), ("b", "2")).jar
    full.set_policy(policy)
    usual, own = both(full)
    for url in (HOME, "http://api.home.example/"):
        assert jar.pairs_for(usual, request(url=url)) == jar.pairs_for(own, request(url=url))


def test_a_cookie_that_is_over_is_not_given_and_leaves_the_jar():
    held = httpx.Cookies(CookieJar())  # httpx2's own jar looks at what it was told to look at
    for name in "ab":
        held.set(name, "1" if name == "a" else "2", domain="home.example")
    next(iter(held.jar)).expires = int(time.time()) - 1
    assert jar.pairs_for(held, request()) == ["b=2"]
    assert [cookie.name for cookie in held.jar] == ["b"]


@each("kind", [CookieJar, INDEXED])
def test_a_usual_jar_is_read_and_not_asked(kind, monkeypatch):
    held = httpx.Cookies(kind())
    held.set("a", "1", domain=".home.example")
    held.set("b", "2", domain=".home.example", path="/a")
    monkeypatch.setattr(CookieJar, "add_cookie_header", None)
    assert jar.pairs_for(held, request()) == ["b=2", "a=1"]
    assert jar.pairs_for(held, request(url="http://home.example/")) == ["a=1"]


def test_cookies_of_several_domains_come_in_the_order_of_the_jar():
    for kind, own in ((CookieJar, Own), (INDEXED, OwnIndexed)):
        usual, asked = httpx.Cookies(kind()), httpx.Cookies(own())
        for held in (usual, asked):
            for domain in ("home.example", ".home.example", ".example"):
                held.set(domain.strip("."), domain, domain=domain)
        assert len(jar.pairs_for(usual, request())) == 3
        assert jar.pairs_for(usual, request()) == jar.pairs_for(asked, request())


def test_reading_a_jar_leaves_it_unlocked_whatever_is_in_it():
    held = cookies(("a", "1"))
    held.jar._cookies["home.example"] = None
    with pytest.raises(AttributeError):
        jar.pairs_for(held, request())
    assert not held.jar._cookies_lock._is_owned()


@each("url", ["http://[::1]:8080/a", "http://[::1]/a", "http://home.example/a%2Fb", HOME])
def test_what_a_jar_decides_by_more_than_its_cookies_is_asked(url):
    held = httpx.Cookies(CookieJar())
    jar.extract(held, answer("a=1; Path=/", 'b=";"; Path=/'), request(url=url))
    for cookie in held.jar:
        cookie.value = f"{cookie.value};"  # which no server can set
    own = httpx.Cookies(Own())
    for cookie in held.jar:
        own.jar.set_cookie(copy.copy(cookie))
    assert jar.pairs_for(held, request(url=url)) == jar.pairs_for(own, request(url=url))


@each(
    ("path", "sent"),
    [("/a", True), ("/a/", True), ("/a/b", True), ("/ab", False), ("/b", False)],
)
def test_cookie_a_path_ends_where_a_name_ends(path, sent):
    """RFC 6265 §5.1.4: the path itself, or what is below it; "/ab" isn't below "/a"."""
    held = httpx.Cookies(CookieJar())
    held.set("a", "1", domain="home.example", path="/a")
    there = request(url=f"http://home.example{path}")
    assert jar.pairs_for(held, there) == (["a=1"] if sent else [])
