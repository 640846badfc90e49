"""Large pictures through the VAE in bands of rows: less memory, and the picture that the whole would give.

Cutting a picture into tiles and decoding each by itself leaves seams: a tile's group norms and attention know nothing
of the others, so each tile gets brightness and contrast of its own, which blending over the borders only hides. Here
one layer after another goes over all bands. Norms take mean and variance over all of them, a band sees as many rows of
its neighbours as the layer's kernel does, and the middle with its attention, at the lowest resolution, is computed
whole. What is left is how sums are rounded.

The most memory that is needed at once is that of the largest layer's input and of one more map between its two
convolutions. Bands are computed side by side, one on each core, and are cut the same for any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.ground.cores import each_alone
from fromnoise.models.layers.norm import as_affine, moments, of_groups
from fromnoise.models.layers.residual import Downsample, ResidualBlock, Upsample
from fromnoise.models.vae.vae import VAE, Posterior

POSITIONS = 1 << 14  # of the larger side, input or output, in a band: what it computes with stays in the cache
WHOLE = {"cpu": 512 * 512}  # pixels up to which the whole is computed at once
WHOLE_ELSEWHERE = 1024 * 1024
Layer = Callable[[Tensor], Tensor]


def decode_any_size(vae: VAE, latents: Tensor) -> Tensor:
    """Pictures (B, 3, h*f, w*f) for latents (B, C, h, w): the whole at once up to 512 x 512 pixels, else in bands.

    Not to be called from :func:`fromnoise.ground.cores.each_alone`, whose threads the bands need.
    """
    return decode_in_bands(vae, latents) if is_wide(latents, vae.factor) else vae.decode(latents)


def encode_any_size(vae: VAE, pictures: Tensor) -> Posterior:
    """The posterior of pictures (B, 3, H, W), -1..1, computed as in :func:`decode_any_size`."""
    return encode_in_bands(vae, pictures) if is_wide(pictures) else vae.encode(pictures)


def is_wide(x: Tensor, factor: int = 1) -> bool:
    """Whether pictures or, with the VAE's factor, latents are computed in bands."""
    return x.shape[2] * x.shape[3] * factor**2 > WHOLE.get(x.device.type, WHOLE_ELSEWHERE)


@torch.no_grad()
def decode_in_bands(vae: VAE, latents: Tensor) -> Tensor:
    """What :meth:`VAE.decode` returns, pictures (B, 3, h*f, w*f), for latents (B, C, h, w)."""
    if len(latents) > 1:
        return torch.cat([decode_in_bands(vae, row) for row in latents.split(1)])
    decoder = vae.decoder
    x = decoder.conv_in(vae.post_quant_conv(latents.to(vae.post_quant_conv.weight.dtype)))
    for block in decoder.middle.values():
        x = block(x)
    for block in decoder.up.values():
        x = _through(block, x)
    return _fill(_new(x, vae.config.in_channels), _after_norm(decoder.norm_out, x, decoder.conv_out), x)


@torch.no_grad()
def encode_in_bands(vae: VAE, pictures: Tensor) -> Posterior:
    """What :meth:`VAE.encode` returns for pictures (B, 3, H, W), -1..1; H and W are multiples of ``vae.factor``."""
    if len(pictures) > 1:
        rows = [encode_in_bands(vae, row) for row in pictures.split(1)]
        return Posterior(torch.cat([row.mean for row in rows]), torch.cat([row.logvar for row in rows]))
    encoder = vae.encoder
    x = pictures.to(vae.quant_conv.weight.dtype)
    x = _fill(_new(x, vae.config.block_out_channels[0]), encoder.conv_in, x)
    for block in encoder.down.values():
        x = _through(block, x)
    for block in encoder.middle.values():
        x = block(x)
    return vae.posterior(encoder.conv_out(F.silu(encoder.norm_out(x))))


def _through(block: nn.Module, x: Tensor) -> Tensor:
    """A block's output for x, (1, C, H, W), which may be written over."""
    if isinstance(block, ResidualBlock):
        return _through_residual(block, x)
    if isinstance(block, Upsample):
        return _fill(_new(x, x.shape[1], 2.0), block, x)
    assert isinstance(block, Downsample)
    assert block.one_sided
    return _fill(_new(x, x.shape[1], 0.5), block, x, above=0)


def _through_residual(block: ResidualBlock, x: Tensor) -> Tensor:
    channels = block.norm_2.num_channels
    h = _fill(_new(x, channels), _after_norm(block.norm_1, x, block.conv_1), x)
    # Of x, a band's output needs no other rows than its own, so that these can be written over. With fewer channels
    # than x, the output lies between what is left of it: a map of its own would be the most that is needed at once.
    out = x[:, :channels] if channels <= x.shape[1] else torch.empty_like(h)

    def shortcut(rows: slice) -> Tensor:
        before = _dense(x[:, :, rows])
        return before if block.shortcut is None else block.shortcut(before)  # type: ignore[no-any-return]

    return _fill(out, _after_norm(block.norm_2, h, block.conv_2), h, plus=shortcut)


def _after_norm(norm: nn.GroupNorm, x: Tensor, layer: nn.Module) -> Layer:
    """The layer on the SiLU of the norm, with mean and variance of the whole of x, (1, C, H, W)."""
    scale, shift = as_affine(norm, *_moments(x, norm), torch.promote_types(x.dtype, torch.float32))
    zeros, ones = torch.zeros_like(shift), torch.ones_like(shift)
    # With statistics given, batch norm is a product and a sum for each channel; in 16 bits it computes in 32.
    return lambda band: layer(F.silu(F.batch_norm(band, zeros, ones, scale, shift, eps=0.0)))


def _moments(x: Tensor, norm: nn.GroupNorm) -> tuple[Tensor, Tensor]:
    """Mean and variance of each group of channels of (1, C, H, W), float64 [groups], from those of bands."""
    bands = _bands(x.shape[2], x.shape[3])
    means, variances = torch.empty(2, len(bands), x.shape[1], dtype=torch.float64, device=x.device)

    def of_band(rows: slice) -> None:
        # Not returned: small tensors that stay, between large ones that go, would keep the memory from being reused.
        index = bands.index(rows)
        means[index], variances[index] = moments(x[0, :, rows].permute(1, 2, 0).flatten(0, 1))

    _side_by_side(of_band, bands, x)
    shares = torch.tensor([rows.stop - rows.start for rows in bands], dtype=torch.float64, device=x.device) / x.shape[2]
    return of_groups(means, variances, shares, norm.num_groups)


def _fill(
    out: Tensor, layer: Layer, x: Tensor, above: int = 1, plus: Callable[[slice], Tensor] | None = None
) -> Tensor:
    """Write a layer's output for x into ``out``, band by band, and return it.

    Args:
        out: (1, C', H', W'), where H' is H, 2 H or H / 2.
        layer: pads with zeros, as it does at the edges of the picture; its kernel sees one row more below.
        x: (1, C, H, W).
        above: rows more that the kernel sees above.
        plus: gives what is added to these rows of the output; only where H' is H.
    """
    height, to = x.shape[2], out.shape[2]

    def of_band(rows: slice) -> None:
        seen = slice(max(rows.start - above, 0), min(rows.stop + 1, height))
        found = layer(_dense(x[:, :, seen]))
        target = out[:, :, rows.start * to // height : rows.stop * to // height]
        first = (rows.start - seen.start) * to // height
        found = found[:, :, first : first + target.shape[2]]
        target.copy_(found if plus is None else found + plus(rows))

    _side_by_side(of_band, _bands(height, max(x.shape[3], out.shape[3] * to // height)), x)
    return out


def _bands(height: int, width: int) -> list[slice]:
    """Rows of each band, an even number of them but for the last; ``width`` positions come of each row."""
    each = max(2, POSITIONS // width // 2 * 2)
    return [slice(first, min(first + each, height)) for first in range(0, height, each)]


def _side_by_side(function: Callable[[slice], None], bands: list[slice], like: Tensor) -> None:
    """Call for every band, on the CPU one on each core."""
    if like.device.type == "cpu":
        each_alone(function, [(rows,) for rows in bands])
    else:
        for rows in bands:
            function(rows)


def _new(x: Tensor, channels: int, scale: float = 1.0) -> Tensor:
    """Memory for a map (1, channels, H * scale, W * scale), channels_last."""
    shape = (1, channels, int(x.shape[2] * scale), int(x.shape[3] * scale))
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
