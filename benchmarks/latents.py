"""What is left of real pictures that went through a VAE, at a size of one's choice, beside other VAEs.

    python benchmarks/latents.py MODEL [MODEL ...] --data data/stickers-128 [--pixels 128] [--count 64]

On held-out pictures (split "test_pair"), spread over all of them: mean PSNR in dB, edges' width beside the originals'
(10-90 % rise of the strongest edges, 1 is as crisp), how alike neighbouring latents are (their correlation), and the
latents' shape. A VAE without attention draws any size, so one that learnt 64 pixels can be asked about 128.
"""

from __future__ import annotations

import argparse

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.pictures import load_folder, thinned
from fromnoise.evaluation.edges import crispness, edge_widths
from fromnoise.ground.pictures import from_bytes, to_bytes
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.tasks.vae import psnr


def alike(latents: Tensor) -> float:
    """Correlation of neighbours in a row, of latents [N,C,h,w] around their channels' means."""
    centred = latents - latents.mean((0, 2, 3), keepdim=True)
    return float((centred[..., 1:] * centred[..., :-1]).mean() / centred.square().mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--count", type=int, default=64)
    options = parser.parse_args()
    shown = thinned(load_folder(options.data, options.pixels, split="test_pair"), options.count).images
    pictures, widths = from_bytes(shown), edge_widths(shown)
    table = Table(title=f"{len(shown)} held-out pictures at {options.pixels} pixels, {machine()}")
    for column in ("VAE of", "dB", "edges × originals'", "neighbours", "latents"):
        table.add_column(column, justify="left" if column == "VAE of" else "right")
    for name in options.models:
        vae = TextToImage.load(name).vae
        with torch.inference_mode():
            latents = torch.cat([vae.encode(part).mean for part in pictures.split(16)])
            again = torch.cat([vae.decode(part) for part in latents.split(16)]).clamp(-1, 1)
        edges = crispness(edge_widths(to_bytes(again)), widths).ratio
        size = "×".join(map(str, latents.shape[1:]))
        edges_text = f"{edges.value:.2f} ({edges.low:.2f}–{edges.high:.2f})"
        table.add_row(name, f"{psnr(again, pictures):.1f}", edges_text, f"{alike(latents):.2f}", size)
    Console().print(table)


if __name__ == "__main__":
    main()
