"""stickers-128, its pictures: a VAE of 128 pixels around the latents that a U-Net draws 64 pixels with.

    fromnoise train stickers_larger --data data/drawings --out runs/larger --set start_from=runs/shapes/model

The model of ``start_from`` draws 128 pixels afterwards (runs/larger/model), at the price of 64 but for the decoder: the
encoder says of a picture what the known one says of it at half its size, and the decoder is crisp by an adversary
(docs/training.md, "Twice the pixels"). It forgives a little noise, since a U-Net's latents are never quite right.
"""

import runpy
from pathlib import Path

from fromnoise.training.recipe import Recipe


def recipe() -> Recipe:
    """Return the recipe."""
    first: Recipe = runpy.run_path(str(Path(__file__).with_name("stickers_first.py")))["recipe"]()
    return first.with_overrides(
        {
            "name": "stickers-larger",
            "tasks": ("vae",),
            "data.pixels": 128,
            "clip.image.pixels": 128,
            "vae.model.block_out_channels": (16, 16, 32, 64, 128),
            "vae.grows": True,
            "vae.equivariance": 0.0,
            "vae.noise": 0.2,
            "vae.adversary.weight": 0.1,
            "vae.adversary.crop": 64,
            "vae.loop.batch": 16,
            "vae.loop.learning_rate": 5e-4,
            "vae.loop.pictures": 100_000,
        }
    )
