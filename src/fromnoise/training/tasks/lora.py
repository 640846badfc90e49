"""Task: a style or a thing learnt from a few pictures beside a finished U-Net (LoRA, Hu et al. 2021, arXiv 2106.09685).

Most of a batch are the pictures with their captions, on which the loss is the usual one of the model's own prediction.
The rest are pictures that the model drew itself before the training, of things that it knows (prior preservation,
Ruiz et al. 2022, arXiv 2208.12242); what is asked of those is what the model says without the LoRA, so that nothing it
knows is lost while it learns.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.loss import diffusion_loss, sample_t
from fromnoise.diffusion.prediction import from_x0
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.ground.labelled_sheet import labelled
from fromnoise.ground.pictures import to_bytes
from fromnoise.models.vae.vae import VAE
from fromnoise.training.clock import Clock
from fromnoise.training.conditioning import Conditioning
from fromnoise.training.drawn import Drawing, in_format
from fromnoise.training.examples import Examples
from fromnoise.training.health.beside import Beside as Pictures
from fromnoise.training.low_rank import Beside
from fromnoise.training.shaped import again_of
from fromnoise.training.sheet import with_note
from fromnoise.training.stages import LoraStage
from fromnoise.training.tasks.base import Compute, Losses, Task
from fromnoise.training.tasks.diffusion import HeldOut

AT_ONCE = 8  # drawings of a sheet that share a call


@dataclass(frozen=True)
class Adapted:
    """The finished model beside which a LoRA is learnt.

    Attributes:
        network: its U-Net in the compute format, with the difference to be learnt.
        schedule: its noise levels.
        prediction: what its U-Net's output means.
        vae: for the sheets.
        guidance: scale, interval and rescale that it is drawn with.
        known: prompts of what it knows.
    """

    network: Beside
    schedule: NoiseSchedule
    prediction: str
    vae: VAE
    guidance: tuple[float, tuple[int, int], float]
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Clean latents and noise [B,C,h,w], times [B], text features [B,L,D]; the last ``known`` are the model's own."""

    clean: Tensor
    noise: Tensor
    t: Tensor
    context: Tensor
    known: int


class LoraTask(Task):
    """Train a LoRA of a U-Net.

    Args:
        stage: its size, and training.
        examples: what noise is added to, and what is said of it; :class:`Replayed` ones with what is known.
        words: what the U-Net listens to.
        adapted: the model.
        compute: device and format.
    """

    name = "lora"
    network: Beside
    keeps_frozen = False
    steady = False  # a few pictures at all noise levels: its loss leaps too much to say that it rises

    def __init__(
        self, stage: LoraStage, examples: Examples, words: Conditioning, adapted: Adapted, compute: Compute
    ) -> None:
        self.stage, self.config, self.compute, self.words = stage, stage.loop, compute, words
        self.network, self.schedule = adapted.network, adapted.schedule
        self.adapted, self.examples = adapted, examples
        self.held_out: HeldOut | None = None
        self.pictures: Pictures | None = None

    def batch(self, clock: Clock) -> Batch:
        """The pictures, and behind them a share of what the model knows."""
        device = self.compute.device
        clean, captions = self.examples.at(clock, device)
        again = again_of(self.examples, clock.batch)
        if again:
            _cross(clean, captions, clock.batch - again, self.adapted.known, clock.generator("other words"))
        t = sample_t(clock.batch, clock.generator("t"), self.stage.time_mix, self.schedule)
        noise = torch.randn(clean.shape, generator=clock.generator("noise", device), device=device)
        return Batch(clean, noise, t.to(device), self.words.embed(captions, device), again)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Mean squared error of what the network predicts: beside the noise or v of the pictures, and beside what the
        model says itself of those that it knows.
        """
        level = self.schedule.alpha(batch.t), self.schedule.sigma(batch.t)
        noisy = self.schedule.add_noise(batch.clean, batch.noise, batch.t)
        target = from_x0(self.adapted.prediction, batch.clean, noisy, *level)
        given = noisy.to(self.compute.dtype).contiguous(memory_format=self.compute.memory_format)
        context, own = batch.context.to(self.compute.dtype), len(noisy) - batch.known
        if batch.known:
            with torch.no_grad(), self.network.silent() as base:
                target[own:] = base(given[own:], batch.t[own:], context[own:]).float()
        each = diffusion_loss(self.network(given, batch.t, context), target)
        if not batch.known:
            return {"loss": each.mean(), "loss_pictures": each.detach().mean()}
        weights = torch.ones_like(each)
        weights[own:] = self.stage.hold
        return {
            "loss": (weights * each).mean(),
            "loss_pictures": each[:own].detach().mean(),
            "loss_known": each[own:].detach().mean(),
        }

    def copied(self) -> nn.Module:
        """The averaged difference, of the same base: a large model is there but once."""
        return self.network.sharing().eval()

    def rehearsing(self) -> LoraTask:
        """A task like this one with a difference of its own; the model, which is never trained, is shared."""
        twin = copy.copy(self)
        twin.network = self.network.sharing()
        return twin

    def score(self, network: nn.Module) -> dict[str, float]:
        """The loss on held-out pictures, where there are any, and how pictures and drawings lie beside each other."""
        found = {} if self.pictures is None else self.pictures.told(self.adapted.vae, self.compute.device)
        if self.held_out is None:
            return found
        return {**self.held_out.loss(self._denoiser(network), self.schedule, self.words), **found}

    @torch.no_grad()
    def samples_for_log(self, network: nn.Module) -> Image.Image:
        """The stage's prompts, drawn by the same noise every time; at first by the model as it was."""
        how = Drawing(self.schedule, self.words, self.adapted.guidance, self.stage.steps)
        prompts = self.stage.prompts
        drawn = []
        for first in range(0, len(prompts), AT_ONCE):
            some = prompts[first : first + AT_ONCE]
            latents = how.of(self._denoiser(network), some, "sheet", self.examples.shape, self.compute.device, first)
            drawn.append(to_bytes(self.adapted.vae.decode(latents)).cpu())
        if self.pictures is not None:
            self.pictures.look_at(torch.cat(drawn))
        return with_note(labelled(torch.cat(drawn), prompts, columns=min(len(prompts), AT_ONCE)), prompts)

    def _denoiser(self, network: nn.Module) -> NetworkDenoiser:
        return NetworkDenoiser(in_format(network, self.compute.dtype), self.schedule, self.adapted.prediction)


def _cross(clean: Tensor, captions: list[str], own: int, known: Sequence[str], rng: torch.Generator) -> None:
    """Ask the model more than its own drawings by their own words, in place: its answer is right whatever is asked.

    Of each eight that it answers itself two have no words at all, by which every guided picture is steered; four have
    words of any other thing that is known, so that those go on meaning what they meant; three are pictures to learn.

    Args:
        clean: latents [B,C,h,w]; those from ``own`` on are the model's drawings.
        captions: of all of them.
        own: how many are pictures to be learnt.
        known: prompts of what is known.
        rng: chooses among those.
    """
    chosen = torch.randint(len(known), (len(clean),), generator=rng).tolist()
    for i in range(own, len(clean)):
        turn = (i - own) % 8
        if turn % 4 == 0:
            captions[i] = ""
        elif turn % 4 != 2:
            captions[i] = known[chosen[i]]
        if turn in (1, 4, 5):
            clean[i] = clean[i % own]
