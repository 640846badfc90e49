"""Contact sheets of drawn pictures; see :mod:`fromnoise.ground.contact_sheet`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground import contact_sheet as ground

CHECK, CHECKS = 8, (204, 153)  # pixels of a square, and the greys of both kinds


def contact_sheet(pictures: Tensor, rows: Sequence[str], columns: Sequence[str], zoom: int = 2) -> Image.Image:
    """Lay pictures out as a table.

    Args:
        pictures: uint8 [rows·columns,3,H,W], row by row; with 4 channels they are shown on a checkerboard.
        rows: labels to the left.
        columns: labels above.
        zoom: whole-number magnification (nearest neighbour, so that pixels stay what they are).

    Returns:
        One RGB picture.
    """
    images, width = [on_checks(to_image(picture)) for picture in pictures], len(columns)
    table = [images[i * width : (i + 1) * width] for i in range(len(rows))]
    return ground.contact_sheet(table, rows, columns, zoom)


def on_checks(picture: Image.Image) -> Image.Image:
    """RGB: an RGBA picture on a checkerboard, so that one sees what is transparent; any other as it is."""
    if picture.mode != "RGBA":
        return picture
    rows, columns = np.mgrid[: picture.height, : picture.width] // CHECK
    board = Image.fromarray(np.where((rows + columns) % 2, *CHECKS).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(board, picture).convert("RGB")
