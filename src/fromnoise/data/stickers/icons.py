"""Which icons of a set become stickers, and which concept each one shows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fromnoise.data.stickers.names import Names, fixes, slug, without_variation
from fromnoise.data.stickers.sets import StickerSet

Box = tuple[float, float, float, float]

# Trade marks are not stickers.
BRAND = re.compile(
    r"(^|-)(logo|logos|brand|adobe|google|facebook|twitter|skype|snapchat|instagram|whatsapp|youtube|linkedin|github|"
    r"gitlab|microsoft|windows|android|apple-ipod|dropbox|slack|amazon|netflix|spotify|tiktok|pinterest|paypal|visa|"
    r"mastercard|reddit|firefox|chrome|safari|openmoji|bitcoin|ethereum|wikipedia|wikidata|mastodon|telegram|"
    r"signal-messenger|discord|docker|npm|html-5|javascript|python|php)(-|$)"
)
_SKIN = re.compile(r"skin-tone|(^|-)(light|medium|dark)-skin")
_COUNTRY = re.compile(r"[a-z]{2}")
_GENDERED = re.compile(r"(^|-)(2640|2642|1f468|1f469)(-|$)")
# Sets in which several icons may show one concept; elsewhere the first one is taken.
_MANY_PER_CONCEPT = ("streamline-emojis", "fxemoji")


@dataclass(frozen=True)
class Icon:
    """One drawing that will become a sticker.

    Attributes:
        key: its concept: a code-point sequence, or "name:…" for clip art of no emoji.
        name: the icon's own name, in words.
        source: an SVG body with its view box, or the path of a picture file.
    """

    key: str
    name: str
    source: tuple[str, Box] | Path

    @property
    def file_stem(self) -> str:
        """A file name without suffix that is safe everywhere.

        Clip art is written "TestTube": ``datasets`` would take "test-tube.png" for a file of the test split.
        """
        if not self.key.startswith("name:"):
            return self.key
        return "".join(word.capitalize() for word in re.findall(r"[a-z0-9]+", self.key.removeprefix("name:")))[:80]


def icons_of(sticker_set: StickerSet, modules: Path, names: Names, dropped: Counter[str]) -> list[Icon]:
    """The icons of a set that become stickers; why others do not is counted in ``dropped``."""
    folder = modules / sticker_set.package
    if not sticker_set.iconify:
        return list(_files(folder / "assets", names, dropped))
    found = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    key_for = _key_finder(sticker_set, modules, names)
    icons, seen = [], Counter[str]()
    for name, facts in _usable(sticker_set, found["icons"], dropped):
        key = key_for(name)
        if reason := _why_not(key, names, sticker_set):
            dropped[reason] += 1
            continue
        words = re.sub(r"-\d+$", "", name).replace("-", " ")
        key = key or f"name:{slug(words)}"
        seen[key] += 1
        if seen[key] > 1 and sticker_set.style not in _MANY_PER_CONCEPT:
            dropped["same concept"] += 1
            continue
        icons.append(Icon(key, words, (facts["body"], box_of(facts, found))))
    return icons


def is_gendered(key: str) -> bool:
    """Whether the emoji is a man's or woman's variant of another."""
    return "-" in key and bool(_GENDERED.search(key))


def _usable(sticker_set: StickerSet, icons: dict[str, Any], dropped: Counter[str]) -> Iterator[tuple[str, Any]]:
    largest = largest_sizes(icons) if sticker_set.style == "fluent-color" else None
    for name, facts in icons.items():
        if BRAND.search(name):
            dropped["trade mark"] += 1
        elif facts.get("hidden"):
            dropped["hidden"] += 1
        elif _SKIN.search(name):
            dropped["skin tone"] += 1
        elif largest is not None and name not in largest:
            dropped["smaller size"] += 1
        elif sticker_set.style == "circle-flags" and not _COUNTRY.fullmatch(name):
            dropped["no country"] += 1
        else:
            yield name, facts


def _key_finder(sticker_set: StickerSet, modules: Path, names: Names) -> Callable[[str], str | None]:
    """A function from an icon's name to its key, by the set's own rules."""
    style = sticker_set.style
    if style == "circle-flags":
        return lambda name: "-".join(f"{0x1F1E6 + ord(c) - 97:x}" for c in name)
    if not sticker_set.emoji:
        return names.exact  # other clip art counts as an emoji only under its exact name
    fixed: dict[str, str | None] = fixes()["icons"].get(style, {})
    own = _own_keys(modules / sticker_set.package)
    if style == "fluent-emoji":  # comes without a table; its flat sister's names are the same
        own |= {k: v for k, v in _own_keys(modules / "@iconify-json/fluent-emoji-flat").items() if k not in own}
    return lambda name: fixed[name] if name in fixed else own.get(name) or names.lookup(name)


def _own_keys(folder: Path) -> dict[str, str]:
    file = folder / "chars.json"
    table = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    keys: dict[str, str] = {}
    for code, name in table.items():
        keys.setdefault(name, without_variation(code))
    return keys


def _why_not(key: str | None, names: Names, sticker_set: StickerSet) -> str:
    if key is None:  # fxemoji writes names without spaces; what no rule maps would be a caption like "emptypage"
        return "no readable name" if sticker_set.style == "fxemoji" else ""
    if names.is_toned(key):
        return "skin tone"
    if names.groups.get(key, ("", ""))[1] == "brand":
        return "trade mark"
    return "" if names.known(key) else "unnamed"


def largest_sizes(icons: Iterable[str]) -> set[str]:
    """Of "add-16", "add-24", "add-32" only "add-32"."""
    best: dict[str, int] = {}
    for name in icons:
        base, _, size = name.rpartition("-")
        if size.isdigit():
            best[base] = max(best.get(base, 0), int(size))
    return {f"{base}-{size}" for base, size in best.items()}


def _files(folder: Path, names: Names, dropped: Counter[str]) -> Iterator[Icon]:
    for file in sorted(folder.glob("*.webp")):
        key = without_variation(file.stem)
        if names.is_toned(key):
            dropped["skin tone"] += 1
        elif not names.known(key):
            dropped["unnamed"] += 1
        else:
            yield Icon(key, names.caption(key), file)


def box_of(facts: dict[str, Any], whole: dict[str, Any]) -> Box:
    """The view box of an icon of an Iconify set: left, top, width, height."""

    def find(name: str, default: float) -> float:
        return float(facts.get(name, whole.get(name, default)))

    return find("left", 0), find("top", 0), find("width", 16), find("height", 16)
