"""One guided denoise step at the size of Stable Diffusion 1.5, and its VAE's decoder at 512 pixels.

    python benchmarks/denoise_step.py [--rounds 5] [--compiled] [--small] [--only WORD]

The same random weights for all (859.5 million in the U-Net), written once in the diffusers layout. A step is two
evaluations of the U-Net, with and without words. Each contender lives in a process of its own, so that its memory can
be told apart; the processes take turns, round after round, and medians are compared. Memory is the most that was
resident while drawing, after loading. ``--small`` is a smoke test of seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import NAME, machine, measurable
from fromnoise.ground.cores import each_alone, together
from fromnoise.models.layers.embedding import sinusoids
from fromnoise.models.layers.packed import packed_copy
from fromnoise.models.layers.winograd import SWITCH
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.weights.configs import unet_to_foreign, vae_to_foreign
from fromnoise.weights.diffusers_layout import load_unet, load_vae
from other_engines import peak_mib

Run = Callable[[], Tensor]
HINT = "bf16" if NAME == "bf16" else "f32"  # what OpenVINO computes in
UNET = UNetConfig(
    sample_size=64,
    in_channels=4,
    out_channels=4,
    block_out_channels=(320, 640, 1280, 1280),
    layers_per_block=2,
    attention=(True, True, True, False),
    cross_attention_dim=768,
    heads=(8, 8, 8, 8),
    norm_num_groups=32,
    use_linear_projection=False,
)
SMALL_UNET = UNetConfig.from_dict({**UNET.to_dict(), "sample_size": 16, "block_out_channels": (32, 64, 64, 64)})
VAE = VAEConfig(
    latent_channels=4, block_out_channels=(128, 256, 512, 512), layers_per_block=2, norm_num_groups=32,
    mid_attention=True,
)  # fmt: skip
SMALL_VAE = VAEConfig.from_dict({**VAE.to_dict(), "block_out_channels": (32, 32, 32, 32)})


# --- contenders: (folder with unet/ and vae/) → a function that runs once and returns its output -------------------


def unet_inputs(config: UNetConfig) -> tuple[Tensor, Tensor, Tensor]:
    """The same noisy latents twice, t, and the tokens of a prompt and of no prompt."""
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, config.sample_size, config.sample_size, generator=rng).expand(2, -1, -1, -1)
    return x, torch.tensor([500, 500]), torch.randn(2, 77, config.cross_attention_dim, generator=rng)


def latents(side: int) -> Tensor:
    """What the VAE decodes."""
    return torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(2))


def diffusers_unet(folder: Path, dtype: torch.dtype, compiled: bool = False) -> Run:
    """diffusers, both halves in one batch as its pipeline computes them."""
    network = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype).eval()
    x, t, words = unet_inputs(unet_config(folder))
    call = torch.compile(network) if compiled else network
    return lambda: call(x.to(dtype), t, encoder_hidden_states=words.to(dtype)).sample


def our_unet(folder: Path, dtype: torch.dtype, packed: bool = True) -> Run:
    """fromnoise, one half on each core, the words read before as in drawing."""
    network = load_unet(folder / "unet").eval().requires_grad_(False)
    network = packed_copy(network, dtype) if packed else network.to(dtype).to(memory_format=torch.channels_last)
    x, t, context = unet_inputs(network.config)
    words = [network.read(row[None]) for row in context]
    rows = [(x[i : i + 1], t[i : i + 1], words[i]) for i in range(2)]
    return lambda: torch.cat(each_alone(network.with_words, rows))


def openvino_unet(folder: Path, int8: bool) -> Run:
    """fromnoise --backend openvino, one half on each core, the words read before as in drawing."""
    from fromnoise.backends.openvino import CompiledGraph, export_unet

    network = load_unet(folder / "unet").eval().requires_grad_(False)
    x, t, context = unet_inputs(network.config)
    words, waves = [network.read(row[None]) for row in context], sinusoids(t, network.config.block_out_channels[0])
    place = folder / f"openvino-{int8}"
    place.mkdir(exist_ok=True)
    export_unet(network, place, int8)
    del network
    graph = CompiledGraph(place, HINT, 1 if int8 else 2)
    rows = [(x[i : i + 1], waves[i : i + 1], words[i]) for i in range(2)]
    return lambda: torch.cat(each_alone(graph, rows))


def openvino_own_unet(folder: Path, int8: bool) -> Run:
    """OpenVINO's own way: diffusers' U-Net exported as it is, static shapes, both halves in one batch."""
    with contextlib.redirect_stdout(sys.stderr):  # whose stdout is how a contender answers
        import nncf
    import openvino as ov

    network = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    x, t, words = unet_inputs(unet_config(folder))
    inputs = (x.contiguous(), t, words)
    network.forward = functools.partial(network.forward, return_dict=False)
    graph = ov.convert_model(network, example_input=inputs, input=[tuple(part.shape) for part in inputs])
    with contextlib.redirect_stdout(sys.stderr):
        graph = nncf.compress_weights(graph) if int8 else graph
    place = folder / f"openvino-own-{int8}.xml"
    ov.save_model(graph, place, compress_to_fp16=True)
    del network, graph
    hints = {"INFERENCE_PRECISION_HINT": HINT, "PERFORMANCE_HINT": "LATENCY"}
    request = ov.Core().compile_model(place, "CPU", hints).create_infer_request()
    return lambda: torch.from_numpy(request.infer([part.numpy() for part in inputs])[0].copy())


def diffusers_vae(folder: Path, dtype: torch.dtype) -> Run:
    """diffusers' decoder."""
    network = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=dtype).eval()
    z = latents(unet_config(folder).sample_size).to(dtype)
    return lambda: network.decode(z).sample


def our_vae(folder: Path, dtype: torch.dtype) -> Run:
    """fromnoise's decoder, on all cores."""
    network = packed_copy(load_vae(folder / "vae").eval(), dtype)
    z = latents(unet_config(folder).sample_size)
    return lambda: together(network.decode, (z,))


def without_winograd(contender: Callable[[Path, torch.dtype], Run], folder: Path) -> Run:
    """A contender in fp32 whose convolutions are oneDNN's; its process has no other."""
    os.environ[SWITCH] = "0"
    return contender(folder, torch.float32)


# Name → contender; the first of each kind is what the others' outputs are compared with. Register new ones here.
CONTENDERS: dict[str, dict[str, Callable[[Path], Run]]] = {
    "U-Net": {
        "diffusers fp32": lambda folder: diffusers_unet(folder, torch.float32),
        "diffusers bf16": lambda folder: diffusers_unet(folder, torch.bfloat16),
        "fromnoise bf16": lambda folder: our_unet(folder, torch.bfloat16),
        "fromnoise fp32": lambda folder: our_unet(folder, torch.float32),
        "fromnoise fp32, direct convolutions": lambda folder: without_winograd(our_unet, folder),
    },
    "VAE": {
        "diffusers VAE fp32": lambda folder: diffusers_vae(folder, torch.float32),
        "diffusers VAE bf16": lambda folder: diffusers_vae(folder, torch.bfloat16),
        "fromnoise VAE bf16": lambda folder: our_vae(folder, torch.bfloat16),
        "fromnoise VAE fp32": lambda folder: our_vae(folder, torch.float32),
        "fromnoise VAE fp32, direct convolutions": lambda folder: without_winograd(our_vae, folder),
    },
}
COMPILED = {"diffusers bf16 compiled": lambda folder: diffusers_unet(folder, torch.bfloat16, compiled=True)}
OPENVINO: dict[str, Callable[[Path], Run]] = {
    "fromnoise --backend openvino": lambda folder: openvino_unet(folder, int8=False),
    "fromnoise --backend openvino-int8": lambda folder: openvino_unet(folder, int8=True),
    "OpenVINO own pipeline": lambda folder: openvino_own_unet(folder, int8=False),
    "OpenVINO own pipeline int8": lambda folder: openvino_own_unet(folder, int8=True),
}
UNPACKED = {"fromnoise bf16, weights not packed": lambda folder: our_unet(folder, torch.bfloat16, packed=False)}
OPTIONAL = {"compiled": COMPILED, "openvino": OPENVINO, "unpacked": UNPACKED}
ALL = {k: v for group in (*CONTENDERS.values(), *OPTIONAL.values()) for k, v in group.items()}


# --- one process per contender -------------------------------------------------------------------------------------


def serve(name: str, folder: Path) -> None:
    """Be a contender: for every line on stdin run once, and answer with seconds and peak MiB."""
    torch.set_grad_enabled(False)
    run = ALL[name](folder)
    torch.save(run().float(), folder / f"{name}.pt")
    forget_peak()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        run()
        print(time.perf_counter() - begin, peak_mib(), flush=True)


def forget_peak() -> None:
    """Let the kernel count the most memory used from here on (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


class Contender:
    """A process that waits for its turn."""

    def __init__(self, name: str, folder: Path) -> None:
        command = [sys.executable, __file__, "--serve", name, "--folder", str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self._answer() == "ready"
        self.seconds: list[float] = []
        self.mib = 0.0

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def turn(self) -> None:
        """Run once and note how long it took."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, mib = self._answer().split()
        self.seconds.append(float(seconds))
        self.mib = float(mib)

    def end(self) -> None:
        """Let the process end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


# --- the table -----------------------------------------------------------------------------------------------------


def write_models(folder: Path, small: bool) -> None:
    """Random weights in the diffusers layout."""
    torch.manual_seed(0)
    parts = ((UNet2DConditionModel, "unet", unet_to_foreign(SMALL_UNET if small else UNET)),
             (AutoencoderKL, "vae", vae_to_foreign(SMALL_VAE if small else VAE)))  # fmt: skip
    for kind, name, values in parts:
        kind.from_config(values).save_pretrained(folder / name)


def unet_config(folder: Path) -> UNetConfig:
    """Which of the two sizes is in a folder."""
    return SMALL_UNET if (folder / "small").exists() else UNET


def measure(kind: str, names: list[str], folder: Path, rounds: int) -> Table:
    """All contenders of a kind, in turns."""
    every = {name: Contender(name, folder) for name in names}
    running = {name: contender for name, contender in every.items() if contender.ready}
    for _ in range(rounds):
        for contender in running.values():
            contender.turn()
    for contender in every.values():
        contender.end()
    table = Table(title=f"{kind}: median of {rounds} rounds, {machine()}")
    for title in ("", "seconds", "fastest", "× diffusers' best", "peak MiB", "max |difference|"):
        table.add_column(title, justify="right" if title else "left")
    exact = torch.load(folder / f"{names[0]}.pt", weights_only=True)
    base = min(statistics.median(c.seconds) for name, c in running.items() if name.startswith("diffusers"))
    for name, c in running.items():
        middle = statistics.median(c.seconds)
        found = (torch.load(folder / f"{name}.pt", weights_only=True) - exact).abs().max()
        row = (f"{middle:.2f}", f"{min(c.seconds):.2f}", f"{base / middle:.2f}", f"{c.mib:.0f}", f"{found:.1e}")
        table.add_row(name, *row)
    table.caption = f"outputs reach ±{exact.abs().max():.2f}; difference from {names[0]}"
    return table


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="tiny networks: does it run at all?")
    parser.add_argument("--only", default="", help="U-Net or VAE")
    for name, group in OPTIONAL.items():
        parser.add_argument(f"--{name}", action="store_true", help=f"also {', '.join(group) or 'nothing yet'}")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where to put the weights; a temporary folder by default")
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.folder)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = Path(scratch)
        if options.small:
            (folder / "small").touch()
        write_models(folder, options.small)
        for kind, group in CONTENDERS.items():
            more = [name for key, group in OPTIONAL.items() if getattr(options, key) for name in group]
            if options.only in ("", kind):
                names = measurable([*group, *(more if kind == "U-Net" else [])])
                Console().print(measure(kind, names, folder, options.rounds))
    return None


if __name__ == "__main__":
    main()
