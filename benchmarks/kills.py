"""Is anything lost when a training is killed? ``kill -9`` at many random moments, half of them while it saves.

    python benchmarks/kills.py --moments 50
    python benchmarks/kills.py --moments 20 --recipe lora
    python benchmarks/kills.py --moments 20 --recipe finetune

A small run of all three networks (64 of the starter pictures, a checkpoint every 0.3 seconds) is killed again and
again and goes on each time by the same call; then it is left to end. The weights that it ends with, of all networks and
of the model that it wrote, must be those of a run that nobody disturbed, bit for bit. With ``--recipe lora`` or
``finetune``, such a small model, with a map of what it knows, is made first, and what is killed learns beside it, or
goes on with its U-Net; what the model draws of what it knows, and the files for diffusers and peft, are compared, too.

Each session is a fork of a process that has everything imported, which makes 50 of them a matter of minutes.
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from formats import machine
from fromnoise.cli.train import load_recipe
from fromnoise.training.recipe import Recipe
from fromnoise.training.run import train
from fromnoise.training.situation import Situation

RECIPES = ("first_model", "lora", "finetune")
SMALL = {
    "precision": "fp32", "threads": "1", "data.limit": "64", "data.pixels": "32", "clip.image.pixels": "32",
    "vae.model.block_out_channels": "16,32,32", "diffusion.model.block_out_channels": "48,64",
    "diffusion.model.head_dim": "16", "diffusion.prompts": "cat", "diffusion.sheet_steps": "2",
    "diffusion.loop.optimizer": "adamw", "clip.loop.batch": "8", "vae.loop.batch": "4", "diffusion.loop.batch": "8",
    **{f"{task}.loop.{name}": value for task in ("clip", "vae", "diffusion")
       for name, value in (("save_minutes", "0.005"), ("log_steps", "1"))},
}  # fmt: skip
BESIDE = {
    **{name: SMALL[name] for name in ("precision", "threads", "data.limit", "data.pixels", "diffusion.prompts",
                                      "diffusion.sheet_steps", "diffusion.loop.batch")},
    "diffusion.known": "32", "diffusion.replay": "0.25", "lora.known": "32", "lora.steps": "2", "lora.drawings": "1",
    "lora.loop.batch": "8",
    **{f"{task}.loop.{name}": value for task in ("diffusion", "lora")
       for name, value in (("save_minutes", "0.005"), ("log_steps", "1"), ("warmup", "64"))},
}  # fmt: skip


def recipe(steps: int) -> Recipe:
    """The first model's, small, with so many steps for each network."""
    lengths = {"clip": 8 * steps, "vae": 4 * steps, "diffusion": 8 * steps}
    return load_recipe("first_model").with_overrides(
        {**SMALL, **{f"{task}.loop.pictures": str(count) for task, count in lengths.items()}}
    )


def recipe_beside(name: str, base: Path, steps: int) -> Recipe:
    """That of a LoRA or of finetuning, small, for so many steps with a model."""
    suited = load_recipe(name, lambda: Situation(64, 64, model=str(base)))
    lengths = {f"{task}.loop.pictures": str(8 * steps) for task in ("diffusion", "lora")}
    found: Recipe = suited.recipe.with_overrides({**BESIDE, **lengths})
    return found


def small_model(out: Path) -> Path:
    """A model of a short training, with a map of what it knows."""
    from fromnoise.cli.views.map import keep_map

    os.waitpid(session(recipe(24), out), 0)
    _, status = os.waitpid(forked(lambda: keep_map(out / "model", "starter", "pca")), 0)
    if status:
        sys.exit("no map was made of the small model")
    return out / "model"


def session(wanted: Recipe, out: Path) -> int:
    """Begin a session in a process of its own and return its number."""
    return forked(functools.partial(train, wanted, "starter", out))


def forked(work: Callable[[], object]) -> int:
    """Do something in a process of its own, silently, and return its number."""
    process = os.fork()
    if process:
        return process
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    code = 1
    try:
        torch.set_num_threads(1)
        work()
        code = 0
    finally:
        os._exit(code)


def over(process: int) -> bool:
    """Whether a session has ended by itself, and all is trained."""
    done, status = os.waitpid(process, os.WNOHANG)
    if done and status:
        sys.exit(f"a session failed with {os.waitstatus_to_exitcode(status)}")
    return bool(done)


def drafts(out: Path) -> set[Path]:
    """What of a checkpoint, a model or a LoRA is being written, or was when a session was killed."""
    return {
        draft
        for named in ("*/.step-*.tmp", ".model.*.tmp", ".peft.*.tmp", ".*.tmp.lora.*")
        for draft in out.glob(named)
    }


def wait_for_moment(process: int, out: Path, while_saving: bool) -> bool:
    """Wait until a session is to be killed; False where it has ended before."""
    files, left = {path: path.stat().st_mtime_ns for path in out.glob("*/log.jsonl")}, drafts(out)
    begun, most = time.monotonic(), random.uniform(0, 3) if random.random() < 0.1 else 300.0
    while {path: path.stat().st_mtime_ns for path in out.glob("*/log.jsonl")} == files:  # until it has trained
        if over(process):
            return False
        if time.monotonic() - begun > most:  # or while it still prepares
            return True
        time.sleep(0.005)
    if while_saving:
        while not drafts(out) - left:
            if over(process):
                return False
            time.sleep(0.002)
    time.sleep(random.uniform(0, 0.03 if while_saving else 2.0))
    return not over(process)


def learnt(out: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the last checkpoints, of the model or the LoRA, and of what was prepared for them."""
    found = {}
    newest = [max(task.glob("step-*")) for task in out.iterdir() if any(task.glob("step-*"))]
    files = [*out.glob("*.safetensors"), *out.glob("*/*.safetensors"), *out.glob("model/*/*.safetensors"),
             *(file for last in newest for file in last.glob("*.safetensors"))]  # fmt: skip
    for file in files:
        if file.name != "learning.safetensors":  # a film of the sheets, which come by the watch
            named = {f"{file.relative_to(out)} {name}": tensor for name, tensor in load_file(file).items()}
            found.update(named)
    return found


def main() -> None:
    """Kill, go on, compare."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--moments", type=int, default=50)
    options.add_argument("--recipe", choices=RECIPES, default=RECIPES[0])
    options.add_argument("--steps", type=int, default=300, help="of each network")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    random.seed(given.seed)
    kills, in_saving = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        wanted = recipe(given.steps)
        if given.recipe != RECIPES[0]:
            wanted = recipe_beside(given.recipe, small_model(Path(folder) / "base"), given.steps)
        broken, whole = Path(folder) / "broken", Path(folder) / "whole"
        while kills < given.moments:
            left, process = drafts(broken), session(wanted, broken)
            if not wait_for_moment(process, broken, kills % 2 == 0):
                print(f"all was trained after {kills} kills; give more --steps")
                break
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            kills, in_saving = kills + 1, in_saving + bool(drafts(broken) - left)
            print(f"\r{kills} kills, {in_saving} while something was being written", end="", flush=True)
        for out in (broken, whole):
            os.waitpid(session(wanted, out), 0)
        ours, theirs = learnt(broken), learnt(whole)
        same = ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
        print(f"\n{machine()}: {len(ours)} tensors {'are bit for bit those' if same else 'DIFFER from those'} of a run "
              "that nobody disturbed")  # fmt: skip
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
