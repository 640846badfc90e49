"""The best of several candidates: another model, CLIP, looks at each picture.

CLIP is the model's own, the two towers that its words come from. A network that judges what a model can do has no say
here, or its figures would mean nothing; tests/evaluation/test_strangers.py sees to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.drawing.choice import Choice
from fromnoise.drawing.known_pictures import Likeness, known_pictures
from fromnoise.drawing.low_pixels import squared
from fromnoise.drawing.plan import Plan
from fromnoise.ground.cores import each_alone
from fromnoise.ground.pictures import from_bytes
from fromnoise.models.clip.clip import CLIP
from fromnoise.system.prompt import Chunks
from fromnoise.system.text_to_image import TextToImage

T = TypeVar("T")


def choose(model: TextToImage, plan: Plan, pictures: Tensor) -> Choice:
    """Which candidate is kept: of those that are no copies, the one that fits the words best; of copies only, the one
    that is least so. Of equals the first.

    Args:
        model: what drew them; it has CLIP.
        plan: that they are candidates of.
        pictures: uint8 [N,3,H,W], as drawn: not enlarged, nothing cut out.
    """
    scores = fit(model, plan, pictures)
    known = known_pictures(model)
    found = [] if known is None else _each(known.like, pictures.cpu())
    kept = best(scores, found)
    copies = tuple(i for i, likeness in enumerate(found) if likeness.copy)
    like = found[kept].name if kept in copies else ""
    return Choice(plan.seed, kept, tuple(round(score, 6) for score in scores), copies, like)


def best(scores: Sequence[float], found: Sequence[Likeness]) -> int:
    """The number of the candidate to keep.

    >>> best([0.2, 0.9, 0.5], [Likeness(0.7, False, "a"), Likeness(0.1, True, "b"), Likeness(0.6, False, "c")])
    2

    Args:
        scores: of each candidate, larger is better.
        found: how like a training picture each is; empty where nobody knows.
    """
    fine = [i for i in range(len(scores)) if not found or not found[i].copy]
    if fine:
        return max(fine, key=lambda i: scores[i])
    return max(range(len(scores)), key=lambda i: found[i].ratio)


def fit(model: TextToImage, plan: Plan, pictures: Tensor) -> list[float]:
    """The cosine between each picture, uint8 [N,3,H,W], and a plan's words, -1…1; each by itself, so that no other
    picture changes it.

    Raises:
        ValueError: the model has no CLIP.
    """
    return [row[0] for row in fits(model, meanings(model, [plan]), pictures)]


def fits(model: TextToImage, words: Sequence[Tensor], pictures: Tensor) -> list[list[float]]:
    """For each picture, uint8 [N,3,H,W], its cosine with each of several :func:`meanings`, -1…1; each by itself.

    Raises:
        ValueError: the model has no CLIP.
    """
    clip = _clip(model)
    weight = clip.text_projection.weight

    def one(picture: Tensor) -> list[float]:
        small = from_bytes(squared(picture[None], clip.config.image.pixels).to(weight.device)).to(weight.dtype)
        seen = clip.embed_image(small)[0].float()
        return [float(seen @ each) for each in words]

    return _each(one, pictures)


def meanings(model: TextToImage, plans: Sequence[Plan]) -> list[Tensor]:
    """What CLIP reads in each plan's words, a unit vector [P] for each; each by itself.

    Raises:
        ValueError: the model has no CLIP.
    """
    clip = _clip(model)
    device = clip.text_projection.weight.device

    def read(chunks: Chunks) -> Tensor:
        return _each(lambda ids: _said(clip, ids.to(device), chunks), [chunks.ids])[0]

    return [read(plan.words.wanted.chunks[0]) for plan in plans]


def _clip(model: TextToImage) -> CLIP:
    if model.clip is None:
        raise ValueError("there is no CLIP to choose with")
    return model.clip


def _said(clip: CLIP, ids: Tensor, chunks: Chunks) -> Tensor:
    """The direction of a prompt, [P]: the mean of its parts', each as heavy as it has tokens.

    How heavy brackets make a word is for the U-Net; CLIP reads all words as they are.
    """
    counts = torch.tensor(chunks.counts, device=ids.device)
    parts = clip.embed_text(ids[counts > 0]).float()
    return F.normalize((counts[counts > 0, None] * parts).sum(0), dim=0)


def _each(function: Callable[[Tensor], T], tensors: Tensor | Sequence[Tensor]) -> list[T]:
    return each_alone(function, [(tensor,) for tensor in tensors])
