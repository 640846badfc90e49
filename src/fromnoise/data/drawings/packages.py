"""The icons of a set as they lie in its package: a name in words, and a source."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fromnoise.data.drawings.sets import DrawingSet
from fromnoise.data.stickers.icons import BRAND, Box, Icon, box_of, icons_of
from fromnoise.data.stickers.names import Names
from fromnoise.ground.errors import UserError

_NUMBER = re.compile(r"(-\d+|-alt(-\d+)?|-(one|two|three|four|five))+$")
_SVG = re.compile(r"<svg\b[^>]*?viewBox=\"([^\"]+)\"[^>]*>(.*)</svg>", re.DOTALL)


def icons(chosen: DrawingSet, modules: Path, names: Names, dropped: Counter[str]) -> list[Icon]:
    """All icons that the set's pattern takes; why others are not is counted in ``dropped``.

    An icon's key is its code points where it is an emoji, else ""; its name is still the package's ("fork-2").

    Raises:
        UserError: the package is damaged.
    """
    try:
        if chosen.names == "weather":
            return list(_files(modules / chosen.package / chosen.folder))
        if chosen.names == "emoji":
            return [_without_made_up_key(icon) for icon in icons_of(chosen.sticker, modules, names, dropped)]
        return list(_clip_art(chosen, modules / chosen.package / "icons.json", dropped))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the package {chosen.package} is damaged ({error}); delete .npm and run this again") from None


def words_of(name: str) -> str:
    """An icon's name in words, without a number that only tells it from others: "fork-2" → "fork"."""
    return _NUMBER.sub("", name).replace("-", " ")


def _without_made_up_key(icon: Icon) -> Icon:
    return Icon("" if icon.key.startswith("name:") else icon.key, icon.name, icon.source)


def _clip_art(chosen: DrawingSet, file: Path, dropped: Counter[str]) -> Iterator[Icon]:
    whole = json.loads(file.read_text(encoding="utf-8"))
    shown = {name: facts for name, facts in whole["icons"].items() if not facts.get("hidden")}
    proper = {name: found[1] for name in shown if (found := re.fullmatch(chosen.takes, name))}
    dropped["hidden"] += len(whole["icons"]) - len(shown)
    largest = _largest(proper)
    for name, base in proper.items():
        if BRAND.search(base):
            dropped["trade mark"] += 1
        elif name not in largest:
            dropped["smaller size"] += 1
        else:
            yield Icon("", base, (shown[name]["body"], box_of(shown[name], whole)))


def _largest(proper: dict[str, str]) -> set[str]:
    """Of icons with the same name proper that of the largest size: of "add-16-filled", "add-24-filled" the last."""
    best: dict[str, tuple[int, str]] = {}
    for name, base in proper.items():
        size = int(found[1]) if (found := re.search(r"-(\d+)(?:-|$)", name[len(base) :])) else 0
        best[base] = max(best.get(base, (-1, "")), (size, name))
    return {name for _, name in best.values()}


def _files(folder: Path) -> Iterator[Icon]:
    files = sorted(folder.glob("*.svg"))
    if not files:
        raise OSError(f"no drawings in {folder.name}")
    for file in files:
        found = _SVG.search(file.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{file.name} is no SVG")
        yield Icon("", file.stem.replace("-", " "), (f'<g fill="none">{found[2]}</g>', _box(found[1])))


def _box(text: str) -> Box:
    left, top, width, height = map(float, text.split())
    return left, top, width, height
