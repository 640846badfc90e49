"""An invisible mark in the pixels: "drawn by fromnoise", which outlives what a file says of itself.

A fixed random pattern n of ±1 is hidden in the middle frequencies P of Cb, how blue each place is (ITU-R BT.601), where
eyes see little. Whether it is there is asked of b = P(Cb), limited to g = b / sqrt(b² + K²), so that no edge drowns
the rest:

    z = <P g, n> / ‖P g‖

which for a picture without the mark is a draw from the normal distribution, whatever the picture (Cox, Miller & Bloom
2002, "Digital Watermarking", chapter 5, linear correlation with a whitened detector). The mark is put in *knowing* the
picture (informed embedding, ibid. chapter 5.1): Cb is moved up the gradient of z, more where it is busy, until a JPEG
would still show it, and no further. It holds no message and no secret: everybody can look for it, and who knows how can
take it out.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fromnoise.ground.kept import whatever_the_caller_set
from fromnoise.ground.pictures import opened_file
from fromnoise.provenance.stamp import LEAST, Stamp

SIZES = (LEAST, 128)  # grids on which the pattern lies; the larger one that fits into the picture
QUALITY = {LEAST: 75, 128: 55}  # of the JPEG that a mark on each shall outlive: on few pixels more would be seen
SEED = 20_261_130
BAND = (3 / 64, 14 / 64)  # of the grid's frequencies, in cycles per cell
LIMIT = 3.0  # K, of 255: from there on an edge counts no more than others
AIM, AFTER = 8.0, 5.5  # z of the marked picture, and z that is left of it in that JPEG
ROUNDS, STRIDE = 80, 0.5  # moves at most, and how far each goes, root mean square of 255
BUSY = 4.0  # times as far where the picture is busy as where it is plain, at most
CHANCE = 1e-5  # that a picture without the mark is taken for one with it
SHARE = 0.7  # the smallest part of the longer side that a crop may leave
BLUENESS = (-0.168736, -0.331264, 0.5)  # Cb of red, green and blue (ITU-R BT.601)
BLUER = (0.0, -0.344136, 1.772)  # red, green and blue of one more of it


@dataclass(frozen=True)
class Mark:
    """What was found of the mark.

    Attributes:
        found: whether it is there: ``chance`` is below :data:`CHANCE`.
        score: z, as high as it got.
        chance: how likely any place that was looked at reaches it without the mark, 0..1 (Bonferroni's bound).
        share: which part of the marked picture's width and height is left, 0..1.
    """

    found: bool
    score: float
    chance: float
    share: tuple[float, float] = (1.0, 1.0)


def marked(picture: Tensor) -> Tensor:
    """The picture with the mark.

    Args:
        picture: uint8 [3,H,W], or [4,H,W] with alpha, which stays; where it is transparent nothing is changed.

    Raises:
        UserError: a side is shorter than 64 pixels.
    """
    size = _grid(picture.shape[-2:])
    clean = picture.float()
    opaque = clean[3:] / 255 if len(picture) == 4 else torch.ones_like(clean[:1])
    seen = clean[:3] * opaque + 255 * (1 - opaque)
    shape = (int(picture.shape[-2]), int(picture.shape[-1]))
    step = _busy(_on_grid(_blueness(seen), size))
    moved = torch.zeros(size, size)
    with torch.enable_grad():
        for _ in range(ROUNDS):
            now = (seen + _bluer(moved, shape) * opaque).round().clamp(0, 255)
            if (
                _score(_blueness(now), size) >= AIM
                and _score(_blueness(_through_jpeg(now, QUALITY[size])), size) >= AFTER
            ):
                break
            here = moved.clone().requires_grad_()
            z = _score(_blueness((seen + _bluer(here, shape) * opaque).clamp(0, 255)), size)
            (slope,) = torch.autograd.grad(z, here)
            slope = slope * step
            moved = _in_band(moved + STRIDE * slope / slope.square().mean().sqrt().clamp_min(1e-12))
    out = (clean[:3] + _bluer(moved, shape) * (opaque > 0)).round().clamp(0, 255).byte()
    return torch.cat([out, picture[3:]])


def find(picture: Tensor, crops: bool = True) -> Mark:
    """Look for the mark.

    Args:
        picture: uint8 [3,H,W], of any size.
        crops: where the whole picture does not show it, look whether it is part of a square one that does.
    """
    blueness = _blueness(picture.float())
    tried = len(SIZES)
    best = max(float(_score(blueness, size)) for size in SIZES)
    chance = min(1.0, _tail(best) * tried)
    whole = Mark(chance < CHANCE, best, chance)
    if whole.found or not crops:
        return whole
    parts = [_part(blueness, size) for size in SIZES]
    most, share = max((score, share) for score, share, _ in parts)
    chance = min(1.0, _tail(most) * (tried + sum(count for _, _, count in parts)))
    return Mark(chance < CHANCE, most, chance, share) if chance < CHANCE else whole


def _part(blueness: Tensor, size: int) -> tuple[float, tuple[float, float], int]:
    """The best z of the picture as a part of a marked one, which part, and at how many places it was sought."""
    pattern = torch.fft.fft2(_pattern(size))
    best, share, count = -math.inf, (1.0, 1.0), 0
    for longer in range(math.ceil(size * SHARE), size + 1):
        height, width = (max(1, round(longer * side / max(blueness.shape))) for side in blueness.shape)
        part = F.interpolate(blueness[None, None], (height, width), mode="bilinear", antialias=True)
        held = _limited(F.pad(part, (0, size - width, 0, size - height), mode="replicate")[0, 0])
        held[height:], held[:, width:] = 0.0, 0.0
        held = _in_band(held)
        places = torch.fft.ifft2(torch.fft.fft2(held).conj() * pattern).real  # z of every offset at once
        scores = places[: size - height + 1, : size - width + 1] / held.norm().clamp_min(1e-12)
        count += scores.numel()
        if float(scores.max()) > best:
            best, share = float(scores.max()), (width / size, height / size)
    return best, share, count


def _score(blueness: Tensor, size: int) -> Tensor:
    """z of a blueness [H,W] on a grid."""
    held = _in_band(_limited(_on_grid(blueness, size)))
    return (held * _pattern(size)).sum() / held.norm().clamp_min(1e-12)


def _limited(grid: Tensor) -> Tensor:
    """g = b / sqrt(b² + K²) of a blueness [S,S]."""
    band = _in_band(grid)
    return band / (band.square() + LIMIT**2).sqrt()


def _in_band(grid: Tensor) -> Tensor:
    """P: only the middle frequencies of [S,S]."""
    found: Tensor = torch.fft.ifft2(torch.fft.fft2(grid) * _band(len(grid))).real
    return found


@cache
def _band(size: int) -> Tensor:
    """Where the middle frequencies are, 0 or 1, [S,S]."""
    with whatever_the_caller_set():
        frequencies = torch.fft.fftfreq(size)
        reach = (frequencies[:, None].square() + frequencies.square()).sqrt()
        return ((reach >= BAND[0]) & (reach <= BAND[1])).float()


@cache
def _pattern(size: int) -> Tensor:
    """n, float32 [S,S] of ±1."""
    with whatever_the_caller_set():
        rng = torch.Generator().manual_seed(SEED)
        return torch.randint(2, (size, size), generator=rng).float() * 2 - 1


def _grid(shape: torch.Size) -> int:
    """The largest grid that fits."""
    Stamp(watermark=True).check((shape[1], shape[0]))
    return max(size for size in SIZES if size <= min(shape))


def _blueness(picture: Tensor) -> Tensor:
    """float [H,W] of [3,H,W], 0..255."""
    return (picture * torch.tensor(BLUENESS)[:, None, None]).sum(0)


def _on_grid(blueness: Tensor, size: int) -> Tensor:
    """[S,S] of a blueness [H,W]."""
    if blueness.shape == (size, size):
        return blueness
    return F.interpolate(blueness[None, None], (size, size), mode="bilinear", antialias=True)[0, 0]


def _stretched(grid: Tensor, shape: tuple[int, int]) -> Tensor:
    """[H,W] of [S,S]."""
    if grid.shape == shape:
        return grid
    return F.interpolate(grid[None, None], shape, mode="bicubic", align_corners=False)[0, 0]


def _bluer(grid: Tensor, shape: tuple[int, int]) -> Tensor:
    """What red, green and blue change, [3,H,W], for so much more blueness [S,S]."""
    return torch.tensor(BLUER)[:, None, None] * _stretched(grid, shape)


def _busy(grid: Tensor) -> Tensor:
    """How far each place may be moved beside the others, 1 to :data:`BUSY`², [S,S]."""
    activity = F.avg_pool2d(_in_band(grid).abs()[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
    return (1 + activity / 8).clamp_max(BUSY).square()


def _through_jpeg(picture: Tensor, quality: int) -> Tensor:
    """float [3,H,W], 0..255, as a JPEG gives it back."""
    file = io.BytesIO()
    Image.fromarray(picture.byte().permute(1, 2, 0).contiguous().numpy()).save(file, "JPEG", quality=quality)
    with opened_file(file.getvalue(), ("JPEG",)) as again:
        flat = torch.frombuffer(bytearray(again.convert("RGB").tobytes()), dtype=torch.uint8)
    return flat.view(picture.shape[1], picture.shape[2], 3).permute(2, 0, 1).float()


def _tail(z: float) -> float:
    """How likely a normal draw is at least z."""
    return 0.5 * math.erfc(z / math.sqrt(2))
