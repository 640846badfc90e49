"""A LoRA beside a finished model: what it is learnt from, and the file that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.utils.checkpoint import checkpoint

from fromnoise.data.captions import CaptionSampler
from fromnoise.data.record import Record
from fromnoise.ground.wording import styled
from fromnoise.models.layers.attention import SpatialTransformer
from fromnoise.models.layers.residual import ResidualBlock
from fromnoise.system.defaults import LORA
from fromnoise.system.own_lora import PEFT, save_lora
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.clock import Clock, seeded
from fromnoise.training.conditioning import Remembered
from fromnoise.training.distilling import Materials, check_kind
from fromnoise.training.examples import Examples, StoredExamples
from fromnoise.training.health.beside import Beside as Pictures
from fromnoise.training.known import FILE as KNOWN
from fromnoise.training.known import known_of, told_of
from fromnoise.training.low_rank import Beside
from fromnoise.training.run_data import held_out_latents, some_prompts
from fromnoise.training.shaped import examples_in, repeated
from fromnoise.training.stored_latents import kept_latents
from fromnoise.training.tasks.lora import Adapted, LoraTask

FILE = LORA


def lora_task(model: TextToImage, materials: Materials) -> LoraTask:
    """The task for a model, whose networks it takes over: nothing of them is copied.

    Raises:
        UserError: a kind of model that cannot be adapted, or the disk is full.
    """
    check_kind(model, "a LoRA is learnt")
    recipe, compute, stage = materials.recipe, materials.compute, materials.recipe.lora
    pictures, file = materials.pictures[0], materials.folder / "latents.safetensors"
    vae = model.vae.to(compute.device)
    stamp = f"pictures {materials.fingerprint}, model {model.hash}"
    materials.folder.mkdir(parents=True, exist_ok=True)
    examples: Examples
    if recipe.data.fit == "shapes":
        encoder = vae, compute
        folder, captions = materials.folder, materials.captions
        examples = examples_in(recipe, materials.data, folder, stamp, encoder, captions, stage.mirror)
    else:
        latents = kept_latents(file, stamp, vae, pictures, compute, False, recipe.data.scene_share)
        sampler = CaptionSampler(pictures.records, materials.captions)
        examples = StoredExamples(latents, sampler, stage.mirror, recipe.seed)
    unet = compute.place(model.unet)
    if stage.checkpointing:
        compute_again(unet)
    network = Beside(unet, stage.rank, recipe.seed, (lambda name: True) if stage.layers == "all" else is_attention)
    words = Remembered(model.tokenizer, compute.place(model.text_tower))
    ours = model.defaults
    guidance = ours.guidance, ours.interval, ours.rescale
    told = told_of(model) or tuple(dict.fromkeys(record.text for record in pictures.records))
    known = held_prompts(told, model.styles, {record.style for record in pictures.records})
    adapted = Adapted(network, model.schedule, model.prediction, vae, guidance, known)
    prompts = stage.prompts or _prompts(pictures.records, told, recipe.data.trigger)
    stage = replace(stage, prompts=prompts[: stage.drawings])
    if stage.replay and stage.known:
        with network.silent() as base:
            draw = partial(known_of, model, base, compute, materials.folder / KNOWN, recipe.seed, told)
            examples = repeated(examples, stage.replay, stage.known, draw)
    task = LoraTask(stage, examples, words, adapted, compute)
    task.held_out = held_out_latents(materials.pictures[1], vae, compute)
    task.pictures = Pictures(pictures.images, materials.pictures[1].images)
    return task


def keep_lora(model: TextToImage, materials: Materials, out: Path, network: nn.Module, clock: Clock) -> None:
    """Write what was learnt so far as ``out/lora.safetensors`` and ``out/peft``.

    Raises:
        UserError: a value is not finite.
        OSError: the disk is full.
    """
    assert isinstance(network, Beside)
    recipe = materials.recipe
    trigger = recipe.data.trigger
    save_lora(out / FILE, network.changes(), model, trigger or recipe.name, trigger, clock.pictures)


def lora_seen(out: Path) -> int | None:
    """How many pictures the LoRA in a run's folder has learnt from; None where there is none that says it, whole."""
    try:
        with safe_open(out / FILE, "pt") as stored:
            said = (stored.metadata() or {}).get("fromnoise.pictures_seen", "")
    except (OSError, SafetensorError):
        return None
    return int(said) if said.isdecimal() and (out / PEFT).is_dir() else None


def held_prompts(told: Sequence[str], styles: Sequence[str], learnt: set[str]) -> tuple[str, ...]:
    """Prompts whose answer is to stay as it is: what the model knows, in every style but those that are learnt now.

    Args:
        told: captions of what it knows.
        styles: of the model.
        learnt: styles of the pictures to be learnt; "" where they have none, and then prompts without one may change.
    """
    hands = [style for style in (*styles, "") if style not in learnt] or [""]
    return tuple(styled(text, style) for text in dict.fromkeys(told) for style in hands)


def is_attention(name: str) -> bool:
    """Whether a layer of the U-Net, by its name, belongs to attention to places or words."""
    return ".attention." in f".{name}."


def compute_again(unet: nn.Module) -> None:
    """Let every block forget its activations, and compute them again on the way back (Chen et al. 2016)."""
    for module in unet.modules():
        if isinstance(module, ResidualBlock | SpatialTransformer):
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)  # type: ignore[method-assign]


def _prompts(records: Sequence[Record], told: tuple[str, ...], trigger: str) -> tuple[str, ...]:
    """Captions of the pictures and, in turn, other things in their style."""
    own = some_prompts(list(records))
    order = torch.randperm(len(told), generator=seeded("cpu", "prompts of a LoRA")).tolist()
    others = [styled(told[i], trigger) for i in order if told[i] not in {r.text for r in records}]
    return tuple(prompt for pair in zip(own, others[: len(own)], strict=False) for prompt in pair) or own
