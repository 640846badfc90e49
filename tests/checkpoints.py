"""Tiny random Stable Diffusion checkpoints, made by diffusers and transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

import fromnoise

TOKENIZER = Path(fromnoise.__file__).parent / "assets" / "clip_tokenizer"
FAMILIES = ("sd1", "sd2", "sdxl")
WIDTHS = {"sd1": (32, 64), "sd2": (64, 128), "sdxl": (64, 128)}
CONTEXT = {"sd1": 64, "sd2": 128, "sdxl": 192}


def text_tower(width: int, layers: int, activation: str, projection: int = 0, words: int = 49408) -> Any:
    """A text tower of transformers, with CLIP's own vocabulary or one of so many ``words``."""
    config = CLIPTextConfig(
        vocab_size=words, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64), hidden_act=activation, max_position_embeddings=77,
        projection_dim=projection or 16, bos_token_id=words - 2, eos_token_id=words - 1, pad_token_id=1,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def unet(family: str, in_channels: int = 4, thinner: int = 1) -> Any:
    """A U-Net of diffusers that is built like the family's, and tiny; words are ``thinner`` times narrower."""
    cross, plain = "CrossAttnDownBlock2D", "DownBlock2D"
    down = (plain, cross) if family == "sdxl" else (cross, plain)
    more: dict[str, Any] = {"attention_head_dim": 8}
    if family != "sd1":
        more = {"attention_head_dim": [1, 2], "use_linear_projection": True}
    if family == "sdxl":
        more |= {"transformer_layers_per_block": [1, 2], "addition_embed_type": "text_time"}
        more |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + 32}
    return UNet2DConditionModel(
        sample_size=16, in_channels=in_channels, layers_per_block=1, norm_num_groups=32,
        block_out_channels=WIDTHS[family], down_block_types=down, cross_attention_dim=CONTEXT[family] // thinner,
        up_block_types=tuple(kind.replace("Down", "Up") for kind in reversed(down)), **more,
    )  # fmt: skip


def pipeline(family: str, in_channels: int = 4, tokenizer: Path = TOKENIZER, thinner: int = 1, **schedule: Any) -> Any:
    """A whole pipeline with random weights; equal arguments give equal weights.

    Args:
        family: of :data:`FAMILIES`.
        in_channels: of the U-Net.
        tokenizer: a folder.
        thinner: how many times narrower the text towers are.
        schedule: settings of the scheduler that are not the usual ones.
    """
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2, layers_per_block=1,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=32, sample_size=32,
        scaling_factor=0.13025 if family == "sdxl" else 0.18215,
    )  # fmt: skip
    settings = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
    settings |= {"set_alpha_to_one": False, "steps_offset": 1}
    settings |= {"prediction_type": "v_prediction" if family == "sd2" else "epsilon"}
    parts = {"vae": vae, "unet": unet(family, in_channels, thinner)}
    parts |= {"scheduler": DDIMScheduler(**{**settings, **schedule})}
    pad = {} if family == "sd1" else {"pad_token": "!"}
    parts |= {"tokenizer": CLIPTokenizer.from_pretrained(tokenizer)}
    words = len(parts["tokenizer"])
    if family == "sdxl":
        parts |= {"text_encoder": text_tower(64 // thinner, 2, "quick_gelu", words=words)}
        parts |= {"text_encoder_2": text_tower(128 // thinner, 3, "gelu", 32, words)}
        parts |= {"tokenizer_2": CLIPTokenizer.from_pretrained(tokenizer, **pad)}
        made = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        activation = "quick_gelu" if family == "sd1" else "gelu"
        parts |= {"text_encoder": text_tower(CONTEXT[family] // thinner, 2, activation, words=words)}
        parts |= {"tokenizer": CLIPTokenizer.from_pretrained(tokenizer, **pad)}
        kind = StableDiffusionPipeline if in_channels == 4 else StableDiffusionInpaintPipeline
        made = kind(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made
