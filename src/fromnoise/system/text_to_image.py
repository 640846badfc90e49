"""A whole text-to-image model: tokenizer, text tower, U-Net, VAE, noise schedule; and its folder on disk.

The folder is in the diffusers layout. What that layout has no place for (styles, the settings that suit the
model, how it was trained) is in ``fromnoise.json`` beside ``model_index.json``.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.samplers import SAMPLERS, canonical, sampler_class
from fromnoise.diffusion.schedule import NoiseSchedule, ScheduleConfig, Spacing
from fromnoise.ground.cores import each_alone, together
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIP
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.layers.packed import packed_copy, packed_in_place
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.bands import decode_any_size, is_wide
from fromnoise.models.vae.vae import VAE
from fromnoise.system.defaults import FACTS, Defaults, drawing_format, elsewhere, read_facts, write_facts
from fromnoise.system.identity import files_hash, weights_hash
from fromnoise.system.opening import DEFAULT_MODEL, FEW_STEPS, SCHEDULER, find_model, open_file, open_folder
from fromnoise.system.picturewise import ExactBatches, PicturewiseDenoiser, is_large
from fromnoise.system.texts import Reader, each_text, vector_of
from fromnoise.weights.clip_layout import TEXT_WEIGHTS, equal_weights, save_clip, save_text
from fromnoise.weights.diffusers_layout import save_index, save_unet, save_vae
from fromnoise.weights.files import replaced_folder, write_json
from fromnoise.weights.foreign_paths import ForeignPathConfig as PathConfig
from fromnoise.weights.schedulers import Scheduler, scheduler_from_foreign, scheduler_to_foreign
from fromnoise.weights.single_file_out import save_single

__all__ = ["DEFAULT_MODEL", "FEW_STEPS", "Defaults", "TextToImage", "drawing_format", "find_model"]


@dataclass(frozen=True, eq=False)
class TextToImage:
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

    # --- drawing ---------------------------------------------------------------------------------------------

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

    def embed(self, texts: Sequence[str], parts: int = 1) -> Tensor:
        """Return the text towers' features, float32 [B,L,D]; each text alone, so that no other text changes it.

        Args:
            texts: prompts, with weights in brackets if wanted (:mod:`fromnoise.system.prompt`).
            parts: read each in at least so many parts; texts that need more than that cannot share a call.
        """
        return torch.cat(each_text(self.readers, texts, parts, lambda features, _: features))

    def read(
        self, texts: Sequence[str], parts: int = 1, size: tuple[int, int] | None = None, zero: Sequence[bool] = ()
    ) -> Tensor:
        """Return what the U-Net's attention makes of texts, [B,L,W]: the same at every step, so it is read once.

        Args:
            texts, parts: as in :meth:`embed`.
            size: (height, width) of the pictures in pixels, which Stable Diffusion XL wants to know.
            zero: which texts stand for zeros, because they are empty and the model wants it so.
        """
        silent = list(zero) or [False] * len(texts)
        wanted, width = size or (self.pixels, self.pixels), self.unet.config.size_width

        def one(features: Tensor, pooled: Tensor, no_words: bool) -> Tensor:
            features, pooled = (x * 0 if no_words else x for x in (features, pooled))
            vector = vector_of(pooled, wanted, width) if self.unet.config.vector_width else None
            return self.unet.read(features.to(self.device), vector)

        return torch.cat(each_text(self.readers, texts, parts, one, silent))

    def denoiser(self, walk: NoiseSchedule | None = None) -> PicturewiseDenoiser:
        """Return the U-Net as a denoiser; ``cond`` is what :meth:`read` returns.

        Args:
            walk: the noise levels of one drawing; by default all of the schedule's.
        """
        network = NetworkDenoiser(self.unet.with_words, walk or self.schedule, self.prediction)
        return PicturewiseDenoiser(network, self._batches)

    def layout(self, sampler: str) -> tuple[PathConfig, dict[str, Any]]:
        """How a sampler walks on this model's levels, and its settings: as the model's files say, or ours.

        Raises:
            UserError: an unknown sampler, or one that the model's files cannot be read for.
        """
        name = canonical(sampler)
        if self.scheduler is None or name not in SAMPLERS:
            sampler_class(sampler)
            return PathConfig(spacing=cast(Spacing, self.defaults.spacing)), {}
        found = scheduler_from_foreign(self.scheduler, Path("scheduler_config.json"), name)
        return PathConfig.from_dict(found.path), found.options

    @property
    def for_inpainting(self) -> bool:
        """Whether the U-Net sees a mask and the masked picture beside its latents."""
        return self.unet.config.in_channels > self.vae.config.latent_channels

    @cached_property
    def _batches(self) -> ExactBatches:
        """What has been found out about batch sizes of this U-Net."""
        return ExactBatches(self.unet.with_words)

    @property
    def precision(self) -> str:
        """The U-Net's number format: "fp32" or "bf16"."""
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"

    def for_drawing(self, precision: str = "auto", keep: bool = True) -> TextToImage:
        """Return a model to draw with: the same, with U-Net and VAE packed for the CPU, in another number format.

        bf16 keeps 8 bits of each weight and draws slightly other pictures (docs/figures.md says how slightly), but in
        half of the time where the CPU has it. Save the model that was loaded, never this one.

        Args:
            precision: "fp32", "bf16", or "auto": bf16 where the CPU multiplies it in hardware. Read from the CPU and
                not measured, so that the same seed gives the same picture every time. The VAE follows in models made
                elsewhere; ours stays in fp32.
            keep: leave this model as it is. Without, its networks are changed, and no memory is needed twice.

        Raises:
            UserError: an unknown precision.
        """
        dtype = torch.bfloat16 if self.dtype == torch.bfloat16 else drawing_format(precision)
        if self.device.type != "cpu" and (precision == "auto" or dtype == self.dtype):
            return self
        pack, before = packed_copy if keep else packed_in_place, self.hash  # of the weights before they are rounded
        vae = pack(self.vae, dtype if self.files else torch.float32)
        model = replace(self, unet=pack(self.unet, dtype), vae=vae)
        model.__dict__["hash"] = before
        return model

    def with_loras(self, loras: Sequence[tuple[Path, float]]) -> TextToImage:
        """Add LoRAs to the weights, in place, and return self; the hash then names them too.

        Raises:
            UserError: a file that is no LoRA, is damaged, or belongs to another kind of model.
        """
        if loras:
            from fromnoise.weights.lora import with_loras

            before = self.hash
            applied = with_loras(self.unet, [reader.tower for reader in self.readers], loras)
            named = "".join(sorted(f" {lora.hash}:{weight}" for lora, weight in applied.loras))
            self.__dict__["hash"] = hashlib.sha256(f"{before}{named}".encode()).hexdigest()[:12]
        return self

    def decode(self, latents: Tensor) -> Tensor:
        """Return uint8 pictures [B,3,H,W] on the CPU for clean latents [B,C,h,w]."""
        if latents.device.type == "cpu" and (is_large(latents) or is_wide(latents, self.vae.factor)):
            return torch.cat([together(self._decode, (x[None],)) for x in latents])
        if latents.device.type == "cpu":
            return torch.cat(each_alone(self._decode, [(x[None],) for x in latents]))
        with torch.no_grad():
            return self._decode(latents).cpu()

    def _decode(self, latents: Tensor) -> Tensor:
        pictures = decode_any_size(self.vae, latents).float().clamp(-1, 1)
        return ((pictures + 1) * 127.5).round().to(torch.uint8)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> TextToImage:
        """Move all networks, in place, and return self. bfloat16 is faster on some CPUs and draws other bits."""
        _ = self.hash  # of the weights as they were loaded, before they are rounded
        for network in self.networks().values():
            network.to(device=device, dtype=dtype)
        return self

    # --- identity and files ----------------------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """12 hex digits that name this model: SHA-256 of all weights as stored in float16, and of the tokenizer."""
        return files_hash(self.files) if self.files else weights_hash(self.networks(), self.tokenizer)

    def networks(self) -> dict[str, nn.Module]:
        """Everything with weights, under the names of its folders."""
        parts: dict[str, nn.Module] = {"text_encoder": self.text_tower, "unet": self.unet, "vae": self.vae}
        parts |= {"text_encoder_2": self.second[1]} if self.second is not None else {}
        return parts if self.clip is None else {**parts, "clip": self.clip}

    def save_file(self, file: Path, dtype: torch.dtype | None = None) -> None:
        """Write a model built like Stable Diffusion into one file, in the original naming; arguments as :meth:`save`.

        Raises:
            UserError: another kind of model, or the file cannot be written.
        """
        noise = self.schedule.ends_in_pure_noise
        marks = [mark for mark, has in (("v_pred", self.prediction == "v"), ("ztsnr", noise)) if has]
        networks = (self.unet, self.vae, [reader.tower for reader in self.readers])
        save_single(file, networks, dtype, marks, self.scheduler)

    def save(self, folder: Path | str, dtype: torch.dtype | None = torch.float16) -> None:
        """Write the model as a folder, whole or not at all; a model that is there already is replaced.

        Args:
            folder: where to.
            dtype: of the files; None: as the networks are.

        Raises:
            UserError: the folder holds something else, the disk is full, or a weight does not fit ``dtype``.
        """
        with replaced_folder(Path(folder), "model_index.json") as draft:
            self._write(draft, dtype)

    def _write(self, folder: Path, dtype: torch.dtype | None) -> None:
        schedule = self.schedule.config
        if schedule is None:
            raise UserError("a noise schedule that was not built from a ScheduleConfig cannot be saved")
        self.tokenizer.save(folder / "tokenizer")
        save_text(self.text_tower, folder / "text_encoder", dtype)
        if self.second is not None:
            self.second[0].save(folder / "tokenizer_2")
            save_text(self.second[1], folder / "text_encoder_2", dtype)
        save_unet(self.unet, folder / "unet", dtype)
        save_vae(self.vae, folder / "vae", dtype)
        values = self.scheduler or scheduler_to_foreign(
            Scheduler(schedule.to_dict(), self.prediction, "ddim", {"spacing": "trailing"})
        )
        write_json(folder / SCHEDULER, values)
        save_index(folder, values["_class_name"], self.second is not None, self.for_inpainting, self.zero_empty)
        if self.clip is not None:
            same = equal_weights(self.clip.text, self.text_tower)
            save_clip(self.clip, folder / "clip", dtype, folder / TEXT_WEIGHTS if same else None)
        if self.few_steps is not None:
            shutil.copytree(self.few_steps, folder / FEW_STEPS)
        if self.scheduler is None:
            write_facts(folder, self.styles, self.defaults, self.card, self.copies)

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
        path = find_model(place)
        ours = (path / FACTS).exists()
        as_is = torch.float32 if ours and dtype is not None else dtype
        parts = open_file(path, dtype, prediction) if path.is_file() else open_folder(path, as_is)
        model = cls(
            tokenizer=parts.tokenizer,
            text_tower=parts.text_tower,
            unet=parts.unet,
            vae=parts.vae,
            schedule=ScheduleConfig.from_dict(parts.scheduler.schedule).build(),
            prediction=parts.scheduler.prediction,
            clip=parts.clip,
            second=parts.second,
            zero_empty=parts.zero_empty,
            stored=parts.stored,
            few_steps=path / FEW_STEPS if (path / FEW_STEPS).is_dir() else None,
        )
        if ours:
            styles, defaults, card, copies = read_facts(path)
            model = replace(model, styles=styles, defaults=defaults, card=card, copies=copies)
        else:
            defaults = elsewhere(parts.scheduler.sampler, str(parts.scheduler.path.get("spacing", "trailing")))
            values = parts.said or scheduler_to_foreign(parts.scheduler)
            card, note = {"name": path.stem}, parts.scheduler.note
            model = replace(model, defaults=defaults, card=card, files=parts.files, scheduler=values, note=note)
        for network in model.networks().values():
            # Attention reads a channels_last tensor without a copy. At batch 1 the U-Net is as fast either way
            # (30 and 31 ms for 38M weights on one core), the VAE's decoder a sixth faster.
            network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model
