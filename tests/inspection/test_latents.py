"""Latents: planted errors are found, a channel that does nothing costs nothing, noise is as loud as said."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fromnoise
from fromnoise.drawing.picture_file import from_image, to_image
from fromnoise.ground.errors import UserError
from fromnoise.inspection.heat import warmth
from fromnoise.inspection.latents import (
    RoundTrip,
    changed,
    coarse_share,
    each_channel,
    each_noise,
    noised,
    there_and_back,
)
from fromnoise.inspection.panels import cell, grey
from fromnoise.inspection.pixels import difference, psnr
from fromnoise.system.text_to_image import TextToImage


def picture(seed: int = 0, side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (3, side, side), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_decibels_of_known_differences() -> None:
    black = torch.zeros(3, 8, 8, dtype=torch.uint8)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + 255) == 0
    assert psnr(black, black + 1) == pytest.approx(48.1308, abs=1e-4)
    half = black.clone()
    half[:, :, :4] = 255
    assert psnr(black, half) == pytest.approx(3.0103, abs=1e-4)


def test_the_way_there_and_back_is_the_vaes_own(tiny_model: TextToImage) -> None:
    trip = there_and_back(tiny_model, picture())
    with torch.no_grad():
        mean = tiny_model.vae.encode(picture()[None] / 127.5 - 1).mean
    torch.testing.assert_close(trip.latents, mean[0])
    assert torch.equal(trip.back, tiny_model.decode(mean)[0])
    assert (trip.latents.shape, trip.factor) == ((4, 8, 8), 4)


def test_the_largest_error_is_found_where_it_was_put() -> None:
    one = picture()
    back = one.clone()
    back[:, 20:24, 8:12] = 255 - back[:, 20:24, 8:12]
    back[:, 3, 3] = 255 - back[:, 3, 3]  # as far off, but a single pixel
    trip = RoundTrip(one, torch.zeros(4, 8, 8), back, 4)
    assert trip.worst == (5, 2)
    expected = np.abs(one.numpy().astype(int) - back.numpy().astype(int)).mean(0)
    np.testing.assert_allclose(trip.error.numpy(), expected, rtol=1e-6)


def test_a_channel_that_the_decoder_does_not_read_costs_nothing_and_every_other_does(tiny_model_folder: Path) -> None:
    model = TextToImage.load(tiny_model_folder)
    with torch.no_grad():
        model.vae.post_quant_conv.weight[:, 2] = 0
    trip = there_and_back(model, picture())
    channels = list(each_channel(model, trip))
    assert [c.index for c in channels] == [0, 1, 2, 3]
    assert torch.equal(channels[2].without, trip.back)
    assert channels[2].lost == 0
    for i in (0, 1, 3):
        muted = trip.latents.clone()
        muted[i] = 0
        assert torch.equal(channels[i].without, model.decode(muted[None])[0])
        assert not torch.equal(channels[i].without, trip.back)
        assert channels[i].lost == pytest.approx(
            psnr(trip.picture, trip.back) - psnr(trip.picture, channels[i].without)
        )
        values = trip.latents[i].numpy().astype(float)
        assert (channels[i].mean, channels[i].variance) == pytest.approx((values.mean(), values.var()), rel=1e-4)


def test_channels_are_muted_and_scaled_and_no_other_is_touched() -> None:
    latents = torch.arange(1.0, 17).view(4, 2, 2)
    found = changed(latents, mute=[1], scale={3: -2.0, 0: 0.5})
    assert found.flatten().tolist() == [0.5, 1, 1.5, 2, 0, 0, 0, 0, 9, 10, 11, 12, -26, -28, -30, -32]
    assert torch.equal(changed(latents), latents)
    for mute, scale, why in (
        ([4], {}, "no channel 4: the latents have channels 0…3"),
        ([-1], {}, "no channel -1"),
        ([], {7: 1.0}, "no channel 7"),
        ([1], {1: 2.0}, "channel 1 is to be muted and scaled"),
        ([], {1: math.nan}, "can be scaled by"),
        ([], {1: 101.0}, "can be scaled by"),
    ):
        with pytest.raises(UserError, match=why):
            changed(latents, mute, scale)


def test_noise_is_as_loud_as_said_and_always_the_same(tiny_model: TextToImage) -> None:
    back = torch.where(picture(1, 64) < 128, 100, 156).to(torch.uint8)  # far from black and white: nothing is cut off
    trip = RoundTrip(back, torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(0)), back, 4)
    low, middle, high = each_noise(tiny_model, trip, 0.6, seed=3)
    assert [n.amount for n in (low, middle, high)] == [0.3, 0.6, 1.2]
    off = [n.pixels.float() - back.float() for n in (low, middle)]
    assert float(off[1].std()) == pytest.approx(0.6 * float(back.float().std()), rel=0.02)
    assert (off[1] - 2 * off[0]).abs().max() <= 2  # rounded to bytes
    generator = torch.Generator().manual_seed(3)
    torch.randn(3, 64, 64, generator=generator)
    noise = torch.randn(4, 16, 16, generator=generator)
    with_noise = trip.latents + 1.2 * trip.latents.std() * noise
    assert torch.equal(high.latents, tiny_model.decode(with_noise[None])[0])
    assert torch.equal(noised(tiny_model, trip, 1.2, 3).pixels, high.pixels)
    assert not torch.equal(noised(tiny_model, trip, 1.2, 4).pixels, high.pixels)
    for wrong in (0.0, -1.0, 11.0, math.nan):
        with pytest.raises(UserError, match="noise is above 0"):
            next(each_noise(tiny_model, trip, wrong))


def test_grain_averages_out_and_shapes_do_not() -> None:
    flat = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    y, x = np.mgrid[:64, :64]
    fine = torch.from_numpy((y + x) % 2 * 40 - 20) + flat.int()
    coarse = torch.from_numpy((y // 8 + x // 8) % 2 * 40 - 20) + flat.int()
    assert coarse_share(flat, fine, 8) == 0
    assert coarse_share(flat, coarse, 8) == 1
    assert coarse_share(flat, flat, 8) == 0
    grain = flat.float() + 20 * torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert coarse_share(flat, grain, 8) == pytest.approx(1 / 64, rel=0.3)


def test_the_shipped_models_latents_go_wrong_in_shapes_and_pixels_in_grain() -> None:
    model = fromnoise.load()
    drawn = from_image(model("a red apple", seed=7, steps=4)[0])
    trip = there_and_back(model.model, drawn)
    assert trip.db > 25
    for noise in each_noise(model.model, trip, 0.3):
        assert noise.coarse[1] > 2 * noise.coarse[0]


def test_maps_have_the_colours_that_are_said() -> None:
    values = torch.tensor([[-9.0, -3.0, 0.0], [1.5, 3.0, 9.0]])
    assert grey(values, 3)[1].tolist() == [[0, 0, 128], [191, 255, 255]]
    shown = warmth(torch.tensor([[0.0, 16.0, 64.0, 99.0]]), 64)[:, 0].T.tolist()
    assert shown == [[0, 0, 0], [120, 0, 90], [255, 255, 255], [255, 255, 255]]
    one, other = torch.tensor([[[10, 200]]] * 3).byte(), torch.tensor([[[20, 0]]] * 3).byte()
    assert difference(one, other)[0].tolist() == [[138, 0]]
    small = cell(torch.tensor([[[255, 0]]] * 3).byte(), 5)
    assert small.size == (6, 4)
    assert [small.getpixel((x, 1)) for x in (1, 2, 3, 4)] == [(255,) * 3] * 2 + [(0,) * 3] * 2
    assert cell(picture(side=256), 64).size == (66, 66)


def test_the_command_says_how_to_make_the_same_again(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    to_image(picture(5, 48)).save(tmp_path / "my photo.png")
    options = ("--mute", 3, "--scale", "0=2.5", "--noise", 0.4, "--seed", 2, "--model", tiny_model_folder)
    done = run("inspect", "latents", "my photo.png", *options, "--out", "a.json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "a.json").read_text())
    assert facts["numbers"] == {"picture": 3 * 32 * 32, "latents": 4 * 8 * 8}
    assert [c["channel"] for c in facts["channels"]] == [0, 1, 2, 3]
    assert facts["changed"]["mute"] == [3]
    assert facts["changed"]["scale"] == {"0": 2.5}
    assert [n["amount"] for n in facts["noise"]] == [0.2, 0.4, 0.8]
    words = shlex.split(facts["command"])
    assert run(*words[1:], "--out", "b.json").code == 0
    assert json.loads((tmp_path / "b.json").read_text()) == facts
    assert run(*words[1:]).code == 0
    with Image.open(tmp_path / "latents.png") as sheet:
        assert sheet.text["command"] == facts["command"]  # type: ignore[attr-defined]


def test_a_prompt_is_drawn_first(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    more = ("--seed", 3, "--steps", 2, "--model", tiny_model_folder)
    assert run("generate", "red apple", *more, "--out", "apple.png").code == 0
    assert run("inspect", "latents", "--prompt", "red apple", *more, "--out", "a.json").code == 0
    assert (
        run("inspect", "latents", "apple.png", "--seed", 3, "--model", tiny_model_folder, "--out", "b.json").code == 0
    )
    drawn, opened = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    assert "--prompt 'red apple'" in drawn["command"]
    assert {**drawn, "title": "", "command": ""} == {**opened, "title": "", "command": ""}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "name a picture file, or draw one with --prompt"),
        (("a.png", "--prompt", "cat"), "one of them"),
        (("a.png",), "there is no file a.png"),
        (("text.png",), "not a picture"),
        (("--prompt", "cat", "--mute", 4), "there is no channel 4"),
        (("--prompt", "cat", "--scale", "two"), "as 5=2.0, not 'two'"),
        (("--prompt", "cat", "--scale", "1=2", "--scale", "1=3"), "names channel 1 twice"),
        (("--prompt", "cat", "--noise", 0), "noise is above 0"),
        (("--prompt", "cat", "--out", "a.gif"), "should be a file that ends in"),
        (("--prompt", "cat", "--style", "crayon"), "crayon"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    run: Any, tiny_model_folder: Path, tmp_path: Path, options: tuple[Any, ...], why: str
) -> None:
    (tmp_path / "text.png").write_text("hello")
    done = run("inspect", "latents", *options, "--model", tiny_model_folder)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert why in done.err
