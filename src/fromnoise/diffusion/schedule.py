"""How much picture and how much noise there is at each time t.

    x_t = alpha(t) x_0 + sigma(t) noise,    alpha² + sigma² = 1  (variance preserving)

t counts noise levels: 0 is almost clean and T-1 (999) is the noisiest. t = -1 means fully clean (alpha 1, sigma 0),
so that a sampler's last step needs no special case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, overload

import numpy as np
import torch
from torch import Tensor

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError

Spacing = Literal["trailing", "log_snr", "linspace", "leading", "distilled"]
Kind = Literal["scaled_linear", "linear", "squaredcos_cap_v2", "flow"]
SPACINGS: tuple[Spacing, ...] = ("trailing", "log_snr", "linspace", "leading", "distilled")
LOG_SNR_RANGE = (-4.0, 3.7)  # where "log_snr" spacing puts its steps after pure noise
DISTILLED_RANGE = (-2.0, 2.3)  # and "distilled": where a jump to the picture still changes what it shows
DISTILLED_LEVELS = 50  # how many trailing levels a model that draws in a few steps was taught on
MOST_LEVELS = 10**6  # of a schedule; those that people use have a thousand
MOST_DISTILLED = 8  # steps; from about 20 on two would meet on one level, and ordinary sampling is better there


@dataclass(frozen=True)
class ScheduleConfig(Config):
    """The noise schedule of DDPM (Ho et al. 2020) as Stable Diffusion sets it, with a truly noisy last level.

    Attributes:
        steps: T, the number of noise levels.
        beta_start: share of the variance replaced by noise at the first level.
        beta_end: the same at the last level.
        kind: "linear" in beta (Ho et al.), "scaled_linear", linear in sqrt(beta) (Rombach et al. 2022),
            "squaredcos_cap_v2", a cosine (Nichol & Dhariwal 2021), or "flow", the straight line of rectified flow,
            x = (1-u) x_0 + u noise with u = (t+1)/T (Liu et al. 2022); the last two have no use for the betas.
        zero_terminal_snr: shift the schedule so that nothing of the picture is left at T-1 (Lin et al. 2023).
        trained_betas: the betas themselves, T of them, instead of beta_start, beta_end and kind.
    """

    steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    kind: Kind = "scaled_linear"
    zero_terminal_snr: bool = True
    trained_betas: tuple[float, ...] = ()

    def build(self) -> NoiseSchedule:
        """Compute the levels in float64.

        Raises:
            UserError: not 2 to a million steps, betas outside 0 < start <= end < 1, or an unknown kind.
        """
        if not 2 <= self.steps <= MOST_LEVELS or not 0 < self.beta_start <= self.beta_end < 1:
            raise UserError(f"a noise schedule needs 2 to {MOST_LEVELS:,} steps and 0 < beta_start <= beta_end < 1")
        if self.kind == "flow":
            return FlowSchedule(self)
        alpha_bar = torch.cumprod(1 - self._betas(), dim=0)
        return NoiseSchedule(zero_terminal_snr(alpha_bar) if self.zero_terminal_snr else alpha_bar, self)

    def _betas(self) -> Tensor:
        if self.trained_betas:
            if len(self.trained_betas) != self.steps or not all(0 < beta < 1 for beta in self.trained_betas):
                raise UserError(f"trained_betas must be {self.steps} numbers between 0 and 1, as many as steps")
            return torch.tensor(self.trained_betas, dtype=torch.float64)
        if self.kind == "squaredcos_cap_v2":
            return cosine_betas(self.steps)
        if self.kind not in ("scaled_linear", "linear"):
            known = "scaled_linear, linear, squaredcos_cap_v2, flow"
            raise UserError(f"unknown noise schedule '{self.kind}'; known: {known}")
        power = 2.0 if self.kind == "scaled_linear" else 1.0
        ends = self.beta_start ** (1 / power), self.beta_end ** (1 / power)
        return torch.linspace(*ends, self.steps, dtype=torch.float64) ** power


def cosine_betas(steps: int) -> Tensor:
    """The betas of alpha_bar = cos²((u + 0.008)/1.008 · 90°), each at most 0.999; float64 [T].

    Nichol & Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models", arXiv 2102.09672, eq. 17.
    """
    alpha_bar = [math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(steps + 1)]
    return torch.tensor([min(1 - after / before, 0.999) for before, after in pairwise(alpha_bar)], dtype=torch.float64)


def zero_terminal_snr(alpha_bar: Tensor) -> Tensor:
    """Shift and scale sqrt(alpha_bar) so that the last level is exactly 0 and the first is unchanged.

    Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891, algorithm 1.

    Args:
        alpha_bar: float64 [T], falling, values in 0..1.
    """
    root = alpha_bar.sqrt()
    first, last = root[0], root[-1]
    shifted = (root - last) * (first / (first - last))
    return torch.cat([alpha_bar[:1], shifted[1:] ** 2])  # level 0 verbatim: not rounded twice


class NoiseSchedule:
    """The levels of a schedule, looked up by t.

    Args:
        alpha_bar: float64 [T], alpha squared at t = 0..T-1, falling, values in 0..1 (arXiv 2006.11239, eq. 4).
        config: what it was built from, kept so that a model can be saved.

    Attributes:
        alpha_bar: as given, on the CPU.
        steps: T.
    """

    def __init__(self, alpha_bar: Tensor, config: ScheduleConfig | None = None) -> None:
        self.alpha_bar = alpha_bar.detach().double().cpu()
        if not bool((self.alpha_bar.diff() < 0).all()) or self.alpha_bar[0] >= 1 or self.alpha_bar[-1] < 0:
            raise ValueError("alpha_bar must fall strictly and stay within 0 <= alpha_bar < 1")
        self.config = config
        self.steps = len(self.alpha_bar)
        with_clean = torch.cat([torch.ones(1, dtype=torch.float64), self.alpha_bar])  # (T + 1,), place 0 is t = -1
        self._alpha = with_clean.sqrt()
        self._sigma = (1 - with_clean).sqrt()
        self._log_snr = with_clean.log() - (1 - with_clean).log()
        self._on_device: dict[tuple[str, torch.device], Tensor] = {}

    @property
    def ends_in_pure_noise(self) -> bool:
        """Whether nothing of the picture is left at T-1 (zero terminal SNR)."""
        return float(self.alpha_bar[-1]) == 0.0

    @property
    def is_flow(self) -> bool:
        """Whether alpha + sigma = 1 (rectified flow) instead of alpha² + sigma² = 1."""
        return self.config is not None and self.config.kind == "flow"

    @overload
    def alpha(self, t: float) -> float: ...
    @overload
    def alpha(self, t: Tensor) -> Tensor: ...
    def alpha(self, t: float | Tensor) -> float | Tensor:
        """Share of the picture, 0..1. An int gives a Python float, an int64 tensor a float32 tensor of its shape."""
        return self._look_up("alpha", self._alpha, t)

    @overload
    def sigma(self, t: float) -> float: ...
    @overload
    def sigma(self, t: Tensor) -> Tensor: ...
    def sigma(self, t: float | Tensor) -> float | Tensor:
        """Share of the noise, 0..1. An int gives a Python float, an int64 tensor a float32 tensor of its shape."""
        return self._look_up("sigma", self._sigma, t)

    @overload
    def log_snr(self, t: float) -> float: ...
    @overload
    def log_snr(self, t: Tensor) -> Tensor: ...
    def log_snr(self, t: float | Tensor) -> float | Tensor:
        """log(alpha²/sigma²): +inf at t = -1, falling; -inf at T-1 when the schedule ends in pure noise."""
        return self._look_up("log_snr", self._log_snr, t)

    @overload
    def told(self, t: float) -> float: ...
    @overload
    def told(self, t: Tensor) -> Tensor: ...
    def told(self, t: float | Tensor) -> float | Tensor:
        """The time that a network is told when it is asked about level t: t itself, unless a path says otherwise."""
        return t

    def add_noise(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = alpha x_0 + sigma noise (arXiv 2006.11239, eq. 4).

        Args:
            x0: clean pictures or latents, [B,C,H,W].
            noise: unit Gaussian, [B,C,H,W].
            t: int64 [B], one level per picture.
        """
        return per_picture(self.alpha(t), x0) * x0 + per_picture(self.sigma(t), x0) * noise

    def nearest(self, log_snr: Tensor) -> Tensor:
        """The t whose log-SNR is nearest to each value, int64 of the same shape; pure noise only for -inf."""
        rising = self._log_snr[1:].flip(0)  # (T,)
        wanted = log_snr.double().cpu()
        above = torch.searchsorted(rising, wanted).clamp(1, self.steps - 1)
        below = rising[above - 1]
        closer_below = (wanted == below) | (wanted - below <= rising[above] - wanted)  # -inf - -inf would be nan
        return (self.steps - 1 - (above - closer_below.long())).to(log_snr.device)

    def timesteps(self, n: int, spacing: Spacing | str = "trailing") -> list[int]:
        """n falling times at which the network is called; the step after the last goes to t = -1.

        "trailing" is equal steps in t from T-1 down (Lin et al. 2023, table 2); "log_snr" is T-1 and then equal steps
        in log-SNR from -4 to 3.7, which spends fewer steps on levels where nothing is decided; "linspace" and
        "leading" are as diffusers names them ("leading" does not start at pure noise: for comparison only);
        "distilled" is for a model taught to draw in a few steps.

        Raises:
            UserError: n outside 1..T or an unknown spacing.
        """
        if not 1 <= n <= self.steps:
            raise UserError(f"the number of steps must be between 1 and {self.steps}, not {n}", "steps")
        if spacing == "log_snr":
            return self._log_snr_timesteps(n)
        if spacing == "trailing":
            times = np.arange(self.steps, 0, -self.steps / n).round() - 1  # diffusers' words: halves round as theirs
            return [int(t) for t in times[:n]]
        if spacing == "distilled":
            return self._distilled_timesteps(n)
        if spacing == "linspace":
            return [int(t) for t in np.linspace(0, self.steps - 1, n).round()[::-1]]
        if spacing == "leading":
            return [k * (self.steps // n) for k in reversed(range(n))]
        raise UserError(f"unknown spacing '{spacing}'; known: {', '.join(SPACINGS)}", "spacing")

    def _log_snr_timesteps(self, n: int) -> list[int]:
        wanted = torch.linspace(*LOG_SNR_RANGE, max(n - 1, 1), dtype=torch.float64)[: n - 1]
        times = [self.steps - 1, *self.nearest(wanted).tolist()]
        for i in reversed(range(1, n - 1)):  # many steps meet on one t: move them apart, first towards noise,
            times[i] = max(times[i], times[i + 1] + 1)
        for i in range(1, n):  # then, where T-1 is in the way, back towards clean
            times[i] = min(times[i], times[i - 1] - 1)
        return times

    def _distilled_timesteps(self, n: int) -> list[int]:
        """T-1, then the middles of n - 1 equal parts of log-SNR, each on the nearest level of the lessons.

        Four steps: 999, 519, 319, 139. LCM's own choice, equal steps in t, is 999, 759, 499, 259: at 759 the picture is
        thrown back into almost pure noise, which wastes a step (docs/few_steps.md has the figures).
        """
        if n > MOST_DISTILLED or self.steps % DISTILLED_LEVELS:
            message = f"spacing 'distilled' is for 1…{MOST_DISTILLED} steps of a model taught to, not {n}"
            raise UserError(message, "spacing")
        low, high = DISTILLED_RANGE
        parts = torch.arange(n - 1, dtype=torch.float64) + 0.5
        near = self.nearest(low + (high - low) * parts / max(n - 1, 1))
        stride = self.steps // DISTILLED_LEVELS
        return [self.steps - 1, *(((near + 1) / stride).round().long() * stride - 1).tolist()]

    def aim(self, t: float, t_next: float) -> tuple[float, float]:
        """(alpha, sigma) that a step from t to t_next aims at: those of t_next, unless a path says otherwise."""
        return self.alpha(t_next), self.sigma(t_next)

    def walk(self, times: Sequence[float] | None, most: int) -> list[float]:
        """The times a sampler visits: the given ones, or ``most`` trailing ones.

        Raises:
            UserError: times that do not fall strictly, or leave the schedule.
        """
        if times is None:
            return [*self.timesteps(min(most, self.steps))]
        whole = [int(t) for t in times]
        falling = all(a > b for a, b in pairwise(whole))
        if not whole or not falling or whole[0] >= self.steps or whole[-1] < 0:
            raise UserError(f"timesteps must fall strictly within {self.steps - 1}..0, not {whole}")
        return [*whole]

    def _look_up(self, name: str, table: Tensor, t: float | Tensor) -> float | Tensor:
        if not isinstance(t, Tensor):
            return float(table[self._place(t)])
        key = name, t.device
        if key not in self._on_device:  # copied once per device, not once per training step
            self._on_device[key] = table.to(device=t.device, dtype=torch.float32)
        return self._on_device[key].index_select(0, self._places(t.reshape(-1))).reshape(t.shape)

    def _place(self, t: float) -> int:
        """Where level t stands in the tables."""
        if not -1 <= t < self.steps or t != int(t):
            raise IndexError(f"t must be whole and between -1 and {self.steps - 1}, not {t}")
        return int(t) + 1

    def _places(self, t: Tensor) -> Tensor:
        """The same for many levels at once, int64 of t's shape."""
        return t + 1


class FlowSchedule(NoiseSchedule):
    """The straight line between picture and noise: alpha = 1 - u, sigma = u, u = (t+1)/T.

    Not variance preserving, so "v" has no meaning here; its ``alpha_bar`` is that of the same log-SNR. Networks for it
    were trained with T u as their time, which is t + 1.

    Args:
        config: gives T.
    """

    def __init__(self, config: ScheduleConfig) -> None:
        sigma = torch.arange(config.steps + 1, dtype=torch.float64) / config.steps
        alpha = 1 - sigma
        super().__init__((alpha**2 / (alpha**2 + sigma**2))[1:], config)
        self._alpha, self._sigma = alpha, sigma

    @overload
    def told(self, t: float) -> float: ...
    @overload
    def told(self, t: Tensor) -> Tensor: ...
    def told(self, t: float | Tensor) -> float | Tensor:
        """T u."""
        return t + 1


def per_picture(value: float | Tensor, like: Tensor) -> float | Tensor:
    """Give a [B] tensor the trailing dimensions it needs to multiply ``like`` [B,...]; floats pass through."""
    if isinstance(value, Tensor) and value.ndim == 1:
        return value.reshape(-1, *[1] * (like.ndim - 1))
    return value
