"""The words of docs/status-codes.md about each row, and the scenes that are played for it.

`statuspolicy.cli.codes_page` makes the page from these and from the tables. A rule is named by its
heading in `docs/rules.md`.
"""

from typing import NamedTuple


class Scene(NamedTuple):
    """One response to one request, played with both tables.

    method: of the request. asked: its header fields. answer: the header fields of the response.
    """

    method: str
    answer: tuple[tuple[str, str], ...] = ()
    asked: tuple[tuple[str, str], ...] = ()


class Words(NamedTuple):
    """The words about a row.

    asks: the demands of the specification, beyond the few words in the row itself.
    standard, strict: the effect of the row in the two tables.
    yours: duties that an application may put into the row.
    rules: the names of the rules that matter most here.
    scenes: the responses that are played.
    """

    asks: str = ""
    standard: str = ""
    strict: str = ""
    yours: str = ""
    rules: tuple[str, ...] = ()
    scenes: tuple[Scene, ...] = ()


_SOON = (("Retry-After", "5"),)
_AT_NEW = (("Location", "/new"),)
_POST, _PUT = "POST", "PUT"

# Scenes with and without a time to wait, for methods that may be repeated and that may not.
REPEATS = (Scene("GET"), Scene("GET", _SOON), Scene(_POST), Scene(_POST, _SOON))
FAILS = (Scene("GET"), Scene(_POST))
_REDIRECTS = (Scene("GET", _AT_NEW), Scene(_POST, _AT_NEW), Scene(_PUT, _AT_NEW))

_INTERIM = ("Error answers reach the caller",)
_FOLLOWED = ("Location", "Redirect cap", "Redirect loop", "Credentials stay with their origin")
_REPEATED = ("Nothing is sent twice", "Waits", "Budgets")
_COOLS = (*_REPEATED, "Cooldown")
_NOT_ACTED_ON = ("Nothing is sent twice", "A body is sent whole or not at all")
_LOST = ("Failures", "Nothing is sent twice", "An earlier send may have been acted on")
_RETRY = "`retry(...)`, where you know that it may pass."
_RESOLVE = "`resolve(...)`: the application makes the request that is submitted in its place."

WORDS: dict[str, Words] = {
    # ── 1xx ────────────────────────────────────────────────────────────────────────────
    "100": Words(
        "Any number of interim responses may come before the final one. A client that waits for "
        "this one before it sends the body need not wait for ever (RFC 9110 §10.1.1).",
        "Read past. With `Expect: 100-continue` the body is held back until a 100 comes or "
        "`Limits.expect_wait` is over. A final answer in that time is acted on, and not a byte of "
        "the body is sent. This needs the library's own transports and HTTP/1.1.",
        yours="`expect_continue(above=...)` is a request hook that gives large bodies the field.",
        rules=_INTERIM,
    ),
    "101": Words(
        "The protocol has to be one that the request named in `Upgrade` (RFC 9110 §7.8).",
        "Handed over with its `network_stream`. One that nobody asked for, or that names another "
        "protocol, is refused (`ProtocolViolation`) and never repeated.",
        scenes=(
            Scene("GET", (("Upgrade", "echo"),), (("Upgrade", "echo"),)),
            Scene("GET", (("Upgrade", "echo"),)),
        ),
        rules=("Failures",),
    ),
    "102": Words(
        standard="Read past; counted in the trace where the transport shows it.", rules=_INTERIM
    ),
    "103": Words(
        standard="Read past; its links are in the trace where the transport shows them.",
        rules=_INTERIM,
    ),
    # ── 2xx ────────────────────────────────────────────────────────────────────────────
    "200": Words(
        yours="`resume`: a body that breaks while it is read goes on with `Range` and `If-Range`.",
        rules=("What you get is true", "What is stored"),
    ),
    "201": Words(standard="Handed over; its Location is never followed."),
    "202": Words(
        "The monitor is a URL that tells how far the work is.",
        yours="`poll(...)`: the monitor is asked (`Operation-Location`, `Azure-AsyncOperation`, "
        "`Location`, another field, a place in the body, or a callable) until it is done, then its "
        "result or its failure is handed over. `poll_token` and `resume_poll` go on after a "
        "restart of the program.",
        rules=("Side requests", "Waits"),
    ),
    "203": Words(
        "Its fields are not to be taken for the origin's.",
        "Handed over, and the trace says so. It is stored as what it is, a 203.",
        rules=("What is stored",),
    ),
    "204": Words(
        "The view of the document stays as it is; the fields are new metadata of it.",
        "Handed over. Where a body is announced all the same, the connection is closed unread, so "
        "that stray bytes do not reach the next request.",
        rules=("One open response",),
    ),
    "205": Words(
        "The view is what sent the request, such as a form.",
        "Handed over. Without `Content-Length` and `Transfer-Encoding` it counts as empty and the "
        "connection is closed: RFC 9112 §6.3 would read until the server closes it, and hang.",
        yours="`reset(on_reset)`: the application is told.",
    ),
    "206": Words(
        "Parts may be joined only under the same strong validator: equal strong ETags, or where "
        "there is none an equal `Last-Modified` that is at least a second older than its `Date` "
        "(RFC 9110 §8.8.2.2). An invalid `Content-Range` or an unknown unit joins nothing (§14.4).",
        "Handed over where the caller asked for a range. One of bytes that answers a GET without "
        "`Range` is refused, since it would be taken for the whole. Any other that nobody asked "
        "for is handed over and flagged in the trace; so is one without a usable `Content-Range`.",
        yours="`resume`, as in row 200. `download()` asks for parts, joins and verifies them.",
        scenes=(
            Scene("GET", (("Content-Range", "bytes 0-4/9"),), (("Range", "bytes=0-4"),)),
            Scene("GET", (("Content-Range", "bytes 0-4/9"),)),
            Scene(_POST, (("Content-Range", "bytes 0-4/9"),)),
            Scene("GET"),
        ),
        rules=("What is stored",),
    ),
    "207": Words(
        "Each part of the XML body has a code of its own.",
        yours="`multistatus(response)` reads the parts as they come, without expanding entities "
        "and within bounds; `STANDARD.row(part.status)` says what each code asks.",
    ),
    "208": Words(),
    "226": Words(rules=("What is stored",)),
    # ── 3xx ────────────────────────────────────────────────────────────────────────────
    "300": Words(
        "All choices are listed in the body or in the fields.",
        "Followed where there is a Location and the method is safe; else handed over.",
        "As STANDARD, for GET and HEAD alone.",
        "`choose(...)`: the application picks one of `alternatives(response)` or of the body.",
        _FOLLOWED,
        (Scene("GET", _AT_NEW), Scene(_POST, _AT_NEW), Scene("GET")),
    ),
    "301": Words(
        "Links to the old URI are to be changed. Older clients turn POST into GET, and RFC 9110 "
        "allows that.",
        "Followed. POST becomes GET; every other method and its body stay, and those that are not "
        "safe ask `confirm`, if there is one. The move is remembered for GET and HEAD over https.",
        "GET and HEAD are followed. Any other method is followed, as it is, if `confirm` says yes.",
        "`moved(on_moved)`: whoever keeps links is told.",
        (*_FOLLOWED, "Confirmation", "A hop that becomes GET", "Remembered moves"),
        _REDIRECTS,
    ),
    "302": Words(
        "The old URI stays the one to use.",
        "As 301, but it is never remembered. The cache may hold it where it says for how long.",
        "As 301.",
        rules=(*_FOLLOWED, "Confirmation", "A hop that becomes GET"),
        scenes=_REDIRECTS,
    ),
    "303": Words(
        "The other URI is not a new place of the first one: it holds an answer to the request.",
        "Followed with GET; HEAD stays HEAD. It is stored where it says for how long.",
        "The same, but it is never stored.",
        rules=(*_FOLLOWED, "A hop that becomes GET"),
        scenes=_REDIRECTS,
    ),
    "304": Words(
        "The stored response takes every field of the 304 but those that describe its body (RFC "
        "9111 §3.2). Where the 304 is about something that is not stored, it is disregarded, and "
        "the request is repeated without conditions (§4.3.3, §4.3.4).",
        "With a cache, the stored response is freshened and handed over. A 304 to a condition that "
        "the caller set is handed over, and freshens what it is about. A 304 to no condition at "
        "all is repeated once.",
        scenes=(Scene("GET"), Scene("GET", (), (("If-None-Match", '"1"'),))),
        rules=("What is stored",),
    ),
    "305": Words(
        "A server that may name a proxy may put itself between client and origin.",
        "Never obeyed: handed over, and flagged in the trace.",
        yours="`use_proxy(accept_proxy)`: the application may allow it, for one https request, and "
        "not where a proxy is in use already.",
    ),
    "306": Words(),
    "307": Words(
        "RFC 2616 asks the user before any method but GET and HEAD goes on.",
        "Followed, with method and body; handed over if the body is not replayable. A method that "
        "is not safe asks `confirm`, if there is one. Storage services redirect uploads to another "
        "origin in this way, so the body goes there, and the credentials stay behind.",
        "GET and HEAD are followed; any other method if `confirm` says yes.",
        rules=(*_FOLLOWED, "Confirmation", "A body is sent whole or not at all"),
        scenes=_REDIRECTS,
    ),
    "308": Words(
        "As 307, and for good.",
        "As 307, and remembered as 301.",
        "As 307.",
        "`moved(on_moved)`: whoever keeps links is told.",
        (*_FOLLOWED, "Confirmation", "A body is sent whole or not at all", "Remembered moves"),
        _REDIRECTS,
    ),
    # ── 4xx ────────────────────────────────────────────────────────────────────────────
    "400": Words(rules=("Error answers reach the caller",)),
    "401": Words(
        "The same challenge after an answer means that the credentials were refused.",
        "Handed over; the client's own `auth=` works as without a policy.",
        yours="`authenticate(...)`, with an `httpx.Auth` or a callable: each challenge (scheme and "
        "realm) of the first origin is answered once; `stale=true` of Digest earns one more.",
        rules=("Credentials stay with their origin", "Side requests"),
    ),
    "402": Words(),
    "403": Words(
        "Other credentials may help.",
        yours="`retry(told=True)`, for services that limit rates by it and name a time in "
        "`Retry-After`.",
    ),
    "404": Words(rules=("Remembered moves",)),
    "405": Words(standard="Handed over; the trace names the methods."),
    "406": Words(
        standard="Handed over; the trace names what is offered.",
        yours="`choose(...)`: the application picks one of `alternatives(response)` or of the "
        "body.",
    ),
    "407": Words(
        "As 401, for the proxy (`Proxy-Authenticate`).",
        "Handed over. For an https URL it is the proxy's answer to CONNECT, and is raised as "
        "`httpx.ProxyError`, with the trace.",
        yours="`authenticate(...)`, for an http URL. For https: `httpx.Proxy(url, auth=...)`.",
        rules=("Credentials stay with their origin", "Failures"),
    ),
    "408": Words(
        "The server gave up waiting for the request, so it may be sent again unmodified.",
        "A method that is not idempotent is repeated only if the connection had been used before "
        "and the server closes it now.",
        rules=("Nothing is sent twice", "Another connection"),
    ),
    "409": Words(yours=_RESOLVE, rules=("An earlier send may have been acted on",)),
    "410": Words(
        standard="Handed over; what is stored for it and the moves that lead to it are dropped.",
        yours="`gone(on_gone)`: whoever keeps links is told.",
        rules=("Remembered moves", "What is stored"),
    ),
    "411": Words(
        standard="Repeated once with `Content-Length`, any method, where the whole body is known "
        "or fits `Limits.replay_bytes`.",
        scenes=(Scene(_POST, (), (("Transfer-Encoding", "chunked"),)), Scene(_POST)),
        rules=_NOT_ACTED_ON,
    ),
    "412": Words(
        "A repeat without the conditions would do what they prevented.",
        yours=_RESOLVE + " It needs a condition again.",
        rules=("An earlier send may have been acted on",),
    ),
    "413": Words(rules=(*_NOT_ACTED_ON, "Waits")),
    "414": Words(
        standard="Handed over. A redirect that makes the URI grow is refused before it comes to "
        "this.",
        rules=("Redirect black hole", "Location"),
    ),
    "415": Words(
        standard="Handed over; the trace says what the server takes (`Accept`, `Accept-Post`, "
        "`Accept-Patch`, `Accept-Encoding`).",
    ),
    "416": Words(
        yours="`download()` learns from it whether a file is complete or has to begin anew."
    ),
    "417": Words(
        standard="Repeated once without `Expect: 100-continue`, any method; any other expectation "
        "is handed over.",
        scenes=(Scene(_POST, (), (("Expect", "100-continue"),)), Scene(_POST)),
        rules=_NOT_ACTED_ON,
    ),
    "421": Words(
        "The connection leads to a server that does not answer for this host.",
        strict="Handed over, as older lists of the codes have it (too many connections from one "
        "address). The origin cools down for `Retry-After`, else 1 s; then one request at a time "
        "goes out until one succeeds.",
        rules=("Another connection", "Cooldown"),
    ),
    "422": Words(),
    "423": Words(yours=_RESOLVE + " `retry(...)`, where locks are short."),
    "424": Words(),
    "425": Words(
        "The server did not want to risk processing it, since it came in early data.",
        rules=_REPEATED,
    ),
    "426": Words(
        yours="`upgrade_to_https`: the same request once over https, where `Upgrade` names TLS.",
        rules=("Location",),
    ),
    "428": Words(yours=_RESOLVE, rules=("What is stored",)),
    "429": Words(rules=_COOLS),
    "431": Words(rules=("What is stored",)),
    "449": Words(
        yours="`perform(act)`: the application does what the body asks for; then the request is "
        "repeated once, with `Ms-Echo-Reply`.",
    ),
    "451": Words(),
    # ── 5xx ────────────────────────────────────────────────────────────────────────────
    "500": Words(yours=_RETRY, rules=("Stale answers", "An earlier send may have been acted on")),
    "501": Words(),
    "502": Words(rules=(*_REPEATED, "Stale answers")),
    "503": Words(
        "RFC 2616 handles it as a 500 where there is no `Retry-After`.",
        yours="`retry(unsafe=False)`, where a gateway says 503 of what it passed on.",
        rules=(*_COOLS, "Stale answers"),
    ),
    "504": Words(
        standard="A 504 that the cache makes itself is not repeated.",
        rules=(*_REPEATED, "Stale answers"),
    ),
    "505": Words(),
    "506": Words(),
    "507": Words(),
    "508": Words(),
    "509": Words(rules=_REPEATED),
    "510": Words(
        yours="`extend(extension)`: the application adds what is missing, and it is sent once more."
    ),
    "511": Words(
        "It comes from a captive portal, which wants somebody to sign in.",
        "Handed over; its cookies do not reach the client's jar, and it is never stored.",
        rules=("Cookies", "What is stored"),
    ),
    # ── no answer, or none that could be read ──────────────────────────────────────────
    "600": Words(
        standard="An idempotent request is repeated once on another connection; then "
        "`UnparsableResponse`, an `httpx.RemoteProtocolError`, is raised and shows how the answer "
        "began.",
        strict="`UnparsableResponse` at once.",
        scenes=FAILS,
        rules=("Failures", "Another connection"),
    ),
    "ConnectError": Words(
        "So the server can't have acted on it.",
        rules=("Failures", "Nothing is sent twice", "Stale answers"),
    ),
    "ConnectTimeout": Words(
        "As ConnectError.",
        rules=("Failures", "Nothing is sent twice", "Stale answers"),
    ),
    "ReadError": Words(rules=_LOST),
    "ReadTimeout": Words(rules=_LOST),
    "WriteError": Words(rules=_LOST),
    "WriteTimeout": Words(rules=_LOST),
    "RemoteProtocolError": Words(
        "A connection that ends without an answer does not say what became of the request.",
        "Any method, where the connection proves that nobody read the request, or HTTP/2 refused "
        "its stream.",
        rules=_LOST,
    ),
    "LocalProtocolError": Words(rules=("Failures",)),
    "PoolTimeout": Words(rules=("One open response",)),
    "ProxyError": Words(rules=("Failures",)),
    "UnsupportedProtocol": Words(rules=("Location",)),
    "TransportError": Words(rules=("Failures",)),
}
