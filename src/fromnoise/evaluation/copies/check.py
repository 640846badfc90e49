"""What people ask: make the index of a model, and say of pictures whether they are copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from fromnoise.data.pictures import PictureSet, load_folder, some, thinned
from fromnoise.data.world.drawing import chosen_drawings, is_drawings
from fromnoise.data.world.singles import SINGLE, single_pictures
from fromnoise.drawing.picture_file import to_image
from fromnoise.evaluation.copies.build import built
from fromnoise.evaluation.copies.describe import look
from fromnoise.evaluation.copies.index import Index, Known
from fromnoise.evaluation.copies.statistics import share
from fromnoise.evaluation.copies.stored import read_index, save_index
from fromnoise.evaluation.copies.thumbnails import enlarged
from fromnoise.evaluation.trained import reading_of
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.ground.errors import UserError
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.defaults import COPIES, FACTS, read_facts
from fromnoise.system.text_to_image import TextToImage

COLUMNS = ("drawn", "by features", "by pixels")  # of a sheet of drawings beside what is nearest to them


@dataclass(frozen=True)
class Verdict:
    """What is said of one picture.

    Attributes:
        copy: whether it may be a copy of ``suspect``.
        close: whether it is nearer to it than 19 of 20 real pictures are to any other; copies are.
        suspect: the training picture that it is most like.
        by_features, by_pixels: the nearest training pictures in either space.
        features, pixels: the ratios there; below the index's thresholds they speak of a copy.
    """

    copy: bool
    close: bool
    suspect: Known
    by_features: Known
    by_pixels: Known
    features: float
    pixels: float

    def sentence(self, pictures: str) -> str:
        """The verdict in plain words.

        Args:
            pictures: what was compared with, as "any of the 5,696 pictures that stickers-64 was trained on".
        """
        if not self.close:
            nearest = f"{self.suspect} ({self.suspect.name})"
            return f"not a copy of {pictures}: the nearest is {nearest}, and others are about as near"
        whose = " by ".join(part for part in (self.suspect.licence, self.suspect.author) if part)
        named = f"{self.suspect} ({self.suspect.name}{f'; {whose}' if whose else ''})"
        if not self.copy:
            return (
                f"not called a copy of {pictures}, but nearer to {named} than 19 of 20 real pictures are to any other: "
                "look at both"
            )
        return f"may be a copy of {named}; compared with {pictures}"

    def to_dict(self, pictures: str) -> dict[str, Any]:
        """The same for programs."""
        return {**asdict(self), "sentence": self.sentence(pictures)}


def build_index(model_folder: Path, data: Path | str) -> Path:
    """Write the index of a model's training pictures into its folder.

    Args:
        model_folder: of a model trained by fromnoise.
        data: what it was trained on, all splits; other styles and groups may be among them.

    Returns:
        The file.

    Raises:
        UserError: these are not the pictures of its training, or packages are missing.
    """
    facts = read_facts(model_folder)
    styles, card = facts.styles, facts.card
    if not (model_folder / FACTS).is_file():
        raise UserError(f"{model_folder} is no model trained by fromnoise, so it does not say what it learnt from")
    chosen = training_pictures(card, loaded(card, data))
    save_index(built(chosen, pictures_of(styles, card)), model_folder / COPIES)
    return model_folder / COPIES


def index_of(model: TextToImage, pictures: PictureSet | None) -> Index:
    """The index that a model carries, else one made of its training pictures, which takes minutes.

    Raises:
        UserError: it carries none and there are no pictures, or not those of its training.
    """
    trained_on = model.trained_on
    if model.copies is not None:
        return read_index(model.copies, trained_on)
    if pictures is None:
        raise UserError(
            f"{model.card.get('name') or 'the model'} ({model.hash}) has no {COPIES}; make it with: fromnoise inspect "
            "index MODEL --data FOLDER, or give the pictures it was trained on with --data FOLDER"
        )
    return built(training_pictures(model.card, pictures), trained_on)


def loaded(card: dict[str, Any], data: Path | str) -> PictureSet:
    """A data set, read as a model's training read it; of drawings, of which endless pictures were made, each by itself.

    Raises:
        UserError: it cannot be used, or these are other drawings than the model's.
    """
    recipe = card.get("recipe")
    wanted = recipe["data"] if isinstance(recipe, dict) else {}
    if is_drawings(data):
        styles, groups = (wanted.get(name, ()) for name in ("styles", "groups"))
        drawings = chosen_drawings(data, styles, groups, wanted.get("limit", 0))
        expected, found = card.get("drawings"), sum(drawing.split == "train" for drawing in drawings)
        if expected != found:
            raise UserError(
                f"the model was trained on {expected or 'no'} drawings, and {data} has {found:,} of its styles and "
                "groups; give the data it was trained on"
            )
        return single_pictures(drawings, wanted.get("pixels", 64))
    return load_folder(data, wanted.get("pixels", 64), reading=reading_of(card))


def training_pictures(card: dict[str, Any], pictures: PictureSet) -> PictureSet:
    """Of a data set, what a model was trained on (split "train"), and what its styles and groups hold out.

    Raises:
        UserError: another number of pictures than the model's card says.
    """
    recipe = card.get("recipe")
    wanted = recipe["data"] if isinstance(recipe, dict) else {}
    whole = bool(card.get("drawings"))  # a sample of what was made of drawings that had been chosen already
    styles, groups = (None, None) if whole else (wanted.get("styles"), wanted.get("groups"))
    chosen = [
        i
        for i, r in enumerate(pictures.records)
        if (not styles or r.style in styles) and (not groups or r.group in groups)
    ]
    train = thinned(some(pictures, _of_split(pictures, chosen, True)), 0 if whole else wanted.get("limit", 0))
    held_out = some(pictures, _of_split(pictures, chosen, False))
    expected, found = card.get("pictures"), len(train.records)
    composed = wanted.get("scenes", 0)  # pictures of several things, made of these; nothing in them is from elsewhere
    by_itself = any(record.file_name.startswith(SINGLE) for record in pictures.records)  # counted where it was read
    if expected is not None and expected - composed != found and not by_itself:
        raise UserError(
            f"the model was trained on {expected - composed:,} pictures, and this data has {found:,} of its styles "
            "and groups; give the data it was trained on"
        )
    return PictureSet(torch.cat([train.images, held_out.images]), train.records + held_out.records, pictures.quarantine)


def _of_split(pictures: PictureSet, chosen: Iterable[int], train: bool) -> list[int]:
    return [i for i in chosen if (pictures.records[i].split == "train") == train]


def check(index: Index, pictures: Tensor) -> list[Verdict]:
    """Say of uint8 pictures [N,3,P,P], of the index's side, whether they are copies.

    Raises:
        UserError: the judge's packages are missing.
    """
    found = index.search(look(pictures))
    kinds = [kind(index.limits).tolist() for kind in (found.flagged, found.close)]
    suspect = found.suspect(index.limits).tolist()
    named = [[index.known[i] for i in near.tolist()] for near in (found.features.nearest, found.pixels.nearest)]
    ratios = found.features.ratio.tolist(), found.pixels.ratio.tolist()
    return [
        Verdict(copy, close, index.known[who], by_features, by_pixels, rf, rp)
        for copy, close, who, by_features, by_pixels, rf, rp in zip(*kinds, suspect, *named, *ratios, strict=True)
    ]


def trust(index: Index) -> str:
    """How often the verdict "copy" is wrong, in a sentence."""
    found = share(*index.limits.counts)
    few = f", {index.limits.backdrop} of them starter pictures, since so few were trained on," if index.backdrop else ""
    return (
        f"of {found.n:,} real pictures that are no copies{few} {found.value:.1%} are called copies "
        f"(95 %: {found.low:.1%}–{found.high:.1%})"
    )


def side_by_side(
    index: Index, drawings: Tensor, verdicts: list[Verdict], labels: list[str], known: dict[str, Tensor] | None = None
) -> Any:
    """A sheet: drawing, nearest training picture by features, and by pixels.

    Args:
        index: has a thumbnail of each training picture.
        drawings: uint8 [N,3,P,P] of the index's side.
        verdicts: of the drawings.
        labels: of the rows.
        known: training pictures by name, uint8 [3,P,P], to be shown instead of thumbnails.
    """
    rows = beside(index, drawings, verdicts, known)
    return contact_sheet(rows, labels, COLUMNS)


def beside(
    index: Index, drawings: Tensor, verdicts: list[Verdict], known: dict[str, Tensor] | None = None
) -> list[list[Image.Image]]:
    """The rows of a sheet as :func:`side_by_side` makes it, magnified to 96 pixels or more."""

    def shown(what: Known) -> Tensor:
        if known is not None and what.name in known:
            return known[what.name]
        return enlarged(index.thumbnails[index.places[what.name]], index.side)

    side = index.side * max(1, 96 // index.side)
    rows = [(drawing, shown(v.by_features), shown(v.by_pixels)) for drawing, v in zip(drawings, verdicts, strict=True)]
    return [[to_image(cell).resize((side, side), Image.Resampling.NEAREST) for cell in row] for row in rows]
