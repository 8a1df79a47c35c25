"""The shape: a file imports only from files below it in this list."""

import ast
from pathlib import Path

import statuspolicy
from tests.each import each

SOURCE = Path(statuspolicy.__file__).parent

# Top to bottom. A folder is one layer. The command line and the test kit use the package as
# anyone does, so they stand above its public names, which so can't load them.
ORDER = [
    "cli",
    "httpx2",
    "testing",
    "__init__",
    "downloads",
    "polling",
    "dav",
    "contents",
    "wrap",
    "calls",
    "transport",
    "async_transport",
    "configured",
    "routing",
    "account",
    "tables",
    "driver",
    "loop",
    "sync_io",
    "async_io",
    "io",
    "default",
    "resuming",
    "glances",
    "moves",
    "cached",
    "aside",
    "writing",
    "ahead",
    "rest",
    "prepare",
    "state",
    "narration",
    "guard",
    "bounds",
    "path",
    "plan",
    "caching",
    "visit",
    "recording",
    "events",
    "evidence",
    "expecting",
    "addresses",
    "duties",
    "glance",
    "redact",
    "response",
    "hop",
    "body",
    "replayable",
    "remade",
    "jar",
    "row",
    "verdicts",
    "exchange",
    "streams",
    "effects",
    "memory",
    "cooldown",
    "cache",
    "ranges",
    "notes",
    "challenge",
    "documents",
    "decoding",
    "retry_after",
    "dates",
    "fields",
    "methods",
    "errors",
    "failure",
    "limits",
    "credentials",
    "clock",
    "network",
    "connection",
    "listening",
    "windows",
    "proof",
    "tcp",
    "reading",
    "httpcore_internals",
    "h2_internals",
    "h11_internals",
    "cookiejar_internals",
    "trace",
    "interim",
    "links",
    "wire",
    "flights",
    "locks",
    "later",
    "ondemand",
    "_value",
    "printable",
    "httpx_internals",
    "library",
    "supported",
    "protocols",
]
# Inside these folders, what may import what. (`cli` and `testing` are programs of their own.)
DUTIES = {
    "unparsable": {"retry"},
    "authenticate": {"answering", "flow", "tokens"},
    "flow": {"answering"},
    "tokens": {"answering"},
    "poll": {"looks", "ticket"},
    "looks": {"ticket"},
    "choose": {"redirect"},
    "told": {"redirect"},
}
CACHE = [
    "__init__",
    "config",
    "redis",
    "sqlite",
    "outside",
    "access",
    "storage",
    "behind",
    "settling",
    "planning",
    "course",
    "changes",
    "parts",
    "conditions",
    "keeping",
    "asked",
    "status",
    "entry",
    "freshness",
    "sealed",
    "sqlite_file",
    "sizes",
    "flaws",
    "vary",
    "control",
    "invalidations",
]
DOWNLOADS = {
    "loops": {"course", "reading"},
    "course": {"reading", "answers", "digests", "partfile", "place", "sink", "spans"},
    "reading": {"answers", "digests", "partfile", "spans"},
    "answers": {"byteranges", "journal", "spans"},
    "sink": {"partfile"},
    "partfile": {"digests", "journal", "place", "spans"},
    "journal": {"digests", "spans"},
}
FREE_WITHIN = {"cli", "testing", "httpx2"}

FILES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


def module(file: str) -> tuple[str, ...]:
    """`duties/retry.py` -> ("duties", "retry"); `testing/__init__.py` -> ("testing",)."""
    parts = Path(file).with_suffix("").parts
    return parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts


MODULES = {module(file) for file in FILES}


def imports(source: str, of: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The package's own modules that a source imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `..hop` in ("duties", "retry") is ("hop",).
            above = of[: len(of) - node.level] if node.level else ()
            base = ".".join(["statuspolicy", *above]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            names = [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            package, *parts = name.split(".")
            if package != "statuspolicy":
                continue
            # `from statuspolicy.row import Row` names a module and what is in it.
            while parts and tuple(parts) not in MODULES:
                parts.pop()
            found.add(tuple(parts) or ("__init__",))
    return found


def objections(importer: tuple[str, ...], imported: tuple[str, ...]) -> str:
    """What is wrong with an import; "" where nothing is."""
    here, there = importer[0], imported[0]
    for name in (here, there):
        if name not in ORDER:
            return f"{name} has no place in the order"
    if here != there:
        upward = ORDER.index(there) <= ORDER.index(here)
        return f"{'.'.join(importer)} imports {'.'.join(imported)}, from above" if upward else ""
    if here in FREE_WITHIN:
        return ""
    if here == "cache" and {importer[-1], imported[-1]} <= {*CACHE}:
        upward = CACHE.index(imported[-1]) <= CACHE.index(importer[-1])
        return f"{'.'.join(importer)} imports {'.'.join(imported)}, from above" if upward else ""
    if imported[-1] in (DUTIES | DOWNLOADS).get(importer[-1], ()):
        return ""
    return f"{'.'.join(importer)} imports {'.'.join(imported)}, of its own layer"


def test_the_order_names_nothing_twice():
    assert len(ORDER) == len(set(ORDER))


@each("file", FILES)
def test_every_file_has_its_place(file):
    assert module(file)[0] in ORDER


@each("file", FILES)
def test_a_file_imports_only_from_files_below_it(file):
    source = (SOURCE / file).read_text("utf-8")
    wrong = [objections(module(file), imported) for imported in imports(source, module(file))]
    assert not [objection for objection in wrong if objection]


@each(
    ("file", "source", "fine"),
    [
        ("guard.py", "from statuspolicy.hop import resolve", True),
        ("guard.py", "from statuspolicy import hop, jar", True),
        ("guard.py", "import statuspolicy.hop", True),
        ("hop.py", "from statuspolicy.guard import permit", False),
        ("hop.py", "from statuspolicy import guard", False),
        ("hop.py", "import statuspolicy.guard", False),
        ("hop.py", "from statuspolicy import Limits", False),
        ("hop.py", "import statuspolicy", False),
        ("hop.py", "def f():\n    from statuspolicy.guard import permit", False),
        ("hop.py", "if TYPE_CHECKING:\n    from statuspolicy import loop", False),
        ("hop.py", "from statuspolicy.hop import target", False),
        ("new.py", "from statuspolicy.limits import Limits", False),
        ("duties/retry.py", "from statuspolicy.exchange import Exchange", True),
        ("duties/unparsable.py", "from statuspolicy.duties.retry import retry", True),
        ("duties/retry.py", "from statuspolicy.duties.unparsable import refused", False),
        ("duties/retry.py", "from statuspolicy.duties import verify", False),
        ("duties/retry.py", "from statuspolicy.tables import STANDARD", False),
        ("testing/replay.py", "from statuspolicy.testing.clock import FakeClock", True),
        ("testing/replay.py", "from statuspolicy.loop import exchange", True),
        ("loop.py", "from statuspolicy.testing import FakeClock", False),
        ("__init__.py", "from statuspolicy.wrap import wrap", True),
        ("__init__.py", "from statuspolicy.testing import FakeClock", False),
        ("cli/demo.py", "import statuspolicy", True),
        ("cli/demo.py", "from statuspolicy.testing import StatusServer", True),
        ("testing/server.py", "from statuspolicy.cli import main", False),
    ],
)
def test_this_test_sees_an_upward_import(file, source, fine):
    wrong = [objections(module(file), imported) for imported in imports(source, module(file))]
    assert any(wrong) is not fine
