"""Properties of request methods."""

# RFC 9110 §9.2.1, RFC 10008 (QUERY), RFC 4918 and its extensions: these methods only read.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"})
# Content in a request with these has no meaning (RFC 9110 §9.3.1, §9.3.2, §9.3.7, §9.3.8).
WITHOUT_CONTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# The methods that IANA's method registry lists as idempotent.
IDEMPOTENT = SAFE | {
    "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "DELETE", "LABEL",
    "LINK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE",
    "MOVE", "ORDERPATCH", "PRI", "PROPPATCH", "PUT", "REBIND", "UNBIND", "UNCHECKOUT",
    "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
}  # fmt: skip
