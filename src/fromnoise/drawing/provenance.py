"""Where a picture comes from, as far as its file tells: signature, marks of the press, settings."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image
from torch import Tensor

from fromnoise.drawing.picture_file import Origin, from_image, origin_in
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.file_bytes import bytes_of
from fromnoise.ground.pictures import PictureError, on_white, read_picture
from fromnoise.provenance.credentials import Credentials, credentials_in
from fromnoise.provenance.marks import FROM_AI, source_types_in
from fromnoise.provenance.watermark import Mark, find

LARGE = 1024  # pixels a side
MOST_WORDS = 2000  # characters of other programs' settings
BEGINNINGS = {b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"RIFF": "WEBP", b"GIF8": "GIF", b"II*": "TIFF", b"MM": "TIFF"}


@dataclass(frozen=True)
class Provenance:
    """What a file tells of where its picture comes from.

    Attributes:
        kind: of file, in Pillow's words.
        size: width and height in pixels; None where the picture itself cannot be unpacked any more.
        credentials: its signature.
        yours: it is signed with the reader's own signer.
        source_types: the kinds of source that its XMP names.
        origin: how fromnoise drew it; None where it does not say.
        why_not: why it does not say.
        watermark: whether the invisible mark is in its pixels; None where they cannot be unpacked.
        parameters: settings in the form of most programs: PNG's key for them, or EXIF's comment.
        asked: it was to be signed by somebody whom the reader knows, so that any other signature is not enough.
    """

    kind: str
    size: tuple[int, int] | None
    credentials: Credentials
    yours: bool
    source_types: tuple[str, ...]
    origin: Origin | None
    why_not: str
    watermark: Mark | None
    parameters: str
    asked: bool = False

    @property
    def signature(self) -> str:
        """What is to be thought of the signature: a state of :class:`Credentials`, or "removed"."""
        gone = self.credentials.state == "none" and self.origin is not None and bool(self.origin.signer)
        return "removed" if gone else self.credentials.state

    @property
    def sound(self) -> bool:
        """Nothing speaks against it, and whoever was to have signed it has; that nothing speaks for it either is
        possible where nobody was to."""
        signed = self.signature == "intact" and self.credentials.known if self.asked else True
        return signed and self.signature in ("intact", "expired", "none") and not self.contradictions

    @property
    def contradictions(self) -> tuple[str, ...]:
        """What the file says of itself that cannot all be true; which of it was forged nobody can tell from it."""
        said = (self._sizes(), self._lost_mark(), self._kinds())
        return tuple(sentence for sentence in said if sentence)

    def _sizes(self) -> str:
        if self.origin is None or self.size is None or self.origin.shown_as != "picture":
            return ""
        (width, height), (wide, high) = self.size, (self.origin.request.width, self.origin.request.height)
        if None in (wide, high) or (wide, high) == self.size:
            return ""
        return (
            f"its settings are of a picture of {wide}×{high} pixels, and it has {width}×{height}: it was made larger "
            "or smaller, or they were copied from another picture"
        )

    def _lost_mark(self) -> str:
        if self.origin is None or not self.origin.watermark or self.watermark is None or self.watermark.found:
            return ""
        return (
            "its settings say that its pixels hold a watermark, and they do not: the pixels were changed, or the "
            "settings were copied from another picture"
        )

    def _kinds(self) -> str:
        kinds = {each in FROM_AI for each in (*self.credentials.source_types, *self.source_types)}
        if kinds == {True, False}:
            return "signature and XMP disagree on whether a model made it; anybody can write XMP"
        if kinds != {False}:
            return ""
        if self.watermark is not None and self.watermark.found:
            return "it says that no model made it, and its pixels hold fromnoise's watermark: either can be forged"
        told = "it says that no model made it, and holds fromnoise's settings: either can be forged"
        return told if self.origin is not None else ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self) | {"signature": self.signature, "sound": self.sound}
        found |= {"contradictions": self.contradictions, "reasons": self.credentials.reasons}
        return found | {"origin": None if self.origin is None else self.origin.to_dict()}


def provenance_of(file: Path, own: bytes = b"", known: bytes = b"") -> Provenance:
    """Read what a file tells.

    Args:
        file: a picture; PNG, JPEG, WebP and what else can carry a signature.
        own: the root of the reader's own signer, PEM.
        known: roots of others whom the reader knows, PEM.

    Raises:
        UserError: there is no such file, it is no picture, or it is too large.
    """
    data = bytes_of(file)
    kind, image, info, damage = _opened(data)
    credentials = credentials_in(data, kind, own)
    yours = credentials.known
    if not yours and known:  # not both at once: which of them it was is to be said
        credentials = credentials_in(data, kind, known)
    if damage and credentials.state == "none":
        raise UserError(f"{file} cannot be read as a picture: {damage}")
    origin, why_not = None, ""
    try:
        origin = origin_in(data, str(file))
    except UserError as error:
        why_not = error.message
    return Provenance(
        kind, image.size if image else None, credentials, yours, source_types_in(_xmp(info)), origin, why_not,
        find(_pixels(image)) if image else None,
        one_line(str(info.get("parameters") or _comment(info.get("exif"))))[:MOST_WORDS],
        asked=bool(known),
    )  # fmt: skip


def _pixels(image: Image.Image) -> Tensor:
    """uint8 [3,H,W] of a picture, on white; a large one made smaller, since the mark lies in coarse structure."""
    image = on_white(image if image.mode in ("RGB", "RGBA") else image.convert("RGBA"))
    image.thumbnail((LARGE, LARGE), Image.Resampling.BOX)
    return from_image(image)


def _opened(data: bytes) -> tuple[str, Image.Image | None, dict[str, Any], str]:
    """Kind, pixels and texts of a picture; and what is wrong with it: a file that was changed may still be signed."""
    try:
        opened = read_picture(data)
        return opened.kind, opened.image, {str(key): value for key, value in opened.image.info.items()}, ""
    except PictureError as error:
        return next((kind for begin, kind in BEGINNINGS.items() if data.startswith(begin)), ""), None, {}, str(error)


def _comment(exif: object) -> str:
    """EXIF's comment, where settings stand in JPEG and WebP; "" where there is none that can be read."""
    if not isinstance(exif, bytes):
        return ""
    with contextlib.suppress(Exception):  # it is a small file system of others, and fails in many ways
        found = Image.Exif()
        found.load(exif)
        comment = found.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
        code = {b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii"}.get(comment[:8])
        return comment[8:].decode(code, "replace") if code else ""
    return ""


def _xmp(info: dict[str, Any]) -> str:
    """A picture's XMP as Pillow found it, under the names it has in PNG and elsewhere."""
    found = info.get("xmp") or info.get("XML:com.adobe.xmp") or ""
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
