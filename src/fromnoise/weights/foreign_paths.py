"""Where diffusers puts a sampler's steps: its choices of noise levels, each with the solver that makes it.

A checkpoint draws here the picture that it draws there only if every level and every time that the network is told is
the same, and each solver of diffusers has habits of its own: one rounds times, another cuts them, a third starts as if
no picture were left. Solvers with the same habits are a family here. Names of samplers and spacings are those of other
programs, so they mean these levels for our own models too; on "trailing" and "log_snr" that is
:class:`fromnoise.diffusion.paths.PathConfig`'s own walk, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from fromnoise.diffusion.paths import (
    Aims,
    Level,
    Path,
    PathConfig,
    check_flow,
    flow_level,
    lcm_times,
    level_at,
    level_of,
    s_table,
    shifted,
    time_of,
    whole,
)
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.diffusion.spread import SPREADS, Numbers
from fromnoise.ground.errors import UserError

Family = Literal["ddim", "ddpm", "dpm", "unipc", "euler", "lcm"]
FAMILIES: dict[str, Family] = {
    "ddim": "ddim",
    "plms": "ddim",
    "ddpm": "ddpm",
    "dpm++": "dpm",
    "dpm++sde": "dpm",
    "unipc": "unipc",
    "euler": "euler",
    "heun": "euler",
    "euler_a": "euler",
    "lcm": "lcm",
}
JUST_BELOW = 1e-6  # of T-1, where a rounded logarithm leaves the top of a spread path


@dataclass(frozen=True)
class ForeignPathConfig(PathConfig):
    """How a walk is laid out in diffusers, in addition to what :class:`PathConfig` says.

    Attributes:
        offset: added to the times of "leading" (diffusers' steps_offset).
        set_alpha_to_one: ``final`` for DDIM and PLMS: true is "zero".
        aim: DDIM only: a step ends on the "next" time's level, or at t - T//n ("stride"), which is not quite where the
            next one begins if n does not divide T: diffusers' DDIM.
        tiny_alpha: put alpha² = 2^-24 in place of an exact 0 at T-1, as diffusers' Euler, DPM-Solver and UniPC do.
    """

    offset: int = 0
    set_alpha_to_one: bool = True
    aim: Literal["next", "stride"] = "next"
    tiny_alpha: bool = False

    def check(self) -> None:
        """Raise ``UserError`` for a name or number that no walk has."""
        super().check()
        if self.aim not in ("next", "stride"):
            raise UserError(f"a path's aim is next or stride, not '{self.aim}'")
        if self.offset < 0:
            raise UserError(f"a path's offset must be 0 or more, not {self.offset}")

    def lay(self, schedule: NoiseSchedule, sampler: str, n: int) -> Path:
        """The walk of n steps that diffusers' solver of this name takes; see :meth:`PathConfig.lay`."""
        family = FAMILIES[sampler]
        if schedule.is_flow:
            return _flow_path(schedule, sampler, n, self)
        if self.sigmas and family != "lcm":
            return _spread_path(schedule, family, n, self)
        times = _times(schedule, family, n, self)
        if times[0] > schedule.steps - 1:
            raise UserError(
                f"{n} steps with offset {self.offset} begin beyond the last level: take fewer steps", "steps"
            )
        levels = [_level_at(schedule, t, self.tiny_alpha) for t in times]
        levels.append(_end(schedule, family, n, self))
        aims = _strides(schedule, n, levels) if family == "ddim" and self.aim == "stride" else {}
        return Path(schedule, levels, _start_scale(family, self, levels[0]), aims)


def _strides(schedule: NoiseSchedule, n: int, levels: Sequence[Level]) -> Aims:
    """Where steps of DDIM aim that go T//n down from wherever they begin."""
    down = ((level.t - schedule.steps // n, level.t, after.t) for level, after in pairwise(levels))
    return {(t, t_next): (schedule.alpha(to), schedule.sigma(to)) for to, t, t_next in down if to >= 0}


def _times(schedule: NoiseSchedule, family: Family, n: int, config: ForeignPathConfig) -> list[float]:
    """Where spacing puts n steps. DPM-Solver and UniPC cut leading and linspace into n + 1 parts, others into n."""
    top = schedule.steps - 1
    if family == "lcm" and config.spacing != "distilled":
        return lcm_times(schedule, n, config.original_steps)
    if config.spacing == "leading":
        extra = 1 if family in ("dpm", "unipc") else 0
        stride = schedule.steps // (n + extra)
        return [k * stride + config.offset for k in reversed(range(extra, n + extra))]
    if config.spacing == "linspace" and family in ("dpm", "unipc"):
        return [int(t) for t in np.linspace(0, top, n + 1).round()[:0:-1]]
    if config.spacing == "linspace" and family == "euler":
        return [whole(float(t)) for t in np.linspace(0, top, n, dtype=np.float32)[::-1]]
    return [*schedule.timesteps(n, config.spacing)]


def _level_at(schedule: NoiseSchedule, t: float, tiny_alpha: bool = False) -> Level:
    """The level at t: the schedule's own where t is whole, else s is interpolated linearly, as diffusers does."""
    if isinstance(t, int) and not (tiny_alpha and schedule.alpha(t) == 0):
        return level_at(schedule, t)
    table = s_table(schedule)
    return level_of(t, t, float(np.interp(t, np.arange(len(table)), table)))


def _end(schedule: NoiseSchedule, family: Family, n: int, config: ForeignPathConfig) -> Level:
    """The level of t = -1."""
    last = config.offset - schedule.steps // n  # DDIM's next time after its last leading one
    if family == "ddim" and config.spacing == "leading" and last >= 0:
        return level_at(schedule, last)._replace(t=-1)
    noisy = not config.set_alpha_to_one if family == "ddim" else config.final == "sigma_min"
    if not noisy or family in ("ddpm", "lcm"):
        return level_at(schedule, -1)
    return _in_units_of(family, level_at(schedule, 0)._replace(t=-1))


def _in_units_of(family: Family, end: Level) -> Level:
    """Euler's end in its own coordinates, x/alpha: diffusers hands that out as the picture."""
    return end._replace(alpha=1.0, sigma=end.sigma / end.alpha) if family == "euler" else end


def _start_scale(family: Family, config: ForeignPathConfig, first: Level) -> float:
    """Euler and Heun start as if no picture were left, on all spacings but "leading"."""
    return first.sigma if family == "euler" and config.spacing != "leading" else 1.0


def _spread_path(schedule: NoiseSchedule, family: Family, n: int, config: ForeignPathConfig) -> Path:
    """s falls as ``sigmas`` says, and t is read from the table of log s: the network hears of the level it is at.

    Euler and Heun put the curve between the first and the last s of the spacing, the others between the ends of the
    schedule, and round the time that they tell the network.
    """
    table = s_table(schedule)
    if family == "euler":
        spaced = np.interp(_times(schedule, family, n, config), np.arange(len(table)), table)
        high, low = float(spaced[0]), float(spaced[-1])
    else:
        high, low = float(table[-1]), float(table[0])
    high, low = config.sigma_max or high, config.sigma_min or low
    fallen = [float(s) for s in SPREADS[config.sigmas](n, low, high)]
    tell = _teller(schedule, family, config.sigmas)
    levels = [level_of(t, tell(t), s) for t, s in ((time_of(table, s), s) for s in fallen)]
    end = _end(schedule, family, n, replace(config, spacing="trailing"))
    if family == "unipc" and config.final == "sigma_min":
        end = levels[-1]._replace(t=-1)
    return Path(schedule, [*levels, end], _start_scale(family, config, levels[0]))


def _teller(schedule: NoiseSchedule, family: Family, sigmas: str) -> Callable[[float], float]:
    """What the network is told of a time that is not whole: diffusers rounds, cuts or leaves it, by solver."""
    top = schedule.steps - 1
    cosine = schedule.config is not None and schedule.config.kind == "squaredcos_cap_v2"
    if family == "euler":
        return lambda t: whole(min(max(t, 0), top))
    if sigmas == "karras" and (family == "unipc" or not cosine):
        return lambda t: round(min(max(t, 0), top))
    return lambda t: math.floor(min(max(t, 0), top - JUST_BELOW))


def _flow_path(schedule: NoiseSchedule, sampler: str, n: int, config: ForeignPathConfig) -> Path:
    """Steps on the straight line, each family's own; the network is told T sigma."""
    check_flow(sampler, config.final, config.sigmas)
    steps, family = schedule.steps, FAMILIES[sampler]
    sigmas = _flow_sigmas(family, steps, n, config.shift)
    if config.sigmas:
        sigmas = SPREADS[config.sigmas](n, float(sigmas[-1]), float(sigmas[0]))
    rounded = math.floor if family in ("dpm", "unipc") else lambda told: float(np.float32(told))
    levels = [flow_level(steps, float(sigma), rounded(sigma * steps)) for sigma in sigmas]
    return Path(schedule, [*levels, level_at(schedule, -1)])


def _flow_sigmas(family: Family, steps: int, n: int, shift: float) -> Numbers:
    if family == "dpm":
        return shifted(1 - np.linspace(1, 1 / steps, n + 1), shift)[:0:-1]
    if family == "unipc":
        return np.minimum(shifted(np.linspace(1, 1 / steps, n + 1)[:-1], shift), 1 - JUST_BELOW)
    return shifted(np.linspace(1, shifted(1 / steps, shift), n), shift)  # diffusers shifts the last level twice
