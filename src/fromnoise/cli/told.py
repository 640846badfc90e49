"""What was said on the command line of ``generate`` and ``restyle``, in typed records, and what is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fromnoise.cli.files import Files, Spread
from fromnoise.ground.collecting import without_collecting
from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from fromnoise.cli.drawing import Job
    from fromnoise.drawing.opened import Opening
    from fromnoise.drawing.request import Request


@dataclass(frozen=True)
class Told:
    """What to draw, as it was typed; the defaults are those of the options."""

    prompt: str = ""
    style: str | None = None
    negative: str = ""
    free: bool = False
    count: int = 1
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    rescale: float | None = None
    interval: tuple[int, int] | None = None
    sampler: str | None = None
    spacing: str | None = None
    sigmas: str | None = None
    size: str | None = None
    native: bool = False
    strength: float | None = None
    transparent: bool = False
    best_of: int = 1
    shown_as: str = "picture"


def do(told: Told, opening: Opening, files: Files, explain: bool = False, spread: Spread | None = None) -> None:
    """Draw what was told, or say what would be done; with ``spread``, by the workers of a cluster.

    Raises:
        UserError: options that contradict one another, and everything that drawing refuses.
    """
    with without_collecting():
        from fromnoise.cli import drawing

    _not_over_what_is_read(files, told.count)
    if spread is not None and files.prompts is None:
        raise UserError("--cluster draws the prompts of a file: give --prompts FILE")
    if spread is not None and files.stamp.seal is not None:
        raise UserError(
            "the shards of a cluster are the same bytes whoever draws them, and signatures are not: leave out "
            "--sign, or draw without --cluster"
        )
    if spread is not None and files.stamp.watermark:
        raise UserError("--cluster does not mark pictures yet: leave out --watermark, or draw without --cluster")
    if files.again is not None:
        _only_with_again(told, opening, files, explain)
        drawing.redraw(files, opening)
        return
    _only_as_it_can_be_shown(told, files)
    request = _request(told, files)
    if files.prompts is not None:
        _only_with_prompts(told, files, explain)
        first = _draw_prompts(_job(request, opening, files), files.prompts, told.seed is None, spread)
    elif explain:
        drawing.explain_drawing(_job(request, opening, files, told.shown_as))
        first = request.seed
    else:
        drawing.draw_pictures(_job(request, opening, files, told.shown_as))
        first = request.seed
    if told.seed is None:
        typer.echo(f"seed {first}")


def _draw_prompts(job: Job, prompts: Path, any_seed: bool, spread: Spread | None) -> int:
    if spread is not None:
        from fromnoise.cli.cluster import draw_prompts_on_cluster

        return draw_prompts_on_cluster(job, prompts, any_seed, spread)
    from fromnoise.cli.drawing import draw_prompts

    return draw_prompts(job, prompts, any_seed)


def _request(told: Told, files: Files) -> Request:
    from fromnoise.drawing.request import Request, any_seed, strength_of

    width, height = _size(told.size)
    return Request(
        prompt=told.prompt,
        negative=told.negative,
        style=told.style,
        seed=any_seed() if told.seed is None else told.seed,
        count=told.count,
        steps=told.steps,
        guidance=told.guidance,
        interval=told.interval,
        rescale=told.rescale,
        sampler=told.sampler,
        spacing=told.spacing,
        sigmas=told.sigmas,
        free=told.free,
        width=width,
        height=height,
        strength=strength_of(told.strength, files.image is not None, files.mask is not None),
        native=told.native,
        transparent=told.transparent,
        best_of=told.best_of,
    )


def _size(text: str | None) -> tuple[int | None, int | None]:
    """(width, height) of "512x768", or of one number for a square."""
    if text is None:
        return None, None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"--size is width x height in pixels, as 512x768, not '{text}'")
    return int(parts[0]), int(parts[-1])


def _job(request: Request, opening: Opening, files: Files, shown_as: str = "picture") -> Job:
    from fromnoise.cli.drawing import Job
    from fromnoise.drawing.opened import open_model

    name, model = open_model(opening)  # its note is one of the plan's
    return Job(name, model, opening, request, files, shown_as)


def _only_as_it_can_be_shown(told: Told, files: Files) -> None:
    if told.shown_as not in ("picture", "stereogram"):
        raise UserError(f"--as is picture or stereogram, not '{told.shown_as}'")
    if told.shown_as == "picture":
        return
    if files.film is not None:
        raise UserError(
            "a film would show what --as stereogram hides; fromnoise inspect stereogram writes one that fades it in"
        )
    if told.transparent:
        raise UserError("--as stereogram fills the whole page with static; leave out --transparent")
    if files.prompts is not None:
        raise UserError("--prompts draws pictures; leave out --as stereogram, or draw one prompt at a time")


def _only_with_again(told: Told, opening: Opening, files: Files, explain: bool) -> None:
    from fromnoise.drawing.opened import Opening

    alone = Opening(opening.place, opening.loras, prediction=opening.prediction)
    if told != Told() or opening != alone or files.film or files.prompts or explain:
        raise UserError("--again redraws a picture with its own settings; give only --out and --model beside it")


def _not_over_what_is_read(files: Files, count: int) -> None:
    from fromnoise.cli.drawing import names_for
    from fromnoise.drawing.request import MOST_PICTURES

    sources = {
        files.image: "the picture to start from",
        files.mask: "the mask",
        files.again: "the picture to draw again",
        files.prompts: "the file of prompts",
    }
    read = [(source, what) for source, what in sources.items() if source and source.exists()]
    many = min(count, MOST_PICTURES) if read else 0  # more are refused, but later
    for out in filter(None, (files.out, files.film)):
        for target in names_for(out, many) if many else ():
            for source, what in read:
                if not (target.exists() and target.samefile(source)):
                    continue
                raise UserError(f"{source} is {what}; name another file for what is drawn")


def _only_with_prompts(told: Told, files: Files, explain: bool) -> None:
    if told.prompt or told.free or files.film or explain:
        raise UserError("--prompts reads the prompts from a file; leave out the prompt, --free, --film and --explain")
    if told.count != 1:
        raise UserError("--prompts draws one picture per line; leave out -n and repeat lines instead")
    if files.out is None:
        raise UserError("--prompts needs --out FOLDER for its pictures")
    if files.out.suffix.lower() == ".png" and not files.out.is_dir():
        raise UserError(f"'{files.out}' should be a folder: --prompts draws a picture per line")
