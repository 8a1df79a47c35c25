"""The library that the tests are about: `from tests.library import httpx, sp`.

With STATUSPOLICY_LIBRARY=httpx2 they are about httpx2, and `sp` is what its users import. A file
of tests that imports httpx itself is about that one alone, or about both, and is run once.
"""

import os
from typing import TYPE_CHECKING

NAME = os.environ.get("STATUSPOLICY_LIBRARY", "httpx")

if TYPE_CHECKING or NAME == "httpx":
    import httpx

    import statuspolicy as sp
    import statuspolicy.testing
elif NAME == "httpx2":
    import httpx2 as httpx

    import statuspolicy.httpx2 as sp
    import statuspolicy.httpx2.testing  # noqa: F401 - as `sp.testing`
else:
    raise ValueError(f"STATUSPOLICY_LIBRARY={NAME!r}: write httpx or httpx2.")

__all__ = ["NAME", "httpx", "sp"]
