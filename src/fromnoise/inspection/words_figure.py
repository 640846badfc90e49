"""The figure of ``fromnoise inspect words``: where each word is listened to, step by step and block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.heat import overlay, own_range
from fromnoise.inspection.live import small
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.words import Changed, Word, WordPicture, changed, helped, word_maps, words_of
from fromnoise.system.text_to_image import TextToImage

ROWS = 4  # steps that are shown one by one
ABOUT = (
    "The first row shows where in the picture each word is needed: without it, the network's guess gets worse where it "
    "is bright. The rows below show where each word is listened to while the picture appears, which is not the same: "
    "much of the listening goes to the signs before and after the words."
)


def words_figure(
    model: TextToImage,
    subject: Subject,
    by_block: bool = False,
    mute: Sequence[str] = (),
    boost: Mapping[str, float] | None = None,
    moving: bool = True,
) -> Figure:
    """Draw and look. Of each step one map a word is kept, whatever the number of blocks.

    Args:
        model: draws.
        subject: what.
        by_block: a row for each block instead of some of the steps.
        mute: words to draw the same noise without: once muted, once left out.
        boost: words to draw the same noise with more of, and how much.
        moving: make frames for a film, for which every step's guess is decoded.

    Raises:
        UserError: see :func:`word_maps` and :func:`fromnoise.inspection.words.changed`.
    """
    muted = [(word, weight) for word in mute for weight in (0.0, None)]
    changes: list[tuple[str, float | None]] = [*muted, *(boost or {}).items()]
    heard = _heard(model, subject, moving)
    end = heard.end
    others = [changed(model, subject, word, weight, end.picture) for word, weight in changes]
    whole = torch.stack([step.maps for step in heard.steps]).mean(0)
    needed = helped(model, subject.plan(model), end.picture)
    rows = [
        ("listened to, all steps and blocks", whole),
        *(heard.blocks.items() if by_block else _some_steps(heard.steps)),
    ]
    labels = [_label(word, float(share)) for word, share in zip(end.words, whole.mean((1, 2)), strict=True)]
    cells = [_row(end.picture, needed.clamp(min=0)), *(_row(end.picture, maps) for _, maps in rows)]
    cells += [_change_row(other) for other in others]
    names = ["needed, by the guess's error", *(name for name, _ in rows), *(_change_label(other) for other in others)]
    zoom = max(1, 128 // end.picture.shape[-1])
    options = {"by_block": by_block, "mute": list(mute), "boost": [f"{w}={v:g}" for w, v in (boost or {}).items()]}
    return Figure(
        f"Where “{subject.prompt}” is listened to",
        ABOUT,
        contact_sheet(cells, names, ["the picture", *labels], zoom),
        _facts(heard, whole, needed, others),
        subject.command("words", options, "words.png"),
        heard.frames,
        _tables(heard, whole, others),
    )


@dataclass(frozen=True, eq=False)
class _Step:
    """One step: which, of how many, at which level, and its maps, float32 [W,h,w], all blocks together."""

    index: int
    total: int
    t: float
    maps: Tensor


@dataclass(frozen=True, eq=False)
class _Heard:
    """What was listened to in a drawing: step by step, and block by block, [W,h,w] each, the mean of all steps."""

    steps: Sequence[_Step]
    blocks: Mapping[str, Tensor]
    end: WordPicture
    frames: Sequence[Image.Image]


def _heard(model: TextToImage, subject: Subject, moving: bool) -> _Heard:
    size = model.latent_shape()[1:]
    steps, frames, sums = list[_Step](), list[Image.Image](), dict[str, Tensor]()
    words = words_of(model, subject.plan(model))
    for event in word_maps(model, subject):
        if isinstance(event, WordPicture):
            blocks = {name: maps / len(steps) for name, maps in sums.items()}
            return _Heard(steps, blocks, event, _of_one_width(frames))
        seen = _Step(event.step.index, event.step.total, float(event.step.t), event.mean(size))
        steps.append(seen)
        for name, maps in event.blocks.items():
            sums[name] = sums[name] + maps if name in sums else maps
        if moving:
            frames.append(_frame(model.decode(event.step.x0_hat[:1])[0], seen, words))
    raise AssertionError("a drawing ends with its picture")


def _some_steps(steps: Sequence[_Step]) -> list[tuple[str, Tensor]]:
    count = min(ROWS, len(steps))
    chosen = [steps[i * (len(steps) - 1) // max(1, count - 1)] for i in range(count)]
    return [(f"step {each.index + 1} of {each.total} (t = {each.t:g})", each.maps) for each in chosen]


def _row(picture: Tensor, maps: Tensor) -> list[Image.Image]:
    return [to_image(picture), *(to_image(overlay(picture, own_range(heat))) for heat in maps)]


def _change_row(other: Changed) -> list[Image.Image]:
    return [to_image(other.picture), to_image(other.difference.expand(3, -1, -1))]


def _change_label(other: Changed) -> str:
    ways = {None: f"“{other.word}” left out", 0.0: f"“{other.word}” muted"}
    how = ways.get(other.weight, f"“{other.word}” counts {other.weight:g} times" if other.weight else "")
    return f"{how}: {other.share:.0%} of the pixels differ (white: where)"


def _label(word: Word, share: float) -> str:
    return f"{_name(word)} {share:.0%}"


def _frame(estimate: Tensor, step: _Step, words: Sequence[Word]) -> Image.Image:
    """What the network believes after a step, uint8 [3,H,W], and its words' maps on it."""
    columns, zoom = ["estimate", *map(_name, words)], max(1, 128 // estimate.shape[-1])
    return contact_sheet([_row(estimate, step.maps)], [f"step {step.index + 1:>3} of {step.total}"], columns, zoom)


def _of_one_width(frames: Sequence[Image.Image]) -> list[Image.Image]:
    widest = max((frame.width for frame in frames), default=0)
    return [_padded(frame, widest) for frame in frames]


def _padded(frame: Image.Image, width: int) -> Image.Image:
    padded = Image.new("RGB", (width, frame.height), "white")
    padded.paste(frame, (width - frame.width, 0))
    return padded


def _rounded(maps: Tensor) -> list[Any]:
    return [[[round(float(value), 4) for value in row] for row in heat] for heat in maps]


def _shares(maps: Tensor) -> list[float]:
    return [round(float(share), 4) for share in maps.mean((1, 2))]


def _facts(heard: _Heard, whole: Tensor, needed: Tensor, others: Sequence[Changed]) -> dict[str, Any]:
    """All maps, row by row; those of steps and of blocks are averaged to at most 16 positions a side."""
    return {
        "words": [{"text": word.text, "kind": word.kind, "tokens": list(word.places)} for word in heard.end.words],
        "shares": _shares(whole),
        "maps": _rounded(whole),
        "needed": _rounded(needed),
        "steps": [{"t": s.t, "shares": _shares(s.maps), "maps": _rounded(small(s.maps))} for s in heard.steps],
        "blocks": {name: _shares(maps) for name, maps in heard.blocks.items()},
        "block_maps": {name: _rounded(small(maps)) for name, maps in heard.blocks.items()},
        "changed": [
            {"word": other.word, "weight": other.weight, "prompt": other.prompt, "differs": round(other.share, 4)}
            for other in others
        ],
    }


def _name(word: Word) -> str:
    return word.text if word.kind == "word" else f"({word.kind})"


def _weight(other: Changed) -> str:
    return "left out" if other.weight is None else f"{other.weight:g}"


def _tables(heard: _Heard, whole: Tensor, others: Sequence[Changed]) -> list[Table]:
    columns = [_shares(maps) for maps in (whole, heard.steps[0].maps, heard.steps[-1].maps)]
    rows = [[_name(word), *(f"{column[i]:.1%}" for column in columns)] for i, word in enumerate(heard.end.words)]
    heads = ["word", "of all listening", "in the first step", "in the last"]
    found = [Table(heads, rows, "How much each is listened to")]
    if others:
        rows = [
            [x.word, "left out" if x.weight is None else f"{x.weight:g}", x.prompt, f"{x.share:.1%}"] for x in others
        ]
        found.append(Table(["word", "weight", "prompt", "pixels that differ"], rows, "From the same noise"))
    return found
