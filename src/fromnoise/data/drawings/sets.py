"""The sets the drawings are taken from: npm packages, versions, licences, and which icons of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from fromnoise.data.splits import family
from fromnoise.data.stickers.sets import NAME_PACKAGES, SETS, StickerSet
from fromnoise.data.wordnet import PACKAGE, VERSION

GAME_ICONS = (
    "Lorc, Delapouite, John Colburn, Felbrigg, John Redman, Carl Olsen, Sbed, PriorBlue, Willdabeast, Viscious Speed, "
    "Lord Berandas, Irongamer, HeavenlyDog and other contributors of game-icons.net"
)


@dataclass(frozen=True)
class DrawingSet:
    """One hand.

    Attributes:
        style: its name.
        package: npm package.
        version: the version that was looked through by hand.
        licence: SPDX name.
        names: how its icons are named: "emoji" (by what CLDR calls them), "clip art" (by words) or "weather".
        takes: a pattern that the whole name of an icon must match; its group is the name proper.
        described: whether names of several words are plain English too ("rusty sword"), not only single nouns.
        one_colour: whether all is drawn in one colour, to be coloured.
        authors: who drew it, where the package does not say it.
        folder: where its SVG or WebP files lie, for packages without ``icons.json``.
    """

    style: str
    package: str
    version: str
    licence: str
    names: Literal["emoji", "clip art", "weather"] = "clip art"
    takes: str = "(.+)"
    described: bool = False
    one_colour: bool = False
    authors: str = ""
    folder: str = ""

    @property
    def share_alike(self) -> bool:
        """Whether the licence asks derived works to carry the same one."""
        return "-SA-" in self.licence

    @property
    def family(self) -> str:
        """Styles of one family share their drawings."""
        return family(self.style)

    @property
    def has_twin(self) -> bool:
        """Whether another style draws the same in another dress."""
        return any(s.family == self.family and s.style != self.style for s in ALL)

    @property
    def sticker(self) -> StickerSet:
        """The same set as the stickers' builder knows it."""
        return StickerSet(self.style, self.package, self.version, self.licence, emoji=self.names == "emoji")


def _emoji() -> tuple[DrawingSet, ...]:
    """The stickers' own sets; of icons that come in several sizes the largest."""
    sizes = {"fluent-color": r"(.+)-\d+"}
    return tuple(
        DrawingSet(
            *(s.style, s.package, s.version, s.licence),
            names="emoji" if s.emoji else "clip art",
            takes=sizes.get(s.style, "(.+)"),
        )
        for s in SETS
    )


def _streamline(name: str, package: str, other: str = "") -> tuple[DrawingSet, ...]:
    """A set of Streamline's, and its twin with another dress: "-flat" or "-duo"."""
    facts = (f"@iconify-json/streamline-{package}", "1.2.2", "CC-BY-4.0")
    plain = DrawingSet(name, *facts, takes=f"(?!.*-{other}$)(.+)" if other else "(.+)")
    return (plain, DrawingSet(f"{name}-{other}", *facts, takes=f"(.+)-{other}")) if other else (plain,)


def _one_colour(style: str, package: str, version: str, licence: str, takes: str) -> DrawingSet:
    return DrawingSet(style, f"@iconify-json/{package}", version, licence, takes=takes, one_colour=True)


ALL = (
    *_emoji(),
    *_streamline("kameleon", "kameleon-color", "duo"),
    *_streamline("streamline", "color", "flat"),
    *_streamline("plump", "plump-color", "flat"),
    *_streamline("flex", "flex-color", "flat"),
    *_streamline("sharp", "sharp-color", "flat"),
    *_streamline("stickies", "stickies-color", "duo"),
    *_streamline("cyber", "cyber-color"),
    DrawingSet("icon-park", "@iconify-json/icon-park", "1.2.4", "Apache-2.0"),
    DrawingSet("marketeq", "@iconify-json/marketeq", "1.2.2", "MIT"),
    DrawingSet("flat-ui", "@iconify-json/flat-ui", "1.2.3", "MIT"),
    DrawingSet("meteocons", "@meteocons/svg-static", "0.1.0", "MIT", "weather", folder="fill"),
    DrawingSet("meteocons-flat", "@meteocons/svg-static", "0.1.0", "MIT", "weather", folder="flat"),
    DrawingSet("emojione-monotone", "@iconify-json/emojione-monotone", "1.2.1", "CC-BY-4.0", "emoji", one_colour=True),
    DrawingSet(
        "fluent-emoji-high-contrast",
        "@iconify-json/fluent-emoji-high-contrast",
        "1.2.6",
        "MIT",
        "emoji",
        one_colour=True,
    ),
    replace(_one_colour("game-icons", "game-icons", "1.2.4", "CC-BY-3.0", "(.+)"), described=True, authors=GAME_ICONS),
    _one_colour("phosphor", "ph", "1.2.2", "MIT", "(.+)-fill"),
    _one_colour("fluent-system", "fluent", "1.2.60", "MIT", r"(.+)-\d+-filled"),
    _one_colour("healthicons", "healthicons", "1.2.13", "MIT", "(?!.*-(?:outline|negative|24px)$)(.+)"),
    _one_colour("tabler", "tabler", "1.2.41", "MIT", "(.+)-filled"),
    _one_colour("solar", "solar", "1.2.13", "CC-BY-4.0", "(.+)-bold"),
    _one_colour("font-awesome", "fa7-solid", "1.2.5", "CC-BY-4.0", "(.+)"),
    _one_colour("mdi", "mdi", "1.2.3", "Apache-2.0", "(?!.*-outline$)(.+)"),
    _one_colour(
        "material-symbols", "material-symbols", "1.2.98", "Apache-2.0", "(?!.*-(?:outline|rounded|sharp)$)(.+)"
    ),
    _one_colour("hugeicons", "hugeicons", "1.2.35", "MIT", "(.+)"),
    _one_colour("mingcute", "mingcute", "1.2.8", "Apache-2.0", "(.+)-fill"),
    _one_colour("lucide", "lucide", "1.2.137", "ISC", "(.+)"),
    _one_colour("lucide-lab", "lucide-lab", "1.2.3", "ISC", "(.+)"),
    _one_colour("boxicons", "bxs", "1.2.3", "MIT", "(.+)"),
    _one_colour("maki", "maki", "1.2.5", "CC0-1.0", "(.+)"),
    _one_colour("carbon", "carbon", "1.2.29", "Apache-2.0", "(.+)"),
    _one_colour("temaki", "temaki", "1.2.6", "CC0-1.0", "(.+)"),
    replace(_one_colour("pinhead", "pinhead", "1.2.28", "CC0-1.0", "(?!.*-outline)(.+)"), described=True),
)


def chosen_sets(share_alike: bool, flags: bool) -> tuple[DrawingSet, ...]:
    """The sets of a build: share-alike licences and sets of flags only when asked for."""
    return tuple(s for s in ALL if (share_alike or not s.share_alike) and (flags or s.style != "circle-flags"))


def npm_packages(sets: tuple[DrawingSet, ...]) -> dict[str, str]:
    """Package name → version of everything a build needs."""
    return {**{s.package: s.version for s in sets}, **NAME_PACKAGES, PACKAGE: VERSION}
