"""The judge's opinions as messages for a page, while the picture is drawn: JSON, with pictures inside."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from fromnoise.drawing.plan import Plan
from fromnoise.inspection.judge import Opinion, judge, usual_decoys
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage


def judge_news(
    model: TextToImage, subject: Subject, decoys: Sequence[str] | None = None, strength: float = 0.0
) -> Iterator[dict[str, Any]]:
    """ "judge" at once, "opinion" after every step and of the finished picture, "end". Closing the iterator cancels.

    Of an opinion: the ``picture``; ``cosines`` and ``shares``, for the prompt and then for each decoy; and ``pick``,
    the caption that CLIP would choose, 0 for the prompt.

    Raises:
        UserError: at once; see :func:`fromnoise.inspection.judge.judge`.
    """
    opinions = judge(model, subject, decoys, strength)
    named = list(usual_decoys(model, subject.prompt) if decoys is None else decoys)
    plans = [subject.plan(model, prompt=caption) for caption in (subject.prompt, *named)]
    options = {"decoy": named, "clip_guidance": strength or None}
    return _news(opinions, plans, subject.command("judge", options, "judge.html"))


def _news(opinions: Generator[Opinion, None, None], plans: Sequence[Plan], command: str) -> Iterator[dict[str, Any]]:
    yield {
        "type": "judge",
        "captions": [made.words.prompt for made in plans],
        "total": plans[0].steps,
        "notes": list(dict.fromkeys(note for made in plans for note in made.notes)),
        "command": command,
    }
    for opinion in opinions:
        yield {
            "type": "opinion",
            "step": opinion.index,
            "t": opinion.t,
            "finished": opinion.finished,
            "picture": as_url(opinion.picture, math.inf if opinion.finished else LARGEST),
            "cosines": [round(value, 4) for value in opinion.cosines],
            "shares": [round(value, 4) for value in opinion.shares],
            "pick": opinion.pick,
        }
    yield {"type": "end"}
