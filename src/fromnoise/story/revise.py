"""The model reads its own sentence again, and changes what does not fit.

A sampler decides several words at one level, each without knowing what the others become, so that a word comes twice
or a phrase breaks off. Here one word at a time is hidden, and the one whose place would rather have another is
replaced by the likeliest: iterated conditional modes (Besag 1986, "On the statistical analysis of dirty pictures")
on the same pseudo-likelihood that finds wrong words (:mod:`fromnoise.story.repair`). A word stays unless another is
``SURER`` times as likely, so that plain words do not push out the odd ones that make a story.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.diffusion.samplers.base import Step
from fromnoise.ground.config import Config
from fromnoise.story.model import NEVER, StoryModel
from fromnoise.story.repair import each_place
from fromnoise.story.vocabulary import END

SURER = 10.0  # times as likely another word must be; 6 mends no more sentences and makes them plainer (docs/story.md)


@dataclass(frozen=True)
class Revision(Config):
    """How a sentence may be revised.

    Attributes:
        most: how many words may be changed.
        surer: a word is replaced by one that is so many times as likely.
        every_word: every place must have a word.
    """

    most: int = 12
    surer: float = SURER
    every_word: bool = False


@dataclass(frozen=True, eq=False)
class Revised(Step):
    """A move after the last level, in which each sentence has at most one word changed.

    ``x0_hat`` holds log p of every word at every place when only the others are seen.
    """


def revisions(model: StoryModel, last: Step, labels: Tensor, kept: Tensor, how: Revision) -> Iterator[Revised]:
    """Yield one move per round in which a sentence still changes.

    Sentences are computed one by one, so each is the same in company and alone.

    Args:
        model: the story model.
        last: the last move of the sampler, whose ``x_next`` is revised, int64 [B, L].
        labels: genre and place, int64 [B, 2].
        kept: where words stay, bool [B, L].
        how: how much may change.
    """
    x, open_ = last.x_next, torch.full((len(labels),), how.most)
    for index in range(last.total, last.total + how.most):
        before, believed = x, torch.full((*x.shape, len(model.vocabulary)), NEVER)
        x = x.clone()
        for i in torch.nonzero(open_)[:, 0].tolist():
            length = int((x[i] != END).sum())
            believed[i, :length] = each_place(model, x[i, :length], labels[i])
            place, word = worst(model, x[i, :length], believed[i, :length], kept[i, :length], how)
            if place < 0:
                open_[i] = 0
            else:
                x[i, place] = word
        if torch.equal(x, before):
            return
        yield Revised(index, last.total, -1, -1, before, believed, x, last.calls)


def worst(model: StoryModel, ids: Tensor, log_p: Tensor, kept: Tensor, how: Revision) -> tuple[int, int]:
    """The place that would rather have another word, and which; (-1, -1) where none is surer enough.

    Args:
        model: the story model.
        ids: a sentence, int64 [L].
        log_p: log p of every word at every place when only the others are seen, float32 [L, V].
        kept: where words stay, bool [L].
        how: how much surer another word must be.
    """
    rather, empty = log_p.clone(), model.vocabulary.empty
    if how.every_word and empty is not None:
        rather[:, empty] = NEVER
    for place, neighbour in _neighbours(ids.tolist(), empty):
        rather[place, neighbour] = NEVER  # no word stands twice in a row, also where it does now
    own = torch.minimum(log_p, rather).gather(-1, ids[:, None])[:, 0]
    best = rather.max(-1)
    gain = (best.values - own).masked_fill(kept, -torch.inf)
    place = int(gain.argmax())
    return (place, int(best.indices[place])) if float(gain[place]) > math.log(how.surer) else (-1, -1)


def _neighbours(ids: list[int], empty: int | None) -> Iterator[tuple[int, int]]:
    """Each place with the word before it, and with the one behind it, over places without a word."""
    for way in (1, -1):
        before = None
        for place, word in list(enumerate(ids))[::way]:
            if before is not None:
                yield place, before
            before = before if word == empty else word
