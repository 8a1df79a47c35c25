"""docs/rules.md#notices: what an answer says besides is in the trace; nothing is done about it."""

import json
import logging

import pytest

from statuspolicy.fields.notices import farewell, notes
from statuspolicy.fields.section import Fields
from statuspolicy.testing import Answer, replay
from tests.each import each
from tests.library import httpx, sp

PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}
URL = "http://home.example/v1/a?n=1"
BYE = {
    "Deprecation": "@1688169599",
    "Sunset": "Sun, 30 Jun 2024 23:59:59 GMT",
    "Link": '</next>; rel=next, </v2>; rel="successor-version"',
}
WORDS = "deprecated since 2023-06-30, will be removed on 2024-06-30, its successor is /v2"


def said(headers, content=b"", status=403):
    raw = httpx.Headers(headers).raw
    return notes(status, Fields(raw), content, 1_000_000_000.0)


@each(
    ("content", "words"),
    [
        ({"title": "No credit", "detail": "You have 30."}, "No credit: You have 30."),
        ({"title": "No credit"}, "No credit"),
        ({"detail": "You have 30."}, "You have 30."),
        ({"title": 5, "detail": None}, ""),
        (["title"], ""),
        ({"title": "x" * 1000, "detail": "y" * 1000}, f"{'x' * 200}: {'y' * 200}"),
    ],
)
def test_a_problem_is_told_by_its_title_and_detail_within_bounds(content, words):
    assert said(PROBLEM, json.dumps(content).encode()) == words


def test_content_type_what_is_no_problem_is_not_told():
    body = b'{"title": "t"}'
    assert said({"Content-Type": "application/json"}, body) == ""
    assert said({}, body) == ""
    assert said(PROBLEM, b"") == said(PROBLEM, None) == said(PROBLEM, b"{") == ""
    assert said(PROBLEM, body, status=200) == ""


@each(
    ("headers", "words"),
    [
        (BYE, WORDS),
        ({"Deprecation": "true"}, "deprecated"),
        ({"Deprecation": "Fri, 30 Jun 2023 23:59:59 GMT"}, "deprecated since 2023-06-30"),
        ({"Deprecation": "@" + "9" * 400}, "deprecated since an unknown day"),
        ({"Sunset": "soon"}, ""),
        ({"Sunset": BYE["Sunset"]}, "will be removed on 2024-06-30"),
        ({"Link": BYE["Link"]}, ""),
    ],
)
def test_deprecation_sunset_a_farewell_is_told(headers, words):
    assert farewell(Fields(httpx.Headers(headers).raw), 1_000_000_000.0) == words


def test_an_untouched_response_s_trace_tells_what_it_says(open_session, status_server):
    """Nothing is looked at before: it is read off the response that the caller has."""
    body = json.dumps({"title": "No credit"}).encode()
    url = status_server.script("/a", Answer(403, PROBLEM | BYE, body))
    session = open_session()
    response = session.get(url)
    assert type(response) is httpx.Response
    assert sp.trace(response).reason == f"No credit; {WORDS}"
    assert sp.trace(response).reason == f"No credit; {WORDS}"
    with pytest.raises(httpx.HTTPStatusError) as raised:
        response.raise_for_status()
    assert "No credit" in str(sp.trace(raised.value))


def test_a_body_that_was_not_read_is_left_alone():
    response = httpx.Response(403, headers=PROBLEM, content=iter([b'{"title": "t"}']))
    assert sp.trace(response).reason == ""
    response.read()
    assert sp.trace(response).reason == "t"


def test_503_a_response_that_was_surfaced_after_repeats_tells_it_too():
    content = json.dumps({"title": "Overloaded"}).encode()
    full = httpx.Response(503, headers=PROBLEM | {"Retry-After": "999"}, content=content)
    story = replay(httpx.Request("GET", URL), [(503, {"Retry-After": "1"}), full])
    assert story.trace.reason.endswith("Limits.retry_after=120; Overloaded")
    assert story.trace[-1] in story.response.extensions["statuspolicy"]


def test_503_it_is_logged_once_a_url(caplog):
    memory = sp.Memory(entries=2)
    with caplog.at_level(logging.WARNING, logger="statuspolicy"):
        for n in range(3):
            request = httpx.Request("GET", f"http://home.example/v1/a?n={n}")
            replay(request, [(503, {"Retry-After": "1"}), (200, BYE)], memory=memory)
    assert [r.getMessage() for r in caplog.records] == [f"http://home.example/v1/a: {WORDS}"]
    for path in "bcd":
        request = httpx.Request("GET", f"http://home.example/{path}")
        replay(request, [(503, {"Retry-After": "1"}), (200, BYE)], memory=memory)
    assert len(memory._noticed) == 2


def test_nothing_of_it_is_acted_on():
    story = replay(httpx.Request("GET", URL), [(200, BYE)])
    assert len(story.sent) == 1
    assert story.trace.reason == WORDS


def test_a_callback_that_asks_for_the_trace_of_what_is_put_aside_gets_one():
    seen = []
    table = sp.STANDARD | {409: sp.resolve(lambda e: seen.append(sp.trace(e.response)))}
    replay(httpx.Request("GET", URL), [409], table=table)
    assert seen == [sp.Trace()]
