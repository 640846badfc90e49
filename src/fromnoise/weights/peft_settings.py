"""What peft's settings say of a LoRA, in its file or beside it: what changes the sum is honoured, or refused by name.

peft (0.18 to 0.21) keeps them as ``adapter_config.json``; diffusers since 0.35 in the file's header, with the part's
name before each. Most are of training and change nothing afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import parsed, shown
from fromnoise.weights.files import read_json

METADATA = "lora_adapter_metadata"
# Settings with which peft computes something else than W + scale * up @ down, and the values with which it does not.
FIXED: dict[str, tuple[Any, ...]] = {
    "peft_type": (None, "LORA"),
    "use_dora": (None, False),
    "use_qalora": (None, False),
    "use_bdlora": (None, False),
    "init_lora_weights": (None, True, False, "gaussian", "orthogonal", "eva"),  # others change W itself
    "layers_to_transform": (None, []),
    "layers_pattern": (None, [], ""),
    "exclude_modules": (None, [], ""),
    "modules_to_save": (None, []),
    "target_parameters": (None, []),
    "layer_replication": (None, []),
    "trainable_token_indices": (None, [], {}),
    "alora_invocation_tokens": (None, []),
    "arrow_config": (None,),
    "kasa_config": (None,),
    "velora_config": (None, {}),
    "monteclora_config": (None, {}),
}


def settings_of(file: Path) -> dict[str, dict[str, Any]]:
    """Return peft's settings of each part: from the file, as diffusers keeps them, or from beside it ("" for all).

    Raises:
        UserError: they are damaged, or ask for something else than a plain LoRA.
    """
    beside = file.with_name("adapter_config.json")
    if file.name == "adapter_model.safetensors" and beside.is_file():
        settings = {"": read_json(beside)}
        _check(beside, settings)
        return settings
    with safe_open(file, "pt") as reader:
        text = (reader.metadata() or {}).get(METADATA, "{}")
    found: dict[str, dict[str, Any]] = {}
    said = parsed(text, f"{file}: {METADATA} in its header")
    if not isinstance(said, dict):
        raise UserError(f"{file} is damaged: {METADATA} in its header should be a JSON object, not {shown(said)}")
    for name, value in said.items():
        part, _, key = name.partition(".")
        found.setdefault(part, {})[key] = value
    _check(file, found)
    return found


def _check(file: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
    for values in settings.values():
        for name, allowed in FIXED.items():
            value = values.get(name)
            # 0 and 1 are equal to false and true, and mean the same to peft.
            if value not in allowed:
                raise UserError(f"{file}: {name} = {shown(value)} is not supported; only plain LoRA and LoCon are")


def check_named(file: Path, settings: Mapping[str, Any], flat: str) -> None:
    """Refuse settings that would leave out a module of the file: peft reads it by them.

    A ``target_modules`` that is a regular expression is not checked: peft writes a file's tensors by it.

    Args:
        file: the LoRA.
        settings: of the module's part; {} where there are none.
        flat: name of the module inside of its part, with underscores for dots.

    Raises:
        UserError: naming the setting.
    """
    targets = settings.get("target_modules")
    named = [str(target).replace(".", "_") for target in targets] if isinstance(targets, list) else [flat]
    if not any(f"_{flat}".endswith(f"_{target}") for target in named):
        raise UserError(f"{file}: target_modules does not name '{one_line(flat)}', which the file changes")


def check_rank(file: Path, settings: Mapping[str, Any], inner: str, rank: int) -> None:
    """Refuse settings that are of another rank than a module's tensors.

    Args:
        file: the LoRA.
        settings: of the module's part; {} where there are none.
        inner: name of the module inside of its part.
        rank: of its tensors.

    Raises:
        UserError: naming the setting.
    """
    said = by_pattern(file, settings, "rank_pattern", inner, settings.get("r", rank))
    if said != rank:
        name = "rank_pattern" if said != settings.get("r", rank) else "r"
        raise UserError(f"{file}: {name} = {shown(said)} for '{one_line(inner)}', whose tensors are of rank {rank}")


def by_pattern(file: Path, settings: Mapping[str, Any], which: str, inner: str, default: Any) -> Any:
    """What peft's settings say for one module: patterns are ends of names.

    Args:
        file: the LoRA.
        settings: of the module's part.
        which: "alpha_pattern" or "rank_pattern".
        inner: name of the module inside of its part.
        default: where no pattern is its.

    Raises:
        UserError: regular expressions, which peft allows too.
    """
    patterns = settings.get(which) or {}
    if not isinstance(patterns, dict):
        raise UserError(f"{file} is damaged: its {which} should be a JSON object")
    for pattern, value in patterns.items():
        ending = str(pattern).removeprefix("^")
        if not re.fullmatch(r"[\w.]+", ending):
            raise UserError(f"{file}: {which} '{one_line(ending)}' is not supported, only names of modules are")
        if inner == ending or inner.endswith(f".{ending}"):
            return value
    return default
