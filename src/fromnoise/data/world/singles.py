"""Every drawing of the world by itself on white, as one would look for copies of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track

from fromnoise.data.pictures import PictureSet
from fromnoise.data.world.drawing import Drawing, record_of_drawing
from fromnoise.data.world.looks import Looks, render

SHARE = 0.8  # of the picture's side, the longer side of the drawing
SINGLE = "drawing/"  # what their file names begin with


def single_pictures(drawings: list[Drawing], pixels: int) -> PictureSet:
    """Each drawing in the middle of a white square, uint8 [N,3,P,P]; what shows nothing is left out.

    A record's file name is ``SINGLE`` with the drawing's style and its number in the list.
    """
    looks, side = Looks(drawings), SHARE * pixels
    images, records, refused = [], [], []
    console = Console(stderr=True)
    for i, drawing in enumerate(track(drawings, "drawings by themselves", console=console, transient=True)):
        record = dataclasses.replace(record_of_drawing(drawing), file_name=f"{SINGLE}{drawing.style or 'any'}-{i:05d}")
        look = looks(i)
        if look is None:
            refused.append((record.file_name, "it shows nothing"))
            continue
        wide, high = max(1, round(look.wide * side)), max(1, round(look.high * side))
        square = Image.new("RGBA", (pixels, pixels), "white")
        square.alpha_composite(render(drawing, look, wide, high), ((pixels - wide) // 2, (pixels - high) // 2))
        images.append(np.asarray(square.convert("RGB")).transpose(2, 0, 1))
        records.append(record)
    shown = np.stack(images) if images else np.zeros((0, 3, pixels, pixels), np.uint8)
    return PictureSet(torch.from_numpy(shown), records, refused)
