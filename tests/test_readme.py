"""What the README shows is what happens."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import httpx
import pytest

import statuspolicy as sp
from statuspolicy.cli import demo
from statuspolicy.testing import Answer

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


def example(heading: str) -> str:
    """The first Python block under a heading of the README."""
    return README.partition(heading)[2].partition("```python\n")[2].partition("```")[0]


def test_the_example_of_a_cache_works(status_server, capsys):
    status_server.script("/", Answer(200, {"Cache-Control": "max-age=3600"}, b"page"))
    names: dict[str, object] = {"sp": sp, "httpx": httpx}
    exec(example("## Cache").replace("https://example.org", status_server.url), names)
    names["client"].close()
    assert capsys.readouterr().out.startswith("statuspolicy; hit; ttl=3")
    assert len(status_server.received) == 1


def test_the_example_of_rows_that_need_a_decision_works(status_server, capsys):
    names: dict[str, object] = {"sp": sp, "httpx": httpx}
    exec(example("## Rows that need your decision"), names)
    challenge = '/401?www-authenticate=Bearer realm="a"&then=200'
    with contextlib.closing(names["client"]) as client:
        client._transport.config.clock.sleep = lambda seconds: None
        for path in ("/202?location=/200", challenge, "/409?then=200"):
            assert client.get(status_server.url + path).status_code == 200
        assert status_server.received[-3].headers["authorization"] == "Bearer of a"
        assert client.get(status_server.url + "/410").status_code == 410
        assert capsys.readouterr().out == f"drop {status_server.url}/410\n"
        assert client.put(status_server.url + "/413", content=b"x" * 2_000_000).status_code == 413
        assert "expect" in status_server.received[-1].headers


def test_the_example_of_a_download_works(status_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status_server.script("/", Answer(200, {"ETag": '"1"'}, b"content"))
    with sp.wrap(httpx.Client()) as client:
        code = example("## Downloads").replace("https://example.org", status_server.url)
        exec(code, {"sp": sp, "client": client})
    assert (tmp_path / "file.bin").read_bytes() == b"content"
    assert [file.name for file in tmp_path.iterdir()] == ["file.bin"]


@pytest.mark.parametrize(
    "words", re.findall(r"`(statuspolicy (?:table|explain)[^`]+)`", README), ids=str
)
def test_the_commands_work(words):
    from click.testing import CliRunner

    from statuspolicy.cli.commands import cli

    result = CliRunner().invoke(cli, shlex.split(words)[1:])
    assert (result.exit_code, "503" in result.output) == (0, True)
