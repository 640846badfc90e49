"""A whole text-to-image model: tokenizer, text tower, U-Net, VAE, noise schedule; and its folder on disk.

The folder is in the diffusers layout. What that layout has no place for (styles, the settings that suit the
model, how it was trained) is in ``fromnoise.json`` beside ``model_index.json``.
"""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fromnoise.config import Config
from fromnoise.cores import each_alone
from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.schedule import NoiseSchedule, ScheduleConfig
from fromnoise.errors import UserError
from fromnoise.models.clip.clip import CLIP
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.vae import VAE
from fromnoise.picturewise import ExactBatches, PicturewiseDenoiser, native_bf16
from fromnoise.weights.clip_layout import TEXT_WEIGHTS, equal_weights, load_clip, load_text, save_clip, save_text
from fromnoise.weights.diffusers_layout import (
    load_scheduler,
    load_unet,
    load_vae,
    save_index,
    save_scheduler,
    save_unet,
    save_vae,
)
from fromnoise.weights.files import read_json, write_json

DEFAULT_MODEL = "stickers-64"
PRECISIONS = ("auto", "bf16", "fp32")
FACTS = "fromnoise.json"
FORMAT = 1  # of fromnoise.json


@dataclass(frozen=True)
class Defaults(Config):
    """How a model is best drawn with; a request may say otherwise.

    Attributes:
        steps: moves of the sampler.
        guidance: scale of classifier-free guidance; 1 = off.
        interval: (lowest, highest) t at which guidance acts.
        rescale: 0..1, how far the contrast that guidance adds is taken back.
        sampler: name of the sampler.
        spacing: how the steps are spread over t: "trailing" or "log_snr".
    """

    steps: int = 20
    guidance: float = 3.0
    interval: tuple[int, int] = (60, 850)
    rescale: float = 0.5
    sampler: str = "dpm++"
    spacing: str = "log_snr"


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

    # --- drawing ---------------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the U-Net is."""
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """In which format the U-Net computes."""
        return next(self.unet.parameters()).dtype

    def latent_shape(self, pixels: int | None = None) -> tuple[int, int, int]:
        """Return (C, h, w) of the latents of a picture; ``pixels`` defaults to what it was trained on."""
        side = self.unet.config.sample_size if pixels is None else pixels // self.vae.factor
        return self.unet.config.in_channels, side, side

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return the text tower's features, float32 [B,L,D]; each text alone, so that no other text changes it."""
        ids = self.tokenizer.encode(list(texts)).to(next(self.text_tower.parameters()).device)
        if ids.device.type == "cpu":
            return torch.cat(each_alone(lambda one: self.text_tower(one).tokens.float(), [(x[None],) for x in ids]))
        with torch.no_grad():
            return self.text_tower(ids).tokens.float()

    def read(self, texts: Sequence[str]) -> Tensor:
        """Return what the U-Net's attention makes of texts, [B,L,W]: the same at every step, so it is read once."""
        features = self.embed(texts).to(self.device)
        if self.device.type == "cpu":
            return torch.cat(each_alone(self.unet.read, [(x[None],) for x in features]))
        with torch.no_grad():
            return self.unet.read(features)

    def denoiser(self) -> PicturewiseDenoiser:
        """Return the U-Net as a denoiser; ``cond`` is what :meth:`read` returns."""
        network = NetworkDenoiser(self.unet.with_words, self.schedule, self.prediction)
        return PicturewiseDenoiser(network, self._batches)

    @cached_property
    def _batches(self) -> ExactBatches:
        """What has been found out about batch sizes of this U-Net."""
        return ExactBatches(self.unet.with_words)

    @property
    def precision(self) -> str:
        """The U-Net's number format: "fp32" or "bf16"."""
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"

    def for_drawing(self, precision: str = "auto") -> TextToImage:
        """Return a model to draw with: the same, with a U-Net that computes in another number format.

        bf16 keeps 8 bits of each weight and draws slightly other pictures (docs/figures.md says how slightly), but in
        half of the time where the CPU has it. Save the model that was loaded, never this one.

        Args:
            precision: "fp32", "bf16", or "auto": bf16 where the CPU multiplies it in hardware. Read from the CPU and
                not measured, so that the same seed gives the same picture every time.

        Raises:
            UserError: an unknown precision.
        """
        if precision not in PRECISIONS:
            raise UserError(f"--precision must be one of {', '.join(PRECISIONS)}, not '{precision}'")
        if precision == "fp32" or (precision == "auto" and not (self.device.type == "cpu" and native_bf16())):
            return self
        unet = copy.deepcopy(self.unet).to(torch.bfloat16)
        model = replace(self, unet=unet)
        model.__dict__["hash"] = self.hash  # of the weights as they were loaded, before they are rounded
        return model

    def decode(self, latents: Tensor) -> Tensor:
        """Return uint8 pictures [B,3,H,W] on the CPU for clean latents [B,C,h,w]."""
        if latents.device.type == "cpu":
            return torch.cat(each_alone(self._decode, [(x[None],) for x in latents]))
        with torch.no_grad():
            return self._decode(latents).cpu()

    def _decode(self, latents: Tensor) -> Tensor:
        pictures = self.vae.decode(latents).float().clamp(-1, 1)
        return ((pictures + 1) * 127.5).round().to(torch.uint8)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> TextToImage:
        """Move all networks, in place, and return self. bfloat16 is faster on some CPUs and draws other bits."""
        _ = self.hash  # of the weights as they were loaded, before they are rounded
        for network in self._networks().values():
            network.to(device=device, dtype=dtype)
        return self

    # --- identity and files ----------------------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """12 hex digits that name this model: SHA-256 of all weights as stored in float16, and of the tokenizer."""
        digest = hashlib.sha256()
        for part, network in self._networks().items():
            for name, tensor in sorted(network.state_dict().items()):
                digest.update(f"{part}.{name} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.detach().to("cpu", torch.float16).flatten().view(torch.uint8).numpy().data)
        with tempfile.TemporaryDirectory() as folder:
            self.tokenizer.save(Path(folder))
            digest.update((Path(folder) / "vocab.json").read_bytes())
            digest.update((Path(folder) / "merges.txt").read_bytes())
        return digest.hexdigest()[:12]

    def _networks(self) -> dict[str, nn.Module]:
        """Everything with weights, under the names of its folders."""
        parts: dict[str, nn.Module] = {"text_encoder": self.text_tower, "unet": self.unet, "vae": self.vae}
        return parts if self.clip is None else {**parts, "clip": self.clip}

    def save(self, folder: Path | str, dtype: torch.dtype = torch.float16) -> None:
        """Write the model as a folder, whole or not at all; a model that is there already is replaced.

        Raises:
            UserError: the folder holds something else, the disk is full, or a weight does not fit ``dtype``.
        """
        target = Path(folder)
        _check_replaceable(target)
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            self._write(draft, dtype)
            _swap(draft, target)
        except OSError as error:
            raise UserError(f"cannot write the model to {target}: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _write(self, folder: Path, dtype: torch.dtype) -> None:
        schedule = self.schedule.config
        if schedule is None:
            raise UserError("a noise schedule that was not built from a ScheduleConfig cannot be saved")
        save_index(folder)
        self.tokenizer.save(folder / "tokenizer")
        save_text(self.text_tower, folder / "text_encoder", dtype)
        save_unet(self.unet, folder / "unet", dtype)
        save_vae(self.vae, folder / "vae", dtype)
        save_scheduler(schedule.to_dict(), self.prediction, folder / "scheduler")
        if self.clip is not None:
            same = equal_weights(self.clip.text, self.text_tower)
            save_clip(self.clip, folder / "clip", dtype, folder / TEXT_WEIGHTS if same else None)
        facts = {"styles": list(self.styles), "defaults": self.defaults.to_dict(), "card": self.card}
        write_json(folder / FACTS, {"format": FORMAT, **facts})

    @classmethod
    def load(cls, folder: Path | str | None = None) -> TextToImage:
        """Read a model, in float32 on the CPU, ready to draw.

        Args:
            folder: a folder in the diffusers layout, or the name of a shipped model; None for the default one.

        Raises:
            UserError: no such model, or a file in it is missing, damaged, or does not fit its config.
        """
        path = find_model(folder)
        styles, defaults, card = _facts(path)
        values, prediction = load_scheduler(path / "scheduler")
        text_tower = load_text(path / "text_encoder")
        clip = load_clip(path / "clip", text_tower) if (path / "clip").is_dir() else None
        model = cls(
            tokenizer=Tokenizer.load(path / "tokenizer"),
            text_tower=text_tower,
            unet=load_unet(path / "unet"),
            vae=load_vae(path / "vae"),
            schedule=ScheduleConfig.from_dict(values).build(),
            prediction=prediction,
            styles=styles,
            card=card,
            clip=clip,
            defaults=defaults,
        )
        for network in model._networks().values():
            # Attention reads a channels_last tensor without a copy. At batch 1 the U-Net is as fast either way
            # (30 and 31 ms for 38M weights on one core), the VAE's decoder a sixth faster.
            network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model


def find_model(name: Path | str | None = None) -> Path:
    """Return the folder of a model: a path, the name of a shipped model, or None for the default one.

    Raises:
        UserError: there is no such model; shipped ones are named.
    """
    shipped = Path(str(resources.files("fromnoise"))) / "assets" / "models"
    wanted = Path(name or DEFAULT_MODEL)
    for path in (shipped / wanted,) if name is None else (wanted, shipped / wanted):
        if (path / "model_index.json").is_file():
            return path
    if (wanted / "model" / "model_index.json").is_file():
        raise UserError(f"'{wanted}' is a training run; its model is '{wanted / 'model'}'")
    known = ", ".join(sorted(x.name for x in shipped.iterdir())) if shipped.is_dir() else "none"
    raise UserError(f"'{wanted}' is not a model: no model_index.json there; shipped models: {known}")


def _facts(folder: Path) -> tuple[tuple[str, ...], Defaults, dict[str, Any]]:
    """Return (styles, defaults, card); a model from elsewhere has none of them."""
    file = folder / FACTS
    if not file.exists():
        return (), Defaults(), {}
    facts = read_json(file)
    if facts.get("format") != FORMAT:
        raise UserError(f"{file} has format {facts.get('format')!r}; this version reads {FORMAT}: update fromnoise")
    try:
        return tuple(facts["styles"]), Defaults.from_dict(facts["defaults"]), dict(facts["card"])
    except (KeyError, TypeError, AttributeError, UserError) as error:
        raise UserError(f"{file} is damaged: {error}") from None


def _check_replaceable(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; give the model another folder")
    if target.is_dir() and any(target.iterdir()) and not (target / "model_index.json").exists():
        raise UserError(f"{target} holds something that is not a model; give the model an empty or new folder")


def _swap(draft: Path, target: Path) -> None:
    """Put the finished folder in place. The old one is moved aside first and comes back if that fails."""
    old = draft.with_suffix(".old")
    if not target.exists():
        os.replace(draft, target)
        return
    os.replace(target, old)
    try:
        os.replace(draft, target)
    except OSError:
        os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
