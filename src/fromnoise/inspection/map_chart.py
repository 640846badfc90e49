"""The map as a picture: points, landmarks, and where prompts landed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fromnoise.inspection.clip_map import ClipMap, Landing
from fromnoise.inspection.map_area import Area, Ellipse

SIDE, ZOOM, FRAME = 1100, 2, 24  # pixels of the map; drawn so many times larger, then made smaller; free around it
GROUND, PICTURE, CAPTION, INK, QUIET = "#ffffff", "#a9c0d4", "#c26a10", "#1b1b1b", "#6a6a6a"
COLOURS = ("#c2185b", "#1b7f3b", "#5b2bc4", "#0b6fa4", "#8a5a00", "#444444")  # of prompts, in turn
LANDMARKS = 45
LEGEND = 34  # pixels, above the map
CROWDED = 1000  # points; of more, each is drawn smaller
LONGEST = 40  # characters of a label
TURNS = 90  # corners of an ellipse


@dataclass
class _Sheet:
    """A picture that is drawn on, with the boxes that are written in already."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    taken: list[tuple[float, float, float, float]]
    said: set[str] = field(default_factory=set)

    def write(self, text: str, at: tuple[float, float], colour: str, size: int, always: bool = False) -> bool:
        """Write beside a place where nothing stands yet; where all is full, or what is written already, only if it has
        to be (``always``).

        Returns:
            Whether it was written.
        """
        if text in self.said and not always:
            return False
        font = ImageFont.load_default(size * ZOOM)
        short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        width, height, gap = font.getlength(short), size * ZOOM * 1.2, 6 * ZOOM
        x, y = at
        ways = [(x + gap, y - height / 2), (x - gap - width, y - height / 2)]
        ways += [(x - width / 2, y - gap - height), (x - width / 2, y + gap)]
        if always:
            ways += [(x + 2 * gap, y + k * height) for k in (-2, 1, -3, 2, -4, 3)]
        edge = self.image.width
        boxes = [(left, top, left + width, top + height) for left, top in ways]
        fitting = [b for b in boxes if b[0] >= 0 and b[1] >= 0 and b[2] <= edge and b[3] <= edge]
        free = [b for b in fitting if not any(_meet(b, other) for other in self.taken)]
        if not free and not always:
            return False
        box = (free or fitting or boxes)[0]
        self.taken.append(box)
        self.said.add(text)
        self.draw.text(box[:2], short, colour, font, stroke_width=2 * ZOOM, stroke_fill=GROUND)
        return True


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def colour_of(number: int) -> str:
    """Of the prompt of this number."""
    return COLOURS[number % len(COLOURS)]


def map_chart(known: ClipMap, landings: Sequence[Landing], areas: Sequence[Area] = ()) -> Image.Image:
    """Draw a map, RGB.

    Args:
        known: the map.
        landings: prompts on it.
        areas: of the same prompts, in their order, or none.
    """
    side = (SIDE + 2 * FRAME) * ZOOM
    image = _points(known, side)
    sheet = _Sheet(image, ImageDraw.Draw(image), [])
    for i, area in enumerate(areas):
        _area(sheet, area, colour_of(i))
    for i, landing in enumerate(landings):
        _rings(sheet, (near.place for near in (*landing.captions, *landing.pictures)), colour_of(i))
    for i, landing in enumerate(landings):
        _cross(sheet, _pixel(landing.place), colour_of(i))
        sheet.write(landing.prompt, _pixel(landing.place), colour_of(i), 17, always=True)
    for i, landing in enumerate(landings):
        for near in landing.captions:
            sheet.write(near.text, _pixel(near.place), colour_of(i), 12)
    _landmarks(sheet, known)
    return _with_legend(image.reduce(ZOOM), known, bool(landings), bool(areas))


def _with_legend(chart: Image.Image, known: ClipMap, landed: bool, measured: bool) -> Image.Image:
    """The chart below one line that says what its signs mean."""
    count, font = len(known.captions), ImageFont.load_default(15)
    said = [("●", PICTURE, f"{len(known) - count:,} pictures"), ("●", CAPTION, f"{count:,} captions")]
    said += [("+", COLOURS[0], "a prompt"), ("○", COLOURS[0], "nearest to it")] if landed else []
    said += [("■", COLOURS[0], "its drawn pictures, and where most of them lie")] if measured else []
    whole = Image.new("RGB", (chart.width, chart.height + LEGEND), GROUND)
    whole.paste(chart, (0, LEGEND))
    draw, x = ImageDraw.Draw(whole), float(FRAME)
    for sign, colour, text in said:
        _sign(draw, sign, x, colour)
        draw.text((x + 20, LEGEND / 2), text, INK, font, anchor="lm")
        x += 20 + font.getlength(text) + 28
    return whole


def _sign(draw: ImageDraw.ImageDraw, sign: str, x: float, colour: str) -> None:
    box = (x + 2, LEGEND / 2 - 5, x + 12, LEGEND / 2 + 5)
    if sign == "●":
        draw.ellipse(box, fill=colour)
    elif sign == "○":
        draw.ellipse(box, outline=colour, width=2)
    elif sign == "■":
        draw.rectangle(box, fill=colour)
    else:
        draw.line((x, LEGEND / 2, x + 14, LEGEND / 2), colour, 3)
        draw.line((x + 7, LEGEND / 2 - 7, x + 7, LEGEND / 2 + 7), colour, 3)


def _pixel(place: tuple[float, float]) -> tuple[float, float]:
    """From the map, whose y grows upwards, to the large picture."""
    return (FRAME + place[0] * SIDE) * ZOOM, (FRAME + (1 - place[1]) * SIDE) * ZOOM


def _points(known: ClipMap, side: int) -> Image.Image:
    image = Image.new("RGB", (side, side), GROUND)
    values = np.asarray(image).copy()
    small = 2 if len(known) > CROWDED else 4
    for kind, colour, radius in (("picture", PICTURE, small), ("caption", CAPTION, small + 1)):
        places = known.places[known.part(kind)].numpy()
        x, y = (FRAME + places[:, 0] * SIDE) * ZOOM, (FRAME + (1 - places[:, 1]) * SIDE) * ZOOM
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        for dx in range(-radius, radius + 1):
            for dy in range(-radius, radius + 1):
                if dx * dx + dy * dy <= radius * radius + 1:
                    values[_within(y + dy, side), _within(x + dx, side)] = rgb
    return Image.fromarray(values)


def _within(values: np.ndarray, side: int) -> np.ndarray:
    found: np.ndarray = values.round().astype(int).clip(0, side - 1)
    return found


def _rings(sheet: _Sheet, places: Iterable[tuple[float, float]], colour: str) -> None:
    for place in places:
        x, y = _pixel(place)
        r = 4.5 * ZOOM
        sheet.draw.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=2 * ZOOM)


def _cross(sheet: _Sheet, at: tuple[float, float], colour: str) -> None:
    x, y = at
    for width, line in ((6, GROUND), (3, colour)):
        r = 10 * ZOOM
        sheet.draw.line((x - r, y, x + r, y), line, width * ZOOM)
        sheet.draw.line((x, y - r, x, y + r), line, width * ZOOM)


def outline(ellipse: Ellipse) -> list[tuple[float, float]]:
    """Places around an ellipse's edge."""
    (x, y), (longer, shorter), angle = ellipse.centre, ellipse.axes, ellipse.angle
    turns = [2 * math.pi * i / TURNS for i in range(TURNS)]
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    return [
        (
            x + longer * math.cos(t) * along[0] + shorter * math.sin(t) * across[0],
            y + longer * math.cos(t) * along[1] + shorter * math.sin(t) * across[1],
        )
        for t in turns
    ]


def _area(sheet: _Sheet, area: Area, colour: str) -> None:
    corners = [_pixel(place) for place in outline(area.ellipse)]
    veil = Image.new("L", sheet.image.size, 0)
    ImageDraw.Draw(veil).polygon(corners, fill=34)
    sheet.image.paste(Image.new("RGB", sheet.image.size, colour), mask=veil)
    sheet.draw.line([*corners, corners[0]], colour, 2 * ZOOM)
    for place in area.places.tolist():
        x, y = _pixel((place[0], place[1]))
        r = 3 * ZOOM
        sheet.draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)


def _landmarks(sheet: _Sheet, known: ClipMap) -> None:
    """Some captions, so that one knows where one is: evenly spread over the list, where there is room."""
    count, written = len(known.captions), 0
    step = max(1, count // (4 * LANDMARKS))
    for i in (j for begin in range(step) for j in range(begin, count, step)):
        x, y = known.places[i].tolist()
        written += sheet.write(known.captions[i], _pixel((x, y)), QUIET, 11)
        if written >= LANDMARKS:
            return
