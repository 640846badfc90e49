"""Writing a model: as a folder in the diffusers layout, or as one file in the original naming."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import Facts, write_facts
from fromnoise.system.model import Model
from fromnoise.system.opening import FEW_STEPS, SCHEDULER
from fromnoise.weights.clip_layout import TEXT_WEIGHTS, equal_weights, save_clip, save_text
from fromnoise.weights.diffusers_layout import save_index, save_unet, save_vae
from fromnoise.weights.files import replaced_folder, write_json
from fromnoise.weights.schedulers import Scheduler, scheduler_to_foreign
from fromnoise.weights.single_file_out import save_single


def save_file(model: Model, file: Path, dtype: torch.dtype | None = None) -> None:
    """Write a model built like Stable Diffusion into one file, in the original naming; arguments as in :func:`save`.

    Raises:
        UserError: another kind of model, or the file cannot be written.
    """
    noise = model.schedule.ends_in_pure_noise
    marks = [mark for mark, has in (("v_pred", model.prediction == "v"), ("ztsnr", noise)) if has]
    networks = (model.unet, model.vae, [reader.tower for reader in model.readers])
    save_single(file, networks, dtype, marks, model.scheduler)


def save(model: Model, folder: Path, dtype: torch.dtype | None = torch.float16) -> None:
    """Write a model as a folder, whole or not at all; a model that is there already is replaced.

    Args:
        model: as it was loaded or trained, not packed for drawing.
        folder: where to.
        dtype: of the files; None: as the networks are.

    Raises:
        UserError: the folder holds something else, the disk is full, or a weight does not fit ``dtype``.
    """
    with replaced_folder(folder, "model_index.json") as draft:
        _write_readers(model, draft, dtype)
        _write_networks(model, draft, dtype)
        if model.few_steps is not None:
            shutil.copytree(model.few_steps, draft / FEW_STEPS)
        if model.scheduler is None:
            # What LoRAs brought along is a style like any other once it is saved, and what knows the pictures of the
            # training would be refused as another model's.
            beside = (None, None, None) if model.lora_styles else (model.copies, model.clip_map, model.learning)
            facts = Facts(model.styles, model.defaults, model.card, *beside, model.default_style)
            write_facts(draft, facts)
            model.known.save(draft)


def _write_readers(model: Model, folder: Path, dtype: torch.dtype | None) -> None:
    model.tokenizer.save(folder / "tokenizer")
    save_text(model.text_tower, folder / "text_encoder", dtype)
    if model.second is not None:
        model.second[0].save(folder / "tokenizer_2")
        save_text(model.second[1], folder / "text_encoder_2", dtype)
    if model.clip is not None:
        same = equal_weights(model.clip.text, model.text_tower)
        save_clip(model.clip, folder / "clip", dtype, folder / TEXT_WEIGHTS if same else None)


def _write_networks(model: Model, folder: Path, dtype: torch.dtype | None) -> None:
    schedule = model.schedule.config
    if schedule is None:
        raise UserError("a noise schedule that was not built from a ScheduleConfig cannot be saved")
    save_unet(model.unet, folder / "unet", dtype)
    save_vae(model.vae, folder / "vae", dtype)
    values = model.scheduler or scheduler_to_foreign(
        Scheduler(schedule.to_dict(), model.prediction, "ddim", {"spacing": "trailing"})
    )
    write_json(folder / SCHEDULER, values)
    save_index(folder, values["_class_name"], model.second is not None, model.for_inpainting, model.zero_empty)
