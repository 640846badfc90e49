"""Contact sheets of drawn pictures; see :mod:`fromnoise.ground.contact_sheet`."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground import contact_sheet as ground


def contact_sheet(pictures: Tensor, rows: Sequence[str], columns: Sequence[str], zoom: int = 2) -> Image.Image:
    """Lay pictures out as a table.

    Args:
        pictures: uint8 [rows·columns,3,H,W], row by row.
        rows: labels to the left.
        columns: labels above.
        zoom: whole-number magnification (nearest neighbour, so that pixels stay what they are).

    Returns:
        One RGB picture.
    """
    images, width = [to_image(picture) for picture in pictures], len(columns)
    table = [images[i * width : (i + 1) * width] for i in range(len(rows))]
    return ground.contact_sheet(table, rows, columns, zoom)
