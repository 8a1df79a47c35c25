"""The commands `table` and `explain`."""

from __future__ import annotations

from inspect import getdoc, isroutine
from itertools import chain, repeat

import click
import h11
import httpx
from httpx import RemoteProtocolError, Request, Response, TransportError
from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from statuspolicy.cli.rows import WORDS
from statuspolicy.message.steps import Step
from statuspolicy.policy.table import Key, Row, Table
from statuspolicy.printable import printable, quoted
from statuspolicy.testing import replay


def key_of(code: str, table: Table) -> Key:
    """The key of a status code, or of the failure with that name. Raises click.BadParameter."""
    if code.isascii() and code.isdigit() and 100 <= int(code) <= 600:
        return int(code)
    for key in table:
        if key == code:
            return key
    raise click.BadParameter(
        f"{code!r} is not a row: write a code from 100 to 600, or a failure such as ConnectError.",
        param_hint="CODE",
    )


def shown(table: Table, key: Key | None) -> None:
    """Print the table, or one row of it."""
    console = Console()
    if key is not None:
        click.echo(_in_words(table.row(key), key))
    elif console.is_terminal:
        console.print(_drawn(table))
    else:
        click.echo(str(table))


def _drawn(table: Table) -> Drawn:
    drawn = Drawn("row", "phrase", "duty", "specified in", "what it asks of a client")
    for key in table:
        row = table.row(key)
        cells = (row.name, row.phrase, duty_of(row), row.citation, row.says)
        drawn.add_row(*map(Text, cells))
    return drawn


def duty_of(row: Row) -> str:
    """The source text of a row's duty."""
    return getattr(row.duty, "__name__", None) or quoted(row.duty)


def _in_words(row: Row, key: Key) -> str:
    lines = [f"{row.name} {row.phrase} ({row.citation})", f"In short: {row.says}."]
    if row.key != key:
        lines.insert(0, f"{key} is handled as {row.name}.")
    said = (getdoc(row.duty) or "").partition("\n")[0] if isroutine(row.duty) else ""
    lines.append(f"The duty is {duty_of(row)}{said and f': {said}'}")
    words = WORDS.get(row.name)
    if words is not None and words.rules:
        lines.append(f"Rules, as docs/rules.md has them: {'; '.join(words.rules)}.")
    return "\n".join(lines)


def explained(
    key: Key,
    table: Table,
    method: str,
    url: str,
    request_headers: list[tuple[str, str]],
    headers: list[tuple[str, str]],
) -> str:
    """The explanation of a response with a code, in words."""
    request = Request(method, url, headers=request_headers)
    # All later requests get a 200: the command is about the first response.
    story = replay(request, chain([outcome(key, request, headers)], repeat(200)), table=table)
    first: Step = story.trace[0]
    if len(story.sent) > 1:
        then = story.sent[1]
        wait = f" after {story.waits[0]:g} s" if story.waits else ""
        what = printable(f"{then.method} {then.url} is sent{wait}")
    elif story.error is not None:
        what = f"{type(story.error).__name__} is raised"
    else:
        what = "the response is handed over"
    return f"{_in_words(table.row(key), key)}\n{first}\nSo {what}."


def outcome(
    key: Key, request: Request, headers: list[tuple[str, str]]
) -> Response | TransportError:
    """The response or failure of a transport for which a row decides."""
    if isinstance(key, str):
        failure: TransportError = getattr(httpx, key)("as asked")
        return failure
    if key == 600:  # as the library raises it: its parser failed
        error = RemoteProtocolError("as asked")
        error.__cause__ = h11.RemoteProtocolError("no status line")
        return error
    assert isinstance(key, int)
    return Response(key, headers=headers, request=request)
