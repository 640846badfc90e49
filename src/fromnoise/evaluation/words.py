"""How figures are written: one place, so that terminal, page and tables agree."""

from __future__ import annotations

import math

from fromnoise.evaluation.edges import Crispness
from fromnoise.evaluation.intervals import Mean
from fromnoise.evaluation.section import Headline

WIDTHS = ("edges' width, pixels", "95 %", "of the real ones'", "95 %", "with edges")  # heads of width_cells


def share(value: float) -> str:
    """0.381 as "38.1%"."""
    return "–" if math.isnan(value) else f"{value:.1%}"


def share_interval(mean: Mean) -> str:
    """An interval of shares: "33.0–43.0%"."""
    return "–" if math.isnan(mean.low) else f"{100 * mean.low:.1f}–{100 * mean.high:.1f}%"


def number(value: float) -> str:
    """Three significant digits, without an exponent where that can be read."""
    if not math.isfinite(value):
        return "–"
    if abs(value) < 1e-6:  # what is left of a difference of equal things
        return "0"
    return f"{value:.2e}" if abs(value) < 1e-3 else f"{value:.3g}"


def number_interval(mean: Mean) -> str:
    """An interval of plain numbers: "0.41–0.52"."""
    return "–" if math.isnan(mean.low) else f"{number(mean.low)}–{number(mean.high)}"


def width_cells(found: Crispness) -> tuple[str, ...]:
    """Edges' width and its ratio, each with its interval, and how many pictures had edges; "none" where none had."""
    cells = [
        cell for m in (found.width, found.ratio) for cell in (number(m.value) if m.n else "none", number_interval(m))
    ]
    return (*cells, str(found.width.n))


def figure(value: float | None, unit: str) -> str:
    """A value as its unit asks for."""
    if value is None or not math.isfinite(value):
        return "–"
    endings = {"share": "", "dB": " dB", "times": " times", "": ""}
    return share(value) if unit == "share" else f"{number(value)}{endings[unit]}"


def interval(headline: Headline) -> str:
    """The interval of a headline, or nothing."""
    if headline.low is None or headline.high is None:
        return ""
    mean = Mean(headline.value, headline.low, headline.high, headline.n)
    return share_interval(mean) if headline.unit == "share" else number_interval(mean)


def way(headline: Headline) -> str:
    """The share of the way from floor to ceiling, or nothing."""
    return "" if headline.way is None or not math.isfinite(headline.way) else f"{headline.way:.0%}"
