"""A picture drowning in noise as messages for a page, which mixes picture and noise itself at every level.

Noise is base64 of signed 16-bit numbers, little-endian, colour by colour and row by row: 4096 is 1. At level t the
page shows alpha(t) times the colours, from -1 to 1, and sigma(t) times the noise, as :func:`noise.forward` does.
"""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fromnoise.inspection.captions import Captions
from fromnoise.inspection.live import as_url
from fromnoise.inspection.noise import (
    DRAWS,
    Guess,
    Level,
    Looked,
    best_places,
    check,
    encoded,
    lost,
    noise_levels,
    noises,
    times_of,
    words_plan,
)
from fromnoise.inspection.noise_figure import captions_for
from fromnoise.inspection.patience import draws_of, levels_of, told_of_noise
from fromnoise.inspection.picture_live import News, picture_news
from fromnoise.inspection.subject import Subject, command
from fromnoise.system.text_to_image import TextToImage

ONE = 4096  # what stands for 1


def check_look(model: TextToImage, subject: Subject, given: Tensor | None) -> None:
    """Refuse what :func:`noise_news` cannot do, before it begins.

    Raises:
        UserError: words that drawing would refuse, or a model for inpainting.
    """
    nothing = torch.zeros(3, 1, 1, dtype=torch.uint8)
    check(model, Looked(nothing, subject.prompt, subject.style, subject.seed), [0], DRAWS)
    if given is None:
        subject.plan(model)


def noise_news(model: TextToImage, subject: Subject, given: Tensor | None = None) -> Iterator[News]:
    """ "step"s and "picture", "noise" for all levels, a "level" with the guesses for each tenth, "end".

    Closing the iterator cancels.

    Args:
        model: what draws and guesses.
        subject: what is drawn, or what is in ``given``.
        given: a picture, uint8 [3,H,W], of the model's own size; then nothing is drawn.

    Raises:
        UserError: see :func:`check_look`.
    """
    picture = yield from picture_news(model, subject, given)
    looked = Looked(picture, subject.prompt, subject.style, subject.seed)
    schedule = model.schedule
    _, grain = noises(looked, encoded(model, picture).shape[1:], 1)
    alphas, sigmas = ([round(of(t), 6) for t in range(schedule.steps)] for of in (schedule.alpha, schedule.sigma))
    percents, draws = levels_of(model), draws_of(model)
    told = {"guesses": len(percents), "note": told_of_noise(model, words_plan(model, subject.prompt, subject.style))}
    yield {"type": "noise", "alphas": alphas, "sigmas": sigmas, "grain": packed_noise(grain), **told}
    captions = _captions_for(model, looked.style) if looked.words.strip() else None
    levels: list[Level] = []
    for level in noise_levels(model, looked, times_of(percents, schedule.steps), draws, captions):
        levels.append(level)
        yield _level_news(level)
    gone = lost(levels, captions)
    yield {
        "type": "end",
        "lost": {"by_distance": gone.by_distance, "by_caption": gone.by_caption, "recognised": gone.recognised},
        "captions": None if captions is None else len(captions.texts),
        "best": None if captions is None else best_places(len(captions.texts)),
        "command": _command(subject, given is not None),
    }


def level_news(model: TextToImage, subject: Subject, given: Tensor, t: int) -> Iterator[News]:
    """The "level" of one noise level alone, with the guesses from it; a few calls of the network.

    It is the same that :func:`noise_news` says of this level.

    Args:
        model: what guesses.
        subject: what is in the picture.
        given: the picture, uint8 [3,H,W], of the model's own size.
        t: the level, -1 (clean) to the last.

    Raises:
        UserError: at once, no such level; or see :func:`check_look`.
    """
    looked = Looked(given, subject.prompt, subject.style, subject.seed)
    check(model, looked, [t], DRAWS)
    return _one_level(model, looked, t)


def _one_level(model: TextToImage, looked: Looked, t: int) -> Iterator[News]:
    captions = _captions_for(model, looked.style) if looked.words.strip() else None
    for level in noise_levels(model, looked, [t], draws_of(model), captions):
        yield {**_level_news(level), "share": None}  # which lessons it stands for is not known without its neighbours


def packed_noise(noise: Tensor) -> str:
    """Noise as a message; see above. What lies beyond 8 standard deviations is cut off."""
    numbers = (noise * ONE).round().clamp(-32768, 32767).to(torch.int16).numpy().astype("<i2")
    return base64.b64encode(numbers.tobytes()).decode()


@functools.lru_cache(maxsize=2)
def _captions_for(model: TextToImage, style: str | None) -> Captions | None:
    """The captions of one model in one style are the same for all pictures."""
    return captions_for(model, style)


def _level_news(level: Level) -> News:
    return {
        "type": "level",
        "t": level.t,
        "seen": as_url(level.decoded),
        "without": _guess_news(level.without),
        "with_words": None if level.with_words is None else _guess_news(level.with_words),
        "gain": None if level.gain is None else round(level.gain, 4),
        "share": None if level.share is None else round(level.share, 4),
    }


def _guess_news(guess: Guess) -> dict[str, Any]:
    found = {"picture": as_url(guess.picture), "error": round(guess.error, 5), "rank": guess.rank}
    return {**found, "decibel": round(guess.decibel, 2) if math.isfinite(guess.decibel) else None}


def _command(subject: Subject, given: bool) -> str:
    options = {"prompt": None if given else subject.prompt, "words": (subject.prompt or None) if given else None}
    own = {
        "style": subject.style,
        "seed": subject.seed,
        **subject.opened,
        "out": "noise.html",
    }
    return command("noise", ["picture.png"] if given else [], {**options, **own})
