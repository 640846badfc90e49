"""What a model's card tells of the pictures that it learnt from, whichever version wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LICENCES = {  # SPDX name → where its text is; the others are looked up at SPDX
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}
# Sets of which a package names its packer, or fewer than drew it: (set, author there) → (whom to credit, where it is).
CREDITED = {
    ("emojione", "Emoji One"): ("Emoji One", "https://github.com/joypixels/emojione"),
    ("fluent-emoji", "Microsoft Corporation"): ("Microsoft Corporation", "https://github.com/microsoft/fluentui-emoji"),
    ("fluent-emoji-flat", "Microsoft Corporation"): (
        "Microsoft Corporation", "https://github.com/microsoft/fluentui-emoji",
    ),
    ("fluent-emoji-3d", "LobeHub"): (
        "Microsoft Corporation (packaged by LobeHub)", "https://github.com/microsoft/fluentui-emoji",
    ),
    ("fxemoji", "Mozilla"): ("Mozilla", "https://github.com/mozilla/fxemoji"),
    ("noto", "Google Inc"): ("Google Inc", "https://github.com/googlefonts/noto-emoji"),
    ("noto-v1", "Google Inc"): ("Google Inc", "https://github.com/googlefonts/noto-emoji"),
    ("twemoji", "Twitter"): ("Twitter, Inc and other contributors", "https://github.com/jdecked/twemoji"),
}  # fmt: skip
ASKS_FOR_CREDIT = ("CC-BY-", "GFDL", "OFL-", "LAL-")


@dataclass(frozen=True)
class Source:
    """A set of pictures.

    Attributes:
        name: of the set; "" where the pictures are in none.
        licence: SPDX name; "" where nobody said.
        author: whom to credit; "" where nobody said.
        pictures: how many; None where the card is of an earlier version.
        url: where the set is; "" where it is not known.
    """

    name: str
    licence: str
    author: str
    pictures: int | None
    url: str = ""

    @property
    def address(self) -> str:
        """Where the licence's text is; "" where it is not known."""
        if self.licence in LICENCES or not self.licence:
            return LICENCES.get(self.licence, "")
        return f"https://spdx.org/licenses/{self.licence}.html"

    @property
    def credit(self) -> str:
        """The line that a licence with attribution asks for: title, author, licence, and that it was changed."""
        parts = [
            (f"“{self.name}”" if self.name else "Pictures") + (f" ({self.url})" if self.url else ""),
            f"by {self.author}" if self.author else "by unnamed authors",
        ]
        licence = f"{self.licence} ({self.address})" if self.address else self.licence or "without a stated licence"
        return f"{' '.join(parts)}, {licence}; scaled, put on white, and learnt from by a neural network."


def sources_in(card: dict[str, Any]) -> list[Source]:
    """The sets of a card, in its order; odd entries of a foreign card are left out."""
    told = card.get("data")
    if isinstance(told, dict) and isinstance(told.get("sources"), list):
        said = [row for row in told["sources"] if isinstance(row, dict)]
        return [_source(row.get("set"), row.get("licence"), row.get("author"), row.get("pictures")) for row in said]
    earlier = card.get("sources")
    if not isinstance(earlier, list):
        return []
    rows = [row for row in earlier if isinstance(row, list) and len(row) == 3]
    return [_source(row[0], row[1], row[2], None) for row in rows]


def _source(name: object, licence: object, author: object, pictures: object) -> Source:
    count = pictures if isinstance(pictures, int) and not isinstance(pictures, bool) and pictures >= 0 else None
    whom, url = CREDITED.get((str(name), str(author)), (str(author or ""), ""))
    return Source(str(name or ""), str(licence or ""), whom, count, url)


def credits_of(card: dict[str, Any]) -> list[str]:
    """A line for each set: first those whose licence asks for one."""
    found = sources_in(card)
    asked = [source for source in found if source.licence.startswith(ASKS_FOR_CREDIT)]
    return [source.credit for source in (*asked, *(source for source in found if source not in asked))]
