"""What the README shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

import httpx
import pytest

import statuspolicy as sp
from statuspolicy.cli import demo

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.fixture(scope="module")
def output() -> str:
    """What `make demo` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert demo.main() == 0, printed.getvalue()
    return printed.getvalue()


def test_the_readme_shows_what_the_demo_prints(output):
    shown = re.search(r"<!-- demo -->\n```text\n(.*?)\n```\n<!-- /demo -->", README, re.DOTALL)
    assert shown[1] == output.rstrip()


def test_the_demo_has_a_line_with_a_decision_and_a_citation_for_every_row(output):
    lines = {line[:3]: line for line in output.splitlines() if line[:3].isdigit()}
    assert set(lines) == {str(key) for key in sp.STANDARD if isinstance(key, int)}
    for line in lines.values():
        assert re.search(r"(surface|settle|follow|repeat|refuse|use): \S.* \[\S.*\]$", line)


def test_the_demo_says_where_the_two_clients_differ(monkeypatch, capsys):
    async def otherwise(scene, url):
        return demo._play(scene, url)._replace(got="something else")

    monkeypatch.setattr(demo, "_aplay", otherwise)
    monkeypatch.setattr(demo, "scenes", lambda: [demo.Scene(200, "/200")])
    assert demo.main() == 1
    assert "but async: 200" in capsys.readouterr().out


def test_the_first_three_lines_work(status_server):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    names: dict[str, object] = {}
    exec(code.replace("https://example.org/", status_server.url + "/302?location=/200"), names)
    names["client"].close()
    assert names["response"].status_code == 200


def test_the_example_of_a_table_works(status_server):
    code = README.partition("## Change a row")[2].partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}
    exec(code.replace("https://example.org/", status_server.url + "/200"), names)
    with contextlib.closing(names["client"]) as client:
        response = client.get(status_server.url + "/409")
        assert sp.trace(response).reason == "409 is for a person to decide"
        assert sp.trace(client.get(status_server.url + "/302?location=/200")).requests == 2


def test_the_example_of_a_test_works(status_server, fake_clock):
    code = README.partition("## In your tests")[2].partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {"sp": sp, "httpx": httpx}
    exec(code, names)
    names["test_my_client_waits"](status_server, fake_clock)


def test_the_example_of_politeness_works(status_server, capsys):
    """A hop to the loopback is refused, the observer prints, the breaker opens and raises."""
    part = README.partition("## Be polite, and on time")[2]
    names: dict[str, object] = {"sp": sp, "httpx": httpx}
    exec(part.partition("```python\n")[2].partition("```")[0], names)
    with contextlib.closing(names["client"]) as client:
        response = client.get(status_server.url + "/302?location=/200")
        assert (response.status_code, response.history) == (302, [])
        assert "allow_hop" in sp.trace(response).reason
        assert client.get(status_server.url + "/500").status_code == 500
        with pytest.raises(sp.CoolingDown):
            client.get(status_server.url + "/500")
    assert "Settled(" in capsys.readouterr().out
    request = httpx.Request("GET", "https://api.example.org/")
    names["sign"](request, 2)
    assert request.headers["x-signature"] == "of attempt 2"
