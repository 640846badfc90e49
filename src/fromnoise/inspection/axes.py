"""Bananas, peas and tomatoes: what has to be measured of a picture to know what it shows, and who finds the measures.

By hand (:mod:`fromnoise.inspection.measures`), one axis, two, three; by a network that begins with nothing
(:mod:`fromnoise.inspection.rounds`); and by CLIP, which has learnt a space of its own from pictures and their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.low_pixels import squared
from fromnoise.drawing.request import Request
from fromnoise.ground.cores import each_alone
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes
from fromnoise.inspection.kinds import KINDS, Drawings, Examples
from fromnoise.inspection.measures import MEASURES, check_measures, measured
from fromnoise.inspection.separating import Accuracy, Tried, accuracy, complete, held_out, try_all
from fromnoise.system.text_to_image import TextToImage

MOST_AXES = 3
LESSON = ("yellowness", "roundness", "greenness")  # what comes to mind of bananas, tomatoes and peas, in this order
MOST_DRAWN = 64  # pictures of a kind


@dataclass(frozen=True, eq=False)
class Space:
    """CLIP's space.

    Attributes:
        points: of each picture along the three directions in which they vary most (PCA), float32 [N,3].
        spread: share of all variance along each of the three, [3].
        by_middle: the kind whose mean is nearest, of means without the picture's own drawing, int64 [N].
        by_caption: the kind whose caption is nearest, int64 [N].
        middle, caption: how often these are right.
    """

    points: Tensor
    spread: tuple[float, ...]
    by_middle: Tensor
    by_caption: Tensor
    middle: Accuracy
    caption: Accuracy


@dataclass(frozen=True, eq=False)
class Axes:
    """What was measured.

    Attributes:
        examples: the pictures.
        values: all measures of all pictures, float32 [N,M], in the order of MEASURES.
        chosen: names of the measures that are shown: the first, then two, then three.
        guesses: held-out guesses with the first, the first two, all three: int64 [N,3].
        accuracies: how often these are right.
        tried: every set of one, of two, of three measures.
        space: CLIP's; None where the model has no CLIP.
    """

    examples: Examples
    values: Tensor
    chosen: tuple[str, ...]
    guesses: Tensor
    accuracies: tuple[Accuracy, ...]
    tried: tuple[Tried, ...]
    space: Space | None

    def score(self, guesses: Tensor) -> Accuracy:
        """How often guesses int64 [N] are right."""
        return accuracy(guesses == self.examples.label, self.examples.drawing)

    @property
    def columns(self) -> list[int]:
        """Which of ``values`` are shown."""
        return [list(MEASURES).index(name) for name in self.chosen]


def check_chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The measures that are to be shown.

    Raises:
        UserError: unknown, one twice, or more than three.
    """
    cleaned = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in names if name.strip()]
    check_measures(cleaned)
    if len(cleaned) > MOST_AXES or len(set(cleaned)) < len(cleaned):
        raise UserError(f"choose up to {MOST_AXES} different measures", "measures")
    return tuple(cleaned)


def axes_of(model: TextToImage, examples: Examples, wanted: Sequence[str] = ()) -> Axes:
    """Measure everything but the network, which :func:`fromnoise.inspection.rounds.rounds` trains.

    Args:
        model: whose CLIP is asked.
        examples: the pictures.
        wanted: up to three measures to show; what is missing is filled up with the best. None at all: those of the
            lesson, if the kinds are its own.

    Raises:
        UserError: see :func:`check_chosen`.
    """
    names, kinds = list(MEASURES), len(examples.drawings.kinds)
    wanted = check_chosen(wanted) or (LESSON if examples.drawings.kinds == KINDS else ())
    values, label, fold = measured(examples.images), examples.label, examples.fold
    tried = tuple(try_all(values, label, fold, kinds, n) for n in range(1, MOST_AXES + 1))
    shown = complete(tried, [names.index(name) for name in wanted], MOST_AXES)
    each = [held_out(values[:, list(shown[:n])], label, fold, kinds) for n in range(1, MOST_AXES + 1)]
    scores = tuple(accuracy(guesses == label, examples.drawing) for guesses in each)
    space = None if model.clip is None else space_of(model, examples)
    return Axes(examples, values, tuple(names[m] for m in shown), torch.stack(each, 1), scores, tried, space)


# --- CLIP -------------------------------------------------------------------------------------------------------


def space_of(model: TextToImage, examples: Examples) -> Space:
    """Where CLIP puts the pictures, and what it takes them for."""
    captions, label = examples.drawings.captions, examples.label
    vectors = _placed(model, examples.images)
    by_caption = (vectors @ _said(model, captions).T).argmax(1)
    by_middle = held_out(vectors, label, examples.fold, len(captions), scaled=False)
    points, spread = principal(vectors)
    scores = [accuracy(found == label, examples.drawing) for found in (by_middle, by_caption)]
    return Space(points, spread, by_middle, by_caption, *scores)


@torch.no_grad()
def _placed(model: TextToImage, pictures: Tensor) -> Tensor:
    """Unit vectors of pictures uint8 [N,3,H,W], float32 [N,P], on the CPU."""
    assert model.clip is not None
    clip = model.clip
    weight = clip.image_projection.weight
    small = from_bytes(squared(pictures, clip.config.image.pixels)).to(weight.device, weight.dtype)
    return torch.cat([clip.embed_image(part).float().cpu() for part in small.split(64)])


@torch.no_grad()
def _said(model: TextToImage, texts: Sequence[str]) -> Tensor:
    """Unit vectors of texts, float32 [T,P], on the CPU."""
    assert model.clip is not None
    clip = model.clip
    device = clip.text_projection.weight.device
    ids = [model.tokenizer.encode([text]).to(device) for text in texts]
    return torch.cat(each_alone(clip.embed_text, [(each,) for each in ids])).float().cpu()


def principal(vectors: Tensor) -> tuple[Tensor, tuple[float, ...]]:
    """Points [N,3] of vectors [N,P] along the three directions of greatest variance, and each one's share of it.

    The sign of a direction means nothing; each is turned so that its largest entry is positive.
    """
    centred = vectors.double() - vectors.double().mean(0)
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    directions = directions[:MOST_AXES]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    shares = (values**2 / (values**2).sum().clamp_min(1e-12))[:MOST_AXES]
    return (centred @ (directions * largest.sign()).T).float(), tuple(shares.tolist())


# --- more pictures ----------------------------------------------------------------------------------------------


def drawn_by(model: TextToImage, drawings: Drawings, count: int, seed: int = 0) -> list[Tensor]:
    """Pictures that the model draws of each kind, its styles in turn: uint8 [count,3,H,W] for each.

    Raises:
        UserError: too many.
    """
    if not 0 < count <= MOST_DRAWN:
        raise UserError(f"the model draws 1 to {MOST_DRAWN} pictures of each kind", "drawn")
    styles, found = model.styles or (None,), []
    for caption in drawings.captions:
        wanted = [Request(caption, style=styles[i % len(styles)], seed=seed + i) for i in range(count)]
        found.append(draw_all(model, wanted))
    return found
