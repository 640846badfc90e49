"""The machine's clock is set back and forth under a studio: nothing is lost, and the newest stays first."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fromnoise.studio.api.links import Links
from fromnoise.studio.desk.clock import Passing
from fromnoise.studio.desk.store import Kept, Search, Store, StoredJob
from fromnoise.studio.desk.uploads import KEPT_SECONDS, Uploads
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import finished, running

DAY = 86400.0
JUMPS = (0.0, 3600.0, -7 * DAY, 400 * DAY, -40 * 365 * DAY, 5.0)


class Clock:
    """The machine's clock, as somebody sets it."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._real = time.time

    def __call__(self) -> float:
        return self._real() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr(time, "time", found)
    yield found
    monkeypatch.undo()


def keep(store: Store, name: str, **more: object) -> str:
    at = store.now()
    store.add(Kept(name * 32, "job", 0, at, name, None, 1, 8, 8, {}, **more), b"png")  # type: ignore[arg-type]
    return name * 32


def test_the_newest_is_first_whatever_the_clock_says(tmp_path: Path, clock: Clock) -> None:
    """Also over starts of the server, and page by page."""
    drawn = "0123456789abcdef"
    store = Store(tmp_path)
    for i, name in enumerate(drawn):
        clock.ahead = JUMPS[i % len(JUMPS)]
        keep(store, name)
        store.add_job(StoredJob(name * 32, "queued", store.now(), []))
        if i % 5 == 4:
            store.close()
            store = Store(tmp_path)
    assert "".join(kept.prompt for kept in store.search(Search())) == drawn[::-1]
    assert [job.id[0] for job in store.jobs(("queued",))] == list(drawn)  # taken up in their order
    seen, before = "", None
    while page := store.search(Search(limit=3, before=before)):
        seen += "".join(kept.prompt for kept in page)
        before = (page[-1].created, page[-1].id)
    assert seen == drawn[::-1]
    store.close()


@pytest.mark.parametrize("ahead", JUMPS)
def test_nothing_is_removed_early(ahead: float, tmp_path: Path, clock: Clock) -> None:
    store, uploads = Store(tmp_path), Uploads(tmp_path / "uploads", 10**6)
    linked, deleted = keep(store, "a", expires=store.passing() + 100), keep(store, "b")
    store.delete(deleted)
    upload = tmp_path / "uploads" / f"{'c' * 32}.png"
    upload.write_bytes(b"png")
    clock.ahead = ahead
    assert store.purge(3600) == 0
    uploads.purge(lambda name: False, store.passing())
    assert upload.exists()
    assert store.get(linked) is not None
    assert store.restore(deleted)
    store.close()


def test_and_in_its_time_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, uploads = Store(tmp_path), Uploads(tmp_path / "uploads", 10**6)
    linked, deleted = keep(store, "a", expires=store.passing() + 100), keep(store, "b")
    store.delete(deleted)
    upload, needed = (tmp_path / "uploads" / f"{name * 32}.png" for name in "cd")
    for file in (upload, needed):
        file.write_bytes(b"png")
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + KEPT_SECONDS + 1)
    assert store.purge(3600) == 2
    uploads.purge(needed.stem.__eq__, store.passing())
    assert [store.file(name).exists() for name in (linked, deleted)] == [False, False]
    assert [file.exists() for file in (upload, needed)] == [False, True]
    store.close()


def test_addresses_hold_as_long_as_they_should(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    links = Links(100)
    values = dict(part.split("=") for part in links.path("x.png", 80).split("?")[1].split("&"))
    for ahead in JUMPS:
        clock.ahead = ahead
        assert links.holds("x.png", 80, int(values["until"]), values["proof"])
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 101)
    assert not links.holds("x.png", 80, int(values["until"]), values["proof"])


def test_passing_time_is_the_clocks_at_first_and_goes_on_evenly(clock: Clock) -> None:
    passing = Passing()
    assert abs(passing() - time.time()) < 1
    clock.ahead = -1e9
    first = passing()
    time.sleep(0.01)
    assert 0.009 < passing() - first < 1


def test_a_server_goes_on_as_if_nothing_was(tiny_model: TextToImage, tmp_path: Path, clock: Clock) -> None:
    """Pictures, jobs, addresses and the undoing of deletions, with the clock set at every step of the way."""
    drawn = list[str]()
    with running(tiny_model, tmp_path) as live, live.client() as client:
        url = client.post("/v1/images/generations", json={"prompt": "x", "response_format": "url", "steps": 1})
        address = url.json()["data"][0]["url"]
        for i, ahead in enumerate(JUMPS):
            clock.ahead = ahead
            job = client.post("/api/jobs", json={"prompt": f"red apple {i}", "steps": 1, "count": 2}).json()
            drawn += [picture["id"] for picture in finished(client, job["id"])["pictures"]]
            live.state.store.purge(3600)
            assert httpx.get(address).status_code == 200
            client.delete(f"/api/pictures/{drawn[0]}")
            clock.ahead = -ahead
            live.state.store.purge(3600)
            assert client.post(f"/api/pictures/{drawn[0]}/restore").is_success
        found, cursor = list[str](), ""
        while cursor is not None:
            page = client.get("/api/pictures", params={"limit": 5, "before": cursor}).raise_for_status().json()
            found, cursor = [*found, *(each["id"] for each in page["pictures"])], page["next"]
        assert set(found) == set(drawn)
        order = [next(i for i in range(len(JUMPS)) if name in drawn[2 * i : 2 * i + 2]) for name in found]
        assert order == sorted(order, reverse=True)


def test_files_dated_before_1970_are_on_a_page_too(tiny_model: TextToImage, tmp_path: Path) -> None:
    """The list is gone and the pictures' files have odd dates: every page of the gallery can be asked for."""
    with running(tiny_model, tmp_path) as live, live.client() as client:
        job = client.post("/api/jobs", json={"prompt": "red apple", "steps": 1, "count": 3}).json()
        names = [picture["id"] for picture in finished(client, job["id"])["pictures"]]
    for name, date in zip(names, (-5e8, 0.0000123, 1.23456789012), strict=True):
        os.utime(tmp_path / "pictures" / f"{name}.png", (date, date))
    for file in tmp_path.glob("gallery.sqlite*"):
        file.unlink()
    with running(tiny_model, tmp_path) as live, live.client() as client:
        found, cursor = list[str](), ""
        while cursor is not None:
            page = client.get("/api/pictures", params={"limit": 1, "before": cursor}).raise_for_status().json()
            found, cursor = [*found, *(each["id"] for each in page["pictures"])], page["next"]
    assert sorted(found) == sorted(names)
