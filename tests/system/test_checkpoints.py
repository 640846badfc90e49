"""Stable Diffusion checkpoints: what we draw from the same weights, noise and settings is what diffusers draws."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    UniPCMultistepScheduler,
)

from checkpoints import FAMILIES, pipeline
from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import draw, generate
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import Start
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

SCHEDULERS: dict[str, tuple[type, dict[str, Any]]] = {
    "ddim": (DDIMScheduler, {}),
    "ddpm": (DDPMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {}),
    "dpm++": (DPMSolverMultistepScheduler, {}),
    "dpm++sde": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": (UniPCMultistepScheduler, {}),
    "lcm": (LCMScheduler, {}),
}
PROMPT, NEGATIVE = "a red apple, and 2 (round) pears", "blurry"
WISH = Request(negative=NEGATIVE, seed=5, steps=4, guidance=6.0, width=48, height=32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, arguments in {**{f: (f, 4) for f in FAMILIES}, "sd1-inpaint": ("sd1", 9)}.items():
        made[name] = tmp_path_factory.mktemp("checkpoints") / name
        pipeline(*arguments).save_pretrained(made[name])
    return made


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, tuple[Any, TextToImage]]:
    """Each checkpoint, opened by diffusers and by us."""
    loaded = {}
    for name, folder in folders.items():
        # From the folder: in memory, diffusers' configs know which settings nobody gave, and forgets those.
        pipe = DiffusionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        loaded[name] = (pipe, TextToImage.load(folder))
    return loaded


def picture_and_mask() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    mask = torch.zeros(32, 48, dtype=torch.bool)
    mask[8:24, 12:40] = True
    return torch.randint(0, 256, (3, 32, 48), generator=rng, dtype=torch.uint8), mask


def theirs(pipe: Any, family: str, task: str, sampler: str) -> torch.Tensor:
    """Latents by diffusers, in its own scale."""
    kind, options = SCHEDULERS[sampler]
    parts = {**pipe.components, "scheduler": kind.from_config(pipe.scheduler.config, **options)}
    xl = family == "sdxl"
    more: dict[str, Any] = {"add_watermarker": False} if xl else {"requires_safety_checker": False}
    picture, mask = picture_and_mask()
    image = picture[None].float() / 255
    call: dict[str, Any] = {"image": image, "strength": 0.6}
    if task == "text":
        made, call = type(pipe)(**parts, **more), {"height": 32, "width": 48}
    elif task == "image":
        made = (StableDiffusionXLImg2ImgPipeline if xl else StableDiffusionImg2ImgPipeline)(**parts, **more)
    else:
        made = (StableDiffusionXLInpaintPipeline if xl else StableDiffusionInpaintPipeline)(**parts, **more)
        call |= {"mask_image": mask[None, None].float(), "height": 32, "width": 48}
        call["strength"] = 1.0 if task == "inpaint all" else 0.6
    made.set_progress_bar_config(disable=True)
    found: torch.Tensor = made(
        PROMPT.replace("(", "").replace(")", ""), negative_prompt=NEGATIVE, num_inference_steps=4, guidance_scale=6.0,
        generator=torch.Generator().manual_seed(5), output_type="latent", **call,
    ).images  # fmt: skip
    return found


def ours(model: TextToImage, task: str, sampler: str) -> torch.Tensor:
    picture, mask = picture_and_mask()
    request, start = replace(WISH, prompt=PROMPT.replace("(", "").replace(")", ""), sampler=sampler), None
    if task != "text":
        start = Start(picture, mask if task.startswith("inpaint") else None)
        request = replace(request, strength=1.0 if task == "inpaint all" else 0.6)
    *steps, _ = generate(model, plan(model, request), start)
    assert isinstance(steps[-1], Step)
    return steps[-1].x_next


TASKS = ["text", "image", "inpaint", "inpaint all"]  # an inpainting U-Net needs a mask


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize(("family", "task"), [*product(FAMILIES, TASKS), *product(["sd1-inpaint"], TASKS[2:])])
def test_latents_are_those_of_diffusers(
    models: dict[str, tuple[Any, TextToImage]], family: str, task: str, sampler: str
) -> None:
    pipe, model = models[family]
    expected, found = theirs(pipe, family, task, sampler), ours(model, task, sampler)
    assert (found - expected).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("family", FAMILIES)
def test_rescaled_guidance_is_that_of_diffusers(models: dict[str, tuple[Any, TextToImage]], family: str) -> None:
    pipe, model = models[family]
    words = "a red apple"
    expected = pipe(
        words, negative_prompt=NEGATIVE, num_inference_steps=4, guidance_scale=6.0, guidance_rescale=0.7, height=32,
        width=48, generator=torch.Generator().manual_seed(5), output_type="latent",
    ).images  # fmt: skip
    *steps, _ = generate(model, plan(model, replace(WISH, prompt=words, rescale=0.7)))
    assert isinstance(steps[-1], Step)
    assert (steps[-1].x_next - expected).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))


def test_without_a_negative_prompt_xl_is_told_zeros(models: dict[str, tuple[Any, TextToImage]]) -> None:
    pipe, model = models["sdxl"]
    expected = pipe(
        "a red apple", num_inference_steps=3, guidance_scale=6.0, height=32, width=48,
        generator=torch.Generator().manual_seed(5), output_type="latent",
    ).images  # fmt: skip
    *steps, _ = generate(model, plan(model, replace(WISH, prompt="a red apple", negative="", steps=3)))
    assert isinstance(steps[-1], Step)
    assert (steps[-1].x_next - expected).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))


@pytest.mark.formats
@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_of_a_checkpoint_are_the_same_bits_in_any_batch(
    models: dict[str, tuple[Any, TextToImage]], family: str
) -> None:
    model = models[family][1]
    request = replace(WISH, prompt="a red apple", steps=2, count=3, sampler="euler_a")
    together = draw(model, request)
    for i in range(3):
        assert torch.equal(together[i : i + 1], draw(model, replace(request, seed=5 + i, count=1)))


def test_a_model_for_inpainting_needs_a_mask(models: dict[str, tuple[Any, TextToImage]]) -> None:
    model, picture = models["sd1-inpaint"][1], picture_and_mask()[0]
    with pytest.raises(UserError, match="--image and --mask"):
        draw(model, replace(WISH, prompt="sun"))
    with pytest.raises(UserError, match="--mask beside"):
        draw(model, replace(WISH, prompt="sun", strength=0.5), Start(picture))
