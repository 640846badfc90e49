"""Asks all questions of a tour, one after the other, and keeps the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fromnoise.ground.errors import UserError
from fromnoise.studio.tour.parts import Part


@dataclass(frozen=True, eq=False)
class Answer:
    """What was heard.

    Attributes:
        part: the question.
        news: all events, in order; empty where there is no answer.
        missing: why there is none; "" where there is.
    """

    part: Part
    news: Sequence[Mapping[str, Any]]
    missing: str = ""


def answers_to(parts: Iterable[Part]) -> Iterator[Answer]:
    """Every part with its answer. What a model or an installation cannot do (it has no CLIP, it carries no pictures,
    a package is missing) is said, not raised, and that chapter is asked nothing more: its later questions may build on
    the answer that is not there.
    """
    silent: set[str] = set()
    for part in parts:
        if part.chapter in silent:
            continue
        try:
            yield Answer(part, tuple(part.news()))
        except UserError as error:
            silent.add(part.chapter)
            yield Answer(part, (), error.message)


def told_chapters(answers: Sequence[Answer]) -> tuple[list[str], dict[str, str]]:
    """The chapters all of whose questions have answers, in order; and why each of the others is left out."""
    missing = {answer.part.chapter: answer.missing for answer in answers if answer.missing}
    return [name for name in dict.fromkeys(a.part.chapter for a in answers) if name not in missing], missing
