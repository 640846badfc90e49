"""The sets the stickers are made of: npm packages, versions, licences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StickerSet:
    """One set of drawings.

    Attributes:
        style: the name of the style; also the folder of its pictures.
        package: npm package.
        version: the version that was looked through by hand.
        licence: SPDX name.
        emoji: whether its icons are emoji (else clip art with names of its own).
        share_alike: whether its licence asks derived works to carry the same one.
    """

    style: str
    package: str
    version: str
    licence: str
    emoji: bool = True

    @property
    def share_alike(self) -> bool:
        """Whether the licence is a share-alike one."""
        return "-SA-" in self.licence

    @property
    def iconify(self) -> bool:
        """Whether the package holds SVG bodies in ``icons.json``; else it is a folder of WebP files."""
        return self.package.startswith("@iconify-json/")


SETS = (
    StickerSet("noto", "@iconify-json/noto", "1.2.9", "Apache-2.0"),
    StickerSet("noto-v1", "@iconify-json/noto-v1", "1.2.5", "Apache-2.0"),
    StickerSet("twemoji", "@iconify-json/twemoji", "1.2.5", "CC-BY-4.0"),
    StickerSet("fluent-emoji", "@iconify-json/fluent-emoji", "1.2.7", "MIT"),
    StickerSet("fluent-emoji-flat", "@iconify-json/fluent-emoji-flat", "1.2.6", "MIT"),
    StickerSet("fluent-emoji-3d", "@lobehub/fluent-emoji-3d", "1.1.0", "MIT"),
    StickerSet("emojione", "@iconify-json/emojione", "1.2.3", "CC-BY-4.0"),
    StickerSet("fxemoji", "@iconify-json/fxemoji", "1.2.2", "Apache-2.0"),
    StickerSet("streamline-emojis", "@iconify-json/streamline-emojis", "1.2.4", "CC-BY-4.0"),
    StickerSet("openmoji", "@iconify-json/openmoji", "1.2.29", "CC-BY-SA-4.0"),
    StickerSet("emojione-v1", "@iconify-json/emojione-v1", "1.2.3", "CC-BY-SA-4.0"),
    StickerSet("circle-flags", "@iconify-json/circle-flags", "1.2.11", "MIT"),
    StickerSet("flat-color-icons", "@iconify-json/flat-color-icons", "1.2.3", "MIT", emoji=False),
    StickerSet("fluent-color", "@iconify-json/fluent-color", "1.2.21", "MIT", emoji=False),
    StickerSet(
        "streamline-freehand-color", "@iconify-json/streamline-freehand-color", "1.2.2", "CC-BY-4.0", emoji=False
    ),
    StickerSet(
        "streamline-ultimate-color", "@iconify-json/streamline-ultimate-color", "1.2.2", "CC-BY-4.0", emoji=False
    ),
)

# Names, keywords and classes: Unicode CLDR and emojibase.
NAME_PACKAGES = {
    "cldr-annotations-full": "48.2.0",
    "cldr-annotations-derived-full": "48.2.0",
    "emojibase-data": "17.0.0",
}


def chosen_sets(share_alike: bool) -> tuple[StickerSet, ...]:
    """The sets of a build; those under a share-alike licence only when asked for."""
    return tuple(s for s in SETS if share_alike or not s.share_alike)


def npm_packages(sets: tuple[StickerSet, ...]) -> dict[str, str]:
    """Package name → version of everything a build needs."""
    # Flat Fluent's table of code points also names the gradient set's icons.
    return {**{s.package: s.version for s in sets}, **NAME_PACKAGES}
