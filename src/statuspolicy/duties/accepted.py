"""The duties for 406 and 415: what the server accepts goes into the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.exchange import Exchange
from statuspolicy.fields import Fields, members
from statuspolicy.ondemand import OnDemand
from statuspolicy.verdicts import Settle, Verdict

if TYPE_CHECKING:
    from statuspolicy import links
else:
    links = OnDemand("statuspolicy.links")

_MOST = 8  # alternatives or types that are named
_NAMES = ("Accept", "Accept-Post", "Accept-Patch", "Accept-Encoding")


def not_acceptable(exchange: Exchange) -> Verdict:
    """406: the server has other representations (RFC 9110 §15.5.7)."""
    fields = exchange.fields
    offers = links.alternates(fields.get("link") or "", fields.get("alternates") or "")
    if offers:
        return Settle(f"the server offers {', '.join(map(str, offers[:_MOST]))}")
    return Settle(_takes(fields) or "the server does not say what it offers")


def unsupported(exchange: Exchange) -> Verdict:
    """415: the server takes other media types or codings (RFC 9110 §15.5.16)."""
    return Settle(_takes(exchange.fields) or "the server does not say what it accepts")


def _takes(fields: Fields) -> str:
    said = []
    for name in _NAMES:
        values = members(fields.get(name.lower()) or "")
        if named := ", ".join(values[:_MOST]):
            said.append(f"{name}: {named}")
    return f"the server accepts {'; '.join(said)}" if said else ""
