"""The Makefile and pyproject.toml: each claim in them is tested."""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent.parent
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text())
MAKEFILE = (HERE / "Makefile").read_text()


def test_each_python_of_the_classifiers_is_tested_in_ci_and_no_other_is_claimed():
    classifiers = PROJECT["project"]["classifiers"]
    claimed = {c.split(" :: ")[-1] for c in classifiers if re.search(r":: 3\.\d+$", c)}
    others = re.search(r"^PYTHONS \?= (.*)$", MAKEFILE, re.MULTILINE)
    assert others
    assert claimed == {"3.11", *others[1].split()}
    ci = (HERE / ".ci/run").read_text()
    assert "\nmake coverage\n" in ci
    commands = re.findall(r"^(.*)make test-pythons PYTHONS='(.*)'$", ci, re.MULTILINE)
    assert sorted(" ".join(versions for _, versions in commands).split()) == others[1].split()
    assert {library for library, _ in commands} == {"", "STATUSPOLICY_LIBRARY=httpx2 "}


def test_a_command_installs_what_it_needs_and_no_more():
    needs = dict(re.findall(r"^([a-z0-9-]+): \$\(VENV\)/\.(\S+)", MAKEFILE, re.MULTILINE))
    assert needs["demo"] == "ready"
    assert {name for name, what in needs.items() if what == "with-bench"} == {
        "bench", "bench-quick",
    }  # fmt: skip
    extras = PROJECT["project"]["optional-dependencies"]
    assert "pyright[nodejs]" not in extras["test"]
    assert {*extras["bench"]} & {*extras["test"]} == {"httpx-retries"}
