"""The gallery's list, opened: made, or moved from an earlier version's tables to today's, in one transaction.

A list of a newer version is not touched. What was moved is kept beside as it was; what is damaged is written anew
(:mod:`fromnoise.studio.desk.salvage`). The folder belongs to one studio at a time, which its lock sees to.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file
from fromnoise.studio.desk.salvage import BROKEN, LIST, Damaged, check_sound, fill_from_files, is_damage, written_anew

LOG = logging.getLogger("fromnoise.studio")
LOCKED_SECONDS = 2.0  # that are waited for another program to let go of the list
VERSION = 2  # of the tables
TABLES = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, created REAL NOT NULL, ended REAL, message TEXT, orders TEXT NOT NULL
);
CREATE TABLE pictures (
    id TEXT PRIMARY KEY, job TEXT NOT NULL, place INTEGER NOT NULL, created REAL NOT NULL, prompt TEXT NOT NULL,
    style TEXT, seed INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, origin TEXT NOT NULL,
    start TEXT, mask TEXT, favourite INTEGER NOT NULL DEFAULT 0, deleted REAL, expires REAL
);
CREATE INDEX newest ON pictures (deleted, created DESC);
CREATE INDEX of_job ON pictures (job);
"""


def _masks(db: sqlite3.Connection) -> None:
    """From 1 to 2. The tables of the first days had no masks, and said of themselves what later ones did: version 1."""
    if "mask" not in _columns(db, "pictures"):
        db.execute("ALTER TABLE pictures ADD COLUMN mask TEXT")


STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _masks}  # by the version that each leads away from


def open_list(folder: Path) -> sqlite3.Connection:
    """The list of the gallery in a folder, with today's tables.

    Raises:
        UserError: a newer version wrote it, or it cannot be used; then it is as it was.
    """
    file = folder / LIST
    try:
        if file.exists() and _version_in(file) > VERSION:
            raise UserError(f"{folder} was written by a newer fromnoise; update, or name another --gallery")
        try:
            return _opened(file)
        except BROKEN as error:
            if not is_damage(error):
                raise
            written_anew(file, error, make)
            return _opened(file)
    except (*BROKEN, OSError) as error:
        raise UserError(f"{file} {why(error)}") from None


def make(db: sqlite3.Connection) -> None:
    """Make today's tables, in the transaction that is open."""
    for statement in TABLES.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def why(error: Exception) -> str:
    """How a sentence about the list goes on: what is wrong with it, and what to do."""
    if is_damage(error):
        return f"is damaged ({error}); start the studio again, which keeps it aside and lists the pictures anew"
    writable = "allow this user to write it and its folder, or name another --gallery"
    advice = {
        sqlite3.SQLITE_BUSY: "end what else uses it, and try again",
        sqlite3.SQLITE_FULL: "make room on the disk, and try again",
        sqlite3.SQLITE_READONLY: writable,
        sqlite3.SQLITE_CANTOPEN: writable,
    }
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more than one needs
    reason = error.strerror if isinstance(error, OSError) else error
    return f"cannot be used now ({reason}); " + advice.get(code, "see to its folder and disk, and try again")


def _version_in(file: Path) -> int:
    """Read a list's version and leave every byte of it, and of its journal, as it was."""
    alone = not any(file.with_name(file.name + end).exists() for end in ("-wal", "-journal"))
    place = f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    try:
        with contextlib.closing(sqlite3.connect(place, uri=True, timeout=LOCKED_SECONDS)) as db:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
    except BROKEN as error:
        if is_damage(error):
            return 0
        raise


def _opened(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=LOCKED_SECONDS)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        if not _columns(db, "pictures"):
            _begin(db, file)
        else:
            check_sound(db)
            found = max(1, int(db.execute("PRAGMA user_version").fetchone()[0]))
            if found < VERSION:
                _move(db, file, found)
        _check_tables(db)
        with _whole(db):  # whether it can be written is better known now than when a picture is drawn
            pass
    except BaseException:
        db.close()
        raise
    return db


def _begin(db: sqlite3.Connection, file: Path) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise Damaged("it has no table of pictures")
    with _whole(db):
        make(db)
        found = fill_from_files(db, file.parent)
    if found:
        LOG.warning(f"the gallery's list was gone; {found} pictures were listed from their files")


def _move(db: sqlite3.Connection, file: Path, found: int) -> None:
    kept = file.with_name(f"gallery.version-{found}.sqlite")
    with whole_file(kept) as draft, contextlib.closing(sqlite3.connect(draft)) as copy:
        db.backup(copy)
    with _whole(db):
        for version in range(found, VERSION):
            STEPS[version](db)
        db.execute(f"PRAGMA user_version = {VERSION}")
    LOG.warning(f"the gallery's list was moved from version {found} to {VERSION}; as it was, it is kept as {kept.name}")


@contextlib.contextmanager
def _whole(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def _check_tables(db: sqlite3.Connection) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as model:
        make(model)
        for table in ("jobs", "pictures"):
            lacking = set(_columns(model, table)) - set(_columns(db, table))
            if lacking:
                raise Damaged(f"{table} lacks {', '.join(sorted(lacking))}")
