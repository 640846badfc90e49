"""Pictures in rows, each below the words that it was drawn for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

SIZE, LINE, LINES = 11, 13, 3  # of a label: letters, height of a line, lines at most


def grid(pictures: Tensor, columns: int, gap: int = 2) -> Image.Image:
    """uint8 pictures [N,3,H,W] as one picture, row by row, with a light gap between them."""
    count, _, height, width = pictures.shape
    rows = -(-count // columns)
    sheet = torch.full((3, rows * (height + gap) - gap, columns * (width + gap) - gap), 225, dtype=torch.uint8)
    for i, picture in enumerate(pictures.cpu()):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[:, y : y + height, x : x + width] = picture
    return Image.fromarray(sheet.permute(1, 2, 0).numpy())


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
