"""httpx and httpx2 in one process: one family for both, and nothing of it twice."""

import ast
import importlib
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import httpx2
import pytest

import statuspolicy as sp
import statuspolicy.httpx2 as door
import statuspolicy.testing
from statuspolicy.message.errors import about
from statuspolicy.message.response import PolicyResponse
from statuspolicy.policy.failures import ABOVE
from statuspolicy.testing import Answer, FakeClock, StatusServer, replay
from statuspolicy.wire import library as of_libraries
from statuspolicy.wire.library import ANY, LIBRARY_OF, _learn, either, look_around
from tests.each import each

ROOT = Path(__file__).parents[1]
SOURCE = Path(sp.__file__).parent
LIBRARIES = {"httpx": httpx, "httpx2": httpx2}


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest):
    """Each of the two in turn."""
    return LIBRARIES[request.param]


def run(program: str) -> str:
    """What a program prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ── nothing twice ─────────────────────────────────────────────────────────────────────


def test_there_is_no_symbolic_link_in_the_repository():
    folders = [SOURCE, ROOT / "tests", ROOT / "benchmarks"]
    assert not [path for folder in folders for path in folder.rglob("*") if path.is_symlink()]


def test_no_module_is_loaded_twice():
    for path in SOURCE.rglob("*.py"):
        if "cli" not in path.parts:
            name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
            importlib.import_module(name.removesuffix(".__init__"))
    ours = {name: module for name, module in sys.modules.items() if name.startswith("statuspolicy")}
    files = [module.__file__ for module in ours.values()]
    assert len(files) == len(set(files))
    assert sum("httpx2" in name for name in ours) == 3  # the door: itself, testing and events


@pytest.mark.parametrize(
    ("names", "stub"),
    [
        (sp.__all__, "__init__.pyi"),
        (statuspolicy.testing.__all__, "testing.pyi"),
        (["Attempt", "Decision", "Event", "Settled", "Wait"], "events.pyi"),
    ],
)
def test_the_door_has_the_same_names_and_its_stubs_know_them(names, stub):
    found = set()
    for node in ast.parse((SOURCE / "httpx2" / stub).read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):  # `import X as X` gives it on
            found |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
    assert {name for name in found if name[0] != "_"} == set(names)


def test_behind_the_door_is_the_same_family():
    names = [name for name in sp.__all__ if name != "events"]  # a module, which has a stub
    assert all(getattr(door, name) is getattr(sp, name) for name in names)
    assert set(sp.__all__) <= set(dir(door))
    assert importlib.import_module("statuspolicy.httpx2.testing").replay is replay
    assert importlib.import_module("statuspolicy.httpx2.events").Wait is sp.events.Wait
    with pytest.raises(AttributeError, match=r"'statuspolicy.httpx2' has no attribute 'nothing'"):
        door.nothing  # noqa: B018


# ── one policy for both ───────────────────────────────────────────────────────────────


def test_clients_of_both_share_a_table_limits_a_memory_and_a_storage(status_server: StatusServer):
    seen = []

    def mine(exchange: sp.Exchange) -> sp.Verdict:
        seen.append(type(exchange.request).__module__)
        return sp.Again(exchange.request, after=1.0) if exchange.attempt == 1 else sp.Settle()

    shared = {
        "table": sp.STANDARD | {418: mine},
        "limits": sp.Limits(redirects=3),
        "memory": sp.Memory(),
        "cache": sp.Cache(storage=sp.MemoryStorage(), user="ann"),
    }
    status_server.script("/stored", STORED)
    served = []
    for library in (httpx, httpx2):
        clock = FakeClock()
        with sp.wrap(library.Client(), clock=clock, **shared) as client:
            response = client.get(status_server.url + "/302?location=/418")
            assert isinstance(response, library.Response)
            assert [type(past).__mro__[2] for past in response.history] == [library.Response]
            assert (response.status_code, clock.waits) == (418, [1.0])
            assert sp.trace(response).requests == 3
            kept = client.get(status_server.url + "/stored")
            assert isinstance(kept, library.Response)
            assert kept.content == b"kept"
            served.append("hit" in str(kept.extensions["statuspolicy.cache"]))
    assert seen == ["httpx"] * 2 + ["httpx2"] * 2
    assert served == [False, True]  # what came for the one is served to the other


STORED = Answer(200, {"Cache-Control": "max-age=60"}, b"kept")
LOOP = Answer(302, {"Location": "/loop"})


def test_an_origin_that_asked_one_library_for_rest_is_left_alone_by_the_other(status_server):
    memory, clock = sp.Memory(), FakeClock()
    limits = sp.Limits(cooling="raise", attempts=1)
    url = status_server.url + "/429?retry-after=9"
    with sp.wrap(httpx.Client(), memory=memory, limits=limits, clock=clock) as client:
        client.get(url)
    with (
        sp.wrap(httpx2.Client(), memory=memory, limits=limits, clock=clock) as client,
        pytest.raises(sp.CoolingDown) as caught,
    ):
        client.get(url)
    assert isinstance(caught.value, httpx2.TransportError)
    assert caught.value.seconds == 9.0


def test_a_policy_s_error_is_of_the_family_of_either_library(library, status_server):
    status_server.script("/loop", LOOP)
    with sp.wrap(library.Client()) as client, pytest.raises(sp.RedirectLoop) as caught:
        client.get(status_server.url + "/loop")
    for one in (httpx, httpx2):
        assert isinstance(caught.value, one.TooManyRedirects)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value) is sp.RedirectLoop
    assert str(again) == str(caught.value)
    assert sp.trace(again) == sp.trace(caught.value)


def test_a_failure_of_the_library_stays_its_own_and_knows_its_hop(library):
    def answer(request):
        if request.url.path == "/b":
            raise library.ReadError("gone")
        return library.Response(302, headers={"Location": "/b"})

    client = sp.wrap(library.Client(transport=library.MockTransport(answer)), table=sp.STRICT)
    table = sp.STANDARD | {"ReadError": sp.surface}
    with pytest.raises(library.ReadError) as caught:
        client.get("http://h/a", extensions={"statuspolicy": table})
    assert caught.value.request.url.path == "/b"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (library.ReadError, "gone")


def test_an_error_of_ours_is_about_the_request_that_it_was_first_told_of(library):
    error = sp.TotalTimeout("late")
    with pytest.raises(RuntimeError, match="has not been set"):
        error.request  # noqa: B018
    first, second = (library.Request("GET", f"http://h/{n}") for n in range(2))
    about(error, first)
    about(error, second)
    assert error.request is first


def test_a_response_is_pickled_and_comes_back_as_its_library_s(library, status_server):
    cache = sp.Cache()
    status_server.script("/stored", STORED)
    with sp.wrap(library.Client(), cache=cache) as client:
        for url in ("/302?location=/200", "/stored", "/stored", "/302?location=/stored"):
            response = client.get(status_server.url + url)
            again = pickle.loads(pickle.dumps(response))
            assert type(again) is type(response)
            assert isinstance(again, library.Response)
            assert again.content == response.content
    assert isinstance(again, PolicyResponse)  # made of a stored one


def test_an_exchange_of_one_library_may_be_in_the_midst_of_the_other_s(status_server):
    """A token is fetched by an httpx2 client, in a duty of an httpx client."""
    inside = sp.wrap(httpx2.Client(), clock=FakeClock())

    def token(challenge: sp.Challenge) -> str:
        return f"Bearer {inside.get(status_server.url + '/302?location=/200').status_code}"

    table = sp.STANDARD | {401: sp.authenticate(token)}
    with inside, sp.wrap(httpx.Client(), table=table) as client:
        status_server.script("/secret", Answer(401, {"WWW-Authenticate": "Bearer"}), 200)
        response = client.get(status_server.url + "/secret")
    assert (response.status_code, type(response).__mro__[2]) == (200, httpx.Response)
    assert response.request.headers["authorization"] == "Bearer 200"


def test_a_subclass_of_either_comes_back_as_what_it_is(library):
    class Client(library.Client):
        pass

    class AsyncClient(library.AsyncClient):
        pass

    for kind in (Client, AsyncClient):
        client = kind()
        assert sp.wrap(client) is client
        assert isinstance(client, kind)
        assert sp.unwrap(client) is client
        assert type(client) is kind


def test_a_transport_without_an_inner_one_takes_that_of_its_first_request(status_server):
    for library in (httpx, httpx2):
        transport = sp.PolicyTransport(clock=FakeClock())
        transport.close()  # there is none yet
        with library.Client(transport=transport) as client:
            response = client.get(status_server.url + "/302?location=/200")
        assert isinstance(transport, library.BaseTransport)
        assert (response.status_code, type(response).__mro__[2]) == (200, library.Response)


def test_one_transport_without_an_inner_one_serves_clients_of_both(status_server):
    transport = sp.PolicyTransport(clock=FakeClock())
    for library in (httpx, httpx2, httpx):
        response = library.Client(transport=transport).get(status_server.url + "/302?location=/200")
        assert (response.status_code, type(response).__mro__[2]) == (200, library.Response)
    pools = [made._pool for made in transport._inner._made.values()]
    assert [len(pool.connections) for pool in pools] == [1, 1]
    transport.close()
    assert [len(pool.connections) for pool in pools] == [0, 0]


def test_an_async_transport_without_an_inner_one_does_the_same(status_server):
    async def run() -> None:
        for library in (httpx, httpx2):
            transport = sp.AsyncPolicyTransport(clock=FakeClock())
            await transport.aclose()  # there is none yet
            async with library.AsyncClient(transport=transport) as client:
                response = await client.get(status_server.url + "/302?location=/503")
            assert isinstance(transport, library.AsyncBaseTransport)
            assert (response.status_code, type(response).__mro__[2]) == (503, library.Response)

    anyio.run(run)


def test_what_two_threads_see_first_is_learnt_once():
    before = len(ANY.Response)
    _learn("httpx")  # as by a thread that came second
    look_around()
    assert len(ANY.Response) == before == 2


# ── when each is imported ─────────────────────────────────────────────────────────────

CAUGHT = """
import statuspolicy as sp
sp.RedirectLoop, sp.PolicyTransport
import {library} as library

try:
    raise sp.RedirectLoop("x")
except library.TooManyRedirects:
    print("caught", isinstance(sp.PolicyTransport(), library.BaseTransport))
"""


@each("library", sorted(LIBRARIES))
def test_an_error_is_caught_as_that_of_a_library_that_no_object_was_seen_of(library):
    assert run(CAUGHT.format(library=library)) == "caught True"


@each("library", sorted(LIBRARIES))
def test_an_error_that_was_pickled_is_caught_where_its_request_brings_the_library(library):
    error = sp.RedirectLoop("x", request=LIBRARIES[library].Request("GET", "http://h/"))
    program = f"""
import pickle, sys
error = pickle.loads({pickle.dumps(error)!r})
import {library} as library
try:
    raise error
except library.TooManyRedirects as caught:
    print(caught.request.url)
"""
    assert run(program) == "http://h/"


MIXED = """
import statuspolicy as sp

class Before(sp.PolicyTransport):
    __slots__ = ("more",)

class Both(sp.CoolingDown, OSError):
    pass

import httpx2
try:
    class Wrong(httpx2.BaseTransport, sp.PolicyTransport):
        pass
except TypeError as error:
    print(" ".join(str(error).split()))

class Between(sp.RedirectLoop, httpx2.TooManyRedirects):
    pass

import httpx
class Here(sp.RedirectLoop, httpx.TooManyRedirects, httpx2.TooManyRedirects):
    pass

for library in (httpx, httpx2):
    sp.wrap(library.Client())
    assert issubclass(Before, library.BaseTransport)
    assert issubclass(Both, library.TransportError)
    assert issubclass(Between, library.TooManyRedirects)
"""


def test_an_application_s_subclasses_become_the_library_s_or_are_refused_where_they_stand():
    said = "Cannot create a consistent method resolution order (MRO) for bases BaseTransport, "
    assert run(MIXED) == said + "PolicyTransport"


def test_a_library_that_can_not_be_known_leaves_all_as_it_was():
    program = """
import statuspolicy as sp
from statuspolicy.wire.library import ANY, BASE, known, named
sp.PolicyTransport
import httpx2

before = {kind: kind.__bases__ for kind in vars(BASE).values()}
try:
    class Wrong(httpx2.BaseTransport, sp.PolicyTransport):
        pass
except TypeError as error:
    kept = error  # and with it the class
for _ in range(2):
    try:
        named("httpx2")
    except TypeError:
        print(known(), ANY.Client, {kind: kind.__bases__ for kind in before} == before)
kept = None
print(named("httpx2"), len(ANY.Client))
"""
    assert run(program).splitlines() == ["[] () True"] * 2 + ["httpx2 1"]


@each(("one", "other"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_one_library_may_stand_under_the_other_s_name(one, other, status_server):
    program = f"""
import sys, {other}
sys.modules["{one}"] = {other}
import statuspolicy as sp
import {one} as library
with sp.wrap(library.Client()) as client:
    print(client.get("{status_server.url}/302?location=/200").status_code)
from statuspolicy.wire.library import ANY, known
print(known(), len(ANY.Client))
"""
    assert run(program).splitlines() == ["200", f"[{other}] 1"]


def test_what_stands_there_for_a_library_that_is_not_installed_is_none():
    program = """
import sys, types
sys.modules["httpx2"] = types.ModuleType("httpx2")
import httpx, statuspolicy as sp
sp.wrap(httpx.Client())
from statuspolicy.wire.library import known
print(known())
"""
    assert run(program) == "[httpx]"


# ── tables ────────────────────────────────────────────────────────────────────────────


def test_a_failure_s_class_of_either_library_and_its_name_are_one_key():
    tables = [
        sp.STANDARD | {key: sp.surface}
        for key in (httpx.ConnectError, httpx2.ConnectError, "ConnectError")
    ]
    for table in tables:
        assert table == tables[0] != sp.STANDARD
        assert len(table) == len(sp.STANDARD)
        for error in (httpx.ConnectError("x"), httpx2.ConnectError("x")):
            assert table.match(error).duty is sp.surface
            assert table[type(error)] is sp.surface


@each("name", sorted(LIBRARIES))
def test_the_failures_that_a_table_knows_are_the_library_s(name):
    library = LIBRARIES[name]
    kinds = [kind for kind in vars(library).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, library.TransportError)]
    above = {kind.__name__: kind.__base__.__name__ for kind in kinds}
    # Of server-sent events httpx knows nothing.
    assert above | {"TransportError": "", "SSEError": "TransportError"} == ABOVE


def test_a_policy_s_own_failure_is_a_key_beneath_its_library_s():
    table = sp.STANDARD | {"TransportError": sp.retry(), sp.CoolingDown: sp.surface}
    assert table.match(sp.CoolingDown("rest")).duty is sp.surface
    assert (table | {httpx.TransportError: sp.retry()})[sp.CoolingDown] is not sp.surface
    with pytest.raises(ValueError, match="not a key of a policy table"):
        sp.STANDARD | {sp.RedirectLoop: sp.surface}


# ── mixed up ──────────────────────────────────────────────────────────────────────────


@each(
    ("verdict", "said"),
    [
        (sp.Use(httpx2.Response(200)), "give a Response of httpx, as its request is"),
        (
            sp.Again(httpx2.Request("GET", "http://h/")),
            "give a Request of httpx, as its request is",
        ),
        (sp.Follow(httpx2.URL("http://h/")), "give a str or a URL of httpx, as its request is"),
    ],
)
def test_a_duty_that_answers_with_the_other_library_s_is_told_so(verdict, said):
    with pytest.raises(TypeError, match=rf"^The duty of row 404, .* returned .*: {said}\.$"):
        replay(
            httpx.Request("GET", "http://h/"), [404], table=sp.STANDARD | {404: lambda _: verdict}
        )


def test_a_duty_that_sends_over_a_transport_of_the_other_library_is_told_so():
    over = httpx2.MockTransport(lambda _: httpx2.Response(200))
    table = sp.STANDARD | {404: lambda exchange: sp.Again(exchange.request, over=over)}
    client = sp.wrap(httpx.Client(transport=httpx.MockTransport(not_found)), table=table)
    said = r"Again\(over=<MockTransport>\), which is of httpx2: give a transport of httpx, as its "
    with pytest.raises(TypeError, match=said):
        client.get("http://h/")


def not_found(_: httpx.Request) -> httpx.Response:
    return httpx.Response(404)


def test_a_client_with_a_transport_of_the_other_library_is_told_so(library):
    other = httpx2 if library is httpx else httpx
    said = "This client of {} has a transport of {}, <{}>: give it one of {}."
    for kind, transport in (
        ("Client", "HTTPTransport"),
        ("AsyncClient", "AsyncHTTPTransport"),
    ):
        theirs = getattr(other, transport)()
        for given in ({"transport": theirs}, {"mounts": {"http://h": theirs, "http://i": None}}):
            client = getattr(library, kind)(**given)
            names = library.__name__, other.__name__, transport, library.__name__
            with pytest.raises(TypeError, match=f"^{re.escape(said.format(*names))}$"):
                sp.wrap(client)


def test_a_transport_that_is_of_both_libraries_or_of_none_is_taken():
    class OfBoth(httpx2.BaseTransport, httpx.BaseTransport):
        def handle_request(self, request):
            return httpx.Response(200)

    class OfNone:
        handle_request = OfBoth.handle_request

    for kind in (OfBoth, OfNone):
        assert sp.wrap(httpx.Client(transport=kind())).get("http://h/").status_code == 200


def test_a_stranger_is_refused_in_a_sentence(library):
    class Client:
        """As far as this package knows, a stranger."""

    with pytest.raises(TypeError, match=r"not a client: give a Client .* of httpx or httpx2\.$"):
        sp.wrap(Client())
    with pytest.raises(TypeError, match=r"Client is of neither httpx nor httpx2\.$"):
        LIBRARY_OF[Client]


# ── only one of both ──────────────────────────────────────────────────────────────────

ALONE = """
import sys
sys.modules["{missing}"] = None  # as if it were not installed
import statuspolicy as sp
import {library} as library
from statuspolicy.testing import FakeClock

with sp.wrap(library.Client(), clock=FakeClock(), cache=sp.Cache()) as client:
    response = client.get("{url}/302?location=/503?retry-after=3")
    assert response.status_code == 503 and sp.trace(response).requests == 5
    try:
        client.get("{url}/loop")
    except library.TooManyRedirects as error:
        assert isinstance(error, sp.RedirectLoop)
        print(sp.trace(error).requests)
"""


@each(("library", "missing"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_it_works_where_only_one_of_both_libraries_is_installed(library, missing, status_server):
    status_server.script("/loop", LOOP)
    program = ALONE.format(library=library, missing=missing, url=status_server.url)
    assert run(program) == "1"


def test_a_client_of_httpx2_has_no_httpx_imported(status_server):
    program = f"""
import sys, httpx2, statuspolicy as sp
with sp.wrap(httpx2.Client(), cache=sp.Cache()) as client:
    client.get("{status_server.url}/302?location=/503")
print("httpx" in sys.modules)
"""
    assert run(program) == "False"


def test_without_an_object_at_hand_the_one_that_is_known_or_installed_is_taken(monkeypatch):
    both = dict(of_libraries._known)
    known = {"httpx2": both["httpx2"]}
    monkeypatch.setattr(of_libraries, "_known", known)
    assert either() is both["httpx2"]
    known.clear()

    def installed(name: str) -> str:
        if name == "httpx":
            raise ImportError(name)
        return name

    monkeypatch.setattr(of_libraries, "named", installed)
    assert either() == "httpx2"
    monkeypatch.setattr(of_libraries, "named", str)
    assert either() == "httpx"


def test_a_library_that_does_not_fit_changes_no_base(monkeypatch):
    before = {kind: kind.__bases__ for kind in vars(of_libraries.BASE).values()}
    misfit = SimpleNamespace(name="httpx2", **dict.fromkeys(of_libraries._CLASSES, int))
    with pytest.raises(TypeError):
        of_libraries._grow(misfit)
    assert {kind: kind.__bases__ for kind in before} == before


def test_a_library_that_could_not_be_known_is_tried_once_more_without_what_is_garbage(monkeypatch):
    both = dict(of_libraries._known)
    known = {"httpx": both["httpx"]}
    monkeypatch.setattr(of_libraries, "_known", known)
    tries = []

    def learn(name: str) -> None:
        tries.append(name)
        if len(tries) == 1:
            raise TypeError("Cannot create a consistent method resolution order")
        known[name] = both[name]

    monkeypatch.setattr(of_libraries, "_learn", learn)
    assert of_libraries.named("httpx2") is both["httpx2"]
    assert tries == ["httpx2"] * 2


def test_a_library_that_stands_in_for_the_other_is_that_one(monkeypatch):
    known = {"httpx": of_libraries._known["httpx"]}
    monkeypatch.setattr(of_libraries, "_known", known)
    monkeypatch.setitem(sys.modules, "httpx2", httpx)
    of_libraries._learn("httpx2")
    assert known["httpx2"] is known["httpx"]


def test_without_httpx_installed_that_is_httpx2():
    program = """
import sys
sys.modules["httpx"] = None
from statuspolicy.wire.library import either
print(either())
"""
    assert run(program) == "httpx2"


def test_without_httpx2_its_door_says_what_to_install():
    program = "import sys; sys.modules['httpx2'] = None; import statuspolicy.httpx2"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ImportError: statuspolicy.httpx2 is for clients of httpx2" in done.stderr
    assert "pip install 'statuspolicy[httpx2]'" in done.stderr
