"""What was measured, for a terminal, as Markdown and as a picture."""

import datetime
import os
import platform
from collections.abc import Iterator
from html import escape
from importlib.metadata import version
from math import log10
from pathlib import Path
from typing import NamedTuple

from measure import Goal, Result, Row
from waiting import Waiting

LIBRARIES = (
    "statuspolicy", "httpx", "httpcore", "httpx-retries", "tenacity", "stamina", "hishel",
    "requests", "urllib3", "niquests", "aiohttp", "aiohttp-retry",
)  # fmt: skip


class Measured(NamedTuple):
    """All of one run.

    connections: opened for 100 calls, by scenario and contender.
    imports: milliseconds, median and best.
    """

    results: list[Result]
    connections: dict[str, dict[str, int]]
    waiting: list[Waiting]
    imports: tuple[float, float]


def lines(result: Result) -> Iterator[str]:
    """For a terminal."""
    yield f"\n{result.title}"
    for row in result.rows:
        yield (
            f"  {row.name:<16}{row.seconds * 1e6:>10.2f} µs{row.ratio:>9.2f} ×"
            f"   ({row.low:.2f} to {row.high:.2f})"
        )
    for goal, ratio in result.reached:
        yield f"  {_verdict(goal, ratio)}"


def others(measured: Measured) -> Iterator[str]:
    """For a terminal, and for Markdown too: what is no ratio."""
    for title, opened in measured.connections.items():
        said = ", ".join(f"{name} {count}" for name, count in opened.items())
        yield f"New connections for 100 calls, {title}: {said}"
    for waiting in measured.waiting:
        if waiting.name == "plain":
            plain = waiting
        above, took = waiting.kib - plain.kib, waiting.seconds / plain.seconds
        where = "at transport level" if waiting.level == "transport" else "through a client"
        yield (
            f"{waiting.requests} requests that wait {waiting.told} s {where}, {waiting.name}: "
            f"{waiting.kib:.1f} KiB each ({above:+.1f} above plain), "
            f"{waiting.seconds:.2f} s in all ({took:.2f} × plain)"
        )
    median, best = measured.imports
    yield f"import statuspolicy, after import httpx: median {median:.1f} ms, best {best:.1f} ms"


def _verdict(goal: Goal, ratio: float) -> str:
    said = "reached" if ratio <= goal.most else "missed"
    return f"goal: at most {goal.most:g} × {goal.of}: {said}, with {ratio:.2f} ×"


# ── Markdown ───────────────────────────────────────────────────────────────────────────


def markdown(measured: Measured) -> str:
    """A page: where it was measured, and all that was."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    today = datetime.datetime.now(datetime.UTC).date()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.system()} on {_processor()}, {os.cpu_count()} cores"
    page = [
        "# Results",
        "",
        "Made by `make bench`; [how to read it](README.md).",
        "",
        f"- {today}, {python}, {machine}",
        f"- {versions}",
    ]
    for result in measured.results:
        page += ["", f"## {result.title}", ""]
        page += [f"| | µs a call | × {result.reference} | middle 80 % |", "|---|---:|---:|---:|"]
        page += [
            f"| {_bold(row.name)} | {row.seconds * 1e6:.2f} | {row.ratio:.2f} "
            f"| {row.low:.2f} – {row.high:.2f} |"
            for row in result.rows
        ]
        page += ["", *(f"- {_verdict(*reached)}" for reached in result.reached)]
    page += ["", "## Connections, memory, import", "", *(f"- {said}" for said in others(measured))]
    return "\n".join(page).replace("\n\n\n", "\n\n") + "\n"


def _bold(name: str) -> str:
    return f"**{name}**" if name == "statuspolicy" else name


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    told = found.read_text("utf-8").splitlines() if found.exists() else []
    models = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    return models[0] if models else platform.machine()


# ── the picture ────────────────────────────────────────────────────────────────────────

COLOURS = {
    "statuspolicy": "#d6336c",
    "httpx-retries": "#1c7ed6",
    "httpx": "#2f9e44",
    "hishel": "#e8590c",
    "tenacity": "#7048e8",
    "stamina": "#0c8599",
}
INK, RULE = "#7d8590", "#7d859055"  # readable on white and on black
LEFT, WIDTH, LINE, TOP = 320, 860, 30, 58
SPAN = (0.25, 8.0)  # multiples at the edges of the picture


def picture(results: list[Result]) -> str:
    """An SVG: for each scenario what each contender takes, as a multiple of its reference."""
    shown = [result for result in results if _is_shown(result)]
    bottom = TOP + LINE * len(shown)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 34}"',
        f'font-family="system-ui, sans-serif" font-size="12.5" fill="{INK}">',
        "<title>What handling a status code costs, as multiples of a reference</title>",
        *_legend(),
    ]
    for multiple in (0.25, 0.5, 1, 2, 4, 8):
        x = _x(multiple)
        solid = "" if multiple == 1 else ' stroke-dasharray="2 3"'
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{TOP - 18}" y2="{bottom}" stroke="{RULE}"{solid}/>'
            f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{multiple:g} ×</text>'
        )
    for number, result in enumerate(shown):
        y = TOP + LINE * number
        parts.append(
            f'<text x="{LEFT - 24}" y="{y + 1}" text-anchor="end">{escape(result.title)}</text>'
            f'<text x="{LEFT - 24}" y="{y + 13}" text-anchor="end" font-size="9.5" opacity="0.8">'
            f"1 × = {escape(result.reference)}</text>"
        )
        rows = [row for row in result.rows if row.name != result.reference and row.name in COLOURS]
        rows.sort(key=lambda row: row.name == "statuspolicy")  # which lies on top
        parts += [_dot(row, y) for row in rows]
    return "\n".join([*parts, "</svg>", ""])


def _is_shown(result: Result) -> bool:
    return "async" not in result.title and "real sleeps" not in result.title


def _legend() -> Iterator[str]:
    x = LEFT - 20
    for name, colour in COLOURS.items():
        yield f'<circle cx="{x}" cy="14" r="5" fill="{colour}"/>'
        yield f'<text x="{x + 9}" y="18">{name}</text>'
        x += 32 + 7 * len(name)


def _dot(row: Row, y: int) -> str:
    colour, beyond = COLOURS[row.name], not SPAN[0] <= row.ratio <= SPAN[1]
    x, low, high = _x(row.ratio), _x(row.low), _x(row.high)
    drawn = (
        f'<line x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2" '
        f'opacity="0.45"/><circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>'
    )
    if beyond:
        anchor = "end" if row.ratio > 1 else "start"
        drawn += (
            f'<text x="{x}" y="{y - 8}" text-anchor="{anchor}" font-size="10" fill="{colour}">'
            f"{row.ratio:.2g} ×</text>"
        )
    return drawn


def _x(multiple: float) -> float:
    low, high = map(log10, SPAN)
    share = (log10(min(max(multiple, SPAN[0]), SPAN[1])) - low) / (high - low)
    return round(LEFT + share * (WIDTH - LEFT - 30), 1)
