"""How settings were before they existed: a run that began then goes on with what was done then."""

from __future__ import annotations

from typing import Any

# Settings that are newer than some runs, and the values with which those go on as they began.
AS_IT_WAS: dict[str, Any] = {
    "fits_minutes": False,
    "data.aside": 0.0,
    "data.said_styles": False,
    "data.fit": "pad",
    "data.tags": False,
    "loop.minutes": 0.0,
    "loop.warmup_most": 0.0,
    "loop.falls_from": 0,
    "loop.orthogonal": "jordan",
    "default_style": "",
    "clip.together": 0,
    "clip.hard_negatives": 0.0,
    "clip.locked": False,
    "clip.redrawn": 0,
    "data.trigger": "",
    "lora.hold": 1.0,
    "data.world.mix.alone": [0.62, 0.86],
    "vae.grows": False,
    "vae.prefixes": [],
    "vae.noise": 0.0,
    "vae.crop": 0,
    "vae.adversary.weight": 0.0,
    "vae.adversary.crop": 0,
    "diffusion.remember": False,
    "diffusion.known": 0,
    "diffusion.replay": 0.0,
    "diffusion.widths": [],
    "diffusion.snapshots": 50_000,
    "diffusion.model.pooled_heads": 0,
    "words.told": 0.0,
    "words.empty": 0.0,
    "network.fixed": 0,
    "network.ends": True,
}


def as_it_was(name: str) -> Any:
    """The value with which runs go on that do not know a setting, by its dotted name; None for today's default."""
    return next((value for end, value in AS_IT_WAS.items() if name == end or name.endswith(f".{end}")), None)
