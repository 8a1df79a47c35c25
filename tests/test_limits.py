"""policy/limits.py and _value.py: a configuration is checked when it is made, then frozen."""

import copy
import pickle
from inspect import Parameter, signature
from math import inf, nan

import pytest

from statuspolicy import (
    Cache,
    Challenge,
    Cool,
    Limits,
    Overrides,
    Progress,
    RetryBudget,
    retry,
    surface,
)
from statuspolicy._value import Value
from statuspolicy.fields.credentials import SENSITIVE_HEADERS
from tests.each import each

NUMBERS = ["redirects", "attempts", "deadline", "retry_after", "replay_bytes", "drain_bytes"]
NUMBERS += ["drain_seconds", "uri_length"]


def test_the_defaults_are_those_of_the_design():
    limits = Limits()
    assert (limits.redirects, limits.attempts) == (5, 4)
    assert (limits.deadline, limits.retry_after) == (150.0, 120.0)
    assert (limits.replay_bytes, limits.drain_bytes) == (1024 * 1024, 64 * 1024)
    assert (limits.drain_seconds, limits.uri_length) == (1.0, 8192)
    assert limits.cross_origin == "strip"
    assert limits.retry_budget == RetryBudget()
    assert set(limits.sensitive_headers) == set(SENSITIVE_HEADERS)


# ── what makes no sense is said when it is written ─────────────────────────────────────


@each(
    ("make", "wrong"),
    [
        (
            lambda: Limits(retries=3),
            "Limits has no argument 'retries': write one of redirects, attempts",
        ),
        (lambda: Limits(Redirects=3), "Limits has no argument 'Redirects'"),
        (lambda: Limits(check=None), "Limits has no argument 'check'"),
        (
            lambda: RetryBudget(token=3),
            "RetryBudget has no argument 'token': write one of tokens, per_second.",
        ),
    ],
)
def test_an_unknown_name_is_said_with_the_known_ones(make, wrong):
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value).startswith(wrong)


@pytest.mark.parametrize(
    ("kind", "name"), [(Limits, "redirects"), (RetryBudget, "tokens"), (Overrides, "table")]
)
def test_an_argument_without_its_name_is_told_its_name(kind, name):
    with pytest.raises(TypeError) as caught:
        kind(5, 6)
    word = kind.__name__
    assert str(caught.value) == f"{word}(5): pass it by name, {word}({name}=5)."


@each(
    ("given", "sentence"),
    [
        ({"table": {503: surface}}, "write a Table instead."),
        ({"table": {}}, "write a Table instead."),
        ({"limits": 5}, "Overrides(limits=5): write a Limits instead."),
        ({"limits": 0}, "Overrides(limits=0): write a Limits instead."),
        ({"confirm": True}, "Overrides(confirm=True): write a callable instead."),
        ({"confirm": False}, "Overrides(confirm=False): write a callable instead."),
        ({"resume": "yes"}, "Overrides(resume='yes'): write True or False."),
        (
            {"memory": None},
            "Overrides has no argument 'memory': write one of table, limits, confirm, resume.",
        ),
    ],
)
def test_overrides_of_the_wrong_kind_are_refused_where_they_are_written(given, sentence):
    with pytest.raises(TypeError) as caught:
        Overrides(**given)
    assert str(caught.value).endswith(sentence)
    assert str(caught.value).startswith("Overrides")


@each("name", NUMBERS)
@each("number", [-1, -0.5, nan, -inf, True, False, "5", None, [5], 5j])
def test_a_limit_that_is_no_number_of_0_or_more_is_refused(name, number):
    with pytest.raises(ValueError, match=rf"^Limits\({name}=.*\): write a number of 0 or more"):
        Limits(**{name: number})


@each("name", ["tokens", "per_second"])
@each("number", [-1, nan, True, "5", None])
def test_a_budget_that_is_no_number_of_0_or_more_is_refused(name, number):
    with pytest.raises(ValueError, match=rf"^RetryBudget\({name}=.*\): write a number of 0 or"):
        RetryBudget(**{name: number})


@each("name", sorted(set(NUMBERS) - {"attempts"}))
@each("number", [0, 1, inf])
def test_0_and_infinity_are_limits(name, number):
    assert getattr(Limits(**{name: number}), name) == number


@pytest.mark.parametrize("attempts", [0])
def test_the_first_send_is_an_attempt(attempts):
    with pytest.raises(ValueError, match=r"^Limits\(attempts=0\): the first send counts too"):
        Limits(attempts=attempts)


@pytest.mark.parametrize("choice", ["strip", "stop", "keep"])
def test_cross_origin_takes_three_words(choice):
    assert Limits(cross_origin=choice).cross_origin == choice


@each("choice", ["drop", "", "STRIP", None, True])
def test_cross_origin_takes_nothing_else(choice):
    with pytest.raises(ValueError, match=r'^Limits\(cross_origin=.*write "strip", "stop" or "keep'):
        Limits(cross_origin=choice)


@each("budget", [5, 0.5, True, "5", (20, 0.5), {}])
def test_a_retry_budget_is_a_retry_budget_or_none(budget):
    with pytest.raises(TypeError, match=r"Limits\(retry_budget=.*RetryBudget\("):
        Limits(retry_budget=budget)


def test_no_retry_budget_is_none():
    assert Limits(retry_budget=None).retry_budget is None


# ── sensitive_headers ──────────────────────────────────────────────────────────────────


def test_a_bare_string_of_sensitive_headers_is_refused_with_the_tuple_to_write():
    with pytest.raises(TypeError, match=r"write a tuple of names, \('X-Key',\), instead"):
        Limits(sensitive_headers="X-Key")


@each("names", [(5,), (b"x-key",), b"x-key", None, 5])
def test_sensitive_headers_that_are_no_names_are_refused_by_their_own_name(names):
    with pytest.raises(TypeError, match=r"Limits\(sensitive_headers="):
        Limits(sensitive_headers=names)


@each("kind", [list, tuple, set, frozenset, iter])
def test_sensitive_headers_may_be_any_collection_and_any_case(kind):
    limits = Limits(sensitive_headers=kind(["X-B", "x-a"]))
    assert limits.sensitive_headers == ("x-a", "x-b")
    assert limits.sensitive("x-b")
    assert not limits.sensitive("x-api-key")
    assert hash(limits) == hash(Limits(sensitive_headers=("x-a", "x-b")))


# As the documentation of these services writes them.
CREDENTIALS = """
Authorization Proxy-Authorization Cookie Cookie2 Authentication X-Authorization Auth X-Auth
api-key api_key X-API-Key X_API_KEY X-ApiKey apikey X-Api-Secret KEY SIGN API-Sign APISIGN SID
PRIVATE-TOKEN JOB-TOKEN X-Auth-Token X-Auth-Email X-Vault-Token X-Plex-Token Circle-Token
X-Shopify-Access-Token X-Amz-Security-Token X-Amz-Credential X-Goog-Iam-Authorization-Token
X-Goog-Api-Key X-Firebase-AppCheck X-Amzn-Oidc-Data X-JWT-Assertion X-MS-Auth-1 x-ms-client-secret
Ocp-Apim-Subscription-Key x-functions-key DD-API-KEY DD-APPLICATION-KEY Fastly-Key AccessKey
X-Parse-REST-API-Key X-Algolia-API-Key X-RapidAPI-Key X-CMC_PRO_API_KEY APCA-API-KEY-ID
X-JFrog-Art-Api X-Honeycomb-Team CST X-WSSE DPoP Jenkins-Crumb .crumb X-CSRFToken X-XSRF-TOKEN
X-WP-Nonce X-RequestDigest X-GitHub-OTP X-Duo-Passcode X-MFA-Code X-Pin X-Sid X-Access-Code
X-OAuth-Basic OAuth-Access X-Nintendo-Auth X-WebAuth X-WEBAUTH-USER X-PVE-Ticket X-Storage-Pass
ACCESS-PASSPHRASE X-Passwd X-Pwd X-OpenAM-Password ACCESS-SIGN X-LC-Sign X-Signature Signature-Input
X-Hub-Signature-256 X-SSL-Cert X-Client-Cert X-ARR-ClientCert X-Forwarded-Client-Cert
X-EBAY-API-CERT-NAME CF-Access-Client-Id X-Session-Id JSESSIONID X-PHPSESSID X-Ovh-Consumer
X-Registry-Auth X-Registry-Config X-Rh-Identity X-Saml-Assertion X-Macaroon X-User-Credential
X-Login X-Twilio-Hmac iPlanetDirectoryPro X-Bearer X-DPoP WSSE X-SSO AppKey X-AppKey
UserKey X-DevKey X-AppCheck X-AuthCode
"""
# What a redirected request needs, and what is nobody's secret.
OTHERS = """
Accept Accept-Encoding Accept-Language Range If-Range If-Match If-None-Match If-Modified-Since
Accept-Signature Partition-Key
Content-Type Content-Length Content-Digest Repr-Digest Want-Repr-Digest Digest Expect TE Prefer
User-Agent Referer Origin Host Via Forwarded X-Forwarded-For From Priority DNT Save-Data
Cache-Control Pragma Idempotency-Key X-Idempotency-Key Surrogate-Key Sec-WebSocket-Key
Sec-WebSocket-Protocol Traceparent Tracestate Baggage X-Request-Id X-Correlation-Id Last-Event-ID
Depth Destination Overwrite SOAPAction X-HTTP-Method-Override Tus-Resumable Upload-Metadata
X-Amz-Date X-Amz-Content-Sha256 X-Amz-Acl x-ms-date x-ms-version x-ms-blob-type
X-GitHub-Api-Version Stripe-Version OpenAI-Organization Keyboard Monkey X-Author X-Keyword
"""


def test_names_that_services_use_for_credentials_stay_home():
    assert [name for name in CREDENTIALS.split() if not Limits().sensitive(name.lower())] == []


def test_names_that_are_no_credentials_go_along():
    assert [name for name in OTHERS.split() if Limits().sensitive(name.lower())] == []


def test_idempotency_key_a_harmless_name_that_is_configured_stays_home():
    assert Limits(sensitive_headers=("idempotency-key",)).sensitive("idempotency-key")
    assert not Limits(sensitive_headers=("idempotency-*",)).sensitive("idempotency-key")


# RFC 9110 §15.4 names them; what is configured speaks of other names.
@each("name", ["authorization", "proxy-authorization", "cookie", "cookie2"])
@each("names", [(), ("x-mine",), ["X-Api-Key"]])
def test_authorization_proxy_authorization_cookie_stay_behind_whatever_is_configured(name, names):
    assert Limits(sensitive_headers=names).sensitive(name)


@each("name", ["x-api-key", "x-auth-token", "x-password", "x-mine"])
def test_without_sensitive_headers_nothing_else_stays(name):
    assert not Limits(sensitive_headers=()).sensitive(name)


def test_names_are_added_to_the_defaults_with_a_star():
    limits = Limits(sensitive_headers=(*SENSITIVE_HEADERS, "X-Mine"))
    assert limits.sensitive("x-mine")
    assert limits.sensitive("x-api-key")


# ── frozen, equal, printed ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [Limits(), RetryBudget()])
def test_a_value_cannot_be_changed(value):
    name = next(iter(vars(value)))
    with pytest.raises(AttributeError, match=r"is frozen: make a new one, as in \w+\("):
        setattr(value, name, 3)
    with pytest.raises(AttributeError):
        value.another = 3
    assert value == type(value)()


def test_a_changed_copy_has_what_its_kind_has_and_no_more():
    cool = Cool(1.0)
    assert cool._replace(probe=True) == Cool(1.0, probe=True)
    with pytest.raises(TypeError, match="Cool has no hotter"):
        cool._replace(hotter=True)


@pytest.mark.parametrize("name", ["attempts", "redirects"])
def test_a_value_cannot_be_taken_out(name):
    """Deleted, an attribute would fall back to the default of its class."""
    limits = Limits(attempts=2, redirects=1)
    with pytest.raises(AttributeError, match="is frozen"):
        delattr(limits, name)
    assert limits == Limits(attempts=2, redirects=1)


def test_values_are_equal_by_what_they_hold():
    assert Limits(attempts=2) == Limits(attempts=2)
    assert hash(Limits(attempts=2)) == hash(Limits(attempts=2))
    assert Limits(attempts=2) != Limits(attempts=3)
    assert len({Limits(), Limits(), Limits(redirects=1)}) == 2


def test_values_of_two_kinds_are_not_equal():
    class Other(Value):
        tokens: float = 20.0
        per_second: float = 0.5

    assert Other() != RetryBudget()
    assert RetryBudget() != Other()
    assert RetryBudget() != (20.0, 0.5)


@each(
    ("value", "printed"),
    [
        (Limits(), "Limits()"),
        (Limits(attempts=6), "Limits(attempts=6)"),
        (Limits(attempts=4), "Limits()"),
        (Limits(redirects=1, attempts=2), "Limits(redirects=1, attempts=2)"),
        (Limits(retry_budget=None), "Limits(retry_budget=None)"),
        (Limits(retry_budget=RetryBudget(tokens=5)), "Limits(retry_budget=RetryBudget(tokens=5))"),
        (Limits(sensitive_headers=["X-K"]), "Limits(sensitive_headers=('x-k',))"),
        (RetryBudget(), "RetryBudget()"),
        (RetryBudget(per_second=1.0), "RetryBudget(per_second=1.0)"),
    ],
)
def test_a_value_prints_what_was_set_and_nothing_else(value, printed):
    assert repr(value) == printed


@pytest.mark.parametrize("value", [Limits(attempts=2), RetryBudget(tokens=1)])
def test_a_value_survives_pickle_and_copy(value):
    for twin in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert twin == value
        assert repr(twin) == repr(value)


def test_a_value_without_a_check_of_its_own_takes_anything():
    class Free(Value):
        name: object = None

    assert Free(name=-1).name == -1
    assert repr(Free(name="x")) == "Free(name='x')"


def test_what_is_counted_is_a_whole_number():
    with pytest.raises(ValueError, match=r"^Limits\(redirects=2\.5\): write a whole number"):
        Limits(redirects=2.5)


# ── what `help` shows ──────────────────────────────────────────────────────────────────


@each("kind", [RetryBudget, Limits, Overrides, Cool, Challenge, retry, Cache])
def test_a_signature_is_what_can_be_written(kind):
    shown = signature(kind).parameters
    assert list(shown) == list(kind.__annotations__)
    for name, parameter in shown.items():
        assert parameter.default == getattr(kind, name, Parameter.empty)
        assert parameter.annotation == kind.__annotations__[name]


def test_a_signature_says_whether_an_argument_has_to_be_named():
    assert str(signature(RetryBudget)) == ("(*, tokens: 'float' = 20.0, per_second: 'float' = 0.2)")
    assert str(signature(Progress)).startswith("(looks: 'int', ")


def test_a_duty_s_own_signature_is_that_of_a_duty():
    assert list(signature(retry()).parameters) == ["exchange"]
