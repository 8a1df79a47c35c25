"""The commands and their options. Their work is done in the other files of this folder."""

from __future__ import annotations

from contextlib import suppress
from threading import Event

import click
from httpx import URL, InvalidURL

from statuspolicy.cli import demo as all_rows
from statuspolicy.cli.explain import explained, key_of, shown
from statuspolicy.cli.fetching import fetched, interrupted, saved
from statuspolicy.policy.standard import STANDARD, STRICT
from statuspolicy.policy.table import Table
from statuspolicy.printable import quoted
from statuspolicy.testing import StatusServer

HEADER = "NAME: VALUE"


def _headers(
    _context: click.Context, _parameter: click.Parameter, lines: tuple[str, ...]
) -> list[tuple[str, str]]:
    """`Retry-After: 5` as a name and a value."""
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"this is not a header field: write {HEADER!r}.")
        headers.append((name.strip(), value.strip()))
    return headers


def _url(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    try:
        url = URL(text)
    except InvalidURL as error:
        raise click.BadParameter(f"{quoted(text)}: {str(error).rstrip('.')}.") from None
    if not (url.is_absolute_url and url.scheme in ("http", "https")):
        raise click.BadParameter(
            f"{quoted(text)} is not a URL: write http:// or https:// and a host."
        )
    return text


def _table(_context: click.Context, _parameter: click.Parameter, strict: bool) -> Table:
    return STRICT if strict else STANDARD


_strict = click.option(
    "--strict",
    "table",
    is_flag=True,
    callback=_table,
    help="Use STRICT, the table of the older specifications.",
)
_method = click.option("-X", "--method", default="GET", show_default=True, help="The method.")


@click.group()
@click.version_option(package_name="statuspolicy")
def cli() -> None:
    """Show what each HTTP status code asks of a client, and do it."""


@cli.command("table")
@_strict
@click.argument("code", required=False)
def show_table(table: Table, code: str | None) -> None:
    """Show the table, or the row of CODE.

    CODE is a status code from 100 to 600, or a failure such as ConnectError.
    """
    shown(table, None if code is None else key_of(code, table))


@cli.command()
@_strict
@_method
@click.option("-H", "--header", "headers", multiple=True, metavar=HEADER, callback=_headers,
              help="A header field of the response; may be repeated.")  # fmt: skip
@click.option("-R", "--request-header", "request_headers", multiple=True, metavar=HEADER,
              callback=_headers,
              help="A header field of the request; may be repeated.")  # fmt: skip
@click.option("--url", default="https://example.org/", show_default=True, callback=_url,
              help="The URL of the request.")  # fmt: skip
@click.argument("code")
def explain(
    table: Table,
    method: str,
    headers: list[tuple[str, str]],
    request_headers: list[tuple[str, str]],
    url: str,
    code: str,
) -> None:
    """Say what the client would do after a response with CODE, and why. Nothing is sent.

    statuspolicy explain 503 -X POST -H 'Retry-After: 5'
    """
    click.echo(explained(key_of(code, table), table, method, url, request_headers, headers))


@cli.command()
@_strict
@_method
@click.option("-H", "--header", "headers", multiple=True, metavar=HEADER, callback=_headers,
              help="A header field of the request; may be repeated.")  # fmt: skip
@click.option("-d", "--data", help="The body of the request.")
@click.argument("url", callback=_url)
@click.pass_context
def fetch(
    context: click.Context,
    table: Table,
    method: str,
    headers: list[tuple[str, str]],
    data: str | None,
    url: str,
) -> None:
    """Fetch URL: the body goes to standard output, the steps on the way to standard error.

    On a terminal it asks before a redirect that has to be confirmed.

    The exit code is 0, or 4 or 5 for a 4xx or 5xx response, 130 if it was interrupted, 1 for an
    error without a response, and 2 for a wrong command.
    """
    context.exit(fetched(table, method, url, headers, data))


@cli.command()
@_strict
@click.option("-H", "--header", "headers", multiple=True, metavar=HEADER, callback=_headers,
              help="A header field of the request; may be repeated.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="FILE",
              help="The file to write; by default the last part of the URL's path.")  # fmt: skip
@click.option("--segments", type=click.IntRange(1, 32), default=1, show_default=True,
              help="How many parts are fetched at the same time.")  # fmt: skip
@click.option("--sha256", metavar="HEX", help="The SHA-256 digest that the file must have.")
@click.option(
    "--no-resume", is_flag=True, help="Start from the beginning, even if a part is there."
)
@click.argument("url", callback=_url)
@click.pass_context
def download(
    context: click.Context,
    table: Table,
    headers: list[tuple[str, str]],
    output: str | None,
    segments: int,
    sha256: str | None,
    no_resume: bool,
    url: str,
) -> None:
    """Save URL as a file that is complete, or not there.

    Give the same command again to continue a download that was interrupted.

    The exit code is 0, or 4 or 5 for a 4xx or 5xx response, 130 if it was interrupted, 1 for
    another failure, and 2 for a wrong command.
    """
    context.exit(saved(table, url, output, segments, sha256, not no_resume, headers))


@cli.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The port; 0 is any free one."
)
def serve(port: int) -> None:
    """Serve any code on the loopback, until Ctrl-C.

    The URL names the response: /503?retry-after=1&then=200
    """
    try:
        serving = StatusServer(port=port)
    except OSError as error:
        raise click.BadParameter(
            f"{port} can't be used ({error.strerror}): give another, or 0 for any free one.",
            param_hint="--port",
        ) from None
    with serving as server, suppress(KeyboardInterrupt):
        click.echo(f"{server.url}/503?retry-after=1&then=200")
        Event().wait()


@cli.command()
@click.pass_context
def demo(context: click.Context) -> None:
    """Drive a wrapped client through every row of the table, on real sockets."""
    try:
        context.exit(all_rows.main())
    except KeyboardInterrupt:
        context.exit(interrupted())
