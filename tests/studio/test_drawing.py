"""The drawing thread and the jobs around it: same bits in company, cancelling, turns, bounded waiting."""

from __future__ import annotations

import io
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import torch
from PIL import Image

from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import as_tensor, read_origin
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request, Towards
from fromnoise.ground.errors import UserError
from fromnoise.studio.desk.engine import Drawn, Engine, Event, Failed, Progress, Wish
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.problem import Problem
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import LIMITS, Live, finished, running


def wish(model: TextToImage, heard: list[Event], done: threading.Event, **changes: object) -> Wish:
    options = {name: changes.pop(name) for name in ("show", "every", "rank") if name in changes}
    made = plan(model, Request(**{"prompt": "red apple", "steps": 3, **changes}))  # type: ignore[arg-type]

    def tell(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Drawn | Failed):
            done.set()

    return Wish(made, tell, **options)  # type: ignore[arg-type]


def test_pictures_in_one_batch_are_the_bits_of_pictures_alone(live: Live, tiny_model: TextToImage) -> None:
    def ask(seed: int) -> bytes:
        with live.client() as client:
            body = {"prompt": "red apple", "seed": seed, "steps": 4, "guidance": 2.0}
            return client.post("/v1/images/generations", json=body).raise_for_status().content

    before = live.state.engine.pace.batches
    with ThreadPoolExecutor(8) as pool:
        together = [json.loads(found)["data"][0]["b64_json"] for found in pool.map(ask, range(8))]
    assert live.state.engine.pace.batches - before < 8  # some did share a batch
    for seed, found in enumerate(together):
        alone = json.loads(ask(seed))["data"][0]["b64_json"]
        assert alone == found
    import base64

    pixels = torch.tensor(list(Image.open(io.BytesIO(base64.b64decode(together[3]))).tobytes()), dtype=torch.uint8)
    expected = draw(tiny_model, Request(prompt="red apple", seed=3, steps=4, guidance=2.0))[0]
    assert torch.equal(pixels.view(32, 32, 3).permute(2, 0, 1), expected)


def test_cancelling_stops_within_one_step(tiny_model: TextToImage) -> None:
    engine, heard, done = Engine(Models("tiny", tiny_model), 10), list[Event](), threading.Event()
    long = wish(tiny_model, heard, done, steps=1000, sampler="ddim")
    engine.submit([long])
    while len(heard) < 3:
        time.sleep(0.005)
    engine.cancel(long)
    seen = len(heard)
    follow, after = list[Event](), threading.Event()
    engine.submit([wish(tiny_model, follow, after)])
    assert after.wait(240)
    assert len(heard) <= seen + 1
    assert not any(isinstance(event, Drawn) for event in heard)
    assert engine.close(10)


def test_who_is_cancelled_before_the_turn_is_never_begun(tiny_model: TextToImage) -> None:
    engine, done = Engine(Models("tiny", tiny_model), 10), threading.Event()
    first, second, third = list[Event](), list[Event](), list[Event]()
    long = wish(tiny_model, first, threading.Event(), steps=400, sampler="ddim")
    waiting, last = wish(tiny_model, second, threading.Event()), wish(tiny_model, third, done, steps=2)
    engine.submit([long])
    while not first:
        time.sleep(0.005)
    engine.submit([waiting])
    engine.submit([last])
    assert engine.ahead_of(last)[0] == 2
    engine.cancel(waiting)
    assert engine.ahead_of(last)[0] == 1
    engine.cancel(long)
    assert done.wait(240)
    assert second == []
    assert engine.close(10)


def test_jobs_take_turns_and_the_queue_is_bounded(tiny_model: TextToImage) -> None:
    engine, order = Engine(Models("tiny", tiny_model), 30), list[str]()
    done = threading.Event()
    block, begun = wish(tiny_model, [], threading.Event(), steps=1000, sampler="ddim"), threading.Event()
    block.tell = lambda _: begun.set()
    engine.submit([block])
    assert begun.wait(240)

    def named(name: str, rank: int, steps: int) -> Wish:
        made = wish(tiny_model, [], done, rank=rank, steps=steps)
        made.tell = lambda event: order.append(name) if isinstance(event, Drawn) else None
        return made

    engine.submit([named("big", rank, 2) for rank in range(20)])
    engine.submit([named("small", 0, 3)])
    with pytest.raises(Problem, match="pictures wait already") as busy:
        engine.submit([named("too many", rank, 2) for rank in range(12)])
    assert busy.value.status == 429
    assert busy.value.retry
    engine.cancel(block)
    while len(order) < 21:
        time.sleep(0.01)
    assert order.index("small") <= 16  # after the big one's first batch at most, not after all of it
    assert engine.close(10)
    with pytest.raises(Problem, match="stopping"):
        engine.submit([named("late", 0, 2)])


def test_previews_are_the_clean_estimates_of_the_steps(tiny_model: TextToImage) -> None:
    engine, heard, done = Engine(Models("tiny", tiny_model), 10), list[Event](), threading.Event()
    engine.submit([wish(tiny_model, heard, done, seed=5, show="both", every=2, steps=6)])
    assert done.wait(240)
    steps = [event for event in heard if isinstance(event, Progress)]
    assert [step.index for step in steps] == list(range(6))
    assert [step.index for step in steps if step.clean is not None] == [0, 2, 4, 5]
    from fromnoise.diffusion.samplers import Step
    from fromnoise.drawing.generate import generate

    made = plan(tiny_model, Request(prompt="red apple", seed=5, steps=6))
    made = [event for event in generate(tiny_model, made) if isinstance(event, Step)]
    assert torch.equal(steps[2].clean, tiny_model.decode(made[2].x0_hat)[0])
    assert torch.equal(steps[2].noisy, tiny_model.decode(made[2].x_t)[0])
    assert engine.close(10)


def test_one_broken_picture_does_not_break_its_neighbours(
    tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fromnoise.studio.desk import engine as module

    plain = module.generate_together

    def sometimes(model, requests, start=None, wanted=None):  # type: ignore[no-untyped-def]
        if any(request.seed == 2 for request in requests):
            raise RuntimeError("boom")
        return plain(model, requests, start, wanted)

    monkeypatch.setattr(module, "generate_together", sometimes)
    engine = Engine(Models("tiny", tiny_model), 10)
    heard = [list[Event]() for _ in range(3)]
    done = [threading.Event() for _ in range(3)]
    engine.submit([wish(tiny_model, heard[i], done[i], seed=i + 1, rank=i) for i in range(3)])
    assert all(event.wait(240) for event in done)
    assert [isinstance(events[-1], Drawn) for events in heard] == [True, False, True]
    assert engine.close(10)


# --- jobs of the page ------------------------------------------------------------------------------------------


def test_a_job_draws_keeps_and_tells(http: httpx.Client, live: Live, tiny_model: TextToImage) -> None:
    begun = http.post("/api/jobs", json={"prompt": "a blue house", "seed": 9, "count": 2, "steps": 3})
    assert begun.status_code == 201
    job = finished(http, begun.json()["id"])
    assert (job["state"], job["done"], job["count"]) == ("finished", 2, 2)
    first = job["pictures"][0]
    file = http.get(f"/api/pictures/{first['id']}/file?download=true")
    assert "attachment" in file.headers["content-disposition"]
    assert "a-blue-house-9.png" in file.headers["content-disposition"]
    on_disk = live.state.store.file(first["id"])
    assert on_disk.read_bytes() == file.content
    assert read_origin(on_disk).request.seed == 9
    assert torch.equal(as_tensor(on_disk), draw(tiny_model, Request(prompt="a blue house", seed=9, steps=3))[0])


def test_news_of_a_job_come_as_events_and_end(http: httpx.Client) -> None:
    job = http.post("/api/jobs", json={"prompt": "a cat", "steps": 5, "client": "me"}).json()["id"]
    names, data = [], []
    with http.stream("GET", f"/api/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("event: "):
                names.append(line[7:])
            elif line.startswith("data: "):
                data.append(json.loads(line[6:]))
    assert names[0] == "job"
    assert names[-1] == "end"
    assert data[-1]["state"]["state"] == "finished"
    assert "picture" in names or data[-1]["state"]["pictures"]


def test_cancelling_a_job_keeps_what_is_drawn(http: httpx.Client) -> None:
    job = http.post("/api/jobs", json={"prompt": "slow", "steps": 1000, "sampler": "ddim"}).json()["id"]
    state = http.delete(f"/api/jobs/{job}").json()
    assert state["state"] == "cancelled"
    assert finished(http, job)["state"] == "cancelled"


def test_a_full_queue_is_said_politely(http: httpx.Client) -> None:
    slow = {"prompt": "slow", "steps": 1000, "sampler": "ddim", "count": 8}
    answers = [http.post("/api/jobs", json=slow) for _ in range(4)]
    busy = answers[-1]  # 8 are drawn or wait as the first batch, 16 wait at most beside them, and 20 may
    answers += [http.post("/api/jobs", json={**slow, "count": 4}) for _ in range(2)]
    assert busy.status_code == 429
    assert int(busy.headers["retry-after"]) >= 1
    assert "wait already" in busy.json()["error"]["message"]
    api = http.post("/v1/images/generations", json={"prompt": "x", "n": 4})
    assert api.status_code == 429
    assert api.json()["error"]["type"] == "rate_limit_error"
    stream = http.post("/v1/images/generations", json={"prompt": "x", "n": 4, "stream": True})
    assert stream.status_code == 429  # not a stream that begins and breaks off
    for answer in answers:
        if answer.status_code == 201:
            http.delete(f"/api/jobs/{answer.json()['id']}")


def test_variations_and_ways_between_two_pictures(http: httpx.Client, live: Live, tiny_model: TextToImage) -> None:
    asked = {"prompt": "red apple", "seed": 3, "steps": 3, "amounts": [0, 0.5, 1]}
    job = http.post("/api/jobs", json={**asked, "towards": {"seed": 8, "prompt": "a blue house"}}).json()
    pictures = finished(http, job["id"])["pictures"]
    drawn = [as_tensor(live.state.store.file(picture["id"])) for picture in pictures]
    assert torch.equal(drawn[0], draw(tiny_model, Request(prompt="red apple", seed=3, steps=3))[0])
    assert torch.equal(drawn[2], draw(tiny_model, Request(prompt="a blue house", seed=8, steps=3))[0])
    again = read_origin(live.state.store.file(pictures[1]["id"])).request
    assert again.towards == Towards(0.5, 8, "a blue house")
    assert torch.equal(drawn[1], draw(tiny_model, again)[0])


def test_restyle_and_inpaint(http: httpx.Client, live: Live) -> None:
    photo, mask = Image.new("RGB", (64, 64), (200, 30, 30)), Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 64, 32))
    ids = []
    for picture, query in ((photo, ""), (mask, "?mask=true")):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        answer = http.post(f"/api/uploads{query}", files={"file": ("../../x.png", buffer.getvalue())})
        assert answer.status_code == 201
        ids.append(answer.json()["id"])
    body = {"prompt": "a cat", "steps": 4, "seed": 1, "start": ids[0]}
    restyled = finished(http, http.post("/api/jobs", json={**body, "strength": 0.5}).json()["id"])
    filled = finished(http, http.post("/api/jobs", json={**body, "mask": ids[1]}).json()["id"])
    assert restyled["pictures"][0]["start"] == ids[0]
    kept = as_tensor(live.state.store.file(filled["pictures"][0]["id"]))
    assert (kept[:, 20:] == torch.tensor([200, 30, 30])[:, None, None]).all()  # where the mask allows no change
    assert not (kept[:, :12] == torch.tensor([200, 30, 30])[:, None, None]).all()
    black = io.BytesIO()
    Image.new("L", (64, 64)).save(black, "PNG")
    nothing = http.post("/api/uploads?mask=true", files={"file": ("m.png", black.getvalue())}).json()["id"]
    refused = http.post("/api/jobs", json={**body, "mask": nothing})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "mask")
    gone = http.post("/api/jobs", json={**body, "start": "0" * 32})
    assert gone.status_code == 410


def test_what_is_not_kept_is_not_in_the_gallery(http: httpx.Client) -> None:
    before = http.get("/api/pictures").json()["total"]
    job = http.post("/api/jobs", json={"prompt": "gone", "steps": 2, "keep": False, "show": "both"}).json()
    done = finished(http, job["id"])
    assert done["pictures"][0]["data"].startswith("data:image/png;base64,")
    assert http.get("/api/pictures").json()["total"] == before


# --- the end and the beginning of a server ---------------------------------------------------------------------


def test_a_restart_keeps_pictures_and_takes_up_what_waited(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = TextToImage.load(tiny_model_folder)
    with running(model, tmp_path) as first, first.client() as client:
        done = client.post("/api/jobs", json={"prompt": "kept", "steps": 2, "seed": 1}).json()["id"]
        kept = finished(client, done)["pictures"][0]["id"]
        under_way = client.post("/api/jobs", json={"prompt": "drawn to the end", "steps": 60, "sampler": "ddim"}).json()
        waits = client.post("/api/jobs", json={"prompt": "waits", "steps": 3, "seed": 5, "count": 2}).json()
        while client.get(f"/api/jobs/{under_way['id']}").json()["state"] == "queued":
            time.sleep(0.01)
        first.loop.call_soon_threadsafe(first.server.handle_exit, signal.SIGTERM, None)
        first.thread.join(30)
        assert not first.thread.is_alive()
    with running(model, tmp_path) as second, second.client() as client:
        assert client.get(f"/api/pictures/{kept}").status_code == 200
        assert client.get(f"/api/jobs/{under_way['id']}").json()["state"] == "finished"
        assert finished(client, waits["id"])["done"] == 2
        assert client.get("/api/facts").json()["restarted"] == {"queued_again": 1, "interrupted": 0}


def test_who_waits_for_the_api_is_told_that_the_server_stops(tiny_model_folder: Path, tmp_path: Path) -> None:
    patient = replace(LIMITS, drain_seconds=120.0)  # a busy machine draws slowly
    with running(TextToImage.load(tiny_model_folder), tmp_path, limits=patient) as live, live.client() as client:
        slow = {"prompt": "slow", "steps": 150, "sampler": "ddim"}
        under_way = client.post("/api/jobs", json=slow).json()["id"]
        while client.get(f"/api/jobs/{under_way}").json()["state"] == "queued":
            time.sleep(0.01)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(httpx.post, f"{live.url}/v1/images/generations", json={"prompt": "x"}, timeout=120)
            while live.state.engine.waiting == 0:
                time.sleep(0.01)
            live.loop.call_soon_threadsafe(live.server.handle_exit, signal.SIGTERM, None)
            answer = waiting.result(120)
        assert answer.status_code == 503
        assert "stopping" in answer.json()["error"]["message"]
        live.thread.join(120)
        assert not live.thread.is_alive()
        assert live.state.jobs.get(under_way).state == "finished"  # type: ignore[union-attr]


def test_what_a_crash_interrupted_is_said_and_can_be_drawn(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = TextToImage.load(tiny_model_folder)
    with running(model, tmp_path) as first, first.client() as client:
        job = client.post("/api/jobs", json={"prompt": "crash", "steps": 2, "seed": 3, "count": 3}).json()["id"]
        finished(client, job)
        first.state.store.set_state(job, "running")  # as kill -9 leaves it
        last = first.state.store.of_job(job)[-1].id
        with first.state.store._change() as db:
            db.execute("DELETE FROM pictures WHERE id = ?", (last,))
    with running(model, tmp_path) as second, second.client() as client:
        found = client.get("/api/jobs/interrupted").json()
        assert [(each["id"], each["done"], each["count"]) for each in found] == [(job, 2, 3)]
        assert "2 of 3" in found[0]["message"]
        again = client.post(f"/api/jobs/{job}/again").json()
        assert finished(client, again["id"])["pictures"][0]["seed"] == 5
        assert client.get("/api/jobs/interrupted").json() == []
        assert client.post(f"/api/jobs/{job}/again").status_code == 409


def test_two_studios_cannot_share_a_gallery(tiny_model: TextToImage, tmp_path: Path) -> None:
    with (
        running(tiny_model, tmp_path),
        pytest.raises(UserError, match="another studio uses"),
        running(tiny_model, tmp_path),
    ):
        pass
