"""Paths: which noise levels a sampler visits, and what the network is told at each.

A schedule knows the levels at whole t. A walk may spread its steps in more ways: evenly in t from either end, evenly in
some power of s = sigma/alpha (the sigma of Karras et al. 2022), on the straight line of a flow, on levels between whole
t. A ``Path`` is such a walk, written out as a table, and answers as the schedule does: ``alpha(t)``, ``sigma(t)``,
``log_snr(t)``, ``told(t)``. A ``PathConfig`` lays one out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from fromnoise.diffusion.samplers import sampler_class
from fromnoise.diffusion.samplers.names import canonical
from fromnoise.diffusion.schedule import SPACINGS, NoiseSchedule, Spacing
from fromnoise.diffusion.spread import SPREADS, Numbers
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError

Spread = Literal["", "karras", "exponential", "beta"]
Share = TypeVar("Share", float, Numbers)
TINY_ALPHA_BAR = 2.0**-24  # where s would be infinite, the curves of s begin here: half precision's smallest number


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
        levels: falling in t; the last is the end, with t = -1, which may have noise left.
        start_scale: see below.
        aims: (t, t_next) → (alpha, sigma) of the steps that do not aim at t_next's level.

    Attributes:
        times: where the network is called, falling; whole ones are ints.
        start_scale: factor on unit noise at times[0]. Where it is sigma(times[0]) the walk starts as if that level had
            no picture left.
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
            raise UserError(
                f"{len(self.times)} steps are too many for this path: its times must fall strictly", "steps"
            )
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


@dataclass(frozen=True)
class PathConfig(Config):
    """How a walk is laid out. The defaults are the walk that our own models are drawn with.

    Attributes:
        spacing: "trailing", "leading", "linspace", "log_snr" or "distilled" (see ``NoiseSchedule.timesteps``).
        sigmas: "", or how s falls instead: "karras", "exponential" or "beta".
        final: where the walk ends: "zero", fully clean, or "sigma_min", at the schedule's first level.
        sigma_min, sigma_max: ends of s for ``sigmas``; by default those of the schedule.
        shift: of a flow's levels towards noise (Esser et al. 2024, arXiv 2403.03206, eq. 23); 1 is none.
        original_steps: LCM only: how many levels it was distilled on.
    """

    spacing: Spacing = "trailing"
    sigmas: Spread = ""
    final: Literal["zero", "sigma_min"] = "zero"
    sigma_min: float | None = None
    sigma_max: float | None = None
    shift: float = 1.0
    original_steps: int = 50

    def check(self) -> None:
        """Raise ``UserError`` for a name or number that no walk has."""
        if self.spacing not in SPACINGS:
            raise UserError(f"unknown spacing '{self.spacing}'; known: {', '.join(SPACINGS)}", "spacing")
        if self.sigmas not in ("", *SPREADS):
            raise UserError(f"unknown sigmas '{self.sigmas}'; known: {', '.join(SPREADS)}", "sigmas")
        if self.final not in ("zero", "sigma_min"):
            raise UserError(f"a path's final is zero or sigma_min, not '{self.final}'")
        ends = [s for s in (self.sigma_min, self.sigma_max) if s is not None]
        if min(*ends, self.shift, self.original_steps, 1) <= 0 or ends != sorted(ends):
            raise UserError("a path needs 0 < sigma_min <= sigma_max, and shift and original_steps > 0")

    def lay(self, schedule: NoiseSchedule, sampler: str, n: int) -> Path:
        """The walk of n steps, 1 <= n <= T, for a sampler of ours.

        Whoever wants other levels than these writes a subclass: :func:`path` asks for nothing but this.

        Raises:
            UserError: settings that do not go together.
        """
        if schedule.is_flow:
            levels = self._flow_levels(schedule.steps, sampler, n)
        elif self.sigmas and sampler != "lcm":
            levels = self._spread_levels(schedule, n)
        elif sampler == "lcm" and self.spacing != "distilled":
            levels = [level_at(schedule, t) for t in lcm_times(schedule, n, self.original_steps)]
        else:
            levels = [level_at(schedule, t) for t in schedule.timesteps(n, self.spacing)]
        end = level_at(schedule, 0)._replace(t=-1) if self.final == "sigma_min" else level_at(schedule, -1)
        return Path(schedule, [*levels, end])

    def _spread_levels(self, schedule: NoiseSchedule, n: int) -> list[Level]:
        """s falls as ``sigmas`` says between the ends of the schedule; t is read from the table of log s."""
        table = s_table(schedule)
        low, high = self.sigma_min or float(table[0]), self.sigma_max or float(table[-1])
        fallen = [float(s) for s in SPREADS[self.sigmas](n, low, high)]
        top = schedule.steps - 1
        return [level_of(t, whole(min(max(t, 0), top)), s) for t, s in ((time_of(table, s), s) for s in fallen)]

    def _flow_levels(self, steps: int, sampler: str, n: int) -> list[Level]:
        """sigma falls evenly from 1, shifted towards noise; the network is told T sigma."""
        check_flow(sampler, self.final, self.sigmas)
        sigmas = [shifted(1 - k / n, self.shift) for k in range(n)]
        if self.sigmas:
            sigmas = [float(sigma) for sigma in SPREADS[self.sigmas](n, sigmas[-1], sigmas[0])]
        return [flow_level(steps, sigma, whole(sigma * steps)) for sigma in sigmas]


@dataclass(frozen=True)
class GivenPathConfig(PathConfig):
    """A walk over given levels, to the clean picture: that of a solver that was fitted to them.

    Attributes:
        times: whole, falling.
    """

    times: tuple[int, ...] = ()

    def lay(self, schedule: NoiseSchedule, sampler: str, n: int) -> Path:
        """The walk over these times; there must be n of them."""
        if len(self.times) != n:
            raise UserError(f"this path has {len(self.times)} times, not {n}", "steps")
        return Path(schedule, [level_at(schedule, t) for t in (*self.times, -1)])


def path(schedule: NoiseSchedule, sampler: str, n: int, config: PathConfig | None = None) -> Path:
    """The walk of n steps that a sampler takes.

    Args:
        schedule: what the network was trained on.
        sampler: name or alias of the sampler; LCM has times of its own.
        n: how many steps.
        config: how the walk is laid out; a subclass of :class:`PathConfig` may choose other levels.

    Raises:
        UserError: an unknown sampler or setting, more steps than there are levels, or settings that do not go together.
    """
    config = config or PathConfig()
    sampler_class(sampler)
    config.check()
    if not 1 <= n <= schedule.steps:
        raise UserError(f"the number of steps must be between 1 and {schedule.steps}, not {n}", "steps")
    return config.lay(schedule, canonical(sampler), n)


def whole(t: float) -> float:
    """t as an int if it is a whole number."""
    return int(t) if t == int(t) else t


def level_at(schedule: NoiseSchedule, t: float) -> Level:
    """The level of the schedule at a whole t."""
    return Level(t, t, schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t))


def level_of(t: float, told: float, s: float) -> Level:
    """A variance-preserving level from s = sigma/alpha > 0."""
    return Level(t, told, 1 / math.hypot(1, s), s / math.hypot(1, s), -2 * math.log(s))


def s_table(schedule: NoiseSchedule) -> Numbers:
    """s of every level, rising, float64 [T]; finite even where the schedule ends in pure noise."""
    alpha_bar = schedule.alpha_bar.clamp_min(TINY_ALPHA_BAR if schedule.ends_in_pure_noise else 0.0).numpy()
    return np.sqrt((1 - alpha_bar) / alpha_bar)


def time_of(table: Numbers, s: float) -> float:
    """t of s, linear in log s; beyond the ends of the schedule it goes on, so that no two levels share a time."""
    if s > table[-1]:
        t = len(table) - 1 + math.log(s / table[-1])
    elif s < table[0]:
        t = s / table[0] - 1  # between 0 and -1
    else:
        t = np.interp(math.log(s), np.log(table), np.arange(len(table)))
    return whole(round(float(t), 6))  # the ends of a curve are off by a rounding, and are whole


def lcm_times(schedule: NoiseSchedule, n: int, original_steps: int) -> list[float]:
    """Every so-manieth of the levels that the model was distilled on (Luo et al. 2023, arXiv 2310.04378, sec. 4.3)."""
    if n > original_steps or original_steps > schedule.steps:
        raise UserError(
            f"this model was distilled on {original_steps} levels: take at most as many steps, not {n}", "steps"
        )
    stride = schedule.steps // original_steps
    return [(original_steps - i * original_steps // n) * stride - 1 for i in range(n)]


def shifted(u: Share, shift: float) -> Share:
    """A flow's sigma u, 0..1, or many of them, moved towards noise (Esser et al. 2024, arXiv 2403.03206, eq. 23)."""
    return shift * u / (1 + (shift - 1) * u)


def check_flow(sampler: str, final: str, sigmas: str) -> None:
    """Raise ``UserError`` for what a flow's straight line has no meaning for."""
    if sampler in ("ddpm", "lcm") or final != "zero":
        raise UserError("a flow's path ends in the clean picture, and neither LCM nor DDPM walk on it", "sampler")
    if sigmas and sampler not in ("euler", "euler_a", "heun"):
        raise UserError(f"sigmas '{sigmas}' on a flow need sampler euler or heun", "sigmas")


def flow_level(steps: int, sigma: float, told: float) -> Level:
    """A level on a flow's straight line, alpha = 1 - sigma, of T steps."""
    alpha = 1 - sigma
    log_snr = 2 * math.log(alpha / sigma) if alpha > 0 else -math.inf
    return Level(whole(sigma * steps - 1), told, alpha, sigma, log_snr)
