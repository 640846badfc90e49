"""Numbers that run out of their format, wherever in a drawing, are one line and no picture."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import make_tiny_model
from fromnoise.drawing.generate import draw, draw_all
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import to_bytes
from fromnoise.system.engine import TorchEngine
from fromnoise.system.text_to_image import TextToImage

APPLE = Request(prompt="red apple", seed=7, steps=3)
PLACES = {"text_tower": "norm_out.weight", "unet": "conv_out.weight", "vae": "decoder.conv_out.weight"}


def spoilt(part: str, value: float) -> TextToImage:
    """The tiny model with one weight that every drawing meets put wrong."""
    model = make_tiny_model()
    weights = dict(getattr(model, part).named_parameters())
    with torch.no_grad():
        weights[PLACES[part]].view(-1)[0] = value
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", PLACES)
def test_a_weight_that_is_no_number_is_one_line_and_no_picture(part: str, value: float) -> None:
    """A decoder's would be a black picture, as users of fp16 VAEs know it; packed for drawing or not."""
    model = spoilt(part, value)
    for each in (model, model.for_drawing()):
        with pytest.raises(UserError, match="not-a-number") as caught:
            draw(each, APPLE)
        assert "\n" not in str(caught.value)


def test_the_command_says_so_and_writes_nothing(run: Any, tmp_path: Path, tiny_model_folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "spoilt"
    make_tiny_model().save(folder)
    (file,) = (folder / "vae").glob("*.safetensors")
    tensors = load_file(file)
    tensors["decoder.conv_out.bias"][1] = float("nan")
    save_file(tensors, file)
    found = run("generate", "red apple", "--model", folder, "--out", "apple.png", "--steps", "2")
    assert found.code != 0
    assert "VAE made not-a-number" in found.err
    assert "Traceback" not in found.err
    assert not (tmp_path / "apple.png").exists()


def test_what_is_too_large_for_float16_is_decoded_in_float32() -> None:
    """The first activations pass 65,504, which later normalisation would undo: the picture is that of float32."""
    vae = copy.deepcopy(make_tiny_model().vae)
    with torch.no_grad():
        first = vae.decoder.conv_in
        first.weight.mul_(2e5 / first.weight.abs().max()).clamp_(-6e4, 6e4)
        latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        half = copy.deepcopy(vae).half()
        assert not torch.isfinite(half.decode(latents)).all()
        expected = to_bytes(half.float().decode(latents))
        engine = TorchEngine(make_tiny_model().unet, copy.deepcopy(vae).half())
        found = [engine.decode(latents) for _ in range(2)]
    assert expected.unique().numel() > 20
    for pictures in found:
        assert (pictures.int() - expected.int()).abs().max() <= 1


def test_one_that_fails_among_many_of_a_request_is_not_handed_out(
    tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way latents become infinite: the call refuses all, and nothing half black comes back."""
    plain, calls = type(tiny_model.unet).with_words, []

    def sometimes(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return plain(*arguments) * (float("inf") if len(calls) > 3 else 1)

    monkeypatch.setattr(type(tiny_model.unet), "with_words", sometimes)
    with pytest.raises(UserError, match="became not-a-number"):
        draw_all(tiny_model, [APPLE, replace(APPLE, seed=8)])
