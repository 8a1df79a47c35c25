"""`statuspolicy`, typed for httpx2: `import statuspolicy.httpx2 as sp`.

The objects and their names are the same, and serve clients of both libraries. Only the types that a
type checker sees differ, by `__init__.pyi`: here `Exchange.request` is an `httpx2.Request`.
"""

from typing import Any

import statuspolicy
from statuspolicy.wire.library import named

try:
    named("httpx2")
except ImportError as missing:
    raise ImportError(
        "statuspolicy.httpx2 is for clients of httpx2, which is not installed: "
        "pip install 'statuspolicy[httpx2]'."
    ) from missing

__all__ = statuspolicy.__all__  # pyright: ignore[reportUnsupportedDunderAll] - it reads the stub


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(statuspolicy, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
