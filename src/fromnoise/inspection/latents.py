"""A picture to latents and back: what each channel holds, what is lost, and what noise does on either side.

Latents have mean 0 and variance 1 per channel over the pictures that the VAE was trained on, so a channel that is
muted is set to 0, the value that says nothing. All errors are measured in bytes, as a picture is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes, to_bytes
from fromnoise.inspection.pixels import psnr
from fromnoise.models.vae.bands import encode_any_size
from fromnoise.system.text_to_image import TextToImage

LEVELS = (0.5, 1.0, 2.0)  # of the noise that was asked for: half, itself, twice
MOST_NOISE, MOST_SCALE = 10.0, 100.0


@dataclass(frozen=True, eq=False)
class RoundTrip:
    """A picture, its latents, and the picture that they give.

    Attributes:
        picture: uint8 [3,H,W].
        latents: the encoder's mean, float32 [C,h,w].
        back: uint8 [3,H,W].
        factor: pixels that a latent position covers in each direction.
    """

    picture: Tensor
    latents: Tensor
    back: Tensor
    factor: int

    @property
    def db(self) -> float:
        """How near ``back`` comes to the picture, in dB; see :func:`psnr`."""
        return psnr(self.picture, self.back)

    @property
    def error(self) -> Tensor:
        """How far off each pixel is, in levels of 255, mean over colours: float32 [H,W]."""
        return (self.picture.float() - self.back.float()).abs().mean(0)

    @property
    def worst(self) -> tuple[int, int]:
        """(row, column) of the latent position whose square of pixels is furthest off."""
        off = (self.picture.float() - self.back.float()).square().mean(0)
        squares = torch.nn.functional.avg_pool2d(off[None], self.factor)[0]
        row, column = divmod(int(squares.argmax()), squares.shape[1])
        return row, column


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel of latents.

    Attributes:
        index: which.
        latents: float32 [h,w].
        without: the picture decoded with this channel at 0, uint8 [3,H,W].
        lost: dB by which that is further from the picture than what all channels give; below 0 where it is nearer.
    """

    index: int
    latents: Tensor
    without: Tensor
    lost: float

    @property
    def mean(self) -> float:
        """Over positions."""
        return float(self.latents.mean())

    @property
    def variance(self) -> float:
        """Over positions."""
        return float(self.latents.var(correction=0))


@dataclass(frozen=True, eq=False)
class Noised:
    """The same noise, relative to what there is, added to pixels and to latents.

    Attributes:
        amount: standard deviation of the noise, of that of the picture's pixels and of its latents.
        pixels: the picture with noise on its pixels, uint8 [3,H,W].
        latents: what the latents with noise give, uint8 [3,H,W].
        db: of both, against the picture that the latents give without noise.
        coarse: of both, the share of the error's power that is left when it is averaged over squares of a latent
            position's size: shapes, as grain averages out.
    """

    amount: float
    pixels: Tensor
    latents: Tensor
    db: tuple[float, float]
    coarse: tuple[float, float]


def there_and_back(model: TextToImage, picture: Tensor) -> RoundTrip:
    """Encode and decode a picture, uint8 [3,H,W], whose sides are multiples of the VAE's factor."""
    with torch.no_grad():
        mean = encode_any_size(model.vae, from_bytes(picture.to(model.device))[None]).mean.float()
    return RoundTrip(picture, mean[0].cpu(), decoded(model, mean[0]), model.vae.factor)


def each_channel(model: TextToImage, trip: RoundTrip) -> Iterator[Channel]:
    """What each channel does, one after the other; every one costs one decoding."""
    for index, latents in enumerate(trip.latents):
        without = decoded(model, changed(trip.latents, mute=[index]))
        yield Channel(index, latents, without, trip.db - psnr(trip.picture, without))


def check_asked(model: TextToImage, mute: Sequence[int], scale: Mapping[int, float], noise: float) -> None:
    """Refuse what :func:`changed` and :func:`each_noise` would refuse, before anything is computed.

    Raises:
        UserError: see there.
    """
    changed(torch.zeros(model.vae.config.latent_channels, 1, 1), mute, scale)
    _check_noise(noise)


def changed(latents: Tensor, mute: Sequence[int] = (), scale: Mapping[int, float] | None = None) -> Tensor:
    """Latents [C,h,w] with some channels set to 0 and some multiplied.

    Raises:
        UserError: there is no such channel, one is named twice, or a factor is out of range.
    """
    factors = dict(scale or {})
    for channel in (*mute, *factors):
        if not 0 <= channel < len(latents):
            raise UserError(f"there is no channel {channel}: the latents have channels 0…{len(latents) - 1}")
    both = set(mute) & set(factors)
    if both:
        raise UserError(f"channel {min(both)} is to be muted and scaled; do one of them")
    for channel, factor in factors.items():
        if not abs(factor) <= MOST_SCALE:
            raise UserError(f"a channel can be scaled by -{MOST_SCALE:g}…{MOST_SCALE:g}, not {channel}={factor:g}")
    gain = torch.ones(len(latents))
    for channel, factor in {**dict.fromkeys(mute, 0.0), **factors}.items():
        gain[channel] = factor
    return latents * gain[:, None, None].to(latents.device)


def each_noise(model: TextToImage, trip: RoundTrip, amount: float, seed: int = 0) -> Iterator[Noised]:
    """Half of an amount of noise, the amount, and twice as much; always the same noise, only louder.

    Raises:
        UserError: an amount out of range.
    """
    _check_noise(amount)
    for level in LEVELS:
        yield noised(model, trip, level * amount, seed)


def _check_noise(amount: float) -> None:
    if not 0 < amount <= MOST_NOISE:
        raise UserError(f"noise is above 0 and at most {MOST_NOISE:g} (1 is as loud as the picture), not {amount:g}")


def noised(model: TextToImage, trip: RoundTrip, amount: float, seed: int = 0) -> Noised:
    """Add noise to pixels and to latents, each of ``amount`` times their own standard deviation in this picture."""
    rng = torch.Generator().manual_seed(seed)
    there = from_bytes(trip.back)
    pixels = to_bytes(there + amount * there.std() * torch.randn(there.shape, generator=rng))
    noise = torch.randn(trip.latents.shape, generator=rng)
    latents = decoded(model, trip.latents + amount * trip.latents.std() * noise)
    both = (pixels, latents)
    db = [psnr(trip.back, each) for each in both]
    coarse = [coarse_share(trip.back, each, trip.factor) for each in both]
    return Noised(amount, pixels, latents, (db[0], db[1]), (coarse[0], coarse[1]))


def decoded(model: TextToImage, latents: Tensor) -> Tensor:
    """The picture, uint8 [3,H,W], of latents [C,h,w]."""
    return model.decode(latents[None].to(model.device))[0]


def coarse_share(one: Tensor, other: Tensor, side: int) -> float:
    """Share of the power of a difference of pictures, uint8 [3,H,W], that is left in the means of squares: 0…1.

    Independent noise of pixels leaves 1 / side²; a difference that is even over squares leaves all. 0 where equal.
    """
    off = one.float() - other.float()
    power = float(off.square().mean())
    return float(torch.nn.functional.avg_pool2d(off[None], side).square().mean()) / power if power else 0.0
