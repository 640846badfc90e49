"""A drawing in another colour: its dominant fills are swapped for a named one, their shades kept.

What is claimed is measured: :func:`dominates` looks at the pixels of what came out, and a drawing whose pixels do not
show the colour is not called by it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from PIL import ImageColor

from fromnoise.data.stickers.render import PALETTE, lab

# In attributes (fill="#f00") and in styles (fill:#f00).
_PAINT = re.compile(r"""((?:\bfill|\bstroke|stop-color)\s*(?:=\s*["']|:)\s*)([^"';}<>]+)""")
_WORDS = list(PALETTE)
_LAB = lab(np.array(list(PALETTE.values())))
# Shades of one colour: a red thing has dark red shadows and stays a red thing.
_KIN = {
    "red": ("dark red",), "green": ("dark green",), "blue": ("dark blue", "light blue"), "dark blue": ("blue",),
    "light blue": ("blue",), "dark red": ("red",), "dark green": ("green",), "brown": ("dark red",),
    "yellow": ("orange", "beige"), "orange": ("brown",), "pink": (), "white": ("gray",), "black": ("gray",),
}  # fmt: skip
MOST_FILLS = 200  # of a body that is recoloured
NEAR_HUE = 40  # degrees: fills within it change together
GREY = 14  # chroma below which a fill is grey
DARK, LIGHT = 24, 94  # L* of outlines, and of paper, teeth and eyes, which keep their colour
PLAINLY = 26  # distance in CIE L*a*b* of half a thing's pixels at most from a colour it is called by
OWN_SHARE, KIN_SHARE = 0.45, 0.6  # what of a thing must have the colour itself, and it or its shades


def paints(body: str) -> dict[str, tuple[float, float, float]]:
    """The colours that a body names, as written → sRGB 0…255."""
    found = {}
    for written in {match[1].strip() for match in _PAINT.findall(body)}:
        if (rgb := _rgb_of(written)) is not None:
            found[written] = rgb
    return found


@lru_cache(4096)
def _rgb_of(written: str) -> tuple[float, float, float] | None:
    word = "black" if written.lower() == "currentcolor" else written
    try:
        return tuple(map(float, ImageColor.getrgb(word)[:3]))  # type: ignore[return-value]
    except ValueError:  # none, url(#...), transparent
        return None


def recoloured(body: str, pixels: np.ndarray, colour: str) -> str | None:
    """The body with its dominant fills in a named colour.

    Args:
        body: inside of ``<svg>``.
        pixels: uint8 [N,3], the opaque pixels of its drawing, by which the dominant fill is known.
        colour: a word of ``PALETTE``.

    Returns:
        The new body, or None where no fill can be told to dominate.
    """
    found = paints(body)
    written = sorted(found)
    if not 0 < len(written) <= MOST_FILLS or not len(pixels):
        return None
    values = lab(np.array([found[w] for w in written]))
    area = _areas(values, pixels)
    chosen = _family(values, area)
    if not chosen.any() or area[chosen].sum() < 0.35:
        return None
    middle = float((values[chosen, 0] * area[chosen]).sum() / area[chosen].sum())
    swap = {w: _hex(_shade(values[i], middle, colour)) for i, w in enumerate(written) if chosen[i]}
    return _PAINT.sub(lambda m: m[1] + swap.get(m[2].strip(), m[2]), body)


def coloured(body: str, colour: str) -> str:
    """A silhouette in a named colour: every fill and stroke, also those that are not written and so are black."""
    value = _hex(lab(np.array([PALETTE[colour]]))[0])
    body = _PAINT.sub(lambda m: m[1] + (value if _rgb_of(m[2].strip()) else m[2]), body)
    return f'<g fill="{value}" color="{value}">{body}</g>'


def dominates(colour: str, pixels: np.ndarray) -> bool:
    """Whether a person would call these pixels by this colour.

    Outlines and white parts do not speak against it: of the other pixels 45 % must be nearest to the word itself and
    60 % to it or a shade of it. Of all pixels it must be a third.

    Args:
        colour: a word of ``PALETTE``.
        pixels: uint8 [N,3], opaque.
    """
    if not len(pixels):
        return False
    values = lab(pixels)
    nearest = ((values[:, None] - _LAB) ** 2).sum(-1).argmin(1)
    own = nearest == _WORDS.index(colour)
    kin = own | np.isin(nearest, [_WORDS.index(word) for word in _KIN.get(colour, ())])
    chroma = np.hypot(values[:, 1], values[:, 2])
    counts = kin | ~((chroma < GREY) & ((values[:, 0] < DARK) | (values[:, 0] > LIGHT)))
    return bool(own[counts].mean() >= OWN_SHARE and kin[counts].mean() >= KIN_SHARE and kin.mean() >= 1 / 3)


def own_colour(said: tuple[str, ...], pixels: np.ndarray) -> str:
    """The first of a drawing's own colour words, if its pixels are plainly of that colour; else ""."""
    if not said or said[0] not in PALETTE or not dominates(said[0], pixels):
        return ""
    apart = np.sqrt(((lab(pixels) - _LAB[_WORDS.index(said[0])]) ** 2).sum(-1))
    return said[0] if float(np.median(apart)) < PLAINLY else ""


def _areas(values: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The share of the pixels that is nearest to each fill."""
    distance = ((lab(pixels)[:, None] - values) ** 2).sum(-1)
    return np.bincount(distance.argmin(1), minlength=len(values)) / len(pixels)


def _family(values: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Which fills change: the largest that is neither outline nor white, and all of nearly its hue."""
    chroma = np.hypot(values[:, 1], values[:, 2])
    grey = chroma < GREY
    free = ~(grey & ((values[:, 0] < DARK) | (values[:, 0] > LIGHT)))
    if not (free & (area > 0)).any():
        return np.zeros(len(values), bool)
    main = int(np.where(free, area, -1).argmax())
    if grey[main]:
        return grey & free
    hue = np.degrees(np.arctan2(values[:, 2], values[:, 1]))
    apart = np.abs((hue - hue[main] + 180) % 360 - 180)
    return (apart <= NEAR_HUE) & (chroma >= GREY * 0.7)


def _shade(value: np.ndarray, middle: float, colour: str) -> np.ndarray:
    """The named colour, as much lighter or darker as the fill was than the middle of its family."""
    target = _LAB[_WORDS.index(colour)]
    keep = 0.35 if target[0] < 20 or target[0] > 90 else 0.6
    lightness = float(np.clip(target[0] + keep * (value[0] - middle), 6, 97))
    fade = min(1.0, (100 - lightness) / (100 - target[0]), lightness / target[0])
    return np.array([lightness, *(target[1:] * max(fade, 0.45))])


def _hex(value: np.ndarray) -> str:
    """CIE L*a*b* (D65) as "#rrggbb", clipped to what sRGB has."""
    fy = (value[0] + 16) / 116
    f = np.array([fy + value[1] / 500, fy, fy - value[2] / 200])
    xyz = np.where(f > 0.20689, f**3, (f - 16 / 116) / 7.787) * np.array([0.9505, 1, 1.089])
    from_xyz = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    c = np.clip(from_xyz @ xyz, 0, 1)
    c = np.where(c > 0.0031308, 1.055 * c ** (1 / 2.4) - 0.055, 12.92 * c)
    return "#" + "".join(f"{round(float(v) * 255):02x}" for v in c)
