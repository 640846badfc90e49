"""stickers-128, first stage: words, VAE and the shapes of things at 64 pixels, of which a picture costs less than half.

    fromnoise data drawings --out data/drawings
    fromnoise data meanings --data data/drawings --out data/meanings.safetensors
    fromnoise train stickers_first --data data/drawings --out runs/shapes
    fromnoise train stickers_second --data data/drawings --out runs/stickers-128

What is short while a U-Net learns the world is how often each drawing is seen. So it sees mostly single drawings as
they are, filling the picture (docs/training.md, "How large things stand"), with full captions; numbers, places and
relations are the smaller part, and come back in the second stage
(docs/training.md, "How often each drawing is seen"). All else is as in stickers_cpu. The project's own run came
here by a longer way (docs/stickers_128.md); this recipe as a whole has not been run yet.
"""

import runpy
from pathlib import Path

from fromnoise.training.recipe import Recipe


def recipe() -> Recipe:
    """Return the recipe."""
    single = {"plain": 0.45, "recoloured": 0.2, "sizes": 0.03, "places": 0.05, "turned": 0.02}
    several = {"counts": 0.08, "pairs": 0.03, "relations": 0.05, "mixed": 0.02}
    mix = {**single, **several, "grounds": 0.05, "faces": 0.02, "colour_too": 0.1, "ground_too": 0.1}
    large = {"alone": (0.94, 0.94)}
    captions = {"full": 0.74, "less": 0.08, "keywords": 0.05, "style_only": 0.03, "style": 0.85, "own_colour": 0.3}
    second: Recipe = runpy.run_path(str(Path(__file__).with_name("stickers_cpu.py")))["recipe"]()
    return second.with_overrides(
        {
            "name": "stickers-first",
            "tasks": ("text", "vae", "diffusion"),
            "data.pixels": 64,
            "clip.image.pixels": 64,
            "vae.crop": 0,
            "diffusion.model.sample_size": 8,
            "diffusion.time_mix.mean": 0.5,
            "diffusion.loop.pictures": 1_500_000,
            **{f"data.world.mix.{name}": share for name, share in {**mix, **large}.items()},
            **{f"data.world.captions.{name}": share for name, share in captions.items()},
        }
    )
