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
