"""The command line, through click's own runner, against real servers."""

import hashlib
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points, version

import httpx
import pytest
from click.testing import CliRunner, Result

import statuspolicy as sp
from statuspolicy.cli import demo, fetching, main
from statuspolicy.cli.commands import cli
from statuspolicy.printable import printable
from statuspolicy.testing import Answer, FakeClock, StatusServer
from tests.downloads.ranged import BODY, GONE, Ranged
from tests.each import each
from tests.raw_server import serving


def run(*arguments: object, **options: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], **options)


# ── what can be asked for ──────────────────────────────────────────────────────────────


@each("command", ["table", "explain", "fetch", "download", "serve", "demo"])
def test_every_command_says_what_it_does(command):
    assert command in run("--help").output
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("table", "999"),
        ("table", "99"),
        ("table", "5xx"),
        ("table", "²"),
        ("explain", "nonsense"),
        ("explain", "503", "-H", "no colon"),
        ("explain", "503", "-H", ": no name"),
        ("explain", "503", "--url", "/relative"),
        ("explain", "503", "--url", "ftp://example.org/"),
        ("explain", "503", "--url", "http://a:b/"),
        ("fetch", "foo"),
        ("fetch", "http://a:b/"),
        ("download", "foo"),
        ("download", "http://example.org/"),
        ("download", "http://example.org/%2E%2E"),
        ("download", "http://example.org/a%2Fb"),
        ("download", "http://example.org/a", "--segments", "33"),
        ("download", "http://example.org/a", "--sha256", "abc"),
        ("download", "http://example.org/a", "-H", "Range: bytes=0-"),
        ("fetch",),
        ("nonsense",),
    ],
)
def test_a_command_that_makes_no_sense_is_told_so_and_ends_with_2(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "arguments", [("explain", "503", "--url", "foo"), ("fetch", "foo"), ("download", "foo")]
)
def test_a_url_that_is_none_is_told_the_same_wherever_it_is_written(arguments):
    assert "'foo' is not a URL: write http:// or https:// and a host." in run(*arguments).output


# ── table ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("option", "table"), [((), sp.STANDARD), (("--strict",), sp.STRICT)])
def test_table_shows_the_table(option, table):
    assert run("table", *option).output == f"{table}\n"


def test_table_is_drawn_on_a_terminal():
    output = run("table", env={"FORCE_COLOR": "1", "COLUMNS": "200"}).output
    assert re.search("503.*Service Unavailable.*retry.*RFC 9110 §15.6.4", output)
    assert "│" in output


@each(
    ("code", "lines"),
    [
        ("503", ["503 Service Unavailable (RFC 9110 §15.6.4)", "The duty is retry()"]),
        ("299", ["299 is handled as 200.", "200 OK (RFC 9110 §15.3.1)"]),
        ("405", ["The duty is not_allowed: 405: Allow lists the methods of the resource"]),
        ("ConnectError", ["In short: nothing was sent."]),
    ],
)
def test_table_shows_a_row(code, lines):
    output = run("table", code).output
    assert all(line in output for line in lines)


# ── explain ────────────────────────────────────────────────────────────────────────────


@each(
    ("arguments", "lines"),
    [
        (
            ("503", "-X", "POST", "-H", "Retry-After: 5"),
            ["repeat after 5 s: the server asks to wait", "/ is sent after 5 s."],
        ),
        (("503", "-X", "POST"), ["POST is not idempotent", "So the response is handed over."]),
        (("503", "--strict"), ["So the response is handed over."]),
        (("404",), ["GET https://example.org/ → 404 Not Found · settle"]),
        (
            ("302", "-X", "POST", "-H", "Location: /b", "--url", "http://example.org/a"),
            ["So GET http://example.org/b is sent."],
        ),
        (
            ("503", "-H", "Retry-After: 5", "--url", "https://me:secret@example.org/a"),
            ["So GET https://example.org/a is sent after 5 s."],
        ),
        (("206",), ["no range was requested", "So the response is handed over."]),
        (
            ("206", "-H", "Content-Range: bytes 0-4/9"),
            ["So ProtocolViolation is raised."],
        ),
        (
            ("206", "-R", "Range: bytes=0-4", "-H", "Content-Range: bytes 0-4/9"),
            ["So the response is handed over."],
        ),
        (("600",), ["repeat: at once, on another connection"]),
        (("600", "-X", "POST"), ["So UnparsableResponse is raised."]),
        (("ReadTimeout", "-X", "POST"), ["So ReadTimeout is raised."]),
        (("299",), ["299 is handled as 200.", "So the response is handed over."]),
    ],
)  # fmt: skip
def test_302_503_206_600_explain_says_what_would_be_done(arguments, lines):
    result = run("explain", *arguments)
    assert result.exit_code == 0
    assert all(line in result.output for line in lines), result.output


def test_explain_sends_nothing(status_server):
    run("explain", "503", "--url", status_server.url)
    assert status_server.received == []


# ── fetch ──────────────────────────────────────────────────────────────────────────────


def test_302_503_fetch_writes_the_body_and_tells_the_hops_on_the_way(status_server):
    status_server.script("/b", Answer(503, {"Retry-After": "0"}), Answer(200, {}, b"a body\xff"))
    result = run("fetch", status_server.url + "/302?location=/b", "-H", "X-Mine: 1")
    assert result.exit_code == 0
    assert result.stdout_bytes == b"a body\xff"
    first, second, *_ = result.stderr.splitlines()
    assert "→ 302 Found · follow: to " in first
    assert "→ 503 Service Unavailable · repeat: at once" in second
    assert {request.headers["x-mine"] for request in status_server.received} == {"1"}


def test_503_retry_after_fetch_tells_a_wait(status_server, monkeypatch):
    slept = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, seconds=None: slept.append(seconds))
    result = run("fetch", status_server.url + "/503?retry-after=7&then=200")
    assert "waiting 7 s" in result.stderr
    assert 7.0 in slept


@pytest.mark.parametrize(("status", "code"), [(200, 0), (300, 0), (404, 4), (500, 5)])
def test_300_404_500_fetch_ends_with_the_class_of_an_error(status_server, status, code):
    assert run("fetch", f"{status_server.url}/{status}").exit_code == code


@pytest.fixture
def no_waits(monkeypatch):
    """A command waits as long as it is told, and the clock of its client goes on as if it had."""
    clock = FakeClock()
    for name in ("sleep", "monotonic", "time"):
        monkeypatch.setattr(sp.SystemClock, name, lambda _, *a, n=name: getattr(clock, n)(*a))


def test_fetch_says_what_failed_and_ends_with_1(no_waits):
    result = run("fetch", "http://127.0.0.1:9/")
    assert result.exit_code == 1
    assert "ConnectError: " in result.stderr


def test_a_url_that_is_none_can_t_command_the_terminal():
    url = "http://127.0.0.1:9/\x1b[2J"
    result = run("fetch", url)
    assert result.exit_code == 2
    assert f"{url!r}: Invalid" in result.stderr


def test_what_failed_can_t_command_the_terminal():
    assert printable("a\x1b[2J\nb") == "a\\x1b[2J\\nb"


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m" + "x" * 5000


@pytest.mark.parametrize(
    "fields", [f"Location: //u:hunter2@{HOSTILE}", f"Link: <{HOSTILE}>; rel=successor-version", ""]
)
@pytest.mark.parametrize("code", [301, 405, 503])
def test_what_a_server_writes_can_t_command_the_terminal(code, fields, tmp_path, no_waits):
    def serve(peer):
        peer.head()
        head = f"HTTP/1.1 {code} {HOSTILE}\r\nDeprecation: @1\r\nContent-Length: 0\r\n"
        peer.send(f"{head}{fields or 'X: y'}\r\n\r\n".encode("latin-1"))

    with serving(serve) as server:
        url = server.url.replace("://", "://user:hunter2@") + "/f"
        for command in (("fetch", url), ("download", "-o", tmp_path / "f", url)):
            shown = run(*command).stderr
            assert "hunter2" not in shown
            for line in shown.splitlines():
                assert line.isprintable()
                assert len(line) < 2100


def test_a_body_can_t_command_the_terminal_and_is_untouched_elsewhere(status_server, monkeypatch):
    body = "é\x1b[2J\n\tß".encode()
    status_server.script("/page", *[Answer(200, {"Content-Type": "text/plain"}, body)] * 2)
    assert run("fetch", status_server.url + "/page").stdout_bytes == body
    monkeypatch.setattr(fetching, "_is_terminal", lambda: True)
    assert run("fetch", status_server.url + "/page").stdout == "é\\x1b[2J\n\tß"


def test_a_command_that_makes_no_sense_does_not_show_a_secret(tmp_path):
    for arguments in (
        ("fetch", "ftp://u:hunter2@host/"),
        ("fetch", "http://u:hunter2@["),
        ("fetch", "http://u:hunter2@host:x"),
        ("download", "http://u:hunter2@127.0.0.1:9/"),
        ("fetch", "-H", "Authorization Bearer hunter2", "http://127.0.0.1:9/"),
        ("fetch", "-H", "X-Key: hunter2-hunter2\r\nx", "http://u:hunter2@127.0.0.1:9/"),
    ):
        result = run(*arguments)
        assert result.exit_code in (1, 2)
        assert "hunter2" not in result.output, arguments


@pytest.mark.parametrize(("answer", "sent"), [("y", 2), ("n", 1)])
def test_307_fetch_asks_on_a_terminal_where_a_row_wants_it(
    status_server, monkeypatch, answer, sent
):
    arguments = ("fetch", "-X", "PUT", "-d", "body", status_server.url + "/307?location=/200")
    monkeypatch.setattr(fetching, "_asks", lambda: True)
    result = run(*arguments, input=f"{answer}\n")
    assert f"307: send PUT to {status_server.url}/200? [y/N]" in result.stderr
    assert len(status_server.received) == sent
    assert {request.body for request in status_server.received} == {b"body"}


@pytest.mark.parametrize(("option", "sent"), [((), 2), (("--strict",), 1)])
def test_307_fetch_does_as_the_table_says_where_nobody_can_be_asked(status_server, option, sent):
    url = status_server.url + "/307?location=/200"
    assert run("fetch", *option, "-X", "PUT", "-d", "body", url).exit_code == 0
    assert len(status_server.received) == sent


# ── download ───────────────────────────────────────────────────────────────────────────


def test_download_saves_the_file_and_says_where(status_server, tmp_path):
    url, path = status_server.script("/file", Ranged()), tmp_path / "saved"
    sha256 = hashlib.sha256(BODY).hexdigest()
    result = run("download", url, "-o", path, "--segments", 2, "--sha256", sha256)
    assert (result.exit_code, result.stdout) == (0, f"{path}\n")
    assert path.read_bytes() == BODY
    assert "300.0/300.0 kB" in result.stderr


def test_download_takes_the_name_from_the_url(status_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status_server.script("/a/b%20c", Ranged())
    assert run("download", status_server.url + "/a/b%20c?d=/e#f").stdout == "b c\n"
    assert (tmp_path / "b c").read_bytes() == BODY


def test_download_into_a_link_a_device_or_a_pipe_leaves_each_what_it_is(status_server, tmp_path):
    url = status_server.script("/file", Ranged())
    null, link, pipe = (tmp_path / name for name in ("null", "link", "pipe"))
    link.symlink_to("real")
    ways = [link]
    with suppress(PermissionError):  # only root makes a device
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        ways.append(null)
    for way in ways:
        assert run("download", url, "-o", way).exit_code == 0
    assert link.is_symlink()
    assert (tmp_path / "real").read_bytes() == BODY
    assert null not in ways or stat.S_ISCHR(null.lstat().st_mode)
    os.mkfifo(pipe)
    refused = run("download", url, "-o", pipe)
    assert (refused.exit_code, "no process reads from it" in refused.output) == (1, True)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_download_into_a_pipe_writes_no_name_behind_the_bytes(status_server, tmp_path):
    """It may be the standard output, /dev/stdout."""
    url, got = status_server.script("/file", Ranged()), []
    read, write = os.pipe()
    with open(read, "rb") as pipe:
        reader = threading.Thread(target=lambda: got.append(pipe.read()))
        reader.start()
        result = run("download", url, "-o", f"/dev/fd/{write}")
        os.close(write)
        reader.join()
    assert (result.exit_code, result.stdout, got) == (0, "", [BODY])
    refused = run("download", url, "-o", f"{tmp_path}/no/")
    assert (refused.exit_code, "no/ is a directory: name the file" in refused.output) == (1, True)


def test_download_goes_on_where_it_was_unless_it_is_told_not_to(status_server, tmp_path):
    for option, asked in ((), "bytes=100000-299999"), (("--no-resume",), None):
        status_server._turns.clear()
        url = status_server.script("/file", Ranged(cut=100_000), GONE, Ranged())
        failed = run("download", url, "-o", tmp_path / "file")
        assert failed.exit_code == 1
        assert "RemoteProtocolError: " in failed.stderr
        assert run("download", url, "-o", tmp_path / "file", *option).exit_code == 0
        assert (tmp_path / "file").read_bytes() == BODY
        assert status_server.received[-1].headers.get("range") == asked


@pytest.mark.parametrize(("status", "code"), [(404, 4), (500, 5), (204, 1)])
def test_204_404_500_download_ends_with_the_class_of_an_error(
    status_server, tmp_path, status, code
):
    result = run("download", f"{status_server.url}/{status}", "-o", tmp_path / "file")
    assert result.exit_code == code
    assert "no file was saved" in result.stderr


def test_download_that_is_interrupted_says_that_it_goes_on(status_server, tmp_path):
    stalled = Ranged(cut=100_000)
    interrupt = partial(signal.pthread_kill, threading.main_thread().ident, signal.SIGINT)

    def stalls(request):
        threading.Timer(0.2, interrupt).start()
        return stalled(request)._replace(close=False, stall=True)

    url = status_server.script("/file", stalls, Ranged())
    result = run("download", url, "-o", tmp_path / "file")
    assert result.exit_code == 130
    assert "Give the same command again" in result.stderr
    assert run("download", url, "-o", tmp_path / "file").exit_code == 0
    assert (tmp_path / "file").read_bytes() == BODY


# ── serve, demo, and none of it ────────────────────────────────────────────────────────


def test_418_503_serve_answers_any_code_until_ctrl_c():
    with StatusServer() as free:
        port = free.port
    answered = []

    def ask() -> None:
        end = time.monotonic() + 5
        while not answered and time.monotonic() < end:
            try:
                answered.append(httpx.get(f"http://127.0.0.1:{port}/418").status_code)
            except httpx.TransportError:
                time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    asking = threading.Thread(target=ask)
    asking.start()
    result = run("serve", "--port", port)
    asking.join()
    assert (result.exit_code, answered) == (0, [418])
    assert result.output == f"http://127.0.0.1:{port}/503?retry-after=1&then=200\n"


def test_serve_on_a_port_that_is_taken_says_so():
    with StatusServer() as server:
        port = server.port
        result = run("serve", "--port", port)
    assert result.exit_code == 2
    assert f"Invalid value for --port: {port} can't be used (" in result.output
    assert result.output.endswith("): give another, or 0 for any free one.\n")


@pytest.mark.parametrize(
    ("command", "at"), [(("fetch", "http://127.0.0.1/"), (fetching, "_client")),
                        (("demo",), (demo, "main"))]
)  # fmt: skip
def test_what_is_interrupted_says_so_and_ends_with_130(command, at, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(*at, interrupted)
    result = run(*command)
    assert (result.exit_code, result.output) == (130, "Interrupted.\n")


def test_demo_is_the_demo(monkeypatch):
    monkeypatch.setattr(demo, "main", lambda: 3)
    assert run("demo").exit_code == 3


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(missing):
    """In a process of its own, where nothing of it was loaded before; the demo needs none."""
    program = f"""
import sys
sys.modules[{missing!r}] = None
import statuspolicy.cli.demo
from statuspolicy.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "The command line needs click and rich: pip install 'statuspolicy[cli]'\n"


def without(monkeypatch, name: str) -> None:
    monkeypatch.delitem(sys.modules, "statuspolicy.cli.commands")
    monkeypatch.setitem(sys.modules, name, None)


def test_the_sentence_is_for_what_the_extra_brings_and_for_nothing_else(monkeypatch):
    with monkeypatch.context() as patch:
        without(patch, "click")
        with pytest.raises(SystemExit, match="needs click and rich"):
            main()
    without(monkeypatch, "statuspolicy.cli.explain")
    with pytest.raises(ModuleNotFoundError, match=r"statuspolicy.cli.explain"):
        main()


def test_the_command_is_called_as_it_is_installed(monkeypatch, capsys):
    (entry,) = entry_points(group="console_scripts", name="statuspolicy")
    monkeypatch.setattr(sys, "argv", ["anything", "--version"])
    with pytest.raises(SystemExit) as ended:
        entry.load()()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"statuspolicy, version {version('statuspolicy')}\n"
