"""Which pictures a training learns from, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from fromnoise.data.aside import SHARE
from fromnoise.data.captions import CaptionMix
from fromnoise.data.reading import FITS, Reading
from fromnoise.ground.config import Config, Wishes, check
from fromnoise.ground.errors import UserError
from fromnoise.ground.text import is_unicode
from fromnoise.training.world_config import WorldConfig

LARGEST_PICTURE = 4_096


@dataclass(frozen=True)
class DataConfig(Config):
    """Which pictures are trained on.

    Attributes:
        pixels: side of the square pictures.
        styles: keep only these styles; empty keeps all.
        groups: keep only these groups of concepts; empty keeps all.
        limit: keep at most this many pictures (0: all), for a quick try.
        scenes: how many pictures of two or three things are composed from them.
        scene_share: how often the U-Net sees one of those.
        captions: how captions are drawn.
        aside: share of the files that are kept aside to see whether they are learnt by heart, where the data hold none
            out and there are 60 or more (at least 4 files, at most 64); 0 learns from all.
        said_styles, fit, tags: how the pictures are read, see :class:`fromnoise.data.reading.Reading`.
        trigger: a style's name for all pictures that have none: what is asked for later to get their look.
        world: how the endless world is used, where the data are drawings.
    """

    pixels: int = 64
    styles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    limit: int = 0
    scenes: int = 0
    scene_share: float = 0.12
    captions: CaptionMix = field(default_factory=CaptionMix)
    aside: float = SHARE
    said_styles: bool = True
    fit: str = "pad"
    tags: bool = False
    trigger: str = ""
    world: WorldConfig = field(default_factory=WorldConfig)

    @property
    def reading(self) -> Reading:
        """How the pictures are read."""
        return Reading(self.said_styles, self.fit, self.tags)

    def __post_init__(self) -> None:
        wishes: Wishes = (
            ("pixels", 8 <= self.pixels <= LARGEST_PICTURE, f"8…{LARGEST_PICTURE}"),
            ("fit", self.fit in FITS, f"one of {', '.join(FITS)}"),
            ("aside", 0 <= self.aside <= 0.5, "0 (none) to 0.5"),
            ("limit", self.limit >= 0, "0 (all) or more"),
            ("trigger", _is_name(self.trigger), "a word or a few, without commas, at most 40 characters"),
            ("scenes", 0 <= self.scenes <= 1_000_000, "0 (none) or more"),
            ("scene_share", 0 <= self.scene_share < 1, "0 or more and below 1"),
        )
        check(self, "data.", wishes)
        if self.fit == "shapes" and self.scenes:
            raise UserError("data.scenes are squares: leave them out (data.scenes=0), or set data.fit to pad or crop")


def _is_name(text: str) -> bool:
    return len(text) <= 40 and text == " ".join(text.split()) and "," not in text and is_unicode(text)
