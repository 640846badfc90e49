"""``fromnoise inspect map`` and ``make-map``: captions, pictures and prompts as points in CLIP space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views.shared import Lora, Model, Negative, Out, Precision, Seed, Steps, Style, opened_as, show
from fromnoise.ground.errors import UserError, one_line

if TYPE_CHECKING:
    from fromnoise.inspection.clip_map import ClipMap
    from fromnoise.inspection.figure import Figure
    from fromnoise.inspection.map_area import Area
    from fromnoise.inspection.subject import Subject
    from fromnoise.system.text_to_image import TextToImage

NEAREST = 8
BY_ITSELF = 6_000  # points of a map that a training makes by itself
Prompts = Annotated[list[str] | None, typer.Argument(help="What is dropped on the map; none shows it alone.")]
Room = Annotated[bool, typer.Option("--area", help="Draw pictures of each prompt and show the room they take.")]
Nearest = Annotated[int, typer.Option(help="How many captions and pictures are named beside each prompt.", min=1)]
Count = Annotated[int, typer.Option(help="Pictures that are drawn to measure an area.", min=2, max=256)]


def map(
    prompts: Annotated[
        list[str] | None, typer.Argument(help="What is dropped on the map; none shows it alone.")
    ] = None,
    area: Annotated[
        bool, typer.Option("--area", help="Draw pictures of each prompt and show the room they take.")
    ] = False,
    pictures: Count = 16,
    nearest: Nearest = NEAREST,
    style: Style = None,
    negative: Negative = "",
    seed: Seed = 0,
    steps: Steps = None,
    model: Model = None,
    lora: Lora = None,
    precision: Precision = "auto",
    out: Out = Path("map.png"),
) -> None:
    """Show captions and pictures as CLIP sees them, and where prompts land among them.

    fromnoise inspect map "a red fox" --out map.html
    """
    from fromnoise.inspection.subject import Subject, command

    subjects = [
        Subject(prompt, style=style, negative=negative, seed=seed, steps=steps, **opened_as(model, lora, precision))
        for prompt in prompts or ()
    ]
    if area and not subjects:
        raise UserError("--area needs a prompt, as in: fromnoise inspect map food pizza --area")
    drawn = {"area": area, "pictures": pictures, "style": style, "negative": negative or None, "seed": seed}
    few = None if nearest == NEAREST else nearest
    options = {
        "nearest": few,
        **(drawn if area else {}),
        "steps": steps if area else None,
        **opened_as(model, lora, precision),
    }
    line = command("map", [*(prompts or ())], {**options, "out": str(out)})

    def look(opened: TextToImage) -> Figure:
        return _look(opened, subjects, nearest, pictures if area else 0, line)

    show(model, lora, out, False, look, precision)


def _look(model: TextToImage, subjects: list[Subject], nearest: int, count: int, line: str) -> Figure:
    """Land prompts, and draw their areas if pictures are asked for."""
    from fromnoise.inspection.clip_map import land
    from fromnoise.inspection.map_area import areas
    from fromnoise.inspection.map_figure import map_figure
    from fromnoise.inspection.map_plain import known_map

    known = known_map(model)
    landings = [land(known, model, subject.prompt, nearest) for subject in subjects]
    drawing = [areas(known, model, subject, count) for subject in subjects] if count else []  # all checked before one
    return map_figure(known, landings, [_drawn(each) for each in drawing], line)


def _drawn(growing: Iterator[Area]) -> Area:
    """The whole area; meanwhile the terminal says how it grows."""
    from rich.console import Console

    with Console(stderr=True).status("drawing") as status:
        for area in growing:
            status.update(one_line(f"{area.prompt}: {len(area.seeds)} of {area.wanted}, spread {area.spread:.3f}"))
    return area


def make_map(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    data: Annotated[Path, typer.Option(help="The pictures it was trained on.")],
    by: Annotated[
        str, typer.Option(help="umap (keeps neighbours together) or pca (plain, needs no package).")
    ] = "umap",
) -> None:
    """Store with a model where CLIP puts its training pictures and their captions; "inspect map" shows it."""
    from fromnoise.inspection.map_making import check_way

    check_way(by)
    made, file = keep_map(model, data, by)
    counts = f"{len(made.captions):,} captions, {len(made.names):,} pictures"
    print(f"{counts}, {file.stat().st_size / 2**20:.2f} MiB: {file}")


def keep_map(place: Path, data: Path | str, by: str | None = None, most: int = BY_ITSELF) -> tuple[ClipMap, Path]:
    """Store with a model the map of its training pictures.

    Args:
        place: the model.
        data: what it was trained on.
        by: how it is laid flat; None takes UMAP where it is installed and ``most`` points at most, so that it takes a
            minute or so at the end of a training.
        most: points, where nobody says how.

    Raises:
        UserError: no model of ours, without CLIP, or not the pictures of its training.
    """
    from fromnoise.inspection.clip_map import clip_of
    from fromnoise.inspection.map_file import MOST, save_map
    from fromnoise.system.defaults import FACTS, MAP
    from fromnoise.system.opening import find_model
    from fromnoise.system.text_to_image import TextToImage

    folder = find_model(place)
    if not (folder / FACTS).is_file():
        raise UserError(f"{folder} is no model trained by fromnoise, so it does not say what it learnt from")
    opened = TextToImage.load(folder)
    clip_of(opened)
    made, file = _made(opened, data, by, most if by is None else MOST), folder / MAP
    save_map(made, file)
    return made, file


def _made(model: TextToImage, data: Path | str, by: str | None, most: int) -> ClipMap:
    """The map of a model's training pictures; meanwhile the terminal says how far it is."""
    from rich.console import Console

    from fromnoise.evaluation.copies.check import loaded, training_pictures
    from fromnoise.inspection.clip_map import ClipMap
    from fromnoise.inspection.map_making import Shown, making_map, usual_way

    with Console(stderr=True).status("reading the training pictures for a map of them") as status:
        found = training_pictures(model.card, loaded(model.card, data))
        chosen = [i for i, record in enumerate(found.records) if record.split == "train"]
        records = [found.records[i] for i in chosen]
        texts, styles, names = ([getattr(r, name) for r in records] for name in ("text", "style", "file_name"))
        way = by or usual_way(len(records))
        laying = ", then UMAP lays them flat: a minute or two" if way == "umap" else ""
        for step in making_map(model, Shown(found.images[chosen], texts, styles, names), way, most):
            if not isinstance(step, ClipMap):
                status.update(f"CLIP looks at the pictures, {step:.0%}{laying}")
    assert isinstance(step, ClipMap)
    return step
