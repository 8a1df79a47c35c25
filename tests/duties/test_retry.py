"""Wait, and send it again: the retry family and the rows that it fills."""

import pytest
import tenacity

from statuspolicy import STANDARD, STRICT, Again, Cool, Settle, Step, retry, surface
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx

TABLES = {"STANDARD": STANDARD, "STRICT": STRICT}
KEY = {"Idempotency-Key": "k"}
TOLD = {"Retry-After": "7"}
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "QUERY", "PUT", "DELETE", "MKCOL", "UNLOCK")
# What is idempotent and what is not, as method and request header fields.
YES = [(method, {}) for method in IDEMPOTENT] + [("POST", KEY), ("PATCH", KEY)]
NO = [("POST", {}), ("PATCH", {}), ("LOCK", {}), ("X-MADE-UP", {})]
FAILURES = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.RemoteProtocolError,
)
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)
NEVER = (
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.CloseError,
)


def answer(code, headers=None, *, table="STANDARD", **more):
    """What the row of a table says to an answer or a failure, found as the transport finds it."""
    found = exchange(code, headers, **more)
    return TABLES[table].match(found.error or found.response).duty(found)


def repeats(verdict):
    return isinstance(verdict, Again)


# ── the rows: told ─────────────────────────────────────────────────────────────────────


@each(("method", "sent"), YES + NO)
@each("code", [413, 421, 425, 429, 503, 509])
def test_413_421_425_429_503_509_what_was_refused_until_a_time_is_repeated_then_whatever_the_method(
    code, method, sent
):
    found = exchange(code, TOLD, method=method, sent=sent)
    verdict = STANDARD[code](found)
    assert verdict.request is found.request
    assert (verdict.after, verdict.unacted, verdict.why) == (7.0, True, "the server asks to wait")


@each(("method", "sent"), YES)
@each("code", [408, 502, 504])
def test_408_502_504_a_told_wait_is_kept_to_by_the_other_rows_too(code, method, sent):
    verdict = answer(code, TOLD, method=method, sent=sent)
    assert (verdict.after, verdict.unacted) == (7.0, False)


@each(("method", "sent"), NO)
@each("code", [408, 502, 504])
def test_408_502_504_being_told_does_not_make_a_gateway_error_unacted(code, method, sent):
    verdict = answer(code, TOLD, method=method, sent=sent)
    assert verdict == Settle(f"{method} is not idempotent and may have been acted on")


@each(
    ("value", "after"),
    [
        ("0", 0.0),
        ("007", 7.0),
        ("9" * 400, float("inf")),
        ("Sun, 09 Sep 2001 01:46:50 GMT", 10.0),
        ("Sunday, 09-Sep-01 01:46:50 GMT", 10.0),
        ("Sun Sep  9 01:46:50 2001", 10.0),
        ("Sun, 09 Sep 2001 01:46:30 GMT", 0.0),
    ],
)
@each("table", TABLES)
def test_every_form_of_retry_after_is_a_wait_that_is_never_shortened(table, value, after):
    assert answer(503, {"Retry-After": value}, table=table, method="POST").after == after


@each(
    "headers",
    [
        {},
        {"Retry-After": "-1"},
        {"Retry-After": "1.5"},
        {"Retry-After": "+1"},
        {"Retry-After": "soon"},
        {"Retry-After": "\u0661"},
        [("Retry-After", "1"), ("Retry-After", "2")],
    ],
)
@each("code", [413, 429, 503, 509])
def test_413_429_503_509_what_names_no_time_leaves_post_unrepeated(code, headers):
    if not isinstance(headers, list):
        headers = [(name, value.encode()) for name, value in headers.items()]
    assert not repeats(answer(code, headers, method="POST"))


def test_503_retry_after_a_wait_of_zero_is_said_to_be_at_once():
    assert answer(503, {"Retry-After": "0"}).why == "at once"


# ── the rows: told nothing ─────────────────────────────────────────────────────────────


@each(("method", "sent"), YES)
@each("code", [429, 502, 503, 504])
def test_429_502_503_504_without_a_time_idempotent_requests_back_off(code, method, sent):
    verdict = answer(code, method=method, sent=sent)
    assert verdict.why == "with backoff"
    assert 0 <= verdict.after <= 0.5
    assert verdict.unacted is False


@each(("method", "sent"), NO)
@each("code", [408, 429, 502, 503, 504])
def test_408_429_502_503_504_without_a_time_nothing_else_is_repeated(code, method, sent):
    verdict = answer(code, method=method, sent=sent)
    assert verdict == Settle(f"{method} is not idempotent and may have been acted on")


@each(("method", "sent"), YES + NO)
@each("code", [413, 509])
def test_413_and_509_without_a_time_are_handed_over(code, method, sent):
    verdict = answer(code, method=method, sent=sent)
    assert verdict == Settle("the server names no time to wait")


@each(("method", "sent"), YES + NO)
def test_425_is_repeated_once_with_the_first_backoff_whatever_the_method(method, sent):
    verdict = answer(425, method=method, sent=sent)
    assert (verdict.unacted, verdict.fresh) == (True, False)
    assert 0 <= verdict.after <= 0.5
    again = answer(425, method=method, sent=sent, answers=(425,))
    assert again == Settle("the request was already repeated for 425")


@each(("method", "sent"), YES + NO)
def test_421_is_repeated_once_at_once_on_another_connection_whatever_the_method(method, sent):
    verdict = answer(421, method=method, sent=sent)
    assert (verdict.after, verdict.unacted, verdict.fresh) == (0.0, True, True)
    again = answer(421, method=method, sent=sent, answers=(421,))
    assert again == Settle("the request was already repeated for 421")


@pytest.mark.parametrize("headers", [{}, TOLD])
def test_421_is_handed_over_where_no_other_connection_can_be_had(headers):
    verdict = answer(421, headers, can_renew=False)
    assert isinstance(verdict, Settle)
    assert "fresh=" in verdict.why


@each("can_renew", [True, False])
@each(("method", "sent"), YES)
def test_408_is_repeated_once_at_once_on_another_connection_if_idempotent(method, sent, can_renew):
    """Over HTTP/2 without `fresh=` it is repeated as it is: docs/rules.md#another-connection."""
    verdict = answer(408, method=method, sent=sent, can_renew=can_renew)
    assert (verdict.after, verdict.fresh) == (0.0, True)
    again = answer(408, method=method, sent=sent, answers=(408,))
    assert again == Settle("the request was already repeated for 408")


def test_408_421_425_an_earlier_answer_of_another_code_does_not_use_up_the_one_repeat():
    assert repeats(answer(408, answers=(503, 425)))
    assert repeats(answer(425, answers=(408,)))
    assert repeats(answer(421, answers=(408, 425)))


# ── RateLimit fields ───────────────────────────────────────────────────────────────────

USED_UP = [
    ({"RateLimit": '"a";r=0;t=9'}, 9.0),
    ({"RateLimit": '"a";r=5;t=2, "b";r=0;t=9'}, 9.0),
    ({"RateLimit-Remaining": "0", "RateLimit-Reset": "9"}, 9.0),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, 9.0),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000000009"}, 9.0),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000000000"}, 0.0),
]


@each(("headers", "after"), USED_UP)
@each("code", [429, 503])
def test_a_rate_limit_that_is_used_up_is_a_wait_on_429_and_503(code, headers, after):
    verdict = answer(code, headers, method="POST")
    assert (verdict.after, verdict.unacted) == (after, True)


@each(("headers", "after"), USED_UP)
@each("code", [413, 509])
def test_413_509_ratelimit_a_rate_limit_is_no_wait_on_other_rows_that_want_a_time(
    code, headers, after
):
    assert not repeats(answer(code, headers))


@each(("headers", "after"), USED_UP)
@each("code", [408, 502, 504])
def test_408_502_504_ratelimit_a_rate_limit_is_no_wait_on_rows_that_back_off(code, headers, after):
    assert answer(code, headers).after <= 0.5


@pytest.mark.parametrize(("told", "least", "most"), [("3", 3.0, 3.0), ("soon", 0.0, 0.5)])
def test_a_retry_after_of_any_kind_keeps_the_rate_limit_from_being_read(told, least, most):
    verdict = answer(429, {"Retry-After": told, "RateLimit": '"a";r=0;t=9'})
    assert least <= verdict.after <= most


@each(
    "headers",
    [
        {"RateLimit": '"a";r=1;t=9'},
        {"RateLimit": '"a";t=9'},
        {"RateLimit": '"a";r=0'},
        {"RateLimit-Reset": "9"},
        {"RateLimit-Remaining": "1", "RateLimit-Reset": "9"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "soon"},
        {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1000000009"},
    ],
)
def test_429_ratelimit_a_rate_limit_with_something_left_is_no_wait(headers):
    assert not repeats(answer(429, headers, method="POST"))


# ── failures ───────────────────────────────────────────────────────────────────────────


@each(("method", "sent"), YES + NO)
@each("failure", UNSENT)
def test_where_nothing_was_sent_any_method_backs_off(failure, method, sent):
    verdict = answer(failure("no"), method=method, sent=sent)
    assert verdict.unacted is True
    assert 0 <= verdict.after <= 0.5


@each(("method", "sent"), YES + NO)
@each("failure", [kind for kind in FAILURES if kind not in UNSENT])
def test_a_connection_that_broke_is_repeated_if_idempotent(failure, method, sent):
    verdict = answer(failure("no"), method=method, sent=sent)
    assert repeats(verdict) is ((method, sent) in YES)


@each("table", TABLES)
@each("failure", NEVER)
def test_a_failure_that_would_come_again_is_never_repeated(table, failure):
    assert answer(failure("no"), table=table) == Settle()


def test_a_failure_counts_by_its_name():
    once = retry(times=1, wait=0.0)
    assert repeats(once(exchange(httpx.ReadError("no"))))
    again = once(exchange(httpx.ReadError("no"), answers=("ReadError",)))
    assert again == Settle("the request was already repeated for ReadError")


# ── STRICT ─────────────────────────────────────────────────────────────────────────────


@each("headers", [{}, TOLD])
@each("code", [425, 429, 502, 504, 509])
def test_425_429_502_504_509_strict_hands_over_what_the_document_does_not_repeat(code, headers):
    assert STRICT[code] is surface
    assert answer(code, headers, table="STRICT") == Settle()


@each("failure", FAILURES)
def test_strict_repeats_no_failure(failure):
    assert STRICT[failure] is surface
    assert answer(failure("no"), table="STRICT") == Settle()


@each(("method", "sent"), YES + NO)
def test_strict_repeats_503_of_any_method_at_the_named_time_alone(method, sent):
    told = answer(503, TOLD, table="STRICT", method=method, sent=sent)
    assert (told.after, told.unacted) == (7.0, True)
    untold = answer(503, table="STRICT", method=method, sent=sent)
    assert untold == Settle("the server names no time to wait")


@each(("method", "sent"), YES + NO)
def test_strict_repeats_408_of_any_method_once(method, sent):
    verdict = answer(408, table="STRICT", method=method, sent=sent)
    assert (verdict.after, verdict.unacted, verdict.fresh) == (0.0, True, True)
    assert not repeats(answer(408, table="STRICT", method=method, sent=sent, answers=(408,)))


@pytest.mark.parametrize(("headers", "repeated"), [({}, False), (TOLD, True)])
def test_strict_repeats_413_as_standard_does(headers, repeated):
    assert repeats(answer(413, headers, table="STRICT", method="POST")) is repeated


@each("table", TABLES)
@each("headers", [{}, TOLD])
@each("code", [400, 404, 422, 423, 500, 501, 505, 507, 508, 510, 499, 599])
def test_4xx_500_what_the_tables_do_not_repeat_stays_unrepeated_even_with_a_time(
    table, code, headers
):
    assert answer(code, headers, table=table) == Settle()


# ── unsafe, times, told, fresh ─────────────────────────────────────────────────────────


@each(
    ("unsafe", "method", "code", "headers", "unacted"),
    [
        (None, "POST", 503, {}, None),
        (None, "POST", 503, TOLD, True),
        (None, "POST", 500, TOLD, None),
        (None, "GET", 503, {}, False),
        (None, "GET", 503, TOLD, True),
        (True, "POST", 503, {}, True),
        (True, "POST", 500, {}, True),
        (True, "GET", 500, {}, True),
        (False, "POST", 503, {}, None),
        (False, "POST", 503, TOLD, None),
        (False, "POST", 425, {}, None),
        (False, "GET", 503, TOLD, False),
    ],
)
def test_425_500_503_unsafe_says_which_methods_are_repeated(unsafe, method, code, headers, unacted):
    verdict = retry(unsafe=unsafe)(exchange(code, headers, method=method))
    assert (verdict.unacted if repeats(verdict) else None) is unacted


@each(
    ("failure", "unsafe", "repeated"),
    [
        (httpx.ConnectError, None, True),
        (httpx.ConnectError, False, False),
        (httpx.ConnectTimeout, None, True),
        (httpx.ReadError, None, False),
        (httpx.ReadError, True, True),
        (httpx.ReadError, False, False),
    ],
)
def test_unsafe_says_the_same_of_failures(failure, unsafe, repeated):
    found = exchange(failure("no"), method="POST")
    assert repeats(retry(unsafe=unsafe, wait=1.0)(found)) is repeated


@pytest.mark.parametrize("times", [1, 2, 5])
def test_502_503_times_bounds_the_repeats_for_one_code(times):
    duty = retry(times=times, wait=0.0)
    assert repeats(duty(exchange(503, answers=(503,) * (times - 1))))
    assert repeats(duty(exchange(503, answers=(502,) * times)))
    assert not repeats(duty(exchange(503, answers=(503,) * times)))


@pytest.mark.parametrize("fresh", [True, False])
def test_fresh_asks_for_another_connection(fresh):
    assert retry(fresh=fresh)(exchange(500)).fresh is fresh


def test_told_waits_for_a_named_time_alone():
    duty = retry(told=True, wait=3.0)
    assert not repeats(duty(exchange(500)))
    assert duty(exchange(500, TOLD)).after == 7.0


# ── the wait ───────────────────────────────────────────────────────────────────────────


@each(
    ("attempt", "most"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 16.0), (7, 20.0), (50, 20.0)],
)
def test_503_the_default_backoff_is_full_jitter_that_doubles_from_half_a_second_to_20(
    attempt, most
):
    found = exchange(503, answers=(503,) * (attempt - 1))
    waits = [retry()(found).after for _ in range(200)]
    assert min(waits) >= 0
    assert max(waits) <= most
    # Jitter over the whole range: of 200 draws some fall in each half.
    assert min(waits) < most / 2 < max(waits)


@each(
    ("wait", "waits"),
    [
        (0, [0, 0, 0]),
        (2, [2, 2, 2]),
        (1.5, [1.5, 1.5, 1.5]),
        (tenacity.wait_none(), [0, 0, 0]),
        (tenacity.wait_fixed(3), [3, 3, 3]),
        (tenacity.wait_exponential(multiplier=1, max=3), [1, 2, 3]),
        (tenacity.wait_incrementing(start=1, increment=2), [1, 3, 5]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(9)), [1, 9, 9]),
        (tenacity.wait_fixed(1) + tenacity.wait_incrementing(1, 1), [2, 3, 4]),
        (tenacity.wait_combine(tenacity.wait_fixed(1), tenacity.wait_fixed(2)), [3, 3, 3]),
        (tenacity.wait_exponential_jitter(initial=1, jitter=0), [1, 2, 4]),
        (tenacity.wait_random(4, 4), [4, 4, 4]),
        (lambda state: state.attempt_number * 10, [10, 20, 30]),
    ],
)
@each("outcome", [503, httpx.ConnectError("no")])
def test_503_the_wait_is_any_of_tenacity_s_or_seconds(outcome, wait, waits):
    name = outcome if isinstance(outcome, int) else "ConnectError"
    found = [retry(wait=wait)(exchange(outcome, answers=(name,) * n)).after for n in range(3)]
    assert found == waits


def test_wait_exception_sees_a_failure():
    seen = []
    wait = tenacity.wait_exception(lambda error: seen.append(error) or 4.0)
    failure = httpx.ConnectError("no")
    assert retry(wait=wait)(exchange(failure)).after == 4.0
    assert seen == [failure]


def test_503_wait_exception_works_on_an_answer_too():
    """tenacity's own example reads the answer off the exception, so an answer has to be one."""
    wait = tenacity.wait_exception(lambda error: float(error.response.status_code))
    assert retry(wait=wait)(exchange(503)).after == 503.0


def test_a_wait_may_look_at_the_answer():
    def wait(state):
        return float(state.outcome.result().headers["X-Wait"])

    assert retry(wait=wait)(exchange(500, {"X-Wait": "6"})).after == 6.0


@pytest.mark.parametrize("wait", [0, 3.0, tenacity.wait_fixed(3)])
def test_503_retry_after_a_time_that_the_server_names_goes_before_the_duty_s_own_wait(wait):
    assert retry(wait=wait)(exchange(503, TOLD)).after == 7.0


def test_503_a_wait_knows_how_long_the_exchange_has_waited():
    steps = tuple(Step("GET", "/", 503, "", "503", "", "repeat", wait) for wait in (1.0, 2.5))
    verdict = retry(wait=lambda state: state.idle_for)(exchange(503, steps=steps))
    assert verdict.after == 3.5


# ── the stop ───────────────────────────────────────────────────────────────────────────


@each(
    ("stop", "sent", "elapsed", "stops"),
    [
        (tenacity.stop_after_attempt(3), 2, 0.0, False),
        (tenacity.stop_after_attempt(3), 3, 0.0, True),
        (tenacity.stop_after_delay(10), 1, 9.9, False),
        (tenacity.stop_after_delay(10), 1, 10.0, True),
        (tenacity.stop_before_delay(10), 1, 5.0, False),
        (tenacity.stop_before_delay(10), 1, 8.0, True),  # 8 s and the wait of 2 s
        (tenacity.stop_never, 99, 1e9, False),
        (tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(10), 3, 0.0, True),
        (tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(10), 1, 10.0, True),
        (tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(10), 2, 9.0, False),
        (tenacity.stop_after_attempt(3) & tenacity.stop_after_delay(10), 3, 0.0, False),
        (tenacity.stop_after_attempt(3) & tenacity.stop_after_delay(10), 3, 10.0, True),
        (lambda state: state.attempt_number > 5, 6, 0.0, True),
    ],
)
@each("outcome", [503, httpx.ConnectError("no")])
def test_503_the_stop_is_any_of_tenacity_s(outcome, stop, sent, elapsed, stops):
    duty = retry(wait=2.0, stop=stop)
    found = exchange(outcome, answers=(503,) * (sent - 1), elapsed=elapsed)
    verdict = duty(found)
    if stops:
        assert verdict == Settle("stop= ends the repeats")
    else:
        assert verdict.after == 2.0


def test_503_retry_after_a_stop_sees_the_wait_that_the_server_names():
    duty = retry(stop=tenacity.stop_before_delay(5))
    assert duty(exchange(503, TOLD)) == Settle("stop= ends the repeats", cool=Cool(7.0))


def test_a_stop_may_look_at_the_failure():
    duty = retry(stop=lambda state: "refused" in str(state.outcome.exception()), wait=0.0)
    assert not repeats(duty(exchange(httpx.ConnectError("refused"))))
    assert repeats(duty(exchange(httpx.ConnectError("unreachable"))))


# ── arguments ──────────────────────────────────────────────────────────────────────────


@each(
    ("arguments", "error", "sentence"),
    [
        *[
            (
                {name: number},
                ValueError,
                f"retry({name}={number!r}): write a whole number, 1 or more.",
            )
            for name in ("attempts", "times")
            for number in (0, -1, 1.5, "3", True)
        ],
        *[
            (
                {"wait": wait},
                ValueError,
                f"retry(wait={wait!r}): write a number of seconds, 0 or more.",
            )
            for wait in (-1, -0.5, float("nan"))
        ],
        (
            {"wait": "1"},
            TypeError,
            (
                "retry(wait='1'): write seconds or a tenacity wait, "
                "such as tenacity.wait_exponential_jitter()."
            ),
        ),
        (
            {"stop": 5},
            TypeError,
            (
                "retry(stop=5): write a tenacity stop, "
                "such as tenacity.stop_after_delay(30), or attempts=5."
            ),
        ),
        (
            {"attempt": 5},
            TypeError,
            (
                "retry has no argument 'attempt': write one of attempts, times, wait, stop, "
                "unsafe, told, fresh."
            ),
        ),
    ],
)
def test_a_wrong_argument_gives_one_clear_sentence(arguments, error, sentence):
    with pytest.raises(error) as raised:
        retry(**arguments)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "arguments",
    [{"wait": tenacity.wait_fixed}, {"stop": tenacity.stop_after_attempt}],
)
def test_a_tenacity_class_that_was_not_called_is_refused(arguments):
    """`stop=tenacity.stop_after_attempt` would make an object, which is true: never repeated."""
    with pytest.raises(TypeError, match=r"^retry\("):
        retry(**arguments)


@pytest.mark.parametrize("arguments", [{"unsafe": "yes"}, {"told": 1}, {"fresh": "no"}])
def test_a_flag_that_is_no_truth_value_is_refused(arguments):
    with pytest.raises(TypeError, match=r"^retry\("):
        retry(**arguments)


@each(
    ("duty", "text"),
    [
        (retry(), "retry()"),
        (retry(attempts=6), "retry(attempts=6)"),
        (retry(times=1, wait=0.0, fresh=True), "retry(times=1, wait=0.0, fresh=True)"),
        (retry(unsafe=False, told=True), "retry(unsafe=False, told=True)"),
    ],
)
def test_repr_shows_what_was_set(duty, text):
    assert repr(duty) == text


def test_it_is_a_frozen_value():
    assert retry(attempts=6) == retry(attempts=6) != retry(attempts=5)
    assert hash(retry(attempts=6)) == hash(retry(attempts=6))
    with pytest.raises(AttributeError, match=r"retry is frozen"):
        retry().attempts = 3


@pytest.mark.parametrize("number", [5, 0.5, "x"])
def test_an_argument_without_its_name_is_told_its_name(number):
    with pytest.raises(TypeError) as caught:
        retry(number)
    assert str(caught.value) == f"retry({number!r}): pass it by name, retry(attempts={number!r})."
