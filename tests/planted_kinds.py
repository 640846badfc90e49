"""Pictures of planted kinds: yellow bars, red discs, green squares, of many sizes and places."""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import replace

import torch
from safetensors.torch import save
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.kinds import SIDE, Drawings, gather
from fromnoise.system.copies_file import FORMAT
from fromnoise.system.text_to_image import TextToImage

KINDS = ("bar", "disc", "square")
COLOURS = ((240, 220, 20), (220, 30, 30), (30, 180, 40))


def shape(kind: int, number: int) -> Tensor:
    """uint8 [3,SIDE,SIDE] on white; another number is another size and place."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    y, x, size = 20 + 5 * (number % 5), 22 + 6 * (number % 4), 7 + (3 * number) % 9
    far_y, far_x = (rows - y).abs(), (columns - x).abs()
    inside = [
        (far_y <= size // 4) & (far_x <= size + 4),
        far_y**2 + far_x**2 <= size**2,
        torch.maximum(far_y, far_x) <= size,
    ]
    picture = torch.full((3, SIDE, SIDE), 255, dtype=torch.uint8)
    picture[:, inside[kind]] = torch.tensor(COLOURS[kind], dtype=torch.uint8)[:, None]
    return picture


def planted(each: int = 6, kinds: tuple[str, ...] = KINDS) -> Drawings:
    """``each`` pictures of each kind."""
    pictures = [(kind, shape(k, n)) for k, kind in enumerate(kinds) for n in range(each)]
    captions = [f"a {kind}" for kind, _ in pictures]
    names = [f"{kind} {i}" for i, (kind, _) in enumerate(pictures)]
    return gather(captions, names, lambda i: pictures[i][1], kinds, "that are planted")


def with_pictures(model: TextToImage, kinds: tuple[str, ...] = KINDS, each: int = 6) -> TextToImage:
    """The model with an index of such pictures, as far as telling kinds apart reads it."""
    files, ends = [], []
    for kind in range(len(kinds)):
        for number in range(each):
            buffer = io.BytesIO()
            to_image(shape(kind % len(KINDS), number)).save(buffer, "WEBP", lossless=True)
            files.append(buffer.getvalue())
            ends.append(len(b"".join(files)))
    texts = [kind for kind in kinds for _ in range(each)]
    about = {"trained_on": model.trained_on, "sources": [["noto", "MIT", "A."]], "texts": texts, "side": SIDE}
    tensors = {
        "source": torch.zeros(len(texts), dtype=torch.int32),
        "ends": torch.tensor(ends, dtype=torch.int32),
        "thumbnails": torch.frombuffer(bytearray(b"".join(files)), dtype=torch.uint8),
        "about": torch.frombuffer(bytearray(zlib.compress(json.dumps(about).encode())), dtype=torch.uint8),
    }
    return replace(model, copies=save(tensors, {"copies": FORMAT}))
