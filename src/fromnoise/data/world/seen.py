"""Whether a thing stands out from what is behind it: a white sheep on white paper is a caption without a picture."""

from __future__ import annotations

import numpy as np

from fromnoise.data.stickers.render import PALETTE
from fromnoise.data.world.description import Ground, Thing
from fromnoise.data.world.grounds import ground_pixels
from fromnoise.data.world.looks import Look, distance_to

STANDS_OUT = 22  # distance in CIE L*a*b* that is seen at a glance
SHARE = {True: 0.6, False: 0.5}  # of a thing's pixels; more where its colour is said


def is_seen(look: Look | None, thing: Thing, ground: Ground) -> bool:
    """Whether enough of a thing differs from the ground behind each of its places."""
    if look is None:
        return False
    behind = ground_pixels(ground)
    return all(_differs(look, _mean(behind, place), thing.colour) for place in thing.places)


def _differs(look: Look, behind: np.ndarray, colour: str) -> bool:
    if colour and distance_to(np.array([PALETTE[colour]]), behind)[0] < STANDS_OUT:
        return False
    return bool((distance_to(look.pixels, behind) > STANDS_OUT).mean() >= SHARE[bool(colour)])


def _mean(behind: np.ndarray, place: tuple[float, float, float, float]) -> np.ndarray:
    side = len(behind)
    rows = slice(int(place[1] * side), max(int((place[1] + place[3]) * side), int(place[1] * side) + 1))
    columns = slice(int(place[0] * side), max(int((place[0] + place[2]) * side), int(place[0] * side) + 1))
    found: np.ndarray = behind[rows, columns].reshape(-1, 3).mean(0)
    return found
