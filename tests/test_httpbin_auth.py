"""401 against a server that isn't ours: httpbin's Basic, Digest and Bearer."""

import logging
import os
import threading
from collections.abc import Iterator

import pytest

from tests.library import httpx, sp

try:
    from werkzeug.serving import make_server

    logging.disable(logging.WARNING)  # it says at import that it has no Swagger
    import httpbin
except ImportError as missing:
    if os.environ.get("STATUSPOLICY_CI"):
        raise
    pytest.skip(f"httpbin is not installed: {missing}", allow_module_level=True)
finally:
    logging.disable(logging.NOTSET)

ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(10, pool=1)}


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """httpbin in a thread, on a port of its own."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with make_server("127.0.0.1", 0, httpbin.app, threaded=True) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


def table(credentials):
    return sp.STANDARD | {401: sp.authenticate(credentials)}


def codes(response):
    return [step.code for step in sp.trace(response)]


def test_401_basic_is_answered(origin, open_session):
    session = open_session(dict(ONE), table=table(httpx.BasicAuth("user", "secret")))
    response = session.get(origin + "/basic-auth/user/secret")
    assert response.json()["authenticated"] is True
    assert codes(response) == [401, 200]
    assert [r.status_code for r in response.history] == [401]


def test_401_a_wrong_password_is_handed_over_after_one_try(origin, open_session):
    session = open_session(dict(ONE), table=table(httpx.BasicAuth("user", "wrong")))
    response = session.get(origin + "/basic-auth/user/secret")
    assert (response.status_code, codes(response)) == (401, [401, 401])
    session = open_session(dict(ONE), table=table(httpx.DigestAuth("user", "wrong")))
    response = session.get(origin + "/digest-auth/auth/user/secret")
    assert (response.status_code, codes(response)) == (401, [401, 401])


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512"])
def test_401_digest_is_answered(algorithm, origin, open_session):
    session = open_session(dict(ONE), table=table(httpx.DigestAuth("user", "secret")))
    url = f"{origin}/digest-auth/auth/user/secret/{algorithm}"
    for _ in range(2):
        response = session.get(url)
        assert response.json()["authenticated"] is True
        assert codes(response) == [401, 200]


def test_401_digest_whose_nonce_is_stale_each_time_earns_one_more_and_no_third(
    origin, open_session
):
    session = open_session(dict(ONE), table=table(httpx.DigestAuth("user", "secret")))
    response = session.get(f"{origin}/digest-auth/auth/user/secret/MD5/0")
    assert (response.status_code, codes(response)) == (401, [401, 401, 401])


def test_bearer_by_a_callable(origin, open_session):
    given = []

    def token(challenge):
        given.append(challenge.scheme)
        return "Bearer abc"

    session = open_session(dict(ONE), table=table(token))
    response = session.get(origin + "/bearer")
    assert response.json() == {"authenticated": True, "token": "abc"}
    session.get(origin + "/bearer")
    assert given == ["bearer"]


def test_a_body_goes_with_the_credentials(origin, open_session):
    """Through a redirect that keeps the method, to what wants a token."""
    session = open_session(dict(ONE), table=table(httpx.BasicAuth("user", "secret")))
    url = f"{origin}/redirect-to?url=/anything&status_code=307"
    response = session.request("POST", url, content=b"body")
    assert response.json()["data"] == "body"
