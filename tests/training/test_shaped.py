"""Pictures of several shapes: each is learnt whole or nearly so, and a step's have one shape."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from fromnoise.cli.train import load_recipe
from fromnoise.data.captions import CaptionMix
from fromnoise.data.decoding import sizes
from fromnoise.data.places import entries_of
from fromnoise.data.reading import Canvas, nearest, shapes
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import PictureError, from_bytes, size_of
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.clock import Clock
from fromnoise.training.examples import Known, Replayed, StoredExamples
from fromnoise.training.recipe import DataConfig
from fromnoise.training.run import train
from fromnoise.training.shaped import LEAST_KNOWN, ShapedExamples, again_of, examples_in, repeated
from fromnoise.training.situation import Situation
from fromnoise.training.tasks.base import Compute

COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.channels_last)
ONLY_WORDS = CaptionMix(full=1.0, keywords=0, synonym=0, object_only=0, style_only=0, empty=0, colour=0)
SIZES = {"square": (40, 40), "tall": (30, 50), "wide": (60, 36), "long": (90, 30)}


@pytest.mark.parametrize(("pixels", "step"), [(64, 16), (128, 16), (512, 64), (32, 8), (8, 8)])
def test_shapes_have_about_as_many_pixels_as_the_square(pixels: int, step: int) -> None:
    found = shapes(pixels, step)
    assert found[0] == Canvas(pixels, pixels, pad=False)
    assert len(set(found)) == len(found)
    for canvas in found:
        assert canvas.width % step == canvas.height % step == 0
        assert 0.8 <= canvas.width * canvas.height / pixels**2 <= 1.1
        assert max(canvas.width, canvas.height) <= 2 * min(canvas.width, canvas.height)
        assert Canvas(canvas.height, canvas.width, pad=False) in found


def test_the_nearest_shape_is_that_of_the_nearest_ratio() -> None:
    known = shapes(64, 16)  # 1, 0.6 and 1.67
    for size, name in (((99, 100), "64"), ((3000, 4000), "48x80"), ((4, 5), "64"), ((900, 100), "80x48")):
        assert nearest(size, known).name == f"{name} cropped"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_size_is_that_of_the_upright_picture(orientation: int) -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    assert size_of(buffer.getvalue()) == ((20, 30) if orientation >= 5 else (30, 20))
    with pytest.raises(PictureError):
        size_of(b"no picture")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three squares, six tall pictures, one wide and one long, each with a colour of its own; one is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, kind in enumerate(["square"] * 3 + ["tall"] * 6 + ["wide", "long"]):
        Image.fromarray(np.full((*SIZES[kind][::-1], 3), (20 * i, 255 - 20 * i, 90), np.uint8)).save(
            folder / f"{i:02d}.png"
        )
        (folder / f"{i:02d}.txt").write_text(f"{kind} {i}")
    (folder / "broken.png").write_bytes(b"none")
    (folder / "broken.txt").write_text("square")
    return folder


def shaped(model: TextToImage, data: Path, out: Path) -> ShapedExamples:
    """Of pictures of 32 pixels: 32x32, 24x40, 40x24."""
    out.mkdir(exist_ok=True)
    sides = {"data.pixels": "32", "clip.image.pixels": "32", "diffusion.model.sample_size": "4"}
    recipe = load_recipe("first_model").with_overrides({**sides, "data.fit": "shapes", "data.scenes": "0"})
    return examples_in(recipe, str(data), out, "stamp", (model.vae, COMPUTE), ONLY_WORDS, 0.0)


def test_every_picture_is_learnt_in_its_shape_and_by_its_words(
    folder: Path, tiny_model: TextToImage, tmp_path: Path
) -> None:
    found = shaped(tiny_model, folder, tmp_path / "out")
    assert found.shape == (4, 8, 8)
    assert [tuple(group.shape) for group in found.groups] == [(4, 8, 8), (4, 10, 6), (4, 6, 10)]
    seen: Counter[str] = Counter()
    steps = 400
    for step in range(steps):
        clean, captions = found.at(Clock(step, 4, 10**6, 0), torch.device("cpu"))
        seen.update(captions)
        for latents, caption in zip(clean, captions, strict=True):
            kind, number = caption.split()
            high, wide = {"square": (32, 32), "tall": (40, 24), "wide": (24, 40), "long": (24, 40)}[kind]
            if step < 20:
                assert torch.allclose(latents, encoded(tiny_model, int(number), high, wide), atol=1e-5)
    assert len(seen) == 11
    for kind, share in (("square", 3 / 11), ("tall", 6 / 11), ("wide", 1 / 11), ("long", 1 / 11)):
        assert sum(n for caption, n in seen.items() if kind in caption) / 4 / steps == pytest.approx(share, abs=0.07)
    again = shaped(tiny_model, folder, tmp_path / "out").at(Clock(7, 4, 10**6, 0), torch.device("cpu"))
    first = found.at(Clock(7, 4, 10**6, 0), torch.device("cpu"))
    assert torch.equal(again[0], first[0])
    assert again[1] == first[1]


def encoded(model: TextToImage, number: int, high: int, wide: int) -> Tensor:
    """Latents of a plain picture, by the VAE itself."""
    colour = torch.tensor([20 * number, 255 - 20 * number, 90], dtype=torch.uint8)
    with torch.no_grad():
        return model.vae.encode(from_bytes(colour[None, :, None, None].expand(1, 3, high, wide))).mean[0]


def test_what_is_known_comes_in_every_shape(folder: Path, tiny_model: TextToImage, tmp_path: Path) -> None:
    asked: list[tuple[tuple[int, ...], int]] = []

    def draw(shape: torch.Size, count: int) -> Known:
        asked.append((tuple(shape), count))
        return Known(torch.zeros(count, *shape), ["sun"] * count)

    plain = shaped(tiny_model, folder, tmp_path / "out")
    found = repeated(plain, 0.5, 110, draw)
    assert asked == [((4, 8, 8), 30), ((4, 10, 6), 60), ((4, 6, 10), 20)]
    for step in range(6):
        clean, captions = found.at(Clock(step, 4, 10**6, 0), torch.device("cpu"))
        assert captions[2:] == ["sun", "sun"]
        assert not clean[2:].any()
    assert again_of(found, 8) == 4
    assert again_of(plain, 8) == 0
    repeated(plain, 0.5, 10, draw)
    assert min(count for _, count in asked) == LEAST_KNOWN
    group = plain.groups[0]
    assert isinstance(group, StoredExamples)
    assert isinstance(repeated(group, 0.5, 5, draw), Replayed)


def test_many_files_are_measured_in_several_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = entries_of(folder).entries
    here = sizes(entries)
    monkeypatch.setattr("fromnoise.data.decoding.FEW", 2)
    assert sizes(entries) == here
    assert Counter(here) == {(40, 40): 3, (30, 50): 6, (60, 36): 1, (90, 30): 1, (1, 1): 1}


def test_scenes_have_no_shape() -> None:
    with pytest.raises(UserError, match="scenes are squares"):
        DataConfig(fit="shapes", scenes=10)


def test_from_a_folder_to_a_model_and_on(folder: Path, tiny_model_folder: Path, tmp_path: Path, run: Any) -> None:
    shutil.copytree(tiny_model_folder, tmp_path / "tiny")
    command = f"train lora --data {folder} --model {tmp_path}/tiny --set data.fit=shapes --set lora.known=24".split()
    small = ("lora.drawings=2", "lora.steps=2", "lora.loop.batch=8", "lora.loop.pictures=64")
    command += [part for setting in small for part in ("--set", setting)]
    made = run(*command, "--out", tmp_path / "mine")
    assert made.code in (0, None), made.err
    check_latents(tmp_path / "mine" / "lora")
    assert {file.name for file in (tmp_path / "mine" / "lora").glob("known*")} == {
        "known.safetensors", "known-6x10.safetensors", "known-10x6.safetensors",
    }  # fmt: skip
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["recipe"]["data"]["fit"] == "shapes"


def test_a_u_net_goes_on_learning_from_shapes(folder: Path, tiny_model_folder: Path, tmp_path: Path) -> None:
    settings = {
        "data.fit": "shapes", "diffusion.loop.batch": "8", "diffusion.loop.pictures": "64", "precision": "fp32",
        "diffusion.sheet_steps": "2", "diffusion.replay": "0", "threads": "1",
    }  # fmt: skip
    asked = Situation(11, 40, model=str(tiny_model_folder))
    train(load_recipe("finetune", lambda: asked).recipe.with_overrides(settings), folder, tmp_path / "mine")
    check_latents(tmp_path / "mine")


def check_latents(place: Path) -> None:
    for size in ("32x32", "24x40", "40x24"):
        with safe_open(place / f"latents-{size}.safetensors", "pt") as stored:
            wide, high = map(int, size.split("x"))
            assert stored.get_slice("plain").get_shape()[2:] == [high // 4, wide // 4]


def test_the_fit_is_a_setting_that_a_run_keeps(tmp_path: Path) -> None:
    made = load_recipe("first_model").with_overrides({"data.fit": "shapes", "data.scenes": "0"})
    assert replace(made.data, fit="pad") == replace(load_recipe("first_model").data, scenes=0)
    with pytest.raises(UserError, match=r"data\.fit must be one of pad, crop, shapes"):
        made.with_overrides({"data.fit": "squeeze"})
