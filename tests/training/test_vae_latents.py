"""What a VAE's latents are put through while it learns: channels left out from the end, and noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.models.vae import Posterior, VAEConfig
from fromnoise.training.clock import Clock
from fromnoise.training.recipe import LoopConfig, VAEStage
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import VAETask, first_channels

MODEL = VAEConfig(latent_channels=8, block_out_channels=(16, 32), norm_num_groups=8)
LOOP = LoopConfig(pictures=10**6, batch=64)


def task(**settings: object) -> VAETask:
    torch.manual_seed(0)
    stage = VAEStage(MODEL, loop=LOOP, **settings)  # type: ignore[arg-type]
    images = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return VAETask(
        stage,
        (images[:48], images[48:]),
        MODEL.build(),
        Compute(torch.device("cpu"), torch.float32, torch.contiguous_format),
        0,
    )


def test_each_picture_keeps_a_prefix_of_its_channels_and_all_prefixes_come_alike() -> None:
    learner, latents, counts = task(prefixes=(2, 5, 8)), torch.ones(64, 8, 3, 3), torch.zeros(9)
    for step in range(20):
        there = learner._harder(latents, Clock(step, 64, 10**6, 0)) != 0
        kept = there.flatten(2).all(2)
        assert torch.equal(kept, there.flatten(2).any(2))  # a channel is there or it is not
        counts += torch.bincount(kept.sum(1), minlength=9)
        assert torch.equal(kept, torch.arange(8) < kept.sum(1)[:, None])  # the first ones
    assert counts.nonzero().flatten().tolist() == [2, 5, 8]
    assert (counts[counts > 0] / counts.sum() - 1 / 3).abs().max() < 0.05


def test_the_same_step_leaves_out_the_same_channels() -> None:
    learner, latents = task(prefixes=(1, 8), noise=0.5), torch.randn(64, 8, 3, 3)
    first, again, other = (learner._harder(latents, Clock(step, 64, 10**6, 0)) for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_channels_that_are_left_out_learn_nothing_from_the_picture() -> None:
    latents = torch.randn(3, 4, 2, 2, requires_grad=True)
    first_channels(latents, torch.tensor([1, 4, 2])).square().sum().backward()
    assert latents.grad is not None
    assert (latents.grad != 0).flatten(2).any(2).sum(1).tolist() == [1, 4, 2]


def test_noise_is_as_strong_as_asked_in_each_channels_own_deviations() -> None:
    """With strengths drawn evenly from 0 to s, the mean square of the noise is s²/3."""
    learner = task(noise=0.6)
    scale = torch.tensor([0.1, 1.0, 7.0, 1.0, 1.0, 1.0, 1.0, 30.0])[:, None, None]
    latents = torch.randn(64, 8, 8, 8, generator=torch.Generator().manual_seed(1)) * scale + 5
    added = [learner._harder(latents, Clock(step, 64, 10**6, 0)) - latents for step in range(30)]
    found = (torch.stack(added) / scale).square().mean((0, 1, 3, 4))
    torch.testing.assert_close(found, torch.full((8,), 0.6**2 / 3), rtol=0.1, atol=0)


def test_without_either_latents_are_left_alone() -> None:
    latents = torch.randn(4, 8, 2, 2)
    assert task()._harder(latents, Clock(0, 4, 10**6, 0)) is latents


def test_the_score_tells_each_prefix() -> None:
    class Telling:
        """Every channel holds an eighth of the picture, so that n of 8 give it back n/8 as bright."""

        def encode(self, x: Tensor) -> Posterior:
            mean = (x[:, :1] / 8).repeat(1, 8, 1, 1)
            return Posterior(mean, mean)

        def decode(self, x: Tensor) -> Tensor:
            return x.sum(1, keepdim=True).repeat(1, 3, 1, 1)

    learner = task(prefixes=(4, 6))
    learner.watched = torch.full_like(learner.watched[:2], 0)  # −1 everywhere: half of it is off by 0.5
    found = learner.score(Telling())
    assert found["held_out_psnr_4"] == pytest.approx(-10 * torch.tensor(0.5**2 / 4).log10().item(), abs=1e-3)
    assert found["held_out_psnr_6"] == pytest.approx(-10 * torch.tensor(0.25**2 / 4).log10().item(), abs=1e-3)


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"prefixes": (0, 4)}, {"prefixes": (4, 9)}, {"noise": -0.1}, {"noise": float("nan")}):
        with pytest.raises(UserError, match="vae"):
            VAEStage(MODEL, **wrong)  # type: ignore[arg-type]
    replace(VAEStage(MODEL), prefixes=(1, 8))
