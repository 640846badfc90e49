"""``fromnoise inspect``: look inside a model, and at what it draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fromnoise.ground.errors import UserError, one_line

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.evaluation.copies.check import Verdict
    from fromnoise.evaluation.copies.index import Index

app = typer.Typer(help="Look inside a model, and at what it draws.", no_args_is_help=True)


@app.command()
def copies(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files of any size.")],
    model: Annotated[str | None, typer.Option(help="The model that drew them; default: the shipped one.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Its training pictures, for a model without an index; takes minutes.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A .png: each picture beside its neighbours.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of pictures whether they are copies of what the model was trained on.

    fromnoise inspect copies apple.png --out beside.png
    """
    from fromnoise.cli.drawing import check_file
    from fromnoise.evaluation.copies.check import check, png, side_by_side, trust
    from fromnoise.ground.whole import write_atomically

    if out is not None:
        if out.suffix.lower() != ".png" or out.is_dir():
            raise UserError(f"'{out}' should be a file that ends in .png")
        check_file(out)
        if any(p.exists() and out.exists() and p.samefile(out) for p in pictures):
            raise UserError(f"--out would write over '{out}', which is to be looked at")
    for file in pictures:
        _bytes(file)
    index = _index(model, data)
    images = _opened(pictures, index.side)
    verdicts = check(index, images)
    if out is not None:
        labels = [f"{'* ' if v.copy else ''}{file.name}" for v, file in zip(verdicts, pictures, strict=True)]
        write_atomically(out, png(side_by_side(index, images, verdicts, labels)))
    if as_json:
        found = [{"picture": str(file), **v.to_dict()} for file, v in zip(pictures, verdicts, strict=True)]
        print(json.dumps({"pictures": found, "limits": index.limits.to_dict()}, ensure_ascii=False, indent=1))
        return
    _print(pictures, verdicts, index)
    print(f"How far to trust this: {trust(index)}.")


@app.command()
def index(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    data: Annotated[Path, typer.Option(help="The pictures it was trained on, with their held-out part.")],
) -> None:
    """Store with a model what it was trained on, so that copies are found without the training pictures."""
    from fromnoise.evaluation.copies.check import build_index
    from fromnoise.system.defaults import read_facts
    from fromnoise.system.opening import find_model

    folder = find_model(model)
    file = build_index(folder, _training(read_facts(folder)[2], data))
    print(f"{file.stat().st_size / 2**20:.2f} MiB: {file}")


def _index(model: str | None, data: Path | None) -> Index:
    """The index of a model, stored or made."""
    from fromnoise.evaluation.copies.build import built
    from fromnoise.evaluation.copies.check import training_pictures
    from fromnoise.evaluation.copies.stored import load_index
    from fromnoise.system.defaults import read_facts
    from fromnoise.system.opening import find_model

    folder = find_model(model)
    if data is None:
        return load_index(folder)
    card = read_facts(folder)[2]
    return built(training_pictures(card, _training(card, data)))


def _training(card: dict[str, Any], data: Path) -> Any:
    """A data set at the size that the card's recipe says."""
    from fromnoise.data.pictures import load_folder

    recipe = card.get("recipe")
    return load_folder(data, recipe["data"]["pixels"] if isinstance(recipe, dict) else 64)


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


def _print(files: list[Path], verdicts: list[Verdict], index: Index) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for file, verdict in zip(files, verdicts, strict=True):
        table = Table(title=escape(one_line(str(file))), title_justify="left")
        for head in ("nearest by", "training picture", "file", "licence", "author", "ratio", "copy below"):
            table.add_column(head, overflow="fold")
        for space, known, ratio, limit in (
            ("features", verdict.by_features, verdict.features, index.limits.features),
            ("pixels", verdict.by_pixels, verdict.pixels, index.limits.pixels),
        ):
            words = (str(known), known.name, known.licence, known.author)
            table.add_row(space, *(escape(one_line(w)) for w in words), f"{ratio:.3f}", f"{limit:.3f}")
        console.print(table)
        print(one_line(verdict.sentence()))
