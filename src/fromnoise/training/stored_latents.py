"""Latents of a run's pictures in a file, which is written and read piece by piece: they may be larger than memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fromnoise.data.captions import may_mirror, sampling_weights
from fromnoise.data.pictures import PictureSet
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.mapped import parts, placed, release
from fromnoise.ground.tensor_file import TensorFile, mapped_tensors
from fromnoise.ground.whole import whole_file
from fromnoise.training.examples import Latents
from fromnoise.training.processes import here
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import encode_all, encoded

AT_ONCE = 1024  # latents


def write_latents(file: Path, stamp: str, vae: Any, images: Tensor, compute: Compute, whiten: bool = True) -> None:
    """Encode every picture and its mirror image, whitened, with the mean and deviation that whiten them.

    Args:
        file: to write.
        stamp: what they are made from, for :func:`stamp_of`.
        vae: encodes.
        images: uint8 [N,3,P,P].
        compute: device.
        whiten: or leave the latents as they are, because those of a finished model are white already.

    Raises:
        UserError: the disk is full.
    """
    one = tuple(encode_all(vae, images[:1], compute).shape[1:])
    shapes = {"plain": (len(images), *one), "mirrored": (len(images), *one), "mean": one[:1], "std": one[:1]}
    try:
        with whole_file(file) as draft, TensorFile(draft, shapes, {"stamp": stamp}) as made:
            made.write("plain", encoded(vae, images, compute))
            made.write("mirrored", encoded(vae, images, compute, mirrored=True))
            mean, std = _whitening(made["plain"]) if whiten else (torch.zeros(one[0]), torch.ones(one[0]))
            for name in ("plain", "mirrored"):
                made.write(name, ((x - mean[:, None, None]) / std[:, None, None] for x in parts(made[name], AT_ONCE)))
            made.write("mean", [mean])
            made.write("std", [std])
    except OSError as error:
        raise UserError(f"cannot write {file}: {one_line(str(error))}; free some space and run again") from error


def _whitening(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of latents [N,C,h,w]."""
    found = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    release(latents)
    return found


def kept_latents(
    file: Path, stamp: str, vae: Any, pictures: PictureSet, compute: Compute, whiten: bool, scene_share: float
) -> Latents:
    """Latents of a file, which is written first where it is missing or made from something else.

    Args:
        file: holds them.
        stamp: what they are made from.
        vae: encodes; it is whitened in place as the latents are.
        pictures: to encode.
        compute: device.
        whiten: see :func:`write_latents`.
        scene_share: how often composed scenes are seen.
    """
    if (made_from := stamp_of(file)) != stamp:
        if made_from is not None and here().main:
            Console(stderr=True).print("the pictures or the VAE changed: latents are made anew", soft_wrap=True)
        write_latents(file, stamp, vae, pictures.images, compute, whiten)
    stored = read_latents(file, compute.device)
    vae.whiten_(stored["mean"], stored["std"])
    return latents_of(stored, pictures, scene_share)


def read_latents(file: Path, device: torch.device) -> dict[str, Tensor]:
    """What :func:`write_latents` wrote: in place, or on an accelerator where there is room."""
    return {name: placed(tensor, device) for name, tensor in mapped_tensors(file).items()}


def latents_of(stored: dict[str, Tensor], pictures: PictureSet, scene_share: float) -> Latents:
    """Stored latents of pictures, which of them may be mirrored, and how often each is seen."""
    mirror = torch.tensor([may_mirror(r) for r in pictures.records])
    return Latents(stored["plain"], stored["mirrored"], mirror, sampling_weights(pictures.records, scene_share))


def stamp_of(file: Path) -> str | None:
    """What a file of latents was made from; None where it is missing or damaged, and must be made anew."""
    try:
        with safe_open(file, "pt") as stored:
            return str((stored.metadata() or {}).get("stamp"))
    except (OSError, SafetensorError):
        return None
