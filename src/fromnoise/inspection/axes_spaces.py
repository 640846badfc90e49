"""Panels of the view "axes": one measure, two, three, CLIP's space, and all scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from fromnoise.inspection.axes_panels import SQUARE, WIDE, Look, panel
from fromnoise.inspection.chart import BIG, INK, LINE, QUIET, Marks, Plane, font, limits, rule, turned
from fromnoise.inspection.separating import Accuracy, learn

PILE = 22  # pixels from one drawing of a pile to the next
SPACE = 2.6  # standard deviations from the middle of a space to its edge

# --- 3 to 5: measures made by hand ------------------------------------------------------------------------------


def _score(look: Look, count: int) -> str:
    score = look.axes.accuracies[count - 1]
    said = f"{score} of held-out pictures are told right ({score.interval})."
    mixed = confused(look.axes.guesses[:, count - 1], look.axes.examples.label)
    if mixed is None:
        return f"{said} Nothing is mixed up."
    what, taken, times = mixed
    return f"{said} Most often mixed up: {look.kinds[what]} taken for {look.kinds[taken]} ({times} times)."


def confused(guesses: Tensor, label: Tensor) -> tuple[int, int, int] | None:
    """The most frequent mistake: which kind, what it is taken for, and how often; None where there is no mistake."""
    count = int(max(guesses.max(), label.max())) + 1
    table = torch.zeros(count, count, dtype=torch.long)
    table.index_put_((label, guesses), torch.ones_like(label), accumulate=True)
    table.fill_diagonal_(0)
    what, taken = divmod(int(table.argmax()), count)
    return (what, taken, int(table[what, taken])) if table.any() else None


def one_axis(look: Look) -> Image.Image:
    """One measure: a line, drawings piled up over it, variants as dots below."""
    axes = look.axes
    canvas, draw, y = panel(WIDE, 560, f"3. One measure: {axes.chosen[0]}", _score(look, 1))
    values = axes.values[:, axes.columns[:1]]
    machine = learn(values, axes.examples.label, len(look.kinds))
    plane = Plane((48, y + 24, 48 + SQUARE, y + 24 + SQUARE), limits(values[:, 0].tolist()), (0.0, 1.0))
    areas = machine.guess(torch.from_numpy(plane.grid()[:, :1]))
    plane.paint(canvas, areas.numpy(), look.colours)
    rule(draw, plane, axes.chosen[0])
    marks, piles = look.marks(axes.guesses[:, 0]), dict[int, int]()
    dots = np.random.default_rng(0).uniform(0.02, 0.2, len(values))
    for i in marks.order():
        x, height = plane.at(float(values[i, 0]), float(dots[i]))
        if look.small[i] is not None:
            place = round(x / BIG)
            height = plane.at(0, 0.27)[1] - PILE * piles.get(place, 0)
            piles[place] = piles.get(place, 0) + 1
        marks.put(canvas, i, x, height)
    centres = (machine.points[:, 0] * machine.std + machine.mean).tolist()
    ranks = {c: rank for rank, c in enumerate(sorted(centres))}
    _middles(draw, look, [plane.at(c, 0.96 - 0.07 * (ranks[c] % 3)) for c in centres])
    return canvas


def two_axes(look: Look) -> Image.Image:
    """Two measures: a plane, with the areas of the kinds."""
    axes = look.axes
    canvas, draw, y = panel(WIDE, 560, f"4. Two measures: add {axes.chosen[1]}", _score(look, 2))
    values = axes.values[:, axes.columns[:2]]
    machine = learn(values, axes.examples.label, len(look.kinds))
    box = (48, y + 24, 48 + SQUARE, y + 24 + SQUARE)
    plane = Plane(box, limits(values[:, 0].tolist()), limits(values[:, 1].tolist()))
    plane.paint(canvas, machine.guess(torch.from_numpy(plane.grid())).numpy(), look.colours)
    rule(draw, plane, axes.chosen[0])
    rule(draw, plane, axes.chosen[1], upright=True)
    _points(canvas, plane, values.numpy(), look.marks(axes.guesses[:, 1]))
    centres = machine.points * machine.std + machine.mean
    _middles(draw, look, [plane.at(float(x), float(height)) for x, height in centres])
    return canvas


def _points(canvas: Image.Image, plane: Plane, points: np.ndarray, marks: Marks) -> None:
    for i in marks.order():
        marks.put(canvas, i, *plane.at(float(points[i, 0]), float(points[i, 1])))


def _middles(draw: ImageDraw.ImageDraw, look: Look, places: Sequence[tuple[float, float]]) -> None:
    """The names of the kinds, at their middles."""
    for kind, colour, (x, y) in zip(look.kinds, look.colours, places, strict=True):
        wide = font(15).getlength(kind)
        draw.rounded_rectangle((x - wide / 2 - 5, y - 11, x + wide / 2 + 5, y + 11), 5, (255, 255, 255), colour, 2)
        draw.text((x - wide / 2, y - 9), kind, INK, font(15))


def three_axes(look: Look, angle: float = math.radians(30)) -> Image.Image:
    """Three measures: a space, seen from ``angle``."""
    axes = look.axes
    names = axes.chosen
    canvas, _, y = panel(WIDE, 560, f"5. Three measures: add {names[2]}", _score(look, 3))
    machine = learn(axes.values[:, axes.columns], axes.examples.label, len(look.kinds))
    scaled = machine.scaled(axes.values[:, axes.columns]).numpy()
    centres = machine.points.numpy()
    _space(canvas, y, look, (scaled, centres), look.marks(axes.guesses[:, 2]), names, angle)
    return canvas


def _space(canvas: Image.Image, y: int, look: Look, points: tuple[np.ndarray, np.ndarray], marks: Marks,
           names: Sequence[str], angle: float) -> None:  # fmt: skip
    """A turning box with points and the middles of the kinds, both in units of about 1."""
    draw, box = ImageDraw.Draw(canvas), (28, y + 10, 28 + SQUARE, y + 10 + SQUARE)
    reach = max(SPACE, float(np.abs(points[0]).max()) * 1.05)
    plane = Plane(box, (-1.4 * reach, 1.4 * reach), (-1.4 * reach, 1.4 * reach))

    def at(place: Sequence[float]) -> tuple[float, float]:
        right, up, _ = turned(np.array([place]), angle)[0]
        return plane.at(right, up)

    floor = [at((a * reach, b * reach, -reach)) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    draw.polygon(floor, (244, 243, 239), LINE)
    corner, ends = (-reach, -reach, -reach), np.eye(3) * 2 * reach
    seen = turned(points[0], angle)
    for i in marks.order():
        if look.small[i] is not None:  # a thread to the floor shows where in the space it is
            x, depth, _ = points[0][i]
            draw.line((*at(points[0][i]), *at((x, depth, -reach))), LINE)
    for i in marks.order(seen[:, 2].tolist()):
        marks.put(canvas, i, *plane.at(seen[i, 0], seen[i, 1]))
    for name, end in zip(names, ends, strict=True):
        tip = at(np.array(corner) + end)
        draw.line((*at(corner), *tip), INK, 2)
        wide = font(15).getlength(name)
        place = (
            min(max(tip[0] - wide / 2, 2), canvas.width - wide - 2),
            tip[1] + (4 if tip[1] > at(corner)[1] else -22),
        )
        draw.text(place, name, INK, font(15))
    _middles(draw, look, [at(centre) for centre in points[1]])


# --- 6: CLIP's own space ----------------------------------------------------------------------------------------


def learned_space(look: Look, angle: float | None = None) -> Image.Image:
    """CLIP's space, its two widest directions; or the three widest, seen from ``angle``."""
    space, label = look.axes.space, look.axes.examples.label
    if space is None:
        return panel(WIDE, 560, "6. CLIP's own space", "This model has no CLIP, so there is no space to show.")[0]
    says = (
        f"Nobody told CLIP what to measure. The nearest middle tells {space.middle} right ({space.middle.interval}), "
        f"the nearest words alone {space.caption}."
    )
    canvas, draw, y = panel(WIDE, 560, "6. CLIP's own space", says)
    if angle is not None:
        points = space.points.numpy() / max(1e-9, float(space.points.std()))
        centres = np.stack([points[label == k].mean(0) for k in range(len(look.kinds))])
        names = [f"direction {n}" for n in (1, 2, 3)]
        _space(canvas, y, look, (points, centres), look.marks(space.by_middle), names, angle)
        return canvas
    flat = space.points[:, :2].numpy()
    box = (48, y + 24, 48 + SQUARE, y + 404)
    plane = Plane(box, limits(flat[:, 0].tolist()), limits(flat[:, 1].tolist()))
    draw.rectangle(box, (250, 250, 248), LINE)
    _points(canvas, plane, flat, look.marks(space.by_middle))
    centres = np.stack([flat[label == k].mean(0) for k in range(len(look.kinds))])
    _middles(draw, look, [plane.at(*centre) for centre in centres])
    share = f"the two directions in which pictures differ most ({sum(space.spread[:2]):.0%} of all)"
    draw.text((48, box[3] + 6), share, QUIET, font(13))
    return canvas


# --- 7: all scores ----------------------------------------------------------------------------------------------


def bars(rows: Sequence[tuple[str, Accuracy | None]], chance: float, says: str) -> Image.Image:
    """One bar for each way of telling kinds apart, with its interval; None is blind guessing."""
    canvas, draw, y = panel(920, 560, "7. Who tells them apart how well?", says)
    left, right, high = 380, 850, 28
    for i, (name, score) in enumerate(rows):
        top = y + 4 + high * i
        share = chance if score is None else score.share
        draw.text((left - 8 - font(15).getlength(name), top + 2), name, INK, font(15))
        draw.rectangle((left, top + 1, left + share * (right - left), top + 20), (150, 190, 220) if score else LINE)
        draw.text((right + 12, top + 2), f"{share:.0%}", INK, font(15))
        if score is not None:
            ends = [left + end * (right - left) for end in (score.low, score.high)]
            draw.line((ends[0], top + 10, ends[1], top + 10), INK, 2)
            for end in ends:
                draw.line((end, top + 5, end, top + 16), INK, 2)
    bottom, place = y + 4 + high * len(rows), left + chance * (right - left)
    for top in range(y, bottom, 8):
        draw.line((place, top, place, top + 4), INK)
    for value in (0.0, 0.5, 1.0):
        x = left + value * (right - left)
        draw.text((x - 10, bottom + 4), f"{value:.0%}", QUIET, font(13))
    return canvas
