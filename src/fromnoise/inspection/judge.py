"""Another model checks each step: what CLIP thinks of the clean estimate, for the prompt and for other captions.

    for opinion in judge(model, Subject("a red apple"), decoys=["a green apple", "a cat"]):
        print(opinion.t, dict(zip(opinion.captions, opinion.shares)))

CLIP is the model's own, whose text tower the drawing reads its words with; its image tower has no part in drawing. Its
opinion is not the truth: docs/training.md says how well it tells right drawings from wrong ones.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.best_of import fits, meanings
from fromnoise.drawing.generate import generate_together
from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.inspection.clip_score import CLIPGuidance, clip_of
from fromnoise.inspection.subject import Subject
from fromnoise.models.clip.clip import CLIP, LARGEST_SCALE
from fromnoise.system.known_words import SMALL, words_of
from fromnoise.system.text_to_image import TextToImage

MOST_DECOYS = 7
STRONGEST = 10.0  # of CLIP guidance
USUAL = 3  # decoys, where nobody names any
# Ordinary things that look unlike each other; the first ones that a model knows and the prompt does not name are taken.
THINGS = ("cat", "car", "tree", "house", "fish", "flower", "apple", "clock", "hat", "book", "moon", "boat")


@dataclass(frozen=True, eq=False)
class Opinion:
    """What CLIP thinks at one moment of one drawing.

    Attributes:
        index, total: after move ``index`` (from 0) of ``total``; the finished picture has index = total.
        t: the noise level at which the estimate was made; -1 for the finished picture.
        picture: what was believed then, uint8 [3,H,W].
        captions: the prompt, then the decoys.
        cosines: between the picture and each caption, -1…1, as :func:`fromnoise.drawing.best_of.fit` says them.
        shares: "which of these is it?": softmax of the cosines, times CLIP's own scale; they sum to 1.
    """

    index: int
    total: int
    t: float
    picture: Tensor
    captions: tuple[str, ...]
    cosines: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def finished(self) -> bool:
        """Whether it is about the picture itself."""
        return self.index == self.total

    @property
    def pick(self) -> int:
        """Which caption CLIP would pick: 0 is the prompt, from 1 on they are decoys. Of equals the first."""
        return max(range(len(self.shares)), key=lambda i: self.shares[i])


def judge(
    model: TextToImage, subject: Subject, decoys: Sequence[str] | None = None, strength: float = 0.0
) -> Generator[Opinion, None, None]:
    """Draw, and say after every step what CLIP thinks of it, then of the finished picture.

    All is checked at once, before the first opinion is asked for. Closing the generator cancels the drawing. Without
    guidance by CLIP the pictures are the bits that ``fromnoise generate`` draws.

    Args:
        model: draws and judges.
        subject: what is drawn; its prompt is judged as it is read, with the style, and so is each decoy.
        decoys: other captions; by default three that :func:`usual_decoys` chooses.
        strength: of CLIP's guidance, 0…10, see :class:`fromnoise.diffusion.score_guidance.ScoreGuidance`; 0 is off.

    Raises:
        UserError: a model without CLIP's image tower, a drawing without words, a decoy that is the prompt or cannot be
            read, too many of them, a strength out of range, or what the plan refuses.
    """
    clip_of(model)
    made = subject.plan(model)
    if made.free:
        raise UserError("a picture that is drawn without words has none to be judged by; give a prompt", "prompt")
    if not (math.isfinite(strength) and 0 <= strength <= STRONGEST):
        raise UserError(f"CLIP guidance must be 0…{STRONGEST:g} (0 is off), not {strength}", "clip_guidance")
    named = usual_decoys(model, subject.prompt) if decoys is None else decoys
    captions = [made, *_decoys(model, subject, made, named)]
    around = CLIPGuidance(model, [made], strength) if strength else None
    return _opinions(model, captions, around)


def usual_decoys(model: TextToImage, prompt: str, count: int = USUAL) -> tuple[str, ...]:
    """Names of things that the model knows and the prompt does not name; the same every time. Of a model that knows
    none of ours, the most frequent words of its captions.

    Args:
        model: whose captions are known, or nobody knows; then all are taken for known.
        prompt: what is drawn.
        count: how many, at most.
    """
    said = {form for word in words_of(prompt) for form in (word, word.removesuffix("s"), word.removesuffix("es"))}
    things = [name for name in THINGS if not model.known.unknown(name)]
    frequent = sorted(model.known.counts, key=lambda word: (-model.known.counts[word], word))  # in whatever language
    return tuple(name for name in things or frequent if name not in said and name not in SMALL)[:count]


def _decoys(model: TextToImage, subject: Subject, made: Plan, decoys: Sequence[str]) -> list[Plan]:
    """What each decoy would be drawn by: so it is read as the prompt is."""
    if len(decoys) > MOST_DECOYS:
        raise UserError(f"there may be {MOST_DECOYS} decoys, not {len(decoys)}; leave some out", "decoys")
    known, found = {made.words.wanted.text}, []
    for decoy in decoys:
        if not decoy.strip():
            raise UserError("a decoy is empty; say what it should be", "decoys")
        try:
            other = subject.plan(model, prompt=decoy)
        except UserError as error:
            raise error.behind(f"decoy '{decoy}': ", "decoys") from None
        if other.words.wanted.text in known:
            raise UserError(f"'{decoy}' stands there twice; the prompt and its decoys must differ", "decoys")
        known.add(other.words.wanted.text)
        found.append(other)
    return found


def _opinions(
    model: TextToImage, captions: Sequence[Plan], around: CLIPGuidance | None
) -> Generator[Opinion, None, None]:
    made, clip = captions[0], clip_of(model)
    words, named = meanings(model, captions), tuple(each.words.prompt for each in captions)
    index, total = 0, made.steps
    for event in generate_together(model, [made], around=around):
        if isinstance(event, Step):
            picture, index, total, t = model.decode(event.x0_hat)[0], event.index, event.total, float(event.t)
        else:
            picture, index, t = event.pictures[0], total, -1.0
        (cosines,) = fits(model, words, picture[None])
        yield Opinion(index, total, t, picture, named, tuple(cosines), shares_of(clip, cosines))


def shares_of(clip: CLIP, cosines: Sequence[float]) -> tuple[float, ...]:
    """How CLIP would bet on captions with these cosines to a picture: softmax of scale · cosine, as it was trained
    (Radford et al. 2021, arXiv 2103.00020, figure 3); they sum to 1."""
    scale = clip.logit_scale.detach().double().clamp(max=LARGEST_SCALE).exp().cpu()
    return tuple((scale * torch.tensor(cosines, dtype=torch.float64)).softmax(0).tolist())
