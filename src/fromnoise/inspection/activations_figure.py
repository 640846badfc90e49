"""The figures of what comes out of the U-Net's blocks; see :mod:`fromnoise.inspection.activations`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.activations import ENDS, Activation, Block, Moment, Timing, blocks_of
from fromnoise.inspection.architecture import skips_of
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.heat import warmth
from fromnoise.inspection.panels import cell, grey, stacked
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.u_diagram import u_diagram
from fromnoise.system.text_to_image import TextToImage

SIDE, STRONGEST = 72, 9  # pixels of a map; channels whose numbers are told
IN_BOX, LINE, PAD = 4, 20, 6  # channels in a box of the diagram; pixels of its line of words, and around its maps
NOISY, END = "conv_in", 132  # the part that what goes in goes to; pixels of what goes in, and of what comes out
LARGE, DETAIL, ACROSS = 200, 96, 12  # pixels of a large map; channels of one block that are shown, and in a row
BARS = ((60, 110, 190), (225, 140, 40))  # colours of time and of weights
ABOUT = (
    "At every step the noisy latents pass through the U-Net's blocks, down to a coarse view and up again, and each "
    "block hands on hundreds of small maps; what it found on the way down also goes straight across to the way up. "
    "Strength says how much there is at each place; the grey maps are the channels that differ most from place to "
    "place: what this block tells apart."
)


def activations_figure(
    model: TextToImage, moment: Moment, spent: Timing, subject: Subject, film: Iterable[Moment] = ()
) -> Figure:
    """The U-Net as a U of its blocks, in each its maps, and its share of time and weights.

    Args:
        model: whose blocks they are.
        moment: what is shown.
        spent: how long each block takes.
        subject: what is drawn.
        film: all moments, for frames, which are made one by one; empty for a picture alone.
    """
    blocks = blocks_of(model)
    chosen = {block.name: _of(moment, block.name).strongest(IN_BOX) for block in blocks}
    chosen[NOISY] = Activation(NOISY, moment.noisy[0]).strongest(IN_BOX)
    frames = [_frame(model, each, blocks, chosen, spent) for each in film]  # of the same channels
    picture = _frame(model, moment, blocks, chosen, spent)
    command = subject.command("activations", {"at": moment.index + 1}, "activations.png")
    title = f"“{subject.prompt}”: what the U-Net's blocks hand on at step {moment.index + 1} of {moment.total}"
    facts = {**_facts(moment), "step_milliseconds": round(spent.total, 3), "blocks": _rows(moment, blocks, spent)}
    return Figure(title, ABOUT, picture, facts, command, frames, [_table(blocks, spent)])


def block_figure(
    model: TextToImage, moment: Moment, block: str, spent: Timing, subject: Subject, film: Iterable[Moment] = ()
) -> Figure:
    """One block in detail: its strength, and its channels, those first that differ most from place to place.

    Args are as in :func:`activations_figure`; ``block`` is a name as "8x8_down_0".
    """
    about = next(each for each in blocks_of(model) if each.name == block)
    shown = _of(moment, block)
    variances, chosen = shown.variances, shown.strongest(DETAIL)
    rows = [[str(i), f"{float(variances[i]):.3f}"] for i in shown.strongest(STRONGEST)]
    facts = {
        **_facts(moment),
        **_row(about, shown, spent),
        "variances": [round(float(value), 4) for value in variances],
    }
    return Figure(
        f"“{subject.prompt}”: block {about.path} at step {moment.index + 1} of {moment.total}",
        ABOUT,
        _detail(model, moment, about, chosen, spent),
        facts,
        subject.command("activations", {"block": block, "at": moment.index + 1}, "activations.png"),
        [_detail(model, each, about, chosen, spent) for each in film],
        [Table(["channel", "variance over places"], rows, "The strongest channels"), _table([about], spent)],
    )


def _frame(
    model: TextToImage, moment: Moment, blocks: Sequence[Block], chosen: Mapping[str, Sequence[int]], spent: Timing
) -> Image.Image:
    largest = max(max(spent.share(b.name), b.weight_share) for b in blocks)
    entrance = Activation(NOISY, moment.noisy[0])
    parts = {NOISY: _box(f"{NOISY}, which gets the noisy latents", entrance, chosen[NOISY], None)}
    for block in blocks:
        shown, shares = _of(moment, block.name), (spent.share(block.name), block.weight_share)
        parts[block.path] = _box(block.path, shown, chosen[block.name], _bars(shares, largest))
    sides = {block.path: _of(moment, block.name).maps.shape[2] for block in blocks}
    sides[NOISY] = entrance.maps.shape[2]
    sizes = sorted(set(sides.values()), reverse=True)
    levels = {path: sizes.index(side) for path, side in sides.items()}
    ends = (cell(model.decode(moment.noisy)[0], END), cell(model.decode(moment.guess)[0], END))
    diagram = u_diagram(parts, levels, skips_of(model.unet), ends)
    return stacked([(f"{_now(moment)}: what goes in, and the network's guess of the picture", diagram), *_legend()])


def _legend() -> list[tuple[str, Image.Image]]:
    nothing = Image.new("RGB", (1, 1), "white")
    lines = (
        "In each box: its share of time (blue) and weights (orange), its strength (black: least, white: most), and the",
        f"{IN_BOX} channels that differ most (black: minus, white: plus). Dashed: what goes straight across.",
    )
    return [(line, nothing) for line in lines]


def _box(label: str, shown: Activation, channels: Sequence[int], bars: Image.Image | None) -> Image.Image:
    """What stands in the box of a block: its name, its shares, its strength and some channels."""
    maps = [_strength(shown, SIDE), *(cell(grey(shown.maps[i], _most(shown.maps)), SIDE) for i in channels)]
    pictures = [bars or Image.new("RGB", (SIDE + 2, 1), "white"), *maps]
    width = PAD + sum(picture.width + PAD for picture in pictures)
    box = Image.new("RGB", (width, LINE + max(p.height for p in pictures) + PAD), "white")
    ImageDraw.Draw(box).text((PAD, 3), f"{label}: {_size(shown.maps)}", "black", ImageFont.load_default(12))
    x = PAD
    for picture in pictures:
        box.paste(picture, (x, LINE))
        x += picture.width + PAD
    return box


def _strength(shown: Activation, side: int) -> Image.Image:
    """From the place where there is least, black, to that where there is most, white."""
    low = shown.strength.min()
    return cell(warmth(shown.strength - low, float((shown.strength - low).max())), side)


def _detail(model: TextToImage, moment: Moment, block: Block, chosen: Sequence[int], spent: Timing) -> Image.Image:
    shown = _of(moment, block.name)
    most = _most(shown.maps)
    lines = [chosen[i : i + ACROSS] for i in range(0, len(chosen), ACROSS)]
    rows = [[cell(grey(shown.maps[i], most), SIDE) for i in line] for line in lines]
    labels = [f"channels {', '.join(map(str, line))}" for line in lines]
    large = [_strength(shown, LARGE), _guess(model, moment)]
    words = f"{_size(shown.maps)}; {spent.share(block.name):.0%} of the time, {block.weight_share:.0%} of the weights"
    top = contact_sheet([large], [f"{block.path}: {words}"], ["strength", "the network's guess"])
    what = f"{len(chosen)} of {len(shown.maps)} channels, those first that differ most (black minus, white plus)"
    return stacked([(_now(moment), top), (what, contact_sheet(rows, labels, []))])


def _bars(shares: tuple[float, float], largest: float) -> Image.Image:
    """Two bars beside each other, each with its share below; ``largest`` is as high as there is room."""
    image = Image.new("RGB", (SIDE + 2, SIDE + 2), "white")
    draw, font, room = ImageDraw.Draw(image), ImageFont.load_default(12), SIDE - 18
    for i, (share, colour) in enumerate(zip(shares, BARS, strict=True)):
        left, height = 4 + i * SIDE // 2, max(1, round(room * share / largest))
        draw.rectangle([left, room - height, left + SIDE // 2 - 8, room], fill=colour)
        draw.text((left, room + 3), f"{share:.0%}", "black", font)
    return image


def _guess(model: TextToImage, moment: Moment) -> Image.Image:
    return cell(model.decode(moment.guess)[0], LARGE)


def _now(moment: Moment) -> str:
    return f"Step {moment.index + 1} of {moment.total}, noise level {moment.t:g}"


def _of(moment: Moment, block: str) -> Activation:
    return next(each for each in moment.activations if each.block == block)


def _most(maps: Tensor) -> float:
    """What is white in the channels of a block: what 99 of 100 of its numbers lie below, whatever their sign."""
    values = maps.abs().flatten()
    return float(values.kthvalue(max(1, int(0.99 * len(values)))).values)


def _size(maps: Tensor) -> str:
    return f"{maps.shape[0]} channels of {maps.shape[1]}x{maps.shape[2]}"


def _table(blocks: Sequence[Block], spent: Timing) -> Table:
    rows = [
        [
            b.path,
            f"{b.weights:,}",
            f"{b.weight_share:.1%}",
            f"{spent.milliseconds[b.name]:.2f}",
            f"{spent.share(b.name):.1%}",
        ]
        for b in blocks
    ]
    if len(blocks) > 1:
        left = 1 - sum(b.weight_share for b in blocks)
        rows.append(["the rest", "", f"{left:.1%}", f"{spent.milliseconds[ENDS]:.2f}", f"{spent.share(ENDS):.1%}"])
    how = f"Time of one step for one picture with its words, on one core: median of {spent.repeats}, measured just now"
    return Table(["block", "weights", "of all", "milliseconds", "of the step"], rows, how)


def _facts(moment: Moment) -> dict[str, Any]:
    return {"step": moment.index + 1, "steps": moment.total, "t": moment.t}


def _rows(moment: Moment, blocks: Sequence[Block], spent: Timing) -> list[dict[str, Any]]:
    return [_row(block, _of(moment, block.name), spent) for block in blocks]


def _row(block: Block, shown: Activation, spent: Timing) -> dict[str, Any]:
    return {
        "block": block.name,
        "path": block.path,
        "kind": block.kind,
        "gives": list(shown.maps.shape),
        "weights": block.weights,
        "weight_share": round(block.weight_share, 4),
        "milliseconds": round(spent.milliseconds[block.name], 3),
        "time_share": round(spent.share(block.name), 4),
        "strength": round(float(shown.strength.mean()), 4),
        "strongest": shown.strongest(STRONGEST),
    }
