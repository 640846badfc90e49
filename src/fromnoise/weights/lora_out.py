"""Writing a LoRA of a U-Net: the file that diffusers reads with peft, and :mod:`fromnoise.weights.lora_file` too.

Names are peft's with diffusers' part before them: "unet.mid_block.attentions.0.proj_in.lora_A.weight". All modules
have the same rank and the file says no alpha: every reader takes alpha / rank as 1 then.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fromnoise.models.unet.unet import UNetConfig
from fromnoise.weights.files import write_weights
from fromnoise.weights.lora_file import UNET
from fromnoise.weights.names import State, entries, unet_table

LORA_FILE = "pytorch_lora_weights.safetensors"  # the name that diffusers looks for in a folder


def write_lora(
    file: Path,
    changes: Mapping[str, tuple[Tensor, Tensor]],
    config: UNetConfig,
    dtype: torch.dtype | None = torch.float16,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write the change of a U-Net.

    Args:
        file: ends in .safetensors.
        changes: by the names of our layers: ``down``, (rank, in) or (rank, in, height, width), and ``up``, (out, rank).
        config: of the U-Net.
        dtype: of the file; None: as the tensors are.
        about: what the file's head says, such as the keys of ModelSpec ("modelspec.title").

    Raises:
        UserError: a value that is not finite, or not in ``dtype``.
    """
    state: State = {}
    for entry in entries([f"{name}.weight" for name in changes], unet_table(config), not config.use_linear_projection):
        down, up = changes[entry.ours.removesuffix(".weight")]
        down = down[:, :, None, None] if entry.convolution else down
        for theirs, rows in zip(entry.theirs, up.chunk(len(entry.theirs)), strict=True):  # what we stack is cut
            name = f"{UNET}.{theirs.removesuffix('.weight')}"
            state[f"{name}.lora_A.weight"] = down
            state[f"{name}.lora_B.weight"] = rows[:, :, None, None] if down.ndim == 4 else rows
    write_weights(file, state, dtype, about)
