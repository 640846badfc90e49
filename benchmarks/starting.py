"""From shell to file: where the seconds of one picture go in a fresh process, beside diffusers with the same weights.

    python benchmarks/starting.py [--model FOLDER] [--steps 20] [--rounds 5]

Every round starts fresh processes, one after the other: the command with a clock between its parts, the command as it
is, `fromnoise --help`, and a script that draws the same with diffusers' pipeline. The files have been read before, so
the disk counts for little. For each row the least of the rounds is printed, in seconds on the wall, since whatever else
the machine does only adds; beside it the least of the seconds that the CPU worked, of all cores and without such waits.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fromnoise.ground.cores import cpu_class
from fromnoise.system.opening import find_model

PROMPT, STYLE = "red apple", "noto"
PARTS = """
import json, sys, time
at, laps = float(sys.argv.pop(1)), {}
def lap(name):
    global at
    now = time.time()
    laps[name], at = laps.get(name, 0.0) + now - at, now
lap("Python")
from fromnoise.ground.collecting import without_collecting
with without_collecting():
    import torch
    lap("import torch")
    from fromnoise.cli import main, told
    from fromnoise.cli.drawing import Job
    from fromnoise.drawing.generate import Finished, generate
    from fromnoise.drawing.opened import open_model, origin_of
    from fromnoise.drawing.picture_file import save_png
    from fromnoise.drawing.plan import plan
lap("other imports")
def do(wishes, opening, files, explain):
    lap("reading the command")
    name, model = open_model(opening)
    lap("opening the model")
    made = plan(model, told._request(wishes, files))
    lap("planning")
    for event in generate(model, made):
        if not isinstance(event, Finished):
            lap("other steps" if "first step" in laps else "first step")
    lap("decoding")
    save_png(event.pictures[0], files.out, origin_of(made, name, model, opening))
    lap("writing")
    json.dump(laps, sys.stderr)
told.do = do
main()
"""
PEER = """
import sys, torch
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained(sys.argv[1])
pipe.set_progress_bar_config(disable=True)
size = pipe.unet.config.sample_size * pipe.vae_scale_factor
options = dict(num_inference_steps=int(sys.argv[3]), guidance_scale=3.0, height=size, width=size)
pipe(sys.argv[2], **options).images[0].save(sys.argv[4])
"""


def timed(command: list[str]) -> tuple[float, float, str]:
    """(seconds on the wall, seconds of the CPU, what it said on standard error) of a process."""
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - begin, os.times()
    worked = sum(after[i] - before[i] for i in (2, 3))  # user and system, of ended children
    return wall, worked, done.stderr


def commands(folder: Path, steps: int, out: str) -> dict[str, list[str]]:
    """What is run in every round, by the names of the table's rows."""
    python = sys.executable
    wishes = ["generate", PROMPT, "--style", STYLE, "--seed", "1", "--steps", str(steps)]
    wishes += ["--model", str(folder), "--out", out]
    return {
        "fromnoise generate": [python, "-m", "fromnoise", *wishes],
        "fromnoise --help": [python, "-m", "fromnoise", "--help"],
        "diffusers": [python, "-c", PEER, str(folder), f"{PROMPT}, {STYLE} style", str(steps), out],
        "parts": wishes,
    }


def one_round(every: dict[str, list[str]]) -> dict[str, tuple[float, float | None]]:
    """Seconds on the wall and of the CPU, by row; of the parts only those on the wall are known."""
    found: dict[str, tuple[float, float | None]] = {}
    begin = time.time()
    wall, _, said = timed([sys.executable, "-c", PARTS, str(begin), *every["parts"]])
    laps: dict[str, Any] = json.loads(said[said.index("{") : said.rindex("}") + 1])
    found |= {f"  {name}": (seconds, None) for name, seconds in laps.items()}
    found["  ending"] = wall - sum(laps.values()), None
    for name, command in every.items():
        if name != "parts":
            found[name] = timed(command)[:2]
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="stickers-64")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        every = commands(find_model(options.model), options.steps, str(Path(scratch) / "a.png"))
        for _ in range(options.rounds):
            for name, found in one_round(every).items():
                rows[name].append(found)
    table = Table(title=f"from shell to file, one picture, {options.steps} steps, {cpu_class()}: seconds")
    for name in ("", "wall", "CPU"):
        table.add_column(name, justify="left" if not name else "right")
    for name, found in rows.items():
        worked = [cpu for _, cpu in found if cpu is not None]
        table.add_row(name, f"{min(wall for wall, _ in found):.2f}", f"{min(worked):.2f}" if worked else "")
    Console().print(table)


if __name__ == "__main__":
    main()
