"""A film from static to picture: the clean estimate at every step."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.picture_file import to_image, write_atomically
from fromnoise.system import TextToImage

SUFFIXES = (".gif", ".webp")


class Film:
    """Collects the frames of a batch while it is drawn.

    The first frame is the noise itself, decoded; each further one is what the network believed at that step.
    Only latents are kept until the end, so watching costs next to nothing.

    Args:
        model: decodes the latents.
    """

    def __init__(self, model: TextToImage) -> None:
        self._model = model
        self._latents: list[Tensor] = []

    def add(self, step: Step) -> None:
        """Take in one step."""
        if not self._latents:
            self._latents.append(step.x_t)
        self._latents.append(step.x0_hat)

    def frames(self, index: int, most: int = 120) -> list[Image.Image]:
        """The frames of picture ``index``; long runs are thinned to ``most``. The last one is the picture itself."""
        chosen = torch.linspace(0, len(self._latents) - 1, min(most, len(self._latents))).round().int().tolist()
        latents = torch.stack([self._latents[i][index] for i in chosen])
        return [to_image(picture) for picture in self._model.decode(latents)]


def save_film(frames: Sequence[Image.Image], file: Path, seconds: float = 4.0, zoom: int = 4) -> None:
    """Write an animation (.gif or .webp) that takes ``seconds`` and then holds its last frame for two."""
    size = (frames[0].width * zoom, frames[0].height * zoom)
    large = [frame.resize(size, Image.Resampling.NEAREST) for frame in frames]
    each = max(20, round(1000 * seconds / len(large)))
    durations = [each] * (len(large) - 1) + [2000]
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": large[1:], "duration": durations, "loop": 0}
    large[0].save(buffer, file.suffix[1:].upper(), **options)
    write_atomically(file, buffer.getvalue())
