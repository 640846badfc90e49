"""The simplest machine that tells kinds apart: each kind has a middle, and a new thing belongs to the nearest one.

It needs no training beyond taking means, has nothing to set, and everybody can draw what it does: with two measures,
the borders are the straight lines half-way between the middles. Measures have different units, so each is first counted
in standard deviations of the pictures that are learnt from. CLIP's space is told apart in the same way.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.ground.config import Config

Z95 = 1.959964  # of the normal distribution, for intervals that hold in 95 of 100 cases


@dataclass(frozen=True)
class Accuracy(Config):
    """How often held-out pictures were told right.

    Attributes:
        share: of the pictures, 0…1.
        low, high: its 95 % interval (Wilson 1927), in which each *drawing* counts as one case: variants of one drawing
            are no new evidence.
        pictures, drawings: how many there were.
    """

    share: float
    low: float
    high: float
    pictures: int
    drawings: int

    def __str__(self) -> str:
        return f"{self.share:.0%}"

    @property
    def interval(self) -> str:
        """The interval in words."""
        return f"{self.low:.0%} to {self.high:.0%}"


def accuracy(right: Tensor, drawing: Tensor) -> Accuracy:
    """The share of ``right`` (bool [N], N > 0), with pictures of equal ``drawing`` (int64 [N]) taken for one case."""
    share, cases = float(right.double().mean()), len(drawing.unique())
    middle, spread = share + Z95**2 / (2 * cases), share * (1 - share) / cases + Z95**2 / (4 * cases**2)
    low, high = ((middle + sign * Z95 * math.sqrt(spread)) / (1 + Z95**2 / cases) for sign in (-1, 1))
    return Accuracy(share, min(max(low, 0.0), share), max(min(high, 1.0), share), len(right), cases)


@dataclass(frozen=True, eq=False)
class Middles:
    """What the machine has learnt.

    Attributes:
        mean, std: of the pictures learnt from, float64 [M]; std is 1 where all are equal.
        points: the middle of each kind, in standard deviations from the mean, float64 [K,M].
    """

    mean: Tensor
    std: Tensor
    points: Tensor

    def squares(self, values: Tensor) -> Tensor:
        """Squared distances of values [N,M] to each middle along each measure, float64 [N,K,M]."""
        return (self.scaled(values)[:, None] - self.points) ** 2

    def scaled(self, values: Tensor) -> Tensor:
        """Values [N,M] in standard deviations from the mean."""
        return (values.double() - self.mean) / self.std

    def guess(self, values: Tensor) -> Tensor:
        """The kind whose middle is nearest, int64 [N]."""
        return self.squares(values).sum(2).argmin(1)


def learn(values: Tensor, label: Tensor, kinds: int, scaled: bool = True) -> Middles:
    """Find the middle of each kind.

    Args:
        values: [N,M], a row for each picture.
        label: int64 [N].
        kinds: how many; each must be there.
        scaled: count in standard deviations; otherwise as the values are.
    """
    x = values.double()
    mean, std = x.mean(0), x.std(0, correction=0)
    std = torch.where(std > 1e-12, std, 1.0)
    if not scaled:
        mean, std = torch.zeros_like(mean), torch.ones_like(std)
    z = (x - mean) / std
    return Middles(mean, std, torch.stack([z[label == k].mean(0) for k in range(kinds)]))


def held_out(values: Tensor, label: Tensor, fold: Tensor, kinds: int, scaled: bool = True) -> Tensor:
    """What each picture is taken for by the machine that has learnt without its fold, int64 [N]."""
    guesses = torch.empty_like(label)
    for f in fold.unique().tolist():
        out = fold == f
        guesses[out] = learn(values[~out], label[~out], kinds, scaled).guess(values[out])
    return guesses


@dataclass(frozen=True, eq=False)
class Tried:
    """All sets of so many measures, tried.

    Attributes:
        sets: numbers of the measures of each set, [C].
        guesses: of held-out pictures with each set, int64 [N,C].
        best: the set that tells best what was learnt from; where several do, the one with the clearest distances.
        own: guesses of held-out pictures where each machine uses the set that is best by its own learning pictures,
            int64 [N]: what trying all is worth, with nothing chosen by what is held out.
    """

    sets: tuple[tuple[int, ...], ...]
    guesses: Tensor
    best: int
    own: Tensor


def try_all(values: Tensor, label: Tensor, fold: Tensor, kinds: int, count: int) -> Tried:
    """Try every set of ``count`` of the M measures in ``values`` [N,M]; a thousand sets take a moment.

    Measures that are the same for all pictures are left out, unless too few others are left.
    """
    varying = (values.std(0) > 0).nonzero().flatten().tolist()
    usable = varying if len(varying) >= count else range(values.shape[1])
    sets = tuple(itertools.combinations(usable, count))
    chosen = torch.zeros(values.shape[1], len(sets), dtype=torch.float64)
    for c, members in enumerate(sets):
        chosen[list(members), c] = 1
    guesses, own = torch.empty(len(label), len(sets), dtype=torch.long), torch.empty_like(label)
    total = torch.zeros(len(sets), dtype=torch.float64)
    for f in fold.unique().tolist():
        out = fold == f
        distances = learn(values[~out], label[~out], kinds).squares(values) @ chosen  # [N,K,C]
        merit = _merit(distances[~out], label[~out])
        guesses[out] = distances[out].argmin(1)
        own[out] = guesses[out][:, int(merit.argmax())]
        total += merit
    return Tried(sets, guesses, int(total.argmax()), own)


def _merit(distances: Tensor, label: Tensor) -> Tensor:
    """How well each set tells what was learnt from: share right, and below that, how clearly. float64 [C]."""
    right = distances.argmin(1) == label[:, None]
    own = distances.gather(1, label.view(-1, 1, 1).expand(-1, 1, distances.shape[2]))
    other = distances.scatter(1, label.view(-1, 1, 1).expand_as(own), math.inf).amin(1)
    clear = (other.sqrt() - own[:, 0].sqrt()) / (other.sqrt() + own[:, 0].sqrt()).clamp_min(1e-12)
    return right.double().mean(0) + 1e-3 * clear.mean(0)


def complete(tried: Sequence[Tried], wanted: Sequence[int], most: int) -> tuple[int, ...]:
    """``wanted`` measures, filled up to ``most`` with those of the best sets, the smallest sets first."""
    found = list(dict.fromkeys(wanted))
    for each in tried:
        found += [m for m in each.sets[each.best] if m not in found]
    return tuple(found[:most])
