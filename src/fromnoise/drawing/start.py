"""Pictures to start from: another picture noised part of the way, and masks that say what may change."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from fromnoise.diffusion.denoiser import Call, Denoiser, Wrapping, call_many
from fromnoise.diffusion.paths import Path as Walk
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import (
    MOST_SIDE,
    THRESHOLD,
    Opened,
    PictureError,
    eight_bits,
    from_bytes,
    on_white,
    read_picture,
)
from fromnoise.models.vae.bands import encode_any_size
from fromnoise.models.vae.vae import VAE

SHAPES_APART = 0.03  # of width : height, what rounding to pixels may do
LARGEST_STRIP = 4.0  # times the area of the model's own pictures, to keep the shape of a very long photo


@dataclass(frozen=True, eq=False)
class Start:
    """A picture to begin with.

    Attributes:
        picture: uint8 [3,H,W], of the size that is drawn.
        mask: bool [H,W], True where the picture may change; None: everywhere.
    """

    picture: Tensor
    mask: Tensor | None = None

    @property
    def digest(self) -> str:
        """12 hex digits that name this picture and mask."""
        found = hashlib.sha256(self.picture.contiguous().numpy().data)
        found.update(b"" if self.mask is None else self.mask.contiguous().numpy().data)
        return found.hexdigest()[:12]

    def check(self, factor: int) -> None:
        """Refuse a mask that no latent would feel, so that the picture would come back as it went in.

        Args:
            factor: pixels of a latent's side.

        Raises:
            UserError: all that may change lies between the places that latents are masked by.
        """
        if self.mask is not None and not reaches(self.mask, factor):
            raise UserError(
                f"what the mask lets change is smaller than the model can draw ({factor}×{factor} pixels of "
                f"{self.mask.shape[1]}×{self.mask.shape[0]}); paint a larger part white",
                "mask",
            )


@dataclass(frozen=True, eq=False)
class Prepared:
    """A start in a model's latents, for a batch.

    Attributes:
        latents: of the picture, with the VAE's own noise, float32 [B,C,h,w].
        noise: float32 [B,C,h,w].
        mask: float32 [1,1,h,w], 1 where the latents may change; None: everywhere.
        masked: latents of the picture with what may change greyed out, [B,C,h,w], for a U-Net made for inpainting.
    """

    latents: Tensor
    noise: Tensor
    mask: Tensor | None
    masked: Tensor | None

    def keep(self, walk: Walk) -> Callable[[Tensor, float], Tensor] | None:
        """What puts the unmasked latents back after every move, noised to where the sampler is; None without a mask."""
        mask = self.mask
        if mask is None or self.masked is not None:
            return None

        def put_back(x: Tensor, t: float) -> Tensor:
            alpha, sigma = (walk.alpha(t), walk.sigma(t)) if t != -1 else (1.0, 0.0)
            return (1 - mask) * (alpha * self.latents + sigma * self.noise) + mask * x

        return put_back

    def beside(self) -> Tensor | None:
        """Mask and masked latents, [B,1+C,h,w], which a U-Net made for inpainting sees beside its latents."""
        if self.mask is None or self.masked is None:
            return None
        return torch.cat([self.mask.expand(len(self.masked), -1, -1, -1), self.masked], dim=1)


def prepare(
    start: Start, vae: VAE, generators: Sequence[torch.Generator], for_inpainting: bool, whole: bool
) -> Prepared:
    """Encode a start for a batch, each picture with its own generator, which draws in the order diffusers draws in.

    Args:
        start: the picture.
        vae: encodes it, on its own device.
        generators: one per picture of the batch.
        for_inpainting: the U-Net has channels for a mask.
        whole: the strength is 1.
    """
    device = next(vae.parameters()).device
    picture = from_bytes(start.picture.to(device))[None]
    with torch.no_grad():
        posterior = encode_any_size(vae, picture)
        if whole and for_inpainting and start.mask is not None:
            latents = posterior.mean.float().expand(len(generators), -1, -1, -1)  # nothing of it is left
        else:
            latents = torch.cat([posterior.sample(g) for g in generators]).float()
        noise = torch.stack([torch.randn(posterior.mean.shape[1:], generator=g) for g in generators]).to(device)
        if start.mask is None:
            return Prepared(latents, noise, None, None)
        free = start.mask.to(device)[None, None].float()
        mask = F.interpolate(free, size=latents.shape[2:])
        seen = encode_any_size(vae, picture * (free < 0.5))
        masked = torch.cat([seen.sample(g) for g in generators]).float()
        return Prepared(latents, noise, mask, masked if for_inpainting else None)


class WithMore(Wrapping):
    """A denoiser whose network sees more channels than the latents: a mask and the masked picture.

    Args:
        denoiser: sees [B,C+M,h,w] and estimates [B,C,h,w].
        more: [B,M,h,w].
    """

    def __init__(self, denoiser: Denoiser, more: Tensor) -> None:
        super().__init__(denoiser)
        self.more = more

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """x̂_0, float32 [B,C,h,w]."""
        return self.many([(x_t, t, cond)])[0]

    def many(self, calls: Sequence[Call]) -> list[Tensor]:
        """The answers to several calls."""
        return call_many(self.denoiser, [(torch.cat([x, self.more], dim=1), t, cond) for x, t, cond in calls])


def pasted(pictures: Tensor, start: Start | None) -> Tensor:
    """Drawn pictures uint8 [B,3,H,W] with the start's own pixels where its mask allows no change."""
    if start is None or start.mask is None:
        return pictures
    return torch.where(start.mask, pictures, start.picture)


def fitting_size(photo: Image.Image, pixels: int, factor: int) -> tuple[int, int]:
    """(width, height) with a photo's shape, multiples of factor that a model takes.

    About the area of the model's own pictures. A photo that is too long for that keeps its shape up to four times the
    area; beyond, its ends are cut off.
    """
    least = 2 * factor
    scale = math.sqrt(pixels * pixels / (photo.width * photo.height))
    width, height = (round(side * scale / factor) * factor for side in photo.size)
    if min(width, height) >= least:
        return width, height
    most = min(MOST_SIDE, int(LARGEST_STRIP * pixels * pixels / least))
    long = min(most, least * max(photo.size) / min(photo.size))
    long = max(least, int(long / factor) * factor)
    return (long, least) if photo.width > photo.height else (least, long)


def open_photo(file: Path) -> Image.Image:
    """The picture of :func:`read_photo`."""
    return read_photo(file).image


def read_photo(file: Path) -> Opened:
    """Open a photo, or a mask, turned upright by its EXIF: RGB, or RGBA where any of it is transparent.

    Raises:
        UserError: no file, not a picture, or too large.
    """
    try:
        return read_picture(file)
    except FileNotFoundError:
        raise UserError(f"there is no file {file}") from None
    except PictureError as error:
        raise UserError(f"{file}: {error}") from None


def upright(picture: Image.Image, field: str = "image") -> Image.Image:
    """A picture that somebody opened, turned upright by its EXIF: RGB, or RGBA where any of it is transparent.

    What :func:`read_photo` does with a file, so that a picture in memory means the same; done twice it changes nothing.

    Args:
        picture: of any of Pillow's modes.
        field: "image" or "mask", for errors.

    Raises:
        UserError: it is no picture of Pillow's, or holds numbers that say no brightness.
    """
    if not isinstance(picture, Image.Image):
        raise UserError(
            f"{field} must be a picture, as PIL.Image.open(file) gives it, not {type(picture).__name__}", field
        )
    try:
        return eight_bits(ImageOps.exif_transpose(picture), picture.format or "")
    except PictureError as error:
        raise UserError(f"the {field} cannot be read: {error}", field) from None
    except Exception as error:  # a file is unpacked only now, and decoders fail in many ways
        raise UserError(f"the {field} cannot be read: {str(error).partition(chr(10))[0]}", field) from None


def start_from(photo: Image.Image, size: tuple[int, int], mask: Image.Image | None = None) -> Start:
    """A start of (width, height) from a photo, and from a mask that is white where the picture may change.

    What does not fit the wanted shape is cut off evenly at the sides. A photo's transparency is composed on white; of
    a mask only the colour counts, as for diffusers, so that white strokes on an empty layer mean the strokes.

    Raises:
        UserError: photo and mask have different shapes, so that the mask would mean other places than it shows; or
            nothing may change; or a mask with transparency is white everywhere, and what is meant cannot be told.
    """
    photo, mask = upright(photo), None if mask is None else upright(mask, "mask")
    if mask is not None and abs(math.log(mask.width * photo.height / (mask.height * photo.width))) > SHAPES_APART:
        raise UserError(
            f"the mask has {mask.width}×{mask.height} pixels and the photo {photo.width}×{photo.height}; "
            "draw the mask on the photo's own shape",
            "mask",
        )
    picture = ImageOps.fit(on_white(photo), size, Image.Resampling.LANCZOS)
    free = None if mask is None else free_at(mask, size)
    if mask is not None and free is not None:
        _check_mask(mask, free)
    return Start(torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous(), free)


def free_at(mask: Image.Image, size: tuple[int, int]) -> Tensor:
    """Where a mask of (width, height) lets the picture change: bool [height,width]."""
    fitted = ImageOps.fit(mask.convert("L"), size, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(fitted) >= THRESHOLD)


def reaches(free: Tensor, factor: int) -> bool:
    """Whether any latent may change: each is masked as the first pixel of its square is."""
    return bool(free[::factor, ::factor].any())


def _check_mask(mask: Image.Image, free: Tensor) -> None:
    if not free.any():
        brightest = int(np.asarray(mask.convert("L")).max())
        why = "its white parts are too thin" if brightest >= THRESHOLD else f"its brightest grey is {brightest} of 255"
        why = why if brightest else "it is black all over"
        what = "paint white what may change, and the rest black"
        raise UserError(f"the mask lets nothing change, for {why}; {what}", "mask")
    if free.all() and mask.mode == "RGBA":
        raise UserError(
            "the mask protects nothing: under its transparency it is white all over; paint what must stay black",
            "mask",
        )
