"""The first panels of the view "axes", numbers and a network's rounds; the others are in
:mod:`fromnoise.inspection.axes_spaces`, and :mod:`fromnoise.inspection.axes_figure` lays them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.axes import Axes
from fromnoise.inspection.chart import (
    BIG,
    INK,
    LINE,
    QUIET,
    Colour,
    Marks,
    Plane,
    colours_for,
    cut_out,
    font,
    tint,
    write,
)
from fromnoise.inspection.rounds import Round

WIDE = 460  # pixels of a chart's panel
SQUARE = 400  # of the chart itself
CELLS, CELL = 10, 50  # of the sheet of numbers
SHOWN = 6  # pictures whose guesses are followed


@dataclass(frozen=True, eq=False)
class Look:
    """What all panels need.

    Attributes:
        axes: what was measured.
        rounds: of the network.
        colours: of the kinds.
        small: the drawings as small pictures; None for variants.
    """

    axes: Axes
    rounds: Sequence[Round]
    colours: list[Colour]
    small: list[Image.Image | None]

    @classmethod
    def of(cls, axes: Axes, rounds: Sequence[Round]) -> Look:
        """Choose colours and make the small pictures."""
        found = axes.examples
        colours = colours_for(found.drawings.images, found.drawings.label, len(found.drawings.kinds))
        small = [cut_out(x, BIG) if v == 0 else None for x, v in zip(found.images, found.variant, strict=True)]
        return cls(axes, rounds, colours, small)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds."""
        return self.axes.examples.drawings.kinds

    def marks(self, guesses: Tensor) -> Marks:
        """The points, with what they were taken for."""
        return Marks(self.small, self.axes.examples.label.tolist(), guesses.tolist(), self.colours)


def panel(width: int, height: int, title: str, says: str) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    """An empty panel with its title and a sentence or two; returns where its chart may begin."""
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    y = write(draw, (8, 4), title, width - 16, 21)
    return canvas, draw, int(write(draw, (8, y + 2), says, width - 16, 15, QUIET)) + 6


# --- 1: a picture as the machine gets it ------------------------------------------------------------------------


def busiest(picture: Tensor, cells: int = CELLS) -> tuple[int, int]:
    """Top and left of the square of ``cells`` pixels in which a picture uint8 [3,P,P] changes most."""
    grey = picture.float().mean(0)
    windows = grey.unfold(0, cells, 1).unfold(1, cells, 1).flatten(2)
    top, left = divmod(int(windows.std(2).argmax()), windows.shape[1])
    return top, left


def numbers(look: Look) -> Image.Image:
    """The first drawing, a square of it enlarged, and the numbers that it is made of."""
    picture = look.axes.examples.images[0]
    side = picture.shape[-1]
    says = (
        f"Each small square is three numbers: how much red, green and blue light, from 0 (none) to 255 (full). "
        f"This picture is {side} x {side} x 3 = {3 * side * side:,} numbers. The machine gets nothing else: no "
        f"word for yellow, no idea of a {look.kinds[0]}."
    )
    canvas, draw, y = panel(860, 660, "1. What the machine gets: a sheet of numbers", says)
    large, top, left = 4, *busiest(picture)
    canvas.paste(to_image(picture).resize((large * side, large * side), Image.Resampling.NEAREST), (16, y + 60))
    corner = (16 + large * left, y + 60 + large * top)
    box = (*corner, corner[0] + large * CELLS, corner[1] + large * CELLS)
    draw.rectangle((16, y + 60, 15 + large * side, y + 59 + large * side), outline=LINE)
    draw.rectangle(box, outline=INK, width=2)
    x = 860 - 16 - CELLS * CELL
    for corners in ((box[2], box[1], x, y), (box[2], box[3], x, y + CELLS * CELL)):
        draw.line(corners, QUIET)
    for row in range(CELLS):
        for column in range(CELLS):
            _cell(draw, (x + column * CELL, y + row * CELL), picture[:, top + row, left + column].tolist())
    write(
        draw, (16, y + 4), "The black frame is enlarged on the right; each square there says red, green, blue.", 300, 14
    )
    return canvas


def _cell(draw: ImageDraw.ImageDraw, at: tuple[int, int], light: list[int]) -> None:
    x, y = at
    red, green, blue = light
    ink = INK if 0.3 * red + 0.6 * green + 0.1 * blue > 120 else (255, 255, 255)
    draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), (red, green, blue), LINE)
    for i, text in enumerate(map(str, light)):
        draw.text((x + CELL - 12 - font(13).getlength(text), y + 3 + 15 * i), text, ink, font(13))


# --- 2: the network's rounds ------------------------------------------------------------------------------------


def followed(look: Look) -> list[int]:
    """Pictures whose guesses are shown: variants, the kinds in turn, of as many drawings as there are."""
    found = look.axes.examples
    chosen: list[int] = []
    for turn in range(SHOWN):
        own = found.label == turn % len(look.kinds)
        left = own & ~torch.isin(found.source, found.source[chosen])
        chosen.append(int((left if left.any() else own).nonzero()[0]))
    return sorted(chosen, key=lambda i: int(found.label[i]))


def learning(look: Look) -> Image.Image:
    """Held-out accuracy after every round, and what a few pictures were taken for."""
    first, last, kinds = look.rounds[0], look.rounds[-1], look.kinds
    says = (
        f"Before it has seen anything it guesses: {first.accuracy} right, where blind guessing gives "
        f"{1 / len(kinds):.0%}. In each round it looks at its pictures once and corrects itself; after round "
        f"{last.number}: {last.accuracy}. Only pictures of drawings that it has not learnt from are counted."
    )
    canvas, draw, y = panel(540, 660, "2. A network learns, round by round", says)
    plane = Plane((60, y + 24, 510, y + 204), (0, last.number), (0.0, 1.0))
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        level: float = plane.at(0, value)[1]
        draw.line((60, level, 510, level), LINE)
        draw.text((16, level - 8), f"{value:.0%}", QUIET, font(13))
    chance = plane.at(0, 1 / len(kinds))[1]
    for start in range(60, 510, 12):
        draw.line((start, chance, start + 6, chance), INK)
    draw.text((408, chance + 2), "blind guessing", INK, font(13))
    line = [plane.at(each.number, each.accuracy.share) for each in look.rounds]
    draw.line(line, (0, 114, 178), 3, "curve")
    for x, level in line:
        draw.ellipse((x - 4, level - 4, x + 4, level + 4), (0, 114, 178))
    for number in range(0, last.number + 1, max(1, last.number // 5)):
        draw.text((plane.at(number, 0)[0] - 4, plane.box[3] + 5), str(number), QUIET, font(13))
    draw.text((60, y), "right guesses", INK, font(15))
    draw.text((472, plane.box[3] + 22), "round", INK, font(15))
    _guesses(canvas, look, plane.box[3] + 42)
    return canvas


def _guesses(canvas: Image.Image, look: Look, y: int) -> None:
    """Rows of a few pictures, columns of rounds: what each was taken for."""
    draw, found = ImageDraw.Draw(canvas), look.axes.examples
    numbers = sorted({min(n, look.rounds[-1].number) for n in (0, 1, 2, 4, 8, look.rounds[-1].number)})
    for c, number in enumerate(numbers):
        draw.text((66 + 78 * c, y), f"round {number}", QUIET, font(13))
    for r, i in enumerate(followed(look)):
        top = y + 20 + 38 * r
        canvas.paste(small := cut_out(found.images[i], 34), (16, top), small)
        for c, number in enumerate(numbers):
            guess = int(look.rounds[number].guesses[i])
            right = guess == int(found.label[i])
            box = (62 + 78 * c, top + 4, 134 + 78 * c, top + 30)
            draw.rectangle(box, tint(look.colours[guess]) if right else (255, 255, 255), look.colours[guess])
            name = look.kinds[guess][:10]
            draw.text((66 + 78 * c, top + 9), name, INK, font(13))
            if not right:
                draw.line((64 + 78 * c, top + 17, 70 + 78 * c + font(13).getlength(name), top + 17), INK)
