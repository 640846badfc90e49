"""Writing a LoRA that was learnt beside a model: a file for fromnoise and diffusers, a folder for peft, and what they
say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from torch import Tensor

from fromnoise.ground.whole import whole_file, whole_folder
from fromnoise.ground.wording import styled
from fromnoise.system.text_to_image import TextToImage
from fromnoise.weights.lora_out import PEFT_SETTINGS, write_lora, write_peft

PEFT = "peft"  # the folder beside the file


def save_lora(
    file: Path,
    changes: Mapping[str, tuple[Tensor, Tensor]],
    model: TextToImage,
    title: str,
    trigger: str = "",
    seen: int = 0,
) -> None:
    """Write a LoRA, with what it is in its head (ModelSpec 1.0.0), and a folder ``peft`` beside it that says the same.

    Each is written whole or not at all, the file last: what it says is then in the folder, too.

    Args:
        file: ends in .safetensors; one that is there already is replaced.
        changes: by the names of the U-Net's layers, as :func:`fromnoise.weights.lora_out.write_lora` takes them.
        model: that it belongs to.
        title: what it is called.
        trigger: the style's name that it listens to, or "".
        seen: pictures that it has learnt from.

    Raises:
        UserError: a value that is not finite, or ``peft`` holds something else.
        OSError: the disk is full.
    """
    about = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{model.card.get('name') or 'latent-diffusion'}/lora",
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": title,
        "modelspec.date": datetime.now(UTC).date().isoformat(),
        "fromnoise.model": model.hash,
        "fromnoise.pictures_seen": str(seen),
        **({"modelspec.trigger_phrase": styled("", trigger)} if trigger else {}),
    }
    with whole_folder(file.parent / PEFT, PEFT_SETTINGS, "a LoRA for peft") as draft:
        write_peft(draft, changes, model.unet.config, about=about)
    with whole_file(file) as draft:
        write_lora(draft, changes, model.unet.config, about=about)
