"""Lengths of time as people say them."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """A length of time, not shorter than a second: "40 s", "3 min", "1 h 20 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def to_the_second(seconds: float) -> str:
    """A length of time that somebody asked for, not shorter than a second: "10 s", "2 min 30 s", "1 h 30 min"."""
    hours, rest = divmod(max(1, round(seconds)), 3600)
    parts = (hours, "h"), (rest // 60, "min"), (rest % 60, "s")
    return " ".join(f"{count:,} {unit}" for count, unit in parts if count)
