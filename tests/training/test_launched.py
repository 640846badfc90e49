"""The command under a launcher, as docs/many_machines.md gives it: what two processes learn is what one learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fromnoise.training import checkpoint
from fromnoise.training.run import train
from training.test_many import flat
from training.test_run import SMALL, small

LITTLE = {
    "data.limit": "16",
    "clip.loop.pictures": "16", "clip.loop.batch": "8", "clip.loop.log_steps": "1",
}  # fmt: skip


# As docs/many_machines.md prints them, with two processes and any free port.
LAUNCHERS = {
    "torchrun": ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"),
    "accelerate": (
        *("-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2"),
        *("--main_process_port", "0"),
    ),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="the command is told here as CPUs have it")
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_trains_what_one_process_trains(launcher: str, tmp_path: Path) -> None:
    """Two steps of CLIP, which looks at all pictures of a batch together."""
    out, alone = tmp_path / "two", tmp_path / "one"
    asked = [word for name, value in {**SMALL, **LITTLE}.items() for word in ("--set", f"{name}={value}")]
    command = [
        *(sys.executable, *LAUNCHERS[launcher], "-m", "fromnoise"),
        *("train", "first_model", "--data", "starter", "--out", str(out), "--tasks", "clip", *asked),
    ]
    # What somebody has told accelerate for good ("accelerate config") would count here, too.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "nothing told")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as launched:
        train(small(**LITTLE), "starter", alone, ("clip",))  # meanwhile
        said = [told.decode() for told in launched.communicate(timeout=300)]
    # That there are two, and not one that learns the same: only several have to share a batch.
    odd = [*command, "--out", str(tmp_path / "odd"), "--set", "clip.loop.batch=7"]
    refused = subprocess.run(odd, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert "clip.loop.batch = 7 has no equal parts for 2 processes" in " ".join(refused.stderr.split())
    assert launched.returncode == 0, said
    assert said[0] == f"{out}: trained clip; the model appears with 'diffusion'\n"  # once
    both, one = ([row["loss"] for row in log(folder / "clip") if "loss" in row] for folder in (out, alone))
    assert len(one) == 2
    assert both == pytest.approx(one, rel=1e-5)
    theirs, ours = (checkpoint.newest(folder / "clip")[0] for folder in (out, alone))
    assert theirs is not None
    assert ours is not None
    mine, other = (flat(found.groups["weights"]) for found in (ours, theirs))
    assert mine.norm() > 0
    assert (mine - other).norm() <= 2e-3 * mine.norm()


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
