"""The figure of a picture's latents; what it shows is measured in :mod:`fromnoise.inspection.latents`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.heat import warmth
from fromnoise.inspection.latents import Channel, Noised, RoundTrip, changed, decoded
from fromnoise.inspection.panels import cell, grey, stacked
from fromnoise.inspection.pixels import difference, psnr
from fromnoise.system.text_to_image import TextToImage

WIDEST = 3.0  # latents have variance 1; what lies further out is cut off in their pictures
WORST = 64.0  # levels of 255 that are white in an error map
SIDE, LARGE, ACROSS = 128, 192, 8  # pixels of a cell, of a large one, channels in a row
ABOUT = (
    "The drawing network never sees pixels: it works on latents, far fewer numbers, which an encoder makes of a "
    "picture and a decoder turns back. Here one picture goes there and back, each channel of its latents is switched "
    "off in turn, and noise is added on either side: on pixels it is grain, on latents it bends the shapes themselves."
)


@dataclass(frozen=True, eq=False)
class LatentsSeen:
    """All that the figure shows.

    Attributes:
        trip: there and back.
        channels: each of them, switched off in turn.
        noise: at rising amounts.
        mute, scale: what was asked for to be changed together; empty where nothing was.
    """

    trip: RoundTrip
    channels: Sequence[Channel]
    noise: Sequence[Noised]
    mute: tuple[int, ...] = ()
    scale: Mapping[int, float] | None = None


def latents_figure(model: TextToImage, seen: LatentsSeen, what: str, command: str) -> Figure:
    """One sheet of four parts, and the numbers.

    Args:
        model: decodes what was asked for to be changed.
        seen: what was measured.
        what: a name for the picture.
        command: what makes the figure again.
    """
    trip = seen.trip
    numbers, fewer = trip.picture.numel(), trip.latents.numel()
    parts = [
        (f"There and back: {numbers:,} numbers become {fewer:,} and {numbers:,} again", _there_and_back(trip)),
        (
            "The channels (black: -3 or less, grey: 0, white: 3 or more); above each, what is lost without it",
            _channels(seen),
        ),
        (
            "The same noise, relative to what there is, added to the pixels and to the latents",
            _noise(seen.noise),
        ),
    ]
    facts = _facts(seen)
    if seen.mute or seen.scale:
        part, db = _change(model, seen)
        parts.insert(1, ("What you asked for", part))
        facts["changed"] = {"mute": list(seen.mute), "scale": {str(k): v for k, v in (seen.scale or {}).items()}, **db}
    return Figure(f"{what}: its latents", ABOUT, stacked(parts), facts, command, (), _tables(seen))


def _there_and_back(trip: RoundTrip) -> Image.Image:
    cells = [cell(trip.picture, LARGE), cell(trip.back, LARGE), cell(warmth(trip.error, WORST), LARGE)]
    row, column = trip.worst
    scale = (cells[0].width - 2) / trip.picture.shape[2]
    box = [1 + scale * trip.factor * at for at in (column, row, column + 1, row + 1)]
    for each in (cells[0], cells[1]):
        ImageDraw.Draw(each).rectangle([box[0], box[1], box[2] - 1, box[3] - 1], outline="magenta", width=2)
    columns = ["the picture", f"and back: {_db(trip.db)}", f"error (white: {WORST:g} of 255)"]
    return contact_sheet([cells], ["magenta: where it is largest"], columns)


def _change(model: TextToImage, seen: LatentsSeen) -> tuple[Image.Image, dict[str, float | None]]:
    trip = seen.trip
    picture = decoded(model, changed(trip.latents, seen.mute, seen.scale))
    words = [f"channel {i} muted" for i in seen.mute] + [
        f"channel {i} times {f:g}" for i, f in (seen.scale or {}).items()
    ]
    db = psnr(trip.picture, picture)
    cells = [cell(x, LARGE) for x in (trip.back, picture, difference(trip.back, picture))]
    columns = ["before", f"changed: {_db(db)}", "what changes (grey: nothing)"]
    return contact_sheet([cells], ["; ".join(words)], columns), {"db": _round(db)}


def _channels(seen: LatentsSeen) -> Image.Image:
    """Blocks of three rows and eight columns; above each column what is lost without the channel."""
    rows = ["what the channel holds", "decoded without it", "what changes (grey: nothing)"]
    blocks = []
    for first in range(0, len(seen.channels), ACROSS):
        some = seen.channels[first : first + ACROSS]
        table = [
            [cell(grey(c.latents, WIDEST), SIDE) for c in some],
            [cell(c.without, SIDE) for c in some],
            [cell(difference(seen.trip.back, c.without), SIDE) for c in some],
        ]
        blocks.append(contact_sheet(table, rows, [f"{c.index}: {_signed(-c.lost)}" for c in some]))
    whole = Image.new("RGB", (max(b.width for b in blocks), sum(b.height for b in blocks)), "white")
    for i, block in enumerate(blocks):
        whole.paste(block, (0, sum(b.height for b in blocks[:i])))
    return whole


def _noise(noise: Sequence[Noised]) -> Image.Image:
    rows = [[cell(n.pixels, LARGE) for n in noise], [cell(n.latents, LARGE) for n in noise]]
    places = ("pixels", "latents")
    labels = [f"on the {place}: {', '.join(f'{n.db[i]:.1f}' for n in noise)} dB" for i, place in enumerate(places)]
    return contact_sheet(rows, labels, [f"noise {n.amount:g}" for n in noise])


def _tables(seen: LatentsSeen) -> list[Table]:
    trip, (row, column) = seen.trip, seen.trip.worst
    size = "×".join(str(n) for n in trip.latents.shape)
    there = [
        ["numbers of the picture", f"{trip.picture.numel():,}"],
        ["numbers of its latents", f"{trip.latents.numel():,} ({size})"],
        ["there and back", _db(trip.db)],
        ["error, mean", f"{float(trip.error.mean()):.1f} of 255"],
        ["furthest off", f"rows {trip.factor * row}…, columns {trip.factor * column}… ({trip.factor}×{trip.factor})"],
    ]
    channels = [[str(c.index), f"{c.mean:.2f}", f"{c.variance:.2f}", _signed(-c.lost)] for c in seen.channels]
    noise = [
        [f"{n.amount:g}", place, _db(n.db[i]), f"{n.coarse[i]:.0%}"]
        for n in seen.noise
        for i, place in enumerate(("pixels", "latents"))
    ]
    side = trip.factor
    return [
        Table(["what", "how much"], there, "There and back"),
        Table(["channel", "mean", "variance", "picture without it"], channels, "Channels"),
        Table(
            ["noise", "added to", "picture", f"of its error in shapes of {side}×{side} pixels and more"],
            noise,
            "Noise, of the standard deviation of what it is added to; compared with the picture that the latents give",
        ),
    ]


def _facts(seen: LatentsSeen) -> dict[str, Any]:
    trip = seen.trip
    return {
        "numbers": {"picture": trip.picture.numel(), "latents": trip.latents.numel()},
        "latents": list(trip.latents.shape),
        "db": _round(trip.db),
        "worst": [at * trip.factor for at in trip.worst],
        "channels": [
            {"channel": c.index, "mean": _round(c.mean), "variance": _round(c.variance), "lost_db": _round(c.lost)}
            for c in seen.channels
        ],
        "noise": [
            {
                "amount": _round(n.amount),
                "pixels_db": _round(n.db[0]),
                "latents_db": _round(n.db[1]),
                "pixels_coarse": _round(n.coarse[0]),
                "latents_coarse": _round(n.coarse[1]),
            }
            for n in seen.noise
        ],
    }


def _db(value: float) -> str:
    return "exactly equal" if math.isinf(value) else f"{value:.1f} dB"


def _signed(value: float) -> str:
    return f"{value:+.1f} dB" if math.isfinite(value) else "no dB"


def _round(value: float) -> float | None:
    """As JSON writes it; None for what is infinite."""
    return round(value, 3) if math.isfinite(value) else None
