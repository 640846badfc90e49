"""Held-out loss of each task: nothing for a perfect network, what theory says for an ignorant one."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.training.run_data import held_out_latents
from fromnoise.training.tasks.diffusion import HeldOut
from training.test_tasks import clip_task, diffusion_task, pictures, tokenizer, vae_task

__all__ = ["pictures", "tokenizer"]  # fixtures


def test_who_knows_the_picture_has_no_loss_and_who_says_nothing_has_that_of_v(
    pictures: PictureSet, tokenizer: Tokenizer
) -> None:
    task = diffusion_task(pictures, tokenizer)
    assert task.score(task.network) == {}
    clean = torch.randn(48, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    held_out = HeldOut(clean, ["red apple"] * 48)
    told = iter(clean.split(32))
    assert held_out.loss(lambda *_: next(told), task.schedule, task.words)["held_out_loss"] < 1e-6
    task.held_out = held_out
    silent: Any = lambda x, t, cond: torch.zeros_like(x)  # noqa: E731
    found = task.score(silent)["held_out_loss"]
    assert found == task.score(silent)["held_out_loss"]  # the same noise every time
    assert found == pytest.approx(1.0, abs=0.1)  # the variance of v for unit latents and unit noise


def test_held_out_pictures_are_spread_and_few(pictures: PictureSet) -> None:
    task = vae_task(pictures)
    found = held_out_latents(pictures, task.network, task.compute, most=9)
    assert found is not None
    assert found.latents.shape[0] == len(found.texts) == 9
    assert len({text.rsplit(", ")[-1] for text in found.texts}) == 2  # both styles
    none = PictureSet(pictures.images[:0], [], [])
    assert held_out_latents(none, task.network, task.compute) is None


def test_a_clip_that_sees_nothing_guesses_among_all_captions(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    task = clip_task(pictures, tokenizer)
    ones: Any = lambda x: torch.nn.functional.normalize(torch.ones(len(x), 8), dim=1)  # noqa: E731
    blind: Any = SimpleNamespace(embed_image=ones, embed_text=ones, logit_scale=torch.tensor(2.0))
    assert task.score(blind)["held_out_loss"] == pytest.approx(math.log(len(pictures.records)), rel=1e-4)


def test_a_vae_that_gives_back_its_picture_has_no_loss(pictures: PictureSet) -> None:
    task = vae_task(pictures)
    perfect: Any = SimpleNamespace(encode=lambda x: SimpleNamespace(mean=x), decode=lambda x: x)
    found = task.score(perfect)
    assert found["held_out_psnr"] == pytest.approx(100.0)
    assert found["held_out_loss"] == pytest.approx(0.0, abs=1e-5)

    def grey(x: Tensor) -> Tensor:
        return torch.zeros_like(x)

    perfect.decode = grey
    assert task.score(perfect)["held_out_loss"] > 0.5
