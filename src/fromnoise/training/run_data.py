"""What a run makes of its pictures: captions, words for the tokenizer, latents in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from fromnoise.data.aside import divided, kept_aside, place
from fromnoise.data.decoding import sizes
from fromnoise.data.left_out import LEFT_OUT, write_list
from fromnoise.data.meanings import Meanings
from fromnoise.data.pictures import PictureSet, brought_to, some, thinned, told, wanted, why_none
from fromnoise.data.places import entries_of
from fromnoise.data.reading import nearest, shapes, square
from fromnoise.data.record import ASIDE, HELD_OUT, TRAIN, Found, Record
from fromnoise.data.scenes import scenes
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.mapped import parts
from fromnoise.ground.wording import styled
from fromnoise.system.defaults import check_default_style, read_facts
from fromnoise.system.known_words import KnownWords
from fromnoise.system.teachers import judging_teacher
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.clock import seeded
from fromnoise.training.recipe import Recipe
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.diffusion import HeldOut
from fromnoise.training.tasks.vae import encode_all

PICTURES = "pictures"  # folder in a run's
SET_ASIDE = (
    "The data hold none out, so these are kept aside, by a hash of their names, to see whether the others are learnt "
    "by heart; --set data.aside=0 learns from all."
)


def read_pictures(
    recipe: Recipe, data: str, console: Console, out: Path | None = None
) -> tuple[PictureSet, PictureSet]:
    """Training and held-out pictures; problems with files are told now, not in hour five.

    Args:
        recipe: which of them, and in which size.
        data: where they are.
        console: is told.
        out: the run's folder, where those that are too many for memory are kept.

    Raises:
        UserError: none to train on.
    """
    d = recipe.data
    found, aside = _found(recipe, data)

    def load(split: str) -> PictureSet:
        chosen = [e for e in found.entries if wanted(e.record, split, d.styles or None, d.groups or None)]
        return brought_to(square(d.pixels, d.fit), chosen, found, None if out is None else out / PICTURES, split)

    train_set, held_out = load(TRAIN), load(ASIDE if aside else HELD_OUT)
    if aside:
        held_out = without_twins(held_out, train_set)
    for line in told(train_set, held_out):
        console.print(one_line(line), style="yellow", highlight=False, soft_wrap=True, markup=False)
    if not train_set.records:
        raise UserError(f"{data} {why_none(data, d.styles or None, d.groups or None)}")
    train_set, held_out = thinned(asked_with(train_set, d.trigger), d.limit), asked_with(held_out, d.trigger)
    if d.scenes:
        train_set = joined(train_set, scenes(train_set, d.scenes, recipe.seed))
    console.print(f"{len(train_set.records):,} pictures to train on, {len(held_out.records):,} held out")
    if aside:
        console.print(SET_ASIDE, highlight=False, soft_wrap=True)
    return train_set, held_out


def _found(recipe: Recipe, data: str) -> tuple[Found, bool]:
    """What a place holds, and whether some of it is kept aside because the data hold nothing out."""
    d = recipe.data
    found = entries_of(data, d.reading)
    used = [e.record for e in found.entries if wanted(e.record, None, d.styles or None, d.groups or None)]
    up_to = kept_aside(used, d.aside)
    return replace(found, entries=divided(found.entries, up_to)), up_to > 0


def without_twins(pictures: PictureSet, others: PictureSet) -> PictureSet:
    """The pictures that are not among others under another name, pixel by pixel."""
    seen = {_digest(picture) for part in parts(others.images, 1024) for picture in part}
    return some(pictures, [i for i, picture in enumerate(pictures.images) if _digest(picture) not in seen])


def _digest(picture: Tensor) -> bytes:
    return hashlib.blake2b(picture.contiguous().numpy().data, digest_size=16).digest()


def read_shapes(recipe: Recipe, data: str, step: int, out: Path) -> list[PictureSet]:
    """The pictures to train on once more, those of one shape together, the square first where there is one.

    Args:
        recipe: which of them, and about which size.
        data: where they are.
        step: the sides of all shapes are multiples of it.
        out: where those that are too many for memory are kept.

    Raises:
        UserError: the disk is full.
    """
    d = recipe.data
    found, _ = _found(recipe, data)
    chosen = [e for e in found.entries if wanted(e.record, TRAIN, d.styles or None, d.groups or None)]
    if d.limit and len(chosen) > d.limit:
        chosen = [chosen[i * len(chosen) // d.limit] for i in range(d.limit)]
    known = shapes(d.pixels, step)
    near = [nearest(size, known) for size in sizes(chosen)]
    sets = []
    for canvas in known:
        some = [entry for entry, its in zip(chosen, near, strict=True) if its == canvas]
        prefix = f"shape-{canvas.width}x{canvas.height}"
        pictures = brought_to(canvas, some, found, out / PICTURES, prefix)
        sets += [asked_with(pictures, d.trigger)] if pictures.records else []
    return sets


def asked_with(pictures: PictureSet, trigger: str) -> PictureSet:
    """The pictures, of which those without a style have ``trigger`` for one; "" changes nothing."""
    if not trigger:
        return pictures
    return replace(pictures, records=[r if r.style else replace(r, style=trigger) for r in pictures.records])


def keep_left_out(out: Path, sets: Sequence[PictureSet], console: Console) -> None:
    """Write what was left out of a run's pictures, and why, into its folder, and say where.

    Raises:
        UserError: the disk is full.
    """
    pairs = list(dict.fromkeys(pair for pictures in sets for pair in pictures.quarantine))
    if not pairs:
        (out / LEFT_OUT).unlink(missing_ok=True)
        return
    write_list(out / LEFT_OUT, pairs)
    said = f"{len(pairs):,} left out; the whole list, with the reasons: {out / LEFT_OUT}"
    console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)


def styles_of(recipe: Recipe, records: list[Record], base: TextToImage | None) -> tuple[str, ...]:
    """The styles that the model will know: those of the model that it begins with, then those of its pictures.

    Raises:
        UserError: the recipe's default style is none of them.
    """
    known = base.styles if base is not None else ()
    styles = (*known, *sorted({r.style for r in records if r.style} - set(known)))
    check_default_style(recipe.default_style, styles)
    return styles


def caption(record: Record) -> str:
    """The full caption of a picture: what it shows and its style."""
    return styled(record.text, record.style)


def card(recipe: Recipe, records: list[Record], progress: dict[str, Any], drawings: int = 0) -> dict[str, Any]:
    """What a model tells of its training: from which pictures, by whom, by which recipe.

    Args:
        recipe: every number of the run.
        records: of the pictures; before them those of the drawings that they are made of, where they are.
        progress: what else is told.
        drawings: how many of the records those are.
    """
    sources = sorted({(r.style, r.licence, r.author) for r in (records[:drawings] if drawings else records)})
    return {
        "name": recipe.name,
        **progress,
        **({"drawings": drawings} if drawings else {}),
        "pictures": len(records) - drawings,
        "sources": [list(source) for source in sources],
        "recipe": shareable(recipe).to_dict(),
    }


def shareable(recipe: Recipe) -> Recipe:
    """The recipe as a model tells it to the world: of files and folders the name alone, for where they lay says
    something about the machine and nothing about the model."""
    clip = replace(recipe.clip, meanings=Path(recipe.clip.meanings).name)
    return replace(recipe, start_from=Path(recipe.start_from).name, clip=clip)


def told_aside(held_out: list[Record]) -> dict[str, float]:
    """What a card tells of pictures that a training kept aside, so that others divide the same data as it did."""
    up_to = max((place(r.file_name) for r in held_out if r.split == ASIDE), default=0.0)
    return {"aside": up_to} if up_to else {}


def begun_with(base: TextToImage) -> dict[str, Any]:
    """What a card tells of the model that its training began with: which, and if its decoder learnt by a judge."""
    taught = judging_teacher(base.card)
    return {"started_from": base.hash, **({"decoder": {"of": taught}} if taught else {})}


def seen_by(folder: Path, with_clip: bool = False) -> int | None:
    """How many pictures the U-Net of a model's folder has seen; None where there is no model, or none ``with_clip``."""
    if not (folder / "model_index.json").is_file() or (with_clip and not (folder / "clip").is_dir()):
        return None
    seen = read_facts(folder).card.get("pictures_seen")
    return seen if isinstance(seen, int) else None


def all_words(records: list[Record]) -> list[str]:
    """Every text the model may hear, to train the tokenizer on."""
    return [t for r in records for t in (caption(r), *r.keywords, *r.alt, *r.colours)]


def heard_words(records: list[Record]) -> KnownWords:
    """The words that captions of training pictures may have, each counted once a picture."""
    return KnownWords.of(" ".join((caption(r), *r.keywords, *r.alt, *r.colours)) for r in records)


def taught_words(meanings: str) -> list[str]:
    """Phrases of a file of meanings for the tokenizer to learn, the common ones several times; "" gives none."""
    if not meanings:
        return []
    table = Meanings.load(Path(meanings))
    times = [max(1, round(4 * weight * weight)) for weight in table.weights.tolist()]
    return [phrase for phrase, count in zip(table.phrases, times, strict=True) for _ in range(count)]


def some_prompts(records: list[Record]) -> tuple[str, ...]:
    """Sixteen captions spread over the data, no two alike, for the sample sheets."""
    shuffled = torch.randperm(len(records), generator=seeded("cpu", "prompts")).tolist()
    return tuple(dict.fromkeys(caption(records[i]) for i in shuffled))[:16]


def joined(first: PictureSet, second: PictureSet) -> PictureSet:
    """Both sets as one."""
    images = torch.cat([first.images, second.images])
    return PictureSet(images, [*first.records, *second.records], [*first.quarantine, *second.quarantine])


def held_out_latents(pictures: PictureSet, vae: Any, compute: Compute, most: int = 128) -> HeldOut | None:
    """Latents of held-out pictures, spread over all of them, for the U-Net's score; None where there are none."""
    chosen = thinned(pictures, most)
    if not chosen.records:
        return None
    return HeldOut(encode_all(vae, chosen.images, compute), [caption(r) for r in chosen.records])
