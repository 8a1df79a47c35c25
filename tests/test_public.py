"""The package as its users meet it: names, docstrings, what importing it costs."""

import ast
import importlib
import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import statuspolicy
import statuspolicy.testing
from tests.each import each

SOURCE = Path(statuspolicy.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
PACKAGES = {"statuspolicy": statuspolicy, "statuspolicy.testing": statuspolicy.testing}
NAMES = [(package, name) for package in PACKAGES for name in PACKAGES[package].__all__]


def public_members() -> list[tuple[str, object]]:
    """Every public function and class, and every public method and property of those classes."""
    found: dict[str, object] = {}
    for package, name in NAMES:
        thing = getattr(PACKAGES[package], name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        found[f"{package}.{name}"] = thing
        if inspect.isclass(thing):
            fields = getattr(thing, "_fields", ())  # a NamedTuple's, said in its own docstring
            for attribute, value in inspect.getmembers(thing):
                described = inspect.isroutine(value) or isinstance(value, property)
                described = described or hasattr(value, "__set_name__")
                if described and not attribute.startswith("_") and attribute not in fields:
                    found[f"{package}.{name}.{attribute}"] = inspect.getattr_static(
                        thing, attribute
                    )
    return sorted(found.items(), key=lambda item: item[0])


# ── names ──────────────────────────────────────────────────────────────────────────────


@each(("package", "name"), NAMES)
def test_every_public_name_exists(package, name):
    assert getattr(PACKAGES[package], name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_stands_twice_and_each_kind_is_sorted(package):
    """Constants, classes, functions: the order that ruff's RUF022 keeps."""
    names = PACKAGES[package].__all__
    assert len(names) == len(set(names))

    def kind(name: str) -> int:
        return 0 if name.isupper() else 1 if name[0].isupper() else 2

    assert names == sorted(names, key=lambda name: (kind(name), name))


def test_the_package_gives_no_other_public_name_than_it_says():
    modules = {path.stem for path in SOURCE.glob("*.py")}
    modules |= {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    given = {name for name in vars(statuspolicy) if name.isidentifier() and name[0] != "_"}
    assert given - modules - {"annotations", "Any", "TYPE_CHECKING"} <= set(statuspolicy.__all__)


@each("error", [name for _, name in NAMES if inspect.isclass(getattr(statuspolicy, name, None))])
def test_what_is_raised_is_of_the_http_library_s_own_family(error):
    import httpx

    raised = getattr(statuspolicy, error)
    if issubclass(raised, Exception):
        assert issubclass(raised, httpx.RequestError)


def test_a_public_name_stays_what_it_is_when_all_modules_are_loaded():
    """A module that is imported late would take the place of a name that is spelt alike."""
    program = """
import importlib, pathlib, httpx, statuspolicy as sp
before = {name: getattr(sp, name) for name in sp.__all__}
for path in pathlib.Path(sp.__file__).parent.glob("*.py"):
    importlib.import_module(f"statuspolicy.{path.stem}".removesuffix(".__init__"))
print([name for name in sp.__all__ if getattr(sp, name) is not before[name]])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_what_is_loaded_on_first_use_is_seen_before():
    assert set(statuspolicy.__all__) <= set(dir(statuspolicy))
    with pytest.raises(AttributeError, match="module 'statuspolicy' has no attribute 'nothing'"):
        statuspolicy.nothing  # noqa: B018
    program = """
import sys, httpx, statuspolicy as sp
late = ("message.errors", "engine.events", "client.public_addresses", "engine.loop")
print([name for name in late if f"statuspolicy.{name}" in sys.modules])
assert sp.events.Attempt and sp.RedirectLoop.__module__ == "statuspolicy"
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_public_class_is_of_the_package_in_a_traceback_and_in_a_pickle():
    public = [getattr(statuspolicy, name) for name in statuspolicy.__all__]
    classes = [one for one in public if isinstance(one, type)]
    assert len(classes) > 40
    for one in classes:
        assert one.__module__ == "statuspolicy"
        assert pickle.loads(pickle.dumps(one)) is one


# ── docstrings ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "thing"), [pytest.param(name, thing, id=name) for name, thing in public_members()]
)
def test_what_is_public_says_what_it_does(name, thing):
    doc = inspect.getdoc(thing)
    if not doc and name.count(".") > 1:
        # A method may leave it to the protocol or class that it takes after.
        owner, _, attribute = name.rpartition(".")
        doc = inspect.getdoc(getattr(_resolve(owner), attribute, None))
    assert doc
    assert doc.strip()


def _resolve(name: str) -> object:
    package = max((p for p in PACKAGES if name.startswith(p + ".")), key=len)
    return getattr(PACKAGES[package], name.removeprefix(package + "."))


@each("path", FILES)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


# ── imports ────────────────────────────────────────────────────────────────────────────

LOOK = """
import json, sys
before = set(sys.modules)
import statuspolicy
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_importing_it_imports_nothing_but_itself_and_the_standard_library():
    """No HTTP library, neither tenacity nor anyio nor the extras', and no asyncio."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=60
    )
    new = set(json.loads(done.stdout))
    assert "statuspolicy" in new
    # A part of Python 3.15 that its own list of names leaves out.
    assert new - {*sys.stdlib_module_names, "_missing_stdlib_info"} == {"statuspolicy"}
    assert not new & {"asyncio", "concurrent", "multiprocessing"}
    # From 3.14 on the standard library's own `logging` needs it.
    assert "dataclasses" not in new or sys.version_info >= (3, 14)


def imported(nodes: list[ast.AST]) -> set[str]:
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("" if node.level else (node.module or "").partition(".")[0])
    return names


def test_the_command_line_alone_imports_an_http_library():
    """What else needs one is given an object of it. (For type checkers the types are httpx's.)"""
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        typing = {
            id(node)
            for block in ast.walk(tree)
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
            for node in ast.walk(block)
        }
        run = [node for node in ast.walk(tree) if id(node) not in typing]
        assert "cli" in path.parts or not imported(run) & {"httpx", "httpx2"}, path


# The command line is a program, whose libraries are an extra.
MODULES = [
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in FILES
    if "cli" not in path.parts
]


@each("name", MODULES)
def test_every_module_can_be_imported_by_its_name(name):
    assert importlib.import_module(name).__name__ == name


def test_its_types_are_for_everyone():
    assert (SOURCE / "py.typed").is_file()
