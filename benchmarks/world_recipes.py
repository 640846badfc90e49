"""One change at a time to how the U-Net learns the endless world, at equal seconds: what does it do to the loss?

    python benchmarks/world_recipes.py RUN --out runs/ab-world [--seconds 400] [--only "base;batch 32"] [--threads 1]

RUN is a run of ``recipes/stickers_cpu.py`` whose words and VAE are trained and whose U-Net has begun: every variant
learns from the latents in its pool, from the same random start, and none adds to them. How many pictures fit into the
seconds is measured first, on the machine at rest, and kept; so work beside it does not change the table.

Every variant then un-noises the same held-out pictures of the world with the same noise, with their captions and
without any words. The table has each loss's difference from the base run's, in thousandths, with its 95 % interval over
the pictures; below 0 is better. "Words" is how much the captions help, on average of the three noisiest levels; above 0
is better. Losses on other latents cannot be compared, so VAEs are not among the variants. Nothing here is judged by a
network. Finished variants are kept in ``--out`` and not run again. What share of the pictures show two things (a
"scene") is changed by choosing pictures from the pool; ``--data`` is then the folder of drawings that RUN learns from.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fromnoise.training.memory import keep_freed_memory, let_idle_threads_sleep

let_idle_threads_sleep()
keep_freed_memory()

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from formats import BEST, machine  # noqa: E402
from fromnoise.cli.train import load_recipe  # noqa: E402
from fromnoise.data.pictures import load_folder  # noqa: E402
from fromnoise.data.world import World  # noqa: E402
from fromnoise.data.world.drawing import chosen_drawings  # noqa: E402
from fromnoise.diffusion.loss import diffusion_loss, v_target  # noqa: E402
from fromnoise.diffusion.schedule import ScheduleConfig  # noqa: E402
from fromnoise.evaluation.intervals import mean_of  # noqa: E402
from fromnoise.ground.pictures import from_bytes  # noqa: E402
from fromnoise.system.text_to_image import TextToImage  # noqa: E402
from fromnoise.training.clock import Clock, seeded  # noqa: E402
from fromnoise.training.loop import Trainer  # noqa: E402
from fromnoise.training.recipe import DiffusionStage, Recipe  # noqa: E402
from fromnoise.training.run_data import caption  # noqa: E402
from fromnoise.training.speed import random_step, seconds  # noqa: E402
from fromnoise.training.tasks.base import Compute  # noqa: E402
from fromnoise.training.tasks.diffusion import Conditioning, DiffusionTask  # noqa: E402

TIMES = (999, 900, 800, 650, 500, 300)
ROUNDS = 5  # of timing
NOISY = 3  # of these, where words decide
LENGTH = "the longest caption of four"
SCENES = {"scenes 5 %": 0.05, "scenes 50 %": 0.5}  # share of pictures of two things; the world has 20 %
OF_TWO = {"pairs", "relations", "mixed"}  # kinds of the world
VARIANTS: dict[str, dict[str, str]] = {
    "base": {},
    "batch 32": {"batch": "32"},
    "batch 128": {"batch": "128"},
    "two blocks per level": {"model.layers_per_block": "2"},
    "wider: 128, 256, 320": {"model.block_out_channels": "128,256,320"},
    "words pooled into the time": {"model.pooled_heads": "4"},
    "noise levels: mean 0.3": {"time_mix.mean": "0.3"},
    "noise levels: mean 1.5": {"time_mix.mean": "1.5"},
    LENGTH: {},
    **{name: {} for name in SCENES},
}


@dataclass(frozen=True)
class Pool:
    """Latents float16 [N,C,h,w] with the wordings of each; a batch is a pure function of the clock."""

    latents: Tensor
    captions: list[list[str]]
    longest: bool
    order: Tensor  # int64, of the pictures that are learnt from

    @property
    def shape(self) -> torch.Size:
        """Of one picture's latents."""
        return self.latents.shape[1:]

    def at(self, clock: Clock, device: torch.device) -> tuple[Tensor, list[str]]:
        """Latents [B,C,h,w] and a caption for each."""
        flat = self.order[torch.arange(clock.pictures, clock.pictures + clock.batch) % len(self.order)]
        rng = seeded("cpu", clock.seed, "captions", clock.step)
        which = torch.randint(100, (clock.batch,), generator=rng).tolist()
        texts = [self.captions[i] for i in flat.tolist()]
        chosen = [max(t, key=len) if self.longest else t[w % len(t)] for t, w in zip(texts, which, strict=True)]
        return self.latents[flat].to(device).float(), chosen

    def close(self) -> None:
        """Nothing works for it."""


def pool(run: Path, longest: bool, order: list[int] | None) -> Pool:
    """All pictures in a run's pool, in the order of their numbers or another."""
    latents, captions = [], []
    for file in sorted((run / "pool").glob("[0-9]*.safetensors")):
        with safe_open(file, "pt") as stored:
            latents.append(stored.get_tensor("latents"))
            captions += json.loads(stored.metadata()["captions"])
    whole = torch.cat(latents)
    return Pool(whole, captions, longest, torch.arange(len(whole)) if order is None else torch.tensor(order))


def of_two(options: argparse.Namespace, recipe: Recipe, wanted: list[tuple[str, int]]) -> list[bool]:
    """Whether pictures of the world, by splits and numbers, show two things. Kept, since it takes some minutes."""
    file = options.out / "of_two.json"
    found: dict[str, bool] = json.loads(file.read_text()) if file.exists() else {}
    missing = [(split, number) for split, number in wanted if f"{split}-{number}" not in found]
    if missing:
        drawings = chosen_drawings(str(options.data), recipe.data.styles, recipe.data.groups, recipe.data.limit)
        worlds = {split: World(drawings, recipe.data.world.mix, split) for split in {split for split, _ in missing}}
        for split, number in track(missing, "what pictures show"):
            found[f"{split}-{number}"] = worlds[split].choose(recipe.seed, number).kind in OF_TWO
        file.write_text(json.dumps(found))
    return [found[f"{split}-{number}"] for split, number in wanted]


def with_share(share: float, count: int, options: argparse.Namespace, recipe: Recipe) -> list[int]:
    """Numbers of ``count`` pictures of the pool of which a share shows two things, evenly mixed."""
    known = of_two(options, recipe, [("train", i) for i in range(round(count * max(share / 0.19, 1.3)))])
    each = {scene: iter([i for i, found in enumerate(known) if found == scene]) for scene in (True, False)}
    return [next(each[int((i + 1) * share) > int(i * share)]) for i in range(count)]


def held_out(run: Path, out: Path, model: TextToImage) -> tuple[Tensor, list[str], list[str]]:
    """Latents [M,C,h,w], captions and file names of the sample's held-out pictures; encoded once."""
    file = out / "held_out.safetensors"
    if not file.exists():
        pictures = load_folder(run / "world.parquet", model.card["recipe"]["data"]["pixels"], split="test_pair")
        with torch.no_grad():
            parts = [model.vae.encode(from_bytes(part)).mean for part in pictures.images.split(32)]
        texts = json.dumps([caption(r) for r in pictures.records])
        names = json.dumps([r.file_name for r in pictures.records])
        save_file({"latents": torch.cat(parts).contiguous()}, file, metadata={"captions": texts, "names": names})
    with safe_open(file, "pt") as stored:
        told = stored.metadata()
        return stored.get_tensor("latents"), json.loads(told["captions"]), json.loads(told["names"])


def stage_of(recipe: Recipe, name: str) -> DiffusionStage:
    """A variant's settings."""
    changes = {f"diffusion.{'loop.' if key == 'batch' else ''}{key}": value for key, value in VARIANTS[name].items()}
    return recipe.with_overrides(changes).diffusion


def pictures_in(stages: dict[str, DiffusionStage], wanted: float) -> dict[str, int]:
    """How many pictures each variant learns from in so many seconds, on this machine and with its threads.

    Variants take turns, so that a noisy neighbour hits all alike; those that compute the same are measured as one.
    """
    sizes = {name: (stage.model, stage.loop.batch, stage.loop.optimizer) for name, stage in stages.items()}
    steps = {size: random_step(size[0], size[1], BEST, size[2]) for size in dict.fromkeys(sizes.values())}
    times: dict[Any, list[float]] = {size: [] for size in steps}
    for step in steps.values():  # kernels are built on the first calls
        step(), step()
    for _ in range(ROUNDS):
        for size, step in steps.items():
            times[size].append(seconds(step) / size[1])
    return {name: round(wanted / statistics.median(times[size]) / size[1]) * size[1] for name, size in sizes.items()}


def trained(name: str, count: int, recipe: Recipe, model: TextToImage, options: argparse.Namespace) -> Path:
    """Train a variant, or find that it is; returns the file of its averaged weights."""
    folder = options.out / name.replace(" ", "_").replace(":", "").replace(",", "")
    file = folder / "unet.safetensors"
    if file.exists():
        return file
    stage = stage_of(recipe, name)
    loop = replace(stage.loop, pictures=count, warmup=count // 10, decay=0.35, ema=0.99, sheet_minutes=1000)
    stage = replace(stage, loop=loop, prompts=stage.prompts[:8])
    torch.manual_seed(0)
    compute = Compute(torch.device("cpu"), BEST, torch.channels_last)
    network: Any = stage.model.build()
    network = network.to(compute.device, compute.dtype, memory_format=compute.memory_format)
    words = Conditioning(model.tokenizer, model.text_tower.to(BEST))
    parts = (network, ScheduleConfig().build(), model.vae)
    order = with_share(SCENES[name], count, options, recipe) if name in SCENES else None
    task = DiffusionTask(stage, pool(options.run, name == LENGTH, order), words, parts, compute)
    averaged = Trainer(task, folder, recipe.seed).run()
    save_file({key: value.contiguous() for key, value in averaged.state_dict().items()}, file)
    return file


@torch.no_grad()
def losses(
    stage: DiffusionStage, file: Path, model: TextToImage, asked: tuple[Tensor, list[str], list[str]]
) -> dict[str, Any]:
    """v-loss of every held-out picture at every level, with its caption and without words: {"told": [6][M], …}."""
    network: Any = stage.model.build().eval()
    network = network.to(memory_format=torch.channels_last)
    network.load_state_dict(load_file(file))
    clean, texts, _ = asked
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    told, silent = model.embed(texts), model.embed([""]).expand(len(clean), -1, -1)
    found: dict[str, Any] = {"told": [], "silent": []}
    for time in TIMES:
        t = torch.full((len(clean),), time)
        alpha, sigma = model.schedule.alpha(t), model.schedule.sigma(t)
        noisy, target = model.schedule.add_noise(clean, noise, t), v_target(clean, noise, alpha, sigma)
        for key, words in (("told", told), ("silent", silent)):
            parts = zip(*(x.split(48) for x in (noisy, t, words, target)), strict=True)
            each = torch.cat([diffusion_loss(network(*call), wanted) for *call, wanted in parts])
            found[key].append(each.tolist())
    return found


def show(rows: dict[str, dict[str, Any]], among: list[bool] | None, title: str) -> None:
    """Print the table, of all held-out pictures or of those ``among`` them."""
    table = Table(title=f"one change at a time, equal seconds; differences in thousandths; {title}; {machine()}")
    for name in ("variant", "pictures", "all levels", *(f"t = {time}" for time in TIMES), "words"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    which = slice(None) if among is None else torch.tensor(among).nonzero()[:, 0]
    told = {name: torch.tensor(row["losses"]["told"])[:, which] for name, row in rows.items()}
    silent = {name: torch.tensor(row["losses"]["silent"])[:, which] for name, row in rows.items()}
    gain = {name: (silent[name] - told[name])[:NOISY].mean(0) for name in rows}
    for name, row in rows.items():
        cells = [f"{row['pictures']:,}"]
        if name == "base":
            shown = [told[name].mean(0), *told[name], gain[name]]
            cells += [f"{float(x.mean()):.4f}" for x in shown]
        else:
            change = told[name] - told["base"]
            for x in (change.mean(0), *change, gain[name] - gain["base"]):
                found = mean_of(1000 * x)
                cells.append(f"{found.value:+.1f} ({found.low:+.1f} to {found.high:+.1f})")
        table.add_row(name, *cells)
    Console(width=230).print(table)


def main() -> None:
    """Measure speeds, train, ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/ab-world"))
    parser.add_argument("--recipe", default="stickers_cpu")
    parser.add_argument("--data", type=Path, help="the drawings, for the share of scenes")
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--threads", type=int, default=1, help="more than one variant may run beside each other")
    parser.add_argument("--only", help="variants, with semicolons between them")
    parser.add_argument("--measure", action="store_true", help="only measure how many pictures fit")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    names = options.only.split(";") if options.only else list(VARIANTS)
    recipe = load_recipe(options.recipe)
    file = options.out / "pictures.json"
    if not file.exists():
        counts = pictures_in({name: stage_of(recipe, name) for name in VARIANTS}, options.seconds)
        file.write_text(json.dumps(counts, indent=1))
    counts = json.loads(file.read_text())
    print(counts)
    if options.measure:
        return
    model = TextToImage.load(options.run / "model")
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        kept = options.out / f"{name.replace(' ', '_').replace(':', '').replace(',', '')}.json"
        if not kept.exists():
            weights = trained(name, counts[name], recipe, model, options)
            found = losses(stage_of(recipe, name), weights, model, held_out(options.run, options.out, model))
            kept.write_text(json.dumps({"pictures": counts[name], "losses": found}))
        rows[name] = json.loads(kept.read_text())
    if "base" in rows:
        show(rows, None, "all")
    if "base" in rows and options.data is not None:
        parts = [Path(name).stem.rsplit("-", 2) for name in held_out(options.run, options.out, model)[2]]
        scenes = of_two(options, recipe, [(split, int(number)) for split, _, number in parts])
        show(rows, scenes, "two things")
        show(rows, [not scene for scene in scenes], "one thing")


if __name__ == "__main__":
    main()
