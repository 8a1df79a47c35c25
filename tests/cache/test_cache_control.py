"""Cache-Control (RFC 9111 §5.2) and Pragma (§5.4), however oddly they are written."""

from math import inf

from statuspolicy.cache.control import control, named, of_request, seconds
from statuspolicy.fields.section import Fields
from tests.each import each


def section(*lines, name="Cache-Control"):
    return Fields((name.encode(), line.encode("latin-1")) for line in lines)


@each(
    ("lines", "said"),
    [
        ([], {}),
        ([""], {}),
        ([" , ,, "], {}),
        (["no-store"], {"no-store": None}),
        (["NO-STORE, Max-Age=5"], {"no-store": None, "max-age": "5"}),
        (["no-store", "max-age=5"], {"no-store": None, "max-age": "5"}),
        (["\tno-store\t,\tmax-age=5 "], {"no-store": None, "max-age": "5"}),
        (['max-age="5"'], {"max-age": "5"}),
        (['max-age="5\\0"'], {"max-age": "50"}),
        (["max-age='5'"], {"max-age": "'5'"}),
        (['max-age="5'], {"max-age": '"5'}),
        (["max-age=5=6"], {"max-age": "5=6"}),
        (["max-age="], {"max-age": ""}),
        (["max-age"], {"max-age": None}),
        (["max-age;5"], {"max-age;5": None}),
        # A comma in a quoted string is no border, and what is unknown is ignored (§5.2.3).
        (['x="a, no-store", private'], {"x": "a, no-store", "private": None}),
        (['x="a\\", no-store", private'], {"x": 'a", no-store', "private": None}),
        # Of a quote that nothing ends it is one: what forbids is not to be hidden.
        (['x="a, no-store'], {"x": '"a', "no-store": None}),
        (['community="UCI"'], {"community": "UCI"}),
        # §4.2.1: "either the first occurrence should be used".
        (["max-age=1, max-age=9"], {"max-age": "1"}),
        (["max-age=1", "max-age=9"], {"max-age": "1"}),
        # What stands alone says more than what names fields, wherever it stands.
        (['no-cache="a", no-cache'], {"no-cache": None}),
        (['no-cache, no-cache="a"'], {"no-cache": None}),
        (['private="a"', "private"], {"private": None}),
        (['no-cache="", no-cache="a"'], {"no-cache": None}),
        (['no-cache ="a", no-cache="b"'], {"no-cache": None}),
        (['no-cache="a, b", no-cache=c'], {"no-cache": "a, b,c"}),
    ],
)
def test_directives_are_read(lines, said):
    assert control(section(*lines)) == said


def test_without_the_field_nothing_is_said():
    assert control(Fields(())) == {}


@each(
    ("argument", "value"),
    [
        ("0", 0),
        ("5", 5),
        ("0005", 5),
        ('"5"', 5),
        ("2147483647", 2**31 - 1),
        ("2147483648", 2**31),
        ("2147483649", 2**31 + 1),
        ("4294967296", 2**32),
        ("99999999999999999999", 1e20),
        ("9" * 400, inf),
        ("0" * 400 + "7", 7),
        # "invalid freshness information (e.g., a max-age directive with non-integer content)"
        # is stale (§4.2.1).
        ("", 0),
        ('""', 0),
        ("-1", 0),
        ("-9", 0),
        ("+5", 0),
        ("5.0", 0),
        ("5.5", 0),
        ("5e3", 0),
        ("0x10", 0),
        ("1_000", 0),
        ("'5'", 0),
        ('"5', 0),
        ('" 5"', 0),
        ("a5", 0),
        ("5a", 0),
        ("5;x=1", 0),
        ("5 6", 0),
        ("²", 0),
        ("٥", 0),
        (" 5", 0),  # §5.2: no white space stands around "="
    ],
)
@each("name", ["max-age", "min-fresh", "stale-if-error"])
def test_cache_control_seconds_are_digits_and_nothing_else(name, argument, value):
    line = f"{name}={argument}".encode()
    assert seconds(control(Fields([(b"Cache-Control", line)])), name) == value


@each("text", ["max-age =5", "max-age\t=5", 'max-age ="5"', "max-age = 5"])
def test_white_space_around_the_equals_sign_is_no_freshness(text):
    assert seconds(control(section(text)), "max-age") == 0


def test_seconds_that_are_not_there_are_none():
    assert seconds(control(section("max-stale")), "max-age") is None
    assert seconds(control(section("max-stale")), "max-stale") == 0


@each(
    ("text", "names"),
    [
        ("no-cache", set()),
        ("no-cache=", set()),
        ('no-cache=""', set()),
        ('no-cache=" , "', set()),
        ("private", set()),
        ('no-cache="Set-Cookie"', {"set-cookie"}),
        # "recipients ought to accept both forms" (§5.2).
        ("no-cache=Set-Cookie", {"set-cookie"}),
        ('no-cache="a, B ,,c"', {"a", "b", "c"}),
        ('no-cache="a", no-cache="b"', {"a", "b"}),
        # What can't be read names nothing, so that all of it needs validation.
        ('no-cache="a b"', set()),
        ('no-cache="a, b c"', set()),
        ('no-cache="a', set()),
        ('no-cache ="a"', set()),
        ('no-cache= "a"', set()),
        ("no-cache=é", set()),
    ],
)
def test_cache_control_qualified_directives_name_fields(text, names):
    assert named(control(section(text)), "no-cache") == names


@each(
    ("headers", "said"),
    [
        ([("Pragma", "no-cache")], {"no-cache": None}),
        ([("Pragma", "x, NO-CACHE")], {"no-cache": None}),
        ([("Pragma", "x"), ("Pragma", "no-cache")], {"no-cache": None}),
        ([("Pragma", "no-store")], {}),
        ([("Pragma", "no-cache"), ("Cache-Control", "max-age=5")], {"max-age": "5"}),
        ([("Pragma", "no-cache"), ("Cache-Control", "")], {}),
        ([("Cache-Control", "no-cache")], {"no-cache": None}),
        ([], {}),
    ],
)
def test_pragma_counts_in_a_request_without_cache_control(headers, said):
    assert of_request(Fields((n.encode(), v.encode()) for n, v in headers)) == said


def test_pragma_says_nothing_in_a_response():
    assert control(Fields([(b"Pragma", b"no-cache")])) == {}
