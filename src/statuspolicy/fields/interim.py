"""`Interim`: an interim response (RFC 9110 §15.2), as a trace shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy._value import Record
from statuspolicy.printable import PART, printable

if TYPE_CHECKING:
    from statuspolicy.fields.links import Link

_MOST = 9  # links that are shown


class Interim(Record):
    """An interim response before the final one (RFC 9110 §15.2).

    code: its status code.
    links: the links of a 103 (RFC 8297 §2).
    """

    code: int
    links: tuple[Link, ...] = ()

    def __str__(self) -> str:
        parts = [str(self.code), *(f"<{link.target}>" for link in self.links[:_MOST])]
        return printable(" ".join(parts), PART)
