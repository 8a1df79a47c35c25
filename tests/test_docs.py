"""The pages in docs/: nothing is cited that isn't there, and what they say of the code is so."""

import re
from pathlib import Path

from tests.each import each

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
]
REPORTS = sorted((ROOT / "benchmarks").glob("*.md"))
# What may cite a page: links of httpx2's are the files that they lead to.
SOURCES = [
    *PAGES,
    *(
        file
        for folder in ("src", "tests", "benchmarks")
        for file in sorted((ROOT / folder).rglob("*.py"))
        if not file.is_symlink()
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
