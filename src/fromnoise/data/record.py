"""What is known about one training picture, and where the picture is."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.text import is_unicode, spelled
from fromnoise.ground.wording import said_style

TRAIN, HELD_OUT = "train", "test_pair"
MOST_SAID = 1 << 20  # bytes of a caption, or of what else is said of one picture
ASIDE = "aside"  # held out by a training, where the data hold nothing out
# What others call their splits → what it is called here.
SPLITS = {
    **dict.fromkeys(("", TRAIN, "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "test", "testing", "eval"), HELD_OUT),
    **dict.fromkeys(("evaluation", "held_out", "held-out", "heldout", "holdout", HELD_OUT), HELD_OUT),
    "test_concept": "test_concept",
}


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
        split: "train", "test_pair" (held-out pair of concept and style; also what others call "validation" or "test")
            or "test_concept" (held-out concept). A training may say "aside" of some (:mod:`fromnoise.data.aside`).
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
        return dataclasses.replace(self, text=text, style=self.style or style, key=key)

    def with_tags(self) -> Record:
        """The record with the parts between the commas of its caption as its keywords, where it has none."""
        tags = tuple(dict.fromkeys(tag for part in self.text.split(",") if (tag := part.strip())))
        return self if self.keywords or len(tags) < 2 else dataclasses.replace(self, keywords=tags)


class Source(Protocol):
    """A picture file inside a larger file, which another process can be told of."""

    def read_bytes(self) -> bytes:
        """The picture file's bytes.

        Raises:
            OSError, ValueError: they cannot be read.
        """

    def stamp(self) -> str:
        """Changes when the larger file does."""


@dataclass(frozen=True)
class Entry:
    """One picture that has not been decoded yet: its facts and where its bytes are."""

    record: Record
    source: Path | Source

    def read(self) -> bytes:
        """The file's bytes."""
        return self.source.read_bytes()

    def stamp(self) -> str:
        """Changes when the file does: by its size and time of change; "" where there is none to be seen."""
        return stamp_of(self.source) if isinstance(self.source, Path) else self.source.stamp()


def stamp_of(file: Path) -> str:
    """Size and time of change of a file; "" where it cannot be seen."""
    try:
        seen = file.stat()
    except (OSError, ValueError):
        return ""
    return f"{seen.st_size} {seen.st_mtime_ns}"


@dataclass(frozen=True)
class Found:
    """What a place holds.

    Attributes:
        entries: the captioned pictures.
        left_out: (file, reason) of everything else that looks as if it was meant.
        splits: how many pictures each split has, by the name that the data gives it.
        noted: (file, sentence) of what is read all the same, though not as it stands there, and of what is not.
        packs: packed files that are not read, because pictures lie beside them.
    """

    entries: list[Entry] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    noted: list[tuple[str, str]] = field(default_factory=list)
    packs: list[str] = field(default_factory=list)

    def add(self, facts: Mapping[str, Any], record: Record, source: Path | Source) -> None:
        """Take in a picture with the record that was made of its facts."""
        self.entries.append(Entry(record, source))
        self.splits[str(facts.get("split") or TRAIN)] += 1

    def not_read(self, packs: Sequence[str]) -> None:
        """Note packed files that lie beside pictures, which come first."""
        self.packs.extend(packs)
        self.noted.extend((file, f"not read, {_BESIDE}; give it as --data by itself") for file in packs)

    def or_nothing(self, place: Path | str) -> Found:
        """The same, where there is anything.

        Raises:
            NothingFound: there is nothing, and why the first thing was left out.
        """
        if not self.entries:
            first = next((f": {name}: {reason}" for name, reason in self.left_out), "")
            raise NothingFound(f"{place} holds no captioned pictures{first}", self)
        return self

    @property
    def notes(self) -> list[str]:
        """What became of splits whose names are not ours, one sentence each, and which packed files are not read."""
        foreign = [(name, n) for name, n in self.splits.items() if name not in _OURS]
        more = f" and {len(self.packs) - 1:,} more" if len(self.packs) > 1 else ""
        unread = [f"not read: {file}{more}, {_BESIDE}; give it as --data by itself" for file in self.packs[:1]]
        return unread + [
            f"the split '{name}' ({n:,} picture{'' if n == 1 else 's'}) is "
            + ("trained on" if split_named(name) == TRAIN else "held out: not trained on, but tested with")
            for name, n in foreign
        ]


class NothingFound(UserError):
    """A place holds not one captioned picture.

    Attributes:
        found: what it holds instead.
    """

    def __init__(self, message: str, found: Found) -> None:
        super().__init__(message)
        self.found = found


_FACTS = tuple(f.name for f in dataclasses.fields(Record))
_BESIDE = "for the folder has pictures of its own"
_OURS = frozenset(SPLITS.values())


def record_of(facts: Mapping[str, Any]) -> Record:
    """A record of what a line or a row says; facts that no record has are left aside, and so are nulls.

    Raises:
        ValueError: an empty caption, one that is no valid Unicode, more than :data:`MOST_SAID`, or an unknown split.
        UserError: a fact of the wrong kind.
    """
    record = Record.from_dict({k: v for k, v in facts.items() if k in _FACTS and v is not None})
    if not is_unicode(record.file_name):  # where its bytes are is the entry's to know; this goes into lists and pages
        record = dataclasses.replace(record, file_name=spelled(record.file_name))
    if not record.text.strip():
        raise ValueError("the caption is empty")
    _check_said(record)
    split = split_named(record.split)
    return record if split == record.split else dataclasses.replace(record, split=split)


def too_long(size: int, what: str) -> str:
    """What is wrong with words of so many bytes, as a sentence about ``what``; "" where they are not too many."""
    return f"{what} is too long: it has {size:,} bytes, and the most is {MOST_SAID:,}" if size > MOST_SAID else ""


def _check_said(record: Record) -> None:
    """Refuse halves of signs, which JSON can write ("\\ud83d") and no file can, and more than anybody says."""
    for name in _FACTS:
        value = getattr(record, name)
        texts = (value,) if isinstance(value, str) else value
        if not all(map(is_unicode, texts)):
            raise ValueError(f"its {name} is not valid Unicode: it holds half a sign (\\ud800 to \\udfff)")
        wrong = too_long(sum(len(text.encode()) for text in texts), f"its {name}")
        if wrong and name != "key":  # which may be the caption and a few letters
            raise ValueError(wrong)


def split_named(name: str) -> str:
    """Our name of a split that others call ``name``.

    Raises:
        ValueError: nobody calls a split so.
    """
    found = SPLITS.get(name.strip().lower())
    if found is None:
        raise ValueError(f"its split is '{name:.40}', which is none; use train, validation or test")
    return found
