"""`python -m statuspolicy.cli.codes_page`: makes docs/status-codes.md from the tables.

The effect of a table on a response is not written by hand: `replay` plays it, with both tables.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any

from httpx import Request

from statuspolicy.cache.flaws import NEVER
from statuspolicy.cache.freshness import HEURISTIC
from statuspolicy.cli.explain import duty_of, outcome
from statuspolicy.cli.rows import FAILS, REPEATS, WORDS, Scene, Words
from statuspolicy.policy.duties.retry import retry
from statuspolicy.policy.standard import STANDARD, STRICT
from statuspolicy.policy.table import Key, Row, Table, surface
from statuspolicy.testing import replay

_HEAD = """\
# The status codes

<!-- `make docs` makes this page of the tables in the code, and of the words in cli/rows.py. -->

A section for each row of the table: what the specification asks of a client, what `STANDARD` (the
default: RFC 9110 and living practice) and `STRICT` (HTTP/1.0 and RFC 2616 to the letter) do, and
what you may put there. The small tables were not written: each line was played, by both
tables, when this page was made. What holds for every row is on the page of [the rules](rules.md).

Any row takes `surface` (hand it over), `retry(...)` (wait and repeat), `breaker(...)` around
another duty, or a function of your own from an `Exchange` to a `Verdict`:
`STANDARD | {503: retry(attempts=6)}`.
"""
_CLASSES = """\
## Classes, and codes without a row

A code without a row of its own gets the x00 of its class: [Unknown codes](rules.md#unknown-codes).
A class is a key, too: `STANDARD | {"5xx": surface}` replaces every row from 500 to 599 and what has
none; exact keys beside it come after it. A class of exceptions (`httpx.TimeoutException`) replaces
the rows of all below it.

| class | | a code without a row is handled as |
|---|---|---|
"""
_KINDS = {
    "1xx": "interim; a final answer follows",
    "2xx": "success",
    "3xx": "redirection",
    "4xx": "errors of the request, which is not repeated unmodified",
    "5xx": "errors of the server; the body says whether they are temporary",
}
_URL = "https://example.org/"


def page() -> str:
    """The whole page, as Markdown."""
    keys = [*STANDARD]
    groups: list[tuple[str, list[Key]]] = [
        (f"{kind}: {words}", [key for key in keys if isinstance(key, int) and _kind(key) == kind])
        for kind, words in _KINDS.items()
    ]
    groups.append(("No answer, or none that could be read", [k for k in keys if _kind(k) == "-"]))
    parts = [_HEAD]
    for title, group in groups:
        parts.append(f"## {title}\n")
        parts += [_section(STANDARD.row(key), STRICT.row(key), WORDS[_name(key)]) for key in group]
    classes = (f"| `{kind}` | {words} | {_last(kind)} |" for kind, words in _KINDS.items())
    return "\n".join([*parts, _CLASSES + "\n".join(classes), ""])


def _kind(key: Key) -> str:
    return f"{key // 100}xx" if isinstance(key, int) and key < 600 else "-"


def _last(kind: str) -> str:
    row = STANDARD.row(int(kind[0]) * 100 + 99)
    return f"[{row.name}](#{anchor(_title(row))})"


def _name(key: Key) -> str:
    return STANDARD.row(key).name


def _title(row: Row) -> str:
    return f"{row.name} {row.phrase}" if isinstance(row.key, int) else f"{row.name}: {row.phrase}"


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _section(row: Row, strict: Row, words: Words) -> str:
    same = row.duty is strict.duty
    lines = [
        f"### {_title(row)}\n",
        _item("Asked", f"{row.says[0].upper()}{row.says[1:]}. {words.asks}", _linked(row.citation)),
        _item(f"STANDARD, `{duty_of(row)}`", _does(row, words.standard)),
        _item(
            "STRICT" if same else f"STRICT, `{duty_of(strict)}`",
            "The same." if same else _does(strict, words.strict),
        ),
    ]
    if words.yours:
        lines.append(_item("Yours", words.yours))
    if isinstance(row.key, int) and 200 <= row.key < 600:
        lines.append(_item("Stored by a cache", _stored(row.key)))
    if words.rules:
        named = (f"[{rule}](rules.md#{anchor(rule)})" for rule in words.rules)
        lines.append(_item("Rules", ", ".join(named)))
    return "\n".join([*lines, "", *_played(row, words)])


def _item(head: str, text: str, source: str = "") -> str:
    return f"- **{head}**{source and f' ({source})'}: {text.strip()}"


def _does(row: Row, words: str) -> str:
    """The effect of a row: of `retry`, the arguments in words; then the words of the row."""
    duty = row.duty
    if isinstance(duty, retry):
        once = " once" if duty.times == 1 else ""
        elsewhere = " on another connection" if duty.fresh else ""
        named = ", but only after a time that the server names" if duty.told else ""
        method = ", whatever its method" if duty.unsafe else ""
        return f"Repeated{once}{elsewhere}{method}{named}. {words}"
    if duty is surface and not words:
        return "Handed over." if isinstance(row.key, int) else "Raised."
    return words


def _stored(code: int) -> str:
    if code in NEVER:
        return "Never."
    if code in HEURISTIC:
        return "Unless the response forbids it."
    return "Where the response says so itself."


def _linked(citation: str) -> str:
    """`RFC 9110 §15.6.4` as a link to that section."""

    def link(found: re.Match[str]) -> str:
        url = f"https://www.rfc-editor.org/rfc/rfc{found[1]}#section-{found[2]}"
        return f"[{found[0]}]({url})"

    return re.sub(r"RFC (\d+) §([\d.]+)", link, citation)


def _played(row: Row, words: Words) -> Iterator[str]:
    scenes = words.scenes
    if not scenes and isinstance(row.duty, retry):
        scenes = REPEATS if isinstance(row.key, int) else FAILS
    if not scenes:
        return
    yield "| request | answer | STANDARD | STRICT |"
    yield "|---|---|---|---|"
    for scene in scenes:
        asked, answer = (
            ", ".join(f"`{n}: {v}`" for n, v in f) for f in (scene.asked, scene.answer)
        )
        cells = (
            f"{scene.method} {asked}".strip(),
            f"{row.name} {answer}".strip(),
            _done(row, scene, STANDARD),
            _done(row, scene, STRICT),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _done(row: Row, scene: Scene, table: Table) -> str:
    """The effect of a table on one response, in words."""
    body: Any = b"body" if scene.method in ("POST", "PUT") else None
    if "Transfer-Encoding" in dict(scene.asked):
        body = [body]
    request = Request(scene.method, _URL, headers=[*scene.asked], content=body)
    first: Any = outcome(row.key, request, [*scene.answer])
    story = replay(request, chain([first], repeat(200)), table=table)
    if len(story.sent) > 1:
        again = story.sent[1]
        wait = _wait(scene, story.waits)
        if again.url != request.url:
            return f"{again.method} to its Location{wait}"
        return f"repeated{wait or ' at once'}"
    if story.error is not None:
        return f"{type(story.error).__name__} is raised"
    return "handed over"


def _wait(scene: Scene, waits: list[float]) -> str:
    if not waits:
        return ""
    return f" after {waits[0]:g} s" if "Retry-After" in dict(scene.answer) else " after a backoff"


def main(arguments: Iterable[str] = ()) -> None:
    """Write the page to the file that the argument names, or print it."""
    file = next(iter(arguments), None)
    if file is None:
        print(page(), end="")
    else:
        with open(file, "w", encoding="utf-8") as written:
            written.write(page())


if __name__ == "__main__":
    main(sys.argv[1:])
