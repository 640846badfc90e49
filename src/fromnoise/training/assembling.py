"""What a run makes of its networks: a tokenizer before them, a model after them."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from fromnoise.data.record import Record
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_folder
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.vae.vae import VAE
from fromnoise.system.defaults import read_facts
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.beginning import asked_vocabulary
from fromnoise.training.clock import Clock
from fromnoise.training.loop import Hook
from fromnoise.training.recipe import ClipStage, Recipe
from fromnoise.training.run_data import all_words, begun_with, heard_words, taught_words


@dataclass(frozen=True, eq=False)
class Networks:
    """The networks of a model, in fp32: text tower, U-Net, VAE, and CLIP, which may still be missing."""

    text: Any
    unet: Any
    vae: Any
    clip: Any | None


def kept_tokenizer(folder: Path, stage: ClipStage, records: list[Record], base: TextToImage | None) -> Tokenizer:
    """The tokenizer of a folder, which is written first where it is missing: the base's where that has as many tokens,
    else one that learns the pictures' words and those with meanings.

    Raises:
        UserError: the disk is full, or the folder is damaged.
    """
    if not folder.exists():
        if base is not None and asked_vocabulary(base, stage.vocabulary) == stage.vocabulary:
            tokenizer = base.tokenizer
        else:
            words = [*all_words(records), *taught_words(stage.meanings)]
            tokenizer = Tokenizer.train(words, stage.vocabulary, stage.text.context)
        try:
            with whole_folder(folder, what="the tokenizer") as draft:
                tokenizer.save(draft)
        except OSError as error:
            raise UserError(f"cannot write {folder}: {error}; free some space and run again") from error
    return Tokenizer.load(folder)


def add_clip(folder: Path, clip: Any, base: TextToImage | None) -> None:
    """Put a CLIP, whose text tower is the model's, into the model of a folder, or beside those networks of ``base``."""
    model = TextToImage.load(folder) if (folder / "model_index.json").is_file() else base
    if model is not None:
        clip.text = model.text_tower
        replace(model, clip=clip).save(folder)


def vae_keeper(recipe: Recipe, base: TextToImage | None, out: Path) -> tuple[Hook | None, Callable[[Clock], bool]]:
    """What writes ``out/model`` while a VAE learns that keeps the latents of ``base``, that model with this VAE; and
    whether it is written.

    Its U-Net, words, map and index of training pictures stay right. None where latents are new ones; nothing is written
    where the run has a U-Net of its own.
    """
    model, of_a_unet = out / "model", (out / "diffusion").exists()
    if base is None or not recipe.vae.keeps_latents or of_a_unet:
        return None, lambda clock: True

    def keep(vae: nn.Module, clock: Clock, hours: float) -> None:
        told = {"pixels": recipe.data.pixels, "pictures_seen": clock.pictures, "hours": round(hours, 2)}
        facts = {**base.card, "vae": {**told, "recipe": recipe.vae.to_dict()}}
        replace(base, vae=cast(VAE, vae), card=facts).save(model)

    def is_written(clock: Clock) -> bool:
        there = (model / "model_index.json").is_file()
        return there and read_facts(model).card.get("vae", {}).get("pictures_seen") == clock.pictures

    return keep, is_written


def hardware(device: torch.device, number_format: str) -> str:
    """What a model was trained on, for its card."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return f"{name}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}, {number_format}"


def assembled(
    tokenizer: Tokenizer, networks: Networks, records: list[Record], styles: tuple[str, ...], facts: dict[str, Any],
    base: TextToImage | None,
) -> TextToImage:  # fmt: skip
    """The model of a run, with its card, and its known words beside those of the model that it began with."""
    words = heard_words(records)
    if base is not None:
        facts = {**facts, **begun_with(base)}
        # of a base that does not say, nothing is known: then nothing is warned of
        words = base.known.and_also(words) if base.known else KnownWords()
    parts = (tokenizer, networks.text, networks.unet, networks.vae, ScheduleConfig().build(), "v", styles, facts)
    return replace(TextToImage(*parts, networks.clip), known=words)
