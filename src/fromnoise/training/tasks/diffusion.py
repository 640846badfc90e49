"""Task: a U-Net that removes noise from latents, guided by words (Ho et al. 2020; Rombach et al. 2022).

The target is v (Salimans & Ho 2022, arXiv 2202.00512, eq. in §4) on a schedule with zero terminal SNR
(Lin et al. 2023, arXiv 2305.08891).
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor, nn

from fromnoise.diffusion.denoiser import Denoiser, NetworkDenoiser
from fromnoise.diffusion.loss import diffusion_loss, v_target
from fromnoise.diffusion.prediction import from_x0
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.ground.labelled_sheet import labelled
from fromnoise.ground.pictures import to_bytes
from fromnoise.training.clock import Clock, seeded
from fromnoise.training.conditioning import Conditioning
from fromnoise.training.drawn import Drawing
from fromnoise.training.examples import Examples
from fromnoise.training.health.beside import Beside
from fromnoise.training.noise_levels import NoiseLevels
from fromnoise.training.recipe import DiffusionStage
from fromnoise.training.sheet import with_note
from fromnoise.training.tasks.base import Compute, Losses, Task

EACH, COLUMNS = 2, 8  # drawings of each prompt of a sheet, and pictures beside each other
INTERVAL = (60, 850)  # levels at which sheets are guided
PAIRS = 64  # of a picture and a noise level, at least, in the held-out loss


@dataclass(frozen=True)
class HeldOut:
    """Pictures that are never trained on.

    Attributes:
        latents: float32 [M,C,h,w].
        texts: their captions.
    """

    latents: Tensor
    texts: list[str]

    @torch.no_grad()
    def loss(self, denoiser: Denoiser, schedule: NoiseSchedule, words: Conditioning) -> dict[str, float]:
        """Mean squared error in v, with the same noise every time and its levels evenly spread.

        Few pictures are shown at several levels each, until there are 64 pairs or more: one would else be asked only
        where there is no noise at all.
        """
        device, count, found = self.latents.device, len(self.texts), []
        which = torch.arange(count * math.ceil(PAIRS / count)) % count
        shape = (len(which), *self.latents.shape[1:])
        noise = torch.randn(shape, generator=seeded("cpu", "held-out noise")).to(device)
        t = torch.linspace(0, schedule.steps - 1, len(which)).round().long().to(device)
        for part in torch.arange(len(which)).split(32):
            clean, eps, times = self.latents[which[part].to(device)], noise[part], t[part]
            noisy, level = schedule.add_noise(clean, eps, times), (schedule.alpha(times), schedule.sigma(times))
            read = words.embed([self.texts[i] for i in which[part].tolist()], device).float()
            estimate = from_x0("v", denoiser(noisy, times, read), noisy, *level)
            found.append(diffusion_loss(estimate, v_target(clean, eps, *level)))
        return {"held_out_loss": float(torch.cat(found).mean())}


class DiffusionTask(Task):
    """Train the U-Net on latents.

    Args:
        stage: size and training.
        examples: what it un-noises, and what is said of it.
        words: what it listens to.
        parts: the U-Net in the compute format, the noise schedule, and the VAE in fp32 for the sheets.
        compute: device and format.
    """

    name = "diffusion"

    def __init__(
        self,
        stage: DiffusionStage,
        examples: Examples,
        words: Conditioning,
        parts: tuple[nn.Module, NoiseSchedule, Any],
        compute: Compute,
    ) -> None:
        self.stage, self.config, self.compute, self.words = stage, stage.loop, compute, words
        self.network, self.schedule, self.vae = parts
        self.examples = examples
        self.levels = NoiseLevels(stage.noise_levels, self.schedule, stage.time_mix)
        self.held_out: HeldOut | None = None
        self.beside: Beside | None = None
        self.steady = stage.noise_levels != "curriculum"
        self.widths, self.snapshots = stage.widths, stage.snapshots
        self._by_level: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def rehearsing(self) -> Self:
        """What it notes of its losses belongs to the copy as well."""
        twin = super().rehearsing()
        twin._by_level = copy.deepcopy(self._by_level)
        return twin

    def batch(self, clock: Clock) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Clean latents and noise [B,C,h,w], times [B], text features [B,L,D]."""
        device = self.compute.device
        clean, captions = self.examples.at(clock, device)
        t = self.levels.draw(clock.batch, clock.progress, clock.generator("t"))
        noise = torch.randn(clean.shape, generator=clock.generator("noise", device), device=device)
        cut = self.share.cut
        return cut(clean), cut(noise), cut(t).to(device), self.words.embed(cut(captions), device)

    def losses(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], clock: Clock) -> Losses:
        """Mean squared error in v."""
        clean, noise, t, context = batch
        noisy = self.schedule.add_noise(clean, noise, t)
        noisy = noisy.to(self.compute.dtype).contiguous(memory_format=self.compute.memory_format)
        predicted = self.network(noisy, t, context.to(self.compute.dtype)).float()
        target = v_target(clean, noise, self.schedule.alpha(t), self.schedule.sigma(t))
        each = diffusion_loss(predicted, target)
        self._note(t, each.detach())
        return {"loss": each.mean()}

    def details(self) -> dict[str, float]:
        """Mean loss per noise level (log SNR, clean is high) since the last call."""
        found = {
            f"loss_log_snr_{name}": total / count for name, (total, count) in sorted(self._by_level.items()) if count
        }
        self._by_level.clear()
        return found

    def score(self, network: nn.Module) -> dict[str, float]:
        """The loss on held-out pictures, where there are any, and how pictures and drawings lie beside each other."""
        found = {} if self.beside is None else self.beside.told(self.vae, self.compute.device)
        if self.held_out is None:
            return found
        return {**self.held_out.loss(NetworkDenoiser(network, self.schedule, "v"), self.schedule, self.words), **found}

    @torch.no_grad()
    def samples_for_log(self, network: nn.Module) -> Image.Image:
        """The recipe's prompts, each over :data:`EACH` drawings of it: DPM-Solver++ with guidance."""
        prompts = [p for p in self.stage.prompts for _ in range(EACH)]
        how = Drawing(self.schedule, self.words, (self.stage.guidance, INTERVAL, 0.0), self.stage.sheet_steps)
        plain = NetworkDenoiser(network, self.schedule, "v")
        latents = how.of(plain, prompts, "sheet", self.examples.shape, self.compute.device)
        drawn = to_bytes(self.vae.decode(latents))
        if self.beside is not None:
            self.beside.look_at(drawn)
        return with_note(labelled(drawn, self.stage.prompts, COLUMNS), self.stage.prompts)

    def _note(self, t: Tensor, each: Tensor) -> None:
        for name, value in zip(self.levels.names(t), each.tolist(), strict=True):
            entry = self._by_level[name]
            entry[0] += value
            entry[1] += 1
