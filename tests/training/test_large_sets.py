"""Sets larger than memory are trained on as small ones are, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fromnoise.cli.train import load_recipe
from fromnoise.data import pictures as sets
from fromnoise.data.pack import pack
from fromnoise.models.vae.vae import VAEConfig
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.run import train
from fromnoise.training.stored_latents import read_latents, write_latents
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import encode_all

TINY = {
    "precision": "fp32",
    "threads": "1",
    "data.pixels": "16",
    "clip.image.pixels": "16",
    "clip.vocabulary": "300",
    "clip.loop.pictures": "48",
    "clip.loop.batch": "16",
    "clip.loop.warmup": "16",
    "clip.loop.sheet_minutes": "100",
    "vae.model.block_out_channels": "16,16",
    "vae.loop.pictures": "48",
    "vae.loop.warmup": "16",
    "vae.loop.sheet_minutes": "100",
    "diffusion.model.block_out_channels": "16,16",
    "diffusion.model.head_dim": "16",
    "diffusion.loop.pictures": "48",
    "diffusion.loop.batch": "16",
    "diffusion.loop.warmup": "16",
    "diffusion.loop.sheet_minutes": "100",
    "diffusion.sheet_steps": "1",
}


def test_a_run_on_a_large_set_ends_with_the_bits_of_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, data = load_recipe("first_model").with_overrides(TINY), tmp_path / "some.parquet"
    pack("starter", data, ["noto"], ["food-drink"])
    small = TextToImage.load(train(recipe, data, tmp_path / "small"))
    monkeypatch.setattr(sets, "IN_MEMORY", 0)
    large = TextToImage.load(train(recipe, data, tmp_path / "large"))
    assert large.hash == small.hash
    assert {f.name.partition("-")[0] for f in (tmp_path / "large" / "pictures").glob("*.u8")} == {"train", "test_pair"}
    assert not (tmp_path / "small" / "pictures").exists()
    stored = [load_file(tmp_path / name / "latents.safetensors") for name in ("small", "large")]
    assert all(stored[0][name].equal(stored[1][name]) for name in ("plain", "mirrored", "mean", "std"))
    facts = [json.loads((tmp_path / name / "run.json").read_text())["pictures"] for name in ("small", "large")]
    assert facts[0] == facts[1]


@pytest.mark.parametrize("whiten", [True, False])
def test_latents_written_in_pieces_are_those_computed_at_once(whiten: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vae = VAEConfig(latent_channels=4, block_out_channels=(16, 16), layers_per_block=1, norm_num_groups=8).build()
    images = torch.randint(0, 256, (150, 3, 16, 16), dtype=torch.uint8)
    compute = Compute(torch.device("cpu"), torch.float32, torch.contiguous_format)
    write_latents(tmp_path / "x.safetensors", "mark", vae, images, compute, whiten)
    plain, mirrored = encode_all(vae, images, compute), encode_all(vae, images.flip(3), compute)
    mean, std = (plain.mean((0, 2, 3)), plain.std((0, 2, 3))) if whiten else (torch.zeros(4), torch.ones(4))
    for stored in (load_file(tmp_path / "x.safetensors"), read_latents(tmp_path / "x.safetensors", compute.device)):
        assert stored["mean"].equal(mean)
        assert stored["std"].equal(std)
        assert stored["plain"].equal((plain - mean[:, None, None]) / std[:, None, None])
        assert stored["mirrored"].equal((mirrored - mean[:, None, None]) / std[:, None, None])
