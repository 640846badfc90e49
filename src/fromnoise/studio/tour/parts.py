"""What the chapters ask for when they are opened: the questions whose answers a tour carries.

The questions are those that the page itself asks (``web/chapters/*.js``), word for word; the page compares them, and
``tests/studio/test_tour.py`` opens every chapter of a tour and finds no question without an answer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from fromnoise.drawing.generate import Finished, generate
from fromnoise.inspection.architecture import machine_of
from fromnoise.inspection.arithmetic import equation_of
from fromnoise.inspection.axes_live import axes_news, rounds_news
from fromnoise.inspection.between import Goal, walk
from fromnoise.inspection.between_live import sum_news, walk_news
from fromnoise.inspection.guidance_live import guidance_news, ladder_news
from fromnoise.inspection.judge_live import judge_news
from fromnoise.inspection.kinds import KINDS
from fromnoise.inspection.latents_live import change, latents_news
from fromnoise.inspection.noise_live import noise_news
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.words_live import words_news
from fromnoise.studio.tour.drawing import drawing_news
from fromnoise.system.text_to_image import TextToImage

News = Mapping[str, Any]
DRAWING = "draw"  # the view of a drawing beside the gallery
SEEDS = 8  # pictures of the chapter on luck
STOPS = 7  # of a walk
USUAL = 3.0  # guidance in the chapter on it, for models that draw without any
STEERED = 0.3  # how strongly CLIP steers where it is let
SUM = ("red apple", "red", "green", 3)  # the first sum of words, and its first seed
GOAL = "pear"
DECOYS = ("tomato", "green apple", "red car")


@dataclass(frozen=True, eq=False)
class Part:
    """One question of a chapter.

    Attributes:
        chapter: that asks it, by its name in the address.
        view: the route below ``/api/inside``; "draw" for a drawing, "machine" for the diagram.
        body: what is asked; a question is this one if it has the same values here.
        news: makes the answer.
    """

    chapter: str
    view: str
    body: Mapping[str, Any]
    news: Callable[[], Iterator[News]]


def parts_of(model: TextToImage, subject: Subject, stored: Callable[[], TextToImage]) -> Iterator[Part]:
    """The questions of all chapters about one drawing, in the chapters' order.

    Args:
        model: what is looked into.
        subject: the drawing; its prompt, style and seed are what the chapters begin with.
        stored: opens the model as it is stored: drawing packs the networks' insides, which the diagram shows.
    """
    asked = {"prompt": subject.prompt, "style": subject.style, "seed": subject.seed}
    guided = replace(subject, guidance=USUAL) if model.defaults.guidance == 1 else subject
    usual = {"guidance": USUAL} if model.defaults.guidance == 1 else {}
    walked, goal = {**asked, "to": GOAL, "stops": STOPS}, Goal(GOAL)
    prompt, minus, plus, seed = SUM
    equation, sum_of = equation_of(prompt, minus, plus), Subject(prompt, subject.style, seed=seed, model=subject.model)
    summed = {"prompt": prompt, "minus": minus, "plus": plus, "seed": seed, "style": subject.style}
    yield Part("static", DRAWING, {**asked, "show": "both"}, lambda: drawing_news(model, subject, noisy=True))
    yield Part("noise", "noise", asked, lambda: noise_news(model, subject))
    yield Part("latents", "latents", asked, lambda: latents_news(model, subject))
    yield from _muted_channels(model, subject)
    yield Part("machine", "machine", {}, lambda: iter([machine_of(stored())]))
    yield Part("words", "words", asked, lambda: words_news(model, subject))
    for other in _other_words(model, subject):
        yield Part("words", DRAWING, {**asked, "prompt": other.prompt}, _drawn(model, other))
    yield Part("guidance", "guidance", {**asked, **usual}, lambda: guidance_news(model, guided))
    yield Part("guidance", "ladder", asked, lambda: ladder_news(model, subject))
    for strength in (0, STEERED):
        judged = {**asked, "decoys": DECOYS, "clip_guidance": strength}
        yield Part("judge", "judge", judged, _judged(model, subject, strength))
    yield Part("axes", "axes", {"kinds": KINDS}, lambda: axes_news(model))
    yield Part("axes", "axes/rounds", {"kinds": KINDS}, lambda: rounds_news(model))
    yield Part("between", "between", walked, lambda: walk_news(model, subject, goal, walk(model, subject, goal, STOPS)))
    for end in (subject, replace(subject, prompt=GOAL)):
        yield Part("between", DRAWING, {**asked, "prompt": end.prompt}, _drawn(model, end))
    yield Part("between", "between/sum", summed, lambda: sum_news(model, sum_of, equation))
    yield Part("luck", DRAWING, {**asked, "count": SEEDS}, lambda: drawing_news(model, subject, SEEDS))


def _judged(model: TextToImage, subject: Subject, strength: float) -> Callable[[], Iterator[News]]:
    return lambda: judge_news(model, subject, DECOYS, strength)


def _muted_channels(model: TextToImage, subject: Subject) -> Iterator[Part]:
    """The picture with each channel of its latents muted, one at a time."""
    count = model.vae.config.latent_channels

    @functools.cache
    def picture() -> Tensor:
        finished = [event for event in generate(model, subject.plan(model)) if isinstance(event, Finished)]
        return finished[0].pictures[0]

    for muted in range(count):
        gains = [int(i != muted) for i in range(count)]
        yield Part("latents", "latents/changed", {"gains": gains}, _changed(model, picture, gains))


def _changed(model: TextToImage, picture: Callable[[], Tensor], gains: Sequence[int]) -> Callable[[], Iterator[News]]:
    return lambda: iter([change(model, picture(), gains)])


def _drawn(model: TextToImage, subject: Subject) -> Callable[[], Iterator[News]]:
    return lambda: drawing_news(model, subject, steps=False)


def _other_words(model: TextToImage, subject: Subject) -> Iterator[Subject]:
    """The prompt with each of its words muted, twice as loud, and left out, as ``web/chapters/words.js`` writes it."""
    told = next(words_news(model, subject))["words"]
    named = [word["text"] for word in told if word["kind"] == "word" and re.search(r"[^\W_]", word["text"])]
    for text in dict.fromkeys(named):
        whole = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE)
        if not whole.search(subject.prompt):
            continue
        left = " ".join(whole.sub("", subject.prompt).split())
        changed = [whole.sub(f"({text}:{weight})", subject.prompt) for weight in (0, 2)]
        yield from (replace(subject, prompt=prompt) for prompt in (*changed, left) if prompt)
