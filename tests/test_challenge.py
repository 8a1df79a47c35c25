"""fields/challenges.py: text from a server -> challenges, and never an exception."""

import time

from hypothesis import given
from hypothesis import strategies as st

from statuspolicy import Challenge, challenges
from tests.each import each

FIELDS = {
    "": [],
    "Basic": [("basic", {}, "")],
    'Basic realm="a b"': [("basic", {"realm": "a b"}, "")],
    "BASIC Realm=a": [("basic", {"realm": "a"}, "")],
    'Basic realm = "x" , charset="UTF-8"': [("basic", {"realm": "x", "charset": "UTF-8"}, "")],
    'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"': [
        ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}, ""),
        ("basic", {"realm": "simple"}, ""),
    ],
    "Negotiate, NTLM, Basic realm=x": [
        ("negotiate", {}, ""),
        ("ntlm", {}, ""),
        ("basic", {"realm": "x"}, ""),
    ],
    "Negotiate YIIJvwYGKwYBBQUCoIIJsz==, Basic realm=x": [
        ("negotiate", {}, "YIIJvwYGKwYBBQUCoIIJsz=="),
        ("basic", {"realm": "x"}, ""),
    ],
    "Bearer": [("bearer", {}, "")],
    'Bearer realm="a,b=c", error="invalid_token"': [
        ("bearer", {"realm": "a,b=c", "error": "invalid_token"}, "")
    ],
    ", ,Basic realm=x,,": [("basic", {"realm": "x"}, "")],
    "Basic, realm=x": [("basic", {"realm": "x"}, "")],
    "Basic realm=x, realm=y": [("basic", {"realm": "x"}, "")],
    'Digest qop="auth, auth-int" nonce="n"': [
        ("digest", {"qop": "auth, auth-int", "nonce": "n"}, "")
    ],
    "realm=x": [],
    'Basic realm="never closed, Digest nonce=1': [
        ("basic", {"realm": "never closed, Digest nonce=1"}, "")
    ],
    'Basic realm="': [("basic", {"realm": ""}, "")],
    'Basic realm="x\\': [("basic", {"realm": "x"}, "")],
    "Basic realm=": [("basic", {}, "realm=")],
    "Basic realm=,a=b": [("basic", {"a": "b"}, "realm=")],
    "@@@, Basic realm=x": [("basic", {"realm": "x"}, "")],
    'Basic "x", Bearer': [("basic", {}, ""), ("bearer", {}, "")],
}


@each("field", FIELDS)
def test_a_field_is_read_into_its_challenges(field):
    found = [(c.scheme, dict(c.parameters), c.token68) for c in challenges(field)]
    assert found == FIELDS[field]


def test_a_challenge_knows_its_realm_and_whether_only_its_nonce_was_too_old():
    first, second = challenges('Digest realm="r", stale=TRUE, nonce="n", Bearer')
    assert (first.realm, first.stale) == ("r", True)
    assert (second.realm, second.stale) == ("", False)
    assert Challenge("basic").parameters == {}


@given(st.dictionaries(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), st.text(), max_size=5))
def test_what_is_written_is_read_as_it_was(parameters):
    one = Challenge("digest", parameters)
    (read,) = challenges(f"{one}, ")
    assert (read.scheme, dict(read.parameters)) == ("digest", parameters)
    assert str(Challenge("negotiate", token68="abc=")) == "negotiate abc="


@given(st.text(alphabet='ab="\\, \t=@é'))
def test_whatever_a_server_writes_is_no_exception(field):
    for challenge in challenges(field):
        assert challenge.scheme


@each("piece", ['a="\\",', 'a="', "a =", "a ", '"', "a    ", "=,", "a b=\t"])
def test_a_field_as_long_as_a_header_section_is_read_in_a_moment(piece):
    field = "Basic " + piece * (100_000 // len(piece))
    began = time.process_time()
    challenges(field)
    assert time.process_time() - began < 5
