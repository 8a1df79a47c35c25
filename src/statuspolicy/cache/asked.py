"""What a cache sees of a request."""

from __future__ import annotations

from functools import cached_property

from statuspolicy._value import Record
from statuspolicy.cache import control
from statuspolicy.cache.control import Control
from statuspolicy.fields import Fields


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

    @cached_property
    def control(self) -> Control:
        """Its Cache-Control."""
        return control.asked(self.fields)

    @cached_property
    def conditional(self) -> bool:
        """Whether its caller set a condition that a stored response can answer (§4.3.2)."""
        return "if-none-match" in self.fields or "if-modified-since" in self.fields
