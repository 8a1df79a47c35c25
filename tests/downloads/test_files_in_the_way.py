"""What stands where a download writes: somebody's own `.part`, a link, a device, an old file."""

import os
import socket
import stat
import threading
from importlib import import_module

import pytest

from statuspolicy.downloads.destination import make_alike
from statuspolicy.downloads.device import Sink
from statuspolicy.downloads.part_file import PartFile
from statuspolicy.testing import Answer
from tests.downloads.ranged import BODY, GONE, Ranged, beside, save
from tests.library import httpx, sp

partfile = import_module("statuspolicy.downloads.part_file")
MINE = b"somebody else's work"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def interrupted(session, server, path, target="/file", **options) -> str:
    """Leave a part of 100,000 bytes behind."""
    server._turns.clear()
    url = server.script(target, Ranged(cut=100_000), GONE)
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path, **options)
    server._turns.clear()
    server.received.clear()
    return url


def held(path) -> dict[str, bytes]:
    """What a directory holds."""
    return {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}


# ── a part that is somebody else's, or another URL's ───────────────────────────────────


def test_a_part_that_is_not_a_download_s_is_left_alone_whatever_comes(session, status_server, path):
    answers = {"/404": Answer(404), "/file": Ranged(), "/wrong": Ranged(b"!")}
    for name in ("file.part", "file.part.json", "file.part.json.new"):
        for content in (MINE, b"", b'{"version": 1}'):
            if name.endswith("new") and not content:
                continue  # what a killed one of ours may have left
            own = path.with_name(name)
            own.write_bytes(content)
            for target, answer in answers.items():
                url = status_server.script(target, answer)
                for options in ({}, {"resume": False}, {"sha256": "0" * 64}):
                    try:
                        save(session, url, path, **options)
                    except (httpx.HTTPStatusError, sp.DigestMismatch):
                        assert target == "/404" or options
                    else:
                        assert path.read_bytes() == answer.body
                        path.unlink()
                    assert held(path) == {name: content}
            own.unlink()


def test_a_download_is_resumed_beside_a_part_of_another_program(session, status_server, path):
    path.with_name("file.part").write_bytes(MINE)
    url = interrupted(session, status_server, path)
    assert beside(path) == ["file.1.part", "file.1.part.json", "file.part"]
    status_server.script("/file", Ranged())
    save(session, url, path)
    assert status_server.received[0].headers["range"] == "bytes=100000-299999"
    assert held(path) == {"file": BODY, "file.part": MINE}


def test_a_part_of_another_url_stays_until_what_takes_its_place_begins_to_come(
    session, status_server, path
):
    url = interrupted(session, status_server, path)
    before = held(path)
    failing = {
        "/404": Answer(404), "/401": Answer(401), "/503": GONE, "/x": Answer(206), "/416": 416,
    }  # fmt: skip
    others = [status_server.script(target, answer) for target, answer in failing.items()]
    others += ["http://127.0.0.1:9/file", url + "?token=2", url.replace("/file", "/to")]
    status_server.script("/file?token=2", Answer(403))
    status_server.script("/to", Answer(302, {"Location": "/404"}))
    for other in others:
        for options in ({}, {"resume": False}, {"segments": 3}):
            with pytest.raises((httpx.HTTPError, sp.DownloadError)):
                save(session, other, path, **options)
            assert held(path) == before
    status_server.script("/file", Answer(403))
    with pytest.raises(httpx.HTTPStatusError):
        save(session, url, path, resume=False)
    assert held(path) == before
    status_server.received.clear()
    status_server.script("/file", Ranged())
    save(session, url, path)
    assert status_server.received[0].headers["range"] == "bytes=100000-299999"
    assert held(path) == {"file": BODY}
    interrupted(session, status_server, path)
    save(session, status_server.script("/new", Ranged(b"new")), path)
    assert held(path) == {"file": b"new"}


def test_a_part_stays_where_another_place_answered_and_then_nothing_does(
    session, status_server, path
):
    """What came can't be joined, and the whole can't be had either."""
    status_server.script("/a", Ranged(cut=100_000), GONE)
    status_server.script("/b", Ranged(), Answer(404))
    url = status_server.script("/file", Answer(302, {"Location": "/a"}))
    with pytest.raises(httpx.RemoteProtocolError):
        save(session, url, path)
    before = held(path)
    status_server.script("/file", Answer(302, {"Location": "/b"}))
    with pytest.raises(httpx.HTTPStatusError):
        save(session, url, path)
    assert held(path) == before


def test_where_every_name_is_somebody_else_s_it_is_said(path):
    names = partfile._names("file")
    for name in names:
        path.with_name(name + ".part").write_bytes(MINE)
    with pytest.raises(
        FileExistsError, match=r"file\.part and similar names belong to other files"
    ):
        PartFile(path, "asked", True)
    assert held(path) == {name + ".part": MINE for name in names}


def test_a_part_of_another_user_is_left_alone_and_a_folder_s_own_refusal_is_raised(
    path, monkeypatch
):
    def refused(part, mode, **options):
        if part.name == "file.part":
            raise PermissionError(13, "Permission denied", str(part))
        return open(part, mode, **options)

    monkeypatch.setattr(partfile, "open", refused, raising=False)
    with pytest.raises(PermissionError):
        PartFile(path, "asked", True)
    path.with_name("file.part").write_bytes(MINE)
    part = PartFile(path, "asked", True)
    assert part.part.name == "file.1.part"
    part.close()
    assert held(path) == {"file.part": MINE}


def test_a_part_that_appears_as_it_is_made_is_not_taken_for_a_new_one(path, monkeypatch):
    tried = []

    def late(part, mode, **options):
        tried.append(mode)
        if len(tried) == 2:
            path.with_name("file.part").write_bytes(MINE)
        return open(part, mode, **options)

    monkeypatch.setattr(partfile, "open", late, raising=False)
    part = PartFile(path, "asked", True)
    assert tried[:3] == ["r+b", "x+b", "r+b"]
    assert part.part.name == "file.1.part"
    part.close()
    assert held(path) == {"file.part": MINE}


def test_what_is_no_file_by_a_part_s_name_is_left_alone(path, monkeypatch):
    os.mkfifo(path.with_name("file.part"))
    os.mkfifo(path.with_name("file.1.part.json"))
    path.with_name("file.2.part").mkdir()
    path.with_name("file.3.part.json").mkdir()
    sock = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(path.parent)  # a socket's whole path must be short
    sock.bind("file.4.part")
    sock.close()
    there = beside(path)
    part = PartFile(path, "asked", True)
    assert part.part.name == "file.5.part"
    with pytest.raises(BlockingIOError):
        PartFile(path, "asked", True)
    part.close()
    assert beside(path) == there


def test_what_names_no_file_is_refused_by_its_own_name(session, status_server, tmp_path):
    url = status_server.script("/file", Ranged())
    (tmp_path / "file").write_bytes(MINE)
    for name in ("file/", "no/", "", "."):
        with pytest.raises(IsADirectoryError, match="is a directory: name the file to write"):
            save(session, url, f"{tmp_path}/{name}")
    for size in (246, 250, 255):  # with what is put beside it
        with pytest.raises(OSError, match="name too long"):
            save(session, url, tmp_path / ("x" * size))
    assert status_server.received == []
    assert held(tmp_path / "file") == {"file": MINE}
    assert save(session, url, tmp_path / ("x" * 245)).read_bytes() == BODY
    assert beside(tmp_path / "file") == ["file", "x" * 245]


def test_what_a_killed_download_left_is_taken_up(session, status_server, path):
    part = PartFile(path, "asked", True)
    blank = held(path)["file.part.json"]
    part._file.close()  # as at once
    for left in (blank, b"", blank[:30]):
        path.with_name("file.part.json.new").write_bytes(left)
        save(session, status_server.script("/file", Ranged()), path)
        assert held(path) == {"file": BODY}


# ── the journal's temporary name ───────────────────────────────────────────────────────


def test_a_link_by_the_journal_s_temporary_name_is_not_written_through(
    session, status_server, path
):
    victim, link = path.with_name("victim"), path.with_name("file.part.json.new")
    victim.write_bytes(b"precious")
    for leads_to in (victim, path.with_name("nowhere")):
        link.symlink_to(leads_to)
        url = interrupted(session, status_server, path)
        assert os.readlink(link) == str(leads_to)
        status_server.script("/file", Ranged())
        save(session, url, path)
        assert status_server.received[0].headers["range"] == "bytes=100000-299999"
        assert path.read_bytes() == BODY
        assert victim.read_bytes() == b"precious"
        link.unlink()
        assert beside(path) == ["file", "victim"]


def test_a_disk_that_takes_no_journal_keeps_the_last_one(path, monkeypatch):
    from statuspolicy.fields.section import Fields

    part = PartFile(path, "asked", True)
    part.begin("from", Fields([(b"etag", b'"v1"'), (b"content-length", b"6")]))
    part.write(0, b"abc", part.epoch)
    assert part.record()
    before = held(path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            part.record()
        patch.setattr("builtins.open", full)
        with pytest.raises(OSError, match="No space left"):
            part.record()
    assert held(path) == before
    part.close()


def test_a_disk_that_is_full_at_once_leaves_nothing_behind_and_takes_nothing_away(
    path, monkeypatch
):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for module, name in ((os, "replace"), (partfile, "_lock")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            with pytest.raises(OSError, match="No space left"):
                PartFile(path, "asked", True)
        assert beside(path) == []
    path.with_name("file.part").write_bytes(MINE)
    with monkeypatch.context() as patch:
        patch.setattr(partfile, "_lock", full)
        with pytest.raises(OSError, match="No space left"):
            PartFile(path, "asked", True)
    assert held(path) == {"file.part": MINE}


# ── what the path leads to ─────────────────────────────────────────────────────────────


def test_a_link_is_followed_and_stays(session, status_server, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    url = status_server.script("/file", Ranged())
    for name, there in (("old", b"old"), ("nowhere", None)):
        real, link, chain = folder / name, tmp_path / f"to-{name}", tmp_path / f"to-to-{name}"
        if there is not None:
            real.write_bytes(there)
        link.symlink_to(os.path.join("folder", name))
        chain.symlink_to(link)
        url = interrupted(session, status_server, chain)
        assert f"{name}.part" in beside(real)
        status_server.script("/file", Ranged())
        assert save(session, url, chain) == chain
        assert status_server.received[0].headers["range"] == "bytes=100000-299999"
        assert (link.is_symlink(), chain.is_symlink(), real.is_symlink()) == (True, True, False)
        assert real.read_bytes() == BODY
    assert beside(tmp_path / "x") == [
        "folder",
        "to-nowhere",
        "to-old",
        "to-to-nowhere",
        "to-to-old",
    ]
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost").symlink_to("no/folder")
    status_server.received.clear()
    for name, error in (("loop", OSError), ("lost", FileNotFoundError)):
        with pytest.raises(error):
            save(session, url, tmp_path / name)
    assert status_server.received == []


def device(path) -> bool:
    """Make a device like /dev/null, where that may be done."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        return False
    return True


def test_a_device_gets_the_bytes_and_stays_a_device(session, status_server, tmp_path):
    null = tmp_path / "null"
    if not device(null):
        pytest.skip("only root makes a device")
    url = status_server.script("/file", Ranged())
    for options in ({}, {"segments": 3}, {"resume": False}):
        assert save(session, url, null, **options) == null
    with pytest.raises(sp.DigestMismatch):
        save(session, url, null, sha256="0" * 64)
    with pytest.raises(httpx.HTTPStatusError):
        save(session, status_server.script("/404", Answer(404)), null)
    assert stat.S_ISCHR(null.lstat().st_mode)
    (tmp_path / "link").symlink_to(null)
    save(session, url, tmp_path / "link")
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert beside(null) == ["link", "null"]


def test_a_named_pipe_gets_what_is_whole_and_right_and_stays_a_pipe(
    session, status_server, tmp_path
):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    cut = Ranged(cut=100_000)
    url = status_server.script("/file", cut, Answer(503), Ranged(), Ranged())
    chunked = Answer(200, {"Transfer-Encoding": "chunked"}, BODY)
    for target, options in ((url, {"segments": 3}), (status_server.script("/c", chunked), {})):
        got = []
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reading, True)

        def read(reading=reading, got=got):
            with open(reading, "rb") as file:
                while sum(map(len, got)) < len(BODY):
                    got.append(file.read(len(BODY)))

        reader = threading.Thread(target=read)
        reader.start()
        save(session, target, pipe, **options)
        reader.join(5)
        assert b"".join(got) == BODY
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert beside(pipe) == ["pipe"]


def test_a_pipe_that_nobody_reads_is_an_error_before_anything_is_sent(
    session, status_server, tmp_path, monkeypatch
):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    url = status_server.script("/file", Ranged())
    with pytest.raises(OSError, match="no process reads from it"):
        save(session, url, pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb"):
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Sink(pipe)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Sink(pipe)
    pipe.unlink()
    with pytest.raises(FileNotFoundError):
        Sink(pipe)
    assert status_server.received == []


# ── the file that is replaced ──────────────────────────────────────────────────────────


def test_416_a_file_that_is_replaced_keeps_its_permissions_and_its_part_has_no_more(
    session, status_server, path
):
    url = status_server.script("/file", Ranged())
    for mode in (0o600, 0o640, 0o444, 0o755, 0o4711):
        path.write_bytes(b"old")
        path.chmod(mode)
        modes = set()

        def told(done, total, modes=modes):
            modes.add(stat.S_IMODE(path.with_name("file.part").stat().st_mode))

        save(session, url, path, progress=told)
        assert stat.S_IMODE(path.stat().st_mode) == mode & 0o777
        assert path.read_bytes() == BODY
        assert all(part & ~(mode | 0o600) == 0 for part in modes)
        path.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_a_file_that_root_replaces_stays_its_owner_s(session, status_server, path):
    path.write_bytes(b"old")
    os.chown(path, 12345, 23456)
    save(session, status_server.script("/file", Ranged()), path)
    assert (path.read_bytes(), path.stat().st_uid, path.stat().st_gid) == (BODY, 12345, 23456)


def test_a_file_that_can_t_be_given_away_keeps_its_group(path, monkeypatch):
    asked = []

    def not_given(_, uid, gid):
        asked.append((uid, gid))
        if uid != -1:
            raise PermissionError

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fchown", not_given)
    with open(path.with_name("new"), "wb") as new:
        make_alike(new, path)
    assert asked == [(-1, path.stat().st_gid), (path.stat().st_uid, -1)]


def test_what_is_no_file_by_the_time_that_it_is_whole_stays(session, status_server, path):
    os.mkfifo(path.with_name("pipe"))

    def taken(done, total):
        if done == total and not path.exists():
            path.with_name("pipe").rename(path)

    url = status_server.script("/file", Ranged())
    with pytest.raises(FileExistsError, match="it was not replaced"):
        save(session, url, path, progress=taken)
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert beside(path) == ["file", "file.part", "file.part.json"]
