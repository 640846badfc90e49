"""How near is the matte that ``--transparent`` computes from a drawn picture to the alpha that the drawing really has?

    python benchmarks/matte.py --data data/stickers [--count 300] [--sheet FILE.png] [--drawn FILE.png]

Rasterises drawings of every set whose alpha is known, on white, at 64 and 128 pixels, and once more through the shipped
model's VAE, which puts its noise into the white; cuts them out and compares. Reads the packages that ``fromnoise data
stickers`` left in the folder. ``--sheet`` keeps cut-outs on a checkerboard, magenta and black, the worst of every set
first; ``--drawn`` the same of pictures that the shipped model draws.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.stickers.icons import Icon, icons_of
from fromnoise.data.stickers.names import Names
from fromnoise.data.stickers.render import RefusedError, render_file, render_svg
from fromnoise.data.stickers.sets import SETS
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.matte import cut_out, is_cut_out
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.request import Request
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.ground.pictures import from_bytes
from fromnoise.ground.whole import write_atomically
from fromnoise.system.text_to_image import TextToImage

OFF = 32  # levels of 255 from which a pixel's alpha counts as wrong
GROUNDS = {"magenta": (255, 0, 255), "black": (0, 0, 0)}
PROMPTS = ("red apple", "cat face", "snowman", "cloud", "sheep", "ghost", "house", "bicycle", "fork and knife", "fish")


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawing whose alpha is known: uint8 [3,P,P] on white, and [P,P]."""

    style: str
    picture: Tensor
    alpha: Tensor


def drawings(modules: Path, count: int, pixels: int) -> list[Drawing]:
    """About ``count`` drawings, as many of each set, spread evenly over it."""
    names = Names(modules)
    sets = [each for each in SETS if (modules / each.package).is_dir()]
    found = []
    for each in sets:
        icons, share = icons_of(each, modules, names, Counter()), -(-count // len(sets))
        chosen = icons[:: max(1, len(icons) // share)][:share]
        found += [Drawing(each.style, *made) for icon in chosen for made in rendered(icon, pixels)]
    return found


def rendered(icon: Icon, pixels: int) -> Iterator[tuple[Tensor, Tensor]]:
    """An icon's picture and alpha, if it can be drawn."""
    try:
        source = icon.source
        made = render_file(source.read_bytes(), pixels) if isinstance(source, Path) else render_svg(*source, pixels)
    except (RefusedError, OSError, ValueError):
        return
    picture, alpha = map(torch.from_numpy, made)
    if picture.min() <= 245:
        yield picture.permute(2, 0, 1).contiguous(), alpha


def through_vae(model: TextToImage, pictures: Tensor) -> Tensor:
    """Pictures, uint8 [N,3,P,P], as faithfully as the model could draw them."""
    parts = [model.decode(model.vae.encode(from_bytes(part)).mean) for part in pictures.split(16)]
    return torch.cat(parts)


def figures(style: str, made: list[tuple[Tensor, Tensor]]) -> tuple[str, ...]:
    """A row: mean absolute error in levels, share of pixels off by more than OFF, worst picture's, opaque ones."""
    wrong = torch.stack([(cut[3].int() - alpha.int()).abs() for cut, alpha in made]).float()
    off = (wrong > OFF).float().mean((1, 2))
    opaque = sum(not is_cut_out(cut) and bool((alpha < 255).any()) for cut, alpha in made)
    shares = f"{100 * off.mean():.2f} %", f"{100 * off.median():.2f} %", f"{100 * off.max():.1f} %"
    return style, str(len(made)), f"{wrong.mean():.2f}", *shares, str(opaque)


def measure(title: str, all_of: list[Drawing], change: Callable[[Tensor], Tensor]) -> Tensor:
    """Cut the drawings out, print how near that is by set, and return it, uint8 [N,4,P,P]."""
    cut = cut_out(change(torch.stack([each.picture for each in all_of])))
    table = Table(title=title)
    for heading in ("set", "drawings", "mean error of 255", f"off by > {OFF}", "median", "worst", "left opaque"):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for style in dict.fromkeys(each.style for each in all_of):
        rows = [(x, each.alpha) for x, each in zip(cut, all_of, strict=True) if each.style == style]
        table.add_row(*figures(style, rows))
    table.add_row(*figures("all", [(x, each.alpha) for x, each in zip(cut, all_of, strict=True)]))
    Console(width=110).print(table)
    return cut


def on_checks(cut: Tensor) -> Image.Image:
    """A cut-out, uint8 [4,H,W], on a checkerboard."""
    height, width = cut.shape[1:]
    rows, columns = np.mgrid[:height, :width] // 8
    board = np.where((rows + columns) % 2, 200, 120).astype(np.uint8)
    ground = Image.fromarray(board).convert("RGBA")
    return Image.alpha_composite(ground, to_image(cut)).convert("RGB")


def shown(cut: Tensor) -> list[Image.Image]:
    """A cut-out on every ground, and its alpha."""
    plain = [Image.alpha_composite(Image.new("RGBA", (cut.shape[2], cut.shape[1]), (*colour, 255)), to_image(cut))
             for colour in GROUNDS.values()]  # fmt: skip
    return [on_checks(cut), *(each.convert("RGB") for each in plain), Image.fromarray(cut[3].numpy()).convert("RGB")]


def sheet(file: Path, rows: list[tuple[str, list[Tensor]]]) -> None:
    """Cut-outs, named rows of as many each, on every ground."""
    columns = ["checks", *GROUNDS, "alpha"] * max(len(cuts) for _, cuts in rows)
    table = [[image for cut in cuts for image in shown(cut)] for _, cuts in rows]
    file.parent.mkdir(parents=True, exist_ok=True)
    import io

    buffer = io.BytesIO()
    contact_sheet(table, [name for name, _ in rows], columns, 1 if len(columns) > 8 else 2).save(buffer, "PNG")
    write_atomically(file, buffer.getvalue())


def worst_rows(all_of: list[Drawing], cut: Tensor, each_has: int = 4) -> list[tuple[str, list[Tensor]]]:
    """By set its worst cut-outs, and as many from its middle."""
    rows = []
    for style in dict.fromkeys(each.style for each in all_of):
        mine = [i for i, each in enumerate(all_of) if each.style == style]
        mine.sort(key=lambda i: -float((cut[i][3].int() - all_of[i].alpha.int()).abs().float().mean()))
        middle = len(mine) // 2
        rows.append((style, [cut[i] for i in (*mine[:each_has], *mine[middle : middle + each_has])]))
    return rows


def drawn_rows(model: TextToImage) -> list[tuple[str, list[Tensor]]]:
    """What the shipped model draws for some words, one picture in each of four styles, cut out."""
    styles = model.styles[:4]
    asked = [Request(word, style=style, seed=i) for i, word in enumerate(PROMPTS) for style in styles]
    cut = cut_out(draw_all(model, asked))
    return [(word, list(cut[i * len(styles) : (i + 1) * len(styles)])) for i, word in enumerate(PROMPTS)]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of fromnoise data stickers")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--drawn", type=Path)
    options = parser.parse_args()
    model = TextToImage.load(None).for_drawing("fp32", keep=True)
    print(machine())
    modules = options.data / ".npm" / "node_modules"
    for pixels in (64, 128):
        all_of = drawings(modules, options.count, pixels)
        cut = measure(f"{pixels} pixels, as rasterised", all_of, lambda x: x)
        if pixels == model.pixels:
            cut = measure(f"{pixels} pixels, through the VAE", all_of, lambda x: through_vae(model, x))
        if options.sheet:
            sheet(options.sheet.with_stem(f"{options.sheet.stem}-{pixels}"), worst_rows(all_of, cut))
    if options.drawn:
        sheet(options.drawn, drawn_rows(model))


if __name__ == "__main__":
    main()
