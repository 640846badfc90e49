"""The figure of the view "axes": panels in the order of the lesson, tables, and everything a turnable page needs."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection import axes_panels as panels
from fromnoise.inspection import axes_spaces as spaces
from fromnoise.inspection.axes import Axes
from fromnoise.inspection.axes_panels import Look
from fromnoise.inspection.chart import INK, QUIET, colours_for, font, write
from fromnoise.inspection.figure import Figure, Table, data_url
from fromnoise.inspection.measures import MEASURES
from fromnoise.inspection.rounds import Round
from fromnoise.inspection.separating import Accuracy

WIDTH, GAP, HEAD = 1424, 10, 168
TURNS = 36  # frames of a full turn
THUMB, COLUMNS = 32, 16  # of the sheet of small pictures
EXACT = 8  # digits of a measure: with 4, a measure that hardly varies (the blue of bananas) is told otherwise
SIZES = ("single measures", "pairs", "triples")


def axes_figure(axes: Axes, rounds: Sequence[Round], command: str, moving: bool = True) -> Figure:
    """Everything about one set of pictures.

    Args:
        axes: what was measured.
        rounds: of the network, from round 0 on.
        command: what makes the figure again.
        moving: also draw the frames in which the spaces turn.
    """
    look = Look.of(axes, rounds)
    return Figure(
        title=f"{_listed(look.kinds).capitalize()}: how does a machine tell them apart?",
        about=about(axes),
        picture=_laid_out(look),
        facts=facts(axes, rounds),
        command=command,
        frames=[frame(look, 2 * math.pi * i / TURNS) for i in range(TURNS)] if moving else (),
        tables=tables(axes, rounds),
    )


def about(axes: Axes) -> str:
    """What is to be seen, in a few plain sentences."""
    space = "; and CLIP, which learnt from pictures and their words" if axes.space else ""
    return (
        "A machine gets a picture as a sheet of numbers. Here kinds of things are told apart by a network that begins "
        f"with guessing, by measures that people thought of{space}. Every score counts only pictures of drawings that "
        f"were not learnt from.{_caveat(axes)}"
    )


def _caveat(axes: Axes) -> str:
    """What is to be held against CLIP's score."""
    if axes.space is None or axes.examples.drawings.trained is False:
        return ""
    if axes.examples.drawings.trained:
        return " CLIP has an advantage: it saw these drawings, with their names, when it was trained."
    return " CLIP may have seen some of these drawings, with their names, when it was trained."


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


# --- the picture ------------------------------------------------------------------------------------------------


def _laid_out(look: Look) -> Image.Image:
    rows = [
        [panels.numbers(look), panels.learning(look)],
        [spaces.one_axis(look), spaces.two_axes(look), spaces.three_axes(look)],
        [spaces.learned_space(look), spaces.bars(scores(look.axes, look.rounds), 1 / len(look.kinds), _counted(look))],
    ]
    heights = [max(each.height for each in row) for row in rows]
    sheet = Image.new("RGB", (WIDTH, HEAD + sum(heights) + GAP * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((16, 12), f"{_listed(look.kinds).capitalize()}: how does a machine tell them apart?", INK, font(32))
    y: float = write(draw, (16, 56), about(look.axes), WIDTH - 60, 16, QUIET)
    _legend(sheet, look, int(y) + 4)
    y = HEAD
    for row, high in zip(rows, heights, strict=True):
        x = 0
        for each in row:
            sheet.paste(each, (x, int(y)))
            x += each.width + GAP
        y += high + GAP
    return sheet


def _legend(sheet: Image.Image, look: Look, y: int) -> None:
    """What points look like."""
    draw, x = ImageDraw.Draw(sheet), 16.0
    for kind, colour in zip(look.kinds, look.colours, strict=True):
        draw.ellipse((x, y + 3, x + 12, y + 15), colour)
        draw.text((x + 17, y), kind, INK, font(15))
        x += 34 + font(15).getlength(kind)
    says = "picture: a drawing; dot: the same drawing mirrored, turned, smaller or moved; ring: taken for the kind "
    draw.text((16, y + 22), f"{says}of the ring's colour; coloured area: what the machine says there", QUIET, font(14))


def _counted(look: Look) -> str:
    found = look.axes.examples
    drawings = sum(found.drawings.count(k) for k in range(len(look.kinds)))
    return (
        f"Share of {len(found.label)} pictures of {drawings} drawings, each guessed by the one of {found.folds} "
        f"machines that had not learnt from that drawing. Black lines: where the true share lies, with so few drawings "
        f"(95 %). Dashed: blind guessing. 'Best': what told best, of all tried, the pictures that were learnt from."
    )


def frame(look: Look, angle: float) -> Image.Image:
    """Both spaces, seen from ``angle`` (radians)."""
    found = [spaces.three_axes(look, angle), spaces.learned_space(look, angle)]
    sheet = Image.new("RGB", (sum(each.width for each in found), found[0].height), "white")
    for i, each in enumerate(found):
        sheet.paste(each, (i * found[0].width, 0))
    return sheet


# --- numbers ----------------------------------------------------------------------------------------------------


def scores(axes: Axes, rounds: Sequence[Round]) -> list[tuple[str, Accuracy | None]]:
    """Every way of telling the kinds apart, and how well it does; None for blind guessing."""
    found: list[tuple[str, Accuracy | None]] = [
        ("blind guessing", None),
        ("network, untrained", rounds[0].accuracy),
        (f"network, after {rounds[-1].number} rounds", rounds[-1].accuracy),
    ]
    for n, score in enumerate(axes.accuracies, 1):
        found.append((" + ".join(axes.chosen[:n]), score))
    for size, tried in zip(SIZES, axes.tried, strict=True):
        found.append((f"best of {len(tried.sets):,} {size}", axes.score(tried.own)))
    if axes.space is not None:
        found += [("CLIP, nearest middle", axes.space.middle), ("CLIP, nearest words", axes.space.caption)]
    return found


def tables(axes: Axes, rounds: Sequence[Round]) -> list[Table]:
    """The scores, all measures alone, and the pictures."""
    found, names = axes.examples.drawings, list(MEASURES)
    told = [
        (name, *((f"{1 / len(found.kinds):.0%}", "") if score is None else (str(score), score.interval)))
        for name, score in scores(axes, rounds)
    ]
    best = [" + ".join(names[m] for m in each.sets[each.best]) for each in axes.tried]
    caption = (
        f"Held-out pictures told right. 'Best': each machine tries all and keeps what tells the pictures best that it "
        f"learns from; over all machines that is {'; '.join(best)}."
    )
    alone = axes.tried[0]
    single = [
        (names[members[0]], str(axes.score(alone.guesses[:, i])), MEASURES[names[members[0]]].about)
        for i, members in enumerate(alone.sets)
    ]
    single.sort(key=lambda row: -int(row[1].rstrip("%")))
    pictures = [
        (kind, found.captions[k], f"{int((found.label == k).sum())}", f"{found.count(k)}",
         f"{int((found.drawn & (found.label == k)).sum())}")
        for k, kind in enumerate(found.kinds)
    ]  # fmt: skip
    return [
        Table(("way", "right", "95 % interval"), told, caption),
        Table(("measure", "right", "what it is"), single, "Each measure alone"),
        Table(("kind", "called", "pictures", "drawings", "drawn by the model"), pictures,
              f"The pictures, {found.origin}. Pictures that are nearly the same count as one drawing."),
    ]  # fmt: skip


def sprites(axes: Axes) -> Image.Image:
    """All pictures, small, in their order, row by row."""
    images = axes.examples.images
    sheet = Image.new("RGB", (COLUMNS * THUMB, math.ceil(len(images) / COLUMNS) * THUMB), "white")
    for i, picture in enumerate(images):
        small = to_image(picture).resize((THUMB, THUMB), Image.Resampling.LANCZOS)
        sheet.paste(small, (i % COLUMNS * THUMB, i // COLUMNS * THUMB))
    return sheet


def facts(axes: Axes, rounds: Sequence[Round]) -> dict[str, Any]:
    """Everything that was measured, for programs; ``pictures`` are in the order of ``sprites``."""
    return {
        **measured_facts(axes),
        "scores": [{"way": way, **({} if s is None else s.to_dict())} for way, s in scores(axes, rounds)],
        "rounds": [
            {"round": r.number, "loss": round(r.loss, 4), "accuracy": round(r.accuracy.share, 4),
             "guesses": r.guesses.tolist()} for r in rounds
        ],
    }  # fmt: skip


def measured_facts(axes: Axes) -> dict[str, Any]:
    """The same without the network, from which a page can tell the kinds apart by itself."""
    found, names, buffer = axes.examples, list(MEASURES), io.BytesIO()
    sprites(axes).save(buffer, "WEBP", quality=80, method=6)
    drawings, space = found.drawings, axes.space
    colours = colours_for(drawings.images, drawings.label, len(drawings.kinds))
    return {
        "kinds": list(drawings.kinds), "captions": list(drawings.captions), "chance": 1 / len(drawings.kinds),
        "colours": [list(colour) for colour in colours], "origin": drawings.origin,
        "clip_trained_on_them": drawings.trained, "folds": found.folds, "chosen": list(axes.chosen),
        "measures": [{"name": m.name, "about": m.about, "low": m.low, "high": m.high} for m in MEASURES.values()],
        "sets": [
            {"measures": [names[m] for m in members], "right": round(float(right), 4)}
            for each in axes.tried
            for members, right in zip(each.sets, _right(axes, each.guesses), strict=True)
        ],
        "clip_spread": [] if space is None else _rounded(list(space.spread)),
        "pictures": [_picture_facts(axes, i) for i in range(len(found.label))],
        "sprites": {"side": THUMB, "columns": COLUMNS, "image": data_url(buffer.getvalue(), "image/webp")},
    }  # fmt: skip


def _picture_facts(axes: Axes, i: int) -> dict[str, Any]:
    """What is known of picture number i."""
    found, drawings, space = axes.examples, axes.examples.drawings, axes.space
    return {
        "kind": int(found.label[i]), "drawing": int(found.drawing[i]), "variant": int(found.variant[i]),
        "fold": int(found.fold[i]), "name": drawings.names[int(found.source[i])],
        "drawn": bool(drawings.drawn[found.source[i]]), "values": _rounded(axes.values[i].tolist(), EXACT),
        "guesses": axes.guesses[i].tolist(),
        **({} if space is None else {"clip": _rounded(space.points[i].tolist()),
           "clip_guess": int(space.by_middle[i]), "caption_guess": int(space.by_caption[i])}),
    }  # fmt: skip


def _right(axes: Axes, guesses: Any) -> list[float]:
    right: list[float] = (guesses == axes.examples.label[:, None]).double().mean(0).tolist()
    return right


def _rounded(values: Sequence[float], digits: int = 4) -> list[float]:
    return [round(value, digits) for value in values]
