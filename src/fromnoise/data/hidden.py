"""Captioned pictures that nobody sees: their own names, or their folders', begin with a dot, so they are not read."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from fromnoise.data.below import Below, plain_path, some_below
from fromnoise.data.beside import Captions
from fromnoise.data.kinds import called_picture, is_list
from fromnoise.data.record import Found

HIDDEN = "not read, for its name begins with a dot"
MOST = 10_000  # names that are looked at in each hidden folder: an environment may have hundreds of thousands
STORES = (".git", ".hg", ".svn")  # hold earlier versions, under names that are no pictures', and many


def note_hidden(folder: Path, below: Below, named: Set[Path], found: Found) -> None:
    """Note hidden pictures that have captions: files of visible folders one by one, hidden folders with their number.

    Args:
        folder: that they are named from.
        below: what lies below it.
        named: plain paths of pictures that a list names, hidden or not; these are used.
        found: takes the notes in.
    """
    for file in _captioned(below.hidden_files, named):
        found.noted.append((file.relative_to(folder).as_posix(), HIDDEN))
    for place in below.hidden_folders:
        if place.name in STORES or place.is_symlink():
            continue
        files, more = some_below(place, MOST)
        count = len(_captioned(files, named))
        among = f" among its first {MOST:,} files" if more else ""
        if count or more:
            holds = f"{count:,} captioned picture{'' if count == 1 else 's'}" if count else "no captioned picture"
            found.noted.append((place.relative_to(folder).as_posix(), f"{HIDDEN}; it holds {holds}{among}"))


def _captioned(files: list[Path], named: Set[Path]) -> list[Path]:
    """Pictures with captions, beside them or in a list; the "._tom.jpg" of macOS hold no picture."""
    captions = Captions(sorted(files))
    listed = {file.parent for file in files if is_list(file)}
    return [
        file
        for file in files
        if called_picture(file)
        and not file.name.startswith("._")
        and (captions.of(file) or not listed.isdisjoint(file.parents))
        and plain_path(file) not in named
    ]
