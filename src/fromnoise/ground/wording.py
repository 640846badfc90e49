"""How a style is asked for in words: "red apple, noto style". Training's captions and drawing's prompts agree on it."""

from __future__ import annotations

import re

# ", linocut style" at the end of a text, also as people write it: ", in a linocut style.".
_SAID = re.compile(
    r"^(?P<text>.*[^\s,])\s*,\s*(?:in\s+)?(?:an?\s+|the\s+)?(?P<style>[^\s,][^,]{0,39}?)\s+style\s*\.?\s*$",
    re.IGNORECASE,
)


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
