"""What training minimises, and which noise levels it sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from fromnoise.diffusion.schedule import NoiseSchedule, per_picture
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError

LOG_SNR_EDGES = (-4.0, -2.0, 0.0, 2.0, 4.0)
LOG_SNR_LABELS = ("..-4", "-4..-2", "-2..0", "0..2", "2..4", "4..")  # noisiest first


@dataclass(frozen=True)
class TimeMix(Config):
    """Shares of three ways to draw a noise level; they must sum to 1.

    Attributes:
        logit_normal: share drawn so that logit(u) ~ N(mean, std) in flow time u, mapped by equal SNR
            (Esser et al. 2024, arXiv 2403.03206, eq. 19): mostly the middle levels, where the picture is decided.
        uniform: share drawn uniformly over t, so that every level is seen.
        terminal: share at pure noise, t = T-1, where every picture starts.
        mean, std: of the logit-normal; a mean below 0 leans towards clean.
    """

    logit_normal: float = 0.80
    uniform: float = 0.18
    terminal: float = 0.02
    mean: float = -0.4
    std: float = 1.2

    def check(self) -> None:
        """Raise ``UserError`` unless the shares are a probability and std is positive."""
        shares = self.logit_normal, self.uniform, self.terminal
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or self.std <= 0:
            raise UserError("a TimeMix needs shares >= 0 that sum to 1 (logit_normal, uniform, terminal) and std > 0")


def v_target(x0: Tensor, noise: Tensor, alpha: float | Tensor, sigma: float | Tensor) -> Tensor:
    """v = alpha noise - sigma x_0 (Salimans & Ho 2022, arXiv 2202.00512, appendix D).

    Args:
        x0, noise: [B,C,H,W].
        alpha, sigma: the level, a float or one value per picture [B].
    """
    return per_picture(alpha, x0) * noise - per_picture(sigma, x0) * x0


def diffusion_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each example, float32 [B], from two tensors [B,...]."""
    return (prediction.float() - target.float()).square().flatten(1).mean(dim=1)


def sample_t(n: int, generator: Generator | None, mix: TimeMix, schedule: NoiseSchedule) -> Tensor:
    """Draw n noise levels, int64 [n] on the CPU.

    Rectified flow's x_u = (1-u) x_0 + u noise has log-SNR 2 log((1-u)/u) = -2 logit(u), so "logit-normal in flow time
    mapped by equal SNR" is a normal in log-SNR with mean -2·mean and deviation 2·std.

    Raises:
        UserError: a mix that is not a probability.
    """
    mix.check()
    logit = mix.mean + mix.std * torch.randn(n, generator=generator, dtype=torch.float64)
    middle = schedule.nearest(-2 * logit)
    anywhere = torch.randint(schedule.steps, (n,), generator=generator)
    which = torch.rand(n, generator=generator, dtype=torch.float64)
    last = torch.full((n,), schedule.steps - 1)
    return torch.where(which < mix.terminal, last, torch.where(which < mix.terminal + mix.uniform, anywhere, middle))


def curriculum_levels(progress: float, steps: int, stages: int = 10) -> int:
    """How many of the lowest levels the curriculum of popular explanations has reached: 10 %, then 20 %, ... 100 %.

    Args:
        progress: 0..1, share of the training done.
        steps: T, the number of levels.
        stages: into how many equal parts training and levels are cut.
    """
    stage = min(int(min(max(progress, 0.0), 1.0) * stages), stages - 1) + 1
    return max(1, round(steps * stage / stages))


def sample_t_curriculum(n: int, generator: Generator | None, progress: float, schedule: NoiseSchedule) -> Tensor:
    """Draw n noise levels uniformly among those the curriculum has reached, int64 [n] on the CPU."""
    return torch.randint(curriculum_levels(progress, schedule.steps), (n,), generator=generator)


def log_snr_bin(t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """Index into ``LOG_SNR_LABELS`` of each t, int64 of t's shape: the bins in which the loss is logged."""
    edges = torch.tensor(LOG_SNR_EDGES, device=t.device)
    return torch.bucketize(schedule.log_snr(t), edges, right=True)
