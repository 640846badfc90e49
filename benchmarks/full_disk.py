"""Is anything lost when a disk runs full? A real one, a small file system of its own, filled at random moments.

    sudo mount -t tmpfs -o size=160m,mode=1777 tmpfs /mnt/small
    python benchmarks/full_disk.py --disk /mnt/small --moments 50

A small run of all three networks trains on it, with a checkpoint every 0.3 seconds. Again and again the disk is filled
up to its last byte, or nearly; the run has to end with one line, is given room, and goes on by the same call. The
weights that it ends with, of all networks and of the model that it wrote, must be those of a run that nobody disturbed,
bit for bit. Then commands write to the full disk: each has to end with one line, and to leave nothing behind.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from formats import machine
from fromnoise.cli import main as main_of_fromnoise
from kills import SMALL, learnt

LARGEST = 2**30  # bytes of a disk that is filled
SAID = "said.txt"
COMMANDS = (
    "generate red%20apple --steps 2 --seed 1 --out {}/apple.png",
    "generate red%20apple --steps 2 --seed 1 -n 4 --out {}/sheet.png",
    "generate red%20apple --steps 2 --seed 1 --film {}/apple.gif --out {}/apple.png",
    "data pack starter {}/starter.parquet",
    "convert stickers-64 {}/copied",
    "inspect words red%20apple --steps 2 --out {}/words.html",
)


def session(words: Sequence[str], said: Path) -> int:
    """Begin the command in a process of its own, a fork of this one, and return its number; ``said`` is its errors."""
    process = os.fork()
    if process:
        return process
    nowhere, errors = os.open(os.devnull, os.O_WRONLY), os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(nowhere, 1)
    os.dup2(errors, 2)
    sys.argv, code = ["fromnoise", *words], 1
    try:
        torch.set_num_threads(1)
        main_of_fromnoise()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


def ended(process: int, patience: float) -> int | None:
    """How a process ended, None where it goes on after so many seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def fill(disk: Path, left: int) -> Path:
    """Fill a disk but for so many bytes."""
    ballast = disk / "ballast"
    state = os.statvfs(disk)
    size = max(0, state.f_bavail * state.f_frsize - left)
    with ballast.open("wb") as file:
        try:
            while size > 0:
                size -= os.write(file.fileno(), b"\0" * min(size, 2**20))
        except OSError:
            return ballast  # the run was quicker
    return ballast


def training(steps: int, out: Path) -> list[str]:
    """The command of a small training with so many steps for each network."""
    lengths = {"clip.loop.pictures": 8 * steps, "vae.loop.pictures": 4 * steps, "diffusion.loop.pictures": 8 * steps}
    settings = [f"--set={name}={value}" for name, value in {**SMALL, **lengths}.items()]
    return ["train", "first_model", "--data", "starter", "--out", str(out), "--no-self-test", "--no-index", *settings]


def filled_again_and_again(disk: Path, steps: int, moments: int, said: Path) -> tuple[Counter[str], Path]:
    """Train on a disk that is filled so often; returns what was said, and the run."""
    out, reasons = disk / "run", Counter[str]()
    words = training(steps, out)
    while sum(reasons.values()) < moments:
        process = session(words, said)
        code = ended(process, random.uniform(0.2, 4.0))
        if code is None:
            ballast = fill(disk, random.choice((0, 0, 4096, random.randrange(2**18), random.randrange(2**21))))
            code = ended(process, 300)
            ballast.unlink()
        if code == 0:
            print(f"all was trained after {sum(reasons.values())} full disks; give more --steps")
            break
        text = said.read_text()
        line = text.strip().splitlines()[-1] if text.strip() else ""
        if code != 2 or not line.startswith("fromnoise: ") or "Traceback" in text:
            sys.exit(f"a session ended with {code}: {text}")
        reasons[line.replace(str(out), "RUN").removeprefix("fromnoise: ").partition(":")[0]] += 1
        print(f"\r{sum(reasons.values())} full disks", end="", flush=True)
    code = ended(session(words, said), 3600)
    if code:
        sys.exit(f"the last session ended with {code}: {said.read_text()}")
    return reasons, out


def commands_on_a_full(disk: Path) -> list[str]:
    """What is wrong with how commands end on a full disk; empty where nothing is."""
    wrong = []
    for command in COMMANDS:
        place = disk / "place"
        place.mkdir()
        ballast = fill(disk, 0)
        words = [word.replace("%20", " ").format(place) for word in command.split()]
        done = subprocess.run([sys.executable, "-m", "fromnoise", *words], capture_output=True, text=True, check=False)
        left = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
        last = done.stderr.strip().splitlines()[-1:] or [""]
        print(f"{command}\n    {done.returncode}: {last[0]}")
        if done.returncode == 0 or "Traceback" in done.stderr or left:
            wrong.append(f"{command}: {done.returncode}, left {left}, said {done.stderr[-600:]}")
        ballast.unlink()
        shutil.rmtree(place)
    return wrong


def main() -> None:
    """Fill, go on, compare."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--disk", type=Path, required=True, help="a small file system of its own")
    options.add_argument("--moments", type=int, default=50)
    options.add_argument("--steps", type=int, default=300, help="of each network")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    state = os.statvfs(given.disk)
    if state.f_blocks * state.f_frsize > LARGEST or not os.path.ismount(given.disk):
        sys.exit(f"{given.disk} is not a small file system of its own; see --help")
    if any(given.disk.iterdir()):
        sys.exit(f"{given.disk} is not empty")
    random.seed(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / SAID
        reasons, out = filled_again_and_again(given.disk, given.steps, given.moments, said)
        ended(session(training(given.steps, Path(folder) / "whole"), said), 3600)
        ours, theirs = learnt(out), learnt(Path(folder) / "whole")
    same = ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    verdict = "are bit for bit those" if same else "DIFFER from those"
    print(f"\n{machine()}: {len(ours)} tensors {verdict} of a run that nobody disturbed")
    for reason, count in reasons.most_common():
        print(f"    {count} × {reason}")
    shutil.rmtree(out)
    wrong = commands_on_a_full(given.disk)
    print("\n".join(wrong) or f"{len(COMMANDS)} commands ended with a line and left nothing behind")
    sys.exit(0 if same and not wrong else 1)


if __name__ == "__main__":
    main()
