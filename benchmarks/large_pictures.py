"""Decoding large pictures: time, memory, and what is seen of the parts they were decoded in.

    python benchmarks/large_pictures.py [--pixels 1024 2048] [--rounds 1] [--small]

Time and memory: a VAE of Stable Diffusion's size with random weights, in bf16 where the CPU has it, each
contender in a process of its own, one at a time. Memory is the most that was resident while decoding, weights included.

Seams: the shipped model's VAE, which was trained, in float32, on a picture of 1,024 x 1,024 pixels that is white above
and a sheet of stickers below. Each way's picture is compared with the whole decoded in float64; levels are those of 8
bits, 0 to 255, not rounded. "Visible" is the share of pixels that are off by more than 2 levels in some colour.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from rich.console import Console
from rich.table import Table
from torch import Tensor

from denoise_step import SMALL_VAE, VAE, forget_peak
from formats import BEST, NAME, machine
from fromnoise.data.pictures import load_folder
from fromnoise.data.starter import starter_path
from fromnoise.ground.cores import together
from fromnoise.ground.pictures import from_bytes
from fromnoise.models.layers.packed import packed_in_place
from fromnoise.models.vae.bands import decode_in_bands, encode_in_bands
from fromnoise.system.opening import find_model
from fromnoise.weights.configs import vae_to_foreign
from fromnoise.weights.diffusers_layout import load_vae
from other_engines import peak_mib

Decode = Callable[[Tensor], Tensor]


def diffusers_decoder(folder: Path, dtype: torch.dtype, tiles: bool) -> Decode:
    """diffusers, whole or with its tiles of 512 pixels."""
    network = AutoencoderKL.from_pretrained(folder, torch_dtype=dtype).eval()
    if tiles:
        network.enable_tiling()
        network.tile_sample_min_size = 512
        network.tile_latent_min_size = 512 // 2 ** (len(network.config.block_out_channels) - 1)
    return lambda latents: network.decode(latents.to(dtype)).sample.float()


def our_decoder(folder: Path, dtype: torch.dtype, bands: bool) -> Decode:
    """fromnoise, whole or in bands."""
    network = packed_in_place(load_vae(folder).eval(), dtype)
    if bands:
        return lambda latents: decode_in_bands(network, latents).float()
    return lambda latents: together(network.decode, (latents,)).float()


CONTENDERS: dict[str, Callable[[Path, torch.dtype], Decode]] = {
    "diffusers, whole": lambda folder, dtype: diffusers_decoder(folder, dtype, tiles=False),
    "diffusers, tiles": lambda folder, dtype: diffusers_decoder(folder, dtype, tiles=True),
    "fromnoise, whole": lambda folder, dtype: our_decoder(folder, dtype, bands=False),
    "fromnoise, bands": lambda folder, dtype: our_decoder(folder, dtype, bands=True),
}


def serve(name: str, folder: Path, pixels: int, rounds: int) -> None:
    """Be a contender: print the median of the seconds, and peak MiB."""
    torch.set_grad_enabled(False)
    decode = CONTENDERS[name](folder, BEST)
    latents = torch.randn(1, 4, pixels // 8, pixels // 8, generator=torch.Generator().manual_seed(1))
    decode(latents[:, :, :32, :32])
    forget_peak()
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        decode(latents)
        seconds.append(time.perf_counter() - begin)
    print("answer", statistics.median(seconds), peak_mib(), flush=True)


def measure(sizes: list[int], rounds: int, small: bool) -> Table:
    """Time and memory of all contenders at all sizes."""
    table = Table(title=f"decoding with Stable Diffusion's VAE, {NAME}, {machine()}")
    for title in ("", *(f"{pixels} px: s" if i else f"{pixels} px: MiB" for pixels in sizes for i in (1, 0))):
        table.add_column(title, justify="right" if title else "left")
    with tempfile.TemporaryDirectory() as scratch:
        torch.manual_seed(0)
        AutoencoderKL.from_config(vae_to_foreign(SMALL_VAE if small else VAE)).save_pretrained(scratch)
        for name in CONTENDERS:
            cells = []
            for pixels in sizes:
                command = [sys.executable, __file__, "--serve", name, "--folder", scratch]
                command += ["--pixels", str(pixels), "--rounds", str(rounds)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                answer = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("answer")]
                cells += [f"{float(answer[0][0]):.1f}", f"{float(answer[0][1]):.0f}"] if answer else ["none", "none"]
            table.add_row(name, *cells)
    table.caption = '"none": the process ended without a picture, for want of memory'
    return table


def sheet() -> Tensor:
    """A picture [1,3,1024,1024], -1..1: white above, stickers of the starter set below."""
    stickers = load_folder(starter_path(), 128).images[:32].unflatten(0, (4, 8))  # [4,8,3,128,128]
    below = stickers.permute(2, 0, 3, 1, 4).reshape(3, 512, 1024)
    return from_bytes(torch.cat([torch.full_like(below, 255), below], dim=1)[None])


def seams() -> Table:
    """How far each way is from decoding the whole."""
    folder = find_model(None) / "vae"
    latents = encode_in_bands(load_vae(folder), sheet()).mean
    exact = levels(load_vae(folder).double().decode(latents.double()))
    table = Table(
        title=f"1,024 x 1,024 pixels of stickers and white, in float32, against the whole in float64, {machine()}"
    )
    for title in ("", "mean", "most", "visible"):
        table.add_column(title, justify="right" if title else "left")
    for name, contender in CONTENDERS.items():
        off = (levels(contender(folder, torch.float32)(latents).double()) - exact).abs()
        visible = (off.amax(1) > 2).double().mean()
        table.add_row(name, f"{off.mean():.5f}", f"{off.max():.3f}", f"{100 * visible:.2f} %")
    return table


def levels(picture: Tensor) -> Tensor:
    """-1..1 as 0..255."""
    return (picture.clamp(-1, 1) + 1) * 127.5


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a tiny network: does it run at all?")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.folder, options.pixels[0], options.rounds)
    with torch.no_grad():
        Console().print(seams())
    Console().print(measure(options.pixels, options.rounds, options.small))
    return None


if __name__ == "__main__":
    main()
