"""Shared fixtures: a tiny random model, and a small folder of real pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.system import TextToImage

CAPTIONS = ["red apple, noto style", "a blue house", "cat face, twemoji style", "green tree", "yellow sun"]


def make_tiny_model(seed: int = 0) -> TextToImage:
    """A model with every part, random weights, and 32×32 pictures."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.train(CAPTIONS * 3, vocab_size=600, context=12)
    text = TextConfig(
        vocab_size=tokenizer.vocab_size, width=32, layers=2, heads=2, context=12, eos_token_id=tokenizer.eos_id
    )
    clip = CLIPConfig(text, ImageConfig(pixels=32, patch=8, width=32, layers=1, heads=2), projection=24).build()
    unet = UNetConfig(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(32, 48), layers_per_block=1,
        attention=(False, True), cross_attention_dim=32, head_dim=16, norm_num_groups=8,
    ).build()  # fmt: skip
    with torch.no_grad():  # the last layers start at zero; random ones make a wrong order of operations visible
        for parameter in unet.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.05)
    vae = VAEConfig(latent_channels=4, block_out_channels=(16, 16, 32), norm_num_groups=8).build()
    for network in (clip, unet, vae):
        network.eval().requires_grad_(False)
    schedule = ScheduleConfig().build()
    styles = ("noto", "twemoji")
    return TextToImage(tokenizer, clip.text, unet, vae, schedule, "v", styles, {"name": "tiny"}, clip)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, saved."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model().save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder: Path) -> TextToImage:
    """The tiny model as it is read from its folder. Tests must not change it."""
    return TextToImage.load(tiny_model_folder)
