"""Writing a LoRA of a U-Net: the file that diffusers reads, and the folder that peft reads.

:mod:`fromnoise.weights.lora_file` reads both.
In diffusers' file names are peft's with the part before them: "unet.mid_block.attentions.0.proj_in.lora_A.weight". All
modules have the same rank and the file says no alpha: every reader takes alpha / rank as 1 then. peft's folder has
"base_model.model." in place of "unet.", and says rank, alpha and modules in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.models.unet.unet import UNetConfig
from fromnoise.weights.files import write_json, write_weights
from fromnoise.weights.lora_file import UNET
from fromnoise.weights.names import State, entries, unet_table

LORA_FILE = "pytorch_lora_weights.safetensors"  # the name that diffusers looks for in a folder
PEFT_FILE, PEFT_SETTINGS = "adapter_model.safetensors", "adapter_config.json"  # those that peft looks for


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
    write_weights(file, _state(changes, config, UNET), dtype, about)


def write_peft(
    folder: Path,
    changes: Mapping[str, tuple[Tensor, Tensor]],
    config: UNetConfig,
    dtype: torch.dtype | None = torch.float16,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write the change of a U-Net into a folder, as ``PeftModel.from_pretrained`` opens it on diffusers' U-Net.

    Args:
        folder: is made where it is not there.
        changes: as :func:`write_lora` takes them, all of one rank.
        config: of the U-Net.
        dtype: of the tensors; None: as they are.
        about: what the head of the tensors' file says.

    Raises:
        UserError: a value that is not finite, or not in ``dtype``.
    """
    state = _state(changes, config, "base_model.model")
    write_weights(folder / PEFT_FILE, state, dtype, about)
    (rank,) = {len(down) for down, _ in changes.values()}
    # Whole names, because the end of a name ("proj_in") would be that of modules too that are not changed.
    modules = sorted(
        name.removeprefix("base_model.model.").removesuffix(".lora_A.weight") for name in state if ".lora_A." in name
    )
    settings: dict[str, Any] = {
        "peft_type": "LORA", "task_type": None, "base_model_name_or_path": None, "inference_mode": True,
        "r": rank, "lora_alpha": rank, "target_modules": modules, "rank_pattern": {}, "alpha_pattern": {},
        "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": False, "use_rslora": False, "use_dora": False,
        "init_lora_weights": True,
    }  # fmt: skip
    write_json(folder / PEFT_SETTINGS, settings)


def _state(changes: Mapping[str, tuple[Tensor, Tensor]], config: UNetConfig, part: str) -> State:
    """The tensors by diffusers' names of their modules, after the name of the part."""
    state: State = {}
    for entry in entries([f"{name}.weight" for name in changes], unet_table(config), not config.use_linear_projection):
        down, up = changes[entry.ours.removesuffix(".weight")]
        down = down[:, :, None, None] if entry.convolution else down
        for theirs, rows in zip(entry.theirs, up.chunk(len(entry.theirs)), strict=True):  # what we stack is cut
            name = f"{part}.{theirs.removesuffix('.weight')}"
            state[f"{name}.lora_A.weight"] = down
            state[f"{name}.lora_B.weight"] = rows[:, :, None, None] if down.ndim == 4 else rows
    return state
