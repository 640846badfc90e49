"""What is known about one training picture."""

from __future__ import annotations

from dataclasses import dataclass

from fromnoise.ground.config import Config


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
