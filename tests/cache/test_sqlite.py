"""The SQLite storage: what it does with damage, with kills, with other processes, with forks."""

import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from statuspolicy.cache.storage import external, sqlite
from tests.cache.places import URL, entry, values
from tests.each import quickly
from tests.library import sp

ROOT = Path(__file__).parents[2]
URLS = [f"{URL}/{number}" for number in range(40)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.db"


@pytest.fixture
def open_storage(path):
    opened = []

    def open_storage(**options):
        opened.append(sp.SQLiteStorage(path, **options))
        return opened[-1]

    yield open_storage
    for storage in opened:
        storage.close()


def filled(path: Path, size: int = 9000) -> None:
    storage = sp.SQLiteStorage(path)
    for number, url in enumerate(URLS):
        storage.save(url, entry(b"%d" % number * size), False)
    storage.close()


def start(program: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *map(str, args)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


# ── what can be misconfigured ──────────────────────────────────────────────────────────


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="the path is a directory: write the path of a file in it"):
        sp.SQLiteStorage(tmp_path)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ValueError, match="the directory does not exist: create it first"):
        sp.SQLiteStorage(tmp_path / "missing" / "cache.db")


def test_the_path_is_the_one_that_it_was_when_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = sp.SQLiteStorage("cache.db")
    monkeypatch.chdir("/")
    storage.save(URL, entry(), False)
    storage.close()
    assert (tmp_path / "cache.db").exists()


def test_another_programs_database_is_left_alone(path, said, open_storage):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (value)")
    db.close()
    before = path.read_bytes()
    storage = open_storage()
    storage.save(URL, entry(), False)
    assert not storage.load(URL, "ann")
    assert path.read_bytes() == before
    (line,) = said()
    assert line == (
        f"SQLiteStorage({str(path)!r}) failed, and requests go on without it: "
        "the file is another program's database, give another path"
    )


def test_a_file_that_never_was_a_cache_is_left_as_it_is(path, open_storage, said):
    path.write_text("notes of mine\n" * 100)
    storage = open_storage()
    storage.save(URL, entry(), False)
    assert not storage.load(URL, "ann")
    (line,) = said()
    assert line.endswith("the file is not a cache, give another path")
    assert path.read_text() == "notes of mine\n" * 100
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_storage_in_memory_is_another_one():
    with pytest.raises(ValueError, match=r"write statuspolicy.MemoryStorage\(\) instead"):
        sp.SQLiteStorage(":memory:")


# ── the file ───────────────────────────────────────────────────────────────────────────


def test_only_its_owner_can_read_it(path, open_storage):
    mask = os.umask(0)
    try:
        open_storage().save(URL, entry(), False)
    finally:
        os.umask(mask)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(
        ("cache.db", "cache.db-wal", "cache.db-shm", "cache.db-lock"), 0o600
    )


def test_a_storage_holds_no_more_than_max_bytes(path, open_storage):
    storage = open_storage(max_bytes=600_000)
    for number in range(200):
        storage.save(f"{URL}/{number}", entry(b"%d" % number * 9000), False)
    storage.close()
    assert path.stat().st_size < 600_000 + 40_000
    assert storage.load(f"{URL}/199", "ann")


def test_what_is_larger_than_the_whole_takes_nothing_elses_place(open_storage):
    storage = open_storage(max_bytes=100_000)
    storage.save(URLS[0], entry(), False)
    storage.save(URL, entry(b"old"), False)
    storage.save(URL, entry(b"x" * 100_001), False)
    assert not storage.load(URL, "ann")
    assert storage.load(URLS[0], "ann")


def test_where_nothing_fits_nothing_is_kept(open_storage, said):
    storage = open_storage(max_bytes=1000)
    storage.save(URL, entry(), False)
    assert not storage.load(URL, "ann")
    assert not said()


def test_a_read_writes_once_a_minute_at_most(path, open_storage, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(sqlite, "time", lambda: now[0])
    storage = open_storage()
    storage.save(URL, entry(), False)

    def writes(seconds: float) -> bool:
        now[0] += seconds
        before = (path.parent / "cache.db-wal").stat().st_size
        assert storage.load(URL, "ann")
        return (path.parent / "cache.db-wal").stat().st_size > before

    assert [writes(seconds) for seconds in (0, 30, 30, 1, 60, 1, -90)] == [
        False, False, False, True, False, True, True,
    ]  # fmt: skip


def test_to_freshen_a_header_section_writes_no_body(path, open_storage):
    storage, wal = open_storage(), path.parent / "cache.db-wal"
    old = entry(b"x" * 500_000)
    storage.save(URL, old, False)
    before = wal.stat().st_size
    storage.save(URL, old._replace(response_time=9.0), True)
    assert wal.stat().st_size - before < 50_000


def test_sqlite_the_file_is_opened_again_where_another_program_removed_it(path, open_storage):
    storage = open_storage()
    storage.save(URL, entry(), False)
    for file in path.parent.glob("cache.db*"):
        file.unlink()
    assert not storage.load(URL, "ann")
    storage.save(URL, entry(), False)
    assert path.exists()
    assert values(storage.load(URL, "ann")) == values([entry()])


# ── damage ─────────────────────────────────────────────────────────────────────────────


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def _few_bytes(path: Path) -> None:
    path.write_bytes(b"?" * 600)


def _no_header(path: Path) -> None:
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])


def _all_zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 + 100])


def _no_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE body")
    db.close()


def _other_column(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE entry RENAME COLUMN dumped TO damped")
    db.close()


def _another_trigger(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TRIGGER evil AFTER INSERT ON entry BEGIN DELETE FROM entry; END")
    db.close()


DAMAGE = [
    _garbage, _few_bytes, _no_header, _all_zero, _cut, _no_table, _other_column, _another_trigger,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_set_aside_and_begun_anew(path, said, open_storage, damage):
    filled(path)
    damage(path)
    before = path.read_bytes()
    storage = open_storage()
    assert not [url for url in URLS if storage.load(url, "ann")]
    storage.save(URL, entry(), False)
    assert values(storage.load(URL, "ann")) == values([entry()])
    assert (path.parent / "cache.db.damaged").read_bytes() == before
    (line,) = said()
    assert line.startswith(f"SQLiteStorage({str(path)!r}) was damaged (")
    assert line.endswith("): a new file was begun, the old one ends in .damaged.")


def test_whatever_page_is_zeroed_nothing_wrong_is_served_and_it_goes_on(path, open_storage):
    filled(path, 400)
    whole = path.read_bytes()
    kept = {url: values([entry(b"%d" % n * 400)]) for n, url in enumerate(URLS)}
    aside = 0
    for page in range(len(whole) // 4096):
        for file in path.parent.iterdir():
            file.unlink()
        Path(f"{path}-lock").touch()
        path.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        storage = open_storage()
        for url, right in kept.items():
            assert values(storage.load(url, "ann")) in ([], right)
            storage.save(url, entry(b"new"), False)
            assert values(storage.load(url, "ann")) in ([], values([entry(b"new")]))
        storage.save(URL, entry(), False)
        assert values(storage.load(URL, "ann")) == values([entry()])
        storage.close()
        aside += (path.parent / "cache.db.damaged").exists()
    assert aside > 3, "some of it was seen"


@pytest.mark.parametrize("seed", quickly(range(100), 20))
def test_whatever_bytes_are_changed_nothing_is_served_that_was_never_stored_there(
    path, open_storage, seed
):
    """(What was replaced may come back, where the way to it was lost and is found again.)"""
    filled(path, 400)
    chance = random.Random(seed)
    whole = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 10, 1000])):
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    path.write_bytes(whole)
    storage = open_storage()
    stored = {url: [[], values([entry(b"%d" % n * 400)])] for n, url in enumerate(URLS)}
    for url in URLS:
        assert values(storage.load(url, "ann")) in stored[url]
    for url in URLS:
        new = entry(b"new " + url.encode())
        stored[url].append(values([new]))
        storage.save(url, new, False)
        assert values(storage.load(url, "ann")) in stored[url]
    assert storage._until is None, "it is no failure that lasts"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE body SET body = replace(body, 'd', 'D')",
        "UPDATE body SET body = CAST(body AS BLOB) || x'00'",
        "UPDATE body SET body = 1",
        "DELETE FROM body",
        "UPDATE entry SET dumped = CAST(substr(dumped, 1, 200) || x'3132' AS BLOB)",
        "UPDATE entry SET dumped = CAST(dumped AS TEXT) || '\xff'",
        "UPDATE entry SET dumped = x''",
        "UPDATE entry SET dumped = 3.5",
        "UPDATE entry SET url = CAST('https://example.org/other' AS BLOB)",
        "UPDATE entry SET who = CAST('bob' AS BLOB)",
        "UPDATE entry SET id = CAST('another' AS BLOB)",
    ],
)
def test_a_damaged_row_is_dropped_and_never_served(path, said, open_storage, change):
    storage = open_storage()
    storage.save(URL, entry(), False)
    with sqlite3.connect(path) as db:
        db.execute(change)
    places = [(url, who) for url in (URL, "https://example.org/other") for who in ("ann", "bob")]
    assert not [place for place in places if storage.load(*place)]
    assert db.execute("SELECT count(*) FROM entry").fetchone() == (0,)
    db.close()
    (line,) = said()
    assert " was deleted: " in line


def test_a_file_that_is_set_aside_leaves_what_belongs_to_the_new_one_alone(path, open_storage):
    """A connection to the old file ends later than the new one begins."""
    old = open_storage()
    old.save(URL, entry(b"old"), False)
    new = open_storage()
    new._connection()
    new._set_aside(sqlite3.DatabaseError("a test says so"))
    new.save(URL, entry(b"new"), False)
    old._let_go()
    assert (path.parent / "cache.db-wal").exists()
    assert values(new.load(URL, "ann")) == values([entry(b"new")])
    assert values(old.load(URL, "ann")) == values([entry(b"new")]), "it moves on to the new one"


def test_who_is_slower_sets_nothing_aside(path, said, open_storage):
    faster, slower = open_storage(), open_storage()
    for one in (faster, slower):
        one._connection()
    faster._set_aside(sqlite3.DatabaseError("a test says so"))
    faster.save(URL, entry(), False)
    slower._set_aside(sqlite3.DatabaseError("a test says so"))
    assert values(slower.load(URL, "ann")) == values([entry()])
    assert len(said()) == 1


WHO_FINDS_IT_DAMAGED = """
import logging, sys
import statuspolicy as sp
from tests.cache.places import entry, values
logging.basicConfig(stream=sys.stdout, format="log %(message)s")
path, me, everybody = sys.argv[1], sys.argv[2], int(sys.argv[3])
storage = sp.SQLiteStorage(path)
print("ready", flush=True)
sys.stdin.readline()
storage.save(f"https://example.org/{me}", entry(me.encode()), False)
print("saved", flush=True)
sys.stdin.readline()
there = [bool(storage.load(f"https://example.org/{one}", "ann")) for one in range(everybody)]
print("there", sum(there), flush=True)
"""


@pytest.mark.parametrize("everybody", quickly([3, 6], 1))
def test_several_processes_find_it_damaged_at_the_same_moment(path, everybody):
    """One sets it aside, and what any of them stored afterwards is there for all."""
    Path(f"{path}-lock").touch()  # it was a cache
    for _ in range(2):
        for beside in ("-wal", "-shm"):  # from which SQLite would mend it by itself
            Path(f"{path}{beside}").unlink(missing_ok=True)
        _garbage(path)
        running = [start(WHO_FINDS_IT_DAMAGED, path, me, everybody) for me in range(everybody)]
        lines: list[str] = []
        for expected in ("ready", "saved", f"there {everybody}"):
            for process in running:
                if expected != "ready":  # all of them are where they were awaited
                    process.stdin.write("\n")
                    process.stdin.flush()
            for process in running:
                while (line := process.stdout.readline().strip()).startswith("log"):
                    lines.append(line)
                assert line == expected
        for process in running:
            process.communicate(timeout=30)
        assert len(lines) == 1, lines
        assert "a new file was begun" in lines[0]


# ── what a new file would not mend ─────────────────────────────────────────────────────


def test_a_full_disk_is_said_once_and_can_still_be_read(open_storage, said, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(external, "monotonic", lambda: now[0])
    storage = open_storage()
    storage.save(URL, entry(), False)
    connect = sqlite3.connect

    class Full(sqlite3.Connection):
        def execute(self, sql, *args):
            if sql.lstrip().startswith(("INSERT", "UPDATE")):
                raise _error(sqlite3.SQLITE_FULL, "database or disk is full")
            return super().execute(sql, *args)

        executemany = execute

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **named: connect(*a, **named, factory=Full))
    storage.close()
    monkeypatch.setattr(sqlite, "time", lambda: time.time() + 100)  # a read would write
    for number in range(20):
        now[0] += 6.0
        storage.save(f"{URL}/{number}", entry(), False)
        now[0] += 6.0
        assert storage.load(URL, "ann")
    assert len(said()) == 1
    assert "database or disk is full" in said()[0]


def _error(code: int, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def test_a_real_full_file_is_rolled_back_and_nothing_of_it_is_served(open_storage, said):
    storage = open_storage()
    storage.save(URL, entry(), False)
    storage._db.execute("PRAGMA max_page_count = 12")
    storage.save(URLS[0], entry(b"x" * 100_000), False)
    assert "full" in said()[0]
    storage._until = None
    assert not storage.load(URLS[0], "ann")
    assert values(storage.load(URL, "ann")) == values([entry()])


def test_a_file_that_is_read_only_is_set_aside(path, open_storage, said, monkeypatch):
    filled(path)
    connect, times = sqlite3.connect, [0]

    def read_only_at_first(file, **options):
        if file.endswith("-lock") or times[0]:
            return connect(file, **options)
        times[0] += 1
        return connect(f"file:{file}?mode=ro", uri=True, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only_at_first)
    storage = open_storage()
    storage.save(URL, entry(), False)
    assert values(storage.load(URL, "ann")) == values([entry()])
    assert (path.parent / "cache.db.damaged").exists()
    (line,) = said()
    assert "readonly" in line


def test_a_folder_in_its_place_is_said_once_and_left_alone(path, open_storage, said):
    storage = open_storage()
    path.mkdir()
    storage.save(URL, entry(), False)
    assert not storage.load(URL, "ann")
    (line,) = said()
    assert "requests go on without it" in line
    assert path.is_dir()


def test_a_file_that_can_not_be_set_aside_is_said_once(path, open_storage, said, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(external, "monotonic", lambda: now[0])
    filled(path)
    _garbage(path)
    (path.parent / "cache.db.damaged").mkdir()
    storage = open_storage()
    for _ in range(3):
        now[0] += 10.0
        assert not storage.load(URL, "ann")
    (line,) = said()
    assert "requests go on without it" in line


def test_a_program_that_keeps_the_file_locked_costs_no_response(
    path, open_storage, said, monkeypatch
):
    """What can't be written is given up, in time; to read needs no lock."""
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.05)
    storage = open_storage()
    storage.save(URL, entry(), False)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert storage.load(URL, "ann")
    storage.drop(URL, None)
    assert "locked" in said()[0]
    other.close()
    storage._until = None
    assert not storage.load(URL, "ann"), "what was to be forgotten is, before it is read again"


# ── other processes ────────────────────────────────────────────────────────────────────

WRITES = """
import sys
import statuspolicy as sp
from tests.cache.test_sqlite import written
storage = sp.SQLiteStorage(sys.argv[1])
for number in range(1000):
    storage.save(*written(number), False)
    print(number, flush=True)
"""


def written(number: int) -> tuple[str, sp.Entry]:
    """One of 1,000 writes: of 200 URLs, each is written again and again."""
    body = b"%d " % number * (1 + number % 7 * 3000)
    return f"https://example.org/{number % 200}", entry(body)


def killed_in_the_middle(path: Path, after: int) -> int:
    """Kill it with SIGKILL after so many writes; answers how many it reported as done.

    Each that it reported is there, unless it was already replaced by the next.
    """
    process = start(WRITES, path)
    for number in range(after):
        assert int(process.stdout.readline()) == number
    process.send_signal(signal.SIGKILL)
    done = after + process.stdout.read().count("\n")
    process.communicate()
    storage = sp.SQLiteStorage(path)
    for number in range(max(0, done - 200), done):
        url, right = written(number)
        may_be = [values([right])]
        if number == done - 200:  # the next one may be there, though it was not reported
            may_be.append(values([written(done)[1]]))
        assert values(storage.load(url, "ann")) in may_be, f"{number} of {done}"
    for number in range(done, max(200, done)):
        url, right = written(number)
        assert values(storage.load(url, "ann")) in ([], values([right]))
    storage.close()
    return done


@pytest.mark.parametrize("seed", quickly(range(5), 1))
def test_a_kill_in_the_middle_of_1000_writes_loses_nothing_and_breaks_nothing(path, said, seed):
    reported = killed_in_the_middle(path, random.Random(seed).randrange(1, 700))
    assert reported < 1000, "it was in the middle"
    assert not said()


ONE_OF_MANY = """
import logging, random, sys
import statuspolicy as sp
from tests.cache.places import entry, sound
logging.basicConfig(stream=sys.stdout, format="log %(message)s")
path, seed, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance, loaded, mixed = random.Random(seed), 0, 0
storage = sp.SQLiteStorage(path, max_bytes=2_000_000)
for turn in range(turns):
    url, who = f"https://example.org/{chance.randrange(20)}", chance.choice(["ann", "bob"])
    match chance.randrange(10):
        case 0:
            storage.drop(url, None)
        case 1 | 2 | 3:
            storage.save(url, entry(b"%d %d " % (seed, turn) * chance.randrange(9000), who), False)
        case 4:
            for one in storage.load(url, who):
                storage.save(url, one._replace(response_time=float(turn)), True)
        case _:
            for one in storage.load(url, who):
                loaded += 1
                mixed += not sound(one) or one.who != who
storage.close()
print("loaded", loaded, "mixed", mixed, flush=True)
"""


def of_many(path: Path, processes: int, turns: int) -> list[str]:
    running = [start(ONE_OF_MANY, path, seed, turns) for seed in range(processes)]
    return [process.communicate(timeout=240)[0] for process in running]


@pytest.mark.parametrize("processes", quickly([3, 8], 1))
def test_several_processes_use_one_file(path, processes):
    for output in of_many(path, processes, 150):
        loaded = output.split()
        assert output == f"loaded {loaded[1]} mixed 0\n"
        assert int(loaded[1]) > 0


FORKS = """
import json, os, sys, threading, warnings
import statuspolicy as sp
from tests.cache.places import entry
# Python says since 3.12 that a fork beside threads is risky: that is what is tried here.
warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
storage = sp.SQLiteStorage(sys.argv[1])
storage.save("https://example.org/parent", entry(), False)
busy = True
def work():
    while busy:
        storage.save("https://example.org/busy", entry(b"x" * 50_000), False)
threading.Thread(target=work).start()
for number in range(20):
    child = os.fork()
    if not child:
        seen = bool(storage.load("https://example.org/parent", "ann"))
        storage.save(f"https://example.org/{number}", entry(), False)
        storage.close()
        sys.stdout.flush()
        os._exit(0 if seen else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
busy = False
print(json.dumps([bool(storage.load(f"https://example.org/{n}", "ann")) for n in range(20)]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_gets_a_connection_of_its_own_even_while_threads_write(path):
    process = subprocess.run(
        [sys.executable, "-c", FORKS, str(path)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=50,
    )  # fmt: skip
    assert json.loads(process.stdout) == [True] * 20
    assert not process.stderr


def test_in_a_child_the_parents_connection_is_neither_used_nor_closed(path, open_storage):
    """As the hooks are called around a fork, but without one, so that it is seen from outside."""
    storage = open_storage()
    storage.save(URL, entry(), False)
    parents, lock = storage._db, storage._lock
    sqlite._before_fork()
    assert lock.locked()
    sqlite._in_child()
    assert storage._db is None
    assert not storage._lock.locked()
    assert values(storage.load(URL, "ann")) == values([entry()])
    assert storage._db is not parents
    open_storage()
    sqlite._in_child()  # one is open, and one isn't
    assert parents.execute("SELECT count(*) FROM entry").fetchone() == (1,)
    parents.close()


def test_in_the_parent_all_goes_on_after_a_fork(open_storage):
    storage = open_storage()
    sqlite._before_fork()
    sqlite._in_parent()
    storage.save(URL, entry(), False)
    assert values(storage.load(URL, "ann")) == values([entry()])
