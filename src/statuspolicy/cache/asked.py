"""What a cache sees of a request."""

from __future__ import annotations

from statuspolicy._value import Record, lazy
from statuspolicy.cache import control
from statuspolicy.cache.control import Control
from statuspolicy.fields import Fields

# What a request can say that makes a difference to a cache.
_SAYS = frozenset(
    {
        b"cache-control", b"content-length", b"if-match", b"if-modified-since", b"if-none-match",
        b"if-range", b"if-unmodified-since", b"pragma", b"range", b"transfer-encoding",
    }
)  # fmt: skip


class Asked(Record):
    """A request, as values.

    url: without fragment; what stands where userinfo would is the Host that is sent, where it is
        another than the URL's.
    lines: its header section.
    who: whose answer it gets.
    anonymous: whether nothing says whose it is, and more than one may get what is stored for it.
    elsewhere: whether it asks for something else than its URL (a `target` of its own).
    """

    method: str
    url: str
    lines: tuple[tuple[bytes, bytes], ...]
    who: str = ""
    anonymous: bool = False
    elsewhere: bool = False

    @lazy
    def names(self) -> frozenset[bytes]:
        """Those of its fields, in lower case."""
        return frozenset([name.lower() for name, _ in self.lines])

    @lazy
    def plain(self) -> bool:
        """Whether it is a GET that says nothing to a cache."""
        return self.method == "GET" and not self.elsewhere and self.names.isdisjoint(_SAYS)

    @lazy
    def fields(self) -> Fields:
        """Its header section, to be read."""
        return Fields(self.lines)

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
        return b"if-none-match" in self.names or b"if-modified-since" in self.names
