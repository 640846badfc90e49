"""``fromnoise sheet``: several prompts in several styles on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PROMPTS = ("red apple", "cat face", "house", "sailboat", "tulip", "automobile", "mushroom", "fish")


def sheet(
    out: Annotated[Path, typer.Option(help="Where to write the sheet (.png).")] = Path("pictures/first.png"),
    model: Annotated[Path | None, typer.Option(help="A model's folder or name.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A row of the sheet; may be given several times.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first picture.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps from noise to picture.")] = None,
) -> None:
    """Draw a labelled sheet: prompts down, the model's styles across. Unselected: the first draw is shown."""
    import io
    import time

    import torch

    from fromnoise.cli.drawing import _check_writable, load
    from fromnoise.errors import UserError
    from fromnoise.generate import Request, draw
    from fromnoise.inspection.sheet import contact_sheet
    from fromnoise.picture_file import write_atomically

    if out.suffix.lower() != ".png":
        raise UserError(f"'{out}' should end in .png")
    _check_writable(out.parent)
    name, system = load(model)
    rows, styles = tuple(prompt or PROMPTS), system.styles or ("",)
    begin = time.perf_counter()
    requests = [
        Request(prompt=p, style=s or None, seed=seed + i * len(styles) + j, steps=steps)
        for i, p in enumerate(rows)
        for j, s in enumerate(styles)
    ]
    pictures = torch.cat([draw(system, request) for request in requests])
    seconds = time.perf_counter() - begin
    buffer = io.BytesIO()
    contact_sheet(pictures, rows, styles).save(buffer, "PNG")
    write_atomically(out, buffer.getvalue())
    print(f"{len(requests)} pictures by {name} in {seconds:.1f} s: {out.resolve()}")
