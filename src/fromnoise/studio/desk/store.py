"""The gallery on disk: PNG files, and a SQLite file that lists them and the jobs they belong to."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import sweep
from fromnoise.studio.desk.clock import Passing
from fromnoise.studio.desk.keeping import keep_file
from fromnoise.studio.desk.migrations import open_list, why
from fromnoise.studio.desk.problem import Problem

LOG = logging.getLogger("fromnoise.studio")
OPEN = ("queued", "running")


@dataclass(frozen=True)
class Kept:
    """A picture of the gallery.

    Attributes:
        id: names it in addresses.
        job, place: which job drew it, and which of its pictures it is.
        created: seconds since 1970.
        origin: how it was drawn, as in its file.
        start, mask: ids of the uploads it started from.
        favourite: marked by someone.
        expires: when it is removed by itself; None: never.
    """

    id: str
    job: str
    place: int
    created: float
    prompt: str
    style: str | None
    seed: int
    width: int
    height: int
    origin: dict[str, Any]
    start: str | None = None
    mask: str | None = None
    favourite: bool = False
    expires: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


COLUMNS = tuple(each.name for each in fields(Kept))


@dataclass(frozen=True)
class Search:
    """Which pictures of the gallery.

    Attributes:
        words: all of them are in the prompt or the style.
        favourites: only those.
        before: (created, id) of the last picture of the page before.
        limit: how many at most.
    """

    words: str = ""
    favourites: bool = False
    before: tuple[float, str] | None = None
    limit: int = 60


@dataclass(frozen=True)
class StoredJob:
    """A job as it is remembered between starts of the server."""

    id: str
    state: str
    created: float
    orders: list[dict[str, Any]]
    message: str | None = None
    ended: float | None = None
    pictures: list[str] = field(default_factory=list)


class Store:
    """Everything that outlives the server.

    Args:
        folder: is made if it is not there.

    Raises:
        UserError: the folder cannot be written, is in use by another studio, or holds a newer version's list.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._guard = FileLock(folder / ".lock", thread_local=False)  # opened and closed by different threads
            self._guard.acquire(timeout=0)
        except Timeout:
            raise UserError(f"another studio uses {folder}; stop it, or name another --gallery") from None
        except OSError as error:
            raise UserError(f"cannot write {folder}: {error.strerror or error}; name another --gallery") from None
        self._lock = threading.RLock()
        self.passing = Passing()
        try:
            self._db = open_list(folder)
            self._newest = self._last_listed()
            for part in ("pictures", "uploads"):
                (folder / part).mkdir(exist_ok=True)
                sweep(folder / part)  # what kill -9 left half written
            sweep(folder)
        except BaseException:
            self._guard.release()
            raise

    def close(self) -> None:
        """Let another studio have the folder."""
        with self._lock:
            self._db.close()
        self._guard.release()

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _told():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, _told():
            return self._db.execute(query, values).fetchall()

    def now(self) -> float:
        """When the next picture or job comes into being: by the machine's clock, but after all that is listed.

        So the newest is first and nobody waits longer than who came later, also where the clock was set back.
        """
        with self._lock:
            self._newest = max(time.time(), self._newest + 0.001)
            return self._newest

    def _last_listed(self) -> float:
        times = "SELECT max(created) FROM jobs UNION ALL SELECT max(created) FROM pictures"
        with contextlib.suppress(Problem):  # which is in the log, and every answer will say so
            return max((found for (found,) in self._rows(times) if found is not None), default=0.0)
        return 0.0

    # --- jobs --------------------------------------------------------------------------------------------------

    def add_job(self, job: StoredJob) -> None:
        """Remember a job, so that it outlives the server."""
        with self._change() as db:
            db.execute(
                "INSERT INTO jobs (id, state, created, orders) VALUES (?, ?, ?, ?)",
                (job.id, job.state, job.created, json.dumps(job.orders)),
            )

    def set_state(self, job: str, state: str, message: str | None = None) -> None:
        """Remember how a job stands."""
        ended = None if state in OPEN else time.time()
        with self._change() as db:
            db.execute("UPDATE jobs SET state = ?, message = ?, ended = ? WHERE id = ?", (state, message, ended, job))

    def jobs(self, states: Sequence[str], limit: int | None = None) -> list[StoredJob]:
        """Jobs in these states, the oldest first; with a limit only so many of the newest."""
        marks = ",".join("?" * len(states))
        rows = self._rows(
            f"SELECT id, state, created, orders, message, ended FROM jobs WHERE state IN ({marks})"
            " ORDER BY created DESC LIMIT ?",
            (*states, -1 if limit is None else limit),
        )
        return [self._job(row) for row in reversed(rows)]

    def job(self, name: str) -> StoredJob | None:
        """A job by its id."""
        rows = self._rows("SELECT id, state, created, orders, message, ended FROM jobs WHERE id = ?", (name,))
        return self._job(rows[0]) if rows else None

    def _job(self, row: tuple[Any, ...]) -> StoredJob:
        pictures = self._rows("SELECT id FROM pictures WHERE job = ? AND deleted IS NULL ORDER BY place", (row[0],))
        with _told():
            orders = json.loads(row[3])
        return StoredJob(row[0], row[1], row[2], orders, row[4], row[5], [name for (name,) in pictures])

    def done_places(self, job: str) -> set[int]:
        """Which pictures of a job are there already, deleted ones too."""
        return {place for (place,) in self._rows("SELECT place FROM pictures WHERE job = ?", (job,))}

    # --- pictures ----------------------------------------------------------------------------------------------

    def file(self, picture: str) -> Path:
        """Where a picture's PNG is. ``picture`` is an id that this store gave, never what a client sent."""
        return self.folder / "pictures" / f"{picture}.png"

    def kept_file(self, picture: str) -> Path:
        """The same of a picture whose file is to be read.

        Raises:
            Problem: 410, somebody has taken it out of the folder.
        """
        file = self.file(picture)
        if not file.is_file():
            raise Problem(410, "this picture's file is gone from the gallery's folder", code="gone")
        return file

    def add(self, kept: Kept, png: bytes) -> None:
        """Keep a picture: first its file, then its line, so that a line always has a file.

        Raises:
            Problem: the disk is full, or the list cannot be written; then neither is there.
        """
        keep_file(self.file(kept.id), png)
        row = {**kept.to_dict(), "origin": json.dumps(kept.origin)}
        try:
            with self._change() as db:
                marks = ", ".join(f":{name}" for name in COLUMNS)
                db.execute(f"INSERT INTO pictures ({', '.join(COLUMNS)}) VALUES ({marks})", row)
        except Problem:
            self.file(kept.id).unlink(missing_ok=True)
            raise

    def get(self, picture: str) -> Kept | None:
        """A picture that is not deleted, by its id."""
        return next(iter(self._pictures("id = ? AND deleted IS NULL", (picture,), 1)), None)

    def of_job(self, job: str) -> list[Kept]:
        """A job's pictures."""
        return sorted(self._pictures("job = ? AND deleted IS NULL", (job,), 10_000), key=lambda kept: kept.place)

    def search(self, wanted: Search) -> list[Kept]:
        """Pictures of the gallery, the newest first."""
        where, values = ["deleted IS NULL", "expires IS NULL"], list[Any]()
        for word in wanted.words.split()[:20]:
            escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            where.append("(prompt LIKE ? ESCAPE '\\' OR ifnull(style, '') LIKE ? ESCAPE '\\')")
            values += [f"%{escaped}%"] * 2
        if wanted.favourites:
            where.append("favourite = 1")
        if wanted.before is not None:
            where.append("(created, id) < (?, ?)")
            values += list(wanted.before)
        return self._pictures(" AND ".join(where), values, wanted.limit)

    def count(self) -> int:
        """How many pictures the gallery has."""
        return int(self._rows("SELECT count(*) FROM pictures WHERE deleted IS NULL AND expires IS NULL")[0][0])

    def _pictures(self, where: str, values: Sequence[Any], limit: int) -> list[Kept]:
        rows = self._rows(
            f"SELECT {', '.join(COLUMNS)} FROM pictures WHERE {where} ORDER BY created DESC, id DESC LIMIT ?",
            (*values, limit),
        )
        return [_kept(*row) for row in rows]

    def set_favourite(self, picture: str, favourite: bool) -> bool:
        """Mark a picture or not; whether it is there."""
        with self._change() as db:
            found = db.execute(
                "UPDATE pictures SET favourite = ? WHERE id = ? AND deleted IS NULL", (int(favourite), picture)
            )
            return found.rowcount == 1

    def delete(self, picture: str) -> bool:
        """Take a picture out of the gallery; its file stays until :meth:`purge`."""
        with self._change() as db:
            found = db.execute(
                "UPDATE pictures SET deleted = ? WHERE id = ? AND deleted IS NULL", (self.passing(), picture)
            )
            return found.rowcount == 1

    def restore(self, picture: str) -> bool:
        """Undo a deletion, while the file is there."""
        if not self._rows("SELECT 1 FROM pictures WHERE id = ?", (picture,)) or not self.file(picture).exists():
            return False
        with self._change() as db:
            db.execute("UPDATE pictures SET deleted = NULL WHERE id = ?", (picture,))
        return True

    def purge(self, undo_seconds: float) -> int:
        """Remove the files of pictures that were deleted so long ago, and of those that have expired; how many."""
        now = self.passing()
        gone = self._rows(
            "SELECT id FROM pictures WHERE deleted < ? OR (expires IS NOT NULL AND expires < ?)",
            (now - undo_seconds, now),
        )
        for (name,) in gone:
            with contextlib.suppress(OSError):
                self.file(name).unlink(missing_ok=True)
        with self._change() as db:
            db.executemany("DELETE FROM pictures WHERE id = ?", gone)
        return len(gone)


def _kept(*row: Any) -> Kept:
    values = dict(zip(COLUMNS, row, strict=True))
    with _told():
        origin = json.loads(values["origin"])
    return Kept(**{**values, "origin": origin, "favourite": bool(values["favourite"])})


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What goes wrong with the list is a line in the log and in the answer: the next request may well succeed.

    Raises:
        Problem: it did.
    """
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        said = f"the gallery's list {why(error)}"
        LOG.warning(said)
        raise Problem(503, said, retry=10) from None
