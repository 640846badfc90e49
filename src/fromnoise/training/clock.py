"""The clock of a training run: everything random or scheduled is a pure function of it.

Because no random state is carried from step to step, a run that was killed needs only its step number, its
weights and the optimizer's moments to go on as if nothing had happened (the idea of EDM2's
``learning_rate_schedule`` and of counter-based random numbers).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Clock:
    """Where a run is.

    Attributes:
        step: optimizer steps taken so far.
        batch: pictures per step.
        total: pictures the whole run will see.
        seed: the run's seed.
        spent: share of the run's time that is over, where its time is limited; 0 where pictures alone decide.
    """

    step: int
    batch: int
    total: int
    seed: int
    spent: float = 0.0

    @property
    def pictures(self) -> int:
        """Pictures seen before this step."""
        return self.step * self.batch

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0…1: of its pictures or of its time, whichever is further."""
        return min(1.0, max(self.pictures / max(1, self.total), self.spent))

    @property
    def done(self) -> bool:
        """Whether all pictures have been seen, or the time is over."""
        return self.pictures >= self.total or self.spent >= 1

    def tick(self) -> Clock:
        """The clock one step later."""
        return replace(self, step=self.step + 1)

    def generator(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """A fresh random generator for this step and purpose; equal arguments give equal numbers."""
        return seeded(device, self.seed, purpose, self.step)


def seeded(device: torch.device | str, *parts: object) -> torch.Generator:
    """A generator whose seed is a hash of ``parts``."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class _Epochs(ABC):
    """Which picture comes when: epochs without state, each a pure function of its number."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._epochs: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return self._count

    def indices(self, clock: Clock) -> Tensor:
        """Indices of the pictures of this step, int64 [batch]."""
        flat = torch.arange(clock.pictures, clock.pictures + clock.batch)
        epochs = torch.div(flat, len(self), rounding_mode="floor")
        return torch.cat([self._epoch(e)[flat[epochs == e] % len(self)] for e in epochs.unique().tolist()])

    def _epoch(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            self._epochs = {k: v for k, v in self._epochs.items() if k >= epoch - 1}
            self._epochs[epoch] = self._made(epoch)
        return self._epochs[epoch]

    @abstractmethod
    def _made(self, epoch: int) -> Tensor:
        """All indices of an epoch in their order, int64 [N]."""


class Order(_Epochs):
    """Which picture comes when: weighted epochs without state.

    Each epoch holds every picture ``N p_i`` times, rounded by systematic resampling, in a shuffled order. With
    equal weights that is a plain shuffled epoch.

    Args:
        weights: how often each picture should be seen, relative to the others, [N].
        seed: the run's seed.
    """

    def __init__(self, weights: Tensor, seed: int) -> None:
        super().__init__(len(weights))
        share = weights.double() / weights.double().sum()
        self._cumulative = share.cumsum(0)
        self._seed = seed

    def _made(self, epoch: int) -> Tensor:
        rng = seeded("cpu", self._seed, "order", epoch)
        offset = torch.rand(1, generator=rng, dtype=torch.float64)
        points = (torch.arange(len(self), dtype=torch.float64) + offset) / len(self)
        chosen = torch.searchsorted(self._cumulative, points).clamp_max(len(self) - 1)
        return chosen[torch.randperm(len(self), generator=rng)]


class GroupedOrder(_Epochs):
    """Which picture comes when: shuffled epochs in which pictures of one group come together, a few at a time.

    Contrast then has to tell things of one kind apart ("a red apple", "two green apples"): hard negatives, as in
    Robinson et al. 2021 (arXiv 2010.04592), taken from what is known about the pictures.

    Args:
        groups: a name for each picture.
        seed: the run's seed.
        together: how many of a group come together at most.
    """

    def __init__(self, groups: list[str], seed: int, together: int) -> None:
        super().__init__(len(groups))
        numbers = {name: i for i, name in enumerate(dict.fromkeys(groups))}
        self._group = torch.tensor([numbers[name] for name in groups])
        self._seed, self._together = seed, together

    def _made(self, epoch: int) -> Tensor:
        rng = seeded("cpu", self._seed, "grouped order", epoch)
        shuffled = torch.randperm(len(self), generator=rng)
        by_group = shuffled[self._group[shuffled].argsort(stable=True)]
        counts = torch.bincount(self._group)
        chunks = [c for part in by_group.split(counts.tolist()) for c in part.split(self._together)]
        return torch.cat([chunks[i] for i in torch.randperm(len(chunks), generator=rng).tolist()])
