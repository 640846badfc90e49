"""Is a drawing a copy of a training picture? Answered by pixels alone, so that the answer may choose what is drawn.

``fromnoise inspect copies`` also asks the network that judges what a model can do, and by rule nothing is chosen by
that one; so thresholds are made anew here, of the index's low-passed pixels:

* training pictures nearer than SAME to each other, and whatever that links, are one group;
* a picture's ratio is its distance to the nearest training picture, over the mean distance to the next OTHERS groups
  (about 0.7 in the middle of many, near 0 for a copy);
* the limit is the ratio that REAL of the training pictures stay below, each left out with its group: so near do real
  pictures that are no copies come to others. It is looser than that of ``inspect copies``: this accuses nobody, and a
  candidate refused without need costs one candidate.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.drawing.low_pixels import SIDE, Pixels, masked, pixel_distances, seen, squared
from fromnoise.ground.wording import styled
from fromnoise.system.copies_file import check_whose, parts_of, reading, require, unpacked
from fromnoise.system.defaults import COPIES
from fromnoise.system.text_to_image import TextToImage

OTHERS = 50  # groups whose mean distance is the yardstick
SAME = 0.06  # of 0…1; from 0.08 on, the stickers' groups grow together into ones of a hundred different things
REAL = 0.02
MOST_REAL = 512  # training pictures that the limit is made of, evenly spread over the index
AT_ONCE = 256


@dataclass(frozen=True)
class Likeness:
    """How like a training picture a drawing is.

    Attributes:
        ratio: see above.
        copy: whether it is below the limit.
        name: of that training picture, as a person would say it.
    """

    ratio: float
    copy: bool
    name: str


@dataclass(frozen=True, eq=False)
class KnownPictures:
    """A model's training pictures, to compare with.

    Attributes:
        side: of the square that drawings are brought to.
        pixels: of N pictures.
        group: int64 [N], equal for pictures that are nearly the same; 0, 1, ….
        names: of the first pictures, those of the training; the others are a backdrop that is never named.
        limit: a ratio below it is called a copy.
    """

    side: int
    pixels: Pixels
    group: Tensor
    names: tuple[str, ...]
    limit: float = 0.0

    def like(self, picture: Tensor) -> Likeness:
        """The nearest training picture of a drawing, uint8 [3,H,W]."""
        ratio, nearest = self.ratios(seen(squared(picture[None], self.side)))
        return Likeness(float(ratio), float(ratio) < self.limit, self.names[int(nearest)])

    def ratios(self, dark: Tensor, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Ratios float32 [N] and nearest training pictures int64 [N] of darkness, uint8 [N,V,3·SIDE·SIDE].

        Args:
            dark: from several sides; the one from which it is nearest counts.
            without: a group for each, int64 [N], that is left out for it.
        """
        sides = [pixel_distances(masked(side), self.pixels) for side in dark.unbind(1)]
        distances = functools.reduce(torch.minimum, sides)
        if without is not None:
            distances = distances.masked_fill(self.group[None] == without[:, None], torch.inf)
        each = torch.full((len(distances), int(self.group.max()) + 1), torch.inf)
        each.scatter_reduce_(1, self.group.expand_as(distances), distances, "amin")
        nearest = distances[:, : len(self.names)].min(1)
        each.scatter_(1, self.group[nearest.indices][:, None], torch.inf)  # its own group is none of the others
        yardstick = each.topk(min(OTHERS, each.shape[1] - 2), largest=False).values.mean(1)
        return nearest.values / yardstick.clamp_min(1e-6), nearest.indices


def known_pictures(model: TextToImage) -> KnownPictures | None:
    """The training pictures that a model's folder knows; None where it has no index of them.

    Raises:
        UserError: the index is damaged, of another version, or another model's.
    """
    return None if model.copies is None else read_known(model.copies, model.trained_on)


@functools.lru_cache(maxsize=2)  # a second of work for thousands of pictures
def read_known(data: bytes, trained_on: str) -> KnownPictures | None:
    """What the bytes of an index know; None of pictures that are all nearly the same.

    Args:
        data: the whole file.
        trained_on: what :func:`fromnoise.system.copies_file.pictures_of` says of the model.

    Raises:
        UserError: see :func:`known_pictures`.
    """
    with reading(COPIES):
        tensors, about = parts_of(data, COPIES)
        texts, side, backdrop = about["texts"], about["side"], about.get("backdrop", 0)
        whose = [str(about["sources"][i][0]) for i in tensors["source"].tolist()]
        require(isinstance(side, int) and 8 <= side <= 4096, f"its pictures' side is {side!r}")
        require(isinstance(backdrop, int) and 0 <= backdrop < len(texts), f"{backdrop!r} pictures are a backdrop")
        dark = dark_in(tensors, len(texts))
        names = [styled(str(text), style) for text, style in zip(texts, whose, strict=True)]
    check_whose(str(about.get("trained_on")), trained_on, COPIES)
    pixels = masked(dark)
    group = grouped(pixels)
    if int(group.max()) < 2:
        return None
    bare = KnownPictures(side, pixels, group, tuple(names[: len(names) - backdrop]))
    return KnownPictures(side, pixels, group, bare.names, limit_of(bare, dark))


def dark_in(tensors: dict[str, Tensor], count: int) -> Tensor:
    """The pixels of an index of so many pictures, uint8 [N,3·SIDE·SIDE].

    Raises:
        ValueError: they are not as many as that.
    """
    size = count * 3 * SIDE * SIDE
    data = unpacked(tensors["dark"], size)
    require(len(data) == size > 0, "its pixels are cut off")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(count, -1)


def limit_of(known: KnownPictures, dark: Tensor) -> float:
    """The limit that a model's own training pictures set; they are looked at as they are and mirrored."""
    some = torch.arange(0, len(known.names), -(-len(known.names) // MOST_REAL))
    mirrored = dark[some].unflatten(1, (3, SIDE, SIDE)).flip(3).flatten(1)
    parts = torch.stack([dark[some], mirrored], 1).split(AT_ONCE), known.group[some].split(AT_ONCE)
    ratios = torch.cat([known.ratios(views, own)[0] for views, own in zip(*parts, strict=True)])
    return float(ratios.sort().values[int(REAL * len(ratios))])


def grouped(pixels: Pixels) -> Tensor:
    """The group of each picture, int64 [N]: those nearer than SAME, and whatever that links."""
    count = len(pixels.dark)
    a, b = torch.cat(list(_near(pixels))).T
    label = torch.arange(count)
    while True:  # the smallest number spreads along the links
        smaller = label.clone().scatter_reduce_(0, a, label[b], "amin")
        if torch.equal(smaller := smaller[smaller], label):
            return torch.unique(label, return_inverse=True)[1]
        label = smaller


def _near(pixels: Pixels) -> Iterator[Tensor]:
    """Pairs of near pictures (each with itself, too), int64 [P,2], block by block."""
    for begin in range(0, len(pixels.dark), AT_ONCE):
        block = slice(begin, begin + AT_ONCE)
        near = pixel_distances(Pixels(pixels.dark[block], pixels.mask[block]), pixels) < SAME
        yield near.nonzero() + torch.tensor([begin, 0])
