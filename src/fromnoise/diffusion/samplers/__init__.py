"""Samplers: ways to walk from noise to a picture.

``sampler(name, schedule)`` builds one; ``sampler("dpm++", schedule).steps(denoiser, noise, cond, rng, timesteps)``
yields a frozen ``Step`` per move. A sampler is built with the schedule because alpha and sigma belong to it; it keeps
nothing else, so one sampler may serve many requests at once.
"""

from __future__ import annotations

from fromnoise.diffusion.samplers.base import Sampler, Step
from fromnoise.diffusion.samplers.ddim import DDIM
from fromnoise.diffusion.samplers.ddpm import DDPM
from fromnoise.diffusion.samplers.dpm_solver import DPMSolver
from fromnoise.diffusion.samplers.euler import Euler
from fromnoise.diffusion.samplers.heun import Heun
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.errors import UserError

SAMPLERS: dict[str, type[Sampler]] = {"dpm++": DPMSolver, "ddim": DDIM, "ddpm": DDPM, "euler": Euler, "heun": Heun}
ALIASES = {"dpm++2m": "dpm++", "dpmpp_2m": "dpm++", "dpm-solver++": "dpm++", "dpm_solver": "dpm++"}

__all__ = ["ALIASES", "DDIM", "DDPM", "SAMPLERS", "DPMSolver", "Euler", "Heun", "Sampler", "Step", "sampler"]


def sampler(name: str, schedule: NoiseSchedule) -> Sampler:
    """The sampler of this name or alias (case and spaces do not matter).

    Raises:
        UserError: an unknown name; the message lists the known ones.
    """
    key = name.lower().replace(" ", "")
    key = ALIASES.get(key, key)
    if key not in SAMPLERS:
        raise UserError(f"unknown sampler '{name}'; known: {', '.join(SAMPLERS)}")
    return SAMPLERS[key](schedule)
