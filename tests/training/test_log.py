"""What a person sees of a training: one title, one time left, the newest sheet; figures only for who asks."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fromnoise.cli.train import load_recipe
from fromnoise.data.record import Record
from fromnoise.ground.labelled_sheet import labelled
from fromnoise.training import log as module
from fromnoise.training.clock import Clock
from fromnoise.training.costs import ahead, multiplications
from fromnoise.training.health.history import read_rows
from fromnoise.training.log import Later, Log, Telling
from fromnoise.training.run_data import some_prompts
from fromnoise.training.run_folder import accelerator, curves

FIGURES = {"loss": 0.5, "loss_log_snr_-4..-2": 0.25}


class Time:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    found = Time()
    monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=found.monotonic))
    return found


def steps(log: Log, time: Time, count: int, seconds: float, begin: int = 0, total: int = 1000) -> None:
    for step in range(begin + 1, begin + count + 1):
        time.now += seconds
        clock = Clock(step, 10, total, 0)
        log.record(clock, {**FIGURES, "loss": 0.5 - 0.002 * step})
        log.show(clock)


def test_without_a_terminal_a_plain_line_comes_every_minute(
    tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    log = Log(folder, Clock(0, 10, 1000, 0), Telling(number=1, of=3, ahead=(Later(1500.0), Later(500.0))))
    steps(log, time, 30, 5.0)
    log.sheet(Clock(30, 10, 1000, 0), Image.new("RGB", (4, 4)), folder / "sheets" / "0000000300.png")
    steps(log, time, 14, 5.0, begin=30)
    lines = capsys.readouterr().err.splitlines()
    name = "CLIP: which words belong to which picture (1 of 3)"
    assert lines == [
        f"{name}: begins at 0 of 1,000 pictures",
        f"{name}: 130 of 1,000 pictures, 2.0/s, 7 min left (whole run about 24 min)",
        f"{name}: 260 of 1,000 pictures, 2.0/s, 6 min left (whole run about 23 min)",
        f"{name}: 390 of 1,000 pictures, 2.0/s, 5 min left (whole run about 22 min), newest sheet "
        f"{folder}/sheets/0000000300.png",
    ]
    log.done(Clock(100, 10, 1000, 0))
    assert capsys.readouterr().err == f"{name}: done, 1,000 pictures seen, last sheet {folder}/sheets/0000000300.png\n"
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["loss_log_snr_-4..-2"] == 0.25  # engineers find every figure in the file
    assert rows[-1]["pictures"] == 440


def test_figures_are_told_to_those_who_ask(tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    steps(Log(tmp_path, Clock(0, 10, 1000, 0)), time, 3, 1.0)
    assert "loss" not in capsys.readouterr().err
    steps(Log(tmp_path, Clock(0, 10, 1000, 0), Telling(verbose=True)), time, 3, 1.0)
    assert "loss_log_snr_-4..-2 0.25" in capsys.readouterr().err


def test_no_figure_is_written_where_readers_look_for_the_clock(tmp_path: Path, time: Time) -> None:
    """A loss that is called "pictures" would make every row one of no training."""
    log = Log(tmp_path, Clock(0, 10, 1000, 0))
    time.now += 1
    log.record(Clock(2, 10, 1000, 0), {"pictures": 0.5, "step": 0.25, "loss": 0.75})
    (row,) = read_rows(tmp_path / "log.jsonl")
    assert (row["pictures"], row["step"], row["loss"]) == (20, 2, 0.75)


def test_a_limit_of_time_decides_what_is_left(tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(tmp_path, Clock(0, 10, 10**6, 0), limit=240.0)
    for step in range(1, 20):
        time.now += 5
        log.show(Clock(step, 10, 10**6, 0, spent=5 * step / 240))
    assert "130 of 1,000,000 pictures or 4 min, 2.0/s, 3 min left" in capsys.readouterr().err
    Log(tmp_path, Clock(0, 10, 3000, 0), limit=10.0)
    assert "begins at 0 of 3,000 pictures or 10 s\n" in capsys.readouterr().err


def test_what_follows_takes_no_longer_than_its_minutes(
    tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two tasks of 600 seconds follow at this pace, and the first may take two minutes only."""
    telling = Telling(number=1, of=3, ahead=(Later(1200.0, 120.0), Later(1200.0)))
    steps(Log(tmp_path, Clock(0, 10, 1000, 0), telling), time, 13, 5.0)
    assert "130 of 1,000 pictures, 2.0/s, 7 min left (whole run about 19 min)" in capsys.readouterr().err
    assert [Later(100.0, 60.0).seconds(rate) for rate in (1.0, 4.0)] == [60, 25]


def test_on_a_terminal_there_is_one_bar_with_the_newest_sheet_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    log = Log(tmp_path, Clock(0, 10, 100, 0), Telling(number=2, of=3))
    log.sheet(Clock(5, 10, 100, 0), Image.new("RGB", (4, 4)), Path("sheets/0000000050.png"))
    log.show(Clock(5, 10, 100, 0))
    shown = log._bar
    assert [task.percentage for task in shown.tasks] == [50.0]
    with shown.console.capture() as seen:
        for line in shown.get_renderables():
            shown.console.print(line)
    assert " 50%" in seen.get()
    assert "50 of 100 pictures" in seen.get()
    assert "newest sheet: sheets/0000000050.png" in seen.get()
    log.close()


def test_what_is_ahead_of_a_task_is_the_work_of_those_after_it() -> None:
    recipe = load_recipe("first_model")
    found = ahead(recipe, ("clip", "vae", "diffusion"), 300)
    assert found["diffusion"] == ()
    twice = recipe.with_overrides({"diffusion.loop.pictures": "72000"})
    longer = ahead(twice, ("clip", "vae", "diffusion"), 300)["vae"]
    assert [later.pictures for later in longer] == pytest.approx([2 * later.pictures for later in found["vae"]])
    assert ahead(recipe, ("clip", "vae"), 300)["clip"] == found["clip"][:1]
    limited = recipe.with_overrides({"vae.loop.minutes": "2"})
    assert [later.limit for later in ahead(limited, ("clip", "vae", "diffusion"), 300)["clip"]] == [120, 0]
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, padding=1), torch.nn.Flatten(), torch.nn.Linear(80, 7))
    assert multiplications(layers, lambda: layers(torch.zeros(1, 3, 4, 4))) == 16 * 5 * 27 + 80 * 7


def test_curves_are_drawn_over_pictures_and_hold_the_sheets(tmp_path: Path) -> None:
    board = curves(accelerator(tmp_path))
    board.figures({"vae/held_out_loss": 0.5}, 640)
    board.figures({"vae/held_out_loss": 0.25}, 1280)
    board.sheet("vae/sheet", Image.new("RGB", (6, 4), "red"), 1280)
    board._accelerator.end_training()
    events = EventAccumulator(str(next((tmp_path / "curves").rglob("events*")).parent))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("vae/held_out_loss")] == [(640, 0.5), (1280, 0.25)]
    assert [(e.step, e.width, e.height) for e in events.Images("vae/sheet")] == [(1280, 6, 4)]


def test_words_stand_over_their_pictures() -> None:
    """Every pair of pictures has its own colour; ink appears above it and only there, and more words take more ink."""
    pictures = torch.zeros(6, 3, 20, 60, dtype=torch.uint8)
    for i in range(6):
        pictures[i, i // 2] = 200
    sheet = labelled(pictures, ["cat", "a very long prompt about two cats on a mat", ""], columns=4)
    assert sheet.width == 2 * 2 * 62  # two texts beside each other
    dots = torch.tensor(list(sheet.getdata())).view(sheet.height, sheet.width, 3)
    shown = [(dots == torch.eye(3, dtype=torch.long)[i] * 200).all(2) for i in range(3)]
    assert [int(own.sum()) for own in shown] == [2 * 20 * 60] * 3
    half, height = sheet.width // 2, sheet.height // 2
    places = [own.nonzero().min(0).values.tolist() for own in shown]
    assert [(y >= height, x >= half) for y, x in places] == [(False, False), (False, True), (True, False)]
    ink = (dots.sum(2) < 300) & ~torch.stack(shown).any(0)
    counts = [int(part.sum()) for part in (ink[:height, :half], ink[:height, half:], ink[height:, :half])]
    assert counts[1] > 2 * counts[0] > 0
    assert counts[2] > 0
    assert int(ink[height:, half:].sum()) == 0


def test_no_caption_is_asked_twice_on_a_sheet() -> None:
    records = [Record(f"{i}.png", f"thing {i % 20}", style="linocut") for i in range(80)]
    found = some_prompts(records)
    assert len(found) == len(set(found)) == 16
    assert set(found) <= {f"thing {i}, linocut style" for i in range(20)}
    assert sorted(some_prompts(records[:3] * 9)) == [f"thing {i}, linocut style" for i in range(3)]
