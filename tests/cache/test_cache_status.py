"""Cache-Status (RFC 9211): what the cache did, as a member of a structured list."""

from math import inf

from statuspolicy.cache.status import CacheStatus
from tests.each import each


@each(
    ("status", "text"),
    [
        (CacheStatus(), "statuspolicy; hit"),
        (CacheStatus(ttl=60.4), "statuspolicy; hit; ttl=60"),
        (CacheStatus(ttl=0.0), "statuspolicy; hit; ttl=0"),
        (CacheStatus(ttl=-30.0), "statuspolicy; hit; ttl=-30"),  # §2.4: stale
        # §2.4: an Integer, of 15 digits at most (RFC 8941 §3.3.1).
        (CacheStatus(ttl=1e20), f"statuspolicy; hit; ttl={10**15 - 1}"),
        (CacheStatus(ttl=-inf), f"statuspolicy; hit; ttl=-{10**15 - 1}"),
        (CacheStatus("uri-miss", stored=True), "statuspolicy; fwd=uri-miss; stored"),
        (
            CacheStatus("stale", answer=304, ttl=5.0),
            "statuspolicy; fwd=stale; fwd-status=304; ttl=5",
        ),
        (CacheStatus("request", collapsed=True), "statuspolicy; fwd=request; collapsed"),
        (CacheStatus("bypass", detail="no-store"), 'statuspolicy; fwd=bypass; detail="no-store"'),
    ],
)
def test_it_is_written_as_a_structured_field(status, text):
    assert str(status) == text
