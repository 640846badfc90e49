"""How the model learned, as messages for a page: the film that it carries, and then a few lessons, given now."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.drawing.opened import Opening
from fromnoise.ground.errors import UserError
from fromnoise.inspection.figure import data_url
from fromnoise.inspection.learning import SHARES, Lesson, fall_of, learning_of, lessons
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.noise import Looked
from fromnoise.inspection.picture_live import News, picture_news
from fromnoise.inspection.subject import Subject, command, named
from fromnoise.system.learning_file import Learning
from fromnoise.system.text_to_image import TextToImage

DARK, BRIGHT = (0.10, 0.09, 0.14), (1.0, 0.86, 0.25)  # no error, and as much as a blind guess has


def lessons_news(model: TextToImage, subject: Subject, given: Tensor | None = None) -> Iterator[News]:
    """ "step"s and "picture", a "lesson" for each level, "end".

    Closing the iterator cancels.

    Args:
        model: what guesses; nothing of it is changed.
        subject: what is drawn for the lessons, or what is in ``given``.
        given: a picture, uint8 [3,H,W], of the model's own size; then nothing is drawn.

    Raises:
        UserError: see :func:`fromnoise.inspection.noise_live.check_look`.
    """
    picture = yield from picture_news(model, subject, given)
    for lesson in lessons(model, Looked(picture, subject.prompt, subject.style, subject.seed)):
        yield _lesson_news(lesson)
    yield {"type": "end", "command": _lessons_command(subject, given is not None)}


def film_news(model: TextToImage, opened: Opening = Opening()) -> Iterator[News]:
    """ "film", the only message.

    It is the model's own, whatever LoRAs it was ``opened`` with. Where there is none, ``film`` is None and ``why`` says
    what is wrong with the one that is there, "" where none was ever made.
    """
    line = command("learning", [], {"model": named(opened)["model"], "out": "learning.html"})
    film, why = None, ""
    try:
        film = None if model.learning is None else _told(learning_of(model))
    except UserError as error:
        why = error.message
    yield {"type": "film", "film": film, "why": why, "command": line}


def _told(film: Learning) -> News:
    fall = fall_of(film.moments)
    moments = [
        {
            **vars(moment),
            "levels": dict(moment.levels),
            "files": [data_url(film.file(i, j), "image/webp") for j in range(len(film.prompts))],
        }
        for i, moment in enumerate(film.moments)
    ]
    size = {"height": film.size[0], "width": film.size[1], "drawn_at": film.drawn_at}
    return {"prompts": list(film.prompts), **size, "moments": moments, "fall": None if fall is None else vars(fall)}


def _lesson_news(lesson: Lesson) -> News:
    guess = lesson.level.with_words or lesson.level.without
    return {
        "type": "lesson",
        "t": lesson.level.t,
        "percent": lesson.percent,
        "signal": round(lesson.level.alpha**2, 4),
        "told": lesson.level.with_words is not None,
        "seen": as_url(lesson.level.decoded, LARGEST),
        "guess": as_url(guess.picture, LARGEST),
        "errors": as_url(errors_picture(lesson.errors)),
        "error": round(guess.error, 5),
        "loss": round(lesson.loss, 5),
        "share": None if lesson.level.share is None else round(lesson.level.share, 4),
    }


def errors_picture(errors: Tensor, side: int = 64) -> Tensor:
    """Errors [h,w] as a picture, uint8 [3,H,W]: dark where the guess is right, bright from an error of 1 on."""
    factor = max(1, side // max(errors.shape))
    large = F.interpolate(errors[None, None].clamp(0, 1).sqrt(), scale_factor=factor, mode="nearest")[0]
    dark, bright = (torch.tensor(colour)[:, None, None] for colour in (DARK, BRIGHT))
    return ((dark + (bright - dark) * large) * 255).round().to(torch.uint8)


def _lessons_command(subject: Subject, given: bool) -> str:
    options = {"prompt": None if given else subject.prompt, "words": (subject.prompt or None) if given else None}
    levels = {"levels": ",".join(map(str, SHARES)), "draws": 1}
    own = {
        "style": subject.style,
        "seed": subject.seed,
        **subject.opened,
        "out": "lessons.html",
    }
    return command("noise", ["picture.png"] if given else [], {**options, **levels, **own})
