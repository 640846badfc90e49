"""``fromnoise info --speed``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from fromnoise.cli import speed
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.speed import flops, inputs
from fromnoise.weights.configs import unet_to_foreign


def rows(out: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w[\w ]*?)  +(\S.*)$", out, re.MULTILINE))


def test_it_says_what_the_machine_is_worth(run: Any, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took = iter([4.0, 2.0, 8.0, 8.0, 8.0])
    monkeypatch.setattr(speed, "peak", lambda dtype: 1e9)
    monkeypatch.setattr(speed, "seconds", lambda call: next(took))
    monkeypatch.setattr(speed, "flops", lambda config: 5e7)
    monkeypatch.setattr(speed, "others", lambda: 0.0)
    found = rows(run("info", tiny_model_folder, "--speed").out)
    assert re.fullmatch(r"2\.00 s with 20 steps at \d+×\d+ \(the very first: 4\.00 s\)", found["one picture"])
    assert found["training"].startswith("8 pictures/s in ")
    assert found["training"].endswith("with Muon, 40% of the peak")
    assert found["10 hours"] == "the U-Net sees 0.3 million pictures"
    assert "note" not in found


def test_what_is_too_large_to_learn_here_and_a_busy_machine_are_said(
    run: Any, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "LARGEST", 1)
    monkeypatch.setattr(speed, "others", lambda: 1.5)
    found = rows(run("info", tiny_model_folder, "--speed").out)
    assert "too large" in found["training"]
    assert found["note"].startswith("other programs keep 1.5 cores busy")
    assert "10 hours" not in found


def test_operations_are_those_of_the_same_network_in_diffusers(tiny_model: TextToImage) -> None:
    config = tiny_model.unet.config
    theirs = UNet2DConditionModel(**{k: v for k, v in unet_to_foreign(config).items() if not k.startswith("_")})
    x, t, words, target = inputs(config, 1)
    with FlopCounterMode(display=False) as counter:
        (theirs(x, t, words).sample - target).square().mean().backward()
    assert flops(config) == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert torch.is_grad_enabled()
