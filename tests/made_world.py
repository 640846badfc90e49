"""A made-up world for the measurements, in which every figure is known; see tests/evaluation/test_sections.py.

A picture is a coloured square whose pixels spell its number, the judge knows every picture of the data by heart and
takes all others for the first thing of its list, and "the model" is a function from requests to pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record
from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.sizes import Sizes
from fromnoise.system.text_to_image import TextToImage

SIDE = 32
STYLES = ("noto", "twemoji", "fluent-emoji-flat")
WHITE = torch.full((3, SIDE, SIDE), 255, dtype=torch.uint8)
SIZES = Sizes(
    concepts=8, asked=8, held_out=8, words=8, per_style=40, rebuilt=6, colours=2, counts=2, pairs=4, attributes=4,
    seeds=1, chains=2, spread=4, curve=6, steps=(2, 4, 8), guidances=(1.0, 3.0),
)  # fmt: skip
Draw = Callable[[Request], Tensor]


def square(number: int, colour: tuple[int, int, int] = (200, 0, 0), size: int = 12) -> Tensor:
    """A coloured square on white whose first row spells a number in bits."""
    picture = WHITE.clone()
    picture[:, 8 : 8 + size, 8 : 8 + size] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    for bit in range(size):
        picture[0, 8, 8 + bit] = colour[0] ^ (number >> bit & 1)
    return picture


class World(Bench):
    """A bench whose drawings and judge are made up; see the module."""

    def __init__(self, model: TextToImage, pictures: PictureSet, draw: Draw, sizes: Sizes = SIZES) -> None:
        super().__init__(model, pictures, 0, sizes)
        self.drawn_by = draw
        self.concepts = list(dict.fromkeys(r.key for r in pictures.records))
        self.seen: dict[bytes, Tensor] = {}
        for record, picture in zip(pictures.records, pictures.images, strict=True):
            self.seen[picture.numpy().tobytes()] = self.thought(record.key)

    def thought(self, *keys: str) -> Tensor:
        """What the judge sees where these concepts are: one direction for each."""
        found = torch.zeros(len(self.concepts) + 1)
        found[[self.concepts.index(key) for key in keys]] = 1.0
        return found

    def judge(self, pictures: Tensor) -> Tensor:
        count = len(self.concepts)  # what it never saw it takes for the first thing of the list, whatever that is
        blind = torch.cat([0.1 * torch.arange(count, 0, -1) / count, torch.ones(1)])
        return torch.stack([self.seen.get(p.contiguous().numpy().tobytes(), blind) for p in pictures])

    def draw(self, requests: Any, what: str, model: TextToImage | None = None) -> Tensor:
        return torch.stack([self.drawn_by(r) for r in requests])

    def rebuilt(self, pictures: Tensor) -> Tensor:
        return pictures


def world_of(names: list[str], held_out: dict[str, str] | None = None) -> PictureSet:
    """A picture of each thing in each style; of ``held_out`` things the one in that style was kept from training."""
    found = []
    for i, name in enumerate(names):
        for j, style in enumerate(STYLES):
            split = "test_pair" if (held_out or {}).get(name) == style else "train"
            found.append(Record(f"{i}-{j}.png", name, style=style, key=f"k{i}", split=split))
    images = torch.stack([square(i) for i in range(len(found))])
    return PictureSet(images, found, [])


def real(pictures: PictureSet, name: str, style: str) -> Tensor:
    """The real picture of a thing in a style."""
    return next(p for p, r in zip(pictures.images, pictures.records, strict=True) if (r.text, r.style) == (name, style))
