"""Which noise levels a training step sees."""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.diffusion.loss import LOG_SNR_LABELS, TimeMix, log_snr_bin, sample_t, sample_t_curriculum
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.ground.errors import UserError

KINDS = ("default", "uniform", "curriculum")


class NoiseLevels:
    """Draws times for training and names the bins their losses are logged in.

    Args:
        kind: "default" (logit-normal, mostly middle levels), "uniform" (every level alike, as DDPM), or
            "curriculum" (10 % noise first, then 20 %, … 100 %, as popular explanations tell it).
        schedule: the noise schedule.
        mix: the shares of "default"; None takes ``TimeMix()``.

    Raises:
        UserError: an unknown kind, or a mix whose shares are no probability.
    """

    def __init__(self, kind: str, schedule: NoiseSchedule, mix: TimeMix | None = None) -> None:
        if kind not in KINDS:
            raise UserError(f"noise_levels must be one of {', '.join(KINDS)}, not '{kind}'")
        self.kind, self.schedule = kind, schedule
        self.mix = TimeMix(0.0, 1.0, 0.0) if kind == "uniform" else mix or TimeMix()
        self.mix.check()

    def draw(self, n: int, progress: float, generator: torch.Generator) -> Tensor:
        """Draw times, int64 [n] on the CPU; ``progress`` 0…1 is the share of the training done."""
        if self.kind == "curriculum":
            return sample_t_curriculum(n, generator, progress, self.schedule)
        return sample_t(n, generator, self.mix, self.schedule)

    def names(self, t: Tensor) -> list[str]:
        """The log-SNR bin of each time, noisiest bin named "..-4"."""
        return [LOG_SNR_LABELS[i] for i in log_snr_bin(t, self.schedule).tolist()]
