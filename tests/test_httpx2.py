"""httpx and httpx2 in one application. (`-p tests.as_httpx2` runs all the tests for httpx2.)"""

import subprocess
import sys
from functools import partial

import httpx
import httpx2
import pytest

import statuspolicy as sp
import statuspolicy.httpx2 as sp2
from statuspolicy.testing import FakeClock, StatusServer


def test_one_application_holds_clients_of_both(status_server: StatusServer):
    """The other binding is loaded in a process of its own: here httpx may stand for httpx2."""
    program = f"""
import httpx, httpx2
import statuspolicy as sp, statuspolicy.httpx2 as sp2
from statuspolicy.testing import FakeClock

url, memory = "{status_server.url}/302?location=/503?retry-after=3", sp.Memory()
for bound, library in ((sp, httpx), (sp2, httpx2)):
    clock = FakeClock()
    with bound.wrap(library.Client(), clock=clock, memory=memory, limits=sp.Limits()) as client:
        response = client.get(url)
        assert isinstance(response, library.Response)
        assert [past.status_code for past in response.history] == [302]
        assert bound.trace(response).requests == 5
        assert clock.waits == [3.0] * 3
        try:
            client.get("{status_server.url}/302?location=/302")
        except library.TooManyRedirects as error:
            assert isinstance(error, bound.RedirectLoop)
            print(type(error).__mro__[-5].__module__, len(bound.trace(error)))
assert sp.Limits is sp2.Limits and sp.STANDARD is not sp2.STANDARD
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_client_of_the_other_library_is_refused_in_a_sentence():
    class Client:
        """As far as this package knows, a stranger."""

    with pytest.raises(TypeError, match="not a client"):
        sp2.wrap(Client())
    clients = (sp.wrap, sp.unwrap, partial(sp.download, url="", path="none"))
    clients2 = (sp2.wrap, sp2.unwrap, partial(sp2.download, url="", path="none"))
    for refused, right in (
        [(partial(call, httpx2.Client()), "statuspolicy.httpx2") for call in clients]
        + [(partial(call, httpx.Client()), "statuspolicy") for call in clients2]
        + [(partial(sp.PolicyTransport, httpx2.HTTPTransport()), "statuspolicy.httpx2")]
        + [(partial(sp2.AsyncPolicyTransport, httpx.AsyncHTTPTransport()), "statuspolicy")]
    ):
        with pytest.raises(TypeError, match=rf"write `import {right} as sp` instead\.$"):
            refused()


def test_without_httpx2_it_says_what_to_install():
    program = "import sys; sys.modules['httpx2'] = None; import statuspolicy.httpx2"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ImportError: statuspolicy.httpx2 wraps clients of httpx2" in done.stderr
    assert "pip install 'statuspolicy[httpx2]'" in done.stderr


def test_an_httpx2_client_is_wrapped(status_server: StatusServer):
    with sp2.wrap(httpx2.Client(), clock=FakeClock()) as client:
        response = client.get(status_server.url + "/301?location=/200")
    assert (response.status_code, len(response.history)) == (200, 1)
    assert type(response).__mro__[1] is httpx2.Response
