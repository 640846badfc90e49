"""The gallery's list: every earlier version's, a newer one's, and one that is locked, read-only, damaged or gone."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fromnoise.drawing.picture_file import Origin, png_bytes
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.studio.desk import migrations
from fromnoise.studio.desk.migrations import VERSION
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.order import orders_of
from fromnoise.studio.desk.store import Kept, Search, Store, StoredJob
from fromnoise.system.text_to_image import TextToImage

JOBS = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, created REAL NOT NULL, ended REAL, message TEXT, orders TEXT NOT NULL
);"""
PICTURES = """
CREATE TABLE pictures (
    id TEXT PRIMARY KEY, job TEXT NOT NULL, place INTEGER NOT NULL, created REAL NOT NULL, prompt TEXT NOT NULL,
    style TEXT, seed INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, origin TEXT NOT NULL,
    start TEXT, {mask}favourite INTEGER NOT NULL DEFAULT 0, deleted REAL, expires REAL
);
CREATE INDEX newest ON pictures (deleted, created DESC);
CREATE INDEX of_job ON pictures (job);"""
# As each commit that changed the tables wrote them; both called themselves version 1.
EARLIER = {
    "the first days (81d20ec)": (1, JOBS + PICTURES.format(mask="")),
    "with masks (7b58000)": (1, JOBS + PICTURES.format(mask="mask TEXT, ")),
}
EACH = pytest.mark.parametrize("tables", EARLIER.values(), ids=EARLIER)
ORDER = {"request": {"prompt": "a boat", "steps": 2, "guidance": 1.0, "sampler": "ddim", "width": 96, "height": 96}}
COUNT = 40


def origin(i: int) -> Origin:
    return Origin(Request(f"picture {i}", seed=i, steps=2, guidance=1.0, sampler="ddim"), "tiny", "0" * 12, "0.1")


def png(i: int) -> bytes:
    return png_bytes(torch.full((3, 8, 8), i, dtype=torch.uint8), origin(i))


def built(folder: Path, tables: tuple[int, str], count: int = COUNT) -> dict[str, bytes]:
    """A gallery as an earlier version left it; its pictures' files by id."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "uploads").mkdir()
    files = {}
    with contextlib.closing(sqlite3.connect(folder / "gallery.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA user_version = {tables[0]}")
        db.executescript(tables[1])
        db.execute("BEGIN")
        for i in range(count):
            name = f"{i:032x}"
            said = json.dumps(origin(i).to_dict())
            row = (name, f"{i // 4:032x}", i % 4, 1e9 + i, f"picture {i}", None, i, 8, 8, said, None, int(i % 5 == 0))
            db.execute(
                "INSERT INTO pictures (id, job, place, created, prompt, style, seed, width, height, origin, start, "
                f"favourite) VALUES ({','.join('?' * 12)})",
                row,
            )
            files[name] = png(i)
            (folder / "pictures" / f"{name}.png").write_bytes(files[name])
        db.execute("UPDATE pictures SET deleted = 1e9 WHERE seed = 3")
        job = ("a" * 32, "queued", 1e9, json.dumps([ORDER]))
        db.execute("INSERT INTO jobs (id, state, created, orders) VALUES (?, ?, ?, ?)", job)
        db.execute("COMMIT")
    return files


def everything(folder: Path) -> list[Kept]:
    store = Store(folder)
    try:
        return sorted(store.search(Search(limit=10_000)), key=lambda kept: kept.seed)
    finally:
        store.close()


def dumped(file: Path) -> str:
    with contextlib.closing(sqlite3.connect(file)) as db:
        return f"{db.execute('PRAGMA user_version').fetchone()} {list(db.iterdump())}"


@contextlib.contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Files' permissions do not bind root, which tests may run as."""
    if os.geteuid() != 0:
        yield
        return
    for each in (folder, *folder.rglob("*")):
        os.chown(each, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@EACH
def test_every_earlier_version_moves_to_todays_with_all_that_it_knew(
    tables: tuple[int, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gallery"
    files = built(folder, tables)
    before = dumped(folder / "gallery.sqlite")
    found = everything(folder)
    assert [(kept.seed, kept.prompt, kept.origin, kept.favourite, kept.mask) for kept in found] == [
        (i, f"picture {i}", origin(i).to_dict(), i % 5 == 0, None) for i in range(COUNT) if i != 3
    ]
    assert {name: (folder / "pictures" / f"{name}.png").read_bytes() for name in files} == files
    assert len(caplog.messages) == 1
    assert f"from version 1 to {VERSION}; as it was, it is kept as" in caplog.messages[0]
    assert dumped(folder / "gallery.version-1.sqlite") == before
    store = Store(folder)  # and from now on it is today's
    assert len(caplog.messages) == 1
    assert store.restore(f"{3:032x}")
    assert [job.orders for job in store.jobs(("queued",))] == [[ORDER]]
    store.add(replace(found[0], id="f" * 32, mask="b" * 32), png(0))
    assert store.get("f" * 32) == replace(found[0], id="f" * 32, mask="b" * 32)
    store.close()


@EACH
def test_todays_tables_are_the_same_whatever_they_were(tables: tuple[int, str], tmp_path: Path) -> None:
    built(tmp_path / "old", tables, 0)
    Store(tmp_path / "old").close()
    Store(tmp_path / "new").close()
    columns = []
    for folder in ("old", "new"):
        with contextlib.closing(sqlite3.connect(tmp_path / folder / "gallery.sqlite")) as db:
            columns.append(
                {row[1:] for table in ("jobs", "pictures") for row in db.execute(f"PRAGMA table_info({table})")}
            )
            columns[-1] |= set(db.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'"))
            assert db.execute("PRAGMA user_version").fetchone()[0] == VERSION
    assert columns[0] == columns[1]


def test_there_is_a_step_from_every_version() -> None:
    assert sorted(migrations.STEPS) == list(range(1, VERSION))
    assert {version for version, _ in EARLIER.values()} == set(migrations.STEPS)


@EACH
def test_killed_while_it_moves_it_is_as_it_was_and_moves_again(
    tables: tuple[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gallery"
    built(folder, tables)
    before = dumped(folder / "gallery.sqlite")
    step = migrations.STEPS[1]

    def killed(db: sqlite3.Connection) -> None:
        step(db)
        db.execute("DELETE FROM pictures")
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setitem(migrations.STEPS, 1, killed)
    assert in_a_child(lambda: Store(folder)) == -signal.SIGKILL
    assert dumped(folder / "gallery.sqlite") == before
    monkeypatch.setitem(migrations.STEPS, 1, step)
    assert len(everything(folder)) == COUNT - 1


def in_a_child(call: Callable[[], object]) -> int:
    """What a process that does this ends with: 0, 3 after one line, or minus the signal."""
    process = os.fork()
    if process == 0:
        code = 1
        with contextlib.suppress(BaseException):
            try:
                call()
                code = 0
            except UserError as error:
                code = 3 if "\n" not in str(error) else 4
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_newer_version_is_refused_and_not_a_byte_is_touched(tmp_path: Path) -> None:
    old, folder = tmp_path / "old", tmp_path / "gallery"
    built(old, EARLIER["with masks (7b58000)"], 5)
    db = sqlite3.connect(old / "gallery.sqlite", isolation_level=None)
    db.execute("CREATE TABLE albums (id TEXT)")
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    shutil.copytree(old, folder, ignore=shutil.ignore_patterns("*-shm"))  # as kill -9 leaves it: all in the journal
    db.close()
    assert (folder / "gallery.sqlite-wal").stat().st_size > 0
    for _ in range(2):  # with its journal, and without
        before = {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        with pytest.raises(UserError, match="written by a newer fromnoise; update, or name another --gallery"):
            Store(folder)
        left = {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        assert {name: data for name, data in left.items() if name not in (".lock", "gallery.sqlite-shm")} == {
            name: data for name, data in before.items() if name not in (".lock", "gallery.sqlite-shm")
        }
        for file in folder.glob("gallery.sqlite*"):
            file.unlink()
        shutil.copy(old / "gallery.sqlite", folder)


@EACH
def test_a_disk_without_room_leaves_it_as_it_was(tables: tuple[int, str], tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    built(folder, tables)
    before = dumped(folder / "gallery.sqlite")

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # no file may grow beyond this: as good as a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        Store(folder)

    assert in_a_child(full) == 3
    assert dumped(folder / "gallery.sqlite") == before
    assert sorted(file.name for file in folder.glob("*.sqlite")) == ["gallery.sqlite"]
    assert len(everything(folder)) == COUNT - 1


@EACH
def test_a_list_that_is_locked_or_may_not_be_written_is_one_line(
    tables: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCKED_SECONDS", 0.05)
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        folder = Path(top) / "gallery"
        built(folder, tables)
        before = dumped(folder / "gallery.sqlite")
        other = sqlite3.connect(folder / "gallery.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match=r"cannot be used now \(database is locked\); end what else uses it"):
            Store(folder)
        other.execute("ROLLBACK")
        other.close()
        with as_nobody(folder):
            (folder / "gallery.sqlite").chmod(0o444)
            with pytest.raises(UserError, match=r"readonly database\); allow this user to write"):
                Store(folder)
            (folder / "gallery.sqlite").chmod(0o644)
            folder.chmod(0o555)
            with pytest.raises(UserError, match=r"unable to open .*allow this user to write it and its folder"):
                Store(folder)
            folder.chmod(0o755)
        assert dumped(folder / "gallery.sqlite") == before
        assert len(everything(folder)) == COUNT - 1


def damaged(data: bytes, draw: random.Random) -> bytes:
    """A list with one fault as disks and other programs make them."""
    found, at = bytearray(data), draw.randrange(len(data))
    kind = draw.choice(("cut", "zeros", "noise", "bits", "head", "moved"))
    if kind == "cut":
        return bytes(found[:at])
    if kind == "head":
        at = draw.choice([*range(60), *range(64, 100)])  # 60 to 63 are the version: it may as well be a newer one's
        found[at] ^= 1 << draw.randrange(8)
    elif kind == "bits":
        for _ in range(20):
            found[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    else:
        page = at // 4096 * 4096
        other = draw.randrange(len(data) // 4096) * 4096
        new = {"zeros": bytes(4096), "noise": draw.randbytes(4096), "moved": data[other : other + 4096]}
        found[page : page + 4096] = new[kind]
    return bytes(found)


def test_whatever_happens_to_the_list_no_picture_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    files = built(folder, EARLIER["with masks (7b58000)"], 24)
    Store(folder).close()
    whole, draw, anew = (folder / "gallery.sqlite").read_bytes(), random.Random(5), 0
    for _ in range(50):
        for old in folder.glob("gallery*"):
            old.unlink()
        spoilt = damaged(whole, draw)
        (folder / "gallery.sqlite").write_bytes(spoilt)
        store = Store(folder)
        try:
            deleted = {name for (name,) in store._db.execute("SELECT id FROM pictures WHERE deleted IS NOT NULL")}
            assert {kept.id for kept in store.search(Search(limit=1000))} | deleted == set(files)
            assert deleted <= {f"{3:032x}"}
        finally:
            store.close()
        for aside in folder.glob("gallery.damaged-*.sqlite"):
            anew += 1
            assert aside.read_bytes() == spoilt
        assert {name: (folder / "pictures" / f"{name}.png").read_bytes() for name in files} == files
    assert anew > 25  # others hit what is empty, or a letter of a text


def test_what_only_the_list_knew_is_taken_over_where_it_can_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gallery"
    built(folder, EARLIER["with masks (7b58000)"])
    with contextlib.closing(sqlite3.connect(folder / "gallery.sqlite")) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'of_job'").fetchone()[0]
    data = bytearray((folder / "gallery.sqlite").read_bytes())
    data[(page - 1) * 4096 : page * 4096] = bytes(4096)  # an index, and no line of a table
    (folder / "gallery.sqlite").write_bytes(data)
    found = everything(folder)
    assert [kept.seed for kept in found if kept.favourite] == [0, 5, 10, 15, 20, 25, 30, 35]
    assert [kept.job for kept in found] == [f"{i // 4:032x}" for i in range(COUNT) if i != 3]
    assert "was damaged (" in caplog.messages[0]
    assert f"with {COUNT} pictures that could be read in it and 0 by their files" in caplog.messages[0]


def test_lines_that_make_no_sense_are_damage_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "gallery"
    built(folder, EARLIER["with masks (7b58000)"])
    with contextlib.closing(sqlite3.connect(folder / "gallery.sqlite", isolation_level=None)) as db:
        for i, orders in enumerate(("{", "3", "[4]", '[{"seed": 1}]', '[{"request": {}, "start": 5}]')):
            job = (f"{i:032x}", "queued", 1.0, orders)
            db.execute("INSERT INTO jobs (id, state, created, orders) VALUES (?, ?, ?, ?)", job)
        db.execute("UPDATE pictures SET origin = '[', seed = 'x' WHERE seed = 7")
    found = everything(folder)
    assert [kept.seed for kept in found] == [i for i in range(COUNT) if i != 3]
    assert found[6].origin == origin(7).to_dict()
    assert len(caplog.messages) == 1
    store = Store(folder)
    assert [job.id for job in store.jobs(("queued",))] == ["a" * 32]
    store.close()


def test_without_room_a_damaged_list_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    built(folder, EARLIER["with masks (7b58000)"])
    spoilt = b"x" * 12_000
    (folder / "gallery.sqlite").write_bytes(spoilt)

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
        Store(folder)

    assert in_a_child(full) == 3
    assert (folder / "gallery.sqlite").read_bytes() == spoilt
    assert len(everything(folder)) == COUNT


def test_a_list_that_is_gone_is_made_from_the_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "gallery"
    built(folder, EARLIER["with masks (7b58000)"], 6)
    for file in folder.glob("gallery.sqlite*"):
        file.unlink()
    (folder / "pictures" / "holiday.png").write_bytes(b"somebody else's")
    (folder / "pictures" / f"{'e' * 32}.png").write_bytes(png(1)[:-40])
    os.utime(folder / "pictures" / f"{2:032x}.png", (5e8, 5e8))
    found = everything(folder)
    assert [(kept.seed, kept.prompt, kept.width) for kept in found] == [(i, f"picture {i}", 8) for i in range(6)]
    assert found[2].created == 5e8
    assert caplog.messages == ["the gallery's list was gone; 6 pictures were listed from their files"]


def test_a_waiting_job_of_an_earlier_version_is_drawn_in_the_size_it_was_asked_in(tiny_model: TextToImage) -> None:
    order = orders_of(StoredJob("a" * 32, "queued", 1.0, [ORDER]), Models("tiny", tiny_model))[0]
    assert order.plan.size.drawn == (96, 96)
    assert not order.plan.size.enlarged


def test_what_kill_9_left_half_written_is_swept(tmp_path: Path) -> None:
    Store(tmp_path / "gallery").close()
    gone = in_a_child_that_is_gone()
    left = tmp_path / "gallery" / "pictures" / f".{gone}-0.tmp.{'a' * 32}.png"
    mine = left.with_name(f".{os.getpid()}-0.tmp.{'b' * 32}.png")
    for file in (left, mine):
        file.write_bytes(b"half")
    Store(tmp_path / "gallery").close()
    assert not left.exists()
    assert mine.exists()


def in_a_child_that_is_gone() -> int:
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    return process
