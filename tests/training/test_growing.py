"""A VAE that grows begins as the known one under a magnifying glass, keeps its latents, makes a model draw larger."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.cli.train import load_recipe
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.models.vae import VAEConfig
from fromnoise.models.vae.vae import VAE
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.adversary import AdversaryConfig
from fromnoise.training.beginning import begin_with
from fromnoise.training.clock import Clock
from fromnoise.training.growing import check_grows
from fromnoise.training.loop import Trainer
from fromnoise.training.recipe import LoopConfig, Recipe, VAEStage
from fromnoise.training.run import train
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import VAETask

KNOWN = VAEConfig(latent_channels=8, block_out_channels=(16, 32), norm_num_groups=8)
GROWN = replace(KNOWN, block_out_channels=(16, 16, 32))
COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.contiguous_format)


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("first_model").with_overrides({"precision": "fp32", "threads": "1"})


@pytest.fixture
def networks() -> tuple[VAE, VAE]:
    """The known VAE with weights of no zeros, and the grown one that begins with it."""
    torch.manual_seed(0)
    known, grown = KNOWN.build(), GROWN.build()
    for weight in known.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    assert 0.5 < begin_with(grown, known, "vae") < 1
    return known.eval(), grown.eval()


@torch.no_grad()
def test_it_begins_as_the_known_one_under_a_magnifying_glass(networks: tuple[VAE, VAE]) -> None:
    known, grown = networks
    latents, pictures = torch.randn(2, 8, 4, 4), torch.rand(2, 3, 16, 16) * 2 - 1
    inside = known.decoder
    x = inside.conv_in(known.post_quant_conv(latents))
    for block in (*inside.middle.values(), *inside.up.values()):
        x = block(x)
    magnified = F.interpolate(x, scale_factor=2, mode="nearest")
    expected = inside.conv_out(F.silu(inside.norm_out(magnified)))
    torch.testing.assert_close(grown.decode(latents), expected, atol=1e-4, rtol=1e-4)

    x = F.avg_pool2d(known.encoder.conv_in(pictures), 2)
    for block in (*known.encoder.down.values(), *known.encoder.middle.values()):
        x = block(x)
    found = known.posterior(known.encoder.conv_out(F.silu(known.encoder.norm_out(x))))
    again = grown.encode(pictures)
    torch.testing.assert_close(again.mean, found.mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(again.logvar, found.logvar, atol=1e-4, rtol=1e-4)


def learner(networks: tuple[VAE, VAE], pictures: Tensor, crop: int = 0) -> VAETask:
    known, grown = networks
    adversary = AdversaryConfig(weight=0.1, widths=(8,), crop=crop)
    stage = VAEStage(GROWN, grows=True, noise=0.1, adversary=adversary, loop=LoopConfig(10**6, batch=8, warmup=0))
    frozen = known.requires_grad_(False)
    return VAETask(stage, (pictures, pictures[:4]), grown, COMPUTE, 0, frozen)


def squares(count: int = 16) -> Tensor:
    """Flat squares on flat grounds, uint8 [count,3,16,16]."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 1, 1), generator=rng).repeat(1, 1, 16, 16)
    images[:, :, 4:12, 4:12] = torch.randint(0, 256, (count, 3, 1, 1), generator=rng)
    return images.to(torch.uint8)


def test_it_learns_to_say_what_the_known_one_says_of_half_the_size(networks: tuple[VAE, VAE], tmp_path: Path) -> None:
    task = learner(networks, squares())
    known_before = {name: weight.clone() for name, weight in networks[0].state_dict().items()}
    before = task.score(task.network)
    Trainer(task, tmp_path, 0).run(60)
    after = task.score(task.network)
    assert after["latents_off"] < 0.5 * before["latents_off"]
    assert after["held_out_loss"] < before["held_out_loss"]
    for name, weight in networks[0].state_dict().items():
        assert torch.equal(weight, known_before[name]), name


def test_the_decoder_learns_from_what_the_known_one_says(networks: tuple[VAE, VAE]) -> None:
    """Whatever the grown encoder says, the decoder's loss is the same: so both may learn apart from each other."""
    task = learner(networks, squares())
    clock = Clock(0, 8, 10**6, 0)
    batch = task.batch(clock)
    first = task.losses(batch, clock)
    torch.nn.init.zeros_(task.network.encoder.conv_in.weight)
    second = task.losses(batch, clock)
    for name in ("l1", "multiscale", "gradient", "ssim", "adversarial"):
        assert torch.equal(first[name], second[name]), name
    assert second["latents"] > first["latents"]


def test_an_adversary_with_a_crop_sees_the_same_square_of_both(networks: tuple[VAE, VAE]) -> None:
    task = learner(networks, squares(), crop=8)
    clock = Clock(0, 8, 10**6, 0)
    pictures = torch.rand(8, 3, 16, 16)
    shown, real = task._shown(pictures + 1, pictures, clock)
    assert shown.shape == real.shape == (8, 3, 8, 8)
    torch.testing.assert_close(shown, real + 1)
    places = pictures.unfold(2, 8, 1).unfold(3, 8, 1)  # [8,3,9,9,8,8]
    found = [(places[i] - real[i][:, None, None]).abs().amax((0, 3, 4)).min() for i in range(8)]
    assert max(found) == 0
    task = learner(networks, squares())
    assert task._shown(pictures + 1, pictures, clock)[1] is pictures


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(GROWN, block_out_channels=(32, 16, 32)), r"set vae\.model\.block_out_channels=16,16,32"),
        (replace(GROWN, block_out_channels=(16, 32)), r"set vae\.model\.block_out_channels=16,16,32"),
        (replace(GROWN, latent_channels=4), r"--set vae\.model\.latent_channels=8"),
        (replace(GROWN, layers_per_block=2), r"--set vae\.model\.layers_per_block=1"),
    ],
)
def test_other_sizes_are_refused_with_those_that_fit(config: VAEConfig, message: str) -> None:
    check_grows(GROWN, KNOWN)
    with pytest.raises(UserError, match=message):
        check_grows(config, KNOWN)


def test_what_cannot_be_is_said_before_anything_is_written(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="set start_from too"):
        train(recipe.with_overrides({"vae.grows": "true"}), "starter", tmp_path / "run", ("vae",))
    assert not (tmp_path / "run").exists()
    for other in ({"vae.decoder_only": "true"}, {"vae.equivariance": "0.2"}, {"vae.prefixes": "2,4"}):
        with pytest.raises(UserError, match=r"vae\.grows must be alone"):
            recipe.with_overrides({"vae.grows": "true", **other})
    with pytest.raises(UserError, match=r"vae\.adversary\.crop = 96 is more than the VAE sees"):
        recipe.with_overrides({"vae.adversary.crop": "96"})


def test_a_model_draws_twice_the_pixels_afterwards(tiny_model_folder: Path, recipe: Recipe, tmp_path: Path) -> None:
    base = TextToImage.load(tiny_model_folder)
    side, inner = base.pixels, list(base.vae.config.block_out_channels)
    sizes = {f"vae.model.{name}": value for name, value in base.vae.config.to_dict().items()}
    text = {"diffusion.model.sample_size": base.unet.config.sample_size, "clip.image.pixels": 2 * side}
    unet = {f"diffusion.model.{name}": base.vae.config.latent_channels for name in ("in_channels", "out_channels")}
    grown = {"vae.model.block_out_channels": [inner[0], *inner], "data.pixels": 2 * side, "vae.grows": True}
    other = {"start_from": str(tiny_model_folder), "vae.equivariance": 0.0, "vae.loop.pictures": 64}
    asked = recipe.with_overrides({**sizes, **text, **unet, **grown, **other})
    folder = train(asked, "starter", tmp_path / "run", ("vae",))
    model = TextToImage.load(folder)
    assert model.pixels == 2 * side
    assert draw(model, Request(prompt="a red apple", steps=2)).shape[-2:] == (2 * side, 2 * side)
    for a, b in zip(model.unet.parameters(), base.unet.parameters(), strict=True):
        assert torch.equal(a, b)
    assert model.styles == base.styles
    assert model.card["vae"]["pictures_seen"] == 64
    shutil.rmtree(folder)  # as if the disk had been full when it was to be written
    assert TextToImage.load(train(asked, "starter", tmp_path / "run", ("vae",))).hash == model.hash
