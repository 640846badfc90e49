"""Paths: which noise levels a sampler visits, and what the network is told at each.

A schedule knows the levels at whole t. Checkpoints, and the programs that people know, spread their steps in more ways:
evenly in t from either end, evenly in some power of sigma/alpha, on levels between whole t. A ``Path`` is such a walk,
written out as a table, and answers as the schedule does: ``alpha(t)``, ``sigma(t)``, ``log_snr(t)``, ``told(t)``.

Below, s is sigma/alpha, the sigma of Karras et al. 2022. The choices are diffusers', each with the solver that makes
it ("family"), so that a checkpoint draws the same picture here as there; ``PathConfig()`` is our own walk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias, overload

import numpy as np
import torch
from torch import Tensor

from fromnoise.diffusion.samplers import sampler_class
from fromnoise.diffusion.schedule import SPACINGS, NoiseSchedule, Spacing
from fromnoise.diffusion.spread import SPREADS, Numbers
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError

Spread = Literal["", "karras", "exponential", "beta"]
TINY_ALPHA_BAR = 2.0**-24  # what some solvers of diffusers have in place of 0: the smallest number of half precision
JUST_BELOW = 1e-6  # of T-1, where a rounded logarithm leaves the top of a spread path


@dataclass(frozen=True)
class PathConfig(Config):
    """How a walk is laid out. The defaults are the walk that our own models are drawn with.

    Attributes:
        spacing: "trailing", "leading" or "linspace" in t as diffusers names them, "log_snr" or "distilled".
        offset: added to the times of "leading" (diffusers' steps_offset).
        sigmas: "", or how s falls instead: "karras", "exponential" or "beta".
        final: where the walk ends: "zero", fully clean, or "sigma_min", at the schedule's first level.
        set_alpha_to_one: the same for DDIM and PLMS: true is "zero".
        sigma_min, sigma_max: ends of s for ``sigmas``; by default those of the schedule or the spacing.
        aim: DDIM only: a step ends on the "next" time's level, or at t - T//n ("stride"), which is not quite where the
            next one begins if n does not divide T: diffusers' DDIM.
        tiny_alpha: put alpha² = 2^-24 in place of an exact 0 at T-1, as diffusers' Euler, DPM-Solver and UniPC do.
        shift: of a flow's levels towards noise (Esser et al. 2024, arXiv 2403.03206, eq. 23); 1 is none.
        original_steps: LCM only: how many levels it was distilled on.
    """

    spacing: Spacing = "trailing"
    offset: int = 0
    sigmas: Spread = ""
    final: Literal["zero", "sigma_min"] = "zero"
    set_alpha_to_one: bool = True
    sigma_min: float | None = None
    sigma_max: float | None = None
    aim: Literal["next", "stride"] = "next"
    tiny_alpha: bool = False
    shift: float = 1.0
    original_steps: int = 50

    def check(self) -> None:
        """Raise ``UserError`` for a name or number that no walk has."""
        if self.spacing not in SPACINGS:
            raise UserError(f"unknown spacing '{self.spacing}'; known: {', '.join(SPACINGS)}", "spacing")
        if self.sigmas not in ("", *SPREADS):
            raise UserError(f"unknown sigmas '{self.sigmas}'; known: {', '.join(SPREADS)}", "sigmas")
        if self.final not in ("zero", "sigma_min") or self.aim not in ("next", "stride"):
            raise UserError(
                f"a path's final is zero or sigma_min and its aim next or stride, not {self.final} {self.aim}"
            )
        ends = [s for s in (self.sigma_min, self.sigma_max) if s is not None]
        if min(*ends, self.shift, self.original_steps, 1) <= 0 or self.offset < 0 or ends != sorted(ends):
            raise UserError("a path needs 0 < sigma_min <= sigma_max, shift and original_steps > 0, and offset >= 0")


class Level(NamedTuple):
    """One row of a path's table: the time by which samplers know it, the time the network is told, and the level."""

    t: float
    told: float
    alpha: float
    sigma: float
    log_snr: float


Aims: TypeAlias = dict[tuple[float, float], tuple[float, float]]


class Path(NoiseSchedule):
    """A walk over levels of a schedule, looked up by t. Only the times of the walk, and t = -1, its end, have a level.

    Args:
        schedule: what the network was trained on.
        levels: falling in t; the last is the end, with t = -1. An end with noise left gives diffusers' last picture.
        start_scale: see below.
        aims: (t, t_next) → (alpha, sigma) of the steps that do not aim at t_next's level.

    Attributes:
        times: where the network is called, falling; whole ones are ints.
        start_scale: factor on unit noise at times[0]. Where it is sigma(times[0]) the walk starts as if that level had
            no picture left, which diffusers' Euler and Heun do for all spacings but "leading".
    """

    def __init__(
        self, schedule: NoiseSchedule, levels: Sequence[Level], start_scale: float = 1.0, aims: Aims | None = None
    ) -> None:
        super().__init__(schedule.alpha_bar, schedule.config)
        self._schedule, self.start_scale, self._aims = schedule, start_scale, aims or {}
        self.times: tuple[float, ...] = tuple(level.t for level in levels[:-1])
        self._places_of = {level.t: place for place, level in enumerate(reversed(levels))}
        t, told, self._alpha, self._sigma, self._log_snr = torch.tensor(levels, dtype=torch.float64).flip(0).T
        if not bool((t.diff() > 0).all()) or t[0] != -1:
            raise UserError(f"{len(self.times)} steps are too many for this path: its times must fall strictly")
        self._t = t.contiguous()  # rising, for searchsorted
        self._tells_whole = bool((told == told.round()).all())
        self._told = told

    @property
    def ends_in_pure_noise(self) -> bool:
        """Whether nothing of the picture is left at the first time."""
        return self.alpha(self.times[0]) == 0.0

    @overload
    def told(self, t: float) -> float: ...
    @overload
    def told(self, t: Tensor) -> Tensor: ...
    def told(self, t: float | Tensor) -> float | Tensor:
        """The time the network is told at level t: a tensor gives int64 where all times are whole, else float32."""
        found = self._look_up("told", self._told, t)
        if isinstance(found, Tensor):
            return found.long() if self._tells_whole else found
        return whole(found)

    def aim(self, t: float, t_next: float) -> tuple[float, float]:
        """(alpha, sigma) that a step from t to t_next aims at."""
        return self._aims.get((t, t_next)) or super().aim(t, t_next)

    def walk(self, times: Sequence[float] | None, most: int) -> list[float]:
        """The times a sampler visits: all of this path, or the given ones of them, falling.

        Raises:
            UserError: times that are not on the path or do not fall.
        """
        chosen = list(self.times if times is None else times)
        if not chosen or not set(chosen) <= set(self.times) or chosen != sorted(set(chosen), reverse=True):
            raise UserError(f"timesteps must fall strictly and be on the path {list(self.times)}, not {chosen}")
        return [whole(t) for t in chosen]

    def after(self, strength: float) -> list[float]:
        """The times that are left for a picture that is given, and noise added to it up to the first of them.

        Args:
            strength: 0..1, the share of the path to walk; 1 is all of it. At least one time is left.
        """
        kept = min(int(len(self.times) * strength), len(self.times))
        return list(self.times[len(self.times) - max(kept, 1) :])

    def nearest(self, log_snr: Tensor) -> Tensor:
        """The schedule's t whose log-SNR is nearest; it need not be on the path."""
        return self._schedule.nearest(log_snr)

    def _place(self, t: float) -> int:
        if t not in self._places_of:
            raise IndexError(f"t = {t} is not on the path {list(self.times)}")
        return self._places_of[t]

    def _places(self, t: Tensor) -> Tensor:
        key = "t", t.device
        if key not in self._on_device:
            self._on_device[key] = self._t.to(t.device)
        return torch.searchsorted(self._on_device[key], t.double()).clamp_max(len(self.times))


def path(schedule: NoiseSchedule, sampler: str, n: int, config: PathConfig | None = None) -> Path:
    """The walk of n steps that a sampler takes.

    Args:
        schedule: what the network was trained on.
        sampler: name or alias of the sampler; it decides how ``spacing`` is read, as in diffusers.
        n: how many steps.
        config: how the walk is laid out.

    Raises:
        UserError: an unknown sampler or setting, more steps than there are levels, or settings that do not go together.
    """
    config, kind = config or PathConfig(), sampler_class(sampler)
    config.check()
    if not 1 <= n <= schedule.steps:
        raise UserError(f"the number of steps must be between 1 and {schedule.steps}, not {n}", "steps")
    if schedule.is_flow:
        return _flow_path(schedule, kind.family, n, config)
    if config.sigmas and kind.family != "lcm":
        return _spread_path(schedule, kind.family, n, config)
    times = _times(schedule, kind.family, n, config)
    if times[0] > schedule.steps - 1:
        raise UserError(f"{n} steps with offset {config.offset} begin beyond the last level: take fewer steps", "steps")
    levels = [_level_at(schedule, t, config.tiny_alpha) for t in times]
    levels.append(_end(schedule, kind.family, n, config))
    aims = _strides(schedule, n, levels) if kind.family == "ddim" and config.aim == "stride" else {}
    return Path(schedule, levels, _start_scale(kind.family, config, levels[0]), aims)


def _strides(schedule: NoiseSchedule, n: int, levels: Sequence[Level]) -> Aims:
    """Where steps of DDIM aim that go T//n down from wherever they begin."""
    down = ((level.t - schedule.steps // n, level.t, after.t) for level, after in pairwise(levels))
    return {(t, t_next): (schedule.alpha(to), schedule.sigma(to)) for to, t, t_next in down if to >= 0}


def whole(t: float) -> float:
    """t as an int if it is a whole number."""
    return int(t) if t == int(t) else t


def _times(schedule: NoiseSchedule, family: str, n: int, config: PathConfig) -> list[float]:
    """Where spacing puts n steps. DPM-Solver and UniPC cut leading and linspace into n + 1 parts, others into n."""
    top = schedule.steps - 1
    if family == "lcm" and config.spacing != "distilled":
        return _lcm_times(schedule, n, config.original_steps)
    if config.spacing == "leading":
        extra = 1 if family in ("dpm", "unipc") else 0
        stride = schedule.steps // (n + extra)
        return [k * stride + config.offset for k in reversed(range(extra, n + extra))]
    if config.spacing == "linspace" and family in ("dpm", "unipc"):
        return [int(t) for t in np.linspace(0, top, n + 1).round()[:0:-1]]
    if config.spacing == "linspace" and family == "euler":
        return [whole(float(t)) for t in np.linspace(0, top, n, dtype=np.float32)[::-1]]
    return [*schedule.timesteps(n, config.spacing)]


def _lcm_times(schedule: NoiseSchedule, n: int, original_steps: int) -> list[float]:
    """Every so-manieth of the levels that the model was distilled on (Luo et al. 2023, arXiv 2310.04378, sec. 4.3)."""
    if n > original_steps or original_steps > schedule.steps:
        raise UserError(
            f"this model was distilled on {original_steps} levels: take at most as many steps, not {n}", "steps"
        )
    stride = schedule.steps // original_steps
    return [(original_steps - i * original_steps // n) * stride - 1 for i in range(n)]


def _level_at(schedule: NoiseSchedule, t: float, tiny_alpha: bool = False) -> Level:
    """The level at t: the schedule's own where t is whole, else s is interpolated linearly, as diffusers does."""
    if isinstance(t, int) and not (tiny_alpha and schedule.alpha(t) == 0):
        return Level(t, t, schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t))
    table = _table(schedule)
    return _level(t, t, float(np.interp(t, np.arange(len(table)), table)))


def _level(t: float, told: float, s: float) -> Level:
    """A variance-preserving level from s = sigma/alpha > 0."""
    return Level(t, told, 1 / math.hypot(1, s), s / math.hypot(1, s), -2 * math.log(s))


def _end(schedule: NoiseSchedule, family: str, n: int, config: PathConfig) -> Level:
    """The level of t = -1."""
    last = config.offset - schedule.steps // n  # DDIM's next time after its last leading one
    if family == "ddim" and config.spacing == "leading" and last >= 0:
        return _level_at(schedule, last)._replace(t=-1)
    noisy = not config.set_alpha_to_one if family == "ddim" else config.final == "sigma_min"
    if not noisy or family in ("ddpm", "lcm"):
        return _level_at(schedule, -1)
    return _in_units_of(family, _level_at(schedule, 0)._replace(t=-1))


def _in_units_of(family: str, end: Level) -> Level:
    """Euler's end in its own coordinates, x/alpha: diffusers hands that out as the picture."""
    return end._replace(alpha=1.0, sigma=end.sigma / end.alpha) if family == "euler" else end


def _start_scale(family: str, config: PathConfig, first: Level) -> float:
    return first.sigma if family == "euler" and config.spacing != "leading" else 1.0


def _table(schedule: NoiseSchedule) -> Numbers:
    """s of every level, rising, float64 [T]; finite even where the schedule ends in pure noise."""
    alpha_bar = schedule.alpha_bar.clamp_min(TINY_ALPHA_BAR if schedule.ends_in_pure_noise else 0.0).numpy()
    return np.sqrt((1 - alpha_bar) / alpha_bar)


def _spread_path(schedule: NoiseSchedule, family: str, n: int, config: PathConfig) -> Path:
    """s falls as ``sigmas`` says, and t is read from the table of log s: the network hears of the level it is at.

    Euler and Heun put the curve between the first and the last s of the spacing, the others between the ends of the
    schedule, and round the time that they tell the network.
    """
    table = _table(schedule)
    if family == "euler":
        spaced = np.interp(_times(schedule, family, n, config), np.arange(len(table)), table)
        high, low = float(spaced[0]), float(spaced[-1])
    else:
        high, low = float(table[-1]), float(table[0])
    high, low = config.sigma_max or high, config.sigma_min or low
    fallen = [float(s) for s in SPREADS[config.sigmas](n, low, high)]
    tell = _teller(schedule, family, config.sigmas)
    levels = [_level(t, tell(t), s) for t, s in ((_time_of(table, s), s) for s in fallen)]
    end = _end(schedule, family, n, replace(config, spacing="trailing"))
    if family == "unipc" and config.final == "sigma_min":
        end = levels[-1]._replace(t=-1)
    return Path(schedule, [*levels, end], _start_scale(family, config, levels[0]))


def _time_of(table: Numbers, s: float) -> float:
    """t of s, linear in log s; beyond the ends of the schedule it goes on, so that no two levels share a time."""
    if s > table[-1]:
        t = len(table) - 1 + math.log(s / table[-1])
    elif s < table[0]:
        t = s / table[0] - 1  # between 0 and -1
    else:
        t = np.interp(math.log(s), np.log(table), np.arange(len(table)))
    return whole(round(float(t), 6))  # the ends of a curve are off by a rounding, and are whole


def _teller(schedule: NoiseSchedule, family: str, sigmas: str) -> Callable[[float], float]:
    """What the network is told of a time that is not whole: diffusers rounds, cuts or leaves it, by solver."""
    top = schedule.steps - 1
    cosine = schedule.config is not None and schedule.config.kind == "squaredcos_cap_v2"
    if family == "euler":
        return lambda t: whole(min(max(t, 0), top))
    if sigmas == "karras" and (family == "unipc" or not cosine):
        return lambda t: round(min(max(t, 0), top))
    return lambda t: math.floor(min(max(t, 0), top - JUST_BELOW))


def _flow_path(schedule: NoiseSchedule, family: str, n: int, config: PathConfig) -> Path:
    """Steps on the straight line: sigma falls evenly from 1, shifted towards noise; the network is told T sigma."""
    if family in ("ddpm", "lcm") or config.final != "zero":
        raise UserError("a flow's path ends in the clean picture, and neither LCM nor DDPM walk on it")
    if config.sigmas and family != "euler":
        raise UserError(f"sigmas '{config.sigmas}' on a flow need sampler euler or heun")
    steps, shifted = schedule.steps, lambda u: config.shift * u / (1 + (config.shift - 1) * u)
    if family == "dpm":
        sigmas = shifted(1 - np.linspace(1, 1 / steps, n + 1))[:0:-1]
    elif family == "unipc":
        sigmas = np.minimum(shifted(np.linspace(1, 1 / steps, n + 1)[:-1]), 1 - JUST_BELOW)
    else:  # diffusers shifts the last level twice
        sigmas = shifted(np.linspace(1, shifted(1 / steps), n))
    if config.sigmas:
        sigmas = SPREADS[config.sigmas](n, float(sigmas[-1]), float(sigmas[0]))
    rounded = math.floor if family in ("dpm", "unipc") else lambda told: float(np.float32(told))
    levels = [_flow_level(steps, float(sigma), rounded(sigma * steps)) for sigma in sigmas]
    return Path(schedule, [*levels, _level_at(schedule, -1)])


def _flow_level(steps: int, sigma: float, told: float) -> Level:
    alpha = 1 - sigma
    log_snr = 2 * math.log(alpha / sigma) if alpha > 0 else -math.inf
    return Level(whole(sigma * steps - 1), told, alpha, sigma, log_snr)
