"""What a cache sees of a request."""

from __future__ import annotations

from statuspolicy._value import Record, lazy
from statuspolicy.cache import control
from statuspolicy.cache.control import Control
from statuspolicy.fields import Fields

# What a request can say that makes a difference to a cache.
_SAYS = frozenset(
    {
        "cache-control", "content-length", "if-match", "if-modified-since", "if-none-match",
        "if-range", "if-unmodified-since", "pragma", "range", "transfer-encoding",
    }
)  # fmt: skip


class Asked(Record):
    """A request, as values.

    url: without fragment and userinfo.
    who: whose answer it gets.
    anonymous: whether nothing says whose it is, and the storage is not this client's alone.
    """

    method: str
    url: str
    fields: Fields
    who: str = ""
    anonymous: bool = False

    @lazy
    def plain(self) -> bool:
        """Whether it says nothing to a cache."""
        return self.method == "GET" and self.fields.none_of(_SAYS)

    @lazy
    def control(self) -> Control:
        """Its Cache-Control."""
        return control.NOTHING_SAID if self.plain else control.asked(self.fields)

    @lazy
    def has_body(self) -> bool:
        """Whether it has content, which may say more of what it asks for than its URL does."""
        length = self.fields.get("content-length")
        return length not in (None, "0") or "transfer-encoding" in self.fields

    @lazy
    def conditional(self) -> bool:
        """Whether its caller set a condition that a stored response can answer (§4.3.2)."""
        return "if-none-match" in self.fields or "if-modified-since" in self.fields
