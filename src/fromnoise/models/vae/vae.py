"""The variational autoencoder: pictures to latents and back.

It owns the numbers of three spaces. Pictures are -1..1. Raw latents are whatever training made of them.
Latents, the only ones seen from outside, have zero mean and unit variance per channel: ``whiten_`` folds the
change between raw and not into the two 1x1 convolutions, so no scale constant exists anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.models.vae.decoder import Decoder
from fromnoise.models.vae.encoder import Encoder


@dataclass(frozen=True)
class VAEConfig(Config):
    """Sizes of the VAE, a subset of AutoencoderKL's.

    Attributes:
        in_channels: channels of the pictures.
        latent_channels: channels of the latents.
        block_out_channels: channels per resolution, highest resolution first; n entries make the latents
            2^(n-1) times smaller than the picture.
        layers_per_block: residual blocks per resolution in the encoder; the decoder has one more.
        norm_num_groups: groups of every group norm; must divide all channels.
        mid_attention: self-attention at the lowest resolution (Stable Diffusion has it; small models need not).
    """

    in_channels: int = 3
    latent_channels: int = 16
    block_out_channels: tuple[int, ...] = (32, 64, 128, 128)
    layers_per_block: int = 1
    norm_num_groups: int = 8
    mid_attention: bool = False

    def __post_init__(self) -> None:
        bad = [c for c in self.block_out_channels if c % self.norm_num_groups]
        if bad or not self.block_out_channels:
            raise UserError(
                f"vae: norm_num_groups = {self.norm_num_groups} must divide every entry of "
                f"block_out_channels = {self.block_out_channels}"
            )

    def build(self) -> VAE:
        """Return a VAE of these sizes with random weights."""
        return VAE(self)


@dataclass(frozen=True)
class Posterior:
    """A diagonal Gaussian over latents, what the encoder knows about a picture.

    Attributes:
        mean: (B, C, h, w), float32 or wider.
        logvar: (B, C, h, w), log-variance, clamped to -30..20.
    """

    mean: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None, noise: Tensor | None = None) -> Tensor:
        """Draw latents (B, C, h, w): mean + std * noise (arXiv 1312.6114, equation 10).

        ``noise`` (B, C, h, w) is drawn from the generator unless it is given.
        """
        if noise is None:
            device = generator.device if generator is not None else self.mean.device
            noise = torch.randn(self.mean.shape, generator=generator, device=device, dtype=self.mean.dtype)
        return self.mean + torch.exp(0.5 * self.logvar) * noise.to(self.mean.device)

    def kl(self) -> Tensor:
        """Return KL(posterior || N(0, 1)) in nats per picture, (B,) (arXiv 1312.6114, appendix B)."""
        each = 0.5 * (self.mean**2 + self.logvar.exp() - 1 - self.logvar)
        return each.flatten(1).sum(dim=1)


class VAE(nn.Module):
    """Encoder and decoder with the arithmetic of AutoencoderKL."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        c, latent = config, config.latent_channels
        self.encoder = Encoder(
            c.in_channels, 2 * latent, c.block_out_channels, c.layers_per_block, c.norm_num_groups, c.mid_attention
        )
        self.decoder = Decoder(
            latent, c.in_channels, c.block_out_channels, c.layers_per_block + 1, c.norm_num_groups, c.mid_attention
        )
        self.quant_conv = nn.Conv2d(2 * latent, 2 * latent, 1)
        self.post_quant_conv = nn.Conv2d(latent, latent, 1)

    @property
    def factor(self) -> int:
        """How many pixels one latent position covers in each direction."""
        return 2 ** (len(self.config.block_out_channels) - 1)

    def encode(self, pictures: Tensor) -> Posterior:
        """Return the posterior of pictures (B, 3, H, W), -1..1; H and W are multiples of ``factor``."""
        return self.posterior(self.encoder(pictures.to(self.quant_conv.weight.dtype)))

    def posterior(self, found: Tensor) -> Posterior:
        """Return the posterior for the encoder's output (B, 2 * latent, h, w)."""
        moments = self.quant_conv(found)
        # Below float32, exp(logvar) and the sum over positions would lose what the KL term is about.
        moments = moments.to(torch.promote_types(moments.dtype, torch.float32))
        mean, logvar = moments.chunk(2, dim=1)  # (B, latent, H/f, W/f) each
        return Posterior(mean, logvar.clamp(-30, 20))

    def decode(self, latents: Tensor) -> Tensor:
        """Return pictures (B, 3, h*f, w*f), about -1..1 and not clamped, for latents (B, C, h, w)."""
        return self.decoder(self.post_quant_conv(latents.to(self.post_quant_conv.weight.dtype)))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the reconstruction of pictures from their mean latents."""
        return self.decode(self.encode(pictures).mean)

    @torch.no_grad()
    def whiten_(self, mean: Tensor, std: Tensor) -> None:
        """Change the latents z to (z - mean) / std, in place, without changing any reconstruction.

        The encoder's last 1x1 convolution W x + b becomes (W x + b - mean) / std for the means and gets
        - 2 log std for the log-variances; the decoder's first becomes W (std z + mean) + b. Composes: a second
        call counts from the latents as they are now.

        Args:
            mean: (C,) per-channel mean of the present latents.
            std: (C,) per-channel standard deviation, above 0.

        Raises:
            UserError: wrong shapes, or a std that is not positive and finite (a dead channel).
        """
        channels = self.config.latent_channels
        if mean.shape != (channels,) or std.shape != (channels,):
            raise UserError(f"whitening needs a mean and a std for each of the {channels} latent channels")
        if not bool(torch.isfinite(mean).all() and torch.isfinite(std).all() and (std > 0).all()):
            raise UserError("whitening needs finite means and stds above 0; a latent channel is constant")
        before, after = (dict(m.named_parameters()) for m in (self.quant_conv, self.post_quant_conv))
        mean, std = mean.to(before["weight"]), std.to(before["weight"])
        before["weight"][:channels] /= std[:, None, None, None]
        before["bias"][:channels] = (before["bias"][:channels] - mean) / std
        before["bias"][channels:] -= 2 * std.log()
        after["bias"].add_(after["weight"][:, :, 0, 0] @ mean)
        after["weight"].mul_(std[None, :, None, None])
