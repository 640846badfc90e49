"""A gallery whose list is damaged or gone: what can still be read of it, and what the pictures' files say, listed anew.

A picture's PNG file holds how it was drawn, so no picture is lost with the list. What only the list knew (marks as a
favourite, what was deleted, jobs that wait) is taken over as far as it can be read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fromnoise.drawing.picture_file import origin_in
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import UNREADABLE, opened_file
from fromnoise.ground.whole import whole_file

LOG = logging.getLogger("fromnoise.studio")
LIST = "gallery.sqlite"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: its head, its tables
_ID = re.compile("[0-9a-f]{32}")


class Damaged(Exception):
    """A list that SQLite can read and that makes no sense."""


BROKEN = (sqlite3.DatabaseError, Damaged, ValueError)  # text that is no UTF-8 is a ValueError


def is_damage(error: Exception) -> bool:
    """Whether a list is broken, and not only out of reach for now."""
    if isinstance(error, Damaged | ValueError):
        return True
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    undecodable = isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode")
    return undecodable or code in _DAMAGE


def check_sound(db: sqlite3.Connection) -> None:
    """Look at every page and line of a list.

    Raises:
        Damaged: something in it makes no sense.
        sqlite3.DatabaseError: it cannot be read.
    """
    said = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise Damaged(str(said).splitlines()[-1])  # the first is a headline
    for table in ("jobs", "pictures"):
        for row in _lines(db, table):
            if not _is_sound(table, row):
                raise Damaged(f"a line of its {table} makes no sense")


def written_anew(file: Path, error: Exception, make: Callable[[sqlite3.Connection], None]) -> None:
    """Keep a damaged list aside, and put one in its place that has all pictures; whole, or nothing is changed.

    Args:
        file: the list.
        error: what is wrong with it.
        make: makes the tables.

    Raises:
        OSError, sqlite3.DatabaseError: the disk is full, or cannot be written.
    """
    aside = file.with_name(f"gallery.damaged-{time.strftime('%Y%m%d-%H%M%S')}.sqlite")
    for end in ("", "-wal"):
        if (part := file.with_name(file.name + end)).exists():
            shutil.copyfile(part, aside.with_name(aside.name + end))
    with whole_file(file) as draft:
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.execute("BEGIN")
            make(db)
            read = _taken_over(db, aside, file.parent)
            found = fill_from_files(db, file.parent)
            db.execute("COMMIT")
        for end in ("-wal", "-shm"):  # of the damaged one
            file.with_name(file.name + end).unlink(missing_ok=True)
    LOG.warning(
        f"the gallery's list was damaged ({error}): it is kept as {aside.name}, and was written anew with {read} "
        f"pictures that could be read in it and {found} by their files"
    )


def fill_from_files(db: sqlite3.Connection, folder: Path) -> int:
    """List the pictures whose files are there and that have no line; how many those are.

    Args:
        db: the list, in a transaction.
        folder: the gallery's.
    """
    known = {name for (name,) in db.execute("SELECT id FROM pictures")}
    count = 0
    for file in sorted((folder / "pictures").glob("*.png")):
        if _ID.fullmatch(file.stem) and file.stem not in known and (row := _by_file(file)) is not None:
            _insert(db, "pictures", row)
            count += 1
    return count


def _by_file(file: Path) -> dict[str, Any] | None:
    """A picture's line by what its file says; None of a file that fromnoise did not write, or whose end is missing."""
    try:
        origin = origin_in(file, file.name)
        with opened_file(file, ("PNG",)) as picture:
            picture.load()
            width, height = picture.size
        created = max(1.0, file.stat().st_mtime)  # some copies of files are dated before 1970
    except UserError:
        return None
    except UNREADABLE:
        return None
    request = origin.request
    row = {"id": file.stem, "job": "", "place": 0, "created": created, "prompt": request.prompt, "style": request.style}
    row |= {"seed": request.seed, "width": width, "height": height, "origin": json.dumps(origin.to_dict())}
    return row


def _taken_over(db: sqlite3.Connection, damaged: Path, folder: Path) -> int:
    """Copy what makes sense of a damaged list; how many pictures that are."""
    with contextlib.closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)) as old:
        for table in ("jobs", "pictures"):
            for row in _readable(old, table):
                there = table == "jobs" or (folder / "pictures" / f"{row['id']}.png").is_file()
                if there:
                    _insert(db, table, row)
    return int(db.execute("SELECT count(*) FROM pictures").fetchone()[0])


def _readable(old: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    """The lines of a table that can be read: from its beginning until it breaks, and from its end."""
    for order in ("", "ORDER BY rowid DESC"):
        with contextlib.suppress(*BROKEN):
            yield from (row for row in _lines(old, table, order) if _is_sound(table, row))


def _lines(db: sqlite3.Connection, table: str, order: str = "") -> Iterator[dict[str, Any]]:
    cursor = db.execute(f"SELECT * FROM {table} NOT INDEXED {order}")
    names = [each[0] for each in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _is_sound(table: str, row: dict[str, Any]) -> bool:
    """Whether a line can be used by everything that reads it."""
    try:
        if not _ID.fullmatch(row["id"]) or not isinstance(row["created"], float):
            return False
        if table == "pictures":
            whole = all(isinstance(row[name], int) for name in ("place", "seed", "width", "height", "favourite"))
            texts = all(isinstance(row[name], str) for name in ("job", "prompt"))
            return whole and texts and isinstance(json.loads(row["origin"]), dict)
        orders = json.loads(row["orders"])
        uploads = [each.get(name) for each in orders for name in ("start", "mask")]
        requests = isinstance(orders, list) and all(isinstance(each["request"], dict) for each in orders)
        return requests and all(isinstance(upload, str | None) for upload in uploads)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return False


def _insert(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    known = {each[1] for each in db.execute(f"PRAGMA table_info({table})")}
    names = [name for name in row if name in known]
    marks = ", ".join(f":{name}" for name in names)
    db.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})", {n: row[n] for n in names})
