"""The nearest training pictures of a drawing, and how much nearer they are than the others.

A drawing in the middle of many like pictures is near all of them; a copy is near one and far from the rest. So the
measure is the ratio r = d(g, nearest) / mean d(g, 2nd … 51st nearest), which needs no unit. Copying studies that look
at the distance alone (Somepalli et al. 2023, arXiv 2212.03860) find plain things most: two red circles are near
each other, and neither is a copy.

Sets of stickers show some things more than once: a drawing in two sets, twelve clocks that differ by a hand. Such
pictures form one cluster, and neighbours are counted by clusters; otherwise a copy of one would have a near 2nd
neighbour and go unseen.

3,000 to 20,000 pictures are compared exactly, by matrix products: 3,190 pictures take a few milliseconds per drawing,
where the judge's features take 50. A library for approximate neighbours would save nothing and miss some.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.drawing.low_pixels import Pixels, masked, pixel_distances
from fromnoise.evaluation.copies.describe import Views, feature_distances
from fromnoise.ground.config import Config
from fromnoise.ground.wording import styled

OTHERS = 50  # neighbours whose mean distance is the yardstick
AT_ONCE = 256  # drawings per product: 20,000 pictures need 20 MB for each matrix of distances


@dataclass(frozen=True)
class Known(Config):
    """A training picture, as a person would name it.

    Attributes:
        name: its file.
        text, style: its caption.
        licence, author: whose it is.
    """

    name: str
    text: str
    style: str = ""
    licence: str = ""
    author: str = ""

    def __str__(self) -> str:
        return styled(self.text, self.style)


@dataclass(frozen=True)
class Calibration(Config):
    """What is near enough to be called a copy, and how often that is wrong.

    Attributes:
        features, pixels: a ratio below either is called a copy.
        real, real_flagged: pictures of the training that were left out with their clusters, and how many of them were
            called copies, each by thresholds that it had no part in.
        held_out, held_out_flagged: pictures that the training never had, and how many of them were called copies.
        near: how many of those were left out of account, because the training has near-duplicates of them.
        close_features, close_pixels: a ratio below either is nearer than 19 of 20 real pictures are to any other.
        real_close, held_out_close: as ``real_flagged`` and ``held_out_flagged``, for these.
        backdrop: how many of ``real`` are no pictures of the training, but what a small set is seen against.
    """

    features: float = 0.0
    pixels: float = 0.0
    real: int = 0
    real_flagged: int = 0
    held_out: int = 0
    held_out_flagged: int = 0
    near: int = 0
    close_features: float = 0.0
    close_pixels: float = 0.0
    real_close: int = 0
    held_out_close: int = 0
    backdrop: int = 0

    @property
    def close_counts(self) -> tuple[int, int]:
        """Real pictures that are close to another, and how many real pictures they are among."""
        return self.real_close + self.held_out_close, self.real + self.held_out

    @property
    def counts(self) -> tuple[int, int]:
        """False alarms, and how many real pictures they are among."""
        return self.real_flagged + self.held_out_flagged, self.real + self.held_out

    @property
    def rate(self) -> float:
        """The share of real pictures that are called copies and are none."""
        flagged, n = self.counts
        return flagged / n if n else float("nan")


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What was found for each drawing in one space.

    Attributes:
        nearest: number of the nearest training picture, int64 [N].
        distance: to it, float32 [N].
        yardstick: mean distance of the next OTHERS clusters, float32 [N].
    """

    nearest: Tensor
    distance: Tensor
    yardstick: Tensor

    def __getitem__(self, chosen: Tensor) -> Neighbours:
        """Those of some of the drawings."""
        return Neighbours(self.nearest[chosen], self.distance[chosen], self.yardstick[chosen])

    @property
    def ratio(self) -> Tensor:
        """1 in the middle of many, near 0 for a copy: float32 [N]."""
        return self.distance / self.yardstick.clamp_min(1e-6)


@dataclass(frozen=True, eq=False)
class Found:
    """The neighbours of each drawing in both spaces."""

    features: Neighbours
    pixels: Neighbours

    def __getitem__(self, chosen: Tensor) -> Found:
        """Those of some of the drawings."""
        return Found(self.features[chosen], self.pixels[chosen])

    def flagged(self, limits: Calibration) -> Tensor:
        """Which drawings are called copies, bool [N]."""
        return (self.features.ratio < limits.features) | (self.pixels.ratio < limits.pixels)

    def close(self, limits: Calibration) -> Tensor:
        """Which drawings are nearer to a training picture than is usual among real pictures, bool [N]."""
        features, pixels = self.features.ratio, self.pixels.ratio
        return self.flagged(limits) | (features < limits.close_features) | (pixels < limits.close_pixels)

    def suspect(self, limits: Calibration) -> Tensor:
        """The training picture to hold each drawing against, of the space that is the more alarmed: int64 [N]."""
        by_features = self.features.ratio / max(limits.features, 1e-6)
        by_pixels = self.pixels.ratio / max(limits.pixels, 1e-6)
        return torch.where(by_features <= by_pixels, self.features.nearest, self.pixels.nearest)


@dataclass(frozen=True, eq=False)
class Index:
    """Training pictures, as small as checking for copies allows: about 1 KiB each.

    Attributes:
        side: of the square that pictures are brought to before they are compared.
        centre, components: of the judge's features, [1280] and [1280,C]: the directions in which pictures vary most.
        features: unit vectors, float16 [N,C].
        dark: low-passed pixels, uint8 [N,3·SIDE·SIDE].
        cluster: int64 [N], the same number for pictures that are nearly the same; 0, 1, ….
        known: what each picture is, [N].
        thumbnails: each as a small WebP file, [N].
        limits: what is near enough.
        trained_on: which model's pictures these are (:func:`fromnoise.system.copies_file.pictures_of`).
        backdrop: how many of the pictures, the last ones, were not trained on: they are the many others among which
            the pictures of a small set are near or far, and are never named.
    """

    side: int
    centre: Tensor
    components: Tensor
    features: Tensor
    dark: Tensor
    cluster: Tensor
    known: tuple[Known, ...]
    thumbnails: tuple[bytes, ...] = ()
    limits: Calibration = Calibration()
    trained_on: str = ""
    backdrop: int = 0

    @property
    def trained(self) -> int:
        """How many pictures it has of the training."""
        return len(self.cluster) - self.backdrop

    def having(self, **changes: Any) -> Index:
        """The same index with other fields."""
        return replace(self, **changes)

    def project(self, features: Tensor) -> Tensor:
        """The judge's features [N,1280] as unit vectors of the index, float32 [N,C]."""
        return F.normalize((features - self.centre) @ self.components, dim=1)

    def search(self, views: Views, without: Tensor | None = None) -> Found:
        """The neighbours of each picture.

        Args:
            views: of the pictures.
            without: a cluster for each picture, int64 [N], that is left out of the index for it.
        """
        parts = []
        for begin in range(0, max(len(views), 1), AT_ONCE):
            chosen = slice(begin, begin + AT_ONCE)
            by_features, by_pixels = self.distances(views[chosen])
            left_out = None if without is None else without[chosen]
            parts.append((self._neighbours(by_features, left_out), self._neighbours(by_pixels, left_out)))
        return Found(_joined([f for f, _ in parts]), _joined([p for _, p in parts]))

    def distances(self, views: Views) -> tuple[Tensor, Tensor]:
        """[N,M] by features and by pixels, each from the side from which it is nearest."""
        known, pixels = self._ready
        by_features = [feature_distances(self.project(side), known) for side in views.features.unbind(1)]
        by_pixels = [pixel_distances(masked(side), pixels) for side in views.dark.unbind(1)]
        return reduce(torch.minimum, by_features), reduce(torch.minimum, by_pixels)

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each training picture, by its name."""
        return {known.name: i for i, known in enumerate(self.known[: self.trained])}

    @cached_property
    def _ready(self) -> tuple[Tensor, Pixels]:
        """What is stored, to compute with."""
        return self.features.float(), masked(self.dark)

    def _neighbours(self, distances: Tensor, without: Tensor | None) -> Neighbours:
        """The nearest training picture, and the mean distance of the next clusters, for distances [N,M]."""
        clusters = int(self.cluster.max()) + 1
        if without is not None:
            distances = distances.masked_fill(self.cluster[None] == without[:, None], torch.inf)
        each = torch.full((len(distances), clusters), torch.inf)
        each.scatter_reduce_(1, self.cluster.expand_as(distances), distances, "amin")
        nearest = distances[:, : self.trained].min(1)
        each.scatter_(1, self.cluster[nearest.indices][:, None], torch.inf)  # its own cluster is none of the others
        others = min(OTHERS, clusters - 1 - (without is not None))
        return Neighbours(nearest.indices, nearest.values, each.topk(others, dim=1, largest=False).values.mean(1))


def _joined(parts: list[Neighbours]) -> Neighbours:
    return Neighbours(
        torch.cat([part.nearest for part in parts]),
        torch.cat([part.distance for part in parts]),
        torch.cat([part.yardstick for part in parts]),
    )
