"""A map for models that carry none: the captions that they are known to have learnt from, laid flat by PCA."""

from __future__ import annotations

import functools

import torch

from fromnoise.ground.errors import UserError
from fromnoise.inspection.captions import captions_of
from fromnoise.inspection.clip_map import ClipMap, clip_of
from fromnoise.inspection.map_file import map_of
from fromnoise.inspection.map_making import flattened
from fromnoise.system.text_to_image import TextToImage

FEWEST = 3  # captions; two lie on a line
MAKE = "fromnoise inspect make-map MODEL --data FOLDER"


def plain_map(model: TextToImage) -> ClipMap:
    """The captions of a model's training pictures, or the words of them, by PCA; no pictures, which it does not carry.

    Raises:
        UserError: it has no CLIP, or it does not say what it learnt from.
    """
    clip_of(model)
    try:
        found = captions_of(model)
    except UserError as error:
        raise UserError(f"{error}; make a map of its pictures with: {MAKE}") from None
    if len(found.texts) < FEWEST:
        raise UserError(f"a map needs {FEWEST} captions or more; make one of the training pictures with: {MAKE}")
    flat = flattened(found.vectors, found.vectors[:0], "pca")
    nothing = torch.zeros(0, dtype=torch.int64)
    return ClipMap(
        "pca", flat.places, found.texts, nothing, (), (), flat.means, flat.basis, flat.codes, model.trained_on
    )


@functools.lru_cache(maxsize=2)
def known_map(model: TextToImage) -> ClipMap:
    """The map that a model carries, else :func:`plain_map`; the same for all prompts, so it is kept.

    Raises:
        UserError: see :func:`map_of` and :func:`plain_map`.
    """
    return plain_map(model) if model.clip_map is None else map_of(model)
