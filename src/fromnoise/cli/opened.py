"""What commands open before they begin: models with their LoRAs, and pictures to start from."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from fromnoise.drawing.choice import Choice
from fromnoise.drawing.matte import told_of
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.picture_file import Origin
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import Start, fitting_size, open_photo, read_photo, start_from
from fromnoise.drawing.stereogram import told_of_depth
from fromnoise.ground.errors import one_line
from fromnoise.provenance.stamp import PLAIN, Stamp
from fromnoise.system.defaults import slow_format
from fromnoise.system.text_to_image import TextToImage

__all__ = ["Opening", "load", "planned", "tell", "tell_drawn"]


def load(wanted: Opening) -> tuple[str, TextToImage]:
    """The model, ready to draw, and its name; what its makers drew otherwise is said on standard error."""
    name, model = open_model(wanted)
    draws = wanted.precision != "as stored"
    for note in (model.note, slow_format(model.precision, model.device) if draws else ""):
        if note:
            print(one_line(f"note: {note}"), file=sys.stderr)
    return name, model


def tell_line(line: str) -> None:
    """Say a sentence on standard error."""
    print(one_line(line), file=sys.stderr)


def tell_unmarked(stamp: Stamp, shown_as: str, film: Path | None) -> None:
    """Say on standard error what of a stamp is not put on stereograms and films."""
    if stamp.watermark and shown_as == "stereogram":
        tell_line("a stereogram gets no watermark, which would be a fault in its depth")
    if stamp != PLAIN and film is not None:
        tell_line(f"the film is not {stamp.words.replace(' and ', ' or ')}; it only says that a model made it")


def tell(made: Iterable[Plan]) -> None:
    """Say on standard error what the plans have to say, each sentence once."""
    for line in dict.fromkeys(note for each in made for note in each.notes):
        print(one_line(line), file=sys.stderr)


def tell_drawn(picture: Tensor, name: str | Path, choice: Choice | None = None, origin: Origin | None = None) -> None:
    """Say on standard error what there is to say of a drawn picture, uint8 [C,H,W]: how it was chosen among candidates,
    whether it kept the background that it should not have, and whether it had a shape where that was to be hidden."""
    hides = origin is not None and origin.shown_as == "stereogram"
    depth = told_of_depth(picture) if hides else ()
    for note in (*(choice.notes if choice else ()), *told_of(picture), *depth):
        print(one_line(f"{name}: {note}"), file=sys.stderr)


def planned(
    model: TextToImage, request: Request, image: Path | None = None, mask: Path | None = None
) -> tuple[Plan, Start | None]:
    """What will be done, and the picture to start from; without --size the picture's own shape is kept."""
    if image is None:
        return plan(model, request), None
    read = read_photo(image)
    photo = read.image
    if request.width is None and request.height is None:
        width, height = fitting_size(photo, model.pixels, model.vae.factor)
        request = replace(request, width=width, height=height)
    made = plan(model, request)
    if read.many:
        made = replace(made, notes=(*made.notes, f"{image.name} holds several pictures; the first one is used"))
    start = start_from(photo, made.size.drawn, None if mask is None else open_photo(mask))
    start.check(model.vae.factor)
    return made, start
