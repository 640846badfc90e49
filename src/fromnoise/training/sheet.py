"""Small picture grids for the sample sheets of a run."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor


def grid(pictures: Tensor, columns: int, gap: int = 2) -> Image.Image:
    """uint8 pictures [N,3,H,W] as one picture, row by row, with a light gap between them."""
    count, _, height, width = pictures.shape
    rows = -(-count // columns)
    sheet = torch.full((3, rows * (height + gap) - gap, columns * (width + gap) - gap), 225, dtype=torch.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[:, y : y + height, x : x + width] = picture
    return Image.fromarray(sheet.permute(1, 2, 0).numpy())
