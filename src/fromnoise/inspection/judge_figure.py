"""The judge's opinions as a figure: the strip of estimates above what CLIP thought of each, a film, and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.charts import COLOURS, INK, Line, bars, line_chart
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.judge import Opinion
from fromnoise.inspection.sheet import contact_sheet
from fromnoise.inspection.subject import Subject

COLUMNS = 10  # estimates in the strip
CELL, LARGE = 96, 256  # pixels of an estimate in the strip, and in the film: at least
CHART = 300  # pixels high
ABOUT = (
    "After every step another network, CLIP, looks at what the machine believes so far and says how well it fits each "
    "caption; it has no part in the drawing."
)
STEERED = (
    "After every step another network, CLIP, looks at what the machine believes so far and says how well it fits each "
    "caption. The picture is drawn twice from the same noise: once CLIP only looks on, once it may push each step "
    "towards the prompt."
)
TRUST = "CLIP is easily pleased: its opinion is no proof that the picture is right."
MEASURED = (  # benchmarks/clip_guidance.py --steps 10: 57 % right without, 57, 59 and 37 % with 0.1, 0.3 and 1
    "Steering pleases CLIP, hardly anybody else: over 49 prompts of the shipped model another judge, who had no part "
    "in it, found as many pictures right as without (57 to 59 %), and with a strength of 1 clearly fewer (37 %)."
)


def judge_figure(
    subject: Subject, opinions: Sequence[Opinion], steered: Sequence[Opinion] = (), strength: float = 0.0
) -> Figure:
    """What was thought of one drawing, and, where CLIP also steered, of the same noise with its guidance.

    Args:
        subject: what was drawn.
        opinions: all of a drawing without guidance by CLIP, in order; the finished picture's last.
        steered: all of the drawing with it, or nothing.
        strength: of that guidance.
    """
    captions = opinions[0].captions
    options = {"decoy": list(captions[1:]), "clip_guidance": strength or None}
    drawings = [("CLIP looks on", opinions), *([(f"CLIP steers, {strength:g}", steered)] if steered else [])]
    return Figure(
        title=f"What CLIP thinks of “{subject.prompt}”",
        about=f"{STEERED} {MEASURED}" if steered else f"{ABOUT} {TRUST}",
        picture=_picture(drawings),
        facts=_facts(subject, opinions, steered, strength),
        command=subject.command("judge", options, "judge.png"),
        frames=_frames(drawings),
        tables=[_table(name, of) for name, of in drawings],
    )


Drawings = Sequence[tuple[str, Sequence[Opinion]]]


def _picture(drawings: Drawings) -> Image.Image:
    sheet = _strip(drawings)
    width = max(sheet.width, 900)
    half = width // 2
    places = [_when(opinion) for opinion in drawings[0][1]]
    size = (half, CHART)
    fit = line_chart("how well it fits (cosine)", _lines(drawings, "cosines"), places, size=size)
    bet = line_chart("which one would CLIP pick? (chance)", _lines(drawings, "shares"), places, size=size)
    whole = Image.new("RGB", (width, sheet.height + CHART + 30), "white")
    whole.paste(sheet, (0, 0))
    whole.paste(fit, (0, sheet.height + 4))
    whole.paste(bet, (half, sheet.height + 4))
    below = "below: how noisy the picture still is (999 = noise only), then the finished picture"
    below += "; whole lines: CLIP looks on, broken lines: CLIP steers" if len(drawings) > 1 else ""
    ImageDraw.Draw(whole).text((46, whole.height - 24), below, "#6a6a6a", ImageFont.load_default(13))
    return whole


def _strip(drawings: Drawings) -> Image.Image:
    opinions = drawings[0][1]
    count = min(COLUMNS, len(opinions))
    shown = [round(i * (len(opinions) - 1) / max(1, count - 1)) for i in range(count)]
    pictures = torch.stack([of[i].picture for _, of in drawings for i in shown])
    labels = [name for name, _ in drawings] if len(drawings) > 1 else [""]
    columns = [f"t = {_when(opinions[i])}" if not opinions[i].finished else "finished" for i in shown]
    return contact_sheet(pictures, labels, columns, -(-CELL // pictures.shape[-1]))


def _when(opinion: Opinion) -> str:
    return "end" if opinion.finished else f"{opinion.t:.0f}"


def _lines(drawings: Drawings, what: str) -> list[Line]:
    """A line for each caption and drawing; the last drawing's have names."""
    found = []
    for k, (_, of) in enumerate(drawings):
        for i, caption in enumerate(of[0].captions):
            values = [getattr(opinion, what)[i] for opinion in of]
            said = f"{values[-1]:.0%}" if what == "shares" else f"{values[-1]:.2f}"
            name = f"{said} {caption}" if k == 0 else ""
            found.append(Line(name, values, COLOURS[i % len(COLOURS)], dashed=k > 0))
    return found


def _frames(drawings: Drawings) -> list[Image.Image]:
    """The estimates, large, with bars of what CLIP would pick; below each other where there are two drawings."""
    frames = []
    for i in range(len(drawings[0][1])):
        cards = [_card(name if len(drawings) > 1 else "", of[i]) for name, of in drawings]
        whole = Image.new("RGB", (cards[0].width, sum(card.height for card in cards)), "white")
        for k, card in enumerate(cards):
            whole.paste(card, (0, k * card.height))
        frames.append(whole)
    return frames


def _card(name: str, opinion: Opinion) -> Image.Image:
    picture = to_image(opinion.picture)
    zoom = max(1, LARGE // picture.width)
    picture = picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
    high = max(picture.height, 44 * len(opinion.captions)) + 40
    card = Image.new("RGB", (picture.width + 340, high), "white")
    card.paste(picture, (10, 30))
    card.paste(bars(opinion.captions, opinion.shares, (300, 44 * len(opinion.captions))), (picture.width + 30, 30))
    when = "the finished picture" if opinion.finished else f"step {opinion.index + 1} of {opinion.total}"
    ImageDraw.Draw(card).text((10, 6), f"{name}: {when}" if name else when, INK, ImageFont.load_default(15))
    return card


def _table(name: str, opinions: Sequence[Opinion]) -> Table:
    first, last = opinions[0], opinions[-1]
    rows = [
        [
            caption,
            f"{first.cosines[i]:.3f}",
            f"{last.cosines[i]:.3f}",
            f"{first.shares[i]:.0%}",
            f"{last.shares[i]:.0%}",
        ]
        for i, caption in enumerate(first.captions)
    ]
    heads = ["caption", "fits, first step", "finished", "picked, first step", "finished"]
    return Table(heads, rows, f"{name}: how well the picture fits each caption, and how surely CLIP would pick it")


def _facts(
    subject: Subject, opinions: Sequence[Opinion], steered: Sequence[Opinion], strength: float
) -> dict[str, Any]:
    """What was measured, for programs."""
    facts: dict[str, Any] = {"subject": subject.to_dict(), "captions": list(opinions[0].captions)}
    facts["steps"] = [_one(opinion) for opinion in opinions]
    return facts | ({"clip_guidance": strength, "steered": [_one(o) for o in steered]} if steered else {})


def _one(opinion: Opinion) -> dict[str, Any]:
    cosines, shares = ([round(value, 4) for value in of] for of in (opinion.cosines, opinion.shares))
    return {"t": opinion.t, "finished": opinion.finished, "cosines": cosines, "shares": shares}
