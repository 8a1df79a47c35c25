"""What the tests share: one way to drive a sync client and an async one in both event loops."""

import os
import re
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import certifi
import pytest
import trustme
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings

import statuspolicy
from statuspolicy.testing import FakeClock
from tests.library import NAME, httpx
from tests.raw_server import certified

if "PYTEST_XDIST_WORKER" in os.environ:
    # Coverage began with this process (see the Makefile); those that tests start go without.
    os.environ.pop("COVERAGE_PROCESS_START", None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background so; the tests of Ctrl-C need Python's own way.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Have clients trust one authority: to load those of all the world takes 20 ms a client."""
    folder = TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    authority = Path(folder.name) / "authority.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    os.environ["SSL_CERT_FILE"] = str(authority)
    certifi.where = lambda: str(authority)  # for those with trust_env=False
    os.environ.pop("SSL_CERT_DIR", None)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without the files that import httpx itself, where the tests are about another library."""
    if NAME == "httpx" or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text("utf-8")
    return True if re.search("^import httpx$", text, re.MULTILINE) else None


def pytest_report_header() -> str:
    return f"the clients of the tests are {NAME}'s"


KINDS = ("sync", "asyncio", "trio")


class Session:
    """A wrapped client of either kind, driven by plain calls."""

    def __init__(self, kind: str, stack: ExitStack, client: dict[str, Any], wrap: dict[str, Any]):
        self.clock = FakeClock()
        wrap = {"clock": self.clock, **wrap}
        self.portal = None
        if kind == "sync":
            self.client: Any = stack.enter_context(httpx.Client(**client))
        else:
            loop = ("asyncio", {"use_uvloop": True}) if kind == "uvloop" else (kind,)
            self.portal = stack.enter_context(start_blocking_portal(*loop))
            self.client = httpx.AsyncClient(**client)
            stack.callback(self.run, self.client.aclose)
        statuspolicy.wrap(self.client, **wrap)

    def run(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call it, in the session's event loop where it has one."""
        if self.portal is None:
            return call(*args, **options)
        return self.portal.call(partial(call, *args, **options))

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self.run(self.client.request, method, url, **options)

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of client in turn."""
    return request.param


@pytest.fixture
def open_session(kind: str) -> Iterator[Callable[..., Session]]:
    """Open a session: `open_session(client={...}, table=..., limits=...)`."""
    with ExitStack() as stack:

        def opened(client: dict[str, Any] | None = None, **wrap: Any) -> Session:
            return Session(kind, stack, client or {}, wrap)

        yield opened


@pytest.fixture
def session(open_session: Callable[..., Session]) -> Session:
    """A session with the defaults."""
    return open_session()


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and a client's that trusts it."""
    return certified("127.0.0.1")


settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=2000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("same", settings.get_profile("quick"), derandomize=True)
settings.register_profile(
    "night", settings.get_profile("ci"), max_examples=100_000, derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
