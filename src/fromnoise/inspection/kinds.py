"""Pictures of a few kinds of things, to be told apart: chosen by caption, varied, and held out from each other fairly.

Sets of stickers have few drawings of a thing, and some of these are nearly one: the same banana, once shaded and once
flat. Whatever is nearly the same counts as one *drawing*; it and all its variants are learnt from together or held out
together. There are several machines, each of which learns without some of the drawings and guesses those, so that
every picture is guessed once by a machine that has not seen its drawing.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fromnoise.drawing.low_pixels import squared
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import opened_file
from fromnoise.inspection.measures import thing
from fromnoise.system.copies_file import check_whose, parts_of, reading, require
from fromnoise.system.defaults import COPIES
from fromnoise.system.text_to_image import TextToImage

SIDE = 64  # of the pictures that are measured
KINDS = ("banana", "tomato", "pea")
FEWEST_KINDS, MOST_KINDS = 2, 6
FEWEST, MOST = 2, 64  # drawings, and pictures, of a kind
FOLDS = 4  # machines, at most
EACH = 36  # pictures of a kind with all variants, so that guessing blindly is right once in as many as there are kinds
# Two drawings are nearly one whose colours differ less than ALIKE, or whose outlines overlap more than OUTLINES while
# their colours differ less than SHADED. That finds 7 of 8 twins in the starter set (once shaded, once flat), and 1 of
# 27 other pairs of one thing.
OUTLINES, ALIKE, SHADED = 0.9, 0.11, 0.25
TURN, SMALL, LARGE = 15.0, 0.65, 0.9  # degrees; of a variant's scale
MOST_SEEDS = 1_000_003  # apart: the seeds of two pictures' variants
KEPT = 32  # pixels of side of what a model carries
THUMBNAIL = 1024  # pixels of side; what says it is larger is damaged


@dataclass(frozen=True, eq=False)
class Drawings:
    """The pictures that were found.

    Attributes:
        images: uint8 [N,3,SIDE,SIDE] on white.
        label: which kind each shows, int64 [N].
        drawing: equal for pictures that are nearly the same, int64 [N]; 0, 1, ….
        names: of each picture, as a person would name it.
        kinds: as they were asked for.
        captions: how the pictures of each kind are mostly called, one for each kind.
        origin: where the pictures are from, as the end of a sentence.
        drawn: which pictures a model drew, bool [N].
        trained: whether the model was trained on these very pictures (those that it did not draw); None: not known.
    """

    images: Tensor
    label: Tensor
    drawing: Tensor
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    captions: tuple[str, ...]
    origin: str
    drawn: Tensor
    trained: bool | None = None

    def count(self, kind: int) -> int:
        """How many drawings there are of a kind; what is nearly the same counts once."""
        return len(self.drawing[self.label == kind].unique())


@dataclass(frozen=True, eq=False)
class Pictures:
    """Captioned pictures to choose from; see :func:`gather`, whose arguments they are."""

    captions: Sequence[str]
    names: Sequence[str]
    opened: Callable[[int], Tensor]
    origin: str
    trained: bool | None = None

    def of(self, kinds: Sequence[str]) -> Drawings:
        """The pictures of some kinds.

        Raises:
            UserError: see :func:`gather`.
        """
        return gather(self.captions, self.names, self.opened, kinds, self.origin, self.trained)


@dataclass(frozen=True, eq=False)
class Examples:
    """What machines learn from and are tested with: the drawings and their variants, equally many of each kind.

    Attributes:
        drawings: what they are variants of.
        images: uint8 [M,3,SIDE,SIDE].
        label: which kind, int64 [M].
        source: number of the picture in ``drawings`` that it is a variant of, int64 [M].
        variant: 0 for the picture itself, 1, 2, … for its variants, int64 [M].
        fold: the machine that does not learn from it, and guesses it: int64 [M]; 0, 1, ….
    """

    drawings: Drawings
    images: Tensor
    label: Tensor
    source: Tensor
    variant: Tensor
    fold: Tensor

    @property
    def folds(self) -> int:
        """How many machines there are."""
        return int(self.fold.max()) + 1

    @property
    def drawing(self) -> Tensor:
        """The drawing that each shows, int64 [M]."""
        return self.drawings.drawing[self.source]


# --- choosing ---------------------------------------------------------------------------------------------------


def check_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """The kinds, without blanks around them.

    Raises:
        UserError: too few or too many, or one twice.
    """
    cleaned = tuple(" ".join(kind.lower().split()) for kind in kinds if kind.strip())
    if not FEWEST_KINDS <= len(cleaned) <= MOST_KINDS:
        raise UserError(f"name {FEWEST_KINDS} to {MOST_KINDS} kinds, as in banana,tomato,pea", "kinds")
    if len(set(cleaned)) < len(cleaned):
        raise UserError("each kind should be named once", "kinds")
    return cleaned


def showing(captions: Sequence[str], kind: str) -> list[int]:
    """Which captions name a kind: those that are just its name; if none is, those that have it as whole words."""
    lower = [caption.lower().strip() for caption in captions]
    exact = [i for i, caption in enumerate(lower) if caption == kind]
    return exact or [i for i, caption in enumerate(lower) if re.search(rf"\b{re.escape(kind)}\b", caption)]


def gather(
    captions: Sequence[str],
    names: Sequence[str],
    opened: Callable[[int], Tensor],
    kinds: Sequence[str],
    origin: str,
    trained: bool | None = None,
) -> Drawings:
    """Choose the pictures of some kinds; only these are opened.

    Args:
        captions: of all pictures there are.
        names: of all pictures.
        opened: makes picture number i, uint8 [3,H,W] on white, of any size.
        kinds: what to choose, as :func:`check_kinds` returns it.
        origin: where they are from, as the end of a sentence.
        trained: see :class:`Drawings`.

    Raises:
        UserError: a kind is not there, or two kinds share a picture.
    """
    found = [_spread_out(showing(captions, kind)) for kind in kinds]
    for kind, chosen in zip(kinds, found, strict=True):
        if not chosen:
            often = [name for name, n in Counter(captions).most_common(12) if n >= FEWEST]
            advice = f"; it has, among others, {', '.join(often)}" if often else ""
            raise UserError(f"no picture {origin} shows '{kind}'{advice}", "kinds")
    numbers = [i for chosen in found for i in chosen]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"some pictures show two of {', '.join(kinds)}: name kinds that exclude each other", "kinds")
    images = torch.cat([squared(opened(i)[None], SIDE) for i in numbers])
    label = torch.tensor([k for k, chosen in enumerate(found) for _ in chosen])
    called = tuple(Counter(captions[i] for i in chosen).most_common(1)[0][0] for chosen in found)
    names = tuple(names[i] for i in numbers)
    none = torch.zeros(len(label), dtype=torch.bool)
    return Drawings(images, label, same(images, label), names, tuple(kinds), called, origin, none, trained)


def _spread_out(chosen: list[int]) -> list[int]:
    """At most MOST of them, spread over all."""
    return chosen if len(chosen) <= MOST else [chosen[i * len(chosen) // MOST] for i in range(MOST)]


def carried(model: TextToImage, kinds: Sequence[str]) -> Drawings:
    """Those of :func:`carried_pictures` that show some kinds.

    Raises:
        UserError: as there, or a kind is not there.
    """
    return carried_pictures(model).of(kinds)


def carried_pictures(model: TextToImage) -> Pictures:
    """The small pictures of what a model was trained on that it carries with it, 32 pixels wide, enlarged.

    Raises:
        UserError: it carries none, or they are damaged or another model's.
    """
    if model.copies is None:
        raise UserError("this model carries no pictures of its training: name a folder (--data) or draw some (--drawn)")
    with reading(COPIES):
        tensors, about = parts_of(model.copies, COPIES)
        styles = [str(about["sources"][i][0]) for i in tensors["source"].tolist()]
        texts, ends = [str(text) for text in about["texts"]], tensors["ends"].tolist()
        ends = ends[: len(ends) - int(about.get("backdrop", 0))]  # what was not trained on stands last
        require(len(texts) >= len(ends) and len(styles) >= len(ends), "pictures without names")
        data = tensors["thumbnails"].numpy().tobytes()
    check_whose(about["trained_on"], model.trained_on, COPIES)
    names = [f"{text}, {style}" if style else text for text, style in zip(texts, styles, strict=False)]
    starts = [0, *ends]

    def opened(i: int) -> Tensor:
        with reading(COPIES), opened_file(data[starts[i] : ends[i]], ("WEBP",)) as small:
            require(max(small.size) <= THUMBNAIL, "a picture is too large")
            image = small.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()

    origin = f"of those that the model was trained on (kept {KEPT} pixels wide)"
    return Pictures(texts[: len(ends)], names, opened, origin, True)


def with_drawn(found: Drawings, pictures: Sequence[Tensor]) -> Drawings:
    """The same with pictures that a model drew: for each kind uint8 [n,3,H,W]."""
    more = torch.cat([squared(each, SIDE) for each in pictures])
    counts = [len(each) for each in pictures]
    label = torch.cat([found.label, torch.repeat_interleave(torch.tensor(counts))])
    images = torch.cat([found.images, more])
    names = (*found.names, *(f"{k}, drawn" for k, n in zip(found.kinds, counts, strict=True) for _ in range(n)))
    drawn = torch.cat([found.drawn, torch.ones(len(more), dtype=torch.bool)])
    groups = same(images, label)
    return dataclasses.replace(found, images=images, label=label, drawing=groups, names=names, drawn=drawn)


def same(images: Tensor, label: Tensor) -> Tensor:
    """Numbers that are equal for pictures [N,3,P,P] of one kind that are nearly one drawing, int64 [N]; 0, 1, ….

    Their colours hardly differ, or differ little inside the same outline. What is linked by a chain of such pairs is
    one too. Two different things of one kind and outline may be taken for one: that errs on the side of holding out
    too much.
    """
    where = thing(images).flatten(1).float()
    both = where @ where.T
    either = where.sum(1)[:, None] + where.sum(1) - both
    low = F.adaptive_avg_pool2d(images.float() / 255, 12).flatten(1)
    apart = torch.cdist(low, low) / (low.shape[1] * either.clamp_min(1) / where.shape[1]).sqrt()  # of the things alone
    near = (apart < ALIKE) | ((both / either.clamp_min(1) > OUTLINES) & (apart < SHADED))
    near = (near & (label[:, None] == label)).float()
    near.fill_diagonal_(1)
    for _ in range(max(1, len(near).bit_length())):  # each turn doubles the chains
        near = (near @ near > 0).float()
    return near.argmax(1).unique(return_inverse=True)[1]


# --- variants and folds -----------------------------------------------------------------------------------------


def examples(found: Drawings, seed: int = 0) -> Examples:
    """Equally many pictures of each kind, by variants, and who guesses which.

    Raises:
        UserError: a kind has too few drawings to hold any out.
    """
    for k, kind in enumerate(found.kinds):
        if found.count(k) < FEWEST:
            said = f"all pictures of '{kind}' {found.origin} are nearly one drawing, so none can be held out"
            advice = ", or let the model draw more (--drawn 10)"
            raise UserError(f"{said}; name another kind", "kinds", advice=advice)
    counts = torch.bincount(found.label, minlength=len(found.kinds)).tolist()
    each = max(EACH, *counts)
    source, variant = [], []
    for k, n in enumerate(counts):
        own = (found.label == k).nonzero().flatten().tolist()
        source += [own[i % n] for i in range(each)]
        variant += [i // n for i in range(each)]
    order, version = torch.tensor(source), torch.tensor(variant)
    images = torch.stack(
        [varied(found.images[i], v, seed + MOST_SEEDS * i) for i, v in zip(source, variant, strict=True)]
    )
    return Examples(found, images, found.label[order], order, version, folds(found, seed)[order])


def folds(found: Drawings, seed: int) -> Tensor:
    """Which machine guesses each picture, int64 [N]: whole drawings are dealt out, those of each kind evenly."""
    count = min(FOLDS, *(found.count(k) for k in range(len(found.kinds))))
    rng = torch.Generator().manual_seed(seed)
    dealt = torch.zeros(int(found.drawing.max()) + 1, dtype=torch.long)
    for k in range(len(found.kinds)):
        own = found.drawing[found.label == k].unique()
        dealt[own[torch.randperm(len(own), generator=rng)]] = torch.arange(len(own)) % count
    return dealt[found.drawing]


def varied(picture: Tensor, number: int, seed: int = 0) -> Tensor:
    """Variant ``number`` of a picture uint8 [3,P,P]: perhaps mirrored, turned by up to 15°, made smaller, and moved, on
    white. 0 is the picture itself.
    """
    if number == 0:
        return picture
    rng = torch.Generator().manual_seed(1009 * seed + number)
    mirror, turn, scale, right, down = torch.rand(5, generator=rng).tolist()
    angle, scale = math.radians(TURN * (2 * turn - 1)), SMALL + (LARGE - SMALL) * scale
    room = 0.8 * (1 - scale)  # what it can be moved by and stay inside
    cos, sin, flip = math.cos(angle) / scale, math.sin(angle) / scale, -1 if mirror < 0.5 else 1
    x, y = room * (2 * right - 1), room * (2 * down - 1)
    matrix = torch.tensor([[flip * cos, flip * sin, 0.0], [-sin, cos, 0.0]])
    matrix[:, 2] = -matrix[:, :2] @ torch.tensor([x, y])
    grid = F.affine_grid(matrix[None], [1, *picture.shape], align_corners=False)
    ink = F.grid_sample(255 - picture[None].float(), grid, "bilinear", "zeros", align_corners=False)
    return (255 - ink[0]).round().clamp(0, 255).to(torch.uint8)
