"""Rows and downloads against servers that we did not write: nginx, httpbin, WsgiDAV.

What they can't show: nginx sends no 408 of its own (it closes without a word), no 411 and no
417, so it is told to; WsgiDAV has no 507, and 424 stands inside its 207.
"""

import ssl
from collections.abc import Iterator

import pytest
import trustme

from statuspolicy.downloads.multipart_byteranges import ByteRanges
from tests import foreign
from tests.downloads.ranged import save
from tests.foreign import FILE
from tests.library import httpx, sp


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, ca) -> Iterator[tuple[str, str]]:
    with foreign.nginx(tmp_path_factory.mktemp("nginx"), ca) as origins:
        yield origins


@pytest.fixture(scope="module")
def httpbin() -> Iterator[str]:
    with foreign.wsgi("httpbin", foreign.HTTPBIN) as origin:
        yield origin


@pytest.fixture
def dav(tmp_path) -> Iterator[str]:
    here = tmp_path / "dav"
    here.mkdir()
    program = f"HERE = {str(here)!r}\n{foreign.WSGIDAV}"
    with foreign.wsgi("wsgidav", program) as origin:
        yield origin


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def http(request, nginx, ca, open_session):
    """A session and an origin of nginx, in each version of HTTP."""
    if request.param == "HTTP/1.1":
        return open_session(), nginx[0]
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return open_session({"http2": True, "verify": context}), nginx[1]


# ── nginx ──────────────────────────────────────────────────────────────────────────────


def test_nginx_200_is_in_the_version_that_was_asked_for(http):
    session, origin = http
    version = "HTTP/2" if origin.startswith("https") else "HTTP/1.1"
    assert session.get(origin + "/file").http_version == version


def test_nginx_206_one_range_and_several(http):
    session, origin = http
    one = session.get(origin + "/file", headers={"Range": "bytes=10-19"})
    assert (one.status_code, one.content) == (206, FILE[10:20])
    several = session.get(origin + "/file", headers={"Range": "bytes=0-9,300-309,-5"})
    assert several.status_code == 206
    parts = ByteRanges(several.headers["content-type"], len(FILE))
    assert parts.feed(several.content) == [
        (0, FILE[:10]), (300, FILE[300:310]), (len(FILE) - 5, FILE[-5:]),
    ]  # fmt: skip
    assert parts.ended


def test_nginx_304_to_the_caller_s_own_condition(http):
    session, origin = http
    etag = session.get(origin + "/file").headers["etag"]
    response = session.get(origin + "/file", headers={"If-None-Match": etag})
    assert (response.status_code, sp.trace(response).requests) == (304, 1)


@pytest.mark.parametrize(("path", "then"), [("/folder", "/folder/"), ("/302", "/file")])
def test_nginx_301_and_302_are_followed(http, path, then):
    session, origin = http
    response = session.get(origin + path)
    assert response.status_code == 200
    assert response.url.path == then
    assert [past.status_code for past in response.history] == [301 if then[-1] == "/" else 302]


def test_nginx_405_is_surfaced(http):
    session, origin = http
    response = session.request("POST", origin + "/file", content=b"x")
    assert response.status_code == 405
    assert "does not say which methods" in sp.trace(response).reason


def test_nginx_408_is_repeated_once_and_on_another_connection(http):
    """HTTP/2 has no other one unless `fresh=` is given."""
    session, origin = http
    first = session.get(origin + "/file").headers["x-connection"]
    response = session.get(origin + "/408")
    assert (response.status_code, sp.trace(response).requests) == (408, 2)
    assert (response.headers["x-connection"] == first) is (response.http_version == "HTTP/2")


def test_nginx_411_is_answered_with_a_length(nginx, session):
    """HTTP/2 has no Transfer-Encoding that could be refused."""

    def body():
        yield b"12345"

    async def abody():
        yield b"12345"

    content = body() if session.portal is None else abody()
    response = session.request("PUT", nginx[0] + "/411", content=content)
    assert (response.status_code, response.text) == (200, "5")
    assert [step.code for step in sp.trace(response)] == [411, 200]


def test_nginx_413_is_surfaced_and_the_connection_is_not_poisoned(http):
    session, origin = http
    response = session.request("POST", origin + "/small", content=b"x" * 5000)
    assert (response.status_code, sp.trace(response).requests) == (413, 1)
    assert session.get(origin + "/302").content == FILE


def test_nginx_414_is_surfaced(nginx, session):
    """Over HTTP/2 it has none: it ends the connection with GOAWAY, ENHANCE_YOUR_CALM."""
    response = session.get(nginx[0] + "/" + "x" * 20_000)
    assert (response.status_code, sp.trace(response).requests) == (414, 1)


def test_nginx_416_is_surfaced(http):
    session, origin = http
    response = session.get(origin + "/file", headers={"Range": f"bytes={len(FILE)}-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(FILE)}"


def test_nginx_417_is_repeated_without_the_expectation(http):
    session, origin = http
    headers = {"Expect": "100-continue"}
    response = session.request("POST", origin + "/417", content=b"x", headers=headers)
    assert [step.code for step in sp.trace(response)] == [417, 200]


def test_nginx_505_is_never_repeated(http):
    session, origin = http
    response = session.get(origin + "/505")
    assert (response.status_code, sp.trace(response).requests) == (505, 1)


@pytest.mark.parametrize("segments", [1, 4])
def test_a_download_from_nginx_is_interrupted_and_goes_on(http, tmp_path, segments):
    session, origin = http
    path, told = tmp_path / "file", []

    def stop(done, total):
        if done > len(FILE) // 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save(session, origin + "/slow", path, segments=segments, progress=stop)
    assert not path.exists()
    save(session, origin + "/slow", path, segments=segments, progress=lambda *n: told.append(n))
    assert path.read_bytes() == FILE
    assert told[0][0] > len(FILE) // 4


def test_segments_share_one_stream_over_http2(nginx, ca, open_session, tmp_path):
    """A stream that is left before its end goes on filling the connection that all share."""
    asked = []

    def observe(event):
        if isinstance(event, sp.events.Attempt):
            asked.append(event.request.headers.get("range"))

    context = ssl.create_default_context()
    ca.configure_trust(context)
    session = open_session({"http2": True, "verify": context}, observer=observe)
    path = save(session, nginx[1] + "/file", tmp_path / "file", segments=4)
    assert (path.read_bytes(), asked) == (FILE, [None])


# ── httpbin ────────────────────────────────────────────────────────────────────────────


def test_httpbin_cookies_set_on_a_redirect_are_sent_and_kept(session, httpbin):
    response = session.get(httpbin + "/cookies/set?a=1&b=2")
    assert response.json() == {"cookies": {"a": "1", "b": "2"}}
    assert dict(session.client.cookies) == {"a": "1", "b": "2"}
    gone = session.get(httpbin + "/cookies/delete?a")
    assert gone.json() == {"cookies": {"b": "2"}}


@pytest.mark.parametrize("way", ["redirect", "relative-redirect", "absolute-redirect"])
def test_httpbin_redirects_are_followed_up_to_the_cap(session, httpbin, way):
    response = session.get(f"{httpbin}/{way}/5")
    assert (response.status_code, len(response.history)) == (200, 5)
    assert response.json()["url"] == httpbin + "/get"
    with pytest.raises(sp.RedirectCapExceeded):
        session.get(f"{httpbin}/{way}/6")


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (307, "POST", "POST", "body"),
        (308, "PUT", "PUT", "body"),
    ],
)
def test_301_302_303_307_308_httpbin_method_and_body_after_a_redirect(
    open_session, httpbin, status, method, then, body
):
    session = open_session(confirm=lambda *_: True)
    url = f"{httpbin}/redirect-to?url=/anything&status_code={status}"
    response = session.request(method, url, content=b"body")
    assert (response.json()["method"], response.json()["data"]) == (then, body)


def test_httpbin_etags(session, httpbin):
    assert session.get(httpbin + "/etag/v1").headers["etag"] == "v1"  # not quoted: none at all
    matched = session.get(httpbin + "/etag/v1", headers={"If-None-Match": '"v1"'})
    assert matched.status_code == 304
    failed = session.get(httpbin + "/etag/v1", headers={"If-Match": '"v2"'})
    assert (failed.status_code, sp.trace(failed).requests) == (412, 1)


def test_httpbin_ranges(session, httpbin, tmp_path):
    part = session.get(httpbin + "/range/1000", headers={"Range": "bytes=10-35"})
    assert (part.status_code, part.text) == (206, "klmnopqrstuvwxyzabcdefghij")
    path = save(session, httpbin + "/range/100000", tmp_path / "file", segments=2)
    assert path.read_bytes() == session.get(httpbin + "/range/100000").content


def test_httpbin_delays_are_given_up_and_asked_again(session, httpbin):
    with pytest.raises(httpx.ReadTimeout) as raised:
        session.get(httpbin + "/delay/0.3", timeout=httpx.Timeout(30, read=0.05))
    assert sp.trace(raised.value).requests == 4
    assert len(session.clock.waits) == 3
    assert session.get(httpbin + "/delay/0.1").status_code == 200


def test_httpbin_503_is_asked_again_with_backoff(session, httpbin):
    response = session.get(httpbin + "/status/503")
    assert (response.status_code, sp.trace(response).requests) == (503, 4)


def test_httpbin_s_codings_are_refused_by_a_download(session, httpbin, tmp_path):
    with pytest.raises(sp.DownloadError, match="Content-Encoding gzip"):
        save(session, httpbin + "/gzip", tmp_path / "file")


# ── WsgiDAV ────────────────────────────────────────────────────────────────────────────


def test_wsgidav_207_is_surfaced(session, dav):
    response = session.request("PROPFIND", dav + "/", headers={"Depth": "1"})
    assert (response.status_code, sp.trace(response).requests) == (207, 1)
    assert b"multistatus" in response.content


def test_wsgidav_409_without_its_collection(session, dav):
    response = session.request("PUT", dav + "/no/such/file", content=b"x")
    assert (response.status_code, sp.trace(response).requests) == (409, 1)


def test_wsgidav_412_is_never_repeated_without_its_condition(session, dav):
    session.request("PUT", dav + "/a", content=b"a")
    session.request("PUT", dav + "/b", content=b"b")
    headers = {"Destination": dav + "/b", "Overwrite": "F"}
    response = session.request("COPY", dav + "/a", headers=headers)
    assert (response.status_code, sp.trace(response).requests) == (412, 1)
    assert session.get(dav + "/b").content == b"b"


LOCK = (
    b'<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
    b"<locktype><write/></locktype><owner>me</owner></lockinfo>"
)


def test_wsgidav_423_of_what_another_has_locked(session, dav):
    session.request("PUT", dav + "/a", content=b"a")
    xml = {"Content-Type": "application/xml"}
    locked = session.request("LOCK", dav + "/a", content=LOCK, headers={**xml, "Depth": "0"})
    assert locked.status_code == 200
    response = session.request("PUT", dav + "/a", content=b"new")
    assert (response.status_code, sp.trace(response).requests) == (423, 1)
    token = {"If": f"({locked.headers['lock-token']})"}
    assert session.request("PUT", dav + "/a", content=b"new", headers=token).status_code == 204


def test_wsgidav_424_inside_a_207(session, dav):
    """One property is protected, so the other one is not set either (RFC 4918 §9.2)."""
    session.request("PUT", dav + "/a", content=b"a")
    update = (
        b'<?xml version="1.0"?><propertyupdate xmlns="DAV:"><set><prop><getetag>x</getetag>'
        b'</prop></set><set><prop><a xmlns="x:y">b</a></prop></set></propertyupdate>'
    )
    response = session.request("PROPPATCH", dav + "/a", content=update)
    assert response.status_code == 207
    assert b"424" in response.content
    assert b"403" in response.content or b"409" in response.content


def test_a_download_from_wsgidav_is_interrupted_and_goes_on(session, dav, tmp_path):
    session.request("PUT", dav + "/file", content=FILE)
    path = tmp_path / "file"

    def stop(done, total):
        if done:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save(session, dav + "/file", path, segments=2, progress=stop)
    assert not path.exists()
    save(session, dav + "/file", path, segments=2)
    assert path.read_bytes() == FILE


def test_what_is_missing_is_skipped_and_fails_in_ci(monkeypatch):
    monkeypatch.delenv("STATUSPOLICY_CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nothing is not installed"):
        foreign.there("nothing", None)
    monkeypatch.setenv("STATUSPOLICY_CI", "1")
    with pytest.raises(AssertionError, match="nothing is not installed"):
        foreign.there("nothing", None)
