"""What millions of pictures mean on many GPUs, on paper, by what benchmarks/scaling.py measured (docs/scaling.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PEAK = 989e12  # FLOP/s of an H100 or H200 in dense bf16, by its data sheet
LINK = 50e9  # bytes/s between machines, 400 Gbit/s
PER_GPU = 256  # pictures of a training step for each GPU
GUIDED = 2  # calls of the U-Net in a step of drawing: with words and without
STEPS = 20
SHARES = (0.02, 0.1, 0.4)  # of the peak that is reached


def on_paper(found: dict[str, Any], pictures: int, gpus: int) -> list[str]:
    """What so many pictures mean on so many GPUs, by the formulas of docs/scaling.md, as rows of a table."""
    learn, prompt = found["learning batch"][-1], found["prompt"][0]
    row = [r for r in found["rows"] if not r.get("extrapolated")][-1]  # the largest number that was read
    lines = [
        f"| share of the peak | {' | '.join(f'{share:.0%}' for share in SHARES)} |",
        "| --- | ---: | ---: | ---: |",
    ]
    networks = {"the shipped U-Net, 64 pixels": (learn["FLOP"], learn["parameters"])}
    for name, (flop, weights) in (networks | {"Stable Diffusion 1.5's, 512 pixels": large()}).items():
        lines += _rows_on_paper(name, flop, weights, pictures, gpus)
    drawn = next(r for r in found["batch"] if r["batch"] == 8)
    core = drawn["seconds"] * STEPS / drawn["steps"]
    kib = row["MiB for the rows"] * 1024 / row["rows"]
    return [
        *lines,
        "",
        f"- one core as measured draws a picture of the shipped model in {core:.2f} s ({STEPS} steps): {pictures:,} "
        f"take 1,000 cores {_time(pictures * core / 1000)}",
        f"- reading {pictures:,} rows: {_time(pictures * row['seconds'])} of one core; held in memory as read here: "
        f"{pictures * kib / 2**20:,.0f} GiB",
        f"- their latents (16×8×8 in float16, 2 KiB each): {pictures * 2048 / 2**30:,.0f} GiB, "
        f"{pictures * 2048 / gpus / 2**20:,.0f} MiB for each of {gpus} processes",
        f"- checking the prompts before anything starts: {_time(pictures * prompt['seconds'])} of one core",
        f"- shards: {-(-pictures // 1000):,} files, {pictures * prompt['bytes'] / 2**30:,.0f} GiB",
    ]


def _rows_on_paper(name: str, flop: int, weights: int, pictures: int, gpus: int) -> list[str]:
    """One network's rows; FLOP are those of learning from a picture."""
    draw, exchange = STEPS * GUIDED * flop / 3, 2 * (gpus - 1) / gpus * 4 * weights / LINK
    rows: dict[str, Callable[[float], str]] = {
        "learning, pictures/s of a GPU": lambda speed: f"{speed / flop:,.0f}",
        f"{pictures:,} seen once by {gpus} GPUs": lambda speed: _time(pictures * flop / gpus / speed),
        f"a step of {PER_GPU} pictures a GPU": lambda speed: f"{1e3 * PER_GPU * flop / speed:,.1f} ms",
        "exchange of its gradients": lambda _: f"{1e3 * exchange:,.1f} ms",
        "drawing, pictures/s of a GPU": lambda speed: f"{speed / draw:,.1f}",
        f"{pictures:,} drawn by {gpus} GPUs": lambda speed: _time(pictures * draw / gpus / speed),
    }
    values = [f"| {what} | {' | '.join(value(share * PEAK) for share in SHARES)} |" for what, value in rows.items()]
    return [f"| **{name}** (F = {flop / 1e9:,.0f} GFLOP, {weights / 1e6:,.0f} M weights) | | | |", *values]


def large() -> tuple[int, int]:
    """FLOP of learning from one picture, three times those of the way forward, and weights of a large U-Net."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from fromnoise.models.unet import UNetConfig

    widths, attention = (320, 640, 1280, 1280), (True, True, True, False)
    config = UNetConfig(64, 4, 4, widths, 2, attention, cross_attention_dim=768, head_dim=40)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = config.build()
        network(torch.randn(1, 4, 64, 64), torch.zeros(1, dtype=torch.long), torch.randn(1, 77, 768))
    return 3 * int(counter.get_total_flops()), sum(p.numel() for p in network.parameters())


def _time(seconds: float) -> str:
    hours = seconds / 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if hours < 2 else f"{hours:,.1f} h"
