"""How long a training is: by pictures, by minutes, by what suits the data; warm-up and decay follow."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fromnoise.cli.train import load_recipe
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint, loop
from fromnoise.training.clock import Clock
from fromnoise.training.continuing import Call
from fromnoise.training.loop import Trainer, learning_rate
from fromnoise.training.recipe import LoopConfig, Recipe
from fromnoise.training.run import Run, train
from training.test_loop import Line, bits, config

COLOURS = ("red", "blue", "green", "black", "orange", "purple", "brown", "grey", "pink", "navy")


@pytest.fixture
def second_a_step(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every step takes a second of a made-up clock, and nothing else takes any."""
    now = [0.0]
    step = Trainer.step

    def slow(self: Trainer) -> dict[str, torch.Tensor]:
        now[0] += 1
        return step(self)

    monkeypatch.setattr(Trainer, "step", slow)
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_warm_up_takes_at_most_its_share_of_the_run() -> None:
    def rates(**changes: Any) -> list[float]:
        c = LoopConfig(**{"pictures": 1000, "batch": 10, "decay": 0.0, "learning_rate": 1.0, **changes})
        return [learning_rate(c, Clock(step, 10, 1000, 0)) for step in range(100)]

    short = rates(warmup=100_000, warmup_most=0.1)
    assert short[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert set(short[9:]) == {1.0}
    assert max(rates(warmup=100_000, warmup_most=0.0)) == pytest.approx(0.01)  # as runs of earlier versions began
    assert rates(warmup=50, warmup_most=0.2) == rates(warmup=50, warmup_most=0.0)


def test_with_a_limit_of_time_warm_up_and_decay_follow_the_time() -> None:
    c = LoopConfig(pictures=10**9, batch=10, warmup=10**6, warmup_most=0.1, decay=0.4, learning_rate=1.0, minutes=1.0)
    rate = {share: learning_rate(c, Clock(5, 10, 10**9, 0, share)) for share in (0.0, 0.05, 0.1, 0.6, 0.8, 1.0)}
    assert [rate[share] for share in (0.05, 0.1, 0.6, 0.8, 1.0)] == pytest.approx([0.5, 1, 1, 0.5, 0])
    assert rate[0.0] == pytest.approx(6e-5)


@pytest.mark.usefixtures("second_a_step")
def test_the_time_is_the_trainings_and_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    """A minute is sixty steps of a second, in one session or in three, and the bits are the same."""
    settings = config(pictures=10**6, minutes=1.0)
    whole = Trainer(Line(settings), tmp_path / "whole", seed=5)
    expected = bits(whole.run())
    assert (whole.clock.step, whole.elapsed) == (60, 60.0)
    assert learning_rate(settings, whole.clock) == 0
    for steps in (7, 20, None):
        broken = Trainer(Line(settings), tmp_path / "broken", seed=5)
        found = broken.run(steps)
    assert bits(found) == expected
    facts = checkpoint.newest(tmp_path / "broken")[0]
    assert facts is not None
    assert facts.facts["elapsed"] == 60.0
    assert Trainer(Line(settings), tmp_path / "broken", seed=5).clock.done
    longer = Trainer(Line(config(pictures=10**6, minutes=2.0)), tmp_path / "broken", seed=5)
    assert (longer.clock.done, longer.clock.progress) == (False, 0.5)


@pytest.mark.usefixtures("second_a_step")
@pytest.mark.parametrize("settings", [{"pictures": 10**6, "minutes": 0.1}, {"pictures": 16 * 6}])
def test_a_last_row_says_that_a_task_has_ended(settings: dict[str, Any], tmp_path: Path) -> None:
    """Six steps, where a row comes every twenty."""
    Trainer(Line(config(log_steps=20, **settings)), tmp_path, seed=5).run()
    (row,) = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (row["step"], row["pictures"], row["progress"]) == (6, 96, 1.0)
    assert row["loss"] > 0


@pytest.mark.parametrize(("minutes", "sheets"), [(2.0, 2), (0.0, 11)])
def test_slow_sheets_do_not_take_the_time_of_a_limited_training(
    minutes: float, sheets: int, second_a_step: list[float], tmp_path: Path
) -> None:
    """A sheet takes as long as five steps and is due every six seconds: with two minutes they may take a tenth."""

    class Slow(Line):
        def samples_for_log(self, network: Any) -> Image.Image:
            second_a_step[0] += 5
            return Image.new("RGB", (2, 2))

    Trainer(Slow(config(pictures=16 * 60, minutes=minutes, sheet_minutes=0.1)), tmp_path, seed=5).run()
    assert len(list((tmp_path / "sheets").glob("*.png"))) == sheets


@pytest.mark.usefixtures("second_a_step")
def test_pictures_end_a_training_before_its_time_to_the_same_bits(tmp_path: Path) -> None:
    """Where pictures alone decide, how fast they were seen changes nothing."""
    plain = bits(Trainer(Line(config(decay=0.0)), tmp_path / "a", seed=5).run())
    limited = Trainer(Line(config(decay=0.0, minutes=1000.0)), tmp_path / "b", seed=5)
    assert bits(limited.run()) == plain
    assert limited.clock.pictures == 640


def folder(place: Path, count: int, caption: str = "a {} flag") -> Path:
    place.mkdir()
    for i, colour in enumerate(COLOURS[:count]):
        Image.new("RGB", (40, 40), colour).save(place / f"{i}.png")
        (place / f"{i}.txt").write_text(caption.format(colour))
    return place


@pytest.mark.parametrize("count", [1, 3, 10])
def test_a_few_pictures_are_enough_for_every_network(count: int, tmp_path: Path) -> None:
    recipe = load_recipe("first_model").with_overrides({
        "precision": "fp32", "threads": "1", "data.pixels": "32", "clip.image.pixels": "32",
        "vae.model.block_out_channels": "16,32,32", "diffusion.model.block_out_channels": "32,32",
        "diffusion.model.head_dim": "16", "diffusion.sheet_steps": "2", "clip.loop.pictures": "64",
        "vae.loop.pictures": "16", "diffusion.loop.pictures": "64",
    })  # fmt: skip
    model = TextToImage.load(train(recipe, folder(tmp_path / "mine", count), tmp_path / "run"))
    assert model.card["pictures"] == count
    assert all(bool(torch.isfinite(p).all()) for p in model.unet.parameters())


def test_no_picture_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mine"):
        train(load_recipe("first_model"), folder(tmp_path / "mine", 0), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def mine(**changes: str) -> Recipe:
    wanted: Recipe = load_recipe("finetune").recipe.with_overrides(
        {
            "precision": "fp32",
            "threads": "1",
            "diffusion.loop.batch": "2",
            "diffusion.sheet_steps": "1",
            "diffusion.known": "2",
            **changes,
        }
    )
    return wanted


def test_minutes_are_the_length_of_learning_ones_own_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``train finetune --minutes``: the run ends with its time, decayed, and with the style that captions name."""
    data = folder(tmp_path / "mine", 3, "a {} flag, linocut style")
    model = TextToImage.load(train(mine(), data, tmp_path / "run", call=Call(minutes=0.02)))
    shipped = TextToImage.load(None)
    assert model.styles == (*shipped.styles, "linocut")
    found, _ = checkpoint.newest(tmp_path / "run" / "diffusion")
    assert found is not None
    assert found.facts["elapsed"] >= 1.2
    assert (model.unet.conv_in.weight - shipped.unet.conv_in.weight).abs().max() > 0
    train(mine(), data, tmp_path / "run", call=Call(minutes=0.02))  # the same command again has nothing left to do
    again, _ = checkpoint.newest(tmp_path / "run" / "diffusion")
    assert again is not None
    assert again.facts == found.facts
    with pytest.raises(UserError, match=r"diffusion\.loop\.minutes: 0\.02 → 0\.0\).*--minutes again"):
        train(mine(), data, tmp_path / "run")
    trained: list[tuple[str, float, float]] = []
    monkeypatch.setattr(
        Run, "train", lambda self, name: trained.append(
            (name, self.recipe.diffusion.loop.minutes, self.recipe.distill.loop.minutes)))  # fmt: skip
    train(mine(), data, tmp_path / "run", ("distill",))  # says nothing of the U-Net, which is finished
    train(mine(), data, tmp_path / "run", ("distill",), Call(minutes=3))
    train(mine(), data, tmp_path / "run", call=Call(minutes=0.02))  # nor does the U-Net's minutes of the distillation
    assert trained == [("distill", 0.02, 0.0), ("distill", 0.02, 3.0), ("diffusion", 0.02, 3.0)]
    with pytest.raises(UserError, match=r"has learnt with the CLIP of .*leave clip out"):
        train(mine(), data, tmp_path / "run", ("clip",), Call(as_before=True))


def test_my_pictures_follows_their_number_unless_told_otherwise() -> None:
    loop = load_recipe("finetune").recipe.diffusion.loop
    few, many = loop.suited(40), loop.suited(1000)
    assert (few.pictures, many.pictures) == (43_639, 218_197)
    for suited in (few, many):
        full = next(s for s in range(10**4) if learning_rate(suited, Clock(s, 64, suited.pictures, 0)) == 6e-4)
        assert 64 * full <= 0.05 * suited.pictures
    told = load_recipe("finetune").recipe.with_overrides({"diffusion.loop.pictures": "128"}).diffusion.loop
    assert told.suited(40).pictures == 128
