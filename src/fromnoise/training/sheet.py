"""Small picture grids for the sample sheets of a run, with the words that were asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor


def grid(pictures: Tensor, columns: int, gap: int = 2) -> Image.Image:
    """uint8 pictures [N,3,H,W] as one picture, row by row, with a light gap between them."""
    count, _, height, width = pictures.shape
    rows = -(-count // columns)
    sheet = torch.full((3, rows * (height + gap) - gap, columns * (width + gap) - gap), 225, dtype=torch.uint8)
    for i, picture in enumerate(pictures.cpu()):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[:, y : y + height, x : x + width] = picture
    return Image.fromarray(sheet.permute(1, 2, 0).numpy())


NOTE = "sheet"  # the name of a sheet's note in its file
SIZE, LINE, LINES = 11, 13, 3  # of a label: letters, height of a line, lines at most


def labelled(pictures: Tensor, texts: Sequence[str], columns: int, gap: int = 2) -> Image.Image:
    """A grid in which every text stands over the pictures that it belongs to.

    Args:
        pictures: uint8 [N,3,H,W], those of the first text first; every text has as many.
        texts: what was asked for; "" is shown as "(no words)".
        columns: pictures in a row; as many texts beside each other as fit.
        gap: pixels between pictures.
    """
    each = len(pictures) // len(texts)
    beside = max(1, min(columns // each, len(texts)))
    width, font = each * (pictures.shape[3] + gap), ImageFont.load_default(SIZE)
    said = [_lines(text or "(no words)", width - 2 * gap, font) for text in texts]
    above = LINE * max(map(len, said)) + gap
    height = above + pictures.shape[2] + gap
    sheet = Image.new("RGB", (beside * width, -(-len(texts) // beside) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for i, lines in enumerate(said):
        left, top = i % beside * width, i // beside * height
        for j, line in enumerate(lines):
            pen.text((left, top + j * LINE), line, "black", font)
        sheet.paste(grid(pictures[i * each : (i + 1) * each], each, gap), (left, top + above))
    return sheet


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
    """The pictures of a sheet that :func:`labelled` made, as they were put in.

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


def _lines(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """A text on few lines of a width in pixels; what does not fit is cut."""
    found: list[str] = []
    rest = " ".join(text.split())
    while rest and len(found) < LINES:
        fits = len(rest)
        while fits > 1 and font.getlength(rest[:fits]) > width:
            fits -= 1
        if fits < len(rest) and len(found) < LINES - 1 and " " in rest[: fits + 1]:
            fits = rest[: fits + 1].rindex(" ")
        found.append(rest[:fits])
        rest = rest[fits:].lstrip()
    if rest:
        found[-1] = found[-1][:-1] + "…"
    return found
