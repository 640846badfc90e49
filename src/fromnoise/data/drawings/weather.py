"""Names of drawings of the weather, which are put together: "partly-cloudy-night-rain"."""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(?P<storm>thunderstorms(?: |$))?(?P<sky>overcast|partly cloudy|mostly clear)?"
    r"(?:(?:^|(?<= )| )(?P<time>day|night))?"
    r"(?: ?\b(?P<falls>drizzle|fog|hail|haze|rain|sleet|smoke|snow))?"
)
_ADJECTIVES = {"fog": "foggy", "haze": "hazy", "dust": "dusty"}


def weather_name(words: str, said: dict[str, str | None]) -> tuple[str, tuple[str, ...]]:
    """A name as people say it, and the facts in it; ("", ()) for signs, charts and scales.

    Args:
        words: the drawing's own name, hyphens as spaces.
        said: hand-made names, which come first.
    """
    if words in said:
        return said[words] or "", ()
    if found := re.fullmatch("(fog|haze|dust) (day|night)", words):
        return f"{_ADJECTIVES[found[1]]} {found[2]}", (found[1], found[2])
    parts = _NAME.fullmatch(words)
    if parts is None or not words or not (parts["storm"] or parts["sky"]):
        return "", ()
    facts = tuple(fact for fact in (parts["sky"], parts["time"], parts["falls"]) if fact)
    falls = f" with {parts['falls']}" if parts["falls"] else ""
    if parts["storm"]:
        time = {"day": " by day", "night": " at night", None: ""}[parts["time"]]
        return f"thunderstorm{falls}{time}", ("thunderstorm", *facts)
    return f"{parts['sky']} {parts['time'] or 'sky'}{falls}", facts
