"""stickers-128, second stage: what ``stickers_first`` has learnt goes on at 128 pixels, and CLIP learns to see at last.

    fromnoise train stickers_second --data data/drawings --out runs/stickers-128

It begins with runs/shapes/model; ``--set start_from=MODEL`` names another. The U-Net draws from its first minutes on.
CLIP's image tower comes last, since it also learns from what the U-Net draws; ``--tasks clip`` lets it come earlier.
The words stay those of the first stage. All else is as in stickers_cpu.
"""

import runpy
from pathlib import Path

from fromnoise.training.recipe import Recipe


def recipe() -> Recipe:
    """Return the recipe."""
    whole: Recipe = runpy.run_path(str(Path(__file__).with_name("stickers_cpu.py")))["recipe"]()
    return whole.with_overrides(
        {
            "tasks": ("diffusion", "clip"),
            "start_from": "runs/shapes/model",
            "clip.locked": True,
            "clip.meanings": "",
            # Weights that have learnt already lose what they know to a higher rate (docs/training.md, "How fast").
            "diffusion.loop.learning_rate": 4e-4,
            "diffusion.loop.falls_from": 0,
        }
    )
