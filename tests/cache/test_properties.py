"""Random servers and callers against a small oracle, and random header sections against nothing.

The oracle is written from RFC 9111 alone and knows each directive as a value, not as text: what
was answered without the server, or in its place, has to be allowed by something that it said.
"""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.cache.changes import Save
from statuspolicy.cache.decision import Forward, Missing, Serve
from statuspolicy.cache.entry import Entry
from statuspolicy.cache.reuse import reuse
from statuspolicy.cache.update import complete, receive
from statuspolicy.testing import FakeClock
from tests.cache.values import answer, asked
from tests.library import httpx, sp

# ── what is said, as values ────────────────────────────────────────────────────────────

SECONDS = st.sampled_from([0, 10, 50, 100])


ALONE = st.none()
SAYS = {
    "immutable": ALONE,
    "must-revalidate": ALONE,
    "no-cache": ALONE,
    "no-store": ALONE,
    "private": ALONE,
    "proxy-revalidate": ALONE,
    "s-maxage": SECONDS,
    "stale-if-error": SECONDS,
    "stale-while-revalidate": SECONDS,
    "unheard-of": SECONDS,
}
WANTS = {
    "max-age": SECONDS,
    "max-stale": st.one_of(ALONE, SECONDS),
    "min-fresh": SECONDS,
    "no-cache": ALONE,
    "no-store": ALONE,
    "only-if-cached": ALONE,
    "stale-if-error": SECONDS,
}
# What matters together comes together more often than chance would have it.
OFTEN = ["must-revalidate", "stale-while-revalidate", "stale-if-error"] * 3


@st.composite
def directives(draw, kinds, often=(), always=None):
    """Some of these directives, each with a value of its kind."""
    names = draw(st.lists(st.sampled_from([*kinds, *often]), max_size=3))
    said = {name: draw(kinds[name]) for name in dict.fromkeys(names)}
    if always is not None and draw(st.integers(0, 5)):
        said["max-age"] = draw(always)
    return said


SAID = directives(SAYS, OFTEN, SECONDS)
WANTED = st.one_of(st.just({}), directives(WANTS))


@st.composite
def written(draw, said):
    """The same as text, in one of the forms that mean it."""
    parts = []
    for name, value in said.items():
        form = draw(st.sampled_from([str.lower, str.upper, str.title]))(name)
        quote = draw(st.sampled_from(["", '"']))
        parts.append(form if value is None else f"{form}={quote}{value}{quote}")
    return draw(st.sampled_from([", ", ",", " ,, "])).join(parts)


@st.composite
def answers(draw):
    """What a server says when it is asked: its own words, or none at all."""
    said = draw(SAID)
    return {
        "status": draw(st.sampled_from([200, 200, 200, 200, 301, 404, 500, 503])),
        "said": said,
        "text": draw(written(said)),
        "age": draw(st.sampled_from([None, None, 0, 30, "x"])),
        "vary": draw(st.booleans()),
        "tag": draw(st.sampled_from([None, "strong", "weak"])),
        "changes": draw(st.booleans()),
        "down": draw(st.integers(0, 9)) == 0,
    }


@st.composite
def steps(draw):
    wanted = draw(WANTED)
    return {
        "after": draw(st.sampled_from([0, 0, 1, 9, 10, 49, 60, 101, 200])),
        "method": draw(st.sampled_from(["GET"] * 8 + ["HEAD", "POST"])),
        "wanted": wanted,
        "text": draw(written(wanted)),
        "foo": draw(st.sampled_from([None, "1", "2"])),
        "answer": draw(answers()),
    }


# ── the oracle ─────────────────────────────────────────────────────────────────────────


class Said:
    """One thing that the server said of its resource, and when."""

    def __init__(self, answer, step, now, tag, body):
        self.status = answer["status"]
        self.said = answer["said"]
        self.age0 = answer["age"] if isinstance(answer["age"], int) else 0
        self.foo = {step["foo"]} if answer["vary"] else None
        self.now = now
        self.tag = tag
        self.body = body
        self.forbidden = "no-store" in answer["said"] or "no-store" in step["wanted"]

    def age(self, now):
        return now - self.now + self.age0


class Oracle:
    """What may be answered without the server, by RFC 9111 §4 and RFC 5861."""

    def __init__(self):
        self.heard = []

    def objections(self, one, step, now, gone, error):
        """What forbids to use one thing that was said."""
        wanted, said, age = step["wanted"], one.said, one.age(now)
        lifetime = said.get("max-age", 0)  # nothing here has a Last-Modified or an Expires
        if one.forbidden:
            yield "no-store"
        if one.foo is not None and step["foo"] not in one.foo:
            yield "Vary"
        if "no-cache" in said or "no-cache" in wanted:
            yield "no-cache"
        unmoved = "immutable" in said and age < lifetime
        if not unmoved and age > wanted.get("max-age", inf):
            yield "the request's max-age"
        disturbed = gone or error
        if not (unmoved or disturbed) and lifetime - age < wanted.get("min-fresh", -inf):
            yield "min-fresh"
        if age < lifetime:
            return
        late = age - lifetime
        if "must-revalidate" in said:
            yield "must-revalidate"
        windows = [
            (inf if wanted["max-stale"] is None else wanted["max-stale"])
            if "max-stale" in wanted
            else -1,
            said.get("stale-while-revalidate", -1),
            inf if gone else -1,
            max(said.get("stale-if-error", -1), wanted.get("stale-if-error", -1)) if error else -1,
        ]
        if late > max(windows):
            yield f"stale by {late} s"

    def allows(self, response, step, now, gone=False, error=False):
        """Why a response was not to be used; nothing where something that was said allows it."""
        why = []
        for one in self.heard:
            same = one.status == response.status_code
            if same and (step["method"] == "HEAD" or one.body == response.content):
                found = [*self.objections(one, step, now, gone, error)]
                if not found and response.headers.get("age") == str(int(one.age(now))):
                    return []
                why.append(found or ["Age"])
        return why or ["nobody ever said it"]


@given(st.lists(steps(), min_size=2, max_size=8))
def test_what_is_answered_without_the_server_is_allowed(given_steps):
    clock, oracle, version = FakeClock(), Oracle(), 0
    now = {}

    def serve(request):
        nonlocal version
        step, answer = now["step"], now["step"]["answer"]
        now["sent"] += 1
        if answer["down"]:
            raise httpx.ConnectError("down", request=request)
        version += answer["changes"]
        tag = {None: None, "strong": f'"{version}"', "weak": f'W/"{version}"'}[answer["tag"]]
        headers = {"Cache-Control": answer["text"]} if answer["text"] else {}
        headers |= {"Age": str(answer["age"])} if answer["age"] is not None else {}
        headers |= {"Vary": "Foo"} if answer["vary"] else {}
        headers |= {"ETag": tag} if tag else {}
        if request.method not in ("GET", "HEAD"):
            if answer["status"] < 400:
                oracle.heard.clear()
            return httpx.Response(answer["status"], headers=headers)
        known = (request.headers.get("if-none-match") or "").split(", ")
        if tag and tag in known and answer["status"] == 200:
            heard(answer, step, tag, freshened=True)
            return httpx.Response(304, headers=headers)
        body = f"{version} {answer['status']} {now['n']}".encode()
        heard(answer, step, tag, body=body)
        return httpx.Response(answer["status"], headers=headers, content=body)

    def heard(answer, step, tag, body=None, freshened=False):
        """What holds from now on. What it took the place of may hold no more, or still."""
        if freshened or step["method"] == "HEAD":
            # Each that it may be about is also as it says now (§3.2, §4.3.4, §4.3.5); a field
            # that it leaves out stays.
            for old in [*oracle.heard]:
                if old.status == answer["status"] and (not tag or old.tag == tag):
                    new = Said(answer, step, clock.time(), old.tag, old.body)
                    new.said = answer["said"] if answer["text"] else old.said
                    new.forbidden |= old.forbidden and not answer["text"]
                    if old.foo is not None:  # a Vary that it leaves out stays too
                        new.foo = {step["foo"]}
                    oracle.heard.append(new)
        else:
            oracle.heard.append(Said(answer, step, clock.time(), tag, body))

    client = sp.wrap(
        httpx.Client(transport=httpx.MockTransport(serve)),
        cache=sp.Cache(user="me"),
        limits=sp.Limits(attempts=1),
        clock=clock,
    )
    for n, step in enumerate(given_steps):
        clock.now += step["after"]
        now.update(step=step, sent=0, n=n)
        headers = {"Cache-Control": step["text"]} if step["text"] else {}
        headers |= {"Foo": step["foo"]} if step["foo"] is not None else {}
        try:
            response = client.request(
                step["method"], "http://a.example/", headers=headers, follow_redirects=False
            )
        except httpx.ConnectError:
            assert step["answer"]["down"]
            continue
        until_nothing_is_validated()
        status = response.extensions["statuspolicy.cache"]
        if status.forwarded is None and response.status_code != 504:
            assert not oracle.allows(response, step, clock.time()), (status, response)
        elif status.forwarded and now["sent"] and step["answer"]["down"]:
            assert not oracle.allows(response, step, clock.time(), gone=True), (status, response)
        elif status.forwarded and (status.answer or 0) >= 500:
            assert not oracle.allows(response, step, clock.time(), error=True), (status, response)


def until_nothing_is_validated():
    import threading

    for thread in threading.enumerate():
        if thread.name.startswith("statuspolicy: "):
            thread.join(5)


# ── whatever is written ────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(
    [
        "", " ", ",", '"', "\\", "=", ";", "*", "W/", '"a"', "a", "max-age", "no-cache", "60", "-1",
        "9" * 30, "bytes", "bytes=", "0-4", "-5", "/", "10", "x", "Sun, 09 Sep 2001 01:46:40 GMT",
        "0", "http://", "[", "]", ":", "@", "//b", "\xe9", "\x00", "%", "Foo", "close", "chunked",
        "multipart/byteranges", "public", "must-understand", "stale-if-error",
    ]
)  # fmt: skip
ODD = st.lists(WORDS, max_size=6).map("".join)
OF_A_RESPONSE = [
    "Age", "Cache-Control", "Connection", "Content-Length", "Content-Location", "Content-Range",
    "Content-Type", "Date", "ETag", "Expires", "Last-Modified", "Location", "Transfer-Encoding",
    "Vary", "Pragma", "Set-Cookie",
]  # fmt: skip
OF_A_REQUEST = [
    "Cache-Control", "Content-Length", "If-Match", "If-Modified-Since", "If-None-Match",
    "If-Range", "Pragma", "Range", "Foo",
]  # fmt: skip


def sections(names):
    return st.lists(st.tuples(st.sampled_from(names), ODD), max_size=6)


METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "X"])
TURN = st.tuples(
    METHODS,
    sections(OF_A_REQUEST),
    st.sampled_from([200, 200, 206, 206, 304, 304, 416, 404, 410, 500, 301, 999]),
    sections(OF_A_RESPONSE),
    st.binary(max_size=12),
    st.sampled_from([0, 1, 1000, -50]),
)


@given(st.lists(TURN, min_size=1, max_size=6))
def test_no_header_section_is_an_exception(turns):
    stored, now = {}, 1_000_000_000.0
    for method, wanted, status, said, body, after in turns:
        now += after
        asking = asked(wanted, method)
        decision = reuse(asking, [*stored.values()], now)
        if isinstance(decision, Serve):
            assert decision.entry.age(now) >= 0
            assert decision.span is None or 0 <= decision.span[0] <= decision.span[1]
            # §3.3: a part answers nothing but a range within it.
            assert decision.entry.part is None or decision.span is not None or decision.unmodified
            continue
        if isinstance(decision, Missing):
            continue
        assert isinstance(decision, Forward)
        result = receive(asking, decision, answer(said, status, now, dated=False))
        changes = [*result.changes]
        if result.unusable:
            decision = Forward(decision.why, selected=decision.selected)
        if result.keep is not None:
            changes += complete(asking, decision, result.keep, body)
        for change in changes:
            if isinstance(change, Save):
                entry = change.entry
                assert entry.lifetime >= 0
                dumped = entry.dump(change.url)
                assert Entry.load(change.url, entry.who, dumped, entry.body) == entry
                stored[entry.id] = entry
            elif change.ids is None:
                stored.clear()
            else:
                for one in change.ids:
                    stored.pop(one, None)
