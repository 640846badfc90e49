"""Keep a model in half of its size, and get it back: weights as 8-bit numbers, with a scale for each row.

    python kept/keep.py pack runs/shapes/model kept/shapes
    python kept/keep.py unpack kept/shapes runs/from_kept

Good enough to go on training from, and to draw with; not what a finished model is shipped as. A row of a matrix, or an
output channel of a kernel, is rounded to 255 steps between minus and plus its largest weight, so the error of a weight
is at most 0.4 % of that. Vectors stay float16.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

SCALE = ".scale"
STEPS = 127


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as int8 beside their rows' scales, float32 [rows]; the rest as float16."""
    found: dict[str, Tensor] = {}
    for name, weight in state.items():
        if weight.ndim < 2:
            found[name] = weight.half()
            continue
        rows = weight.float().flatten(1)
        scale = rows.abs().amax(1).clamp(min=1e-12) / STEPS
        found[name] = (rows / scale[:, None]).round().to(torch.int8).view(weight.shape)
        found[name + SCALE] = scale
    return found


def unpacked(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What :func:`packed` made, as float16."""
    found = {}
    for name, weight in state.items():
        if name.endswith(SCALE):
            continue
        if weight.dtype == torch.int8:
            rows = weight.float().flatten(1) * state[name + SCALE][:, None]
            weight = rows.view(weight.shape)
        found[name] = weight.half()
    return found


def main() -> None:
    """Copy a model's folder, its weights packed or unpacked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=("pack", "unpack"))
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.out.exists():
        raise SystemExit(f"{options.out} is there already; move it away first")
    shutil.copytree(options.model, options.out)
    change = packed if options.way == "pack" else unpacked
    for file in options.out.rglob("*.safetensors"):
        save_file(change(load_file(file)), file, {"format": "pt"})
    size = sum(file.stat().st_size for file in options.out.rglob("*") if file.is_file())
    print(f"{options.out}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
