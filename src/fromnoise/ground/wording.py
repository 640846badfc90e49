"""How a style is asked for in words: "red apple, noto style". Training's captions and drawing's prompts agree on it."""

from __future__ import annotations

import re

# ", linocut style" at the end of a text, also as people write it: ", in a linocut style.".
_SAID = re.compile(
    r"^(?P<text>.*[^\s,])\s*,\s*(?:in\s+)?(?:an?\s+|the\s+)?(?P<style>[^\s,][^,]{0,39}?)\s+style\s*\.?\s*$",
    re.IGNORECASE,
)

# Spoken with a "y" or a "w" in front, or with a silent h.
_SAYS_A = re.compile(r"^(uni(?!n|m)|us[eu]|usb|ubi|uku|ura|ufo|uti|uten|u\b|eu|ewe|one\b|once)")
_SAYS_AN = re.compile(r"^(hour|hones|hono|heir|x-ray|mri\b)")


def with_article(phrase: str) -> str:
    """A phrase with "a" or "an" before it, by how its first word sounds: "an apple", "a unicorn", "an hourglass"."""
    first = phrase.lower()
    vowel = first[:1] in tuple("aeiou") and not _SAYS_A.match(first)
    return f"{'an' if vowel or _SAYS_AN.match(first) else 'a'} {phrase}"


def styled(text: str, style: str | None) -> str:
    """A text and the style it is to have, in the one form that models are taught; either part may be empty.

    >>> styled("red apple", "noto")
    'red apple, noto style'
    """
    return ", ".join(part for part in (text.strip(), f"{style} style" if style else "") if part)


def said_style(text: str) -> tuple[str, str]:
    """A text without the style that it ends with, and that style in small letters; "" where it names none.

    >>> said_style("Two cats, Linocut style")
    ('Two cats', 'linocut')
    """
    found = _SAID.match(text)
    return (found["text"], " ".join(found["style"].lower().split())) if found else (text, "")
