"""The room of a training: what a run's folder tells, who may do what, and a real training begun, paused and gone on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fromnoise.cli.entry import app
from fromnoise.cli.train import load_recipe
from fromnoise.cli.watching import with_page
from fromnoise.drawing.generate import draw
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.request import Request
from fromnoise.studio.runs import watched as module
from fromnoise.studio.runs.folder import LISTED, POINTS, LogFile, RunFolder
from fromnoise.studio.runs.watched import SAID, Watched
from fromnoise.studio.settings import Settings
from fromnoise.system.own_lora import save_lora
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.health.process import NOTE, Process, note_process, process_of
from fromnoise.training.names import TASKS
from fromnoise.training.run import train
from fromnoise.training.situation import Situation
from studio.conftest import LIMITS, Live, running

OWNER = "X-Fromnoise-Owner"


def write_log(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as opened:
        opened.write("".join(json.dumps(row) + "\n" for row in rows))


def row(pictures: int, **values: Any) -> dict[str, Any]:
    return {"step": pictures // 10, "pictures": pictures, **values}


def made_run(out: Path) -> Path:
    """A run of my_pictures in the middle of its training, by nobody."""
    out.mkdir(parents=True, exist_ok=True)
    recipe = {"name": "my-pictures", "tasks": ["diffusion"]}
    (out / "run.json").write_text(json.dumps({"data": "starter", "recipe": recipe}))
    rows = [
        row(10 * i, loss=1 / (i + 1), gradient_norm=0.5, progress=i / 100, left=60.0 - i, pictures_per_second=20.0)
        for i in range(1, 51)
    ]
    rows.insert(30, row(300, warning="memorising", text="It begins to learn your pictures by heart."))
    rows += [row(500, held_out_loss=0.4, near_training=0.6, progress=0.5)]
    write_log(out / "diffusion", rows)
    sheets = out / "diffusion" / "sheets"
    sheets.mkdir()
    for seen in (0, 250, 500):
        Image.new("RGB", (40, 30), (seen // 2, 0, 0)).save(sheets / f"{seen:010d}.png")
    return out


# --- what a folder tells -------------------------------------------------------------------------------------------


def test_a_run_is_told_as_it_stands(tmp_path: Path) -> None:
    found = RunFolder(made_run(tmp_path / "mine")).standing()
    assert (found["state"], found["run"], found["data"], found["model"]) == ("stopped", "mine", "starter", None)
    (task,) = found["tasks"]
    assert (task["name"], task["pictures"], task["sheets"]) == ("diffusion", 500, [0, 250, 500])
    assert (task["progress"], task["left"], task["rows"]) == (0.5, 10.0, 52)
    (warning,) = found["warnings"]
    assert warning == {
        "task": "diffusion", "kind": "memorising", "pictures": 300,
        "text": "It begins to learn your pictures by heart.",
    }  # fmt: skip


def test_curves_are_short_and_true(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_log(tmp_path / "clip", [row(10 * i, loss=float(i), odd=1.0) for i in range(1, 10 * POINTS + 1)])
    found = folder.curves("clip")
    assert set(found) == {"loss"}
    assert len(found["loss"]) == POINTS
    assert found["loss"][0] == (100, 5.5)  # ten rows in one point: their mean, where the last one is
    assert found["loss"][-1][0] == 100 * POINTS


@pytest.mark.parametrize("progress", [0.5, 1.0])
def test_a_run_that_nobody_trains_is_stopped_or_finished(tmp_path: Path, progress: float) -> None:
    out = made_run(tmp_path / "x")
    write_log(out / "diffusion", [row(1000, loss=0.1, progress=progress)])
    assert RunFolder(out).standing()["state"] == ("finished" if progress == 1 else "stopped")
    note_process(out)
    assert RunFolder(out).standing()["state"] == "running"  # it is this very process


def checkpointed(folder: Path, step: int, elapsed: float, **loop: Any) -> None:
    (folder / f"step-{step:08d}").mkdir(parents=True)
    facts = {"step": step, "batch": 10, "elapsed": elapsed, "loop": {"pictures": 1000, "minutes": 0.0, **loop}}
    (folder / f"step-{step:08d}" / "state.json").write_text(json.dumps({"facts": facts, "sha256": {}}))


@pytest.mark.parametrize(
    ("step", "elapsed", "loop", "state"),
    [
        (100, 5.0, {}, "finished"),
        (99, 5.0, {}, "stopped"),
        (99, 60.5, {"minutes": 1.0}, "finished"),
        (99, 59.5, {"minutes": 1.0}, "stopped"),
        (99, 60.5, {"minutes": "1"}, "stopped"),  # makes no sense
        (40, 60.5, {"minutes": 1.0}, "stopped"),  # the log is further: it goes on for longer
    ],
)
def test_a_run_that_did_not_log_its_end_is_finished_all_the_same(
    step: int, elapsed: float, loop: dict[str, Any], state: str, tmp_path: Path
) -> None:
    out = made_run(tmp_path / "x")  # its log ends in the middle, after 500 pictures
    checkpointed(out / "diffusion", 9, 60.5, minutes=1.0)
    checkpointed(out / "diffusion", step, elapsed, **loop)
    found = RunFolder(out).standing()
    assert (found["state"], found["tasks"][0]["progress"]) == (state, 1.0 if state == "finished" else 0.5)


def test_a_task_without_a_row_is_seen_to_have_ended(tmp_path: Path) -> None:
    """CLIP ended by its minutes after a few steps, and the log of that time is empty."""
    out = made_run(tmp_path / "x")
    (out / "run.json").write_text(json.dumps({"data": "starter", "recipe": {"tasks": ["clip", "diffusion"]}}))
    write_log(out / "clip", [])
    write_log(out / "diffusion", [row(1000, loss=0.1, progress=1.0)])
    assert RunFolder(out).standing()["state"] == "stopped"
    checkpointed(out / "clip", 18, 10.3, minutes=1 / 6)
    found = RunFolder(out).standing()
    assert found["state"] == "finished"
    first = found["tasks"][0]
    assert (first["rows"], first["pictures"], first["progress"]) == (0, 0, 1.0)


def test_what_a_run_takes_from_its_model_is_not_waited_for(tmp_path: Path) -> None:
    """``train stickers_64 --tasks diffusion --set start_from=…``, and a distillation in a run of its own."""
    out = made_run(tmp_path / "x")
    recipe = {"tasks": ["clip", "vae", "diffusion"]}
    write_log(out / "diffusion", [row(1000, loss=0.1, progress=1.0)])
    for more, state in (({}, "stopped"), ({"start_from": "stickers-64"}, "finished")):
        (out / "run.json").write_text(json.dumps({"data": "starter", "recipe": recipe | more}))
        assert RunFolder(out).standing()["state"] == state
    (out / "diffusion").rename(out / "vae")  # the U-Net is still to come
    assert RunFolder(out).standing()["state"] == "stopped"
    (out / "vae").rename(out / "distill")
    facts = {"data": "starter", "recipe": recipe, "made_from": {"model": "0a1b"}}
    (out / "run.json").write_text(json.dumps(facts))
    found = RunFolder(out).standing()
    assert (found["state"], [task["name"] for task in found["tasks"]]) == ("finished", ["distill"])
    with pytest.raises(Exception, match="this is a distillation; go on with it by 'fromnoise distill'"):
        Watched(out).go_on()


def test_a_log_is_read_from_where_it_was_read_to(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    log = LogFile(file)
    assert log.read() == []
    file.write_bytes(b'{"pictures": 1}\nnonsense\n[1]\n{"pictures": "x"}\n{"pictures": 2, "lo')
    assert log.read() == [{"pictures": 1}]
    with file.open("ab") as opened:
        opened.write(b'ss": 5}\n')
    assert log.read() == [{"pictures": 1}, {"pictures": 2, "loss": 5}]
    file.write_bytes(b'{"pictures": 7}\n')  # somebody began anew
    assert log.read() == [{"pictures": 7}]
    file.unlink()
    assert log.read() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"recipe": 3}', '{"story": {}}', "[" * 100_000])
def test_a_folder_that_makes_no_sense_is_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert RunFolder(tmp_path).standing()["state"] == "none"


def test_very_many_sheets_are_spread(tmp_path: Path) -> None:
    sheets = tmp_path / "vae" / "sheets"
    sheets.mkdir(parents=True)
    for i in range(200):
        (sheets / f"{i:010d}.png").touch()
    (sheets / "notes.png").touch()
    (told,) = [task["sheets"] for task in RunFolder(tmp_path).standing()["tasks"] if task["name"] == "vae"]
    assert (len(told), told[0], told[-1]) == (LISTED, 0, 199)
    assert sorted(set(told)) == told


def test_a_process_is_told_from_another_one_with_its_number(tmp_path: Path) -> None:
    here = Process.here()
    assert here.alive
    assert not Process(here.number, here.begun - 100).alive
    program = "import signal as s; s.signal(s.SIGINT, s.default_int_handler); print(1, flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program],  # whoever runs the tests may ignore Ctrl-C
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()  # it runs
    import psutil

    theirs = Process(child.pid, psutil.Process(child.pid).create_time())
    assert theirs.alive
    assert not Process(child.pid, theirs.begun - 100).ask_to_stop()  # another's process is left alone
    assert theirs.ask_to_stop()
    until(lambda: not theirs.alive)  # ended, and not yet waited for
    assert child.wait() != 0
    assert not theirs.ask_to_stop()


@pytest.mark.parametrize("text", ["", "3", '{"process": 1, "begun": 0}', '{"process": -1, "begun": 0}',
                                  '{"process": true, "begun": 0}', '{"process": "7", "begun": 0}'])  # fmt: skip
def test_a_spoilt_note_of_a_process_names_none(tmp_path: Path, text: str) -> None:
    (tmp_path / NOTE).write_text(text)
    assert process_of(tmp_path) is None


# --- over the wire -------------------------------------------------------------------------------------------------


@pytest.fixture
def watching(tiny_model_folder: Path, tmp_path: Path) -> Iterator[Live]:
    settings = Settings(tmp_path / "gallery", port=0, limits=LIMITS, run=made_run(tmp_path / "mine"))
    with running(TextToImage.load(tiny_model_folder), tmp_path, settings=settings) as live:
        yield live


def key_of(live: Live) -> dict[str, str]:
    assert live.state.training is not None
    return {OWNER: live.state.training.key}


def test_everyone_may_watch_and_the_owner_alone_may_act(watching: Live) -> None:
    with watching.client() as http:
        assert http.get("/api/facts").json()["training"] is True
        assert http.get("/api/training").json()["state"] == "stopped"
        assert http.get("/api/training/curves/diffusion").json()["held_out_loss"] == [[500, 0.4]]
        assert http.get("/api/training/sheets/diffusion/250").headers["content-type"] == "image/png"
        for headers in ({}, {OWNER: "guessed"}, {OWNER: ""}, {OWNER: "ü".encode()}):
            for route in ("start", "pause", "go-on"):
                body = {"data": "."} if route == "start" else None
                answer = http.post(f"/api/training/{route}", json=body, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_the_owner"), route
            assert http.get("/api/training/owner", headers=headers).json() == {"owner": False}
        assert http.get("/api/training/owner", headers=key_of(watching)).json()["owner"] is True
        foreign = {**key_of(watching), "Origin": "https://elsewhere.example"}
        assert http.post("/api/training/pause", headers=foreign).json()["error"]["code"] == "foreign_origin"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_shows_its_curves_and_sheets(watching: Live, task: str) -> None:
    assert watching.state.training is not None
    place = watching.state.training.path / task
    (place / "sheets").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(place / "sheets" / "0000000070.png")
    write_log(place, [row(600, detail=0.7)])
    with watching.client() as http:
        assert http.get(f"/api/training/curves/{task}").json()["detail"] == [[600, 0.7]]
        assert http.get(f"/api/training/sheets/{task}/70").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("sheets/diffusion/251", "sheets/vae/250", "sheets/..%2Fdiffusion/250", "sheets/model/250"),
        *("sheets/diffusion/-1", "curves/secrets", "sheets/diffusion/x"),
    ],
)
def test_nothing_but_sheets_and_curves_can_be_had(watching: Live, path: str) -> None:
    with watching.client() as http:
        assert http.get(f"/api/training/{path}").status_code in (400, 404)


def test_others_in_the_network_cannot_act_even_with_the_key(tiny_model_folder: Path, tmp_path: Path) -> None:
    run = made_run(tmp_path / "mine")
    settings = Settings(tmp_path / "gallery", "0.0.0.0", 0, "open-sesame-123", LIMITS, run=run)
    with running(TextToImage.load(tiny_model_folder), tmp_path, settings=settings) as live, live.client() as http:
        bearer = {"Authorization": "Bearer open-sesame-123"}
        assert http.get("/api/training").status_code == 401
        assert http.get("/api/training", headers=bearer).status_code == 200
        answer = http.post("/api/training/go-on", headers={**bearer, **key_of(live)})
        assert answer.status_code == 403


def test_what_cannot_be_done_is_said(watching: Live, tmp_path: Path) -> None:
    with watching.client(headers=key_of(watching)) as http:

        def said(route: str, **body: Any) -> tuple[int, str]:
            answer = http.post(f"/api/training/{route}", json=body or None)
            return answer.status_code, answer.json()["error"]["message"]

        assert said("pause") == (409, "no training is running here")
        assert said("start", data=str(tmp_path / "nowhere"))[0] == 400
        assert said("start", data=str(tmp_path)) == (
            409, "a training has begun here already; go on with it, or start the studio with another --run"
        )  # fmt: skip
        assert said("try", prompt="red apple") == (
            409, "there is no model yet; it appears with the first checkpoint of the U-Net"
        )  # fmt: skip
        assert said("start", data="")[0] == 400
        assert said("start", data=".", minutes=0)[0] == 400


def test_a_studio_without_a_run_says_so(http: httpx.Client) -> None:
    assert http.get("/api/facts").json()["training"] is False
    answer = http.get("/api/training")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_training")
    assert http.post("/api/training/go-on", headers={OWNER: "x"}).status_code == 404


# --- a real training -----------------------------------------------------------------------------------------------


def until(true: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for i in range(12):
        Image.new("RGB", (64, 64), (20 * i, 100, 255 - 20 * i)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"red apple number {i}")
    return folder


def test_a_training_is_begun_paused_and_gone_on_with(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    spawn, fewer = Watched._spawn, ("--set", "diffusion.known=8")  # drawings of what it knows, which take their time
    monkeypatch.setattr(
        Watched, "_spawn", lambda self, *words, recipe="finetune": spawn(self, *words, *fewer, recipe=recipe)
    )
    watched = Watched(tmp_path / "run")
    assert watched.standing()["state"] == "none"
    watched.begin(str(pictures), 5.0)
    with pytest.raises(Exception, match="running here already"):
        watched.begin(str(pictures), None)
    assert watched.standing()["state"] in ("beginning", "running")

    said = watched.path / SAID
    until(lambda: "U-Net: from noise to pictures: begins at 0" in said.read_text() or watched.standing()["failed"])
    assert "self-test" in said.read_text()
    begun = process_of(watched.path)
    assert begun is not None
    assert os.getsid(begun.number) == begun.number != os.getsid(0)  # a session of its own
    watched.pause()
    with pytest.raises(Exception, match="being saved already"):
        watched.pause()
    until(lambda: watched.standing()["state"] == "stopped")
    assert not watched.standing()["failed"]
    (kept,) = (watched.path / "diffusion").glob("step-*")
    watched.go_on()
    until(lambda: "going on after" in said.read_text())
    assert "self-test" not in said.read_text()
    assert watched.standing()["state"] == "running"
    watched.pause()
    until(lambda: watched.standing()["state"] == "stopped")
    assert max((watched.path / "diffusion").glob("step-*")) > kept


@pytest.mark.parametrize(
    ("recipe", "trigger", "wanted"),
    [("lora", " linocut ", ["lora", "linocut"]), ("finetune", "", ["finetune", None])],
)
def test_what_the_form_says_is_what_is_trained(
    recipe: str, trigger: str, wanted: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(Watched, "_spawn", lambda self, *words, recipe: asked.append([recipe, *words]))
    watched = Watched(tmp_path / "run")
    watched.begin(str(tmp_path), 3.0, recipe, trigger)
    named = ["--trigger", wanted[1]] if wanted[1] else []
    assert asked == [[wanted[0], "--data", str(tmp_path.resolve()), "--minutes", "3", *named]]
    made_run(tmp_path / "run")
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    told["recipe"] |= {"name": "linocut", "tasks": [recipe if recipe == "lora" else "diffusion"]}
    (tmp_path / "run" / "run.json").write_text(json.dumps(told))
    watched.go_on()
    assert asked[1] == [recipe, "--data", "starter", "--as-before"]


@pytest.mark.parametrize("data", ["starter", "hf:owner/name", "hf:owner/name/config"])
def test_a_training_learns_from_what_the_command_takes(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(Watched, "_spawn", lambda self, *words, recipe: asked.append([recipe, *words]))
    watched = Watched(tmp_path / "run")
    watched.begin(f" {data}\n", None, "lora")
    made_run(tmp_path / "run")
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**told, "data": data}))
    watched.go_on()
    assert asked == [["lora", "--data", data], ["finetune", "--data", data, "--as-before"]]


@pytest.mark.parametrize(
    "data", ["hf:name", "hf:../name", "hf:owner/na\0me", "hf:owner/name --out x", "hf:", "nowhere"]
)
def test_what_names_no_pictures_is_refused(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "_spawn", lambda self, *words, recipe: pytest.fail("it begins"))
    watched = Watched(tmp_path / "run")
    with pytest.raises(Exception, match=r"there is no folder .* on this machine") as said:
        watched.begin(data)
    assert "\n" not in str(said.value)
    made_run(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps({"data": data, "recipe": {"tasks": ["diffusion"]}}))
    with pytest.raises(Exception, match="the pictures are not at"):
        watched.go_on()


def test_a_run_from_scratch_goes_on_from_the_studio_whatever_it_is_called(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words, VAE and U-Net in the order in which they began: the command that the studio gives ends what was begun."""
    out = tmp_path / "run"
    short = {
        "name": "mine", "threads": "1", "precision": "fp32", "data.pixels": "32", "clip.image.pixels": "32",
        "diffusion.model.sample_size": "4", "diffusion.sheet_steps": "1",
        **{f"{task}.loop.{name}": str(n) for task in ("clip", "vae", "diffusion") for name, n in
           (("pictures", 16), ("batch", 8))},
    }  # fmt: skip
    recipe = load_recipe("scratch", lambda: Situation(12, 64)).recipe.with_overrides(short)
    train(recipe, pictures, out, ("clip",))
    asked: list[list[str]] = []
    monkeypatch.setattr(Watched, "_spawn", lambda self, *words, recipe: asked.append([recipe, *words]))
    Watched(out).go_on()
    said = CliRunner().invoke(app, ["train", *asked[0], "--out", str(out), "--no-index"])
    assert said.exit_code == 0, (said.output, said.exception)
    assert [task["name"] for task in RunFolder(out).standing()["tasks"]] == ["clip", "vae", "diffusion"]
    assert [len(list((out / task).glob("step-*"))) for task in ("clip", "vae", "diffusion")] == [1, 1, 1]
    card = TextToImage.load(out / "model").card
    assert (card["name"], card["pictures_seen"]) == ("mine", 16)


def test_a_lora_is_tried_beside_its_model(tiny_model_folder: Path, tmp_path: Path) -> None:
    """The picture is that of the model with the LoRA's file, as anyone would draw it."""
    model = TextToImage.load(tiny_model_folder)
    out = made_run(tmp_path / "run")
    told = json.loads((out / "run.json").read_text())
    told["recipe"] |= {"name": "linocut", "tasks": ["lora"], "start_from": str(tiny_model_folder)}
    (out / "run.json").write_text(json.dumps(told))
    watched = Watched(out)
    with pytest.raises(Exception, match="no model yet"):
        watched.try_model("red apple", 3)
    rng = torch.Generator().manual_seed(0)
    shapes = {name: m.weight.shape for name, m in model.unet.named_modules() if isinstance(m, torch.nn.Linear)}
    changes = {n: (torch.randn(2, s[1], generator=rng), torch.randn(s[0], 2, generator=rng)) for n, s in shapes.items()}
    save_lora(out / "lora.safetensors", changes, model, "linocut", "linocut")
    picture, seen = watched.try_model("red apple", 3)
    beside = Opening(tiny_model_folder, (str(out / "lora.safetensors"),), "fp32")
    request = Request(prompt="red apple", seed=3, steps=module.STEPS)
    assert torch.equal(picture, draw(open_model(beside)[1], request)[0])
    assert not torch.equal(picture, draw(model, request)[0])
    assert seen is None


def test_the_page_has_words_for_every_task() -> None:
    text = (Path(module.__file__).parents[1] / "web" / "words.js").read_text(encoding="utf-8")
    said = text.partition("  training: {")[2]
    for part in ("tasks: {", "short: {", "sheetOf: {"):
        named = set(re.findall(r"(\w+): \"", said.partition(part)[2].partition("}")[0]))
        assert named == set(TASKS), part


def test_a_training_that_cannot_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; print('reading'); sys.exit('there are no pictures in ' + sys.argv[6])"
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", program))
    watched = Watched(tmp_path / "run")
    watched.begin(str(tmp_path), None)
    until(lambda: not watched.begun_here)
    found = watched.standing()
    assert (found["state"], found["failed"]) == ("none", True)
    assert found["said"] == f"there are no pictures in {tmp_path.resolve()}"
    with pytest.raises(Exception, match="no training has begun here"):
        watched.go_on()


def test_the_page_beside_a_training_ends_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``train --watch`` without a terminal: the address is told before the training, and nothing is left behind."""

    def training() -> None:
        assert httpx.get(f"{address}/healthz").status_code == 200
        raise KeyboardInterrupt

    def told() -> str:
        nonlocal address
        page = capsys.readouterr().err
        address = page.split()[3].split("/#training/")[0]
        return page

    address = ""
    with pytest.raises(KeyboardInterrupt):
        with_page(tmp_path / "run", lambda: (told(), training())[1])
    assert address.startswith("http://127.0.0.1:")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


def test_a_folder_of_something_else_is_not_watched(run: Any, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to_mum.txt").write_text("dear mum")
    done = run("studio", "--run", str(tmp_path / "letters"))
    assert done.code == 2
    assert "holds something that is not a training run" in done.err
