"""``fromnoise inspect``: look inside a model, and at what it draws."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fromnoise.cli.views import (
    activations,
    arithmetic,
    axes,
    between,
    guidance,
    judge,
    latents,
    learning,
    model,
    noise,
    origin,
    stereogram,
    tour,
    words,
)
from fromnoise.cli.views import map as maps
from fromnoise.ground.errors import UserError, one_line

if TYPE_CHECKING:
    from fromnoise.evaluation.copies.answers import Answers
    from fromnoise.evaluation.copies.asking import Witnesses

app = typer.Typer(help="Look inside a model, and at what it draws.", no_args_is_help=True)
VIEWS = (
    activations.activations,
    arithmetic.arithmetic,
    axes.axes,
    between.between,
    guidance.guidance,
    judge.judge,
    latents.latents,
    model.model,
    noise.noise,
    origin.origin,
    stereogram.stereogram,
    tour.tour,
    words.words,
    maps.map,
    maps.make_map,
    learning.learning,
    learning.make_film,
)
for view in VIEWS:
    app.command()(view)


@dataclass(frozen=True)
class Asking:
    """Whose training pictures to compare with.

    Attributes:
        model: that drew the pictures; None for the one that they name, which must be the shipped one.
        against: further models, whoever drew.
        loras: files that the pictures were drawn with.
        data: the training pictures of a model without an index.
    """

    model: str | None
    against: tuple[str, ...]
    loras: tuple[str, ...]
    data: Path | None


@app.command()
def copies(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files of any size.")],
    model: Annotated[
        str | None, typer.Option(help="The model that drew them; default: the shipped one, where they name it.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare with this model's training pictures, or with those of this folder, whatever drew; may be "
            "repeated."
        ),
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="A LoRA that they were drawn with: file, or file:weight.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The training pictures of a model without an index; takes minutes.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A .png, .html or .json: each picture beside its neighbours.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of pictures whether they are copies of what the model that drew them was trained on.

    Ends with code 2 where one of them could not be looked at; what the others are is said all the same.

    fromnoise inspect copies apple.png --out beside.png
    """
    from fromnoise.evaluation.copies.check import trust
    from fromnoise.evaluation.copies.figure import copies_figure
    from fromnoise.inspection.figure import save_figure
    from fromnoise.inspection.subject import command

    if out is not None:
        _check_sheet(out, pictures)
    found, unread = _ask(pictures, Asking(model, tuple(against or ()), tuple(lora or ()), data))
    if out is not None:
        options = {"model": model, "against": against, "lora": lora, "data": data, "out": out}
        looked = [(str(file), content, said) for file, content, said in found]
        save_figure(copies_figure(looked, command("copies", [*map(str, pictures)], options)), out)
    if as_json:
        facts = [{"picture": str(file), **each.to_dict()} for file, _, each in found]
        facts += [{"picture": str(file), "error": error.message} for file, error in unread]
        print(json.dumps({"pictures": facts}, ensure_ascii=False, indent=1))
    else:
        for file, _, each in found:
            _print(file, each)
        for file, error in unread:
            print(one_line(f"{file}: not looked at: {error}"))
        for source in dict.fromkeys(answer.source for _, _, each in found for answer in each.each):
            print(f"How far to trust this ({one_line(source.name)}): {trust(source.index)}.")
    if unread:
        raise typer.Exit(2)


def _ask(
    pictures: list[Path], asking: Asking
) -> tuple[list[tuple[Path, bytes, Answers]], list[tuple[Path, UserError]]]:
    """What is said of each picture that can be read, and why the others cannot.

    Raises:
        UserError: nothing can be said of any of them, for one reason.
    """
    from fromnoise.evaluation.copies.answers import answers, origin_of
    from fromnoise.ground.file_bytes import bytes_of

    witnesses = _witnesses(asking)
    found: list[tuple[Path, bytes, Answers]] = []
    unread: list[tuple[Path, UserError]] = []
    for file in pictures:
        try:
            content = bytes_of(file)
            origin = origin_of(content, str(file), picky=not asking.against)
            found.append((file, content, answers(witnesses.question(file, origin), content)))
        except UserError as error:
            unread.append((file, error))
    if not found and len({str(error) for _, error in unread}) == 1:
        raise unread[0][1]
    return found, unread


@app.command()
def index(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    data: Annotated[Path, typer.Option(help="The pictures it was trained on, with their held-out part.")],
) -> None:
    """Store with a model what it was trained on, so that copies are found without the training pictures."""
    from fromnoise.evaluation.copies.check import build_index
    from fromnoise.system.opening import find_model

    file = build_index(find_model(model), data)
    print(f"{file.stat().st_size / 2**20:.2f} MiB: {file}")


def _witnesses(asking: Asking) -> Witnesses:
    """Who finds and opens the models."""
    from fromnoise.cli.opened import Opening, load
    from fromnoise.evaluation.copies.asking import Witnesses
    from fromnoise.evaluation.copies.build import built
    from fromnoise.evaluation.copies.check import loaded, training_pictures
    from fromnoise.system.text_to_image import TextToImage

    def opened(place: str | None, loras: bool, fast: bool) -> tuple[str, TextToImage]:
        return load(Opening(place, asking.loras if loras else (), "as stored", fast=fast))

    def made(model: TextToImage) -> Any:
        assert asking.data is not None
        return built(training_pictures(model.card, loaded(model.card, asking.data)))

    return Witnesses(opened, asking.model, asking.against, made if asking.data else None)


def _check_sheet(out: Path, pictures: list[Path]) -> None:
    """Refuse a sheet that cannot be written, or that would write over a picture."""
    from fromnoise.cli.drawing import check_file
    from fromnoise.inspection.figure import check_out

    check_out(out, False)
    check_file(out)
    if any(p.exists() and out.exists() and p.samefile(out) for p in pictures):
        raise UserError(f"--out would write over '{out}', which is to be looked at")


def _print(file: Path, answers: Answers) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for answer in answers.each:
        verdict, limits = answer.verdict, answer.source.index.limits
        table = Table(title=escape(one_line(f"{file}, {answer.source.name}")), title_justify="left")
        for head in ("nearest by", "training picture", "file", "licence", "author", "ratio", "copy below"):
            table.add_column(head, overflow="fold")
        for space, known, ratio, limit in (
            ("features", verdict.by_features, verdict.features, limits.features),
            ("pixels", verdict.by_pixels, verdict.pixels, limits.pixels),
        ):
            words = (str(known), known.name, known.licence, known.author)
            table.add_row(space, *(escape(one_line(w)) for w in words), f"{ratio:.3f}", f"{limit:.3f}")
        console.print(table)
        print(one_line(answer.sentence))
    for unasked in answers.unasked:
        print(one_line(f"this says nothing of the following: {unasked}"))
