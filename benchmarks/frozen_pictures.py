"""Do two checkouts draw the same pixels? A frozen list of prompts, seeds and settings, drawn by both and compared.

    git worktree add /tmp/before COMMIT
    python benchmarks/frozen_pictures.py /tmp/before

Everything goes through the command line, which is the same in both: the shipped model, its few steps, and tiny random
checkpoints built like Stable Diffusion 1.x, 2.x and XL. It prints a line per case and ends with 1 if any pixel differs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from formats import machine, measurable

HERE = Path(__file__).parents[1]
PROMPTS = ("a red apple", "cat face", "(house:1.3) with a [tree]", "a very long line of words " * 6)
SHIPPED: tuple[tuple[str, ...], ...] = (
    ("-n", "2", "--seed", "7", "--style", "noto", "--steps", "4"),
    ("--seed", "8", "--negative", "green", "--guidance", "5", "--steps", "4"),
    *(("--seed", "9", "--steps", "4", "--sampler", name) for name in ("ddim", "euler", "heun", "unipc", "euler_a")),
    ("--seed", "9", "--steps", "6", "--sampler", "dpm++sde", "--sigmas", "karras"),
    ("--seed", "10", "--guidance", "1", "--steps", "4"),
    ("--seed", "11", "--rescale", "0", "--interval", "0", "999", "--steps", "4"),
    ("--seed", "12", "--size", "96x64", "--steps", "3"),
    ("--seed", "13", "--spacing", "trailing", "--steps", "4"),
    ("--seed", "14", "--fast"),
    ("--seed", "15", "--precision", "bf16", "--steps", "4"),
)
FREE = (
    ("--free", "--seed", "1", "-n", "2", "--steps", "3"),
    ("--free", "--seed", "2", "--style", "twemoji", "--steps", "3"),
)
CHECKPOINTS: tuple[tuple[str, ...], ...] = (
    ("--seed", "3", "--steps", "4"),
    ("--seed", "4", "--steps", "4", "--negative", "blue", "--sampler", "euler", "-n", "2"),
    ("--seed", "5", "--steps", "4", "--size", "48x32", "--sampler", "dpm++"),
)


def cases(models: Path) -> list[tuple[str, ...]]:
    """Arguments of ``fromnoise generate``, without --out."""
    found = [(prompt, *options) for prompt, options in zip(PROMPTS * 4, SHIPPED, strict=False)]
    found += [
        *FREE,
        ("a red apple", "--seed", "16", "--image", str(models / "photo.png"), "--strength", "0.5", "--steps", "6"),
    ]
    found.append(
        (
            "a house",
            "--seed",
            "17",
            "--image",
            str(models / "photo.png"),
            "--mask",
            str(models / "mask.png"),
            "--steps",
            "4",
        )
    )
    for family in ("sd1", "sd2", "sdxl"):
        found += [("a red apple", "--model", str(models / family), *options) for options in CHECKPOINTS]
    return found


def prepare(models: Path) -> None:
    """Write tiny checkpoints, a photo and a mask."""
    sys.path.insert(0, str(HERE / "tests"))
    from checkpoints import pipeline

    for family in ("sd1", "sd2", "sdxl"):
        pipeline(family).save_pretrained(models / family)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((64, 64)).save(models / "photo.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    Image.fromarray(mask).save(models / "mask.png")


def drawn(checkout: Path, arguments: tuple[str, ...], out: Path) -> list[np.ndarray]:
    """The pictures that a checkout draws."""
    out.mkdir(parents=True)
    command = [sys.executable, "-m", "fromnoise", "generate", *arguments, "--out", str(out / "a.png")]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(arguments)}: {done.stderr.strip()}")
    return [np.asarray(Image.open(file)) for file in sorted(out.glob("*.png"))]


def main() -> int:
    """Compare, and return 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="another checkout of fromnoise")
    other: Path = parser.parse_args().other
    differing = pictures = 0
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        models.mkdir()
        prepare(models)
        named = {" ".join(arguments): arguments for arguments in cases(models)}
        wanted = measurable(named)
        for i, arguments in enumerate(named[name] for name in wanted):
            ours, theirs = (drawn(c, arguments, Path(folder) / f"{n}{i}") for n, c in (("a", HERE), ("b", other)))
            same = len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))
            pictures += len(ours)
            differing += not same
            print(f"{'same  ' if same else 'DIFFER'} {' '.join(arguments).replace(folder, '')}", flush=True)
    print(f"{pictures} pictures in {len(wanted)} cases: {differing} cases differ, {machine()}")
    return min(1, differing)


if __name__ == "__main__":
    sys.exit(main())
