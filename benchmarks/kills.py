"""Is anything lost when a training is killed? ``kill -9`` at many random moments, half of them while it saves.

    python benchmarks/kills.py --moments 50

A small run of all three networks (64 of the starter pictures, a checkpoint every 0.3 seconds) is killed again and
again and goes on each time by the same call; then it is left to end. The weights that it ends with, of all networks and
of the model that it wrote, must be those of a run that nobody disturbed, bit for bit.

Each session is a fork of a process that has everything imported, which makes 50 of them a matter of minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from formats import machine
from fromnoise.cli.train import load_recipe
from fromnoise.training.recipe import Recipe
from fromnoise.training.run import train

SMALL = {
    "precision": "fp32", "threads": "1", "data.limit": "64", "data.pixels": "32", "clip.image.pixels": "32",
    "vae.model.block_out_channels": "16,32,32", "diffusion.model.block_out_channels": "48,64",
    "diffusion.model.head_dim": "16", "diffusion.prompts": "cat", "diffusion.sheet_steps": "2",
    "diffusion.loop.optimizer": "adamw", "clip.loop.batch": "8", "vae.loop.batch": "4", "diffusion.loop.batch": "8",
    **{f"{task}.loop.{name}": value for task in ("clip", "vae", "diffusion")
       for name, value in (("save_minutes", "0.005"), ("log_steps", "1"))},
}  # fmt: skip


def recipe(steps: int) -> Recipe:
    """The first model's, small, with so many steps for each network."""
    lengths = {"clip": 8 * steps, "vae": 4 * steps, "diffusion": 8 * steps}
    return load_recipe("first_model").with_overrides(
        {**SMALL, **{f"{task}.loop.pictures": str(count) for task, count in lengths.items()}}
    )


def session(wanted: Recipe, out: Path) -> int:
    """Begin a session in a process of its own and return its number."""
    process = os.fork()
    if process:
        return process
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    code = 1
    try:
        torch.set_num_threads(1)
        train(wanted, "starter", out)
        code = 0
    finally:
        os._exit(code)


def over(process: int) -> bool:
    """Whether a session has ended by itself, and all is trained."""
    done, status = os.waitpid(process, os.WNOHANG)
    if done and status:
        sys.exit(f"a session failed with {os.waitstatus_to_exitcode(status)}")
    return bool(done)


def saving(out: Path) -> bool:
    """Whether a checkpoint or a model is being written."""
    return any(out.glob("*/.step-*.tmp")) or any(out.glob(".model.*.tmp"))


def wait_for_moment(process: int, out: Path, while_saving: bool) -> bool:
    """Wait until a session is to be killed; False where it has ended before."""
    files = {path: path.stat().st_mtime_ns for path in out.glob("*/log.jsonl")}
    begun, most = time.monotonic(), random.uniform(0, 3) if random.random() < 0.1 else 300.0
    while {path: path.stat().st_mtime_ns for path in out.glob("*/log.jsonl")} == files:  # until it has trained
        if over(process):
            return False
        if time.monotonic() - begun > most:  # or while it still prepares
            return True
        time.sleep(0.005)
    if while_saving:
        while not saving(out):
            if over(process):
                return False
    time.sleep(random.uniform(0, 0.03 if while_saving else 2.0))
    return not over(process)


def learnt(out: Path) -> dict[str, torch.Tensor]:
    """Every weight of the last checkpoints and of the model."""
    found = {}
    files = [*out.glob("model/**/*.safetensors"), *(file for task in ("clip", "vae", "diffusion")
             for file in max(out.glob(f"{task}/step-*")).glob("*.safetensors"))]  # fmt: skip
    for file in files:
        if file.name != "learning.safetensors":  # a film of the sheets, which come by the watch
            named = {f"{file.relative_to(out)} {name}": tensor for name, tensor in load_file(file).items()}
            found.update(named)
    return found


def main() -> None:
    """Kill, go on, compare."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--moments", type=int, default=50)
    options.add_argument("--steps", type=int, default=300, help="of each network")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    random.seed(given.seed)
    wanted, kills, in_saving = recipe(given.steps), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        broken, whole = Path(folder) / "broken", Path(folder) / "whole"
        while kills < given.moments:
            process = session(wanted, broken)
            if not wait_for_moment(process, broken, kills % 2 == 0):
                print(f"all was trained after {kills} kills; give more --steps")
                break
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            kills, in_saving = kills + 1, in_saving + saving(broken)
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
