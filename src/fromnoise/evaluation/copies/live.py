"""Verdicts as messages for a page: JSON, with the nearest training pictures inside as small pictures."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.opened import Opening
from fromnoise.drawing.picture_file import to_image
from fromnoise.evaluation.copies.answers import Answer, Answers, answers
from fromnoise.evaluation.copies.asking import Question, Source
from fromnoise.evaluation.copies.check import Verdict, check, trust
from fromnoise.evaluation.copies.index import Index, Known
from fromnoise.evaluation.copies.thumbnails import SIDE, enlarged
from fromnoise.ground.errors import UserError
from fromnoise.inspection.figure import png_of
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.subject import Subject, command, named
from fromnoise.system.text_to_image import TextToImage

News = dict[str, Any]
SHOWN = 4  # steps from one picture of the way to the next
NOISE = (8, 16, 32, 48, 64, 96, 128)  # how far colours are thrown off, of 255
MOVED = (1, 2, 3, 4, 6, 8)  # pixels to the right, where a side has 64


def line_of(opened: Opening, against: Path | str | None = None) -> str:
    """What checks a downloaded picture in a terminal: one that the ``opened`` model drew, or ``against`` another's."""
    model = {name: value for name, value in named(opened).items() if name != "precision"}  # nothing is drawn
    return command("copies", ["picture.png"], {**model, "against": against, "out": "beside.png"})


def as_page(found: Answers) -> News:
    """What is said of a picture: ``answers`` by model, the most alarming first, and what was ``not_asked``."""
    return {"answers": [_answer(each) for each in found.each], "not_asked": list(found.unasked)}


def copies_news(model: TextToImage, subject: Subject, seeds: int, asked: Callable[[], Question]) -> Iterator[News]:
    """ "copies" at once, a "step" now and then, a "verdict" for each seed, "end". Closing the iterator cancels.

    Args:
        model: what draws.
        subject: what is drawn, and the first seed; the others count up from it.
        seeds: how many.
        asked: whose training pictures are asked; called before anything is drawn.

    Raises:
        UserError: the model has no index, packages are missing, or drawing refuses the subject.
    """
    question = asked()
    yield {"type": "copies", "compared": [_compared(s) for s in question.sources], "not_asked": list(question.unasked)}
    pictures = yield from _drawn(model, subject, seeds)
    for number, picture in enumerate(pictures):
        found = answers(question, png_of(to_image(picture)))
        said = {"number": number, "seed": subject.seed + number, "picture": as_url(picture), **as_page(found)}
        yield {"type": "verdict", **said}
    yield {"type": "end", "command": line_of(Opening(subject.model, subject.lora))}


def _drawn(model: TextToImage, subject: Subject, seeds: int) -> Generator[News, None, Tensor]:
    made = subject.plan(model, count=seeds)
    for event in generate(model, made):
        if isinstance(event, Finished):
            return torch.stack(list(event.pictures))
        if event.index % SHOWN == 0:
            shown = [as_url(one, LARGEST) for one in model.decode(event.x0_hat)]
            yield {"type": "step", "step": event.index, "total": made.steps, "pictures": shown}
    raise AssertionError("a drawing ends with its picture")


def changed_news(name: str, asked: Callable[[], Question], opened: Opening = Opening()) -> Iterator[News]:
    """Put a training picture through the check, as it is and changed more and more: "known", "changed" for each, "end".

    It is the thumbnail that the index has of it, enlarged, for the training pictures themselves are not at hand.

    Args:
        name: of the training picture.
        asked: whose training pictures are asked.
        opened: how the model was opened, for the command.

    Raises:
        UserError: none of the models was trained on a picture of that name, or as :func:`copies_news`.
    """
    index = _having(name, asked().sources)
    number = index.places[name]
    picture = enlarged(index.thumbnails[number], index.side)
    sizes = {"thumbnail": min(SIDE, index.side), "side": index.side, "limits": index.limits.to_dict()}
    yield {"type": "known", **_neighbour(index, index.known[number]), **sizes}
    for way, amount in [("as it is", 0), *(("noise", a) for a in NOISE), *(("moved", a) for a in MOVED)]:
        shown = changed(picture, way, amount)
        verdict = check(index, shown[None])[0]
        named = bool(index.cluster[index.places[verdict.suspect.name]] == index.cluster[number])
        said = {"way": way, "amount": amount, "named": named, "picture": as_url(shown), **_verdict(index, verdict)}
        yield {"type": "changed", **said}
    yield {"type": "end", "command": line_of(opened)}


def changed(picture: Tensor, way: str, amount: int) -> Tensor:
    """A picture, uint8 [3,P,P], changed.

    Args:
        picture: what is changed.
        way: "noise" throws each colour value off, always in the same way; "moved" pushes the picture to the right, with
            white behind it; anything else leaves it.
        amount: of the noise its standard deviation, 0…255; of the move pixels, where a side has 64.
    """
    if way == "noise":
        grain = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
        return (picture + amount * grain).round().clamp(0, 255).to(torch.uint8)
    if way == "moved":
        width = picture.shape[2]
        by = round(amount * width / 64)
        shown = torch.full_like(picture, 255)
        shown[:, :, by:] = picture[:, :, : width - by]
        return shown
    return picture


def _having(name: str, sources: tuple[Source, ...]) -> Index:
    for source in sources:
        if name in source.index.places:
            return source.index
    raise UserError(f"no training picture is called {name!r}")


def _compared(source: Source) -> News:
    index = source.index
    about = {"model": source.name, "hash": source.hash, "pictures": index.trained, "trust": trust(index)}
    return {**about, "limits": index.limits.to_dict()}


def _answer(answer: Answer) -> News:
    return {**_compared(answer.source), **_verdict(answer.source.index, answer.verdict), "sentence": answer.sentence}


def _verdict(index: Index, verdict: Verdict) -> News:
    near = {name: _neighbour(index, getattr(verdict, name)) for name in ("suspect", "by_features", "by_pixels")}
    return {
        "copy": verdict.copy,
        "close": verdict.close,
        "features": verdict.features,
        "pixels": verdict.pixels,
        **near,
    }


def _neighbour(index: Index, known: Known) -> News:
    small = enlarged(index.thumbnails[index.places[known.name]], min(SIDE, index.side))
    return {**asdict(known), "called": str(known), "picture": as_url(small)}
