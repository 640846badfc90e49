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
    noise,
    stereogram,
    words,
)
from fromnoise.cli.views import map as maps
from fromnoise.ground.errors import UserError, one_line

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.drawing.picture_file import Origin
    from fromnoise.evaluation.copies.asking import Question, Source, Witnesses
    from fromnoise.evaluation.copies.check import Verdict

app = typer.Typer(help="Look inside a model, and at what it draws.", no_args_is_help=True)
VIEWS = (
    activations.activations,
    arithmetic.arithmetic,
    axes.axes,
    between.between,
    guidance.guidance,
    judge.judge,
    latents.latents,
    noise.noise,
    stereogram.stereogram,
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


@dataclass(frozen=True)
class Answer:
    """What one model's training pictures say of one picture."""

    source: Source
    verdict: Verdict

    @property
    def alarm(self) -> tuple[bool, bool]:
        """The larger, the more it speaks of a copy."""
        return self.verdict.copy, self.verdict.close


@app.command()
def copies(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files of any size.")],
    model: Annotated[
        str | None, typer.Option(help="The model that drew them; default: the shipped one, where they name it.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Compare with this model's training pictures, whatever drew; may be repeated."),
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="A LoRA that they were drawn with: file, or file:weight.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The training pictures of a model without an index; takes minutes.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A .png: each picture beside its neighbours.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of pictures whether they are copies of what the model that drew them was trained on.

    fromnoise inspect copies apple.png --out beside.png
    """
    from fromnoise.evaluation.copies.check import COLUMNS, beside, png, trust
    from fromnoise.ground.contact_sheet import contact_sheet
    from fromnoise.ground.whole import write_atomically

    if out is not None:
        _check_sheet(out, pictures)
    origins = [_origin(file, picky=not against) for file in pictures]
    asking = Asking(model, tuple(against or ()), tuple(lora or ()), data)
    witnesses = _witnesses(asking)
    asked = [witnesses.question(file, origin) for file, origin in zip(pictures, origins, strict=True)]
    found = [_answers(question) for question in asked]
    if out is not None:
        every = [(q.file, answer) for q, answers in zip(asked, found, strict=True) for answer in answers]
        drawn = [(_opened([file], a.source.index.side), a) for file, a in every]
        rows = [row for picture, a in drawn for row in beside(a.source.index, picture, [a.verdict])]
        labels = [f"{'* ' if a.verdict.copy else ''}{file.name}, {a.source.name}" for file, a in every]
        write_atomically(out, png(contact_sheet(rows, labels, COLUMNS)))
    if as_json:
        facts = [_facts(*pair) for pair in zip(asked, found, strict=True)]
        print(json.dumps({"pictures": facts}, ensure_ascii=False, indent=1))
        return
    for question, answers in zip(asked, found, strict=True):
        _print(question, answers)
    for source in dict.fromkeys(answer.source for answers in found for answer in answers):
        print(f"How far to trust this ({one_line(source.name)}): {trust(source.index)}.")


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


def _answers(question: Question) -> list[Answer]:
    """What each model says of a picture, the most alarming first."""
    from fromnoise.evaluation.copies.check import check

    found = [Answer(s, check(s.index, _opened([question.file], s.index.side))[0]) for s in question.sources]
    return sorted(found, key=lambda answer: answer.alarm, reverse=True)


def _facts(question: Question, answers: list[Answer]) -> dict[str, Any]:
    """The answers for programs: the most alarming one, and all of them with what was compared."""
    each = [
        {
            "model": a.source.name,
            "hash": a.source.hash,
            "pictures": a.source.index.trained,
            "limits": a.source.index.limits.to_dict(),
            **a.verdict.to_dict(a.source.pictures),
        }
        for a in answers
    ]
    return {
        "picture": str(question.file),
        **answers[0].verdict.to_dict(answers[0].source.pictures),
        "compared_with": each,
        "not_asked": list(question.unasked),
    }


def _check_sheet(out: Path, pictures: list[Path]) -> None:
    """Refuse a sheet that cannot be written, or that would write over a picture."""
    from fromnoise.cli.drawing import check_file

    if out.suffix.lower() != ".png" or out.is_dir():
        raise UserError(f"'{out}' should be a file that ends in .png")
    check_file(out)
    if any(p.exists() and out.exists() and p.samefile(out) for p in pictures):
        raise UserError(f"--out would write over '{out}', which is to be looked at")


def _origin(file: Path, picky: bool) -> Origin | None:
    """What a picture says of how it was drawn; None where it says nothing.

    Raises:
        UserError: it is no picture, or hides one; or, if that matters (``picky``), what it says is damaged.
    """
    from PIL import Image

    from fromnoise.drawing.picture_file import KEY, read_origin

    _opened([file], 32)
    with Image.open(file) as picture:
        if not getattr(picture, "text", {}).get(KEY):
            return None
    try:
        origin = read_origin(file)
    except UserError:
        if picky:
            raise
        return None
    if origin.shown_as != "picture":
        raise UserError(
            f"{file} hides what was drawn; draw it without --as {origin.shown_as} and ask about that picture"
        )
    return origin


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no file {file}") from None
    except IsADirectoryError:
        raise UserError(f"{file} is a folder; name pictures") from None


def _opened(files: list[Path], side: int) -> Tensor:
    """Picture files as training pictures are opened: on white, fitted into a square, uint8 [N,3,side,side]."""
    import numpy as np
    import torch

    from fromnoise.data.pictures import decode, reason
    from fromnoise.ground.pictures import PictureError

    found = []
    for file in files:
        try:
            found.append(decode(_bytes(file), side))
        except (OSError, PictureError) as error:
            raise UserError(f"{file} cannot be read as a picture: {reason(error, file.name)}") from None
    return torch.from_numpy(np.stack(found))


def _print(question: Question, answers: list[Answer]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for answer in answers:
        verdict, limits = answer.verdict, answer.source.index.limits
        table = Table(title=escape(one_line(f"{question.file}, {answer.source.name}")), title_justify="left")
        for head in ("nearest by", "training picture", "file", "licence", "author", "ratio", "copy below"):
            table.add_column(head, overflow="fold")
        for space, known, ratio, limit in (
            ("features", verdict.by_features, verdict.features, limits.features),
            ("pixels", verdict.by_pixels, verdict.pixels, limits.pixels),
        ):
            words = (str(known), known.name, known.licence, known.author)
            table.add_row(space, *(escape(one_line(w)) for w in words), f"{ratio:.3f}", f"{limit:.3f}")
        console.print(table)
        print(one_line(verdict.sentence(answer.source.pictures)))
    for unasked in question.unasked:
        print(one_line(f"not looked at: {unasked}"))
