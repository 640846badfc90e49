"""What is behind the things: a plain named colour, a gradient of two, or a simple scene, all as vectors of our own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from fromnoise.data.stickers.render import PALETTE
from fromnoise.data.world.chance import Chance
from fromnoise.data.world.description import Ground
from fromnoise.data.world.draw import render_vector

BOX = (0.0, 0.0, 128.0, 128.0)
# Where things stand in a scene: the share of the height at which their feet may be. Nothing stands in the sky.
FEET = {"grass": (0.78, 0.95), "sea": (0.80, 0.95), "snow": (0.78, 0.95), "desert": (0.78, 0.95),
        "street": (0.80, 0.93), "room": (0.80, 0.94)}  # fmt: skip
# Neighbours in a gradient that are told apart and pleasant.
GRADIENTS = (
    ("blue", "light blue"), ("light blue", "white"), ("purple", "pink"), ("pink", "yellow"), ("orange", "yellow"),
    ("red", "orange"), ("teal", "light blue"), ("dark blue", "purple"), ("green", "yellow"), ("pink", "orange"),
    ("yellow", "white"), ("black", "dark blue"), ("blue", "purple"), ("teal", "green"), ("gray", "white"),
)  # fmt: skip


def ground_body(ground: Ground) -> str:
    """The inside of an SVG of :data:`BOX` for a ground; "" for none."""
    if ground.kind == "plain":
        return _whole(_rgb(ground.colours[0]))
    if ground.kind == "gradient":
        return _gradient(_rgb(ground.colours[0]), _rgb(ground.colours[1]))
    return SCENES[ground.scene](Chance("scene", ground.scene, ground.variant)) if ground.kind == "scene" else ""


@lru_cache(512)
def ground_pixels(ground: Ground) -> np.ndarray:
    """A small rendering: uint8 [32,32,3]; white for none."""
    if not ground.kind:
        return np.full((32, 32, 3), 255, np.uint8)
    return np.asarray(render_vector(ground_body(ground), BOX, 32, 32))[..., :3]


def _rgb(colour: str) -> str:
    return "#" + "".join(f"{v:02x}" for v in PALETTE[colour])


def _whole(fill: str) -> str:
    return f'<rect width="128" height="128" fill="{fill}"/>'


def _gradient(top: str, bottom: str, height: float = 128, name: str = "g") -> str:
    return (
        f'<defs><linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient></defs>'
        f'<rect width="128" height="{height:.1f}" fill="url(#{name})"/>'
    )


def _hill(y: float, rise: float, fill: str) -> str:
    """Ground from y down, with a soft upper edge."""
    return f'<path d="M0 {y:.1f} C32 {y - rise:.1f} 80 {y + rise:.1f} 128 {y - rise / 2:.1f} V128 H0Z" fill="{fill}"/>'


def _cloud(chance: Chance, low: float, high: float) -> str:
    x, y, r = chance.between(10, 118), chance.between(low, high), chance.between(6, 11)
    puffs = ((0, 0, 1.0), (r, r * 0.25, 0.75), (-r, r * 0.3, 0.7), (r * 1.7, r * 0.5, 0.45))
    return "".join(
        f'<circle cx="{x + dx:.1f}" cy="{y + dy:.1f}" r="{r * k:.1f}" fill="#fff" opacity=".9"/>' for dx, dy, k in puffs
    )


def _sky(chance: Chance) -> str:
    return _gradient("#5fb4f0", "#c9e8fb") + "".join(_cloud(chance, 10, 118) for _ in range(4))


def _night(chance: Chance) -> str:
    stars = "".join(
        f'<circle cx="{chance.between(3, 125):.1f}" cy="{chance.between(3, 125):.1f}" '
        f'r="{chance.between(0.7, 1.6):.1f}" fill="#fff6d0"/>'
        for _ in range(34)
    )
    return _gradient("#0b1234", "#2b3470") + stars


def _grass(chance: Chance) -> str:
    y = chance.between(66, 84)
    tufts = ""
    for _ in range(26):
        x, low = chance.between(2, 126), chance.between(y + 8, 127)
        tufts += f'<path d="M{x:.1f} {low:.1f}l-1.6 -4.5 1.6 2.2 1 -4.6 1 4.6 1.6 -2.2 -1.6 4.5z" fill="#4f9a35"/>'
    return _gradient("#8fd0f5", "#dff3fd", y + 8) + _cloud(chance, 12, 36) + _hill(y, 7, "#6fbf4b") + tufts


def _sea(chance: Chance) -> str:
    y = chance.between(52, 66)
    waves = ""
    for _ in range(16):
        x, at = chance.between(0, 118), chance.between(y + 5, 98)
        waves += f'<path d="M{x:.1f} {at:.1f}q3 -3 6 0t6 0" fill="none" stroke="#cdefff" stroke-width="1.3"/>'
    water = f'<rect y="{y:.1f}" width="128" height="{128 - y:.1f}" fill="#2a86c8"/>'
    return _gradient("#8fd3f7", "#e6f6fd", y + 1) + water + waves + _hill(103, 3, "#f0dca4")


def _snow(chance: Chance) -> str:
    y = chance.between(66, 84)
    flakes = "".join(
        f'<circle cx="{chance.between(2, 126):.1f}" cy="{chance.between(2, 124):.1f}" '
        f'r="{chance.between(0.9, 2):.1f}" fill="#fff"/>'
        for _ in range(40)
    )
    return _gradient("#9db8d4", "#d3e0ee", y + 8) + _hill(y, 8, "#f4f8fd") + _hill(y + 22, -6, "#e3edf7") + flakes


def _desert(chance: Chance) -> str:
    y = chance.between(66, 82)
    sun = f'<circle cx="{chance.between(18, 110):.1f}" cy="{chance.between(16, 34):.1f}" r="9" fill="#fff2b8"/>'
    return _gradient("#f6b968", "#fde8bd", y + 10) + sun + _hill(y, 9, "#e2b468") + _hill(y + 20, -8, "#d39f50")


def _street(chance: Chance) -> str:
    houses, x = "", 0.0
    while x < 128:
        wide, high = chance.between(18, 30), chance.between(30, 62)
        fill = chance.pick(("#c98a6b", "#a9b4c0", "#d8b98a", "#8fa3b5", "#b5796a"))
        houses += f'<rect x="{x:.1f}" y="{88 - high:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{fill}"/>'
        for row in range(int(high // 13)):
            for column in range(int(wide // 8)):
                left, top = x + 3 + 8 * column, 88 - high + 4 + 13 * row
                houses += f'<rect x="{left:.1f}" y="{top:.1f}" width="4" height="6" fill="#fdf3c8"/>'
        x += wide + 1
    road = '<rect y="88" width="128" height="6" fill="#c9c9c9"/><rect y="94" width="128" height="34" fill="#5c6068"/>'
    lines = "".join(f'<rect x="{x}" y="109" width="14" height="3" fill="#f4f0dc"/>' for x in range(4, 128, 28))
    return _gradient("#a8d8f4", "#e4f3fb", 88) + houses + road + lines


def _room(chance: Chance) -> str:
    wall = chance.pick(("#f3e3c8", "#dfe8d8", "#f1d9d4", "#d8e2ee"))
    left = chance.between(8, 80)
    window = (
        f'<rect x="{left:.1f}" y="14" width="38" height="34" fill="#fff"/>'
        f'<rect x="{left + 3:.1f}" y="17" width="14.5" height="28" fill="#a9dcf7"/>'
        f'<rect x="{left + 20.5:.1f}" y="17" width="14.5" height="28" fill="#a9dcf7"/>'
    )
    floor = '<rect y="88" width="128" height="40" fill="#b98555"/><rect y="85" width="128" height="4" fill="#fff"/>'
    boards = "".join(f'<path d="M0 {y}H128" stroke="#9c6d42" stroke-width="1"/>' for y in (97, 107, 118))
    return _whole(wall) + window + floor + boards


SCENES: dict[str, Callable[[Chance], str]] = {
    "sky": _sky, "night": _night, "grass": _grass, "sea": _sea, "snow": _snow, "desert": _desert, "street": _street,
    "room": _room,
}  # fmt: skip
