"""The pages in docs/: nothing is cited that isn't there, and what they say of the code is so."""

import inspect
import re
from pathlib import Path

from click.testing import CliRunner

import statuspolicy as sp
from statuspolicy.cli import codes_page
from statuspolicy.cli.commands import cli
from statuspolicy.cli.rows import WORDS
from statuspolicy.policy.table import surface
from tests.each import each

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
]
REPORTS = sorted((ROOT / "benchmarks").glob("*.md"))
# What may cite a page.
SOURCES = [
    *PAGES,
    *(
        file
        for folder in ("src", "tests", "benchmarks")
        for file in sorted((ROOT / folder).rglob("*.py"))
    ),
]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in words}


def broken(page: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere in this repository."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        place = page if not path else (page.parent / path).resolve()
        if "://" in link:
            continue
        if not place.exists() or (anchor and anchor not in anchors(place)):
            found.append(link)
    return found


@each("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    assert broken(page, page.read_text()) == []


def test_a_link_that_leads_nowhere_is_found():
    page = ROOT / "docs" / "rules.md"
    text = "[a](rules.md#waits) [b](rules.md#no-such-rule) [c](nowhere/) [d](#cooldown)"
    assert broken(page, text) == ["rules.md#no-such-rule", "nowhere/"]


@each("file", SOURCES)
def test_every_rule_that_is_cited_is_there(file):
    cited = set(re.findall(r"docs/rules\.md#([\w-]+)", file.read_text()))
    assert cited <= anchors(ROOT / "docs" / "rules.md")


@each("file", SOURCES)
def test_no_rule_is_cited_by_a_number(file):
    assert not re.search(r"\b[Rr]ules? \d", file.read_text())


@each("file", SOURCES)
def test_no_page_is_cited_that_is_not_in_the_repository(file):
    cited = set(re.findall(r"([\w-]+\.md)\b", file.read_text()))
    assert cited <= {page.name for page in (ROOT / "CHANGELOG.md", *PAGES, *REPORTS)}


# ── docs/status-codes.md ───────────────────────────────────────────────────────────────


def test_the_page_of_the_status_codes_is_what_the_tables_make():
    assert (ROOT / "docs" / "status-codes.md").read_text() == codes_page.page(), "run `make docs`"


def test_the_page_is_written_to_a_file_or_printed(tmp_path, capsys):
    codes_page.main([str(tmp_path / "page")])
    codes_page.main()
    assert (tmp_path / "page").read_text() == capsys.readouterr().out == codes_page.page()


def test_every_row_has_its_words_and_no_others_do():
    assert list(WORDS) == [sp.STANDARD.row(key).name for key in sp.STANDARD]


@each("table", [sp.STANDARD, sp.STRICT])
def test_a_row_that_does_more_than_hand_over_or_repeat_has_words_for_it(table):
    for key, duty in table.items():
        words, strict = WORDS[table.row(key).name], table is sp.STRICT
        if duty is not surface and not isinstance(duty, sp.retry):
            same = strict and duty is sp.STANDARD[key]
            assert words.strict if strict and not same else words.standard, key


@each("words", WORDS.values())
def test_the_rules_that_a_row_names_are_headings(words):
    assert {codes_page.anchor(rule) for rule in words.rules} <= anchors(ROOT / "docs" / "rules.md")


def test_what_is_done_is_played_by_the_table_and_not_written_down():
    page = codes_page.page()
    assert "| POST | 503 | handed over | handed over |" in page
    assert "| POST | 503 `Retry-After: 5` | repeated after 5 s | repeated after 5 s |" in page
    assert "| GET | 503 | repeated after a backoff | handed over |" in page
    assert "| PUT | 301 `Location: /new` | PUT to its Location | handed over |" in page
    assert "| GET | 304 | repeated at once | repeated at once |" in page
    assert "| GET | ConnectError | repeated after a backoff | ConnectError is raised |" in page


@each("command", ["table", "explain"])
def test_the_command_line_names_the_rules_of_a_row(command):
    def lines(code: str) -> list[str]:
        return CliRunner().invoke(cli, [command, code]).output.splitlines()

    assert "Rules, as docs/rules.md has them: Redirect black hole; Location." in lines("414")
    assert not any(line.startswith("Rules:") for line in lines("402"))


@each("page", [page for page in PAGES if page.parent == ROOT / "docs"])
def test_what_a_page_calls_is_a_public_name(page):
    called = set(re.findall(r"`(?:sp\.)?([a-zA-Z_]+)\(", page.read_text()))
    arguments = inspect.signature(sp.PolicyTransport).parameters
    assert called <= {*dir(sp), *arguments, "Client"}


# ── docs/guarantees.md ─────────────────────────────────────────────────────────────────


def test_each_guarantee_names_tests_and_each_of_them_is_there():
    page = (ROOT / "docs" / "guarantees.md").read_text()
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", tests))
    for guarantee in page.split("\n## ")[1:]:
        named = re.findall(r"^- `(\w+)`$", guarantee, re.MULTILINE)
        assert named, guarantee
        assert set(named) <= there, guarantee


def test_every_property_of_the_guarantees_is_on_their_page():
    page = (ROOT / "docs" / "guarantees.md").read_text()
    tests = (ROOT / "tests" / "test_guarantees.py").read_text()
    assert set(re.findall(r"def (test_\w+)\(", tests)) <= set(re.findall(r"`(\w+)`", page))
