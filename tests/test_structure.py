"""A room imports only from rooms below it; inside a room anything but a circle."""

import ast
from functools import cache
from pathlib import Path

import statuspolicy

SOURCE = Path(statuspolicy.__file__).parent
# Top to bottom. The tools above `__init__` use the public names, as anyone does.
ROOMS = ["cli", "httpx2", "testing", "__init__", "downloads", "client", "engine", "policy",
         "message", "cache", "wire", "memory", "fields", "_value", "printable"]  # fmt: skip
FOLDERS, FILES, CHAIN, CHAIN_WITH_TYPES = 12, 3, 12, 14  # at most
MODULES = {
    ".".join(("statuspolicy", *path.relative_to(SOURCE).with_suffix("").parts)): path
    for path in SOURCE.rglob("*.py")
}


@cache
def imports(module: str, types: bool = True) -> frozenset[str]:
    """The modules that one imports, wherever in it. types: also those for type checkers alone."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(MODULES[module].read_text("utf-8"))]
    for node in todo:
        if isinstance(node, ast.If) and not types and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "LazyModule":
                names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        for name in names:
            near = [name, name.rpartition(".")[0]]
            near += [f"{one}.__init__" for one in near]
            found.update([one for one in near if one in MODULES][:1])
    return frozenset(found)


def room(module: str) -> int:
    return ROOMS.index(module.split(".")[1])


@cache
def chain(module: str, types: bool) -> tuple[str, ...]:
    """The longest chain of imports from here down; a circle is a RecursionError."""
    below = (chain(one, types) for one in imports(module, types))
    return (module, *max(below, key=len, default=()))


def test_a_room_imports_only_from_rooms_below_it():
    upward = [
        f"{module} imports {one}"
        for module in MODULES
        for one in imports(module)
        if room(one) < room(module)
    ]
    assert upward == []


def test_no_files_import_each_other_in_a_circle():
    assert all(chain(module, types=True) for module in MODULES)


def test_no_chain_of_imports_is_longer_than_somebody_can_follow():
    for types, most in ((False, CHAIN), (True, CHAIN_WITH_TYPES)):
        core = [chain(m, types) for m in MODULES if room(m) > ROOMS.index("__init__")]
        longest = max(core, key=len)
        assert len(longest) <= most, longest


def test_a_stranger_sees_the_whole_house_at_once():
    top = [path for path in SOURCE.iterdir() if path.name not in ("__pycache__", "py.typed")]
    assert len([path for path in top if any(path.glob("*.py"))]) <= FOLDERS
    assert len([path for path in top if path.is_file()]) <= FILES
    assert not [path for path in SOURCE.rglob("*") if path.is_symlink()]
