"""The words' maps as messages for a page, while the picture is drawn: JSON, with pictures and maps inside.

A map is base64 of unsigned 16-bit numbers, little-endian, row by row, word by word: 65535 is 1. What is needed may be
below 0 and above 1, and comes with the number that 65535 stands for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fromnoise.inspection.live import LARGEST, as_url, small
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.words import WordPicture, WordStep, helped, word_maps, words_of
from fromnoise.system.text_to_image import TextToImage

ALL = "all"  # blocks together


def words_news(model: TextToImage, subject: Subject) -> Iterator[dict[str, Any]]:
    """ "words" at once, "step" after every step, "end" with the picture.

    Closing the iterator cancels; errors as :func:`word_maps`.
    """
    made = subject.plan(model)
    words = [{"text": word.text, "kind": word.kind} for word in words_of(model, made)]
    yield {"type": "words", "words": words, "prompt": made.words.wanted.text, "total": made.steps, "notes": made.notes}
    size = model.latent_shape(made.drawn_size)[1:]
    whole: list[Tensor] = []
    for event in word_maps(model, subject):
        if isinstance(event, WordStep):
            whole.append(event.mean(size))
            estimate = model.decode(event.step.x0_hat[:1])[0]
            maps = {ALL: whole[-1], **event.blocks}
            yield {
                "type": "step",
                "step": event.step.index,
                "t": float(event.step.t),
                "picture": as_url(estimate, LARGEST),
                "maps": {name: packed(each) for name, each in maps.items()},
            }
            continue
        assert isinstance(event, WordPicture)
        mean, needed = torch.stack(whole).mean(0), helped(model, made, event.picture).clamp(min=0)
        yield {
            "type": "end",
            "picture": as_url(event.picture),
            "maps": {ALL: packed(mean)},
            "needed": packed(needed, float(needed.max()) or 1.0),
            "shares": [round(float(share), 4) for share in mean.mean((1, 2))],
            "command": subject.command("words", out="words.html"),
        }


def packed(maps: Tensor, most: float = 1.0) -> dict[str, Any]:
    """Maps [W,h,w] as a message; see above."""
    maps = small(maps)
    numbers = (maps / most * 65535).round().clamp(0, 65535).to(torch.int32).numpy().astype("<u2")
    data = base64.b64encode(numbers.tobytes()).decode()
    return {"height": maps.shape[1], "width": maps.shape[2], "most": most, "data": data}
