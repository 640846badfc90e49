"""Pictures as bytes: PNG, JPEG or WebP, and as addresses that hold the picture itself."""

from __future__ import annotations

import base64
import io
from typing import Any, Literal

from PIL import ExifTags, Image
from torch import Tensor

from fromnoise.drawing.picture_file import Origin, made_of, readable, stamped, to_image
from fromnoise.ground.pictures import on_white
from fromnoise.provenance.marks import Made, png_info, xmp_of
from fromnoise.provenance.stamp import PLAIN, Stamp

Format = Literal["png", "jpeg", "webp"]
TYPES: dict[Format, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def encoded(
    picture: Image.Image,
    kind: Format = "png",
    quality: int = 100,
    origin: Origin | None = None,
    stamp: Stamp = PLAIN,
    made: Made | None = None,
) -> bytes:
    """A picture as the bytes of a file.

    What cannot be drawn again from (another kind of file, another size) still says how it was made: in XMP, and in
    EXIF's comment, where other programs look for it.

    Args:
        picture: RGB or RGBA.
        kind: of the file; JPEG, which has no transparency, is composed on white.
        quality: 0…100, of JPEG and WebP; 100 is WebP without loss.
        origin: how it was drawn, where that is to be said.
        stamp: signs it, with ``origin`` only; its pixels stay as they are.
        made: what is said of one that is on its way and cannot be drawn from anything: that a model makes it, of what.
    """
    buffer = io.BytesIO()
    said = {} if made is None else _said(made, kind)
    said = said if origin is None else _said(made_of(origin), kind, readable(origin))
    if kind == "png":
        picture.save(buffer, "PNG", compress_level=1, **said)
    elif kind == "jpeg":
        on_white(picture).save(buffer, "JPEG", quality=min(quality, 95), subsampling=0, **said)
    else:
        picture.save(buffer, "WEBP", quality=quality, lossless=quality == 100, method=2, **said)
    return buffer.getvalue() if origin is None else stamp.sealed(buffer.getvalue(), kind.upper(), made_of(origin))


def _said(made: Made, kind: Format, text: str = "") -> dict[str, Any]:
    """What Pillow writes beside the pixels."""
    if kind == "png":
        info = png_info(made)
        if text:
            info.add_itxt("parameters", text)
        return {"pnginfo": info}
    if not text:
        return {"xmp": xmp_of(made).encode()}
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + text.encode("utf-16-be", "replace")
    return {"xmp": xmp_of(made).encode(), "exif": exif}


def data_url(picture: Tensor, made: Made | None = None, origin: Origin | None = None, stamp: Stamp = PLAIN) -> str:
    """uint8 [3,H,W] or [4,H,W] as an address for the page; large ones lose a little, small ones nothing.

    Args:
        picture: drawn, or on its way.
        made: of one on its way; see :func:`encoded`.
        origin: of one that is drawn, which is then marked and signed as ``stamp`` says.
        stamp: what is put on it.
    """
    if origin is not None:
        picture, origin = stamped(picture, origin, stamp)
    large: Format = "jpeg" if len(picture) == 3 else "webp"
    kind: Format = "png" if picture.shape[-1] <= 128 else large
    data = encoded(to_image(picture), kind, 85, origin, stamp, made)
    return f"data:{TYPES[kind]};base64,{base64.b64encode(data).decode()}"
