"""The key and the user of a stored response: the Host that was sent, `target`, `Cache(user=)`."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import anyio
import pytest

from statuspolicy.cache.request import of_the_origin
from tests.cache.web import URL
from tests.library import httpx, sp

CURRENT: ContextVar[str] = ContextVar("current", default="")


def transport(answer, asked=None):
    def handle(request):
        if asked is not None:
            asked.append(request)
        return answer(request)

    return httpx.MockTransport(handle)


def tenant(request):
    target = request.extensions.get("target", request.url.raw_path)
    target = target if isinstance(target, str) else target.decode()
    headers = {"Cache-Control": "max-age=600", "ETag": '"1"'}
    return httpx.Response(200, headers=headers, text=f"{request.headers['host']} {target}")


STORAGES = {
    "memory": lambda tmp_path: sp.MemoryStorage(),
    "sqlite": lambda tmp_path: sp.SQLiteStorage(tmp_path / "cache.db"),
}


@pytest.fixture(params=STORAGES)
def storage(request, tmp_path):
    return STORAGES[request.param](tmp_path)


# ── Host ───────────────────────────────────────────────────────────────────────────────


def test_the_host_that_is_sent_is_of_the_key(storage):
    hosts = ["a.example", "tenant-a.example", "tenant-b.example", "a.example:8080", ""]
    asked = []
    cache = sp.Cache(storage=storage)
    with sp.wrap(httpx.Client(transport=transport(tenant, asked)), cache=cache) as client:
        for _ in range(2):
            for host in hosts:
                got = client.get(URL, headers={"Host": host})
                assert got.text == f"{host} /x"
        assert len(asked) == len(hosts)  # each was stored
        for same in ("A.example", "a.example:80", "a.example"):
            assert client.get(URL, headers={"Host": same}).text == "a.example /x"
        assert client.get(URL, headers={"Host": "Tenant-A.example:80"}).text[:6] == "tenant"
    assert len(asked) == len(hosts)


def test_the_host_that_prepare_writes_is_of_the_key():
    hosts = iter(["tenant-a.example", "tenant-b.example"] * 4)

    def prepare(request, attempt):
        request.headers["Host"] = CURRENT.get()

    client = sp.wrap(httpx.Client(transport=transport(tenant)), cache=sp.Cache(), prepare=prepare)
    with client:
        for host in hosts:
            token = CURRENT.set(host)
            assert client.get(URL).text == f"{host} /x"
            CURRENT.reset(token)


def test_a_write_to_a_host_invalidates_what_is_stored_of_that_host(storage):
    asked = []

    def site(request):
        if request.method == "POST":
            return httpx.Response(201, headers={"Location": request.headers["X-Location"]})
        if request.method in ("PUT", "MOVE"):
            return httpx.Response(204)
        return tenant(request)

    cache = sp.Cache(storage=storage)
    with sp.wrap(httpx.Client(transport=transport(site, asked)), cache=cache) as client:

        def sent(url, host):
            before = len(asked)
            client.get(url, headers={"Host": host})
            return len(asked) - before

        a, b = "tenant-a.example", "tenant-b.example"
        for method, url, more in [
            ("PUT", URL, {}),
            ("POST", "http://a.example/y", {"X-Location": "/x"}),
            ("POST", "http://a.example/y", {"X-Location": f"http://{a}/x"}),
            ("POST", "http://a.example/y", {"X-Location": "http://a.example/x"}),
            ("MOVE", "http://a.example/y", {"Destination": "/x"}),
            ("MOVE", "http://a.example/y", {"Destination": f"http://{a}/x"}),
        ]:
            for host in (a, b):
                sent(URL, host)
            client.request(method, url, headers={"Host": a, **more})
            assert (sent(URL, a), sent(URL, b)) == (1, 0), (method, more)


def test_what_a_field_names_is_of_the_same_server_and_host():
    base = "http://t.example%3A81@a.example:8080/x"
    for location, key in [
        ("y?z", "http://t.example%3A81@a.example:8080/y?z"),
        ("http://T.example:81/y", "http://t.example%3A81@a.example:8080/y"),
        ("http://a.example:8080/y", "http://t.example%3A81@a.example:8080/y"),
        ("http://t.example/y", None),
        ("http://me@a.example:8080/y", "http://t.example%3A81@a.example:8080/y"),
        ("https://a.example:8080/y", None),
        ("http://[/", None),
    ]:
        assert of_the_origin(base, location) == key, location
    assert of_the_origin("http://a.example/x", "http://me@a.example/y") == "http://a.example/y"
    odd = "http://t%3Ax@a.example/x"  # the Host that was sent is none
    assert of_the_origin(odd, "/y") == "http://t%3Ax@a.example/y"


@pytest.mark.anyio
async def test_the_host_that_is_sent_is_of_the_key_in_async():
    cache = sp.Cache()
    async with sp.wrap(httpx.AsyncClient(transport=transport(tenant)), cache=cache) as client:
        for host in ("tenant-a.example", "tenant-b.example") * 2:
            assert (await client.get(URL, headers={"Host": host})).text == f"{host} /x"


# ── target ─────────────────────────────────────────────────────────────────────────────


def test_a_target_extension_passes_the_cache_by(storage):
    asked = []
    cache = sp.Cache(storage=storage)
    with sp.wrap(httpx.Client(transport=transport(tenant, asked)), cache=cache) as client:
        for target in (b"/1", b"/2", b"/1", b"/x", b"http://a.example/1"):
            got = client.get(URL, extensions={"target": target})
            assert got.text == f"a.example {target.decode()}"
        assert len(asked) == 5
        assert client.get(URL).text == "a.example /x"  # and it was not stored as the URL's
        got = client.get(URL, extensions={"target": b"/1"})  # nor is the URL's its answer
        assert got.text == "a.example /1"
        head = client.head(URL, extensions={"target": b"/1"})
        assert sp.trace(head)[-1].cache.count("fwd=bypass") == 1


def test_a_write_with_a_target_extension_invalidates_what_it_was_sent_to():
    asked = []
    with sp.wrap(httpx.Client(transport=transport(tenant, asked)), cache=sp.Cache()) as client:
        for target in (b"/x", "/x"):
            client.get(URL)
            client.put("http://a.example/y", extensions={"target": target})
            client.get(URL)
    assert [r.method for r in asked] == ["GET", "PUT", "GET", "PUT", "GET"]


# ── user= ──────────────────────────────────────────────────────────────────────────────


def mail(directives):
    """Mail of whoever `Authorization` or `Cookie` says; fresh for a moment the first time."""
    answers = []

    def site(request):
        answers.append(request)
        who = request.headers.get("authorization") or request.headers.get("cookie") or "nobody"
        first = f"{directives}, max-age=0, stale-while-revalidate=60"
        control = first if len(answers) == 1 else f"{directives}, max-age=600"
        headers = {"Cache-Control": control, "ETag": f'"{len(answers)}"'}
        return httpx.Response(200, headers=headers, text=f"mail of {who}")

    return site, answers


class Local(threading.local):
    user = ""


LOCAL = Local()
ALICE = {"Authorization": "alice"}


def in_thread(work):
    got = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    thread.join(10)
    return got[0]


@pytest.mark.parametrize("told", ["context", "thread"])
def test_whose_a_validation_behind_the_callers_back_is_was_asked_in_the_callers_context(told):
    site, answers = mail("private")
    users = []

    def user(request):
        users.append(1)
        return CURRENT.get() if told == "context" else LOCAL.user

    def become(name):
        CURRENT.set(name)
        LOCAL.user = name

    with sp.wrap(httpx.Client(transport=transport(site)), cache=sp.Cache(user=user)) as client:

        def as_user(name, headers):
            become(name)
            return client.get(URL, headers=headers).text

        def wait():
            client._transport._client_cache.validations.close(10)

        assert in_thread(lambda: as_user("alice", ALICE)) == "mail of alice"
        assert in_thread(lambda: as_user("alice", ALICE)) == "mail of alice"
        wait()
        assert len(answers) == 2
        assert in_thread(lambda: as_user("", {})) == "mail of nobody"
        assert in_thread(lambda: as_user("bob", {"Authorization": "bob"})) == "mail of bob"
        assert in_thread(lambda: as_user("alice", ALICE)) == "mail of alice"
        assert len(answers) == 4  # hers is fresh, under her name
        assert len(users) == 5  # one a call


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whose_a_validation_behind_the_callers_back_is_in_async(backend):
    site, answers = mail("private")
    users = []

    def user(request):
        users.append(1)
        return CURRENT.get()

    async def main():
        cache = sp.Cache(user=user)
        async with sp.wrap(httpx.AsyncClient(transport=transport(site)), cache=cache) as client:

            async def as_user(name, headers, got):
                CURRENT.set(name)
                got.append((await client.get(URL, headers=headers)).text)

            async def call(name, headers):
                got = []
                async with anyio.create_task_group() as group:
                    group.start_soon(as_user, name, headers, got)
                return got[0]

            await call("alice", ALICE)
            await call("alice", ALICE)
            for _ in range(100):
                await anyio.sleep(0.001)
                if len(answers) == 2:
                    break
            assert await call("", {}) == "mail of nobody"
            assert await call("alice", ALICE) == "mail of alice"
            assert (len(answers), len(users)) == (3, 4)

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_prepare_and_observer_have_the_callers_context_behind_his_back(backend):
    site, answers = mail("public")
    seen = []

    def prepare(request, attempt):
        request.headers["Authorization"] = CURRENT.get()

    options = {
        "cache": sp.Cache(user="all"),
        "prepare": prepare,
        "observer": lambda event: seen.append(CURRENT.get()),
    }
    CURRENT.set("alice")

    async def main():
        CURRENT.set("alice")
        async with sp.wrap(httpx.AsyncClient(transport=transport(site)), **options) as client:
            await client.get(URL)
            await client.get(URL)
            for _ in range(100):
                await anyio.sleep(0.001)
                if len(answers) == 2:
                    break

    if backend == "sync":
        with sp.wrap(httpx.Client(transport=transport(site)), **options) as client:
            client.get(URL)
            client.get(URL)
            client._transport._client_cache.validations.close(10)
    else:
        anyio.run(main, backend=backend)
    CURRENT.set("")
    assert [r.headers["authorization"] for r in answers] == ["alice", "alice"]
    assert set(seen) == {"alice"}


@pytest.mark.parametrize("nobody", ["", None])
def test_nobody_shares_what_is_private_with_no_one(nobody, storage):
    site, answers = mail("private")
    users = [lambda request: nobody, *([""] if nobody == "" else [])]
    for user in users:
        answers[:] = [None]  # fresh at once
        cache = sp.Cache(storage=storage, user=user)
        with sp.wrap(httpx.Client(transport=transport(site)), cache=cache) as client:
            assert client.get(URL, headers={"Cookie": "alice"}).text == "mail of alice"
            assert client.get(URL).text == "mail of nobody"
            client.cookies.set("sid", "bob", domain="a.example")
            assert client.get(URL).text == "mail of sid=bob"
            client.cookies.set("sid", "eve", domain="a.example")
            assert client.get(URL).text == "mail of sid=eve"
        with sp.wrap(
            httpx.Client(transport=transport(site)), cache=sp.Cache(storage=storage)
        ) as other:
            assert other.get(URL).text == "mail of nobody"


def test_nobody_has_what_is_public():
    site, answers = mail("public")
    answers.append(None)
    cache = sp.Cache(user=lambda request: "")
    with sp.wrap(httpx.Client(transport=transport(site)), cache=cache) as client:
        assert client.get(URL).text == client.get(URL).text == "mail of nobody"
        assert len(answers) == 2
        assert client.get(URL, headers=ALICE).text == "mail of alice"
        assert client.get(URL).text == "mail of nobody"


def test_whose_it_is_is_asked_once_a_call_over_hops_and_repeats():
    users = []

    def user(request):
        users.append(request.url.path)
        return "alice"

    def site(request):
        if request.url.path == "/x":
            return httpx.Response(302, headers={"Location": "http://b.example/y"})
        return httpx.Response(200, headers={"Cache-Control": "private, max-age=60"})

    with sp.wrap(httpx.Client(transport=transport(site)), cache=sp.Cache(user=user)) as client:
        client.get(URL)
        client.get(URL)
        assert sp.trace(client.get(URL))[-1].cache.startswith("statuspolicy; hit")
    assert users == ["/x"] * 3


def test_what_user_answers_that_is_no_name_is_said():
    async def user(request):
        """It would have to be awaited."""

    for odd in (lambda request: 5, user):
        client = sp.wrap(httpx.Client(transport=transport(tenant)), cache=sp.Cache(user=odd))
        with client, pytest.raises(TypeError, match="return a name, as a string"):
            client.get(URL)
