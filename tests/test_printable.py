"""What is shown of what others wrote: printable, bounded, and never a secret."""

import asyncio
import json
import logging
import traceback
from functools import partial

import pytest

from statuspolicy.engine.effects import Reply
from statuspolicy.fields.interim import Interim
from statuspolicy.fields.links import Link
from statuspolicy.message.steps import Step
from statuspolicy.printable import LINE, given, log, printable, quoted
from statuspolicy.testing import FakeClock, replay
from tests.library import httpx, sp
from tests.raw_server import serving

# What commands a terminal (7 bits and 8), turns the writing round, ends a line, and is long.
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\x85\r" + "x" * 20_000
PLACE = "https://user:hunter2url@home.example/a"
SECRETS = (
    "hunter2url",
    "s3cr3t-token",
    "s3cr3t-key",
    "s3cr3t-cookie",
    "s3cr3t-proxy",
    "s3cr3t-made",
)
SENT = {
    "Authorization": "Bearer s3cr3t-token",
    "X-Api-Key": "s3cr3t-key",
    "Cookie": "session=s3cr3t-cookie",
    "Proxy-Authorization": "Basic s3cr3t-proxy",
    "Upgrade": "h2c",
}
MOST = 12 * LINE  # of a text of several lines or values; each of them is within LINE or so


def flaws(text: str) -> list[str]:
    """What is wrong with a text that is shown."""
    found = [f"has {secret}" for secret in SECRETS if secret in text]
    found += [f"is {len(text)} characters long"] if len(text) > MOST else []
    return found + [f"line {line[:99]!a}" for line in text.split("\n") if not line.isprintable()]


@pytest.fixture
def shown(caplog):
    """All that was shown so far: the log, and what is added to it."""
    caplog.set_level(logging.DEBUG, "statuspolicy")

    class Shown(list[str]):
        def of(self, result: object) -> None:
            """What there is to be seen of a response or an error."""
            trace = sp.trace(result)
            self.extend(
                [str(trace), repr(trace), trace.reason, *map(repr, trace), *map(str, trace)]
            )
            parts = [text for step in trace for text in (step.phrase, step.reason, step.cache)]
            assert all(len(text) <= 1.2 * LINE for text in (*parts, *map(str, trace)))
            self.extend(parts)
            if isinstance(result, BaseException):
                self.extend([str(result), repr(result), *getattr(result, "__notes__", ())])
                self.extend(traceback.format_exception(result, limit=0))

        def flaws(self) -> dict[str, list[str]]:
            logged = [record.getMessage() for record in caplog.records]
            assert self
            return {text[:200]: wrong for text in (*self, *logged) if (wrong := flaws(text))}

    return Shown()


# ── what a server writes ───────────────────────────────────────────────────────────────

LONG = EVIL[:3000]
FIELDS = [
    dict.fromkeys(
        ("Retry-After", "Location", "Allow", "Link", "Accept", "ETag", "Upgrade", "Content-Range",
         "WWW-Authenticate", "Proxy-Authenticate", "Alternates", "Cache-Control", "Vary", "Date",
         "Deprecation", "Sunset", "Operation-Location", "Ms-Echo-Request", "RateLimit", "Age",
         "Set-Cookie", "Content-Encoding", "Repr-Digest", "Accept-Patch", "Transfer-Encoding"),
        LONG,
    ),
    *({"Location": place + LONG} for place in ("/", "https://u:hunter2url@other.example/",
     "mailto:", "https://[", "https://home.example:x", "https://home.example/?", "http://home.example/",
     "https://xn--", "?next=https://home.example/a/")),
    {"Location": "/a" + "b" * 8000},
    {"WWW-Authenticate": f'Bearer realm="{LONG}", Digest realm="{LONG}", algorithm="{LONG}"',
     "Proxy-Authenticate": f'Basic realm="{LONG}"', "Retry-After": "0"},
    {"Allow": f"GET, {LONG}", "Accept": f"a/b, {LONG}", "Accept-Patch": f"{LONG}, " * 9,
     "Deprecation": "@1", "Sunset": "Sun, 30 Jun 2024 23:59:59 GMT",
     "Link": ", ".join(f"<{n}{LONG[:500]}>; rel=successor-version" for n in range(50))},
    {"Link": f"<{LONG}>; rel=alternate; type={LONG}",
     "Alternates": f'{{"{LONG}" 0.9 {{type {LONG}}}}}'},
    {"Content-Type": f"application/problem+json; {LONG}", "Content-Range": f"bytes {LONG}"},
    {"Content-Range": "bytes 0-3/9", "Content-Type": f"multipart/byteranges; boundary={LONG}",
     "Content-Encoding": LONG, "Upgrade": LONG, "Retry-After": "2"},
    {"Operation-Location": "/m" + LONG, "Retry-After": "1"},
]  # fmt: skip
BODY = json.dumps(dict.fromkeys(("title", "detail", "status", "resourceLocation"), LONG)).encode()
ROWS = {
    "2xx": sp.poll(interval=0, times=2),
    "3xx": sp.choose(lambda request, response: "https://other.example/" + "y" * 9000),
    "4xx": sp.resolve(lambda exchange: exchange.request),
    300: sp.choose(lambda request, response: f"http://[{LONG}"),
    301: sp.moved(lambda *_: None),
    401: sp.authenticate(lambda challenge: "Bearer s3cr3t-made"),
    407: sp.authenticate(httpx.DigestAuth("user", "s3cr3t-made")),
    410: sp.gone(lambda *_: None),
    426: sp.upgrade_to_https,
    449: sp.perform(lambda exchange: None),
    "5xx": sp.breaker(sp.retry(attempts=2), failures=1),
}
TABLES = [sp.STANDARD, sp.STRICT, sp.STANDARD | ROWS, sp.STRICT | {407: sp.surface}]


@pytest.mark.slow
def test_307_location_what_a_server_writes_in_any_field_is_shown_printable_and_bounded_by_every_row(
    shown,
):
    """Each code with each section of hostile fields, and again after a hop, by several tables."""
    codes = {code for table in TABLES for code in table if isinstance(code, int)}
    events: list[object] = []
    for code in sorted({*codes, 199, 299, 399, 499, 599, 999}):
        for n, fields in enumerate(FIELDS):
            for table in (TABLES[n % 2], TABLES[2 + (n % 5 == 0)]):
                request = httpx.Request("PUT", PLACE, headers=SENT, content=b"body")
                if code % 3:
                    request = httpx.Request("GET", PLACE, headers=SENT)
                answer = partial(_answer, code, fields)
                clock, limits = FakeClock(), sp.Limits(retry_budget=None)
                script = [answer, answer, (307, {"Location": f"/{code}"}), answer, *[answer] * 60]
                story = replay(
                    request, script, table=table, clock=clock, limits=limits,
                    observer=events.append, confirm=lambda *_: True,
                )  # fmt: skip
                shown.of(story.error or story.response)
                shown.extend(f(event) for event in events for f in (repr, str))
                events.clear()
        assert shown.flaws() == {}, code
        shown[:] = shown[:1]


def _answer(code, fields, request):
    content = BODY if code >= 400 or code == 202 else b""
    extensions = {"reason_phrase": LONG.encode("utf-8", "ignore")}
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    return httpx.Response(code, headers=headers, content=content, extensions=extensions)


def test_a_failure_is_shown_printable_and_bounded_with_all_that_caused_it(shown):
    kinds = [kind for kind in map(vars(httpx).get, httpx.__all__) if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, httpx.TransportError)]
    assert len(kinds) > 15
    for kind in kinds:

        def broken(request, kind=kind):
            try:
                try:
                    raise ValueError(f"b'{EVIL}'")
                except ValueError as first:
                    raise RuntimeError(first) from OSError(5, "the system's own")
            except RuntimeError as cause:
                made = kind(f"Bearer s3cr3t-token and {b's3cr3t-key'!r}, and {EVIL}")
                made.__cause__ = cause
            return Reply(made)

        request = httpx.Request("GET", PLACE, headers=SENT)
        story = replay(request, [broken] * 9, table=sp.STANDARD | {kind: sp.retry(attempts=2)})
        assert isinstance(story.error, kind)
        shown.of(story.error)
    assert shown.flaws() == {}


@pytest.mark.parametrize("head", [
    "HTTP/1.1 200 " + EVIL, "HTTP/1.1 503 " + "y" * 60_000, EVIL, "HTTP/1.1 200 OK\r\n" + EVIL,
    "HTTP/1.1 302 Found\r\nLocation: //" + EVIL, "HTTP/1.1 101 " + EVIL,
    "HTTP/1.1 404 Not\r\nContent-Length: 0\r\nDeprecation: @1\r\n"
    "Link: <" + EVIL + ">; rel=successor-version",
])  # fmt: skip
def test_101_302_404_503_the_bytes_of_a_server_are_shown_printable_and_bounded(
    head, shown, open_session
):
    def serve(peer):
        peer.head()
        peer.send(
            head.replace("\r\n", "\n").replace("\r", "").encode("latin-1", "ignore") + b"\r\n\r\n"
        )

    with serving(serve) as server:
        session = open_session({"headers": SENT})
        url = server.url.replace("://", "://user:hunter2url@")
        try:
            shown.of(session.get(url))
        except httpx.TransportError as error:
            shown.of(error)
    assert shown.flaws() == {}


def test_transfer_encoding_what_a_server_writes_into_a_body_s_framing_is_shown_bounded(
    shown, open_session, tmp_path
):
    """It breaks a body that is read by the client, by `download`, and again by what resumes it."""

    def serve(peer):
        peer.head()
        head = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "a"\r\n\r\n'
        peer.send(head + b"5\r\n12345\r\n")
        peer.send(b"\x1b[2J" + b"y" * 60_000 + b"\r\n")

    with serving(serve) as server:
        session = open_session({}, table=sp.STANDARD | {200: sp.resume})
        get = sp.download if isinstance(session.client, httpx.Client) else sp.adownload
        for call in (
            partial(session.get, server.url),
            partial(session.run, get, session.client, server.url, tmp_path / "f"),
        ):
            with pytest.raises(httpx.RemoteProtocolError, match="illegal chunk header") as raised:
                call()
            shown.of(raised.value)
    assert shown.flaws() == {}


# ── what the application gave ──────────────────────────────────────────────────────────


def test_a_header_field_that_is_refused_is_not_shown(shown, open_session, status_server):
    """One of the client's, of the call's, what `prepare` wrote, and a name."""

    def prepare(request, attempt):
        request.headers["X-Made"] = "s3cr3t-made\n"

    for client, call, wrap in (
        ({"X-Api-Key": "s3cr3t-key\n"}, {}, {}),
        ({}, {"Authorization": "Bearer s3cr3t-token\n"}, {}),
        ({}, {"X-Harmless": "with \"quotes\" and 's3cr3t-made'\r\nX: y"}, {}),
        ({}, {"X s3cr3t-made": "v"}, {}),
        ({}, {}, {"prepare": prepare}),
    ):
        session = open_session({"headers": client}, **wrap)
        with pytest.raises(httpx.LocalProtocolError) as raised:
            session.get(status_server.url, headers=call)
        assert "Illegal header" in str(raised.value)
        shown.of(raised.value)
    assert shown.flaws() == {}


class Holder:
    """An object of the application's that would show what it holds."""

    def __repr__(self):
        return "Holder(s3cr3t-key)"

    def method(self, *_):
        return "Bearer s3cr3t-token\n"


def test_no_error_about_an_argument_or_an_answer_shows_a_secret(shown, tmp_path):
    client = sp.wrap(httpx.Client(transport=httpx.MockTransport(lambda r: httpx.Response(200))))
    challenged = (401, {"WWW-Authenticate": "Bearer"})
    held = partial(Holder().method, "s3cr3t-made")
    ask = httpx.Request("GET", PLACE, headers=SENT)

    def made_of(factory):
        return httpx.Request("POST", PLACE, extensions={"statuspolicy.body": factory})

    def answered(*script, **more):
        return lambda: replay(ask, script, **more)

    calls = [
        lambda: sp.authenticate(("user", "s3cr3t-key")),
        lambda: sp.authenticate("Bearer s3cr3t-token"),
        answered(challenged, table=sp.STANDARD | {401: sp.authenticate(held)}),
        answered(challenged, table=sp.STANDARD | {401: sp.authenticate(Holder().method)}),
        answered(500, table=sp.STANDARD | {500: held}),
        answered(500, table=sp.STANDARD | {500: lambda e: sp.Again(PLACE)}),
        answered(500, table=sp.STANDARD | {500: lambda e: e.request}),
        answered(500, prepare=lambda *_: "s3cr3t-made"),
        answered(200, prepare=held),
        answered((305, {"Location": "https://p.example"}),
                 table=sp.STRICT | {305: sp.use_proxy(lambda *_: "http://u:hunter2url@proxy")}),
        answered(409, table=sp.STANDARD | {409: sp.resolve(lambda e: e.request.url)}),
        lambda: sp.use_proxy("http://u:hunter2url@proxy"),
        lambda: sp.PolicyTransport(cookies={"session": "s3cr3t-cookie"}),
        lambda: sp.PolicyTransport(memory="redis://:hunter2url@host"),
        lambda: sp.PolicyTransport(cache="redis://:hunter2url@host"),
        lambda: sp.PolicyTransport("http://u:hunter2url@proxy"),
        lambda: sp.PolicyTransport(prepare="s3cr3t-token", fresh="s3cr3t-key"),
        lambda: sp.Cache(storage="redis://:hunter2url@host"),
        lambda: sp.RedisStorage("user:hunter2url@redis.internal:6379/0"),
        lambda: sp.RedisStorage("redis://user:hunter2url/x@redis.internal:6379/0"),
        lambda: sp.RedisStorage({"password": "hunter2url"}),
        lambda: sp.Overrides(table="s3cr3t-token"),
        lambda: sp.Overrides(confirm={"x": "s3cr3t-token"}),
        lambda: client.get(PLACE, extensions={"statuspolicy": {"key": "s3cr3t-key"}}),
        lambda: replay(made_of("s3cr3t-key"), [200]),
        lambda: replay(made_of(lambda: "s3cr3t-key"), [(503, {"Retry-After": "0"}), 200]),
        lambda: sp.download(client, PLACE, tmp_path / "f", headers=[("X-Key", "s3cr3t-token")]),
        lambda: sp.poll_token("Bearer s3cr3t-token"),
        lambda: sp.resume_poll(client, "s3cr3t-token"),
        lambda: sp.resume_poll(client, "t", origin="ftp://u:hunter2url@host"),
        lambda: sp.STANDARD | {401: "s3cr3t-token"},
        lambda: sp.STANDARD | {401: ("user", "s3cr3t-token")},
        *(partial(make, "s3cr3t-token") for make in (
            sp.breaker, sp.choose, sp.moved, sp.gone, sp.reset, sp.resolve, sp.perform, sp.wrap,
            sp.unwrap, sp.trace, sp.multistatus, sp.alternatives, sp.Limits, sp.Cache, sp.Overrides,
        )),
        lambda: sp.poll(done="s3cr3t-token"),
        lambda: sp.poll(monitor={"x": "s3cr3t-token"}),
        lambda: sp.wrap(PLACE),
        lambda: sp.download("https://home.example/?sig=s3cr3t-key", "file"),
        lambda: sp.download(client, "https://home.example/", SENT),
        lambda: asyncio.run(sp.adownload("s3cr3t-key", PLACE, "file")),
        lambda: sp.SQLiteStorage({"password": "hunter2url"}),
        lambda: sp.RedisStorage("redis://redis.internal", prefix=("user", "s3cr3t-key")),
        lambda: setattr(sp.Cache(), "storage", "redis://:hunter2url@host"),
        answered(),
    ]  # fmt: skip
    for n, call in enumerate(calls):
        with pytest.raises((TypeError, ValueError, LookupError, AttributeError)) as raised:
            pytest.fail(f"number {n} was let pass: {call()!r}")
        shown.append(str(raised.value))
        assert shown.flaws() == {}, n
    client.close()


def test_a_table_a_duty_a_verdict_and_a_setting_name_a_callable_without_what_it_holds(shown):
    for call in (partial(Holder.method, "s3cr3t-made"), Holder().method):
        table = sp.STANDARD | {401: call, 503: sp.breaker(call)}
        shown.extend([str(table), *(f(table.row(n)) for n in (401, 503) for f in (str, repr))])
        shown.extend([repr(sp.Cache(user=call)), repr(sp.Overrides(confirm=call))])
        shown.extend([repr(sp.Settle(tell=call)), repr(sp.Inspect(call)), repr(sp.poll(done=call))])
        assert "Holder.method" in repr(sp.poll(done=call))
    shown[:] = [line for text in shown for line in text.split("\n")]
    assert shown.flaws() == {}
    assert repr(sp.breaker(sp.retry(attempts=2))) == "breaker(retry(attempts=2))"


def test_what_an_application_gave_is_named_by_its_kind_where_it_may_be_a_secret():
    assert given("s3cr3t-token") == "<str>"
    assert given({"a": 1}) == "<dict>"
    assert given(Holder().method) == "<method>"
    assert given(partial(Holder, "a")) == "<partial>"
    assert (given("abc"), given(5), given(None), given(1.5)) == ("'abc'", "5", "None", "1.5")
    assert given(flaws).startswith("<function flaws")
    assert given(("user", "s3cr3t-token")) == "('user', <str>)"
    assert (given((5,)), given(())) == ("(5,)", "()")
    assert given(sp.retry(attempts=2)) == "retry(attempts=2)"
    assert given(Holder) == f"<class '{__name__}.Holder'>"


def test_a_step_of_a_trace_and_an_error_are_bounded_whatever_is_in_them(shown):
    link = Link(EVIL)
    step = Step(EVIL, PLACE + EVIL, 103, EVIL, "r", "c", EVIL, 1.0, EVIL, cache=EVIL,
                interim=(Interim(103, (link,) * 99),) * 3)  # fmt: skip
    shown.extend([str(step), repr(step), str(sp.trace(sp.RedirectLoop(EVIL)))])
    shown.extend([str(sp.RedirectLoop(EVIL)), str(sp.CoolingDown(EVIL, seconds=5))])
    assert shown.flaws() == {}
    assert "· settle" in str(step._replace(method="GET", phrase="OK", interim=(), verdict="settle"))


# ── how ────────────────────────────────────────────────────────────────────────────────


def test_text_is_printable_in_one_line_without_a_url_s_userinfo():
    assert printable("é a\x1b[2J\nb\u202e") == "é a\\x1b[2J\\nb\\u202e"
    assert printable("at redis://u:p@h:1/0 or a@b") == "at redis://h:1/0 or a@b"
    assert printable("https://a.example/x@y") == "https://a.example/x@y"
    assert (len(printable("x" * 9999)), len(printable("\x1b" * 9999))) == (LINE, LINE)
    assert (printable("abc", 2), quoted("a\nb"), quoted("abc", 2)) == ("ab", "'a\\nb'", "'a")


def test_each_line_of_the_log_is_printable_whoever_logs_it(caplog):
    log.warning("%s, %r and %d", EVIL, ValueError(EVIL), 5)
    log.warning("nothing to fill in")
    log.warning("%(a)s", {"a": 1})
    first, second, third = (record.getMessage() for record in caplog.records)
    assert first.isprintable()
    assert first.endswith(" and 5")
    assert len(first) < 3 * LINE
    assert (second, third) == ("nothing to fill in", "1")


def test_what_an_observer_and_a_storage_raise_is_logged_printable_too(caplog):
    def evil(*_):
        raise ValueError(EVIL)

    for method in ("load", "save"):
        storage = sp.MemoryStorage()
        setattr(storage, method, evil)
        script = [(200, {"Cache-Control": "max-age=9"})]
        cache = sp.Cache(storage=storage)
        replay(httpx.Request("GET", PLACE), script, observer=evil, cache=cache)
    texts = [record.exc_text for record in caplog.records if record.exc_info]
    assert len(texts) > 2
    for text in texts:
        assert "in evil" in text
        assert flaws(text) == []
