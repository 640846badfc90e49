"""What do the words tell a U-Net at each noise level? The loss with the caption, and with no words at all.

    python benchmarks/words.py MODEL [MODEL ...] [--data data/stickers] [--pictures 154]

For pictures the model was trained on, and for held-out (concept, style) pairs. Every model sees the same pictures and
the same noise, so the figures of two models, or of two states of one run (``runs/NAME/model``), can be compared to
the third digit. ``--raw`` takes the weights of the run's newest checkpoint instead of their slow average.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.diffusion.loss import diffusion_loss, v_target
from fromnoise.ground.pictures import from_bytes
from fromnoise.system.opening import find_model
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.run_data import caption

TIMES = (999, 800, 650, 500, 300, 100)


def losses(model: TextToImage, pictures: PictureSet) -> list[tuple[float, float]]:
    """Mean v-loss with the caption and without words, for each of ``TIMES``."""
    images = pictures.images.split(32)
    clean = torch.cat([model.vae.encode(from_bytes(part)).mean for part in images])
    told = model.embed([caption(r) for r in pictures.records])
    silent = model.embed([""]).expand(len(clean), -1, -1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    found = []
    for time in TIMES:
        t = torch.full((len(clean),), time)
        noisy = model.schedule.add_noise(clean, noise, t)
        target = v_target(clean, noise, model.schedule.alpha(t), model.schedule.sigma(t))
        with_words, without = (float(_mean_loss(model, (noisy, t, words), target)) for words in (told, silent))
        found.append((with_words, without))
    return found


def _mean_loss(model: TextToImage, call: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
    parts = zip(*(x.split(64) for x in (*call, target)), strict=True)
    return torch.cat([diffusion_loss(model.unet(*inputs), wanted) for *inputs, wanted in parts]).mean()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--pictures", type=int, default=154)
    parser.add_argument("--raw", action="store_true")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_grad_enabled(False)
    table = Table(title=f"v-loss with the caption | without words, {machine()}")
    for name in ("model", "pictures seen", "pictures", *(f"t = {time}" for time in TIMES)):
        table.add_column(name, justify="right")
    for name in options.models:
        model = TextToImage.load(find_model(name))
        if options.raw:
            newest, _ = checkpoint.newest(Path(name).parent / "diffusion")
            assert newest is not None, f"{name} belongs to no run"
            model.unet.load_state_dict(newest.groups["weights"])
        recipe = model.card["recipe"]["data"]
        for split in ("train", "test_pair"):
            chosen = load_folder(
                options.data, recipe["pixels"], split=split, styles=recipe["styles"], groups=recipe["groups"]
            )
            order = torch.randperm(len(chosen.records), generator=torch.Generator().manual_seed(0))[: options.pictures]
            part = PictureSet(chosen.images[order], [chosen.records[i] for i in order.tolist()], [])
            cells = [f"{told:.4f} | {silent:.4f}" for told, silent in losses(model, part)]
            table.add_row(name, f"{model.card.get('pictures_seen', 0):,}", split, *cells)
    Console(width=190).print(table)


if __name__ == "__main__":
    main()
