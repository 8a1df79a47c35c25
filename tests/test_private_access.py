"""No module but `*_internals.py` touches a private name of another library."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import statuspolicy as sp
from tests.each import each

SOURCE = Path(sp.__file__).parent
OF_ONE_LIBRARY = "_internals.py"  # what the name of such a module ends in
DOCUMENTED = {"_replace", "_asdict", "_fields", "_make"}  # of a NamedTuple


def is_private(name: object) -> bool:
    return isinstance(name, str) and name[:1] == "_" and name[:2] != "__" and name.isidentifier()


def strings(tree: ast.AST) -> set[str]:
    """The private names that stand in a string."""
    nodes = ast.walk(tree)
    return {n.value for n in nodes if isinstance(n, ast.Constant) and is_private(n.value)}


def attributes(tree: ast.AST, stored: bool = False) -> set[str]:
    """The private names of attributes that are used; of those that are set alone."""
    found = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and (not stored or isinstance(node.ctx, ast.Store))
    }
    return {name for name in found if is_private(name)}


class Kind(NamedTuple):
    """A class of the package: its bases, what it defines, and what its methods set besides."""

    bases: tuple[str, ...]
    defines: set[str]
    sets: set[str]


def kind_of(node: ast.ClassDef) -> Kind:
    defines: set[str] = set()
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            defines.add(part.name)
            if part.name in ("__init__", "__new__"):
                defines |= attributes(part, stored=True)
        elif isinstance(part, ast.Assign | ast.AnnAssign):  # `__slots__` too
            defines |= {name.id for name in ast.walk(part) if isinstance(name, ast.Name)}
            defines |= strings(part)
    bases = tuple(ast.unparse(base).partition("[")[0] for base in node.bases)
    return Kind(bases, defines, attributes(node, stored=True))


class Package(NamedTuple):
    """kinds: its classes. ours: what they define. theirs: what the modules of a library touch."""

    kinds: dict[str, Kind]
    ours: set[str]
    theirs: set[str]

    def own(self, name: str) -> set[str]:
        """The private names that `self` has in a class by its own doing.

        Where a base is another library's, they have to be defined: an attribute that a method
        sets may be the library's.
        """
        kind = self.kinds[name]
        known = [self.own(base) for base in kind.bases if base in self.kinds]
        foreign = len(known) < len(kind.bases)
        return set().union(kind.defines, *known, () if foreign else kind.sets)


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    paths = sorted(path for path in SOURCE.rglob("*.py") if not path.is_symlink())
    return [(path, ast.parse(path.read_text("utf-8"))) for path in paths]


@cache
def package() -> Package:
    kinds, ours, theirs = dict[str, Kind](), set[str](), set[str]()
    for path, tree in trees():
        if path.name.endswith(OF_ONE_LIBRARY):
            theirs |= attributes(tree) | strings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                kinds[node.name] = kind_of(node)
                ours |= kinds[node.name].defines | kinds[node.name].sets
            elif isinstance(node, ast.Dict):  # of a class that is made at run time
                ours |= set().union(*(strings(key) for key in node.keys if key))
    return Package(kinds, ours, theirs - DOCUMENTED)


def objections(tree: ast.Module, of: Package) -> list[str]:
    """The private names of other libraries that a module touches, as attributes or in strings."""
    own: dict[int, set[str]] = {}
    for kind in ast.walk(tree):
        if isinstance(kind, ast.ClassDef):
            mine = of._replace(kinds=of.kinds | {kind.name: kind_of(kind)}).own(kind.name)
            own |= dict.fromkeys(map(id, ast.walk(kind)), mine)
    found = []
    for node in ast.walk(tree):
        mine, wrong = own.get(id(node), set()), False
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            by_self = ast.unparse(node.value) in ("self", "cls") and node.attr in mine
            wrong = not by_self and node.attr not in (of.ours | DOCUMENTED) - of.theirs
        elif isinstance(node, ast.Constant):
            wrong = node.value in of.theirs - mine
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            wrong = names[0] != "statuspolicy" and any(map(is_private, names))
        elif isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
            wrong = any(map(is_private, names)) and names[0] != "statuspolicy"
        if wrong:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def test_there_is_one_module_a_library():
    assert {path.name for path, _ in trees() if path.name.endswith(OF_ONE_LIBRARY)} == {
        "cookiejar_internals.py", "h11_internals.py", "h2_internals.py", "httpcore_internals.py",
        "httpx_internals.py",
    }  # fmt: skip


def test_no_other_module_touches_a_private_name_of_another_library():
    found = {
        str(path.relative_to(SOURCE)): objections(tree, package())
        for path, tree in trees()
        if not path.name.endswith(OF_ONE_LIBRARY)
    }
    assert {file: lines for file, lines in found.items() if lines} == {}


IN_INIT = "class A:\n def __init__(self):\n  self._content = b''\n def read(self): self._content"
IN_SLOTS = "class A:\n __slots__ = ('_content',)\n def read(self): self._content"
IN_BODY = "class A(Response):\n _content = b''\n def read(self): self._content"
ON_THE_WAY = "class A{}:\n def read(self): self._content = b''"


@each(
    ("source", "fine"),
    [
        ("pool._network_backend = None", False),
        ("getattr(transport, '_pool', None)", False),
        ("vars(response)['_content']", False),
        ("response._request", False),
        ("client._unheard_of", False),
        ("url._uri_reference._replace(port=1)", False),
        ("from httpx._models import Headers", False),
        ("from httpx import _models", False),
        ("import h11._state", False),
        ("class A(Response):\n def read(self): return self._content", False),
        (ON_THE_WAY.format("(Response)"), False),
        (ON_THE_WAY.format(""), True),
        (IN_INIT, True),
        (IN_SLOTS, True),
        (IN_BODY, True),
        ("policy._inner", True),
        ("verdict._replace(after=1)", True),
        ("from statuspolicy._value import Record", True),
        ("import statuspolicy._value", True),
        ("from httpx import Headers", True),
        ("from ._lib import Headers", True),
    ],
)
def test_this_test_sees_a_private_name(source, fine):
    assert (objections(ast.parse(source), package()) == []) is fine
