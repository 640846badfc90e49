"""What a step of the story game looks like: each word, whether it changed, how sure the model is of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import Step
from fromnoise.story.model import StoryModel
from fromnoise.story.revise import Revised
from fromnoise.story.vocabulary import END


@dataclass(frozen=True)
class SeenWord:
    """One word of a step.

    Attributes:
        text: the word.
        changed: whether this step put it there.
        sure: how likely the model's clean estimate thinks it, 0..1.
    """

    text: str
    changed: bool
    sure: float


@dataclass(frozen=True)
class SeenStep:
    """One step of one sentence.

    Attributes:
        index, total: this is step ``index`` (from 0) of ``total``.
        noise: share of noise that is left after it, 0..1.
        revised: whether this is a move after the last level, in which the sentence was read again.
        words: the sentence after it.
    """

    index: int
    total: int
    noise: float
    revised: bool
    words: tuple[SeenWord, ...]


def seen(model: StoryModel, step: Step, row: int = 0) -> SeenStep:
    """A step of sentence ``row``."""
    return SeenStep(
        step.index,
        step.total,
        model.schedule.sigma(step.t_next),
        isinstance(step, Revised),
        tuple(_words(model, step.x_t[row], step.x_next[row], step.x0_hat[row].double().softmax(-1))),
    )


def _words(model: StoryModel, before: Tensor, after: Tensor, believed: Tensor) -> Iterator[SeenWord]:
    for place, (old, new) in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
        if new == END:
            return
        yield SeenWord(model.vocabulary.words[new], old != new, float(believed[place, new]))
