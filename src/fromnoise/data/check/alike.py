"""Which pictures are nearly the same, found without comparing all with all."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

BITS = 7  # of 128 that may differ in the outlines of nearly equal pictures
SHADE = 24  # of 255: by how much any part of theirs may differ in colour
NEIGHBOURS = 32  # with how many that share a part of the outline each is compared
_ONES = np.array([bin(value).count("1") for value in range(256)], np.uint8)


def alike(outlines: np.ndarray, shades: np.ndarray) -> list[list[int]]:
    """Groups of nearly equal pictures.

    Outlines that differ in at most 7 bits share at least one of their eight parts of 16 bits. So they are sorted eight
    times, each time by another part first, and each is compared with the next 32 alone: the work grows as N log N.
    Where more than 32 outlines share a part, some pairs are missed.

    Args:
        outlines: uint8 [N,16], of :func:`fromnoise.data.check.look.outline_of`.
        shades: uint8 [N,192], of :func:`fromnoise.data.check.look.shades_of`.

    Returns:
        Numbers of pictures, each group and the groups in order; pictures without a like are in none.
    """
    labels, brightness = np.arange(len(outlines)), shades.mean(1)
    for part in range(8):
        turned = np.ascontiguousarray(np.roll(outlines, -2 * part, axis=1)).view(">u8")
        order = np.lexsort((brightness, turned[:, 1], turned[:, 0]))
        shared = outlines[order, 2 * part].astype(np.uint16) << 8 | outlines[order, 2 * part + 1]
        for ahead in range(1, NEIGHBOURS + 1):
            places = np.flatnonzero(shared[:-ahead] == shared[ahead:])
            if not len(places):
                break
            first, second = order[places], order[places + ahead]
            apart = labels[first] != labels[second]
            labels = _joined(labels, *_near(outlines, shades, first[apart], second[apart]))
    groups: dict[int, list[int]] = defaultdict(list)
    for i, label in enumerate(labels.tolist()):
        groups[label].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _near(
    outlines: np.ndarray, shades: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those pairs that are nearly equal."""
    near = _ONES[outlines[first] ^ outlines[second]].sum(1) <= BITS
    first, second = first[near], second[near]
    same = np.abs(shades[first].astype(np.int16) - shades[second]).max(1, initial=0) <= SHADE
    return first[same], second[same]


def _joined(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Labels [N], of which each is the least number of its group, when pairs of numbers are of one group as well."""
    while (apart := labels[first] != labels[second]).any():
        first, second = first[apart], second[apart]
        a, b = labels[first], labels[second]
        np.minimum.at(labels, np.maximum(a, b), np.minimum(a, b))
        while (labels[labels] != labels).any():
            labels = labels[labels]
    return labels
