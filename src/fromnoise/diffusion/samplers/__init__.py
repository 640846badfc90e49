"""Samplers: ways to walk from noise to a picture.

``sampler(name, schedule)`` builds one; ``sampler("dpm++", schedule).steps(denoiser, noise, cond, rng, timesteps)``
yields a frozen ``Step`` per move. A sampler is built with the schedule because alpha and sigma belong to it; it keeps
nothing else, so one sampler may serve many requests at once.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fromnoise.diffusion.samplers.base import Sampler, Step
from fromnoise.diffusion.samplers.ddim import DDIM
from fromnoise.diffusion.samplers.ddpm import DDPM
from fromnoise.diffusion.samplers.dpm_solver import DPMSolver, DPMSolverSDE
from fromnoise.diffusion.samplers.euler import Euler, EulerAncestral
from fromnoise.diffusion.samplers.fitted import Fitted
from fromnoise.diffusion.samplers.heun import Heun
from fromnoise.diffusion.samplers.lcm import LCM
from fromnoise.diffusion.samplers.names import ALIASES, canonical, read_name, sampler_table
from fromnoise.diffusion.samplers.plms import PLMS
from fromnoise.diffusion.samplers.unipc import UniPC
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.ground.errors import UserError

SAMPLERS: dict[str, type[Sampler]] = {
    "dpm++": DPMSolver,
    "ddim": DDIM,
    "ddpm": DDPM,
    "euler": Euler,
    "heun": Heun,
    "euler_a": EulerAncestral,
    "dpm++sde": DPMSolverSDE,
    "unipc": UniPC,
    "plms": PLMS,
    "lcm": LCM,
}

# Of one model each: their numbers lie beside it, and no other model can be drawn with them.
FITTED = "fitted"
OF_A_MODEL: dict[str, type[Sampler]] = {FITTED: Fitted}

__all__ = [
    "ALIASES",
    "DDIM",
    "DDPM",
    "FITTED",
    "LCM",
    "PLMS",
    "SAMPLERS",
    "DPMSolver",
    "DPMSolverSDE",
    "Euler",
    "EulerAncestral",
    "Fitted",
    "Heun",
    "Sampler",
    "Step",
    "UniPC",
    "canonical",
    "read_name",
    "sampler",
    "sampler_class",
    "sampler_table",
]


def sampler_class(name: str) -> type[Sampler]:
    """The class of the sampler of this name or alias (case, spaces and punctuation do not matter).

    Raises:
        UserError: an unknown name; the message lists the known ones.
    """
    key = canonical(name)
    if key in OF_A_MODEL:
        return OF_A_MODEL[key]
    if key not in SAMPLERS:
        raise UserError(f"unknown sampler '{name}'; known: {', '.join(SAMPLERS)}", "sampler")
    return SAMPLERS[key]


def sampler(name: str, schedule: NoiseSchedule, options: dict[str, Any] | None = None) -> Sampler:
    """The sampler of this name or alias.

    Args:
        name: see ``sampler_table``.
        schedule: a schedule, or a path of it.
        options: settings of this sampler, such as ``{"eta": 1.0}`` for "ddim".

    Raises:
        UserError: an unknown name, or an option that this sampler does not have.
    """
    kind = sampler_class(name)
    known = {field.name for field in fields(kind)} - {"schedule"}
    if unknown := set(options or {}) - known:
        raise UserError(
            f"sampler '{name}' has no option {min(unknown)}; it has: {', '.join(sorted(known)) or 'none'}", "sampler"
        )
    return kind(schedule, **(options or {}))
