"""Guidance as it is drawn with: planted guesses, the drawing's own bits, and pictures that say what differs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import Finished, draw, generate
from fromnoise.ground.errors import UserError
from fromnoise.inspection import guidance as looking
from fromnoise.inspection.guidance import Pull, angle, ladder, parted, pulls, shown
from fromnoise.inspection.guidance_figure import guidance_figure
from fromnoise.inspection.noting import noting
from fromnoise.inspection.pixels import difference, psnr, rms
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage
from planted_model import planted

APPLE = Subject("red apple", style="noto", seed=3, steps=4, guidance=5.0)


def seen(model: TextToImage, made: Any) -> tuple[list[Pull], torch.Tensor]:
    *steps, last = pulls(model, made)
    assert isinstance(last, Finished)
    return [p for p in steps if isinstance(p, Pull)], last.pictures


def test_planted_guesses_are_the_ones_that_are_shown(tiny_model: TextToImage) -> None:
    rng = torch.Generator().manual_seed(5)
    told, deaf = torch.randn(2, *tiny_model.latent_shape(), generator=rng)
    model = planted(tiny_model, told, deaf)
    found, _ = seen(model, APPLE.plan(model, rescale=0.0, interval=(100, 800)))
    inside = [pull for pull in found if 100 <= pull.step.t <= 800]
    assert 0 < len(inside) < len(found) == 4
    for pull in found:
        assert torch.equal(pull.with_words, told)
        if pull not in inside:  # one call, nothing to compare, nothing guided
            assert pull.without is None
            assert (pull.strength, pull.angle) == (None, None)
            assert torch.equal(pull.guided, told)
            continue
        assert pull.without is not None
        assert torch.equal(pull.without, deaf)
        torch.testing.assert_close(pull.guided, 5 * told - 4 * deaf)  # five times the way from one to the other
        assert pull.strength == pytest.approx(math.sqrt(float((told - deaf).square().mean())), rel=1e-5)


@pytest.mark.parametrize("sampler", ["dpm++", "heun", "euler_a"])
def test_what_is_shown_is_what_was_drawn_with_and_no_bit_changes(tiny_model: TextToImage, sampler: str) -> None:
    made = APPLE.plan(tiny_model, rescale=0.0, interval=(0, 1000), sampler=sampler)
    found, picture = seen(tiny_model, made)
    *steps, last = generate(tiny_model, made)
    assert isinstance(last, Finished)
    assert torch.equal(picture, last.pictures)
    for pull, step in zip(found, steps, strict=True):
        assert isinstance(step, Step)
        assert torch.equal(pull.guided, step.x0_hat[0])
        assert pull.without is not None
        assert not torch.equal(pull.without, pull.with_words)
        assert torch.equal(pull.guided, pull.without + 5.0 * (pull.with_words - pull.without))  # to the bit


def test_rescaled_guidance_is_shown_as_it_is_drawn_with(tiny_model: TextToImage) -> None:
    plain, _ = seen(tiny_model, APPLE.plan(tiny_model, rescale=0.0, interval=(0, 1000)))
    tamed, _ = seen(tiny_model, APPLE.plan(tiny_model, rescale=0.7, interval=(0, 1000)))
    assert torch.equal(plain[0].with_words, tamed[0].with_words)
    assert not torch.equal(plain[0].guided, tamed[0].guided)
    assert tamed[0].guided.std() < plain[0].guided.std()


def test_a_closed_generator_computes_no_further(tiny_model: TextToImage) -> None:
    noted = noting(tiny_model)
    drawing = generate(noted, APPLE.plan(tiny_model, interval=(0, 1000)))
    next(drawing)
    assert [len(asked.answers) for asked in noted.take()] == [2]
    drawing.close()
    assert noted.take() == []


def test_distances_and_angles() -> None:
    x, y = torch.zeros(4, 1, 1), torch.zeros(4, 1, 1)
    x[0], y[0], y[1] = 2.0, 1.0, 1.0
    assert rms(x) == 1.0
    assert angle(x, y) == pytest.approx(45.0)
    assert angle(x, -x) == pytest.approx(180.0)
    assert angle(x, x * 0) == 0.0
    black, white = torch.zeros(3, 2, 2, dtype=torch.uint8), torch.full((3, 2, 2), 255, dtype=torch.uint8)
    assert psnr(black, white) == 0.0
    assert psnr(black, black) == math.inf
    assert psnr(black, black + 51) == pytest.approx(20 * math.log10(5))


def test_pictures_of_differences() -> None:
    one = torch.tensor([200, 100, 50], dtype=torch.uint8).reshape(3, 1, 1).repeat(1, 1, 2)
    other = one.clone()
    other[:, 0, 1] = torch.tensor([255, 0, 50])
    assert difference(other, one)[:, 0].T.tolist() == [[128, 128, 128], [73, 228, 128]]
    assert difference(one, other)[:, 0, 1].tolist() == [183, 28, 128]
    assert parted(one, other)[:, 0, 0].tolist() == [255, 255, 255]
    assert parted(one, one + 255)[:, 0, 0].tolist() == parted(one, one - 1)[:, 0, 0].tolist()  # uint8 wraps
    assert parted(torch.zeros_like(one), torch.full_like(one, 128))[:, 0, 0].tolist() == [61, 0, 43]
    assert torch.equal(parted(one, other), parted(other, one))


def test_how_far_colours_leave_the_range(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = torch.tensor([[1.5, -1.25, 1.02, -1.0, 0.0, 0.5]]).repeat(3, 1)[None, :, :, None]
    monkeypatch.setattr(looking, "decode_any_size", lambda vae, latents: raw)
    found = shown(tiny_model, torch.zeros(tiny_model.latent_shape()))
    assert found.beyond == pytest.approx(2 / 6)  # 1.02 is white paper
    assert found.furthest == pytest.approx(0.5)
    assert found.picture[0].flatten().tolist() == [255, 0, 255, 0, 128, 191]


def test_every_rung_is_the_drawing_at_that_scale(tiny_model: TextToImage) -> None:
    rungs = list(ladder(tiny_model, APPLE, [1, 4, 12]))
    assert [rung.scale for rung in rungs] == [1.0, 4.0, 12.0]
    for rung in rungs:
        alone = draw(tiny_model, APPLE.plan(tiny_model, guidance=rung.scale).request)[0]
        assert torch.equal(rung.drawn.picture, alone)
        assert rung.match is not None
        assert -1 <= rung.match <= 1
    assert rungs[0].moved == 0.0
    assert 0 < rungs[1].moved < rungs[2].moved


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        (Subject("red apple", guidance=1.0), "guidance 1 asks the network once"),
        (Subject("red apple", negative="red apple"), "compares words with no words"),
        (Subject(""), "compares words with no words"),
    ],
)
def test_where_nothing_is_guided_it_says_so_at_once(tiny_model: TextToImage, subject: Subject, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        pulls(tiny_model, subject.plan(tiny_model))


def test_wrong_steps_and_scales_are_refused_before_anything_is_drawn(tiny_model: TextToImage) -> None:
    with pytest.raises(UserError, match="there is no step 5; this drawing has the steps 1…4"):
        guidance_figure(tiny_model, APPLE, at=[5])
    with pytest.raises(UserError, match="guidance must be 0…100"):
        ladder(tiny_model, APPLE, [3, 101])
    with pytest.raises(UserError, match="at least one guidance"):
        ladder(tiny_model, APPLE, [])


def test_the_command(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    options = ("--model", tiny_model_folder, "--steps", 4, "--seed", 3, "--at", "2,3", "--scales", "1, 4")
    done = run("inspect", "guidance", "red apple", *options, "--out", "g.json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "g.json").read_text())
    assert [step["step"] for step in facts["steps"]] == [1, 2, 3, 4]
    assert [("beyond_guided" in step) for step in facts["steps"]] == [False, True, True, False]
    assert [rung["guidance"] for rung in facts["scales"]] == [1.0, 4.0]
    assert "--at 2,3 --scales 1,4" in facts["command"]
    assert run("inspect", "guidance", "red apple", *options, "--out", "g.gif").code == 0
    with Image.open(tmp_path / "g.gif") as film:
        assert getattr(film, "n_frames", 1) == 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--at", "two"), "--at takes numbers with commas between them, such as 1,4,12; not 'two'"),
        (("--at", "1.5"), "--at takes whole numbers"),
        (("--scales", "1,inf"), "not 'inf'"),
        (("--at", "9"), "there is no step 9"),
        (("--style", "cubist"), "cubist"),
        (("--out", "g.txt"), "should be a file that ends in"),
    ],
)
def test_the_command_refuses_in_one_line(
    run: Any, tiny_model_folder: Path, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    done = run("inspect", "guidance", "red apple", "--model", tiny_model_folder, "--steps", 4, *options)
    assert done.code == 2
    assert problem in done.err
    assert list(tmp_path.iterdir()) == []
