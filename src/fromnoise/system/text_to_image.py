"""A whole text-to-image model: tokenizer, text tower, U-Net, VAE, noise schedule; and its folder on disk.

The folder is in the diffusers layout. What that layout has no place for (styles, the settings that suit the
model, how it was trained) is in ``fromnoise.json`` beside ``model_index.json``.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import ManyDenoiser, NetworkDenoiser
from fromnoise.diffusion.paths import GivenPathConfig, PathConfig
from fromnoise.diffusion.samplers import FITTED, SAMPLERS, canonical, sampler_class
from fromnoise.diffusion.schedule import NoiseSchedule, Spacing
from fromnoise.ground.cores import each_alone, together
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.layers.packed import packed_copy, packed_in_place
from fromnoise.models.vae.bands import is_wide
from fromnoise.system.defaults import drawing_format, in_hardware
from fromnoise.system.engine import Engine, TorchEngine
from fromnoise.system.identity import weights_hash, with_loras_hash
from fromnoise.system.known_words import KnownWords
from fromnoise.system.load import read_model
from fromnoise.system.model import Model
from fromnoise.system.picturewise import PicturewiseDenoiser, is_large
from fromnoise.system.save import save, save_file
from fromnoise.system.texts import Tokens, each_text, vector_of
from fromnoise.weights.foreign_paths import ForeignPathConfig
from fromnoise.weights.schedulers import scheduler_from_foreign


@dataclass(frozen=True, eq=False)
class TextToImage(Model):
    """A model that can read prompts, take noise away, and turn latents into pictures; its parts are :class:`Model`'s.

    Attributes:
        engine: what computes U-Net and decoder while drawing: the backend it was given, or torch.
    """

    engine: Engine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "engine", self.backend or TorchEngine(self.unet, self.vae))

    # --- drawing ---------------------------------------------------------------------------------------------

    def tokens(self, text: str) -> Tokens:
        """A prompt as its readers will read it, with weights in brackets if wanted (:mod:`fromnoise.system.prompt`).

        Raises:
            UserError: a weight out of range, or text that is not valid Unicode.
        """
        return Tokens.of(self.readers, text)

    def embed(self, texts: Sequence[str], parts: int = 1) -> Tensor:
        """Return the text towers' features, float32 [B,L,D]; each text alone, so that no other text changes it.

        Args:
            texts: prompts.
            parts: read each in at least so many parts; texts that need more than that cannot share a call.
        """
        tokens = [self.tokens(text).padded(self.readers, parts) for text in texts]
        return torch.cat(each_text(self.readers, tokens, lambda features, _: features))

    def read(
        self, texts: Sequence[str], parts: int = 1, size: tuple[int, int] | None = None, zero: Sequence[bool] = ()
    ) -> Tensor:
        """Return what the U-Net's attention makes of texts; as :meth:`read_tokens`."""
        return self.read_tokens([self.tokens(text).padded(self.readers, parts) for text in texts], size, zero)

    def read_tokens(
        self, tokens: Sequence[Tokens], size: tuple[int, int] | None = None, zero: Sequence[bool] = ()
    ) -> Tensor:
        """Return what the U-Net's attention makes of texts, [B,L,W]: the same at every step, so it is read once.

        Args:
            tokens: of the texts, all in equally many parts.
            size: (height, width) of the pictures in pixels, which Stable Diffusion XL wants to know.
            zero: which texts stand for zeros, because they are empty and the model wants it so.
        """
        silent = list(zero) or [False] * len(tokens)
        wanted, width = size or (self.pixels, self.pixels), self.unet.config.size_width

        def one(features: Tensor, pooled: Tensor, no_words: bool) -> Tensor:
            features, pooled = (x * 0 if no_words else x for x in (features, pooled))
            vector = vector_of(pooled, wanted, width) if self.unet.config.vector_width else None
            return self.unet.read(features.to(self.device), vector)

        return torch.cat(each_text(self.readers, tokens, one, silent))

    def denoiser(self, walk: NoiseSchedule | None = None) -> ManyDenoiser:
        """Return the U-Net as a denoiser; ``cond`` is what :meth:`read` returns.

        Args:
            walk: the noise levels of one drawing; by default all of the schedule's.
        """
        network = NetworkDenoiser(self.engine.predict, walk or self.schedule, self.prediction)
        return PicturewiseDenoiser(network, self.engine.batches)

    def layout(self, sampler: str, steps: int = 0) -> tuple[PathConfig, dict[str, Any]]:
        """How a sampler walks on this model's levels, and its settings: as the model's files say, or ours.

        Args:
            sampler: its name.
            steps: how many, which only a fitted solver asks for.

        Raises:
            UserError: an unknown sampler, one that the model's files cannot be read for, or no solver of so many steps.
        """
        name = canonical(sampler)
        if name == FITTED:
            if steps not in self.solvers:
                raise UserError("a fitted solver comes with fast: leave the sampler out, and draw fast", "sampler")
            return GivenPathConfig(times=self.solvers[steps].times), {"moves": self.solvers[steps].moves}
        if self.scheduler is None or name not in SAMPLERS:
            sampler_class(sampler)
            return ForeignPathConfig(spacing=cast(Spacing, self.defaults.spacing)), {}
        found = scheduler_from_foreign(self.scheduler, Path("scheduler_config.json"), name)
        return ForeignPathConfig.from_dict(found.path), found.options

    @property
    def precision(self) -> str:
        """The U-Net's number format while drawing: "fp32" or "bf16"."""
        return self.engine.precision

    def for_drawing(self, precision: str = "auto", keep: bool = True) -> TextToImage:
        """Return a model to draw with: the same, with U-Net and VAE packed for the CPU, in another number format.

        bf16 keeps 8 bits of each weight and draws slightly other pictures (docs/figures.md says how slightly), but in
        half of the time where the CPU has it. Save the model that was loaded, never this one.

        Args:
            precision: "fp32", "bf16", or "auto": bf16 where the CPU multiplies it in hardware. Read from the CPU and
                not measured, so that the same seed gives the same picture every time. The VAE follows in models made
                elsewhere; ours stays in fp32. Weights that were loaded in a format which the CPU lacks are drawn with
                in fp32 unless that format is asked for.
            keep: leave this model as it is. Without, its networks are changed, and no memory is needed twice.

        Raises:
            UserError: an unknown precision.
        """
        dtype, here = drawing_format(precision), self.device
        if self.dtype == torch.bfloat16 and in_hardware(torch.bfloat16, here):  # weights that are rounded already
            dtype = torch.bfloat16
        on_gpu = here.type != "cpu" and (precision == "auto" or dtype == self.dtype)
        if on_gpu or self.backend is not None:  # another engine is ready to draw as it is
            return self
        pack, before = packed_copy if keep else packed_in_place, self.hash  # of the weights before they are rounded
        vae = pack(self.vae, dtype if self.files else torch.float32)
        tower, second = _readable(self.text_tower, dtype, keep), self.second
        if second is not None:
            second = second[0], _readable(second[1], dtype, keep)
        return replace(self, unet=pack(self.unet, dtype), vae=vae, text_tower=tower, second=second, identity=before)

    def with_loras(self, loras: Sequence[tuple[Path, float]]) -> TextToImage:
        """Add LoRAs to the weights, in place, and return the model, whose hash names them too.

        Raises:
            UserError: a file that is no LoRA, is damaged, or belongs to another kind of model.
        """
        if not loras:
            return self
        from fromnoise.weights.lora import trigger_of, with_loras

        before = self.hash
        applied = with_loras(self.unet, [reader.tower for reader in self.readers], loras)
        model = replace(self, identity=with_loras_hash(before, applied.loras))
        for file, _ in loras:
            model = model._listening_to(trigger_of(file))
        return model

    def _listening_to(self, trigger: str) -> TextToImage:
        """The same, to which the words that a LoRA listens to are no strangers."""
        style = trigger.removesuffix(" style")
        known = self.known.and_also(KnownWords.of([trigger])) if self.known and trigger else self.known
        new = trigger != style and style not in self.styles
        added = (style,) if new else ()
        return replace(self, known=known, styles=(*self.styles, *added), lora_styles=(*self.lora_styles, *added))

    def decode(self, latents: Tensor) -> Tensor:
        """Return uint8 pictures [B,3,H,W] on the CPU for clean latents [B,C,h,w]."""
        decode = self.engine.decode
        if latents.device.type == "cpu" and (is_large(latents) or is_wide(latents, self.vae.factor)):
            return torch.cat([together(decode, (x[None],)) for x in latents])
        if latents.device.type == "cpu":
            return torch.cat(each_alone(decode, [(x[None],) for x in latents]))
        with torch.no_grad():
            return decode(latents).cpu()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> TextToImage:
        """Move all networks, in place, and return the model. bfloat16 is faster on some CPUs and draws other bits."""
        before = self.hash  # of the weights as they were loaded, before they are rounded
        for network in self.networks().values():
            network.to(device=device, dtype=dtype)
        return replace(self, identity=before)

    # --- identity and files ----------------------------------------------------------------------------------

    @property
    def hash(self) -> str:
        """12 hex digits that name this model: SHA-256 of all weights as stored in float16, and of the tokenizer.

        A model that was opened keeps the name of what was opened, also where parts are put in its place by hand
        (``replace(model, unet=…)``); ``replace(model, unet=…, identity="")`` names what it has become.
        """
        return self.identity or weights_hash(self.networks(), self.tokenizer)

    def save_file(self, file: Path, dtype: torch.dtype | None = None) -> None:
        """Write one file in the original naming: :func:`fromnoise.system.save.save_file`."""
        save_file(self, file, dtype)

    def save(self, folder: Path | str, dtype: torch.dtype | None = torch.float16) -> None:
        """Write a folder, whole or not at all: :func:`fromnoise.system.save.save`."""
        save(self, Path(folder), dtype)

    @classmethod
    def load(
        cls, place: Path | str | None = None, dtype: torch.dtype | None = torch.float32, prediction: str | None = None
    ) -> TextToImage:
        """Read a model, on the CPU, ready to draw.

        Args:
            place: a folder, a single .safetensors file, or the name of a shipped model or of one on the Hugging Face
                hub ("owner/name"); None for the default one.
            dtype: of U-Net and text towers of models made elsewhere; ours are read in float32. None: as stored.
            prediction: "epsilon" or "v", for single files that do not tell.

        Raises:
            UserError: no such model, or a file in it is missing, damaged, or does not fit its config.
        """
        return read_model(cls, place, dtype, prediction)


def _readable(tower: TextTower, drawn: torch.dtype, keep: bool) -> TextTower:
    """A text tower to draw with: in float32 where its own format is one that the CPU lacks and nobody asked for."""
    weight = next(tower.parameters())
    if weight.dtype == drawn or in_hardware(weight.dtype, weight.device):
        return tower
    return (copy.deepcopy(tower) if keep else tower).float()
