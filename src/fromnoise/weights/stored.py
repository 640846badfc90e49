"""Weights that lie in files: found, checked by their headers, and read tensor by tensor."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.tensor_file import size_said
from fromnoise.weights.files import read_json
from fromnoise.weights.names import Entry, State, to_foreign

MOST_MAPPED = 256 * 2**20  # bytes of files that may lie in memory beside the model
FORMATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
# Formats of 8 bits, which torch hardly computes in; float16 holds each of their numbers exactly.
FORMATS |= {"F8_E4M3": torch.float16, "F8_E5M2": torch.float16}
CONFIG = "does not fit its config.json"


@dataclass(frozen=True)
class Stored:
    """Where a tensor is: its file, its name there, and what part of it is meant.

    Attributes:
        file: a safetensors file.
        name: in that file.
        shape: of the part.
        dtype: as stored, in the format's words ("F16").
        third: 0, 1 or 2 for the upper, middle or lower third of the rows (queries, keys and values in one); None: all.
        transposed: a matrix that is stored the other way round.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str
    third: int | None = None
    transposed: bool = False


class Weights:
    """The tensors of one or several safetensors files, by name. Nothing is read before it is taken.

    Files are mapped into memory and let go again every 256 MiB, so reading a model needs the memory of the model and
    hardly more.

    Args:
        places: where each tensor is.
        misfit: what to say of a file whose tensors are not those that are expected.
        called: what the file calls a tensor, where that is another name; for messages.
    """

    def __init__(
        self, places: Mapping[str, Stored], misfit: str = CONFIG, called: Mapping[str, str] | None = None
    ) -> None:
        self.places, self.misfit, self.called = dict(places), misfit, called or {}
        self._open: dict[Path, Any] = {}
        self._mapped = 0

    @property
    def file(self) -> Path:
        """A file to name in messages."""
        return next((place.file for place in self.places.values()), Path("the file of weights"))

    @property
    def files(self) -> list[Path]:
        """All files, each once, in the order of their names."""
        return sorted({place.file for place in self.places.values()})

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor."""
        return {name: place.shape for name, place in self.places.items()}

    @property
    def dtype(self) -> torch.dtype:
        """The format that most tensors are stored in."""
        counts = Counter(place.dtype for place in self.places.values())
        return FORMATS.get(counts.most_common(1)[0][0], torch.float32)

    def renamed(self, names: Mapping[str, Stored]) -> Weights:
        """The same files under other names."""
        return Weights(names, self.misfit, self.called)

    def take(self, name: str, dtype: torch.dtype | None) -> Tensor:
        """A tensor in memory of its own; floating-point ones in ``dtype``, or as they are stored (8 bits as float16).

        Copied even when it has that format already: what is read lies wherever the file put it, and how a matrix
        product rounds may depend on where in memory its inputs begin.
        """
        place = self.places[name]
        try:
            x: Tensor = self._reader(place.file).get_tensor(place.name)
        except (SafetensorError, OSError, ValueError) as error:
            raise UserError(f"{place.file} is damaged: {error}") from None
        self._mapped += x.numel() * x.element_size()
        x = x if place.third is None else x.chunk(3)[place.third]
        x = x.T.contiguous() if place.transposed else x
        x = x.to(dtype or FORMATS.get(place.dtype, x.dtype), copy=True) if x.is_floating_point() else x.clone()
        if self._mapped > MOST_MAPPED:
            self._open.clear()
            self._mapped = 0
        return x

    def _reader(self, file: Path) -> Any:
        if file not in self._open:
            self._open[file] = safe_open(file, "pt")
        return self._open[file]


def find_weights(folder: Path, stem: str) -> Weights:
    """Return the weights of a part of a model: one file, or shards with their index.

    Args:
        folder: e.g. ``model/unet``.
        stem: e.g. "diffusion_pytorch_model"; a ".fp16" variant is taken where there is no other.

    Raises:
        UserError: no such file (a pickled one is named but never opened), or a damaged one.
    """
    for ending in ("", ".fp16", ".bf16"):
        single = folder / f"{stem}{ending}.safetensors"
        indices = [folder / f"{stem}.safetensors.index{ending}.json", folder / f"{stem}{ending}.safetensors.index.json"]
        if single.is_file():
            return Weights(stored_in(single))
        for index in indices:
            if index.is_file():
                return Weights(_sharded(index))
    pickled = next((file for kind in ("*.bin", "*.ckpt", "*.pt") for file in folder.glob(kind)), None)
    hint = f"; {pickled.name} is a pickle, which can run code: convert it to safetensors" if pickled else ""
    raise UserError(f"{folder / stem}.safetensors is missing{hint}")


def stored_in(file: Path) -> dict[str, Stored]:
    """Return what a safetensors file holds; only its header is read.

    Raises:
        UserError: it is something else, or damaged.
    """
    try:
        _check_kind(file)
        size_said(file)
        with safe_open(file, "pt") as reader:
            slices = {name: reader.get_slice(name) for name in reader.keys()}  # noqa: SIM118 (no mapping)
            found = {n: Stored(file, n, tuple(x.get_shape()), x.get_dtype()) for n, x in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        if not os.access(file, os.R_OK):
            raise UserError(f"{file} may not be read by this user") from None
        raise UserError(f"{file} is damaged: {str(error)[:300]}") from None
    if not found:
        raise UserError(f"{file} is damaged: it holds no tensors")
    return found


def _check_kind(file: Path) -> None:
    """Refuse, by its first bytes and whatever its name says, what is not safetensors."""
    with file.open("rb") as stream:
        begin = stream.read(16)
    size = int.from_bytes(begin[:8], "little")
    if begin.startswith(b"version https"):
        raise UserError(f"{file} is a pointer of git lfs and not the weights; fetch them with: git lfs pull")
    if begin.startswith((b"GGUF", b"ggml", b"tjgg")):
        raise UserError(f"{file} is a GGUF file (weights of few bits), which is not supported; use a .safetensors file")
    if begin.startswith(b"\x89HDF"):
        raise UserError(f"{file} is an HDF5 file (Keras), which is not supported; use a .safetensors file")
    if begin.startswith((b"PK", b"\x80")) and begin[8:9] != b"{":
        raise UserError(f"{file} is a pickle with another name, which can run code; it is not opened")
    if len(begin) < 9 or begin[8:9] != b"{" or size + 8 > file.stat().st_size:
        raise UserError(f"{file} is damaged: it does not begin like a safetensors file of its size")


def _sharded(index: Path) -> dict[str, Stored]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise UserError(f"{index} is damaged: it has no weight_map")
    found: dict[str, Stored] = {}
    for name in sorted(set(places.values())):
        shard = index.parent / name
        if not _beside(shard, index.parent):
            raise UserError(f"{index} names '{name}', which is outside of the model")
        if not shard.is_file():
            raise UserError(f"{shard} is missing; {index.name} names it")
        found |= stored_in(shard)
    return found


def _beside(shard: Path, folder: Path) -> bool:
    """Whether a shard lies in the model: in this folder or in one beside it (clip/ refers to text_encoder/)."""
    return shard.resolve().is_relative_to(folder.resolve().parent) or shard.is_symlink()


def fill(
    network: nn.Module, weights: Weights, names: Iterable[Entry], dtype: torch.dtype | None, partly: bool = False
) -> None:
    """Give a network made by :func:`empty` the stored tensors, one after the other.

    Args:
        network: without memory of its own.
        weights: under the foreign names of ``names``.
        names: one entry per tensor of the network, or of the part that is filled.
        dtype: of floating-point tensors; None: as they are stored.
        partly: other tensors of the network stay as they are.

    Raises:
        UserError: a tensor is missing, unknown or has another shape; the message names the file and the first one.
    """
    names = list(names)
    expected = foreign_shapes(network, names)
    check_shapes(weights, expected)
    _check_formats(weights, expected)
    state: State = {}
    for entry in names:
        parts = [weights.take(name, dtype).reshape(expected[name]) for name in entry.theirs]
        tensor = torch.cat(parts) if len(parts) > 1 else parts[0]
        state[entry.ours] = tensor.flatten(1) if entry.convolution else tensor
    network.load_state_dict(state, assign=True, strict=not partly)


def foreign_shapes(network: nn.Module, names: Iterable[Entry]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the foreign tensors that a network's entries stand for."""
    return {name: tuple(x.shape) for name, x in to_foreign(network.state_dict(), names).items()}


def check_shapes(weights: Weights, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Compare names and shapes.

    Raises:
        UserError: a tensor is missing, unknown or has another shape; the message names the file and the first one.
    """
    found, wrong = weights.shapes, f"{weights.file} {weights.misfit}"
    missing = [name for name in expected if name not in found]
    if missing:
        raise UserError(
            f"{wrong}: {len(missing)} tensors missing, first '{weights.called.get(missing[0], missing[0])}'"
        )
    extra = sorted(name for name in found if name not in expected)
    if extra:
        raise UserError(f"{wrong}: {len(extra)} unknown tensors, first '{one_line(extra[0])}'{_scaled(extra)}")
    for name, shape in expected.items():
        if _plain(found[name]) != _plain(shape):
            raise UserError(f"{wrong}: '{weights.called.get(name, name)}' is {found[name]}, expected {shape}")


def _check_formats(weights: Weights, names: Iterable[str]) -> None:
    """Refuse whole numbers and other formats that are no weights without a table of their own."""
    for name in names:
        place = weights.places[name]
        if place.dtype not in FORMATS:
            raise UserError(
                f"{place.file}: '{place.name}' is stored as {place.dtype}; quantised files are not supported, use one "
                "with float16, bfloat16, float32 or fp8"
            )


def _scaled(names: list[str]) -> str:
    """What to say of tensors that belong to weights of few bits."""
    marks = ("scale_weight", "weight_scale", "scaled_fp8", "absmax", "quant_map", "quant_state", "qweight", "qzeros")
    if any(mark in name for name in names for mark in marks):
        return "; quantised files with scales of their own are not supported"
    return ""


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the ones at its end: old files mix matrices and 1x1 convolutions, and biases with both."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
