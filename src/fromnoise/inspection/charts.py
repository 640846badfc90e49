"""Measured numbers as lines and bars, drawn by Matplotlib: the same pixels every time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

INK, QUIET = "#1b1b1b", "#6a6a6a"
# Told apart in light, dark and grey.
COLOURS = ("#2f7fd1", "#d9622b", "#2f9e63", "#a65fc4", "#b8860b", "#c2356b", "#3a9aa8", "#808080")
DPI = 100
MOST_LABELS = 12  # of places; further ones are left out


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: of it, in the legend; "" for none.
        values: one for each place; None leaves a gap.
        colour: as "#rrggbb"; by default the next one of :data:`COLOURS`.
        dashed: to be told from another of the same colour.
    """

    name: str
    values: Sequence[float | None]
    colour: str | None = None
    dashed: bool = False


def settings() -> dict[str, Any]:
    """What Matplotlib would otherwise choose by the machine or the clock."""
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        "svg.hashsalt": "fromnoise",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",  # comes with matplotlib
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(inked, INK),
    }


def line_chart(
    title: str, lines: Sequence[Line], places: Sequence[str], below: str = "", size: tuple[int, int] = (760, 280)
) -> Image.Image:
    """Lines over evenly spread places, from 0 (or the lowest value, if that is less) to the highest one.

    Args:
        title: what is measured, above.
        lines: each with a value for every place.
        places: what stands below the places, from left to right; some are left out where there is no room.
        below: what the places are.
        size: of the picture, pixels.

    Raises:
        ValueError: a line with another number of values.
    """
    if any(len(line.values) != len(places) for line in lines):
        raise ValueError("every line needs a value for every place of the axis")

    def draw(box: Any) -> None:
        for i, line in enumerate(lines):
            values = [math.nan if value is None else value for value in line.values]
            style = {"linestyle": "--" if line.dashed else "-", "color": line.colour or COLOURS[i % len(COLOURS)]}
            box.plot(range(len(places)), values, marker="" if line.dashed else "o", markersize=3.5,
                     label=line.name or "_", **style)  # fmt: skip
        gap = max(1, -(-len(places) // MOST_LABELS))
        box.set_xticks(range(0, len(places), gap), places[::gap])
        box.set_ylim(bottom=min(0.0, box.get_ylim()[0]) if _lowest(lines) < 0 else 0.0)
        box.set_xlabel(below, color=QUIET)
        box.set_title(title, loc="left", fontsize=11)
        box.grid(axis="y", color=COLOURS[-1], alpha=0.25, linewidth=0.6)
        if any(line.name for line in lines):
            box.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.05))  # beside the lines

    return _drawn(draw, size)


def bars(names: Sequence[str], shares: Sequence[float], size: tuple[int, int]) -> Image.Image:
    """A bar for each name, full at 1; the colours are those of the lines.

    Args:
        names: above the bars.
        shares: 0…1.
        size: width and height, pixels.
    """

    def draw(box: Any) -> None:
        rows = np.arange(len(names))[::-1]
        colours = [COLOURS[i % len(COLOURS)] for i in range(len(names))]
        box.barh(rows, 1.0, 0.4, color=COLOURS[-1], alpha=0.2)
        box.barh(rows, shares, 0.4, color=colours)
        for row, name, share in zip(rows, names, shares, strict=True):
            box.annotate(name, (0, row + 0.26), va="bottom", fontsize=10, annotation_clip=False)
            box.annotate(f"{share:.0%}", (1, row + 0.26), va="bottom", ha="right", annotation_clip=False)
        box.set(xlim=(0, 1), ylim=(-0.5, len(names) - 0.1))
        box.axis("off")

    return _drawn(draw, size)


def _lowest(lines: Sequence[Line]) -> float:
    return min((value for line in lines for value in line.values if value is not None), default=0.0)


def _drawn(draw: Any, size: tuple[int, int]) -> Image.Image:
    """One set of axes on white, as RGB."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(settings()):  # type: ignore[arg-type]
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, layout="constrained", facecolor="white")
        canvas = FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
