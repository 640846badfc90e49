"""``fromnoise film``: watch a run learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fromnoise.ground.errors import UserError


def film(
    run: Annotated[Path, typer.Argument(help="A run's folder, as given to fromnoise train --out.")],
    out: Annotated[Path, typer.Option(help="A .gif or .webp, or a .png strip.")] = Path("learning.gif"),
    task: Annotated[
        str | None,
        typer.Option(help="Whose sheets: diffusion, lora, clip, vae, distill or story.", show_default="the U-Net's"),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the film.")] = 8.0,
) -> None:
    """Make a film of a run's sample sheets: the same prompts and seeds, from the first minute to the last."""
    from fromnoise.cli.drawing import check_file
    from fromnoise.ground.pictures import UNREADABLE, opened_file
    from fromnoise.inspection.film import SUFFIXES, save_film

    if out.suffix.lower() not in SUFFIXES or out.is_dir():
        raise UserError(f"'{out}' should be a file that ends in {' or '.join(SUFFIXES)}")
    if not 0 < seconds <= 600:
        raise UserError(f"--seconds must be above 0 and at most 600, not {seconds}")
    if not run.is_dir():
        raise UserError(f"there is no run '{run}'")
    known = sorted(path.parent.name for path in run.glob("*/sheets"))
    if task is None:  # the U-Net's, or those of the only one
        task = known[0] if len(known) == 1 else "diffusion"
    sheets = sorted(file for file in (run / task / "sheets").glob("*.png") if file.stem.isdigit())
    if not sheets:
        tasks = ", ".join(known) or "none"
        raise UserError(f"'{run}' has no sheets of '{task}'; tasks with sheets: {tasks}; name one with --task")
    check_file(out)
    try:
        frames = [(int(sheet.stem), opened_file(sheet, ("PNG",)).convert("RGB")) for sheet in sheets]
    except UNREADABLE as error:
        raise UserError(f"a sheet cannot be read: {error}") from None
    size = frames[-1][1].size
    same = [(seen, frame) for seen, frame in frames if frame.size == size]  # a recipe's prompts may have changed
    save_film([frame for _, frame in same], out, seconds, zoom=2)
    print(f"{len(same)} sheets, after {same[0][0]:,} to {same[-1][0]:,} pictures: {out}")
