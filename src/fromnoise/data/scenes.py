"""Scenes: two or three training pictures put into one, so that "two cats" and "apple and car" mean something.

Captioned clip art shows one thing at a time, and a model that never saw two things in a picture cannot draw them. The
parts are real pictures of one style, cut out of their white border, made smaller and placed side by side.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record

KEY = "scene"  # records of scenes have keys that begin so
WHITE = 250  # a position is empty when all its channels are at least this
# Where the parts lie: (top, left, side), as shares of the picture.
PLACES = {
    2: (((0.26, 0.01, 0.47), (0.28, 0.52, 0.47)), ((0.02, 0.02, 0.46), (0.52, 0.52, 0.46))),
    3: (((0.02, 0.27, 0.45), (0.53, 0.02, 0.45), (0.53, 0.53, 0.45)),),
}
_SINGULAR = re.compile(r"^[a-z][a-z -]*[a-rt-z]$")
_NOT_COUNTED = re.compile(
    r"\b(with|and|of|in|on|fish|sheep|deer|leaf|knife|wolf|mouse|foot|tooth|rice|bread|meat|money|"
    r"water|hair|fog|wind|moon|sun|earth|globe)\b"
)


def scenes(pictures: PictureSet, count: int, seed: int = 0) -> PictureSet:
    """Compose scenes: a third each "two X", "three X" and "X and Y".

    Args:
        pictures: single things, uint8 [N,3,P,P] on white, with records.
        count: how many scenes.
        seed: of the choice.

    Returns:
        The scenes; fewer than ``count`` only where nothing can be counted or paired.
    """
    generator = torch.Generator().manual_seed(seed)
    by_style: dict[str, list[int]] = defaultdict(list)
    for i, record in enumerate(pictures.records):
        if _SINGULAR.match(record.text) and not _NOT_COUNTED.search(record.text):
            by_style[record.style].append(i)
    groups = [group for group in by_style.values() if len(group) > 1]
    if not groups:
        return PictureSet(pictures.images[:0], [], [])
    pool = [(group, i) for group in groups for i in group]
    images, records = [], []
    for number in range(count):
        group, first = pool[int(torch.randint(len(pool), (1,), generator=generator))]
        second = group[int(torch.randint(len(group), (1,), generator=generator))]
        image, record = _scene(pictures, number % 3, (first, second), generator)
        images.append(image)
        records.append(record)
    return PictureSet(torch.stack(images), records, [])


def is_scene(record: Record) -> bool:
    """Whether a record was made here."""
    return record.key.startswith(KEY)


def plural(name: str) -> str:
    """The regular plural: "cherry" → "cherries", "box" → "boxes"."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("x", "ch", "sh", "z")) else "s")


def article(name: str) -> str:
    """ "an apple", "a cat"."""
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _scene(
    pictures: PictureSet, kind: int, chosen: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Record]:
    first, second = (pictures.records[i] for i in chosen)
    if kind < 2 or first.text == second.text:
        count = 2 + kind % 2
        word = "two" if count == 2 else "three"
        parts, text = [chosen[0]] * count, f"{word} {plural(first.text)}"
        other: tuple[str, ...] = (f"{count} {plural(first.text)}",)
    else:
        parts, text = list(chosen), f"{first.text} and {second.text}"
        other = (f"{article(first.text)} and {article(second.text)}", f"{second.text} and {first.text}")
    layouts = PLACES[len(parts)]
    places = layouts[int(torch.randint(len(layouts), (1,), generator=generator))]
    image = compose(pictures.images[parts], places)
    made_from = {first, second} if kind == 2 else {first}
    return image, replace(
        first, file_name="", text=text, alt=other, keywords=(), colours=(), key=f"{KEY}: {text}",
        author=", ".join(sorted({r.author for r in made_from})),
    )  # fmt: skip


def compose(parts: Tensor, places: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Put parts, uint8 [K,3,P,P], at places (top, left, side as shares of P): uint8 [3,P,P] on white."""
    side = parts.shape[-1]
    canvas = torch.full((3, side, side), 255.0)
    for part, (top, left, size) in zip(parts, places, strict=True):
        cut = _cut_out(part)
        scale = size * side / max(cut.shape[1:])
        height, width = (max(1, round(n * scale)) for n in cut.shape[1:])
        small = F.interpolate(cut[None].float(), (height, width), mode="bicubic", antialias=True)[0].clamp(0, 255)
        y, x = round(top * side + (size * side - height) / 2), round(left * side + (size * side - width) / 2)
        y, x = min(max(y, 0), side - height), min(max(x, 0), side - width)
        region = canvas[:, y : y + height, x : x + width]
        canvas[:, y : y + height, x : x + width] = torch.minimum(region, small)
    return canvas.round().to(torch.uint8)


def _cut_out(picture: Tensor) -> Tensor:
    """The picture without its white border."""
    inside = (picture < WHITE).any(0)
    rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
    if not len(rows):
        return picture
    return picture[:, int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
