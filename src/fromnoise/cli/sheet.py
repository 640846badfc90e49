"""``fromnoise sheet``: several prompts in several styles on one page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise import __version__
from fromnoise.ground.collecting import without_collecting
from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from fromnoise.drawing.request import Request

PROMPTS = ("red apple", "cat face", "house", "sailboat", "tulip", "automobile", "mushroom", "fish")
DEFAULT_OUT = Path("pictures/first.png")


def sheet(
    out: Annotated[Path, typer.Option(help="Where to write the sheet (.png).")] = DEFAULT_OUT,
    model: Annotated[str | None, typer.Option(help="A model: folder, file or name.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A row of the sheet; may be given several times.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first picture.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps from noise to picture.")] = None,
    transparent: Annotated[
        bool, typer.Option("--transparent", help="Without the white background, on a checkerboard.")
    ] = False,
) -> None:
    """Draw a labelled sheet: prompts down, the model's styles across. Unselected: the first draw is shown."""
    import io
    import time

    with without_collecting():
        from fromnoise.cli.drawing import check_file, make_folder
        from fromnoise.cli.opened import tell, tell_drawn
        from fromnoise.drawing.generate import draw_plans
        from fromnoise.drawing.opened import Opening, open_model
        from fromnoise.drawing.plan import plans
        from fromnoise.drawing.request import Request
        from fromnoise.ground.whole import write_atomically
        from fromnoise.inspection.sheet import contact_sheet
        from fromnoise.provenance.marks import Made, png_info

    if out.suffix.lower() != ".png" or out.is_dir():
        raise UserError(f"'{out}' should be a file that ends in .png")
    name, system = open_model(Opening(model))
    rows, styles = tuple(prompt or PROMPTS), system.styles or ("",)
    made = plans(system, _cells(rows, styles, Request(seed=seed, steps=steps, transparent=transparent)))
    if out == DEFAULT_OUT:  # the folder of a name that was typed is checked for a slip, not made
        make_folder(out.parent)
    check_file(out)
    tell(made)
    begin = time.perf_counter()
    pictures = draw_plans(system, made)
    seconds = time.perf_counter() - begin
    for picture, cell in zip(pictures, made, strict=True):
        tell_drawn(picture, cell.words.wanted.text)
    buffer = io.BytesIO()
    said = Made("; ".join(rows), f"{name} ({system.hash})", __version__)
    contact_sheet(pictures, rows, styles).save(buffer, "PNG", pnginfo=png_info(said))
    write_atomically(out, buffer.getvalue())
    pictures_drawn = "1 picture" if len(made) == 1 else f"{len(made)} pictures"
    print(f"{pictures_drawn} by {name} in {seconds:.1f} s: {out.resolve()}")


def _cells(rows: tuple[str, ...], styles: tuple[str, ...], base: Request) -> list[Request]:
    """One request per cell, row by row, each with a seed of its own, counted from the base's."""
    pairs = [(row, style) for row in rows for style in styles]
    return [replace(base, prompt=row, style=s or None, seed=base.seed + i) for i, (row, s) in enumerate(pairs)]
