"""Two trials of a model that need drawings of their own: whose pictures does it draw, and do its seeds collapse?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.low_pixels import squared
from fromnoise.drawing.request import Request
from fromnoise.evaluation.copies.clusters import in_training
from fromnoise.evaluation.copies.describe import Views, look
from fromnoise.evaluation.copies.index import Index
from fromnoise.evaluation.copies.statistics import Share, share
from fromnoise.evaluation.intervals import sign_test
from fromnoise.system.text_to_image import TextToImage

MOST_PAIRS = 100
SEEDS = 4  # per prompt that is looked at for collapse
MOST_PROMPTS = 16
AT_ONCE = 16


@dataclass(frozen=True)
class TwoSample:
    """Whose pictures are the drawings nearest to, those of the training or as many held-out ones?

    Attributes:
        features, pixels: the share of drawings whose nearest picture is one of the training; half for a model that
            remembers none.
        p_features, p_pixels: how often so many come by chance.
    """

    features: Share
    pixels: Share
    p_features: float
    p_pixels: float


@dataclass(frozen=True)
class Collapse:
    """A prompt that all seeds draw alike, and like one training picture."""

    prompt: str
    suspect: str
    drawings: int


def two_sample(model: TextToImage, index: Index, pictures: PictureSet, seed: int) -> TwoSample:
    """Draw the captions of held-out pictures and of as many like training pictures, and see whose each resembles.

    Each held-out (concept, style) pair is matched with a training picture of its style and group, and both captions
    are drawn. To a model that remembers nothing the two sets are alike, so the nearest of all these pictures is a
    training picture half of the time; what it knows of styles and things helps both alike.
    """
    held_out = [i for i, r in enumerate(pictures.records) if r.split == "test_pair"]
    views = look(pictures.images[held_out])
    records = [r for r in pictures.records if r.split == "train"]
    fresh = (~in_training(index, views, [pictures.records[i] for i in held_out], records)).nonzero()[:, 0].tolist()
    pairs = matched([(n, pictures.records[held_out[n]]) for n in fresh], records, seed)
    if not pairs:
        return TwoSample(share(0, 0), share(0, 0), 1.0, 1.0)
    unseen, seen = (torch.tensor(side) for side in zip(*pairs, strict=True))
    asked = [pictures.records[held_out[n]] for n in unseen.tolist()] + [records[n] for n in seen.tolist()]
    requests = [Request(prompt=r.text, style=r.style or None, seed=seed + i) for i, r in enumerate(asked)]
    drawn = look(squared(drawings_of(model, requests), index.side))
    rows = torch.tensor([index.places[records[n].file_name] for n in seen.tolist()])
    trained = index.having(features=index.features[rows], dark=index.dark[rows])
    dark = views.dark[unseen, 0]
    others = index.having(features=index.project(views.features[unseen, 0]).half(), dark=dark)
    hits = [
        int((a.amin(1) < b.amin(1)).sum())
        for a, b in zip(trained.distances(drawn), others.distances(drawn), strict=True)
    ]
    found = [share(h, len(requests)) for h in hits]
    return TwoSample(found[0], found[1], *(sign_test(h, len(requests) - h) for h in hits))


def matched(held_out: Sequence[tuple[int, Record]], records: Sequence[Record], seed: int) -> list[tuple[int, int]]:
    """Pairs of a held-out picture and a training picture of the same style and group, of another concept.

    Args:
        held_out: numbers and records.
        records: of the training pictures.
        seed: of the choice.

    Returns:
        At most MOST_PAIRS pairs of numbers; no picture occurs twice.
    """
    rng = torch.Generator().manual_seed(seed)
    kept = {r.key for _, r in held_out}
    pool: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in torch.randperm(len(records), generator=rng).tolist():
        if records[i].key not in kept:  # in the other styles those concepts were seen
            pool[records[i].style, records[i].group].append(i)
    order = [held_out[i] for i in torch.randperm(len(held_out), generator=rng).tolist()]
    found = [(n, pool[r.style, r.group].pop()) for n, r in order if pool[r.style, r.group]]
    return found[:MOST_PAIRS]


def collapses(model: TextToImage, index: Index, prompts: Sequence[str], seed: int) -> tuple[int, list[Collapse]]:
    """Draw some of the prompts from several seeds, and list those whose drawings are all one picture.

    That is: each drawing is flagged for the same cluster of training pictures, and each is as near to each other one
    as a copy would be.

    Returns:
        How many prompts were drawn, and those that collapse.
    """
    distinct = sorted(set(prompts))
    order = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed))[:MOST_PROMPTS].tolist()
    chosen = [distinct[i] for i in order]
    requests = [Request(prompt=p, seed=seed + 7919 * (i + 1)) for p in chosen for i in range(SEEDS)]
    if not requests:
        return 0, []
    views = look(squared(drawings_of(model, requests), index.side))
    found = [(prompt, collapsed(index, views[slice(n * SEEDS, (n + 1) * SEEDS)])) for n, prompt in enumerate(chosen)]
    return len(chosen), [Collapse(p, str(index.known[who]), SEEDS) for p, who in found if who is not None]


def collapsed(index: Index, views: Views) -> int | None:
    """The training picture that all these drawings of one prompt are, or None."""
    found = index.search(views)
    suspects = found.suspect(index.limits)
    if not bool(found.flagged(index.limits).all()) or len(index.cluster[suspects].unique()) > 1:
        return None
    among = index.having(features=index.project(views.features[:, 0]).half(), dark=views.dark[:, 0])
    by_features, by_pixels = among.distances(views)
    near = by_features / found.features.yardstick[:, None] < index.limits.features
    near |= by_pixels / found.pixels.yardstick[:, None] < index.limits.pixels
    near.fill_diagonal_(True)
    return int(suspects[0]) if bool(near.all()) else None


def drawings_of(model: TextToImage, requests: Sequence[Request]) -> Tensor:
    """One picture per request, uint8 [N,3,H,W]."""
    return torch.cat([draw_all(model, requests[i : i + AT_ONCE]) for i in range(0, len(requests), AT_ONCE)])
