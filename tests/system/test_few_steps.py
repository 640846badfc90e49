"""Drawing in a few steps: diffusers draws the same picture from the same files, and batches change nothing."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file

import fromnoise
from conftest import few_steps_changes
from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import as_tensor, read_origin
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request, Towards, one_by_one
from fromnoise.ground.errors import UserError
from fromnoise.system.few_steps import save_few_steps, with_few_steps
from fromnoise.system.text_to_image import TextToImage
from fromnoise.weights.lora import read_lora


@pytest.fixture
def folder(few_steps_folder: Path) -> Path:
    """The tiny model with few steps."""
    return few_steps_folder


@pytest.fixture(scope="module")
def fast(few_steps_folder: Path) -> TextToImage:
    return with_few_steps(TextToImage.load(few_steps_folder))


def pipeline(folder: Path) -> Any:
    """The same model and files in diffusers."""
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    pipe.scheduler = LCMScheduler.from_pretrained(folder / "few_steps")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.load_lora_weights(folder / "few_steps")
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("steps", [4, 2])
def test_diffusers_draws_the_same_picture(folder: Path, fast: TextToImage, steps: int) -> None:
    request = Request(prompt="red apple", style="noto", seed=5, steps=steps)
    times = fast.schedule.timesteps(steps, "distilled")
    wanted = {"timesteps": times, "guidance_scale": 1.0, "height": 32, "width": 32, "output_type": "np"}
    theirs = pipeline(folder)("red apple, noto style", generator=torch.Generator().manual_seed(5), **wanted).images
    expected = torch.from_numpy(theirs).permute(0, 3, 1, 2) * 255
    ours = draw(fast, request).float()
    assert (ours - expected).abs().max() <= 1
    assert expected.std() > 5
    plain = draw(TextToImage.load(folder), plan(fast, request).request).float()
    assert (plain - expected).abs().max() > 5  # the difference is in the weights, not in the sampler


def test_what_diffusers_takes_by_itself_are_four_of_the_lessons_levels(folder: Path) -> None:
    scheduler = LCMScheduler.from_pretrained(folder / "few_steps")
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 759, 499, 259]
    assert float(scheduler.alphas_cumprod[-1]) == 0
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.timestep_scaling == LCMScheduler().config.timestep_scaling


def test_the_file_is_a_lora_of_every_layer_for_us_and_for_peft(folder: Path, fast: TextToImage) -> None:
    file = folder / "few_steps" / "pytorch_lora_weights.safetensors"
    names = load_file(file)
    assert all(name.startswith("unet.") and name.endswith((".lora_A.weight", ".lora_B.weight")) for name in names)
    plain = TextToImage.load(folder)
    wanted = few_steps_changes(plain)
    for name, parameter in plain.unet.named_parameters():
        layer = name.removesuffix(".weight")
        after = fast.unet.get_parameter(name)
        if layer in wanted and name.endswith(".weight"):
            down, up = wanted[layer]
            change = (up @ down.flatten(1)).reshape(parameter.shape)
            torch.testing.assert_close(after - parameter, change, rtol=1e-4, atol=1e-5)
        else:
            assert torch.equal(after, parameter)
    assert {change.scale for change in read_lora(file).changes.values()} == {1.0}


def test_a_request_takes_the_few_steps_and_no_guidance(fast: TextToImage) -> None:
    four = plan(fast, Request(prompt="red apple"))
    levels = four.levels
    assert (four.steps, levels.sampler, four.guidance, levels.spacing) == (4, "lcm", 1.0, "distilled")
    assert levels.walk.times == (999, 519, 319, 139)
    eight = plan(fast, Request(prompt="red apple", steps=8))
    assert len(eight.levels.walk.times) == 8


@pytest.mark.formats
def test_a_picture_of_a_batch_is_the_picture_alone(fast: TextToImage) -> None:
    request = Request(prompt="red apple", seed=3, count=3)
    together = draw(fast, request)
    alone = torch.cat([draw(fast, one) for one in one_by_one(request)])
    assert torch.equal(together, alone)
    assert len({picture.numpy().tobytes() for picture in alone}) == 3


def test_the_hash_names_what_was_added_and_saving_keeps_it(folder: Path, fast: TextToImage, tmp_path: Path) -> None:
    plain = TextToImage.load(folder)
    assert fast.hash != plain.hash
    assert fast.for_drawing("fp32").hash == fast.hash
    plain.save(tmp_path / "copy")
    again = TextToImage.load(tmp_path / "copy")
    assert again.hash == plain.hash
    assert with_few_steps(again).hash == fast.hash


def test_a_model_without_few_steps_says_how_to_make_them(tiny_model_folder: Path) -> None:
    with pytest.raises(UserError, match="fromnoise distill") as caught:
        with_few_steps(TextToImage.load(tiny_model_folder))
    assert "\n" not in str(caught.value)


def test_few_steps_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    file = tmp_path / "other" / "unet" / "config.json"
    model = TextToImage.load(folder)
    some = dict(list(few_steps_changes(model).items())[:3])
    wrong = {name: (down[:, :1], up) for name, (down, up) in some.items()}
    save_few_steps(tmp_path / "other", wrong, model.unet.config, model.schedule, model.prediction)
    assert json.loads(file.read_text())
    with pytest.raises(UserError, match="does not fit this model"):
        with_few_steps(TextToImage.load(tmp_path / "other"))


# --- the command line -------------------------------------------------------------------------------------------


def test_fast_pictures_say_so_and_are_redrawn(run: Any, folder: Path, tiny_model_folder: Path, tmp_path: Path) -> None:
    wish = ("generate", "red apple", "--seed", 4, "--model", folder, "--fast")
    assert run(*wish, "--out", "a.png").err == ""
    origin = read_origin(tmp_path / "a.png")
    assert origin.fast
    assert (origin.request.steps, origin.request.sampler, origin.request.guidance) == (4, "lcm", 1.0)
    assert run("generate", "--again", "a.png", "--model", folder, "--out", "b.png").err == ""
    assert torch.equal(as_tensor(tmp_path / "a.png"), as_tensor(tmp_path / "b.png"))
    without = run("generate", "--again", "a.png", "--model", tiny_model_folder, "--out", "c.png")
    assert without.code == 2
    assert "few_steps" in without.err
    photo = ("generate", "blue house", "--image", "a.png", "--model", folder, "--fast", "--steps", 2, "--out", "d.png")
    assert run(*photo).code == 0
    assert read_origin(tmp_path / "d.png").request.steps == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--guidance", 5), "--guidance"),
        (("--guidance", 0), "--guidance"),
        (("--negative", "blue"), "--negative"),
        (("--sampler", "ddim"), "--sampler"),
        (("--sigmas", "karras", "--interval", 0, 900), "--interval, --sigmas"),
        (("--steps", 9), "1 to 8 steps"),
    ],
)
def test_what_fast_has_fixed_cannot_be_asked_for(
    run: Any, folder: Path, tmp_path: Path, options: tuple[object, ...], named: str
) -> None:
    refused = run("generate", "red apple", "--model", folder, "--fast", *options, "--out", "x.png")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert named in refused.err
    assert not list(tmp_path.iterdir())


def test_what_it_does_anyway_may_be_asked_for(fast: TextToImage) -> None:
    own = plan(fast, Request(prompt="red apple", seed=1, steps=8)).request
    for name in ("lcm", "LCM", "LCMScheduler"):
        asked = Request(prompt="red apple", seed=1, guidance=1.0, sampler=name, steps=8, interval=(0, 1000))
        assert plan(fast, asked).request == own
    assert plan(fast, own).request == own  # a file says all of it


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"guidance": 7.5}, "guidance"),
        ({"negative": "blue"}, "negative"),
        ({"sampler": "ddim"}, "sampler"),
        ({"sampler": "LCM Karras"}, "sampler"),
        ({"spacing": "trailing"}, "spacing"),
        ({"sigmas": "karras"}, "sigmas"),
        ({"rescale": 0.5}, "rescale"),
        ({"interval": [0, 900]}, "interval"),
        ({"steps": 9}, "steps"),
        ({"towards": Towards(0.5, 3, "a blue house", "red")}, "towards"),
    ],
    ids=str,
)
def test_what_fast_has_fixed_is_refused_wherever_it_is_asked(folder: Path, wishes: dict[str, Any], field: str) -> None:
    """Only the command and the studio refused it."""
    with pytest.raises(UserError, match="fast") as caught:
        fromnoise.load(folder, fast=True).plan("red apple", seed=1, **wishes)
    assert caught.value.field == field
    if field != "steps":
        fromnoise.load(folder).plan("red apple", seed=1, **wishes)
