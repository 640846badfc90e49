"""Caption retrieval: can an independent judge tell which of 100 captions a picture was drawn for?

For each concept the judge knows real pictures of it, but only from *other* style families than the one asked for,
so a model that merely returned its training picture could not score better than that picture itself: the real
picture is the ceiling.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record
from fromnoise.data.splits import family
from fromnoise.evaluation.intervals import mean_of
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError


@dataclass(frozen=True)
class Score(Config):
    """One row of the table.

    Attributes:
        top1, top5: share of pictures whose own caption is the judge's first choice, or among its first five.
        low, high: 95 % interval of ``top1`` (Wilson).
        n: pictures.
    """

    top1: float
    top5: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Question:
    """One picture to draw and judge: concept number ``concept`` in style ``style``.

    ``real`` is the index of the real picture of that pair in the data.
    """

    concept: int
    text: str
    style: str
    real: int


def choose_questions(
    records: list[Record], styles: tuple[str, ...], concepts: int, seed: int, split: str = "train"
) -> tuple[list[str], list[Question]]:
    """Choose concepts that every style has, and ask for each of them in each style.

    Args:
        records: of the data, all splits.
        styles: the model's.
        concepts: how many captions to choose among.
        seed: of the choice.
        split: "train": pairs the model was trained on; "test_concept": concepts it never saw.

    Returns:
        The concepts' keys and the questions.

    Raises:
        UserError: fewer concepts than asked for.
    """
    places: dict[str, dict[str, int]] = defaultdict(dict)
    for i, r in enumerate(records):
        if r.style in styles and r.split == split:
            places[r.key].setdefault(r.style, i)
    names = {records[i].text.lower(): key for key, by in places.items() for i in by.values()}  # one key per caption
    whole = sorted(key for key in set(names.values()) if len(places[key]) == len(styles))
    if len(whole) < concepts:
        raise UserError(
            f"the evaluation asks for {concepts} concepts that the data shows in each of the model's styles "
            f"({', '.join(styles)}); it has {len(whole)}. Give the pictures the model was trained on"
        )
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed))[:concepts].tolist()
    keys = [whole[i] for i in order]
    questions = [Question(c, records[places[k][s]].text, s, places[k][s]) for c, k in enumerate(keys) for s in styles]
    return keys, questions


def held_out_questions(
    records: list[Record], styles: tuple[str, ...], concepts: int, seed: int
) -> tuple[list[str], list[Question]]:
    """Ask for (concept, style) pairs that were kept from the training: the concept was seen in other styles only.

    Args:
        records: of the data, all splits.
        styles: the model's.
        concepts: how many captions to choose among, at most.
        seed: of the choice.

    Returns:
        The concepts' keys, as many as there are up to ``concepts``, and a question for each of their held-out pairs.
    """
    pairs = [(i, r) for i, r in enumerate(records) if r.split == "test_pair" and r.style in styles]
    known = {r.text.lower(): r.key for _, r in pairs}  # one key per caption
    whole = sorted(set(known.values()))
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed))[:concepts].tolist()
    keys = [whole[i] for i in order]
    place = {key: c for c, key in enumerate(keys)}
    return keys, [Question(place[r.key], r.text, r.style, i) for i, r in pairs if r.key in place]


class Gallery:
    """What the judge knows of each concept: mean features of its real pictures, style family by style family.

    Args:
        keys: the concepts, [K].
        records: of the real pictures.
        features: of the real pictures, [N,D].
    """

    def __init__(self, keys: list[str], records: list[Record], features: Tensor) -> None:
        self._center = features.mean(0)
        unit = F.normalize(features - self._center, dim=1)
        self._by_concept: list[dict[str, Tensor]] = []
        for key in keys:
            found: dict[str, list[Tensor]] = defaultdict(list)
            for r, f in zip(records, unit, strict=True):
                if r.key == key:
                    found[family(r.style)].append(f)
            self._by_concept.append({name: torch.stack(fs).mean(0) for name, fs in found.items()})

    def without(self, style: str) -> Tensor:
        """One unit vector per concept, [K,D], from all families but the style's own."""
        rows = []
        for families in self._by_concept:
            others = [f for name, f in families.items() if name != family(style)]
            if not others:
                raise UserError(
                    f"a concept has no picture outside the family of '{style}'; build the data with all sets"
                )
            rows.append(torch.stack(others).mean(0))
        return F.normalize(torch.stack(rows), dim=1)

    def similarities(self, features: Tensor, styles: Sequence[str]) -> Tensor:
        """Cosine similarity of each picture to each concept, [N,K], as seen without the style it was asked in."""
        unit = F.normalize(features - self._center, dim=1)
        galleries = {style: self.without(style) for style in dict.fromkeys(styles)}
        return torch.stack([galleries[style] @ f for style, f in zip(styles, unit, strict=True)])

    def ranks(self, features: Tensor, questions: Sequence[Question]) -> Tensor:
        """Rank (0 = first choice) of each picture's own concept, int64 [N]."""
        near = self.similarities(features, [q.style for q in questions])
        return torch.tensor([rank(row, q.concept) for row, q in zip(near, questions, strict=True)])


def rank(similarity: Tensor, own: int) -> int:
    """How many other entries are at least as similar as ``own``; ties count against the picture."""
    better = int((similarity >= similarity[own]).sum()) - 1
    return better


def score(ranks: Tensor) -> Score:
    """Top-1 with its interval, and top-5, over pictures."""
    top1 = mean_of(ranks == 0)
    return Score(top1.value, float((ranks < 5).double().mean()), top1.low, top1.high, top1.n)


def share_of_the_way(value: float, floor: float, ceiling: float) -> float:
    """Where ``value`` lies between floor (0) and ceiling (1)."""
    return (value - floor) / (ceiling - floor) if ceiling > floor else float("nan")


def relevant(data: PictureSet, keys: list[str]) -> tuple[list[int], list[Record]]:
    """Indices and records of all real pictures of the concepts, in whatever style."""
    wanted = set(keys)
    indices = [i for i, r in enumerate(data.records) if r.key in wanted]
    return indices, [data.records[i] for i in indices]
