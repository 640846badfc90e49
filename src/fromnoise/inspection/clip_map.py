"""The map: captions and pictures of the training set as points, so near to each other as CLIP finds them alike.

CLIP makes of every text and of every picture one direction in a space of some hundred dimensions. The map flattens it
to two. Texts and pictures lie in two separate cones of that space (Liang et al. 2022, arXiv 2203.02053), so each kind
is looked at from its own mean; otherwise the map would show two islands and nothing else.

A map is stored beside its model (:mod:`fromnoise.inspection.map_file`) and needs nothing but the model to land a new
prompt. How near things are is said by the cosine between them in the whole space, never by how far apart they lie on
the map: two dimensions cannot keep all distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.drawing.low_pixels import squared
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes
from fromnoise.models.clip.clip import CLIP
from fromnoise.system.text_to_image import TextToImage

BETWEEN = 5  # a new point lies between so many known ones
AT_ONCE = 64
SHORTLIST = 4  # times as many captions as wanted are read again, for their exact cosines


@dataclass(frozen=True)
class Neighbour:
    """A known point near a prompt.

    Attributes:
        index: its number on the map.
        kind: "caption" or "picture".
        text: the caption, or the picture's.
        style: of the picture.
        name: of the picture's file.
        cosine: between it and the prompt in CLIP space, -1…1. Of captions exact; of pictures, whose vectors are stored
            shortened, within about 0.01.
        place: (x, y) on the map, each 0…1.
    """

    index: int
    kind: str
    text: str
    style: str
    name: str
    cosine: float
    place: tuple[float, float]


@dataclass(frozen=True)
class Landing:
    """Where a prompt lies, and what is near.

    Attributes:
        prompt: as it was written.
        place: (x, y) on the map, each 0…1 (a little more or less outside of all known points).
        captions, pictures: the nearest of each kind, nearest first.
    """

    prompt: str
    place: tuple[float, float]
    captions: tuple[Neighbour, ...]
    pictures: tuple[Neighbour, ...]


@dataclass(frozen=True, eq=False)
class ClipMap:
    """Points of CLIP space on a plane: first C captions, then pictures, N together.

    Attributes:
        by: "umap" or "pca": how they were placed.
        places: float32 [N,2], x and y, each 0…1.
        captions: the texts of the first C points.
        caption_of: int64 [N-C], which of the captions each picture has.
        names, styles: of the pictures.
        means: float32 [2,D], of captions and of pictures.
        basis: float32 [K,D], orthonormal: the directions of largest variance around the means, largest first.
        codes: float32 [N,K], each point's vector less its kind's mean, along the basis.
        trained_on: what :func:`fromnoise.system.copies_file.pictures_of` says of the model.
        rounding: how far a code may lie from the vector's own, because codes are stored rounded.
    """

    by: str
    places: Tensor
    captions: tuple[str, ...]
    caption_of: Tensor
    names: tuple[str, ...]
    styles: tuple[str, ...]
    means: Tensor
    basis: Tensor
    codes: Tensor
    trained_on: str
    rounding: float = 1e-4

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {text: i for i, text in enumerate(self.captions)}

    def text(self, index: int) -> str:
        """The caption of a point."""
        count = len(self.captions)
        return self.captions[index if index < count else int(self.caption_of[index - count])]

    def part(self, kind: str) -> slice:
        """Which points are captions ("caption") or pictures ("picture")."""
        count = len(self.captions)
        return slice(0, count) if kind == "caption" else slice(count, len(self))

    def cosines(self, vector: Tensor) -> Tensor:
        """Between a unit vector [D] and every point, float32 [N], as well as the stored codes can say."""
        count = len(self.captions)
        own = self.codes @ (self.basis @ vector)
        return own + torch.cat([(self.means[i] @ vector).expand(n) for i, n in ((0, count), (1, len(self) - count))])

    def place(self, vectors: Tensor, kind: str) -> Tensor:
        """Where unit vectors [M,D] of one kind ("caption" or "picture") lie, float32 [M,2].

        A map by PCA is a projection, and so is the place. One by UMAP has no formula: a new point lies between the
        nearest known ones of its kind, each as heavy as 1 / distance⁴, and exactly on one that it cannot be told from.
        """
        part = self.part(kind)
        if part.start == part.stop:
            raise ValueError(f"this map has no {kind}s")
        codes = (vectors - self.means[0 if kind == "caption" else 1]) @ self.basis.T
        known, places = self.codes[part], self.places[part]
        distances = torch.cdist(codes, known, compute_mode="donot_use_mm_for_euclid_dist")  # exact near 0
        near, which = distances.topk(min(BETWEEN, len(known)), largest=False)
        weights = near.clamp(min=1e-9) ** -4
        between = (weights[..., None] * places[which]).sum(1) / weights.sum(1, keepdim=True)
        if self.by == "pca":
            between = self._projected(codes)
        same = near[:, 0] <= self.rounding
        return torch.where(same[:, None], places[which[:, 0]], between)

    def shape(self, vectors: Tensor) -> Tensor:
        """How vectors [M,D] of one kind lie to each other, seen along the map's two largest directions, float32 [M,2]:
        around their own mean, at the map's scale. For kinds of which the map has no points to lie between."""
        places = self._projected(vectors @ self.basis.T)
        return places - places.mean(0)

    def _projected(self, codes: Tensor) -> Tensor:
        """Along the first two directions; both axes have one scale, which the known points give (least squares)."""
        flat, places = self.codes[:, :2], self.places
        centred, around = flat - flat.mean(0), places - places.mean(0)
        scale = (centred * around).sum(0) / (centred * centred).sum(0).clamp(min=1e-12)
        return (codes[:, :2] - flat.mean(0)) * scale + places.mean(0)

    def neighbours(self, vector: Tensor, kind: str, count: int) -> tuple[Neighbour, ...]:
        """The nearest points of one kind to a unit vector [D], nearest first, by their stored codes."""
        part = self.part(kind)
        cosines, which = self.cosines(vector)[part].topk(min(count, part.stop - part.start))
        return tuple(self._neighbour(part.start + i, c) for i, c in zip(which.tolist(), cosines.tolist(), strict=True))

    def _neighbour(self, index: int, cosine: float) -> Neighbour:
        count = len(self.captions)
        x, y = self.places[index].tolist()
        cosine = max(-1.0, min(1.0, cosine))
        if index < count:
            return Neighbour(index, "caption", self.captions[index], "", "", cosine, (x, y))
        i = index - count
        return Neighbour(index, "picture", self.text(index), self.styles[i], self.names[i], cosine, (x, y))


def land(known: ClipMap, model: TextToImage, prompt: str, nearest: int = 8) -> Landing:
    """Where a prompt lies on the map, and what is near.

    Args:
        known: the model's map.
        model: whose CLIP reads the prompt.
        prompt: of any length.
        nearest: how many captions, and how many pictures, are named.

    Raises:
        UserError: the prompt is empty, no valid Unicode, or the model has no CLIP.
    """
    clip = check_prompt(model, prompt)
    vector = text_vectors(model, [prompt])[0]
    place = known.place(vector[None], "caption")[0]
    listed = known.neighbours(vector, "caption", SHORTLIST * nearest)
    exact = _read(clip, model, [each.text for each in listed]) @ vector
    order = exact.argsort(descending=True, stable=True).tolist()[:nearest]
    captions = tuple(known._neighbour(listed[i].index, float(exact[i])) for i in order)
    index = known._numbers.get(prompt)
    if index is not None:
        place = known.places[index]
    x, y = place.tolist()
    return Landing(prompt, (x, y), captions, known.neighbours(vector, "picture", nearest))


def check_prompt(model: TextToImage, prompt: str) -> CLIP:
    """The CLIP that can read a prompt.

    Raises:
        UserError: there is none, or the prompt is empty or no valid Unicode.
    """
    clip = clip_of(model)
    if not prompt.strip():
        raise UserError("an empty prompt has no place on the map; give some words")
    model.tokens(prompt)
    return clip


def clip_of(model: TextToImage) -> CLIP:
    """The model's CLIP.

    Raises:
        UserError: it has none.
    """
    if model.clip is None:
        name = model.card.get("name") or "this model"
        raise UserError(f"{name} has no CLIP of its own, so it has no map; models trained by fromnoise have one")
    return model.clip


def text_vectors(model: TextToImage, texts: Sequence[str]) -> Tensor:
    """Prompts as CLIP's unit vectors, float32 [N,D] on the CPU; one longer than its context is the mean of its parts,
    each as heavy as it has words, and brackets weigh nothing.

    Raises:
        UserError: see :meth:`TextToImage.tokens`.
    """
    clip, found = clip_of(model), []
    device = clip.text_projection.weight.device
    for text in texts:
        chunks = model.tokens(text).chunks[0]
        counts = torch.tensor(chunks.counts)
        rows = counts > 0 if bool((counts > 0).any()) else torch.ones(len(counts), dtype=torch.bool)
        with torch.inference_mode():
            parts = clip.embed_text(chunks.ids[rows].to(device)).float().cpu()
        found.append(F.normalize((counts[rows, None].clamp(min=1) * parts).sum(0), dim=0))
    return torch.stack(found).clone()


def _read(clip: CLIP, model: TextToImage, captions: Sequence[str]) -> Tensor:
    """Captions as :func:`text_vectors` reads them, many at once: brackets in them are plain signs."""
    ids, device = model.tokenizer.encode(list(captions)), clip.text_projection.weight.device
    with torch.inference_mode():
        parts = [clip.embed_text(some.to(device)).float().cpu() for some in ids.split(AT_ONCE)]
    return torch.cat(parts).clone()


def caption_vectors(model: TextToImage, captions: Sequence[str]) -> Tensor:
    """Captions of training pictures as CLIP's unit vectors, float32 [N,D] on the CPU; what does not fit is left out, as
    in training."""
    return _read(clip_of(model), model, captions)


def picture_vectors(model: TextToImage, pictures: Tensor) -> Tensor:
    """Pictures, uint8 [N,3,H,W], as CLIP's unit vectors, float32 [N,D] on the CPU."""
    clip, found = clip_of(model), []
    weight = clip.image_projection.weight
    with torch.inference_mode():
        for some in pictures.split(AT_ONCE):
            small = from_bytes(squared(some, clip.config.image.pixels).to(weight.device)).to(weight.dtype)
            found.append(clip.embed_image(small).float().cpu())
    return torch.cat(found).clone()
