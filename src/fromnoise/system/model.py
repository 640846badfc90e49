"""What a text-to-image model is made of. What it can do is in :mod:`fromnoise.system.text_to_image`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.models.clip.clip import CLIP
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.vae import VAE
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.defaults import Defaults
from fromnoise.system.engine import Engine
from fromnoise.system.known_words import KnownWords
from fromnoise.system.solver_file import Solvers
from fromnoise.system.texts import Reader


@dataclass(frozen=True, eq=False)
class Model:
    """All the parts of a model that draws pictures from words.

    Attributes:
        tokenizer: text to token ids.
        text_tower: token ids to the features that the U-Net reads.
        unet: noisy latents to a prediction.
        vae: latents to pictures; its latents have unit variance, so no scale factor exists elsewhere.
        schedule: how much noise there is at each t.
        prediction: what the U-Net's output means ("v", "epsilon", "x0").
        styles: names of the styles it was trained on.
        card: facts about the training, plain JSON.
        clip: both towers of the CLIP model the text tower comes from, to compare pictures with words; optional.
        defaults: how it is best drawn with.
        second: the second reader of prompts, which Stable Diffusion XL has.
        zero_empty: an empty negative prompt stands for zeros, not for the words "" (Stable Diffusion XL).
        files: the weights' files, of a model that was made elsewhere; its hash is theirs.
        stored: the number format of those files.
        scheduler: the ``scheduler_config.json`` of a model that was made elsewhere.
        few_steps: the folder of what makes it draw in a few steps (:mod:`fromnoise.system.few_steps`), if it has that.
        note: what is different from what the makers of the model drew with, a sentence, or "".
        copies: the file beside it that knows its training pictures, as it is (:mod:`fromnoise.evaluation.copies`).
        clip_map: the file beside it that places its captions and pictures in CLIP space, as it is
            (:mod:`fromnoise.inspection.clip_map`).
        learning: the file beside it with a small film of its training, as it is
            (:mod:`fromnoise.system.learning_file`).
        known: which words its training captions had; empty where nobody knows (models made elsewhere).
        identity: 12 hex digits that name it, given when it was opened; "" for a model made in memory.
        backend: what computes U-Net and decoder while drawing, where that is not torch.
        fixed: which settings of a request its weights have built in, so that only its own defaults fit.
        solvers: those that were fitted to it, by their steps, where it draws with them.
        default_style: one of its styles, which drawing adds where a request names none; "" adds nothing.
        lora_styles: those of its styles that LoRAs brought along, and not its training.
    """

    tokenizer: Tokenizer
    text_tower: TextTower
    unet: UNet
    vae: VAE
    schedule: NoiseSchedule
    prediction: str = "v"
    styles: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    clip: CLIP | None = None
    defaults: Defaults = field(default_factory=Defaults)
    second: tuple[Tokenizer, TextTower] | None = None
    zero_empty: bool = False
    files: tuple[Path, ...] = ()
    stored: torch.dtype = torch.float16
    scheduler: dict[str, Any] | None = None
    few_steps: Path | None = None
    note: str = ""
    copies: bytes | None = None
    clip_map: bytes | None = None
    learning: bytes | None = None
    known: KnownWords = field(default_factory=KnownWords)
    identity: str = ""
    backend: Engine | None = None
    fixed: tuple[str, ...] = ()
    solvers: Solvers = field(default_factory=dict)
    default_style: str = ""
    lora_styles: tuple[str, ...] = ()

    @property
    def trained_on(self) -> str:
        """12 hex digits that name its training pictures, as the files beside it say whose they are; LoRAs change
        nothing about them."""
        return pictures_of([style for style in self.styles if style not in self.lora_styles], self.card)

    @property
    def device(self) -> torch.device:
        """Where the U-Net is."""
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """In which format the U-Net computes."""
        return next(self.unet.parameters()).dtype

    @property
    def pixels(self) -> int:
        """Side of the pictures it was trained on."""
        return self.unet.config.sample_size * self.vae.factor

    def latent_shape(self, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """Return (C, h, w) of the latents of a picture of (height, width) pixels; by default of its own size."""
        height, width = size or (self.pixels, self.pixels)
        return self.vae.config.latent_channels, height // self.vae.factor, width // self.vae.factor

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Who reads the prompts: one text tower, or two."""
        first = Reader(self.tokenizer, self.text_tower, penultimate=self.second is not None)
        return (first,) if self.second is None else (first, Reader(*self.second, penultimate=True))

    @property
    def for_inpainting(self) -> bool:
        """Whether the U-Net sees a mask and the masked picture beside its latents."""
        return self.unet.config.in_channels > self.vae.config.latent_channels

    def networks(self) -> dict[str, nn.Module]:
        """Everything with weights, under the names of its folders."""
        parts: dict[str, nn.Module] = {"text_encoder": self.text_tower, "unet": self.unet, "vae": self.vae}
        parts |= {"text_encoder_2": self.second[1]} if self.second is not None else {}
        return parts if self.clip is None else {**parts, "clip": self.clip}
