"""The tables STANDARD and STRICT, in the order of the registry.

A row has the code, its reason phrase, its specification, what that asks of a client, and the duty
that does it. Without a duty it is `surface`: the response is handed over.
"""

from statuspolicy.policy.duties import cooling, negotiate, redirect, repair, unparsable, verify
from statuspolicy.policy.duties.retry import retry
from statuspolicy.policy.table import REDIRECTS, Row, Table, surface

_WAIT = retry()
_WHEN_TOLD = retry(told=True)
_ELSEWHERE = retry(times=1, wait=0.0, fresh=True)

# fmt: off
STANDARD = Table((
    # 1xx: interim. The transport reads past them; only 101 ends a request.
    Row(100, "Continue", "RFC 9110 §15.2.1", "go on sending; a final answer follows"),
    Row(101, "Switching Protocols", "RFC 9110 §15.2.2", "switch only to what was asked for", verify.switched),
    Row(102, "Processing", "RFC 2518 §10.1", "keep waiting; a final answer follows"),
    Row(103, "Early Hints", "RFC 8297 §2", "may preload; a final answer follows"),

    # 2xx: success.
    Row(200, "OK", "RFC 9110 §15.3.1", "the request succeeded"),
    Row(201, "Created", "RFC 9110 §15.3.2", "Location names the new resource; it is not a redirect"),
    Row(202, "Accepted", "RFC 9110 §15.3.3", "not finished; a status monitor may be named"),
    Row(203, "Non-Authoritative Information", "RFC 9110 §15.3.4", "a proxy changed the response", verify.transformed),
    Row(204, "No Content", "RFC 9110 §15.3.5", "there is no body", verify.no_content),
    Row(205, "Reset Content", "RFC 9110 §15.3.6", "reset the view; there is no body", verify.reset()),
    Row(206, "Partial Content", "RFC 9110 §15.3.7", "only to a Range request; Content-Range says which part", verify.partial),
    Row(207, "Multi-Status", "RFC 4918 §11.1", "the body carries several codes"),
    Row(208, "Already Reported", "RFC 5842 §7.1", "inside a 207: reported before"),
    Row(226, "IM Used", "RFC 3229 §10.4.1", "the body is the result of instance manipulations"),

    # 3xx: redirection.
    Row(300, "Multiple Choices", "RFC 9110 §15.4.1", "may follow the preferred choice in Location", redirect.preferred_choice),
    Row(301, "Moved Permanently", "RFC 9110 §15.4.2", "use the new URI from now on; POST may become GET", redirect.moved),
    Row(302, "Found", "RFC 9110 §15.4.3", "may follow; POST may become GET", redirect.moved),
    Row(303, "See Other", "RFC 9110 §15.4.4", "may GET the other URI", redirect.see_other),
    Row(304, "Not Modified", "RFC 9110 §15.4.5", "freshen the stored response, else repeat without conditions", verify.unmodified),
    Row(305, "Use Proxy", "RFC 9110 §15.4.6", "deprecated: a security hole", redirect.never),
    Row(306, "(Unused)", "RFC 9110 §15.4.7", "no longer used"),
    Row(307, "Temporary Redirect", "RFC 9110 §15.4.8", "may follow; must not change the method", redirect.same_method),
    Row(308, "Permanent Redirect", "RFC 9110 §15.4.9", "use the new URI from now on; the method stays", redirect.same_method),

    # 4xx: request errors. Not repeated unmodified.
    Row(400, "Bad Request", "RFC 9110 §15.5.1", "do not repeat it unmodified"),
    Row(401, "Unauthorized", "RFC 9110 §15.5.2", "may repeat with credentials; show the content if they are refused"),
    Row(402, "Payment Required", "RFC 9110 §15.5.3", "reserved"),
    Row(403, "Forbidden", "RFC 9110 §15.5.4", "should not repeat with the same credentials"),
    Row(404, "Not Found", "RFC 9110 §15.5.5", "may be temporary or permanent"),
    Row(405, "Method Not Allowed", "RFC 9110 §15.5.6", "Allow lists the methods", verify.not_allowed),
    Row(406, "Not Acceptable", "RFC 9110 §15.5.7", "choose from the list in the content", negotiate.not_acceptable),
    Row(407, "Proxy Authentication Required", "RFC 9110 §15.5.8", "may repeat with credentials for the proxy"),
    Row(408, "Request Timeout", "RFC 9110 §15.5.9", "may repeat it on another connection", _ELSEWHERE),
    Row(409, "Conflict", "RFC 9110 §15.5.10", "the user resolves it and resubmits"),
    Row(410, "Gone", "RFC 9110 §15.5.11", "permanent: remove links to it"),
    Row(411, "Length Required", "RFC 9110 §15.5.12", "may repeat with Content-Length", repair.with_length),
    Row(412, "Precondition Failed", "RFC 9110 §15.5.13", "a condition of the request is false"),
    Row(413, "Content Too Large", "RFC 9110 §15.5.14", "Retry-After says when, if temporary", _WHEN_TOLD),
    Row(414, "URI Too Long", "RFC 9110 §15.5.15", "a redirect black hole may be the cause"),
    Row(415, "Unsupported Media Type", "RFC 9110 §15.5.16", "Accept says what is accepted", negotiate.unsupported),
    Row(416, "Range Not Satisfiable", "RFC 9110 §15.5.17", "Content-Range tells the length"),
    Row(417, "Expectation Failed", "RFC 9110 §10.1.1", "should repeat without 100-continue", repair.without_expect),
    Row(421, "Misdirected Request", "RFC 9110 §15.5.20", "may repeat on another connection", _ELSEWHERE),
    Row(422, "Unprocessable Content", "RFC 9110 §15.5.21", "do not repeat it unmodified"),
    Row(423, "Locked", "RFC 4918 §11.3", "do not repeat it unmodified"),
    Row(424, "Failed Dependency", "RFC 4918 §11.4", "another action failed"),
    Row(425, "Too Early", "RFC 8470 §5.2", "may repeat, not in early data", retry(times=1)),
    Row(426, "Upgrade Required", "RFC 9110 §15.5.22", "Upgrade names the protocol"),
    Row(428, "Precondition Required", "RFC 6585 §3", "repeat with a condition"),
    Row(429, "Too Many Requests", "RFC 6585 §4", "wait as Retry-After says", _WAIT),
    Row(431, "Request Header Fields Too Large", "RFC 6585 §5", "may repeat with smaller fields"),
    Row(449, "Retry With", "MS-WDV §2.2.8", "repeat after doing what the server asks"),
    Row(451, "Unavailable For Legal Reasons", "RFC 7725 §3", "the content explains"),

    # 5xx: server errors.
    Row(500, "Internal Server Error", "RFC 9110 §15.6.1", "show the content"),
    Row(501, "Not Implemented", "RFC 9110 §15.6.2", "the method is not supported anywhere"),
    Row(502, "Bad Gateway", "RFC 9110 §15.6.3", "show the content", _WAIT),
    Row(503, "Service Unavailable", "RFC 9110 §15.6.4", "wait as Retry-After says", _WAIT),
    Row(504, "Gateway Timeout", "RFC 9110 §15.6.5", "show the content", _WAIT),
    Row(505, "HTTP Version Not Supported", "RFC 9110 §15.6.6", "show the content"),
    Row(506, "Variant Also Negotiates", "RFC 2295 §8.1", "the server is misconfigured"),
    Row(507, "Insufficient Storage", "RFC 4918 §11.5", "repeat it only on a user's action"),
    Row(508, "Loop Detected", "RFC 5842 §7.2", "show the content"),
    Row(509, "Bandwidth Limit Exceeded", "unofficial (Apache, cPanel)", "wait as Retry-After says", _WHEN_TOLD),
    Row(510, "Not Extended", "RFC 2774 §7", "the content says which extension to add"),
    Row(511, "Network Authentication Required", "RFC 6585 §6", "never the origin's answer", verify.portal),

    # 600, unofficial, and failures: no answer, or none that could be read.
    Row(600, "Unparsable Response Headers", "unofficial; RFC 9112 §2.2", "no status line and no header section came", unparsable.elsewhere),
    Row("ConnectError", "no connection", "RFC 9110 §9.2.2", "nothing was sent", _WAIT),
    Row("ConnectTimeout", "no connection in time", "RFC 9110 §9.2.2", "nothing was sent", _WAIT),
    Row("ReadError", "the connection broke", "RFC 9110 §9.2.2", "may repeat if idempotent", _WAIT),
    Row("ReadTimeout", "no answer in time", "RFC 9110 §9.2.2", "may repeat if idempotent", _WAIT),
    Row("WriteError", "the connection broke", "RFC 9110 §9.2.2", "may repeat if idempotent", _WAIT),
    Row("WriteTimeout", "not sent in time", "RFC 9110 §9.2.2", "may repeat if idempotent", _WAIT),
    Row("RemoteProtocolError", "closed without an answer", "RFC 9112 §9.3.1", "may repeat if idempotent", _WAIT),
    Row("LocalProtocolError", "the request breaks the protocol", "RFC 9112 §3", "never repeated"),
    Row("PoolTimeout", "no connection free in time", "client side", "never repeated"),
    Row("ProxyError", "the proxy failed", "RFC 9110 §9.3.6", "never repeated"),
    Row("UnsupportedProtocol", "no transport for the scheme", "client side", "never repeated"),
    Row("TransportError", "any other failure", "client side", "never repeated"),
))
# fmt: on

# HTTP/1.0 and RFC 2616 to the letter: what they don't know is handed over.
STRICT = STANDARD | {
    300: redirect.preferred_choice_strict,
    301: redirect.confirmed,
    302: redirect.confirmed,
    303: redirect.see_other_strict,
    307: redirect.confirmed,
    308: redirect.confirmed,
    408: retry(times=1, wait=0.0, fresh=True, unsafe=True),
    417: surface,
    421: cooling.too_many_connections,
    425: surface,
    429: surface,
    502: surface,
    503: _WHEN_TOLD,
    504: surface,
    509: surface,
    600: unparsable.refused,
    "ConnectError": surface,
    "ConnectTimeout": surface,
    "ReadError": surface,
    "ReadTimeout": surface,
    "WriteError": surface,
    "WriteTimeout": surface,
    "RemoteProtocolError": surface,
}


def following(table: Table) -> Table:
    """A table that follows redirects: STANDARD's row in place of each that hands one over."""
    surfaced = [code for code in REDIRECTS if table.row(code).duty is surface]
    return table | {code: STANDARD[code] for code in surfaced} if surfaced else table
