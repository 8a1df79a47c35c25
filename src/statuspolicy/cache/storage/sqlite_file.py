"""The SQLite file of stored responses: its tables, its size, and whether it is damaged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Bodies have a table of their own, so that a header section is updated without rewriting its body.
# Loading and deleting use the same conditions, so that damage hides a row from both or from none.
_SCHEMA = [
    """CREATE TABLE entry (
        n INTEGER PRIMARY KEY, url BLOB NOT NULL, id BLOB NOT NULL, who BLOB NOT NULL,
        used REAL NOT NULL, dumped BLOB NOT NULL)""",
    "CREATE INDEX place ON entry (url)",
    "CREATE INDEX oldest ON entry (used)",
    "CREATE TABLE body (n INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TRIGGER gone AFTER DELETE ON entry BEGIN DELETE FROM body WHERE n = old.n; END",
]
# The errors that a new file repairs; others, such as a full disk or a missing folder, it does not.
_DAMAGED = {
    sqlite3.SQLITE_ERROR,  # no such table
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_NOTADB,
}


class _WrongSchema(sqlite3.DatabaseError):
    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


MAGIC = b"SQLite format 3\0"  # the first bytes of a database file


def means_damage(error: Exception) -> bool:
    """Whether an error means that the file is damaged, so that a new file repairs it."""
    # UnicodeDecodeError: of a message that quotes damaged text.
    code: int = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, UnicodeDecodeError) or code & 0xFF in _DAMAGED


def prepare(db: sqlite3.Connection) -> None:
    """Check that a database is one of statuspolicy; create its tables if it is empty."""
    schema = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master")}
    ours = {statement.encode() for statement in _SCHEMA}
    if not schema:
        db.execute("PRAGMA journal_mode = WAL")
        with transaction(db):
            for statement in _SCHEMA:
                db.execute(statement)
    elif not schema & ours:
        raise sqlite3.DatabaseError("the file is another program's database, give another path")
    elif schema != ours:
        raise _WrongSchema("its tables have another schema")
    # A crash of the program loses nothing; one of the machine may lose the last moments.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA journal_size_limit = 4194304")
    db.execute("PRAGMA cell_size_check = ON")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    with db:  # commits, or rolls back
        db.execute("BEGIN IMMEDIATE")
        yield


def bytes_in_use(db: sqlite3.Connection) -> int:
    """The number of bytes of the file that are in use."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size


def make(path: str) -> None:
    """Create a file that only its owner can read, unless it exists.

    (An existing one is not opened, since closing it again would release SQLite's locks on it.)
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def which_file(path: str) -> object:
    """The identity of the file at a path, which a rename doesn't change; None if there is none."""
    with suppress(FileNotFoundError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return None
