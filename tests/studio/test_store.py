"""The gallery on disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.studio.api.links import Links
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.store import Kept, Search, Store, StoredJob


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "gallery")
    yield found
    found.close()


def add(store: Store, prompt: str, at: float, **changes: object) -> str:
    name = f"{round(at * 1000):032x}"
    store.add(Kept(name, "job", int(at), at, prompt, "noto", 1, 8, 8, {"a": [1]}, **changes), b"png")  # type: ignore[arg-type]
    return name


def found(store: Store, **wanted: object) -> list[str]:
    return [kept.prompt for kept in store.search(Search(**wanted))]  # type: ignore[arg-type]


def test_search_wants_all_words_and_takes_signs_as_they_are(store: Store) -> None:
    for at, prompt in enumerate(["red apple", "a red house", "100% blue", "snake_case"], start=1):
        add(store, prompt, at)
    assert found(store, words="red") == ["a red house", "red apple"]
    assert found(store, words="RED apple") == ["red apple"]
    assert found(store, words="%") == ["100% blue"]
    assert found(store, words="_") == ["snake_case"]
    assert found(store, words="noto apple") == ["red apple"]  # the style counts too
    assert found(store, words="nothing") == []


def test_pages_follow_each_other_without_gaps(store: Store) -> None:
    for at in range(1, 8):
        name = f"{at:032x}"
        store.add(Kept(name, "job", at, float(at // 2), f"p{at}", None, 1, 8, 8, {}), b"png")  # some at the same time
    seen: list[str] = []
    before = None
    while page := store.search(Search(limit=3, before=before)):
        seen += [kept.prompt for kept in page]
        before = (page[-1].created, page[-1].id)
    assert sorted(seen) == [f"p{at}" for at in range(1, 8)]
    assert len(seen) == 7


def test_deleting_can_be_undone_until_it_is_purged(store: Store) -> None:
    name = add(store, "red apple", 1)
    assert store.delete(name)
    assert not store.delete(name)
    assert store.get(name) is None
    assert store.purge(undo_seconds=3600) == 0
    assert store.restore(name)
    assert store.get(name) is not None
    store.delete(name)
    assert store.purge(undo_seconds=-1) == 1
    assert not store.file(name).exists()
    assert not store.restore(name)


def test_what_expires_is_not_in_the_gallery_and_goes_by_itself(store: Store) -> None:
    name = add(store, "behind a link", 1, expires=time.time() + 100)
    assert store.count() == 0
    assert store.get(name) is not None
    late = add(store, "late", 2, expires=time.time() - 1)
    assert store.purge(3600) == 1
    assert store.get(late) is None
    assert store.get(name) is not None


def test_favourites(store: Store) -> None:
    one, _ = add(store, "one", 1), add(store, "two", 2)
    assert store.set_favourite(one, True)
    assert found(store, favourites=True) == ["one"]
    assert not store.set_favourite("0" * 32, True)


def test_jobs_are_remembered(store: Store, tmp_path: Path) -> None:
    store.add_job(StoredJob("a" * 32, "queued", 1.0, [{"request": {"prompt": "x"}}]))
    store.set_state("a" * 32, "running")
    add(store, "x", 3)
    store.close()
    again = Store(tmp_path / "gallery")
    jobs = again.jobs(("running",))
    assert [(job.id, job.orders) for job in jobs] == [("a" * 32, [{"request": {"prompt": "x"}}])]
    assert found(again) == ["x"]
    again.close()
    again._guard.acquire()
    again._guard.release()


def test_a_list_that_another_program_holds_is_one_line_and_nothing_is_half_kept(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store._db.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "gallery" / "gallery.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Problem, match=r"cannot be used now \(database is locked\)") as error:
        add(store, "lost", 1)
    assert error.value.status == 503
    assert not list((tmp_path / "gallery" / "pictures").iterdir())
    assert len(caplog.messages) == 1
    other.execute("ROLLBACK")
    other.close()
    assert store.get(add(store, "kept", 2)) is not None


def test_a_full_disk_is_one_line_and_the_store_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store._db.execute("PRAGMA max_page_count = 1")  # SQLite's own way to have no room
    with pytest.raises(Problem, match=r"cannot be used now \(database or disk is full\)"):
        _ = [add(store, "x" * 5000, at) for at in range(1, 200)]
    store._db.execute("PRAGMA max_page_count = 100000")
    assert store.get(add(store, "kept", 1000)) is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(Problem, match="No space left on device") as error:
        add(store, "lost", 1001)
    assert error.value.status == 507
    assert str(store.folder) not in error.value.message


def test_a_list_damaged_while_it_is_used_is_one_line(store: Store) -> None:
    store._db.execute("INSERT INTO jobs (id, state, created, orders) VALUES ('a', 'queued', 1, '{')")
    with pytest.raises(Problem, match=r"is damaged .*; start the studio again"):
        store.jobs(("queued",))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        Store(tmp_path / "file" / "gallery")


def test_links_hold_for_one_picture_and_for_a_while() -> None:
    links = Links(100)
    mine, other = "a" * 32 + ".webp", "b" * 32 + ".webp"
    path = links.path(mine, 80)
    query = dict(part.split("=") for part in path.split("?")[1].split("&"))
    until, proof = int(query["until"]), query["proof"]
    assert query["quality"] == "80"
    assert links.holds(mine, 80, until, proof)
    assert not links.holds(other, 80, until, proof)
    assert not links.holds("a" * 32 + ".png", 80, until, proof)
    assert not links.holds(mine, 81, until, proof)
    assert not links.holds(mine, 80, until + 1, proof)
    assert not Links(100).holds(mine, 80, until, proof)  # another start of the server
    links = Links(-1)
    values = dict(part.split("=") for part in links.path(mine, 80).split("?")[1].split("&"))
    assert not links.holds(mine, 80, int(values["until"]), values["proof"])


def test_a_loop_of_links_and_the_root_are_no_gallery(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UserError, match="cannot write"):
        Store(tmp_path / "a")
    looped = run("studio", "--gallery", tmp_path / "a", "--model", "./nothing")
    assert (looped.code, len(looped.err.splitlines())) == (2, 1)
    assert "needs the name of a folder of its own" in run("studio", "--gallery", "/", "--model", "./nothing").err
