"""What a code point is called, and which code point an icon's name means.

Icon sets name the same emoji differently ("red-apple", "1f34e", "AppleRed"). The key that joins them is the
code-point sequence without variation selectors; the names come from Unicode CLDR and emojibase.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

TONE = re.compile(r"(^|-)1f3f[b-f](-|$)")  # skin-tone modifiers: variants are collapsed into the plain emoji
_SHORTCODES = ("emojibase", "cldr", "github", "joypixels", "iamcal", "emojibase-legacy")
_NAMED_SETS = ("noto", "twemoji", "fluent-emoji-flat")


def slug(name: str) -> str:
    """Lower-case ASCII words joined by hyphens: "Crème brûlée" → "creme-brulee"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().replace("&", " and ")
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")


def without_variation(key: str) -> str:
    """A code-point sequence without variation selectors: "2764-FE0F" → "2764"."""
    return "-".join(part for part in key.lower().split("-") if part not in ("fe0f", "fe0e"))


def key_of(emoji: str) -> str:
    """The key of an emoji given as text."""
    return without_variation("-".join(f"{ord(c):04x}" for c in emoji))


@cache
def fixes() -> dict[str, Any]:
    """Hand-made corrections: icon names that mean a code point no rule finds, and countries' other names."""
    found: dict[str, Any] = json.loads((resources.files(__package__) / "fixes.json").read_text(encoding="utf-8"))
    return found


class Names:
    """Names, keywords and classes of code points.

    Args:
        modules: a ``node_modules`` folder with the packages of ``sets.npm_packages``.
    """

    def __init__(self, modules: Path) -> None:
        self._modules = modules
        self.names: dict[str, str] = {}
        self.keywords: dict[str, list[str]] = {}
        self.labels: dict[str, str] = {}
        self.groups: dict[str, tuple[str, str]] = {}
        self.toned: set[str] = set()
        self._read_cldr()
        self._read_emojibase()
        self._by_name: dict[str, str] = {}
        for name, key in self._all_names():
            if (name := slug(name)) and not TONE.search(key):
                self._by_name.setdefault(name, key)  # the strongest source comes first
        self._squashed = _first((name.replace("-", ""), key) for name, key in self._by_name.items())
        self._bags = self._unambiguous_bags()
        self._alternatives = self._collect_alternatives()
        self._exact = {slug(n): k for k, n in self.names.items() if k in self.labels and not TONE.search(k)}

    def caption(self, key: str) -> str:
        """The CLDR short name, or emojibase's label; "" for an unknown key."""
        return self.names.get(key) or self.labels.get(key, "")

    def alternatives(self, key: str) -> list[str]:
        """Other plain names of the same thing."""
        own = self.caption(key).lower()
        return [name for name in self._alternatives.get(key, []) if name != own]

    def known(self, key: str) -> bool:
        """Whether the key has a name."""
        return key in self.names or key in self.labels

    def is_toned(self, key: str) -> bool:
        """Whether the key is a skin-tone variant."""
        return bool(TONE.search(key)) or key in self.toned

    def exact(self, name: str) -> str | None:
        """The key whose CLDR short name is exactly this."""
        return self._exact.get(slug(name))

    def lookup(self, name: str) -> str | None:
        """The key an icon's name most likely means, or None."""
        name = slug(name)
        if flag := re.match(r"flag-for-(flag-)?(.*)$", name):
            country = fixes()["countries"].get(flag[2], flag[2])
            return self._exact.get(country) or self._exact.get(f"flag-{country}")
        base = re.sub(r"-\d$", "", name)
        plain = re.sub(r"-(face|sign|symbol|button)$", "", name)
        for guess in (name, base, plain, f"{name}-face", f"{name}-button", f"flag-{name}", f"{base}-face"):
            if guess in self._by_name:
                return self._by_name[guess]
        squashed = name.replace("-", "")
        short = re.sub(r"(sign|symbol|icon)$", "", squashed)
        for guess in (squashed, f"{squashed}face", short, *(f"{c}{squashed}" for c in ("heavy", "black", "white"))):
            if guess in self._squashed:
                return self._squashed[guess]
        return self._bags.get(_bag(name))

    def _read_cldr(self) -> None:
        for package, kind in (("cldr-annotations-full", ""), ("cldr-annotations-derived-full", "Derived")):
            found = self._json(f"{package}/annotations{kind}/en/annotations.json")[f"annotations{kind}"]
            for emoji, facts in found["annotations"].items():
                key = key_of(emoji)
                if facts.get("tts"):
                    self.names[key] = facts["tts"][0]
                self.keywords[key] = list(facts.get("default", []))

    def _read_emojibase(self) -> None:
        messages = self._json("emojibase-data/en/messages.json")
        groups = {g["order"]: g["key"] for g in messages["groups"]}
        subgroups = {g["order"]: g["key"] for g in messages["subgroups"]}
        for emoji in self._json("emojibase-data/en/data.json"):
            key = without_variation(emoji["hexcode"])
            self.labels[key] = emoji["label"]
            self.groups[key] = (groups.get(emoji.get("group"), "component"), subgroups.get(emoji.get("subgroup"), ""))
            self.toned |= {without_variation(skin["hexcode"]) for skin in emoji.get("skins", [])}

    def _all_names(self) -> Iterator[tuple[str, str]]:
        """(name, key) from the strongest source to the weakest."""
        yield from ((label, key) for key, label in self.labels.items())
        yield from ((self.names[key], key) for key in self.labels if key in self.names)
        for style in _NAMED_SETS:
            yield from self._names_of_set(self._modules / "@iconify-json" / style)
        for source in _SHORTCODES:
            file = self._modules / f"emojibase-data/en/shortcodes/{source}.json"
            for key, codes in (json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}).items():
                for code in [codes] if isinstance(codes, str) else codes:
                    if without_variation(key) in self.labels:
                        yield code.replace("_", "-"), without_variation(key)
        for key in sorted(k for k in self.labels if "-" not in k):  # Unicode's own character names
            if name := unicodedata.name(chr(int(key, 16)), ""):
                yield name, key

    def _names_of_set(self, folder: Path) -> Iterator[tuple[str, str]]:
        if not (folder / "chars.json").exists():
            return
        own: dict[str, str] = {}
        for key, name in json.loads((folder / "chars.json").read_text(encoding="utf-8")).items():
            if (key := without_variation(key)) in self.labels:
                own.setdefault(name, key)
                yield name, key
        icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
        for alias, facts in icons.get("aliases", {}).items():
            if facts["parent"] in own and not set(facts) - {"parent", "hidden"}:
                yield alias, own[facts["parent"]]

    def _unambiguous_bags(self) -> dict[str, str]:
        """Names with their words sorted, where only one code point has them: "apple-red" finds "red-apple"."""
        bags: dict[str, set[str]] = {}
        for name, key in self._by_name.items():
            bags.setdefault(_bag(name), set()).add(key)
        return {bag: next(iter(keys)) for bag, keys in bags.items() if len(keys) == 1}

    def _collect_alternatives(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, key in self._by_name.items():
            if "-" in name or len(name) > 2:
                found.setdefault(key, []).append(name.replace("-", " "))
        return found

    def _json(self, path: str) -> Any:
        return json.loads((self._modules / path).read_text(encoding="utf-8"))


def _bag(name: str) -> str:
    return " ".join(sorted(name.split("-")))


def _first(pairs: Iterator[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key in pairs:
        found.setdefault(name, key)
    return found
