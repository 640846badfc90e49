"""The area of a prompt: how far its pictures lie from each other in CLIP space. More words leave less room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.drawing.generate import draw_plans
from fromnoise.drawing.plan import Plan
from fromnoise.ground.cores import available_cores
from fromnoise.ground.errors import UserError
from fromnoise.inspection.clip_map import ClipMap, clip_of, picture_vectors, text_vectors
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

PICTURES = 16
DEVIATIONS = 2.0  # standard deviations from an ellipse's centre to its edge


@dataclass(frozen=True)
class Ellipse:
    """Where most of some points lie: two standard deviations around their mean, in each direction.

    Attributes:
        centre: (x, y) on the map.
        axes: the longer and the shorter half axis, in sides of the map.
        angle: of the longer one, in radians, from the x axis towards the y axis.
    """

    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float


@dataclass(frozen=True, eq=False)
class Area:
    """The pictures of a prompt that are drawn so far.

    Attributes:
        prompt: what they show.
        seeds: of each.
        wanted: how many there will be.
        pictures: uint8 [n,3,H,W].
        vectors: float32 [n,D], their unit vectors in CLIP space.
        places: float32 [n,2], where they lie on the map.
        spread: see :func:`spread_of`.
        ellipse: around ``places``.
    """

    prompt: str
    seeds: tuple[int, ...]
    wanted: int
    pictures: Tensor
    vectors: Tensor
    places: Tensor
    spread: float
    ellipse: Ellipse


def spread_of(vectors: Tensor) -> float:
    """How far unit vectors [n,D] lie from their mean m: √(1/n Σ|vᵢ − m|²), which is √(1 − |m|²).

    0 where all are the same, 1 where they point everywhere alike. One picture alone has 0.
    """
    around = vectors.double() - vectors.double().mean(0)
    return float(around.square().sum(1).mean().sqrt())


def spread_error(vectors: Tensor) -> float | None:
    """How far :func:`spread_of` vectors [n,D] may be off because there are only n of them: its standard error.

    By leaving out one after the other (the jackknife); None of fewer than 3.
    """
    count = len(vectors)
    if count < 3:
        return None
    without = torch.tensor([spread_of(torch.cat([vectors[:i], vectors[i + 1 :]])) for i in range(count)]).double()
    return float(((count - 1) * (without - without.mean()).square().mean()).sqrt())


def ellipse_of(places: Tensor) -> Ellipse:
    """The ellipse around points [n,2]; see :class:`Ellipse`."""
    flat = places.double()
    centre = flat.mean(0)
    around = flat - centre
    variances, directions = torch.linalg.eigh(around.T @ around / len(flat))  # ascending
    shorter, longer = (DEVIATIONS * variances.clamp(min=0).sqrt()).tolist()
    angle = math.atan2(float(directions[1, 1]), float(directions[0, 1])) % math.pi
    return Ellipse((float(centre[0]), float(centre[1])), (longer, shorter), angle)


def areas(known: ClipMap, model: TextToImage, subject: Subject, count: int = PICTURES) -> Iterator[Area]:
    """Draw pictures of a prompt with seeds from the subject's on, and say after each one how much room they take.

    The settings are checked at once; what is drawn comes with the iterator, and closing it ends the drawing.

    Args:
        known: the model's map.
        model: draws, and its own CLIP looks.
        subject: what is drawn; its seed is the first picture's.
        count: pictures, 2 or more.

    Raises:
        UserError: fewer than 2 pictures, no CLIP, or what :func:`fromnoise.drawing.plan.plan` refuses.
    """
    clip_of(model)
    if count < 2:
        raise UserError(f"the area of a prompt needs 2 pictures or more, not {count}")
    return _growing(known, model, subject.prompt, subject.plan(model, count=count).one_by_one())


def _growing(known: ClipMap, model: TextToImage, prompt: str, plans: list[Plan]) -> Iterator[Area]:
    pictures, vectors, together = [], [], available_cores()
    around = None if known.names else known.place(text_vectors(model, [prompt]), "caption")[0]
    for start in range(0, len(plans), together):
        drawn = draw_plans(model, plans[start : start + together])
        for picture in drawn.split(1):
            pictures.append(picture)
            vectors.append(picture_vectors(model, picture))  # alone, so that no other changes it
            seeds = tuple(plan.seed for plan in plans[: len(pictures)])
            yield area_of(known, prompt, seeds, len(plans), (torch.cat(pictures), torch.cat(vectors)), around)


def area_of(
    known: ClipMap,
    prompt: str,
    seeds: tuple[int, ...],
    wanted: int,
    seen: tuple[Tensor, Tensor],
    around: Tensor | None = None,
) -> Area:
    """The area of pictures that are there.

    Args:
        known: the map.
        prompt, seeds, wanted: as in :class:`Area`.
        seen: pictures uint8 [n,3,H,W] and their unit vectors float32 [n,D].
        around: (x, y) that they are shown around, on a map without pictures of its own.
    """
    places = known.place(seen[1], "picture") if around is None else around + known.shape(seen[1])
    return Area(prompt, seeds, wanted, *seen, places, spread_of(seen[1]), ellipse_of(places))
