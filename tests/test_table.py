"""policy/table.py and policy/standard.py: the row of each code, and how a table is changed."""

from inspect import isfunction

import pytest

from statuspolicy.policy.failures import ABOVE
from statuspolicy.policy.table import NOTHING, REDIRECTS, Row, Table, surface
from statuspolicy.testing import replay
from tests.each import each
from tests.exchanges import exchange
from tests.library import httpx, sp

CODES = [100, 101, 102, 103]
CODES += [200, 201, 202, 203, 204, 205, 206, 207, 208, 226]
CODES += [300, 301, 302, 303, 304, 305, 306, 307, 308]
CODES += [400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417]
CODES += [421, 422, 423, 424, 425, 426, 428, 429, 431, 449, 451]
CODES += [500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 510, 511, 600]
FAILURES = [
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.RemoteProtocolError,
]
NEVER = [httpx.PoolTimeout, httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.ProxyError]
TABLES = {"STANDARD": sp.STANDARD, "STRICT": sp.STRICT}

# What STRICT asks the user, or hands over, where STANDARD goes on (the column STRICT).
STRICTER = {
    300, 301, 302, 303, 307, 308, 408, 417, 421, 425, 429, 502, 503, 504, 509, 600,
    *[failure.__name__ for failure in FAILURES],
}  # fmt: skip


def as_held(key):
    """The key as a table holds it: a failure by its name."""
    return key.__name__ if isinstance(key, type) else key


def mine(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Settle("mine")


def other(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Settle("other")


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> Table:
    return TABLES[request.param]


# ── the rows ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", [*CODES, *FAILURES, *NEVER])
def test_every_code_of_the_specification_has_a_row_that_says_what_it_is(table, key):
    row = table.row(key)
    assert key in table
    assert row.key == as_held(key)
    assert row.phrase
    assert row.citation
    assert row.says
    assert callable(row.duty)
    assert table[key] is row.duty


def test_there_are_no_other_codes_than_those_of_the_specification(table):
    assert [key for key in table if isinstance(key, int)] == CODES


@each("key", [*FAILURES, *NEVER])
def test_a_failure_is_named_as_the_library_names_it(key):
    assert sp.STANDARD.row(key).name == key.__name__


def test_a_code_is_named_by_its_number():
    assert sp.STANDARD.row(503).name == "503"
    assert (sp.STANDARD | {"5xx": mine}).row(599).name == "5xx"


@pytest.mark.parametrize("key", NEVER)
def test_what_would_fail_again_is_never_repeated(table, key):
    assert table[key] is surface


@each("outcome", [200, 404, 503, httpx.ReadError("gone")])
def test_surface_hands_over_what_came_without_a_word(outcome):
    assert surface(exchange(outcome)) == sp.Settle()


# ── STANDARD and STRICT ────────────────────────────────────────────────────────────────


def test_strict_differs_from_standard_exactly_where_the_specification_says_so():
    assert set(sp.STANDARD) == set(sp.STRICT)
    assert {key for key in sp.STANDARD if sp.STANDARD[key] is not sp.STRICT[key]} == STRICTER


def test_strict_keeps_what_a_row_says_and_changes_its_duty_alone():
    for key in sp.STANDARD:
        assert sp.STRICT.row(key)._replace(duty=surface) == sp.STANDARD.row(key)._replace(
            duty=surface
        )


@each("key", [417, 425, 429, 502, 504, 509, *FAILURES])
def test_417_425_429_502_504_509_strict_hands_over_what_the_document_does_not_know(key):
    assert sp.STRICT[key] is surface
    assert sp.STANDARD[key] is not surface


# ── unknown codes ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (199, 100),
        (104, 100),
        (299, 200),
        (399, 300),
        (309, 300),
        (499, 400),
        (418, 400),
        (599, 500),
        (520, 500),
        (700, 500),
        (999, 500),
        (99, 500),
        (0, 500),
        (-1, 500),
        (601, 500),
    ],
)
def test_an_unknown_code_gets_the_row_of_its_class(table, code, kind):
    """RFC 9110 §15: x00 of the class; what is outside 100-599 is a server error."""
    assert table.row(code) is table.row(kind)
    assert code not in table


@pytest.mark.parametrize(
    ("code", "row"),
    [
        (200, 200),
        (404, 404),
        (418, 400),
        (503, 503),
        (599, 500),
        (600, 500),
        (700, 500),
        (999, 500),
    ],
)
def test_a_response_is_matched_by_its_code_and_600_on_the_wire_is_a_500(table, code, row):
    assert table.match(httpx.Response(code)) is table.row(row)


def test_a_class_row_comes_before_x00_for_codes_without_a_row():
    table = sp.STANDARD | {"4xx": mine, 400: other}
    assert table.row(499).duty is mine
    assert table.row(400).duty is other


def test_a_class_row_holds_for_what_is_outside_of_the_classes():
    table = sp.STANDARD | {"5xx": mine}
    assert [table.row(code).duty for code in (99, 700)] == [mine, mine]
    assert table.match(httpx.Response(700)).duty is mine
    assert table.match(httpx.Response(600)).duty is mine
    assert table.row(600).duty is sp.STANDARD[600]  # which is no code of that class


@each("key", [404, 600, "4xx", httpx.ConnectError, None])
def test_an_empty_table_knows_nothing_and_hands_over(key):
    assert Table().row(key) is NOTHING
    assert NOTHING.duty is surface


# ── failures ───────────────────────────────────────────────────────────────────────────


class Mine(httpx.ConnectError):
    pass


@pytest.mark.parametrize(
    ("key", "row"),
    [
        (Mine, httpx.ConnectError),
        (httpx.CloseError, httpx.TransportError),
        (httpx.NetworkError, httpx.TransportError),
        (httpx.TimeoutException, httpx.TransportError),
    ],
)
def test_a_failure_without_a_row_gets_its_nearest_base_s(table, key, row):
    assert table.row(key) is table.row(row)


def test_a_base_s_row_holds_for_what_has_none_of_its_own():
    table = Table([*map(sp.STANDARD.row, sp.STANDARD), Row(httpx.NetworkError, "", "", "", mine)])
    assert table.row(httpx.CloseError).duty is mine
    assert table.row(httpx.ConnectError).duty is sp.STANDARD[httpx.ConnectError]
    assert (Table() | {httpx.TimeoutException: mine}).row(httpx.ConnectError) is NOTHING


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (httpx.ConnectError("refused"), httpx.ConnectError),
        (Mine("refused"), httpx.ConnectError),
        (httpx.ReadTimeout("late"), httpx.ReadTimeout),
        (httpx.RemoteProtocolError("gone"), httpx.RemoteProtocolError),
        (httpx.ProxyError("407 Proxy Authentication Required"), 407),
        (httpx.ProxyError("502 Bad Gateway"), httpx.ProxyError),
    ],
)
def test_a_failure_is_matched_by_what_happened(table, error, key):
    assert table.match(error) is table.row(key)


def test_a_failure_that_no_row_may_decide_about_is_handed_on():
    import ssl

    error = httpx.ConnectError("no trust")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    assert (sp.STANDARD | {httpx.ConnectError: mine}).match(error) is NOTHING


# ── `|` ────────────────────────────────────────────────────────────────────────────────


@each("key", [503, 404, 600, httpx.ReadError])
def test_a_new_duty_takes_the_old_one_s_place_and_the_row_keeps_its_words(key):
    table = sp.STANDARD | {key: mine}
    assert table[key] is mine
    assert table.row(key) == sp.STANDARD.row(key)._replace(duty=mine)
    assert len(table) == len(sp.STANDARD)
    assert {k for k in table if table[k] is not sp.STANDARD[k]} == {as_held(key)}


@each(
    ("key", "like"), [(499, 400), (299, 200), (599, 500), (httpx.CloseError, httpx.TransportError)]
)
def test_a_row_that_was_not_there_takes_its_words_from_its_class(key, like):
    row = (sp.STANDARD | {key: mine}).row(key)
    assert row == sp.STANDARD.row(like)._replace(key=as_held(key), duty=mine)


def test_a_class_on_the_right_replaces_every_row_of_that_class_and_no_other():
    table = sp.STANDARD | {502: other} | {"5xx": mine}
    assert {table[code] for code in CODES if 500 <= code <= 599} == {mine}
    assert table.row(599).duty is mine
    assert table["5xx"] is mine
    assert all(table[key] is sp.STANDARD[key] for key in sp.STANDARD if key not in range(500, 600))


@pytest.mark.parametrize(
    "general", [httpx.TimeoutException, httpx.NetworkError, httpx.ProtocolError]
)
def test_an_exception_class_on_the_right_replaces_every_row_of_that_class(general):
    table = sp.STANDARD | {general: mine}
    covered = {kind.__name__ for kind in [*FAILURES, *NEVER] if issubclass(kind, general)}
    assert covered
    assert {key for key in table if table[key] is mine} == covered | {general.__name__}
    for key in covered:
        assert table.row(key) == sp.STANDARD.row(key)._replace(duty=mine)
    assert all(table[key] is sp.STANDARD[key] for key in sp.STANDARD.keys() - covered)


def test_to_surface_timeouts_surfaces_a_read_timeout(fake_clock):
    error = httpx.ReadTimeout("late")
    table = sp.STANDARD | {httpx.TimeoutException: sp.surface}
    story = replay(httpx.Request("GET", "http://h/"), [error], table=table, clock=fake_clock)
    assert (story.error, len(story.sent), story.waits) == (error, 1, [])


@pytest.mark.parametrize("order", [1, -1])
def test_the_more_special_exception_class_of_the_right_wins_in_any_order(order):
    right = [
        (httpx.TransportError, mine),
        (httpx.TimeoutException, sp.surface),
        (httpx.ReadTimeout, other),
        (503, other),
        ("5xx", mine),
    ]
    table = sp.STANDARD | dict(right[::order])
    assert table[httpx.ReadTimeout] is other
    assert table[httpx.WriteTimeout] is sp.surface
    assert table[httpx.ConnectError] is mine
    assert table[httpx.TransportError] is mine
    assert (table[503], table[502]) == (other, mine)


@pytest.mark.parametrize("order", [1, -1])
def test_an_exact_key_of_the_right_holds_against_its_own_class_in_any_order(order):
    table = sp.STANDARD | dict([("5xx", mine), (503, other), (598, other)][::order])
    assert (table[503], table[598], table[502], table["5xx"]) == (other, other, mine, mine)
    assert table.row(503).phrase == "Service Unavailable"


def test_an_exact_key_after_a_class_holds_and_a_class_after_it_does_not_spare_it():
    assert (sp.STANDARD | {"4xx": mine} | {404: other})[404] is other
    assert (sp.STANDARD | {404: other} | {"4xx": mine})[404] is mine
    assert (sp.STANDARD | {499: other} | {"4xx": mine})[499] is mine


@each("kind", ["1xx", "2xx", "3xx", "4xx", "5xx"])
def test_each_of_the_five_classes_is_a_key(kind):
    table = sp.STANDARD | {kind: mine}
    first = int(kind[0]) * 100
    assert all((table.row(code).duty is mine) == (code // 100 == int(kind[0])) for code in CODES)
    assert table.row(first + 99).duty is mine


def test_a_table_on_the_right_brings_all_its_rows():
    table = sp.STANDARD | sp.STRICT
    assert all(table[key] is sp.STRICT[key] for key in sp.STRICT)


def test_a_key_that_was_there_stays_one_row_and_rows_stay_in_order():
    table = sp.STANDARD | {httpx.CloseError: mine, "2xx": mine, 299: mine, 105: mine}
    codes = [key for key in table if key not in ABOVE]
    assert codes.index(105) == codes.index(200) - 1
    assert codes.index("2xx") > codes.index(226)
    assert codes.index("2xx") < codes.index(300)
    assert codes[-1] == 600
    assert set(list(table)[len(codes) :]) <= {*ABOVE}


def test_the_original_is_untouched_and_a_table_cannot_be_changed():
    before = dict(sp.STANDARD)
    table = sp.STANDARD | {"5xx": mine, 404: other, 499: other}
    assert dict(sp.STANDARD) == before
    assert table != sp.STANDARD
    with pytest.raises(TypeError):
        table[404] = mine
    with pytest.raises(TypeError):
        del table[404]
    assert (sp.STANDARD | {}) == sp.STANDARD


def test_a_row_cannot_be_changed():
    with pytest.raises(AttributeError):
        sp.STANDARD.row(404).duty = mine


@each("right", [5, None, [404], "404"])
def test_what_is_no_mapping_is_no_right_hand_side(right):
    with pytest.raises(TypeError):
        sp.STANDARD | right


# ── wrong keys and values ──────────────────────────────────────────────────────────────


@each(
    "key",
    [
        "9xx",
        "6xx",
        "0xx",
        "5XX",
        "xx",
        "",
        "503",
        99,
        0,
        -1,
        601,
        700,
        True,
        False,
        503.0,
        None,
        ValueError,
        httpx.InvalidURL,
        httpx.DecodingError,
        httpx.Response,
        (503, 504),
        b"5xx",
    ],
)
def test_a_wrong_key_is_said_with_what_to_write(key):
    with pytest.raises(ValueError) as caught:
        sp.STANDARD | {key: mine}
    sentence = str(caught.value)
    assert sentence == (
        f"{key!r} is not a key of a policy table: write a status code from 100 to 600, "
        'a class such as "5xx", or a subclass of httpx.TransportError or its name.'
    )
    with pytest.raises(ValueError):
        Table([Row(key, "", "", "", mine)])


@each("key", [503, "5xx", httpx.ReadError])
@each("duty", [5, None, "retry", True, sp.Settle(), (mine,)])
def test_a_duty_that_cannot_be_called_is_said_with_its_key_and_what_to_write(key, duty):
    with pytest.raises(TypeError) as caught:
        sp.STANDARD | {key: duty}
    assert str(caught.value) == (
        f"Row {key!r}: {duty!r} is not a duty: write a callable that takes an Exchange and "
        "returns a Verdict, such as statuspolicy.surface or statuspolicy.retry()."
    )
    with pytest.raises(TypeError):
        Table([Row(key, "", "", "", duty)])


@pytest.mark.parametrize("key", [503, "5xx"])
def test_a_duty_that_was_not_called_is_said_with_the_call_to_write(key):
    with pytest.raises(TypeError) as caught:
        sp.STANDARD | {key: sp.retry}
    assert str(caught.value) == (
        f"Row {key!r}: retry is a class, not a duty: call it, as in {{{key!r}: retry()}}."
    )


FACTORIES = {
    sp.authenticate: "authenticate(credentials)",
    sp.breaker: "breaker(duty)",
    sp.choose: "choose(chooser)",
    sp.extend: "extend(extension)",
    sp.gone: "gone(on_gone)",
    sp.moved: "moved(on_moved)",
    sp.perform: "perform(act)",
    sp.reset: "reset(on_reset)",
    sp.resolve: "resolve(resolver)",
    sp.use_proxy: "use_proxy(accept_proxy)",
}


@each("factory", FACTORIES)
def test_what_makes_a_duty_is_none_before_it_is_called(factory):
    for key, shown in [(410, "410"), ("4xx", "'4xx'"), (httpx.ReadError, "ReadError")]:
        with pytest.raises(TypeError) as caught:
            sp.STANDARD | {key: factory}
        call = FACTORIES[factory]
        assert str(caught.value) == (
            f"Row {shown}: {factory.__name__} makes a duty: call it, as in {{{shown}: {call}}}."
        )


def test_what_makes_a_duty_of_those_that_are_public_is_known_as_such():
    public = [getattr(sp, name) for name in sp.__all__]
    duties = [f for f in public if isfunction(f) and ".duties." in f.__module__]
    making = {f for f in duties if next(iter(f.__annotations__.values())) != "Exchange"}
    assert making - {sp.alternatives} == set(FACTORIES)


def test_a_wrong_key_beside_a_right_one_changes_nothing():
    before = dict(sp.STANDARD)
    with pytest.raises(ValueError):
        sp.STANDARD | {503: mine, "9xx": mine}
    assert dict(sp.STANDARD) == before


# ── quiet ──────────────────────────────────────────────────────────────────────────────


def test_quiet_are_the_codes_that_are_handed_over_with_nothing_to_decide(table):
    for code in range(90, 700):
        nothing_to_do = table.row(code).duty is surface and 100 <= code <= 599
        assert (code in table.quiet) is (nothing_to_do and code not in REDIRECTS)


def test_what_a_client_would_follow_by_itself_is_never_quiet():
    table = sp.STANDARD | {"3xx": surface}
    assert not table.quiet & REDIRECTS
    assert {300, 304, 305, 399} <= table.quiet


@each(("key", "code"), [(404, 404), ("4xx", 499), ("4xx", 400), (299, 299)])
def test_a_row_that_decides_is_not_quiet(key, code):
    assert code in sp.STANDARD.quiet
    assert code not in (sp.STANDARD | {key: mine}).quiet


# ── printed ────────────────────────────────────────────────────────────────────────────


def test_a_printed_table_has_a_line_for_each_row_with_all_that_it_says(table):
    lines = str(table).splitlines()
    assert len(lines) == len(table)
    for line, key in zip(lines, table, strict=True):
        row = table.row(key)
        assert line == line.strip()
        assert line.split()[0] == row.name
        assert row.phrase in line
        assert line.endswith(f"{row.citation}: {row.says}")
        assert "<" not in line  # no address of an object
    assert repr(table) == f"<Table: {len(table)} rows>"


@each(
    ("duty", "printed"),
    [
        (mine, "mine"),
        (surface, "surface"),
        (sp.retry(attempts=6), "retry(attempts=6)"),
        (sp.reset(), "reset"),
    ],
)
def test_a_duty_prints_as_it_would_be_written(duty, printed):
    assert f" {printed} " in str((sp.STANDARD | {404: duty}).row(404))
