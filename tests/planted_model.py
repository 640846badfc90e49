"""A model whose guesses are known: one with words, one without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import FunctionDenoiser
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.inspection.noting import parts_of
from fromnoise.system.text_to_image import TextToImage


@dataclass(frozen=True, eq=False)
class Planted(TextToImage):
    """It answers ``told`` to any words, and ``deaf`` to none; both [C,h,w]."""

    told: Tensor | None = None
    deaf: Tensor | None = None

    def denoiser(self, walk: NoiseSchedule | None = None) -> Any:
        none = self.read([""])[0]

        def answer(x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
            assert self.told is not None
            assert self.deaf is not None
            return torch.stack([self.deaf if torch.equal(row, none) else self.told for row in cond])

        return FunctionDenoiser(answer, walk or self.schedule, self.prediction)


def planted(model: TextToImage, told: Tensor, deaf: Tensor) -> Planted:
    parts: dict[str, Any] = parts_of(model)
    return Planted(**parts, told=told, deaf=deaf)
