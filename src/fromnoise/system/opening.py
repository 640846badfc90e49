"""Models from elsewhere: folders in the diffusers layout, single files, and the Hugging Face hub."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIP
from fromnoise.models.clip.text_tower import TextConfig, TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet.unet import UNet, UNetConfig
from fromnoise.models.vae.vae import VAE, VAEConfig
from fromnoise.system.defaults import LORA
from fromnoise.weights.clip_layout import filled, load_clip, load_text, text_table
from fromnoise.weights.diffusers_layout import filled_unet, filled_vae, load_unet, load_vae
from fromnoise.weights.files import read_json
from fromnoise.weights.hub import fetch, is_hub_id
from fromnoise.weights.schedulers import Scheduler, scheduler_from_foreign, stable_diffusion_scheduler
from fromnoise.weights.single_file import open_single
from fromnoise.weights.stored import find_weights

DEFAULT_MODEL = "stickers-64"
KNOWN_PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
)

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
ENDINGS = (".safetensors", *PICKLES, ".gguf", ".onnx", ".json")
SCHEDULER = Path("scheduler") / "scheduler_config.json"
FEW_STEPS = "few_steps"  # the folder of what draws in a few steps (:mod:`fromnoise.system.few_steps`)


@dataclass(frozen=True, eq=False)
class Parts:
    """A model taken from files, not yet put together.

    Attributes:
        tokenizer, text_tower: the first reader of prompts.
        unet, vae: the other two networks.
        scheduler: its noise schedule, what its U-Net predicts, and the sampler it came with.
        clip: both towers of the text tower's CLIP model, if they are there.
        second: the second reader of prompts (Stable Diffusion XL).
        zero_empty: an empty negative prompt stands for zeros, not for the words "" (Stable Diffusion XL).
        files: all files with weights.
        stored: the number format the U-Net is stored in.
        said: config of the scheduler as it was found; None for files that have none.
    """

    tokenizer: Tokenizer
    text_tower: TextTower
    unet: UNet
    vae: VAE
    scheduler: Scheduler
    clip: CLIP | None
    second: tuple[Tokenizer, TextTower] | None
    zero_empty: bool
    files: tuple[Path, ...]
    stored: torch.dtype
    said: dict[str, Any] | None = None


def open_folder(folder: Path, dtype: torch.dtype | None = torch.float32) -> Parts:
    """Read a folder in the diffusers layout.

    Raises:
        UserError: a file is missing, damaged, does not fit its config, or is of a kind of model that we do not have.
    """
    index = read_json(folder / "model_index.json")
    kind = index.get("_class_name", KNOWN_PIPELINES[0])
    if kind not in KNOWN_PIPELINES:
        raise UserError(f"{folder} is a {kind!s:.60}; known are Stable Diffusion 1.x, 2.x and XL")
    check_components(index, folder / "model_index.json")
    text_tower = load_text(folder / "text_encoder", dtype)
    second = None
    if (folder / "text_encoder_2").is_dir():
        second_tower = load_text(folder / "text_encoder_2", dtype)
        second = _tokenizer(folder / "tokenizer_2", second_tower), second_tower
    own = None if dtype is None else torch.float32  # of what is not rounded for speed
    said = _with_class(read_json(folder / SCHEDULER), index)
    unet_files = find_weights(folder / "unet", "diffusion_pytorch_model")
    parts = Parts(
        tokenizer=_tokenizer(folder / "tokenizer", text_tower),
        text_tower=text_tower,
        unet=load_unet(folder / "unet", dtype),
        vae=load_vae(folder / "vae", own),
        scheduler=scheduler_from_foreign(said, folder / SCHEDULER),
        clip=load_clip(folder / "clip", text_tower, own) if (folder / "clip").is_dir() else None,
        second=second,
        zero_empty=_zero_empty(index, folder / "model_index.json"),
        files=tuple(file for file in sorted(folder.glob("*/*.safetensors")) if file.parent.name != FEW_STEPS),
        stored=unet_files.dtype,
        said=said,
    )
    check_sizes(
        parts.unet.config, parts.vae.config, [text_tower.config, *([second[1].config] if second else [])], folder
    )
    if second and second[0].context != parts.tokenizer.context:
        lengths = f"{parts.tokenizer.context} tokens, tokenizer_2 for {second[0].context}"
        raise UserError(f"{folder}: tokenizer makes prompts of {lengths}; both read the same prompt")
    return parts


def _tokenizer(folder: Path, tower: TextTower) -> Tokenizer:
    """The tokenizer that a text tower reads with.

    Raises:
        UserError: it is damaged, or makes longer prompts or more tokens than the tower knows.
    """
    tokenizer, config = Tokenizer.load(folder, tower.config.context), tower.config
    if tokenizer.context > config.context:
        raise UserError(
            f"{folder}: model_max_length = {tokenizer.context} is more than the {config.context} tokens that the text "
            "encoder reads"
        )
    if tokenizer.vocab_size > config.vocab_size:
        raise UserError(f"{folder} has {tokenizer.vocab_size} tokens, the text encoder knows {config.vocab_size}")
    return tokenizer


def _zero_empty(index: Mapping[str, Any], file: Path) -> bool:
    """Whether an empty negative prompt stands for zeros; where the index says nothing, only XL's does."""
    xl = str(index.get("_class_name", "")).startswith("StableDiffusionXL")
    said = index.get("force_zeros_for_empty_prompt", xl)
    if said is not None and not isinstance(said, bool):
        raise UserError(f"{file}: force_zeros_for_empty_prompt = {said!r:.60} is not supported; it is true or false")
    return bool(said)


# Which classes may open which folder of a model. Others (feature extractors, safety checkers) draw nothing.
COMPONENTS = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "text_encoder_2": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "tokenizer_2": ("CLIPTokenizer", "CLIPTokenizerFast"),
}


def check_components(index: Mapping[str, Any], file: Path) -> None:
    """Refuse a model whose index names parts that we do not have.

    Raises:
        UserError: naming the part and its class; or a U-Net that is told a score of beauty.
    """
    if index.get("requires_aesthetics_score"):
        raise UserError(f"{file}: requires_aesthetics_score is not supported; use the base model")
    for part, known in COMPONENTS.items():
        if part not in index:
            continue
        found = index[part][-1] if isinstance(index[part], list) and index[part] else index[part]
        if found not in known:
            what = "is empty" if found is None else f"is a {found!s:.60}"
            raise UserError(f"{file}: {part} {what}, which is not supported; known: {', '.join(known)}")


def _with_class(said: dict[str, Any], index: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's config, for the class that the model's index names: that is the one diffusers draws with."""
    named = index.get("scheduler")
    kind = named[1] if isinstance(named, list) and len(named) == 2 else None
    return {**said, "_class_name": kind} if isinstance(kind, str) else said


def open_file(file: Path, dtype: torch.dtype | None = torch.float32, prediction: str | None = None) -> Parts:
    """Read a single safetensors file in the original naming.

    Args:
        file: of Stable Diffusion 1.x, 2.x or XL.
        dtype: for the U-Net and the text towers; None: as stored.
        prediction: "epsilon" or "v" where the file's kind does not tell (Stable Diffusion 2.x base is "epsilon").

    Raises:
        UserError: the file is damaged, or is of a kind of model that we do not have.
    """
    single = open_single(file, prediction)
    texts = [config for config, _ in single.texts]
    check_sizes(single.unet[0], single.vae[0], texts, file)
    towers: list[TextTower] = [filled(config, text_table(config), weights, dtype) for config, weights in single.texts]
    padded = "!" if single.family == "sd2" else None
    second = None
    if len(towers) == 2:
        second = clip_tokenizer("!"), towers[1]
    if single.scheduler is None:
        said, scheduler = None, stable_diffusion_scheduler(single.prediction, single.zero_terminal_snr)
    else:
        said, scheduler = single.scheduler, scheduler_from_foreign(single.scheduler, file)
    return Parts(
        tokenizer=clip_tokenizer(padded),
        text_tower=towers[0],
        unet=filled_unet(*single.unet, dtype),
        vae=filled_vae(*single.vae, (single.factor, 0.0), None if dtype is None else torch.float32),
        scheduler=scheduler,
        clip=None,
        second=second,
        zero_empty=single.family == "sdxl",
        files=(file,),
        stored=single.unet[1].dtype,
        said=said,
    )


@functools.cache  # nothing changes it, and reading its 49,408 words takes half a second
def clip_tokenizer(pad: str | None = None) -> Tokenizer:
    """The tokenizer of OpenAI's CLIP, which all Stable Diffusion models use and single files do not carry.

    Args:
        pad: the token that pads; the end token by default, "!" for OpenCLIP's towers.
    """
    if pad is not None:
        return clip_tokenizer().padded_with(pad)
    return Tokenizer.load(Path(str(resources.files("fromnoise"))) / "assets" / "clip_tokenizer")


def check_sizes(unet: UNetConfig, vae: VAEConfig, texts: Sequence[TextConfig], place: Path) -> None:
    """Refuse networks whose sizes do not fit each other.

    Raises:
        UserError: naming both sizes.
    """
    latent, width = vae.latent_channels, sum(text.width for text in texts)
    if unet.cross_attention_dim != width:
        raise UserError(f"{place}: the U-Net reads {unet.cross_attention_dim} features, the text side has {width}")
    if unet.out_channels != latent or unet.in_channels not in (latent, 2 * latent + 1):
        others = {latent + 1: "depth maps", latent + 3: "upscaling", 2 * latent: "InstructPix2Pix"}
        kind = others.get(unet.in_channels)
        raise UserError(
            f"{place}: the U-Net has {unet.in_channels} channels in and {unet.out_channels} out, the VAE {latent}"
            f"{f', as models for {kind} have' if kind else ''}; "
            f"known are {latent} in, and {2 * latent + 1} in for inpainting"
        )
    pooled = texts[-1].projection or texts[-1].width
    if unet.vector_width and unet.vector_width != pooled + 6 * unet.size_width:
        raise UserError(f"{place}: the U-Net is told {unet.vector_width} numbers, and not {pooled} and six sizes")


def find_model(name: Path | str | None = None) -> Path:
    """Return where a model is: a folder, a single file, a shipped one by name, or one from the Hugging Face hub.

    Raises:
        UserError: there is no such model; shipped ones are named.
    """
    if isinstance(name, str) and not name.strip():
        raise UserError(f"the model's name is empty; leave it out for {DEFAULT_MODEL}, or name a folder, file or model")
    shipped = Path(str(resources.files("fromnoise"))) / "assets" / "models"
    wanted = Path(name or DEFAULT_MODEL).expanduser()
    if name is not None and wanted.is_file():
        return _checked_file(wanted)
    for path in (shipped / wanted,) if name is None else (wanted, shipped / wanted):
        if (path / "model_index.json").is_file():
            return path
    if (wanted / "model" / "model_index.json").is_file():
        raise UserError(f"'{wanted}' is a training run; its model is '{wanted / 'model'}'")
    if not wanted.exists() and is_local(str(name)):
        raise UserError(_nothing_at(wanted))
    if not wanted.exists() and is_hub_id(str(name)):
        return fetch(str(name))
    if any((path / "story.json").is_file() for path in (wanted, shipped / wanted, wanted / "model")):
        raise UserError(f"'{wanted}' is a story model; use it with: fromnoise story --model …")
    if (wanted / LORA).is_file():
        raise UserError(f"'{wanted}' is the run of a LoRA, which is used beside a model: --lora {wanted / LORA}")
    known = ", ".join(sorted(x.parent.name for x in shipped.glob("*/model_index.json"))) or "none"
    raise UserError(f"'{wanted}' is not a model: no model_index.json there; shipped models: {known}")


def check_weights(place: Path) -> None:
    """Refuse a single file that is no file of weights, by its name; of a folder nothing is said.

    Raises:
        UserError: it is something else, as a picture.
    """
    if place.is_file() and place.suffix.lower() not in ENDINGS:
        raise UserError(
            f"{place} is no model; name a folder or a file of weights (of a picture, fromnoise inspect origin tells)"
        )


def is_local(name: str) -> bool:
    """Whether a name means a place on this machine, and is not to be asked for on the hub.

    It does if it is written as a path (./, ../, ~, /, C:, with backslashes or many parts), ends like a file of weights,
    or begins with a folder that is here.
    """
    parts = re.split(r"[/\\]", name)
    written = name.startswith((".", "~", "/")) or "\\" in name or ":" in name or len(parts) > 2
    ending = difflib.get_close_matches(Path(name).suffix.lower(), ENDINGS, n=1, cutoff=0.8)
    return written or bool(ending) or (len(parts) > 1 and Path(parts[0]).exists())


def _nothing_at(wanted: Path) -> str:
    """What to say where nothing is: the name, and what is there that is called nearly so."""
    kind = "file" if wanted.suffix.lower() in ENDINGS else "file or folder"
    if not wanted.parent.is_dir():
        return f"there is no {kind} {wanted}, and no folder {wanted.parent}"
    near = difflib.get_close_matches(wanted.name, [x.name for x in wanted.parent.iterdir()], n=1)
    return f"there is no {kind} {wanted}{f'; did you mean {wanted.parent / near[0]}?' if near else ''}"


def _checked_file(file: Path) -> Path:
    if file.suffix.lower() in PICKLES:
        raise UserError(
            f"{file} is a pickle, which can run code when it is opened; turn it into safetensors with: "
            f"fromnoise convert {file} {file.stem}.safetensors --allow-pickle"
        )
    return file
