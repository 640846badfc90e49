"""Where a picture comes from, as far as its file tells: signature, marks of the press, settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import Origin, from_image, origin_in
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.pictures import PictureError, on_white, read_picture
from fromnoise.provenance.credentials import MOST_BYTES, Credentials, credentials_in
from fromnoise.provenance.marks import source_types_in
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
        parameters: what other programs' usual key says, where fromnoise's own is missing.
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

    @property
    def signature(self) -> str:
        """What is to be thought of the signature: "intact", "altered", "damaged", "removed" or "none"."""
        gone = self.credentials.state == "none" and self.origin is not None and bool(self.origin.signer)
        return "removed" if gone else self.credentials.state

    @property
    def sound(self) -> bool:
        """Nothing speaks against it; that nothing speaks for it either is possible."""
        return self.signature in ("intact", "none")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self) | {"signature": self.signature, "sound": self.sound}
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
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"{file} is larger than {MOST_BYTES >> 20} MiB; that is no picture to look at here")
        data = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no file {file}") from None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}") from None
    kind, image, info, damage = _opened(data)
    credentials = credentials_in(data, kind, own)
    yours = credentials.known
    if not yours and known:
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
        one_line(str(info.get("parameters", "")))[:MOST_WORDS],
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


def _xmp(info: dict[str, Any]) -> str:
    """A picture's XMP as Pillow found it, under the names it has in PNG and elsewhere."""
    found = info.get("xmp") or info.get("XML:com.adobe.xmp") or ""
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
