"""600, unofficial: bytes came that are no status line and no header section."""

import pytest

from statuspolicy import STANDARD, STRICT, Again, Refuse, Settle, UnparsableResponse
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx

TABLES = {"STANDARD": STANDARD, "STRICT": STRICT}
IDEMPOTENT = [(m, {}) for m in ("GET", "HEAD", "PUT", "DELETE")] + [
    ("POST", {"Idempotency-Key": "k"})
]
OTHER = [("POST", {}), ("PATCH", {}), ("X-MADE-UP", {})]
NAME = "RemoteProtocolError"


def garbage():
    return httpx.RemoteProtocolError("illegal status line: bytearray(b'<html>')")


def check_refused(verdict, found):
    assert isinstance(verdict, Refuse)
    assert verdict.why == "the answer is not HTTP"
    error = verdict.error
    assert isinstance(error, UnparsableResponse)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert str(error) == (
        f"http://home.example/a answered {found.request.method} with something that is not HTTP: "
        "illegal status line: bytearray(b'<html>')"
    )
    assert error.request is found.request
    assert error.__cause__ is found.error


@each("can_renew", [True, False])
@each(("method", "sent"), IDEMPOTENT)
def test_600_unparsable_is_repeated_once_at_once_on_another_connection_if_idempotent(
    method, sent, can_renew
):
    found = exchange(garbage(), method=method, sent=sent, can_renew=can_renew)
    verdict = STANDARD[600](found)
    assert verdict == Again(found.request, 0.0, False, True, "at once, on another connection")


@each(("method", "sent"), IDEMPOTENT)
def test_600_the_second_time_it_is_refused(method, sent):
    found = exchange(garbage(), method=method, sent=sent, answers=(NAME,))
    check_refused(STANDARD[600](found), found)


@pytest.mark.parametrize(("method", "sent"), OTHER)
def test_600_what_is_not_idempotent_is_refused_at_the_first(method, sent):
    found = exchange(garbage(), method=method, sent=sent)
    check_refused(STANDARD[600](found), found)


@each("answers", [(), (NAME,)])
@each(("method", "sent"), IDEMPOTENT + OTHER)
def test_600_strict_does_not_repeat_it(method, sent, answers):
    found = exchange(garbage(), method=method, sent=sent, answers=answers)
    check_refused(STRICT[600](found), found)


@pytest.mark.parametrize("table", TABLES)
def test_600_the_error_names_no_userinfo(table):
    found = exchange(garbage(), method="POST", url="http://user:secret@home.example/a#part")
    check_refused(TABLES[table][600](found), found)


@pytest.mark.parametrize(
    ("table", "method"), [("STANDARD", "POST"), ("STRICT", "GET"), ("STRICT", "POST")]
)
def test_500_600_an_answer_that_could_be_read_is_handed_over(table, method):
    """A row for 600 may be given to another code; an answer is then no failure."""
    assert TABLES[table][600](exchange(500, method=method)) == Settle()


@each("table", TABLES)
@each("status", [600, 601, 999])
def test_a_literal_600_on_the_wire_is_handled_as_500(table, status):
    assert TABLES[table].match(httpx.Response(status)).key == 500
