"""Task: a VAE that reconstructs pictures (Kingma & Welling 2013, arXiv 1312.6114).

The loss is made for flat art: L1, multi-scale L1, L1 of the gradients (sharp edges), 1 − SSIM, and a
touch of KL. An adversary (``training/adversary.py``) may ask for crisp edges as well, which no distance does. It learns
from the same pictures alone: no network that knows others has a part here, since those judge what is drawn
(``evaluation/judge.py``), and what judges must not have taught.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from fromnoise.ground.labelled_sheet import labelled
from fromnoise.ground.mapped import parts, placed, rows
from fromnoise.ground.pictures import from_bytes, to_bytes
from fromnoise.models.vae.vae import VAE
from fromnoise.training.adversary import Adversary
from fromnoise.training.clock import Clock, Order
from fromnoise.training.growing import said_of_half
from fromnoise.training.health.beside import detail
from fromnoise.training.recipe import VAEStage
from fromnoise.training.rival import NOBODY
from fromnoise.training.share import ALL, Share
from fromnoise.training.tasks.base import Compute, Losses, Task


class VAETask(Task):
    """Train a VAE on pictures.

    Args:
        stage: size, loss weights and training of the VAE.
        pictures: those to train on, uint8 [N,3,P,P], and those that are never trained on, for the score and the sheet,
            uint8 [M,3,P,P]; with M = 0 some of the former take their place.
        network: the VAE, in the compute format.
        compute: device and format.
        seed: the run's seed.
        known: the VAE whose latents are kept, where the stage ``grows``; frozen.
    """

    name = "vae"

    def __init__(
        self, stage: VAEStage, pictures: tuple[Tensor, Tensor], network: VAE, compute: Compute, seed: int,
        known: VAE | None = None,
    ) -> None:  # fmt: skip
        self.stage, self.config, self.network, self.compute = stage, stage.loop, network, compute
        images, held_out = pictures
        self._watched = "held_out" if len(held_out) else "train"
        watched = held_out[:256] if len(held_out) else images[:64]
        self.images, self.watched = placed(images, compute.device), watched.to(compute.device)
        self.order = Order(torch.ones(len(images)), seed)
        self.adversary = Adversary(stage.adversary, compute.device, seed) if stage.adversary.weight else None
        self.rival = self.adversary or NOBODY
        self.steady = self.adversary is None
        self.known = known
        if stage.decoder_only:
            network.requires_grad_(False)
            network.decoder.requires_grad_(True)

    def rehearsing(self) -> Self:
        """Of pictures alone: a rival that learns at the same time would hide whether the network does."""
        twin = super().rehearsing()
        twin.adversary, twin.rival = None, NOBODY
        return twin

    def batch(self, clock: Clock) -> Tensor:
        """Pictures in −1…1, [b,3,P,P]: mirrored at random, and a fifth of them with their colours swapped.

        Where the stage asks for crops, of each picture a square at a random place, [B,3,crop,crop].
        """
        cut = self.share.cut
        images = rows(self.images, cut(self.order.indices(clock)), self.compute.device)
        if self.stage.crop:
            images = random_crops(images, self.stage.crop, clock.generator("crops"), self.share)
        pictures = from_bytes(images)
        draw = torch.rand(2, clock.batch, generator=clock.generator("augment"))
        mirror = cut(draw[0] < 0.5).to(pictures.device)
        pictures = torch.where(mirror[:, None, None, None], pictures.flip(3), pictures)
        swap = cut(draw[1] < 0.2).to(pictures.device)
        channels = torch.randperm(3, generator=clock.generator("colours")).to(pictures.device)
        return torch.where(swap[:, None, None, None], pictures[:, channels], pictures)

    def losses(self, batch: Tensor, clock: Clock) -> Losses:
        """The weighted loss and its parts."""
        pictures = batch.to(self.compute.dtype).contiguous(memory_format=self.compute.memory_format)
        posterior = self.network.encode(pictures)
        if self.known is None:
            noise = self.share.noise(posterior.mean, clock.batch, clock.generator("posterior", batch.device))
            latents = posterior.sample(noise=noise)
        else:
            latents = said_of_half(self.known, pictures)
        decoded = self._decode(self._harder(latents, clock))
        parts = reconstruction_losses(decoded, batch)
        parts["kl"] = posterior.kl().float().mean()
        if self.known is not None:
            parts["latents"] = F.mse_loss(posterior.mean.float(), latents)
        if self.stage.equivariance:
            parts["equivariance"] = self._equivariance(latents, batch, clock)
        if self.adversary is not None:
            parts["adversarial"] = self.adversary.fooled(*self._shown(decoded, batch, clock))
        return {"loss": self._weighted(parts), **parts}

    def _shown(self, decoded: Tensor, batch: Tensor, clock: Clock) -> tuple[Tensor, Tensor]:
        """What the adversary sees of reconstructions and their pictures: all, or the same square of both."""
        if not (side := self.stage.adversary.crop):
            return decoded, batch
        both = torch.cat([decoded, batch], 1)
        shown, real = random_crops(both, side, clock.generator("adversary"), self.share).split(3, 1)
        return shown.contiguous(), real.contiguous()

    def _harder(self, latents: Tensor, clock: Clock) -> Tensor:
        """Latents with noise added and their last channels left out, as far as the stage asks for it."""
        share, count = self.share, clock.batch
        if self.stage.noise:
            rng = clock.generator("latent noise", latents.device)
            strength = share.cut(self.stage.noise * torch.rand(count, 1, 1, 1, generator=rng, device=latents.device))
            noise = share.noise(latents.detach().float(), count, rng)
            spread = share.together(latents.detach().float(), count).std((0, 2, 3), keepdim=True)
            latents = latents + (strength * spread * noise).to(latents.dtype)
        if self.stage.prefixes:
            which = torch.randint(len(self.stage.prefixes), (count,), generator=clock.generator("prefixes"))
            kept = torch.tensor(self.stage.prefixes)[share.cut(which)].to(latents.device)
            latents = first_channels(latents, kept)
        return latents

    def _weighted(self, parts: dict[str, Tensor]) -> Tensor:
        weights = self.stage.weights()
        return torch.stack([weights[name] * part for name, part in parts.items()]).sum()

    def _decode(self, latents: Tensor) -> Tensor:
        decoded: Tensor = self.network.decode(latents.contiguous(memory_format=self.compute.memory_format))
        return decoded.float().contiguous()

    def _equivariance(self, latents: Tensor, batch: Tensor, clock: Clock) -> Tensor:
        """A latent made smaller or turned should decode to the picture made smaller or turned (EQ-VAE, Kouzelis et
        al. 2025, arXiv 2502.09509, eq. 4); such latents are easier to un-noise.
        """
        draw = torch.rand(2, generator=clock.generator("transformation"))
        side = latents.shape[-1]
        smaller = max(1, round(side * (0.5 + 0.5 * float(draw[0]))))
        turns = int(draw[1] * 4)
        sizes = (smaller, batch.shape[-1] * smaller // side)
        moved, wanted = (
            torch.rot90(F.interpolate(x, (s, s), mode="area"), turns, (2, 3))
            for x, s in zip((latents, batch), sizes, strict=True)
        )
        return F.l1_loss(self._decode(moved), wanted)

    @torch.no_grad()
    def samples_for_log(self, network: nn.Module) -> Image.Image:
        """Held-out pictures, and their reconstructions below."""
        shown = self.watched[:12]
        again = to_bytes(_reconstruct(network, from_bytes(shown))).to(shown.device)
        rows = (f"{self._watched.replace('_', '-')} pictures", "what the VAE makes of them")
        return labelled(torch.cat([shown, again]).cpu(), rows, columns=len(shown))

    @torch.no_grad()
    def score(self, network: nn.Module) -> dict[str, float]:
        """Mean PSNR in dB on held-out pictures, and their loss: of pixels alone, as the network draws them."""
        pictures = from_bytes(self.watched)
        again = torch.cat([_reconstruct(network, part) for part in pictures.split(64)]).clamp(-1, 1)
        found = {
            f"{self._watched}_psnr": psnr(again, pictures),
            f"{self._watched}_loss": float(self._weighted(reconstruction_losses(again, pictures))),
            "detail": detail(again, pictures),
        }
        if self.known is not None:
            wanted = said_of_half(self.known, pictures)
            found["latents_off"] = float((network.encode(pictures).mean - wanted).square().mean() / wanted.var())  # type: ignore[operator]
        for count in self.stage.prefixes:
            fewer = [_reconstruct(network, part, count) for part in pictures.split(64)]
            found[f"{self._watched}_psnr_{count}"] = psnr(torch.cat(fewer).clamp(-1, 1), pictures)
        return found


def random_crops(images: Tensor, side: int, generator: torch.Generator, share: Share = ALL) -> Tensor:
    """Of each picture [B,3,H,W] a square at a place of its own, all places alike likely, [B,3,side,side].

    The pictures are one process's equal share of all.
    """
    room = torch.tensor(images.shape[2:]) - side + 1
    draw = share.cut(torch.rand(len(images) * share.of, 2, generator=generator))
    corners = (draw * room).long().tolist()
    squares = zip(images, corners, strict=True)
    return torch.stack([image[:, top : top + side, left : left + side] for image, (top, left) in squares])


def psnr(again: Tensor, pictures: Tensor) -> float:
    """Mean over pictures in −1…1, [B,3,H,W], of how near they were made again, in dB."""
    error = (again - pictures).square().flatten(1).mean(1) / 4
    return float((-10 * error.clamp_min(1e-10).log10()).mean())


def first_channels(latents: Tensor, kept: Tensor) -> Tensor:
    """Latents [B,C,h,w] with zeros behind the first ``kept`` [B] channels of each picture."""
    numbers = torch.arange(latents.shape[1], device=latents.device)
    return latents * (numbers < kept[:, None])[:, :, None, None]


def reconstruction_losses(decoded: Tensor, pictures: Tensor) -> dict[str, Tensor]:
    """L1, multi-scale L1, gradient L1 and 1 − SSIM between two batches in −1…1, [B,3,H,W]."""
    scales = [F.l1_loss(F.avg_pool2d(decoded, s), F.avg_pool2d(pictures, s)) for s in (2, 4, 8)]
    edges = [F.l1_loss(decoded.diff(dim=d), pictures.diff(dim=d)) for d in (2, 3)]
    return {
        "l1": F.l1_loss(decoded, pictures),
        "multiscale": torch.stack(scales).mean(),
        "gradient": torch.stack(edges).mean(),
        "ssim": 1 - ssim(decoded, pictures),
    }


def ssim(a: Tensor, b: Tensor, window: int = 7) -> Tensor:
    """Mean structural similarity with a flat window (Wang et al. 2004), for pictures in −1…1."""
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    mean = lambda x: F.avg_pool2d(x, window, stride=2)  # noqa: E731
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    both = mean(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()


def _reconstruct(network: Any, pictures: Tensor, channels: int = 0) -> Tensor:
    """Pictures through the VAE, from the first ``channels`` of its latents, or from all."""
    latents = network.encode(pictures).mean
    if channels:
        latents = first_channels(latents, torch.full((len(latents),), channels, device=latents.device))
    return network.decode(latents)  # type: ignore[no-any-return]


@torch.no_grad()
def encode_all(network: Any, images: Tensor, compute: Compute, size: int = 64) -> Tensor:
    """Mean latents of uint8 pictures, float32 [N,C,h,w]."""
    return torch.cat(list(encoded(network, images, compute, size=size)))


@torch.no_grad()
def encoded(network: Any, images: Tensor, compute: Compute, mirrored: bool = False, size: int = 64) -> Iterator[Tensor]:
    """Mean latents of uint8 pictures, or of their mirror images, float32 [B,C,h,w] at a time."""
    for part in parts(images, size):
        shown = part.flip(3) if mirrored else part
        yield network.encode(from_bytes(shown.to(compute.device))).mean.float()
