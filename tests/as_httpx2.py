"""`pytest -p tests.as_httpx2`: the same tests, with httpx2 where they say httpx.

A pytest plugin: before a test is imported, `httpx` and `statuspolicy` become httpx2 and
`statuspolicy.httpx2`, and so do the modules of the package that are bound to the library.
"""

import importlib
import sys
from pathlib import Path

import httpx2

import statuspolicy.httpx2 as bound

# What is about files, about libraries that know httpx alone, or in a process of its own.
ABOUT_HTTPX = {
    "test_aiohttp.py",
    "test_commands.py",
    "test_comparison.py",
    "test_cost.py",
    "test_httpx2.py",
    "test_layers.py",
    "test_public.py",
    "test_readme.py",
}

HERE = Path(bound.__file__).parent


def names(folder: Path) -> list[str]:
    """The modules in a folder and below it, without the package's own name."""
    files = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py")]
    return [".".join(p for p in file.parts if p != "__init__") for file in files]


for name in names(HERE.parent):
    if name and not name.startswith(("httpx2", "cli")):
        importlib.import_module(f"statuspolicy.{name}")
# All are loaded before any takes another's place: some load one another.
twins = {
    f"statuspolicy.{name}".removesuffix("."): importlib.import_module(
        f"statuspolicy.httpx2.{name}".removesuffix(".")
    )
    for name in names(HERE)
}
sys.modules.update(twins)
sys.modules["httpx"] = httpx2


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path.name in ABOUT_HTTPX else None


def pytest_report_header() -> str:
    return f"statuspolicy is bound to httpx2 {httpx2.__version__}"
