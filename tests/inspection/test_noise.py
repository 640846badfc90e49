"""Noise, forwards: exact levels, planted guesses, and where a picture is lost."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image
from torch import Tensor

from fromnoise.diffusion.loss import TimeMix
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.errors import UserError
from fromnoise.inspection import noise as looking
from fromnoise.inspection.captions import Captions
from fromnoise.inspection.noise import (
    Guess,
    Level,
    Looked,
    Lost,
    encoded,
    forward,
    lost,
    noise_levels,
    picture_of,
    times_of,
    training_shares,
)
from fromnoise.inspection.noise_figure import verdict
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage
from planted_model import planted


def a_picture(seed: int = 1) -> Tensor:
    return torch.randint(0, 256, (3, 32, 32), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_noise_is_that_of_the_schedule_at_every_level_as_diffusers_has_it() -> None:
    peer = DDPMScheduler(1000, 0.00085, 0.012, "scaled_linear", rescale_betas_zero_snr=True)
    clean, noise = torch.randn(2, 2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    schedule = ScheduleConfig().build()
    for t in range(1000):
        theirs = peer.add_noise(clean, noise, torch.full((2,), t))
        torch.testing.assert_close(forward(schedule, clean, noise, t), theirs, rtol=1e-4, atol=2e-5)
    assert torch.equal(forward(schedule, clean, noise, 999), noise)
    assert torch.equal(forward(schedule, clean, noise, -1), clean)


def test_without_noise_nothing_is_lost_but_by_the_vae(tiny_model: TextToImage) -> None:
    picture = a_picture()
    level, *_ = noise_levels(tiny_model, Looked(picture, "red apple"), [-1], draws=2)
    through = tiny_model.decode(tiny_model.vae.encode(picture[None] / 127.5 - 1).mean)[0]
    assert torch.equal(level.without.picture, through)
    assert torch.equal(level.decoded, through)
    assert torch.equal(level.pixels, picture)
    assert (level.without.error, level.without.loss, level.gain) == (0.0, None, None)
    assert (level.alpha, level.sigma, level.log_snr) == (1.0, 0.0, math.inf)
    mistake = float((through.double() - picture.double()).square().mean())
    assert level.without.decibel == pytest.approx(10 * math.log10(255**2 / mistake))


def test_planted_guesses_have_their_errors(tiny_model: TextToImage) -> None:
    picture = a_picture()
    clean = encoded(tiny_model, picture)[0]
    blind = clean + 0.5
    model = planted(tiny_model, clean + 0.25, blind)
    levels = list(noise_levels(model, Looked(picture, "red apple", "noto", 4), [999, 300, 300], draws=3))
    assert [level.t for level in levels] == [300, 999]
    schedule = tiny_model.schedule
    for level in levels:
        assert level.with_words is not None
        assert level.without.error == pytest.approx(0.25, rel=1e-4)
        assert level.with_words.error == pytest.approx(0.0625, rel=1e-4)
        assert level.gain == pytest.approx(0.75, rel=1e-4)
        # v = (alpha x_t - x_0) / sigma: an error of x_0 is one of v, divided by sigma
        assert level.without.loss == pytest.approx(0.25 / schedule.sigma(level.t) ** 2, rel=1e-3)
        assert torch.equal(level.without.picture, tiny_model.decode(blind[None])[0])
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(4))
        noised = schedule.alpha(level.t) * clean + schedule.sigma(level.t) * noise
        torch.testing.assert_close(level.latents, noised)
        assert level.log_snr == schedule.log_snr(level.t)


def test_noise_on_the_colours_is_as_loud_as_the_schedule_says(tiny_model: TextToImage) -> None:
    grey = torch.full((3, 32, 32), 128, dtype=torch.uint8)
    levels = list(noise_levels(tiny_model, Looked(grey), [20, 60], draws=1))
    for level in levels:
        found = (level.pixels.double() / 127.5 - 1).std()
        assert float(found) == pytest.approx(level.sigma, rel=0.06)
    assert all(level.with_words is None and level.gain is None for level in levels)


def test_levels_come_one_by_one(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = looking._Guesser.level
    monkeypatch.setattr(looking._Guesser, "level", lambda self, t, share: asked.append(t) or real(self, t, share))
    levels = noise_levels(tiny_model, Looked(a_picture()), [500, 10, 900], draws=1)
    assert asked == []
    next(levels)
    assert asked == [10]
    levels.close()  # type: ignore[attr-defined]
    assert asked == [10]


def test_a_caption_is_ranked_among_captions(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    east, north = torch.eye(2)
    monkeypatch.setattr(
        looking, "directions", lambda model, texts: torch.stack([(east + north) / 2**0.5 for _ in texts])
    )
    monkeypatch.setattr(looking, "direction_of", lambda model, picture: north)
    captions = Captions(("a", "b", "c"), torch.stack([north, east, -north]), "planted")
    level, *_ = noise_levels(tiny_model, Looked(a_picture(), "red apple"), [400], 1, captions)
    assert level.without.rank == 2


def level_with(t: int, error: float, rank: int | None = None, alpha: float = 0.0) -> Level:
    none = torch.zeros(1)
    guess = Guess(none, none, error, error, 20.0, rank)
    return Level(t, alpha, 1.0, 0.0, none, none, none, guess, None, None)


CAPTIONS = Captions(tuple(map(str, range(250))), torch.zeros(250, 1), "planted")  # the best two count


@pytest.mark.parametrize(
    ("errors", "ranks", "expected"),
    [
        ((0.0, 0.1, 0.6, 1.0), (1, 2, 9, 2), Lost(None, 20, True)),  # found again at the end
        ((0.0, 0.6, 0.4, 1.0), (1, 2, 3, 40), Lost(20, 30, True)),
        ((0.0, 0.5, 0.5, 1.0), (9, 1, 3, 40), Lost(20, 30, False)),
        ((0.0, 0.6, 0.9, 1.0), (None, None, None, None), Lost(None, 10, None)),
    ],
)
def test_where_a_picture_is_lost(errors: tuple[float, ...], ranks: tuple[int | None, ...], expected: Lost) -> None:
    levels = [level_with(t, e, r) for t, e, r in zip((-1, 10, 20, 30), errors, ranks, strict=True)]
    assert lost(levels, CAPTIONS if ranks[0] else None) == expected


def test_nobody_is_blind_where_half_of_the_picture_is_left() -> None:
    levels = [level_with(10, 0.0, alpha=0.9), level_with(20, 1.0, alpha=0.7)]
    assert lost(levels, None) == Lost(None, None, None)


def test_the_verdict_is_in_percents_of_the_levels() -> None:
    assert "loses this picture at 70 % of the noise levels" in verdict(Lost(None, 699, None), 1000)
    assert "up to just below 40 %" in verdict(Lost(399, 699, True), 1000)
    assert "ranks say little" in verdict(Lost(399, 699, False), 1000)
    assert "at every level" in verdict(Lost(None, 699, True), 1000)
    assert verdict(Lost(None, None, None), 1000) == ""


def test_what_training_spends_on_each_level() -> None:
    schedule = ScheduleConfig().build()

    def card(**mix: float) -> dict[str, Any]:
        chosen = replace(TimeMix(0.0, 0.0, 0.0), **mix).to_dict()
        return {"recipe": {"diffusion": {"noise_levels": "default", "time_mix": chosen}}}

    times = [-1, 99, 499, 998, 999]
    even = training_shares(card(uniform=1.0), schedule, times)
    assert even == pytest.approx([0.0, 0.1, 0.4, 0.499, 0.001], abs=0.005)
    assert training_shares(card(terminal=1.0), schedule, times) == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert training_shares({}, schedule, times) == [None] * 5
    curriculum = {"recipe": {"diffusion": {"noise_levels": "curriculum", "time_mix": TimeMix().to_dict()}}}
    assert training_shares(curriculum, schedule, times) == [None] * 5
    assert training_shares({"recipe": None}, schedule, times) == [None] * 5


def test_percents_of_levels() -> None:
    assert times_of([0, 10, 50, 99.9, 100], 1000) == [-1, 99, 499, 998, 999]
    assert times_of([100], 50) == [49]
    for wrong in (-1, 100.5):
        with pytest.raises(UserError, match="levels are percents"):
            times_of([wrong], 1000)


def test_what_cannot_be_is_refused_before_anything_is_computed(tiny_model: TextToImage) -> None:
    looked = Looked(a_picture(), "red apple")
    for times, problem in (([1000], "no level t = 1000; this model has 0…999"), ([], "at least one"), ([-2], "t = -2")):
        with pytest.raises(UserError, match=problem):
            noise_levels(tiny_model, looked, times)
    with pytest.raises(UserError, match="1…64 noises, not 0"):
        noise_levels(tiny_model, looked, [1], draws=0)


def test_a_picture_is_fitted_on_white(tiny_model: TextToImage, tmp_path: Path) -> None:
    Image.new("RGBA", (64, 48), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert picture_of(tiny_model, tmp_path / "clear.png").eq(255).all()
    to_image(a_picture()).save(tmp_path / "same.png")
    assert torch.equal(picture_of(tiny_model, tmp_path / "same.png"), a_picture())


def test_the_command(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    to_image(a_picture()).save(tmp_path / "p.png")
    model = ("--model", tiny_model_folder, "--draws", 2)
    done = run(
        "inspect", "noise", "p.png", "--words", "red apple", *model, "--levels", "0,50", "--at", 999, "--out", "n.json"
    )
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "n.json").read_text())
    assert [level["t"] for level in facts["levels"]] == [-1, 499, 999]
    assert facts["levels"][0]["log_snr"] is None  # infinite, which JSON cannot say
    assert facts["levels"][0]["gain"] is None
    assert facts["ranked_among"] is None  # this model names no captions
    assert facts["command"].startswith("fromnoise inspect noise p.png --words 'red apple' --levels 0,50 --at 999")
    drawn = run("inspect", "noise", "--prompt", "red apple", *model, "--levels", "30,100", "--out", "n.gif")
    assert drawn.code == 0, drawn.err
    with Image.open(tmp_path / "n.gif") as film:
        assert getattr(film, "n_frames", 1) == 2


def test_the_command_ranks_captions_where_they_are_known(run: Any, tiny_model: TextToImage, tmp_path: Path) -> None:
    knowing = replace(tiny_model, known=KnownWords({"apple": 3, "house": 1, "blue": 3}), identity="")
    knowing.save(tmp_path / "knowing")
    done = run("inspect", "noise", "--prompt", "apple", "--model", "knowing", "--levels", "0,100", "--out", "n.json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "n.json").read_text())
    assert facts["ranked_among"] == {"captions": 3, "best": 1}
    assert all(1 <= level[side]["rank"] <= 4 for level in facts["levels"] for side in ("without", "with_words"))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "give a picture file, or --prompt"),
        (("p.png", "--prompt", "red apple"), "give a picture file, or --prompt"),
        (("none.png",), "there is no file none.png"),
        (("text.png",), "not a picture"),
        (("--prompt", "red apple", "--levels", "200"), "levels are percents"),
        (("--prompt", "red apple", "--at", "1000"), "there is no level t = 1000"),
        (("--prompt", "red apple", "--levels", ""), "at least one level"),
    ],
)
def test_the_command_refuses_in_one_line(
    run: Any, tiny_model_folder: Path, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    done = run("inspect", "noise", *options, "--model", tiny_model_folder)
    assert done.code == 2
    assert problem in done.err
    assert not (tmp_path / "noise.png").exists()
