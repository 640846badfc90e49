"""Pictures as the API hands them out: in the size and format that was asked for, or behind an address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import Origin, as_stamped, from_image, origin_in, png_bytes, stamped, to_image
from fromnoise.drawing.size import Size
from fromnoise.ground.pictures import opened_file
from fromnoise.provenance.marks import Made
from fromnoise.provenance.stamp import PLAIN, Stamp
from fromnoise.studio.api.state import State
from fromnoise.studio.desk.encode import Format, encoded
from fromnoise.studio.desk.store import Kept


@dataclass(frozen=True)
class Given:
    """How a picture is handed out."""

    size: Size
    kind: Format
    quality: int


def as_given(picture: Tensor, given: Given, origin: Origin, stamp: Stamp = PLAIN) -> bytes:
    """uint8 [3,H,W] or [4,H,W] as a file that says how it was drawn; from a PNG in its own size it can be drawn
    again."""
    if given.kind == "png" and not given.size.enlarged:
        return png_bytes(picture, origin, stamp)
    shown, origin = stamped(from_image(given.size.fit(to_image(picture))), origin, stamp)
    return encoded(to_image(shown), given.kind, given.quality, origin, stamp)


def on_the_way(picture: Tensor, given: Given, made: Made) -> bytes:
    """A picture that is not done yet, uint8 [3,H,W] or [4,H,W], as a file that says that a model makes it; neither
    marked nor signed, since nobody stands behind it."""
    return encoded(given.size.fit(to_image(picture)), given.kind, given.quality, made=made)


def kept_for_link(picture: Image.Image, origin: Origin, size: Size, studio: State) -> str:
    """Keep a picture for as long as its address works; its id."""
    fitted, origin = from_image(size.fit(picture)), as_stamped(origin, studio.settings.stamp)
    request, name = origin.request, secrets.token_hex(16)
    words = (request.prompt, request.style, request.seed)
    until = studio.store.passing() + studio.settings.limits.link_seconds
    kept = Kept(name, "", 0, studio.store.now(), *words, *size.given, origin.to_dict(), expires=until)
    studio.store.add(kept, png_bytes(fitted, origin, studio.settings.stamp))
    return name


def as_kind(file: Path, kind: Format, quality: int, stamp: Stamp = PLAIN) -> bytes:
    """A kept PNG file as another kind of file; as PNG, the file itself."""
    if kind == "png":
        return file.read_bytes()
    with opened_file(file, ("PNG",)) as picture:
        picture.load()
        return encoded(picture, kind, quality, origin_in(file, file.name), stamp)
