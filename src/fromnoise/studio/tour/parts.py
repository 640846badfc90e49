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
from fromnoise.inspection.activations_live import activations_news
from fromnoise.inspection.architecture import machine_of
from fromnoise.inspection.arithmetic import equation_of
from fromnoise.inspection.axes_live import axes_news, rounds_news
from fromnoise.inspection.between import Goal, walk
from fromnoise.inspection.between_live import sum_news, walk_news
from fromnoise.inspection.guidance_live import guidance_news, ladder_news
from fromnoise.inspection.hidden_live import hidden_news
from fromnoise.inspection.judge_live import judge_news
from fromnoise.inspection.latents_live import change, latents_news
from fromnoise.inspection.learning_live import film_news, lessons_news
from fromnoise.inspection.map_live import area_news, map_news
from fromnoise.inspection.noise_live import noise_news
from fromnoise.inspection.subject import Subject, named
from fromnoise.inspection.words_live import words_news
from fromnoise.studio.api.copies import Copies
from fromnoise.studio.desk.beginnings import beginnings, chain_of, is_short
from fromnoise.studio.desk.models import Models
from fromnoise.studio.tour.drawing import drawing_news
from fromnoise.system.text_to_image import TextToImage

News = Mapping[str, Any]
DRAWING = "draw"  # the view of a drawing beside the gallery
VERDICTS = 4  # seeds of the chapter on copies
AREA_PICTURES, AREA_STEPS = 8, 10  # of the chapter on the map
ALL = 10**6  # steps; no drawing has so many
SEEDS = 8  # pictures of the chapter on luck
STOPS = 7  # of a walk
USUAL = 3.0  # guidance in the chapter on it, for models that draw without any
STEERED = 0.3  # how strongly CLIP steers where it is let
SEED_OF_SUM = 3
DECOYS = 3
# With what the chapters begin beside the prompt of the tour, where the model knows the stickers' things.
USUAL_GOAL, USUAL_DECOYS = "pear", ("tomato", "green apple", "red car")
USUAL_SUM, USUAL_CHAIN = ("red apple", "red", "green"), ("food", "fruit", "red apple")


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


def parts_of(models: Models, subject: Subject) -> Iterator[Part]:
    """The questions of all chapters about one drawing, in the chapters' order.

    Args:
        models: what is looked into; the diagram shows it as it is stored, since drawing packs the networks' insides.
        subject: the drawing; its prompt, style and seed are what the chapters begin with.
    """
    model = models.base
    asked = {"prompt": subject.prompt, "style": subject.style, "seed": subject.seed}
    usual = {"guidance": USUAL} if model.defaults.guidance == 1 else {}
    guided = replace(subject, guidance=USUAL) if usual and subject.guidance is None else subject
    begun = _begun(model, subject.prompt)
    goal = Goal(begun.goal, both=f"{subject.prompt} {begun.goal}")
    walked = {**asked, "to": goal.prompt, "both": goal.both, "stops": STOPS}
    (prompt, minus, plus), seed = begun.sum, SEED_OF_SUM
    how = named(models.opened)
    equation, sum_of = equation_of(prompt, minus, plus), Subject(prompt, subject.style, seed=seed, **how)
    summed = {"prompt": prompt, "minus": minus, "plus": plus, "seed": seed, "style": subject.style}
    yield Part(
        "static", DRAWING, {**asked, "show": "both", "count": 1}, lambda: drawing_news(model, subject, noisy=ALL)
    )
    yield Part("noise", "noise", asked, lambda: noise_news(model, subject))
    yield Part("latents", "latents", asked, lambda: latents_news(model, subject))
    yield from _muted_channels(model, subject)
    yield Part("machine", "machine", {}, lambda: iter([machine_of(models.plain(), subject.prompt)]))
    yield Part("machine", "activations", asked, lambda: activations_news(model, subject))
    yield Part("words", "words", asked, lambda: words_news(model, subject))
    for other in _other_words(model, subject):
        yield Part("words", DRAWING, {**asked, "prompt": other.prompt, "count": 1}, _drawn(model, other))
    yield Part("guidance", "guidance", {**asked, **usual}, lambda: guidance_news(model, guided))
    yield Part("guidance", "ladder", asked, lambda: ladder_news(model, subject))
    for strength in (0, STEERED):
        judged = {**asked, "decoys": begun.decoys, "clip_guidance": strength}
        yield Part("judge", "judge", judged, _judged(model, subject, begun.decoys, strength))
    yield Part("axes", "axes", {"kinds": None}, lambda: axes_news(model, None, models.opened))
    yield Part("axes", "axes/rounds", {"kinds": None}, lambda: rounds_news(model))
    yield from _map(models, subject, begun.chain)
    yield Part("between", "between", walked, lambda: walk_news(model, subject, goal, walk(model, subject, goal, STOPS)))
    for end in (subject, replace(subject, prompt=begun.goal)):
        yield Part("between", DRAWING, {**asked, "prompt": end.prompt, "count": 1}, _drawn(model, end))
    yield Part("between", "between/sum", summed, lambda: sum_news(model, sum_of, equation))
    yield Part(
        "luck",
        DRAWING,
        {**asked, "count": SEEDS, "show": "both"},
        lambda: drawing_news(model, subject, SEEDS, noisy=1),
    )
    yield from _copies(models, subject, asked)
    yield Part("learning", "learning", {}, lambda: film_news(model, models.opened))
    yield Part("learning", "learning/lessons", asked, lambda: lessons_news(model, subject))
    yield Part("hidden", "hidden", asked, lambda: hidden_news(model, subject))


def _map(models: Models, subject: Subject, chain: Sequence[str]) -> Iterator[Part]:
    """Where the prompt lands, and how much room it leaves, as ``web/chapters/map_area.js`` asks."""
    model = models.base
    landed = functools.partial(map_news, model, [subject.prompt], opened=models.opened)
    yield Part("map", "map", {"prompts": [subject.prompt], "points": True}, landed)
    narrower = [replace(subject, prompt=prompt, steps=AREA_STEPS) for prompt in chain]
    body = {"prompts": [each.prompt for each in narrower], "style": subject.style, "seed": subject.seed}
    yield Part("map", "map/area", body, lambda: area_news(model, narrower, AREA_PICTURES))


@dataclass(frozen=True)
class _Begun:
    """What the chapters add to the prompt of the tour by themselves."""

    goal: str
    decoys: tuple[str, ...]
    sum: tuple[str, str, str]
    chain: tuple[str, ...]


def _begun(model: TextToImage, prompt: str) -> _Begun:
    """The words that ``web/chapters/*.js`` begin with on a model, when they are opened with a prompt."""
    own, short = beginnings(model), is_short(prompt)
    if own is None:
        return _Begun(USUAL_GOAL, USUAL_DECOYS, USUAL_SUM, chain_of(prompt) if short else USUAL_CHAIN)
    others = own.others(prompt)
    return _Begun((*others, prompt)[0], others[:DECOYS], own.sum, chain_of(prompt) if short else own.chain)


def _copies(models: Models, subject: Subject, asked: Mapping[str, Any]) -> Iterator[Part]:
    """Four seeds beside their nearest training pictures; then the one that is most like the first."""
    check, suspect = Copies(models), dict[str, str]()

    def verdicts() -> Iterator[News]:
        for news in check.news(subject, subject.plan(models.base), VERDICTS):
            if news["type"] == "verdict" and news["number"] == 0:
                suspect["name"] = news["answers"][0]["suspect"]["name"]
            yield news

    yield Part("copies", "copies", {**asked, "seeds": VERDICTS}, verdicts)
    # What it is called is known when the first answer was heard.
    yield Part("copies", "copies/known", suspect, lambda: check.changes(suspect["name"]))


def _judged(
    model: TextToImage, subject: Subject, decoys: Sequence[str], strength: float
) -> Callable[[], Iterator[News]]:
    return lambda: judge_news(model, subject, decoys, strength)


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
