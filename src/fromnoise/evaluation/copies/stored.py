"""``copies.safetensors``: the index in a model's folder, so that a copy is found without the training pictures.

Tensors and one compressed text of JSON, about 0.9 KiB per picture: 192 bytes of features, 432 of pixels that compress
to some 270, 330 of thumbnail, 30 of names. Nothing in it is code, and every value is checked before it is used.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from fromnoise.drawing.known_pictures import dark_in
from fromnoise.evaluation.copies.index import OTHERS, Calibration, Index, Known
from fromnoise.evaluation.judge import FEATURES
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import write_atomically
from fromnoise.system.copies_file import BACKDROP, FORMAT, check_whose, parts_of, pictures_of, reading, require
from fromnoise.system.defaults import COPIES, read_facts

DTYPES = {
    "centre": torch.float16,
    "components": torch.float16,
    "features": torch.float16,
    "dark": torch.uint8,
    "cluster": torch.int32,
    "source": torch.int32,
    "ends": torch.int32,
    "thumbnails": torch.uint8,
    "about": torch.uint8,
}


def save_index(index: Index, file: Path) -> None:
    """Write an index, whole or not at all."""
    sources = sorted({(k.style, k.licence, k.author) for k in index.known})
    ends = torch.tensor([len(data) for data in index.thumbnails]).cumsum(0)
    about = {
        "side": index.side,
        "trained_on": index.trained_on,
        "limits": index.limits.to_dict(),
        "sources": sources,
        "names": [k.name for k in index.known],
        "texts": [k.text for k in index.known],
        **({"backdrop": index.backdrop} if index.backdrop else {}),
    }
    tensors = {
        "centre": index.centre,
        "components": index.components,
        "features": index.features,
        "dark": _as_tensor(zlib.compress(index.dark.numpy().tobytes(), 9)),
        "cluster": index.cluster,
        "source": torch.tensor([sources.index((k.style, k.licence, k.author)) for k in index.known]),
        "ends": ends,
        "thumbnails": _as_tensor(b"".join(index.thumbnails)),
        "about": _as_tensor(zlib.compress(json.dumps(about, ensure_ascii=False).encode(), 9)),
    }
    stored = {name: tensors[name].to(dtype).contiguous() for name, dtype in DTYPES.items()}
    write_atomically(file, save(stored, {"copies": BACKDROP if index.backdrop else FORMAT}))


def load_index(folder: Path) -> Index:
    """Read the index of a model's folder.

    Raises:
        UserError: there is none, it is damaged, of another version, or another model's.
    """
    facts = read_facts(folder)
    styles, card = facts.styles, facts.card
    try:
        data = (folder / COPIES).read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{folder} has no {COPIES}; make it with: fromnoise inspect index MODEL --data FOLDER"
        ) from None
    return read_index(data, pictures_of(styles, card), str(folder / COPIES))


def read_index(data: bytes, trained_on: str, file: str = COPIES) -> Index:
    """Read an index from the bytes of its file.

    Args:
        data: the whole file.
        trained_on: what :func:`fromnoise.system.copies_file.pictures_of` says of the model.
        file: its name, for messages.

    Raises:
        UserError: it is damaged, of another version, or another model's.
    """
    with reading(file):
        index = _checked(*parts_of(data, file))
    check_whose(index.trained_on, trained_on, file)
    return index


def _checked(tensors: dict[str, Tensor], about: dict[str, Any]) -> Index:
    """The index, once every size and number in it makes sense.

    Raises:
        ValueError, KeyError, TypeError: what does not.
    """
    for name, dtype in DTYPES.items():
        require(tensors[name].dtype == dtype, f"{name} is stored as {tensors[name].dtype}")
    names, texts, n = about["names"], about["texts"], len(about["names"])
    components = tensors["components"].shape[-1]
    shapes = {
        "centre": (FEATURES,),
        "components": (FEATURES, components),
        "features": (n, components),
        "cluster": (n,),
        "source": (n,),
        "ends": (n,),
    }
    for name, shape in shapes.items():
        require(tensors[name].shape == shape, f"{name} is {tuple(tensors[name].shape)} and not {shape}")
        require(bool(torch.isfinite(tensors[name]).all()), f"{name} has values that are no numbers")
    dark = dark_in(tensors, n)
    sources = [tuple(map(str, source)) for source in about["sources"]]
    require(all(len(source) == 3 for source in sources), "sources are style, licence and author")
    require(_within(tensors["source"], len(sources)), "it names sources that it does not have")
    require(_within(tensors["cluster"], n), "its clusters are numbered wrongly")
    require(int(tensors["cluster"].unique().numel()) > OTHERS + 1, "it has too few pictures")
    require(isinstance(about["side"], int) and 8 <= about["side"] <= 4096, f"its pictures' side is {about['side']!r}")
    require(len(texts) == n and all(isinstance(text, str) for text in (*names, *texts)), "names are missing")
    backdrop = about.get("backdrop", 0)
    require(isinstance(backdrop, int) and 0 <= backdrop < n, f"{backdrop!r} of its {n} pictures are a backdrop")
    whose = [sources[i] for i in tensors["source"].tolist()]
    known = [Known(name, text, *w) for name, text, w in zip(names, texts, whose, strict=True)]
    return Index(
        about["side"],
        tensors["centre"].float(),
        tensors["components"].float(),
        tensors["features"],
        dark,
        tensors["cluster"].long(),
        tuple(known),
        _cut(tensors["thumbnails"], tensors["ends"].tolist()),
        _limits(about["limits"]),
        str(about["trained_on"]),
        backdrop,
    )


def _limits(values: dict[str, Any]) -> Calibration:
    try:
        limits = Calibration.from_dict(values)
    except UserError as error:
        raise ValueError(str(error)) from None
    values_of = (limits.features, limits.pixels, limits.close_features, limits.close_pixels)
    require(all(0 <= value <= 1 for value in values_of), "its thresholds are not between 0 and 1")
    return limits


def _cut(thumbnails: Tensor, ends: Sequence[int]) -> tuple[bytes, ...]:
    data, places = thumbnails.numpy().tobytes(), [0, *ends]
    require(all(a <= b for a, b in pairwise(places)) and places[-1] == len(data), "thumbnails are cut off")
    return tuple(data[a:b] for a, b in pairwise(places))


def _within(numbers: Tensor, count: int) -> bool:
    return bool(((numbers >= 0) & (numbers < count)).all())


def _as_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.zeros(0, dtype=torch.uint8)
