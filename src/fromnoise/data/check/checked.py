"""Everything that there is to know about a set of pictures before it is trained on, read once."""

from __future__ import annotations

import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fromnoise.data.aside import divided, kept_aside
from fromnoise.data.begun import in_batches
from fromnoise.data.check.alike import alike
from fromnoise.data.check.look import Look, looks
from fromnoise.data.check.verdict import verdict
from fromnoise.data.check.words import Hearer, Words, words
from fromnoise.data.decoding import refuse_duplicate
from fromnoise.data.places import entries_of
from fromnoise.data.record import ASIDE, Entry, Found, NothingFound
from fromnoise.ground.wording import styled

RANDOM, GROUPS, OF_ONE = 24, 24, 6  # pictures shown at random; groups of alike ones, and pictures of each


@dataclass(frozen=True)
class Sizes:
    """Widths and heights of pictures.

    Attributes:
        smallest, middle, largest: width and height of the one that is so by its number of pixels.
        smaller: pictures whose longer side is below that of the training.
        long: pictures more than twice as wide as high, or as high as wide: half of each is padding, or cut off.
    """

    smallest: tuple[int, int]
    middle: tuple[int, int]
    largest: tuple[int, int]
    smaller: int
    long: int


@dataclass(frozen=True)
class Checked:
    """What a look at a set has found.

    Attributes:
        place: where it is.
        pixels: side of the pictures that are trained on.
        usable: the entries that can be learnt from.
        left_out: (file, reason) of all others.
        noted: (file, sentence) of what is used or read, though not as it stands there.
        notes: sentences about the whole set.
        kinds, splits, styles: of how many pictures.
        sizes: of usable pictures; None where there are none.
        words: of their captions.
        twice: groups of pictures that are the same file with other words.
        same: groups of pictures that are the same file with the same words: the one that is used, then those that are
            left out.
        alike: groups of pictures that are nearly the same.
        hearer: name of the model that captions were compared with; "" for none.
        too_long: captions of which it does not hear the end.
        aside: pictures that a training keeps aside, because the data hold none out.
    """

    place: str
    pixels: int
    usable: list[Entry]
    left_out: list[tuple[str, str]]
    noted: list[tuple[str, str]]
    notes: list[str]
    kinds: Counter[str]
    splits: Counter[str]
    styles: Counter[str]
    sizes: Sizes | None
    words: Words
    twice: list[list[Entry]]
    same: list[list[Entry]]
    alike: list[list[Entry]]
    hearer: str = ""
    too_long: int = 0
    aside: int = 0

    @property
    def verdict(self) -> str:
        """How many pictures can be learnt from, and what is wrong with the others."""
        return verdict(len(self.usable), self.left_out)

    def points(self) -> list[str]:
        """What else somebody should know who trains on them, a sentence each."""
        small = 0 if self.sizes is None else self.sizes.smaller
        counts = (
            (len(self.twice), "picture has", "pictures have", "several captions, which are all learnt"),
            (len(self.alike), "group of pictures looks", "groups of pictures look", "nearly the same"),
            (len(self.words.unknown), "word is", "words are", f"new to {self.hearer}"),
            (self.too_long, "caption is", "captions are", f"longer than {self.hearer} can hear, which misses the end"),
            (small, "picture is", "pictures are", f"smaller than {self.pixels} pixels, and will look soft"),
        )
        told = [f"{n:,} {one if n == 1 else many} {what}." for n, one, many, what in counts if n]
        return [*(f"{note[:1].upper()}{note[1:]}." for note in self.notes), *self._told_aside(), *told]

    def _told_aside(self) -> list[str]:
        if not self.aside:
            return []
        return [
            f"No picture is held out by a split, so a training keeps {self.aside} aside, by a hash of their names, to "
            "see whether it learns the others by heart (--set data.aside=0 learns from all)."
        ]

    def shown(self) -> list[Entry]:
        """Some pictures, chosen by chance, the same every time."""
        chosen = random.Random(0).sample(range(len(self.usable)), min(RANDOM, len(self.usable)))
        return [self.usable[i] for i in sorted(chosen)]


@dataclass
class _Read:
    """What is kept of all looks."""

    entries: list[Entry] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    noted: list[tuple[str, str]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    files: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    outlines: bytearray = field(default_factory=bytearray)
    shades: bytearray = field(default_factory=bytearray)
    seen: dict[bytes, str] = field(default_factory=dict)
    used: dict[bytes, int] = field(default_factory=dict)
    twins: dict[bytes, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    def take(self, entry: Entry, look: Look) -> None:
        """Note what a look has found."""
        name = entry.record.file_name
        try:
            if look.identity:
                refuse_duplicate(look.identity, name, self.seen)
        except ValueError as error:
            self.left_out.append((name, str(error)))
            self.twins[look.identity].append(entry)
            return
        if look.wrong:
            self.left_out.append((name, look.wrong))
            return
        self.used[look.identity] = len(self.entries)
        self.files[look.file].append(len(self.entries))
        self.entries.append(entry)
        self.noted += [(name, note) for note in look.notes]
        self.kinds[look.kind] += 1
        self.sizes.append(look.size)
        self.outlines += look.outline
        self.shades += look.shades

    def same(self) -> list[list[Entry]]:
        """Groups of pictures that are the same file with the same words, the one that is used first."""
        return [[self.entries[self.used[of]], *twins] for of, twins in self.twins.items() if of in self.used]

    def alike(self) -> list[list[int]]:
        """Groups of pictures that are nearly the same, each file counted once."""
        first = [numbers[0] for numbers in self.files.values()]
        outlines = np.frombuffer(bytes(self.outlines), np.uint8).reshape(-1, 16)[first]
        shades = np.frombuffer(bytes(self.shades), np.uint8).reshape(-1, 192)[first]
        return [[first[i] for i in group] for group in alike(outlines, shades)]


def checked(place: Path | str, pixels: int = 64, hearer: Hearer | None = None, workers: int = 0) -> Checked:
    """Read every picture and caption of a place once.

    Args:
        place: as training takes it.
        pixels: side of the pictures that will be trained on.
        hearer: the model that will learn from them; None compares their words with no model's.
        workers: processes; 0 takes one per core.

    Raises:
        UserError: there is no such place, or nothing at all in it.
    """
    found = _found(place)
    read = _Read(left_out=list(found.left_out), noted=list(found.noted))
    seen = in_batches(looks, found.entries, "looking at pictures", workers)
    for entry, look in zip(found.entries, seen, strict=True):
        read.take(entry, look)
    long = _too_long(read.entries, hearer)
    up_to = kept_aside([e.record for e in found.entries])
    return Checked(
        place=str(place),
        pixels=pixels,
        usable=read.entries,
        left_out=read.left_out,
        noted=[*read.noted, *long],
        notes=found.notes,
        kinds=read.kinds,
        splits=Counter(e.record.split for e in read.entries),
        styles=Counter(e.record.style for e in read.entries if e.record.style),
        sizes=_sizes(read.sizes, pixels),
        words=words([e.record for e in read.entries], hearer),
        twice=[[read.entries[i] for i in group] for group in read.files.values() if len(group) > 1],
        same=read.same(),
        alike=[[read.entries[i] for i in group] for group in read.alike()],
        hearer="" if hearer is None else hearer.name,
        too_long=len(long),
        aside=sum(e.record.split == ASIDE for e in divided(read.entries, up_to)),
    )


def _found(place: Path | str) -> Found:
    try:
        return entries_of(place)
    except NothingFound as error:
        if not error.found.left_out:
            raise
        return replace(error.found, entries=[])


def _too_long(entries: Sequence[Entry], hearer: Hearer | None) -> list[tuple[str, str]]:
    if hearer is None:
        return []
    ends = ((e.record.file_name, hearer.unheard(styled(e.record.text, e.record.style))) for e in entries)
    told = f"its caption is too long for {hearer.name}, which does not hear its end"
    return [(name, told) for name, end in ends if end]


def _sizes(sizes: Sequence[tuple[int, int]], pixels: int) -> Sizes | None:
    if not sizes:
        return None
    ranked = sorted(sizes, key=lambda size: size[0] * size[1])
    return Sizes(
        smallest=ranked[0],
        middle=statistics.median_low(enumerate(ranked))[1],
        largest=ranked[-1],
        smaller=sum(max(size) < pixels for size in sizes),
        long=sum(max(size) > 2 * min(size) for size in sizes),
    )
