"""How captions and prompts are worded: once, so that pictures are asked for in the words they were learnt by."""

from __future__ import annotations


def styled(text: str, style: str | None) -> str:
    """A caption or prompt with its style: "red apple, noto style"; either part may be empty.

    Args:
        text: what is shown.
        style: name of the style, or None or "" for none.
    """
    return ", ".join(part for part in (text.strip(), f"{style} style" if style else "") if part)
