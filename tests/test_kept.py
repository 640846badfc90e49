"""Weights that are kept in 8 bits come back as what they were, to a rounding."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from fromnoise.system.text_to_image import TextToImage

KEPT = Path(__file__).parents[1] / "kept"


def keep(*arguments: object) -> None:
    subprocess.run([sys.executable, KEPT / "keep.py", *map(str, arguments)], check=True, capture_output=True)


def test_a_model_comes_back_to_a_rounding(tiny_model_folder: Path, tmp_path: Path) -> None:
    keep("pack", tiny_model_folder, tmp_path / "packed")
    keep("unpack", tmp_path / "packed", tmp_path / "back")
    files = [file.relative_to(tiny_model_folder) for file in tiny_model_folder.rglob("*.safetensors")]
    assert len(files) >= 3
    for file in files:
        before, after = load_file(tiny_model_folder / file), load_file(tmp_path / "back" / file)
        assert before.keys() == after.keys()
        packed = load_file(tmp_path / "packed" / file)
        for name, weight in before.items():
            if weight.ndim < 2:
                assert torch.equal(after[name].float(), weight.half().float())
                continue
            assert packed[name].dtype == torch.int8
            rows, back = weight.float().flatten(1), after[name].float().flatten(1)
            step = rows.abs().amax(1, keepdim=True) / 127
            assert bool(((rows - back).abs() <= 0.5 * step + 1e-3 * rows.abs() + 1e-6).all()), name
    TextToImage.load(tmp_path / "back")


def test_what_is_kept_can_be_gone_on_from(tmp_path: Path) -> None:
    for place in sorted(path for path in KEPT.iterdir() if path.is_dir() and not path.name.startswith("_")):
        keep("unpack", place, tmp_path / place.name)
        model = TextToImage.load(tmp_path / place.name)
        x = torch.randn(1, model.unet.config.in_channels, 8, 8)
        features = model.text_tower(model.tokenizer.encode(["a red dog"])).tokens
        assert bool(model.unet(x, torch.tensor([500]), features).isfinite().all())
