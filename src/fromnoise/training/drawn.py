"""Drawing while training: latents for prompts, by a network that is just being learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.samplers import sampler
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.training.clock import seeded
from fromnoise.training.conditioning import Conditioning


@dataclass(frozen=True)
class Drawing:
    """How latents are drawn.

    Attributes:
        schedule: noise levels.
        words: what the network listens to.
        guidance: scale, interval of levels and rescale of classifier-free guidance.
        steps: of DPM-Solver++.
    """

    schedule: NoiseSchedule
    words: Conditioning
    guidance: tuple[float, tuple[int, int], float]
    steps: int

    @torch.no_grad()
    def of(
        self, denoiser: Denoiser, prompts: Sequence[str], name: str, shape: torch.Size, device: torch.device,
        first: int = 0,
    ) -> Tensor:  # fmt: skip
        """Clean latents of prompts, float32 [N,C,h,w].

        Args:
            denoiser: the network.
            prompts: one each.
            name: of the noise; the same name gives the same pictures.
            shape: of one picture's latents, [C,h,w].
            device: where they are drawn.
            first: number of the first one's noise.
        """
        texts = list(prompts)
        generators = [seeded("cpu", name, first + i) for i in range(len(texts))]
        noise = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)
        cond = self.words.embed(texts, device).float()
        uncond = self.words.embed([""] * len(texts), device).float()
        guided = ClassifierFreeGuidance(denoiser, uncond, *self.guidance)
        times = self.schedule.timesteps(self.steps, "log_snr")
        *_, last = sampler("dpm++", self.schedule).steps(guided, noise, cond, generators, times)
        return last.x_next


def in_format(network: nn.Module, dtype: torch.dtype) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A U-Net that computes in ``dtype``, for callers who have and want float32."""

    def computed(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        return network(x.to(dtype), t, context.to(dtype)).float()  # type: ignore[no-any-return]

    return computed
