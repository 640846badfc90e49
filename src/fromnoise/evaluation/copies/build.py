"""From training pictures to an index, and to thresholds that real pictures set.

What is near enough to be a copy is said by pictures that are none. Every training picture is such a picture once it
is left out of the index with all of its cluster, and the stickers' held-out part is one from the start. A threshold
flags the k real pictures with the smallest ratios, where k is so small that, with 95 % confidence, at most 0.5 % of
all real pictures would be flagged. Both spaces get the same share of that: the c smallest ratios of each are flagged,
with the largest c that flags at most k pictures together. A second, looser pair of thresholds is passed by one real
picture in twenty: what is not a copy but nearer than usual.

A set of a dozen pictures cannot say what is near: there are no fifty others to compare with, and no thousand real
pictures to set a threshold. It is seen among the starter pictures that come with fromnoise. They are the others, and
they are left out one by one together with the set's own; only pictures of the set are ever named.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fromnoise.data.pictures import PictureSet, load_folder, some
from fromnoise.data.record import Record
from fromnoise.drawing.low_pixels import darkness
from fromnoise.evaluation.copies.clusters import clustered, in_training
from fromnoise.evaluation.copies.describe import Views, joined, look
from fromnoise.evaluation.copies.index import OTHERS, Calibration, Found, Index, Known
from fromnoise.evaluation.copies.statistics import most_allowed
from fromnoise.evaluation.copies.thumbnails import thumbnail
from fromnoise.ground.errors import UserError

COMPONENTS = 96  # of the features that an index keeps
FALSE_ALARMS = 0.005  # of real pictures, at most
CLOSE = 0.05  # of real pictures are called close to another
LEAST = 2 * OTHERS  # clusters: with fewer the yardstick is the whole set, and a backdrop is needed


def built(pictures: PictureSet, trained_on: str = "", backdrop: PictureSet | None = None) -> Index:
    """Make an index of the "train" split, calibrated with it and with all other splits.

    Args:
        pictures: of one side; what the model was trained on, and what was held out.
        trained_on: see :class:`Index`.
        backdrop: what a small set is seen among; None for the starter pictures.

    Raises:
        UserError: no training pictures, or missing packages.
    """
    sides = [i for i, r in enumerate(pictures.records) if r.split == "train"], _held_out(pictures)
    if not sides[0]:
        raise UserError("an index needs training pictures, and the data has none")
    views = look(pictures.images)
    train, held_out = some(pictures, sides[0]), some(pictures, sides[1])
    seen, unseen = (views[torch.tensor(side, dtype=torch.long)] for side in sides)
    index = _bare(train, seen, trained_on)
    if int(index.cluster.max()) + 1 >= LEAST:
        return calibrated(index, (seen, unseen), (train.records, held_out.records))
    behind = load_folder("starter", pictures.images.shape[3]) if backdrop is None else backdrop
    whole = PictureSet(torch.cat([train.images, behind.images]), [*train.records, *behind.records], [])
    seen, count = joined(seen, look(behind.images)), len(behind.records)
    index = calibrated(_bare(whole, seen, trained_on), (seen, unseen), (whole.records, held_out.records))
    thumbnails = (*index.thumbnails[: len(train.records)], *[b""] * count)
    return index.having(backdrop=count, thumbnails=thumbnails, limits=replace(index.limits, backdrop=count))


def _held_out(pictures: PictureSet) -> list[int]:
    return [i for i, r in enumerate(pictures.records) if r.split != "train"]


def _bare(pictures: PictureSet, views: Views, trained_on: str) -> Index:
    """An index without thresholds."""
    images, records = pictures.images, pictures.records
    centre, components = _directions(views.features[:, 0])
    empty = torch.zeros(0)
    index = Index(
        images.shape[3],
        centre,
        components,
        empty,
        darkness(images),
        torch.arange(len(records)),
        tuple(Known(r.file_name, r.text, r.style, r.licence, r.author) for r in records),
        tuple(thumbnail(picture) for picture in images),
        trained_on=trained_on,
    )
    index = index.having(features=index.project(views.features[:, 0]).half())
    return index.having(cluster=clustered(index, views, records))


def _directions(features: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and principal components, rounded as they are stored; each with its largest entry positive."""
    centre = features.mean(0).half().float()
    x = (features - centre).double()
    _, vectors = torch.linalg.eigh(x.T @ x)
    main = vectors[:, -COMPONENTS:]
    main = main * main.gather(0, main.abs().argmax(0)[None]).sign()
    return centre, main.half().float()


def calibrated(index: Index, views: tuple[Views, Views], records: tuple[list[Record], list[Record]]) -> Index:
    """Set the thresholds.

    Args:
        index: of the training pictures, with their clusters.
        views: of the training pictures, and of those held out.
        records: of both.
    """
    real = index.search(views[0], without=index.cluster)
    limits = thresholds(real)
    near = in_training(index, views[1], records[1], records[0])
    held_out = index.search(views[1][~near])
    flagged, close = _by_others(real, index.cluster)
    counts = replace(
        limits,
        real=len(records[0]),
        real_flagged=flagged,
        real_close=close,
        held_out=int((~near).sum()),
        held_out_flagged=int(held_out.flagged(limits).sum()),
        held_out_close=int(held_out.close(limits).sum()),
        near=int(near.sum()),
    )
    return index.having(limits=counts)


def thresholds(real: Found) -> Calibration:
    """Thresholds that flag as many of these real pictures as may be, and no more."""
    ratios = real.features.ratio, real.pixels.ratio
    ranks = torch.stack([r.argsort().argsort() for r in ratios]).amin(0)  # of the more alarmed space
    flagged = torch.bincount(ranks, minlength=len(ranks)).cumsum(0)  # by the c + 1 smallest of each space
    copies = int((flagged <= most_allowed(len(ranks), FALSE_ALARMS)).sum())
    close = int((flagged <= CLOSE * len(ranks)).sum())
    (features, close_features), (pixels, close_pixels) = (r.sort().values[[copies, close]].tolist() for r in ratios)
    return Calibration(features, pixels, close_features=close_features, close_pixels=close_pixels)


def _by_others(real: Found, cluster: Tensor) -> tuple[int, int]:
    """How many real pictures are copies, and close, by thresholds of the other half of the clusters."""
    order = torch.randperm(int(cluster.max()) + 1, generator=torch.Generator().manual_seed(0))
    half = (order % 2).bool()[cluster]
    sides = [(real[side], thresholds(real[~side])) for side in (half, ~half)]
    flagged, close = ([f(*side) for side in sides] for f in (Found.flagged, Found.close))
    return int(torch.cat(flagged).sum()), int(torch.cat(close).sum())
