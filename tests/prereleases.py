"""`make test-prereleases`: does what is coming still have the private names that are used?

In an environment of its own, each library is replaced by its newest pre-release (or release, where
that is newer), one at a time; then every private name is looked for, and some exchanges are made.
What breaks is a warning, since nobody has it installed yet: it is what the next release has to be
read for. An error is only what breaks with the versions that are asked for today.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable

LIBRARIES = ("httpx", "httpx2", "httpcore", "h11", "h2", "anyio")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
VERSION = "from importlib.metadata import version; print(version({!r}))"


def pip(*arguments: str) -> None:
    # That the package asks for other versions is said on stderr, and is what this is about.
    done = subprocess.run((*PIP, *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pip {' '.join(arguments)} failed:\n{done.stderr}")


def python(*arguments: str) -> tuple[bool, str]:
    """Whether a program ran well, and the last line that it wrote."""
    command = (sys.executable, "-W", "ignore", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode == 0, (done.stdout + done.stderr).strip().rpartition("\n")[2]


def installed() -> dict[str, str]:
    return {library: python("-c", VERSION.format(library))[1] for library in LIBRARIES}


def main() -> None:
    usual = installed()
    fine, said = python(__file__, "look")
    print(", ".join(f"{library} {version}" for library, version in usual.items()), f"– {said}")
    if not fine:
        raise SystemExit("The versions that pyproject.toml asks for lack something.")
    before = subprocess.run((*PIP, "freeze", "--exclude-editable"), capture_output=True, check=True)
    for library in LIBRARIES:
        pip("install", "--upgrade", "--pre", library)
        changed = {name: v for name, v in installed().items() if v != usual[name]}
        name = ", ".join(f"{name} {version}" for name, version in changed.items())
        if not changed:
            print(f"{library} {usual[library]} – nothing newer")
            continue
        fine, said = python(__file__, "look")
        print(f"{name} – {said}" if fine else f"WARNING: {name} breaks statuspolicy: {said}")
        subprocess.run((*PIP, "install", "-r", "/dev/stdin"), input=before.stdout, check=True)


def look() -> None:
    """Look for every private name; make exchanges in a thread and in a task."""
    import httpcore
    import httpcore2
    import httpx
    import httpx2

    import statuspolicy
    import statuspolicy.httpx2
    from statuspolicy.wire import (
        cookiejar_internals,
        h11_internals,
        httpcore_internals,
        httpx_internals,
        supported,
    )

    def of(library: object) -> Callable[[], None]:
        names = (*httpx_internals.names(library), *httpx_internals.pools(library))
        return lambda: supported.require(library.__name__, names)

    checks = [cookiejar_internals.check, h11_internals.check, of(httpx), of(httpx2)]
    for core in (httpcore, httpcore2):
        checks.append(lambda core=core: httpcore_internals.check(core.__name__))
        checks.append(lambda core=core: httpcore_internals.check_http2(core.__name__))
    for check in checks:
        check()
    exchange(statuspolicy, httpx)
    exchange(statuspolicy.httpx2, httpx2)
    print("every private name is there, and the exchanges went well")


def exchange(sp: object, library: object) -> None:
    from statuspolicy.testing import FakeClock, StatusServer

    def is_fine(response: object) -> None:
        assert response.status_code == 200, response
        assert sp.trace(response).requests == 3, sp.trace(response)

    async def in_a_task(url: str) -> None:
        async with sp.wrap(library.AsyncClient(), clock=FakeClock()) as client:
            is_fine(await client.get(url))

    path = "/302?location=/503%3Fretry-after%3D1%26then%3D200"
    with StatusServer() as server, sp.wrap(library.Client(), clock=FakeClock()) as client:
        is_fine(client.get(server.url + path))
    with StatusServer() as server:
        asyncio.run(in_a_task(server.url + path))


if __name__ == "__main__":
    look() if sys.argv[1:] else main()
