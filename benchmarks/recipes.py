"""One change to the recipe at a time, at equal pictures seen: what does it do to what is drawn?

    python benchmarks/recipes.py --data data/stickers --out runs/ab [--only base,curriculum] [--scale 1.0]

A small world, so that short runs can tell recipes apart: food and drink in four styles (487 pictures of 128
concepts), a small U-Net (96/144 channels), every variant from scratch with the same seed. Networks that a variant
does not touch are those of the base run. The judge (not the model's CLIP) says which of 60 captions each of 240
unselected drawings shows. Finished variants are kept in ``--out`` and not run again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from fromnoise.cli.train import load_recipe
from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.evaluation.judge import features
from fromnoise.evaluation.retrieval import Gallery, Question, Score, choose_questions, relevant, score
from fromnoise.evaluation.synonyms import synonym_questions
from fromnoise.generate import Request, draw_all
from fromnoise.system import TextToImage
from fromnoise.training import checkpoint
from fromnoise.training.memory import let_idle_threads_sleep
from fromnoise.training.run import TASKS, train

STYLES = ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji-3d")
CONCEPTS = 60
PICTURES = {"clip": 24_000, "vae": 19_200, "diffusion": 64_000}
WORLD = {
    "name": "ab",
    "precision": "bf16",
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
    "noise levels: recipes.md's": (
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
    "VAE: perceptual": ({"vae.perceptual": "0.2"}, "vae"),
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
    recipe = load_recipe("stickers_cpu").with_overrides({**WORLD, **loops, **changes})
    out = options.out / name.replace(" ", "_").replace(":", "").replace("'", "")
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "run.json").exists():
        for kept in (*TASKS[: TASKS.index(first)], *(("tokenizer",) if first != "clip" else ())):
            shutil.copytree(options.out / "base" / kept, out / kept)
        if first != "clip":
            stored = json.loads((options.out / "base" / "run.json").read_text())
            (out / "run.json").write_text(json.dumps({**stored, "recipe": recipe.to_dict()}))
    return train(recipe, options.data, out)


def judged(model: TextToImage, data: PictureSet) -> dict[str, Score]:
    """Retrieval among the captions, by concepts' own names and by words that no caption has."""
    keys, questions = choose_questions(data.records, STYLES, CONCEPTS, 0)
    found = {"own": _retrieved(model, data, keys, questions)}
    keys, words, _ = synonym_questions(data.records, STYLES)
    return {**found, "never seen": _retrieved(model, data, keys, words)}


def _retrieved(model: TextToImage, data: PictureSet, keys: list[str], questions: list[Question]) -> Score:
    requests = [Request(prompt=q.text, style=q.style, seed=1000 * i) for i, q in enumerate(questions)]
    drawn = torch.cat([draw_all(model, requests[i : i + 16]) for i in range(0, len(requests), 16)])
    indices, records = relevant(data, keys)
    gallery = Gallery(keys, records, features(data.images[indices]))
    return score(gallery.ranks(features(drawn), questions))


def measure(name: str, options: argparse.Namespace) -> dict[str, object]:
    """Train and judge one variant, or read what an earlier call found."""
    file = options.out / "results" / f"{name.replace(' ', '_').replace(':', '')}.json"
    if file.exists():
        return json.loads(file.read_text())  # type: ignore[no-any-return]
    folder = trained(name, options)
    data = load_folder(options.data, 64)
    wanted = [i for i, r in enumerate(data.records) if r.group == "food-drink"]
    data = PictureSet(data.images[wanted], [data.records[i] for i in wanted], [])
    found = judged(TextToImage.load(folder).for_drawing("auto"), data)
    row: dict[str, object] = {key: asdict(value) for key, value in found.items()}
    row["vae_psnr"] = _psnr(folder.parent / "vae")
    latest, _ = checkpoint.newest(folder.parent / "diffusion")
    row["seconds"] = latest.facts["seconds"] if latest else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(row))
    return row


def _psnr(folder: Path) -> float:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["held_out_psnr"] for row in rows if "held_out_psnr" in row][-1]  # type: ignore[no-any-return]


def show(results: Mapping[str, dict[str, object]]) -> None:
    """Print the table."""
    table = Table(title="one change at a time")
    for column in ("variant", "top-1", "95 %", "top-5", "words never seen, top-5", "VAE, dB", "U-Net, s"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for name, row in results.items():
        own, unseen = Score.from_dict(row["own"]), Score.from_dict(row["never seen"])  # type: ignore[arg-type]
        table.add_row(
            *(name, f"{own.top1:.1%}", f"{own.low:.1%}–{own.high:.1%}", f"{own.top5:.1%}", f"{unseen.top5:.1%}"),
            *(f"{row['vae_psnr']:.1f}", f"{row['seconds']:.0f}"),
        )
    Console(width=120).print(table)


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
    results = {}
    for name in options.only.split(","):
        results[name] = measure(name, options)
        show(results)


if __name__ == "__main__":
    main()
