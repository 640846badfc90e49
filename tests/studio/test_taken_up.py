"""Jobs that an end of the server left behind: none is forgotten, and one that lacks nothing is finished."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.studio.desk.jobs import Watching
from fromnoise.studio.desk.order import Order
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.store import Kept, Store, StoredJob
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live, finished, running


def left(store: Store, model: TextToImage, name: str, state: str, done: int, of: int = 2) -> None:
    """A job of an earlier life of the server, of which some pictures were drawn."""
    orders = [Order(plan(model, Request("red apple", seed=i, steps=1))).to_dict() for i in range(of)]
    store.add_job(StoredJob(name, state, 1.0, orders))
    for place in range(done):
        kept = Kept(f"{name[:31]}{place}", name, place, 1.0, "red apple", None, place, 8, 8, {})
        store.add(kept, b"png")


def test_after_a_start_a_job_that_lacks_nothing_is_finished(tiny_model: TextToImage, tmp_path: Path) -> None:
    store = Store(tmp_path)
    running_done, queued_done, half = ("a" * 32, "b" * 32, "c" * 32)
    left(store, tiny_model, running_done, "running", 2)
    left(store, tiny_model, queued_done, "queued", 2)
    left(store, tiny_model, half, "running", 1)
    store.close()
    with running(tiny_model, tmp_path) as live, live.client() as client:
        facts = client.get("/api/facts").json()["restarted"]
        assert facts == {"queued_again": 0, "interrupted": 1}
        for name in (running_done, queued_done):
            found = client.get(f"/api/jobs/{name}").json()
            assert (found["state"], found["message"], found["done"]) == ("finished", None, 2)
        assert [job["id"] for job in client.get("/api/jobs/interrupted").json()] == [half]
        assert "1 of 2 pictures were done" in client.get(f"/api/jobs/{half}").json()["message"]
        again = client.post(f"/api/jobs/{half}/again").json()
        assert (again["count"], finished(client, again["id"])["state"]) == (1, "finished")


def test_what_is_missing_of_a_job_that_lacks_nothing_is_no_job(live: Live, tiny_model: TextToImage) -> None:
    name = "d" * 32
    left(live.state.store, tiny_model, name, "interrupted", 2)
    with live.client() as client:
        before = client.get("/api/jobs").json()
        answer = client.post(f"/api/jobs/{name}/again")
        assert answer.is_success
        assert (answer.json()["id"], answer.json()["state"], answer.json()["done"]) == (name, "finished", 2)
        assert client.get("/api/jobs").json() == before
        assert client.post(f"/api/jobs/{name}/again").status_code == 409
        for place in range(2):
            client.delete(f"/api/pictures/{name[:31]}{place}")


def test_a_job_of_nothing_is_not_begun(live: Live) -> None:
    async def begin() -> None:
        live.state.jobs.begin([], [], Watching())

    with pytest.raises(Problem, match="needs a picture"):
        asyncio.run_coroutine_threadsafe(begin(), live.loop).result(10)
    with live.client() as client:
        assert client.get("/api/jobs").status_code == 200


def test_no_job_that_waits_is_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for i in range(230):
        store.add_job(StoredJob(f"{i:032x}", "queued" if i % 2 else "running", float(i), []))
    assert len(store.jobs(("queued", "running"))) == 230
    assert [job.created for job in store.jobs(("queued",), 2)] == [227.0, 229.0]
    store.close()
