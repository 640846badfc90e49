"""The sample sheets of a run as files, with what they were drawn for; and cut apart again."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

from PIL import Image, PngImagePlugin

NOTE = "sheet"  # the name of a sheet's note in its file


def with_note(sheet: Image.Image, texts: Sequence[str]) -> Image.Image:
    """The sheet, which says in its file for what its pictures were drawn."""
    sheet.info[NOTE] = json.dumps({"texts": list(texts)})
    return sheet


def noted(sheet: Image.Image) -> tuple[str, ...] | None:
    """What :func:`with_note` wrote; None where there is nothing that can be read."""
    try:
        texts = json.loads(str(sheet.info.get(NOTE)))["texts"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    good = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    return tuple(texts) if good else None


def png_of(sheet: Image.Image) -> bytes:
    """A sheet as the bytes of a .png, with its note."""
    buffer, info = io.BytesIO(), PngImagePlugin.PngInfo()
    if NOTE in sheet.info:
        info.add_itxt(NOTE, sheet.info[NOTE])
    sheet.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def cut_apart(sheet: Image.Image, texts: Sequence[str], columns: int, each: int, gap: int = 2) -> list[Image.Image]:
    """The pictures of a sheet that :func:`~fromnoise.ground.labelled_sheet.labelled` made, as they were put in.

    Args:
        sheet: RGB.
        texts, columns, gap: as they were given.
        each: pictures below every text.

    Raises:
        ValueError: the sheet was not made like that.
    """
    beside = max(1, min(columns // each, len(texts)))
    side = sheet.width // (beside * each) - gap
    above = sheet.height // -(-len(texts) // beside) - gap - side
    if side < 1 or above < 0:
        raise ValueError("it is too small")
    found = []
    for i in range(len(texts) * each):
        left, top = (i // each) % beside * each + i % each, i // each // beside
        x, y = left * (side + gap), top * (above + side + gap) + above
        found.append(sheet.crop((x, y, x + side, y + side)))
    return found
