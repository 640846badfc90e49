"""What is known about one training picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fromnoise.ground.config import Config
from fromnoise.ground.wording import said_style


@dataclass(frozen=True)
class Record(Config):
    """One line of ``metadata.jsonl``.

    Attributes:
        file_name: path of the picture inside its folder.
        text: what it shows, e.g. "red apple".
        keywords: single words and short phrases that fit it.
        alt: other names of the same thing.
        style: name of the set it was drawn for; "" when the data has no styles.
        key: names the concept, equal across styles (code points for emoji).
        group: broad class, e.g. "food-drink".
        subgroup: narrower class.
        colours: up to three colour words measured from the pixels.
        licence: SPDX name.
        author: whom to credit.
        split: "train", "test_pair" (held-out pair of concept and style) or "test_concept" (held-out concept).
    """

    file_name: str
    text: str
    keywords: tuple[str, ...] = ()
    alt: tuple[str, ...] = ()
    style: str = ""
    key: str = ""
    group: str = ""
    subgroup: str = ""
    colours: tuple[str, ...] = ()
    licence: str = ""
    author: str = ""
    split: str = "train"

    def with_said_style(self) -> Record:
        """The record with the style that its caption ends with ("a cat, linocut style") as its style.

        A caption that names the record's own style is told once; another style than the record's stays in the caption.
        """
        text, style = said_style(self.text)
        if not style or (self.style and self.style.lower() != style):
            return self
        key = f"name:{text.lower()}" if self.key == f"name:{self.text.lower()}" else self.key
        return replace(self, text=text, style=self.style or style, key=key)
