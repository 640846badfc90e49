"""``map.safetensors``: the map in a model's folder, so that prompts land on it without the training pictures.

About 70 bytes per point, so 20,000 points stay below 1.5 MiB: 48 of its vector, 4 of its place, the rest of its names.
Nothing in it is code, and every value is checked before it is used. A map belongs to the pictures that its model was
trained on and to the CLIP that placed them: a model that was converted keeps its map, one with another CLIP needs
another.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import write_atomically
from fromnoise.inspection.clip_map import ClipMap, caption_vectors, clip_of
from fromnoise.system.copies_file import MAP as KIND
from fromnoise.system.copies_file import check_whose, parts_of, reading, require
from fromnoise.system.defaults import MAP
from fromnoise.system.text_to_image import TextToImage

WAYS = ("umap", "pca")
MOST = 20_000  # points
STEP = 65535  # of a place
ASKED = 8  # captions that are read again when a map is opened
ALIKE = 0.98  # the least cosine between a caption's stored vector and the one read again; formats keep 0.999
HALVES = 1e-3  # what storing means and basis in 16 bits adds to a code's rounding
DTYPES = {
    "places": torch.int16,
    "codes": torch.int8,
    "scales": torch.float32,
    "basis": torch.float16,
    "means": torch.float16,
    "caption_of": torch.int16,
    "style_of": torch.int16,
    "about": torch.uint8,
}


def map_bytes(made: ClipMap) -> bytes:
    """A map as the bytes of its file."""
    styles = sorted(set(made.styles))
    about = {
        "by": made.by,
        "trained_on": made.trained_on,
        "captions": made.captions,
        "names": made.names,
        "styles": styles,
    }
    packed = zlib.compress(json.dumps(about, ensure_ascii=False).encode(), 9)
    scales = made.codes.abs().amax(0).clamp(min=1e-9) / 127
    tensors = {
        "places": (made.places.clamp(0, 1) * STEP).round() - STEP // 2 - 1,
        "codes": (made.codes / scales).round(),
        "scales": scales,
        "basis": made.basis,
        "means": made.means,
        "caption_of": made.caption_of,
        "style_of": torch.tensor([styles.index(style) for style in made.styles]),
        "about": torch.frombuffer(bytearray(packed), dtype=torch.uint8),
    }
    stored = {name: tensors[name].to(dtype).contiguous() for name, dtype in DTYPES.items()}
    return save(stored, {KIND.key: KIND.formats[0]})


def save_map(made: ClipMap, file: Path) -> None:
    """Write a map, whole or not at all."""
    write_atomically(file, map_bytes(made))


def map_of(model: TextToImage) -> ClipMap:
    """The map that a model carries.

    Raises:
        UserError: it carries none, has no CLIP, or the map is damaged, of another version, or another model's.
    """
    clip = clip_of(model)
    if model.clip_map is None:
        name = model.card.get("name") or "the model"
        raise UserError(
            f"{name} ({model.hash}) has no {MAP}; make it with: fromnoise inspect make-map MODEL --data FOLDER"
        )
    known = read_map(model.clip_map, model.trained_on)
    strange = known.basis.shape[1] != clip.config.projection or not _same_clip(known, model)
    if strange:
        raise UserError(f"{MAP} was made with another CLIP than the model's; {KIND.again}")
    return known


def _same_clip(known: ClipMap, model: TextToImage) -> bool:
    """Whether some of the captions are where the model's CLIP puts them."""
    count = len(known.captions)
    asked = sorted({i * count // ASKED for i in range(ASKED)})
    codes = (caption_vectors(model, [known.captions[i] for i in asked]) - known.means[0]) @ known.basis.T
    return bool((F.cosine_similarity(codes, known.codes[asked], dim=1) >= ALIKE).all())


def read_map(data: bytes, trained_on: str, file: str = MAP) -> ClipMap:
    """Read a map from the bytes of its file.

    Args:
        data: the whole file.
        trained_on: what :func:`fromnoise.system.copies_file.pictures_of` says of the model.
        file: its name, for messages.

    Raises:
        UserError: it is damaged, of another version, or of other pictures.
    """
    with reading(file, KIND):
        made = _checked(*parts_of(data, file, KIND))
    check_whose(made.trained_on, trained_on, file, KIND)
    return made


def _checked(tensors: dict[str, Tensor], about: dict[str, Any]) -> ClipMap:
    """The map, once every size and number in it makes sense.

    Raises:
        ValueError, KeyError, TypeError: what does not.
    """
    for name, dtype in DTYPES.items():
        require(tensors[name].dtype == dtype, f"{name} is stored as {tensors[name].dtype}")
        require(bool(torch.isfinite(tensors[name]).all()), f"{name} has values that are no numbers")
    captions, names, styles = (_texts(about[name], name) for name in ("captions", "names", "styles"))
    count, total = len(captions), len(captions) + len(names)
    require(about["by"] in WAYS, f"it was placed by {about['by']!r}")
    require(bool(captions) and bool(names), "it has no points")
    require(total <= MOST, f"it has {total:,} points, more than {MOST:,}")
    require(tensors["basis"].ndim == 2, "basis is no matrix")
    kept, width = tensors["basis"].shape
    require(2 <= kept <= width, f"basis is {(kept, width)}")
    shapes = {
        "places": (total, 2),
        "codes": (total, kept),
        "scales": (kept,),
        "means": (2, width),
        "caption_of": (len(names),),
        "style_of": (len(names),),
    }
    for name, shape in shapes.items():
        require(tensors[name].shape == shape, f"{name} is {tuple(tensors[name].shape)} and not {shape}")
    require(bool((tensors["scales"] > 0).all()), "its scales are not positive")
    require(_within(tensors["caption_of"], count), "it names captions that it does not have")
    require(_within(tensors["style_of"], len(styles)), "it names styles that it does not have")
    return ClipMap(
        about["by"],
        (tensors["places"].float() + STEP // 2 + 1) / STEP,
        captions,
        tensors["caption_of"].long(),
        names,
        tuple(styles[i] for i in tensors["style_of"].tolist()),
        tensors["means"].float(),
        tensors["basis"].float(),
        tensors["codes"].float() * tensors["scales"],
        str(about["trained_on"]),
        float(tensors["scales"].norm()) / 2 + HALVES,
    )


def _texts(values: Any, name: str) -> tuple[str, ...]:
    good = isinstance(values, list) and all(isinstance(value, str) for value in values)
    require(good, f"{name} are no texts")
    return tuple(values)


def _within(numbers: Tensor, count: int) -> bool:
    return bool(((numbers >= 0) & (numbers < count)).all())
