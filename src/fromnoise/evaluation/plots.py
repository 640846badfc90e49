"""Plots as SVG: the same bytes every time, and readable on light and on dark pages.

Matplotlib is told what it would otherwise choose by chance or by the clock. Everything black is drawn in one known
colour, which a rule inside the file turns light where the reader's system is dark.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fromnoise.inspection.charts import COLOURS, INK, settings

INK_IN_THE_DARK = "#ececec"
GREY = COLOURS[-1]
DARK = (
    "<style>@media (prefers-color-scheme: dark) {"
    f'[style*="fill: {INK}"]{{fill:{INK_IN_THE_DARK} !important}}'
    f'[style*="stroke: {INK}"]{{stroke:{INK_IN_THE_DARK} !important}}'
    "}</style>"
)


@dataclass(frozen=True)
class Line:
    """One line of a plot.

    Attributes:
        name: for the legend.
        x, y: its points.
        low, high: intervals of the points, or nothing.
        alone: show the points without a line between them.
        quiet: a thin line without markers, one of many.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    alone: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Axes:
    """How a plot is labelled.

    Attributes:
        x, y: names of the axes.
        ticks: where x is marked; by default as matplotlib likes.
        names: texts of the ticks, for an axis that is no number.
        log: whether x is logarithmic.
        level: (name, y) of dashed lines across, such as floor and ceiling.
        from_zero: whether y begins at 0.
    """

    x: str
    y: str
    ticks: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    log: bool = False
    level: tuple[tuple[str, float], ...] = ()
    from_zero: bool = True


def line_plot(lines: Sequence[Line], axes: Axes) -> bytes:
    """Draw lines, each with its interval as a band."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(settings()):  # type: ignore[arg-type]
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        box = figure.add_subplot()
        loud = [line for line in lines if not line.quiet]
        for line in lines:
            at = loud.index(line) % len(COLOURS) if not line.quiet else 0
            _draw(box, line, COLOURS[at], "osD^vPX*"[at])
        _label(box, axes)
        if len(loud) > 1:
            box.legend(frameon=False)
        return _svg(figure)


def _draw(box: Any, line: Line, colour: str, marker: str) -> None:
    if line.quiet:
        box.plot(line.x, line.y, color=GREY, linewidth=0.9, alpha=0.8)
        return
    style = "none" if line.alone else "-"
    box.plot(line.x, line.y, color=colour, marker=marker, linestyle=style, label=line.name, markersize=5)
    if len(line.low) and line.alone:
        box.vlines(line.x, line.low, line.high, color=colour)
    elif len(line.low):
        box.fill_between(line.x, line.low, line.high, color=colour, alpha=0.2, linewidth=0)


def _label(box: Any, axes: Axes) -> None:
    box.set_xlabel(axes.x)
    box.set_ylabel(axes.y)
    if axes.log:
        box.set_xscale("log")
        box.minorticks_off()
    if axes.ticks:
        box.set_xticks(axes.ticks, axes.names or [f"{t:g}" for t in axes.ticks])
    for name, y in axes.level:
        box.axhline(y, color=GREY, linestyle="--", linewidth=1)
        box.annotate(name, (1, y), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
    if axes.from_zero:
        box.set_ylim(bottom=0)
    box.grid(color=GREY, alpha=0.25, linewidth=0.6)


def _svg(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().decode()
    at = text.index("<defs>")
    return f"{text[:at]}{DARK}{text[at:]}".encode()
