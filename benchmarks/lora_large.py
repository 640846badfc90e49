"""What a step of a LoRA beside Stable Diffusion 1.5 costs here: seconds and memory, without and with checkpointing.

    python benchmarks/lora_large.py [--steps 3] [--pixels 512]

Random weights of its size, in the format that this machine trains in; a LoRA of rank 8 on the U-Net's attention, one
picture a step, as the recipe ``lora`` does it. Each way runs in a process of its own, so that its peak is its own: the
peak of resident memory from the first step on, networks included.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time

import torch
from rich.console import Console
from rich.table import Table

from denoise_step import forget_peak
from formats import machine
from fromnoise.data.captions import CaptionSampler
from fromnoise.data.record import Record
from fromnoise.ground.cores import give_back_memory
from fromnoise.training import precision
from fromnoise.training.adapting import compute_again, is_attention
from fromnoise.training.clock import Clock
from fromnoise.training.conditioning import Conditioning
from fromnoise.training.examples import Latents, StoredExamples
from fromnoise.training.loop_config import LoopConfig
from fromnoise.training.low_rank import Beside
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.optimizers import Optimizers
from fromnoise.training.stages import LoraStage
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.lora import Adapted, LoraTask
from other_engines import peak_mib
from watching import made_up


def measured(steps: int, pixels: int, again: bool) -> dict[str, float]:
    """Seconds of a step (the fastest), and the peak in GiB."""
    model = made_up(small=False, packed=False)
    choice = precision.choose(torch.device("cpu"), "auto")
    compute = Compute(torch.device("cpu"), choice.dtype, torch.channels_last)
    unet = compute.place(model.unet)
    if again:
        compute_again(unet)
    side = pixels // model.vae.factor
    latents = torch.randn(4, model.unet.config.in_channels, side, side)
    cached = Latents(latents, latents, torch.zeros(4, dtype=torch.bool), torch.ones(4))
    examples = StoredExamples(cached, CaptionSampler([Record(f"{i}.png", "a cat") for i in range(4)]), 0.0, 0)
    stage = LoraStage(rank=8, layers="attention", replay=0.0, loop=LoopConfig(batch=1, learning_rate=1e-4))
    network = Beside(unet, stage.rank, 0, is_attention)
    words = Conditioning(model.tokenizer, compute.place(model.text_tower))
    adapted = Adapted(network, model.schedule, model.prediction, model.vae, (7.5, (0, 1000), 0.0))
    task = LoraTask(stage, examples, words, adapted, compute)
    masters: dict[str, torch.Tensor] = {name: p for name, p in network.named_parameters() if p.requires_grad}
    optimizer = Optimizers(network, masters, stage.loop)
    took = []
    gc.collect()
    give_back_memory()
    forget_peak()  # of reading the weights
    keep_freed_memory()
    for step in range(steps):
        clock, begin = Clock(step, 1, 1000, 0), time.perf_counter()
        for weight in masters.values():
            weight.grad = None
        task.losses(task.batch(clock), clock)["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step(1e-4)
        took.append(time.perf_counter() - begin)
    return {"seconds": min(took), "GiB": peak_mib() / 1024}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--pixels", type=int, default=512)
    parser.add_argument("--one", choices=("plain", "again"), help="measure one way, as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.steps, options.pixels, options.one == "again")))
        return
    table = Table(title=f"a step of a LoRA, one picture of {options.pixels} pixels; {machine()}")
    for column in ("activations", "seconds", "peak, GiB"):
        table.add_column(column, justify="left" if column == "activations" else "right")
    for way, said in (("plain", "kept"), ("again", "computed again")):
        call = [sys.executable, __file__, "--one", way, "--steps", str(options.steps), "--pixels", str(options.pixels)]
        found = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        table.add_row(said, f"{found['seconds']:.1f}", f"{found['GiB']:.1f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
