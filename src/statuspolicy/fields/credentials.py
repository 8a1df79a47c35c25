"""Which request header fields are credentials, and so stay with the origin that they are for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

# Fields that never go to another origin, whatever else is set (RFC 9110 §15.4).
_ALWAYS = frozenset({"authorization", "proxy-authorization", "cookie", "cookie2"})
# Name patterns of fields with credentials, as services call them. A harmless field that is not sent
# costs little; a secret that was sent can't be taken back.
SENSITIVE_HEADERS = (
    "*-cert",
    "*-cert-*",
    "*-key",
    "*-key-*",
    "*-pin",
    "*-sid",
    "*-sso",
    "*2fa*",
    "*access-code*",
    "*accesskey*",
    "*api-key*",
    "*apikey*",
    "*appcheck*",
    "*appkey*",
    "*auth",
    "*auth-*",
    "*authcode*",
    "*authentication*",
    "*authoris*",
    "*authoriz*",
    "*bearer*",
    "*client-cert*",
    "*clientcert*",
    "*credential*",
    "*crumb*",
    "*csrf*",
    "*devkey*",
    "*dpop",
    "*hmac*",
    "*identity*",
    "*jwt*",
    "*login*",
    "*macaroon*",
    "*mfa*",
    "*nonce*",
    "*oauth*",
    "*oidc*",
    "*otp*",
    "*pass*",
    "*pwd*",
    "*saml*",
    "*secret*",
    "*sessid*",
    "*session*",
    "*sign",
    "*signature*",
    "*ticket*",
    "*token*",
    "*userkey*",
    "*wsse",
    "*xsrf*",
    "cf-access-*",
    "cst",
    "iplanetdirectorypro",
    "key",
    "sid",
    "x-honeycomb-team",
    "x-jfrog-art-api",
    "x-ovh-*",
    "x-registry-config",
    "x-requestdigest",
)
# These match a pattern above, but are not credentials.
_HARMLESS = frozenset(
    {
        "accept-signature",
        "idempotency-key",
        "partition-key",
        "sec-websocket-key",
        "surrogate-key",
        "x-cache-key",
        "x-idempotency-key",
    }
)


@lru_cache(maxsize=1024)
def is_credential(name: str, patterns: tuple[str, ...] = SENSITIVE_HEADERS) -> bool:
    """Whether the field with this name, in lower case, is a credential.

    patterns: patterns of further names; Authorization, Proxy-Authorization and Cookie always are.
    """
    if name in _ALWAYS:
        return True
    if name in _HARMLESS:
        return name in patterns
    alike = name.replace("_", "-")  # a server behind a gateway may take the two for the same
    return any(fnmatchcase(name, p) or fnmatchcase(alike, p) for p in patterns)
