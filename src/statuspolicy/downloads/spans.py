"""Spans of bytes: those that are there, those that are missing, and their shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]  # the first byte, and the one after the last
ENDLESS = 1 << 62  # the end of a body of unknown length: above every Content-Range
LEAST = 64 * 1024  # bytes that are worth a request of their own


def with_span(spans: Iterable[Span], new: Span) -> list[Span]:
    """The spans with a new one added: sorted and merged."""
    merged: list[Span] = []
    for first, end in sorted([*spans, new]):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged


def without(spans: Iterable[Span], gone: Span) -> list[Span]:
    """The spans without the bytes of `gone`."""
    rest: list[Span] = []
    for first, end in spans:
        cut = ((first, min(end, gone[0])), (max(first, gone[1]), end))
        rest += [span for span in cut if span[0] < span[1]]
    return rest


def within(spans: Iterable[Span], bounds: Span) -> list[Span]:
    """The parts of the spans within the bounds."""
    cut = ((max(first, bounds[0]), min(end, bounds[1])) for first, end in spans)
    return [span for span in cut if span[0] < span[1]]


def gaps(there: Iterable[Span], length: int) -> list[Span]:
    """The missing spans of `length` bytes."""
    rest = [(0, length)] if length else []
    for span in there:
        rest = without(rest, span)
    return rest


def shares(spans: list[Span], most: int) -> list[list[Span]]:
    """Equal shares of the spans, in order: `most` at most, and none too small for a request."""
    count = sum(end - first for first, end in spans)
    size = max(-(-count // most), LEAST)
    shared: list[list[Span]] = []
    room = 0
    for span in spans:
        first, end = span
        while first < end:
            if not room:
                shared.append([])
                room = size
            cut = min(end, first + room)
            shared[-1].append((first, cut))
            room -= cut - first
            first = cut
    return shared
