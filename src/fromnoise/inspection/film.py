"""A film from static to picture: the clean estimate at every step."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.whole import write_atomically
from fromnoise.provenance.marks import Made, png_info, xmp_of
from fromnoise.system.text_to_image import TextToImage

SUFFIXES = (".gif", ".webp", ".png")
STRIP = 10  # pictures side by side in a .png


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


def save_film(
    frames: Sequence[Image.Image], file: Path, seconds: float = 4.0, zoom: int = 4, made: Made | None = None
) -> None:
    """Write a film; see :func:`film_bytes`."""
    write_atomically(file, film_bytes(frames, file.suffix.lower(), seconds, zoom, made))


def film_bytes(
    frames: Sequence[Image.Image], suffix: str, seconds: float = 4.0, zoom: int = 4, made: Made | None = None
) -> bytes:
    """A film as a file.

    A .gif or .webp moves for ``seconds`` and then holds its last frame for two; a .png is a strip of ten frames side
    by side, for paper and web pages. With ``made`` it says so: in XMP, or in a GIF's comment.
    """
    buffer = io.BytesIO()
    if suffix == ".png":
        _strip(frames).save(buffer, "PNG", pnginfo=None if made is None else png_info(made))
    else:
        size = (frames[0].width * zoom, frames[0].height * zoom)
        first, *rest = [frame.resize(size, Image.Resampling.NEAREST) for frame in frames]
        each = max(20, round(1000 * seconds / len(frames)))
        options = {"save_all": True, "append_images": rest, "duration": [each] * len(rest) + [2000], "loop": 0}
        if made is not None:
            options |= {"xmp": xmp_of(made).encode()} if suffix == ".webp" else {"comment": xmp_of(made).encode()}
        first.save(buffer, suffix[1:].upper(), **options)
    return buffer.getvalue()


def _strip(frames: Sequence[Image.Image], zoom: int = 1) -> Image.Image:
    count = min(STRIP, len(frames))
    chosen = [frames[round(i * (len(frames) - 1) / max(1, count - 1))] for i in range(count)]
    width, height = frames[0].width * zoom, frames[0].height * zoom
    strip = Image.new("RGB", (count * (width + 4) - 4, height), "white")
    for i, frame in enumerate(chosen):
        strip.paste(frame.resize((width, height), Image.Resampling.NEAREST), (i * (width + 4), 0))
    return strip
