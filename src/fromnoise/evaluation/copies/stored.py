"""``copies.safetensors``: the index in a model's folder, so that a copy is found without the training pictures.

Tensors and one compressed text of JSON, about 0.9 KiB per picture: 192 bytes of features, 432 of pixels that compress
to some 270, 330 of thumbnail, 30 of names. Nothing in it is code, and every value is checked before it is used.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fromnoise.evaluation.copies.describe import SIDE
from fromnoise.evaluation.copies.index import OTHERS, Calibration, Index, Known
from fromnoise.evaluation.judge import FEATURES
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import write_atomically
from fromnoise.system.defaults import COPIES, read_facts

FORMAT = "2"
BACKDROP = "3"  # the same with the number of pictures that are only a backdrop
MOST_ABOUT = 64 * 2**20  # bytes of text, unpacked
AGAIN = "make it again with: fromnoise inspect index MODEL --data FOLDER"
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


def pictures_of(styles: Sequence[str], card: dict[str, Any]) -> str:
    """12 hex digits that name what a model was trained on: styles, sources, number and choice of its pictures.

    Not its weights: a model that was converted to another format, or trained for longer, keeps its index.
    """
    recipe = card.get("recipe")
    chosen = recipe.get("data") if isinstance(recipe, dict) else None
    facts = [sorted(styles), card.get("pictures"), card.get("sources"), chosen]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


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
        trained_on: what :func:`pictures_of` says of the model.
        file: its name, for messages.

    Raises:
        UserError: it is damaged, of another version, or another model's.
    """
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        version = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("copies")
        if version not in (FORMAT, BACKDROP):
            said = "no index of copies" if version is None else f"an index in format {version}"
            raise UserError(
                f"{file} is {said}; this version reads formats {FORMAT} and {BACKDROP}: update fromnoise, or {AGAIN}"
            )
        index = _checked(tensors, json.loads(_unpacked(tensors["about"], MOST_ABOUT).decode("utf-8")))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise UserError(f"{file} is damaged ({error}); {AGAIN}") from None
    if index.trained_on != trained_on:
        raise UserError(f"{file} belongs to a model that was trained on other pictures; {AGAIN}")
    return index


def _checked(tensors: dict[str, Tensor], about: dict[str, Any]) -> Index:
    """The index, once every size and number in it makes sense.

    Raises:
        ValueError, KeyError, TypeError: what does not.
    """
    for name, dtype in DTYPES.items():
        _require(tensors[name].dtype == dtype, f"{name} is stored as {tensors[name].dtype}")
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
        _require(tensors[name].shape == shape, f"{name} is {tuple(tensors[name].shape)} and not {shape}")
        _require(bool(torch.isfinite(tensors[name]).all()), f"{name} has values that are no numbers")
    dark = _as_tensor(_unpacked(tensors["dark"], n * 3 * SIDE * SIDE))
    _require(dark.numel() == n * 3 * SIDE * SIDE, "its pixels are cut off")
    dark = dark.reshape(n, -1)
    sources = [tuple(map(str, source)) for source in about["sources"]]
    _require(all(len(source) == 3 for source in sources), "sources are style, licence and author")
    _require(_within(tensors["source"], len(sources)), "it names sources that it does not have")
    _require(_within(tensors["cluster"], n), "its clusters are numbered wrongly")
    _require(int(tensors["cluster"].unique().numel()) > OTHERS + 1, "it has too few pictures")
    _require(isinstance(about["side"], int) and 8 <= about["side"] <= 4096, f"its pictures' side is {about['side']!r}")
    _require(len(texts) == n and all(isinstance(text, str) for text in (*names, *texts)), "names are missing")
    backdrop = about.get("backdrop", 0)
    _require(isinstance(backdrop, int) and 0 <= backdrop < n, f"{backdrop!r} of its {n} pictures are a backdrop")
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
    _require(all(0 <= value <= 1 for value in values_of), "its thresholds are not between 0 and 1")
    return limits


def _cut(thumbnails: Tensor, ends: Sequence[int]) -> tuple[bytes, ...]:
    data, places = thumbnails.numpy().tobytes(), [0, *ends]
    _require(all(a <= b for a, b in pairwise(places)) and places[-1] == len(data), "thumbnails are cut off")
    return tuple(data[a:b] for a, b in pairwise(places))


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _within(numbers: Tensor, count: int) -> bool:
    return bool(((numbers >= 0) & (numbers < count)).all())


def _as_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.zeros(0, dtype=torch.uint8)


def _unpacked(packed: Tensor, most: int) -> bytes:
    """What was compressed, if it is no more than ``most`` bytes."""
    reader = zlib.decompressobj()
    data = reader.decompress(packed.numpy().tobytes(), most)
    _require(reader.eof or not reader.decompress(reader.unconsumed_tail, 1), "it unpacks to too much")
    _require(reader.eof, "a compressed part is cut off")
    return data
