"""What a U-Net learns from: latents and what is said of them, a batch for every step of the clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from fromnoise.data.captions import CaptionSampler
from fromnoise.ground.mapped import rows
from fromnoise.training.clock import Clock, Order


class Examples(Protocol):
    """Latents with captions, as a pure function of the clock."""

    @property
    def shape(self) -> torch.Size:
        """Of one picture's latents, [C,h,w]."""

    def at(self, clock: Clock, device: torch.device) -> tuple[Tensor, list[str]]:
        """Clean latents of this step, float32 [B,C,h,w], and a caption for each."""

    def close(self) -> None:
        """End whatever works for it."""


@dataclass(frozen=True)
class Latents:
    """Cached mean latents of the training pictures and of their mirror images.

    Attributes:
        plain, mirrored: float32 [N,C,h,w].
        may_mirror: bool [N]; False where the caption says left, right, flag or the like.
        weights: how often each picture should be seen, [N].
    """

    plain: Tensor
    mirrored: Tensor
    may_mirror: Tensor
    weights: Tensor

    def shown(self, indices: Tensor, mirror: float, clock: Clock, device: torch.device) -> Tensor:
        """Latents of pictures [B,C,h,w], a share ``mirror`` of them mirrored where they may be."""
        toss = torch.rand(clock.batch, generator=clock.generator("mirror")) < mirror
        flip = (toss & self.may_mirror[indices]).to(device)[:, None, None, None]
        return torch.where(flip, rows(self.mirrored, indices, device), rows(self.plain, indices, device))


class StoredExamples:
    """Examples of a set of pictures that is held in memory, in weighted epochs.

    Args:
        latents: of all pictures.
        captions: draws one for a picture, another every time.
        mirror: share that is shown mirrored, where the caption allows it.
        seed: the run's seed.
    """

    def __init__(self, latents: Latents, captions: CaptionSampler, mirror: float, seed: int) -> None:
        self.latents, self.captions, self.mirror = latents, captions, mirror
        self.order = Order(latents.weights, seed)

    @property
    def shape(self) -> torch.Size:
        """Of one picture's latents, [C,h,w]."""
        return self.latents.plain.shape[1:]

    def at(self, clock: Clock, device: torch.device) -> tuple[Tensor, list[str]]:
        """Clean latents of this step, float32 [B,C,h,w], and a caption for each, drawn anew."""
        indices, rng = self.order.indices(clock), clock.generator("captions")
        clean = self.latents.shown(indices, self.mirror, clock, device)
        return clean, [self.captions(i, rng) for i in indices.tolist()]

    def close(self) -> None:
        """Nothing works for it."""


@dataclass(frozen=True)
class Known:
    """What a model could draw before: latents float32 [M,C,h,w], and the prompts that they were drawn by."""

    latents: Tensor
    texts: list[str]


class Replayed:
    """Examples, of which the last in every batch are what the model could draw before, so that it does not forget that.

    Args:
        examples: what is to be learnt.
        known: what is known.
        share: of those in a batch, below 1.
    """

    def __init__(self, examples: Examples, known: Known, share: float) -> None:
        self.examples, self.known, self.share = examples, known, share

    @property
    def shape(self) -> torch.Size:
        """Of one picture's latents, [C,h,w]."""
        return self.examples.shape

    def again(self, batch: int) -> int:
        """How many of a batch are known."""
        return min(batch - 1, round(batch * self.share))

    def at(self, clock: Clock, device: torch.device) -> tuple[Tensor, list[str]]:
        """Clean latents of this step, float32 [B,C,h,w], and a caption for each; the known ones stand last."""
        again = self.again(clock.batch)
        clean, captions = self.examples.at(replace(clock, batch=clock.batch - again), device)
        which = torch.randint(len(self.known.texts), (again,), generator=clock.generator("known"))
        return (
            torch.cat([clean, self.known.latents[which].to(clean)]),
            [*captions, *(self.known.texts[i] for i in which.tolist())],
        )

    def close(self) -> None:
        """End whatever works for it."""
        self.examples.close()
