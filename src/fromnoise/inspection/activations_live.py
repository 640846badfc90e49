"""What the U-Net's blocks hand on, as messages for a page while the picture is drawn: JSON, with maps inside.

A message stays small however large the model is. Of each block it carries its strength and the ``SHOWN`` channels that
differ most from place to place, each averaged to at most ``WIDEST_MAP`` positions a side, one byte a position: for
Stable Diffusion 1.5 about 55 kB a step, for the shipped model 6 kB, beside the guess as a picture. One step is kept in
memory at a time.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from fromnoise.drawing.plan import Plan
from fromnoise.inspection.activations import Activation, Moment, blocks_of, moments, timing
from fromnoise.inspection.architecture import skips_of
from fromnoise.inspection.live import LARGEST, as_url, small
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

SHOWN = 6  # channels of a block
LOUD = 0.98  # of the numbers that are shown of a block are not above what is drawn as white
NOISY = "noisy"  # in the place of a block's name: the latents that go in


def activations_news(model: TextToImage, subject: Subject) -> Iterator[dict[str, Any]]:
    """ "blocks" at once, "step" after every step, "times" after the first of them, "end" with the picture.

    "blocks": ``blocks`` in the order in which a picture passes them (``name``, ``path``, ``kind``, ``weights``,
    ``weight_share``), ``skips`` (see :func:`fromnoise.inspection.architecture.skips_of`), ``total`` steps, ``command``.
    "step": ``step``, ``t``, ``picture`` (the network's guess) and ``maps`` by the block's name, ``NOISY`` of what went
    in; see :func:`packed`. "times": ``shares`` of a step's time by the block's name, ``ENDS`` of the rest,
    ``milliseconds`` of the step, and over how many ``steps`` it was measured.

    Closing the iterator cancels.

    Raises:
        UserError: the model is computed by another engine than torch, or drawing refuses the subject.
    """
    made = subject.plan(model)
    yield {
        "type": "blocks",
        "prompt": made.words.wanted.text,
        "total": len(made.levels.walk.times),
        "notes": made.notes,
        "blocks": [
            {
                "name": block.name,
                "path": block.path,
                "kind": block.kind,
                "weights": block.weights,
                "weight_share": round(block.weight_share, 4),
            }
            for block in blocks_of(model)
        ],
        "skips": skips_of(model.unet),
        "command": subject.command("activations", out="activations.html"),
    }
    places: dict[str, list[int]] = {}
    picture = None
    for moment in moments(model, made):
        picture = model.decode(moment.guess[:1])[0]
        yield {
            "type": "step",
            "step": moment.index,
            "t": float(moment.t),
            "picture": as_url(picture, LARGEST),
            "maps": dict(_maps(moment, places)),
        }
        if moment.index == 0:
            yield _times(model, made)
    yield {"type": "end", "picture": None if picture is None else as_url(picture)}


def _times(model: TextToImage, made: Plan) -> dict[str, Any]:
    spent = timing(model, made)
    shares = {name: round(spent.share(name), 4) for name in spent.milliseconds}
    return {"type": "times", "shares": shares, "milliseconds": round(spent.total, 2), "steps": spent.repeats}


def _maps(moment: Moment, places: dict[str, list[int]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in (Activation(NOISY, moment.noisy[0].float().cpu()), *moment.activations):
        places[each.block] = in_place(places.get(each.block, []), each.strongest(SHOWN))
        yield each.block, packed(each, places[each.block])


def in_place(before: Sequence[int], now: Sequence[int]) -> list[int]:
    """The channels of ``now``, those that were shown before where they were, so that an eye can follow them."""
    new = iter([channel for channel in now if channel not in before])
    kept = [channel if channel in now else next(new) for channel in before]
    return [*kept, *new]


def packed(shown: Activation, channels: Sequence[int]) -> dict[str, Any]:
    """Strength and some channels of a block as a message.

    Returns:
        ``gives`` ([C,h,w], as it is), ``channels``, ``height`` and ``width`` of what is sent, and ``data``, base64 of
        bytes, row by row: strength (0 the block's least, 255 its most), then each channel (128 is zero, below it minus,
        above it plus).
    """
    strength, maps = small(shown.strength[None])[0], small(shown.maps[list(channels)])
    most = float(maps.abs().flatten().quantile(LOUD)) or 1.0
    low, high = float(strength.min()), float(strength.max())
    first = (strength - low) / max(high - low, 1e-12) * 255
    numbers = torch.cat([first[None], (maps / most).clamp(-1, 1) * 127 + 128]).round().to(torch.uint8)
    return {
        "gives": list(shown.maps.shape),
        "channels": list(channels),
        "height": numbers.shape[1],
        "width": numbers.shape[2],
        "data": base64.b64encode(numbers.numpy().tobytes()).decode(),
    }
