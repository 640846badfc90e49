"""``fromnoise inspect tour``: the studio's chapters about one prompt, as one page to send to a friend."""

from __future__ import annotations

from pathlib import Path

import typer

from fromnoise.cli.views.shared import Guidance, Lora, Model, Negative, Precision, Prompt, Seed, Steps, Style
from fromnoise.ground.collecting import without_collecting
from fromnoise.ground.errors import UserError, one_line


def tour(
    prompt: Prompt,
    style: Style = None,
    negative: Negative = "",
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    model: Model = None,
    lora: Lora = None,
    precision: Precision = "auto",
    out: Path = typer.Option(Path("tour.html"), help="A .html file, below 8 MB."),
) -> None:
    """Write the whole tour for one prompt as one page that works offline, from a file and on a phone.

    fromnoise inspect tour "a red fox" --style noto --out tour.html
    """
    with without_collecting():
        from rich.console import Console
        from rich.progress import track

        from fromnoise.cli.drawing import check_file
        from fromnoise.cli.opened import Opening, load
        from fromnoise.ground.whole import write_atomically
        from fromnoise.inspection.subject import Subject, named
        from fromnoise.studio.desk.models import Models
        from fromnoise.studio.tour.page import tour_page
        from fromnoise.studio.tour.parts import parts_of
        from fromnoise.studio.tour.recording import answers_to, told_chapters
        from fromnoise.system.text_to_image import TextToImage

    if out.suffix.lower() != ".html" or out.is_dir():
        raise UserError(f"'{out}' should be a file that ends in .html")
    check_file(out)
    opening = Opening(model, tuple(lora or ()), precision)
    name, opened = load(opening)
    subject = Subject(prompt, style, negative, seed, steps, guidance, **named(opening))
    subject.plan(opened)  # what drawing refuses is said before anything is recorded
    models = Models(name, opened, load_plain=lambda: TextToImage.load(model), opened=opening)
    parts = list(parts_of(models, subject))
    quiet = Console(stderr=True)
    bar = track(
        answers_to(parts), "recording", len(parts), console=quiet, transient=True, disable=not quiet.is_terminal
    )
    answers = list(bar)
    write_atomically(out, tour_page(opened, name, subject, answers, subject.command("tour", out=str(out))).encode())
    chapters, missing = told_chapters(answers)
    for chapter, why in missing.items():
        print(one_line(f"left out: {chapter}: {why}"))
    print(f"{out}: {len(chapters)} chapters, {out.stat().st_size / 10**6:.1f} MB")
