"""The captions that a model learnt from, as points in its CLIP's space: what else could a picture be called?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.drawing.low_pixels import squared
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes
from fromnoise.ground.wording import styled
from fromnoise.models.clip.clip import CLIP
from fromnoise.system.copies_file import parts_of, reading
from fromnoise.system.defaults import COPIES
from fromnoise.system.known_words import SMALL
from fromnoise.system.text_to_image import TextToImage

AT_ONCE = 64
MOST = 2000  # captions
ROUNDING = 1e-6  # by which a caption may seem nearer than itself, read in other company


@dataclass(frozen=True, eq=False)
class Captions:
    """Captions and where CLIP has them.

    Attributes:
        texts: N different ones, without a style, in order of the alphabet.
        vectors: unit vectors of them, each in the style that was asked for, float32 [N,P].
        source: what they are, for a person.
    """

    texts: tuple[str, ...]
    vectors: Tensor
    source: str

    def nearest(self, vector: Tensor, most: int = 5) -> list[tuple[str, float]]:
        """The captions nearest to a unit vector [P], with their cosines, the nearest first."""
        found = (self.vectors @ vector).topk(min(most, len(self.texts)))
        return [(self.texts[i], v) for v, i in zip(found.values.tolist(), found.indices.tolist(), strict=True)]

    def rank(self, vector: Tensor, said: Tensor) -> int:
        """Which place words (a unit vector [P]) have among all captions for a picture (another): 1 is the best."""
        return 1 + int((self.vectors @ vector > said @ vector + ROUNDING).sum())


def clip_of(model: TextToImage) -> CLIP:
    """The model's CLIP.

    Raises:
        UserError: it has none.
    """
    if model.clip is None:
        raise UserError("this view compares pictures with words by CLIP, and this model has none")
    return model.clip


def captions_of(model: TextToImage, style: str | None = None) -> Captions:
    """All captions of the model's training pictures; of a model without their index, the words that it knows.

    Args:
        model: has CLIP.
        style: that each of them is said in.

    Raises:
        UserError: no CLIP, neither captions nor words are known, or the index is damaged.
    """
    clip_of(model)
    texts, source = _texts(model)
    if not texts:
        raise UserError("this model does not say which captions it was trained on, so there is nothing to compare with")
    return Captions(texts, directions(model, [styled(text, style) for text in texts]), source)


def _texts(model: TextToImage) -> tuple[tuple[str, ...], str]:
    if model.copies is not None:
        with reading(COPIES):
            _, about = parts_of(model.copies, COPIES)
            found = sorted({str(text) for text in about["texts"] if str(text).strip()})
        return tuple(found[:: -(-len(found) // MOST)] if found else ()), "captions of its training pictures"
    counts = {word: n for word, n in model.known.counts.items() if word not in SMALL}
    most = sorted(counts, key=lambda word: (-counts[word], word))[:MOST]
    return tuple(sorted(most)), "words of its training captions"


@torch.no_grad()
def directions(model: TextToImage, texts: Sequence[str]) -> Tensor:
    """Unit vectors of texts in CLIP's space, float32 [N,P] on the CPU; of a long text its first part is read."""
    clip = clip_of(model)
    ids = torch.cat([model.tokens(text).chunks[0].ids[:1] for text in texts])
    device = clip.text_projection.weight.device
    return torch.cat([clip.embed_text(some.to(device)).float().cpu() for some in ids.split(AT_ONCE)])


@torch.no_grad()
def direction_of(model: TextToImage, picture: Tensor) -> Tensor:
    """The unit vector of a picture uint8 [3,H,W] in CLIP's space, float32 [P] on the CPU."""
    clip = clip_of(model)
    weight = clip.text_projection.weight
    small = from_bytes(squared(picture[None].cpu(), clip.config.image.pixels).to(weight.device)).to(weight.dtype)
    return clip.embed_image(small)[0].float().cpu()


def unit(vector: Tensor) -> Tensor:
    """The same direction with length 1."""
    return F.normalize(vector, dim=-1)
