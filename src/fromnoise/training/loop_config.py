"""How long and how fast one task of a run is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fromnoise.ground.config import Config, Wishes, check
from fromnoise.ground.errors import UserError
from fromnoise.training.clock import Clock

OPTIMIZERS = ("adamw", "muon")
ORTHOGONAL = ("polar_express", "jordan")
LARGEST_BATCH = 65_536
PER_ROOT = 6_900  # 300 pictures are seen 400 times each, 40 a thousand times


@dataclass(frozen=True)
class LoopConfig(Config):
    """How one task is trained.

    Attributes:
        pictures: pictures seen in the whole run (a clock in pictures does not change with the batch size); 0: as many
            as suit the data, see :func:`suited`.
        minutes: of training, at most; warm-up and decay follow. 0: no limit.
        batch: pictures per step.
        optimizer: "adamw", or "muon" for the hidden matrices (AdamW moves the rest).
        orthogonal: how Muon makes a matrix orthogonal: "polar_express", four steps with numbers of their own (Amsel et
            al. 2025, arXiv 2505.16932), or "jordan", torch's five, as runs that began before have it.
        learning_rate: after warm-up.
        warmup: pictures over which the learning rate rises from 0.
        warmup_most: largest share of the run that may take; 0: all of it.
        falls_from: pictures from which on the learning rate falls with the inverse square root of the pictures seen
            (Karras et al. 2024, arXiv 2312.02696, eq. 67); 0: it stays.
        decay: last share of the run over which the learning rate falls linearly to 0.
        weight_decay: on matrices and kernels only.
        betas: of AdamW.
        clip_norm: largest norm of the gradient.
        ema: decay of the weights' moving average per step (it warms up).
        log_steps: steps between two lines in the curves.
        sheet_minutes: minutes between two sample sheets.
        save_minutes: minutes between two checkpoints.
    """

    pictures: int = 200_000
    minutes: float = 0.0
    batch: int = 64
    optimizer: str = "adamw"
    orthogonal: str = "polar_express"
    learning_rate: float = 8e-4
    warmup: int = 20_000
    warmup_most: float = 0.2
    falls_from: int = 0
    decay: float = 0.4
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0
    ema: float = 0.999
    log_steps: int = 20
    sheet_minutes: float = 5.0
    save_minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise UserError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, not '{self.optimizer}'")
        if self.orthogonal not in ORTHOGONAL:
            raise UserError(f"orthogonal must be one of {', '.join(ORTHOGONAL)}, not '{self.orthogonal}'")
        wishes: Wishes = (
            ("pictures", 0 <= self.pictures <= 10**12, "1 or more, or 0 for as many as suit the data"),
            ("minutes", 0 <= self.minutes <= 10**6, "0 (no limit) or more"),
            ("batch", 1 <= self.batch <= LARGEST_BATCH, f"1…{LARGEST_BATCH}"),
            ("learning_rate", 0 < self.learning_rate < 10, "above 0 and below 10"),
            ("warmup", self.warmup >= 0, "0 or more"),
            ("warmup_most", 0 <= self.warmup_most <= 1, "0…1"),
            ("falls_from", self.falls_from >= 0, "0 (it stays) or more"),
            ("decay", 0 <= self.decay <= 1, "0…1"),
            ("weight_decay", 0 <= self.weight_decay < 10, "0 or more and below 10"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "two numbers of 0 or more and below 1"),
            ("clip_norm", self.clip_norm > 0, "above 0"),
            ("ema", 0 <= self.ema < 1, "0 or more and below 1"),
            ("log_steps", self.log_steps >= 1, "1 or more"),
            ("sheet_minutes", self.sheet_minutes > 0, "above 0"),
            ("save_minutes", self.save_minutes > 0, "above 0"),
        )
        check(self, "loop.", wishes)

    def suited(self, count: int) -> LoopConfig:
        """The loop for a set of ``count`` pictures: where its length is left to the data, it grows with the set's
        square root. Few pictures are seen more often each, and many need longer in all.
        """
        return self if self.pictures else replace(self, pictures=round(PER_ROOT * math.sqrt(max(1, count))))


def learning_rate(config: LoopConfig, clock: Clock) -> float:
    """Warm-up, constant, from ``config.falls_from`` on an inverse square root, and linear to 0 over the last ``decay``.

    Warm-up takes ``config.warmup`` pictures, or ``config.warmup_most`` of the run if that is less.
    """
    warm = (clock.pictures + clock.batch) / max(1, config.warmup)
    if config.warmup_most:
        after = max((clock.pictures + clock.batch) / max(1, clock.total), clock.spent)
        warm = max(warm, after / config.warmup_most)
    cool = min(1.0, (1.0 - clock.progress) / config.decay) if config.decay > 0 else 1.0
    fall = math.sqrt(config.falls_from / max(config.falls_from, clock.pictures)) if config.falls_from else 1.0
    return config.learning_rate * min(1.0, warm) * fall * cool
