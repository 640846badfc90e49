"""Arithmetic of concepts: does "a red apple" - "red" + "green" draw a green apple?

Word vectors are famous for such sums (Mikolov et al. 2013, arXiv 1301.3781). Here the sum is made of what the U-Net
reads, the text tower's features of each token, in two ways, and drawn; and of CLIP's vectors of whole texts, where the
nearest captions are looked up. Whether it works is measured beside the prompt that the sum should mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.inspection.between import drawn, matches
from fromnoise.inspection.captions import Captions, captions_of, directions, unit
from fromnoise.inspection.noting import parts_of
from fromnoise.inspection.pixels import apart
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage
from fromnoise.system.texts import Reader

SEEDS = 3
MOST_SEEDS = 64
AS_SAID, IN_PLACE, EVERYWHERE, TARGET = "as said", "sum, token by token", "sum, everywhere alike", "asked for"
WAYS = (AS_SAID, IN_PLACE, EVERYWHERE, TARGET)


@dataclass(frozen=True)
class Equation:
    """What is taken away, what is added, and what should come out.

    Attributes:
        minus, plus: words; "" is the empty text, so that a sum may have one of them only.
        target: the prompt that the sum should mean.
    """

    minus: str
    plus: str
    target: str


@dataclass(frozen=True, eq=False)
class Drawn:
    """One picture of a sum, or one to compare it with.

    Attributes:
        way: one of :data:`WAYS`.
        seed: of its noise.
        picture: uint8 [3,H,W].
        distance: root mean square difference from the target's picture from the same noise, 0…1.
        matches: CLIP's cosines to the prompt as said and to the target; empty without CLIP.
    """

    way: str
    seed: int
    picture: Tensor
    distance: float
    matches: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class InClip:
    """The sum in CLIP's space.

    Attributes:
        nearest: the captions nearest to it, with their cosines.
        before: the cosine of the prompt as said with the target.
        after: the cosine of the sum with the target.
        rank: the target's place among all captions for the sum; 1 is the best.
        count: how many captions there are.
        source: what they are.
    """

    nearest: tuple[tuple[str, float], ...]
    before: float
    after: float
    rank: int
    count: int
    source: str


@dataclass(frozen=True, eq=False)
class ShiftedReader(Reader):
    """Reads as its like does, but for one text, to whose features the difference of two others is added.

    Attributes:
        ids: of that text, int64 [parts,context].
        minus, plus: ids and weights of the others.
        everywhere: add the difference of their end tokens to every token, instead of token to token.
    """

    ids: Tensor | None = None
    minus: tuple[Tensor, Tensor] | None = None
    plus: tuple[Tensor, Tensor] | None = None
    everywhere: bool = False

    def read(self, ids: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 [1, k*context, width], and the pooled vector, float32 [1, P]."""
        tokens, pooled = super().read(ids, weights)
        if self.ids is None or self.minus is None or self.plus is None or not torch.equal(ids.cpu(), self.ids):
            return tokens, pooled
        (less, less_pooled), (more, more_pooled) = (
            super(ShiftedReader, self).read(*(part.to(ids.device) for part in side)) for side in (self.minus, self.plus)
        )
        if self.everywhere:
            less, more = (x[:, self._end(side[0])] for x, side in ((less, self.minus), (more, self.plus)))
        return tokens + (more - less), pooled + (more_pooled - less_pooled)

    def _end(self, ids: Tensor) -> slice:
        """Where a text ends, as a slice of one place."""
        place = int((ids[0] == self.tower.config.eos_token_id).int().argmax())
        return slice(place, place + 1)


@dataclass(frozen=True, eq=False)
class ShiftedModel(TextToImage):
    """A model that reads one text otherwise; made by :func:`shifted`.

    Attributes:
        shifted: its readers.
    """

    shifted: tuple[Reader, ...] = ()

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Who reads the prompts."""
        return self.shifted


def shifted(model: TextToImage, made: Plan, equation: Equation, everywhere: bool) -> ShiftedModel:
    """A model for which the words of a plan are their own features, less those of ``minus``, and those of ``plus``.

    Raises:
        UserError: what is added or taken away is longer than the prompt's own parts.
    """
    wanted = made.words.wanted
    sides = [model.tokens(text) for text in (equation.minus, equation.plus)]
    if any(side.parts > wanted.parts for side in sides):
        raise UserError("what is added or taken away must not be longer than the prompt can be")
    less, more = (side.padded(model.readers, wanted.parts) for side in sides)
    readers = tuple(
        ShiftedReader(reader.tokenizer, reader.tower, reader.penultimate, wanted.chunks[i].ids,
                      (less.chunks[i].ids, less.chunks[i].weights), (more.chunks[i].ids, more.chunks[i].weights),
                      everywhere)
        for i, reader in enumerate(model.readers)
    )  # fmt: skip
    return ShiftedModel(**{**parts_of(model), "backend": model.engine, "shifted": readers})


def equation_of(prompt: str, minus: str, plus: str, target: str | None = None) -> Equation:
    """The equation; without a target, the prompt with ``plus`` in the place of ``minus``.

    >>> equation_of("a red apple", "red", "green").target
    'a green apple'

    Raises:
        UserError: nothing is added or taken away, no prompt, or no target and no place for it.
    """
    if not prompt.strip():
        raise UserError("a sum begins with a prompt; give one", "prompt")
    minus, plus = minus.strip(), plus.strip()
    if not (minus or plus):
        raise UserError("say what is taken away, and what is added", "minus", advice=" (--minus red --plus green)")
    if target is not None and target.strip():
        return Equation(minus, plus, target)
    place = re.compile(rf"(?<!\w){re.escape(minus)}(?!\w)", re.IGNORECASE) if minus else None
    if place is None or not place.search(prompt):
        why = f"'{minus}' is not in the prompt" if minus else "nothing is taken away"
        raise UserError(f"{why}, so say which prompt the sum should mean", "target", advice=" (--target)")
    return Equation(minus, plus, " ".join(place.sub(lambda _: plus, prompt, count=1).split()))


def sums(model: TextToImage, subject: Subject, equation: Equation, seeds: int = SEEDS) -> Iterator[Drawn]:
    """Draw the target, the prompt as said and both sums, from as many noises; closing the generator cancels.

    Args:
        model: what draws.
        subject: the prompt as said, and the first seed.
        equation: what is added to it.
        seeds: how many noises.

    Raises:
        UserError: before anything is drawn.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"the number of seeds must be 1…{MOST_SEEDS}, not {seeds}", "seeds", advice=" (--seeds)")
    said = [subject.plan(model, seed=subject.seed + i) for i in range(seeds)]
    asked = [subject.plan(model, seed=subject.seed + i, prompt=equation.target) for i in range(seeds)]
    ways = {way: shifted(model, said[0], equation, way == EVERYWHERE) for way in (IN_PLACE, EVERYWHERE)}
    return _sums({TARGET: model, AS_SAID: model, **ways}, said, asked)


def _sums(ways: dict[str, TextToImage], said: list[Plan], asked: list[Plan]) -> Iterator[Drawn]:
    model = ways[AS_SAID]
    for mine, theirs in zip(said, asked, strict=True):
        goal: Tensor | None = None
        for way, drawing in ways.items():
            picture = drawn(drawing, theirs if way == TARGET else mine)
            goal = picture if goal is None else goal
            yield Drawn(way, mine.seed, picture, apart(picture, goal), matches(model, (mine, theirs), picture))


def in_clip(model: TextToImage, subject: Subject, equation: Equation, captions: Captions | None = None) -> InClip:
    """The sum in CLIP's space, and what lies near it.

    Args:
        model: has CLIP.
        subject: the prompt as said.
        equation: what is added.
        captions: what is looked up; by default all that the model knows.

    Raises:
        UserError: no CLIP, or no captions.
    """
    captions = captions or captions_of(model)
    prompt, minus, plus, target = directions(model, [subject.prompt, equation.minus, equation.plus, equation.target])
    total = unit(prompt - minus + plus)
    return InClip(tuple(captions.nearest(total)), float(prompt @ target), float(total @ target),
                  captions.rank(total, target), len(captions.texts), captions.source)  # fmt: skip


def wording(subject: Subject, equation: Equation) -> str:
    """The sum as a person writes it."""
    parts = [f'"{subject.prompt}"']
    parts += [f'- "{equation.minus}"'] if equation.minus else []
    parts += [f'+ "{equation.plus}"'] if equation.plus else []
    return " ".join(parts)
