"""The figure of ``fromnoise inspect words``: where each word is listened to, step by step and block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.heat import overlay, own_range
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.words import Changed, Word, WordPicture, WordStep, changed, helped, word_maps
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
) -> Figure:
    """Draw and look.

    Args:
        model: draws.
        subject: what.
        by_block: a row for each block instead of some of the steps.
        mute: words to draw the same noise without: once muted, once left out.
        boost: words to draw the same noise with more of, and how much.

    Raises:
        UserError: see :func:`word_maps` and :func:`fromnoise.inspection.words.changed`.
    """
    muted = [(word, weight) for word in mute for weight in (0.0, None)]
    changes: list[tuple[str, float | None]] = [*muted, *(boost or {}).items()]
    steps, end = _watched(model, subject)
    others = [changed(model, subject, word, weight, end.picture) for word, weight in changes]
    size = model.latent_shape()[1:]
    whole = torch.stack([step.mean(size) for step in steps]).mean(0)
    needed = helped(model, subject.plan(model), end.picture)
    rows = [("listened to, all steps and blocks", whole), *(_blocks(steps) if by_block else _some_steps(steps, size))]
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
        _facts(steps, end, whole, needed, others),
        subject.command("words", options, "words.png"),
        _film(model, steps, end, zoom, size),
        _tables(end, steps, whole, others),
    )


def _watched(model: TextToImage, subject: Subject) -> tuple[list[WordStep], WordPicture]:
    *steps, end = word_maps(model, subject)
    assert isinstance(end, WordPicture)
    return [step for step in steps if isinstance(step, WordStep)], end


def _some_steps(steps: Sequence[WordStep], size: tuple[int, int]) -> list[tuple[str, Tensor]]:
    count = min(ROWS, len(steps))
    chosen = [steps[i * (len(steps) - 1) // max(1, count - 1)] for i in range(count)]
    return [
        (f"step {each.step.index + 1} of {each.step.total} (t = {each.step.t:g})", each.mean(size)) for each in chosen
    ]


def _blocks(steps: Sequence[WordStep]) -> list[tuple[str, Tensor]]:
    return [(name, torch.stack([step.blocks[name] for step in steps]).mean(0)) for name in steps[0].blocks]


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


def _film(
    model: TextToImage, steps: Sequence[WordStep], end: WordPicture, zoom: int, size: tuple[int, int]
) -> list[Image.Image]:
    """A frame for each step: what the network believes, and its words' maps on it."""
    frames = []
    columns = ["estimate", *map(_name, end.words)]
    for each in steps:
        estimate = model.decode(each.step.x0_hat[:1])[0]
        row = [to_image(estimate), *(to_image(overlay(estimate, own_range(heat))) for heat in each.mean(size))]
        label = f"step {each.step.index + 1:>3} of {each.step.total}"
        frames.append(contact_sheet([row], [label], columns, zoom))
    widest = max(frame.width for frame in frames)
    return [_padded(frame, widest) for frame in frames]


def _padded(frame: Image.Image, width: int) -> Image.Image:
    padded = Image.new("RGB", (width, frame.height), "white")
    padded.paste(frame, (width - frame.width, 0))
    return padded


def _rounded(maps: Tensor) -> list[Any]:
    return [[[round(float(value), 4) for value in row] for row in heat] for heat in maps]


def _shares(maps: Tensor) -> list[float]:
    return [round(float(share), 4) for share in maps.mean((1, 2))]


def _facts(
    steps: Sequence[WordStep], end: WordPicture, whole: Tensor, needed: Tensor, others: Sequence[Changed]
) -> dict[str, Any]:
    size = (whole.shape[1], whole.shape[2])
    return {
        "words": [{"text": word.text, "kind": word.kind, "tokens": list(word.places)} for word in end.words],
        "shares": _shares(whole),
        "maps": _rounded(whole),
        "needed": _rounded(needed),
        "steps": [{"t": float(step.step.t), "shares": _shares(step.mean(size))} for step in steps],
        "blocks": {name: _shares(maps) for name, maps in _blocks(steps)},
        "changed": [
            {"word": other.word, "weight": other.weight, "prompt": other.prompt, "differs": round(other.share, 4)}
            for other in others
        ],
    }


def _name(word: Word) -> str:
    return word.text if word.kind == "word" else f"({word.kind})"


def _weight(other: Changed) -> str:
    return "left out" if other.weight is None else f"{other.weight:g}"


def _tables(end: WordPicture, steps: Sequence[WordStep], whole: Tensor, others: Sequence[Changed]) -> list[Table]:
    size = (whole.shape[1], whole.shape[2])
    columns = [_shares(maps) for maps in (whole, steps[0].mean(size), steps[-1].mean(size))]
    rows = [[_name(word), *(f"{column[i]:.1%}" for column in columns)] for i, word in enumerate(end.words)]
    heads = ["word", "of all listening", "in the first step", "in the last"]
    found = [Table(heads, rows, "How much each is listened to")]
    if others:
        rows = [
            [x.word, "left out" if x.weight is None else f"{x.weight:g}", x.prompt, f"{x.share:.1%}"] for x in others
        ]
        found.append(Table(["word", "weight", "prompt", "pixels that differ"], rows, "From the same noise"))
    return found
