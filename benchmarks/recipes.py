"""One change to the recipe at a time, at equal pictures seen: what does it do to what is drawn?

    python benchmarks/recipes.py --data data/stickers --out runs/ab [--only base,curriculum] [--scale 1.0]

A small world, so that short runs can tell recipes apart: food and drink in four styles (487 pictures of 128
concepts), a small U-Net (96/144 channels), every variant from scratch with the same seed. Networks that a variant
does not touch are those of the base run. The judge (not the model's CLIP) says which of 60 captions each of 240
unselected drawings shows. Short runs are too early for top-1 to tell recipes apart, so the table leads with the mean
rank of the right caption (0 = first of 60, 50 % = chance), and with its difference from the base run's on the same
questions and seeds, whose interval is much narrower than either figure's own. Finished variants are kept in ``--out``
and not run again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.cli.train import load_recipe
from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.request import Request
from fromnoise.evaluation.judge import features
from fromnoise.evaluation.retrieval import Gallery, Question, choose_questions, relevant, score
from fromnoise.evaluation.synonyms import synonym_questions
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint
from fromnoise.training.memory import let_idle_threads_sleep
from fromnoise.training.run import TASKS, train

STYLES = ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji-3d")
CONCEPTS = 60
PICTURES = {"clip": 24_000, "vae": 19_200, "diffusion": 64_000}
WORLD = {
    "name": "ab",
    "threads": "1",
    "data.styles": ",".join(STYLES),
    "data.groups": "food-drink",
    "data.scenes": "0",
    "diffusion.model.block_out_channels": "96,144",
    "clip.meanings": "",
    "clip.loop.warmup": "4000",
    "vae.loop.warmup": "2000",
    "diffusion.loop.warmup": "4000",
    "diffusion.prompts": "red apple",
}
# name → (what it changes, the first network that has to be trained anew)
VARIANTS: dict[str, tuple[dict[str, str], str]] = {
    "base": ({}, "clip"),
    "noise levels: uniform": ({"diffusion.noise_levels": "uniform"}, "diffusion"),
    "noise levels: curriculum": ({"diffusion.noise_levels": "curriculum"}, "diffusion"),
    "noise levels: usual mix": (
        {
            "diffusion.time_mix.logit_normal": "0.80",
            "diffusion.time_mix.uniform": "0.18",
            "diffusion.time_mix.terminal": "0.02",
            "diffusion.time_mix.mean": "-0.4",
        },
        "diffusion",
    ),
    "optimizer: AdamW": ({"diffusion.loop.optimizer": "adamw", "diffusion.loop.learning_rate": "8e-4"}, "diffusion"),
    "mirror: half": ({"diffusion.mirror": "0.5"}, "diffusion"),
    "captions: full only": (
        {
            "data.captions.full": "0.9",
            "data.captions.keywords": "0",
            "data.captions.synonym": "0",
            "data.captions.object_only": "0",
            "data.captions.style_only": "0",
            "data.captions.colour": "0",
            "data.captions.article": "0",
        },
        "clip",
    ),
    "words without pictures": ({"clip.meanings": "MEANINGS"}, "clip"),
    "latents: not whitened": ({"vae.whiten": "false"}, "vae"),
    "latents: equivariant": ({"vae.equivariance": "0.5"}, "vae"),
    "VAE: f4 with 4 channels": (
        {
            "vae.model.latent_channels": "4",
            "vae.model.block_out_channels": "16,32,64",
            "diffusion.model.in_channels": "4",
            "diffusion.model.out_channels": "4",
            "diffusion.model.sample_size": "16",
        },
        "vae",
    ),
}


def trained(name: str, options: argparse.Namespace) -> Path:
    """Train a variant and return its model."""
    changes, first = VARIANTS[name]
    changes = {k: v.replace("MEANINGS", str(options.meanings)) for k, v in changes.items()}
    loops = {f"{task}.loop.pictures": str(int(n * options.scale)) for task, n in PICTURES.items()}
    recipe = load_recipe("stickers_64").with_overrides({**WORLD, **loops, **changes})
    out = options.out / name.replace(" ", "_").replace(":", "").replace("'", "")
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "run.json").exists():
        for kept in (*TASKS[: TASKS.index(first)], *(("tokenizer",) if first != "clip" else ())):
            shutil.copytree(options.out / "base" / kept, out / kept)
        if first != "clip":
            stored = json.loads((options.out / "base" / "run.json").read_text())
            (out / "run.json").write_text(json.dumps({**stored, "recipe": recipe.to_dict()}))
    return train(recipe, options.data, out)


def judged(model: TextToImage, data: PictureSet) -> dict[str, list[int]]:
    """Ranks of the right caption, by concepts' own names and by words that no caption has."""
    keys, questions = choose_questions(data.records, STYLES, CONCEPTS, 0)
    found = {"own": _ranks(model, data, keys, questions)}
    keys, words, _ = synonym_questions(data.records, STYLES)
    return {**found, "never seen": _ranks(model, data, keys, words), "captions": [CONCEPTS, len(keys)]}


def _ranks(model: TextToImage, data: PictureSet, keys: list[str], questions: list[Question]) -> list[int]:
    requests = [Request(prompt=q.text, style=q.style, seed=1000 * i) for i, q in enumerate(questions)]
    drawn = torch.cat([draw_all(model, requests[i : i + 16]) for i in range(0, len(requests), 16)])
    indices, records = relevant(data, keys)
    gallery = Gallery(keys, records, features(data.images[indices]))
    return gallery.ranks(features(drawn), questions).tolist()


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and judge one variant, or read what an earlier call found."""
    file = options.out / "results" / f"{name.replace(' ', '_').replace(':', '')}.json"
    if file.exists():
        return json.loads(file.read_text())  # type: ignore[no-any-return]
    folder = trained(name, options)
    data = load_folder(options.data, 64)
    wanted = [i for i, r in enumerate(data.records) if r.group == "food-drink"]
    data = PictureSet(data.images[wanted], [data.records[i] for i in wanted], [])
    row: dict[str, Any] = dict(judged(TextToImage.load(folder).for_drawing("auto"), data))
    row["vae_psnr"] = _psnr(folder.parent / "vae")
    latest, _ = checkpoint.newest(folder.parent / "diffusion")
    row["seconds"] = latest.facts["seconds"] if latest else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(row))
    return row


def _psnr(folder: Path) -> float:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["held_out_psnr"] for row in rows if "held_out_psnr" in row][-1]  # type: ignore[no-any-return]


def mean_rank(ranks: list[int], captions: int, base: list[int] | None = None) -> tuple[float, float, float]:
    """Mean rank as a share of the captions, or its difference from ``base``, with a 95 % bootstrap interval."""
    values = torch.tensor(ranks, dtype=torch.float64) / (captions - 1)
    if base is not None:
        values = values - torch.tensor(base, dtype=torch.float64) / (captions - 1)
    picks = torch.randint(len(values), (4000, len(values)), generator=torch.Generator().manual_seed(0))
    low, high = torch.quantile(values[picks].mean(1), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(values.mean()), low, high


def show(results: Mapping[str, dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(title=f"one change at a time, {machine()}")
    for column in (
        "variant",
        "rank",
        "against base",
        "top-5",
        "never seen: rank",
        "against base",
        "VAE, dB",
        "U-Net, s",
    ):
        table.add_column(column, justify="left" if column == "variant" else "right")
    base = results.get("base")
    for name, row in results.items():
        cells = []
        for key, captions in zip(("own", "never seen"), row["captions"], strict=True):
            value, _, _ = mean_rank(row[key], captions)
            cells += [f"{value:.1%}", _difference(row[key], captions, base and base[key]) if name != "base" else ""]
            cells += [score(torch.tensor(row[key])).top5.__format__(".1%")] if key == "own" else []
        table.add_row(name, *cells, f"{row['vae_psnr']:.1f}", f"{row['seconds']:.0f}")
    Console(width=140).print(table)


def _difference(ranks: list[int], captions: int, base: list[int] | None) -> str:
    if base is None:
        return ""
    value, low, high = mean_rank(ranks, captions, base)
    return f"{value:+.1%} ({low:+.1%} to {high:+.1%})"


def main() -> None:
    """Run the variants."""
    let_idle_threads_sleep()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/stickers"))
    parser.add_argument("--meanings", type=Path, default=Path("data/meanings.safetensors"))
    parser.add_argument("--out", type=Path, default=Path("runs/ab"))
    parser.add_argument("--only", default=",".join(VARIANTS))
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of pictures, for a quick try")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, Any]] = {}
    for name in options.only.split(","):
        results[name] = measure(name, options)
        show(results)


if __name__ == "__main__":
    main()
