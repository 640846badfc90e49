"""What a training step of a U-Net costs on this machine, measured on random numbers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fromnoise.models.layers.winograd import direct
from fromnoise.models.unet import UNetConfig
from fromnoise.training import ema
from fromnoise.training.optimizers import Optimizers
from fromnoise.training.recipe import LoopConfig

CONTEXT = 32  # tokens


def inputs(config: UNetConfig, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents [B,C,h,w], times [B], text features [B,32,W] and targets [B,C',h,w] of one batch."""
    x = torch.randn(batch, config.in_channels, config.sample_size, config.sample_size)
    words = torch.randn(batch, CONTEXT, config.cross_attention_dim)
    return x, torch.randint(0, 1000, (batch,)), words, torch.randn(batch, config.out_channels, *x.shape[2:])


def random_step(config: UNetConfig, batch: int, dtype: torch.dtype, optimizer: str = "adamw") -> Callable[[], None]:
    """The arithmetic of :meth:`Trainer.step`: fp32 masters, a network in ``dtype``, an optimizer, EMA."""
    network = config.build().to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = list(network.parameters())
    masters = [w.detach().float().clone() for w in weights]
    for master in masters:
        master.grad = torch.zeros_like(master)
    averages = [master.clone() for master in masters]
    names = [name for name, _ in network.named_parameters()]
    moves = Optimizers(network, dict(zip(names, masters, strict=True)), LoopConfig(optimizer=optimizer))
    x, t, context, target = inputs(config, batch)

    def step() -> None:
        for weight in weights:
            weight.grad = None
        noisy = x.to(dtype).contiguous(memory_format=torch.channels_last)
        (network(noisy, t, context.to(dtype)).float() - target).square().mean().backward()
        for master, weight in zip(masters, weights, strict=True):
            master.grad.copy_(weight.grad)  # type: ignore[union-attr]
        torch.nn.utils.clip_grad_norm_(masters, 1.0)
        moves.step(1e-4)
        with torch.no_grad():
            torch._foreach_copy_(weights, masters)
            ema.update(averages, masters, 1000, 0.999)

    return step


def flops(config: UNetConfig) -> int:
    """Floating-point operations of learning from one picture, forward and backward, with direct convolutions."""
    network = config.build()
    x, t, context, target = inputs(config, 1)
    with direct(), FlopCounterMode(display=False) as counter:
        (network(x, t, context) - target).square().mean().backward()
    return int(counter.get_total_flops())


def peak(dtype: torch.dtype, size: int = 2048, rounds: int = 10) -> float:
    """FLOP/s of a large matrix product in a format, which nothing on this machine exceeds; median of rounds."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    seconds(lambda: a @ b), seconds(lambda: a @ b)
    return 2 * size**3 / statistics.median(seconds(lambda: a @ b) for _ in range(rounds))


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
