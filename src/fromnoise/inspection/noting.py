"""Noting what a drawing asks its denoiser, and what that answers: the very numbers the sampler goes on with.

    noted = noting(model)
    for event in generate(noted, plan):
        asked = noted.take()             # of this step

A noted model draws the same bits: its denoiser hands every call on as it came, and every answer back as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from fromnoise.diffusion.denoiser import Call, ManyDenoiser, Wrapping, call_many
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.system.text_to_image import TextToImage


@dataclass(frozen=True, eq=False)
class Asked:
    """Calls that were made at once, at one noise level.

    Attributes:
        t: the level.
        answers: x̂_0 of each call, float32 [B,C,h,w] each. With guidance there are two, with words first.
    """

    t: float
    answers: tuple[Tensor, ...]


class Noting(Wrapping):
    """A denoiser that notes what it answers.

    Args:
        denoiser: the one that answers.
        kept: where it is noted.
    """

    def __init__(self, denoiser: ManyDenoiser, kept: list[Asked]) -> None:
        super().__init__(denoiser)
        self.kept = kept

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """x̂_0, float32 [B,C,h,w]."""
        return self.many([(x_t, t, cond)])[0]

    def many(self, calls: Sequence[Call]) -> list[Tensor]:
        """The answers to several calls."""
        answers = call_many(self.denoiser, calls)
        self.kept.append(Asked(float(calls[0][1][0]), tuple(answers)))
        return answers


@dataclass(frozen=True, eq=False)
class NotedModel(TextToImage):
    """A model whose denoiser notes what it answers; made by :func:`noting`.

    Attributes:
        inner: the model that answers.
        kept: what was answered and not yet taken.
    """

    inner: TextToImage | None = None
    kept: list[Asked] = field(default_factory=list)

    def denoiser(self, walk: NoiseSchedule | None = None) -> ManyDenoiser:
        """The inner model's, noted."""
        assert self.inner is not None
        return Noting(self.inner.denoiser(walk), self.kept)

    def take(self) -> list[Asked]:
        """What was asked since the last time, in order."""
        asked = [*self.kept]
        self.kept.clear()
        return asked


def noting(model: TextToImage) -> NotedModel:
    """The model, with a denoiser that notes; for one drawing at a time."""
    return NotedModel(**{**parts_of(model), "backend": model.engine, "inner": model})


def parts_of(model: TextToImage) -> dict[str, Any]:
    """What a :class:`TextToImage` is made of, by its arguments, to make one that differs in one of them."""
    return {f.name: getattr(model, f.name) for f in fields(TextToImage) if f.init}
