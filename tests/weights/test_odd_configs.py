"""Configs that hold another kind of value: one line that names file, setting and value, and never a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage


def with_setting(model: Path, folder: Path, file: str, name: str, value: Any) -> Path:
    shutil.copytree(model, folder)
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**values, name: value}))
    return folder


UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        (UNET, "down_block_types", None),
        (UNET, "down_block_types", 3),
        (UNET, "down_block_types", [["DownBlock2D"]]),
        (UNET, "up_block_types", None),
        (UNET, "up_block_types", [None]),
        (UNET, "up_block_types", {"a": "UpBlock2D"}),
        (UNET, "block_out_channels", 7),
        (UNET, "block_out_channels", None),
        (UNET, "block_out_channels", "32,48"),
        (UNET, "mid_block_type", []),
        (UNET, "addition_embed_type", ["text_time"]),
        (VAE, "block_out_channels", 7),
        (VAE, "block_out_channels", {}),
        (VAE, "down_block_types", None),
        (VAE, "up_block_types", 3),
        (VAE, "scaling_factor", True),
        (VAE, "scaling_factor", "0.18"),
        (VAE, "scaling_factor", None),
        (VAE, "scaling_factor", [1.0]),
        (VAE, "scaling_factor", float("inf")),
        (VAE, "shift_factor", False),
        (VAE, "shift_factor", ""),
        (TEXT, "architectures", -1),
        (TEXT, "architectures", [None]),
        (TEXT, "architectures", {"CLIPTextModelWithProjection": 1}),
        (TEXT, "architectures", False),
        ("clip/config.json", "text_config", [1]),
        ("clip/config.json", "vision_config", 3),
        ("clip/config.json", "projection_dim", "wide"),
        ("clip/config.json", "projection_dim", None),
        ("scheduler/scheduler_config.json", "_class_name", []),
        ("scheduler/scheduler_config.json", "_class_name", {}),
        ("model_index.json", "force_zeros_for_empty_prompt", "false"),
        ("model_index.json", "force_zeros_for_empty_prompt", 1),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_name(
    tiny_model_folder: Path, tmp_path: Path, file: str, name: str, value: Any
) -> None:
    folder = with_setting(tiny_model_folder, tmp_path / "model", file, name, value)
    if name == "_class_name":  # the index would name the class
        folder = with_setting(folder, tmp_path / "other", "model_index.json", "scheduler", None)
    with pytest.raises(UserError) as caught:
        TextToImage.load(folder)
    named = "scheduler" if name == "_class_name" else name
    assert file in str(caught.value)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        (TEXT, "architectures", None),
        (VAE, "shift_factor", None),
        (VAE, "shift_factor", 0),
        ("model_index.json", "force_zeros_for_empty_prompt", None),
        ("model_index.json", "force_zeros_for_empty_prompt", True),
    ],
)
def test_what_diffusers_writes_is_read(
    tiny_model_folder: Path, tmp_path: Path, file: str, name: str, value: Any
) -> None:
    model = TextToImage.load(with_setting(tiny_model_folder, tmp_path / "model", file, name, value))
    assert model.zero_empty is (value is True)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("model_max_length", 78, "model_max_length = 78 is more than the 12 tokens that the text encoder reads"),
        ("model_max_length", 10**6, "more than the 12 tokens"),
    ],
)
def test_a_tokenizer_of_longer_prompts_than_the_tower_reads_is_refused(
    tiny_model_folder: Path, tmp_path: Path, name: str, value: Any, said: str
) -> None:
    folder = with_setting(tiny_model_folder, tmp_path / "model", "tokenizer/tokenizer_config.json", name, value)
    with pytest.raises(UserError, match=said):
        TextToImage.load(folder)


@pytest.mark.parametrize("value", [None, 1e30])
def test_a_tokenizer_that_says_no_length_makes_prompts_as_long_as_the_tower_reads(
    tiny_model_folder: Path, tmp_path: Path, value: float | None
) -> None:
    """transformers writes 1e30 where nobody gave one."""
    file = "tokenizer/tokenizer_config.json"
    folder = with_setting(tiny_model_folder, tmp_path / "model", file, "model_max_length", value)
    if value is None:
        values = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({k: v for k, v in values.items() if k != "model_max_length"}))
    assert TextToImage.load(folder).tokenizer.context == 12


def test_more_tokens_than_the_tower_knows_are_refused(tiny_model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model_folder, tmp_path / "model")
    file = tmp_path / "model" / "tokenizer" / "vocab.json"
    words = json.loads(file.read_text())
    for other in ("vocab.json", "tokenizer.json"):
        place = tmp_path / "model" / "tokenizer" / other
        if other == "vocab.json":
            place.write_text(json.dumps({**words, "wobblefish</w>": len(words)}))
        else:
            place.unlink(missing_ok=True)
    with pytest.raises(UserError, match=rf"has {len(words) + 1} tokens, the text encoder knows {len(words)}"):
        TextToImage.load(tmp_path / "model")


def test_two_towers_of_one_prompt_read_it_at_one_length(tiny_model_folder: Path, tmp_path: Path) -> None:
    from checkpoints import pipeline

    pipeline("sdxl", tokenizer=tiny_model_folder / "tokenizer").save_pretrained(tmp_path / "sdxl")
    assert TextToImage.load(tmp_path / "sdxl").second is not None
    file = "tokenizer_2/tokenizer_config.json"
    folder = with_setting(tmp_path / "sdxl", tmp_path / "model", file, "model_max_length", 8)
    with pytest.raises(UserError, match="makes prompts of 12 tokens, tokenizer_2 for 8; both read the same prompt"):
        TextToImage.load(folder)


@pytest.mark.parametrize("steps", [1, 10**6 + 1, 10**9])
def test_a_schedule_of_any_length_is_none(tiny_model_folder: Path, tmp_path: Path, steps: int) -> None:
    """A thousand million levels would take eight gigabytes."""
    file = "scheduler/scheduler_config.json"
    folder = with_setting(tiny_model_folder, tmp_path / "model", file, "num_train_timesteps", steps)
    with pytest.raises(UserError, match=r"num_train_timesteps = \d+.*needs 2 to 1,000,000 steps"):
        TextToImage.load(folder)
