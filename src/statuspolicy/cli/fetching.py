"""The commands `fetch` and `download`: they print each step while it happens."""

from __future__ import annotations

import os
import sys
from codecs import getincrementaldecoder
from collections.abc import Callable
from urllib.parse import unquote

import click
from httpx import Client, HTTPStatusError, Request, RequestError, Response
from rich import progress
from rich.console import Console

import statuspolicy
from statuspolicy import events
from statuspolicy.message.content import pieces
from statuspolicy.policy.table import Table
from statuspolicy.printable import printable


def fetched(
    table: Table, method: str, url: str, headers: list[tuple[str, str]], data: str | None
) -> int:
    """Fetch a URL, and write its body to standard output; returns the exit code."""
    content = None if data is None else data.encode()
    try:
        with (
            _client(table) as client,
            client.stream(method, url, headers=headers, content=content) as response,
        ):
            write = _on_terminal() if _is_terminal() else sys.stdout.buffer.write
            for part in pieces(response):
                write(part)
            sys.stdout.buffer.flush()
    except RequestError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return interrupted()
    return _code(response)


def saved(
    table: Table,
    url: str,
    output: str | None,
    segments: int,
    sha256: str | None,
    resume: bool,
    headers: list[tuple[str, str]],
) -> int:
    """Download a URL, with a progress bar; returns the exit code."""
    path = _named(url) if output is None else output
    columns = (
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: list[progress.TaskID] = []

        def show(done: int, total: int | None) -> None:
            if not tasks:  # bytes from an earlier run don't count for the speed
                tasks.append(bar.add_task("", total=total, completed=done))
            bar.update(tasks[0], total=total, completed=done)

        try:
            with _client(table) as client:
                statuspolicy.download(
                    client,
                    url,
                    path,
                    segments=segments,
                    resume=resume,
                    progress=show,
                    sha256=sha256,
                    headers=dict(headers),
                )
        except HTTPStatusError as error:
            _failed(error)
            return _code(error.response) or 1
        except (RequestError, OSError) as error:
            return _failed(error)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        except KeyboardInterrupt:
            return interrupted(" Give the same command again to continue.")
    if os.path.isfile(path):  # a pipe may be the standard output
        click.echo(path)
    return 0


def _on_terminal() -> Callable[[bytes], object]:
    """Return a function that writes a body as text, without control characters."""
    decoder = getincrementaldecoder("utf-8")(errors="replace")

    def write(part: bytes) -> None:
        text = decoder.decode(part)
        shown = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
        click.echo("".join(shown), nl=False)

    return write


def interrupted(then: str = "") -> int:
    """Say that Ctrl-C ended the command; returns the exit code."""
    click.echo(f"Interrupted.{then}", err=True)
    return 130


def _client(table: Table) -> Client:
    confirm = _confirm if _asks() else None  # without a terminal nobody can confirm
    return statuspolicy.wrap(Client(), table=table, confirm=confirm, observer=_narrate)


def _asks() -> bool:
    return sys.stdin.isatty()


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _narrate(event: events.Event) -> None:
    if isinstance(event, events.Decision):
        click.echo(str(event.step), err=True)
    elif isinstance(event, events.Wait):
        click.echo(f"waiting {event.seconds:.3g} s", err=True)


def _confirm(_: Request, next_request: Request, response: Response) -> bool:
    question = f"{response.status_code}: send {next_request.method} to {next_request.url}?"
    return click.confirm(printable(question), err=True)


def _failed(error: Exception) -> int:
    click.echo(printable(f"{type(error).__name__}: {error}"), err=True)
    return 1


def _code(response: Response) -> int:
    return response.status_code // 100 if response.status_code >= 400 else 0


def _named(url: str) -> str:
    """The last part of a URL's path. Raises click.UsageError if it is not a file name."""
    path = url.partition("#")[0].partition("?")[0].partition("://")[2].partition("/")[2]
    name = unquote(path.rpartition("/")[2])
    if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise click.UsageError(f"{printable(url)} has no file name: give one with -o.")
    return name
