"""Ask about one picture: whose training pictures are asked (:mod:`asking`), what each of them says (:mod:`check`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.data.decoding import decode, reason
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.picture_file import KEY, Origin, origin_in
from fromnoise.evaluation.copies.asking import Question, Source, Witnesses
from fromnoise.evaluation.copies.check import Verdict, check
from fromnoise.ground.errors import UserError
from fromnoise.ground.file_bytes import bytes_of
from fromnoise.ground.pictures import PictureError, opened_file
from fromnoise.system.text_to_image import TextToImage


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model's training pictures say of one picture."""

    source: Source
    verdict: Verdict

    @property
    def alarm(self) -> tuple[bool, bool]:
        """The larger, the more it speaks of a copy."""
        return self.verdict.copy, self.verdict.close

    @property
    def sentence(self) -> str:
        """The verdict in plain words, with what was compared."""
        return self.verdict.sentence(self.source.pictures)


@dataclass(frozen=True, eq=False)
class Answers:
    """What is said of one picture.

    Attributes:
        each: by model, the most alarming first.
        unasked: what was not looked at, in words; with anything here the picture is not cleared of that.
    """

    each: tuple[Answer, ...]
    unasked: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What the most alarming model says."""
        return self.each[0].sentence

    def to_dict(self) -> dict[str, Any]:
        """For programs: the most alarming answer, and all of them with what was compared."""
        each = [
            {
                "model": a.source.name,
                "hash": a.source.hash,
                "pictures": a.source.index.trained,
                "limits": a.source.index.limits.to_dict(),
                **a.verdict.to_dict(a.source.pictures),
            }
            for a in self.each
        ]
        worst = self.each[0]
        return {
            **worst.verdict.to_dict(worst.source.pictures),
            "compared_with": each,
            "not_asked": list(self.unasked),
        }


def ask(
    picture: Path | str, model: str | None = None, against: Sequence[str] = (), loras: Sequence[str] = ()
) -> Answers:
    """Is a picture a copy of what the model that drew it was trained on?

    >>> ask("apple.png").sentence  # doctest: +SKIP
    'not a copy of any of the 5,696 pictures that stickers-64 (c27a8e928057) was trained on: …'

    Args:
        picture: a file of any size; ours say which model drew them.
        model: the one that drew it; None for the shipped one.
        against: further models to compare with, whoever drew.
        loras: files, or file:weight, that it was drawn with.

    Raises:
        UserError: it is no picture, another model drew it, the model has no index, or packages are missing.
    """

    def opened(place: str | None, with_loras: bool, fast: bool) -> tuple[str, TextToImage]:
        return open_model(Opening(place, tuple(loras) if with_loras else (), "as stored", fast=fast))

    file = Path(picture)
    data = bytes_of(file)
    witnesses = Witnesses(opened, model, tuple(against))
    return answers(witnesses.question(file, origin_of(data, str(file), picky=not against)), data)


def answers(question: Question, data: bytes) -> Answers:
    """What each model says of the picture in a file's bytes.

    Raises:
        UserError: it is no picture, or the judge's packages are missing.
    """
    name = str(question.file)
    found = [Answer(s, check(s.index, square(data, s.index.side, name)[None])[0]) for s in question.sources]
    return Answers(tuple(sorted(found, key=lambda answer: answer.alarm, reverse=True)), question.unasked)


def origin_of(data: bytes, name: str, picky: bool = True) -> Origin | None:
    """What a picture says of how it was drawn; None where it says nothing.

    Args:
        data: its file.
        name: what to call it in errors.
        picky: damaged words are an error; otherwise they count as none.

    Raises:
        UserError: it is no picture, or hides one; or, if that matters, what it says is damaged.
    """
    square(data, 32, name)
    with opened_file(data) as picture:
        if not getattr(picture, "text", {}).get(KEY):
            return None
    try:
        origin = origin_in(data, name)
    except UserError:
        if picky:
            raise
        return None
    if origin.shown_as != "picture":
        raise UserError(
            f"{name} hides what was drawn; draw it without --as {origin.shown_as} and ask about that picture"
        )
    return origin


def square(data: bytes, side: int, name: str) -> Tensor:
    """A picture's file as training pictures are opened: on white, fitted into a square, uint8 [3,side,side].

    Raises:
        UserError: it is no picture.
    """
    try:
        return torch.from_numpy(decode(data, side))
    except (OSError, PictureError) as error:
        raise UserError(f"{name} cannot be read as a picture: {reason(error, name)}") from None
