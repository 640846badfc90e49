"""What the views' commands have in common: their options, how a model is opened, how a figure is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fromnoise.ground.collecting import without_collecting

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage

Prompt = Annotated[str, typer.Argument(help="What is drawn.")]
Style = Annotated[str | None, typer.Option(help="One of the model's styles.")]
Negative = Annotated[str, typer.Option(help="What it should not show.")]
Seed = Annotated[int, typer.Option(help="Same seed, same picture.")]
Steps = Annotated[int | None, typer.Option(help="Steps from noise to picture.")]
Guidance = Annotated[float | None, typer.Option(help="How strongly the words pull; 1 = no guidance.")]
Model = Annotated[str | None, typer.Option(help="A model: folder, file, or name.")]
Lora = Annotated[list[str] | None, typer.Option(help="A LoRA file, or file:weight; may be repeated.")]
Precision = Annotated[str, typer.Option(help="bf16 or fp32; auto takes bf16 where the CPU has it.")]
Out = Annotated[Path, typer.Option(help="A .png, .html or .json file; .gif or .webp where something moves.")]


def opened_as(model: str | None, lora: list[str] | None, precision: str) -> dict[str, Any]:
    """How a model is opened, for a subject and for the command that does the same."""
    from fromnoise.cli.opened import Opening
    from fromnoise.inspection.subject import named

    return named(Opening(model, tuple(lora or ()), precision))


def show(
    model: str | None,
    lora: list[str] | None,
    out: Path,
    moves: bool,
    look: Callable[[TextToImage], Figure],
    precision: str = "auto",
) -> None:
    """Open a model, look, and write what was seen; tables are printed as well.

    Args:
        model: as it was named.
        lora: LoRAs for it, each file or file:weight.
        out: the file to write.
        moves: whether there will be frames for a film.
        look: makes the figure.
        precision: number format to draw in.

    Raises:
        UserError: the file cannot be written, before anything is drawn; and whatever the view refuses.
    """
    with without_collecting():
        from fromnoise.cli.opened import Opening, load

    write(out, moves, lambda: look(load(Opening(model, tuple(lora or ()), precision))[1]))


def write(out: Path, moves: bool, make: Callable[[], Figure]) -> None:
    """Make a figure and write it; see :func:`show`, for a view that needs no model."""
    with without_collecting():
        from fromnoise.cli.drawing import check_file
        from fromnoise.inspection.figure import check_out, save_figure

    check_out(out, moves)
    check_file(out)
    figure = make()
    save_figure(figure, out)
    _print(figure)
    print(out)


def _print(figure: Figure) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from fromnoise.ground.errors import one_line

    console = Console()
    for each in figure.tables:
        table = Table(title=escape(one_line(each.caption)) or None, title_justify="left")
        for head in each.heads:
            table.add_column(escape(one_line(head)), overflow="fold")
        for row in each.rows:
            table.add_row(*(escape(one_line(cell)) for cell in row))
        console.print(table)
