"""What lies below a folder: the files that are looked at, and what is hidden."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path

from fromnoise.data.record import Found


@dataclass(frozen=True)
class Below:
    """What lies below a folder.

    Attributes:
        files: that are looked at, sorted.
        hidden_files, hidden_folders: whose own names begin with a dot, sorted (thumbnails, environments); what lies in
            hidden folders is not among them.
    """

    files: list[Path] = field(default_factory=list)
    hidden_files: list[Path] = field(default_factory=list)
    hidden_folders: list[Path] = field(default_factory=list)


def all_below(folder: Path, found: Found) -> Below:
    """Everything below a folder. Links are followed, also those to folders, but no folder is taken twice.

    Args:
        folder: where to begin.
        found: takes in which folders cannot be opened.
    """
    below = Below()
    seen: set[str] = set()
    places = [folder]
    while places:
        links: list[Path] = []
        for place in places:
            _add(below, place, seen, links, found)
        places = links
    for paths in (below.files, below.hidden_files, below.hidden_folders):
        paths.sort()
    return below


def _add(below: Below, folder: Path, seen: set[str], links: list[Path], found: Found) -> None:
    """Add what lies below one folder; which folders were ``seen`` and ``links`` to others are noted."""

    def closed(error: OSError) -> None:
        found.left_out.append((str(error.filename), error.strerror or "it cannot be opened"))

    for place, folders, names in os.walk(folder, onerror=closed):
        hidden = [name for name in folders if name.startswith(".")]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        links += [Path(place, name) for name in folders if os.path.islink(Path(place, name))]
        below.hidden_folders.extend(Path(place, name) for name in hidden)
        for name in names:
            (below.hidden_files if name.startswith(".") else below.files).append(Path(place, name))


def some_below(folder: Path, most: int) -> tuple[list[Path], bool]:
    """Files below a folder, those nearest to it first, also hidden ones. Links are not followed, and what cannot be
    opened is left aside.

    Args:
        folder: where to begin.
        most: names of files and folders that are looked at.

    Returns:
        The files, and whether there are more names than that.
    """
    files: list[Path] = []
    places, left = [folder], most
    for place in places:  # which grows meanwhile
        try:
            with os.scandir(place) as entries:
                for entry in itertools.islice(entries, left + 1):
                    if not left:
                        return files, True
                    left -= 1
                    (places if entry.is_dir(follow_symlinks=False) else files).append(Path(entry.path))
        except OSError:
            continue
    return files, False


def plain_path(file: Path) -> Path:
    """The path from the root on without "." and "..", links left as they are."""
    return Path(os.path.abspath(file))
