"""Task: teach a U-Net to draw in a few steps (latent consistency distillation, Luo et al. 2023, arXiv 2310.04378).

Only a LoRA is trained (LCM-LoRA, Luo et al. 2023, arXiv 2311.05556); without it the network is the teacher. What
differs from the papers: our teacher guides with an interval and rescaling, as the model is drawn with; the target is
the student itself without its gradient, which needs no third copy of the weights; and a tenth of the ordinary loss is
added, which costs no further call, because the same estimate serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from fromnoise.diffusion.consistency import consistency_target, jump, pseudo_huber
from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.loss import diffusion_loss, v_target
from fromnoise.diffusion.prediction import from_x0
from fromnoise.diffusion.samplers import sampler
from fromnoise.diffusion.schedule import DISTILLED_LEVELS, NoiseSchedule
from fromnoise.ground.labelled_sheet import labelled
from fromnoise.ground.pictures import to_bytes
from fromnoise.models.vae.vae import VAE
from fromnoise.training.clock import Clock, seeded
from fromnoise.training.conditioning import Conditioning
from fromnoise.training.examples import Examples
from fromnoise.training.low_rank import LowRank
from fromnoise.training.recipe import DistillStage
from fromnoise.training.tasks.base import Compute, Losses, Task
from fromnoise.training.tasks.diffusion import HeldOut

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Teaching:
    """The trained model that is distilled.

    Attributes:
        network: its U-Net in the compute format, with the difference to be learnt.
        schedule: its noise levels.
        prediction: what its U-Net's output means.
        vae: in fp32, for the sheets.
        guidance: scale, interval and rescale that are baked in.
    """

    network: LowRank
    schedule: NoiseSchedule
    prediction: str
    vae: VAE
    guidance: tuple[float, tuple[int, int], float]


class DistillTask(Task):
    """Train the difference that makes a U-Net draw in a few steps.

    Args:
        stage: what is baked in, and training.
        examples: what noise is added to, and what is said of it.
        words: what the U-Net listens to.
        teaching: the model.
        compute: device and format.
    """

    name = "distill"
    network: LowRank

    def __init__(
        self,
        stage: DistillStage,
        examples: Examples,
        words: Conditioning,
        teaching: Teaching,
        compute: Compute,
    ) -> None:
        self.stage, self.config, self.compute, self.words = stage, stage.loop, compute, words
        self.network, self.schedule, self.vae = teaching.network, teaching.schedule, teaching.vae
        self.teaching, self.examples = teaching, examples
        self.held_out: HeldOut | None = None
        self.silence = words.embed([""], compute.device)  # [1,L,D]

    def batch(self, clock: Clock) -> Batch:
        """Clean latents and noise [B,C,h,w], times [B], text features [B,L,D]."""
        device = self.compute.device
        clean, captions = self.examples.at(clock, device)
        level = torch.randint(1, DISTILLED_LEVELS + 1, (clock.batch,), generator=clock.generator("t"))
        noise = torch.randn(clean.shape, generator=clock.generator("noise", device), device=device)
        t = level * self._stride - 1
        cut = self.share.cut
        return cut(clean), cut(noise), cut(t).to(device), self.words.embed(cut(captions), device)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Distance to the target one step of the teacher further, and a share of the ordinary loss in v."""
        clean, noise, t, context = batch
        noisy = self.schedule.add_noise(clean, noise, t)
        weights = self.network.merged()
        x0_hat = self._denoiser(weights)(noisy, t, context)

        # Consistency.
        frozen = {name: weight.detach() for name, weight in weights.items()}
        times = (t, (t - self.stage.skip * self._stride).clamp_min(-1))
        target = consistency_target(
            self._denoiser(frozen), self._teacher(len(clean)), self.schedule, noisy, times, context
        )
        consistency = pseudo_huber(jump(noisy, x0_hat, t), target, self.stage.huber).mean()

        # Real pictures: the same estimate, as v.
        level = self.schedule.alpha(t), self.schedule.sigma(t)
        plain = diffusion_loss(from_x0("v", x0_hat, noisy, *level), v_target(clean, noise, *level)).mean()
        return {"loss": consistency + self.stage.plain * plain, "consistency": consistency, "plain": plain}

    def score(self, network: nn.Module) -> dict[str, float]:
        """The ordinary loss on held-out pictures, where there are any."""
        if self.held_out is None:
            return {}
        denoiser = NetworkDenoiser(network, self.schedule, self.teaching.prediction)
        return self.held_out.loss(denoiser, self.schedule, self.words)

    @torch.no_grad()
    def samples_for_log(self, network: nn.Module) -> Image.Image:
        """The stage's prompts, each over two drawings of it in a few steps."""
        device, prompts = self.compute.device, [p for p in self.stage.prompts for _ in range(2)]
        generators = [seeded("cpu", "sheet", i) for i in range(len(prompts))]
        shape = self.examples.shape
        noise = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)
        denoiser = NetworkDenoiser(network, self.schedule, self.teaching.prediction)
        times = self.schedule.timesteps(self.stage.steps, "distilled")
        cond = self.words.embed(prompts, device).float()
        steps = list(sampler("lcm", self.schedule).steps(denoiser, noise, cond, generators, times))
        return labelled(to_bytes(self.vae.decode(steps[-1].x_next)), self.stage.prompts, columns=8)

    @property
    def _stride(self) -> int:
        return self.schedule.steps // DISTILLED_LEVELS

    def _denoiser(self, weights: dict[str, Tensor]) -> NetworkDenoiser:
        """The student with these weights; without any, the base."""

        def network(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
            x = x.to(self.compute.dtype).contiguous(memory_format=self.compute.memory_format)
            return self.network.computed(weights, x, t, context.to(self.compute.dtype))

        return NetworkDenoiser(network, self.schedule, self.teaching.prediction)

    def _teacher(self, size: int) -> ClassifierFreeGuidance:
        """The base, guided as the model is drawn with."""
        scale, interval, rescale = self.teaching.guidance
        silence = self.silence.expand(size, -1, -1)
        return ClassifierFreeGuidance(self._denoiser({}), silence, scale, interval, rescale)
