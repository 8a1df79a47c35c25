"""`FastPath`: what a duty says of itself, so that no Exchange and no verdict has to be made."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

DutyT = TypeVar("DutyT")


class FastPath(NamedTuple):
    """What a duty does with each answer in which nothing else speaks up.

    of: the duty itself. A wrapper that copies its attributes does something else.
    repeats: whether it repeats the request at once, if the server names no later time. Otherwise it
        goes where `Location` leads with GET or HEAD, and asks nobody.
    attempts: sends of one request; None for `Limits.attempts`.
    untold: whether it does so where the server names no time at all.
    bodiless: whether the request's content stays behind where it goes elsewhere.
    """

    of: Any
    repeats: bool = False
    attempts: int | None = None
    untold: bool = False
    bodiless: bool = False


def leads(duty: DutyT) -> DutyT:
    """Mark a duty that follows a redirect of a GET or HEAD to wherever it leads."""
    marked: Any = duty
    marked.fast_path = FastPath(duty)
    return duty


def leads_bodiless(duty: DutyT) -> DutyT:
    """Mark one that does, and leaves the content of the request behind."""
    marked: Any = duty
    marked.fast_path = FastPath(duty, bodiless=True)
    return duty


def fast_path_of(duty: Any) -> FastPath | None:
    """The fast path of a duty; None where it has to see the Exchange."""
    found: FastPath | None = getattr(duty, "fast_path", None)
    return found if found is not None and found.of is duty else None
