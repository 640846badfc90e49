"""How well does a model of the world un-noise, level by level? A score for a running training that needs no drawing.

    python benchmarks/world_losses.py MODEL [MODEL ...] --data runs/stickers-128/world.parquet [--count 256]

MODEL may be a run's ``model`` folder, at any time of its training; all must have one VAE and one size of picture. Of
pictures that were trained on, and of held-out pairs of concept and hand, concepts and combinations, ``--count`` of each
are noised at six levels with the same noise for all models, and un-noised by their captions. The first model's row has
its loss (mean squared error in v, 1 for knowing nothing), the others' what they differ from it in thousandths, with
95 % intervals over the pictures; below 0 is better. No network judges.
"""

from __future__ import annotations

import argparse

from fromnoise.training.memory import keep_freed_memory, let_idle_threads_sleep

let_idle_threads_sleep()
keep_freed_memory()

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor  # noqa: E402

from formats import machine  # noqa: E402
from fromnoise.data.pictures import PictureSet, load_folder  # noqa: E402
from fromnoise.diffusion.loss import diffusion_loss, v_target  # noqa: E402
from fromnoise.evaluation.intervals import mean_of  # noqa: E402
from fromnoise.ground.pictures import from_bytes  # noqa: E402
from fromnoise.system.opening import find_model  # noqa: E402
from fromnoise.system.text_to_image import TextToImage  # noqa: E402
from fromnoise.training.run_data import caption  # noqa: E402
from world_drawings import KINDS, chosen  # noqa: E402

TIMES = (999, 900, 800, 650, 500, 300)
AT_ONCE = 64


@torch.no_grad()
def losses(model: TextToImage, shown: PictureSet) -> Tensor:
    """Loss of each picture at each level, float [6,N]."""
    clean = torch.cat([model.vae.encode(from_bytes(part)).mean for part in shown.images.split(AT_ONCE)])
    # The states of the first tokens, as training reads them; a longer prompt has more.
    length = model.tokenizer.context
    words = torch.cat([model.embed([caption(record)])[:, :length] for record in shown.records])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    found = []
    for time in TIMES:
        t = torch.full((len(clean),), time)
        noisy = model.schedule.add_noise(clean, noise, t)
        target = v_target(clean, noise, model.schedule.alpha(t), model.schedule.sigma(t))
        parts = zip(*(x.split(AT_ONCE) for x in (noisy, t, words, target)), strict=True)
        found.append(torch.cat([diffusion_loss(model.unet(*call), wanted) for *call, wanted in parts]))
    return torch.stack(found)


def main() -> None:
    """Un-noise, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--count", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title=f"v-loss of {options.count} pictures of each kind; differences in thousandths; {machine()}")
    for name in ("model", "pictures seen", "kind", "all levels", *(f"t = {time}" for time in TIMES)):
        table.add_column(name, justify="left" if name in ("model", "kind") else "right")
    base: dict[str, Tensor] = {}
    pictures: PictureSet | None = None
    for name in options.models:
        model = TextToImage.load(find_model(name))
        pictures = load_folder(options.data, model.pixels) if pictures is None else pictures
        for kind, called in KINDS.items():
            loss = losses(model, chosen(pictures, kind, options.count))
            if kind in base:
                means = [mean_of(1000 * x) for x in ((loss - base[kind]).mean(0), *(loss - base[kind]))]
                cells = [f"{m.value:+.1f} ({m.low:+.1f} to {m.high:+.1f})" for m in means]
            else:
                base[kind] = loss
                cells = [f"{float(x.mean()):.4f}" for x in (loss, *loss)]
            table.add_row(name, f"{model.card.get('pictures_seen', 0):,}", called, *cells)
    Console(width=240).print(table)


if __name__ == "__main__":
    main()
