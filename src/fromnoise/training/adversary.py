"""The VAE's second player: it learns to tell pictures from reconstructions, and so teaches the decoder to be crisp.

Every other part of the VAE's loss is a distance, and what is nearest to several possible edges is a soft one between
them. A discriminator sees that no picture has soft edges. It knows only the pictures that are trained on: no network
that judges what is drawn has a part in it.

Both players have the relativistic loss of R3GAN (Huang et al. 2024, arXiv 2501.05441, eq. 2 and section 2.3), with D's
logits of a picture x and of its reconstruction y compared at the same place:

    decoder        softplus(D(x) - D(y))
    discriminator  softplus(D(y) - D(x)) + γ/2 (R1 + R2),   R1 = |∇ D(x)|²,  R2 = |∇ D(y)|²
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.ground.config import Config, Wishes, check
from fromnoise.models.vae.discriminator import Discriminator
from fromnoise.training.clock import seeded
from fromnoise.training.rival import Rival


@dataclass(frozen=True)
class AdversaryConfig(Config):
    """The discriminator beside a VAE.

    Attributes:
        weight: of the decoder's relativistic loss, beside L1; 0: there is no discriminator.
        gamma: of both penalties on the discriminator's gradients. More is steadier, and less crisp. Pictures meet their
            own reconstructions here, which are near, so it is far below R3GAN's.
        learning_rate: of the discriminator; it warms up and decays as the VAE's does.
        betas: of its AdamW, which decays no weights.
        widths: its channels at factors 2, 4, 8, … of the pictures.
        crop: side of the random square that it sees of each picture, since it costs as much as the VAE; 0: all of it.
    """

    weight: float = 0.0
    gamma: float = 0.01
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.0, 0.99)
    widths: tuple[int, ...] = (16, 32)
    crop: int = 0

    def __post_init__(self) -> None:
        least = 2 ** (len(self.widths) + 1)
        wishes: Wishes = (
            ("weight", 0 <= self.weight < 1e6, "0 (none) or more"),
            ("gamma", 0 <= self.gamma < 1e9, "0 or more"),
            ("learning_rate", 0 < self.learning_rate < 10, "above 0 and below 10"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "two numbers of 0 or more and below 1"),
            ("widths", 1 <= len(self.widths) <= 6 and all(1 <= n <= 4096 for n in self.widths), "1 to 6 of 1…4096"),
            ("crop", self.crop >= 0 and self.crop % least == 0, f"a multiple of {least}, or 0 for all of it"),
        )
        check(self, "vae.adversary.", wishes)


class Adversary(Rival):
    """A discriminator that learns, in float32, from the pairs that it is asked about.

    Args:
        config: its sizes and its training.
        device: where pictures are.
        seed: the run's seed, from which its first weights follow.
    """

    def __init__(self, config: AdversaryConfig, device: torch.device, seed: int) -> None:
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeded("cpu", seed, "weights", "adversary").initial_seed())
            network = Discriminator(config.widths)
        self.network = network.to(device).requires_grad_(False)
        self.weights = dict(self.network.named_parameters())
        self._optimizer = torch.optim.AdamW(
            self.weights.values(), config.learning_rate, config.betas, eps=1e-8, weight_decay=0.0
        )
        self._pair: Tensor | None = None  # of this step: pictures and reconstructions, [2B,3,H,W]

    def fooled(self, decoded: Tensor, pictures: Tensor) -> Tensor:
        """How far reconstructions are from looking more real than their pictures, both in −1…1, [B,3,H,W].

        Its gradient reaches ``decoded`` only. What is asked here is what :meth:`losses` learns from.
        """
        self._pair = torch.cat([pictures, decoded.detach()])
        with torch.no_grad():
            real = self.network(pictures)
        return relativistic(self.network(decoded), real)

    def losses(self) -> dict[str, Tensor]:
        """The discriminator's loss on the pair it was asked about, its parts, and how often it was right."""
        assert self._pair is not None  # the task has asked in this step
        pair, self._pair = self._pair.requires_grad_(True), None
        self.network.requires_grad_(True)
        logits = self.network(pair)
        penalties = gradient_penalty(logits, pair).chunk(2)
        (real, fake), (r1, r2) = logits.chunk(2), (part.mean() for part in penalties)
        loss = relativistic(real, fake) + self.config.gamma / 2 * (r1 + r2)
        gradients = torch.autograd.grad(loss, list(self.weights.values()))
        self.network.requires_grad_(False)
        self.share.average_(gradients)
        for weight, gradient in zip(self.weights.values(), gradients, strict=True):
            weight.grad = gradient
        parts = {
            "loss": loss, "real": real.mean(), "fake": fake.mean(), "r1": r1, "r2": r2,
            "right": (real > fake).float().mean(), "gradient_norm": torch.nn.utils.get_total_norm(gradients),
        }  # fmt: skip
        return {f"adversary_{name}": value.detach() for name, value in parts.items()}

    def step(self, share: float) -> None:
        """Move the discriminator's weights by ``share`` of its learning rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = share * self.config.learning_rate
        self._optimizer.step()

    def state(self) -> dict[str, dict[str, Tensor]]:
        """The discriminator's weights and both moments of AdamW, by the weights' names."""
        moments = {name: self._optimizer.state[weight] for name, weight in self.weights.items()}
        stepped = {name: state for name, state in moments.items() if state}
        return {
            "adversary": dict(self.weights),
            "adversary_first_moment": {name: state["exp_avg"] for name, state in stepped.items()},
            "adversary_second_moment": {name: state["exp_avg_sq"] for name, state in stepped.items()},
        }

    def load(self, stored: dict[str, dict[str, Tensor]], step: int) -> None:
        """Take over ``state()`` of an earlier session, after ``step`` steps.

        Raises:
            KeyError: the state belongs to another discriminator, or to none.
        """
        first, second = stored["adversary_first_moment"], stored["adversary_second_moment"]
        for name, weight in self.weights.items():
            if stored["adversary"][name].shape != weight.shape:
                raise KeyError(name)
            weight.copy_(stored["adversary"][name])
            self._optimizer.state[weight] = {
                "step": torch.tensor(float(step)),
                "exp_avg": torch.zeros_like(weight).copy_(first[name]),
                "exp_avg_sq": torch.zeros_like(weight).copy_(second[name]),
            }


def relativistic(higher: Tensor, lower: Tensor) -> Tensor:
    """softplus(lower − higher), mean over all logits: small where each of ``higher`` is far above its partner."""
    return F.softplus(lower - higher).mean()


def gradient_penalty(logits: Tensor, pictures: Tensor) -> Tensor:
    """|∇ Σ D|² of each picture, per logit, [B]; it can be differentiated once more.

    With a single logit that is R3GAN's penalty. The sum over patches grows with the picture, as does their number, so
    one γ suits crops of every size.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gradient.square().flatten(1).sum(1) / logits[0].numel()
