"""The tables of a run store, how they are made, and whether a file has exactly these."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from functools import cache
from pathlib import Path

from verify.store.border import UNTOUCHED, StoreError, opening, reading

SCHEMA_VERSION = 5  # 2 kept what the run is of as sentences, 3 had no checksums, 4 no models but ours

SCHEMA = """
CREATE TABLE run (
    part TEXT PRIMARY KEY,   -- 'identity': the same in every shard; 'machine': the same when a run goes on;
                             -- 'notes'; 'settings': what a result is concluded from besides
    document TEXT NOT NULL,  -- as JSON
    checksum INTEGER NOT NULL
);
CREATE TABLE gates (         -- of the checkpoints, in order
    document TEXT NOT NULL,  -- as JSON
    checksum INTEGER NOT NULL
);
CREATE TABLE images (
    id INTEGER PRIMARY KEY,  -- position in the data set
    name TEXT NOT NULL UNIQUE,
    label INTEGER,           -- NULL in a set without labels
    width INTEGER, height INTEGER, mode TEXT,  -- of the file's own image
    error TEXT,              -- why it could not be decoded; such an image has no predictions
    max_abs REAL,            -- largest difference of any logit between the frameworks; NULL where one is not a number
    checksum INTEGER NOT NULL  -- of this row and its predictions
);
CREATE TABLE predictions (
    image INTEGER NOT NULL REFERENCES images (id),
    framework TEXT NOT NULL, -- 'torch' or 'paddle'
    class1 INTEGER, class2 INTEGER, class3 INTEGER, class4 INTEGER, class5 INTEGER,  -- best first
    logit1 REAL, logit2 REAL, logit3 REAL, logit4 REAL, logit5 REAL,
    confidence REAL,         -- softmax of the best class
    PRIMARY KEY (image, framework)
) WITHOUT ROWID;
"""

# One transaction: a process that is killed at any write, and a disk that is full, leave no table or all of them.
MAKE = f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"

# https://www.sqlite.org/security.html: what to set before a file of somebody else's is read.
DISTRUST = ("PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON")
OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master"
SIBLINGS = ("-journal", "-wal", "-shm")  # that SQLite looks for beside a file
MAX_BYTES = 4 << 30  # of a store; one of ImageNet's 50,000 images has 20 MB, and a hole in a file costs nothing
BUSY = 1.0  # seconds that SQLite waits for another connection before it says so


def open_database(path: Path | None, *, make: bool, exclusive: bool = False) -> sqlite3.Connection:
    """A connection to a run store whose tables are ours and whose pages are whole; the caller closes it.

    Args:
        path: the file; None keeps everything in memory.
        make: makes the tables where there is no file, an empty one, or a database without tables; otherwise one
            snapshot of the store is read, and the file stays as it is.
        exclusive: keeps other connections out, readers too.

    Raises:
        StoreError: the file is no run store of this version, or is damaged.
    """
    with opening(path):
        if path is not None:
            _refuse_others(path, make=make)
        database = _connect(path, make=make)
    try:
        with opening(path):
            _prepare(database, exclusive=exclusive, snapshot=not make)
            if make and _is_blank(database):
                _make(database)
            _check_version(database, path)
        with reading(path):
            _check_objects(database)
            _check_pages(database)
    except BaseException:
        database.close()
        raise
    return database


def holds_nothing(path: Path) -> bool:
    """Whether there is no file, an empty one, or a database without tables, as an interrupted making leaves it."""
    with opening(path):
        if not os.path.lexists(path):
            return True
        _refuse_others(path, make=True)
        with closing(_connect(path, make=False)) as database:
            return _is_blank(database)


def _connect(path: Path | None, *, make: bool) -> sqlite3.Connection:
    where = f"{path.absolute().as_uri()}?mode={'rwc' if make else 'rw'}" if path else ":memory:"
    return sqlite3.connect(where, timeout=BUSY, uri=path is not None, isolation_level=None)


def _refuse_others(path: Path, *, make: bool) -> None:
    """SQLite opens by name, what lies beside a file too: a pipe there would be waited for without end."""
    for place in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in SIBLINGS)):
        try:
            status = place.lstat() if make else place.stat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"{place}: is no regular file and stays as it is; {UNTOUCHED}")
        if status.st_size > MAX_BYTES:
            raise StoreError(f"{place}: is no run store: it has {status.st_size:,} bytes; {UNTOUCHED}")


def _prepare(database: sqlite3.Connection, *, exclusive: bool, snapshot: bool) -> None:
    for pragma in DISTRUST:
        database.execute(pragma)
    if exclusive:
        database.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")
    if snapshot:
        database.execute("BEGIN")


def _is_blank(database: sqlite3.Connection) -> bool:
    tables: int = database.execute("SELECT count(*) FROM (SELECT 1 FROM sqlite_master LIMIT 1)").fetchone()[0]
    return not tables and not _version(database)


def _version(database: sqlite3.Connection) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    return version


def _make(database: sqlite3.Connection) -> None:
    try:
        database.executescript(MAKE)
    except BaseException:
        database.rollback()
        raise


def _check_version(database: sqlite3.Connection, path: Path | None) -> None:
    if _is_blank(database):
        raise StoreError(f"{path}: holds no run; name the run stores that `verify --report` wrote")
    version = _version(database)
    if not version:
        raise StoreError(f"{path}: is no run store: it is a database of another program; {UNTOUCHED}")
    if version != SCHEMA_VERSION:
        raise StoreError(f"{path}: is a run store of version {version}, this is {SCHEMA_VERSION}; {UNTOUCHED}")


def _check_objects(database: sqlite3.Connection) -> None:
    """A view in the place of a table could have rows without end, a trigger could change what is written."""
    ours = _our_objects()
    theirs = database.execute(OBJECTS).fetchmany(len(ours) + 1)
    if strange := next((name for kind, name, *_ in theirs if (kind, name) not in {row[:2] for row in ours}), None):
        raise ValueError(f"{strange!r} is no part of a run store; drop it")
    if set(theirs) != ours or len(theirs) != len(ours):
        raise ValueError("its tables are not a run store's")


@cache
def _our_objects() -> frozenset[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        return frozenset(database.execute(OBJECTS).fetchall())


def _check_pages(database: sqlite3.Connection) -> None:
    """Pages that stand in a tree twice could make a small file as large as they like."""
    answers = database.execute("PRAGMA integrity_check(1)").fetchall()
    if answers != [("ok",)]:
        raise ValueError(" ".join(str(answers[0][0] if answers else "no answer").split()))
